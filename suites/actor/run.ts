/** Carries out a scenario on an actor, and holds what happened for the properties to judge. */
import type { ActorTarget } from "../../drivers/actor/contract.ts";
import { ActorHost, type ActorHostEvents, type ActorOutcome } from "../../drivers/actor/host.ts";
import type { ActorProbeEvents } from "../../drivers/actor/observe.ts";
import type { ActorProgram } from "../../fixtures/actors/program.ts";
import { append } from "../../sim/world/collections.ts";
import type { Latency } from "../../sim/world/faults.ts";
import type { HistoryEvent, WorldEvents } from "../../sim/world/history.ts";
import { type Stop, World } from "../../sim/world/world.ts";
import type { SubjectRun, SubjectScenario } from "../subject.ts";

export interface ActorScenario extends SubjectScenario {
	/** Virtual milliseconds from a crash to the next start. */
	readonly restartMs: number;
	readonly latency: Latency;
	/** What becomes of unanswered operations at a crash. */
	readonly inFlight: "lost" | "drawn";
	/** Virtual milliseconds by which each input comes later than the program has it, by its place. */
	readonly delaysMs: readonly number[];
}

export type ActorEvents = WorldEvents & ActorHostEvents & ActorProbeEvents;
export type ActorEvent<K extends keyof ActorEvents> = HistoryEvent & {
	readonly kind: K;
	readonly data: ActorEvents[K];
};

export interface ActorRun extends SubjectRun<ActorScenario> {
	readonly program: ActorProgram;
	readonly target: ActorTarget;
	readonly outcome: ActorOutcome;
	readonly stop: Stop;
	readonly operations: number;
	readonly alarms: number;
	/** The run of the same program with nothing in its way, where that is known. */
	readonly undisturbed: ActorRun | undefined;
	/** The events of one kind, in order, each with its place in the history. */
	of<K extends keyof ActorEvents>(kind: K): readonly Placed<K>[];
}

export interface Placed<K extends keyof ActorEvents> {
	/** Place in the history. */
	readonly place: number;
	readonly at: number;
	readonly process: number;
	readonly data: ActorEvents[K];
}

export const ACTOR_ID = "actor";
const DEFAULT_END_MS = 120_000;
/** What a run takes at most after its end has begun: restarts and looks. */
const AFTER_MS = 900_000;
const MAX_EVENTS = 20_000;

/**
 * Runs the scenario. Called in a macrotask.
 * @param undisturbed the run of the same program with nothing in its way.
 * @throws HarnessError when something left the world.
 */
export function runActor(
	scenario: ActorScenario,
	program: ActorProgram,
	target: ActorTarget,
	undisturbed?: ActorRun,
): ActorRun {
	const { seed, faults, latency, inFlight, restartMs, delaysMs } = scenario;
	const world = new World({ seed, faults, latency, inFlight });
	const endMs = program.endMs ?? DEFAULT_END_MS;
	const host = new ActorHost(
		world,
		target,
		target.ground(world, ACTOR_ID),
		{ restartMs },
		{
			define: program.define,
			inputs: program.inputs.map((input, i) => ({ ...input, atMs: input.atMs + (delaysMs[i] ?? 0) })),
			others: program.others ?? {},
			endMs,
			read: program.stateless === true ? undefined : "getState",
		},
	);
	const stop = world.run(() => host.begin(), { untilMs: endMs + AFTER_MS, maxEvents: MAX_EVENTS });
	return {
		scenario,
		program,
		target,
		history: world.history,
		outcome: host.conclude(),
		stop,
		fired: world.fired,
		endMs: world.nowMs,
		events: world.events,
		writes: world.writes,
		operations: world.operations,
		alarms: world.alarms,
		undisturbed,
		of: byKind(world.history.events),
	};
}

/** A program with nothing in its way. */
export function undisturbedScenario(program: string): ActorScenario {
	return {
		...{ seed: "reference", program, faults: [], restartMs: 0, inFlight: "lost", delaysMs: [] },
		latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 },
	};
}

function byKind(events: readonly HistoryEvent[]): ActorRun["of"] {
	let kinds: Map<string, Placed<never>[]> | undefined;
	return ((kind: string) => {
		if (kinds === undefined) {
			kinds = new Map();
			for (const [place, { at, process, kind: of, data }] of events.entries())
				append(kinds, of, { place, at, process, data } as Placed<never>);
		}
		return kinds.get(kind) ?? [];
	}) as ActorRun["of"];
}
