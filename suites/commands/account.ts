/**
 * What a run of commands came to, read off its history: every frame, decoded; which process is what; what each runner was told and
 * what its actors did; what the server stored and took. The judge of runners and servers rests on this and on nothing that
 * either says of itself, but for what a server notes of its own store.
 */

import type { ActorStatus, Mark, ServerEvents, WildPeer } from "../../drivers/runner/contract.ts";
import type { CommandHostEvents } from "../../drivers/runner/host.ts";
import {
	type Checkpoint,
	type EventWrapper,
	type ToClient,
	type ToServer,
	UNTOLD_GENERATION,
	type Wire,
	wireOf,
} from "../../drivers/runner/wire.ts";
import { append, getOrInsert } from "../../sim/world/collections.ts";
import type { ConnectionEnd } from "../../sim/world/faults.ts";
import type { HistoryEvent } from "../../sim/world/history.ts";
import type { NetworkEvents } from "../../sim/world/network.ts";
import { ofLast } from "../of-last.ts";
import type { CommandRun } from "./run.ts";

/** A moment of a run: its place in the history, and the virtual time. */
export interface Moment {
	readonly event: number;
	readonly at: number;
}

export interface FrameFact {
	readonly number: number;
	readonly connection: ConnectionFact;
	readonly from: ConnectionEnd;
	readonly sent: Moment;
	arrived: Moment | undefined;
	lost: Moment | undefined;
	readonly content: NetworkEvents["frame.sent"]["content"];
	/** What it says; undefined for frames of a handshake, and for bytes that are no message. */
	readonly message: ToServer | ToClient | undefined;
}

export interface ConnectionFact {
	readonly id: number;
	/** Who asked for it. */
	readonly process: number;
	readonly asked: Moment;
	readonly version: number;
	readonly frames: FrameFact[];
	/** When each end learned that it is over. */
	readonly over: Record<ConnectionEnd, (Moment & { readonly code: number; readonly reason: string }) | undefined>;
	/** When the client was greeted with Init, and as whom. */
	greeted: (Moment & { readonly runnerId: string; readonly lostMs: number }) | undefined;
	/** The first moment at which something of it was lost, or an end gave it up. */
	broken: Moment | undefined;
}

/** A mark together with when and in which frame. */
export interface Told extends Mark {
	readonly frame: FrameFact;
	readonly moment: Moment;
}

export interface ToldCommand extends Told {
	readonly command: "start" | "stop";
}

export interface ToldEvent extends Told {
	readonly inner: EventWrapper["inner"];
	readonly isStopped: boolean;
}

/** A user's callback, as one life of a process called it. */
export interface UserCall {
	readonly actorId: string;
	readonly generation: number;
	readonly callback: "start" | "stop";
	readonly process: number;
	readonly called: Moment;
	settled: Moment | undefined;
	failed: boolean;
}

export interface StoredCommand extends Mark {
	readonly command: "start" | "stop";
	readonly runnerId: string;
	readonly stored: Moment;
	deleted: (Moment & { readonly why: string }) | undefined;
}

export interface RoleLife {
	readonly role: "server" | "runner" | "wild";
	readonly name: string;
	readonly process: number;
	readonly begun: Moment;
	/** When it died, or ended of itself. */
	ended: Moment | undefined;
	/** When its runner said that it is over. */
	shutDown: Moment | undefined;
}

export interface ActorStep extends Moment {
	readonly actorId: string;
	readonly generation: number;
	readonly status: ActorStatus;
	readonly runnerId: string | undefined;
}

export type ServerNote = {
	[K in keyof ServerEvents]: { readonly kind: K; readonly data: ServerEvents[K] } & Moment;
}[keyof ServerEvents];

export class Account {
	readonly run: CommandRun;
	/** Virtual milliseconds at which the script ends: nothing happens between the last event and then. */
	readonly endMs: number;
	readonly lives = new Map<number, RoleLife>();
	readonly connections = new Map<number, ConnectionFact>();
	/** Connections by the process that asked for them. */
	readonly asked = new Map<number, ConnectionFact[]>();
	readonly frames = new Map<number, FrameFact>();
	/** Commands that reached a runner, by its process; events that a runner sent, by its process. */
	readonly received = new Map<number, ToldCommand[]>();
	readonly said = new Map<number, ToldEvent[]>();
	/** Acknowledgements: of commands as runners sent them, of events as they reached runners. */
	readonly acknowledged = new Map<number, Told[]>();
	readonly heard = new Map<number, Told[]>();
	/** Events and acknowledgements of events as they reached, or left, the server. */
	readonly eventsAtServer: ToldEvent[] = [];
	readonly eventAcksSent: Told[] = [];
	readonly commandAcksAtServer: (Told & { readonly runnerId: string | undefined })[] = [];
	readonly calls: UserCall[] = [];
	readonly stored: StoredCommand[] = [];
	readonly notes: ServerNote[] = [];
	readonly statuses: ActorStep[] = [];
	/** The same by what they are looked for by. */
	readonly #callsBy = new Map<number, UserCall[]>();
	readonly #notesOf = new Map<ServerNote["kind"], ServerNote[]>();
	readonly #statusesOf = new Map<string, ActorStep[]>();
	readonly wild: {
		readonly how: WildPeer;
		readonly process: number;
		readonly begun: Moment;
		over: (Moment & { readonly code: number; readonly reason: string }) | undefined;
	}[] = [];
	readonly errors: { readonly process: number; readonly moment: Moment; readonly message: string }[] = [];
	readonly shutdowns: { readonly process: number; readonly moment: Moment }[] = [];

	constructor(run: CommandRun) {
		this.run = run;
		this.endMs = run.program.script.endMs;
		let place = 0;
		for (const event of run.history.events) this.#take(event, { event: place++, at: event.at });
	}

	/** Whether a connection carried everything it was given, and neither end gave it up, up to that time. */
	intactUntil({ asked, broken, over }: ConnectionFact, atMs: number): boolean {
		// A server that starts again knows nothing of the connections of the one before, whoever believes in them.
		if (!this.serverLives(asked, atMs)) return false;
		return isAfter(broken, atMs) && isAfter(over.client, atMs) && isAfter(over.server, atMs);
	}

	/** Whether the life of the server that there was at that moment went on until then. */
	serverLives(from: Moment, toMs: number): boolean {
		if (toMs > this.endMs) return false;
		let last: RoleLife | undefined;
		for (const life of this.lives.values()) if (life.role === "server" && life.begun.event <= from.event) last = life;
		return last !== undefined && isAfter(last.ended, toMs);
	}

	/** Whether that life of a process went on, with a runner in it, until then. */
	runnerLives(process: number, toMs: number): boolean {
		const life = this.lives.get(process);
		return life !== undefined && toMs <= this.endMs && isAfter(life.ended, toMs) && isAfter(life.shutDown, toMs);
	}

	/** Where that process started one generation a second time, if it has by the time of that event: then much follows. */
	secondStart(
		{ actorId, generation }: Pick<Mark, "actorId" | "generation">,
		process: number,
		event: number,
	): number | undefined {
		const at = this.run.history.events[event]?.at ?? 0;
		const starts = this.callsBy(process).filter(
			(call) =>
				call.callback === "start" &&
				call.actorId === actorId &&
				call.generation === generation &&
				// What follows from a start may be told before the start is.
				call.called.at <= at,
		);
		return starts[1]?.called.event;
	}

	/** The last status of an actor before a place in the history. */
	statusBefore(actorId: string, event: number): ActorStep | undefined {
		return this.#statusesOf.get(actorId)?.findLast((step) => step.event < event);
	}

	/** Every actor that there was, in order. */
	actors(): string[] {
		return [...this.#statusesOf.keys()];
	}

	/** Connections that the process asked for, in order. */
	connectionsBy(process: number): readonly ConnectionFact[] {
		return this.asked.get(process) ?? NONE;
	}

	/** Users' callbacks that the process called, in order. */
	callsBy(process: number): readonly UserCall[] {
		return this.#callsBy.get(process) ?? NONE;
	}

	/** Connections over which that runner was greeted. */
	connectionsOf(runnerId: string): ConnectionFact[] {
		const found: ConnectionFact[] = [];
		for (const connection of this.connections.values()) {
			if (connection.greeted?.runnerId === runnerId) found.push(connection);
		}
		return found;
	}

	/** The process lives that were greeted as that runner. */
	processesOf(runnerId: string): Set<number> {
		return new Set(this.connectionsOf(runnerId).map(({ process }) => process));
	}

	notesOf<K extends keyof ServerEvents>(kind: K): readonly Extract<ServerNote, { readonly kind: K }>[] {
		return (this.#notesOf.get(kind) ?? NONE) as readonly Extract<ServerNote, { readonly kind: K }>[];
	}

	#take({ kind, data, process }: HistoryEvent, moment: Moment): void {
		switch (kind) {
			case "role.begins": {
				const { role, name } = data as CommandHostEvents["role.begins"];
				this.lives.set(process, { role, name, process, begun: moment, ended: undefined, shutDown: undefined });
				return;
			}
			case "process.crash":
			case "process.exit": {
				const life = this.lives.get(process);
				if (life !== undefined) life.ended = moment;
				return;
			}
			case "runner.shutdown": {
				const life = this.lives.get(process);
				if (life !== undefined) life.shutDown = moment;
				return;
			}
			case "connection.asked":
				this.#onAsked(data as NetworkEvents["connection.asked"], process, moment);
				return;
			case "frame.sent":
				this.#onSent(data as NetworkEvents["frame.sent"], moment);
				return;
			case "frame.arrived":
				this.#onArrived((data as NetworkEvents["frame.arrived"]).frame, moment);
				return;
			case "frame.lost": {
				const { frame: number, why } = data as NetworkEvents["frame.lost"];
				const frame = this.frames.get(number);
				if (frame === undefined) return;
				frame.lost = moment;
				if (why !== "its end is closed") frame.connection.broken ??= moment;
				return;
			}
			case "connection.over": {
				const { connection, end, code, reason } = data as NetworkEvents["connection.over"];
				const fact = this.connections.get(connection);
				if (fact !== undefined) fact.over[end] = { event: moment.event, at: moment.at, code, reason };
				return;
			}
			case "user.start":
			case "user.stop": {
				const { actorId, generation } = data as CommandHostEvents["user.start"];
				const call: UserCall = {
					actorId,
					generation,
					callback: kind === "user.start" ? "start" : "stop",
					process,
					called: moment,
					settled: undefined,
					failed: false,
				};
				this.calls.push(call);
				append(this.#callsBy, process, call);
				return;
			}
			case "user.started":
			case "user.stopped":
			case "user.failed":
				this.#onSettled(kind, data as CommandHostEvents["user.failed"], process, moment);
				return;
			case "wild.begins": {
				const { how } = data as CommandHostEvents["wild.begins"];
				this.wild.push({ how, process, begun: moment, over: undefined });
				return;
			}
			case "wild.over": {
				const { code, reason } = data as CommandHostEvents["wild.over"];
				const wild = this.wild.find((peer) => peer.process === process);
				if (wild !== undefined) wild.over = { event: moment.event, at: moment.at, code, reason };
				return;
			}
			case "uncaught":
			case "unhandled":
				this.errors.push({ process, moment, message: (data as { error: { message: string } }).error.message });
				return;
			default:
				if (SERVER_NOTES.has(kind)) this.#onNote({ kind, data, event: moment.event, at: moment.at } as ServerNote);
		}
	}

	#onAsked({ connection, url }: NetworkEvents["connection.asked"], process: number, asked: Moment): void {
		const fact: ConnectionFact = {
			id: connection,
			process,
			asked,
			version: versionOf(url),
			frames: [],
			over: { client: undefined, server: undefined },
			greeted: undefined,
			broken: undefined,
		};
		this.connections.set(connection, fact);
		append(this.asked, process, fact);
	}

	#onSent({ frame: number, connection: id, from, content }: NetworkEvents["frame.sent"], sent: Moment): void {
		const connection = this.connections.get(id);
		if (connection === undefined) return;
		const message = content.kind === "message" ? decoded(connection.version, from, content.payload) : undefined;
		const frame: FrameFact = {
			number,
			connection,
			from,
			sent,
			arrived: undefined,
			lost: undefined,
			content,
			message,
		};
		this.frames.set(number, frame);
		connection.frames.push(frame);
		// Whoever closes has given the connection up, whenever the other end agrees.
		if (content.kind === "close") connection.broken ??= sent;
		if (message?.tag === "ToServerEvents") {
			for (const event of message.val) append(this.said, connection.process, toldEvent(event, frame, sent));
		} else if (message?.tag === "ToServerAckCommands") {
			for (const mark of message.val.lastCommandCheckpoints) {
				append(this.acknowledged, connection.process, told(mark, frame, sent));
			}
		} else if (message?.tag === "ToClientAckEvents") {
			for (const mark of message.val.lastEventCheckpoints) this.eventAcksSent.push(told(mark, frame, sent));
		}
	}

	#onArrived(number: number, arrived: Moment): void {
		const frame = this.frames.get(number);
		if (frame === undefined) return;
		frame.arrived = arrived;
		const { message, connection } = frame;
		switch (message?.tag) {
			case "ToClientInit": {
				const { runnerId, metadata } = message.val;
				const lostMs = Number(metadata.runnerLostThreshold);
				connection.greeted ??= { event: arrived.event, at: arrived.at, runnerId, lostMs };
				return;
			}
			case "ToClientCommands":
				for (const { checkpoint, inner } of message.val) {
					append(this.received, connection.process, {
						actorId: checkpoint.actorId,
						generation: checkpoint.generation,
						index: Number(checkpoint.index),
						frame,
						moment: arrived,
						command: inner.tag === "CommandStartActor" ? "start" : "stop",
					});
				}
				return;
			case "ToClientAckEvents":
				for (const mark of message.val.lastEventCheckpoints) {
					append(this.heard, connection.process, told(mark, frame, arrived));
				}
				return;
			case "ToServerEvents":
				for (const event of message.val) this.eventsAtServer.push(toldEvent(event, frame, arrived));
				return;
			case "ToServerAckCommands":
				for (const mark of message.val.lastCommandCheckpoints) {
					this.commandAcksAtServer.push({
						actorId: mark.actorId,
						generation: mark.generation,
						index: Number(mark.index),
						frame,
						moment: arrived,
						runnerId: connection.greeted?.runnerId,
					});
				}
		}
	}

	#onSettled(kind: string, data: CommandHostEvents["user.failed"], process: number, moment: Moment): void {
		const callback = kind === "user.started" ? "start" : kind === "user.stopped" ? "stop" : data.callback;
		const call = this.callsBy(process).findLast(
			(open) =>
				open.actorId === data.actorId &&
				open.generation === data.generation &&
				open.callback === callback &&
				open.settled === undefined,
		);
		if (call === undefined) return;
		call.settled = moment;
		call.failed = kind === "user.failed";
	}

	#onNote(note: ServerNote): void {
		this.notes.push(note);
		append(this.#notesOf, note.kind, note);
		const { event, at } = note;
		if (note.kind === "command.stored") {
			const { actorId, generation, index, command, runnerId } = note.data;
			const stored = { event, at };
			this.stored.push({ actorId, generation, index, command, runnerId, stored, deleted: undefined });
		} else if (note.kind === "command.deleted") {
			const { runnerId, why } = note.data;
			for (const command of this.stored) {
				if (command.deleted !== undefined || command.runnerId !== runnerId || !isSame(command, note.data)) continue;
				command.deleted = { event, at, why };
			}
		} else if (note.kind === "actor.status") {
			const { actorId, generation, status, runnerId } = note.data;
			const step: ActorStep = { event, at, actorId, generation, status, runnerId };
			this.statuses.push(step);
			append(this.#statusesOf, actorId, step);
		}
	}
}

const SERVER_NOTES: ReadonlySet<string> = new Set<keyof ServerEvents>([
	...([
		"runner.known",
		"runner.lost",
		"actor.status",
		"command.stored",
		"command.deleted",
		"command.ack-ignored",
	] as const),
	...(["event.applied", "event.dropped", "event.acknowledged", "channel.made", "channel.collected"] as const),
	...(["connection.refused", "input.refused"] as const),
]);

/** The account of a run, made once for all properties that are asked about it in turn. */
export const accountOf = ofLast((run: CommandRun) => new Account(run));

const NONE: readonly never[] = [];

/** Whether it comes after that time, if ever. */
function isAfter(moment: Moment | undefined, atMs: number): boolean {
	return moment === undefined || moment.at > atMs;
}

export function isSame(a: Mark, b: Mark): boolean {
	return a.actorId === b.actorId && a.generation === b.generation && a.index === b.index;
}

/** Whether they are of one generation of one actor. */
export function isSameGeneration(a: Pick<Mark, "actorId" | "generation">, b: Pick<Mark, "actorId" | "generation">) {
	return a.actorId === b.actorId && a.generation === b.generation;
}

/** Whether a mark is of that generation of an actor; acknowledgements of version 4 are of any. */
export function isOf(
	mark: Pick<Mark, "actorId" | "generation">,
	{ actorId, generation }: Pick<Mark, "actorId" | "generation">,
): boolean {
	return mark.actorId === actorId && (mark.generation === generation || mark.generation === UNTOLD_GENERATION);
}

/** Groups by a key that each item gives. */
export function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
	const groups = new Map<string, T[]>();
	for (const item of items) getOrInsert(groups, keyOf(item), () => []).push(item);
	return groups;
}

function told({ actorId, generation, index }: Checkpoint, frame: FrameFact, moment: Moment): Told {
	return { actorId, generation, index: Number(index), frame, moment };
}

function toldEvent({ checkpoint, inner }: EventWrapper, frame: FrameFact, moment: Moment): ToldEvent {
	const { actorId, generation, index } = checkpoint;
	const isStopped = inner.tag === "EventActorStateUpdate" && inner.val.state.tag === "ActorStateStopped";
	return { actorId, generation, index: Number(index), frame, moment, inner, isStopped };
}

/** What an event says, as text: equal for events that say the same. */
export function contentOf({ inner }: ToldEvent): string {
	return JSON.stringify(inner, (_, value) => (typeof value === "bigint" ? Number(value) : value));
}

/** What a message says in that version; undefined when it says nothing there. */
export function decoded(
	version: number,
	from: ConnectionEnd,
	payload: string | Uint8Array,
): ToServer | ToClient | undefined {
	if (typeof payload === "string") return undefined;
	// Who asks for a version that there is not, and is taken, speaks the newest.
	const wire = wireOf(version) ?? (wireOf(7) as Wire);
	try {
		return from === "client" ? wire.decodeToServer(payload) : wire.decodeToClient(payload);
	} catch {
		return undefined;
	}
}

/** The version of the protocol that a connection was asked for in; NaN when it names none. */
export function versionOf(url: string): number {
	return Number(/[?&]protocol_version=(\d+)/.exec(url)?.[1] ?? Number.NaN);
}
