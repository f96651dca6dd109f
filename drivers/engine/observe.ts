/**
 * A context that tells the history what the workflow saw: which bodies ran, which operations returned and with what,
 * under a key that is the same in every life (`orders[3]/charge` is the step `charge` in the fourth iteration of the
 * loop `orders`). It adds nothing to what the engine does: every call goes straight to the engine's own context.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import { errorFact } from "../../sim/world/history.ts";
import { EPOCH_MS, type World } from "../../sim/world/world.ts";
import type { Engine, EngineContext } from "./contract.ts";

/** The shapes of the events an observed context writes, by kind. */
export interface ProbeEvents {
	/** A step body began; its attempts share a key. */
	"body.start": { key: string };
	"body.end": { key: string; error: { name: string; message: string } | undefined };
	/** A step gave its value to the workflow: from now on the step must never run again. */
	"step.return": { key: string };
	/** A sleep was asked for, or returned; `deadlineMs` is the earliest virtual time it may return at. */
	"sleep.call": { key: string; deadlineMs: number };
	"sleep.return": { key: string };
	"queue.call": { key: string; names: readonly string[]; count: number; deadlineMs: number | undefined };
	/** Messages were given to the workflow; none means the wait timed out. */
	"queue.return": { key: string; ids: readonly string[] };
	"message.completed": { id: string };
	iterate: { key: string };
	"loop.return": { key: string };
	/** Branches were started side by side (join, race), or one result came of them. */
	"branches.call": { key: string; operation: "join" | "race"; names: readonly string[] };
	"branches.return": { key: string; winner: string | undefined };
	/** A compensation began, or ended. */
	"compensation.start": { key: string };
	"compensation.end": { key: string; ok: boolean };
	/** An operation failed in a way the workflow sees. */
	threw: { key: string; error: { name: string; message: string } };
}

/** What a step said of itself; the rest is the engine's default. */
export interface StepRule {
	/** Durable with the next flush only, so that it may run again after a crash. */
	readonly ephemeral: boolean;
	readonly maxRetries: number | undefined;
	readonly backoffBaseMs: number | undefined;
	readonly backoffMaxMs: number | undefined;
}

/** What one process life observes with. */
export interface Observation {
	readonly world: World;
	readonly engine: Engine;
	/** The rules of the steps seen, by key; shared by all lives of a run. */
	readonly stepRules: Map<string, StepRule>;
}

export function observe(context: EngineContext, observation: Observation): EngineContext {
	return new ObservedContext(context, observation, "");
}

class ObservedContext implements EngineContext {
	readonly #context: EngineContext;
	readonly #observation: Observation;
	readonly #path: string;
	readonly queue: Rivet.WorkflowQueue;

	constructor(context: EngineContext, observation: Observation, path: string) {
		this.#context = context;
		this.#observation = observation;
		this.#path = path;
		this.queue = {
			next: (name, options) =>
				this.#receive(name, 1, options, async () => {
					const message = await context.queue.next(name, options);
					return [message];
				}).then(([message]) => message as never),
			nextBatch: (name, options) =>
				this.#receive(name, options?.count ?? 1, options, () => context.queue.nextBatch(name, options)) as never,
			send: (name, body) => context.queue.send(name, body),
		};
	}

	get workflowId(): string {
		return this.#context.workflowId;
	}

	get abortSignal(): AbortSignal {
		return this.#context.abortSignal;
	}

	isEvicted(): boolean {
		return this.#context.isEvicted();
	}

	step<T>(nameOrConfig: string | Rivet.StepConfig<T>, run?: () => Promise<T>): Promise<T> {
		const { key, config } = this.#observedStep(nameOrConfig, run);
		return this.#tell(key, this.#context.step(config), () => this.#note("step.return", { key }));
	}

	tryStep<T>(nameOrConfig: string | Rivet.TryStepConfig<T>, run?: () => Promise<T>): Promise<Rivet.TryStepResult<T>> {
		const { key, config } = this.#observedStep(nameOrConfig, run);
		return this.#tell(key, this.#context.tryStep(config), (result) => {
			if (result.ok) this.#note("step.return", { key });
		});
	}

	try<T>(
		nameOrConfig: string | Rivet.TryBlockConfig<T>,
		run?: (context: EngineContext) => Promise<T>,
	): Promise<Rivet.TryBlockResult<T>> {
		const config = typeof nameOrConfig === "string" ? { name: nameOrConfig, run: run as never } : nameOrConfig;
		const key = this.#key(config.name);
		return this.#context.try({ ...config, run: (context) => config.run(this.#child(context, key)) });
	}

	loop<S, T>(
		nameOrConfig: string | Rivet.LoopConfig<S, T>,
		run?: (context: EngineContext) => ReturnType<Rivet.LoopConfig<undefined, T>["run"]>,
	): Promise<T> {
		const config =
			typeof nameOrConfig === "string" ? ({ name: nameOrConfig, run } as Rivet.LoopConfig<S, T>) : nameOrConfig;
		const key = this.#key(config.name);
		const observed: Rivet.LoopConfig<S, T> = {
			...config,
			run: (context, state) => {
				const iteration = this.#observation.engine.iterationOf(context);
				if (iteration === undefined) throw new Error(`The engine does not tell the iteration of loop ${key}.`);
				const iterationKey = `${key}[${iteration}]`;
				this.#note("iterate", { key: iterationKey });
				return config.run(this.#child(context, iterationKey), state);
			},
		};
		return this.#tell(key, this.#context.loop(observed), () => this.#note("loop.return", { key }));
	}

	sleep(name: string, durationMs: number): Promise<void> {
		return this.#sleep(name, this.#nowMs() + durationMs, this.#context.sleep.bind(this.#context, name, durationMs));
	}

	sleepUntil(name: string, timestampMs: number): Promise<void> {
		return this.#sleep(name, timestampMs - EPOCH_MS, this.#context.sleepUntil.bind(this.#context, name, timestampMs));
	}

	rollbackCheckpoint(name: string): Promise<void> {
		return this.#context.rollbackCheckpoint(name);
	}

	join<T extends Record<string, Rivet.BranchConfig<unknown>>>(
		name: string,
		branches: T,
	): Promise<{ [K in keyof T]: Rivet.BranchOutput<T[K]> }> {
		const key = this.#key(name);
		const observed = Object.fromEntries(
			Object.entries(branches).map(([branch, config]) => [
				branch,
				{ run: (context: EngineContext) => config.run(this.#child(context, `${key}.${branch}`)) },
			]),
		) as T;
		this.#note("branches.call", { key, operation: "join", names: Object.keys(branches) });
		return this.#tell(key, this.#context.join(name, observed), () =>
			this.#note("branches.return", { key, winner: undefined }),
		);
	}

	race<T>(
		name: string,
		branches: Array<{ name: string; run: (context: EngineContext) => Promise<T> }>,
	): Promise<{ winner: string; value: T }> {
		const key = this.#key(name);
		const observed = branches.map((branch) => ({
			name: branch.name,
			run: (context: EngineContext) => branch.run(this.#child(context, `${key}.${branch.name}`)),
		}));
		this.#note("branches.call", { key, operation: "race", names: branches.map((branch) => branch.name) });
		return this.#tell(key, this.#context.race(name, observed), ({ winner }) =>
			this.#note("branches.return", { key, winner }),
		);
	}

	removed(name: string, originalType: Rivet.EntryKindType): Promise<void> {
		return this.#context.removed(name, originalType);
	}

	getVersion(name: string, latest: number): Promise<number> {
		return this.#context.getVersion(name, latest);
	}

	#observedStep<T>(nameOrConfig: string | Rivet.StepConfig<T>, run: (() => Promise<T>) | undefined) {
		const config =
			typeof nameOrConfig === "string" ? { name: nameOrConfig, run: run as () => Promise<T> } : nameOrConfig;
		const key = this.#key(config.name);
		const observed: Rivet.StepConfig<T> = { ...config, run: () => this.#body(key, config.run) };
		const { rollback } = config;
		if (rollback !== undefined) {
			observed.rollback = (context, output) => this.#compensation(key, () => rollback(context, output));
		}
		this.#observation.stepRules.set(key, {
			ephemeral: config.ephemeral === true,
			maxRetries: config.maxRetries,
			backoffBaseMs: config.retryBackoffBase,
			backoffMaxMs: config.retryBackoffMax,
		});
		return { key, config: observed };
	}

	async #body<T>(key: string, run: () => Promise<T>): Promise<T> {
		this.#note("body.start", { key });
		try {
			const value = await run();
			this.#note("body.end", { key, error: undefined });
			return value;
		} catch (error) {
			this.#note("body.end", { key, error: errorFact(error) });
			throw error;
		}
	}

	async #compensation(key: string, run: () => Promise<void>): Promise<void> {
		this.#note("compensation.start", { key });
		try {
			await run();
			this.#note("compensation.end", { key, ok: true });
		} catch (error) {
			this.#note("compensation.end", { key, ok: false });
			throw error;
		}
	}

	#sleep(name: string, deadlineMs: number, sleep: () => Promise<void>): Promise<void> {
		const key = this.#key(name);
		this.#note("sleep.call", { key, deadlineMs });
		return this.#tell(key, sleep(), () => this.#note("sleep.return", { key }));
	}

	#receive<M extends Rivet.WorkflowQueueMessage>(
		name: string,
		count: number,
		options: Rivet.WorkflowQueueNextOptions | undefined,
		receive: () => Promise<M[]>,
	): Promise<M[]> {
		const key = this.#key(name);
		const deadlineMs = options?.timeout === undefined ? undefined : this.#nowMs() + options.timeout;
		this.#note("queue.call", { key, names: options?.names ?? [], count, deadlineMs });
		const told = this.#tell(key, receive(), (messages) =>
			this.#note("queue.return", { key, ids: messages.map((message) => String(message.id)) }),
		);
		return options?.completable === true ? told.then((messages) => messages.map(this.#completable)) : told;
	}

	readonly #completable = <M extends Rivet.WorkflowQueueMessage>(message: M): M => {
		const { complete } = message;
		if (complete === undefined) return message;
		return {
			...message,
			complete: (response?: unknown) =>
				complete(response).then(() => this.#note("message.completed", { id: String(message.id) })),
		};
	};

	/** Hands on what the engine answers, telling the history of it in the same microtask. */
	#tell<T>(key: string, answer: Promise<T>, returned: (value: T) => void): Promise<T> {
		return answer.then(
			(value) => {
				returned(value);
				return value;
			},
			(error) => {
				if (!this.#observation.engine.isYield(error)) this.#note("threw", { key, error: errorFact(error) });
				throw error;
			},
		);
	}

	#child(context: EngineContext, path: string): EngineContext {
		return new ObservedContext(context, this.#observation, path);
	}

	#key(name: string): string {
		return this.#path === "" ? name : `${this.#path}/${name}`;
	}

	#nowMs(): number {
		return this.#observation.world.nowMs;
	}

	#note<K extends keyof ProbeEvents>(kind: K, data: ProbeEvents[K]): void {
		this.#observation.world.note(kind, data);
	}
}
