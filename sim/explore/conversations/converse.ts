/**
 * Holds one conversation with a server, whole or cut at one frame, and tells what the server sent on each connection. The runner
 * in it is no client: it says what the moves say, answers pings, and keeps every event until it is acknowledged, to say it again
 * after each Init, once it has heard what it missed. After a cut it connects again and goes on. Where the server is real, the
 * stage waits in real time for the sign that each move names; where it is a model, time is the world's.
 */
import { StopCode } from "@rivetkit/engine-runner-protocol";
import {
	type EventWrapper,
	type ProtocolVersion,
	type ToClient,
	type ToServer,
	type Wire,
	wireOf,
} from "../../../drivers/runner/wire.ts";
import type {
	CommandName,
	Conversation,
	CrashPolicy,
	Move,
	Said,
	Saying,
	Sign,
} from "../../../fixtures/conversations/conversation.ts";
import type { Cut } from "./gate.ts";
import { Gate } from "./gate.ts";
import { inKeyOrder, Names, told } from "./told.ts";

/** One connection of the runner, from its side. */
export interface Line {
	send(frame: Uint8Array): void;
	close(): void;
}

/** What a line is told. */
export interface LineListener {
	onOpen(): void;
	onFrame(frame: Uint8Array): void;
	onClose(code: number, reason: string): void;
}

/** Where a conversation takes place: a server, real or a model, and a way to it on which frames pass a gate. */
export interface Stage {
	/** @param onSent told every frame that the server sends on it, whether or not it arrives. */
	connect(version: ProtocolVersion, gate: Gate, listener: LineListener, onSent: (frame: Uint8Array) => void): Line;
	/** @returns the actor's id. */
	create(actor: string, policy: CrashPolicy): Promise<string>;
	destroy(actorId: string): Promise<void>;
	wake(actorId: string): void;
	state(actorId: string): Promise<"connectable" | "sleeping" | "destroyed" | "other">;
	/** Milliseconds of the server's time. */
	/** An actor's id in the form in which the server orders its keys. */
	keyOf(actorId: string): string;
	/** Kills the server without warning and starts it again, with what it has stored. */
	kill(): Promise<void>;
	pause(ms: number): Promise<void>;
	nowMs(): number;
}

/** What the server sent on one connection, in words, and how it ended it, if it did. */
export interface Heard {
	readonly frames: readonly string[];
	readonly closed?: string;
}

export interface Observed {
	readonly conversation: string;
	/** Of the protocol; the newest when absent. */
	readonly version?: ProtocolVersion;
	readonly cut?: Cut;
	readonly connections: readonly Heard[];
	/** How the actors stand at the end, to users. */
	readonly actors: Readonly<Record<string, string>>;
}

/** What was seen besides, for whoever plans cuts. */
export interface Held {
	readonly observed: Observed;
	readonly frames: Readonly<Record<"to-server" | "to-runner", number>>;
	/** Whether the cut fell. */
	readonly struck: boolean;
	/** Signs that never showed, in words. */
	readonly missing: readonly string[];
}

/** How long a sign may take, and how long a server is quiet when it is done. */
export interface Patience {
	readonly signMs: number;
	readonly quietMs: number;
}

/** What to hold, and how. */
export interface Row {
	readonly conversation: Conversation;
	readonly cut?: Cut;
	/** Of the protocol; the newest when absent. */
	readonly version?: ProtocolVersion;
}

export const NEWEST_PROTOCOL: ProtocolVersion = 7;

const LOOK_EVERY_MS = 100;
/** Until an alarm rings: never, in a conversation. */
const FAR_MS = 86_400_000;
/** The close code of a connection that broke: nobody said why, least of all the server. */
const BROKEN = 1006;
const VERSION = 1;
const SLOTS = 100;

interface Connected {
	line: Line;
	/** What the server sent, told at the end: commands can be sent before the server has told the actor's id. */
	readonly frames: ToClient[];
	sentAtMs: number;
	closed: string | undefined;
	mine: boolean;
}

export async function converse(row: Row, stage: Stage, runnerName: string, patience: Patience): Promise<Held> {
	const talk = new Talk(row, stage, runnerName, patience);
	await talk.connect();
	for (const move of row.conversation.moves) await talk.move(move);
	await talk.reconnect();
	return await talk.end(row);
}

class Talk {
	readonly #wire: Wire;
	readonly #stage: Stage;
	readonly #runnerName: string;
	readonly #patience: Patience;
	readonly #gate: Gate;
	readonly #names = new Names();
	readonly #ids = new Map<string, string>();
	readonly #connections: Connected[] = [];
	readonly #missing: string[] = [];
	#unacknowledged: EventWrapper[] = [];

	constructor({ cut, version = NEWEST_PROTOCOL }: Row, stage: Stage, runnerName: string, patience: Patience) {
		this.#wire = wireOf(version) as Wire;
		this.#stage = stage;
		this.#runnerName = runnerName;
		this.#patience = patience;
		this.#gate = new Gate(cut);
	}

	/** Connects, says Init, hears what was missed, and says again what was never acknowledged. */
	async connect(): Promise<void> {
		const connection = this.#open();
		// In the dark its answer is sent, too, and lost.
		await this.#until(() => connection.frames.length > 0 || connection.closed !== undefined);
		await this.#quiet();
		// Only now: what is said while the server still sends what was missed would race with it, if that is cut.
		if (this.#gate.state === "open" && this.#unacknowledged.length > 0) {
			this.#say(connection, { tag: "ToServerEvents", val: this.#unacknowledged });
			await this.#quiet();
		}
		if (this.#gate.state !== "open") await this.reconnect();
	}

	async reconnect(): Promise<void> {
		this.#drop();
		await this.#stage.pause(this.#patience.quietMs);
		this.#gate.reopen();
		await this.connect();
	}

	async move(move: Move): Promise<void> {
		await this.#make(move);
		const sign = "until" in move ? move.until : undefined;
		const shows = () => sign === undefined || this.#shows(sign);
		let shown = await this.#until(shows);
		await this.#quiet();
		if (this.#gate.state !== "open") {
			const { state } = this.#gate;
			await this.reconnect();
			// Events are said again by themselves, and an acknowledgement that is lost stays lost.
			if (move.do === "stopping" && state === "cut" && !shown) await this.#make(move);
			shown = await this.#until(shows);
			await this.#quiet();
		}
		if (!shown) this.#missing.push(JSON.stringify(sign));
	}

	async end({ conversation, cut, version }: Row): Promise<Held> {
		const actors: Record<string, string> = {};
		for (const [actor, id] of this.#ids) actors[actor] = await this.#stage.state(id);
		this.#drop();
		const connections = this.#connections.map(({ frames, closed, mine }) => ({
			frames: frames.flatMap((frame) => this.#words(frame)),
			...(closed === undefined || mine || closed.startsWith(`${BROKEN} `) ? {} : { closed }),
		}));
		return {
			observed: {
				conversation: conversation.name,
				...(version === undefined ? {} : { version }),
				...(cut === undefined ? {} : { cut }),
				connections,
				actors,
			},
			frames: this.#gate.counted,
			struck: this.#gate.struck,
			missing: this.#missing,
		};
	}

	#open(): Connected {
		const connection: Connected = {
			line: undefined as unknown as Line,
			frames: [],
			sentAtMs: this.#stage.nowMs(),
			closed: undefined,
			mine: false,
		};
		this.#connections.push(connection);
		connection.line = this.#stage.connect(
			this.#wire.version,
			this.#gate,
			{
				onOpen: () => this.#say(connection, initOf(this.#runnerName)),
				onFrame: (frame) => this.#hear(connection, this.#wire.decodeToClient(frame)),
				onClose: (code, reason) => {
					// What follows the # is a random id.
					connection.closed = `${code} ${reason.split("#")[0]}`;
				},
			},
			(frame) => this.#sent(connection, this.#wire.decodeToClient(frame)),
		);
		return connection;
	}

	get #current(): Connected {
		return this.#connections.at(-1) as Connected;
	}

	#drop(): void {
		const current = this.#current;
		if (current.closed === undefined) current.mine = true;
		current.line.close();
	}

	#say(connection: Connected, message: ToServer): void {
		if (connection.closed === undefined) connection.line.send(this.#wire.encodeToServer(message));
	}

	/** The server sent it; it may never arrive. */
	#sent(connection: Connected, frame: ToClient): void {
		if (told(frame, this.#names) === undefined) return;
		connection.sentAtMs = this.#stage.nowMs();
		connection.frames.push(frame);
	}

	#words(frame: ToClient): string[] {
		const words = told(frame, this.#names);
		if (words === undefined) return [];
		const ordered = frame.tag !== "ToClientCommands" || inKeyOrder(frame.val, (id) => this.#stage.keyOf(id));
		return ordered ? [words] : [words, "not in the order of keys"];
	}

	#issued(name: CommandName): boolean {
		return this.#connections.some(({ frames }) =>
			frames.some(
				(frame) =>
					frame.tag === "ToClientCommands" && frame.val.some((command) => this.#names.command(command) === name),
			),
		);
	}

	#acknowledged(upTo: number): boolean {
		return this.#connections.some(({ frames }) =>
			frames.some(
				(frame) =>
					frame.tag === "ToClientAckEvents" &&
					frame.val.lastEventCheckpoints.some(({ index }) => Number(index) >= upTo),
			),
		);
	}

	#hear(connection: Connected, frame: ToClient): void {
		if (frame.tag === "ToClientPing") {
			this.#say(connection, { tag: "ToServerPong", val: { ts: frame.val.ts } });
		} else if (frame.tag === "ToClientAckEvents") {
			for (const { actorId, generation, index } of frame.val.lastEventCheckpoints) {
				this.#unacknowledged = this.#unacknowledged.filter(
					({ checkpoint }) =>
						checkpoint.actorId !== actorId || checkpoint.generation !== generation || checkpoint.index > index,
				);
			}
		}
	}

	async #make(move: Move): Promise<void> {
		switch (move.do) {
			case "create": {
				const id = await this.#stage.create(move.actor, move.policy ?? "sleep");
				this.#ids.set(move.actor, id);
				this.#names.actor(id, move.actor);
				return;
			}
			case "say": {
				const events = move.events.map((saying) => this.#eventOf(saying));
				this.#unacknowledged.push(...events);
				return this.#say(this.#current, { tag: "ToServerEvents", val: events });
			}
			case "acknowledge": {
				const { generation, index } = move;
				const checkpoint = { actorId: this.#id(move.actor), generation, index: BigInt(index) };
				const lastCommandCheckpoints = [checkpoint];
				return this.#say(this.#current, { tag: "ToServerAckCommands", val: { lastCommandCheckpoints } });
			}
			case "wake":
				return this.#stage.wake(this.#id(move.actor));
			case "destroy":
				return await this.#stage.destroy(this.#id(move.actor));
			case "stopping":
				return this.#say(this.#current, STOPPING);
			case "overtake":
				return await this.connect();
			case "reconnect":
				return await this.reconnect();
			case "kill":
				await this.#stage.kill();
				return await this.reconnect();
			case "wait":
				return await this.#stage.pause(move.ms ?? 0);
		}
	}

	#id(actor: string): string {
		return this.#ids.get(actor) ?? actor;
	}

	#eventOf({ actor, generation, index, what }: Saying): EventWrapper {
		return {
			checkpoint: { actorId: this.#id(actor), generation, index: BigInt(index) },
			inner: innerOf(what, this.#stage.nowMs()),
		};
	}

	async #shows(sign: Sign): Promise<boolean> {
		if ("command" in sign) return this.#issued(sign.command);
		if ("events" in sign) return this.#acknowledged(sign.events);
		if ("closed" in sign) return this.#current.closed !== undefined;
		return (await this.#stage.state(this.#id(sign.actor))) === sign.state;
	}

	/** Waits until it holds. @returns whether it does, after all the patience there is. */
	async #until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
		const endsAt = this.#stage.nowMs() + this.#patience.signMs;
		while (!(await holds())) {
			if (this.#gate.state === "cut" || this.#stage.nowMs() > endsAt) return false;
			await this.#stage.pause(LOOK_EVERY_MS);
		}
		return true;
	}

	/** Waits until the server has sent nothing for a while. */
	async #quiet(): Promise<void> {
		const began = this.#stage.nowMs();
		for (;;) {
			const last = Math.max(began, ...this.#connections.map(({ sentAtMs }) => sentAtMs));
			const left = last + this.#patience.quietMs - this.#stage.nowMs();
			if (left <= 0) return;
			await this.#stage.pause(left);
		}
	}
}

const STOPPING: ToServer = { tag: "ToServerStopping", val: null };

function initOf(name: string): ToServer {
	return {
		tag: "ToServerInit",
		val: { name, version: VERSION, totalSlots: SLOTS, prepopulateActorNames: null, metadata: null },
	};
}

function innerOf(what: Said, nowMs: number): EventWrapper["inner"] {
	switch (what) {
		case "running":
			return { tag: "EventActorStateUpdate", val: { state: { tag: "ActorStateRunning", val: null } } };
		case "stopped":
		case "crashed": {
			const code = what === "stopped" ? StopCode.Ok : StopCode.Error;
			return {
				tag: "EventActorStateUpdate",
				val: { state: { tag: "ActorStateStopped", val: { code, message: null } } },
			};
		}
		case "sleep-intent":
			return { tag: "EventActorIntent", val: { intent: { tag: "ActorIntentSleep", val: null } } };
		case "stop-intent":
			return { tag: "EventActorIntent", val: { intent: { tag: "ActorIntentStop", val: null } } };
		case "alarm":
			return { tag: "EventActorSetAlarm", val: { alarmTs: BigInt(Math.floor(nowMs + FAR_MS)) } };
	}
}
