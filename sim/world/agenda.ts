/**
 * What is due, and when: a binary heap ordered by virtual time, then by tie-break, then by the order of
 * scheduling. A cancelled entry stays in the heap with `run` undefined and is skipped when it comes up.
 */
import type { Process } from "./process.ts";
import type { Task } from "./state.ts";

export interface Due {
	/** Virtual milliseconds since the start of the run. */
	readonly at: number;
	/** Orders entries due at the same instant; drawn by seed, so that it is a choice of the schedule. */
	tie: number;
	readonly sequence: number;
	readonly process: Process;
	run: (() => void) | undefined;
	/** What it is, for an event of the outside that a snapshot can hold. */
	task: Task | undefined;
	/** Whether it carries out an operation, which may take longer than it is due. */
	operation: boolean;
	/** Whether it keeps its place among others of its kind that are due at the same instant, as timers do. */
	ordered: boolean;
}

/** An entry with every field in place, so that all entries have one shape. */
export function newDue(at: number, tie: number, sequence: number, process: Process, run: Due["run"]): Due {
	return { at, tie, sequence, process, run, task: undefined, operation: false, ordered: false };
}

export class Agenda {
	readonly #heap: Due[] = [];

	get size(): number {
		return this.#heap.length;
	}

	push(entry: Due): void {
		const heap = this.#heap;
		let i = heap.length;
		heap.push(entry);
		while (i > 0) {
			const parent = (i - 1) >> 1;
			const above = heap[parent] as Due;
			if (!before(entry, above)) break;
			heap[i] = above;
			i = parent;
		}
		heap[i] = entry;
	}

	pop(): Due | undefined {
		const heap = this.#heap;
		const first = heap[0];
		const last = heap.pop();
		if (first === undefined || last === undefined || first === last) return first;
		const size = heap.length;
		let i = 0;
		for (;;) {
			let child = 2 * i + 1;
			if (child >= size) break;
			if (child + 1 < size && before(heap[child + 1] as Due, heap[child] as Due)) child++;
			const below = heap[child] as Due;
			if (!before(below, last)) break;
			heap[i] = below;
			i = child;
		}
		heap[i] = last;
		return first;
	}

	/** The next entry that was not cancelled and whose process lives. */
	popLive(): Due | undefined {
		for (;;) {
			const due = this.pop();
			if (due === undefined || (due.run !== undefined && due.process.alive)) return due;
		}
	}

	/**
	 * The entry that `choose` picks by place, oldest first; asked only when there is a choice. To choose from are the
	 * operations pending and, of everything else, what is due first: an operation may take until then, if not longer than
	 * `patienceMs`.
	 */
	popChosen(choose: (count: number) => number, patienceMs: number): Due | undefined {
		const first = this.popLive();
		if (first === undefined) return undefined;
		const near = [first];
		for (let next = this.popLive(); next !== undefined; next = this.popLive()) {
			near.push(next);
			if (next.at > first.at + patienceMs) break;
		}
		const other = near.find(({ operation }) => !operation);
		const ordered = near.find((entry) => entry.ordered);
		const eligible = near.filter((entry) => {
			if (entry.at > first.at + (first.operation ? patienceMs : 0)) return false;
			if (entry.operation) return entry.at <= (other?.at ?? entry.at);
			return entry.at === other?.at && (!entry.ordered || entry === ordered);
		});
		const chosen = eligible.length > 1 ? eligible[choose(eligible.length)] : first;
		for (const entry of near) if (entry !== chosen) this.push(entry);
		return chosen;
	}

	/** Entries still to run, in no particular order. */
	pending(): Due[] {
		return this.#heap.filter((entry) => entry.run !== undefined && entry.process.alive);
	}
}

function before(a: Due, b: Due): boolean {
	if (a.at !== b.at) return a.at < b.at;
	if (a.tie !== b.tie) return a.tie < b.tie;
	return a.sequence < b.sequence;
}
