/**
 * What a storage driver is: the published `EngineDriver` surface, opened for one process life over storage that
 * outlives it.
 */
import type { EngineDriver } from "@rivetkit/workflow-engine";
import type { Process } from "../../sim/world/process.ts";
import type { World } from "../../sim/world/world.ts";
import type { DurableQueue } from "./memory/queue.ts";

export type { EngineDriver };

/** Storage of one workflow, as its host uses it. */
export interface Storage {
	/** The driver as one process life sees it. */
	open(process: Process): EngineDriver;
	/** The queue as the host sees it. */
	readonly queue: Pick<DurableQueue, "watch" | "has" | "awaited" | "waitsOf">;
	/** The durable alarm, in wall-clock milliseconds, if one is set. */
	alarm(): number | undefined;
	/** Clears the alarm, by the host, as it goes off. */
	clearAlarm(): void;
}

/** Storage of one workflow, inside a world. */
export interface WorldStorage extends Storage {
	/** The queue as clients see it, too. */
	readonly queue: DurableQueue;
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

/** Plain data that the bytes under a key hold; undefined when they are not what is stored there. */
export type ReadValue = (key: string, value: Uint8Array) => unknown;

export interface StorageDriver {
	readonly name: string;
	/** Makes or finds the storage of a workflow in that world. */
	storage(world: World, workflowId: string, claims?: StorageClaims): WorldStorage;
	/** What a key of a disk table holds, in a few words; `engineKey` reads the keys that the engine chose. */
	describeKey(table: string, key: string, engineKey: (key: string) => string): string;
	/** What the bytes under a key of a table hold, as plain data, for reports; `engineValue` reads what the engine stored. */
	describeValue?(table: string, key: string, value: Uint8Array, engineValue: ReadValue): unknown;
}

/** How far a kind of promise reaches; a driver says what it claims, and each claim is tested both ways. */
export interface DriverClaims {
	/** Whether a batch applies as one unit: never promised, for batches within `limits`, or at any size. */
	readonly atomicBatch: "none" | "within-limits" | "always";
	/** What an acknowledged operation survives: nothing but a close, the death of the process, or of the machine. */
	readonly durability: "memory" | "process-crash" | "power-loss";
	/** What is beyond these is refused whole, with the limit in the error. Absent: as far as the driver goes, untold. */
	readonly limits?: {
		readonly batchEntries?: number;
		readonly batchBytes?: number;
		readonly keyBytes?: number;
		readonly valueBytes?: number;
	};
	/** Whether an alarm is kept, and survives what `durability` survives. */
	readonly alarms: "none" | "volatile" | "durable";
	/** Whether messages are kept, and survive what `durability` survives. */
	readonly messages: "none" | "volatile" | "durable";
	/** Who may have one namespace open at a time. */
	readonly concurrency: "one-process" | "many-processes";
}

/** What a driver that claims nothing is held to. */
export const WEAKEST_CLAIMS: DriverClaims = {
	atomicBatch: "none",
	durability: "memory",
	alarms: "volatile",
	messages: "volatile",
	concurrency: "one-process",
};

/** One opened namespace of a storage driver. */
export interface OpenedStorage {
	/** What the engine is given. */
	readonly driver: EngineDriver;
	/** The alarm that is set, in wall-clock milliseconds; absent where the driver cannot tell. */
	alarm?(workflowId: string): Promise<number | undefined>;
	/** Ends it in good order; what was acknowledged is then in the namespace. */
	close?(): Promise<void>;
}

/**
 * A storage driver as its author plugs it in. The default export of the module named on the command line: this, a plain
 * `EngineDriver`, or a function that makes one; the latter two are held to `WEAKEST_CLAIMS`.
 */
export interface PluggedDriver {
	readonly name: string;
	readonly claims?: Partial<DriverClaims>;
	/** Why it cannot run here, e.g. that its server does not answer; undefined when it can. */
	unavailable?(): Promise<string | undefined>;
	/**
	 * Opens a namespace, empty when it is new. A namespace is a name of letters, digits and dashes, of one workflow's host; opened
	 * anew after a close or a crash, also in another process, it has what its durability claims.
	 */
	open(namespace: string): Promise<OpenedStorage> | OpenedStorage;
	/** Removes a namespace and all in it. */
	destroy?(namespace: string): Promise<void>;
	/** Where a namespace's files are, for power loss below the file system; absent for what has none. */
	directory?(namespace: string): string;
}
