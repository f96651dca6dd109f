/** Every property of actors, by suite. */
import type { ActorProperty } from "./facts.ts";
import { LIFE } from "./life.ts";
import { QUEUE } from "./queue.ts";
import { STATE } from "./state.ts";
import { STEPS } from "./steps.ts";
import { TIMER } from "./timer.ts";

export const ACTOR_SUITES: ReadonlyMap<string, readonly ActorProperty[]> = new Map([
	["state", [...STATE, ...STEPS]],
	["queue", QUEUE],
	["timer", TIMER],
	["life", LIFE],
]);

export const ACTOR_PROPERTIES: readonly ActorProperty[] = [...ACTOR_SUITES.values()].flat();
