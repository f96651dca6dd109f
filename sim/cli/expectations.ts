/** `pnpm sim expectations`: the list of known failures of an engine, shown or brought up to date. */

import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { type Expectation, formatExpectations } from "../../fixtures/expectations/expectations.ts";
import { findingId } from "../../reports/model.ts";
import { plural, wrap } from "../../reports/text.ts";
import type { Scenario } from "../../suites/scenario.ts";
import { campaign } from "../explore/campaign/campaign.ts";
import { commands, DEFAULT_RUNS } from "./explore.ts";
import { expectationsFile, loadExpectations, prepare, type RunOptions } from "./options.ts";
import { progressOf, widthOf } from "./terminal.ts";

export interface ExpectationsOptions extends RunOptions {
	readonly update?: boolean;
	readonly runs?: number;
	readonly workers?: number;
}

/** What a new entry says until somebody has written what a user loses. */
export const UNEXPLAINED = "New, and not explained yet: say what a user loses by it.";

export async function expectations(options: ExpectationsOptions): Promise<void> {
	const { explorer, target, spec } = await prepare(options);
	const { engine } = target;
	const known = loadExpectations(engine, options.expectations);
	const width = widthOf(process.stdout);
	if (options.update !== true) {
		const text = known.map(
			({ property, kind, reason }) =>
				`${property}/${kind}\n${wrap(reason, width, "    ")}\n    pnpm sim --known ${property}/${kind}`,
		);
		process.stdout.write(`${engine.name}: ${plural(known.length, "known failure")}\n\n${text.join("\n\n")}\n`);
		return;
	}

	const runs = options.runs ?? DEFAULT_RUNS;
	const progress = progressOf(runs, false);
	const result = await campaign(explorer, {
		from: 1,
		runs,
		workers: { count: options.workers ?? availableParallelism(), spec },
		expectations: known,
		onProgress: (done, findings) => progress.update(done, `${findings} new`),
		...commands(options),
	});
	progress.stop();
	if (result.problems.length > 0) throw new Error(`The list was left as it is: ${result.problems.join("; ")}`);

	const listed = new Map(known.map((entry) => [findingId(entry), entry]));
	const updated: Expectation<Scenario>[] = result.findings
		.filter(({ verdict }) => verdict !== "fixed")
		.sort((a, b) => (a.id < b.id ? -1 : 1))
		.map(({ id, property, kind }) => {
			const entry = listed.get(id);
			// A kept run that still shows the failure stays, so that the list changes only where the engine did.
			const scenario = entry?.scenario ?? result.scenarios.get(id);
			if (scenario === undefined) throw new Error(`${id} was found without a scenario.`);
			return { property, kind, reason: UNEXPLAINED, ...entry, scenario };
		});
	const file = options.expectations ?? expectationsFile(engine);
	writeFileSync(
		file,
		formatExpectations(
			updated,
			`What ${engine.name} is known to get wrong, with a run that shows it.\nBrought up to date by: pnpm sim expectations --update --engine ${engine.name}`,
		),
	);
	const added = updated.filter((entry) => !listed.has(findingId(entry))).length;
	const removed = result.findings.filter(({ verdict }) => verdict === "fixed").length;
	process.stdout.write(
		`${relative(".", file)}: ${plural(updated.length, "known failure")}, ${added} added, ${removed} removed\n`,
	);
}
