/**
 * The one way to the disk. Changes wait in the order in which they were last made, so that every beginning of a batch is a
 * state that the history was once in; a batch beyond the limits is split along that order. One flush runs at a time: what
 * changes meanwhile waits for the next. Keys are removed only once what makes them superfluous is durable.
 */
import type { EngineDriver } from "@rivetkit/workflow-engine";
import { StorageLimitError } from "./errors.ts";
import { sealed } from "./history.ts";
import { bytesOf, describeKey, endOf } from "./keys.ts";
import type { Rules } from "./rules.ts";

/** What a batch may hold, as the contract of drivers says. */
export const MAX_BATCH_ENTRIES = 128;
export const MAX_BATCH_BYTES = 976 * 1024;

/** What has to be stored under a key, as bytes once it is written. */
export interface Storable {
	readonly key: string;
	bytes(): Uint8Array;
}

/** Carries out an operation of the driver; never settles once the run is over. */
export type Io = <T>(operation: () => Promise<T>) => Promise<T>;

/** All keys from the first one up to the second, without that. */
type Range = readonly [from: string, to: string];

export class Journal {
	readonly #driver: EngineDriver;
	readonly #io: Io;
	readonly #rules: Rules;
	/** Keys on the disk, as far as they may be there. */
	readonly #stored: Set<string>;
	readonly #dirty = new Map<string, Storable>();
	/** To be removed once the next flush is durable, and at once. */
	#outdated: Range[] = [];
	#removable: Range[] = [];
	#tail: Promise<void> = Promise.resolve();
	#next: Promise<void> | undefined;

	readonly #onRefusal: (error: StorageLimitError) => void;

	/** @param onRefusal told of a record that is larger than a batch may be; who waits for it waits for ever. */
	constructor(
		driver: EngineDriver,
		io: Io,
		rules: Rules,
		stored: Set<string>,
		onRefusal: (error: StorageLimitError) => void,
	) {
		this.#onRefusal = onRefusal;
		this.#driver = driver;
		this.#io = io;
		this.#rules = rules;
		this.#stored = stored;
	}

	/** Has it stored with the next flush, behind all that was changed before. */
	change(what: Storable): void {
		if (this.#rules.flushInOrderOfCreation !== true) this.#dirty.delete(what.key);
		this.#dirty.set(what.key, what);
	}

	/** What is under that key need not be stored any more. */
	forget(prefix: string): void {
		for (const key of this.#dirty.keys()) if (key.startsWith(prefix)) this.#dirty.delete(key);
	}

	/** Has all keys from one up to another removed, once everything that was changed up to now is durable. */
	remove(from: string, to = endOf(from)): void {
		for (const key of this.#dirty.keys()) if (key >= from && key < to) this.#dirty.delete(key);
		if (this.#rules.removeBeforeRecord === true) this.#removable.push([from, to]);
		else this.#outdated.push([from, to]);
	}

	/** As `remove`, for what is superfluous already. */
	removeNow(from: string, to = endOf(from)): void {
		this.#removable.push([from, to]);
	}

	/** Settles once all that was changed up to now is durable. */
	flush(): Promise<void> {
		if (this.#next !== undefined) return this.#next;
		const before = this.#rules.overlappingFlushes === true ? Promise.resolve() : this.#tail;
		const flush = before.then(() => {
			this.#next = undefined;
			return this.#write();
		});
		this.#tail = flush.then(() => {});
		this.#next = flush.then((refused) => (refused === undefined ? undefined : this.#refuse(refused)));
		return this.#next;
	}

	/** Settles once all that was changed up to now is durable, or was refused. */
	async drained(): Promise<void> {
		do {
			if (this.#dirty.size > 0) void this.flush();
			await this.#tail;
			// What was refused may have left a failure to be recorded.
		} while (this.#dirty.size > 0);
	}

	#refuse(error: StorageLimitError): Promise<void> {
		this.#onRefusal(error);
		return new Promise(() => {});
	}

	/** @returns what was not written, since no batch can hold it. */
	async #write(): Promise<StorageLimitError | undefined> {
		await this.#removeKeys();
		const changed = [...this.#dirty.values()];
		const outdated = this.#outdated;
		this.#outdated = [];
		if (this.#rules.forgetChangesDuringFlush !== true) this.#dirty.clear();
		const { batches, refused } = batchesOf(changed, this.#rules);
		for (const batch of batches) {
			for (const { key } of batch) this.#stored.add(textKey(key));
			await this.#io(() => this.#driver.batch(batch));
		}
		if (this.#rules.forgetChangesDuringFlush === true) this.#dirty.clear();
		this.#removable.push(...outdated);
		await this.#removeKeys();
		return refused;
	}

	async #removeKeys(): Promise<void> {
		if (this.#rules.keepOutdated === true) this.#removable = [];
		for (const [from, to] of this.#removable.splice(0)) {
			const keys = [...this.#stored].filter((key) => key >= from && key < to);
			if (keys.length === 0) continue;
			if (to === endOf(from)) await this.#io(() => this.#driver.deletePrefix(bytesOf(from)));
			else await this.#io(() => this.#driver.deleteRange(bytesOf(from), bytesOf(to)));
			for (const key of keys) this.#stored.delete(key);
		}
	}
}

function textKey(key: Uint8Array): string {
	return Buffer.from(key).toString("latin1");
}

interface Write {
	readonly key: Uint8Array;
	readonly value: Uint8Array;
}

/** The changes in order, in as few batches as the limits allow; without what alone is beyond them. */
export function batchesOf(
	changed: readonly Storable[],
	rules: Rules = {},
): { readonly batches: Write[][]; readonly refused: StorageLimitError | undefined } {
	const batches: Write[][] = [];
	let refused: StorageLimitError | undefined;
	let batch: Write[] = [];
	let bytes = 0;
	for (const what of changed) {
		const value = sealed(what.key, what.bytes());
		const size = what.key.length + value.byteLength;
		if (size > MAX_BATCH_BYTES) {
			refused ??= new StorageLimitError(describeKey(what.key), size, MAX_BATCH_BYTES);
			continue;
		}
		if (rules.neverSplit !== true && (batch.length === MAX_BATCH_ENTRIES || bytes + size > MAX_BATCH_BYTES)) {
			batches.push(batch);
			batch = [];
			bytes = 0;
		}
		batch.push({ key: bytesOf(what.key), value });
		bytes += size;
	}
	if (batch.length > 0) batches.push(batch);
	if (rules.causeAfterEffect === true) for (const one of batches) one.reverse();
	return { batches, refused };
}
