/**
 * A durable message queue on the world's disk. Appending, taking and completing are each one durable write. A message
 * keeps its place; a key is never used again, since the next place is stored with every append.
 */

import type { Message } from "@rivetkit/workflow-engine";
import { Encoder } from "cbor-x";
import type { CommitOptions, Disk } from "../../../sim/world/disk.ts";
import type { Process } from "../../../sim/world/process.ts";
import { Waits } from "../waits.ts";

const encoder = new Encoder({ useRecords: false });

const NEXT = "next";
/** Messages are stored under `m` + place + `:` + name + `:` + id, so that names and ids can be read without decoding. */
const MESSAGE = "m";
const PLACE_DIGITS = 8;
/** Responses of completed messages are stored under `r` + id. */
const RESPONSE = "r";

/** Appending, taking and completing are whole: the medium may not tear or damage what only this file reads. */
const INTACT: CommitOptions = { legal: new Set() };

/** Integers below are one byte in CBOR, the integer itself. */
const SMALL_INTEGERS = 24;

export interface QueuedMessage {
	readonly id: string;
	readonly name: string;
}

export class DurableQueue extends Waits {
	readonly #disk: Disk;
	readonly #table: string;
	readonly #watchers = new Set<{ readonly process: Process; readonly watcher: (name: string) => void }>();

	constructor(disk: Disk, table: string) {
		super();
		this.#disk = disk;
		this.#table = table;
	}

	/** Stores a message at the end. @returns false when the process died before it could be acknowledged. */
	append(process: Process, message: Message): boolean {
		const stored = this.#disk.get(this.#table, NEXT);
		const place = stored === undefined ? 0 : decodePlace(stored);
		const key = `${MESSAGE}${String(place).padStart(PLACE_DIGITS, "0")}:${encodeURIComponent(message.name)}:${message.id}`;
		const { id, name, data, sentAt } = message;
		const alive = this.#disk.commit(
			process,
			"queue.append",
			[
				{ table: this.#table, key, value: encoder.encode({ id, name, data, sentAt }) },
				{ table: this.#table, key: NEXT, value: encodePlace(place + 1) },
			],
			INTACT,
		);
		for (const { process, watcher } of [...this.#watchers]) if (process.alive) watcher(message.name);
		return alive;
	}

	/** The first `count` messages with one of the names (any name when empty), in order; taken out unless `keep`. */
	receive(process: Process, names: readonly string[], count: number, keep: boolean): Message[] {
		const keys: string[] = [];
		const messages: Message[] = [];
		const wanted = matcher(names);
		this.#disk.visit(this.#table, MESSAGE, (key, value) => {
			if (!wanted(key)) return true;
			keys.push(key);
			messages.push(encoder.decode(value) as Message);
			return keys.length < count;
		});
		if (!keep && keys.length > 0) {
			this.#disk.commit(
				process,
				"queue.take",
				keys.map((key) => ({ table: this.#table, key, value: null })),
				INTACT,
			);
		}
		return messages;
	}

	/** Removes a message and stores the response for its sender. A message that is gone is left alone. */
	complete(process: Process, id: string, response: unknown): void {
		const found = this.#disk.list(this.#table, MESSAGE).find(({ key }) => parseKey(key).id === id);
		if (found === undefined) return;
		this.#disk.commit(
			process,
			"queue.complete",
			[
				{ table: this.#table, key: found.key, value: null },
				{ table: this.#table, key: `${RESPONSE}${id}`, value: encoder.encode(response ?? null) },
			],
			INTACT,
		);
	}

	/** Whether a message with one of the names (any name when empty) is stored. */
	has(names: readonly string[]): boolean {
		let found = false;
		const wanted = matcher(names);
		this.#disk.visit(this.#table, MESSAGE, (key) => {
			found = wanted(key);
			return !found;
		});
		return found;
	}

	messages(): QueuedMessage[] {
		return this.#disk.list(this.#table, MESSAGE).map(({ key }) => parseKey(key));
	}

	/** Calls the process back at every append, until the returned function is called. */
	watch(process: Process, watcher: (name: string) => void): () => void {
		const watch = { process, watcher };
		this.#watchers.add(watch);
		return () => {
			this.#watchers.delete(watch);
		};
	}
}

/** As the encoder's bytes, without it for the integers that are one byte in CBOR. */
function encodePlace(place: number): Uint8Array {
	return place < SMALL_INTEGERS ? Uint8Array.of(place) : encoder.encode(place);
}

function decodePlace(bytes: Uint8Array): number {
	const [first = 0] = bytes;
	return first < SMALL_INTEGERS ? first : (encoder.decode(bytes) as number);
}

/** Tells the keys of messages with one of the names (any name when empty), without taking them apart. */
function matcher(names: readonly string[]): (key: string) => boolean {
	if (names.length === 0) return () => true;
	const parts = names.map((name) => `:${encodeURIComponent(name)}:`);
	return (key) => parts.some((part) => key.startsWith(part, MESSAGE.length + PLACE_DIGITS));
}

function parseKey(key: string): QueuedMessage {
	const [, name = "", id = ""] = key.split(":");
	return { name: name.includes("%") ? decodeURIComponent(name) : name, id };
}

/** What a key of the queue's table holds: `message m3 (counter)`, `response to m3`, `next place`. */
export function describeQueueKey(key: string): string {
	if (key === NEXT) return "next place";
	if (key.startsWith(RESPONSE)) return `response to ${key.slice(RESPONSE.length)}`;
	const { id, name } = parseKey(key);
	return `message ${id} (${name})`;
}

/** What a value of the queue's table holds, as plain data. */
export function describeQueueValue(key: string, value: Uint8Array): unknown {
	if (key === NEXT) return decodePlace(value);
	const stored: unknown = encoder.decode(value);
	if (key.startsWith(RESPONSE)) return stored;
	const { data, sentAt } = stored as Message;
	return { body: data, sentAt: new Date(sentAt) };
}
