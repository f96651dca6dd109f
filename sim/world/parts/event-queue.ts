/**
 * What comes next: events by virtual time, and among those due at one instant by a place that is drawn from the seed or that a
 * schedule decides. Every draw of a place happens here.
 */
import { Agenda, type Due, newDue } from "../agenda.ts";
import { HarnessError } from "../harness-error.ts";
import type { Process } from "../process.ts";
import type { Stream, Streams } from "../random.ts";
import type { Schedule } from "../schedule.ts";
import type { Timeline } from "../timeline.ts";

/** Virtual milliseconds by which a schedule of choices may keep an operation waiting. */
const PATIENCE_MS = 2_000;

const TIES = "ties";

export class EventQueue {
	/** At each instant with more than one event to choose from, how many there were; only with a schedule of choices. */
	readonly alternatives: number[] = [];
	/** Events scheduled so far. */
	sequence = 0;
	/** What is running now, or ran last. */
	running: Due | undefined;
	readonly #agenda = new Agenda();
	readonly #timeline: Timeline;
	readonly #streams: Streams;
	readonly #schedule: Schedule | undefined;
	readonly #timerSalt: number;
	/** Replaced with all streams when something foreseen is undone. */
	#ties: Stream;
	/** The place in line that the first event scheduled by the running one gets; only with a schedule of priorities. */
	#inherited: number | undefined;

	/** @param beginning the streams of the seed as they are at the beginning of a run, also where this one goes on from later. */
	constructor(timeline: Timeline, streams: Streams, beginning: Streams, schedule: Schedule | undefined) {
		this.#timeline = timeline;
		this.#streams = streams;
		this.#schedule = schedule;
		this.#timerSalt = Math.floor(beginning.stream(TIES)() * 0x1_0000_0000);
		this.#ties = streams.stream(TIES);
	}

	/**
	 * Puts an event of the process in line, `delayMs` from now.
	 * @param tie its place among what is due at that instant, where that is not to be drawn.
	 * @throws HarnessError for a delay that would turn time back.
	 */
	add(process: Process, delayMs: number, run: () => void, tie?: number): Due {
		if (!(delayMs >= 0)) {
			throw new HarnessError("delay", `An event was scheduled ${delayMs} ms from now; a delay is 0 or more.`);
		}
		const at = this.#timeline.nowMs + delayMs;
		// What a process still asks for in the event it died in was never asked for.
		const due = process.alive
			? newDue(at, tie ?? this.#tie(), this.sequence++, process, run)
			: newDue(at, 0, -1, process, undefined);
		if (process.alive) this.#agenda.push(due);
		return due;
	}

	/** Puts the firing of a timer in line. Timers of one instant keep the order they were armed in, as in Node; only I/O around them is shuffled. */
	addTimer(process: Process, delayMs: number, fire: () => void): Due {
		const at = this.#timeline.nowMs + delayMs;
		const tie = ((Math.imul(at | 0, 0x9e3779b1) ^ this.#timerSalt) >>> 0) / 0x1_0000_0000;
		const due = this.add(process, delayMs, fire, tie);
		due.ordered = true;
		return due;
	}

	/** Puts in line what was in line when a snapshot was taken. */
	takeUp(due: Due): void {
		this.#agenda.push(due);
	}

	/** What is due next, cancelled or not; undefined when nothing is left. */
	next(): Due | undefined {
		return this.#schedule === undefined ? this.#agenda.pop() : this.#nextBy(this.#schedule);
	}

	/** Entries still to run, in no particular order. */
	pending(): Due[] {
		return this.#agenda.pending();
	}

	/** Draws from the streams as they are now, after they were put back to where they stood. */
	streamsRestored(): void {
		this.#ties = this.#streams.stream(TIES);
	}

	#nextBy(schedule: Schedule): Due | undefined {
		if (schedule.kind === "choices") {
			return this.#agenda.popChosen((count) => this.#choose(schedule.choices, count), PATIENCE_MS);
		}
		const due = this.#agenda.popLive();
		if (due === undefined) return undefined;
		const change = schedule.changes.indexOf(this.#timeline.events + 1);
		// A chain that has fallen behind already stays where it is.
		if (change >= 0 && due.tie < 1 && due.task === undefined) {
			due.tie = 1 + change;
			this.#agenda.push(due);
			// The places of the other changes stay what they are: each puts its chain behind those before it.
			return this.#nextBy({ kind: "priorities", changes: schedule.changes.with(change, 0) });
		}
		this.#inherited = due.tie;
		return due;
	}

	#choose(choices: readonly number[], count: number): number {
		const choice = choices[this.alternatives.length] ?? 0;
		this.alternatives.push(count);
		return Math.min(choice, count - 1);
	}

	/** The place in line among what is due at the same instant. */
	#tie(): number {
		if (this.#schedule === undefined) return this.#ties();
		if (this.#schedule.kind === "choices") return 0;
		const tie = this.#inherited ?? this.#ties();
		this.#inherited = undefined;
		return tie;
	}
}
