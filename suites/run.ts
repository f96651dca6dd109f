/** Carries out a scenario on a target, and holds what happened for the properties to judge. */
import type { Engine } from "../drivers/engine/contract.ts";
import { Host, type Outcome } from "../drivers/engine/host.ts";
import { observe, type StepRule } from "../drivers/engine/observe.ts";
import type { StorageDriver } from "../drivers/storage/contract.ts";
import type { QueuedMessage } from "../drivers/storage/memory/queue.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { append } from "../sim/world/collections.ts";
import type { History, HistoryEvent } from "../sim/world/history.ts";
import { EPOCH_MS, type Stop, World } from "../sim/world/world.ts";
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
	/** The events of one kind, in order. */
	of(kind: string): readonly HistoryEvent[];
}

/** Messages acknowledged to their sender leave this event. */
export interface ClientEvents {
	"message.acknowledged": { id: string; name: string };
}

/** Limits of a run that is known to end: nothing the programs do takes longer. */
const DEFAULT_LIMITS = { untilMs: 400 * 86_400_000, maxEvents: 20_000 };

/** The one workflow of a run. */
const WORKFLOW_ID = "workflow";

/**
 * Runs the scenario. `untilMs` bounds virtual time, for runs that must come to an end by then.
 * @throws HarnessError when something left the world.
 */
export function execute(scenario: Scenario, program: Program, target: Target, untilMs = DEFAULT_LIMITS.untilMs): Run {
	const world = new World({
		seed: scenario.seed,
		faults: scenario.faults,
		latency: scenario.latency,
		inFlight: scenario.inFlight,
	});
	const storage = target.storage.storage(world, WORKFLOW_ID);
	const stepRules = new Map<string, StepRule>();
	const { Loop, CriticalError, RollbackError } = target.engine.module;
	const host = new Host(world, target.engine, storage, scenario.hosting, {
		workflowId: WORKFLOW_ID,
		input: null,
		workflow: (process) => (context) =>
			program.run(observe(context, { world, engine: target.engine, stepRules }), {
				Loop,
				CriticalError,
				RollbackError,
				call: (label, about) => world.call(process, label, about),
				delay: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
				nowMs: () => EPOCH_MS + world.nowMs,
				release: process.id === 1 ? 1 : 2,
			}),
	});
	const stop = world.run(
		() => {
			host.start();
			program.inputs?.forEach(({ atMs, name, body }, i) => {
				world.schedule(world.outside, atMs, () => {
					const id = `m${i + 1}`;
					storage.queue.append(world.outside, { id, name, data: body, sentAt: EPOCH_MS + world.nowMs });
					world.note("message.acknowledged", { id, name } satisfies ClientEvents["message.acknowledged"]);
				});
			});
		},
		{ untilMs, maxEvents: DEFAULT_LIMITS.maxEvents },
	);

	let kinds: Map<string, HistoryEvent[]> | undefined;
	return {
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
		of(kind) {
			kinds ??= groupByKind(world.history.events);
			return kinds.get(kind) ?? [];
		},
	};
}

function groupByKind(events: readonly HistoryEvent[]): Map<string, HistoryEvent[]> {
	const kinds = new Map<string, HistoryEvent[]>();
	for (const event of events) append(kinds, event.kind, event);
	return kinds;
}
