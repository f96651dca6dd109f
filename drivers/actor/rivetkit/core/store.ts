/**
 * What the core keeps of an actor, on the world's disk: a table each for state, queue, workflow, schedule, user keys and alarm. A
 * commit spans tables, as a transaction of the database does that the published core keeps them in.
 */
import { decode, Encoder } from "cbor-x";
import type { MediumFault } from "../../../../sim/world/faults.ts";
import type { Mutation } from "../../../../sim/world/history.ts";
import type { Process } from "../../../../sim/world/process.ts";
import type { World } from "../../../../sim/world/world.ts";
import { describeKey as describeWorkflowKey } from "../../../engine/rivet/keys.ts";
import type { ActorImage } from "../../contract.ts";
import { Turns } from "../turns.ts";

const encoder = new Encoder({ useRecords: false });

const UNDIVIDED: ReadonlySet<MediumFault> = new Set(["corrupt"]);
const INTACT: ReadonlySet<MediumFault> = new Set();

export const STATE = "state";
export const NEXT_ID = "next";
const ID_DIGITS = 16;
/** What stands before the keys of the workflow engine: the kind of thing, and the version of its layout. */
export const WORKFLOW_PREFIX = "\x06\x01";

type TableName = "actor" | "queue" | "workflow" | "schedule" | "user" | "alarm" | "fate";
export type Tables = Readonly<Record<TableName, string>>;

export function tablesOf(actorId: string): Tables {
	const table = (name: TableName) => `${actorId}/${name}`;
	return {
		actor: table("actor"),
		queue: table("queue"),
		workflow: table("workflow"),
		schedule: table("schedule"),
		user: table("user"),
		alarm: table("alarm"),
		fate: table("fate"),
	};
}

export interface StoredMessage {
	readonly id: bigint;
	readonly name: string;
	/** As it was handed in: CBOR. */
	readonly body: Uint8Array;
	readonly createdAt: number;
}

export interface ScheduledAction {
	readonly id: string;
	readonly atMs: number;
	readonly action: string;
	readonly args: Uint8Array;
}

export function messageKey(id: bigint): string {
	return `m${id.toString().padStart(ID_DIGITS, "0")}`;
}

export function encodeMessage({ name, body, createdAt }: StoredMessage): Uint8Array {
	return encoder.encode([name, body, createdAt]);
}

/** @throws for bytes that are no message. */
export function decodeMessage(key: string, value: Uint8Array): StoredMessage {
	const [name, body, createdAt] = decode(value) as [string, Uint8Array, number];
	if (typeof name !== "string" || !(body instanceof Uint8Array))
		throw new TypeError("The stored bytes are no message.");
	return { id: BigInt(key.slice(1)), name, body, createdAt };
}

export function encodeScheduled({ atMs, action, args }: ScheduledAction): Uint8Array {
	return encoder.encode([atMs, action, args]);
}

export function decodeScheduled(id: string, value: Uint8Array): ScheduledAction {
	const [atMs, action, args] = decode(value) as [number, string, Uint8Array];
	return { id, atMs, action, args };
}

export function encodeCount(count: bigint): Uint8Array {
	return encoder.encode(count);
}

export function encodeTime(ms: number): Uint8Array {
	const value = new Uint8Array(8);
	new DataView(value.buffer).setFloat64(0, ms);
	return value;
}

export function decodeTime(value: Uint8Array): number {
	return new DataView(value.buffer, value.byteOffset).getFloat64(0);
}

const ALL = { writes: true, start: "" } as const;

/** One life's way to what is stored: one operation after the other, as over one connection to a database. */
export class CoreStore {
	readonly tables: Tables;
	readonly #world: World;
	readonly #process: Process;
	readonly #turns: Turns;

	constructor(world: World, process: Process, tables: Tables) {
		this.#world = world;
		this.#process = process;
		this.#turns = new Turns(world, process, "in-turn");
		this.tables = tables;
	}

	/** Reads in one instant. */
	read<T>(what: string, detail: string, read: (disk: World["disk"]) => T): Promise<T> {
		return this.#turns.operate(what, ALL, () => {
			this.#world.note("operation", { what, detail }, this.#process);
			return read(this.#world.disk);
		});
	}

	/** Writes what `make` says, in one instant and as one durable write; answers with what it says besides. */
	write<T>(
		what: string,
		make: (disk: World["disk"]) => readonly [mutations: readonly Mutation[], answer: T],
	): Promise<T> {
		return this.#turns.operate(what, ALL, () => {
			const [mutations, answer] = make(this.#world.disk);
			const before = this.#world.writes;
			const ofHost = [this.tables.alarm, this.tables.fate].includes(mutations[0]?.table ?? "");
			this.#world.disk.commit(this.#process, what, mutations, { legal: ofHost ? INTACT : UNDIVIDED });
			if (this.#world.writes === before) {
				this.#world.note("operation", { what, detail: "nothing to change" }, this.#process);
			}
			return answer;
		});
	}
}

/** The id that comes next: as stored, or behind the last that is stored where that cannot be read. */
export function nextIdOf(disk: World["disk"], { queue }: Tables): bigint {
	const stored = disk.get(queue, NEXT_ID);
	const id = stored && attempt(() => BigInt(decode(stored) as number | bigint));
	if (id !== undefined) return id;
	const last = disk.list(queue, "m").at(-1);
	return last === undefined ? 1n : BigInt(last.key.slice(1)) + 1n;
}

export function scheduledOf(disk: World["disk"], { schedule }: Tables): ScheduledAction[] {
	return disk
		.list(schedule, "")
		.map(({ key, value }) => decodeScheduled(key, value))
		.sort((a, b) => a.atMs - b.atMs);
}

export function imageOf(disk: World["disk"], tables: Tables, revive: (bytes: Uint8Array) => unknown): ActorImage {
	const state = disk.get(tables.actor, STATE);
	const next = disk.get(tables.queue, NEXT_ID);
	const messages = disk.list(tables.queue, "m");
	return {
		state: state && attempt(() => revive(state)),
		queue: {
			messages: messages.map(({ key, value }) => {
				const message = attempt(() => decodeMessage(key, value));
				return {
					id: BigInt(key.slice(1)).toString(),
					name: message?.name ?? "",
					body: message && attempt(() => revive(message.body)),
				};
			}),
			// Rows are counted; no count of them is stored.
			size: undefined,
			nextId: next && attempt(() => String(decode(next))),
		},
	};
}

/** What is damaged reads as nothing. */
export function attempt<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch {
		return undefined;
	}
}

/** A stored key in a few words. */
export function describeKey(table: string, key: string): string {
	switch (table.split("/").at(-1)) {
		case "actor":
			return key === STATE ? "actor state" : key;
		case "queue":
			return key === NEXT_ID ? "next message id" : `message ${BigInt(key.slice(1))}`;
		case "workflow":
			return describeWorkflowKey(key.slice(WORKFLOW_PREFIX.length));
		case "schedule":
			return `scheduled ${key.slice(0, 8)}`;
		case "user":
			return `user key ${key}`;
		default:
			return table.split("/").at(-1) as string;
	}
}
