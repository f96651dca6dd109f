/**
 * What a real driver must hold, kept in the parent while processes die: the disk of a world that does not run. Each operation is
 * done to it once the real one was answered, so that the history has the form of a world's, and the real answers and contents
 * can be compared with it.
 */
import { isDeepStrictEqual } from "node:util";
import type { KVEntry } from "@rivetkit/workflow-engine";
import type { WorldStorage } from "../../../drivers/storage/contract.ts";
import {
	MemoryDriver,
	memoryStorage,
	type Operate,
	readAlarm,
	tablesOf,
} from "../../../drivers/storage/memory/driver.ts";
import { compareBytes, compareEntries, compareMessages, type PluggedEvents } from "../../../drivers/storage/plugged.ts";
import { WORKFLOW_ID } from "../../../suites/run.ts";
import { bytesFromKey, keyFromBytes } from "../../world/disk.ts";
import type { Mutation } from "../../world/history.ts";
import type { Process } from "../../world/process.ts";
import { Timeline } from "../../world/timeline.ts";
import { World } from "../../world/world.ts";
import type { Answered, Contents, Operation } from "./protocol.ts";

export type Difference = PluggedEvents["driver.differs"];

export class Shadow {
	readonly world: World;
	readonly storage: WorldStorage;
	readonly #tables = tablesOf(WORKFLOW_ID);
	readonly #timeline = new Timeline();
	readonly #atomicBatch: boolean;

	constructor(seed: string, atomicBatch: boolean) {
		this.world = new World({ seed, timeline: this.#timeline });
		this.storage = memoryStorage.storage(this.world, WORKFLOW_ID, { atomicBatch });
		this.#atomicBatch = atomicBatch;
	}

	/** Lets time pass up to that instant, in virtual milliseconds; it never goes back. */
	passTo(atMs: number): void {
		this.#timeline.nowMs = Math.max(this.#timeline.nowMs, atMs);
	}

	/** Uses up the number of a durable effect that did not take place. */
	skipWrite(): void {
		this.#timeline.writes++;
	}

	/** Whether an operation would change something, and so be a numbered durable effect. */
	changes(operation: Operation): boolean {
		const { disk } = this.world;
		const { kv } = this.#tables;
		const has = (key: Uint8Array) => disk.get(kv, keyFromBytes(key)) !== undefined;
		switch (operation.what) {
			case "kv.get":
			case "kv.list":
				return false;
			case "kv.batch":
				return operation.writes.length > 0;
			case "kv.delete":
				return has(operation.key);
			case "kv.batchDelete":
				return operation.keys.some(has);
			case "kv.deletePrefix":
				return disk.list(kv, keyFromBytes(operation.prefix)).length > 0;
			case "kv.deleteRange":
				return disk.keysBetween(kv, keyFromBytes(operation.start), keyFromBytes(operation.end)).length > 0;
			case "alarm.clear":
			case "alarm.fire":
				return this.storage.alarm() !== undefined;
			case "queue.receive":
				return !operation.keep && this.storage.queue.has(operation.names);
			case "queue.complete":
				return this.storage.queue.messages().some(({ id }) => id === operation.id);
			default:
				return true;
		}
	}

	/** Does the operation, as one event of the process. @returns its answer. */
	apply(process: Process, operation: Operation): unknown {
		const { world, storage } = this;
		let result: unknown;
		const operate: Operate = <T>(_: Process, __: string, perform: () => T): Promise<T> => {
			const done = perform();
			result = done;
			return Promise.resolve(done);
		};
		const claims = { atomicBatch: this.#atomicBatch };
		const driver = new MemoryDriver(world, process, this.#tables, storage.queue, claims, operate);
		switch (operation.what) {
			case "kv.get":
				driver.get(operation.key);
				break;
			case "kv.set":
				driver.set(operation.key, operation.value);
				break;
			case "kv.delete":
				driver.delete(operation.key);
				break;
			case "kv.batch":
				// The limits of a batch are the real driver's here.
				world.disk.commit(process, "kv.batch", this.#mutations(operation.writes));
				break;
			case "kv.batchDelete":
				driver.batchDelete([...operation.keys]);
				break;
			case "kv.deletePrefix":
				driver.deletePrefix(operation.prefix);
				break;
			case "kv.deleteRange":
				driver.deleteRange(operation.start, operation.end);
				break;
			case "kv.list":
				driver.list(operation.prefix);
				break;
			case "alarm.set":
				driver.setAlarm(WORKFLOW_ID, operation.at);
				break;
			case "alarm.clear":
				driver.clearAlarm(WORKFLOW_ID);
				break;
			case "alarm.fire":
				storage.clearAlarm();
				break;
			case "queue.add":
				driver.messageDriver.addMessage(operation.message);
				break;
			case "queue.append":
				storage.queue.append(world.outside, operation.message);
				break;
			case "queue.receive":
				driver.messageDriver.receiveMessages({
					names: operation.names,
					count: operation.count,
					completable: operation.keep,
				});
				break;
			case "queue.complete":
				driver.messageDriver.completeMessage(operation.id, operation.response);
				break;
			case "call":
				result = world.effect(process, operation.label, operation.about);
				break;
		}
		return result;
	}

	/** What a real answer has other than the model's; undefined when nothing. */
	compare({ what }: Operation, expected: unknown, answered: Answered): Difference | undefined {
		if ("error" in answered) {
			return { what, expected: "an answer", got: `threw ${answered.error.name}: ${answered.error.message}` };
		}
		if (what === "kv.get") return compareBytes(expected, answered.value);
		if (what === "kv.list") return compareEntries(what)(expected, answered.value);
		return what === "queue.receive" ? compareMessages(expected, answered.value) : undefined;
	}

	/** What is other than it must be in a namespace that was opened anew. */
	differences({ entries, alarm, messages }: Contents): Difference[] {
		const found: Difference[] = [];
		const kept = compareEntries("entries")(this.#entries(), entries);
		if (kept !== undefined) found.push(kept);
		const stored = readAlarm(this.world.disk, this.#tables.alarm);
		if (alarm !== "unknown" && alarm !== stored) {
			found.push({ what: "alarm", expected: `alarm ${stored ?? "none"}`, got: `alarm ${alarm ?? "none"}` });
		}
		if (messages === "unknown") return found;
		const queued = this.storage.queue.receive(this.world.outside, [], Number.MAX_SAFE_INTEGER, true);
		const lost = compareMessages(queued, messages);
		return lost === undefined ? found : [...found, { ...lost, what: "messages" }];
	}

	/**
	 * What became of an operation in the midst of which its process was killed: it took place not at all, whole, or neither, which is
	 * then told of as a difference from what was there before. Its number is used up.
	 */
	settle(process: Process, operation: Operation, contents: Contents): "before" | "after" | "neither" {
		const { disk, history } = this.world;
		const image = disk.image();
		const { length } = history.events;
		const { writes } = this.#timeline;
		const found = this.#found(process, operation, contents);
		if (found === "neither") {
			disk.restore(image);
			history.events.length = length;
			this.#timeline.writes = writes;
			// A batch that is no promise may be there in part.
			if (!this.#atomicBatch) this.adopt(contents);
		}
		if (this.#timeline.writes === writes) this.skipWrite();
		return found;
	}

	#found(process: Process, operation: Operation, contents: Contents): "before" | "after" | "neither" {
		if (this.differences(contents).length === 0) return "before";
		this.apply(process, operation);
		return this.differences(contents).length === 0 ? "after" : "neither";
	}

	/** Takes over what is really there, so that one difference is told once; the writes are nobody's. */
	adopt({ entries }: Contents): void {
		const { disk } = this.world;
		const there = new Map(entries.map(({ key, value }) => [keyFromBytes(key), value]));
		for (const { key, value } of disk.list(this.#tables.kv, "")) {
			if (isDeepStrictEqual(there.get(key), value)) there.delete(key);
			else if (!there.has(key))
				disk.commit(this.world.outside, "storage lost", [{ table: this.#tables.kv, key, value: null }]);
		}
		const mutations = [...there].map(([key, value]) => ({ table: this.#tables.kv, key, value }));
		if (mutations.length > 0) disk.commit(this.world.outside, "storage changed", mutations);
	}

	#entries(): KVEntry[] {
		return this.world.disk.list(this.#tables.kv, "").map(({ key, value }) => ({ key: bytesFromKey(key), value }));
	}

	#mutations(writes: readonly KVEntry[]): Mutation[] {
		return writes.map(({ key, value }) => ({ table: this.#tables.kv, key: keyFromBytes(key), value }));
	}
}
