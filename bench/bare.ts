/**
 * The engine by itself: the same module and the same programs over the least that a correct `EngineDriver` can be. A Map
 * that owns its bytes, a sorted list of its keys, and promises that are settled already; no latency, no world, no observed
 * context, no history, no random choices. A crash is a driver that stops answering.
 */
import type { EngineDriver, KVEntry, KVWrite, Message, WorkflowMessageDriver } from "@rivetkit/workflow-engine";
import { Encoder } from "cbor-x";
import type { EngineModule } from "../drivers/engine/contract.ts";
import type { Outcome } from "../drivers/engine/host.ts";
import type { Env, Program } from "../fixtures/programs/program.ts";
import { keyFromBytes } from "../sim/world/disk.ts";
import type { Fault } from "../sim/world/faults.ts";
import { drain } from "../sim/world/interpose.ts";

/** A crash around the nth durable effect. */
export type WriteCrash = Extract<Fault, { readonly kind: "crash"; readonly write: number }>;

/** What a run came to, however it was driven. */
export interface EngineRun {
	readonly status: Outcome["status"];
	readonly output: unknown;
	/** Durable effects: writes that changed something, and calls into the outside. */
	readonly writes: number;
	/** Crashes that struck. */
	readonly crashes: number;
}

const WORKFLOW_ID = "workflow";
const WORKER_POLL_INTERVAL_MS = 100;
const DONE = Promise.resolve();
const NOTHING = Promise.resolve(null);

/** What survives a bare crash, with the count by which crashes are placed. */
export class BareStore {
	readonly crash: WriteCrash | undefined;
	readonly values = new Map<string, KVEntry>();
	/** The keys of `values`, in order. */
	readonly keys: string[] = [];
	readonly calls = new Map<string, number>();
	/** As bytes, for what is durable cannot be an object that somebody still holds. */
	messages: { readonly id: string; readonly name: string; readonly bytes: Uint8Array }[] = [];
	alarm: number | undefined;
	writes = 0;
	crashed = false;

	constructor(crash: WriteCrash | undefined) {
		this.crash = crash;
	}

	/** The first place in `keys` that is not below the key. */
	place(key: string): number {
		let low = 0;
		let high = this.keys.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if ((this.keys[middle] as string) < key) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	set(key: string, entry: KVEntry): void {
		if (!this.values.has(key)) this.keys.splice(this.place(key), 0, key);
		this.values.set(key, entry);
	}

	delete(key: string): void {
		if (this.values.delete(key)) this.keys.splice(this.place(key), 1);
	}
}

const encoder = new Encoder({ useRecords: false });

function stored(message: Message): BareStore["messages"][number] {
	return { id: message.id, name: message.name, bytes: encoder.encode(message) };
}

/** A copy that nobody else writes to. */
function owned({ key, value }: KVEntry): KVEntry {
	return { key: new Uint8Array(key), value: new Uint8Array(value) };
}

/** One life: the driver and the outside as one start of the engine sees them. */
export class BareLife implements EngineDriver, WorkflowMessageDriver {
	readonly workerPollInterval = WORKER_POLL_INTERVAL_MS;
	readonly messageDriver: WorkflowMessageDriver = this;
	readonly #store: BareStore;
	#alive = true;

	constructor(store: BareStore) {
		this.#store = store;
	}

	addMessage(message: Message): Promise<void> {
		return this.#durable(() => this.#store.messages.push(stored(message)));
	}

	receiveMessages({ names, count }: Parameters<WorkflowMessageDriver["receiveMessages"]>[0]): Promise<Message[]> {
		const store = this.#store;
		const taken: Message[] = [];
		const left: typeof store.messages = [];
		for (const message of store.messages) {
			const wanted = names === undefined || names.length === 0 || names.includes(message.name);
			if (wanted && taken.length < count) taken.push(encoder.decode(message.bytes));
			else left.push(message);
		}
		if (taken.length === 0) return this.#answer(Promise.resolve(taken));
		return this.#durable(() => {
			store.messages = left;
		}, Promise.resolve(taken));
	}

	completeMessage(id: string): Promise<void> {
		const store = this.#store;
		return this.#durable(() => {
			store.messages = store.messages.filter((message) => message.id !== id);
		});
	}

	call(label: string): Promise<number> {
		const { calls } = this.#store;
		const count = (calls.get(label) ?? 0) + 1;
		return this.#durable(() => calls.set(label, count), Promise.resolve(count));
	}

	get(key: Uint8Array): Promise<Uint8Array | null> {
		const entry = this.#store.values.get(keyFromBytes(key));
		return this.#answer(entry === undefined ? NOTHING : Promise.resolve(new Uint8Array(entry.value)));
	}

	set(key: Uint8Array, value: Uint8Array): Promise<void> {
		return this.#durable(() => this.#store.set(keyFromBytes(key), owned({ key, value })));
	}

	delete(key: Uint8Array): Promise<void> {
		return this.#deleteAll([keyFromBytes(key)]);
	}

	batch(writes: KVWrite[]): Promise<void> {
		return this.#durable(() => {
			for (const write of writes) this.#store.set(keyFromBytes(write.key), owned(write));
		});
	}

	batchDelete(keys: Uint8Array[]): Promise<void> {
		return this.#deleteAll(keys.map(keyFromBytes));
	}

	deletePrefix(prefix: Uint8Array): Promise<void> {
		return this.#deleteAll(this.#keysWith(keyFromBytes(prefix)));
	}

	deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
		const store = this.#store;
		return this.#deleteAll(store.keys.slice(store.place(keyFromBytes(start)), store.place(keyFromBytes(end))));
	}

	list(prefix: Uint8Array): Promise<KVEntry[]> {
		const { values } = this.#store;
		return this.#answer(
			Promise.resolve(this.#keysWith(keyFromBytes(prefix)).map((key) => owned(values.get(key) as KVEntry))),
		);
	}

	setAlarm(_workflowId: string, wakeAt: number): Promise<void> {
		return this.#durable(() => {
			this.#store.alarm = wakeAt;
		});
	}

	clearAlarm(_workflowId: string): Promise<void> {
		if (this.#store.alarm === undefined) return this.#answer(DONE);
		return this.#durable(() => {
			this.#store.alarm = undefined;
		});
	}

	waitForMessages(): Promise<void> {
		throw new Error("A bare run waited for a message; enqueue all of them up front.");
	}

	#keysWith(prefix: string): string[] {
		const { keys } = this.#store;
		const start = this.#store.place(prefix);
		let end = start;
		while (end < keys.length && (keys[end] as string).startsWith(prefix)) end++;
		return keys.slice(start, end);
	}

	#deleteAll(keys: readonly string[]): Promise<void> {
		const store = this.#store;
		const real = keys.filter((key) => store.values.has(key));
		if (real.length === 0) return this.#answer(DONE);
		return this.#durable(() => {
			for (const key of real) store.delete(key);
		});
	}

	#answer<T>(answer: Promise<T>): Promise<T> {
		return this.#alive ? answer : new Promise(() => {});
	}

	#durable(apply: () => void): Promise<void>;
	#durable<T>(apply: () => void, answer: Promise<T>): Promise<T>;
	#durable(apply: () => void, answer: Promise<unknown> = DONE): Promise<unknown> {
		if (!this.#alive) return new Promise(() => {});
		const store = this.#store;
		const n = ++store.writes;
		if (n !== store.crash?.write) {
			apply();
			return answer;
		}
		if (store.crash.side === "after") apply();
		this.#alive = false;
		store.crashed = true;
		return new Promise(() => {});
	}
}

/**
 * Runs the program to its end, through one crash if one is given, and looks at the finished workflow once more. One
 * synchronous call, from a macrotask: everything is settled after one drain for each life.
 */
export function runBare(module: EngineModule, program: Program, crash?: WriteCrash): EngineRun {
	const store = new BareStore(crash);
	program.inputs?.forEach(({ name, body }, i) => {
		store.messages.push(stored({ id: `m${i + 1}`, name, data: body, sentAt: Date.now() }));
	});
	store.writes = store.messages.length;
	let output: unknown;
	for (let ends = 0, starts = 0; ends < 2; starts++) {
		const crashedBefore = store.crashed;
		const end = live(module, program, store, starts === 0 ? 1 : 2);
		if (end?.state === "completed") {
			output = end.output;
			ends++;
		} else if (store.crashed !== crashedBefore) {
			clearTimeout(latest);
		} else {
			throw new Error(`The bare run of ${program.name} came to no end; it must need no timer and no further message.`);
		}
	}
	return { status: "completed", output, writes: store.writes, crashes: store.crashed ? 1 : 0 };
}

/** One start of the engine; its result unless it crashed on the way. */
function live(module: EngineModule, program: Program, store: BareStore, release: 1 | 2) {
	const life = new BareLife(store);
	const env: Env = {
		Loop: module.Loop,
		CriticalError: module.CriticalError,
		RollbackError: module.RollbackError,
		call(label) {
			return life.call(label);
		},
		delay(ms) {
			return new Promise((resolve) => setTimeout(resolve, ms));
		},
		nowMs() {
			return Date.now();
		},
		release,
	};
	let result: { state: string; output?: unknown } | undefined;
	module
		.runWorkflow(WORKFLOW_ID, (context) => program.run(context, env), null, life, { mode: "live" })
		.result.then((value) => {
			result = value;
		});
	drain();
	return result;
}

/** The timer armed last; of a crashed life it is the timeout of the step that will never end. */
let latest: NodeJS.Timeout | undefined;

/**
 * Runs `body` as bare code is to be timed: without stack traces, as in a world, and noting the step timeouts, so that
 * Node need not keep those of crashed lives for half a minute.
 */
export function inBareConditions<T>(body: () => T): T {
	const { stackTraceLimit } = Error;
	const { setTimeout } = globalThis;
	Error.stackTraceLimit = 0;
	globalThis.setTimeout = ((callback: () => void, ms?: number) => {
		latest = setTimeout(callback, ms);
		return latest;
	}) as typeof setTimeout;
	try {
		return body();
	} finally {
		globalThis.setTimeout = setTimeout;
		Error.stackTraceLimit = stackTraceLimit;
	}
}
