/**
 * The two roles of the runner protocol, each pluggable. A runner holds actors and does what the server commands; a server decides
 * what runs where, keeps that on its disk, and hears what became of it. They meet over frames (`wire.ts`) and nothing else.
 *
 * A runner is given nothing of the world: it finds `WebSocket`, timers and randomness where any program does, as globals. So
 * what passes here is code that runs in production, too. A server is given a store, since what it promises is durable.
 */
import type { Asked } from "../../sim/world/network.ts";
import type { ProtocolVersion } from "./wire.ts";

/** What a runner is told when it is made. Fields are those of the published client's configuration. */
export interface RunnerSettings {
	/** Where the server is, e.g. `http://server:6420`. */
	readonly endpoint: string;
	readonly namespace: string;
	/** The pool that it belongs to. */
	readonly runnerName: string;
	/** Of the program that it runs; a server may drain older ones. */
	readonly version: number;
	readonly totalSlots: number;
	readonly prepopulateActorNames: Readonly<Record<string, { readonly metadata: Record<string, unknown> }>>;
	readonly metadata?: Record<string, unknown>;
	/** Version of the protocol to speak, one of the target's; the newest of them when absent. */
	readonly protocol?: ProtocolVersion;
}

/** What a server says of an actor that is to start. */
export interface ActorConfig {
	readonly name: string;
	readonly key: string | null;
	/** When it was created, milliseconds since the epoch. */
	readonly createTs: bigint;
	readonly input: Uint8Array | null;
}

/** The user's program: what a runner calls. What these throw or reject with is the user's failure, and no more than that. */
export interface RunnerCallbacks {
	onActorStart(actorId: string, generation: number, config: ActorConfig): Promise<void>;
	onActorStop(actorId: string, generation: number): Promise<void>;
	onConnected(): void;
	onDisconnected(code: number, reason: string): void;
	onShutdown(): void;
}

/** A runner that is running in the process that started it, and dies with it. */
export interface RunningRunner {
	/** What the server calls it; undefined until it has said so. */
	readonly runnerId: string | undefined;
	hasActor(actorId: string, generation?: number): boolean;
	/** Asks the server to let the actor sleep. Of an actor that is not there, it asks nothing. */
	sleepActor(actorId: string, generation?: number): void;
	/** Asks the server to stop the actor. */
	stopActor(actorId: string, generation?: number): void;
	/** Asks the server to stop the actor, and means its end; absent where a version cannot say so. */
	destroyActor?(actorId: string, generation?: number): void;
	/** @param alarmMs milliseconds since the epoch; null clears it. */
	setAlarm(actorId: string, alarmMs: number | null, generation?: number): void;
	readonly kv: RunnerKv;
	/** In order: the server is told, actors are stopped, and only then the connection is closed. Immediately: it is just closed. */
	shutdown(immediate: boolean): Promise<void>;
}

/** Storage of an actor, kept by the server. All reject when no answer comes. */
export interface RunnerKv {
	get(actorId: string, keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]>;
	put(actorId: string, entries: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<void>;
	delete(actorId: string, keys: readonly Uint8Array[]): Promise<void>;
	list(actorId: string): Promise<[Uint8Array, Uint8Array][]>;
	drop(actorId: string): Promise<void>;
}

export interface Runner {
	/** As on the command line, e.g. `engine-runner-2.2.1`. */
	readonly name: string;
	readonly version: string;
	/** Versions of the protocol that it speaks. */
	readonly protocols: readonly ProtocolVersion[];
	/** Has a runner begin to connect, in the running process. What goes wrong later is told by `onDisconnected`. */
	start(settings: RunnerSettings, callbacks: RunnerCallbacks): RunningRunner;
}

/** Times after which a server acts, in milliseconds. Defaults are those of the published server. */
export interface ServerThresholds {
	/** How long a runner may be silent before it is lost, with its actors. */
	readonly runnerLostMs: number;
	/** From a Start to Running. */
	readonly actorStartMs: number;
	/** From a Stop to Stopped. */
	readonly actorStopMs: number;
	readonly pingEveryMs: number;
	/** From a ping to the end of a connection that does not answer. */
	readonly pingTimeoutMs: number;
	/** From a connection to its Init. */
	readonly initMs: number;
	/** How long the channel of an actor's events may be idle before it is collected. */
	readonly channelIdleMs: number;
	/** From the loss of an actor to its next start. */
	readonly restartMs: number;
}

export const USUAL_THRESHOLDS: ServerThresholds = {
	runnerLostMs: 15_000,
	actorStartMs: 30_000,
	actorStopMs: 30 * 60_000,
	pingEveryMs: 3_000,
	pingTimeoutMs: 15_000,
	initMs: 5_000,
	channelIdleMs: 30_000,
	restartMs: 2_000,
};

export interface ServerSettings {
	readonly namespaces: readonly string[];
	readonly thresholds: ServerThresholds;
	/** Whether runners of an older version are drained when a newer one connects. */
	readonly drainsOlderVersions: boolean;
	/** The newest version of the protocol that it is to speak; the newest of its own when absent. */
	readonly newestProtocol?: ProtocolVersion;
}

/** What becomes of an actor that stopped without having been asked to. */
export type CrashPolicy = "restart" | "sleep" | "destroy";

export interface NewActor {
	/** Chosen by whoever asks: asking again for the same actor changes nothing. */
	readonly actorId: string;
	readonly name: string;
	readonly key: string | null;
	readonly input: Uint8Array | null;
	readonly crashPolicy: CrashPolicy;
	/** The pool whose runners may hold it. */
	readonly runnerName: string;
}

/**
 * What a server keeps. Reads and writes of one transaction take place at one instant, and its writes are one durable write; it
 * may fail, and it may have taken place all the same.
 */
export interface ServerStore {
	transact<T>(what: string, body: (transaction: Transaction) => T): Promise<T>;
}

export interface Transaction {
	/** What is stored, as plain data; its fields may be changed, what they hold may not. */
	get<V>(key: string): V | undefined;
	/** Entries whose key begins so, in the order of their keys. */
	list<V>(prefix: string): { readonly key: string; readonly value: V }[];
	set(key: string, value: unknown): void;
	delete(key: string): void;
	/** Notes an event in the history, at the instant of the transaction and if that takes place. */
	note<K extends keyof ServerEvents>(kind: K, data: ServerEvents[K]): void;
	/** Does something at the very instant at which it has become durable, unless the process died of that. */
	afterCommit(work: () => void): void;
}

export interface ServerSurroundings {
	readonly store: ServerStore;
	/** Has this process take connections. */
	listen(onAsk: (asked: Asked) => void): void;
	/** Notes an event that is no part of a transaction. */
	note<K extends keyof ServerEvents>(kind: K, data: ServerEvents[K]): void;
}

/** A server that is running in the process that started it. It goes on from its store when it is started again. */
export interface RunningServer {
	/** Each resolves once it is durable; asking again changes nothing more. */
	createActor(actor: NewActor): Promise<void>;
	destroyActor(actorId: string): Promise<void>;
	/** As by a request for an actor that sleeps. */
	wakeActor(actorId: string): Promise<void>;
}

export interface Server {
	/** As on the command line, e.g. `pegboard`. */
	readonly name: string;
	readonly version: string;
	readonly protocols: readonly ProtocolVersion[];
	start(surroundings: ServerSurroundings, settings: ServerSettings): RunningServer;
}

/** An actor's generation and an index within it: of a command, or of an event. */
export interface Mark {
	readonly actorId: string;
	readonly generation: number;
	readonly index: number;
}

/** Where an actor stands, as its server has it. */
export type ActorStatus = "waiting" | "starting" | "running" | "stopping" | "asleep" | "destroyed";

/** The shapes of the events a server writes, by kind. All are durable when they are noted, unless they say otherwise. */
export interface ServerEvents {
	/** A runner got an id: for the first time, or again after the one it had expired. */
	"runner.known": { runnerId: string; key: string; name: string; version: number };
	/** A runner and its actors are given up. */
	"runner.lost": { runnerId: string; why: string; actors: readonly string[] };
	"actor.status": {
		actorId: string;
		generation: number;
		status: ActorStatus;
		runnerId: string | undefined;
		why: string;
	};
	/** A command was stored, to be sent and to be replayed until it is acknowledged or superseded. */
	"command.stored": Mark & { command: "start" | "stop"; runnerId: string };
	/** Commands up to that index are no longer stored. */
	"command.deleted": Mark & { runnerId: string; why: string };
	/** An acknowledgement of the runner that deleted nothing. */
	"command.ack-ignored": Mark & { why: string };
	/** An event of the actor took effect. */
	"event.applied": Mark & { event: string };
	/** An event of the actor changed nothing. */
	"event.dropped": Mark & { event: string; why: string };
	/** The runner is about to be told that events up to that index may be forgotten. */
	"event.acknowledged": Mark;
	/** The channel of an actor's events was made, or collected with so many events in it. Not durable. */
	"channel.made": { actorId: string };
	"channel.collected": { actorId: string; pending: number };
	/** A connection was not taken, or ended, because of what the peer did. Not durable. */
	"connection.refused": { why: string };
	/** A part of what a peer said was left out, or taken in another form. Not durable. */
	"input.refused": { what: string; why: string };
}

/** What an actor does of itself, so many milliseconds after each of its starts. */
export interface LifeStep {
	readonly afterMs: number;
	/** Asks to sleep, to be stopped, for its end; sets an alarm `ms` from then. */
	readonly does: "sleep" | "stop" | "end" | "alarm";
	readonly ms?: number;
	/** The generations that do it; all when absent. */
	readonly generations?: readonly number[];
}

/** A user's actor: how long its callbacks take, and which of its generations fail in them. */
export interface ActorScript {
	readonly actorId: string;
	readonly crashPolicy: CrashPolicy;
	readonly startMs: number;
	readonly stopMs: number;
	readonly failsToStart?: readonly number[];
	readonly failsToStop?: readonly number[];
	readonly life: readonly LifeStep[];
}

/** A peer that does not keep to the protocol. */
export const WILD_PEERS = [
	"bad-path",
	"no-version",
	"no-key",
	"empty-key",
	"unknown-namespace",
	"version-3",
	"version-99",
	"no-init",
	"text-init",
	"garbage-init",
	"events-first",
	"bad-frame",
	"second-init",
	"bad-metadata",
	"bad-name-metadata",
	"huge-metadata",
	"foreign-marks",
] as const;
export type WildPeer = (typeof WILD_PEERS)[number];

/** What is done from outside, `atMs` virtual milliseconds after the beginning. */
export type CommandStep = { readonly atMs: number } & (
	| { readonly does: "create" | "destroy" | "wake"; readonly actorId: string }
	/** A process with a runner begins; it begins again after a crash. */
	| { readonly does: "runner"; readonly runner: string; readonly version: number }
	| { readonly does: "shutdown"; readonly runner: string; readonly immediate: boolean }
	| { readonly does: "wild"; readonly how: WildPeer }
	/** Runners are sent a frame that is no message, over every connection there is. */
	| { readonly does: "garble" }
);

/** A whole course of events: actors, and what is done to them and to who holds them. */
export interface CommandScript {
	readonly actors: readonly ActorScript[];
	readonly steps: readonly CommandStep[];
	/** When everything has had time to settle, in virtual milliseconds. */
	readonly endMs: number;
	readonly thresholds?: Partial<ServerThresholds>;
	readonly drainsOlderVersions?: boolean;
}
