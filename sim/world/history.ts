/**
 * What happened in a run, in order. Events are plain data; the digest is a hash of all of them, so two runs with
 * equal digests had byte-equal histories. The world writes its own kinds of event (`WorldEvent`); the rooms above
 * add theirs through `note`, whose kinds are theirs to define.
 */
import { createHash } from "node:crypto";
import { Encoder } from "cbor-x";

export interface HistoryEvent {
	/** Virtual milliseconds since the start of the run. */
	readonly at: number;
	/** The process life it happened in; 0 is the outside. */
	readonly process: number;
	readonly kind: string;
	/** Plain data whose shape the kind defines. */
	readonly data: unknown;
}

/** The shapes of the world's own events, by kind. */
export interface WorldEvents {
	/** A process life began. */
	"process.start": { name: string };
	/** A process life ended without warning; what it had in flight is listed. */
	"process.crash": { why: string; inFlight: readonly string[] };
	/** A process life ended of its own will. */
	"process.exit": { why: string };
	/** A planned fault struck, as planned: the proof that it fired. */
	fault: { index: number; kind: string; window: string };
	/** An operation was answered with an error, or is never answered; `applied` says whether it took place. */
	"operation.failed": { operation: number; what: string; how: "refused" | "lost-ack" | "hung"; applied: boolean };
	/** A stored value was damaged: this is what the key holds from now on. */
	damaged: { table: string; key: string; how: string; value: Uint8Array };
	/** A numbered durable effect was applied. */
	durable: { n: number; what: string; mutations: readonly Mutation[] };
	/** An operation that changed nothing durable: a read, or a write of what was already so. */
	operation: { what: string; detail: string };
	/** A call into the outside world took effect; no crash undoes it. */
	effect: { n: number; label: string; about: string | undefined; occurrence: number };
	/** Nobody handled a rejected promise. */
	unhandled: { error: ErrorFact };
	/** A callback of the event loop threw. */
	uncaught: { error: ErrorFact };
	/** Something was written to the console, or a runtime warning was emitted. */
	log: { level: string; text: string };
}

/** One change of one key; `value` null means deleted. */
export interface Mutation {
	readonly table: string;
	/** Binary key, one character a byte (latin1). */
	readonly key: string;
	readonly value: Uint8Array | null;
}

/** What a history keeps of an error: nothing that depends on the machine or the runtime version. */
export interface ErrorFact {
	readonly name: string;
	readonly message: string;
}

export function errorFact(error: unknown): ErrorFact {
	if (error instanceof Error) return { name: error.name, message: error.message };
	return { name: typeof error, message: textOf(error) };
}

/** What is thrown need not have a text. */
function textOf(value: unknown): string {
	try {
		return String(value);
	} catch {
		return "a value without a text";
	}
}

const encoder = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true });

/** Of values that hold themselves, which a workflow may well have for its output. */
const cyclic = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true, structuredClone: true });

/** The bytes of one event, as they go into the digest. */
export function encodeEvent(event: HistoryEvent): Uint8Array {
	const fields = [event.at, event.process, event.kind, event.data];
	try {
		return encoder.encode(fields);
	} catch (error) {
		if (!(error instanceof RangeError)) throw error;
		return cyclic.encode(fields);
	}
}

export class History {
	readonly events: HistoryEvent[] = [];

	/** Hex SHA-256 over all events so far. */
	digest(): string {
		const hash = createHash("sha256");
		for (const event of this.events) hash.update(encodeEvent(event));
		return hash.digest("hex");
	}
}
