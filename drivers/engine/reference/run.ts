/**
 * One run of a workflow in one process: which strands of the program are at work, what the others wait for, and how it stops.
 * The program is never unwound: when a run stops, what the program waits for simply does not settle, so nothing it could catch
 * stands for a stop, and nothing can be swallowed.
 */
import type { EngineDriver } from "@rivetkit/workflow-engine";
import type { Io } from "./journal.ts";
import type { Rules } from "./rules.ts";

/** Longest delay that a timer of the runtime holds, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A line of execution: the workflow function, or one branch beside others. */
export class Strand {
	readonly parent: Strand | undefined;
	readonly #run: Run;
	readonly #children = new Set<Strand>();
	#ended = false;
	#running = false;
	/** Messages taken and not completed, by id: where they were taken. */
	readonly uncompleted = new Map<string, string>();

	constructor(run: Run, parent?: Strand) {
		this.#run = run;
		this.parent = parent;
		if (parent !== undefined) parent.#children.add(this);
	}

	/** Whether what it does still counts. */
	get alive(): boolean {
		return !this.#ended && !this.#run.stopping && (this.parent === undefined || this.parent.alive);
	}

	set running(running: boolean) {
		if (running === this.#running || this.#ended) return;
		this.#running = running;
		this.#run.count(running ? 1 : -1);
	}

	/** It is over, and all inside it. */
	end(): void {
		for (const child of this.#children) child.end();
		this.running = false;
		this.#ended = true;
		if (this.parent !== undefined) this.parent.#children.delete(this);
	}

	/** What was promised, as long as it is of use: never settles for a strand that is over. */
	until<T>(promise: Promise<T>): Promise<T> {
		return new Promise((resolve, reject) => {
			promise.then(
				(value) => {
					if (this.alive) resolve(value);
				},
				(error) => {
					if (this.alive) reject(error);
				},
			);
		});
	}

	isInside(strand: Strand): boolean {
		return this === strand || (this.parent?.isInside(strand) ?? false);
	}
}

/** What a strand waits for. */
export interface Wait {
	/** Wall-clock milliseconds. */
	readonly deadline?: number | undefined;
	/** Names of messages; none for any. */
	readonly names?: readonly string[] | undefined;
	/** Milliseconds after which to look again, where the queue holds what is another's and would say so for ever. */
	readonly pollMs?: number | undefined;
}

interface OpenWait extends Wait {
	readonly strand: Strand;
	readonly end: (how: "time" | "message") => void;
	/** Stops its timer and its watch of the queue. */
	disarm: () => void;
}

export interface RunEvents {
	/** Nothing runs, and the earliest wait is longer than it pays to stay for. */
	onQuiet(waits: readonly Wait[]): void;
	/** Storage failed an operation. */
	onFailure(error: unknown): void;
}

export class Run {
	readonly driver: EngineDriver;
	readonly rules: Rules;
	readonly mode: "live" | "yield";
	/** Nothing new begins, and nothing that the program waits for settles. */
	stopping = false;
	readonly abort = new AbortController();
	readonly #events: RunEvents;
	readonly #waits = new Set<OpenWait>();
	readonly #inFlight = new Set<Promise<unknown>>();
	#running = 0;
	/** No operation of storage begins any more. */
	#closed = false;

	constructor(driver: EngineDriver, mode: "live" | "yield", rules: Rules, events: RunEvents) {
		this.driver = driver;
		this.mode = mode;
		this.rules = rules;
		this.#events = events;
	}

	count(change: 1 | -1): void {
		this.#running += change;
		if (this.#running === 0) queueMicrotask(() => this.#settle());
	}

	readonly io: Io = (operation) =>
		new Promise((resolve) => {
			if (this.#closed) return;
			const done = operation();
			this.#inFlight.add(done);
			done.then(
				(value) => {
					this.#inFlight.delete(done);
					if (!this.#closed) resolve(value);
				},
				(error) => {
					this.#inFlight.delete(done);
					if (!this.#closed) this.#events.onFailure(error);
				},
			);
		});

	/** Waits, without being at work meanwhile. A strand that ends meanwhile never hears of it. */
	wait(strand: Strand, wait: Wait): Promise<"time" | "message"> {
		return new Promise((resolve) => {
			const open: OpenWait = {
				...wait,
				strand,
				disarm: () => {},
				end: (how) => {
					if (!this.#waits.delete(open)) return;
					open.disarm();
					if (!strand.alive) return;
					strand.running = true;
					resolve(how);
				},
			};
			this.#waits.add(open);
			this.#arm(open);
			strand.running = false;
		});
	}

	#arm(open: OpenWait): void {
		const stops: (() => void)[] = [];
		const { deadline, names, pollMs } = open;
		const until = pollMs === undefined ? deadline : Math.min(deadline ?? Number.POSITIVE_INFINITY, Date.now() + pollMs);
		if (until !== undefined) stops.push(this.#timer(until, () => open.end("time")));
		if (names !== undefined && pollMs === undefined) {
			const abort = new AbortController();
			stops.push(() => abort.abort());
			this.driver.waitForMessages([...names], abort.signal).then(
				() => open.end("message"),
				(error) => {
					if (!abort.signal.aborted) this.#events.onFailure(error);
				},
			);
		}
		open.disarm = () => {
			for (const stop of stops) stop();
		};
	}

	/** Calls back at that time and not before, however far away it is. */
	#timer(at: number, due: () => void): () => void {
		let timer: ReturnType<typeof setTimeout> | undefined;
		const arm = () => {
			const left = at - Date.now();
			if (left <= 0) due();
			else timer = setTimeout(arm, this.rules.timersOverflow === true ? left : Math.min(MAX_TIMER_MS, Math.ceil(left)));
		};
		if (at <= Date.now()) timer = setTimeout(arm, 0);
		else arm();
		return () => clearTimeout(timer);
	}

	#settle(): void {
		if (this.#running > 0 || this.stopping || this.mode === "live") return;
		const waits = [...this.#waits].filter(({ strand }) => strand.alive);
		if (waits.length === 0) return;
		const next = Math.min(...waits.map(({ deadline = Number.POSITIVE_INFINITY }) => deadline));
		if (next - Date.now() <= this.driver.workerPollInterval) return;
		// What another strand holds is still in the queue: a host would be told of it at once, again and again.
		if (waits.some(({ pollMs }) => pollMs !== undefined)) return;
		this.#events.onQuiet(waits);
	}

	/** Ends the waits of a strand and of all inside it. */
	drop(strand: Strand): void {
		for (const wait of [...this.#waits]) {
			if (!wait.strand.isInside(strand)) continue;
			this.#waits.delete(wait);
			wait.disarm();
		}
		strand.end();
	}

	/** From now on nothing of the program begins or settles. */
	stop(): void {
		this.stopping = true;
		for (const wait of this.#waits) wait.disarm();
		this.#waits.clear();
	}

	/** Settles when no operation of storage is under way, however those end. */
	async drained(): Promise<void> {
		while (this.#inFlight.size > 0) await Promise.allSettled(this.#inFlight);
	}

	/** Storage is left alone from now on. */
	async close(): Promise<void> {
		await this.drained();
		this.#closed = true;
	}

	/** As `close`, at once: what is still answered is not heeded. */
	closeNow(): Promise<void> {
		this.#closed = true;
		return this.drained();
	}
}
