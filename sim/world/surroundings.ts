/**
 * What a host finds around it: time, process lives, events to come, and a history to tell. A world gives it in virtual time;
 * a real process gives it in real time (`sim/real`). Hosts and observers are written against this, so that both run the same.
 */
import type { Due } from "./agenda.ts";
import type { Intervention, PlannedAlarm } from "./faults.ts";
import type { Process } from "./process.ts";

/** Called when a fault has struck, with what it struck. */
export type Struck = (window: string) => void;

export interface Surroundings {
	/** Milliseconds since the start of the run. */
	readonly nowMs: number;
	readonly outside: Process;
	/** Adds an event to the history, of the process whose event is running unless told otherwise. */
	note(kind: string, data: unknown, process?: Process): void;
	/** Begins a new process life; `main` is its first event. */
	spawn(name: string, main: (process: Process) => void): Process;
	/** Ends a process life in good order. */
	exit(process: Process, why: string): void;
	/** Ends a process life without warning. */
	crash(process: Process, why: string): void;
	onCrash(listener: (process: Process) => void): void;
	/** Runs `run` as an event of the process, `delayMs` from now, unless the process is dead by then. */
	schedule(process: Process, delayMs: number, run: () => void): Due;
	/** Says what a task of the outside of that name does. */
	onTask(name: string, run: (argument: number) => void): void;
	/** Has the outside do a task, `delayMs` from now. */
	plan(delayMs: number, name: string, argument?: number): Due;
	/** Does something when the running event is over and all that it caused has settled. */
	afterEvent(run: () => void): void;
	/** Counts an alarm that the outside relies on. @returns what is planned to become of it. */
	alarm(): { readonly fault: PlannedAlarm; readonly struck: Struck } | undefined;
	/** Who carries out what operators ask, and then says so. */
	onIntervention(listener: (intervention: Intervention, struck: Struck) => void): void;
	/** What the living still wait for. */
	waits(): string[];
}
