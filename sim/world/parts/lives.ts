/**
 * Process lives: how they begin, how they end, and what becomes of what they had in flight when they end without warning. Nothing
 * here starts a process again; who hosts it does, and is told of every end.
 */
import { HarnessError } from "../harness-error.ts";
import { type PendingOperation, Process } from "../process.ts";
import type { Streams } from "../random.ts";
import type { Timeline } from "../timeline.ts";

export class Lives {
	readonly outside = new Process(0, "outside");
	/** The process whose event is running; the outside between events. */
	current: Process = this.outside;
	/** Lives begun so far, the ones before a snapshot included. */
	begun = 0;
	readonly #timeline: Timeline;
	readonly #streams: Streams;
	readonly #drawsInFlight: boolean;
	readonly #processes: Process[] = [];
	readonly #crashListeners: ((process: Process) => void)[] = [];
	readonly #exitListeners: ((process: Process) => void)[] = [];

	/** @param drawsInFlight whether the fate of an unanswered operation is drawn at a crash; else none takes effect. */
	constructor(timeline: Timeline, streams: Streams, drawsInFlight: boolean) {
		this.#timeline = timeline;
		this.#streams = streams;
		this.#drawsInFlight = drawsInFlight;
	}

	begin(name: string): Process {
		const process = new Process(++this.begun, name);
		this.#processes.push(process);
		this.#timeline.tell("process.start", { name }, process);
		return process;
	}

	exit(process: Process, why: string): void {
		if (!process.alive) return;
		process.alive = false;
		this.#timeline.tell("process.exit", { why }, process);
		for (const listener of this.#exitListeners) listener(process);
	}

	crash(process: Process, why: string, late?: readonly number[]): void {
		if (!process.alive) return;
		this.die(process, why, late);
		for (const listener of this.#crashListeners) listener(process);
	}

	/** As `crash`, without a word to anybody. */
	die(process: Process, why: string, late: readonly number[] | undefined): void {
		process.alive = false;
		const pending = process.inFlight.splice(0);
		this.#timeline.tell("process.crash", { why, inFlight: pending.map((operation) => operation.what) }, process);
		if (late !== undefined) {
			for (const place of late) applyLate(pending[place] as PendingOperation);
		} else if (this.#drawsInFlight) {
			const fates = this.#streams.stream("in-flight");
			for (const operation of pending) if (fates() < 0.5) applyLate(operation);
		}
	}

	onCrash(listener: (process: Process) => void): void {
		this.#crashListeners.push(listener);
	}

	onExit(listener: (process: Process) => void): void {
		this.#exitListeners.push(listener);
	}

	/** Lives that have not ended. */
	living(): Process[] {
		return this.#processes.filter((process) => process.alive);
	}

	/** Who dies of a crash around an effect of that process. One of the outside cannot fail; what can die of it is whoever lives then. */
	victimsOf(process: Process): Process[] {
		if (process === this.outside) return this.living();
		return process.alive ? [process] : [];
	}

	withId(id: number): Process | undefined {
		return this.#processes.find((process) => process.id === id);
	}

	/** What each of the living still waits for: operations in flight and armed timers. Who waits for nothing is left out. */
	waits(): string[] {
		return this.living().flatMap((process) => {
			const { timers } = process;
			const all = process.inFlight.map((operation) => operation.what);
			if (timers > 0) all.push(`${timers} armed timer${timers > 1 ? "s" : ""}`);
			return all.length === 0 ? [] : [`process ${process.id} for ${all.join(", ")}`];
		});
	}
}

/** Whether the operations in flight that are to take effect late are there. */
export function hasInFlight(victims: readonly Process[], late: readonly number[] | undefined): boolean {
	return late === undefined || victims.every(({ inFlight }) => late.every((place) => place < inFlight.length));
}

/** Lets an operation of a dead process take effect; whether it failed, nobody is left to hear. */
function applyLate(operation: PendingOperation): void {
	try {
		operation.perform();
	} catch (error) {
		if (error instanceof HarnessError) throw error;
	}
}
