/**
 * A queue of messages in an ordered store, in a part of the key space of its own. A message keeps its place; a place is never used
 * again, since the next one is stored with every append. Whoever calls keeps operations apart.
 */
import type { Message } from "@rivetkit/workflow-engine";
import { Encoder } from "cbor-x";
import { behindPrefix, concat, type OrderedStore, type StoredEntry } from "./store.ts";

const encoder = new Encoder({ useRecords: false });
const text = new TextEncoder();

/** Messages are under `m` and their place, responses under `r` and the id, the next place under `n`. */
const MESSAGES = text.encode("m");
const RESPONSES = text.encode("r");
const NEXT = text.encode("n");
const PAGE = 64;

type Stored = Pick<Message, "id" | "name" | "data" | "sentAt">;

/** Stores a message behind all others. */
export async function append(store: OrderedStore, { id, name, data, sentAt }: Message): Promise<void> {
	const stored = await store.get(NEXT);
	const place = stored === null ? 0 : placeFrom(stored);
	await store.write([
		{ key: concat(MESSAGES, placeBytes(place)), value: encoded({ id, name, data, sentAt }) },
		{ key: NEXT, value: placeBytes(place + 1) },
	]);
}

/** The first `count` messages with one of the names (any name when empty), in order; taken out unless `keep`. */
export async function receive(
	store: OrderedStore,
	names: readonly string[],
	count: number,
	keep: boolean,
): Promise<Stored[]> {
	const found = await find(store, ({ name }) => names.length === 0 || names.includes(name), count);
	if (!keep && found.length > 0) await store.write(found.map(({ key }) => ({ key, value: null })));
	return found.map(({ message }) => message);
}

/** Removes a message and stores the response for its sender. A message that is gone is left alone. */
export async function complete(store: OrderedStore, id: string, response: unknown): Promise<void> {
	const [found] = await find(store, (message) => message.id === id, 1);
	if (found === undefined) return;
	await store.write([
		{ key: found.key, value: null },
		{ key: concat(RESPONSES, text.encode(id)), value: encoded(response ?? null) },
	]);
}

/** Whether a message with one of the names (any name when empty) is stored. */
export async function has(store: OrderedStore, names: readonly string[]): Promise<boolean> {
	return (await find(store, ({ name }) => names.length === 0 || names.includes(name), 1)).length > 0;
}

/** The first `count` messages that fit, in order; stored messages are read page by page. */
async function find(
	store: OrderedStore,
	fits: (message: Stored) => boolean,
	count: number,
): Promise<{ readonly key: Uint8Array; readonly message: Stored }[]> {
	const found: { key: Uint8Array; message: Stored }[] = [];
	const end = behindPrefix(MESSAGES);
	let page: StoredEntry[];
	let start: Uint8Array = MESSAGES;
	do {
		page = await store.list(start, end, PAGE);
		for (const { key, value } of page) {
			const message = encoder.decode(value) as Stored;
			if (fits(message)) found.push({ key, message });
			if (found.length === count) return found;
			start = concat(key, Uint8Array.of(0));
		}
	} while (page.length === PAGE);
	return found;
}

function encoded(value: unknown): Uint8Array {
	return Uint8Array.from(encoder.encode(value));
}

const PLACE_BYTES = 8;

function placeBytes(place: number): Uint8Array {
	const bytes = new Uint8Array(PLACE_BYTES);
	new DataView(bytes.buffer).setBigUint64(0, BigInt(place));
	return bytes;
}

function placeFrom(bytes: Uint8Array): number {
	return Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0));
}
