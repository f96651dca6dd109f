/**
 * What an engine under test is: a module with `runWorkflow` and its companions, as published by
 * `@rivetkit/workflow-engine`, and the few facts an adapter must know of it.
 */
import type * as Rivet from "@rivetkit/workflow-engine";

export type EngineContext = Rivet.WorkflowContextInterface;
export type StepConfig<T> = Rivet.StepConfig<T>;
export type EngineHandle = Rivet.WorkflowHandle<unknown>;

/** The exports that a module must have to be an engine; the rest is optional and decides what can be tested. */
export type EngineModule = Pick<typeof Rivet, "runWorkflow" | "Loop" | "CriticalError" | "RollbackError"> &
	Partial<Pick<typeof Rivet, "loadStorage" | "replayWorkflowFromStep">>;

/** What not every version has: context operations, and beginning anew from a recorded step. */
export type Feature = "tryStep" | "try" | "getVersion" | "replayFrom";

export interface Engine {
	/** As on the command line, e.g. `rivet-2.3.19`. */
	readonly name: string;
	readonly version: string;
	readonly module: EngineModule;
	readonly features: ReadonlySet<Feature>;
	/** Which iteration of its loop a loop context stands for, from 0; undefined for other contexts. */
	iterationOf(context: EngineContext): number | undefined;
	/** Whether what an operation threw hands control back to the host instead of telling the program of a failure. */
	isYield(error: unknown): boolean;
	/** What a stored key means, in a few words, for stories. */
	describeKey(key: string): string;
	/** What the bytes under a key hold, as plain data, for reports; undefined when they are not what it stores there. */
	describeValue?(key: string, value: Uint8Array): unknown;
	/** What a stored history entry records, e.g. `step`; undefined when the bytes are no entry. */
	entryKind?(value: Uint8Array): string | undefined;
}

/** A target, driver or module that was named and is not there or not what it should be. Exit code 2. */
export class UsageError extends Error {
	readonly code = "usage";
	override readonly name = "UsageError";
}
