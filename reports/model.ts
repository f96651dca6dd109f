/**
 * What a campaign or a single run found, as plain data: the one thing that every renderer reads. Its shape is
 * versioned; a change that breaks readers raises `SCHEMA_VERSION`.
 */

export type * from "./pairs.ts";
export type * from "./run.ts";

export const SCHEMA_VERSION = 1;

/**
 * `pass` held everywhere it was checked; `fail` broke in a way nobody listed; `known` broke as listed; `fixed` is listed and
 * broke no more; `disputed` broke a promise that is a matter of reading; `skip` was not checked, with a reason; `invalid` says
 * that the harness, not the target, went wrong.
 */
export type Verdict = "pass" | "fail" | "known" | "fixed" | "disputed" | "skip" | "invalid";

/** `property/kind`: what names a finding everywhere. */
export function findingId({ property, kind }: { readonly property: string; readonly kind: string }): string {
	return `${property}/${kind}`;
}

export interface Finding {
	/** `property/kind`: equal in all runs and reports of one target. */
	readonly id: string;
	readonly property: string;
	readonly kind: string;
	readonly verdict: "fail" | "known" | "fixed" | "disputed";
	/** Runs that showed it. */
	readonly runs: number;
	/** Programs that showed it, the most frequent first. */
	readonly programs: readonly { readonly name: string; readonly runs: number }[];
	/** The simplest run that showed it; absent for `fixed`. */
	readonly example?: Example;
	/** What a user loses, from the list of known failures. */
	readonly reason?: string;
	readonly link?: string;
	/** Why the promise is a matter of reading; with it the verdict is `disputed`, unless it is `fixed`. */
	readonly disputed?: string;
	/** Versions that are known to have it. */
	readonly affects?: readonly string[];
	/** What it was in the baseline; absent when it was not there, or there is none. */
	readonly inBaseline?: "failing" | "fixed";
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
	/** The run in a file, for `pnpm sim replay` and `pnpm sim emit`: its path from the directory of the report, if there is one. */
	readonly reproducer?: string;
	/** What there is to draw of the run (`RunRecord`), in a file: its path from the directory of the report, if there is one. */
	readonly run?: string;
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

/** Two durable effects of an uninterrupted run with nothing durable between them, and the crashes that fell there. */
export interface CrashWindow {
	/** Number of the effect at its beginning; 0 is the start of the run. The effect at its end has the next number. */
	readonly from: number;
	/** The effect at its end, and what that changes, or changes first; `end` when there is none. */
	readonly operation: string;
	readonly detail: string;
	/** Ways to crash the uninterrupted run there; none makes the window dark. */
	readonly crossed: number;
	/** Ways on which a recovery came back to one of its states and crashed there. */
	readonly crossedInRecovery: number;
}

/** Every crash state of one program. */
export interface CrashSearchResult {
	readonly kind: "crashes";
	readonly program: string;
	readonly mode: string;
	/** Crashes one after the other, at most. */
	readonly depth: number;
	/** Ways to crash, distinct in place and in what still reached the disk. */
	readonly ways: number;
	/** Distinct states they left, and from how many of these a recovery was run. */
	readonly states: number;
	readonly explored: number;
	/** Whether every state known of was recovered from. */
	readonly exhausted: boolean;
	/** Ways to a state that another way had led to before, judged with what followed there. */
	readonly joined: number;
	/** Recoveries made a second time, from the very beginning, with equal digests. */
	readonly checked: number;
	/** Choices too many to try all of, and what was tried instead. */
	readonly bounded: readonly string[];
	/** For each kind of fault: ways, and in how many places. */
	readonly faults: readonly { readonly kind: string; readonly ways: number; readonly places: number }[];
	readonly windows: readonly CrashWindow[];
}

/** Every order of what is pending at one time, of one program. */
export interface ScheduleSearchResult {
	readonly kind: "schedules";
	readonly program: string;
	readonly mode: string;
	/** The most departures from the usual order in one run; absent when there was no bound. */
	readonly departures?: number;
	/** Orders known of, and how many of these were run. */
	readonly schedules: number;
	readonly explored: number;
	readonly exhausted: boolean;
	/** The most choices in one run, and the most events to choose from at once. */
	readonly choices: number;
	readonly widest: number;
}

export type SearchResult = CrashSearchResult | ScheduleSearchResult;

export interface ProgramResult {
	readonly name: string;
	readonly runs: number;
	/**
	 * Durable writes of its uninterrupted run, and before or after how many of them a crash struck. Absent for generated
	 * programs, of which each run has another.
	 */
	readonly writes?: number;
	readonly crashedAt?: number;
}

/** What ran of generated programs; numbers count runs, each once. */
export interface GeneratedResult {
	readonly runs: number;
	/** Runs that reached a statement of the kind, and runs in which a process died while it was in one. */
	readonly kinds: readonly { readonly kind: string; readonly ran: number; readonly crashedIn: number }[];
	readonly traits: readonly { readonly trait: string; readonly ran: number }[];
	/** Runs that reached a statement of one kind directly inside one of the other. */
	readonly nestings: readonly { readonly outer: string; readonly inner: string; readonly ran: number }[];
	/** What was possible and never ran: `loop`, `trait values`, `race > version`, `crash in send`. */
	readonly never: readonly string[];
}

/** A part of the space that seeds avoid, since it is known to fail. */
export interface AvoidedResult {
	readonly shape: string;
	/** What has the shape. */
	readonly meaning: string;
	/** Ids of the known failures that poison it. */
	readonly entries: readonly string[];
	/** Seeds that had it until it was taken out of them, and runs that had it. */
	readonly avoided: number;
	readonly ran: number;
}

export interface Report {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly tool: { readonly name: "faultline"; readonly version: string };
	/** What was asked for, as the command line would say it. */
	readonly settings: Readonly<Record<string, string | number | readonly string[]>>;
	readonly target: {
		/** The engine, the actor runtime or the runner under test. */
		readonly engine: string;
		/** The storage or the server that it ran on. */
		readonly driver: string;
		/** What is under test; a workflow engine when absent. */
		readonly kind?: "actor" | "runner";
	};
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
	readonly coverage: {
		readonly faults: readonly FaultResult[];
		readonly programs: readonly ProgramResult[];
		/** What ran of generated programs; absent when none were. */
		readonly generated?: GeneratedResult;
		/** What seeds avoided because it is known to fail; absent when nothing. */
		readonly avoided?: readonly AvoidedResult[];
		/** What was searched rather than drawn, a search for each program and way of hosting it. */
		readonly searches?: readonly SearchResult[];
		/** What was killed in real processes; absent when nothing was. */
		readonly kills?: KillsResult;
	};
	/** What became of the failures that a corpus keeps, by file; `untried` are those that need what was not chosen. */
	readonly corpus?: {
		readonly failing: readonly string[];
		readonly passing: readonly string[];
		readonly untried: readonly string[];
	};
	/** The earlier report that this one was held against; with one, only what it does not have fails. */
	readonly baseline?: BaselineResult;
	readonly timings: { readonly seconds: number; readonly runsPerSecond: number; readonly virtualDays: number };
	/** Digest of the history, for a single run. */
	readonly digest?: string;
	/** What became of a reproducer's finding, when one was run again. */
	readonly replay?: ReplayResult;
}

/** A finding of the baseline that did not show again. */
export interface GoneFinding {
	readonly id: string;
	/**
	 * `fixed`: the run that had shown it was made again and shows it no longer; `not-seen`: no run showed it, and that one was not
	 * among them; `not-judged`: its property was not asked.
	 */
	readonly how: "fixed" | "not-seen" | "not-judged";
	/** The seed that had shown it, where one had. */
	readonly seed?: number;
}

export interface BaselineResult {
	/** As it was named. */
	readonly file: string;
	readonly engine: string;
	/** Version of Faultline that made it. */
	readonly tool: string;
	readonly runs: number;
	/** In what the two reports were made differently, and what may therefore read as new or as gone. */
	readonly warnings: readonly string[];
	readonly gone: readonly GoneFinding[];
}

/** What a campaign of real crashes did. */
export interface KillsResult {
	/** Processes that were killed before an operation, after it, and in its midst. */
	readonly before: number;
	readonly after: number;
	readonly during: number;
	/** Of those in the midst, how many operations had taken place when storage was opened anew. */
	readonly tookPlace: number;
	/** Durable writes, and messages of clients, that were acknowledged and looked for after each kill. */
	readonly writes: number;
	readonly messages: number;
	/** Runs whose kills struck the same operations as in the world, so that their ends could be compared. */
	readonly compared: number;
	/** What was lost besides, by name, and how often: `power-loss`, `server`, `cut`. */
	readonly losses: Readonly<Record<string, number>>;
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

/** What one property came to on one version. */
export interface MatrixCell {
	readonly engine: string;
	/** `not-applicable`: the version lacks what the property is about; `skip`: it could be checked and was not. */
	readonly verdict: Exclude<Verdict, "invalid"> | "not-applicable";
	/** Kinds of failure, by what became of them. */
	readonly failing: number;
	readonly known: number;
	readonly fixed: number;
	readonly disputed: number;
	/** Runs in which it was checked. */
	readonly checked: number;
	/** Why it was not checked. */
	readonly reason?: string;
}

/** What was explored of one version. */
export interface MatrixVersion {
	readonly engine: string;
	readonly verdict: Verdict;
	readonly problems: readonly string[];
	readonly interrupted: boolean;
	readonly counts: Pick<Report["counts"], "runs"> & Partial<Report["counts"]>;
	readonly findings: readonly Finding[];
	readonly seconds: number;
	/** Shows it all again, for this version. */
	readonly command: string;
}

/** One way in which histories of one version break under another. */
export interface UpgradeFailure {
	/** As a finding of the version that goes on: `version.upgrade/<kind>`. */
	readonly kind: string;
	readonly runs: number;
	readonly programs: readonly string[];
	readonly example: {
		readonly program: string;
		readonly mode: string;
		/** Where the history was stopped. */
		readonly plan: string;
		readonly message: string;
		readonly command: string;
	};
}

/** Every durable state that one version left, finished under another. */
export interface UpgradePair {
	readonly from: string;
	readonly to: string;
	readonly direction: "upgrade" | "downgrade";
	readonly programs: number;
	readonly states: number;
	readonly failures: readonly UpgradeFailure[];
	/** Kinds not counted, since the version that goes on does so by itself in the same program: by kind, the runs. */
	readonly excused: Readonly<Record<string, number>>;
}

export interface UpgradeResult {
	readonly property: string;
	readonly modes: readonly string[];
	readonly pairs: readonly UpgradePair[];
	readonly problems: readonly string[];
	readonly interrupted: boolean;
}

/** What an operation of an engine costs: durable writes, storage operations, and bytes written, keys included. */
export interface Cost {
	readonly writes: number;
	readonly operations: number;
	readonly bytes: number;
}

/** One more of an operation (or `times` more), on one version. */
export interface CostCell {
	readonly engine: string;
	/** Absent where the version lacks the operation. */
	readonly cost?: Cost;
	/** Absent where none is recorded. */
	readonly budget?: Cost;
	/** `improved` costs less than its budget, which can be lowered; `unrecorded` has none. */
	readonly verdict: "pass" | "fail" | "improved" | "unrecorded" | "not-applicable";
	/** How it exceeds or falls below its budget, or why it is not there. */
	readonly message?: string;
}

export interface CostRow {
	readonly operation: string;
	readonly summary: string;
	readonly mode: string;
	readonly times: number;
	readonly cells: readonly CostCell[];
}

export interface CostResult {
	readonly property: string;
	readonly engines: readonly string[];
	readonly rows: readonly CostRow[];
}

/** Costs alone, as `pnpm sim cost` writes them. */
export interface CostReport {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly cost: CostResult;
}

/** Upgrades alone, as `pnpm sim upgrade` prints them. */
export interface UpgradeReport {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly upgrades: UpgradeResult;
}

/** What an engine makes of histories that other versions left, as `pnpm sim histories` prints it. */
export interface HistoriesReport {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly engine: string;
	readonly histories: readonly {
		/** The version that left them. */
		readonly engine: string;
		readonly states: number;
		readonly failures: readonly {
			readonly program: string;
			readonly mode: string;
			/** What stopped the run that left the history. */
			readonly plan: string;
			readonly message: string;
		}[];
	}[];
}

/** What became of one mutant, hunted with one property that names it. */
export interface MutantResult {
	readonly mutant: string;
	readonly property: string;
	/** How the mutant breaks the property: only this kills it. */
	readonly kind: string;
	/** The engine that was made wrong. */
	readonly target: string;
	/** What seeds ran; `generated` stands for all programs, generated ones included. */
	readonly program: string;
	/** What is counted: `seeds`, or for comparisons of versions and costs the durable states or operations tried. */
	readonly unit: "seeds" | "states" | "operations";
	/** How many it took to kill the mutant; absent when it lives. */
	readonly seeds?: number;
	/** How many it took on record, and how many it may take. */
	readonly recorded?: number;
	readonly limit: number;
	/** `fail`: it lives, or its kill is not on record; `invalid`: the hunt proves nothing. */
	readonly verdict: "pass" | "fail" | "invalid";
	readonly message?: string;
	/** Hunts it again. */
	readonly command: string;
}

export interface MutantsResult {
	/** In the order in which properties are reported. */
	readonly rows: readonly MutantResult[];
	/** What is missing: properties that kill nothing, mutants that nobody hunts, records of neither. */
	readonly gaps: readonly string[];
	readonly interrupted: boolean;
}

/** What the gate of properties and mutants came to. */
export interface MutantsReport {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly tool: Report["tool"];
	readonly settings: Report["settings"];
	/** Makes the table again. */
	readonly command: string;
	readonly verdict: Verdict;
	readonly exitCode: 0 | 1 | 2 | 3;
	readonly mutants: MutantsResult;
	readonly seconds: number;
}

/** All properties on all versions, or on all targets of another kind. */
export interface MatrixReport {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly tool: Report["tool"];
	/** What stands side by side; versions of an engine when absent. */
	readonly kind?: "versions" | "drivers" | "actors" | "runners";
	/** The day it was made, as `2030-01-31`. */
	readonly made?: string;
	readonly settings: Report["settings"];
	/** Makes the table again. */
	readonly command: string;
	readonly driver: string;
	readonly verdict: Verdict;
	readonly exitCode: 0 | 1 | 2 | 3;
	readonly interrupted: boolean;
	readonly versions: readonly MatrixVersion[];
	readonly properties: readonly {
		readonly id: string;
		readonly suite: string;
		readonly claim: string;
		readonly cells: readonly MatrixCell[];
	}[];
	/** Absent when it was left out. */
	readonly upgrades?: UpgradeResult;
	readonly cost?: CostResult;
	/** Whether every property kills its mutants. */
	readonly mutants?: MutantsResult;
	readonly seconds: number;
}

/** 0 for pass, known and disputed, 1 for fail and fixed, 3 for invalid; 2 is for wrong usage, which makes no report. */
export function exitCodeOf(verdict: Verdict): 0 | 1 | 3 {
	if (verdict === "invalid") return 3;
	return verdict === "fail" || verdict === "fixed" ? 1 : 0;
}
