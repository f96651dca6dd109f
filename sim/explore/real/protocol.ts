/**
 * What a process that is to be killed and its parent say to each other, over two pipes: length-prefixed values in the runtime's
 * own serialisation. The child writes synchronously, so that what it said before it was killed has arrived; and it waits for a
 * word before and after each operation, so that the parent kills it exactly where it means to.
 */
import { writeSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { deserialize, serialize } from "node:v8";
import type { KVEntry, KVWrite, Message } from "@rivetkit/workflow-engine";
import type { Hosting, HostState, Outcome } from "../../../drivers/engine/host.ts";
import type { StepRule } from "../../../drivers/engine/observe.ts";
import type { BoxSettings } from "../../../drivers/storage/box/index.ts";
import type { QueuedMessage } from "../../../drivers/storage/memory/queue.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { ErrorFact } from "../../world/history.ts";

/** One operation of storage, or a call to the outside, with all that it takes to do it to a model as well. */
export type Operation =
	| { readonly what: "kv.get"; readonly key: Uint8Array }
	| { readonly what: "kv.set"; readonly key: Uint8Array; readonly value: Uint8Array }
	| { readonly what: "kv.delete"; readonly key: Uint8Array }
	| { readonly what: "kv.batch"; readonly writes: readonly KVWrite[] }
	| { readonly what: "kv.batchDelete"; readonly keys: readonly Uint8Array[] }
	| { readonly what: "kv.deletePrefix"; readonly prefix: Uint8Array }
	| { readonly what: "kv.deleteRange"; readonly start: Uint8Array; readonly end: Uint8Array }
	| { readonly what: "kv.list"; readonly prefix: Uint8Array }
	| { readonly what: "alarm.set"; readonly at: number }
	| { readonly what: "alarm.clear" }
	/** The host clears the alarm as it goes off. */
	| { readonly what: "alarm.fire" }
	| { readonly what: "queue.add"; readonly message: PlainMessage }
	/** A client's message; the outside sends it. */
	| { readonly what: "queue.append"; readonly message: PlainMessage; readonly place: number }
	| {
			readonly what: "queue.receive";
			readonly names: readonly string[];
			readonly count: number;
			readonly keep: boolean;
	  }
	| { readonly what: "queue.complete"; readonly id: string; readonly response: unknown }
	| { readonly what: "call"; readonly label: string; readonly about: string | undefined };

export type PlainMessage = Pick<Message, "id" | "name" | "data" | "sentAt">;

/** How an operation was answered. */
export type Answered = { readonly value: unknown } | { readonly error: ErrorFact };

/** What is in a namespace, read as it was opened. */
export interface Contents {
	readonly entries: readonly KVEntry[];
	/** `unknown` where the driver cannot tell, or does not keep it. */
	readonly alarm: number | undefined | "unknown";
	readonly messages: readonly PlainMessage[] | "unknown";
}

/** A driver as the command line names it, and what else it takes to find it, as plain data. */
export interface DriverSource {
	readonly name: string;
	readonly settings: Omit<BoxSettings, "packageDirectory">;
	/** Where packages were installed, by `name@version`. */
	readonly packages: Readonly<Record<string, string>>;
}

/** One life of a host: what it runs, on what, and what those before it left behind outside of storage. */
export interface Job {
	readonly engine: string;
	readonly driver: DriverSource;
	readonly namespace: string;
	readonly scenario: Scenario;
	readonly hosting: Hosting;
	/** Real milliseconds since 1970 that are the start of the run. */
	readonly startedAtMs: number;
	/** Process lives so far. */
	readonly lives: number;
	readonly host: HostState | undefined;
	/** What is stored as far as the parent knows, for who keeps what the driver does not. */
	readonly queued: readonly QueuedMessage[];
	readonly alarm: number | undefined;
}

/** What the child says. */
export type Said =
	| { readonly kind: "ready" }
	| { readonly kind: "opened"; readonly id: number; readonly contents: Contents }
	| { readonly kind: "spawned"; readonly at: number; readonly process: number; readonly name: string }
	| { readonly kind: "exited"; readonly at: number; readonly process: number; readonly why: string }
	| {
			readonly kind: "note";
			readonly at: number;
			readonly process: number;
			readonly event: string;
			readonly data: unknown;
	  }
	| { readonly kind: "rule"; readonly key: string; readonly rule: StepRule }
	| { readonly kind: "host"; readonly state: HostState }
	| {
			readonly kind: "before";
			readonly id: number;
			readonly at: number;
			readonly process: number;
			readonly operation: Operation;
			/** Whether the parent keeps it, because the driver does not. */
			readonly kept: boolean;
	  }
	| { readonly kind: "after"; readonly id: number; readonly at: number; readonly answered: Answered }
	| { readonly kind: "failed"; readonly message: string }
	/** Nothing is left to happen; what the run has come to, unless something is to happen in a long while. */
	| { readonly kind: "done"; readonly at: number; readonly outcome: Outcome | undefined };

/** What the parent says. */
export type Told =
	| { readonly kind: "job"; readonly job: Job }
	/** Goes on with what waits under that id; `value` is the answer of what the parent keeps. */
	| { readonly kind: "go"; readonly id: number; readonly value?: unknown }
	/** Has the client send the message in that place. */
	| { readonly kind: "send"; readonly place: number }
	/** Asks what the run has come to, since nothing has happened for long. */
	| { readonly kind: "conclude" };

const LENGTH_BYTES = 4;

function framed(body: Buffer): Buffer {
	const frame = Buffer.allocUnsafe(LENGTH_BYTES + body.byteLength);
	frame.writeUInt32LE(body.byteLength, 0);
	body.copy(frame, LENGTH_BYTES);
	return frame;
}

/** What cannot be handed over as it is goes as its text. */
function bytesOf(message: unknown): Buffer {
	try {
		return serialize(message);
	} catch {
		return serialize(JSON.parse(JSON.stringify(message, (_, value) => (isPlain(value) ? value : String(value)))));
	}
}

function isPlain(value: unknown): boolean {
	return typeof value !== "function" && typeof value !== "symbol" && typeof value !== "bigint";
}

/** Says something at once: when it returns, the message is in the pipe. */
export function say(descriptor: number, message: Said): void {
	const frame = framed(bytesOf(message));
	for (let at = 0; at < frame.byteLength; ) at += writeSync(descriptor, frame, at);
}

export function tell(pipe: Writable, message: Told): void {
	pipe.write(framed(serialize(message)));
}

/** Calls back with each message that comes. */
export function listen<T>(pipe: Readable, heard: (message: T) => void): void {
	let rest: Buffer = Buffer.alloc(0);
	pipe.on("data", (piece: Buffer) => {
		rest = rest.byteLength === 0 ? piece : Buffer.concat([rest, piece]);
		while (rest.byteLength >= LENGTH_BYTES) {
			const end = LENGTH_BYTES + rest.readUInt32LE(0);
			if (rest.byteLength < end) return;
			const message = deserialize(rest.subarray(LENGTH_BYTES, end)) as T;
			rest = rest.subarray(end);
			heard(message);
		}
	});
}
