/**
 * What is stored of an actor, and how it is read and written: one table of sealed records, and one for the alarm that the platform
 * keeps. Everything that belongs together is one durable write.
 *
 *     x                        that the actor was created, or destroyed
 *     s                        its state
 *     w + key                  what the workflow inside has stored
 *     q + id                   a message; ids have 15 digits, so that keys sort as ids do
 *     d + id                   a message that could not be read, set aside
 *     m                        of the queue: its size and the next id
 *     t + token                a send, and the response to it once there is one
 *     c                        what is scheduled
 *     a                        when the workflow is to be woken
 */
import type { Disk } from "../../../sim/world/disk.ts";
import type { MediumFault } from "../../../sim/world/faults.ts";
import type { Mutation } from "../../../sim/world/history.ts";
import type { Process } from "../../../sim/world/process.ts";
import type { World } from "../../../sim/world/world.ts";
import { contentOf, isIntact, sealed } from "../../engine/reference/history.ts";
import { describeKey as describeEngineKey, FIELDS } from "../../engine/reference/keys.ts";
import { decodeValue, encodeValue } from "../../engine/reference/values.ts";
import { ActorDamagedError } from "./errors.ts";

export const KEYS = { created: "x", state: "s", queue: "m", schedule: "c", wake: "a" } as const;
export const PREFIX = { workflow: "w", message: "q", unreadable: "d", send: "t" } as const;

const ID_DIGITS = 15;
const ALARM = "at";

/** A write is whole: no medium tears it, and what damages it is part of a script. */
const INTACT: ReadonlySet<MediumFault> = new Set();

export interface StoredMessage {
	readonly id: number;
	readonly name: string;
	readonly body: Uint8Array;
	readonly createdAt: number;
	/** By which its sender knows it. */
	readonly token: string;
}

export interface QueueMetadata {
	readonly size: number;
	readonly next: number;
}

/** A send that may be asked again. */
export interface StoredSend {
	readonly id: number;
	/** Present once the message was completed; undefined is a response, too. */
	readonly answer?: { readonly response: unknown };
}

export interface Scheduled {
	readonly at: number;
	readonly action: string;
	readonly input: readonly unknown[];
}

export interface Tables {
	readonly actor: string;
	readonly alarm: string;
}

export function tablesOf(actorId: string): Tables {
	return { actor: `${actorId}/actor`, alarm: `${actorId}/alarm` };
}

/** The records of one actor on a disk; readers of the disk alone need no process. */
export class Records {
	readonly disk: Disk;
	readonly tables: Tables;

	constructor(disk: Disk, tables: Tables) {
		this.disk = disk;
		this.tables = tables;
	}

	/** @throws ActorDamagedError when what is stored is not what was written. */
	read<T>(key: string): T | undefined {
		const stored = this.disk.get(this.tables.actor, key);
		if (stored === undefined) return undefined;
		if (!isIntact(key, stored)) throw new ActorDamagedError(describeKey(key));
		return decodeValue(contentOf(stored)) as T;
	}

	bytes(key: string): Uint8Array | undefined {
		const stored = this.disk.get(this.tables.actor, key);
		return stored === undefined ? undefined : contentOf(stored);
	}

	/** Messages in order, those that cannot be read as their key alone. */
	*messages(): Generator<StoredMessage | { readonly unreadable: string }> {
		for (const { key, value } of this.disk.list(this.tables.actor, PREFIX.message)) {
			if (!isIntact(key, value)) yield { unreadable: key };
			else yield decodeValue(contentOf(value)) as StoredMessage;
		}
	}

	/** As stored; made anew from the messages where it cannot be read. */
	queue(reuseIds = false): QueueMetadata {
		try {
			return this.read<QueueMetadata>(KEYS.queue) ?? { size: 0, next: 1 };
		} catch {
			const keys = this.disk.list(this.tables.actor, PREFIX.message).map(({ key }) => Number(key.slice(1)));
			const last = Math.max(0, ...keys);
			// What is gone had ids that nobody knows any more. The clock is ahead of all of them.
			return { size: keys.length, next: reuseIds ? last + 1 : Math.max(last + 1, Date.now()) };
		}
	}

	alarm(): number | undefined {
		const stored = this.disk.get(this.tables.alarm, ALARM);
		return stored === undefined ? undefined : (decodeValue(stored) as number);
	}

	record(key: string, value: unknown): Mutation {
		return { table: this.tables.actor, key, value: sealed(key, encodeValue(value)) };
	}

	raw(key: string, content: Uint8Array): Mutation {
		return { table: this.tables.actor, key, value: sealed(key, content) };
	}

	deletion(key: string): Mutation {
		return { table: this.tables.actor, key, value: null };
	}

	/** The alarm of the platform: the earliest of what the workflow waits for and what is scheduled. */
	alarmFor(wakeAt: number | undefined, scheduled: readonly Scheduled[]): Mutation[] {
		const at = Math.min(wakeAt ?? Number.POSITIVE_INFINITY, ...scheduled.map((one) => one.at));
		if (at === this.alarm()) return [];
		return [{ table: this.tables.alarm, key: ALARM, value: at === Number.POSITIVE_INFINITY ? null : encodeValue(at) }];
	}

	schedule(): readonly Scheduled[] {
		return this.read<readonly Scheduled[]>(KEYS.schedule) ?? [];
	}

	wakeAt(): number | undefined {
		return this.read<number>(KEYS.wake);
	}

	commit(process: Process, what: string, mutations: readonly Mutation[]): void {
		this.disk.commit(process, what, mutations, { owned: true, legal: INTACT });
	}
}

/** The records as one process life reaches them: every access is an operation of the world. */
export class Store extends Records {
	readonly #world: World;
	readonly #process: Process;

	constructor(world: World, process: Process, tables: Tables) {
		super(world.disk, tables);
		this.#world = world;
		this.#process = process;
	}

	/** Reads, or writes with `write`, in one instant. */
	operate<T>(what: string, perform: () => T): Promise<T> {
		return this.#world.operate(this.#process, what, perform);
	}

	/** @param mutations worked out in the instant in which they are written. */
	write(what: string, mutations: () => readonly Mutation[]): Promise<void> {
		return this.operate(what, () => this.commit(this.#process, what, mutations()));
	}

	/** Inside of an operation. */
	commitNow(what: string, mutations: readonly Mutation[]): void {
		this.commit(this.#process, what, mutations);
	}
}

export function messageKey(id: number): string {
	return `${PREFIX.message}${String(id).padStart(ID_DIGITS, "0")}`;
}

/** A stored key in a few words. */
export function describeKey(key: string): string {
	const rest = key.slice(1);
	switch (key.charAt(0)) {
		case KEYS.created:
			return "actor";
		case KEYS.state:
			return "actor state";
		case KEYS.queue:
			return "queue metadata";
		case KEYS.schedule:
			return "schedule";
		case KEYS.wake:
			return "time to wake";
		case PREFIX.workflow:
			return describeEngineKey(rest);
		case PREFIX.message:
			return `message ${Number(rest)}`;
		case PREFIX.unreadable:
			return `unreadable message ${Number(rest)}`;
		case PREFIX.send:
			return `send ${rest}`;
		default:
			return `key ${key}`;
	}
}

/** What a record holds, as plain data. @throws for bytes that are none. */
export function describeValue(key: string, stored: Uint8Array): unknown {
	const content = contentOf(stored);
	return key === PREFIX.workflow + FIELDS.state ? Buffer.from(content).toString("latin1") : decodeValue(content);
}
