/** A runner and its server as a subject of exploration: scripts of commands, and all that may happen to them on their way. */
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { Runner, Server } from "../../../drivers/runner/contract.ts";
import { wireOf } from "../../../drivers/runner/wire.ts";
import { COMMAND_PROGRAMS } from "../../../fixtures/commands/index.ts";
import type { CommandProgram } from "../../../fixtures/commands/program.ts";
import { COMMAND_EXPECTED } from "../../../suites/commands/expected.ts";
import { COMMAND_SUITES } from "../../../suites/commands/index.ts";
import { type CommandRun, type CommandScenario, runCommands } from "../../../suites/commands/run.ts";
import { tellFrameContent } from "../../../suites/commands/tell.ts";
import type { FaultKind } from "../../world/faults.ts";
import type { NetworkEvents } from "../../world/network.ts";
import type { Subject } from "../subject/subject.ts";
import { COMMAND_FAULTS, type CommandExtent, type CommandSpace, drawCommands } from "./draw.ts";

export interface CommandSubjectOptions {
	readonly runner: Runner;
	readonly server: Server;
	/** Names of the programs to draw from, all when absent. */
	readonly programs?: readonly string[];
	/** Kinds of fault that plans are drawn from; the usual ones when absent. */
	readonly faults?: readonly FaultKind[];
}

/** @throws UsageError for a program of a name that there is not. */
export function commandSubject(options: CommandSubjectOptions): Subject<CommandScenario, CommandRun> {
	const { runner, server, faults } = options;
	const programs = chosen(options.programs);
	const target = { runner, server };
	const extents = new Map<string, CommandExtent>();
	const space: CommandSpace = {
		programs,
		faults: faults === undefined ? COMMAND_FAULTS : new Set(faults),
		protocols: runner.protocols,
		extent: (program) => {
			let extent = extents.get(program.name);
			if (extent === undefined) {
				extent = extentOf(runCommands(undisturbed(program), program, target));
				extents.set(program.name, extent);
			}
			return extent;
		},
	};
	return {
		kind: "runner",
		target: { name: runner.name, version: runner.version, against: server.name },
		suites: COMMAND_SUITES,
		expected: COMMAND_EXPECTED,
		programs: programs.map(({ name, summary }) => ({ name, summary })),
		faults: space.faults,
		draw: (seed) => drawCommands(seed, space),
		uninterrupted: (name) => [undisturbed(programOf(name))],
		run: (scenario) => runCommands(scenario, programOf(scenario.program), target),
		smaller,
		conditions,
		describeFrame: tellFrameContent,
		describeKey: (_table, key) => key.replace(UUIDS, (uuid) => uuid.slice(0, 8)),
		describeValue: (_table, _key, value) => JSON.parse(Buffer.from(value).toString()),
		code: ({ program }) => scriptOf(programOf(program)),
	};
}

/** A script as lines to read: what is done from outside and when, and what each actor does of itself. */
function scriptOf({ script }: CommandProgram): string {
	const steps = script.steps.map(({ atMs, does, ...about }) =>
		`${atMs} ms: ${does} ${Object.values(about).join(" ")}`.trimEnd(),
	);
	const actors = script.actors.map(({ actorId, life, ...about }) => {
		const does = life.map(({ afterMs, does: what }) => `${what} ${afterMs} ms after its start`);
		return `actor ${actorId}: ${JSON.stringify(about)}${does.length > 0 ? `; ${does.join(", ")}` : ""}`;
	});
	return [...actors, ...steps].join("\n");
}

const UUIDS = /[0-9a-f]{8}-[0-9a-f-]{27}/g;

function chosen(names: readonly string[] | undefined): readonly CommandProgram[] {
	return names === undefined ? COMMAND_PROGRAMS : names.map(programOf);
}

function programOf(name: string): CommandProgram {
	const program = COMMAND_PROGRAMS.find((known) => known.name === name);
	if (program !== undefined) return program;
	throw new UsageError(
		`Unknown program "${name}" of runners; choose from ${COMMAND_PROGRAMS.map((known) => known.name).join(", ")}.`,
	);
}

/** The program with nothing in its way. */
function undisturbed({ name }: CommandProgram): CommandScenario {
	return {
		...{ seed: "reference", program: name, faults: [], network: { minMs: 1, maxMs: 1 } },
		latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 },
		...{ inFlight: "lost", serverRestartMs: 0, runnerRestartMs: 0, pace: 100 },
	};
}

const PINGS: ReadonlySet<string> = new Set(["ToClientPing", "ToServerPong"]);

function extentOf({ history, writes, events, operations, frames: last }: CommandRun): CommandExtent {
	const newest = wireOf(7);
	const frames = history.events.flatMap(({ kind, data }) => {
		if (kind !== "frame.sent") return [];
		const { frame, from, content } = data as NetworkEvents["frame.sent"];
		if (content.kind !== "message" || typeof content.payload === "string") return [frame];
		try {
			const message =
				from === "client" ? newest?.decodeToServer(content.payload) : newest?.decodeToClient(content.payload);
			return PINGS.has(message?.tag ?? "") ? [] : [frame];
		} catch {
			return [frame];
		}
	});
	return {
		writes: Math.max(1, writes),
		events: Math.max(2, events),
		operations,
		frames: frames.length > 0 ? frames : [last],
	};
}

function* smaller(scenario: CommandScenario): Iterable<CommandScenario> {
	const { protocol, serverProtocol, ...without } = scenario;
	const calm = undisturbed({ name: scenario.program } as CommandProgram);
	yield { ...without, network: calm.network, latency: calm.latency, inFlight: "lost", pace: 100 };
	if (protocol !== undefined) yield without;
	if (serverProtocol !== undefined) yield protocol === undefined ? without : { ...without, protocol };
	yield { ...scenario, latency: calm.latency, inFlight: "lost" };
	yield { ...scenario, network: calm.network };
	yield { ...scenario, pace: 100 };
	yield { ...scenario, serverRestartMs: 0, runnerRestartMs: 0 };
}

function conditions(scenario: CommandScenario): readonly string[] {
	const { network, latency, protocol, serverProtocol, pace } = scenario;
	return [
		`frames take ${network.minMs} to ${network.maxMs} ms, storage ${latency.minMs} to ${latency.maxMs + latency.answerMaxMs} ms`,
		...(protocol === undefined ? [] : [`runners speak version ${protocol} of the protocol`]),
		...(serverProtocol === undefined ? [] : [`the server speaks versions up to ${serverProtocol}`]),
		...(pace === 100 ? [] : [`at ${pace} % of the script's times`]),
	];
}
