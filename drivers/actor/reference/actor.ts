/**
 * One life of the reference actor: it reads what is stored, carries on the workflow inside, does what is due, answers clients, and
 * goes to sleep when there is nothing to do. What it does is done in turns (`turns.ts`); nobody learns of a turn before it is
 * durable. A write that storage fails ends the life: the next one goes on from what is durable.
 */
import type { KVWrite, WorkflowErrorEvent, WorkflowHandle } from "@rivetkit/workflow-engine";
import type { Mutation } from "../../../sim/world/history.ts";
import type { EngineModule } from "../../engine/contract.ts";
import { decodeValue, encodeValue } from "../../engine/reference/values.ts";
import type { ActorConfig, ActorInstance, ActorPlatform, SendResult, WorkflowContext } from "../contract.ts";
import { ActorHandlerContext, ActorWorkflowContext } from "./context.ts";
import { ActorEngineDriver, failureOf, failuresIn, recordedOf, type StepPlace } from "./driver.ts";
import { ActionNotFoundError } from "./errors.ts";
import { matches, Queue } from "./queue.ts";
import type { ActorRules } from "./rules.ts";
import { describeKey, KEYS, PREFIX, type Scheduled, type Store } from "./store.ts";
import { type Turn, Turns } from "./turns.ts";

const DEFAULT_SLEEP_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_QUEUE_SIZE = 1_000;
const DEFAULT_MAX_MESSAGE_BYTES = 64 * 1024;
/** Milliseconds that a plain run handler gets to come to its end. */
const STOP_PATIENCE_MS = 15_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What `workflow(...)` makes. */
export class WorkflowHandler {
	readonly run: (context: WorkflowContext) => Promise<unknown>;
	readonly onError: ((context: ActorHandlerContext, event: unknown) => unknown) | undefined;

	constructor(
		run: (context: WorkflowContext) => Promise<unknown>,
		onError: ((context: ActorHandlerContext, event: unknown) => unknown) | undefined,
	) {
		this.run = run;
		this.onError = onError;
	}
}

/** The turn of a step, with what tells whether its engine still wants to know. */
interface StepTurn extends StepPlace {
	readonly turn: Turn;
	readonly counts: () => boolean;
	/** Whether the body has ended well; then it waits to be recorded. */
	ended: boolean;
}

export class Actor implements ActorInstance {
	readonly id: string;
	readonly rules: ActorRules;
	readonly store: Store;
	readonly queue: Queue;
	readonly turns: Turns;
	readonly platform: ActorPlatform;
	readonly abort = new AbortController();
	readonly #config: ActorConfig;
	readonly #engine: EngineModule;
	readonly #context: ActorHandlerContext;
	readonly #workflow: WorkflowHandler | undefined;
	/** The handle of the workflow's run under way. */
	#run: WorkflowHandle<unknown> | undefined;
	/** What the workflow waits for between two runs. */
	#idle: { readonly names: readonly string[] | undefined } | undefined;
	#workflowOver = false;
	/** A message came while the workflow was on its way to rest. */
	#runAgain = false;
	#step: StepTurn | undefined;
	/** What listeners are told once it is durable. */
	#notices: WorkflowErrorEvent[] = [];
	/** Requests of clients, and turns, that are not over. */
	#busy = 0;
	#sleepTimer: ReturnType<typeof setTimeout> | undefined;
	/** Whether due actions are being done, and whether to look for more after that. */
	#doing = false;
	#dueAgain = false;
	#stopping = false;
	/** The workflow was to be run when the actor had begun to stop. */
	#isToGoOn = false;
	/** What the actor does of its own, while it does. */
	readonly #own = new Set<Promise<void>>();
	#isBroken = false;
	#plain: Promise<unknown> | undefined;
	#loose: unknown;

	constructor(
		id: string,
		config: ActorConfig,
		engine: EngineModule,
		store: Store,
		platform: ActorPlatform,
		rules: ActorRules,
	) {
		this.id = id;
		this.rules = rules;
		this.store = store;
		this.platform = platform;
		this.#config = config;
		this.#engine = engine;
		this.turns = new Turns(rules);
		this.#workflow = workflowOf(config);
		const { maxQueueSize = DEFAULT_MAX_QUEUE_SIZE, maxQueueMessageSize = DEFAULT_MAX_MESSAGE_BYTES } =
			config.options ?? {};
		this.queue = new Queue(
			store,
			{ size: maxQueueSize, messageBytes: maxQueueMessageSize },
			rules,
			{
				onMessage: (name) => this.#messageCame(name),
				onUnreadable: (key) => platform.log("error", `${key} cannot be read and was set aside`),
			},
			this.#workflow !== undefined,
			this.abort.signal,
		);
		this.#context = new ActorHandlerContext(this);
	}

	/** @throws ActorDamagedError when the state is not what was stored. */
	async start(): Promise<void> {
		const { store, turns } = this;
		const { state, isNew, setAside } = await store.operate("actor.load", () => {
			store.read<number>(KEYS.created);
			const stored = store.bytes(KEYS.state);
			if (stored !== undefined) store.read(KEYS.state);
			const setAside = store.disk.list(store.tables.actor, PREFIX.unreadable).map(({ key }) => describeKey(key));
			return { state: stored, isNew: store.bytes(KEYS.created) === undefined, setAside };
		});
		// Whoever set it aside may have died before anybody was told.
		for (const message of setAside) this.platform.log("error", `${message} was set aside`);
		const first = this.#config.state === undefined ? undefined : encodeValue(this.#config.state, "the first state");
		turns.begin(isNew ? first : state, undefined);
		const { createVars, vars } = this.#config;
		const made = createVars === undefined ? vars : await createVars(this.#context as never);
		turns.begin(isNew ? first : state, made);
		if (isNew) await this.#create(first);
		if (this.#config.onWake !== undefined)
			await this.#turn("onWake", () => this.#config.onWake?.(this.#context as never));
	}

	/** Settled once clients may come; the rest goes on by itself. */
	begin(): void {
		this.#touch();
		if (this.rules.forgetDueActions !== true) this.#act(() => this.#doDueActions());
		if (this.#workflow !== undefined) this.#runWorkflow();
		else if (this.#config.run !== undefined) this.#runPlain();
	}

	/** Whether a context is the one of the plain run handler. */
	isPlain(_context: ActorHandlerContext): boolean {
		return this.#workflow === undefined && this.#plain !== undefined;
	}

	async #create(first: Uint8Array | undefined): Promise<void> {
		const { store } = this;
		const fields = () => [
			store.record(KEYS.created, 1),
			store.record(KEYS.queue, { size: 0, next: 1 }),
			...(first === undefined ? [] : [store.raw(KEYS.state, first)]),
		];
		const { onCreate } = this.#config;
		if (onCreate === undefined) await store.write("actor.create", fields);
		else await this.#turn("onCreate", () => onCreate(this.#context as never), { more: fields });
	}

	/** Has a turn run and made durable, with more that belongs to it. Nothing of it is left when the body throws. */
	async #turn<T>(
		what: string,
		body: () => T | Promise<T>,
		{ more = () => [], due }: { readonly more?: () => readonly Mutation[]; readonly due?: Scheduled | undefined } = {},
	): Promise<T> {
		this.#reap();
		const turn = await this.turns.take();
		let result: T;
		try {
			result = await this.turns.run(turn, body);
			this.turns.close(turn);
		} catch (error) {
			this.turns.undo(turn);
			throw error;
		}
		try {
			await this.store.operate(what, () => {
				const mutations = [...more(), ...this.#mutationsOf(turn, due)];
				if (mutations.length > 0) this.store.commitNow(what, mutations);
			});
		} catch (error) {
			this.turns.undo(turn);
			// It may have taken place: what is in memory is not to be relied on.
			if (isOfStorage(error)) this.#breaks(error);
			throw error;
		}
		this.turns.settle(turn);
		this.#grant(turn);
		return result;
	}

	/**
	 * The writes that make a turn durable, worked out as they are written.
	 * @param due what the turn has done of the schedule.
	 */
	#mutationsOf(turn: Turn, due?: Scheduled): Mutation[] {
		const { store } = this;
		const mutations: Mutation[] = [];
		if (turn.newState !== undefined) mutations.push(store.raw(KEYS.state, turn.newState));
		if (this.rules.sendInMemory !== true) mutations.push(...this.queue.mutationsOf(turn.sends).mutations);
		if (turn.schedule.length > 0 || due !== undefined) {
			mutations.push(...this.#scheduleMutations([...without(store.schedule(), due), ...turn.schedule]));
		}
		return mutations;
	}

	#scheduleMutations(schedule: readonly Scheduled[]): Mutation[] {
		const { store } = this;
		const inOrder = [...schedule].sort((a, b) => a.at - b.at);
		return [store.record(KEYS.schedule, inOrder), ...store.alarmFor(store.wakeAt(), inOrder)];
	}

	/** What a turn asked for besides, now that it is durable. */
	#grant(turn: Turn): void {
		for (const { event, values } of turn.broadcasts) this.broadcast(event, values);
		for (const { name, body } of turn.sends) {
			if (this.rules.sendInMemory === true) void this.queue.send(name, decodeValue(body), "");
			else this.queue.arrived(name);
		}
		if (turn.schedule.length > 0) this.platform.alarmChanged();
		if (turn.destroy) this.platform.destroyRequested();
		else if (turn.sleep) this.platform.sleepRequested();
		this.#touch();
	}

	broadcast(event: string, values: readonly unknown[]): void {
		this.platform.broadcasted(event, values);
	}

	/** The state as whoever is let in without a turn sees it. */
	looseState(): unknown {
		this.#loose ??= this.turns.state === undefined ? undefined : decodeValue(this.turns.state);
		return this.#loose;
	}

	/** Leaves a mark in the state, as no rule allows. */
	mark(what: string): void {
		void this.#turn("mark", () => {
			(this.#context.state as Record<string, unknown>)[what] = true;
		});
	}

	/**
	 * Carries out the attempt of a step, or a compensation, as a turn. It has come to an end once the engine has it on record.
	 * @param limitMs of the attempt; 0 for none. What the body does after that counts for nothing.
	 */
	async turnOf<T>(
		place: StepPlace & { readonly counts: () => boolean },
		limitMs: number,
		body: () => T | Promise<T>,
	): Promise<T> {
		const deadline = limitMs > 0 && limitMs < Number.POSITIVE_INFINITY ? Date.now() + limitMs : undefined;
		this.#reap();
		const turn = await this.turns.take();
		const step: StepTurn = { ...place, turn, ended: false };
		this.#step = step;
		const timer =
			deadline === undefined
				? undefined
				: setTimeout(() => this.#dropStep(step, true), Math.min(MAX_TIMER_MS, Math.max(0, deadline - Date.now())));
		try {
			if (this.rules.snapshotStateAlways === true) this.turns.stateOf(turn);
			if (this.rules.cloneVars === true) this.turns.varsOf(turn);
			const result = await this.turns.run(turn, body);
			if (turn.open) this.turns.close(turn);
			step.ended = true;
			if (!step.counts()) this.#dropStep(step);
			return result;
		} catch (error) {
			if (this.rules.broadcastOnRejection === true)
				for (const { event, values } of turn.broadcasts) this.broadcast(event, values);
			this.#dropStep(step);
			throw error;
		} finally {
			clearTimeout(timer);
		}
	}

	#dropStep(step: StepTurn, onlyOpen = false): void {
		if (this.#step !== step || (onlyOpen && step.ended)) return;
		this.#step = undefined;
		const { saveAfterRollback, keepFailedState } = this.rules;
		this.turns.undo(step.turn);
		const { state } = this.turns;
		if (state !== undefined && saveAfterRollback === true) {
			// Told apart from what is there by one byte that no reader minds: the very same bytes would be no write.
			void this.store
				.write("actor.save", () => [this.store.deletion(KEYS.state)])
				.then(() => this.store.write("actor.save", () => [this.store.raw(KEYS.state, state)]));
		}
		if (state !== undefined && keepFailedState === true)
			void this.store.write("actor.save", () => [this.store.raw(KEYS.state, state)]);
	}

	/** A step whose engine does not want to know any more is over. */
	#reap(): void {
		const step = this.#step;
		if (step?.ended === true && !step.counts()) this.#dropStep(step);
	}

	/** Makes records of the workflow durable, with the turn that they complete. */
	async recordWorkflow(mutations: readonly Mutation[], writes: readonly KVWrite[]): Promise<void> {
		const step = this.#step;
		const recorded = step === undefined ? undefined : recordedOf(step, writes);
		if (step !== undefined && recorded === "failed") this.#dropStep(step);
		const turn = recorded === "done" ? step?.turn : undefined;
		const ofTurn = () => (turn === undefined ? [] : this.#mutationsOf(turn));
		const { storeStateFirst, storeStateLast } = this.rules;
		if (storeStateFirst === true && turn !== undefined) await this.store.write("actor.save", ofTurn);
		await this.store.write("workflow.batch", () =>
			storeStateFirst === true || storeStateLast === true ? mutations : [...mutations, ...ofTurn()],
		);
		if (storeStateLast === true && turn !== undefined) await this.store.write("actor.save", ofTurn);
		if (turn !== undefined && this.#step === step) {
			this.#step = undefined;
			this.turns.settle(turn);
			this.#grant(turn);
		}
		this.#notify(failuresIn(writes));
	}

	/** Tells the listener of failures that are on record now. What other branches have failed with waits for its own write. */
	#notify(recorded: readonly string[]): void {
		for (const failure of recorded) {
			const place = this.#notices.findIndex((event) => failureOf(event) === failure);
			if (place >= 0) for (const event of this.#notices.splice(place, 1)) this.#tellListener(event);
		}
	}

	#failureCame(event: WorkflowErrorEvent): void {
		if (this.rules.notifyBeforeRecord === true) this.#tellListener(event);
		else this.#notices.push(event);
	}

	#tellListener(event: WorkflowErrorEvent): void {
		void Promise.resolve()
			.then(() => this.#workflow?.onError?.(this.#context, event))
			.catch(() => {});
	}

	#runWorkflow(): void {
		const workflow = this.#workflow;
		if (workflow === undefined || this.#run !== undefined || this.#workflowOver || this.#stopping) return;
		this.#idle = undefined;
		this.#runAgain = false;
		const handle = this.#engine.runWorkflow(
			this.id,
			(inner) => workflow.run(new ActorWorkflowContext(inner, this)),
			undefined,
			new ActorEngineDriver(this),
			{
				mode: "yield",
				...(workflow.onError === undefined ? {} : { onError: (event) => this.#failureCame(event) }),
			},
		);
		this.#run = handle;
		handle.result.then(
			({ state, waitingForMessages }) => {
				this.#runEnded();
				if (state === "completed") {
					this.#workflowOver = true;
					this.platform.runEnded(undefined);
				} else if (!this.#stopping) {
					this.#idle = { names: waitingForMessages };
					this.#lookAgain(waitingForMessages);
				}
				this.#touch();
			},
			(error) => this.#workflowRejected(handle, error),
		);
	}

	#runEnded(): void {
		this.#run = undefined;
		this.#notices = [];
		const step = this.#step;
		// What is not on record by now never will be.
		if (step !== undefined) this.#dropStep(step);
	}

	/** What came while the run was coming to its rest has woken nobody. */
	#lookAgain(names: readonly string[] | undefined): void {
		if (this.#runAgain) this.#runWorkflow();
		else if (names !== undefined) {
			this.queue.look(names, 1).then(
				(found) => {
					if (found.length > 0 && this.#idle !== undefined) this.#runWorkflow();
				},
				(error) => this.#breaks(error),
			);
		}
	}

	async #workflowRejected(handle: WorkflowHandle<unknown>, error: unknown): Promise<void> {
		const state = await handle.getState().catch(() => "unreadable");
		this.#runEnded();
		// What storage failed may be on record all the same: the next life reads it, and knows the workflow's own error.
		if (state === "failed" && !isOfStorage(error)) {
			this.#workflowOver = true;
			this.platform.runEnded(error);
		} else if (!this.#stopping) this.#breaks(error);
		this.#touch();
	}

	#messageCame(name: string): void {
		this.#touch();
		if (this.rules.forgetToWake === true) return;
		if (this.#run !== undefined) this.#runAgain = true;
		if (this.#idle?.names !== undefined && matches(this.#idle.names, name)) this.#runWorkflow();
	}

	#runPlain(): void {
		const run = this.#config.run as (context: ActorHandlerContext) => Promise<unknown>;
		this.#plain = Promise.resolve();
		this.#plain = (async () => run(this.#context))().then(
			() => this.platform.runEnded(undefined),
			(error) => {
				if (this.#stopping) return;
				// A handler that ends with what storage failed has not come to its end: the next life runs it again.
				if (isOfStorage(error)) this.#breaks(error);
				else this.platform.runEnded(error);
			},
		);
	}

	#breaks(error: unknown): void {
		if (this.#isBroken || this.#stopping) return;
		this.#isBroken = true;
		this.platform.broken(error);
	}

	/** Something happened: the time without anything to do begins anew. */
	#touch(): void {
		clearTimeout(this.#sleepTimer);
		if (this.#stopping) return;
		this.#sleepTimer = setTimeout(
			() => {
				if (this.#busy > 0 || this.#run !== undefined || this.turns.busy) this.#touch();
				else this.platform.sleepRequested();
			},
			Math.min(MAX_TIMER_MS, this.#config.options?.sleepTimeout ?? DEFAULT_SLEEP_TIMEOUT_MS),
		);
	}

	async #request<T>(work: () => Promise<T>): Promise<T> {
		this.#busy++;
		this.#touch();
		try {
			return await work();
		} finally {
			this.#busy--;
			this.#touch();
		}
	}

	/** Does something of its own; what storage fails ends the life. */
	#act(work: () => Promise<void>): void {
		this.#busy++;
		const done = work()
			.catch((error) => this.#breaks(error))
			.finally(() => {
				this.#busy--;
				this.#own.delete(done);
			});
		this.#own.add(done);
	}

	send(name: string, body: unknown, token: string): Promise<string> {
		return this.#request(() => this.queue.send(name, body, token));
	}

	sendAndWait(name: string, body: unknown, timeoutMs: number | undefined, token: string): Promise<SendResult> {
		return this.#request(() => this.queue.sendAndWait(name, body, timeoutMs, token));
	}

	act(name: string, input: readonly unknown[]): Promise<unknown> {
		return this.#request(() => this.#turn(`action ${name}`, () => this.#callAction(name, input)));
	}

	#callAction(name: string, input: readonly unknown[]): unknown {
		const action = this.#config.actions?.[name];
		if (action === undefined) throw new ActionNotFoundError(name);
		return action(this.#context as never, ...(input as never[]));
	}

	async alarm(): Promise<void> {
		this.#touch();
		this.#act(() => this.#doDueActions());
	}

	/** One after the other: two that looked at once would find the same action due. */
	async #doDueActions(): Promise<void> {
		this.#dueAgain = true;
		if (this.#doing) return;
		this.#doing = true;
		try {
			while (this.#dueAgain) {
				this.#dueAgain = false;
				await this.#doAllDue();
			}
		} finally {
			this.#doing = false;
		}
	}

	/** Has all actions done that are due; each leaves the schedule in the write that has it done. */
	async #doAllDue(): Promise<void> {
		const { store, rules } = this;
		for (;;) {
			const due = await store.operate("schedule.read", () => {
				const [first] = store.schedule();
				return first !== undefined && (first.at <= Date.now() || rules.actEarly === true) ? first : undefined;
			});
			if (due === undefined || this.#stopping) break;
			const drop = () => store.write("schedule.drop", () => this.#scheduleMutations(without(store.schedule(), due)));
			if (rules.dropActionsBeforeRun === true) await drop();
			const isDropped = rules.dropActionsBeforeRun === true || rules.doActionsBeforeRecord === true;
			try {
				await this.#turn(`action ${due.action}`, () => this.#callAction(due.action, due.input), {
					due: isDropped ? undefined : due,
				});
			} catch (error) {
				if (this.#isBroken) return;
				this.platform.log("error", `The scheduled action ${due.action} failed: ${(error as Error).message}`);
				await drop();
			}
			if (rules.doActionsBeforeRecord === true) await drop();
		}
		await this.#setNextAlarm();
	}

	/** A platform that has cleared the alarm as it went off is told of the next one. A time to wake that has come is heeded here. */
	async #setNextAlarm(): Promise<void> {
		const { store } = this;
		const hasCome = await store.operate("schedule.alarm", () => {
			const wakeAt = store.wakeAt();
			const isDue = wakeAt !== undefined && wakeAt <= Date.now();
			const alarm = store.alarmFor(isDue ? undefined : wakeAt, store.schedule());
			const mutations = isDue ? [store.deletion(KEYS.wake), ...alarm] : alarm;
			if (mutations.length > 0) store.commitNow("schedule.alarm", mutations);
			return isDue;
		});
		this.platform.alarmChanged();
		if (hasCome) this.#wakeWorkflow();
	}

	#wakeWorkflow(): void {
		this.#isToGoOn = this.#stopping;
		if (this.#run !== undefined) this.#runAgain = true;
		else this.#runWorkflow();
	}

	async sleep(): Promise<void> {
		await this.#stop();
		const { onSleep } = this.#config;
		if (onSleep !== undefined) await this.#turn("onSleep", () => onSleep(this.#context as never));
	}

	async #stop(): Promise<void> {
		this.#stopping = true;
		clearTimeout(this.#sleepTimer);
		this.abort.abort();
		const run = this.#run;
		if (run !== undefined) {
			run.evict();
			await run.result.catch(() => {});
			this.#runEnded();
		}
		await Promise.all(this.#own);
		const isInMidst = run !== undefined || this.#isToGoOn;
		if (!isInMidst || this.rules.restInMidst !== true) await this.#setLastAlarm(isInMidst);
		if (this.#plain !== undefined) await Promise.race([this.#plain, after(STOP_PATIENCE_MS)]);
	}

	/**
	 * Sets the alarm with which the actor goes to sleep. A workflow that was stopped in the midst of its work has set none for what it
	 * waits for, and is to go on at once. An alarm that has gone off too early, and was not set again, would be the last one.
	 */
	async #setLastAlarm(isInMidst: boolean): Promise<void> {
		const { store, rules } = this;
		await store.write("actor.alarm", () => {
			const wakeAt = isInMidst ? Date.now() : store.wakeAt();
			const alarm = rules.forgetAlarm === true ? [] : store.alarmFor(wakeAt, store.schedule());
			return isInMidst ? [store.record(KEYS.wake, wakeAt), ...alarm] : alarm;
		});
		this.platform.alarmChanged();
	}

	async destroy(): Promise<void> {
		await this.#stop();
		const { store } = this;
		const { onDestroy } = this.#config;
		if (onDestroy !== undefined) await this.#turn("onDestroy", () => onDestroy(this.#context as never));
		await store.write("actor.destroy", () => [
			...store.disk
				.list(store.tables.actor, "")
				.filter(({ key }) => key !== KEYS.created)
				.map(({ key }) => store.deletion(key)),
			store.record(KEYS.created, 0),
			...store.alarmFor(undefined, []),
		]);
		this.platform.alarmChanged();
	}

	waits(): number {
		return this.queue.waits;
	}
}

function workflowOf(config: ActorConfig): WorkflowHandler | undefined {
	return (config.run as unknown) instanceof WorkflowHandler ? (config.run as unknown as WorkflowHandler) : undefined;
}

/** The schedule without one of those that are the same. */
function without(schedule: readonly Scheduled[], done: Scheduled | undefined): readonly Scheduled[] {
	const place = schedule.findIndex(({ at, action }) => at === done?.at && action === done.action);
	return schedule.filter((_, i) => i !== place);
}

function isOfStorage(error: unknown): boolean {
	return error instanceof Error && error.name === "OperationError";
}

function after(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
