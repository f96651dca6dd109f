/**
 * A world: virtual time, seeded chance, processes that die, a disk that survives them, an outside that remembers, and
 * a history of it all. It knows nothing of workflows.
 *
 * The loop takes the next event due, runs it, drains every tick and microtask it caused, and only then takes another.
 * So a run is one synchronous call and a pure function of its options. What else a world does its `parts` do, each of
 * which keeps one decision to itself.
 */
import type { Due } from "./agenda.ts";
import { Disk, type DiskImage } from "./disk.ts";
import { type FaultPlan, type Intervention, type Latency, NO_LATENCY, type PlannedAlarm } from "./faults.ts";
import { HarnessError } from "./harness-error.ts";
import type { History } from "./history.ts";
import { drain, inMacrotask, interpose, type SimulatedSockets } from "./interpose.ts";
import { type CrashPointListener, CrashPoints } from "./parts/crash-points.ts";
import { DurableEffects } from "./parts/durable-effects.ts";
import { EventQueue } from "./parts/event-queue.ts";
import { Lives } from "./parts/lives.ts";
import { callOf, Operations } from "./parts/operations.ts";
import { Outside } from "./parts/outside.ts";
import { Runtime } from "./parts/runtime.ts";
import { Snapshots } from "./parts/snapshots.ts";
import { type NumberedFrame, Strikes } from "./parts/strikes.ts";
import { Tasks } from "./parts/tasks.ts";
import type { Process } from "./process.ts";
import { Streams } from "./random.ts";
import type { Schedule } from "./schedule.ts";
import type { WorldState } from "./state.ts";
import type { Struck, Surroundings } from "./surroundings.ts";
import { Timeline } from "./timeline.ts";

export { EPOCH_MS } from "./parts/runtime.ts";
export type { NumberedFrame };

export interface WorldOptions {
	/** Everything a run chooses by chance follows from it. */
	readonly seed: string;
	readonly faults?: FaultPlan;
	readonly latency?: Latency;
	/** What becomes of unanswered operations at a crash: all lost, or each one's fate drawn. */
	readonly inFlight?: "lost" | "drawn";
	readonly schedule?: Schedule;
	/** What the disk holds at the start; empty by default. */
	readonly image?: DiskImage;
	/** Where the run goes on, in place of a beginning. */
	readonly from?: WorldState;
	/** How many of the latest disk writes a foreseen loss of power can take with it. */
	readonly unsynced?: number;
	/** Called wherever a crash would leave something new; may ask `foresee` what that is, and change nothing. */
	readonly onCrashPoint?: CrashPointListener;
	/** How far the world has come, for one that does not run but is the model of processes that do: its keeper moves it on. */
	readonly timeline?: Timeline;
}

export interface Limits {
	/** Virtual milliseconds after which the run is stopped. */
	readonly untilMs: number;
	/** Events after which the run is stopped. */
	readonly maxEvents: number;
}

/** Why a run stopped: nothing left to do, or a limit reached. */
export type Stop = "quiescent" | "time-limit" | "event-limit";

/** Virtual milliseconds after which the watchdog of a host kills a process whose storage does not answer. */
const WATCHDOG_MS = 60_000;
const WATCHDOG = "watchdog";

/** An event waits for something outside the world. */
const AWAITS = "awaits";

/** @throws HarnessError when a run that cannot wait was to. */
function withoutWaiting(stop: Stop | typeof AWAITS): Stop {
	if (stop !== AWAITS) return stop;
	throw new HarnessError("awaits", "An event waits for something outside the world; only `runAwaiting` can.");
}

export class World implements Surroundings {
	readonly random: Streams;
	readonly history: History;
	readonly disk: Disk;
	readonly outside: Process;
	/** Planned faults that struck, by their place in the plan. */
	readonly fired: ReadonlySet<number>;
	/** At each instant with more than one event to choose from, how many there were; only with a schedule of choices. */
	readonly alternatives: readonly number[];

	readonly #timeline: Timeline;
	readonly #queue: EventQueue;
	readonly #tasks: Tasks;
	readonly #lives: Lives;
	readonly #strikes: Strikes;
	readonly #operations: Operations;
	readonly #effects: DurableEffects;
	readonly #crashPoints: CrashPoints | undefined;
	readonly #runtime: Runtime;
	/** What remains to be done at the end of the running event. */
	readonly #atEventEnd: (() => void)[] = [];

	constructor(options: WorldOptions) {
		const { seed, from } = options;
		if (from !== undefined && options.schedule !== undefined) {
			throw new HarnessError("snapshot", "A snapshot does not hold how far a schedule has come.");
		}
		const { timeline = new Timeline() } = options;
		const streams = new Streams(seed, from?.streams);
		const queue = new EventQueue(timeline, streams, from === undefined ? streams : new Streams(seed), options.schedule);
		const lives = new Lives(timeline, streams, options.inFlight === "drawn");
		const strikes = new Strikes(options.faults ?? [], timeline, lives);
		const tasks = new Tasks(queue, lives.outside);
		tasks.on(WATCHDOG, (id) => {
			const process = lives.withId(id);
			if (process !== undefined) lives.crash(process, "storage did not answer");
		});
		const disk = new Disk(
			(process, what, mutations, apply, legal) => this.#effects.write(process, what, mutations, apply, legal),
			from?.image ?? options.image,
			Math.max(strikes.planned.mostLost, options.unsynced ?? 0),
		);
		const others = new Outside();
		const snapshots = new Snapshots({ timeline, queue, tasks, lives, strikes, disk, others, streams });
		const { onCrashPoint, latency = NO_LATENCY } = options;
		const crashPoints =
			onCrashPoint === undefined ? undefined : new CrashPoints(onCrashPoint, timeline, lives, strikes, disk, snapshots);

		this.random = streams;
		this.history = timeline.history;
		this.disk = disk;
		this.outside = lives.outside;
		this.fired = strikes.fired;
		this.alternatives = queue.alternatives;
		this.#timeline = timeline;
		this.#queue = queue;
		this.#tasks = tasks;
		this.#lives = lives;
		this.#strikes = strikes;
		this.#operations = new Operations(timeline, queue, strikes, streams, latency, ({ id }) =>
			tasks.plan(WATCHDOG_MS, WATCHDOG, id),
		);
		this.#effects = new DurableEffects({
			...{ timeline, lives, strikes, disk, others, crashPoints },
			afterEvent: (run) => this.afterEvent(run),
		});
		this.#crashPoints = crashPoints;
		this.#runtime = new Runtime(timeline, queue, lives, streams);
		if (from !== undefined) snapshots.takeUp(from);
	}

	/** Virtual milliseconds since the start of the run. */
	get nowMs(): number {
		return this.#timeline.nowMs;
	}

	/** Events run so far; as with all that follow, the coordinates of faults are counted with it. */
	get events(): number {
		return this.#timeline.events;
	}

	/** Durable effects so far. */
	get writes(): number {
		return this.#timeline.writes;
	}

	get operations(): number {
		return this.#timeline.operations;
	}

	get alarms(): number {
		return this.#timeline.alarms;
	}

	get frames(): number {
		return this.#timeline.frames;
	}

	/** The process whose event is running; the outside between events. */
	get current(): Process {
		return this.#lives.current;
	}

	/**
	 * Runs `begin` and then every event until nothing is left or a limit is reached. One call a world.
	 * @throws HarnessError when something left the world, or when entered from a promise job or another run.
	 */
	run(begin: () => void, limits: Limits): Stop {
		return interpose(this.#runtime, () => {
			this.schedule(this.outside, 0, begin);
			return withoutWaiting(this.#loop(limits));
		});
	}

	/**
	 * As `run`, for a world whose events may wait for something real (`beyond`): the run is left for it, with the runtime's own
	 * globals in place, and entered again when it is done. In the world no time passes meanwhile and nothing else happens.
	 */
	async runAwaiting(begin: () => void, limits: Limits): Promise<Stop> {
		let enter = () => {
			this.schedule(this.outside, 0, begin);
			return this.#loop(limits);
		};
		for (;;) {
			const stop = await inMacrotask(() => interpose(this.#runtime, enter));
			if (stop !== AWAITS) return stop;
			await this.#operations.doAwaited();
			enter = () => {
				this.#comeBack();
				return this.#loop(limits);
			};
		}
	}

	/** As `run`, for a world made from a snapshot: `begin` is no event but what happens at the instant of the snapshot. */
	resume(begin: () => void, limits: Limits): Stop {
		return interpose(this.#runtime, () => {
			begin();
			return withoutWaiting(this.#loop(limits));
		});
	}

	/**
	 * Has the running event wait for something outside the world, one after the other. What goes wrong there is the caller's to
	 * keep; what is thrown ends the run.
	 */
	beyond(work: () => Promise<void>): void {
		this.#operations.beyond(work);
	}

	/**
	 * Adds an event to the history, of the process whose event is running unless told otherwise. Kinds other than the
	 * world's own belong to the caller. What a process still does in the event it died in is not noted: it never ran.
	 */
	note(kind: string, data: unknown, process = this.#lives.current): void {
		if (process.alive) this.history.events.push({ at: this.#timeline.nowMs, process: process.id, kind, data });
	}

	/** Begins a new process life; `main` is its first event. */
	spawn(name: string, main: (process: Process) => void): Process {
		const process = this.#lives.begin(name);
		this.schedule(process, 0, () => main(process));
		return process;
	}

	/** Ends a process life in good order: timers are dropped, nothing in flight is answered. */
	exit(process: Process, why: string): void {
		this.#lives.exit(process, why);
	}

	/** Ends a process life without warning. `late` names the operations in flight that still take effect. */
	crash(process: Process, why: string, late?: readonly number[]): void {
		this.#lives.crash(process, why, late);
	}

	onCrash(listener: (process: Process) => void): void {
		this.#lives.onCrash(listener);
	}

	/** Who is told of processes that end of their own will. */
	onExit(listener: (process: Process) => void): void {
		this.#lives.onExit(listener);
	}

	/** Lives that have not ended. */
	living(): Process[] {
		return this.#lives.living();
	}

	/** What each of the living still waits for: operations in flight and armed timers. Who waits for nothing is left out. */
	waits(): string[] {
		return this.#lives.waits();
	}

	/** Who carries out a planned intervention, at once or later, and then says so. What is not carried out has not struck. */
	onIntervention(listener: (intervention: Intervention, struck: Struck) => void): void {
		this.#strikes.onIntervention(listener);
	}

	/** Counts an alarm that the outside relies on. @returns what the plan does to it, for the outside to carry out. */
	alarm(): { readonly fault: PlannedAlarm; readonly struck: Struck } | undefined {
		return this.#strikes.atAlarm();
	}

	/** Counts a frame that a network is to carry. @returns its number, and what is planned to become of it. */
	frame(): NumberedFrame {
		return this.#strikes.atFrame();
	}

	/** Gives the code of processes connections to each other; without them, connecting is leaving the world. */
	provideSockets(sockets: SimulatedSockets): void {
		this.#runtime.provideSockets(sockets);
	}

	/** Does something when the running event is over and all that it caused has settled. */
	afterEvent(run: () => void): void {
		this.#atEventEnd.push(run);
	}

	/** Says what a task of that name does. Tasks are events of the outside as data, so that a snapshot can hold them. */
	onTask(name: string, run: (argument: number) => void): void {
		this.#tasks.on(name, run);
	}

	/** Has the outside do a task, `delayMs` from now. @throws HarnessError for a delay that would turn time back. */
	plan(delayMs: number, name: string, argument = 0): Due {
		return this.#tasks.plan(delayMs, name, argument);
	}

	/**
	 * Runs `run` as an event of the process, `delayMs` from now, unless the process is dead by then.
	 * @throws HarnessError for a delay that would turn time back.
	 */
	schedule(process: Process, delayMs: number, run: () => void): Due {
		return this.#queue.add(process, delayMs, run);
	}

	/**
	 * An I/O operation of a process: `perform` takes place after a latency, in one instant, and its result is the
	 * answer. It is never answered to a process that died meanwhile; whether it still takes place is a fate drawn
	 * at the crash. An error thrown by `perform` is the answer too.
	 *
	 * `perform` changes the disk and the outside and nothing else: where a crash is foreseen, it is carried out and undone.
	 * @param answered makes the answer of the result, once all is done that the event waits for beyond the world; what it throws
	 *   is the answer too.
	 */
	operate<T>(process: Process, what: string, perform: () => T, answered?: (result: T) => T): Promise<T> {
		return this.#operations.operate(process, what, perform, answered);
	}

	/**
	 * A call of a process into the outside world. `about` says what the effect concerns, for those who judge.
	 * Resolves to how often that label took effect so far, this time included.
	 */
	call(process: Process, label: string, about?: string): Promise<number> {
		return this.operate(process, callOf(label), () => this.effect(process, label, about));
	}

	/** Has a call take effect now. @returns how often that label took effect so far, this time included. */
	effect(process: Process, label: string, about?: string): number {
		return this.#effects.occur(process, label, about);
	}

	/** @returns `AWAITS` when an event waits for something outside the world. */
	#loop(limits: Limits): Stop | typeof AWAITS {
		const timeline = this.#timeline;
		const queue = this.#queue;
		const lives = this.#lives;
		for (;;) {
			if (this.#operations.awaits) return AWAITS;
			const due = queue.next();
			if (due === undefined) return "quiescent";
			if (due.run === undefined || !due.process.alive) continue;
			if (due.at > limits.untilMs) return "time-limit";
			if (timeline.events >= limits.maxEvents) return "event-limit";
			// What was overtaken happens late.
			timeline.nowMs = Math.max(timeline.nowMs, due.at);
			queue.running = due;
			this.#strikes.beforeEvent();
			// The strike may have ended the process, or whoever noticed may have cancelled what was due.
			if (due.run === undefined || !due.process.alive) continue;
			if (due.task !== undefined) this.#crashPoints?.offerEvent();
			timeline.events++;
			lives.current = due.process;
			const run = due.run;
			due.run = undefined;
			try {
				run();
			} catch (error) {
				this.#runtime.uncaught(due.process, error);
			}
			drain();
			lives.current = this.outside;
			this.#runtime.throwFailure();
			if (this.#operations.awaits) return AWAITS;
			if (this.#atEventEnd.length > 0) this.#endEvent();
		}
	}

	/** Goes on with the event that waited: its answers are given as if they had come at once. */
	#comeBack(): void {
		const process = this.#queue.running?.process ?? this.outside;
		this.#lives.current = process;
		for (const answer of this.#operations.takeAnswers()) {
			try {
				answer();
			} catch (error) {
				this.#runtime.uncaught(process, error);
			}
		}
		drain();
		this.#lives.current = this.outside;
		this.#runtime.throwFailure();
		// What it asks for now is waited for before the event is over.
		if (!this.#operations.awaits) this.#endEvent();
	}

	#endEvent(): void {
		for (const finish of this.#atEventEnd.splice(0)) finish();
	}
}
