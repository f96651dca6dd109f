/**
 * What an actor of `rivetkit` has stored, read without it: keys in words, and values of its schema `actor-persist` version 4, which
 * all versions from 2.1.3 to 2.2.1 write. Schemas are in BARE: little-endian integers, lengths as variable integers.
 */
import { decode } from "cbor-x";
import type { Disk } from "../../../sim/world/disk.ts";
import { describeKey as describeWorkflowKey } from "../../engine/rivet/keys.ts";
import { describeValue as describeWorkflowValue } from "../../engine/rivet/stored.ts";
import type { ActorImage } from "../contract.ts";

export const STATE_KEY = "\x01";
const QUEUE_PREFIX = "\x05\x01";
export const QUEUE_METADATA_KEY = `${QUEUE_PREFIX}\x01`;
export const MESSAGE_PREFIX = `${QUEUE_PREFIX}\x02`;
const WORKFLOW_PREFIX = "\x06\x01";

const SINGLE_KEYS: ReadonlyMap<string, string> = new Map([
	[STATE_KEY, "actor state"],
	["\x03", "inspector token"],
	[QUEUE_METADATA_KEY, "queue metadata"],
]);

const PREFIXES: ReadonlyMap<string, string> = new Map([
	["\x02", "connection"],
	["\x04", "user key"],
	["\x07", "traces"],
	["\x08", "database page"],
]);

/** A stored key in a few words: `message 3`, `queue metadata`, `actor state`, `entry 0/4`. */
export function describeKey(key: string): string {
	const single = SINGLE_KEYS.get(key);
	if (single !== undefined) return single;
	if (key.startsWith(MESSAGE_PREFIX)) return `message ${messageIdOf(key)}`;
	if (key.startsWith(WORKFLOW_PREFIX)) return describeWorkflowKey(key.slice(WORKFLOW_PREFIX.length));
	return PREFIXES.get(key.slice(0, 1)) ?? `key ${Buffer.from(key, "latin1").toString("hex")}`;
}

/** What the bytes under a key hold, as plain data; undefined for what this file cannot read. @throws for bytes that are none. */
export function describeValue(key: string, value: Uint8Array): unknown {
	if (key === STATE_KEY) return decodeState(value);
	if (key === QUEUE_METADATA_KEY) return decodeCounts(value);
	if (key.startsWith(WORKFLOW_PREFIX)) return describeWorkflowValue(key.slice(WORKFLOW_PREFIX.length), value);
	if (!key.startsWith(MESSAGE_PREFIX)) return undefined;
	const { name, body } = decodeMessage(value);
	return { name, body: decode(body) as unknown };
}

/** The id in the key of a stored message. */
export function messageIdOf(key: string): string {
	return Buffer.from(key.slice(MESSAGE_PREFIX.length), "latin1").readBigUInt64BE().toString();
}

export function isMessageKey(key: string): boolean {
	return key.startsWith(MESSAGE_PREFIX);
}

/** Reads values one after the other. @throws RangeError when there are not enough bytes. */
class Cursor {
	readonly #bytes: Buffer;
	/** Behind the version of the schema, which comes first. */
	#at = 2;

	constructor(bytes: Uint8Array) {
		this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	}

	bool(): boolean {
		return this.#bytes.readUInt8(this.#at++) !== 0;
	}

	u32(): number {
		this.#at += 4;
		return this.#bytes.readUInt32LE(this.#at - 4);
	}

	u64(): bigint {
		this.#at += 8;
		return this.#bytes.readBigUInt64LE(this.#at - 8);
	}

	data(): Buffer {
		let length = 0;
		for (let shift = 0; ; shift += 7) {
			const byte = this.#bytes.readUInt8(this.#at++);
			length += (byte & 0x7f) * 2 ** shift;
			if (byte < 0x80) break;
		}
		this.#at += length;
		if (this.#at > this.#bytes.length) throw new RangeError("The value ends before its data.");
		return this.#bytes.subarray(this.#at - length, this.#at);
	}
}

/** A stored message: its name and the CBOR of its body. @throws for bytes that are none. */
export function decodeMessage(value: Uint8Array): { readonly name: string; readonly body: Uint8Array } {
	const cursor = new Cursor(value);
	return { name: cursor.data().toString(), body: cursor.data() };
}

/** The state among what is stored of an actor; undefined when it has none. @throws for bytes that are none. */
function decodeState(value: Uint8Array): unknown {
	const cursor = new Cursor(value);
	const hasInput = cursor.bool();
	if (hasInput) cursor.data();
	const initialized = cursor.bool();
	return initialized ? decode(cursor.data()) : undefined;
}

function decodeCounts(value: Uint8Array): { readonly nextId: string; readonly size: number } {
	const cursor = new Cursor(value);
	return { nextId: cursor.u64().toString(), size: cursor.u32() };
}

/** What the disk holds of an actor in that table. Reads, and writes nothing. */
export function imageOf(disk: Disk, table: string): ActorImage {
	const counts = read(disk.get(table, QUEUE_METADATA_KEY), decodeCounts);
	return {
		state: read(disk.get(table, STATE_KEY), decodeState),
		queue: {
			messages: disk.list(table, MESSAGE_PREFIX).map(({ key, value }) => {
				const message = read(value, decodeMessage);
				return { id: messageIdOf(key), name: message?.name ?? "", body: read(message?.body, decode) };
			}),
			size: counts?.size,
			nextId: counts?.nextId,
		},
	};
}

/** What is absent, or cannot be read because it was damaged, is undefined. */
function read<V>(bytes: Uint8Array | undefined, decodeIt: (bytes: Uint8Array) => V): V | undefined {
	if (bytes === undefined) return undefined;
	try {
		return decodeIt(bytes);
	} catch {
		return undefined;
	}
}
