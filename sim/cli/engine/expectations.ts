/** `pnpm sim expectations`: the list of known failures of an engine, shown or brought up to date. */

import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { PUBLISHED } from "../../../drivers/engine/rivet/engine.ts";
import {
	type Expectation,
	formatExpectations,
	TODO,
	UNEXPLAINED,
	unexplained,
} from "../../../fixtures/expectations/expectations.ts";
import { countStatements } from "../../../fixtures/generators/statement.ts";
import { type Finding, findingId } from "../../../reports/model.ts";
import { plural, wrap } from "../../../reports/text.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { campaign } from "../../explore/campaign/campaign.ts";
import type { Explorer } from "../../explore/explorer.ts";
import { shrink } from "../../explore/shrink/shrink.ts";
import { expectationsFile, loadExpectations, loadMeanings, prepare, type RunOptions } from "../options.ts";
import { progressOf, widthOf } from "../progress/terminal.ts";
import { commands, DEFAULT_RUNS } from "./explore.ts";

export interface ExpectationsOptions extends RunOptions {
	readonly update?: boolean;
	readonly runs?: number;
	readonly from?: number;
	readonly workers?: number;
}

/** Runs that making one new entry smaller may take. */
const SHRINK_BUDGET = 3_000;

/** @returns the exit code: 1 as long as an entry is not explained. */
export async function expectations(options: ExpectationsOptions): Promise<0 | 1> {
	const { explorer, target, spec } = await prepare(options);
	const { engine } = target;
	const known = loadExpectations(engine, options.expectations);
	const width = widthOf(process.stdout);
	if (options.update !== true) {
		const lists = PUBLISHED.map(
			(name) => [name, new Set(loadExpectations({ name }, undefined).map(findingId))] as const,
		);
		const text = known.map((entry) => {
			const affected = lists.filter(([, ids]) => ids.has(findingId(entry))).map(([name]) => name);
			return entryText(entry, affected, width);
		});
		process.stdout.write(`${engine.name}: ${plural(known.length, "known failure")}\n\n${text.join("\n\n")}\n`);
		return completeness(known, width);
	}

	const runs = options.runs ?? DEFAULT_RUNS;
	const progress = progressOf(runs, false);
	const result = await campaign(explorer, {
		from: options.from ?? 1,
		runs,
		workers: { count: options.workers ?? availableParallelism(), spec },
		expectations: known,
		onProgress: (done, findings) => progress.update(done, `${findings} new`),
		...commands(options),
	});
	progress.stop();
	if (result.problems.length > 0) throw new Error(`The list was left as it is: ${result.problems.join("; ")}`);

	const listed = new Map(known.map((entry) => [findingId(entry), entry]));
	const found = result.findings.filter(({ verdict }) => verdict !== "fixed").sort((a, b) => (a.id < b.id ? -1 : 1));
	// A listed failure that its kept run no longer shows gets a run that does.
	const fresh = found.filter(({ id }) => {
		const scenario = listed.get(id)?.scenario;
		return scenario === undefined || !explorer.programOf(scenario) || result.tally.fixed.includes(id);
	});
	const smallest = await shrunk(explorer, fresh, result.scenarios);
	const updated: Expectation<Scenario>[] = found.map(({ id, property, kind, disputed }) => {
		const entry = listed.get(id);
		// A kept run that still shows the failure stays, so that the list changes only where the engine did.
		const scenario = smallest.get(id) ?? entry?.scenario;
		if (scenario === undefined) throw new Error(`${id} was found without a scenario.`);
		const why = disputed === undefined ? {} : { disputed };
		return { ...{ property, kind, reason: UNEXPLAINED }, ...why, ...entry, scenario };
	});
	const file = options.expectations ?? expectationsFile(engine);
	writeFileSync(file, formatExpectations(updated, loadMeanings()));
	const removed = known.length - updated.filter((entry) => listed.has(findingId(entry))).length;
	process.stdout.write(
		`${relative(".", file)}: ${plural(updated.length, "known failure")}, ${fresh.length} found, ${removed} removed\n`,
	);
	// A failure that another version shows too may be explained already.
	return completeness(loadExpectations(engine, options.expectations), width);
}

/** Each new finding as small as it can be had. A finding that is stopped on the way keeps the smallest so far. */
async function shrunk(
	explorer: Explorer,
	findings: readonly Finding[],
	scenarios: ReadonlyMap<string, Scenario>,
): Promise<ReadonlyMap<string, Scenario>> {
	const smallest = new Map<string, Scenario>();
	const progress = progressOf(findings.length * SHRINK_BUDGET, findings.length === 0);
	const stopped = new AbortController();
	const stop = () => stopped.abort();
	process.once("SIGINT", stop);
	try {
		for (const [i, finding] of findings.entries()) {
			const scenario = scenarios.get(finding.id);
			if (scenario === undefined) continue;
			const before = countStatements(scenario.statements ?? []);
			const { scenario: small, runs } = await shrink(explorer, scenario, finding, {
				budget: SHRINK_BUDGET,
				signal: stopped.signal,
				onProgress: ({ runs: done }) => progress.update(i * SHRINK_BUDGET + done, `${i + 1} of ${findings.length}`),
			});
			const after = countStatements(small.statements ?? []);
			progress.announce(`${finding.id}: ${plural(before, "statement")} -> ${after}, in ${plural(runs, "run")}`);
			smallest.set(finding.id, small);
		}
	} finally {
		progress.stop();
		process.off("SIGINT", stop);
	}
	return smallest;
}

/** @param target options of the command line that name what it is about. */
export function entryText(entry: Expectation, affected: readonly string[], width: number, target = ""): string {
	const { reason, disputed, avoids } = entry;
	const id = findingId(entry);
	const notes = [
		reason,
		...(disputed === undefined ? [] : [`A matter of reading: ${disputed}`]),
		...(affected.length === 0 ? [] : [`Affects ${affected.join(", ")}.`]),
		...(avoids === undefined ? [] : [`Most seeds avoid: ${avoids.join(", ")}.`]),
	];
	return [id, ...notes.map((note) => wrap(note, width, "    ")), `    pnpm sim --known ${id}${target}`].join("\n");
}

/** Says what is left to be written. A list is no answer as long as nobody said what the failures mean. */
export function completeness(list: readonly Expectation[], width: number): 0 | 1 {
	const open = unexplained(list).map(findingId);
	if (open.length === 0) return 0;
	const text = `The list is not complete: say what a user loses by ${open.join(", ")} (reason: ${TODO}).`;
	process.stderr.write(`${wrap(text, width, "  ", "")}\n`);
	return 1;
}
