/** From a seed to a scenario: program, hosting, latencies and a fault plan, all drawn from the seed alone. */
import type { HostingMode } from "../../drivers/engine/host.ts";
import { programOf } from "../../fixtures/generators/interpret.ts";
import { avoiding, inOrder, isStatementShape, type ScenarioShape, shapeOf } from "../../fixtures/generators/shapes.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import type { Scenario } from "../../suites/scenario.ts";
import { DAMAGES, type Fault, type FaultKind, type Latency, NETWORK_FAULTS } from "../world/faults.ts";
import { drawInt, drawOne, type Stream, Streams } from "../world/random.ts";
import type { Schedule } from "../world/schedule.ts";
import { type Avoid, avoidedBy, type GeneratedProgram } from "./generate.ts";

/** How far the coordinates of a program reach, read off its uninterrupted run. */
export interface Extent {
	readonly writes: number;
	readonly events: number;
	readonly operations: number;
	readonly alarms: number;
	/** Whether the uninterrupted run fails; undefined when that is not known. */
	readonly fails?: boolean;
	/** Writes of several entries at once, which can be torn, and of single ones, whose entries can be damaged too. */
	readonly batches: readonly Batch[];
}

/** A durable write of the engine's storage. */
export interface Batch {
	readonly write: number;
	readonly entries: number;
}

export interface Space {
	readonly programs: readonly Program[];
	/** Makes the program of a seed; absent when only those of the list are to be run. */
	readonly generate?: (seed: number, stream: Stream) => GeneratedProgram;
	/** Gives a generated program another release, now and then, where the scenario has a second process life for it. */
	readonly evolve?: (program: Program, scenario: Scenario, stream: Stream) => Program;
	/** Shapes that seeds avoid; none when absent. */
	readonly avoid?: Avoid;
	/** Kinds of fault that plans are made of. */
	readonly faults: ReadonlySet<FaultKind>;
	/** Whether each seed switches most of them off; all are at work in every seed when absent. */
	readonly swarm?: boolean;
	extent(program: Program, mode: HostingMode): Extent;
}

const LATENCIES: readonly Latency[] = [
	{ minMs: 0, maxMs: 0, answerMaxMs: 0 },
	{ minMs: 0, maxMs: 0, answerMaxMs: 0 },
	{ minMs: 0, maxMs: 3, answerMaxMs: 0 },
	{ minMs: 1, maxMs: 5, answerMaxMs: 5 },
	{ minMs: 0, maxMs: 40, answerMaxMs: 20 },
];

const RESTARTS_MS = [0, 0, 10, 1_000, 45_000];

/** Below every step timeout of the programs, so that a slow call changes when things happen and not what. */
const SLOW_MS = [30, 400, 2_000];

/** How many faults a plan has; each entry as likely as the others. */
const PLAN_SIZES = [0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4];

/** The scenario of a seed within a space: the same seed and space always give the same one. */
export function drawScenario(seed: number, space: Space): Drawn {
	const stream = new Streams(`scenario-${seed}`).stream("draw");
	const names = avoidedBy(seed, space.avoid ?? NOTHING);
	const { program: drawn, met } = drawProgramOf(seed, stream, space, names);
	const avoided = new Set(met);
	const mode = drawOne(stream, ["live", "yield"] as const);
	const latency = drawOne(stream, LATENCIES);
	const size = drawOne(stream, PLAN_SIZES);
	const hosting = { mode, restartMs: drawOne(stream, RESTARTS_MS), coldWake: stream() < 0.5 };
	const inFlight = stream() < 0.5 ? "lost" : "drawn";
	const shapes = names.flatMap((name): [string, ScenarioShape][] => {
		const shape = shapeOf(name);
		return shape === undefined || isStatementShape(shape) ? [] : [[name, shape]];
	});
	const without = (scenario: Scenario): Scenario =>
		shapes.reduce((result, [name, shape]) => {
			if (!shape.is(result)) return result;
			avoided.add(name);
			return shape.without(result);
		}, scenario);
	const calm = without({
		program: drawn.name,
		...dataOf(drawn),
		...{ seed: String(seed), hosting, latency, inFlight, faults: [] },
	});
	const extent = space.extent(drawn, calm.hosting.mode);
	const kinds = space.swarm === true ? drawKinds(stream, space.faults) : new Set(space.faults);
	for (const [name, { fault }] of shapes)
		if (fault !== undefined && kinds.delete(fault as FaultKind)) avoided.add(name);
	const faults = Array.from({ length: kinds.size === 0 ? 0 : size }, () => drawFault(stream, extent, kinds))
		.flat()
		// What is drawn along with another kind is drawn only where it was asked for.
		.filter(({ kind }) => kinds.has(kind));
	const schedule = drawSchedule(stream, extent);
	const atomicBatch = stream() < 0.2 && faults.every(({ kind }) => kind !== "torn");
	const still = without({
		...calm,
		faults,
		...(atomicBatch ? { atomicBatch } : {}),
		...(schedule === undefined ? {} : { schedule }),
	});
	const program = space.evolve?.(drawn, still, stream) ?? drawn;
	const scenario = program.change === undefined ? still : { ...still, change: program.change };
	return { scenario, program, avoided: inOrder(avoided) };
}

/** What a scenario holds of a generated program, whatever release of it. */
function dataOf({ statements, inputs = [], startedWith }: Program): Partial<Scenario> {
	if (statements === undefined) return {};
	return { statements, inputs, ...(startedWith === undefined ? {} : { startedWith }) };
}

/** What a seed is. */
export interface Drawn {
	readonly scenario: Scenario;
	readonly program: Program;
	/** The shapes that it had before what has them was changed or left out, in order: avoiding just these gives it again. */
	readonly avoided: readonly string[];
}

const NOTHING: Avoid = { shapes: [], always: true };

/** How many of the seeds run a program that was generated. */
const GENERATED_SHARE = 0.7;

function drawProgramOf(
	seed: number,
	stream: Stream,
	{ programs, generate }: Space,
	names: readonly string[],
): { program: Program; met: ReadonlySet<string> } {
	if (generate !== undefined && (programs.length === 0 || stream() < GENERATED_SHARE)) {
		const generated = generate(seed, stream);
		const { statements, inputs, met } = avoiding(generated, names);
		const { startedWith } = generated;
		return { program: programOf(statements, inputs, startedWith === undefined ? {} : { startedWith }), met };
	}
	return { program: drawOne(stream, programs), met: new Set() };
}

/** Every fourth seed orders its events by priorities that change at a few places, the others one by one. */
function drawSchedule(stream: Stream, extent: Extent): Schedule | undefined {
	if (stream() >= 0.25) return undefined;
	const changes = Array.from({ length: drawInt(stream, 1, 3) }, () => drawInt(stream, 1, extent.events));
	return { kind: "priorities", changes: changes.sort((a, b) => a - b) };
}

/** What a fault can be, how often relative to the others, and how one is drawn. */
type DrawFault = (stream: Stream, extent: Extent) => Fault | readonly Fault[];

const FAULTS: readonly (readonly [kind: FaultKind, weight: number, draw: DrawFault])[] = [
	[
		"crash",
		0.6,
		(stream, { writes }) => ({
			kind: "crash",
			write: drawInt(stream, 1, writes),
			side: stream() < 0.5 ? "before" : "after",
		}),
	],
	["crash", 0.12, (stream, { events }) => ({ kind: "crash", event: drawInt(stream, 2, events) })],
	["evict", 0.2, (stream, { events }) => ({ kind: "evict", event: drawInt(stream, 2, events) })],
	["cancel", 0.15, (stream, { events }) => ({ kind: "cancel", event: drawInt(stream, 2, events) })],
	["wake", 0.15, (stream, { events }) => ({ kind: "wake", event: drawInt(stream, 2, events) })],
	["read", 0.1, (stream, { events }) => ({ kind: "read", event: drawInt(stream, 2, events) })],
	["recover", 0.15, (stream, { events }) => ({ kind: "recover", event: drawInt(stream, 2, events) })],
	[
		"message",
		0.15,
		(stream, { events }) => ({ kind: "message", event: drawInt(stream, 2, events), which: drawInt(stream, 0, 3) }),
	],
	[
		"replay-from",
		0.2,
		(stream, { events }) => ({ kind: "replay-from", event: drawInt(stream, 2, events), step: drawInt(stream, 0, 9) }),
	],
	[
		"alarm",
		0.2,
		(stream, { alarms }) => ({
			kind: "alarm",
			alarm: drawInt(stream, 1, Math.max(1, alarms)),
			how: drawOne(stream, ["lost", "late", "early", "twice"]),
			ms: drawOne(stream, ALARM_MS),
		}),
	],
	[
		"slow",
		0.08,
		(stream, { operations }) => ({
			kind: "slow",
			operation: drawInt(stream, 1, operations),
			ms: drawOne(stream, SLOW_MS),
		}),
	],
	["torn", 0.4, drawTorn],
	["corrupt", 0.3, drawCorrupt],
	["hung", 0.2, (stream, { operations }) => ({ kind: "hung", operation: drawInt(stream, 1, operations) })],
	["refused", 0.2, (stream, { operations }) => ({ kind: "refused", operation: drawInt(stream, 1, operations) })],
	["lost-ack", 0.2, (stream, { operations }) => ({ kind: "lost-ack", operation: drawInt(stream, 1, operations) })],
	[
		"power-loss",
		0.2,
		(stream, { writes }) => ({ kind: "power-loss", write: drawInt(stream, 1, writes), lost: drawInt(stream, 1, 3) }),
	],
];

/** Faults that any storage and any host may have. */
const ORDINARY: readonly FaultKind[] = ["crash", "evict", "slow"];
export const ORDINARY_FAULTS: ReadonlySet<FaultKind> = new Set(ORDINARY);
/** Faults after which much is unlike before, so that one kind at a time is enough. */
const OF_STORAGE: readonly FaultKind[] = ["torn", "corrupt", "hung", "refused", "lost-ack"];
const OF_OPERATORS: readonly FaultKind[] = [
	...(["cancel", "wake", "message", "read", "recover", "replay-from", "alarm"] as const),
];
const ORDINARY_ON = 0.75;
const STORAGE_ON = 0.2;
const OPERATORS_ON = 0.25;

/** The kinds of fault that a seed knows, of those that it may: each seed switches most off. */
function drawKinds(stream: Stream, legal: ReadonlySet<FaultKind>): Set<FaultKind> {
	const among = (kinds: readonly FaultKind[]) => kinds.filter((kind) => legal.has(kind));
	const chosen = among(ORDINARY).filter(() => stream() < ORDINARY_ON);
	const [storage, operators] = [among(OF_STORAGE), among(OF_OPERATORS)];
	if (storage.length > 0 && stream() < STORAGE_ON) chosen.push(drawOne(stream, storage));
	if (operators.length > 0 && stream() < OPERATORS_ON) chosen.push(drawOne(stream, operators));
	return new Set(chosen.length > 0 ? chosen : legal);
}

/** Mostly what comes first is left, as of entries written one after the other; else any part. */
function drawTorn(stream: Stream, { batches, writes }: Extent): Fault {
	const several = batches.filter(({ entries }) => entries > 1);
	if (several.length === 0) return { kind: "torn", write: drawInt(stream, 1, writes), kept: [0] };
	const { write, entries } = drawOne(stream, several);
	const all = Array.from({ length: entries }, (_, place) => place);
	const prefix = stream() < 0.75;
	const kept = prefix ? all.slice(0, drawInt(stream, 1, entries - 1)) : all.filter(() => stream() < 0.5);
	return { kind: "torn", write, kept };
}

/** Far above the bits of any value, so that a draw is nearly even over them. */
const FAR = 100_000;

/** Damage shows when it is read: mostly the process dies with it. */
function drawCorrupt(stream: Stream, { batches, writes }: Extent): readonly Fault[] {
	const { write, entries } =
		batches.length === 0 ? { write: drawInt(stream, 1, writes), entries: 1 } : drawOne(stream, batches);
	const place = drawInt(stream, 0, entries - 1);
	const how = drawOne(stream, DAMAGES);
	const at = how === "empty" ? 0 : drawInt(stream, 0, FAR);
	const fault: Fault = { kind: "corrupt", write, place, how, at };
	return stream() < 0.7 ? [fault, { kind: "crash", write, side: "after" }] : [fault];
}
/** By how much alarms go off early or late, or again. */
const ALARM_MS = [1, 30, 400, 60_000];

/** Kinds that plans are drawn from unless others are asked for: all that an engine has to live with. */
export const USUAL_FAULTS: ReadonlySet<FaultKind> = new Set([...ORDINARY, ...OF_STORAGE, ...OF_OPERATORS]);

/** What each kind does, in a few words. */
export const FAULT_MEANINGS: Readonly<Record<FaultKind, string>> = {
	crash: "a process dies around a durable effect, or between two events",
	evict: "the host asks the engine to stop in good order",
	slow: "an operation takes longer",
	torn: "of one write some entries reach the disk, and the process dies",
	refused: "an operation does not take place and is answered with an error",
	"lost-ack": "an operation takes place and is answered with an error",
	hung: "an operation of storage is never answered, and its process is killed after a minute",
	corrupt: "what was stored is damaged: a bit flipped, cut short, emptied, or another value in its place",
	"power-loss": "all processes die, and the disk forgets its latest writes",
	cancel: "an operator cancels the workflow",
	wake: "an operator wakes the workflow",
	read: "an operator reads the state and the output",
	recover: "an operator has the workflow recover once it has failed",
	message: "an operator sends one more message",
	"replay-from": "an operator has the workflow begin anew from a recorded step, once it rests",
	alarm: "an alarm of the host is lost, late, early, or goes off twice",
	cut: "a connection breaks, and what is on its way is lost",
	"half-open": "a connection carries nothing any more, and for a while neither end is told",
	"late-close": "a connection breaks, and one end is told later than the other",
	"slow-link": "what a connection carries takes longer, as with a slow reader",
	"peer-crash": "the process at one end of a connection dies as a frame arrives",
};

/** Every kind that can strike a workflow, which talks to nobody. */
export const FAULT_KINDS: readonly FaultKind[] = (Object.keys(FAULT_MEANINGS) as FaultKind[]).filter(
	(kind) => !(NETWORK_FAULTS as readonly string[]).includes(kind),
);

function drawFault(stream: Stream, extent: Extent, kinds: ReadonlySet<FaultKind>): Fault | readonly Fault[] {
	const legal = FAULTS.filter(([kind]) => kinds.has(kind));
	const likely = legal.filter(([kind]) => canStrike(kind, extent));
	const enabled = likely.length > 0 ? likely : legal;
	let left = stream() * enabled.reduce((sum, [, weight]) => sum + weight, 0);
	for (const [, weight, draw] of enabled) {
		left -= weight;
		if (left < 0) return draw(stream, extent);
	}
	const [, , draw] = enabled.at(-1) as (typeof FAULTS)[number];
	return draw(stream, extent);
}

/** Whether a fault of that kind would find something to strike in the uninterrupted run. */
function canStrike(kind: FaultKind, { alarms, fails }: Extent): boolean {
	if (kind === "alarm") return alarms > 0;
	return kind !== "recover" || fails !== false;
}

/** Seeds the one uninterrupted run of each program and mode; no number, so that no campaign draws it. */
export const REFERENCE_SEED = "reference";

/** The same program with nothing in its way. */
export function referenceScenario(program: Program, mode: HostingMode): Scenario {
	return {
		program: program.name,
		...dataOf(program),
		seed: REFERENCE_SEED,
		hosting: { mode, restartMs: 0, coldWake: true },
		latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 },
		inFlight: "lost",
		faults: [],
	};
}
