/** How far a run has come, in virtual time and in the coordinates of faults, and all that happened on the way. */
import { History, type WorldEvents } from "./history.ts";
import type { Process } from "./process.ts";

export class Timeline {
	/** Virtual milliseconds since the start of the run. */
	nowMs = 0;
	/** Events run, durable effects, operations, alarms and frames so far: the coordinates of faults. */
	events = 0;
	writes = 0;
	operations = 0;
	alarms = 0;
	frames = 0;
	readonly history = new History();

	/** Adds an event of the world's own to the history, also of a process that just died. */
	tell<K extends keyof WorldEvents>(kind: K, data: WorldEvents[K], process: Process): void {
		this.history.events.push({ at: this.nowMs, process: process.id, kind, data });
	}
}
