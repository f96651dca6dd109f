/**
 * What code in a world finds in place of the runtime's globals, and what becomes of errors that it leaves to the runtime: they end
 * the process whose event is running, or, where that is the harness, the run.
 */
import { HarnessError } from "../harness-error.ts";
import { errorFact, type WorldEvents } from "../history.ts";
import { activeInterposer, type Interposer, placeSockets, type SimulatedSockets } from "../interpose.ts";
import type { Process } from "../process.ts";
import { drawUuid, type Streams } from "../random.ts";
import type { Timeline } from "../timeline.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Lives } from "./lives.ts";
import { Timer } from "./timer.ts";

/** Virtual time 0 on the wall clock. */
export const EPOCH_MS = Date.UTC(2030, 0, 1);

export class Runtime implements Interposer {
	readonly #timeline: Timeline;
	readonly #queue: EventQueue;
	readonly #lives: Lives;
	readonly #streams: Streams;
	#sockets: SimulatedSockets | undefined;
	/** Timers whose number was asked for. */
	readonly #timersById = new Map<number, Timer>();
	/** What ends the run with an error, once the event that caused it is drained. */
	#failure: { readonly error: unknown } | undefined;

	constructor(timeline: Timeline, queue: EventQueue, lives: Lives, streams: Streams) {
		this.#timeline = timeline;
		this.#queue = queue;
		this.#lives = lives;
		this.#streams = streams;
	}

	/** Gives the code of processes connections to each other, from now on. */
	provideSockets(sockets: SimulatedSockets): void {
		this.#sockets = sockets;
		if (activeInterposer() !== undefined) placeSockets(sockets);
	}

	sockets(): SimulatedSockets | undefined {
		return this.#sockets;
	}

	wallMs(): number {
		return EPOCH_MS + this.#timeline.nowMs;
	}

	monotonicMs(): number {
		return this.#timeline.nowMs;
	}

	uuid(): string {
		return drawUuid(this.#lives.current.alive ? this.#streams.stream("randomUUID") : () => 0);
	}

	random(): number {
		return this.#lives.current.alive ? this.#streams.stream("Math.random")() : 0;
	}

	setTimer(callback: () => void, delayMs: number, repeat: boolean): Timer {
		const owner = this.#lives.current;
		return new Timer(owner, callback, repeat, this.#timersById, (fire) => this.#queue.addTimer(owner, delayMs, fire));
	}

	setImmediate(callback: () => void): Timer {
		return this.setTimer(callback, 0, false);
	}

	timerById(id: number): Timer | undefined {
		return this.#timersById.get(id);
	}

	log(level: string, values: readonly unknown[]): void {
		const { current } = this.#lives;
		const text = values.map(logText).join(" ");
		// What a process still does in the event it died in never ran.
		if (current.alive) this.#timeline.tell("log", { level, text } satisfies WorldEvents["log"], current);
	}

	uncaughtException(error: unknown): void {
		this.uncaught(this.#lives.current, error);
	}

	uncaught(process: Process, error: unknown): void {
		if (error instanceof HarnessError) {
			this.escaped(error);
			return;
		}
		if (!process.alive) return;
		this.#timeline.tell("uncaught", { error: errorFact(error) }, process);
		if (process === this.#lives.outside) this.#fail(error);
		else this.#lives.crash(process, "uncaught exception");
	}

	unhandledRejection(reason: unknown): void {
		if (reason instanceof HarnessError) {
			this.escaped(reason);
			return;
		}
		// Node ends a process that leaves a rejection unhandled.
		const { current, outside } = this.#lives;
		if (!current.alive) return;
		this.#timeline.tell("unhandled", { error: errorFact(reason) }, current);
		if (current === outside) {
			this.#fail(new HarnessError("outside-rejection", `The harness left a rejection unhandled: ${reason}`));
		} else {
			this.#lives.crash(current, "unhandled rejection");
		}
	}

	escaped(error: HarnessError): void {
		this.#fail(error);
	}

	/** @throws what ends the run, if something does. */
	throwFailure(): void {
		if (this.#failure !== undefined) throw this.#failure.error;
	}

	/** The first failure is the one that counts. */
	#fail(error: unknown): void {
		this.#failure ??= { error };
	}
}

function logText(value: unknown): string {
	if (typeof value === "string") return value;
	if (value instanceof Error) return `${value.name}: ${value.message}`;
	try {
		return JSON.stringify(value) ?? String(value);
	} catch {
		return String(value);
	}
}
