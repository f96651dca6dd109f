/**
 * A world: virtual time, seeded chance, processes that die, a disk that survives them, an outside that remembers, and
 * a history of it all. It knows nothing of workflows.
 *
 * The loop takes the next event due, runs it, drains every tick and microtask it caused, and only then takes another.
 * So a run is one synchronous call and a pure function of its options.
 */
import { Agenda, type Due, newDue } from "./agenda.ts";
import { remove } from "./collections.ts";
import { Disk, type DiskImage } from "./disk.ts";
import {
	describeFault,
	type Fault,
	type FaultPlan,
	type FrameFault,
	type Intervention,
	isIntervention,
	type Latency,
	type MediumFault,
	NO_LATENCY,
	OperationError,
	type PlannedAlarm,
	PlannedFaults,
	type WriteFault,
} from "./faults.ts";
import { HarnessError } from "./harness-error.ts";
import { errorFact, History, type Mutation, type WorldEvents } from "./history.ts";
import {
	activeInterposer,
	drain,
	type Interposer,
	inMacrotask,
	interpose,
	placeSockets,
	type SimulatedSockets,
} from "./interpose.ts";
import { Outside } from "./outside.ts";
import { type PendingOperation, Process } from "./process.ts";
import { drawInt, drawUuid, type Stream, Streams } from "./random.ts";
import type { Schedule } from "./schedule.ts";
import type { CrashPoint, PendingTask, WorldState } from "./state.ts";
import type { Struck, Surroundings } from "./surroundings.ts";
import { Timer } from "./timer.ts";

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
	readonly onCrashPoint?: (point: CrashPoint) => void;
}

export interface Limits {
	/** Virtual milliseconds after which the run is stopped. */
	readonly untilMs: number;
	/** Events after which the run is stopped. */
	readonly maxEvents: number;
}

/** Why a run stopped: nothing left to do, or a limit reached. */
export type Stop = "quiescent" | "time-limit" | "event-limit";

/** A frame that a network carries, with the faults planned for it. */
export interface NumberedFrame {
	/** Counted through the whole run, from 1. */
	readonly number: number;
	readonly faults: readonly { readonly fault: FrameFault; readonly struck: Struck }[];
}

const NO_FAULTS: NumberedFrame["faults"] = [];

/** Virtual milliseconds by which a schedule of choices may keep an operation waiting. */
const PATIENCE_MS = 2_000;

/** Virtual milliseconds after which the watchdog of a host kills a process whose storage does not answer. */
const WATCHDOG_MS = 60_000;
const WATCHDOG = "watchdog";

/** How operations begin that are calls into the outside world. */
const CALL = "call ";

/** Characters of a key that tell the kind of thing stored under it. */
const KIND_LENGTH = 2;

/** An event waits for something outside the world. */
const AWAITS = "awaits";

/** @throws HarnessError when a run that cannot wait was to. */
function withoutWaiting(stop: Stop | typeof AWAITS): Stop {
	if (stop !== AWAITS) return stop;
	throw new HarnessError("awaits", "An event waits for something outside the world; only `runAwaiting` can.");
}

/** Virtual time 0 on the wall clock. */
export const EPOCH_MS = Date.UTC(2030, 0, 1);

export class World implements Surroundings {
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
	alarms = 0;
	frames = 0;
	/** Planned faults that struck, by their place in the plan. */
	readonly fired = new Set<number>();

	#sockets: SimulatedSockets | undefined;
	readonly #agenda = new Agenda();
	readonly #faults: PlannedFaults;
	readonly #latency: Latency;
	readonly #drawsInFlight: boolean;
	readonly #processes: Process[] = [];
	/** Lives begun so far, the ones before a snapshot included. */
	#lives = 0;
	readonly #others = new Outside();
	readonly #crashListeners: ((process: Process) => void)[] = [];
	readonly #exitListeners: ((process: Process) => void)[] = [];
	readonly #interventionListeners: ((intervention: Intervention, struck: Struck) => void)[] = [];
	readonly #tasks = new Map<string, (argument: number) => void>();
	readonly #onCrashPoint: ((point: CrashPoint) => void) | undefined;
	readonly #schedule: Schedule | undefined;
	/** At each instant with more than one event to choose from, how many there were; only with a schedule of choices. */
	readonly alternatives: number[] = [];
	/** Replaced with all streams when something foreseen is undone. */
	#ties: Stream;
	readonly #timerSalt: number;
	/** Timers whose number was asked for. */
	readonly #timersById = new Map<number, Timer>();
	#sequence = 0;
	#current: Process = this.outside;
	/** What is running now. */
	#due: Due | undefined;
	/** The place in line that the first event scheduled by the running one gets; only with a schedule of priorities. */
	#inherited: number | undefined;
	/** What remains to be done at the end of the running event. */
	readonly #atEventEnd: (() => void)[] = [];
	/** What the running event waits for outside the world, in order, and the answers that it is given after that. */
	#beyond: (() => Promise<void>)[] = [];
	#whenBack: (() => void)[] = [];
	/** What ends the run with an error, once the event that caused it is drained. */
	#failure: { readonly error: unknown } | undefined;

	constructor(options: WorldOptions) {
		const { from } = options;
		if (from !== undefined && options.schedule !== undefined) {
			throw new HarnessError("snapshot", "A snapshot does not hold how far a schedule has come.");
		}
		this.random = new Streams(options.seed, from?.streams);
		this.#faults = new PlannedFaults(options.faults ?? []);
		this.#latency = options.latency ?? NO_LATENCY;
		this.#drawsInFlight = options.inFlight === "drawn";
		this.#schedule = options.schedule;
		this.#onCrashPoint = options.onCrashPoint;
		// The first tie of the seed, also where the run goes on from later ones.
		const ties = from === undefined ? this.random : new Streams(options.seed);
		this.#timerSalt = Math.floor(ties.stream("ties")() * 0x1_0000_0000);
		this.disk = new Disk(
			(process, what, mutations, apply, legal) => this.#durable(process, what, mutations, apply, legal),
			from?.image ?? options.image,
			Math.max(this.#faults.mostLost, options.unsynced ?? 0),
		);
		this.onTask(WATCHDOG, (id) => {
			const process = this.#processes.find((candidate) => candidate.id === id);
			if (process !== undefined) this.crash(process, "storage did not answer");
		});
		if (from !== undefined) this.#resumeFrom(from);
		this.#ties = this.random.stream("ties");
	}

	/**
	 * Runs `begin` and then every event until nothing is left or a limit is reached. One call a world.
	 * @throws HarnessError when something left the world, or when entered from a promise job or another run.
	 */
	run(begin: () => void, limits: Limits): Stop {
		return interpose(this.#interposer(), () => {
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
			const stop = await inMacrotask(() => interpose(this.#interposer(), enter));
			if (stop !== AWAITS) return stop;
			for (let work = this.#beyond.shift(); work !== undefined; work = this.#beyond.shift()) await work();
			enter = () => {
				this.#comeBack();
				return this.#loop(limits);
			};
		}
	}

	/** As `run`, for a world made from a snapshot: `begin` is no event but what happens at the instant of the snapshot. */
	resume(begin: () => void, limits: Limits): Stop {
		return interpose(this.#interposer(), () => {
			begin();
			return withoutWaiting(this.#loop(limits));
		});
	}

	/**
	 * Has the running event wait for something outside the world, one after the other. What goes wrong there is the caller's to
	 * keep; what is thrown ends the run.
	 */
	beyond(work: () => Promise<void>): void {
		this.#beyond.push(work);
	}

	/**
	 * Adds an event to the history, of the process whose event is running unless told otherwise. Kinds other than the
	 * world's own belong to the caller. What a process still does in the event it died in is not noted: it never ran.
	 */
	note(kind: string, data: unknown, process = this.#current): void {
		if (process.alive) this.history.events.push({ at: this.nowMs, process: process.id, kind, data });
	}

	/** The process whose event is running; the outside between events. */
	get current(): Process {
		return this.#current;
	}

	/** Begins a new process life; `main` is its first event. */
	spawn(name: string, main: (process: Process) => void): Process {
		const process = new Process(++this.#lives, name);
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
		for (const listener of this.#exitListeners) listener(process);
	}

	/** Ends a process life without warning. `late` names the operations in flight that still take effect. */
	crash(process: Process, why: string, late?: readonly number[]): void {
		if (!process.alive) return;
		this.#die(process, why, late);
		for (const listener of this.#crashListeners) listener(process);
	}

	onCrash(listener: (process: Process) => void): void {
		this.#crashListeners.push(listener);
	}

	/** Who is told of processes that end of their own will. */
	onExit(listener: (process: Process) => void): void {
		this.#exitListeners.push(listener);
	}

	/** Who carries out a planned intervention, at once or later, and then says so. What is not carried out has not struck. */
	onIntervention(listener: (intervention: Intervention, struck: Struck) => void): void {
		this.#interventionListeners.push(listener);
	}

	/** Counts an alarm that the outside relies on. @returns what the plan does to it, for the outside to carry out. */
	alarm(): { readonly fault: PlannedAlarm; readonly struck: Struck } | undefined {
		for (const index of this.#faults.atAlarm(++this.alarms) ?? []) {
			const fault = this.#faults.plan[index];
			if (fault?.kind === "alarm") return { fault, struck: this.#struck(index) };
		}
		return undefined;
	}

	/** Gives the code of processes connections to each other; without them, connecting is leaving the world. */
	provideSockets(sockets: SimulatedSockets): void {
		this.#sockets = sockets;
		if (activeInterposer() !== undefined) placeSockets(sockets);
	}

	/** Counts a frame that a network is to carry. @returns its number, and what is planned to become of it. */
	frame(): NumberedFrame {
		const number = ++this.frames;
		const planned = this.#faults.atFrame(number);
		if (planned === undefined) return { number, faults: NO_FAULTS };
		const faults = planned.map((index) => ({
			fault: this.#faults.plan[index] as FrameFault,
			struck: this.#struck(index),
		}));
		return { number, faults };
	}

	/** Does something when the running event is over and all that it caused has settled. */
	afterEvent(run: () => void): void {
		this.#atEventEnd.push(run);
	}

	/** Says what a task of that name does. Tasks are events of the outside as data, so that a snapshot can hold them. */
	onTask(name: string, run: (argument: number) => void): void {
		this.#tasks.set(name, run);
	}

	/** Has the outside do a task, `delayMs` from now. @throws HarnessError for a delay that would turn time back. */
	plan(delayMs: number, name: string, argument = 0): Due {
		const due = this.schedule(this.outside, delayMs, () => this.#doTask(name, argument));
		due.task = { name, argument };
		return due;
	}

	/** Tasks that are still to be done, in order. */
	pendingTasks(): PendingTask[] {
		const tasks: PendingTask[] = [];
		for (const { at, tie, sequence, task } of this.#agenda.pending()) {
			if (task !== undefined) tasks.push({ ...task, at, tie, sequence });
		}
		return tasks.sort((a, b) => a.at - b.at || a.tie - b.tie || a.sequence - b.sequence);
	}

	/**
	 * Runs `run` as an event of the process, `delayMs` from now, unless the process is dead by then.
	 * @throws HarnessError for a delay that would turn time back.
	 */
	schedule(process: Process, delayMs: number, run: () => void): Due {
		return this.#push(process, delayMs, run, undefined);
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
		if (!process.alive) return new Promise(() => {});
		const latency = this.#latency;
		let delayMs = latency.maxMs === 0 ? 0 : this.#drawMs(latency.minMs, latency.maxMs);
		const operation = ++this.operations;
		const planned = this.#faults.atOperation(operation);
		if (planned !== undefined) delayMs += this.#slowBy(planned, what);
		return new Promise<T>((resolve, reject) => {
			const pending: PendingOperation = { what, perform };
			process.inFlight.push(pending);
			if (planned !== undefined && this.#hangs(planned, operation, process, what)) return;
			const due = this.schedule(process, delayMs, () => {
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

	/**
	 * A call of a process into the outside world. `about` says what the effect concerns, for those who judge.
	 * Resolves to how often that label took effect so far, this time included.
	 */
	call(process: Process, label: string, about?: string): Promise<number> {
		return this.operate(process, `${CALL}${label}`, () => this.effect(process, label, about));
	}

	/** Has a call take effect now. @returns how often that label took effect so far, this time included. */
	effect(process: Process, label: string, about?: string): number {
		let occurrence = 0;
		this.#numbered(process, `effect ${label}`, undefined, (n) => {
			occurrence = this.#others.occur(label);
			this.#own("effect", { n, label, about, occurrence }, process);
		});
		return occurrence;
	}

	/** Lives that have not ended. */
	living(): Process[] {
		return this.#processes.filter((process) => process.alive);
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

	/** Answers an operation with an error, where that is planned. */
	#refuse(
		planned: readonly number[],
		how: "refused" | "lost-ack",
		operation: number,
		process: Process,
		what: string,
	): void {
		for (const index of planned) {
			if (this.#faults.plan[index]?.kind !== how) continue;
			this.#fire(index, what);
			this.#own("operation.failed", { operation, what, how, applied: how === "lost-ack" }, process);
			throw new OperationError(operation, what, how);
		}
	}

	/** Whether an operation is never answered. What is asked of the outside is not storage and may have its own timeout. */
	#hangs(planned: readonly number[], operation: number, process: Process, what: string): boolean {
		if (what.startsWith(CALL)) return false;
		const index = planned.find((index) => this.#faults.plan[index]?.kind === "hung");
		if (index === undefined) return false;
		this.#fire(index, what);
		this.#own("operation.failed", { operation, what, how: "hung", applied: false }, process);
		this.plan(WATCHDOG_MS, WATCHDOG, process.id);
		return true;
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

	/** Lets an operation of a dead process take effect; whether it failed, nobody is left to hear. */
	#applyLate(operation: PendingOperation): void {
		try {
			operation.perform();
		} catch (error) {
			if (error instanceof HarnessError) throw error;
		}
	}

	/** @returns `AWAITS` when an event waits for something outside the world. */
	#loop(limits: Limits): Stop | typeof AWAITS {
		for (;;) {
			if (this.#beyond.length > 0) return AWAITS;
			const due = this.#schedule === undefined ? this.#agenda.pop() : this.#popBySchedule(this.#schedule);
			if (due === undefined) return "quiescent";
			if (due.run === undefined || !due.process.alive) continue;
			if (due.at > limits.untilMs) return "time-limit";
			if (this.events >= limits.maxEvents) return "event-limit";
			// What was overtaken happens late.
			this.nowMs = Math.max(this.nowMs, due.at);
			this.#due = due;
			this.#strikeBeforeEvent();
			// The strike may have ended the process, or whoever noticed may have cancelled what was due.
			if (due.run === undefined || !due.process.alive) continue;
			if (this.#onCrashPoint !== undefined && due.task !== undefined) this.#offerEvent();
			this.events++;
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
			if (this.#beyond.length > 0) return AWAITS;
			if (this.#atEventEnd.length > 0) for (const finish of this.#atEventEnd.splice(0)) finish();
		}
	}

	/** Goes on with the event that waited: its answers are given as if they had come at once. */
	#comeBack(): void {
		const process = this.#due?.process ?? this.outside;
		this.#current = process;
		for (const answer of this.#whenBack.splice(0)) {
			try {
				answer();
			} catch (error) {
				this.#uncaught(process, error);
			}
		}
		drain();
		this.#current = this.outside;
		if (this.#failure !== undefined) throw this.#failure.error;
		// What it asks for now is waited for before the event is over.
		if (this.#beyond.length > 0) return;
		for (const finish of this.#atEventEnd.splice(0)) finish();
	}

	#popBySchedule(schedule: Schedule): Due | undefined {
		if (schedule.kind === "choices") {
			return this.#agenda.popChosen((count) => this.#choose(schedule.choices, count), PATIENCE_MS);
		}
		const due = this.#agenda.popLive();
		if (due === undefined) return undefined;
		const change = schedule.changes.indexOf(this.events + 1);
		// A chain that has fallen behind already stays where it is.
		if (change >= 0 && due.tie < 1 && due.task === undefined) {
			due.tie = 1 + change;
			this.#agenda.push(due);
			// The places of the other changes stay what they are: each puts its chain behind those before it.
			return this.#popBySchedule({ kind: "priorities", changes: schedule.changes.with(change, 0) });
		}
		this.#inherited = due.tie;
		return due;
	}

	#choose(choices: readonly number[], count: number): number {
		const choice = choices[this.alternatives.length] ?? 0;
		this.alternatives.push(count);
		return Math.min(choice, count - 1);
	}

	#push(process: Process, delayMs: number, run: () => void, tie: number | undefined): Due {
		if (!(delayMs >= 0)) {
			throw new HarnessError("delay", `An event was scheduled ${delayMs} ms from now; a delay is 0 or more.`);
		}
		const at = this.nowMs + delayMs;
		// What a process still asks for in the event it died in was never asked for.
		const due = process.alive
			? newDue(at, tie ?? this.#tie(), this.#sequence++, process, run)
			: newDue(at, 0, -1, process, undefined);
		if (process.alive) this.#agenda.push(due);
		return due;
	}

	/** The place in line among what is due at the same instant. */
	#tie(): number {
		if (this.#schedule === undefined) return this.#ties();
		if (this.#schedule.kind === "choices") return 0;
		const tie = this.#inherited ?? this.#ties();
		this.#inherited = undefined;
		return tie;
	}

	#doTask(name: string, argument: number): void {
		const run = this.#tasks.get(name);
		if (run === undefined) throw new HarnessError("task", `Nobody said what the task "${name}" does.`);
		run(argument);
	}

	#strikeBeforeEvent(): void {
		const planned = this.#faults.atEvent(this.events + 1);
		if (planned === undefined) return;
		for (const index of planned) {
			if (this.fired.has(index)) continue;
			const fault = this.#faults.plan[index];
			if (fault?.kind === "crash") {
				const living = this.living();
				if (living.length === 0 || !hasInFlight(living, fault.late)) continue;
				this.#fire(index, `between events, ${living.length} alive`);
				for (const process of living) this.crash(process, "planned", fault.late);
			} else if (isIntervention(fault)) {
				for (const intervene of this.#interventionListeners) intervene(fault, this.#struck(index));
			}
		}
	}

	#durable(
		process: Process,
		what: string,
		mutations: readonly Mutation[],
		apply: (mutations: readonly Mutation[]) => void,
		legal: ReadonlySet<MediumFault>,
	): boolean {
		return this.#numbered(process, what, legal.has("torn") ? mutations : undefined, (n, kept = mutations) => {
			apply(kept);
			this.#own("durable", { n, what, mutations: kept }, process);
			if (legal.has("corrupt")) this.#damage(n, kept, what);
		});
	}

	/** Strikes the planned damages of what a durable write stored. */
	#damage(n: number, mutations: readonly Mutation[], what: string): void {
		for (const index of this.#faults.atWrite(n) ?? []) {
			const fault = this.#faults.plan[index];
			if (fault?.kind !== "corrupt") continue;
			const { table, key, value: stored } = mutations[fault.place] ?? { value: null };
			if (table === undefined || key === undefined || stored === null) continue;
			const value = damaged(stored, fault, () => this.#neighbours(table, key, stored));
			if (value === undefined) continue;
			this.#fire(index, what);
			this.disk.damage(table, key, value);
			this.#own("damaged", { table, key, how: fault.how, value }, this.outside);
		}
	}

	/** Other values of the same kind, as far as keys tell kinds apart: by how they begin. */
	#neighbours(table: string, key: string, stored: Uint8Array): Uint8Array[] {
		return this.disk
			.list(table, key.slice(0, KIND_LENGTH))
			.filter((entry) => entry.key !== key && Buffer.compare(entry.value, stored) !== 0)
			.map((entry) => entry.value);
	}

	/**
	 * The place where planned crashes strike: around each numbered durable effect.
	 * @param mutations of an effect that can be torn; undefined for one that cannot, or that is on the outside.
	 */
	#numbered(
		process: Process,
		what: string,
		mutations: readonly Mutation[] | undefined,
		apply: (n: number, kept?: readonly Mutation[]) => void,
	): boolean {
		const n = ++this.writes;
		const planned = this.#faults.atWrite(n);
		const offers = this.#onCrashPoint !== undefined && process.alive;
		if (offers && process !== this.outside) this.#offerWrite(n, "before", process, what, mutations, apply);
		if (planned === undefined) apply(n);
		else if (this.#strikeBeforeWrite(planned, n, process, what, mutations, apply)) return false;
		else apply(n);
		// What becomes of a write of the outside is settled when its event is over: its own doing cannot be cut short.
		if (process === this.outside) {
			if (planned !== undefined) this.#atEventEnd.push(() => this.#strikeAfterWrite(planned, process, what));
			if (offers) this.#atEventEnd.push(() => this.#offerWrite(n, "after", process, what, undefined, undefined));
		} else {
			if (planned !== undefined) this.#strikeAfterWrite(planned, process, what);
			if (offers && process.alive) this.#offerWrite(n, "after", process, what, undefined, undefined);
		}
		return process.alive;
	}

	/** @returns whether the process died of it. */
	#strikeBeforeWrite(
		planned: readonly number[],
		n: number,
		process: Process,
		what: string,
		mutations: readonly Mutation[] | undefined,
		apply: (n: number, kept?: readonly Mutation[]) => void,
	): boolean {
		for (const index of planned) {
			const fault = this.#faults.plan[index];
			if (fault?.kind !== "torn" && !(fault?.kind === "crash" && "side" in fault && fault.side === "before")) continue;
			const victims = this.#victims(process);
			if (!canStrike(fault, victims, mutations)) continue;
			this.#fire(index, what);
			if (fault.kind === "torn") apply(n, keptOf(fault.kept, mutations));
			for (const victim of victims) this.crash(victim, "planned", "late" in fault ? fault.late : undefined);
			if (process !== this.outside) return true;
		}
		return false;
	}

	#strikeAfterWrite(planned: readonly number[], process: Process, what: string): void {
		for (const index of planned) {
			const fault = this.#faults.plan[index];
			if (fault?.kind === "power-loss") {
				const victims = this.living();
				if (victims.length === 0) continue;
				this.#fire(index, what);
				this.disk.lose(fault.lost);
				for (const victim of victims) this.crash(victim, "power loss", []);
			} else if (fault?.kind === "crash" && "side" in fault && fault.side === "after") {
				const victims = this.#victims(process);
				if (!canStrike(fault, victims, undefined)) continue;
				this.#fire(index, what);
				for (const victim of victims) this.crash(victim, "planned", fault.late);
			}
		}
	}

	/** A write of the outside cannot fail; what can die of it is whoever lives then. */
	#victims(process: Process): Process[] {
		if (process === this.outside) return this.living();
		return process.alive ? [process] : [];
	}

	#struck(index: number): Struck {
		return (window) => {
			if (!this.fired.has(index)) this.#fire(index, window);
		};
	}

	#fire(index: number, window: string): void {
		const fault = this.#faults.plan[index];
		if (fault !== undefined) this.#fireFault(fault, index, window);
	}

	#fireFault(fault: Fault, index: number, window: string): void {
		this.fired.add(index);
		this.#own("fault", { index, kind: describeFault(fault), window }, this.outside);
	}

	#die(process: Process, why: string, late: readonly number[] | undefined): void {
		process.alive = false;
		const pending = process.inFlight.splice(0);
		this.#own("process.crash", { why, inFlight: pending.map((operation) => operation.what) }, process);
		if (late !== undefined) {
			for (const place of late) this.#applyLate(pending[place] as PendingOperation);
		} else if (this.#drawsInFlight) {
			const fates = this.random.stream("in-flight");
			for (const operation of pending) if (fates() < 0.5) this.#applyLate(operation);
		}
	}

	#offerWrite(
		n: number,
		side: "before" | "after",
		process: Process,
		what: string,
		mutations: readonly Mutation[] | undefined,
		apply: ((n: number, kept?: readonly Mutation[]) => void) | undefined,
	): void {
		const victims = this.#victims(process);
		if (victims.length === 0) return;
		this.#onCrashPoint?.({
			place: { write: n, side },
			what,
			mutations: mutations?.length ?? 0,
			inFlight: victims.flatMap((victim) => victim.inFlight.map((operation) => operation.what)),
			foresee: (fault) =>
				this.#foresee(() => {
					if (fault.kind !== "crash" && fault.kind !== "torn" && fault.kind !== "power-loss") {
						throw new HarnessError("foresee", `${describeFault(fault)} is no crash.`);
					}
					this.#fireFault(fault, this.#faults.plan.length, what);
					if (fault.kind === "torn") apply?.(n, keptOf(fault.kept, mutations));
					if (fault.kind === "power-loss") this.disk.lose(fault.lost);
					const why = fault.kind === "power-loss" ? "power loss" : "planned";
					const late = fault.kind === "power-loss" ? [] : "late" in fault ? fault.late : undefined;
					for (const victim of victims) this.#die(victim, why, late);
				}),
		});
	}

	/** Before a task that the outside is about to do. */
	#offerEvent(): void {
		const victims = this.living();
		if (victims.length === 0) return;
		this.#onCrashPoint?.({
			place: { event: this.events + 1 },
			what: `between events, ${victims.length} alive`,
			mutations: 0,
			inFlight: victims.flatMap((victim) => victim.inFlight.map((operation) => operation.what)),
			foresee: (fault) =>
				this.#foresee(() => {
					this.#fireFault(fault, this.#faults.plan.length, `between events, ${victims.length} alive`);
					for (const victim of victims) this.#die(victim, "planned", "late" in fault ? fault.late : undefined);
				}),
		});
	}

	/** Has something happen, notes what it left, and undoes it. */
	#foresee(happen: () => void): WorldState {
		const { length } = this.history.events;
		const { writes, operations } = this;
		const living = this.living().map((process) => ({ process, inFlight: [...process.inFlight] }));
		const image = this.disk.image();
		const counts = this.#others.counts();
		const streams = this.random.states();
		const fired = [...this.fired];
		happen();
		const state = this.#state();
		this.history.events.length = length;
		this.writes = writes;
		this.operations = operations;
		for (const { process, inFlight } of living) {
			process.alive = true;
			process.inFlight.push(...inFlight);
		}
		this.disk.restore(image);
		this.#others.restore(counts);
		this.random.restore(streams);
		this.#ties = this.random.stream("ties");
		this.fired.clear();
		for (const index of fired) this.fired.add(index);
		return state;
	}

	#state(): WorldState {
		const due = this.#due;
		const tasks = this.pendingTasks();
		const { task } = due ?? {};
		// A task that was about to be done comes first when the world goes on.
		if (due?.run !== undefined && task !== undefined)
			tasks.unshift({ ...task, at: due.at, tie: -1, sequence: due.sequence });
		return {
			nowMs: this.nowMs,
			events: this.events,
			writes: this.writes,
			operations: this.operations,
			alarms: this.alarms,
			sequence: this.#sequence,
			lives: this.#lives,
			fired: new Set(this.fired),
			streams: this.random.states(),
			image: this.disk.image(),
			counts: this.#others.counts(),
			tasks,
			history: this.history.events.slice(),
		};
	}

	#resumeFrom(state: WorldState): void {
		this.nowMs = state.nowMs;
		this.events = state.events;
		this.writes = state.writes;
		this.operations = state.operations;
		this.alarms = state.alarms;
		this.#sequence = state.sequence;
		this.#lives = state.lives;
		for (const index of state.fired) this.fired.add(index);
		this.#others.restore(state.counts);
		for (const event of state.history) this.history.events.push(event);
		for (const { name, argument, at, tie, sequence } of state.tasks) {
			const due = newDue(at, tie, sequence, this.outside, () => this.#doTask(name, argument));
			due.task = { name, argument };
			this.#agenda.push(due);
		}
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
		return new Timer(owner, callback, repeat, this.#timersById, (fire) => {
			const due = this.#push(owner, delayMs, fire, this.#timerTie(this.nowMs + delayMs));
			due.ordered = true;
			return due;
		});
	}

	#interposer(): Interposer {
		return {
			// Not a getter: the shape of an object with one of its own holds on to the whole run until all memory is looked through.
			sockets: () => this.#sockets,
			wallMs: () => EPOCH_MS + this.nowMs,
			monotonicMs: () => this.nowMs,
			uuid: () => drawUuid(this.#current.alive ? this.random.stream("randomUUID") : () => 0),
			random: () => (this.#current.alive ? this.random.stream("Math.random")() : 0),
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
				if (!process.alive) return;
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

/** Whether the operations in flight that are to take effect late are there. */
function hasInFlight(victims: readonly Process[], late: readonly number[] | undefined): boolean {
	return late === undefined || victims.every(({ inFlight }) => late.every((place) => place < inFlight.length));
}

function canStrike(
	fault: WriteFault,
	victims: readonly Process[],
	mutations: readonly Mutation[] | undefined,
): boolean {
	if (victims.length === 0) return false;
	if (fault.kind !== "torn") return hasInFlight(victims, "late" in fault ? fault.late : undefined);
	return mutations !== undefined && fault.kept.every((place) => place < mutations.length);
}

/** What is left of a stored value; undefined when that damage leaves it as it is. */
function damaged(
	stored: Uint8Array,
	{ how, at }: Extract<Fault, { readonly kind: "corrupt" }>,
	neighbours: () => readonly Uint8Array[],
): Uint8Array | undefined {
	if (stored.length === 0) return undefined;
	switch (how) {
		case "flip": {
			const bit = at % (stored.length * 8);
			const value = new Uint8Array(stored);
			value[bit >> 3] = (value[bit >> 3] as number) ^ (1 << (bit & 7));
			return value;
		}
		case "cut":
			return stored.length === 1 ? undefined : stored.slice(0, 1 + (at % (stored.length - 1)));
		case "empty":
			return new Uint8Array(0);
		case "swap": {
			const others = neighbours();
			return others[at % others.length];
		}
	}
}

function keptOf(places: readonly number[], mutations: readonly Mutation[] | undefined): Mutation[] {
	return places.map((place) => mutations?.[place] as Mutation);
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
