/**
 * What a definition is given: in a workflow the operations of the engine with the actor inside of steps, in actions and hooks the
 * actor alone. Each attempt of a step is a turn; so is each compensation. A step of an actor is never ephemeral: what it did to
 * the state must not outlast it.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import { Context } from "../../engine/reference/context.ts";
import { DEFAULT_TIMEOUT_MS } from "../../engine/reference/step.ts";
import type { ActorClient, ActorMessage, HandlerContext, NextOptions, WorkflowContext } from "../contract.ts";
import type { Actor } from "./actor.ts";
import { type Turn, turnFor } from "./turns.ts";

type StepConfig = Rivet.StepConfig<unknown>;

/** What a turn may reach; each access asks which turn is running. */
class Access {
	readonly actorId: string;
	protected readonly actor: Actor;

	constructor(actor: Actor) {
		this.actor = actor;
		this.actorId = actor.id;
	}

	get state(): unknown {
		const turn = this.#turn("state");
		return turn === undefined ? this.actor.looseState() : this.actor.turns.stateOf(turn).value;
	}

	set state(value: unknown) {
		const turn = this.#turn("state");
		if (turn !== undefined) this.actor.turns.stateOf(turn).value = value;
	}

	get vars(): unknown {
		const turn = this.#turn("vars");
		return turn === undefined ? undefined : this.actor.turns.varsOf(turn).value;
	}

	set vars(value: unknown) {
		const turn = this.#turn("vars");
		if (turn !== undefined) this.actor.turns.varsOf(turn).value = value;
	}

	broadcast(event: string, ...values: readonly unknown[]): void {
		const turn = this.#turn("broadcast");
		if (turn === undefined || this.actor.rules.broadcastAtOnce === true) this.actor.broadcast(event, values);
		else turn.broadcasts.push({ event, values });
	}

	client(): ActorClient {
		this.#turn("client()");
		return this.actor.platform.client;
	}

	destroy(): void {
		const turn = this.#turn("destroy()");
		if (turn !== undefined) turn.destroy = true;
	}

	protected async send(name: string, body: unknown): Promise<void> {
		const turn = this.#turn("queue.send");
		if (turn === undefined) return;
		turn.sends.push({ name, body: this.actor.queue.checked(body) });
	}

	/** Undefined only where the rules let anybody in. */
	#turn(what: string): Turn | undefined {
		const { openAccess, markRefusedAccess } = this.actor.rules;
		try {
			return turnFor(what);
		} catch (error) {
			if (openAccess === true) return undefined;
			if (markRefusedAccess === true) this.actor.mark("refused");
			throw error;
		}
	}
}

export class ActorHandlerContext extends Access implements HandlerContext {
	readonly queue: HandlerContext["queue"];
	readonly schedule: HandlerContext["schedule"];
	readonly abortSignal: AbortSignal;

	constructor(actor: Actor) {
		super(actor);
		this.abortSignal = actor.abort.signal;
		const nextBatch = <T>(
			options: Parameters<HandlerContext["queue"]["nextBatch"]>[0] = {},
		): Promise<ActorMessage<T>[]> => actor.queue.next(options) as Promise<ActorMessage<T>[]>;
		this.queue = {
			next: async <T>(options?: NextOptions & { readonly signal?: AbortSignal }) =>
				(await nextBatch<T>({ ...options, count: 1 }))[0],
			nextBatch,
			// A plain run handler has no turns: what it sends is a message of its own.
			send: (name, body) =>
				actor.isPlain(this) ? actor.queue.send(name, body, "").then(() => {}) : this.send(name, body),
		};
		this.schedule = {
			after: async (ms, action, ...input) => this.#schedule(Date.now() + ms, action, input),
			at: async (timestampMs, action, ...input) => this.#schedule(timestampMs, action, input),
		};
	}

	sleep(): void {
		turnFor("sleep()").sleep = true;
	}

	#schedule(at: number, action: string, input: readonly unknown[]): void {
		turnFor("schedule").schedule.push({ at, action, input });
	}
}

export class ActorWorkflowContext extends Access implements WorkflowContext {
	readonly #inner: Context;
	readonly queue: WorkflowContext["queue"];

	constructor(inner: Rivet.WorkflowContextInterface, actor: Actor) {
		super(actor);
		if (!(inner instanceof Context))
			throw new TypeError("A workflow of the reference actor runs on the reference engine");
		this.#inner = inner;
		const queue = inner.queue as unknown as WorkflowContext["queue"];
		this.queue = {
			next: (name, options) => queue.next(name, options),
			nextBatch: (name, options) => queue.nextBatch(name, options),
			send: (name, body) => this.send(name, body),
		};
	}

	get workflowId(): string {
		return this.#inner.workflowId;
	}

	get abortSignal(): AbortSignal {
		return this.#inner.abortSignal;
	}

	isEvicted(): boolean {
		return this.#inner.isEvicted();
	}

	step<T>(nameOrConfig: string | Rivet.StepConfig<T>, run?: () => Promise<T>): Promise<T> {
		return this.#inner.step(this.#inTurns(nameOrConfig, run));
	}

	tryStep<T>(nameOrConfig: string | Rivet.TryStepConfig<T>, run?: () => Promise<T>): Promise<Rivet.TryStepResult<T>> {
		return this.#inner.tryStep(this.#inTurns(nameOrConfig, run) as Rivet.TryStepConfig<T>);
	}

	loop<T>(nameOrConfig: unknown, run?: (context: WorkflowContext) => Promise<unknown>): Promise<T> {
		const config = (typeof nameOrConfig === "string" ? { name: nameOrConfig, run } : nameOrConfig) as {
			readonly run: (context: WorkflowContext, state: unknown) => Promise<never>;
		};
		return this.#inner.loop({
			...config,
			run: (inner: Rivet.WorkflowContextInterface, state: unknown) => config.run(this.#child(inner), state),
		} as never) as Promise<T>;
	}

	join<T extends Record<string, { readonly run: (context: WorkflowContext) => Promise<unknown> }>>(
		name: string,
		branches: T,
	): Promise<{ [K in keyof T]: Awaited<ReturnType<T[K]["run"]>> }> {
		const wrapped = Object.entries(branches).map(([branch, { run }]) => [
			branch,
			{ run: (inner: Rivet.WorkflowContextInterface) => run(this.#child(inner)) },
		]);
		return this.#inner.join(name, Object.fromEntries(wrapped)) as never;
	}

	race<T>(
		name: string,
		branches: readonly { readonly name: string; readonly run: (context: WorkflowContext) => Promise<T> }[],
	): Promise<{ winner: string; value: T }> {
		return this.#inner.race(
			name,
			branches.map((branch) => ({ name: branch.name, run: (inner) => branch.run(this.#child(inner)) })),
		);
	}

	try<T>(name: string, run: (context: WorkflowContext) => Promise<T>): Promise<{ ok: boolean; value?: T }> {
		return this.#inner.try(name, (inner) => run(this.#child(inner))) as Promise<{ ok: boolean; value?: T }>;
	}

	sleep(name: string, durationMs: number): Promise<void> {
		return this.#inner.sleep(name, durationMs);
	}

	sleepUntil(name: string, timestampMs: number): Promise<void> {
		return this.#inner.sleepUntil(name, timestampMs);
	}

	rollbackCheckpoint(name: string): Promise<void> {
		return this.#inner.rollbackCheckpoint(name);
	}

	removed(name: string, originalType: Rivet.EntryKindType): Promise<void> {
		return this.#inner.removed(name, originalType);
	}

	getVersion(name: string, latest: number): Promise<number> {
		return this.#inner.getVersion(name, latest);
	}

	#child(inner: Rivet.WorkflowContextInterface): ActorWorkflowContext {
		return new ActorWorkflowContext(inner, this.actor);
	}

	#inTurns<T>(nameOrConfig: string | Rivet.StepConfig<T>, run: (() => Promise<T>) | undefined): Rivet.StepConfig<T> {
		const config = (
			typeof nameOrConfig === "string" ? { name: nameOrConfig, run: run as () => Promise<T> } : nameOrConfig
		) as StepConfig;
		const { strand, block } = this.#inner.scope;
		const place = { name: config.name, block: block.key };
		const limitMs = config.timeout ?? DEFAULT_TIMEOUT_MS;
		const { rollback } = config;
		const wrapped: StepConfig = {
			...config,
			ephemeral: false,
			run: () =>
				this.actor.turnOf({ ...place, undoes: false, counts: () => strand.alive }, limitMs, async () => config.run()),
		};
		if (rollback !== undefined) {
			wrapped.rollback = (context, output) =>
				this.actor.turnOf({ ...place, undoes: true, counts: () => true }, 0, async () => rollback(context, output));
		}
		return wrapped as Rivet.StepConfig<T>;
	}
}
