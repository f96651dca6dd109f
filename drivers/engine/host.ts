/**
 * A host: what keeps a workflow running. It starts a process, runs the engine in it, starts another when that one dies,
 * and looks after the durable alarm and the queue while nothing runs.
 *
 * In `live` mode the engine waits for timers and messages itself, inside its process. In `yield` mode it hands control back
 * and the host wakes it: when the alarm it set has come, or when a message it waits for is in the queue.
 * A host relies on what is durable and on what the engine returned, on nothing else. It survives everything.
 */

import type { Due } from "../../sim/world/agenda.ts";
import { type ErrorFact, errorFact } from "../../sim/world/history.ts";
import type { Process } from "../../sim/world/process.ts";
import { EPOCH_MS, type World } from "../../sim/world/world.ts";
import type { EngineDriver, Storage } from "../storage/contract.ts";
import type { Engine, EngineContext, EngineHandle } from "./contract.ts";

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
}

export type Outcome =
	| { readonly status: "completed"; readonly output: unknown }
	| { readonly status: "failed"; readonly error: ErrorFact }
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
	alarm?: Due;
}

/** Starts of a run that rejects without an end before the host gives up. */
const MAX_REJECTIONS = 4;
const RETRY_MS = 1_000;
/** Virtual milliseconds an evicted run gets before its process is killed. */
const EVICTION_GRACE_MS = 60_000;

/** Tasks of the outside that belong to a process life and are dropped when it ends. */
const OF_A_LIFE: ReadonlySet<string> = new Set(["alarm", "grace over"]);

/** Whether a task is still to be done after a crash. */
export function outlives(task: string): boolean {
	return !OF_A_LIFE.has(task);
}

export class Host {
	outcome: Outcome | undefined;
	revisited = false;

	readonly #world: World;
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

	/** @param from what the host of the snapshot remembered that this world goes on from. */
	constructor(world: World, engine: Engine, storage: Storage, hosting: Hosting, workload: Workload, from?: HostState) {
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
		world.onEvict(() => this.#evict());
		world.onTask("start", () => this.start());
		world.onTask("alarm", (alarm) => this.#alarmDue(alarm));
		world.onTask("grace over", (process) => this.#graceOver(process));
		storage.queue.watch(world.outside, (name) => {
			const names = this.#idle?.names;
			if (names !== undefined && (names.length === 0 || names.includes(name))) this.#wake();
		});
	}

	/** Starts a process life. */
	start(): void {
		this.#process = this.#world.spawn("host", (process) => this.#run(process));
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

	#run(process: Process): void {
		const { workflowId, input } = this.#workload;
		this.#process = process;
		this.#leaveIdle();
		this.#evicting = false;
		const mode = this.#hosting.mode;
		this.#note("run.start", { mode, visit: this.outcome === undefined ? "run" : "revisit" });
		const driver: EngineDriver = this.#storage.open(process);
		const handle = this.#engine.module.runWorkflow(workflowId, this.#workload.workflow(process), input, driver, {
			mode,
		});
		this.#handle = handle as EngineHandle;
		handle.result.then(
			(result) => this.#settled(process, result),
			(error) => this.#rejected(process, handle as EngineHandle, error),
		);
	}

	#settled(process: Process, result: Awaited<EngineHandle["result"]>): void {
		this.#stopped();
		if (result.state === "completed") {
			this.#note("run.completed", { output: result.output });
			this.#finish(process, { status: "completed", output: result.output });
		} else if (this.#evicting || result.state !== "sleeping") {
			this.#note("run.evicted", { state: result.state });
			this.#world.exit(process, "evicted");
			this.#restart(this.#hosting.restartMs);
		} else {
			this.#yielded(process, result.sleepUntil, result.waitingForMessages);
		}
	}

	#yielded(process: Process, until: number | undefined, names: readonly string[] | undefined): void {
		this.#note("run.yield", { untilMs: until === undefined ? undefined : until - EPOCH_MS, names });
		this.#idle = { names };
		if (this.#hosting.coldWake) this.#world.exit(process, "idle");
		const alarm = this.#storage.alarm();
		if (alarm !== undefined) this.#watchAlarm(alarm, this.#idle);
		if (names !== undefined && this.#storage.queue.has(names)) this.#wake();
	}

	#watchAlarm(alarm: number, idle: Idle): void {
		idle.alarm = this.#world.plan(Math.max(0, alarm - EPOCH_MS - this.#world.nowMs), "alarm", alarm);
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
			(state) => this.#judgeRejection(process, error, state),
			() => this.#judgeRejection(process, error, "unreadable"),
		);
	}

	#judgeRejection(process: Process, error: unknown, state: string): void {
		const fact = errorFact(error);
		const evicting = this.#evicting;
		this.#note("run.rejected", { error: fact, state, evicting });
		if (state === "failed") {
			this.#finish(process, { status: "failed", error: fact });
			return;
		}
		this.#world.exit(process, "run rejected");
		if (evicting) this.#restart(this.#hosting.restartMs);
		else if (++this.#rejections < MAX_REJECTIONS) this.#restart(RETRY_MS);
		else this.outcome ??= { status: "unrecoverable", error: fact };
	}

	/** Remembers the first end, and runs a finished workflow once more. */
	#finish(process: Process, outcome: Outcome): void {
		this.#world.exit(process, "finished");
		if (this.outcome === undefined) {
			this.outcome = outcome;
			this.#restart(RETRY_MS);
		} else {
			this.revisited = true;
		}
	}

	#crashed(process: Process): void {
		if (process !== this.#process) return;
		this.#stopped();
		this.#leaveIdle();
		this.recover();
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
