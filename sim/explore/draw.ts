/** From a seed to a scenario: program, hosting, latencies and a fault plan, all drawn from the seed alone. */
import type { HostingMode } from "../../drivers/engine/host.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import type { Scenario } from "../../suites/scenario.ts";
import type { Fault, FaultKind, Latency } from "../world/faults.ts";
import { drawInt, drawOne, type Stream, Streams } from "../world/random.ts";
import type { Schedule } from "../world/schedule.ts";

/** How far the coordinates of a program reach, read off its uninterrupted run. */
export interface Extent {
	readonly writes: number;
	readonly events: number;
	readonly operations: number;
}

export interface Space {
	readonly programs: readonly Program[];
	/** Kinds of fault that plans are made of. */
	readonly faults: ReadonlySet<FaultKind>;
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
export function drawScenario(seed: number, space: Space): { scenario: Scenario; program: Program } {
	const stream = new Streams(`scenario-${seed}`).stream("draw");
	const program = drawOne(stream, space.programs);
	const mode = drawOne(stream, ["live", "yield"] as const);
	const latency = drawOne(stream, LATENCIES);
	const extent = space.extent(program, mode);
	const size = drawOne(stream, PLAN_SIZES);
	const scenario: Scenario = {
		program: program.name,
		seed: String(seed),
		hosting: { mode, restartMs: drawOne(stream, RESTARTS_MS), coldWake: stream() < 0.5 },
		latency,
		inFlight: stream() < 0.5 ? "lost" : "drawn",
		faults: Array.from({ length: size }, () => drawFault(stream, extent, space.faults)),
	};
	const schedule = drawSchedule(stream, extent);
	return { scenario: schedule === undefined ? scenario : { ...scenario, schedule }, program };
}

/** Every fourth seed orders its events by priorities that change at a few places, the others one by one. */
function drawSchedule(stream: Stream, extent: Extent): Schedule | undefined {
	if (stream() >= 0.25) return undefined;
	const changes = Array.from({ length: drawInt(stream, 1, 3) }, () => drawInt(stream, 1, extent.events));
	return { kind: "priorities", changes: changes.sort((a, b) => a - b) };
}

/** What a fault can be, how often relative to the others, and how one is drawn. */
const FAULTS: readonly (readonly [kind: FaultKind, weight: number, draw: (stream: Stream, extent: Extent) => Fault])[] =
	[
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
		[
			"slow",
			0.08,
			(stream, { operations }) => ({
				kind: "slow",
				operation: drawInt(stream, 1, operations),
				ms: drawOne(stream, SLOW_MS),
			}),
		],
		[
			"torn",
			0.4,
			(stream, { writes }) => ({ kind: "torn", write: drawInt(stream, 1, writes), kept: drawOne(stream, TORN) }),
		],
		["refused", 0.2, (stream, { operations }) => ({ kind: "refused", operation: drawInt(stream, 1, operations) })],
		["lost-ack", 0.2, (stream, { operations }) => ({ kind: "lost-ack", operation: drawInt(stream, 1, operations) })],
		[
			"power-loss",
			0.2,
			(stream, { writes }) => ({ kind: "power-loss", write: drawInt(stream, 1, writes), lost: drawInt(stream, 1, 3) }),
		],
	];

/** What is left of a torn write: places of its mutations. Most writes have few. */
const TORN = [[0], [1], [0, 1], [0, 2], [1, 2], [0, 1, 2]] as const;

/** Kinds that plans are drawn from unless others are asked for: legal on any correct storage. */
export const USUAL_FAULTS: ReadonlySet<FaultKind> = new Set(["crash", "evict", "slow"]);

/** What each kind does, in a few words. */
export const FAULT_MEANINGS: Readonly<Record<FaultKind, string>> = {
	crash: "a process dies around a durable effect, or between two events",
	evict: "the host asks the engine to stop in good order",
	slow: "an operation takes longer",
	torn: "of one write some entries reach the disk, and the process dies",
	refused: "an operation does not take place and is answered with an error",
	"lost-ack": "an operation takes place and is answered with an error",
	"power-loss": "all processes die, and the disk forgets its latest writes",
};

/** Every kind there is. */
export const FAULT_KINDS = Object.keys(FAULT_MEANINGS) as readonly FaultKind[];

function drawFault(stream: Stream, extent: Extent, kinds: ReadonlySet<FaultKind>): Fault {
	const enabled = FAULTS.filter(([kind]) => kinds.has(kind));
	let left = stream() * enabled.reduce((sum, [, weight]) => sum + weight, 0);
	for (const [, weight, draw] of enabled) {
		left -= weight;
		if (left < 0) return draw(stream, extent);
	}
	const [, , draw] = enabled.at(-1) as (typeof FAULTS)[number];
	return draw(stream, extent);
}

/** Seeds the one uninterrupted run of each program and mode; no number, so that no campaign draws it. */
export const REFERENCE_SEED = "reference";

/** The same program with nothing in its way. */
export function referenceScenario(program: Program, mode: HostingMode): Scenario {
	return {
		program: program.name,
		seed: REFERENCE_SEED,
		hosting: { mode, restartMs: 0, coldWake: true },
		latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 },
		inFlight: "lost",
		faults: [],
	};
}
