/** Two engines, or two reports, beside each other: the part of the model that `differ` and `compare` fill. */
import type { Cost, Finding, Report, SCHEMA_VERSION, Verdict } from "./model.ts";

/** A finding that explains why two engines came to different ends. */
export interface DifferExplanation {
	/** `property/kind`. */
	readonly id: string;
	/** Which of the two shows it; what both show may strike them in different places. */
	readonly side: "engine" | "against" | "both";
	readonly seeds: number;
	/** How many of these differed in what, by the kind of difference. */
	readonly kinds: Readonly<Record<string, number>>;
	/** The first of them. */
	readonly example: {
		readonly seed: number;
		readonly program: string;
		readonly message: string;
		readonly command: string;
	};
}

/** The same seeds on two engines. */
export interface DifferReport {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly tool: Report["tool"];
	readonly settings: Report["settings"];
	/** Makes it all again. */
	readonly command: string;
	readonly target: Report["target"];
	/** The engine that it was held against. */
	readonly against: string;
	readonly verdict: Verdict;
	readonly exitCode: 0 | 1 | 2 | 3;
	readonly problems: readonly string[];
	readonly interrupted: boolean;
	/** Seeds, by what they came to; `runs` is all of them. */
	readonly counts: {
		readonly runs: number;
		readonly same: number;
		readonly explained: number;
		readonly unexplained: number;
		/** Differ in what the program leaves open. */
		readonly free: number;
		readonly uncomparable: number;
	};
	readonly explained: readonly DifferExplanation[];
	readonly free: readonly { readonly reason: string; readonly seeds: number }[];
	readonly uncomparable: readonly { readonly reason: string; readonly seeds: number }[];
	/** Differences that nothing explains: `differ.unexplained/<kind>`. */
	readonly findings: readonly Finding[];
	/** What only one of the two engines has, and no seed has therefore. */
	readonly leftOut: readonly string[];
	readonly seconds: number;
}

/** What an operation costs on two engines; absent where one lacks it. */
export interface CostChange {
	readonly operation: string;
	readonly mode: string;
	readonly before?: Cost;
	readonly after?: Cost;
}

/** One engine beside another, or one report beside another: what the second breaks, fixes and costs. */
export interface CompareReport {
	readonly schemaVersion: typeof SCHEMA_VERSION;
	readonly tool: Report["tool"];
	readonly settings: Report["settings"];
	/** Makes it again. */
	readonly command: string;
	/** What is compared with, and what is compared. */
	readonly before: Report["target"];
	readonly target: Report["target"];
	readonly verdict: Verdict;
	readonly exitCode: 0 | 1 | 2 | 3;
	readonly problems: readonly string[];
	readonly interrupted: boolean;
	/** In what two reports were made differently. */
	readonly warnings: readonly string[];
	readonly counts: { readonly runs: number; readonly runsBefore: number };
	/** What only the second shows: `fail`, or `disputed` where the promise is a matter of reading. */
	readonly findings: readonly Finding[];
	/** What only the first shows, as it does. */
	readonly fixes: readonly Finding[];
	/** Ids of what both show. */
	readonly both: readonly string[];
	/** Ids of findings of properties that the other was not judged by. */
	readonly unjudged: readonly string[];
	/** What only one of the two engines has, and no seed has therefore. */
	readonly leftOut: readonly string[];
	/** Absent when reports are compared. */
	readonly cost?: {
		/** Every operation in every mode. */
		readonly operations: readonly CostChange[];
		/** Durable writes of a run, on average over all seeds. */
		readonly writesARun: { readonly before: number; readonly after: number };
		readonly time: TimeRatio;
	};
	readonly seconds: number;
}

/** Processor time of the second beside the first, over the same programs by turns in one process. */
export interface TimeRatio {
	/** Median of the ratios of single rounds; above 1 the second is slower. */
	readonly ratio: number;
	/** Between these quartiles half of the rounds lie. */
	readonly low: number;
	readonly high: number;
	readonly rounds: number;
	readonly programs: number;
}
