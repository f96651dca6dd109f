/**
 * What a campaign or a single run found, as plain data: the one thing that every renderer reads. Its shape is
 * versioned; a change that breaks readers raises `SCHEMA_VERSION`.
 */

export const SCHEMA_VERSION = 1;

/**
 * `pass` held everywhere it was checked; `fail` broke in a way nobody listed; `known` broke as listed; `fixed` is listed and
 * broke no more; `skip` was not checked, with a reason; `invalid` says that the harness, not the target, went wrong.
 */
export type Verdict = "pass" | "fail" | "known" | "fixed" | "skip" | "invalid";

export interface Finding {
	/** `property/kind`: equal in all runs and reports of one target. */
	readonly id: string;
	readonly property: string;
	readonly kind: string;
	readonly verdict: "fail" | "known" | "fixed";
	/** Runs that showed it. */
	readonly runs: number;
	/** Programs that showed it, the most frequent first. */
	readonly programs: readonly { readonly name: string; readonly runs: number }[];
	/** The simplest run that showed it; absent for `fixed`. */
	readonly example?: Example;
	/** What a user loses, from the list of known failures. */
	readonly reason?: string;
	readonly link?: string;
}

export interface Example {
	/** Absent when the run is the one kept with the list of known failures. */
	readonly seed?: number;
	readonly program: string;
	/** How the program was hosted and what was done to it, a line each. */
	readonly conditions: readonly string[];
	readonly message: string;
	readonly digest: string;
	/** Shows the run again, step by step. */
	readonly command: string;
}

export interface PropertyResult {
	readonly id: string;
	readonly suite: string;
	readonly claim: string;
	readonly source: string;
	readonly verdict: Verdict;
	/** Runs in which it was checked. */
	readonly checked: number;
	/** Runs in which it was not, by reason. */
	readonly skipped: readonly { readonly reason: string; readonly runs: number }[];
}

export interface FaultResult {
	readonly kind: string;
	/** How many were planned, how many of these struck, and in how many different windows. */
	readonly planned: number;
	readonly fired: number;
	readonly windows: number;
}

export interface ProgramResult {
	readonly name: string;
	readonly runs: number;
	/** Durable writes of its uninterrupted run, and before or after how many of them a crash struck. */
	readonly writes: number;
	readonly crashedAt: number;
}

export interface Report {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly tool: { readonly name: "faultline"; readonly version: string };
	/** What was asked for, as the command line would say it. */
	readonly settings: Readonly<Record<string, string | number | readonly string[]>>;
	readonly target: { readonly engine: string; readonly driver: string };
	readonly verdict: Verdict;
	readonly exitCode: 0 | 1 | 2 | 3;
	/** Why the verdict is `invalid`. */
	readonly problems: readonly string[];
	/** Whether it was stopped before its end. */
	readonly interrupted: boolean;
	readonly counts: {
		readonly runs: number;
		readonly interruptedRuns: number;
		readonly crashes: number;
		readonly evictions: number;
		readonly processes: number;
		readonly events: number;
		readonly durableWrites: number;
		/** Runs carried out twice to compare their digests. */
		readonly rerun: number;
		/** How many of these were made in another process too, with equal digests; absent when none was asked for. */
		readonly doublechecked?: number;
	};
	readonly findings: readonly Finding[];
	readonly properties: readonly PropertyResult[];
	readonly coverage: { readonly faults: readonly FaultResult[]; readonly programs: readonly ProgramResult[] };
	readonly timings: { readonly seconds: number; readonly runsPerSecond: number; readonly virtualDays: number };
	/** Digest of the history, for a single run. */
	readonly digest?: string;
	/** What became of a reproducer's finding, when one was run again. */
	readonly replay?: ReplayResult;
}

export interface ReplayResult {
	/** Id of the finding that was recorded. */
	readonly finding: string;
	/** Whether the run shows it again, only other findings, or none. */
	readonly outcome: "still-fails" | "other-failure" | "passes";
	/** The first event, from 0, that is not as it was recorded; absent when the histories are equal to the byte. */
	readonly differsAt?: number;
	/** Recorded faults, by place in the plan, that struck no more: with any, a run that passes proves nothing. */
	readonly missedFaults: readonly number[];
}

/** 0 for pass and known, 1 for fail and fixed, 3 for invalid; 2 is for wrong usage, which makes no report. */
export function exitCodeOf(verdict: Verdict): 0 | 1 | 3 {
	if (verdict === "invalid") return 3;
	return verdict === "fail" || verdict === "fixed" ? 1 : 0;
}
