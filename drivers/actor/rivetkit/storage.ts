/**
 * The world's disk as `rivetkit`'s `ActorDriver` for one process life. Every operation is an event of the loop, every change
 * one durable write, within the limits that Rivet's own storage has. One alarm an actor, the last one set. It leaves sleep, destroy and
 * what an alarm does to whoever hosts the actor.
 */
import { bytesFromKey, keyFromBytes } from "../../../sim/world/disk.ts";
import type { MediumFault } from "../../../sim/world/faults.ts";
import type { Mutation } from "../../../sim/world/history.ts";
import type { Process } from "../../../sim/world/process.ts";
import type { World } from "../../../sim/world/world.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, StorageLimitError } from "../../storage/contract.ts";
import type { ActorPlatform } from "../contract.ts";
import type { ActorDriver, RivetkitInstance } from "./package.ts";
import { describeKey } from "./stored.ts";
import { type Order, type Touched, Turns } from "./turns.ts";

type Entries = [key: Uint8Array, value: Uint8Array][];

/** As its drivers say in their errors, the two bytes included that Rivet wraps a key in. */
const MAX_KEY_BYTES = 2_048;
const KEY_WRAPPING_BYTES = 2;
const MAX_VALUE_BYTES = 128 * 1024;

const ALARM = "at";
/** It is no key of the actor's: none begins like this. */
const ALARM_TOUCHED: Touched = { writes: true, keys: ["\uffffalarm"] };
/** A batch is a transaction there: the medium may damage what is stored, and not tear a batch. */
const UNDIVIDED: ReadonlySet<MediumFault> = new Set(["corrupt"]);
const INTACT: ReadonlySet<MediumFault> = new Set();

/** The tables of an actor on the disk. */
export interface ActorTables {
	readonly kv: string;
	readonly alarm: string;
	/** Whether it was destroyed. */
	readonly fate: string;
}

export function tablesOf(actorId: string): ActorTables {
	return { kv: `${actorId}/kv`, alarm: `${actorId}/alarm`, fate: `${actorId}/fate` };
}

export class ActorStorage implements Omit<ActorDriver, "loadActor"> {
	/** Told of the keys and values of each batch, as it is asked for. */
	onPut: ((entries: Entries) => void) | undefined;
	/** Told of the actor before it starts its run handler. */
	onBeforeStart: ((actor: RivetkitInstance) => Promise<void>) | undefined;
	readonly #world: World;
	readonly #process: Process;
	readonly #turns: Turns;
	readonly #tables: ActorTables;
	readonly #platform: Pick<ActorPlatform, "sleepRequested" | "destroyRequested" | "alarmChanged">;

	constructor(
		world: World,
		process: Process,
		tables: ActorTables,
		platform: Pick<ActorPlatform, "sleepRequested" | "destroyRequested" | "alarmChanged">,
		order: Order,
	) {
		this.#world = world;
		this.#process = process;
		this.#turns = new Turns(world, process, order);
		this.#tables = tables;
		this.#platform = platform;
	}

	getContext(): unknown {
		return {};
	}

	kvBatchPut(_actorId: string, entries: Entries): Promise<void> {
		this.onPut?.(entries);
		const beyond = limitOf(entries);
		const mutations = entries.map(([key, value]) => this.#mutation(key, value));
		return this.#operate("kv.put", { writes: true, keys: mutations.map(({ key }) => key) }, () => {
			if (beyond !== undefined) throw new StorageLimitError(`kv.put refused whole: ${beyond}`);
			this.#commit("kv.put", mutations);
		});
	}

	kvBatchGet(_actorId: string, keys: Uint8Array[]): Promise<(Uint8Array | null)[]> {
		const names = keys.map(keyFromBytes);
		return this.#operate("kv.get", { writes: false, keys: names }, () => {
			this.#read("kv.get", names.map(describeKey).join(", "));
			return names.map((key) => this.#world.disk.get(this.#tables.kv, key)?.slice() ?? null);
		});
	}

	kvBatchDelete(_actorId: string, keys: Uint8Array[]): Promise<void> {
		const mutations = keys.map((key) => this.#mutation(key, null));
		const touched = { writes: true, keys: mutations.map(({ key }) => key) };
		return this.#operate("kv.delete", touched, () => this.#commit("kv.delete", mutations));
	}

	kvDeleteRange(_actorId: string, start: Uint8Array, end: Uint8Array): Promise<void> {
		const [from, to] = [keyFromBytes(start), keyFromBytes(end)];
		const { kv } = this.#tables;
		return this.#operate("kv.deleteRange", { writes: true, start: from, end: to }, () => {
			const keys = this.#world.disk.keysBetween(kv, from, to);
			this.#commit(
				"kv.deleteRange",
				keys.map((key) => ({ table: kv, key, value: null })),
			);
		});
	}

	kvListPrefix(_actorId: string, prefix: Uint8Array, options?: ListOptions): Promise<Entries> {
		const name = keyFromBytes(prefix);
		return this.#operate("kv.list", { writes: false, start: name }, () => {
			this.#read("kv.list", name);
			return chosen(
				this.#world.disk.list(this.#tables.kv, name).map(({ key, value }) => [key, value]),
				options,
			);
		});
	}

	kvListRange(_actorId: string, start: Uint8Array, end: Uint8Array, options?: ListOptions): Promise<Entries> {
		const [from, to] = [keyFromBytes(start), keyFromBytes(end)];
		const { kv } = this.#tables;
		return this.#operate("kv.listRange", { writes: false, start: from, end: to }, () => {
			this.#read("kv.listRange", from);
			const keys = this.#world.disk.keysBetween(kv, from, to);
			return chosen(
				keys.map((key) => [key, this.#world.disk.get(kv, key) as Uint8Array]),
				options,
			);
		});
	}

	setAlarm(_actor: RivetkitInstance, timestampMs: number): Promise<void> {
		const value = new Uint8Array(8);
		new DataView(value.buffer).setFloat64(0, timestampMs);
		return this.#operate("alarm.set", ALARM_TOUCHED, () => {
			const mutation = { table: this.#tables.alarm, key: ALARM, value };
			const done = this.#world.disk.commit(this.#process, "alarm.set", [mutation], { owned: true, legal: INTACT });
			if (done) this.#platform.alarmChanged();
		});
	}

	/** It concerns timers of this process life, and there are none: the host keeps the alarm. */
	cancelAlarm(): void {}

	startSleep(): void {
		this.#platform.sleepRequested();
	}

	startDestroy(): void {
		this.#platform.destroyRequested();
	}

	async onBeforeActorStart(actor: RivetkitInstance): Promise<void> {
		await this.onBeforeStart?.(actor);
	}

	/** Deletes all there is of the actor and says so, as one durable write. */
	destroy(): Promise<void> {
		const { kv, alarm, fate } = this.#tables;
		return this.#operate("destroy", { writes: true, start: "" }, () => {
			const { disk } = this.#world;
			const stored = [kv, alarm].flatMap((table) =>
				disk.list(table, "").map(({ key }): Mutation => ({ table, key, value: null })),
			);
			const mutations = [...stored, { table: fate, key: "destroyed", value: Uint8Array.of(1) }];
			disk.commit(this.#process, "destroy", mutations, { owned: true, legal: INTACT });
		});
	}

	#mutation(key: Uint8Array, value: Uint8Array | null): Mutation {
		return { table: this.#tables.kv, key: keyFromBytes(key), value: value === null ? null : new Uint8Array(value) };
	}

	#operate<T>(what: string, touched: Touched, perform: () => T): Promise<T> {
		return this.#turns.operate(what, touched, perform);
	}

	/** The mutations hold copies that were made when they were asked for. */
	#commit(what: string, mutations: readonly Mutation[]): void {
		const before = this.#world.writes;
		this.#world.disk.commit(this.#process, what, mutations, { owned: true, legal: UNDIVIDED });
		if (this.#world.writes === before) this.#read(what, "nothing to change");
	}

	#read(what: string, detail: string): void {
		this.#world.note("operation", { what, detail }, this.#process);
	}
}

interface ListOptions {
	readonly reverse?: boolean;
	readonly limit?: number;
}

function chosen(entries: [key: string, value: Uint8Array][], { reverse, limit }: ListOptions = {}): Entries {
	if (reverse) entries.reverse();
	return entries.slice(0, limit).map(([key, value]) => [bytesFromKey(key), value.slice()]);
}

/** Which limit a batch is beyond, with both figures; undefined for one that fits. */
function limitOf(entries: Entries): string | undefined {
	if (entries.length > MAX_BATCH_ENTRIES) return `${entries.length} entries, at most ${MAX_BATCH_ENTRIES}`;
	let bytes = 0;
	for (const [{ byteLength: key }, { byteLength: value }] of entries) {
		const wrapped = key + KEY_WRAPPING_BYTES;
		if (wrapped > MAX_KEY_BYTES) return `a key of ${wrapped} bytes, at most ${MAX_KEY_BYTES}`;
		if (value > MAX_VALUE_BYTES) return `a value of ${value} bytes, at most ${MAX_VALUE_BYTES}`;
		bytes += wrapped + value;
	}
	return bytes > MAX_BATCH_BYTES ? `${bytes} bytes, at most ${MAX_BATCH_BYTES}` : undefined;
}

export function alarmOf(world: World, { alarm }: ActorTables): number | undefined {
	const stored = world.disk.get(alarm, ALARM);
	return stored === undefined ? undefined : new DataView(stored.buffer, stored.byteOffset).getFloat64(0);
}

export function clearAlarmOf(world: World, { alarm }: ActorTables): void {
	world.disk.commit(world.outside, "alarm.fire", [{ table: alarm, key: ALARM, value: null }], { legal: INTACT });
}

export function isDestroyed(world: World, { fate }: ActorTables): boolean {
	return world.disk.get(fate, "destroyed") !== undefined;
}
