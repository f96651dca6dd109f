/** Every property of runners and servers, by suite. */
import type { SubjectProperty } from "../subject.ts";
import { ackAfterApply, exactlyOnce, generation, index, noLoss, pruned } from "./commands.ts";
import { acked, demux, onceInOrder } from "./events.ts";
import type { CommandRun } from "./run.ts";
import { bounds, handshake, lost } from "./runners.ts";

export const COMMAND_SUITES: ReadonlyMap<string, readonly SubjectProperty<CommandRun>[]> = new Map([
	["command", [exactlyOnce, noLoss, ackAfterApply, pruned, generation, index]],
	["event", [onceInOrder, acked, demux]],
	["runner", [handshake, lost, bounds]],
]);

export const COMMAND_PROPERTIES: readonly SubjectProperty<CommandRun>[] = [...COMMAND_SUITES.values()].flat();
