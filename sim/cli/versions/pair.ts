/** Two engines that are to run the same: what only one of them has is drawn for neither, and seeds of both avoid the same. */
import { type Feature, UsageError } from "../../../drivers/engine/contract.ts";
import { avoidedShapes } from "../../../fixtures/expectations/expectations.ts";
import { inOrder } from "../../../fixtures/generators/shapes.ts";
import type { Explorer } from "../../explore/explorer.ts";
import type { Avoid } from "../../explore/generate.ts";
import { type ExplorerSpec, explorerFrom } from "../../explore/spec.ts";
import { choosePrograms, chooseProperties, loadExpectations, type RunOptions } from "../options.ts";

export interface PairOptions extends RunOptions {
	readonly against: string;
}

export interface PreparedPair {
	readonly engine: Explorer;
	readonly against: Explorer;
	/** What workers make the explorers from. */
	readonly specs: { readonly engine: ExplorerSpec; readonly against: ExplorerSpec };
	/** What only one of the two has. */
	readonly leftOut: readonly Feature[];
}

/** @throws UsageError when an engine cannot be loaded, or no program is left that both can run. */
export async function preparePair(options: PairOptions): Promise<PreparedPair> {
	const names = [options.engine, options.against] as const;
	const [a, b] = await Promise.all([featuresOf(names[0]), featuresOf(names[1])]);
	const lacking = new Set([...(options.lacking ?? []), ...[...a, ...b].filter((one) => !a.has(one) || !b.has(one))]);
	const leftOut = [...lacking].sort();
	const avoid = avoidOf(options, names);
	const spec = {
		programs: choosePrograms(options.program),
		properties: chooseProperties(options.suite, options.property).map(({ id }) => id),
		...(options.faults === undefined ? {} : { faults: options.faults }),
		...(avoid.shapes.length === 0 ? {} : { avoid }),
		...(leftOut.length === 0 ? {} : { lacking: leftOut }),
	};
	const specs = { engine: { ...spec, engine: names[0] }, against: { ...spec, engine: names[1] } };
	const [engine, against] = await Promise.all([explorerFrom(specs.engine), explorerFrom(specs.against)]);
	if (engine.programs.length === 0 && !engine.generates) {
		throw new UsageError(`${names.join(" and ")} cannot both run ${options.program?.join(", ")}.`);
	}
	return { engine, against, specs, leftOut };
}

async function featuresOf(engine: string): Promise<ReadonlySet<Feature>> {
	return (await explorerFrom({ engine, programs: [], properties: [] })).target.engine.features;
}

/** What was asked for, or what the list of either poisons. */
function avoidOf({ avoid, expectations }: PairOptions, engines: readonly string[]): Avoid {
	if (avoid !== undefined) return { shapes: inOrder(avoid), always: true };
	const listed = engines.flatMap((name) => avoidedShapes(loadExpectations({ name }, expectations)));
	return { shapes: inOrder(listed), always: false };
}
