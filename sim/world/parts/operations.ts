/**
 * I/O operations of processes: each takes its latency, takes place in one instant, and is answered, unless a planned fault delays or
 * refuses it, takes its answer away, or leaves it hanging. An operation may wait for something beyond the world; what it comes to is
 * then answered when the run is entered again.
 */
import { remove } from "../collections.ts";
import { type Latency, OperationError } from "../faults.ts";
import type { PendingOperation, Process } from "../process.ts";
import { drawInt, type Streams } from "../random.ts";
import type { Timeline } from "../timeline.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Strikes } from "./strikes.ts";

/** How operations begin that are calls into the outside world. */
const CALL = "call ";

/** The operation that a call into the outside world is. */
export function callOf(label: string): string {
	return `${CALL}${label}`;
}

export class Operations {
	readonly #timeline: Timeline;
	readonly #queue: EventQueue;
	readonly #strikes: Strikes;
	readonly #streams: Streams;
	readonly #latency: Latency;
	readonly #onHung: (process: Process) => void;
	/** What the running event waits for outside the world, in order, and the answers that it is given after that. */
	readonly #beyond: (() => Promise<void>)[] = [];
	#whenBack: (() => void)[] = [];

	/** @param onHung told of a process whose storage will not answer. */
	constructor(
		timeline: Timeline,
		queue: EventQueue,
		strikes: Strikes,
		streams: Streams,
		latency: Latency,
		onHung: (process: Process) => void,
	) {
		this.#timeline = timeline;
		this.#queue = queue;
		this.#strikes = strikes;
		this.#streams = streams;
		this.#latency = latency;
		this.#onHung = onHung;
	}

	operate<T>(process: Process, what: string, perform: () => T, answered?: (result: T) => T): Promise<T> {
		if (!process.alive) return new Promise(() => {});
		const latency = this.#latency;
		let delayMs = latency.maxMs === 0 ? 0 : this.#drawMs(latency.minMs, latency.maxMs);
		const operation = ++this.#timeline.operations;
		const planned = this.#strikes.planned.atOperation(operation);
		if (planned !== undefined) delayMs += this.#slowBy(planned, what);
		return new Promise<T>((resolve, reject) => {
			const pending: PendingOperation = { what, perform };
			process.inFlight.push(pending);
			if (planned !== undefined && this.#hangs(planned, operation, process, what)) return;
			const due = this.#queue.add(process, delayMs, () => {
				remove(process.inFlight, pending);
				let result: T;
				try {
					if (planned !== undefined) this.#refuse(planned, "refused", operation, process, what);
					result = perform();
					if (planned !== undefined && process.alive) this.#refuse(planned, "lost-ack", operation, process, what);
				} catch (error) {
					if (this.#beyond.length === 0) this.#answer(process, reject, error);
					else this.#whenBack.push(() => this.#answer(process, reject, error));
					return;
				}
				if (this.#beyond.length === 0) this.#answer(process, resolve, result);
				else this.#whenBack.push(() => this.#answerLate(process, resolve, reject, result, answered));
			});
			due.operation = true;
		});
	}

	/** Has the running event wait for something outside the world. */
	beyond(work: () => Promise<void>): void {
		this.#beyond.push(work);
	}

	/** Whether the running event waits for something outside the world. */
	get awaits(): boolean {
		return this.#beyond.length > 0;
	}

	/** Does what the running event waits for, one after the other. */
	async doAwaited(): Promise<void> {
		for (let work = this.#beyond.shift(); work !== undefined; work = this.#beyond.shift()) await work();
	}

	/** Takes the answers that were held back while the run was left. */
	takeAnswers(): readonly (() => void)[] {
		return this.#whenBack.splice(0);
	}

	/** Strikes the planned delays; virtual milliseconds in all. */
	#slowBy(planned: readonly number[], what: string): number {
		let ms = 0;
		for (const index of planned) {
			const fault = this.#strikes.planned.plan[index];
			if (fault?.kind !== "slow") continue;
			ms += fault.ms;
			this.#strikes.fire(index, what);
		}
		return ms;
	}

	/** Answers an operation with an error, where that is planned. */
	#refuse(
		planned: readonly number[],
		how: "refused" | "lost-ack",
		operation: number,
		process: Process,
		what: string,
	): void {
		for (const index of planned) {
			if (this.#strikes.planned.plan[index]?.kind !== how) continue;
			this.#strikes.fire(index, what);
			this.#timeline.tell("operation.failed", { operation, what, how, applied: how === "lost-ack" }, process);
			throw new OperationError(operation, what, how);
		}
	}

	/** Whether an operation is never answered. What is asked of the outside is not storage and may have its own timeout. */
	#hangs(planned: readonly number[], operation: number, process: Process, what: string): boolean {
		if (what.startsWith(CALL)) return false;
		const index = planned.find((index) => this.#strikes.planned.plan[index]?.kind === "hung");
		if (index === undefined) return false;
		this.#strikes.fire(index, what);
		this.#timeline.tell("operation.failed", { operation, what, how: "hung", applied: false }, process);
		this.#onHung(process);
		return true;
	}

	#drawMs(low: number, high: number): number {
		return drawInt(this.#streams.stream("latency"), low, high);
	}

	#answer<T>(process: Process, settle: (answer: T) => void, answer: T): void {
		if (!process.alive) return;
		const { answerMaxMs } = this.#latency;
		if (answerMaxMs === 0) settle(answer);
		else this.#queue.add(process, this.#drawMs(0, answerMaxMs), () => settle(answer));
	}

	/** Answers an operation that was carried out beyond the world, too. */
	#answerLate<T>(
		process: Process,
		resolve: (answer: T) => void,
		reject: (error: unknown) => void,
		result: T,
		answered: ((result: T) => T) | undefined,
	): void {
		if (!process.alive) return;
		let answer = result;
		try {
			if (answered !== undefined) answer = answered(result);
		} catch (error) {
			this.#answer(process, reject, error);
			return;
		}
		this.#answer(process, resolve, answer);
	}
}
