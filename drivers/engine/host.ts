/**
 * A host: what keeps a workflow running. It starts a process, runs the engine in it, starts another when that one dies,
 * and looks after the durable alarm and the queue while nothing runs.
 *
 * In `live` mode the engine waits for timers and messages itself, inside its process. In `yield` mode it hands control back
 * and the host wakes it: when the alarm it set has come, or when a message it waits for is in the queue.
 * A host relies on what is durable and on what the engine returned, on nothing else. It survives everything.
 */
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

/** Between two runs in yield mode: the message names waited for, or none when only the alarm is. */
interface Idle {
	readonly names: readonly string[] | undefined;
}

/** Starts of a run that rejects without an end before the host gives up. */
const MAX_REJECTIONS = 4;
const RETRY_MS = 1_000;
/** Virtual milliseconds an evicted run gets before its process is killed. */
const EVICTION_GRACE_MS = 60_000;

export class Host {
	/** How the workflow ended, once it did. */
	outcome: Outcome | undefined;
	/** Whether the finished workflow was run once more to see that nothing happens. */
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

	constructor(world: World, engine: Engine, storage: Storage, hosting: Hosting, workload: Workload) {
		this.#world = world;
		this.#engine = engine;
		this.#storage = storage;
		this.#hosting = hosting;
		this.#workload = workload;
		world.onCrash((process) => this.#crashed(process));
		world.onEvict(() => this.#evict());
		storage.queue.watch((name) => {
			const names = this.#idle?.names;
			if (names !== undefined && (names.length === 0 || names.includes(name))) this.#wake();
		});
	}

	/** Starts the first process life. */
	start(): void {
		this.#process = this.#world.spawn("host", (process) => this.#run(process));
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
		this.#idle = undefined;
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
		this.#handle = undefined;
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
		const { outside } = this.#world;
		const delayMs = Math.max(0, alarm - EPOCH_MS - this.#world.nowMs);
		this.#world.schedule(outside, delayMs, () => {
			if (this.#idle !== idle || this.#storage.alarm() !== alarm) return;
			this.#note("alarm.due", { atMs: alarm - EPOCH_MS });
			this.#storage.clearAlarm();
			this.#wake();
		});
	}

	#wake(): void {
		if (this.#idle === undefined) return;
		this.#idle = undefined;
		const process = this.#process;
		if (process?.alive) this.#world.schedule(process, 0, () => this.#run(process));
		else this.#restart(0);
	}

	#rejected(process: Process, handle: EngineHandle, error: unknown): void {
		this.#handle = undefined;
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
		if (process !== this.#process || this.revisited) return;
		this.#handle = undefined;
		this.#idle = undefined;
		this.#restart(this.#hosting.restartMs);
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
		this.#world.schedule(this.#world.outside, EVICTION_GRACE_MS, () => {
			if (this.#handle === handle) this.#world.crash(process, "eviction grace over");
		});
		return true;
	}

	#restart(delayMs: number): void {
		this.#world.schedule(this.#world.outside, delayMs, () => this.start());
	}

	#note<K extends keyof HostEvents>(kind: K, data: HostEvents[K]): void {
		this.#world.note(kind, data);
	}
}
