/** Every suite with its properties, in the order in which they are reported. */
import * as branches from "./branches.ts";
import * as compensation from "./compensation.ts";
import * as control from "./control.ts";
import { durableCost } from "./cost.ts";
import * as durability from "./durability.ts";
import * as durations from "./durations.ts";
import * as evolution from "./evolution.ts";
import * as life from "./life.ts";
import * as operators from "./operators.ts";
import * as parity from "./parity.ts";
import type { Property } from "./property.ts";
import * as queue from "./queue.ts";
import * as replay from "./replay.ts";
import * as steps from "./steps.ts";
import * as timers from "./timers.ts";
import { versionUpgrade } from "./upgrade.ts";
import * as values from "./values.ts";

export const SUITES: ReadonlyMap<string, readonly Property[]> = new Map([
	["replay", [replay.sameOutcome, replay.everyStateRecovers, replay.pure, replay.parallelSafe]],
	["values", [values.valuesRoundTrip, values.isolatedValues, values.names]],
	["evolution", [evolution.divergenceDetected, evolution.removed, evolution.pinned]],
	[
		"steps",
		[
			steps.committedOnce,
			steps.boundedAttempts,
			steps.terminalSticks,
			steps.backoff,
			steps.timeout,
			steps.errorRecorded,
			steps.ephemeral,
			steps.oneAtATime,
		],
	],
	[
		"queue",
		[
			queue.noLoss,
			queue.noDuplicate,
			queue.fifo,
			queue.completeOnce,
			queue.completeBeforeNext,
			queue.timeout,
			queue.batch,
			queue.wakes,
		],
	],
	["timers", [timers.neverEarly, timers.deadlineFixed, timers.fires, durations.extremes]],
	["branches", [branches.joinAll, branches.oneWinner, branches.losersClean]],
	["control", [control.loopState, control.loopPruning, control.tryCatches]],
	["compensation", [compensation.rollbackOrder, compensation.rollbackOnce, compensation.rollbackCheckpoint]],
	[
		"durability",
		[durability.refusedWrite, durability.lostAck, durability.tornBatch, durability.limits, durability.corruption],
	],
	[
		"life",
		[
			...[life.noUnhandled, life.progress, life.noLeak, life.evictResumes],
			...[operators.cancelSticks, operators.recoverRestarts, operators.replayFromClean],
		],
	],
]);

export const PROPERTIES: readonly Property[] = [...SUITES.values()].flat();

/** What is asked besides of runs on a real driver, and of those in real processes. */
export const ON_DRIVER: readonly Property[] = [parity.sameAnswers];
export const IN_PROCESSES: readonly Property[] = [parity.survivesKills, parity.sameAnswers, parity.sameEnd];

/** What takes several versions or programs beside each other to judge, and no seed can break: `pnpm sim matrix` does. */
export const COMPARISONS: readonly Pick<Property, "id" | "claim" | "source" | "mutants">[] = [
	versionUpgrade,
	durableCost,
];
