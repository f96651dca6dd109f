/**
 * A host: what keeps a workflow running. It starts a process, runs the engine in it, starts another when that one dies,
 * and looks after the durable alarm and the queue while nothing runs.
 *
 * In `live` mode the engine waits for timers and messages itself, inside its process. In `yield` mode it hands control back
 * and the host wakes it: when the alarm it set has come, or when a message it waits for is in the queue.
 * A host relies on what is durable and on what the engine returned, on nothing else. It survives everything.
 *
 * It also does what operators ask of the workflow, through the handle that the engine gave out. Where there is none it gets one
 * first: it starts the workflow if that rests, or waits for the start that is due anyway. A recovery waits for the workflow
 * to fail, a replay for it to rest between two runs or at its end.
 */
import { getEventListeners } from "node:events";
import type { Due } from "../../sim/world/agenda.ts";
import type { Intervention } from "../../sim/world/faults.ts";
import { type ErrorFact, errorFact } from "../../sim/world/history.ts";
import type { Process } from "../../sim/world/process.ts";
import type { Struck, Surroundings } from "../../sim/world/surroundings.ts";
import { EPOCH_MS } from "../../sim/world/world.ts";
import type { EngineDriver, Storage } from "../storage/contract.ts";
import type { Engine, EngineContext, EngineHandle, EngineModule } from "./contract.ts";

export type HostingMode = "live" | "yield";

export interface Hosting {
	readonly mode: HostingMode;
	/** Virtual milliseconds from a crash or an eviction to the next start. */
	readonly restartMs: number;
	/** In yield mode: whether each wake gets a new process, or the old one goes on. */
	readonly coldWake: boolean;
}

/** The shapes of the events a host writes, by kind. */
export interface HostEvents {
	/** The engine was started on the workflow; `visit` says whether to run it or only to look at it once finished. */
	"run.start": { mode: HostingMode; visit: "run" | "revisit" };
	/** It handed control back, to be woken at `untilMs` (virtual) or by a message. */
	"run.yield": { untilMs: number | undefined; names: readonly string[] | undefined };
	"run.evicting": Record<string, never>;
	"run.evicted": { state: string };
	"run.completed": { output: unknown };
	/** It rejected; `state` is the durable state the host then found, `evicting` whether it had been asked to stop. */
	"run.rejected": { error: ErrorFact; state: string; evicting: boolean };
	"alarm.due": { atMs: number };
	/** The state on disk said that the workflow was cancelled, and so the run ended. */
	"run.cancelled": Record<string, never>;
	/** An operator asked something of the workflow, or was answered. */
	"handle.call": { operation: HandleOperation };
	"handle.answer": { operation: HandleOperation; error: ErrorFact | undefined; state?: string };
	/** What is to happen next goes back behind where the workflow was, which is told as `outcome`; undefined when it rested. */
	"run.again": { how: "recover" | "replay-from"; outcome: Outcome | undefined };
	/** What was recorded before and after a replay from a step; `target` is undefined when it was from the beginning. */
	"replay-from.call": { target: string | undefined; records: readonly RecordedEntry[]; orphans: number };
	/** What a start found on record after a crash in the midst of a replay. */
	"replay-from.found": { records: readonly RecordedEntry[]; orphans: number };
	"replay-from.answer": { error: ErrorFact | undefined; records: readonly RecordedEntry[]; orphans: number };
	/** What a run that had ended still held. */
	"run.left": {
		process: number;
		after: string;
		timers: number;
		operations: readonly string[];
		waits: number;
		listeners: number;
	};
}

export type HandleOperation = "cancel" | "wake" | "message" | "read" | "recover";

/** An entry of the history that the engine keeps. */
export interface RecordedEntry {
	readonly id: string;
	readonly kind: string;
	/** Names from the root, iterations as `[3]` behind their loop: `orders[3]/charge`. */
	readonly path: string;
	/** Of what has metadata: steps and loops. */
	readonly status: string | undefined;
	/** When it was first recorded, on the wall clock; undefined when that is not on record. */
	readonly createdAt: number | undefined;
}

export type Outcome =
	| { readonly status: "completed"; readonly output: unknown }
	| { readonly status: "failed"; readonly error: ErrorFact }
	/** It was cancelled, and a later start found it so. */
	| { readonly status: "cancelled" }
	/** It waits for messages that nobody has sent. */
	| { readonly status: "waiting"; readonly names: readonly string[] }
	/** It rejected again and again without reaching an end. */
	| { readonly status: "unrecoverable"; readonly error: ErrorFact }
	/** Nothing is left to happen, and nothing outside is waited for. */
	| { readonly status: "hung"; readonly waits: readonly string[] }
	/** A limit of virtual time or events was reached. */
	| { readonly status: "unfinished"; readonly waits: readonly string[]; readonly limit: "time" | "events" };

/** What runs: the workflow function as the engine gets it, made anew for each process life. */
export interface Workload {
	readonly workflowId: string;
	readonly input: unknown;
	/** What clients send; an operator's message is a copy of one of these. */
	readonly messages: readonly { readonly name: string; readonly body: unknown }[];
	workflow(process: Process): (context: EngineContext, input: unknown) => Promise<unknown>;
}

/** What a host remembers when nothing runs: a snapshot holds it. */
export interface HostState {
	/** How the workflow ended, once it did. */
	readonly outcome: Outcome | undefined;
	/** Whether the finished workflow was run once more to see that nothing happens. */
	readonly revisited: boolean;
	/** Starts in a row that rejected without an end. */
	readonly rejections: number;
}

/** Between two runs in yield mode: the message names waited for, or none when only the alarm is. */
interface Idle {
	readonly names: readonly string[] | undefined;
	/** The alarm the host watches meanwhile. */
	alarm?: Due | undefined;
}

/** Starts of a run that rejects without an end before the host gives up. */
const MAX_REJECTIONS = 4;
const RETRY_MS = 1_000;
/** Virtual milliseconds an evicted run gets before its process is killed. */
const EVICTION_GRACE_MS = 60_000;

/** Tasks of the outside that belong to a process life and are dropped when it ends. */
const OF_A_LIFE: ReadonlySet<string> = new Set(["alarm", "alarm again", "grace over"]);

/** The name of a message that nobody asked for. */
const UNASKED = "unasked";

/** Whether a task is still to be done after a crash. */
export function outlives(task: string): boolean {
	return !OF_A_LIFE.has(task);
}

/** What an operator asked and the host has not carried out. */
interface Asked<I extends Intervention = Intervention> {
	readonly intervention: I;
	readonly struck: Struck;
}

type HandleIntervention = Extract<Intervention, { readonly kind: "cancel" | "wake" | "message" | "read" }>;
type ReplayFrom = Extract<Intervention, { readonly kind: "replay-from" }>;

export class Host {
	outcome: Outcome | undefined;
	revisited = false;

	readonly #world: Surroundings;
	readonly #engine: Engine;
	readonly #storage: Storage;
	readonly #hosting: Hosting;
	readonly #workload: Workload;
	#process: Process | undefined;
	#handle: EngineHandle | undefined;
	#evicting = false;
	#rejections = 0;
	#idle: Idle | undefined;
	/** The end of the time that an evicted run gets. */
	#grace: Due | undefined;
	/** The latest handle of the process, also when its run has ended. */
	#latest: EngineHandle | undefined;
	/** A cancellation under way: whether it was answered, and whether the run has ended. */
	#cancelling: { answered: boolean; ended: boolean } | undefined;
	/** Everything ever asked, since a plan may be told of twice. */
	readonly #heard = new Set<Intervention>();
	readonly #forHandle: Asked<HandleIntervention>[] = [];
	readonly #forRest: Asked<ReplayFrom>[] = [];
	readonly #forFailure: Asked[] = [];
	/** Whether a recovery was begun and not answered. */
	#recovering = false;
	/** Whether a replay was begun and not answered. */
	#replaying = false;
	/** Handle operations that were not answered. */
	#operating = 0;
	/** The signal by which the current run is asked to stop. */
	#signal: AbortSignal | undefined;

	/** @param from what the host of the snapshot remembered that this world goes on from. */
	constructor(
		world: Surroundings,
		engine: Engine,
		storage: Storage,
		hosting: Hosting,
		workload: Workload,
		from?: HostState,
	) {
		this.#world = world;
		this.#engine = engine;
		this.#storage = storage;
		this.#hosting = hosting;
		this.#workload = workload;
		if (from !== undefined) {
			this.outcome = from.outcome;
			this.revisited = from.revisited;
			this.#rejections = from.rejections;
		}
		world.onCrash((process) => this.#crashed(process));
		world.onIntervention((intervention, struck) => this.#intervene(intervention, struck));
		world.onTask("start", () => this.start());
		world.onTask("alarm", (alarm) => this.#alarmDue(alarm));
		world.onTask("alarm again", () => this.#wake());
		world.onTask("grace over", (process) => this.#graceOver(process));
		storage.queue.watch(world.outside, (name) => {
			const names = this.#idle?.names;
			if (names !== undefined && (names.length === 0 || names.includes(name))) this.#wake();
		});
	}

	/** Starts a process life. */
	start(): void {
		this.#operating = 0;
		this.#process = this.#world.spawn("host", (process) => {
			if (this.#replaying) this.#lookBeforeRun(process);
			else this.#run(process);
		});
	}

	/** Starts another process life, in a world that goes on from a crash. */
	recover(): void {
		if (!this.revisited) this.#restart(this.#hosting.restartMs);
	}

	state(): HostState {
		return { outcome: this.outcome, revisited: this.revisited, rejections: this.#rejections };
	}

	/** How the run ended, judged when nothing is left to happen or a limit was reached. */
	conclude(stop: "quiescent" | "time-limit" | "event-limit"): Outcome {
		if (this.outcome !== undefined) return this.outcome;
		const waits = this.#world.waits();
		if (stop !== "quiescent") return { status: "unfinished", waits, limit: stop === "time-limit" ? "time" : "events" };
		const names = this.#idle === undefined ? this.#storage.queue.awaited() : this.#idle.names;
		return names === undefined ? { status: "hung", waits } : { status: "waiting", names };
	}

	/** Tells what a replay that was cut short has left on record. */
	#lookBeforeRun(process: Process): void {
		this.#replaying = false;
		this.#process = process;
		this.#engine.module.loadStorage?.(this.#storage.open(process)).then(
			(storage) => {
				this.#note("replay-from.found", recorded(storage));
				this.#run(process);
			},
			// What cannot be read is met by the run, too.
			() => this.#run(process),
		);
	}

	#run(process: Process): void {
		const { workflowId, input } = this.#workload;
		this.#process = process;
		this.#leaveIdle();
		this.#evicting = false;
		this.#cancelling = undefined;
		this.#signal = undefined;
		const mode = this.#hosting.mode;
		this.#note("run.start", { mode, visit: this.outcome === undefined ? "run" : "revisit" });
		const driver: EngineDriver = this.#storage.open(process);
		const workflow = this.#workload.workflow(process);
		const observed: typeof workflow = (context, given) => {
			this.#signal = context.abortSignal;
			return workflow(context, given);
		};
		const handle = this.#engine.module.runWorkflow(workflowId, observed, input, driver, { mode }) as EngineHandle;
		this.#handle = handle;
		this.#latest = handle;
		handle.result.then(
			(result) => this.#settled(process, result),
			(error) => this.#rejected(process, handle, error),
		);
		this.#useHandle();
	}

	#settled(process: Process, result: Awaited<EngineHandle["result"]>): void {
		this.#stopped();
		if (result.state === "completed") {
			this.#lookForWhatIsLeft(process, "completed");
			this.#note("run.completed", { output: result.output });
			if (!this.#endedWhileCancelling(process)) this.#finish(process, { status: "completed", output: result.output });
		} else if (this.#evicting || result.state !== "sleeping") {
			this.#lookForWhatIsLeft(process, "evicted");
			this.#note("run.evicted", { state: result.state });
			if (this.#endedWhileCancelling(process)) return;
			this.#world.exit(process, "evicted");
			this.#restart(this.#hosting.restartMs);
		} else {
			this.#lookForWhatIsLeft(process, "yielded");
			this.#yielded(process, result.sleepUntil, result.waitingForMessages);
		}
	}

	#yielded(process: Process, until: number | undefined, names: readonly string[] | undefined): void {
		this.#note("run.yield", { untilMs: until === undefined ? undefined : until - EPOCH_MS, names });
		if (this.#forRest.length > 0) this.#replayFrom(process);
		else this.#rest(process, names);
	}

	/** Nothing runs until the alarm goes off or a message comes. */
	#rest(process: Process, names: readonly string[] | undefined): void {
		this.#idle = { names };
		if (this.#hosting.coldWake) this.#world.exit(process, "idle");
		this.#watchStoredAlarm(this.#idle);
		if (names !== undefined && this.#storage.queue.has(names)) this.#wake();
		else if (this.#forHandle.length > 0) this.#openHandle();
	}

	#watchStoredAlarm(idle: Idle): void {
		if (idle.alarm !== undefined) idle.alarm.run = undefined;
		idle.alarm = undefined;
		const alarm = this.#storage.alarm();
		if (alarm !== undefined) this.#watchAlarm(alarm, idle);
	}

	#watchAlarm(alarm: number, idle: Idle): void {
		const dueMs = Math.max(0, alarm - EPOCH_MS - this.#world.nowMs);
		const planned = this.#world.alarm();
		if (planned === undefined) {
			idle.alarm = this.#world.plan(dueMs, "alarm", alarm);
			return;
		}
		const { how, ms } = planned.fault;
		const delayMs = how === "early" ? Math.max(0, dueMs - ms) : how === "late" ? dueMs + ms : dueMs;
		idle.alarm = this.#world.schedule(this.#world.outside, delayMs, () => {
			planned.struck(`alarm for ${alarm - EPOCH_MS} ms`);
			// What makes up for a lost alarm is that hosts look for overdue sleepers now and then.
			if (how === "lost" || how === "twice") this.#world.plan(ms, "alarm again");
			if (how === "lost") this.#storage.clearAlarm();
			else this.#alarmDue(alarm);
		});
	}

	#alarmDue(alarm: number): void {
		if (this.#idle === undefined || this.#storage.alarm() !== alarm) return;
		this.#note("alarm.due", { atMs: alarm - EPOCH_MS });
		this.#storage.clearAlarm();
		this.#wake();
	}

	#wake(): void {
		if (this.#idle === undefined) return;
		this.#leaveIdle();
		const process = this.#process;
		if (process?.alive) this.#world.schedule(process, 0, () => this.#run(process));
		else this.#restart(0);
	}

	#leaveIdle(): void {
		if (this.#idle?.alarm !== undefined) this.#idle.alarm.run = undefined;
		this.#idle = undefined;
	}

	/** The engine no longer runs. */
	#stopped(): void {
		this.#handle = undefined;
		if (this.#grace !== undefined) this.#grace.run = undefined;
		this.#grace = undefined;
	}

	#rejected(process: Process, handle: EngineHandle, error: unknown): void {
		this.#stopped();
		handle.getState().then(
			(state) => this.#judgeRejection(process, handle, error, state),
			() => this.#judgeRejection(process, handle, error, "unreadable"),
		);
	}

	#judgeRejection(process: Process, handle: EngineHandle, error: unknown, state: string): void {
		const fact = errorFact(error);
		const evicting = this.#evicting;
		this.#lookForWhatIsLeft(process, state === "failed" ? "failed" : "rejected");
		if (state === "cancelled" && this.#engine.isYield(error)) {
			this.#note("run.cancelled", {});
			if (!this.#endedWhileCancelling(process)) this.#finishCancelled(process);
			return;
		}
		this.#note("run.rejected", { error: fact, state, evicting });
		if (this.#endedWhileCancelling(process)) return;
		if (state === "failed") {
			if (this.#forFailure.length > 0 || this.#recovering) this.#recoverFailed(process, handle, fact);
			else this.#finish(process, { status: "failed", error: fact });
			return;
		}
		this.#world.exit(process, "run rejected");
		if (evicting) this.#restart(this.#hosting.restartMs);
		else if (++this.#rejections < MAX_REJECTIONS) this.#restart(RETRY_MS);
		else this.outcome ??= { status: "unrecoverable", error: fact };
	}

	/** Remembers the first end, and runs a finished workflow once more. */
	#finish(process: Process, outcome: Outcome): void {
		if (this.#forRest.length > 0) {
			this.outcome ??= outcome;
			this.#replayFrom(process);
			return;
		}
		this.#world.exit(process, "finished");
		if (this.outcome === undefined) {
			this.outcome = outcome;
			this.#restart(RETRY_MS);
		} else {
			this.revisited = true;
		}
	}

	#finishCancelled(process: Process): void {
		this.#world.exit(process, "cancelled");
		this.outcome = { status: "cancelled" };
		this.revisited = true;
	}

	#crashed(process: Process): void {
		if (process !== this.#process) return;
		this.#stopped();
		this.#leaveIdle();
		this.#cancelling = undefined;
		this.recover();
	}

	#intervene(intervention: Intervention, struck: Struck): void {
		if (intervention.kind === "evict") {
			if (this.#evict()) struck("between events");
			return;
		}
		if (this.#heard.has(intervention)) return;
		this.#heard.add(intervention);
		if (intervention.kind === "recover") this.#forFailure.push({ intervention, struck });
		else if (intervention.kind === "replay-from") {
			// An engine that cannot be asked is not asked, and the fault does not strike.
			if (this.#engine.features.has("replayFrom")) this.#forRest.push({ intervention, struck });
		} else this.#forHandle.push({ intervention, struck });
		if (this.#idle !== undefined) this.#interveneAtRest();
		else this.#useHandle();
	}

	#interveneAtRest(): void {
		const process = this.#process;
		if (this.#forHandle.length > 0) this.#openHandle();
		else if (this.#forRest.length > 0) {
			this.#leaveIdle();
			if (process?.alive) this.#world.schedule(process, 0, () => this.#replayFrom(process));
			else this.#process = this.#world.spawn("operator", (operator) => this.#replayFrom(operator));
		}
	}

	/** Gets a handle of a workflow that rests: the one of its last run if the process is there, or else that of a new run. */
	#openHandle(): void {
		if (this.#process?.alive) this.#useHandle();
		else this.#wake();
	}

	/** Carries out what waits for a handle, as events of the process. */
	#useHandle(): void {
		const process = this.#process;
		const handle = this.#latest;
		if (process === undefined || !process.alive || handle === undefined) return;
		if (this.#handle === undefined && this.#idle === undefined) return;
		for (const asked of this.#forHandle) {
			this.#world.schedule(process, 0, () => {
				const place = this.#forHandle.indexOf(asked);
				// The run that it was meant for may have ended meanwhile; what comes next takes it up.
				if (place < 0 || this.#cancelling !== undefined) return;
				if (this.#latest !== handle || (this.#handle === undefined && this.#idle === undefined)) return;
				this.#forHandle.splice(place, 1);
				asked.struck(this.#handle === undefined ? "at rest" : "while it runs");
				this.#operate(process, handle, asked.intervention);
			});
		}
	}

	#operate(process: Process, handle: EngineHandle, intervention: HandleIntervention): void {
		const operation = intervention.kind;
		this.#note("handle.call", { operation });
		this.#operating++;
		const answered = (error: unknown, state?: string): void => {
			this.#operating--;
			const fact = error === undefined ? undefined : errorFact(error);
			this.#note("handle.answer", { operation, error: fact, ...(state === undefined ? {} : { state }) });
			if (operation === "cancel") this.#cancelAnswered(process);
			else if (operation === "wake" && this.#idle !== undefined) this.#watchStoredAlarm(this.#idle);
		};
		const failed = (error: unknown): void => answered(error);
		switch (operation) {
			case "cancel": {
				this.#leaveIdle();
				this.#evicting = true;
				this.#cancelling = { answered: false, ended: this.#handle === undefined };
				this.#grace ??= this.#world.plan(EVICTION_GRACE_MS, "grace over", process.id);
				handle.cancel().then(() => answered(undefined), failed);
				return;
			}
			case "wake":
				handle.wake().then(() => answered(undefined), failed);
				return;
			case "message": {
				const { name, body } = this.#messageOf(intervention.which);
				handle.message(name, body).then(() => answered(undefined), failed);
				return;
			}
			case "read":
				Promise.all([handle.getState(), handle.getOutput()]).then(([state]) => answered(undefined, state), failed);
		}
	}

	#messageOf(which: number): { readonly name: string; readonly body: unknown } {
		const { messages } = this.#workload;
		const { name = UNASKED, body = null } = messages[(Math.max(1, which) - 1) % Math.max(1, messages.length)] ?? {};
		return { name: which === 0 ? UNASKED : name, body };
	}

	#cancelAnswered(process: Process): void {
		if (this.#cancelling === undefined || process !== this.#process) return;
		this.#cancelling.answered = true;
		if (this.#cancelling.ended) this.#endCancelling(process);
	}

	/** Whether a cancellation is under way, which then decides what comes next. */
	#endedWhileCancelling(process: Process): boolean {
		if (this.#cancelling === undefined) return false;
		this.#cancelling.ended = true;
		if (this.#cancelling.answered) this.#endCancelling(process);
		return true;
	}

	/** Starts the workflow once more, to see whether it stays cancelled. */
	#endCancelling(process: Process): void {
		this.#stopped();
		this.#cancelling = undefined;
		this.#world.exit(process, "cancelled");
		this.#restart(this.#hosting.restartMs);
	}

	/** Has a failed workflow recover; a recovery that was cut short is asked for again when the workflow fails again. */
	#recoverFailed(process: Process, handle: EngineHandle, error: ErrorFact): void {
		for (const { struck } of this.#forFailure.splice(0)) struck("after a failure");
		this.#recovering = true;
		this.#note("run.again", { how: "recover", outcome: { status: "failed", error } });
		this.#beginAgain();
		this.#note("handle.call", { operation: "recover" });
		const answered = (failure: unknown): void => {
			const fact = failure === undefined ? undefined : errorFact(failure);
			this.#note("handle.answer", { operation: "recover", error: fact });
			this.#recovering = fact !== undefined;
			this.#goOn(process, fact === undefined);
		};
		handle.recover().then(() => answered(undefined), answered);
	}

	#beginAgain(): void {
		this.outcome = undefined;
		this.revisited = false;
		this.#rejections = 0;
	}

	/** After a recovery or a replay: the engine has scheduled the workflow to run again, or the host does. */
	#goOn(process: Process, scheduled: boolean): void {
		if (scheduled && this.#hosting.mode === "yield") {
			this.#rest(process, undefined);
			return;
		}
		this.#world.exit(process, "to run again");
		this.#restart(0);
	}

	/** Has a workflow at rest begin anew from a recorded step. */
	#replayFrom(process: Process): void {
		const { loadStorage, replayWorkflowFromStep } = this.#engine.module;
		const [asked] = this.#forRest;
		if (asked === undefined) return;
		if (loadStorage === undefined || replayWorkflowFromStep === undefined) return;
		this.#process = process;
		const driver = this.#storage.open(process);
		const before = this.outcome;
		const replay = async (): Promise<void> => {
			const { records, orphans } = recorded(await loadStorage(driver));
			const steps = records.filter(({ kind }) => kind === "step");
			const target = steps[asked.intervention.step % Math.max(1, steps.length)]?.id;
			this.#forRest.shift();
			asked.struck(before === undefined ? "between two runs" : `after the workflow ${before.status}`);
			this.#note("run.again", { how: "replay-from", outcome: before });
			this.#note("replay-from.call", { target, records, orphans });
			this.#beginAgain();
			this.#replaying = true;
			let error: ErrorFact | undefined;
			try {
				await replayWorkflowFromStep(this.#workload.workflowId, driver, target);
			} catch (thrown) {
				error = errorFact(thrown);
			}
			this.#replaying = false;
			this.#note("replay-from.answer", { error, ...recorded(await loadStorage(driver)) });
			this.#goOn(process, error === undefined);
		};
		replay().catch((error) => {
			if (this.#forRest[0] === asked) this.#forRest.shift();
			this.#note("replay-from.answer", { error: errorFact(error), records: [], orphans: 0 });
			this.#goOn(process, false);
		});
	}

	/** Tells of what a run that has ended still holds, once all that its end caused has settled. */
	#lookForWhatIsLeft(process: Process, after: string): void {
		const signal = this.#signal;
		// What an operator asks for, or the host from now on, is not the run's.
		const pending = this.#operating > 0 ? [] : [...process.inFlight];
		this.#world.afterEvent(() => {
			const { timers } = process;
			const operations = pending.filter((operation) => process.inFlight.includes(operation)).map(({ what }) => what);
			const waits = this.#storage.queue.waitsOf(process);
			const listeners = signal === undefined ? 0 : getEventListeners(signal, "abort").length;
			if (timers + operations.length + waits + listeners === 0) return;
			const left = { process: process.id, after, timers, operations, waits, listeners };
			this.#world.note("run.left", left satisfies HostEvents["run.left"], this.#world.outside);
		});
	}

	#evict(): boolean {
		const process = this.#process;
		if (process === undefined || !process.alive || this.#evicting) return false;
		const handle = this.#handle;
		if (handle === undefined) {
			if (this.#idle === undefined) return false;
			this.#world.exit(process, "evicted while idle");
			return true;
		}
		this.#evicting = true;
		this.#world.schedule(process, 0, () => {
			this.#note("run.evicting", {});
			handle.evict();
		});
		this.#grace = this.#world.plan(EVICTION_GRACE_MS, "grace over", process.id);
		return true;
	}

	#graceOver(id: number): void {
		if (this.#process?.id === id) this.#world.crash(this.#process, "eviction grace over");
	}

	#restart(delayMs: number): void {
		this.#world.plan(delayMs, "start");
	}

	#note<K extends keyof HostEvents>(kind: K, data: HostEvents[K]): void {
		this.#world.note(kind, data);
	}
}

type StoredHistory = Awaited<ReturnType<NonNullable<EngineModule["loadStorage"]>>>;

/** The entries on record in the order of their keys, and how much metadata belongs to none of them. */
function recorded(storage: StoredHistory): { records: RecordedEntry[]; orphans: number } {
	const names = storage.nameRegistry;
	const entries = [...storage.history.entries.values()];
	const ids = new Set(entries.map(({ id }) => id));
	return {
		records: entries.map(({ id, kind, location }) => ({
			id,
			kind: kind.type,
			path: location.reduce<string>((path, segment) => {
				if (typeof segment !== "number") return `${path}[${segment.iteration}]`;
				return path === "" ? String(names[segment]) : `${path}/${names[segment]}`;
			}, ""),
			status: storage.entryMetadata.get(id)?.status,
			createdAt: storage.entryMetadata.get(id)?.createdAt,
		})),
		orphans: [...storage.entryMetadata.keys()].filter((id) => !ids.has(id)).length,
	};
}
