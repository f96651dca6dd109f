/**
 * A plugged driver as the storage of a world. Time, order, faults and numbers come from the world's own disk, which is the model;
 * every operation that takes effect there is carried out on the real driver too, and the engine is given the real answer. Where
 * the driver answers as the disk does, the history is the same to the byte as with `memory`; where it does not, it says so.
 */
import { isDeepStrictEqual } from "node:util";
import type { KVEntry, KVWrite, Message, WorkflowMessageDriver } from "@rivetkit/workflow-engine";
import { bytesFromKey, keyFromBytes } from "../../sim/world/disk.ts";
import { HarnessError } from "../../sim/world/harness-error.ts";
import type { Mutation } from "../../sim/world/history.ts";
import type { Process } from "../../sim/world/process.ts";
import type { World } from "../../sim/world/world.ts";
import { type EngineDriver, NO_CLAIMS, type StorageClaims, type WorldStorage } from "./contract.ts";
import { MemoryDriver, memoryStorage, type Operate, type Tables, tablesOf } from "./memory/driver.ts";
import { DurableQueue } from "./memory/queue.ts";
import { type Answer, keeps, type Session } from "./session.ts";

/** The shapes of the events that a plugged driver leaves, by kind. */
export interface PluggedEvents {
	/** It answered other than the world's disk does: `expected` and `got`, in a few words. */
	"driver.differs": { what: string; expected: string; got: string };
}

/** One operation of the real driver: how to ask, what differs from the model's answer, and what the engine is given. */
interface Call {
	readonly real: (driver: EngineDriver) => unknown;
	/** What was expected and what came, in words; undefined when they are the same. */
	readonly compare: (expected: unknown, got: unknown) => PluggedEvents["driver.differs"] | undefined;
	readonly give?: (got: unknown) => unknown;
}

/** What an operation did to the model. */
interface Effects {
	applied: readonly Mutation[] | undefined;
	whole: boolean;
	readonly damaged: Mutation[];
}

/** The storage of a workflow of a world, on a real driver. */
export class PluggedStorage implements WorldStorage {
	readonly queue: DurableQueue;
	readonly #world: World;
	readonly #workflowId: string;
	readonly #tables: Tables;
	readonly #claims: StorageClaims;
	readonly #session: Session;
	readonly #shadow: WorldStorage;
	/** The process life that has the namespace open. */
	#life: Process | undefined;
	#effects: Effects | undefined;

	constructor(world: World, workflowId: string, session: Session, claims = NO_CLAIMS) {
		this.#world = world;
		this.#workflowId = workflowId;
		this.#session = session;
		this.#claims = claims;
		this.#tables = tablesOf(workflowId);
		this.#shadow = memoryStorage.storage(world, workflowId, claims);
		this.queue = keeps("messages", session.claims)
			? new MirroredQueue(this, world, this.#tables.queue)
			: this.#shadow.queue;
		world.disk.onApplied = (mutations, how) => {
			const effects = this.#effects;
			if (effects === undefined) return;
			if (how === "damage") effects.damaged.push(...mutations);
			else Object.assign(effects, { applied: mutations, whole: how === "whole" });
		};
	}

	/** A new life opens the namespace anew, unless the driver keeps nothing beyond its own. */
	open(process: Process): EngineDriver {
		if (process !== this.#life) {
			this.#life = process;
			const keepsNothing = this.#session.claims.durability === "memory";
			if (!keepsNothing || !this.#session.isOpen) this.#world.beyond(() => this.#begin(process));
		}
		return new MirroredDriver(this, this.#world, process, this.#tables, this.queue, this.#claims);
	}

	alarm(): number | undefined {
		return this.#shadow.alarm();
	}

	clearAlarm(): void {
		this.#shadow.clearAlarm();
		if (!this.keepsAlarms) return;
		this.carryOut("alarm.fire", (driver) => driver.clearAlarm(this.#workflowId));
	}

	get keepsAlarms(): boolean {
		return keeps("alarms", this.#session.claims);
	}

	get keepsMessages(): boolean {
		return keeps("messages", this.#session.claims);
	}

	/** Does something to the model and tells what became of it. A crash in the midst of it may have another operation done first. */
	watching<T>(perform: () => T): { readonly result: T; readonly effects: Effects } {
		const effects: Effects = { applied: undefined, whole: true, damaged: [] };
		const around = this.#effects;
		this.#effects = effects;
		try {
			return { result: perform(), effects };
		} finally {
			this.#effects = around;
		}
	}

	/** Has the real driver carry something out, once the running event has settled; tells of it when that fails. */
	carryOut(what: string, call: (driver: EngineDriver) => unknown, answered?: (answer: Answer) => void): void {
		this.#world.beyond(async () => {
			const answer = await this.#session.ask(what, call);
			if (answered !== undefined) answered(answer);
			else if ("error" in answer) this.differs({ what, expected: "done", got: threw(answer.error) });
		});
	}

	differs(difference: PluggedEvents["driver.differs"]): void {
		this.#world.note("driver.differs", difference, this.#life ?? this.#world.outside);
	}

	/** Opens the namespace for a life and looks whether all is there that was acknowledged. */
	async #begin(process: Process): Promise<void> {
		await this.#session.open();
		const answer = await this.#session.ask("kv.list", (driver) => driver.list(new Uint8Array()));
		const expected = this.#world.disk.list(this.#tables.kv, "").map(({ key, value }) => ({
			key: bytesFromKey(key),
			value,
		}));
		const what = process.id === 1 ? "open" : "reopen";
		if ("error" in answer) this.differs({ what, expected: `${expected.length} entries`, got: threw(answer.error) });
		else {
			const difference = compareEntries(what)(expected, answer.value);
			if (difference !== undefined) this.differs(difference);
		}
		if (!this.keepsAlarms) return;
		const alarm = await this.#session.alarm(this.#workflowId);
		const kept = this.alarm();
		if (alarm === "unknown" || alarm === kept) return;
		this.differs({ what: `${what} alarm`, expected: `alarm ${kept ?? "none"}`, got: `alarm ${alarm ?? "none"}` });
	}
}

/** The queue of a world whose messages the real driver keeps too. */
class MirroredQueue extends DurableQueue {
	readonly #storage: PluggedStorage;

	constructor(storage: PluggedStorage, world: World, table: string) {
		super(world.disk, table);
		this.#storage = storage;
	}

	override append(process: Process, message: Message): boolean {
		const { result, effects } = this.#storage.watching(() => super.append(process, message));
		if (effects.applied !== undefined) {
			const { id, name, data, sentAt } = message;
			this.#storage.carryOut("queue.add", (driver) => driver.messageDriver.addMessage({ id, name, data, sentAt }));
		}
		return result;
	}
}

/** What a process life is given: the model decides what happens, the real driver does it and answers. */
class MirroredDriver implements EngineDriver {
	readonly atomicBatch: boolean;
	readonly workerPollInterval: number;
	readonly messageDriver: WorkflowMessageDriver;
	readonly #storage: PluggedStorage;
	readonly #world: World;
	readonly #kv: string;
	readonly #shadow: MemoryDriver;
	/** What goes with the operation that the model is about to be asked. */
	#call: Call | undefined;

	constructor(
		storage: PluggedStorage,
		world: World,
		process: Process,
		tables: Tables,
		queue: DurableQueue,
		claims: StorageClaims,
	) {
		this.#storage = storage;
		this.#world = world;
		this.#kv = tables.kv;
		this.#shadow = new MemoryDriver(world, process, tables, queue, claims, this.#operate);
		this.atomicBatch = this.#shadow.atomicBatch;
		this.workerPollInterval = this.#shadow.workerPollInterval;
		this.messageDriver = storage.keepsMessages ? this.#messages() : this.#shadow.messageDriver;
	}

	get(key: Uint8Array): Promise<Uint8Array | null> {
		const own = new Uint8Array(key);
		return this.#both({ real: (driver) => driver.get(own), compare: compareBytes }, () => this.#shadow.get(key));
	}

	set(key: Uint8Array, value: Uint8Array): Promise<void> {
		const [ownKey, own] = [new Uint8Array(key), new Uint8Array(value)];
		return this.#write(
			(driver) => driver.set(ownKey, own),
			() => this.#shadow.set(key, value),
		);
	}

	delete(key: Uint8Array): Promise<void> {
		const own = new Uint8Array(key);
		return this.#write(
			(driver) => driver.delete(own),
			() => this.#shadow.delete(key),
		);
	}

	batch(writes: KVWrite[]): Promise<void> {
		const own = writes.map(({ key, value }) => ({ key: new Uint8Array(key), value: new Uint8Array(value) }));
		return this.#write(
			(driver) => driver.batch(own),
			() => this.#shadow.batch(writes),
		);
	}

	batchDelete(keys: Uint8Array[]): Promise<void> {
		const own = keys.map((key) => new Uint8Array(key));
		return this.#write(
			(driver) => driver.batchDelete(own),
			() => this.#shadow.batchDelete(keys),
		);
	}

	deletePrefix(prefix: Uint8Array): Promise<void> {
		const own = new Uint8Array(prefix);
		return this.#write(
			(driver) => driver.deletePrefix(own),
			() => this.#shadow.deletePrefix(prefix),
		);
	}

	deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
		const [from, to] = [new Uint8Array(start), new Uint8Array(end)];
		return this.#write(
			(driver) => driver.deleteRange(from, to),
			() => this.#shadow.deleteRange(start, end),
		);
	}

	list(prefix: Uint8Array): Promise<KVEntry[]> {
		const own = new Uint8Array(prefix);
		const call = { real: (driver: EngineDriver) => driver.list(own), compare: compareEntries("kv.list") };
		return this.#both(call, () => this.#shadow.list(prefix));
	}

	setAlarm(workflowId: string, wakeAt: number): Promise<void> {
		if (!this.#storage.keepsAlarms) return this.#shadow.setAlarm(workflowId, wakeAt);
		return this.#write(
			(driver) => driver.setAlarm(workflowId, wakeAt),
			() => this.#shadow.setAlarm(workflowId, wakeAt),
		);
	}

	clearAlarm(workflowId: string): Promise<void> {
		if (!this.#storage.keepsAlarms) return this.#shadow.clearAlarm(workflowId);
		return this.#write(
			(driver) => driver.clearAlarm(workflowId),
			() => this.#shadow.clearAlarm(workflowId),
		);
	}

	/** Waiting is not storage: who waits is woken by the world. */
	waitForMessages(names: string[], signal: AbortSignal): Promise<void> {
		return this.#shadow.waitForMessages(names, signal);
	}

	#messages(): WorkflowMessageDriver {
		const { messageDriver } = this.#shadow;
		const complete = (id: string, response: unknown, real: Call["real"]): Promise<void> =>
			this.#write(real, () => messageDriver.completeMessage(id, response));
		return {
			// What is sent is carried out where the queue takes it in, as what clients send.
			addMessage: (message) => messageDriver.addMessage(message),
			receiveMessages: (options) => {
				const wanted = { ...options, ...(options.names === undefined ? {} : { names: [...options.names] }) };
				const completable = (message: Message): Message => ({
					...message,
					complete: (response) =>
						complete(message.id, response, (driver) =>
							message.complete === undefined
								? driver.messageDriver.completeMessage(message.id, response)
								: message.complete(response),
						),
				});
				const give = (got: unknown) =>
					options.completable && Array.isArray(got) ? (got as Message[]).map(completable) : got;
				return this.#both(
					{ real: (driver) => driver.messageDriver.receiveMessages(wanted), compare: compareMessages, give },
					() => messageDriver.receiveMessages(options),
				);
			},
			completeMessage: (id, response) =>
				complete(id, response, (driver) => driver.messageDriver.completeMessage(id, response)),
		};
	}

	#write(real: Call["real"], model: () => Promise<void>): Promise<void> {
		return this.#both({ real, compare: () => undefined, give: () => undefined }, model);
	}

	/** Asks the model, which asks for the operation to be carried out at once. */
	#both<T>(call: Call, model: () => Promise<T>): Promise<T> {
		this.#call = call;
		try {
			return model();
		} finally {
			this.#call = undefined;
		}
	}

	readonly #operate: Operate = <T>(process: Process, what: string, perform: () => T): Promise<T> => {
		const call = this.#call;
		if (call === undefined) return this.#world.operate(process, what, perform);
		let answer: Answer | undefined;
		return this.#world.operate(
			process,
			what,
			() => {
				const { result, effects } = this.#storage.watching(perform);
				const heard = (real: Answer) => {
					answer = real;
				};
				// A write that its process died before took no place; one that changes nothing still does.
				if (effects.applied === undefined ? process.alive : effects.whole)
					this.#storage.carryOut(what, call.real, heard);
				else if (effects.applied !== undefined) this.#carryOutPart(what, effects.applied);
				for (const { key, value } of effects.damaged) {
					this.#storage.carryOut(what, (driver) => driver.set(bytesFromKey(key), value as Uint8Array));
				}
				return result;
			},
			(result) => this.#judge(what, call, result, answer) as T,
		);
	};

	/** A torn batch: what reached the disk is all that the driver is given. */
	#carryOutPart(what: string, mutations: readonly Mutation[]): void {
		const of = (keep: (mutation: Mutation) => boolean) =>
			mutations.filter((mutation) => mutation.table === this.#kv && keep(mutation));
		const writes = of(({ value }) => value !== null);
		const deletes = of(({ value }) => value === null);
		const batch = writes.map(({ key, value }) => ({ key: bytesFromKey(key), value: value as Uint8Array }));
		if (batch.length > 0) this.#storage.carryOut(what, (driver) => driver.batch(batch));
		if (deletes.length > 0)
			this.#storage.carryOut(what, (driver) => driver.batchDelete(deletes.map(({ key }) => bytesFromKey(key))));
	}

	#judge(what: string, call: Call, expected: unknown, answer: Answer | undefined): unknown {
		if (answer === undefined) return expected;
		if ("error" in answer) {
			this.#storage.differs({ what, expected: "an answer", got: threw(answer.error) });
			throw answer.error;
		}
		const difference = call.compare(expected, answer.value);
		if (difference !== undefined) this.#storage.differs({ ...difference, what });
		return call.give === undefined ? answer.value : call.give(answer.value);
	}
}

function threw(error: unknown): string {
	if (error instanceof HarnessError) throw error;
	return `threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
}

export function compareBytes(expected: unknown, got: unknown): PluggedEvents["driver.differs"] | undefined {
	if (expected === null && got === null) return undefined;
	const same = expected instanceof Uint8Array && got instanceof Uint8Array && Buffer.compare(expected, got) === 0;
	return same ? undefined : { what: "kv.get", expected: describeValue(expected), got: describeValue(got) };
}

export function compareEntries(what: string) {
	return (expected: unknown, got: unknown): PluggedEvents["driver.differs"] | undefined => {
		const wanted = expected as readonly KVEntry[];
		if (!Array.isArray(got)) return { what, expected: `${wanted.length} entries`, got: describeValue(got) };
		const entries = got as readonly KVEntry[];
		const at = wanted.findIndex((entry, place) => !sameEntry(entry, entries[place]));
		const place = at < 0 ? wanted.length : at;
		if (at < 0 && entries.length === wanted.length) return undefined;
		const tell = (list: readonly KVEntry[]) =>
			`${list.length} entries, in place ${place} ${list[place] === undefined ? "none" : describeEntry(list[place])}`;
		return { what, expected: tell(wanted), got: tell(entries) };
	};
}

function sameEntry(a: KVEntry, b: KVEntry | undefined): boolean {
	if (!(b?.key instanceof Uint8Array) || !(b.value instanceof Uint8Array)) return false;
	return Buffer.compare(a.key, b.key) === 0 && Buffer.compare(a.value, b.value) === 0;
}

export function compareMessages(expected: unknown, got: unknown): PluggedEvents["driver.differs"] | undefined {
	const plain = (messages: unknown) =>
		Array.isArray(messages) ? (messages as Message[]).map(({ id, name, data }) => ({ id, name, data })) : messages;
	if (isDeepStrictEqual(plain(expected), plain(got))) return undefined;
	const tell = (messages: unknown) =>
		Array.isArray(messages)
			? `messages ${(messages as Message[]).map(({ id, name }) => `${id} (${name})`).join(", ") || "none"}`
			: describeValue(messages);
	return { what: "queue.receive", expected: tell(expected), got: tell(got) };
}

function describeEntry({ key, value }: KVEntry): string {
	return key instanceof Uint8Array ? `key ${hex(keyFromBytes(key))} with ${describeValue(value)}` : describeValue(key);
}

function describeValue(value: unknown): string {
	if (value === null) return "null";
	if (value instanceof Uint8Array) {
		return `${value.byteLength} bytes ${hex(keyFromBytes(value.subarray(0, TOLD_BYTES)))}`;
	}
	return typeof value === "object" ? `a ${value.constructor?.name ?? "value"}` : `${typeof value} ${String(value)}`;
}

/** Bytes of a value that are told. */
const TOLD_BYTES = 12;

function hex(latin1: string): string {
	return Buffer.from(latin1, "latin1").toString("hex");
}
