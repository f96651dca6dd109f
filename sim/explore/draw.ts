/** From a seed to a scenario: program, hosting, latencies and a fault plan, all drawn from the seed alone. */
import type { HostingMode } from "../../drivers/engine/host.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import type { Scenario } from "../../suites/scenario.ts";
import type { Fault, Latency } from "../world/faults.ts";
import { drawInt, drawOne, type Stream, Streams } from "../world/random.ts";

/** How far the coordinates of a program reach, read off its uninterrupted run. */
export interface Extent {
	readonly writes: number;
	readonly events: number;
	readonly operations: number;
}

export interface Space {
	readonly programs: readonly Program[];
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
		faults: Array.from({ length: size }, () => drawFault(stream, extent)),
	};
	return { scenario, program };
}

function drawFault(stream: Stream, extent: Extent): Fault {
	const kind = stream();
	if (kind < 0.6) {
		return { kind: "crash", write: drawInt(stream, 1, extent.writes), side: stream() < 0.5 ? "before" : "after" };
	}
	if (kind < 0.72) return { kind: "crash", event: drawInt(stream, 2, extent.events) };
	if (kind < 0.92) return { kind: "evict", event: drawInt(stream, 2, extent.events) };
	return { kind: "slow", operation: drawInt(stream, 1, extent.operations), ms: drawOne(stream, SLOW_MS) };
}

/** The same program with nothing in its way. */
export function referenceScenario(program: Program, mode: HostingMode): Scenario {
	return {
		program: program.name,
		seed: "reference",
		hosting: { mode, restartMs: 0, coldWake: true },
		latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 },
		inFlight: "lost",
		faults: [],
	};
}
