/**
 * What an explorer is made of, as plain data: the command line says it, and every worker thread makes its own explorer from
 * it. Whatever decides what a seed means belongs here, or workers would explore something else.
 */
import { type Feature, UsageError } from "../../drivers/engine/contract.ts";
import { loadEngine } from "../../drivers/engine/load.ts";
import { memoryStorage } from "../../drivers/storage/memory/driver.ts";
import { GENERATED } from "../../fixtures/generators/interpret.ts";
import { PROGRAMS } from "../../fixtures/programs/index.ts";
import { IN_PROCESSES, ON_DRIVER, PROPERTIES } from "../../suites/index.ts";
import type { Property } from "../../suites/property.ts";
import type { FaultKind } from "../world/faults.ts";
import { Explorer } from "./explorer.ts";
import type { Avoid } from "./generate.ts";
import type { UnderTest } from "./on-driver.ts";

const ALL: readonly Property[] = [...new Set([...PROPERTIES, ...ON_DRIVER, ...IN_PROCESSES])];

export interface ExplorerSpec {
	/** Name of a published engine, or the path of a build. */
	readonly engine: string;
	/** Names of the programs to draw from, `generated` for those made of statements. Their order is part of what a seed means. */
	readonly programs: readonly string[];
	/** Ids of the properties to judge by. */
	readonly properties: readonly string[];
	/** Kinds of fault that plans are drawn from; the usual ones when absent. */
	readonly faults?: readonly FaultKind[];
	/** Shapes that seeds avoid; none when absent. */
	readonly avoid?: Avoid;
	/** What the engine is taken not to have, so that seeds mean the same on another that has it not. */
	readonly lacking?: readonly Feature[];
}

/**
 * @param under a real driver that the runs are made on.
 * @throws UsageError when the engine cannot be loaded, or when there is no program or property of a name.
 */
export async function explorerFrom(spec: ExplorerSpec, under?: UnderTest): Promise<Explorer> {
	const { programs, properties, faults, avoid, lacking = [] } = spec;
	const whole = await loadEngine(spec.engine);
	const features = new Set([...whole.features].filter((feature) => !lacking.includes(feature)));
	const engine = lacking.length === 0 ? whole : { ...whole, features };
	const storage = under === undefined ? memoryStorage : { ...memoryStorage, name: under.driver.name };
	const target = { engine, storage };
	const chosenPrograms = programs
		.filter((name) => name !== GENERATED)
		.map((name) => {
			const program = PROGRAMS.find((candidate) => candidate.name === name);
			if (program === undefined) throw new UsageError(`Unknown program "${name}"; see pnpm sim list.`);
			return program;
		});
	const chosenProperties = properties.map((id) => {
		const property = ALL.find((candidate) => candidate.id === id);
		if (property === undefined) throw new UsageError(`Unknown property "${id}"; see pnpm sim list.`);
		return property;
	});
	return new Explorer(
		target,
		chosenPrograms,
		chosenProperties,
		faults === undefined ? "usual" : new Set(faults),
		programs.includes(GENERATED),
		avoid,
		under,
	);
}
