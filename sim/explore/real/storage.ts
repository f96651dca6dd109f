/**
 * Storage of a host in a real process: the real driver, with a word to the parent before and after each operation. What the
 * driver does not claim to keep, its host keeps for it: here that is the parent, which no kill touches.
 */

import type { KVEntry, KVWrite, Message, WorkflowMessageDriver } from "@rivetkit/workflow-engine";
import type { EngineDriver, OpenedStorage, Storage } from "../../../drivers/storage/contract.ts";
import type { QueuedMessage } from "../../../drivers/storage/memory/queue.ts";
import { keeps, type Session } from "../../../drivers/storage/session.ts";
import { Waits } from "../../../drivers/storage/waits.ts";
import { remove } from "../../world/collections.ts";
import { errorFact } from "../../world/history.ts";
import type { Process } from "../../world/process.ts";
import type { Surroundings } from "../../world/surroundings.ts";
import type { Answered, Contents, Operation, PlainMessage } from "./protocol.ts";

/** The parent's word: before an operation, and after it. What it keeps it answers before. */
export interface Handshake {
	before(
		process: Process,
		operation: Operation,
		kept: boolean,
	): Promise<{ readonly value?: unknown; readonly id: number }>;
	after(id: number, answered: Answered): Promise<void>;
	opened(contents: Contents): Promise<void>;
}

export class RealStorage implements Storage {
	isOpening = false;
	readonly queue: LocalQueue;
	readonly #session: Session;
	readonly #handshake: Handshake;
	readonly #workflowId: string;
	readonly #world: Surroundings;
	#alarm: number | undefined;
	#life: Process | undefined;
	#driver: EngineDriver | undefined;
	/** Settles when the namespace is open, and what the host itself asked for is done. */
	#ready: Promise<unknown> = Promise.resolve();

	constructor(
		world: Surroundings,
		session: Session,
		handshake: Handshake,
		workflowId: string,
		known: { readonly alarm: number | undefined; readonly queued: readonly QueuedMessage[] },
	) {
		this.#world = world;
		this.#session = session;
		this.#handshake = handshake;
		this.#workflowId = workflowId;
		this.#alarm = known.alarm;
		this.queue = new LocalQueue(known.queued);
	}

	/** Opens the namespace; what is asked for until then waits. */
	async start(): Promise<void> {
		this.#ready = this.#begin();
		await this.#ready;
	}

	/** Opens the namespace and tells the parent what is in it. */
	async #begin(): Promise<void> {
		this.isOpening = true;
		const opened = await this.#session.open();
		this.#driver = opened.driver;
		const contents = await this.#contentsOf(opened);
		if (contents.alarm !== "unknown") this.#alarm = contents.alarm;
		if (contents.messages !== "unknown") this.queue.reset(contents.messages);
		await this.#handshake.opened(contents);
		this.isOpening = false;
	}

	/** A life after one that ended in good order finds the namespace closed and opened anew. */
	open(process: Process): EngineDriver {
		if (this.#life !== undefined && process !== this.#life) {
			const before = this.#ready;
			this.#ready = before.then(() => this.#begin());
		}
		this.#life = process;
		return this.#driverOf(process);
	}

	alarm(): number | undefined {
		return this.#alarm;
	}

	clearAlarm(): void {
		this.#alarm = undefined;
		const cleared = this.#ready.then(() =>
			this.#do(this.#world.outside, { what: "alarm.fire" }, !this.#keeps("alarms"), (driver) =>
				driver.clearAlarm(this.#workflowId),
			),
		);
		this.#ready = cleared.catch(() => {});
	}

	/** A client sends a message. */
	async send(message: PlainMessage, place: number): Promise<void> {
		await this.#ready;
		const operation: Operation = { what: "queue.append", message, place };
		await this.#do(this.#world.outside, operation, !this.#keeps("messages"), (driver) =>
			driver.messageDriver.addMessage(message),
		);
		this.queue.add(message);
	}

	#keeps(what: "alarms" | "messages"): boolean {
		return keeps(what, this.#session.claims);
	}

	async #contentsOf(opened: OpenedStorage): Promise<Contents> {
		const { driver } = opened;
		const entries = await driver.list(new Uint8Array());
		const alarm = this.#keeps("alarms") ? await this.#session.alarm(this.#workflowId) : "unknown";
		if (!this.#keeps("messages")) return { entries, alarm, messages: "unknown" };
		// What is to be completed stays until it is.
		const messages = await driver.messageDriver.receiveMessages({ count: MANY, completable: true });
		return { entries, alarm, messages: messages.map(plain) };
	}

	#driverOf(process: Process): EngineDriver {
		const driver = this.#driver as EngineDriver;
		const act = <T>(operation: Operation, kept: boolean, real: (driver: EngineDriver) => Promise<T>): Promise<T> =>
			this.#act(process, operation, kept, real);
		const alarms = !this.#keeps("alarms");
		return {
			...(driver.atomicBatch === undefined ? {} : { atomicBatch: driver.atomicBatch }),
			workerPollInterval: driver.workerPollInterval,
			get: (key) => act({ what: "kv.get", key: copy(key) }, false, (real) => real.get(key)),
			set: (key, value) =>
				act({ what: "kv.set", key: copy(key), value: copy(value) }, false, (real) => real.set(key, value)),
			delete: (key) => act({ what: "kv.delete", key: copy(key) }, false, (real) => real.delete(key)),
			batch: (writes: KVWrite[]) => {
				const own = writes.map(({ key, value }) => ({ key: copy(key), value: copy(value) }));
				return act({ what: "kv.batch", writes: own }, false, (real) => real.batch(own));
			},
			batchDelete: (keys) => {
				const own = keys.map(copy);
				return act({ what: "kv.batchDelete", keys: own }, false, (real) => real.batchDelete(own));
			},
			deletePrefix: (prefix) =>
				act({ what: "kv.deletePrefix", prefix: copy(prefix) }, false, (real) => real.deletePrefix(prefix)),
			deleteRange: (start, end) =>
				act({ what: "kv.deleteRange", start: copy(start), end: copy(end) }, false, (real) =>
					real.deleteRange(start, end),
				),
			list: (prefix): Promise<KVEntry[]> =>
				act({ what: "kv.list", prefix: copy(prefix) }, false, (real) => real.list(prefix)),
			setAlarm: async (workflowId, at) => {
				await act({ what: "alarm.set", at }, alarms, (real) => real.setAlarm(workflowId, at));
				this.#alarm = at;
			},
			clearAlarm: async (workflowId) => {
				await act({ what: "alarm.clear" }, alarms, (real) => real.clearAlarm(workflowId));
				this.#alarm = undefined;
			},
			waitForMessages: (names, signal) => this.#wait(process, names, signal),
			messageDriver: this.#messages(process),
		};
	}

	#messages(process: Process): WorkflowMessageDriver {
		const kept = !this.#keeps("messages");
		const complete = async (id: string, response: unknown, real: (driver: EngineDriver) => Promise<void>) => {
			await this.#act(process, { what: "queue.complete", id, response }, kept, real);
			this.queue.take([id]);
		};
		return {
			addMessage: async (message) => {
				const own = plain(message);
				await this.#act(process, { what: "queue.add", message: own }, kept, (driver) =>
					driver.messageDriver.addMessage(own),
				);
				this.queue.add(own);
			},
			receiveMessages: async ({ names = [], count, completable }) => {
				const operation: Operation = { what: "queue.receive", names: [...names], count, keep: completable };
				const messages = await this.#act<Message[]>(process, operation, kept, (driver) =>
					driver.messageDriver.receiveMessages({ names, count, completable }),
				);
				if (!completable) {
					this.queue.take(messages.map(({ id }) => id));
					return messages;
				}
				return messages.map((message) => ({
					...message,
					complete: (response) =>
						complete(message.id, response, async (driver) => {
							if (message.complete === undefined) await driver.messageDriver.completeMessage(message.id, response);
							else await message.complete(response);
						}),
				}));
			},
			completeMessage: (id, response) =>
				complete(id, response, (driver) => driver.messageDriver.completeMessage(id, response)),
		};
	}

	/** The driver's own way of waiting, where it has the messages. */
	async #wait(process: Process, names: readonly string[], signal: AbortSignal): Promise<void> {
		await this.#ready;
		const arrived = this.queue.awaiting(process, names);
		try {
			if (this.#keeps("messages")) await this.#driver?.waitForMessages([...names], signal);
			else await this.queue.wait(names, signal);
		} finally {
			arrived();
		}
	}

	async #act<T>(
		process: Process,
		operation: Operation,
		kept: boolean,
		real: (driver: EngineDriver) => Promise<T>,
	): Promise<T> {
		const pending = { what: operation.what, perform: () => {} };
		process.inFlight.push(pending);
		await this.#ready;
		try {
			return await this.#do(process, operation, kept, real);
		} finally {
			remove(process.inFlight, pending);
		}
	}

	async #do<T>(
		process: Process,
		operation: Operation,
		kept: boolean,
		real: (driver: EngineDriver) => Promise<T>,
	): Promise<T> {
		const { id, value } = await this.#handshake.before(process, operation, kept);
		if (kept) return value as T;
		let answer: T;
		try {
			answer = await real(this.#driver as EngineDriver);
		} catch (error) {
			await this.#handshake.after(id, { error: errorFact(error) });
			throw error;
		}
		await this.#handshake.after(id, { value: Array.isArray(answer) ? answer.map(plainOf) : answer });
		return answer;
	}
}

/** More messages than any program sends. */
const MANY = 10_000;

const copy = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

function plain({ id, name, data, sentAt }: Message): PlainMessage {
	return { id, name, data, sentAt };
}

/** A message without its functions; anything else as it is. */
function plainOf(value: unknown): unknown {
	return typeof value === "object" && value !== null && "sentAt" in value ? plain(value as Message) : value;
}

/** What a host knows of the queue without asking storage: what came and went in this process, and was there before. */
export class LocalQueue extends Waits {
	#stored: QueuedMessage[];
	readonly #watchers = new Set<(name: string) => void>();

	constructor(stored: readonly QueuedMessage[]) {
		super();
		this.#stored = [...stored];
	}

	reset(stored: readonly QueuedMessage[]): void {
		this.#stored = stored.map(({ id, name }) => ({ id, name }));
	}

	add({ id, name }: QueuedMessage): void {
		this.#stored.push({ id, name });
		for (const watcher of [...this.#watchers]) watcher(name);
	}

	take(ids: readonly string[]): void {
		this.#stored = this.#stored.filter(({ id }) => !ids.includes(id));
	}

	has(names: readonly string[]): boolean {
		return this.#stored.some(({ name }) => names.length === 0 || names.includes(name));
	}

	watch(_process: Process, watcher: (name: string) => void): () => void {
		this.#watchers.add(watcher);
		return () => {
			this.#watchers.delete(watcher);
		};
	}

	/** Resolves once a message with one of the names is stored; rejects when the signal aborts. */
	wait(names: readonly string[], signal: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			if (signal.aborted) return reject(signal.reason);
			if (this.has(names)) return resolve();
			const settle = (how: () => void) => {
				this.#watchers.delete(look);
				signal.removeEventListener("abort", abort);
				how();
			};
			const abort = () => settle(() => reject(signal.reason));
			const look = () => {
				if (this.has(names)) settle(resolve);
			};
			this.#watchers.add(look);
			signal.addEventListener("abort", abort, { once: true });
		});
	}
}
