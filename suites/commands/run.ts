/** Carries out a script of commands on a runner and a server, and holds what happened for the properties to judge. */
import type { Runner, Server } from "../../drivers/runner/contract.ts";
import { CommandHost } from "../../drivers/runner/host.ts";
import type { ProtocolVersion } from "../../drivers/runner/wire.ts";
import type { CommandProgram } from "../../fixtures/commands/program.ts";
import type { Latency } from "../../sim/world/faults.ts";
import { Network } from "../../sim/world/network.ts";
import { World } from "../../sim/world/world.ts";
import type { SubjectRun, SubjectScenario } from "../subject.ts";

export interface CommandScenario extends SubjectScenario {
	/** What each frame takes, in virtual milliseconds. */
	readonly network: { readonly minMs: number; readonly maxMs: number };
	/** What each transaction of the server takes. */
	readonly latency: Latency;
	readonly inFlight: "lost" | "drawn";
	readonly serverRestartMs: number;
	readonly runnerRestartMs: number;
	/** Version that runners are asked to speak; the newest of theirs when absent. */
	readonly protocol?: ProtocolVersion;
	/** The newest version that the server is to speak; its own newest when absent. */
	readonly serverProtocol?: ProtocolVersion;
	/** What is done from outside is done so many per cent sooner or later. */
	readonly pace: number;
}

export interface CommandTarget {
	readonly runner: Runner;
	readonly server: Server;
}

export interface CommandRun extends SubjectRun<CommandScenario> {
	readonly target: CommandTarget;
	readonly program: CommandProgram;
	/** Frames that the network carried, and operations of storage. */
	readonly frames: number;
	readonly operations: number;
}

/** Events after which a run is stopped: far beyond what any script comes to. */
const MAX_EVENTS = 200_000;

/** Called in a macrotask. @throws HarnessError when it left its world. */
export function runCommands(scenario: CommandScenario, program: CommandProgram, target: CommandTarget): CommandRun {
	const { seed, faults, latency, inFlight, network } = scenario;
	const world = new World({ seed, faults, latency, inFlight });
	const script = paced(program.script, scenario.pace);
	const host = new CommandHost(world, new Network(world, { latency: network }), target, script, scenario);
	world.run(() => host.begin(), { untilMs: script.endMs, maxEvents: MAX_EVENTS });
	const { history, fired, nowMs, events, writes, frames, operations } = world;
	return { scenario, target, program, history, fired, endMs: nowMs, events, writes, frames, operations };
}

function paced(script: CommandProgram["script"], pace: number): CommandProgram["script"] {
	if (pace === 100) return script;
	return { ...script, steps: script.steps.map((step) => ({ ...step, atMs: Math.round((step.atMs * pace) / 100) })) };
}
