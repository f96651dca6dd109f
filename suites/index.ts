/** Every suite with its properties, in the order in which they are reported. */
import * as life from "./life.ts";
import type { Property } from "./property.ts";
import * as queue from "./queue.ts";
import * as replay from "./replay.ts";
import * as steps from "./steps.ts";
import * as timers from "./timers.ts";

export const SUITES: ReadonlyMap<string, readonly Property[]> = new Map([
	["replay", [replay.sameOutcome, replay.everyStateRecovers, replay.pure, replay.parallelSafe]],
	["steps", [steps.committedOnce, steps.boundedAttempts, steps.backoff]],
	["queue", [queue.noLoss, queue.noDuplicate]],
	["timers", [timers.neverEarly]],
	["life", [life.noUnhandled, life.progress, life.evictResumes]],
]);

export const PROPERTIES: readonly Property[] = [...SUITES.values()].flat();
