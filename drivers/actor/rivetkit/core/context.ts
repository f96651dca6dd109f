/**
 * An actor in one process life, as the core hosts it and as `rivetkit`'s own contexts reach it: they call these methods by name. It
 * keeps state, queue, schedule and alarms durable, commits the state and a batch of workflow history as one, lets the actor sleep
 * when nothing is left to do, and ends its lives in order. What the published core does in Rust, this does in its place.
 */
import { bytesFromKey, type Disk, keyFromBytes } from "../../../../sim/world/disk.ts";
import type { Mutation } from "../../../../sim/world/history.ts";
import type { Process } from "../../../../sim/world/process.ts";
import type { World } from "../../../../sim/world/world.ts";
import type { ActorPlatform } from "../../contract.ts";
import type { ActorCallbacks, CoreConfig, StateDelta } from "./callbacks.ts";
import { decodeValue } from "./compat.ts";
import { messageOf } from "./errors.ts";
import { CoreQueue } from "./queue.ts";
import { CoreSql } from "./sql.ts";
import {
	CoreStore,
	encodeScheduled,
	encodeTime,
	type ScheduledAction,
	STATE,
	scheduledOf,
	type Tables,
	WORKFLOW_PREFIX,
} from "./store.ts";

interface WorkflowWrite {
	readonly key: Uint8Array;
	readonly value: Uint8Array;
}

interface SaveOptions {
	readonly immediate?: boolean | null;
	readonly maxWaitMs?: number | null;
}

export const ALARMS = { workflow: "workflow", schedule: "schedule" } as const;

export class CoreContext {
	readonly #store: CoreStore;
	readonly #platform: ActorPlatform;
	readonly #actorId: string;
	readonly #callbacks: ActorCallbacks;
	readonly #config: CoreConfig;
	readonly #abort = new AbortController();
	readonly #queue: CoreQueue;
	readonly #sql: CoreSql;
	readonly #runtimeState = {};
	/** As it was found or created; undefined for an actor without state. */
	#state: Uint8Array | undefined;
	#run: Promise<void> | undefined;
	#running = false;
	#ready = false;
	#stopping = false;
	/** What keeps it awake: tasks that are under way, regions that are open, requests being answered. */
	#active = 0;
	readonly #tasks = new Set<Promise<unknown>>();
	#idle: ReturnType<typeof setTimeout> | undefined;
	#save: ReturnType<typeof setTimeout> | undefined;
	#saveAtMs = Number.POSITIVE_INFINITY;

	constructor(
		world: World,
		process: Process,
		tables: Tables,
		actorId: string,
		{ callbacks, config }: { readonly callbacks: ActorCallbacks; readonly config: CoreConfig },
		platform: ActorPlatform,
	) {
		this.#store = new CoreStore(world, process, tables);
		this.#platform = platform;
		this.#actorId = actorId;
		this.#callbacks = callbacks;
		this.#config = config;
		this.#sql = new CoreSql(this.#store);
		const busy = () => this.#touch();
		const say = (text: string) => platform.log("error", text);
		this.#queue = new CoreQueue(this.#store, config, this.#abort.signal, busy, say);
	}

	get callbacks(): ActorCallbacks {
		return this.#callbacks;
	}

	get messages(): CoreQueue {
		return this.#queue;
	}

	get stopping(): boolean {
		return this.#stopping;
	}

	/** Loads or creates the actor and starts its run handler. Settles once it is ready for clients. */
	async start(): Promise<void> {
		const { callbacks } = this;
		const { actor } = this.#store.tables;
		const stored = await this.#store.read("actor.load", "actor state", (disk) => ({
			created: disk.get(actor, CREATED) !== undefined,
			state: disk.get(actor, STATE),
		}));
		this.#state = stored.state;
		await callbacks.onMigrate?.(null, { ctx: this, isNew: !stored.created });
		if (!stored.created) await this.#create();
		await callbacks.createVars?.(null, { ctx: this });
		await callbacks.onWake?.(null, { ctx: this });
		await callbacks.onBeforeActorStart?.(null, { ctx: this });
		this.#ready = true;
		this.restartRunHandler();
		this.#touch();
		await this.runDue();
	}

	async #create(): Promise<void> {
		const { callbacks } = this;
		const state = await callbacks.createState?.(null, { ctx: this });
		const { actor } = this.#store.tables;
		await this.#store.write("actor.create", () => {
			const created = { table: actor, key: CREATED, value: Uint8Array.of(1) };
			return [state === undefined ? [created] : [created, { table: actor, key: STATE, value: state }], undefined];
		});
		this.#state = state;
		await callbacks.onCreate?.(null, { ctx: this });
	}

	/** Answers a request of a client, or does what is due; the actor stays awake meanwhile. */
	async awake<T>(run: () => Promise<T>): Promise<T> {
		this.#begin();
		try {
			return await run();
		} finally {
			this.#end();
		}
	}

	/** Calls the actions that are due, in order; each is taken off the schedule before. */
	async runDue(): Promise<void> {
		if (this.#stopping) return;
		const now = Date.now();
		const due = await this.#store.write("schedule.claim", (disk) => {
			const all = scheduledOf(disk, this.#store.tables);
			const claimed = all.filter(({ atMs }) => atMs <= now);
			const { schedule } = this.#store.tables;
			const deletions = claimed.map(({ id }): Mutation => ({ table: schedule, key: id, value: null }));
			const next = all[claimed.length];
			return [claimed.length === 0 ? [] : [...deletions, this.#alarm(next)], claimed];
		});
		if (due.length > 0) this.#platform.alarmChanged();
		for (const { action, args } of due) await this.awake(() => this.#call(action, args));
	}

	async #call(action: string, args: Uint8Array): Promise<void> {
		try {
			const call = this.#callbacks.actions[action];
			if (call === undefined) throw new Error(`Action '${action}' not found.`);
			await call(null, { ctx: this, conn: null as never, name: action, args });
		} catch (error) {
			this.#platform.log("error", `scheduled action ${action} failed: ${messageOf(error)}`);
		}
	}

	/** Ends the life in order. */
	async stop(how: "sleep" | "destroy"): Promise<void> {
		this.#stopping = true;
		clearTimeout(this.#idle);
		this.#abort.abort();
		const grace = this.#config.sleepGracePeriodMs;
		if (this.#run !== undefined && !(await within(this.#run, grace))) {
			this.#platform.log("warn", `run handler did not stop within ${grace} ms`);
		}
		clearTimeout(this.#save);
		if (how === "sleep") {
			await this.#callbacks.onSleep(null, { ctx: this });
			return;
		}
		await this.#callbacks.onDestroy(null, { ctx: this });
		const { fate, ...tables } = this.#store.tables;
		await this.#store.write("destroy", (disk) => {
			const stored = Object.values(tables).flatMap((table) =>
				disk.list(table, "").map(({ key }): Mutation => ({ table, key, value: null })),
			);
			return [[{ table: fate, key: "destroyed", value: Uint8Array.of(1) }, ...stored], undefined];
		});
	}

	#begin(): void {
		this.#active++;
		this.#touch();
	}

	#end(): void {
		this.#active--;
		this.#touch();
	}

	/** Counts the time to sleep from now, if nothing is left to do but to wait for messages. */
	#touch(): void {
		clearTimeout(this.#idle);
		if (!this.#ready || this.#stopping || this.#active > 0) return;
		if (this.#running && this.#queue.waits === 0) return;
		this.#idle = setTimeout(() => this.#platform.sleepRequested(), this.#config.sleepTimeoutMs);
	}

	/** The alarm of the schedule: of the action that is due next, if there is one. */
	#alarm(next: ScheduledAction | undefined): Mutation {
		const value = next === undefined ? null : encodeTime(next.atMs);
		return { table: this.#store.tables.alarm, key: ALARMS.schedule, value };
	}

	async #saveNow(): Promise<void> {
		clearTimeout(this.#save);
		this.#saveAtMs = Number.POSITIVE_INFINITY;
		await this.saveState(await this.#callbacks.serializeState(null, { ctx: this, reason: "save" }));
	}

	/** The state as a change, when it is another one than the durable one. */
	#changed(disk: Disk, { state }: StateDelta): Mutation[] {
		const { actor } = this.#store.tables;
		const stored = disk.get(actor, STATE);
		if (state === undefined || (stored !== undefined && Buffer.compare(state, stored) === 0)) return [];
		return [{ table: actor, key: STATE, value: state }];
	}

	// From here on: what `rivetkit` calls by name.

	state(): Uint8Array {
		return this.#state ?? new Uint8Array(0);
	}

	beginOnStateChange(): void {}

	endOnStateChange(): void {}

	requestSave(options?: SaveOptions | null): void {
		const waitMs = options?.immediate ? 0 : Math.min(this.#config.stateSaveIntervalMs, options?.maxWaitMs ?? Infinity);
		const atMs = Date.now() + waitMs;
		if (this.#stopping || atMs >= this.#saveAtMs) return;
		clearTimeout(this.#save);
		this.#saveAtMs = atMs;
		this.#save = setTimeout(() => {
			this.#saveNow().catch((error) => this.#platform.log("error", `state could not be saved: ${messageOf(error)}`));
		}, waitMs);
	}

	requestSaveAndWait(): Promise<void> {
		return this.#saveNow();
	}

	async saveState(delta: StateDelta): Promise<void> {
		await this.#store.write("state.save", (disk) => [this.#changed(disk, delta), undefined]);
	}

	/** One commit for both. */
	async saveStateAndWorkflowBatch(writes: readonly WorkflowWrite[]): Promise<void> {
		const delta = await this.#callbacks.serializeState(null, { ctx: this, reason: "save" });
		const { workflow } = this.#store.tables;
		const rows = writes.map(({ key, value }) => ({
			table: workflow,
			key: WORKFLOW_PREFIX + keyFromBytes(key),
			value: new Uint8Array(value),
		}));
		await this.#store.write("state-and-workflow", (disk) => [[...rows, ...this.#changed(disk, delta)], undefined]);
	}

	setAlarm(timestampMs?: number | null): void {
		const { alarm } = this.#store.tables;
		const value = timestampMs == null ? null : encodeTime(timestampMs);
		this.#store
			.write("alarm.set", () => [[{ table: alarm, key: ALARMS.workflow, value }], undefined])
			.then(
				() => this.#platform.alarmChanged(),
				(error) => this.#platform.log("error", `alarm could not be set: ${messageOf(error)}`),
			);
	}

	actorId(): string {
		return this.#actorId;
	}

	name(): string {
		return "subject";
	}

	key(): readonly object[] {
		return [];
	}

	region(): string {
		return "local";
	}

	sleep(): void {
		this.#platform.sleepRequested();
	}

	destroy(): void {
		this.#platform.destroyRequested();
	}

	abortSignal(): AbortSignal {
		return this.#abort.signal;
	}

	conns(): readonly object[] {
		return [];
	}

	takePendingHibernationChanges(): readonly string[] {
		return [];
	}

	dirtyHibernatableConns(): readonly object[] {
		return [];
	}

	broadcast(event: string, args: Uint8Array): void {
		this.#platform.broadcasted(event, decodeValue(args) as readonly unknown[]);
	}

	waitUntil(promise: Promise<unknown>): void {
		this.registerTask(promise);
	}

	registerTask(promise: Promise<unknown>): void {
		const task = promise
			.catch((error) => this.#platform.log("error", `a task failed: ${messageOf(error)}`))
			.then(() => {
				this.#tasks.delete(task);
				this.#end();
			});
		this.#tasks.add(task);
		this.#begin();
	}

	beginKeepAwake(): number {
		this.#begin();
		return 0;
	}

	endKeepAwake(): void {
		this.#end();
	}

	waitForTrackedShutdownWork(): Promise<boolean> {
		return within(Promise.all(this.#tasks), this.#config.sleepGracePeriodMs);
	}

	async waitForTrackedShutdownWorkUnbounded(): Promise<void> {
		await Promise.all(this.#tasks);
	}

	runtimeState(): object {
		return this.#runtimeState;
	}

	restartRunHandler(): void {
		const { run } = this.#callbacks;
		if (run === undefined || this.#running) return;
		this.#running = true;
		this.#run = run(null, { ctx: this })
			.catch((error) => {
				if (!this.#stopping) this.#platform.log("error", `run handler threw error: ${messageOf(error)}`);
			})
			.then(() => {
				this.#running = false;
				this.#touch();
			});
	}

	queue(): CoreQueue {
		return this.#queue;
	}

	sql(): CoreSql {
		return this.#sql;
	}

	schedule(): object {
		const { schedule } = this.#store.tables;
		const at = async (timestampMs: number, action: string, args: Uint8Array): Promise<string> => {
			const planned: ScheduledAction = { id: crypto.randomUUID(), atMs: timestampMs, action, args };
			await this.#store.write("schedule.set", (disk) => {
				const [first = planned] = scheduledOf(disk, this.#store.tables);
				const row = { table: schedule, key: planned.id, value: encodeScheduled(planned) };
				return [[row, this.#alarm(first.atMs <= timestampMs ? first : planned)], undefined];
			});
			this.#platform.alarmChanged();
			return planned.id;
		};
		return { at, after: (ms: number, action: string, args: Uint8Array) => at(Date.now() + ms, action, args) };
	}

	kv(): object {
		const { user: table } = this.#store.tables;
		const put = (entries: readonly WorkflowWrite[]) =>
			this.#store.write("user.put", () => [
				entries.map(({ key, value }) => ({ table, key: keyFromBytes(key), value })),
				undefined,
			]);
		return {
			get: (key: Uint8Array) =>
				this.#store.read("user.get", keyFromBytes(key), (disk) => disk.get(table, keyFromBytes(key))?.slice() ?? null),
			put: (key: Uint8Array, value: Uint8Array) => put([{ key, value }]),
			batchPut: put,
			listPrefix: (prefix: Uint8Array) =>
				this.#store.read("user.list", keyFromBytes(prefix), (disk) =>
					disk.list(table, keyFromBytes(prefix)).map(({ key, value }) => ({ key: bytesFromKey(key), value })),
				),
		};
	}
}

const CREATED = "created";

/** Whether it settled in that time. */
async function within(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const limit = new Promise<boolean>((resolve) => {
		timer = setTimeout(() => resolve(false), limitMs);
	});
	const settled = await Promise.race([promise.then(() => true), limit]);
	clearTimeout(timer);
	return settled;
}
