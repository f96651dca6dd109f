/**
 * The least that a store must be for `engineDriverOver` to make a whole driver of it: bytes under bytes, listed in unsigned
 * byte order. Answers may come at once or later; what is handed over belongs to the receiver only until it answers, so neither
 * side keeps the other's bytes.
 */

/** One key set, or removed. */
export interface Change {
	readonly key: Uint8Array;
	/** Null removes the key. */
	readonly value: Uint8Array | null;
}

export interface StoredEntry {
	readonly key: Uint8Array;
	readonly value: Uint8Array;
}

type Answer<T> = T | Promise<T>;

export interface OrderedStore {
	get(key: Uint8Array): Answer<Uint8Array | null>;
	/** Carries out the changes, no two of which have one key; as one unit where the driver claims atomic batches. */
	write(changes: readonly Change[]): Answer<void>;
	/** The first `limit` entries from `start` up to and without `end`, in unsigned byte order, as they were at one instant. */
	list(start: Uint8Array, end: Uint8Array, limit?: number): Answer<StoredEntry[]>;
	/**
	 * Carries out what reads and then writes, with no other process in between. Only for stores that several processes may have
	 * open; within one process the adapter keeps such operations apart.
	 */
	exclusively?<T>(work: (store: OrderedStore) => Promise<T>): Promise<T>;
	close?(): Answer<void>;
}

/** Unsigned byte order. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
	return Buffer.compare(a, b);
}

/** The parts one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
	const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
	let at = 0;
	for (const part of parts) {
		whole.set(part, at);
		at += part.byteLength;
	}
	return whole;
}

/**
 * The first key in byte order that is behind every key with the prefix.
 * @throws RangeError for a prefix of nothing but `ff`, behind which there is no key.
 */
export function behindPrefix(prefix: Uint8Array): Uint8Array {
	let length = prefix.byteLength;
	while (length > 0 && prefix[length - 1] === 0xff) length--;
	if (length === 0) throw new RangeError("No key is behind every key with this prefix.");
	const behind = prefix.slice(0, length);
	behind[length - 1] = (behind[length - 1] ?? 0) + 1;
	return behind;
}

/** For each key the last change to it, in the order of the first. */
export function lastOfEach(changes: readonly Change[]): Change[] {
	const last = new Map<string, Change>();
	for (const change of changes) last.set(Buffer.from(change.key).toString("latin1"), change);
	return [...last.values()];
}

/**
 * `OrderedStore.list` over a store that knows its names in no order: the names of all keys, the key of each, and a value by its name,
 * which may be gone by then.
 * @param together how many values are read at a time.
 */
export async function listByName(
	names: readonly string[],
	{ keyOf, get, together }: NamedStore,
	{ start, end, limit = Number.POSITIVE_INFINITY }: { start: Uint8Array; end: Uint8Array; limit?: number | undefined },
): Promise<StoredEntry[]> {
	const keys = names
		.map((name) => ({ name, key: keyOf(name) }))
		.filter(({ key }) => compareBytes(key, start) >= 0 && compareBytes(key, end) < 0)
		.sort((a, b) => compareBytes(a.key, b.key))
		.slice(0, limit);
	const entries: StoredEntry[] = [];
	for (let from = 0; from < keys.length; from += together) {
		const page = keys.slice(from, from + together);
		const values = await Promise.all(page.map(({ name }) => get(name)));
		for (const [i, { key }] of page.entries()) {
			const value = values[i] ?? null;
			if (value !== null) entries.push({ key, value });
		}
	}
	return entries;
}

/** What `listByName` asks of a store. */
export interface NamedStore {
	readonly keyOf: (name: string) => Uint8Array;
	readonly get: (name: string) => Promise<Uint8Array | null>;
	readonly together: number;
}
