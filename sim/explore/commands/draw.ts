/**
 * From a seed to a run of commands: which script, how fast storage and the network are, which versions meet, and what strikes. All
 * of it is drawn from the seed alone.
 */
import { PROTOCOL_VERSIONS, type ProtocolVersion } from "../../../drivers/runner/wire.ts";
import type { CommandProgram } from "../../../fixtures/commands/program.ts";
import type { CommandScenario } from "../../../suites/commands/run.ts";
import type { Fault, FaultKind, Latency } from "../../world/faults.ts";
import { drawInt, drawOne, type Stream, Streams } from "../../world/random.ts";

/** How far the coordinates of a program reach, read off its uninterrupted run. */
export interface CommandExtent {
	readonly writes: number;
	readonly events: number;
	readonly operations: number;
	/** Numbers of the frames that carry more than a ping or its answer. */
	readonly frames: readonly number[];
}

export interface CommandSpace {
	readonly programs: readonly CommandProgram[];
	readonly faults: ReadonlySet<FaultKind>;
	/** Versions that the runner speaks. */
	readonly protocols: readonly ProtocolVersion[];
	extent(program: CommandProgram): CommandExtent;
}

const NETWORKS = [
	{ minMs: 1, maxMs: 1 },
	{ minMs: 0, maxMs: 5 },
	{ minMs: 1, maxMs: 40 },
	{ minMs: 5, maxMs: 400 },
];
const LATENCIES: readonly Latency[] = [
	{ minMs: 0, maxMs: 0, answerMaxMs: 0 },
	{ minMs: 0, maxMs: 3, answerMaxMs: 0 },
	{ minMs: 1, maxMs: 20, answerMaxMs: 10 },
	{ minMs: 5, maxMs: 200, answerMaxMs: 100 },
];
const SERVER_RESTARTS_MS = [0, 200, 3_000];
const RUNNER_RESTARTS_MS = [0, 500, 5_000];
const PACES = [100, 100, 90, 97, 104, 120];

/** How many faults a plan has; each entry as likely as the others. */
const PLAN_SIZES = [0, 1, 1, 1, 2, 2, 3];

/** Kinds of fault that plans of commands are drawn from unless others are asked for. */
export const COMMAND_FAULTS: ReadonlySet<FaultKind> = new Set<FaultKind>([
	...(["cut", "half-open", "late-close", "slow-link", "peer-crash"] as const),
	...(["crash", "slow", "refused", "lost-ack"] as const),
]);

export function drawCommands(seed: number, space: CommandSpace): CommandScenario {
	const stream = new Streams(`commands-${seed}`).stream("draw");
	const program = drawOne(stream, space.programs);
	const protocol = drawOne(stream, space.protocols);
	const limited = stream() < 0.1;
	const serverProtocol = drawOne(stream, PROTOCOL_VERSIONS);
	const scenario = {
		...{ seed: String(seed), program: program.name },
		network: drawOne(stream, NETWORKS),
		latency: drawOne(stream, LATENCIES),
		inFlight: stream() < 0.5 ? ("lost" as const) : ("drawn" as const),
		serverRestartMs: drawOne(stream, SERVER_RESTARTS_MS),
		runnerRestartMs: drawOne(stream, RUNNER_RESTARTS_MS),
		pace: drawOne(stream, PACES),
		...(protocol === space.protocols.at(-1) ? {} : { protocol }),
		...(limited ? { serverProtocol } : {}),
	};
	const extent = space.extent(program);
	const kinds = FAULTS.filter(([kind]) => space.faults.has(kind));
	const size = kinds.length === 0 ? 0 : drawOne(stream, PLAN_SIZES);
	return { ...scenario, faults: Array.from({ length: size }, () => drawFault(stream, extent, kinds)) };
}

type DrawFault = (stream: Stream, extent: CommandExtent) => Fault;

const SIDES = ["before", "after"] as const;

/** What a fault can be, how often relative to the others, and how one is drawn. */
const FAULTS: readonly (readonly [kind: FaultKind, weight: number, draw: DrawFault])[] = [
	["cut", 0.35, (stream, extent) => ({ kind: "cut", frame: drawFrame(stream, extent), side: drawOne(stream, SIDES) })],
	[
		"half-open",
		0.15,
		(stream, extent) => ({
			...{ kind: "half-open", frame: drawFrame(stream, extent) },
			ms: drawOne(stream, [2_000, 20_000, 60_000, 600_000]),
		}),
	],
	[
		"late-close",
		0.15,
		(stream, extent) => ({
			...{ kind: "late-close", frame: drawFrame(stream, extent) },
			...{ end: drawOne(stream, ["client", "server"] as const), ms: drawOne(stream, [500, 5_000, 20_000]) },
		}),
	],
	[
		"slow-link",
		0.1,
		(stream, extent) => ({
			...{ kind: "slow-link", frame: drawFrame(stream, extent) },
			ms: drawOne(stream, [50, 800, 5_000, 20_000, 60_000]),
		}),
	],
	[
		"peer-crash",
		0.15,
		(stream, extent) => ({
			...{ kind: "peer-crash", frame: drawFrame(stream, extent) },
			...{ side: drawOne(stream, SIDES), peer: drawOne(stream, ["sender", "receiver"] as const) },
		}),
	],
	[
		"crash",
		0.2,
		(stream, { writes }) => ({ kind: "crash", write: drawInt(stream, 1, writes), side: drawOne(stream, SIDES) }),
	],
	["crash", 0.03, (stream, { events }) => ({ kind: "crash", event: drawInt(stream, 2, events) })],
	[
		"slow",
		0.1,
		(stream, { operations }) => ({
			...{ kind: "slow", operation: drawInt(stream, 1, operations) },
			ms: drawOne(stream, [30, 400, 2_000]),
		}),
	],
	["refused", 0.05, (stream, { operations }) => ({ kind: "refused", operation: drawInt(stream, 1, operations) })],
	["lost-ack", 0.07, (stream, { operations }) => ({ kind: "lost-ack", operation: drawInt(stream, 1, operations) })],
];

/** What plans can be drawn from. */
export const COMMAND_FAULT_KINDS: readonly FaultKind[] = [...new Set(FAULTS.map(([kind]) => kind))];

/** Mostly one that says something, or its neighbour: pings are many. */
function drawFrame(stream: Stream, { frames }: CommandExtent): number {
	const last = frames.at(-1) ?? 1;
	if (stream() < 0.15) return drawInt(stream, 1, last);
	return Math.max(1, drawOne(stream, frames) + drawInt(stream, -1, 1));
}

function drawFault(stream: Stream, extent: CommandExtent, kinds: typeof FAULTS): Fault {
	let left = stream() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
	for (const [, weight, draw] of kinds) {
		left -= weight;
		if (left < 0) return draw(stream, extent);
	}
	const [, , draw] = kinds.at(-1) as (typeof FAULTS)[number];
	return draw(stream, extent);
}
