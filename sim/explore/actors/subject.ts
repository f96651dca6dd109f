/**
 * Actors as a campaign explores them: a seed draws the actor, when its clients ask, how storage is, and what strikes it where.
 * Coordinates of faults reach as far as those of the uninterrupted run, and a little further.
 */
import type { ActorTarget } from "../../../drivers/actor/contract.ts";
import { ACTOR_PROGRAMS } from "../../../fixtures/actors/index.ts";
import type { ActorProgram } from "../../../fixtures/actors/program.ts";
import { ACTOR_EXPECTED } from "../../../suites/actor/expected.ts";
import type { ActorProperty } from "../../../suites/actor/facts.ts";
import { ACTOR_SUITES } from "../../../suites/actor/index.ts";
import { type ActorRun, type ActorScenario, runActor, undisturbedScenario } from "../../../suites/actor/run.ts";
import type { Fault, FaultKind, Latency } from "../../world/faults.ts";
import { drawInt, drawOne, type Stream, Streams } from "../../world/random.ts";
import { sourceText } from "../source-text.ts";
import type { Subject } from "../subject/subject.ts";

export interface ActorSubjectOptions {
	readonly target: ActorTarget;
	/** Names of programs; all that the target can run when absent. */
	readonly programs?: readonly ActorProgram[];
	readonly suites?: ReadonlyMap<string, readonly ActorProperty[]>;
	readonly faults?: ReadonlySet<FaultKind>;
}

export type ActorSubject = Subject<ActorScenario, ActorRun>;

/** Faults that any actor must survive, on storage that keeps what it acknowledged. */
export const ACTOR_FAULTS: ReadonlySet<FaultKind> = new Set(["crash", "evict", "slow", "refused", "lost-ack", "alarm"]);

const LATENCIES: readonly Latency[] = [
	{ minMs: 0, maxMs: 0, answerMaxMs: 0 },
	{ minMs: 0, maxMs: 0, answerMaxMs: 0 },
	{ minMs: 0, maxMs: 3, answerMaxMs: 0 },
	{ minMs: 1, maxMs: 5, answerMaxMs: 5 },
	{ minMs: 0, maxMs: 40, answerMaxMs: 20 },
];
const RESTARTS_MS = [0, 0, 10, 1_000, 10_000];
const SLOW_MS = [30, 400, 2_000];
const ALARM_MS = [1, 500, 10_000];
/** How many faults a plan has; each entry as likely as the others. */
const PLAN_SIZES = [0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4];
/** By how many milliseconds an input comes late, now and then. */
const DELAYS_MS = [0, 0, 0, 0, 1, 7, 300];
/** How far beyond the uninterrupted run a coordinate may be: recoveries have their own. */
const FURTHER = 1.2;

interface Extent {
	readonly writes: number;
	readonly events: number;
	readonly operations: number;
	readonly alarms: number;
}

export function actorSubject(options: ActorSubjectOptions): ActorSubject {
	const { target, suites = ACTOR_SUITES, faults = ACTOR_FAULTS } = options;
	const programs = (options.programs ?? ACTOR_PROGRAMS).filter(({ needs = [] }) =>
		needs.every((feature) => target.features.has(feature)),
	);
	const byName = new Map(programs.map((program) => [program.name, program]));
	const programOf = (name: string): ActorProgram => {
		const program = byName.get(name);
		if (program === undefined) throw new Error(`${target.name} runs no actor "${name}"`);
		return program;
	};
	const undisturbed = new Map<string, ActorRun>();
	const undisturbedOf = (program: ActorProgram): ActorRun => {
		let run = undisturbed.get(program.name);
		if (run === undefined) {
			run = runActor(undisturbedScenario(program.name), program, target);
			undisturbed.set(program.name, run);
		}
		return run;
	};
	return {
		kind: "actor",
		target: { name: target.name, version: target.version, against: "memory" },
		suites,
		expected: ACTOR_EXPECTED,
		programs: programs.map(({ name, summary }) => ({ name, summary })),
		faults,
		draw: (seed) => draw(seed, programs, faults, undisturbedOf),
		uninterrupted: (name) => [undisturbedScenario(programOf(name).name)],
		run: (scenario) => {
			const program = programOf(scenario.program);
			return runActor(scenario, program, target, undisturbedOf(program));
		},
		smaller,
		conditions,
		describeKey: (table, key) => target.describeKey(table, key),
		describeValue: (table, key, value) => target.describeValue?.(table, key, value),
		code: ({ program }) => sourceText(programOf(program).define),
	};
}

function draw(
	seed: number,
	programs: readonly ActorProgram[],
	kinds: ReadonlySet<FaultKind>,
	extentOf: (program: ActorProgram) => Extent,
): ActorScenario {
	const stream = new Streams(`actor-${seed}`).stream("draw");
	const program = drawOne(stream, programs);
	const extent = extentOf(program);
	const latency = drawOne(stream, LATENCIES);
	const restartMs = drawOne(stream, RESTARTS_MS);
	const inFlight = stream() < 0.5 ? "lost" : "drawn";
	const size = drawOne(stream, PLAN_SIZES);
	const enabled = KINDS.filter(([kind]) => kinds.has(kind) && (kind !== "alarm" || extent.alarms > 0));
	const faults = enabled.length === 0 ? [] : Array.from({ length: size }, () => drawFault(stream, extent, enabled));
	const isMoved = stream() < 0.5;
	const delaysMs = isMoved ? program.inputs.map(() => drawOne(stream, DELAYS_MS)) : [];
	return { seed: String(seed), program: program.name, faults, restartMs, latency, inFlight, delaysMs };
}

type Draw = (stream: Stream, extent: Extent) => Fault;

const KINDS: readonly (readonly [FaultKind, number, Draw])[] = [
	[
		"crash",
		10,
		(stream, { writes, events }) =>
			stream() < 0.75
				? { kind: "crash", write: upTo(stream, writes), side: stream() < 0.5 ? "before" : "after" }
				: { kind: "crash", event: upTo(stream, events) },
	],
	["evict", 3, (stream, { events }) => ({ kind: "evict", event: upTo(stream, events) })],
	[
		"slow",
		2,
		(stream, { operations }) => ({ kind: "slow", operation: upTo(stream, operations), ms: drawOne(stream, SLOW_MS) }),
	],
	["refused", 2, (stream, { operations }) => ({ kind: "refused", operation: upTo(stream, operations) })],
	["lost-ack", 2, (stream, { operations }) => ({ kind: "lost-ack", operation: upTo(stream, operations) })],
	[
		"alarm",
		3,
		(stream, { alarms }) => ({
			kind: "alarm",
			alarm: drawInt(stream, 1, alarms),
			how: drawOne(stream, ["lost", "late", "early", "twice"] as const),
			ms: drawOne(stream, ALARM_MS),
		}),
	],
	["hung", 1, (stream, { operations }) => ({ kind: "hung", operation: upTo(stream, operations) })],
];

/** What plans can be drawn from. */
export const ACTOR_FAULT_KINDS: readonly FaultKind[] = KINDS.map(([kind]) => kind);

function upTo(stream: Stream, extent: number): number {
	return drawInt(stream, 1, Math.max(1, Math.ceil(extent * FURTHER)));
}

function drawFault(stream: Stream, extent: Extent, enabled: typeof KINDS): Fault {
	let left = stream() * enabled.reduce((sum, [, weight]) => sum + weight, 0);
	for (const [, weight, drawn] of enabled) {
		left -= weight;
		if (left < 0) return drawn(stream, extent);
	}
	return (enabled.at(-1) as (typeof KINDS)[number])[2](stream, extent);
}

/** Scenarios with less in them than faults: calmer storage is left to whoever shrinks. */
function* smaller(scenario: ActorScenario): Iterable<ActorScenario> {
	if (scenario.delaysMs.some((ms) => ms > 0)) yield { ...scenario, delaysMs: [] };
	for (const [place, ms] of scenario.delaysMs.entries())
		if (ms > 0) yield { ...scenario, delaysMs: scenario.delaysMs.with(place, 0) };
	if (scenario.restartMs > 0) yield { ...scenario, restartMs: 0 };
	if (scenario.inFlight === "drawn") yield { ...scenario, inFlight: "lost" };
}

function conditions({ restartMs, latency, inFlight, delaysMs }: ActorScenario): readonly string[] {
	const lines = [`a crashed actor starts again after ${restartMs} ms`];
	const { minMs, maxMs, answerMaxMs } = latency;
	if (maxMs > 0) {
		const answer = answerMaxMs > 0 ? `, answered up to ${answerMaxMs} ms later` : "";
		lines.push(`operations take ${minMs} to ${maxMs} ms${answer}`);
	}
	if (inFlight === "drawn") lines.push("what was in flight at a crash may still take effect");
	const late = delaysMs.filter((ms) => ms > 0).length;
	if (late > 0) lines.push(`${late} of the clients' requests come later than planned`);
	return lines;
}
