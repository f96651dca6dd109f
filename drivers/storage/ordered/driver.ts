/**
 * A whole storage driver over an ordered store: the engine's keys, alarms and messages each have a part of its key space. It
 * copies every byte that comes or goes, keeps to the limits that are claimed, and keeps what overlaps apart.
 */
import type { KVEntry, KVWrite, Message, WorkflowMessageDriver } from "@rivetkit/workflow-engine";
import { type DriverClaims, type EngineDriver, type OpenedStorage, StorageLimitError } from "../contract.ts";
import { Gate } from "./gate.ts";
import * as messages from "./messages.ts";
import { behindPrefix, type Change, compareBytes, concat, lastOfEach, type OrderedStore } from "./store.ts";
import { Waits } from "./waits.ts";

const text = new TextEncoder();
/** Below this many milliseconds an engine may sleep in memory instead of yielding; the package's own figure. */
const WORKER_POLL_INTERVAL_MS = 100;
/** The engine's keys are under `k`, alarms under `a` and the id of the workflow. */
const KEYS = text.encode("k");
const ALARMS = text.encode("a");

export type StoreClaims = Pick<DriverClaims, "atomicBatch" | "limits" | "concurrency">;

/** An opened namespace, over a store that holds nothing else. */
export function engineDriverOver(store: OrderedStore, claims: StoreClaims): OpenedStorage {
	const driver = new OrderedDriver(store, claims);
	return {
		driver,
		alarm: (workflowId) => driver.alarm(workflowId),
		close: () => driver.close(),
	};
}

class OrderedDriver implements EngineDriver {
	readonly workerPollInterval = WORKER_POLL_INTERVAL_MS;
	readonly atomicBatch: boolean;
	readonly messageDriver: WorkflowMessageDriver;
	readonly #store: OrderedStore;
	readonly #limits: NonNullable<DriverClaims["limits"]>;
	readonly #gate = new Gate();
	readonly #waits: Waits;

	constructor(store: OrderedStore, { atomicBatch, limits, concurrency }: StoreClaims) {
		this.#store = store;
		this.#limits = limits ?? {};
		this.atomicBatch = atomicBatch !== "none";
		const has = (names: readonly string[]) => this.#gate.read(() => messages.has(store, names));
		// Another process says nothing of what it adds.
		this.#waits = new Waits(has, concurrency === "many-processes" ? WORKER_POLL_INTERVAL_MS : undefined);
		this.messageDriver = {
			addMessage: async (message) => {
				await this.#exclusively((inner) => messages.append(inner, message));
				this.#waits.look();
			},
			receiveMessages: async ({ names, count, completable }) => {
				const atMost = Math.max(1, count);
				const work = (inner: OrderedStore) => messages.receive(inner, names ?? [], atMost, completable);
				const received = completable ? await this.#gate.read(() => work(this.#store)) : await this.#exclusively(work);
				return received.map((message): Message => (completable ? this.#completable(message) : message));
			},
			completeMessage: (id, response) => this.#exclusively((inner) => messages.complete(inner, id, response)),
		};
	}

	async get(key: Uint8Array): Promise<Uint8Array | null> {
		const stored = keyed(key);
		const value = await this.#gate.read(() => this.#store.get(stored));
		return value === null ? null : Uint8Array.from(value);
	}

	async set(key: Uint8Array, value: Uint8Array): Promise<void> {
		await this.#write("set", [{ key, value }]);
	}

	async delete(key: Uint8Array): Promise<void> {
		await this.#write("delete", [{ key, value: null }]);
	}

	async batch(writes: KVWrite[]): Promise<void> {
		await this.#write("batch", writes);
	}

	async batchDelete(keys: Uint8Array[]): Promise<void> {
		await this.#write(
			"batchDelete",
			keys.map((key) => ({ key, value: null })),
		);
	}

	async deletePrefix(prefix: Uint8Array): Promise<void> {
		const start = keyed(prefix);
		await this.#clear(start, behindPrefix(start));
	}

	async deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
		if (compareBytes(start, end) < 0) await this.#clear(keyed(start), keyed(end));
	}

	async list(prefix: Uint8Array): Promise<KVEntry[]> {
		const start = keyed(prefix);
		const entries = await this.#gate.read(() => this.#store.list(start, behindPrefix(start)));
		return entries.map(({ key, value }) => ({ key: key.slice(KEYS.byteLength), value: Uint8Array.from(value) }));
	}

	async setAlarm(workflowId: string, wakeAt: number): Promise<void> {
		const value = new Uint8Array(8);
		new DataView(value.buffer).setFloat64(0, wakeAt);
		await this.#gate.write(() => this.#store.write([{ key: alarmKey(workflowId), value }]));
	}

	async clearAlarm(workflowId: string): Promise<void> {
		await this.#gate.write(() => this.#store.write([{ key: alarmKey(workflowId), value: null }]));
	}

	/** The alarm that is set, in wall-clock milliseconds. */
	async alarm(workflowId: string): Promise<number | undefined> {
		const value = await this.#gate.read(() => this.#store.get(alarmKey(workflowId)));
		if (value === null) return undefined;
		return new DataView(value.buffer, value.byteOffset, value.byteLength).getFloat64(0);
	}

	waitForMessages(names: string[], signal: AbortSignal): Promise<void> {
		return this.#waits.wait(names, signal);
	}

	async close(): Promise<void> {
		this.#waits.end();
		await this.#gate.end(() => this.#store.close?.());
	}

	#completable(message: Message): Message {
		const complete = (response?: unknown) => this.messageDriver.completeMessage(message.id, response);
		return { ...message, complete };
	}

	/** Changes to the engine's keys: copied before anything is awaited, and refused whole when beyond a limit. */
	async #write(operation: string, changes: readonly Change[]): Promise<void> {
		this.#check(operation, changes);
		const copied = changes.map(({ key, value }) => ({
			key: keyed(key),
			value: value === null ? null : Uint8Array.from(value),
		}));
		if (copied.length > 0) await this.#gate.write(() => this.#store.write(lastOfEach(copied)));
	}

	async #clear(start: Uint8Array, end: Uint8Array): Promise<void> {
		await this.#exclusively(async (store) => {
			const entries = await store.list(start, end);
			if (entries.length > 0) await store.write(entries.map(({ key }) => ({ key, value: null })));
		});
	}

	/** @throws StorageLimitError for what is beyond a claimed limit; TypeError for what is no bytes. */
	#check(operation: string, changes: readonly Change[]): void {
		const { batchEntries, batchBytes, keyBytes, valueBytes } = this.#limits;
		let sum = 0;
		for (const { key, value } of changes) {
			if (!(key instanceof Uint8Array) || !(value === null || value instanceof Uint8Array)) {
				throw new TypeError(`${operation} refused whole: keys and values are Uint8Arrays.`);
			}
			refuseBeyond(operation, "bytes in a key", key.byteLength, keyBytes);
			refuseBeyond(operation, "bytes in a value", value?.byteLength ?? 0, valueBytes);
			sum += key.byteLength + (value?.byteLength ?? 0);
		}
		if (operation !== "batch") return;
		refuseBeyond(operation, "entries", changes.length, batchEntries);
		refuseBeyond(operation, "bytes in all", sum, batchBytes);
	}

	#exclusively<T>(work: (store: OrderedStore) => Promise<T>): Promise<T> {
		const store = this.#store;
		return this.#gate.write(() => (store.exclusively === undefined ? work(store) : store.exclusively(work)));
	}
}

function refuseBeyond(operation: string, what: string, count: number, limit: number | undefined): void {
	if (limit === undefined || count <= limit) return;
	throw new StorageLimitError(`${operation} refused whole: ${count} ${what}, at most ${limit}`);
}

/** The engine's key as it is stored; a copy. */
function keyed(key: Uint8Array): Uint8Array {
	return concat(KEYS, key);
}

function alarmKey(workflowId: string): Uint8Array {
	return concat(ALARMS, text.encode(workflowId));
}
