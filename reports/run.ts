/**
 * One run as a report keeps it, so that it can be drawn and gone through step by step: what happened, what was stored decoded,
 * where a promise broke, and how it ended beside how it should have. Kept in a file of its own beside the report, `runs/NAME.json`.
 */
import type { Report } from "./model.ts";

export interface RunRecord {
	readonly schemaVersion: Report["schemaVersion"];
	/** Id of the finding that it shows: `property/kind`. */
	readonly finding: string;
	/** What ran, and what it ran on or talked to. */
	readonly target: { readonly name: string; readonly against: string };
	readonly program: ProgramText;
	/** How it was hosted and what was done to it, a line each. */
	readonly conditions: readonly string[];
	readonly digest: string;
	/** In order. */
	readonly events: readonly RunEvent[];
	/** What is stored under, each place once; events name them by number. */
	readonly places: readonly StoredPlace[];
	readonly violations: readonly RecordedViolation[];
	/** What says how it should have ended, in a few words; absent when nothing does. */
	readonly expectation?: string;
	/** What the run came to, beside what that expects; rows that are equal included. */
	readonly compared: readonly ComparedRow[];
}

export interface ProgramText {
	readonly name: string;
	readonly summary: string;
	/** The program as it runs: an outline of its statements, or the source of its function. */
	readonly code: string;
	readonly language: "outline" | "javascript";
	/** What clients send it, a line each. */
	readonly inputs: readonly string[];
}

export interface RunEvent {
	/** Virtual milliseconds since the start. */
	readonly at: number;
	/** The process life it happened in; 0 is the outside. */
	readonly process: number;
	readonly kind: string;
	/** What the kind defines, as plain data; what JSON cannot hold is text. */
	readonly data: unknown;
	/** What of storage is otherwise from here on. */
	readonly changes?: readonly StoredChange[];
}

export interface StoredPlace {
	readonly table: string;
	/** The key, decoded, in a few words. */
	readonly name: string;
}

export interface StoredChange {
	/** Number of the place. */
	readonly place: number;
	/** What is stored there from now on, decoded; null when nothing is. */
	readonly value: string | null;
	/** As many bytes as that is. */
	readonly bytes: number;
}

export interface RecordedViolation {
	readonly property: string;
	readonly kind: string;
	/** What must hold. */
	readonly claim: string;
	/** What happened instead. */
	readonly message: string;
	/** Place of the event that shows it. */
	readonly event: number;
}

export interface ComparedRow {
	readonly what: string;
	readonly expected: string;
	readonly observed: string;
}
