/**
 * What survives. A disk holds tables of bytes under binary keys, sorted by unsigned byte order. Every change goes
 * through `commit`, which is one numbered durable write however many keys it touches: all of it or none.
 *
 * The persistence contract of this disk: a commit is atomic; it is durable the moment it is applied; commits are
 * applied one at a time, in the order in which their operations come up. What a process did not hear of may or may not
 * have been applied. An engine that is correct on any disk must survive a crash before and after every commit.
 *
 * Keys are strings with one character a byte. Values handed in and out are owned by the disk: copied on the way in,
 * never changed afterwards.
 */
import { createRequire } from "node:module";
import type sortedBTree from "sorted-btree";
import { ANY_MEDIUM, type MediumFault } from "./faults.ts";
import type { Mutation } from "./history.ts";
import type { Process } from "./process.ts";

// CommonJS with a default export, which Node, bundlers and test runners each unwrap in their own way: load it as it is.
const BTree = (createRequire(import.meta.url)("sorted-btree") as typeof sortedBTree).default;

type Tree = InstanceType<typeof BTree<string, Uint8Array>>;

/** All bytes of a disk at one instant. Cheap: trees are shared until one side changes. */
export interface DiskImage {
	readonly tables: ReadonlyMap<string, Tree>;
	/** What the latest writes replaced, the latest last. */
	readonly replaced: readonly (readonly Mutation[])[];
}

/** Carries out a numbered durable effect, all of it or some mutations; false when the process did not survive it. */
export type Durably = (
	process: Process,
	what: string,
	mutations: readonly Mutation[],
	apply: (mutations: readonly Mutation[]) => void,
	legal: ReadonlySet<MediumFault>,
) => boolean;

export interface CommitOptions {
	/** Whether nobody else holds the values, so that the disk need not copy them. */
	readonly owned?: boolean;
	/** Faults of the medium that may strike this write; any when absent. */
	readonly legal?: ReadonlySet<MediumFault>;
}

export interface Entry {
	readonly key: string;
	readonly value: Uint8Array;
}

/** Is told of what was applied: a write, the part of one that reached the disk, or a damage. */
export type Applied = (mutations: readonly Mutation[], how: "whole" | "part" | "damage") => void;

export class Disk {
	/** Told of every change, for storage of which this disk is the model. */
	onApplied: Applied | undefined;
	readonly #durably: Durably;
	readonly #remembers: number;
	readonly #tables = new Map<string, Tree>();
	#replaced: (readonly Mutation[])[] = [];

	/** @param remembers how many of the latest writes can be lost. */
	constructor(durably: Durably, image?: DiskImage, remembers = 0) {
		this.#durably = durably;
		this.#remembers = remembers;
		if (image !== undefined) this.restore(image);
	}

	get(table: string, key: string): Uint8Array | undefined {
		return this.#tables.get(table)?.get(key);
	}

	/** Entries whose key starts with the prefix, in unsigned byte order. */
	list(table: string, prefix: string): Entry[] {
		const found: Entry[] = [];
		this.visit(table, prefix, (key, value) => {
			found.push({ key, value });
			return true;
		});
		return found;
	}

	/** Goes through the entries whose key starts with the prefix, in order, as long as `entry` says to go on. */
	visit(table: string, prefix: string, entry: (key: string, value: Uint8Array) => boolean): void {
		this.#tables
			.get(table)
			?.forRange(prefix, HIGHEST, true, (key, value) =>
				key.startsWith(prefix) && entry(key, value) ? undefined : STOP,
			);
	}

	/** Keys in the half-open range [start, end). */
	keysBetween(table: string, start: string, end: string): string[] {
		const found: string[] = [];
		if (start >= end) return found;
		this.#tables.get(table)?.forRange(start, end, false, (key) => {
			found.push(key);
		});
		return found;
	}

	/**
	 * Applies the mutations as one durable write. A later mutation of a key wins over an earlier one. Deleting an absent
	 * key changes nothing and does not count; if nothing is left, no durable write happens.
	 * @returns false when the process died of it and must not be answered.
	 */
	commit(process: Process, what: string, mutations: readonly Mutation[], options: CommitOptions = {}): boolean {
		const { owned = false, legal = ANY_MEDIUM } = options;
		const real: Mutation[] = [];
		for (const mutation of lastOfEachKey(mutations)) {
			const { table, key, value } = mutation;
			if (value !== null && owned) real.push(mutation);
			// Not `slice`: that of a `Buffer` copies nothing.
			else if (value !== null) real.push({ table, key, value: new Uint8Array(value) });
			else if (this.get(table, key) !== undefined) real.push(mutation);
		}
		if (real.length === 0) return process.alive;
		const apply = (kept: readonly Mutation[]) => {
			if (this.#remembers > 0) this.#remember(kept);
			this.#apply(kept);
			this.onApplied?.(kept, kept === real ? "whole" : "part");
		};
		return this.#durably(process, what, real, apply, legal);
	}

	/**
	 * Undoes the latest `count` writes, as far as they are remembered: they were acknowledged and never synced. What is left
	 * is what the medium holds, and no later loss can take it.
	 */
	lose(count: number): void {
		for (let i = 0; i < count; i++) this.#apply(this.#replaced.pop() ?? []);
		this.#replaced = [];
	}

	/** Puts other bytes under a key, as a medium does that decays: nobody wrote them. */
	damage(table: string, key: string, value: Uint8Array): void {
		this.#table(table).set(key, value);
		this.onApplied?.([{ table, key, value }], "damage");
	}

	/** Every table by name, each with its entries in order. */
	contents(): Map<string, Entry[]> {
		return new Map([...this.#tables.keys()].map((name) => [name, this.list(name, "")]));
	}

	image(): DiskImage {
		const tables = new Map<string, Tree>();
		for (const [name, tree] of this.#tables) tables.set(name, tree.clone());
		return { tables, replaced: this.#replaced.slice() };
	}

	restore({ tables, replaced }: DiskImage): void {
		this.#tables.clear();
		for (const [name, tree] of tables) this.#tables.set(name, tree.clone());
		this.#replaced = replaced.slice();
	}

	#apply(mutations: readonly Mutation[]): void {
		for (const { table, key, value } of mutations) {
			if (value === null) this.#table(table).delete(key);
			else this.#table(table).set(key, value);
		}
	}

	#remember(mutations: readonly Mutation[]): void {
		this.#replaced.push(mutations.map(({ table, key }) => ({ table, key, value: this.get(table, key) ?? null })));
		if (this.#replaced.length > this.#remembers) this.#replaced.shift();
	}

	#table(name: string): Tree {
		let tree = this.#tables.get(name);
		if (tree === undefined) {
			tree = new BTree<string, Uint8Array>(undefined, compareKeys, NODE_SIZE);
			this.#tables.set(name, tree);
		}
		return tree;
	}
}

/** Entries of a node of a tree: as many as the library has, since most tables of a run then are one node. */
const NODE_SIZE = 256;
const STOP = { break: true };
/** Above every key of one character a byte. */
const HIGHEST = "\uffff";

function lastOfEachKey(mutations: readonly Mutation[]): readonly Mutation[] {
	// Only a deletion can be misjudged by what an earlier mutation of the same commit did.
	if (mutations.length < 2 || mutations.every(({ value }) => value !== null)) return mutations;
	const last = new Map<string, Mutation>();
	for (const mutation of mutations) last.set(`${mutation.table}\0${mutation.key}`, mutation);
	return last.size === mutations.length ? mutations : [...last.values()];
}

function compareKeys(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

/** Works on any bytes, and spares a `Buffer` for each key. */
const { latin1Slice } = Buffer.prototype as unknown as { latin1Slice(this: Uint8Array): string };

/** Bytes as a key of one character a byte. */
export function keyFromBytes(bytes: Uint8Array): string {
	return latin1Slice.call(bytes);
}

export function bytesFromKey(key: string): Uint8Array {
	const bytes = new Uint8Array(key.length);
	for (let i = 0; i < bytes.length; i++) bytes[i] = key.charCodeAt(i);
	return bytes;
}
