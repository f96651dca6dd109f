/** Events of the outside as data: a name and a number, so that a snapshot can hold those that are still to come. */
import { type Due, newDue } from "../agenda.ts";
import { HarnessError } from "../harness-error.ts";
import type { Process } from "../process.ts";
import type { PendingTask } from "../state.ts";
import type { EventQueue } from "./event-queue.ts";

export class Tasks {
	readonly #queue: EventQueue;
	readonly #outside: Process;
	readonly #does = new Map<string, (argument: number) => void>();

	constructor(queue: EventQueue, outside: Process) {
		this.#queue = queue;
		this.#outside = outside;
	}

	/** Says what a task of that name does. */
	on(name: string, run: (argument: number) => void): void {
		this.#does.set(name, run);
	}

	/** Puts a task in line, `delayMs` from now. @throws HarnessError for a delay that would turn time back. */
	plan(delayMs: number, name: string, argument: number): Due {
		const due = this.#queue.add(this.#outside, delayMs, () => this.#do(name, argument));
		due.task = { name, argument };
		return due;
	}

	/** Tasks that are still to be done, in order. One that was about to be done comes first. */
	pending(): PendingTask[] {
		const tasks: PendingTask[] = [];
		for (const { at, tie, sequence, task } of this.#queue.pending()) {
			if (task !== undefined) tasks.push({ ...task, at, tie, sequence });
		}
		tasks.sort((a, b) => a.at - b.at || a.tie - b.tie || a.sequence - b.sequence);
		const { running } = this.#queue;
		if (running?.run !== undefined && running.task !== undefined) {
			tasks.unshift({ ...running.task, at: running.at, tie: -1, sequence: running.sequence });
		}
		return tasks;
	}

	/** Puts the tasks of a snapshot in line where they were. */
	takeUp(tasks: readonly PendingTask[]): void {
		for (const { name, argument, at, tie, sequence } of tasks) {
			const due = newDue(at, tie, sequence, this.#outside, () => this.#do(name, argument));
			due.task = { name, argument };
			this.#queue.takeUp(due);
		}
	}

	#do(name: string, argument: number): void {
		const run = this.#does.get(name);
		if (run === undefined) throw new HarnessError("task", `Nobody said what the task "${name}" does.`);
		run(argument);
	}
}
