/** Carries out a scenario on a target, and holds what happened for the properties to judge. */
import type { Engine } from "../drivers/engine/contract.ts";
import { Host, type HostState, type Outcome, outlives, type Workload } from "../drivers/engine/host.ts";
import { type Observation, observe, type StepRule } from "../drivers/engine/observe.ts";
import { render } from "../drivers/engine/render.ts";
import type { PluggedDriver, StorageClaims, StorageDriver, WorldStorage } from "../drivers/storage/contract.ts";
import type { QueuedMessage } from "../drivers/storage/memory/queue.ts";
import { PluggedStorage } from "../drivers/storage/plugged.ts";
import { Session } from "../drivers/storage/session.ts";
import { sample } from "../fixtures/generators/values.ts";
import type { Program, ProgramInput } from "../fixtures/programs/program.ts";
import { append } from "../sim/world/collections.ts";
import type { Fault } from "../sim/world/faults.ts";
import type { History, HistoryEvent } from "../sim/world/history.ts";
import type { Process } from "../sim/world/process.ts";
import type { CrashPoint, WorldState } from "../sim/world/state.ts";
import { EPOCH_MS, type Limits, type Stop, World } from "../sim/world/world.ts";
import type { Scenario } from "./scenario.ts";

/** What is under test. */
export interface Target {
	readonly engine: Engine;
	readonly storage: StorageDriver;
}

export interface Run {
	readonly scenario: Scenario;
	readonly target: Target;
	readonly program: Program;
	readonly history: History;
	readonly outcome: Outcome;
	readonly stop: Stop;
	/** Whether the finished workflow was run once more. */
	readonly revisited: boolean;
	/** Messages left in the queue at the end. */
	readonly queued: readonly QueuedMessage[];
	readonly stepRules: ReadonlyMap<string, StepRule>;
	/** Planned faults that struck, by their place in the plan. */
	readonly fired: ReadonlySet<number>;
	/** Virtual milliseconds at the end. */
	readonly endMs: number;
	/** How many there were of each coordinate. */
	readonly events: number;
	readonly writes: number;
	readonly operations: number;
	readonly alarms: number;
	/** With a schedule of choices, how many events there were to choose from, choice by choice. */
	readonly alternatives: readonly number[];
	/** The events of one kind, in order. */
	of(kind: string): readonly HistoryEvent[];
}

/** What a workflow that is started with a value sees of it, as text, each time it is carried out. */
export interface WorkloadEvents {
	"workflow.input": { value: string };
}

/** Messages acknowledged to their sender leave this event. */
export interface ClientEvents {
	"message.acknowledged": { id: string; name: string };
}

/** What a crash left of a run: everything but the memory of the process that died. */
export interface Snapshot {
	readonly world: WorldState;
	readonly host: HostState;
	readonly stepRules: ReadonlyMap<string, StepRule>;
}

/** A place in a run where a crash leaves something new; valid until the listener returns. */
export interface RunCrashPoint extends CrashPoint {
	readonly world: World;
	readonly host: HostState;
	/** What the fault leaves, whose coordinate is this place. */
	snapshot(fault: Fault): Snapshot;
}

export interface ExecuteOptions {
	/** Virtual milliseconds after which a run is stopped that must have come to an end by then. */
	readonly untilMs?: number;
	/** Where the run goes on, in place of a beginning: the scenario's faults up to there have struck. */
	readonly from?: Snapshot;
	readonly onCrashPoint?: (point: RunCrashPoint) => void;
	/** How many of the latest writes of the disk a loss of power may take with it. */
	readonly unsynced?: number;
}

/** Limits of a run that is known to end: nothing the programs do takes longer. */
const DEFAULT_LIMITS = { untilMs: 400 * 86_400_000, maxEvents: 20_000 };

/** The one workflow of a run. */
export const WORKFLOW_ID = "workflow";

/**
 * Runs the scenario, from its beginning or from a snapshot of it.
 * @throws HarnessError when something left the world.
 */
export function execute(scenario: Scenario, program: Program, target: Target, options: ExecuteOptions = {}): Run {
	const { world, host, begin, limits, finish } = prepare(scenario, program, target, options);
	return finish(options.from === undefined ? world.run(begin, limits) : world.resume(() => host.recover(), limits));
}

/**
 * Runs the scenario from its beginning with every operation of storage carried out on a real driver too, which is opened for it
 * and removed after it. The run names the world's own disk as its storage: what judges it may run it again in other ways.
 * @throws HarnessError when something left the world, or when the driver does not answer.
 */
export async function executeOn(
	plugged: { readonly driver: PluggedDriver; readonly namespace: string },
	scenario: Scenario,
	program: Program,
	target: Target,
	options: Pick<ExecuteOptions, "untilMs"> = {},
): Promise<Run> {
	const session = new Session(plugged.driver, plugged.namespace);
	const storageOf = (world: World, claims: StorageClaims) => new PluggedStorage(world, WORKFLOW_ID, session, claims);
	const { world, begin, limits, finish } = prepare(scenario, program, target, options, storageOf);
	try {
		return finish(await world.runAwaiting(begin, limits));
	} finally {
		await session.end();
	}
}

interface Prepared {
	readonly world: World;
	readonly host: Host;
	readonly begin: () => void;
	readonly limits: Limits;
	readonly finish: (stop: Stop) => Run;
}

/** A world with a host in it, ready to run. */
function prepare(
	scenario: Scenario,
	program: Program,
	target: Target,
	options: ExecuteOptions,
	storageOf = (world: World, claims: StorageClaims): WorldStorage => target.storage.storage(world, WORKFLOW_ID, claims),
): Prepared {
	const { from, onCrashPoint } = options;
	const stepRules = new Map<string, StepRule>(from?.stepRules);
	const world: World = new World({
		seed: scenario.seed,
		faults: scenario.faults,
		latency: scenario.latency,
		inFlight: scenario.inFlight,
		...(scenario.schedule === undefined ? {} : { schedule: scenario.schedule }),
		...(from === undefined ? {} : { from: from.world }),
		...(options.unsynced === undefined ? {} : { unsynced: options.unsynced }),
		...(onCrashPoint === undefined
			? {}
			: {
					onCrashPoint: (point) => {
						const state = host.state();
						const snapshot = (fault: Fault): Snapshot => {
							const left = point.foresee(fault);
							const tasks = left.tasks.filter(({ name }) => outlives(name));
							return { world: { ...left, tasks }, host: state, stepRules: new Map(stepRules) };
						};
						onCrashPoint({ ...point, world, host: state, snapshot });
					},
				}),
	});
	const storage = storageOf(world, { atomicBatch: scenario.atomicBatch === true });
	const call: Call = (process, label, about) => world.call(process, label, about);
	const workload = workloadOf(program, { world, engine: target.engine, stepRules }, call);
	const host = new Host(world, target.engine, storage, scenario.hosting, workload, from?.host);
	const { inputs = [] } = program;
	world.onTask("send", (place) => {
		const { name, body } = inputs[place] as ProgramInput;
		const id = `m${place + 1}`;
		storage.queue.append(world.outside, { id, name, data: body, sentAt: EPOCH_MS + world.nowMs });
		world.note("message.acknowledged", { id, name } satisfies ClientEvents["message.acknowledged"]);
	});
	const limits = { untilMs: options.untilMs ?? DEFAULT_LIMITS.untilMs, maxEvents: DEFAULT_LIMITS.maxEvents };
	const begin = () => {
		host.start();
		inputs.forEach(({ atMs }, place) => {
			world.plan(atMs, "send", place);
		});
	};
	const finish = (stop: Stop): Run => ({
		scenario,
		target,
		program,
		history: world.history,
		outcome: host.conclude(stop),
		stop,
		revisited: host.revisited,
		queued: storage.queue.messages(),
		stepRules,
		fired: world.fired,
		endMs: world.nowMs,
		events: world.events,
		writes: world.writes,
		operations: world.operations,
		alarms: world.alarms,
		alternatives: world.alternatives,
		of: byKind(world.history),
	});
	return { world, host, begin, limits, finish };
}

/** Has something done in the outside world. */
export type Call = (process: Process, label: string, about: string | undefined) => Promise<number>;

/** What runs, as the engine gets it, told to the history by an observer. */
export function workloadOf(program: Program, observation: Observation, call: Call): Workload {
	const { engine, world } = observation;
	const { Loop, CriticalError, RollbackError } = engine.module;
	return {
		workflowId: WORKFLOW_ID,
		input: program.startedWith === undefined ? null : sample(program.startedWith),
		messages: program.inputs ?? [],
		workflow: (process) => (context, input) => {
			if (program.startedWith !== undefined)
				world.note("workflow.input", { value: render(input) } satisfies WorkloadEvents["workflow.input"]);
			return program.run(observe(context, observation), {
				Loop,
				CriticalError,
				RollbackError,
				call: (label, about) => call(process, label, about),
				delay: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
				nowMs: () => EPOCH_MS + world.nowMs,
				release: process.id === 1 ? 1 : 2,
			});
		},
	};
}

/**
 * The run that another one is when it came to the same state on another way: `history` tells of that way and then of what
 * followed here.
 */
export function alike(run: Run, scenario: Scenario, history: History, stepRules: Run["stepRules"]): Run {
	return {
		...run,
		scenario,
		history,
		stepRules,
		fired: new Set(scenario.faults.keys()),
		of: byKind(history),
	};
}

/** Finds the events of one kind, all kinds sorted at the first call. */
export function byKind(history: History): Run["of"] {
	let kinds: Map<string, HistoryEvent[]> | undefined;
	return (kind) => {
		kinds ??= groupByKind(history.events);
		return kinds.get(kind) ?? [];
	};
}

function groupByKind(events: readonly HistoryEvent[]): Map<string, HistoryEvent[]> {
	const kinds = new Map<string, HistoryEvent[]>();
	for (const event of events) append(kinds, event.kind, event);
	return kinds;
}
