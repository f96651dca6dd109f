/**
 * A world: virtual time, seeded chance, processes that die, a disk that survives them, an outside that remembers, and
 * a history of it all. It knows nothing of workflows.
 *
 * The loop takes the next event due, runs it, drains every tick and microtask it caused, and only then takes another.
 * So a run is one synchronous call and a pure function of its options.
 */
import { Agenda, type Due } from "./agenda.ts";
import { remove } from "./collections.ts";
import { Disk, type DiskImage } from "./disk.ts";
import { describeFault, type FaultPlan, type Latency, NO_LATENCY, PlannedFaults } from "./faults.ts";
import { HarnessError } from "./harness-error.ts";
import { errorFact, History, type Mutation, type WorldEvents } from "./history.ts";
import { drain, type Interposer, interpose } from "./interpose.ts";
import { Outside } from "./outside.ts";
import { type PendingOperation, Process } from "./process.ts";
import { drawInt, drawUuid, type Stream, Streams } from "./random.ts";
import { Timer } from "./timer.ts";

export interface WorldOptions {
	/** Everything a run chooses by chance follows from it. */
	readonly seed: string;
	readonly faults?: FaultPlan;
	readonly latency?: Latency;
	/** What becomes of unanswered operations at a crash: all lost, or each one's fate drawn. */
	readonly inFlight?: "lost" | "drawn";
	/** What the disk holds at the start; empty by default. */
	readonly image?: DiskImage;
}

export interface Limits {
	/** Virtual milliseconds after which the run is stopped. */
	readonly untilMs: number;
	/** Events after which the run is stopped. */
	readonly maxEvents: number;
}

/** Why a run stopped: nothing left to do, or a limit reached. */
export type Stop = "quiescent" | "time-limit" | "event-limit";

/** Virtual time 0 on the wall clock. */
export const EPOCH_MS = Date.UTC(2030, 0, 1);

export class World {
	readonly random: Streams;
	readonly history = new History();
	readonly disk: Disk;
	readonly outside = new Process(0, "outside");
	/** Virtual milliseconds since the start of the run. */
	nowMs = 0;
	/** Events run, durable effects and operations so far: the coordinates of faults. */
	events = 0;
	writes = 0;
	operations = 0;
	/** Planned faults that struck, by their place in the plan. */
	readonly fired = new Set<number>();

	readonly #agenda = new Agenda();
	readonly #faults: PlannedFaults;
	readonly #latency: Latency;
	readonly #drawsInFlight: boolean;
	readonly #processes: Process[] = [];
	readonly #others = new Outside();
	readonly #crashListeners: ((process: Process) => void)[] = [];
	readonly #evictListeners: (() => boolean)[] = [];
	readonly #ties: Stream;
	readonly #timerSalt: number;
	/** Timers whose number was asked for. */
	readonly #timersById = new Map<number, Timer>();
	#sequence = 0;
	#current: Process = this.outside;
	/** What ends the run with an error, once the event that caused it is drained. */
	#failure: { readonly error: unknown } | undefined;

	constructor(options: WorldOptions) {
		this.random = new Streams(options.seed);
		this.#faults = new PlannedFaults(options.faults ?? []);
		this.#latency = options.latency ?? NO_LATENCY;
		this.#drawsInFlight = options.inFlight === "drawn";
		this.#ties = this.random.stream("ties");
		this.#timerSalt = Math.floor(this.#ties() * 0x1_0000_0000);
		this.disk = new Disk(
			(process, what, mutations, apply) => this.#durable(process, what, mutations, apply),
			options.image,
		);
	}

	/**
	 * Runs `begin` and then every event until nothing is left or a limit is reached. One call a world.
	 * @throws HarnessError when something left the world, or when entered from a promise job or another run.
	 */
	run(begin: () => void, limits: Limits): Stop {
		return interpose(this.#interposer(), () => {
			this.schedule(this.outside, 0, begin);
			return this.#loop(limits);
		});
	}

	/**
	 * Adds an event to the history, of the process whose event is running unless told otherwise. Kinds other than the
	 * world's own belong to the caller. What a process still does in the event it died in is not noted: it never ran.
	 */
	note(kind: string, data: unknown, process?: Process): void {
		if (process === undefined && !this.#current.alive) return;
		this.history.events.push({ at: this.nowMs, process: (process ?? this.#current).id, kind, data });
	}

	/** The process whose event is running; the outside between events. */
	get current(): Process {
		return this.#current;
	}

	/** Begins a new process life; `main` is its first event. */
	spawn(name: string, main: (process: Process) => void): Process {
		const process = new Process(this.#processes.length + 1, name);
		this.#processes.push(process);
		this.#own("process.start", { name }, process);
		this.schedule(process, 0, () => main(process));
		return process;
	}

	/** Ends a process life in good order: timers are dropped, nothing in flight is answered. */
	exit(process: Process, why: string): void {
		if (!process.alive) return;
		process.alive = false;
		this.#own("process.exit", { why }, process);
	}

	/** Ends a process life without warning. */
	crash(process: Process, why: string): void {
		if (!process.alive) return;
		process.alive = false;
		const pending = process.inFlight.splice(0);
		this.#own("process.crash", { why, inFlight: pending.map((operation) => operation.what) }, process);
		if (this.#drawsInFlight) {
			const fates = this.random.stream("in-flight");
			for (const operation of pending) if (fates() < 0.5) this.#applyLate(operation);
		}
		for (const listener of this.#crashListeners) listener(process);
	}

	onCrash(listener: (process: Process) => void): void {
		this.#crashListeners.push(listener);
	}

	/** Who carries out a planned eviction; returns whether there was anything to evict. */
	onEvict(listener: () => boolean): void {
		this.#evictListeners.push(listener);
	}

	/**
	 * Runs `run` as an event of the process, `delayMs` from now, unless the process is dead by then.
	 * @throws HarnessError for a delay that would turn time back.
	 */
	schedule(process: Process, delayMs: number, run: () => void, tie = this.#ties()): Due {
		if (!(delayMs >= 0)) {
			throw new HarnessError("delay", `An event was scheduled ${delayMs} ms from now; a delay is 0 or more.`);
		}
		const due: Due = { at: this.nowMs + delayMs, tie, sequence: this.#sequence++, process, run };
		this.#agenda.push(due);
		return due;
	}

	/**
	 * An I/O operation of a process: `perform` takes place after a latency, in one instant, and its result is the
	 * answer. It is never answered to a process that died meanwhile; whether it still takes place is a fate drawn
	 * at the crash. An error thrown by `perform` is the answer too.
	 */
	operate<T>(process: Process, what: string, perform: () => T): Promise<T> {
		if (!process.alive) return new Promise(() => {});
		const latency = this.#latency;
		let delayMs = latency.maxMs === 0 ? 0 : this.#drawMs(latency.minMs, latency.maxMs);
		const planned = this.#faults.atOperation(++this.operations);
		if (planned !== undefined) delayMs += this.#slowBy(planned, what);
		return new Promise<T>((resolve, reject) => {
			const pending: PendingOperation = { what, perform };
			process.inFlight.push(pending);
			this.schedule(process, delayMs, () => {
				remove(process.inFlight, pending);
				let result: T;
				try {
					result = perform();
				} catch (error) {
					this.#answer(process, reject, error);
					return;
				}
				this.#answer(process, resolve, result);
			});
		});
	}

	/**
	 * A call of a process into the outside world. `about` says what the effect concerns, for those who judge.
	 * Resolves to how often that label took effect so far, this time included.
	 */
	call(process: Process, label: string, about?: string): Promise<number> {
		return this.operate(process, `call ${label}`, () => {
			let occurrence = 0;
			this.#numbered(process, `effect ${label}`, (n) => {
				occurrence = this.#others.occur(label);
				this.#own("effect", { n, label, about, occurrence }, process);
			});
			return occurrence;
		});
	}

	/** Lives that have not ended. */
	living(): Process[] {
		return this.#processes.filter((process) => process.alive);
	}

	/** What the living still wait for: operations in flight and armed timers. */
	waits(): string[] {
		return this.living().flatMap((process) => [
			...process.inFlight.map((operation) => operation.what),
			...(process.timers > 0 ? [`${process.timers} armed timer${process.timers > 1 ? "s" : ""}`] : []),
		]);
	}

	/** Strikes the planned delays; virtual milliseconds in all. */
	#slowBy(planned: readonly number[], what: string): number {
		let ms = 0;
		for (const index of planned) {
			const fault = this.#faults.plan[index];
			if (fault?.kind !== "slow") continue;
			ms += fault.ms;
			this.#fire(index, what);
		}
		return ms;
	}

	#drawMs(low: number, high: number): number {
		return drawInt(this.random.stream("latency"), low, high);
	}

	#answer<T>(process: Process, settle: (answer: T) => void, answer: T): void {
		if (!process.alive) return;
		const { answerMaxMs } = this.#latency;
		if (answerMaxMs === 0) settle(answer);
		else this.schedule(process, this.#drawMs(0, answerMaxMs), () => settle(answer));
	}

	/** Lets an operation of a dead process take effect; whether it failed, nobody is left to hear. */
	#applyLate(operation: PendingOperation): void {
		try {
			operation.perform();
		} catch (error) {
			if (error instanceof HarnessError) throw error;
		}
	}

	#loop(limits: Limits): Stop {
		for (;;) {
			const due = this.#agenda.pop();
			if (due === undefined) return "quiescent";
			if (due.run === undefined || !due.process.alive) continue;
			if (due.at > limits.untilMs) return "time-limit";
			if (this.events >= limits.maxEvents) return "event-limit";
			this.events++;
			this.nowMs = due.at;
			this.#strikeBeforeEvent();
			if (!due.process.alive) continue;
			this.#current = due.process;
			const run = due.run;
			due.run = undefined;
			try {
				run();
			} catch (error) {
				this.#uncaught(due.process, error);
			}
			drain();
			this.#current = this.outside;
			if (this.#failure !== undefined) throw this.#failure.error;
		}
	}

	#strikeBeforeEvent(): void {
		const planned = this.#faults.atEvent(this.events);
		if (planned === undefined) return;
		for (const index of planned) {
			const fault = this.#faults.plan[index];
			if (fault?.kind === "crash") {
				const living = this.living();
				if (living.length === 0) continue;
				this.#fire(index, `between events, ${living.length} alive`);
				for (const process of living) this.crash(process, "planned");
			} else if (fault?.kind === "evict") {
				for (const evict of this.#evictListeners) if (evict()) this.#fire(index, "between events");
			}
		}
	}

	#durable(process: Process, what: string, mutations: readonly Mutation[], apply: () => void): boolean {
		return this.#numbered(process, what, (n) => {
			apply();
			this.#own("durable", { n, what, mutations }, process);
		});
	}

	/** The place where planned crashes strike: around each numbered durable effect. */
	#numbered(process: Process, what: string, apply: (n: number) => void): boolean {
		const n = ++this.writes;
		const planned = this.#faults.atWrite(n);
		if (planned === undefined) {
			apply(n);
			return process.alive;
		}
		if (this.#strike(planned, "before", process, what)) return false;
		apply(n);
		this.#strike(planned, "after", process, what);
		return process.alive;
	}

	#strike(planned: readonly number[], side: "before" | "after", process: Process, what: string): boolean {
		let struck = false;
		for (const index of planned) {
			const fault = this.#faults.plan[index];
			if (fault?.kind !== "crash" || !("side" in fault) || fault.side !== side) continue;
			// A write of the outside cannot fail; what can die of it is whoever lives then.
			const victims = process === this.outside ? this.living() : process.alive ? [process] : [];
			if (victims.length === 0) continue;
			this.#fire(index, what);
			for (const victim of victims) this.crash(victim, "planned");
			struck ||= !process.alive;
		}
		return struck;
	}

	#fire(index: number, window: string): void {
		const fault = this.#faults.plan[index];
		if (fault === undefined) return;
		this.fired.add(index);
		this.#own("fault", { index, kind: describeFault(fault), window }, this.outside);
	}

	#uncaught(process: Process, error: unknown): void {
		if (error instanceof HarnessError) {
			this.#fail(error);
			return;
		}
		if (!process.alive) return;
		this.#own("uncaught", { error: errorFact(error) }, process);
		if (process === this.outside) this.#fail(error);
		else this.crash(process, "uncaught exception");
	}

	/** The first failure is the one that counts. */
	#fail(error: unknown): void {
		this.#failure ??= { error };
	}

	#own<K extends keyof WorldEvents>(kind: K, data: WorldEvents[K], process: Process): void {
		this.history.events.push({ at: this.nowMs, process: process.id, kind, data });
	}

	/** Timers of one instant keep the order they were armed in, as in Node; only I/O around them is shuffled. */
	#timerTie(at: number): number {
		return ((Math.imul(at | 0, 0x9e3779b1) ^ this.#timerSalt) >>> 0) / 0x1_0000_0000;
	}

	#arm(callback: () => void, delayMs: number, repeat: boolean): Timer {
		const owner = this.#current;
		return new Timer(owner, callback, repeat, this.#timersById, (fire) =>
			this.schedule(owner, delayMs, fire, this.#timerTie(this.nowMs + delayMs)),
		);
	}

	#interposer(): Interposer {
		return {
			wallMs: () => EPOCH_MS + this.nowMs,
			monotonicMs: () => this.nowMs,
			uuid: () => drawUuid(this.random.stream("randomUUID")),
			random: () => this.random.stream("Math.random")(),
			setTimer: (callback, delayMs, repeat) => this.#arm(callback, delayMs, repeat),
			setImmediate: (callback) => this.#arm(callback, 0, false),
			timerById: (id) => this.#timersById.get(id),
			log: (level, values) =>
				this.note("log", { level, text: values.map(logText).join(" ") } satisfies WorldEvents["log"]),
			uncaughtException: (error) => this.#uncaught(this.#current, error),
			unhandledRejection: (reason) => {
				if (reason instanceof HarnessError) {
					this.#fail(reason);
					return;
				}
				// Node ends a process that leaves a rejection unhandled.
				const process = this.#current;
				this.#own("unhandled", { error: errorFact(reason) }, process);
				if (process === this.outside) {
					this.#fail(new HarnessError("outside-rejection", `The harness left a rejection unhandled: ${reason}`));
				} else {
					this.crash(process, "unhandled rejection");
				}
			},
			escaped: (error) => this.#fail(error),
		};
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
