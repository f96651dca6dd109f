/**
 * What a storage driver is: the published `EngineDriver` surface, opened for one process life over storage that
 * outlives it.
 */
import type { EngineDriver } from "@rivetkit/workflow-engine";
import type { Process } from "../../sim/world/process.ts";
import type { World } from "../../sim/world/world.ts";
import type { DurableQueue } from "./memory/queue.ts";

export type { EngineDriver };

/** Storage of one workflow, inside a world. */
export interface Storage {
	/** The driver as one process life sees it. */
	open(process: Process): EngineDriver;
	/** The queue as clients and the host see it. */
	readonly queue: DurableQueue;
	/** The durable alarm, in wall-clock milliseconds, if one is set. */
	alarm(): number | undefined;
	/** Clears the alarm, by the host, as it goes off. */
	clearAlarm(): void;
}

export interface StorageDriver {
	readonly name: string;
	/** Makes or finds the storage of a workflow in that world. */
	storage(world: World, workflowId: string): Storage;
	/** What a key of a disk table holds, in a few words; `engineKey` reads the keys that the engine chose. */
	describeKey(table: string, key: string, engineKey: (key: string) => string): string;
}
