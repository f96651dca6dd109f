/**
 * The history in memory: blocks of entries, as the program runs them, and how each is stored. One key holds all that is known
 * of one entry, so no part of it can be lost alone, and every stored value ends with a checksum over its key and itself.
 */
import { type ErrorRecord, StorageDamagedError } from "./errors.ts";
import { branchKey, describeKey, entryKey, FIELDS, HISTORY, iterationKey, parseKey, type Segment } from "./keys.ts";
import { decodeValue, encodeValue } from "./values.ts";

export type StepFailure = "critical" | "timeout" | "exhausted" | "rollback";

export interface StepData {
	readonly kind: "step";
	status: "pending" | "completed" | "failed";
	/** Attempts that failed. */
	attempts: number;
	/** Wall-clock milliseconds before which it is not tried again. */
	retryAt?: number;
	value?: Uint8Array;
	error?: ErrorRecord;
	failure?: StepFailure;
	/** When it was completed among all that is to be undone, checkpoints included; only of compensated steps. */
	order?: number;
	undone?: boolean;
	undoAttempts?: number;
	undoRetryAt?: number;
	undoError?: ErrorRecord;
}

export interface SleepData {
	readonly kind: "sleep";
	deadline: number;
	done: boolean;
}

export interface StoredMessage {
	readonly id: string;
	readonly name: string;
	readonly body: Uint8Array;
	readonly sentAt: number;
}

export interface MessageData {
	readonly kind: "message";
	readonly completable: boolean;
	deadline?: number;
	/** What the wait was given: none when its time was up. */
	messages?: readonly StoredMessage[];
	/** Whether they are known to be out of the queue. */
	removed: boolean;
	/** Those that the workflow has answered. */
	completed: string[];
}

export interface SendData {
	readonly kind: "send";
	sent: boolean;
}

export interface LoopData {
	readonly kind: "loop";
	done: boolean;
	value?: Uint8Array;
	/** Iterations before this one are forgotten, but for those that may have to be undone. */
	from: number;
	/** Messages taken in forgotten iterations of a loop that a race may take back. */
	took: readonly StoredMessage[];
}

export interface BranchData {
	readonly name: string;
	status: "pending" | "completed" | "failed";
	value?: Uint8Array;
	error?: ErrorRecord;
}

export interface BranchesData {
	readonly kind: "join" | "race";
	readonly branches: BranchData[];
	done: boolean;
	/** Number of the branch that won. */
	winner?: number;
	/** Messages of branches that lost, on their way back into the queue. */
	back: readonly StoredMessage[];
}

export interface CheckpointData {
	readonly kind: "rollback_checkpoint";
	order: number;
}

export interface TryData {
	readonly kind: "try";
}

export interface VersionData {
	readonly kind: "version_check";
	resolved: number;
	latest: number;
}

export type EntryData =
	| (StepData | SleepData | MessageData | SendData | LoopData)
	| (BranchesData | CheckpointData | TryData | VersionData);
export type DataOf<K extends EntryData["kind"]> = Extract<EntryData, { readonly kind: K }>;

export class Entry<D extends EntryData = EntryData> {
	readonly key: string;
	readonly name: string;
	readonly data: D;
	/** Wall-clock milliseconds at which it was first made. */
	readonly createdAt: number;
	/** The blocks inside: branches and iterations. */
	readonly blocks = new Map<string, Block>();
	/** Whether it is on record, or will be with the next flush. */
	recorded = false;

	constructor(key: string, name: string, data: D, createdAt: number) {
		this.key = key;
		this.name = name;
		this.data = data;
		this.createdAt = createdAt;
	}

	branch(number: number, name: string): Block {
		return this.#block(branchKey(this.key, number, name));
	}

	iteration(number: number): Block {
		const block = this.#block(iterationKey(this.key, number));
		block.iteration = number;
		return block;
	}

	#block(key: string): Block {
		let block = this.blocks.get(key);
		if (block === undefined) {
			block = new Block(key);
			this.blocks.set(key, block);
		}
		return block;
	}

	bytes(): Uint8Array {
		return encodeValue([this.name, this.createdAt, this.data]);
	}
}

export class Block {
	readonly key: string;
	/** On record, or made by this run, by their number. */
	readonly entries: (Entry | undefined)[] = [];
	/** Of an iteration: its number, and the state that it begins with once that is known. */
	iteration: number | undefined;
	state: Uint8Array | undefined;

	constructor(key: string) {
		this.key = key;
	}

	bytes(): Uint8Array {
		return encodeValue(this.state);
	}
}

/** Entries of a block and of all blocks inside, in the order of the program. */
export function* entriesOf(block: Block): Generator<Entry> {
	for (const entry of block.entries) {
		if (entry === undefined) continue;
		yield entry;
		for (const inner of entry.blocks.values()) yield* entriesOf(inner);
	}
}

export type StoredField = readonly [key: string, stored: Uint8Array];

export type EndState = "completed" | "failed" | "cancelled" | "rolling_back" | "pending";

/** What a workflow failed with, and what is undone before it has failed. */
export interface FailureRecord extends ErrorRecord {
	/** Whether completed steps are compensated. */
	readonly undo: boolean;
}

/** All that is on record of a workflow. */
export interface Recorded {
	readonly root: Block;
	/** Keys on the disk. */
	readonly keys: Set<string>;
	readonly input: Uint8Array | undefined;
	readonly output: Uint8Array | undefined;
	readonly error: FailureRecord | undefined;
	readonly state: EndState | undefined;
	/** Where a replay from a step was cut off, when it did not come to its end. */
	readonly cut: string | undefined;
}

/** @throws StorageDamagedError naming the key of what is not as it was written. */
export function readHistory(pairs: readonly StoredField[], checks = true): Recorded {
	const root = new Block(HISTORY);
	const fields = new Map<string, Uint8Array>();
	for (const [key, stored] of pairs) {
		const value = unsealed(key, stored, checks);
		if (key.startsWith(HISTORY)) place(root, key, value);
		else fields.set(key, value);
	}
	const read = (key: string) => {
		const bytes = fields.get(key);
		return bytes === undefined ? undefined : decoded(key, bytes);
	};
	const output = fields.get(FIELDS.output);
	const error = read(FIELDS.error) as FailureRecord | undefined;
	const state = stateOf(fields.get(FIELDS.state));
	return {
		root,
		keys: new Set(pairs.map(([key]) => key)),
		input: fields.get(FIELDS.input),
		output,
		error,
		// An end is believed only with what it ended with: a torn batch may have kept one without the other.
		state:
			(state === "completed" && output === undefined) ||
			((state === "failed" || state === "rolling_back") && error === undefined)
				? undefined
				: state,
		cut: read(FIELDS.cut) as string | undefined,
	};
}

export function stateOf(bytes: Uint8Array | undefined): EndState | undefined {
	return bytes === undefined ? undefined : (Buffer.from(bytes).toString("latin1") as EndState);
}

function decoded(key: string, bytes: Uint8Array): unknown {
	try {
		return decodeValue(bytes);
	} catch (error) {
		throw new StorageDamagedError(describeKey(key), error instanceof Error ? error.message : String(error));
	}
}

function place(root: Block, key: string, bytes: Uint8Array): void {
	const path = parseKey(key);
	const last = path?.at(-1);
	if (path === undefined || last === undefined) throw new StorageDamagedError(describeKey(key), "it is no place");
	const value = decoded(key, bytes);
	let block = root;
	let at = HISTORY;
	for (const segment of path.slice(0, -1)) {
		if (segment.sort === "entry") {
			at = entryKey(at, segment.number, segment.name);
			continue;
		}
		// A torn batch may have kept what is inside of an entry without the entry.
		const { number } = path[path.indexOf(segment) - 1] as Segment;
		const around = holderAt(block, number, at);
		block = segment.sort === "branch" ? around.branch(segment.number, segment.name) : around.iteration(segment.number);
		at = block.key;
	}
	if (last.sort === "entry") {
		const [name, createdAt, data] = value as [string, number, EntryData];
		const entry = new Entry(key, name, data, createdAt);
		entry.recorded = true;
		block.entries[last.number] = entry;
	} else {
		const { number } = path.at(-2) as Segment;
		const loop = holderAt(block, number, at);
		loop.iteration(last.number).state = value as Uint8Array;
	}
}

/** The entry of that number; what only holds blocks, until the program says what it is, when none is on record. */
function holderAt(block: Block, number: number, key: string): Entry {
	block.entries[number] ??= new Entry(key, "", { kind: "try" }, 0);
	return block.entries[number];
}

const CHECKSUM_BYTES = 8;

/** A value as it is stored: the bytes, and a checksum over them and their key in hexadecimal digits. */
export function sealed(key: string, value: Uint8Array): Uint8Array {
	const stored = new Uint8Array(value.byteLength + CHECKSUM_BYTES);
	stored.set(value);
	stored.set(Buffer.from(checksum(key, value)), value.byteLength);
	return stored;
}

function unsealed(key: string, stored: Uint8Array, checks: boolean): Uint8Array {
	if (checks && !isIntact(key, stored)) throw new StorageDamagedError(describeKey(key), "its checksum is another");
	return contentOf(stored);
}

/** Whether these are bytes as `sealed` made them for that key. */
export function isIntact(key: string, stored: Uint8Array): boolean {
	const value = contentOf(stored);
	return Buffer.from(stored.subarray(value.byteLength)).toString("latin1") === checksum(key, value);
}

/** What `sealed` was given; the checksum is not looked at. */
export function contentOf(stored: Uint8Array): Uint8Array {
	return stored.subarray(0, Math.max(0, stored.byteLength - CHECKSUM_BYTES));
}

/** FNV-1a: any one byte that differs makes another sum. */
function checksum(key: string, value: Uint8Array): string {
	let sum = 0x811c9dc5;
	const mix = (byte: number) => {
		sum = Math.imul(sum ^ byte, 0x01000193);
	};
	for (let i = 0; i < key.length; i++) mix(key.charCodeAt(i));
	for (const byte of value) mix(byte);
	return (sum >>> 0).toString(16).toUpperCase().padStart(CHECKSUM_BYTES, "0");
}
