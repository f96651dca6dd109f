/** What holding storage drivers to their promises came to, as plain data: what every renderer of it reads. */
import type { Verdict } from "./model.ts";

/** One way in which a driver broke a property. */
export interface DriverFinding {
	/** `property/kind`. */
	readonly id: string;
	readonly property: string;
	readonly kind: string;
	readonly driver: string;
	readonly verdict: "fail" | "known" | "disputed" | "fixed";
	/** The seed of the first run that showed it, and how many did. */
	readonly seed: number;
	readonly runs: number;
	readonly message: string;
	/** The smallest sequence that shows it, a step a line. */
	readonly steps: readonly string[];
	/** Whether the run of the seed shows it every time; what overlaps may not. */
	readonly reproducible: boolean;
	readonly command: string;
	/** Why the promise is a matter of reading; with it the verdict is `disputed`. */
	readonly disputed?: string;
	/** What a user loses, for what is known of a driver. */
	readonly reason?: string;
}

/** What one property came to on one driver. */
export interface DriverCell {
	readonly property: string;
	readonly verdict: Exclude<Verdict, "invalid">;
	readonly runs: number;
	/** The sequence that was carried out, as it was drawn, when there was one run. */
	readonly steps?: readonly string[];
	/** Why it was skipped. */
	readonly reason?: string;
	/** Parts of it that the driver does not claim. */
	readonly unclaimed: readonly string[];
}

export interface DriverResult {
	readonly driver: string;
	readonly verdict: Verdict;
	/** Why it was skipped as a whole, or what went wrong with the harness. */
	readonly reason?: string;
	/** What it is held to; absent when it was skipped. */
	readonly claims?: Readonly<Record<string, unknown>>;
	/** Which of these it said itself. */
	readonly said: readonly string[];
	readonly cells: readonly DriverCell[];
	readonly findings: readonly DriverFinding[];
	/** Workflow steps a second of the real engine on it, one process; absent when it was not measured. */
	readonly stepsPerSecond?: number;
	readonly seconds: number;
}

export interface ConformReport {
	readonly schemaVersion: 1;
	readonly tool: { readonly name: "faultline"; readonly version: string };
	/** What was asked for, as the command line would say it. */
	readonly settings: Readonly<Record<string, string | number | readonly string[]>>;
	readonly properties: readonly { readonly id: string; readonly claim: string; readonly source: string }[];
	readonly drivers: readonly DriverResult[];
	readonly verdict: Verdict;
	readonly exitCode: 0 | 1 | 3;
	/** Whether it was stopped before its end. */
	readonly interrupted: boolean;
	readonly seconds: number;
}
