/**
 * The world's disk as an `EngineDriver`. Every operation is an event of the loop; every mutation is one durable write,
 * batches included, unless the medium tears one (durable: against process crashes). It keeps to the limits of a batch.
 */
import type { EngineDriver, KVEntry, KVWrite, Message, WorkflowMessageDriver } from "@rivetkit/workflow-engine";
import { bytesFromKey, type Disk, keyFromBytes } from "../../../sim/world/disk.ts";
import { ANY_MEDIUM, type MediumFault } from "../../../sim/world/faults.ts";
import type { Mutation } from "../../../sim/world/history.ts";
import type { Process } from "../../../sim/world/process.ts";
import type { World } from "../../../sim/world/world.ts";
import {
	MAX_BATCH_BYTES,
	MAX_BATCH_ENTRIES,
	NO_CLAIMS,
	type StorageClaims,
	type StorageDriver,
	StorageLimitError,
	type WorldStorage,
} from "../contract.ts";
import { DurableQueue, describeQueueKey, describeQueueValue } from "./queue.ts";

/** Below this many milliseconds an engine may sleep in memory instead of yielding; the package's own figure. */
const WORKER_POLL_INTERVAL_MS = 100;
export const ALARM = "at";

/** What the medium may do to the engine's entries, and to alarm and queue, whose layout is the driver's own. */
const UNDIVIDED: ReadonlySet<MediumFault> = new Set(["corrupt"]);
export const INTACT: ReadonlySet<MediumFault> = new Set();

export const memoryStorage: StorageDriver = {
	name: "memory",
	storage(world: World, workflowId: string, claims = NO_CLAIMS): WorldStorage {
		const tables = tablesOf(workflowId);
		const queue = new DurableQueue(world.disk, tables.queue);
		return {
			queue,
			open: (process) => new MemoryDriver(world, process, tables, queue, claims),
			alarm: () => readAlarm(world.disk, tables.alarm),
			clearAlarm: () => {
				world.disk.commit(world.outside, "alarm.fire", [{ table: tables.alarm, key: ALARM, value: null }], {
					legal: INTACT,
				});
			},
		};
	},
	describeKey(table, key, engineKey) {
		if (table.endsWith("/kv")) return engineKey(key);
		return table.endsWith("/queue") ? describeQueueKey(key) : "alarm";
	},
	describeValue(table, key, value, engineValue) {
		if (table.endsWith("/kv")) return engineValue(key, value);
		return table.endsWith("/queue") ? describeQueueValue(key, value) : new Date(alarmOf(value));
	},
};

/** The tables of a workflow on the disk. */
export interface Tables {
	readonly kv: string;
	readonly queue: string;
	readonly alarm: string;
}

export function tablesOf(workflowId: string): Tables {
	return { kv: `${workflowId}/kv`, queue: `${workflowId}/queue`, alarm: `${workflowId}/alarm` };
}

/** Has a process carry out an operation; the world's own way unless something real goes with it. */
export type Operate = <T>(process: Process, what: string, perform: () => T) => Promise<T>;

export function readAlarm(disk: Disk, table: string): number | undefined {
	const stored = disk.get(table, ALARM);
	return stored === undefined ? undefined : alarmOf(stored);
}

function alarmOf(stored: Uint8Array): number {
	return new DataView(stored.buffer, stored.byteOffset).getFloat64(0);
}

export class MemoryDriver implements EngineDriver {
	readonly workerPollInterval = WORKER_POLL_INTERVAL_MS;
	readonly messageDriver: WorkflowMessageDriver;
	readonly atomicBatch: boolean;
	readonly #world: World;
	readonly #process: Process;
	readonly #tables: Tables;
	readonly #queue: DurableQueue;
	readonly #carryOut: Operate | undefined;

	constructor(
		world: World,
		process: Process,
		tables: Tables,
		queue: DurableQueue,
		{ atomicBatch }: StorageClaims,
		operate?: Operate,
	) {
		this.atomicBatch = atomicBatch;
		this.#carryOut = operate;
		this.#world = world;
		this.#process = process;
		this.#tables = tables;
		this.#queue = queue;
		this.messageDriver = {
			addMessage: (message) => this.#operate("queue.add", () => void queue.append(process, message)),
			receiveMessages: ({ names, count, completable }) =>
				this.#operate("queue.receive", () => {
					const messages = queue.receive(process, names ?? [], Math.max(1, count), completable);
					this.#read("queue.receive", `${messages.length} message${messages.length === 1 ? "" : "s"}`);
					return messages.map((message): Message => (completable ? this.#completable(message) : message));
				}),
			completeMessage: (id, response) => this.#operate("queue.complete", () => queue.complete(process, id, response)),
		};
	}

	get(key: Uint8Array): Promise<Uint8Array | null> {
		const name = keyFromBytes(key);
		return this.#operate("kv.get", () => {
			this.#read("kv.get", name);
			return copy(this.#world.disk.get(this.#tables.kv, name));
		});
	}

	set(key: Uint8Array, value: Uint8Array): Promise<void> {
		return this.#write("kv.set", [this.#mutation(key, value)]);
	}

	delete(key: Uint8Array): Promise<void> {
		return this.#write("kv.delete", [this.#mutation(key, null)]);
	}

	batch(writes: KVWrite[]): Promise<void> {
		const mutations = writes.map(({ key, value }) => this.#mutation(key, value));
		const beyond = limitOf(writes);
		return this.#operate("kv.batch", () => {
			if (beyond !== undefined) {
				this.#read("kv.batch", `refused: ${beyond}`);
				throw new StorageLimitError(`kv.batch refused whole: ${beyond}`);
			}
			this.#commit("kv.batch", mutations);
		});
	}

	batchDelete(keys: Uint8Array[]): Promise<void> {
		return this.#write(
			"kv.batchDelete",
			keys.map((key) => this.#mutation(key, null)),
		);
	}

	deletePrefix(prefix: Uint8Array): Promise<void> {
		const start = keyFromBytes(prefix);
		return this.#operate("kv.deletePrefix", () => {
			const keys = this.#world.disk.list(this.#tables.kv, start).map(({ key }) => key);
			this.#commit("kv.deletePrefix", keys.map(this.#deletion));
		});
	}

	deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
		const [from, to] = [keyFromBytes(start), keyFromBytes(end)];
		return this.#operate("kv.deleteRange", () => {
			this.#commit("kv.deleteRange", this.#world.disk.keysBetween(this.#tables.kv, from, to).map(this.#deletion));
		});
	}

	list(prefix: Uint8Array): Promise<KVEntry[]> {
		const start = keyFromBytes(prefix);
		return this.#operate("kv.list", () => {
			const entries: KVEntry[] = [];
			this.#world.disk.visit(this.#tables.kv, start, (key, value) => {
				entries.push({ key: bytesFromKey(key), value: new Uint8Array(value) });
				return true;
			});
			this.#read("kv.list", start);
			return entries;
		});
	}

	setAlarm(_workflowId: string, wakeAt: number): Promise<void> {
		const value = new Uint8Array(8);
		new DataView(value.buffer).setFloat64(0, wakeAt);
		return this.#write("alarm.set", [{ table: this.#tables.alarm, key: ALARM, value }]);
	}

	clearAlarm(_workflowId: string): Promise<void> {
		return this.#write("alarm.clear", [{ table: this.#tables.alarm, key: ALARM, value: null }]);
	}

	waitForMessages(names: string[], signal: AbortSignal): Promise<void> {
		const world = this.#world;
		const process = this.#process;
		return new Promise<void>((resolve, reject) => {
			if (signal.aborted) return reject(signal.reason);
			let waiting = true;
			const arrived = this.#queue.awaiting(process, names);
			const settle = (how: () => void) => {
				if (!waiting) return;
				waiting = false;
				arrived();
				stop();
				signal.removeEventListener("abort", abort);
				how();
			};
			const abort = () => settle(() => reject(signal.reason));
			const look = () => {
				if (this.#queue.has(names)) settle(resolve);
			};
			const stop = this.#queue.watch(process, (name) => {
				if (names.length === 0 || names.includes(name)) world.schedule(process, 0, look);
			});
			signal.addEventListener("abort", abort, { once: true });
			world.schedule(process, 0, look);
		});
	}

	#completable(message: Message): Message {
		return {
			...message,
			complete: (response) =>
				this.#operate("queue.complete", () => this.#queue.complete(this.#process, message.id, response)),
		};
	}

	readonly #deletion = (key: string): Mutation => ({ table: this.#tables.kv, key, value: null });

	#mutation(key: Uint8Array, value: Uint8Array | null): Mutation {
		return { table: this.#tables.kv, key: keyFromBytes(key), value: value === null ? null : new Uint8Array(value) };
	}

	#operate<T>(what: string, perform: () => T): Promise<T> {
		if (this.#carryOut !== undefined) return this.#carryOut(this.#process, what, perform);
		return this.#world.operate(this.#process, what, perform);
	}

	#write(what: string, mutations: readonly Mutation[]): Promise<void> {
		return this.#operate(what, () => this.#commit(what, mutations));
	}

	/** The mutations hold copies that were made when they were asked for. */
	#commit(what: string, mutations: readonly Mutation[]): void {
		const before = this.#world.writes;
		const { kv } = this.#tables;
		const ofEngine = mutations[0]?.table === kv;
		const legal = !ofEngine ? INTACT : this.atomicBatch ? UNDIVIDED : ANY_MEDIUM;
		this.#world.disk.commit(this.#process, what, mutations, { owned: true, legal });
		if (this.#world.writes === before) this.#read(what, "nothing to change");
	}

	#read(what: string, detail: string): void {
		this.#world.note("operation", { what, detail }, this.#process);
	}
}

function copy(value: Uint8Array | undefined): Uint8Array | null {
	return value === undefined ? null : value.slice();
}

/** Which limit a batch is beyond, with both figures; undefined for one that fits. */
function limitOf(writes: readonly KVWrite[]): string | undefined {
	if (writes.length > MAX_BATCH_ENTRIES) return `${writes.length} entries, at most ${MAX_BATCH_ENTRIES}`;
	let bytes = 0;
	for (const { key, value } of writes) bytes += key.byteLength + value.byteLength;
	return bytes > MAX_BATCH_BYTES ? `${bytes} bytes, at most ${MAX_BATCH_BYTES}` : undefined;
}
