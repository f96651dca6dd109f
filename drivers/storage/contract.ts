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

/** What storage claims of itself in a scenario. */
export interface StorageClaims {
	/**
	 * Whether a batch is one indivisible unit, which the driver says with `atomicBatch`; then a batch beyond the limits is
	 * refused whole, and a torn write is not legal. Without it a batch is no promise: a torn write may leave any part.
	 */
	readonly atomicBatch: boolean;
}

export const NO_CLAIMS: StorageClaims = { atomicBatch: false };

/** The most entries of a batch, and bytes of its keys and values; what the published engine keeps to. */
export const MAX_BATCH_ENTRIES = 128;
export const MAX_BATCH_BYTES = 976 * 1024;

/** A batch that is beyond a limit of storage: it was refused whole. */
export class StorageLimitError extends Error {
	readonly code = "storage-limit";
	override readonly name = "StorageLimitError";
}

export interface StorageDriver {
	readonly name: string;
	/** Makes or finds the storage of a workflow in that world. */
	storage(world: World, workflowId: string, claims?: StorageClaims): Storage;
	/** What a key of a disk table holds, in a few words; `engineKey` reads the keys that the engine chose. */
	describeKey(table: string, key: string, engineKey: (key: string) => string): string;
}
