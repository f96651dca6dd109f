/** What a server keeps: runners, actors, and commands that are not acknowledged, each under a key that can be read. */
import type { ActorStatus, CrashPolicy, NewActor } from "../contract.ts";

export interface RunnerRecord {
	readonly runnerId: string;
	/** Namespace, name and key: what a runner is known by. */
	readonly identity: string;
	readonly name: string;
	readonly version: number;
	readonly totalSlots: number;
	/** Whether its actors are told to go elsewhere, and none are sent to it. */
	readonly draining: boolean;
}

export interface ActorRecord {
	readonly actorId: string;
	readonly name: string;
	readonly key: string | null;
	/** One character a byte. */
	readonly input: string | null;
	readonly createMs: number;
	readonly crashPolicy: CrashPolicy;
	readonly runnerName: string;
	status: ActorStatus;
	/** -1 before its first start. */
	generation: number;
	/** Who holds its current generation. */
	runnerId: string | undefined;
	nextIndex: number;
	/** Index of the last event of this generation that took effect; -1 before the first. */
	lastEvent: number;
	/** Index that the runner was told last that it may forget. */
	acknowledgedEvent: number;
	intent: "none" | "sleep" | "stop" | "going-away";
	destroyRequested: boolean;
	wakeRequested: boolean;
	/** Starts after crashes, one after the other. */
	restarts: number;
	/** When it is lost, or, while it waits, when it may start: milliseconds since the epoch. */
	deadlineMs: number | undefined;
	alarmMs: number | undefined;
	/** Commands that were decided on and not yet issued; only where that takes several steps. */
	undone: readonly PendingCommand[];
}

export interface PendingCommand {
	readonly command: "start" | "stop";
	readonly generation: number;
	readonly index: number;
	readonly runnerId: string;
}

export interface CommandRecord extends PendingCommand {
	readonly actorId: string;
	/** Place in the order in which a server issues commands. */
	readonly issue: number;
}

export function newActorRecord(actor: NewActor, nowMs: number): ActorRecord {
	return {
		actorId: actor.actorId,
		name: actor.name,
		key: actor.key,
		input: actor.input === null ? null : Buffer.from(actor.input).toString("latin1"),
		createMs: nowMs,
		crashPolicy: actor.crashPolicy,
		runnerName: actor.runnerName,
		status: "waiting",
		generation: -1,
		runnerId: undefined,
		nextIndex: 0,
		lastEvent: -1,
		acknowledgedEvent: -1,
		intent: "none",
		destroyRequested: false,
		wakeRequested: false,
		deadlineMs: undefined,
		alarmMs: undefined,
		restarts: 0,
		undone: [],
	};
}

export const ACTORS = "actor/";
export const RUNNERS = "runner/";
export const ISSUES = "issues";

export const actorKey = (actorId: string): string => `${ACTORS}${actorId}`;
export const runnerKey = (runnerId: string): string => `${RUNNERS}${runnerId}`;
export const identityKey = (identity: string): string => `identity/${identity}`;
export const kvPrefix = (actorId: string): string => `kv/${actorId}/`;

export const commandsOfRunner = (runnerId: string): string => `command/${runnerId}/`;
export const commandsOfActor = (runnerId: string, actorId: string): string => `command/${runnerId}/${actorId}/`;
export const commandsOfGeneration = (runnerId: string, actorId: string, generation: number): string =>
	`${commandsOfActor(runnerId, actorId)}${ordered(generation)}/`;
export const commandKey = (runnerId: string, actorId: string, generation: number, index: number): string =>
	`${commandsOfGeneration(runnerId, actorId, generation)}${ordered(index)}`;

/** A count whose order as text is that of its value. */
function ordered(count: number): string {
	return String(count).padStart(ORDERED_DIGITS, "0");
}

/** Digits of the greatest safe integer. */
const ORDERED_DIGITS = 16;
