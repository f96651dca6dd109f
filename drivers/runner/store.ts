/** A server's store on the disk of a world: each transaction is one storage operation, and what it writes one durable write. */
import type { Mutation } from "../../sim/world/history.ts";
import type { Process } from "../../sim/world/process.ts";
import type { World } from "../../sim/world/world.ts";
import type { ServerEvents, ServerStore, Transaction } from "./contract.ts";

export const SERVER_TABLE = "server";

export class WorldStore implements ServerStore {
	readonly #world: World;
	readonly #process: Process;
	/** What this process has read already, by the bytes that the disk holds of it. */
	readonly #read = new WeakMap<Uint8Array, object>();

	constructor(world: World, process: Process) {
		this.#world = world;
		this.#process = process;
	}

	transact<T>(what: string, body: (transaction: Transaction) => T): Promise<T> {
		return this.#world.operate(this.#process, what, () => {
			const transaction = new WorldTransaction(this.#world, this.#read);
			const result = body(transaction);
			transaction.commit(this.#process, what);
			return result;
		});
	}
}

class WorldTransaction implements Transaction {
	readonly #world: World;
	/** What it has written so far; undefined stands for what it has deleted. */
	readonly #written = new Map<string, unknown>();
	readonly #notes: { readonly kind: string; readonly data: unknown }[] = [];
	readonly #afterwards: (() => void)[] = [];
	readonly #read: WeakMap<Uint8Array, object>;

	constructor(world: World, read: WeakMap<Uint8Array, object>) {
		this.#world = world;
		this.#read = read;
	}

	get<V>(key: string): V | undefined {
		if (this.#written.has(key)) return this.#written.get(key) as V | undefined;
		const stored = this.#world.disk.get(SERVER_TABLE, key);
		return stored === undefined ? undefined : this.#decoded<V>(stored);
	}

	list<V>(prefix: string): { readonly key: string; readonly value: V }[] {
		const stored: { readonly key: string; readonly value: V }[] = [];
		this.#world.disk.visit(SERVER_TABLE, prefix, (key, value) => {
			stored.push({ key, value: this.#decoded<V>(value) });
			return true;
		});
		let found: Map<string, V> | undefined;
		let added = false;
		for (const [key, value] of this.#written) {
			if (!key.startsWith(prefix)) continue;
			found ??= new Map(stored.map((entry) => [entry.key, entry.value]));
			if (value === undefined) found.delete(key);
			else {
				added ||= !found.has(key);
				found.set(key, value as V);
			}
		}
		if (found === undefined) return stored;
		const entries = [...found].map(([key, value]) => ({ key, value }));
		return added ? entries.sort((a, b) => (a.key < b.key ? -1 : 1)) : entries;
	}

	set(key: string, value: unknown): void {
		this.#written.set(key, value);
	}

	delete(key: string): void {
		this.#written.set(key, undefined);
	}

	note<K extends keyof ServerEvents>(kind: K, data: ServerEvents[K]): void {
		this.#notes.push({ kind, data });
	}

	afterCommit(work: () => void): void {
		this.#afterwards.push(work);
	}

	/** A value of its own for whoever reads it, as far as its fields go. */
	#decoded<V>(stored: Uint8Array): V {
		let value = this.#read.get(stored);
		if (value === undefined) {
			const decoded = decode<V>(stored);
			if (typeof decoded !== "object" || decoded === null) return decoded;
			value = decoded;
			this.#read.set(stored, value);
		}
		return { ...value } as V;
	}

	commit(process: Process, what: string): void {
		const { disk } = this.#world;
		const mutations: Mutation[] = [];
		for (const [key, value] of this.#written) {
			mutations.push({ table: SERVER_TABLE, key, value: value === undefined ? null : encode(value) });
		}
		let took = false;
		const before = disk.onApplied;
		// A constant: a function that is written right where it is assigned to a property is taken for one that stays, and keeps
		// all that it can see alive until all memory is looked through.
		const onApplied = () => {
			took = true;
			// What was on its way when its process died may take place after that.
			const teller = process.alive ? process : this.#world.outside;
			for (const { kind, data } of this.#notes) this.#world.note(kind, data, teller);
		};
		// At the very instant: whoever dies of the write may have others take place behind it.
		disk.onApplied = onApplied;
		const survived = disk.commit(process, what, mutations, { owned: true, legal: NO_FAULTS });
		disk.onApplied = before;
		if (!survived) return;
		if (!took) for (const { kind, data } of this.#notes) this.#world.note(kind, data, process);
		for (const work of this.#afterwards) work();
	}
}

const NO_FAULTS: ReadonlySet<never> = new Set<never>();

/** Where values are written before their bytes are handed out. */
const SCRATCH = Buffer.alloc(64 * 1024);
/** The same as plain bytes: a slice of a `Buffer` copies nothing. */
const SCRATCH_BYTES = new Uint8Array(SCRATCH.buffer, SCRATCH.byteOffset, SCRATCH.length);
/** The most bytes of a character. */
const WIDEST = 3;
/** Works on any bytes, and spares a `Buffer` for each value. */
const { utf8Slice } = Buffer.prototype as unknown as { utf8Slice(this: Uint8Array): string };

function encode(value: unknown): Uint8Array {
	const text = JSON.stringify(value);
	if (text.length * WIDEST > SCRATCH.length) return new Uint8Array(Buffer.from(text));
	return SCRATCH_BYTES.slice(0, SCRATCH.write(text));
}

function decode<V>(stored: Uint8Array): V {
	return JSON.parse(utf8Slice.call(stored)) as V;
}
