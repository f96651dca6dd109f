/**
 * What a program is told when something fails, and how a failure is kept: as a record from which the same error is made again
 * on every replay. The program is given the remade error the first time, too, so that nothing depends on when it looks.
 */
import type * as Rivet from "@rivetkit/workflow-engine";

class NamedError extends Error {
	constructor(name: string, message: string) {
		super(message);
		Object.defineProperty(this, "name", { value: name, configurable: true, writable: true, enumerable: false });
	}
}

/** Thrown by a step that must not be tried again. */
export class CriticalError extends NamedError {
	constructor(message: string) {
		super("CriticalError", message);
	}
}

/** Thrown by a step that asks for everything to be undone. */
export class RollbackError extends NamedError {
	constructor(message: string) {
		super("RollbackError", message);
	}
}

/** A step is to be compensated, and no checkpoint comes before it. */
export class RollbackCheckpointError extends NamedError {
	constructor() {
		super("RollbackCheckpointError", "A step with a rollback handler needs a rollback checkpoint before it");
	}
}

/** A cancelled workflow was started. */
export class EvictedError extends NamedError {
	constructor() {
		super("EvictedError", "The workflow was cancelled");
	}
}

/** Code and history tell two stories. */
export class HistoryDivergedError extends NamedError {
	constructor(message: string) {
		super("HistoryDivergedError", message);
	}
}

/** An entry was started while the one before it is under way. */
export class EntryInProgressError extends NamedError {
	constructor() {
		super("EntryInProgressError", "Another entry is under way here: await it before starting the next");
	}
}

/** A duration that is no number, or a sleep that never ends. */
export class DurationError extends NamedError {
	constructor(what: string, ms: number) {
		super("DurationError", `${what} cannot be ${ms} ms`);
	}
}

/** What is stored under a key is not what was written there. */
export class StorageDamagedError extends NamedError {
	constructor(key: string, why: string) {
		super("StorageDamagedError", `What is stored as ${key} is damaged: ${why}`);
	}
}

/** A record is larger than one batch of storage may be, and cannot be split. */
export class StorageLimitError extends NamedError {
	constructor(what: string, bytes: number, limit: number) {
		super(
			"StorageLimitError",
			`The record of ${what} takes ${bytes} bytes, exceeding the ${limit} byte limit of a batch`,
		);
	}
}

/** A failure as it is stored. */
export interface ErrorRecord {
	readonly name: string;
	readonly message: string;
	/** Of a step that ran out of attempts. */
	readonly step?: string;
	readonly last?: string;
	/** Of a join or race, by branch. */
	readonly branches?: readonly (readonly [name: string, error: ErrorRecord])[];
	/** Keys of the entries that are to be tried again when the workflow is recovered. */
	readonly blame?: readonly string[];
}

/** What failed, for blocks that catch and for recovery. */
export interface Origin {
	readonly source: "step" | "join" | "race";
	readonly name: string;
	readonly blame: readonly string[];
	readonly step?: Rivet.TryStepFailure;
}

const origins = new WeakMap<object, Origin>();

/** Where an error came from; undefined for errors of the program itself. */
export function originOf(error: unknown): Origin | undefined {
	return typeof error === "object" && error !== null ? origins.get(error) : undefined;
}

/** Anything may be thrown, with or without a text. */
export function recordOf(thrown: unknown): ErrorRecord {
	const blame = originOf(thrown)?.blame;
	const from = blame === undefined ? {} : { blame };
	if (thrown instanceof Error) {
		const { stepName: step, lastError: last } = thrown as Partial<Rivet.StepExhaustedError>;
		const { errors } = thrown as { errors?: unknown };
		return {
			name: String(thrown.name),
			message: String(thrown.message),
			...(typeof step === "string" ? { step, last: String(last) } : {}),
			...(branchRecords.get(thrown) === undefined || errors === undefined
				? {}
				: { branches: branchRecords.get(thrown) as [] }),
			...from,
		};
	}
	return { name: "Error", message: textOf(thrown), ...from };
}

const branchRecords = new WeakMap<Error, readonly (readonly [string, ErrorRecord])[]>();

function textOf(value: unknown): string {
	try {
		return String(value);
	} catch {
		return "a value without a text was thrown";
	}
}

/** The error that a record tells of. */
export function errorOf(record: ErrorRecord, origin?: Origin): Error {
	const error = made(record);
	if (origin !== undefined) origins.set(error, origin);
	return error;
}

function made({ name, message, step, last, branches }: ErrorRecord): Error {
	if (branches !== undefined) {
		const error = new NamedError(name, message);
		branchRecords.set(error, branches);
		const errors =
			name === "JoinError"
				? Object.fromEntries(branches.map(([branch, record]) => [branch, errorOf(record)]))
				: branches.map(([branch, record]) => ({ name: branch, error: `${record.name}: ${record.message}` }));
		return Object.assign(error, { errors });
	}
	if (step !== undefined) return Object.assign(new NamedError(name, message), { stepName: step, lastError: last });
	if (name === "CriticalError") return new CriticalError(message);
	if (name === "RollbackError") return new RollbackError(message);
	return new NamedError(name, message);
}

export function exhausted(step: string, last: string): ErrorRecord {
	return { name: "StepExhaustedError", message: `Step "${step}" ran out of attempts: ${last}`, step, last };
}

export function timedOut(step: string, limitMs: number): ErrorRecord {
	return { name: "CriticalError", message: `Step "${step}" timed out after ${limitMs} ms` };
}

/** One error for all failed branches of a join or race, in the order in which the program names them. */
export function branchesFailed(
	operation: "join" | "race",
	branches: readonly (readonly [name: string, error: ErrorRecord])[],
	blame: readonly string[],
): ErrorRecord {
	const names = branches.map(([name]) => name).join(", ");
	return operation === "join"
		? { name: "JoinError", message: `Branches failed: ${names}`, branches, blame }
		: { name: "RaceError", message: `Every branch failed: ${names}`, branches, blame };
}
