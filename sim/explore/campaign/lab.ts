/**
 * Where the runs of a campaign are made and judged, one lab a thread: it takes seeds, searches, and runs that were kept, and
 * hands out what they showed as tallies. What is under test is its own affair.
 */
import type { Expectation } from "../../../fixtures/expectations/expectations.ts";
import type { SearchResult } from "../../../reports/model.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { History } from "../../world/history.ts";
import type { TallyData } from "./tally.ts";
import type { SearchUnit } from "./work.ts";

/** A search under way. */
export interface Search {
	/** Makes the next run. @returns whether there is more to do. */
	step(): boolean;
	result(): SearchResult;
}

/** What a campaign has to know of a reproducer to try it; its history stays in the file. */
export interface KeptFailure<S extends SubjectScenario = SubjectScenario> {
	/** The target it was recorded on: the name of an engine or an actor runtime, `RUNNER on SERVER`. */
	readonly target: string;
	readonly property: string;
	readonly kind: string;
	readonly scenario: S;
}

/** What a thread works with, whatever its scenarios are. */
export type LabAtWork = Pick<Lab, "failed" | "takeOff" | "take" | "takeAwaiting" | "searchOf" | "searched">;

export interface Lab<S extends SubjectScenario = SubjectScenario> {
	/** Whether there is nothing that a seed could run. */
	readonly isEmpty: boolean;
	/** Names of the programs that searches go through. */
	readonly programs: readonly string[];
	/** Whether a program can be hosted in that way: searches go through every way that there is. */
	hosts(program: string, mode: string): boolean;
	/** Whether something went wrong since the last taking off, so that going on is in vain. */
	readonly failed: boolean;
	/** What was recorded since the last time. */
	takeOff(): TallyData;
	/** Runs a seed; called in a macrotask. */
	take(seed: number): void;
	/** As `take`, where each operation takes real time; seeds are then run one after the other. */
	readonly takeAwaiting: ((seed: number) => Promise<void>) | undefined;
	/** Runs what is kept with a known failure: one that shows it no longer is fixed. Such runs are not counted. */
	confirm(entry: Expectation<S>): void;
	/** Runs what a file of the corpus keeps. Such runs are not counted. */
	tryKept(file: string, failure: KeptFailure<S>): void;
	searchOf(unit: SearchUnit): Search;
	/** Records how far a search has come. */
	searched(result: SearchResult): void;
	/** The run of a seed once more, to be compared with what another process makes of it. */
	remake(seed: number): { readonly scenario: S; readonly history: History };
	/** A stored key in a few words. */
	describeKey(table: string, key: string): string;
}
