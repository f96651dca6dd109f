/**
 * Makes a failing scenario small: program, messages, fault plan, hosting, latencies and schedule together, as long as the same
 * property breaks in the same way. Greedy and deterministic: passes over ever simpler candidates until none is left that
 * still fails. No clock decides what is tried; the budget counts runs.
 *
 * A candidate is taken when it fails so, all its faults struck, its program left alone completes or ends as the original
 * one did, and it is smaller by `sizeOf`. When the program changes, its faults are put where they were by their anchors
 * (anchor.ts), which takes a run for each; when nothing goes on that way, other places and seeds are tried too.
 */
import { countStatements } from "../../../fixtures/generators/statement.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { Explorer, Judgement } from "../explorer.ts";
import { Attempts, type Failure } from "./attempts.ts";
import { Passes } from "./passes.ts";

export type { Failure };

export interface ShrinkOptions {
	/** Runs after which the search ends with what it has; references and the runs that anchors take included. */
	readonly budget?: number;
	/** Called between slices of the search. */
	readonly onProgress?: (progress: ShrinkProgress) => void;
	/** Ends the search, which then returns what it has. */
	readonly signal?: AbortSignal;
}

export interface ShrinkProgress {
	readonly runs: number;
	readonly budget: number;
	/** The smallest scenario so far. */
	readonly scenario: Scenario;
}

export interface Shrunk {
	readonly scenario: Scenario;
	/** How it and the original are judged, by all properties of the explorer. */
	readonly judgement: Judgement;
	readonly original: Judgement;
	/** Runs that the search took. */
	readonly runs: number;
	/** Whether everything was tried; false when the budget or the signal ended it before. */
	readonly exhausted: boolean;
}

export const DEFAULT_BUDGET = 10_000;

/** Real milliseconds of running between two looks at signals and progress. */
const SLICE_MS = 40;

/**
 * The smallest scenario found that fails as this one does.
 * @throws UsageError when the scenario does not fail so, or names a program that the explorer does not have.
 * @throws HarnessError when its own run leaves the world.
 */
export async function shrink(
	explorer: Explorer,
	scenario: Scenario,
	failure: Failure,
	{ budget = DEFAULT_BUDGET, onProgress, signal }: ShrinkOptions = {},
): Promise<Shrunk> {
	const search = new Attempts(explorer, scenario, failure);
	const original = await inMacrotask(() => search.begin());
	const steps = new Passes(search).steps();
	let exhausted = false;
	while (!exhausted && search.runs < budget && signal?.aborted !== true) {
		await inMacrotask(() => {
			const sliceEnds = performance.now() + SLICE_MS;
			do {
				exhausted = steps.next().done === true;
			} while (!exhausted && search.runs < budget && performance.now() < sliceEnds);
		});
		onProgress?.({ runs: search.runs, budget, scenario: search.best.scenario });
	}
	const { runs, best } = search;
	const judgement = await inMacrotask(() => explorer.judge(best.scenario, search.programOf(best.scenario)));
	return { scenario: best.scenario, judgement, original, runs, exhausted };
}

/** What became smaller, in a line: `30 statements -> 4, 5 faults -> 3, 812 events -> 96`. */
export function describeShrink(before: Judgement, after: Judgement): string {
	const counts = ({ run }: Judgement): [string, number][] => [
		["statements", countStatements(run.scenario.statements ?? [])],
		["messages", run.program.inputs?.length ?? 0],
		["faults", run.scenario.faults.length],
		["events", run.events],
	];
	const now = new Map(counts(after));
	return counts(before)
		.filter(([, count]) => count > 0)
		.map(([what, count]) => `${count} ${count === 1 ? what.slice(0, -1) : what} -> ${now.get(what)}`)
		.join(", ");
}
