/**
 * What a crash leaves of a world: everything that is not the memory of a process. It is plain data apart from the disk's
 * shared trees, and as many worlds as wanted go on from it.
 */
import type { DiskImage } from "./disk.ts";
import type { Fault } from "./faults.ts";
import type { HistoryEvent } from "./history.ts";
import type { StreamStates } from "./random.ts";

/** An event of the outside: which task, and with what. */
export interface Task {
	readonly name: string;
	readonly argument: number;
}

export interface PendingTask extends Task {
	/** Virtual milliseconds since the start of the run. */
	readonly at: number;
	readonly tie: number;
	readonly sequence: number;
}

export interface WorldState {
	readonly nowMs: number;
	readonly events: number;
	readonly writes: number;
	readonly operations: number;
	readonly alarms: number;
	readonly sequence: number;
	readonly lives: number;
	readonly fired: ReadonlySet<number>;
	readonly streams: StreamStates;
	readonly image: DiskImage;
	/** How often each effect on the outside took place. */
	readonly counts: ReadonlyMap<string, number>;
	readonly tasks: readonly PendingTask[];
	readonly history: readonly HistoryEvent[];
}

/** A place in a run where a crash would leave what no crash before it left. */
export interface CrashPoint {
	readonly place:
		| { readonly write: number; readonly side: "before" | "after" }
		/** Before an event of the outside. */
		| { readonly event: number };
	/** The effect, or what is between events. */
	readonly what: string;
	/** Changes that a torn write may lose; 0 when it cannot be torn. */
	readonly mutations: number;
	/** Operations asked for and not yet carried out. */
	readonly inFlight: readonly string[];
	/** What is left when that fault, whose coordinate is this place, strikes. Valid until the listener returns. */
	foresee(fault: Fault): WorldState;
}
