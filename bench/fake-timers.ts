/**
 * The contender: the same crash schedules as one would drive them without Faultline, with `@sinonjs/fake-timers` and the
 * package's own `InMemoryDriver`. Time is the fake clock's; a crash is a driver that answers no more, then a new start on
 * what the driver holds.
 *
 * Every choice is the fastest that is still right: the driver's latency is 0 instead of 10; the clock is installed once
 * for many runs and reset between them; it fakes timers and `Date` only, so that ticks, microtasks and `setImmediate`
 * stay real; and it is stepped by `next()` with one real `setImmediate` between two timers, in which all promise jobs
 * run. Its own `nextAsync()` takes two of these for each timer, and the mode `nextAsync` a message channel besides.
 */
import type { EngineDriver, KVEntry, KVWrite, Message, WorkflowMessageDriver } from "@rivetkit/workflow-engine";
import { InMemoryDriver } from "@rivetkit/workflow-engine/testing";
import { type Clock, install } from "@sinonjs/fake-timers";
import type { EngineModule } from "../drivers/engine/contract.ts";
import type { Env, Program } from "../fixtures/programs/program.ts";
import { EPOCH_MS } from "../sim/world/world.ts";
import type { EngineRun, WriteCrash } from "./bare.ts";

const WORKFLOW_ID = "workflow";

const realSetImmediate = globalThis.setImmediate;

/** One real turn of the event loop: every tick and promise job has run when it is over. */
function turn(): Promise<void> {
	return new Promise((resolve) => realSetImmediate(resolve));
}

function never<T>(): Promise<T> {
	return new Promise(() => {});
}

/** What survives a crash, with the count by which crashes are placed. */
class Store {
	readonly driver = new InMemoryDriver();
	readonly crashes: readonly WriteCrash[];
	readonly calls = new Map<string, number>();
	/** Durable effects asked for, the one a crash came before included: their numbers. */
	writes = 0;
	crashed = 0;

	constructor(crashes: readonly WriteCrash[]) {
		this.driver.latency = 0;
		this.crashes = crashes;
	}

	/** On which side of the effect of that number a crash is planned, if one is. */
	side(n: number): WriteCrash["side"] | undefined {
		for (const { write, side } of this.crashes) if (write === n) return side;
		return undefined;
	}
}

/** One life: the driver and the outside as one start of the engine sees them. */
class Life implements EngineDriver, WorkflowMessageDriver {
	readonly workerPollInterval: number;
	readonly messageDriver: WorkflowMessageDriver = this;
	alive = true;
	readonly #store: Store;
	readonly #driver: InMemoryDriver;

	constructor(store: Store) {
		this.#store = store;
		this.#driver = store.driver;
		this.workerPollInterval = store.driver.workerPollInterval;
	}

	get(key: Uint8Array): Promise<Uint8Array | null> {
		return this.#read(() => this.#driver.get(key));
	}

	list(prefix: Uint8Array): Promise<KVEntry[]> {
		return this.#read(() => this.#driver.list(prefix));
	}

	set(key: Uint8Array, value: Uint8Array): Promise<void> {
		return this.#durable(() => this.#driver.set(key, value));
	}

	batch(writes: KVWrite[]): Promise<void> {
		return this.#durable(() => this.#driver.batch(writes));
	}

	delete(key: Uint8Array): Promise<void> {
		return this.batchDelete([key]);
	}

	batchDelete(keys: Uint8Array[]): Promise<void> {
		const wanted = new Set(keys.map(hex));
		return this.#deletion(
			(key) => wanted.has(key),
			() => this.#driver.batchDelete(keys),
		);
	}

	deletePrefix(prefix: Uint8Array): Promise<void> {
		const start = hex(prefix);
		return this.#deletion(
			(key) => key.startsWith(start),
			() => this.#driver.deletePrefix(prefix),
		);
	}

	deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
		const [from, to] = [hex(start), hex(end)];
		return this.#deletion(
			(key) => key >= from && key < to,
			() => this.#driver.deleteRange(start, end),
		);
	}

	setAlarm(workflowId: string, wakeAt: number): Promise<void> {
		return this.#durable(() => this.#driver.setAlarm(workflowId, wakeAt));
	}

	clearAlarm(workflowId: string): Promise<void> {
		const clear = () => this.#driver.clearAlarm(workflowId);
		return this.#driver.getAlarm(workflowId) === undefined ? this.#read(clear) : this.#durable(clear);
	}

	addMessage(message: Message): Promise<void> {
		return this.#durable(() => this.#driver.messageDriver.addMessage(message));
	}

	async receiveMessages(wanted: Parameters<WorkflowMessageDriver["receiveMessages"]>[0]): Promise<Message[]> {
		const store = this.#store;
		const queue = this.#driver.messageDriver;
		if (wanted.completable) throw new Error("The contender runs no program with completable messages.");
		if (!this.alive) return await never();
		const side = store.side(store.writes + 1);
		// The package's queue hands completable messages out without taking them: that tells whether there is one.
		if (side !== undefined && (await queue.receiveMessages({ ...wanted, completable: true })).length > 0) {
			store.writes++;
			if (side === "after") await queue.receiveMessages(wanted);
			return await this.#die();
		}
		const taken = await queue.receiveMessages(wanted);
		if (taken.length > 0) store.writes++;
		return taken;
	}

	completeMessage(id: string): Promise<void> {
		return this.#durable(() => this.#driver.messageDriver.completeMessage(id));
	}

	waitForMessages(names: string[], signal: AbortSignal): Promise<void> {
		return this.#read(() => this.#driver.waitForMessages(names, signal));
	}

	/** A call into the outside: a durable effect that needs no time. */
	call(label: string): Promise<number> {
		const { calls } = this.#store;
		return this.#durable(async () => {
			const count = (calls.get(label) ?? 0) + 1;
			calls.set(label, count);
			return count;
		});
	}

	/** A message of the outside, which arrives whoever dies of it. */
	arrive(message: Message): void {
		const store = this.#store;
		if (store.side(++store.writes) !== undefined) void this.#die();
		void this.#driver.messageDriver.addMessage(message);
	}

	#read<T>(read: () => Promise<T>): Promise<T> {
		return this.alive ? read() : never();
	}

	#deletion(matches: (key: string) => boolean, apply: () => Promise<void>): Promise<void> {
		// A deletion that finds nothing changes nothing, and is no durable effect.
		return this.#driver.keys().some(matches) ? this.#durable(apply) : this.#read(apply);
	}

	async #durable<T>(apply: () => Promise<T>): Promise<T> {
		if (!this.alive) return await never();
		const side = this.#store.side(++this.#store.writes);
		if (side === undefined) return await apply();
		if (side === "after") await apply();
		return await this.#die();
	}

	#die(): Promise<never> {
		this.alive = false;
		this.#store.crashed++;
		return never();
	}
}

function hex(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** What one start of the engine came to: what it resolved to, or the durable state that was found when it rejected. */
interface End {
	readonly state: string;
	readonly output?: unknown;
}

/** Starts of a run that rejects without an end before it is given up, and the time between them; as hosts in a world. */
const MAX_REJECTIONS = 4;
const RETRY_MS = 1_000;

/**
 * Runs the program to its end, through the crashes given, and looks at the finished workflow once more. The
 * clock is that of `inFakeTime`.
 */
export async function runFakeTimed(
	clock: Clock,
	module: EngineModule,
	program: Program,
	crashes: readonly WriteCrash[] = [],
): Promise<EngineRun> {
	clock.reset();
	const store = new Store(crashes);
	const inputs = program.inputs ?? [];
	let arrived = 0;
	let rejections = 0;
	let first: Pick<EngineRun, "status" | "output"> | undefined;
	const ended = (as: Pick<EngineRun, "status" | "output">): EngineRun => ({
		...(first ?? as),
		writes: store.writes,
		crashes: store.crashed,
	});
	for (let starts = 1; ; starts++) {
		const life = new Life(store);
		for (const { atMs, name, body } of inputs.slice(arrived)) {
			clock.setTimeout(
				() => {
					arrived++;
					life.arrive({ id: `m${arrived}`, name, data: body, sentAt: Date.now() });
				},
				EPOCH_MS + atMs - clock.now,
			);
		}
		const end = await live(clock, module, program, life, starts === 1 ? 1 : 2);
		// The process is gone, and with it its timers and whatever was under way; time goes on where it stood.
		const { now } = clock;
		clock.reset();
		clock.setSystemTime(now);
		if (!life.alive) continue;
		if (end === undefined) return ended({ status: "waiting", output: undefined });
		if (end.state === "completed" || end.state === "failed") {
			if (first !== undefined) return ended(first);
			first = { status: end.state, output: end.output };
		} else if (++rejections === MAX_REJECTIONS) {
			return ended({ status: "unrecoverable", output: undefined });
		}
		clock.setSystemTime(now + RETRY_MS);
	}
}

/** One start of the engine: how it ended, if it did before its process died or nothing was left to happen. */
async function live(
	clock: Clock,
	module: EngineModule,
	program: Program,
	life: Life,
	release: 1 | 2,
): Promise<End | undefined> {
	const env = envOf(module, life, release);
	let end: End | undefined;
	const handle = module.runWorkflow(WORKFLOW_ID, (context) => program.run(context, env), null, life, { mode: "live" });
	handle.result.then(
		({ state, output }) => {
			end = { state, output };
		},
		async () => {
			end = { state: await handle.getState() };
		},
	);
	await turn();
	while (life.alive && end === undefined && clock.countTimers() > 0) {
		clock.next();
		await turn();
	}
	return end;
}

function envOf(module: EngineModule, life: Life, release: 1 | 2): Env {
	return {
		Loop: module.Loop,
		CriticalError: module.CriticalError,
		RollbackError: module.RollbackError,
		call: (label) => life.call(label),
		delay: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
		nowMs: () => Date.now(),
		release,
	};
}

/** Runs `body` with the clock installed. Stack traces are off, as in a world and in a bare run. */
export async function inFakeTime<T>(body: (clock: Clock) => Promise<T>): Promise<T> {
	const { stackTraceLimit } = Error;
	const clock = install({
		now: EPOCH_MS,
		toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"],
	});
	Error.stackTraceLimit = 0;
	try {
		return await body(clock);
	} finally {
		Error.stackTraceLimit = stackTraceLimit;
		clock.uninstall();
	}
}
