/**
 * A context that tells the history what the workflow saw: which bodies ran, which operations returned and with what,
 * under a key that is the same in every life (`orders[3]/charge` is the step `charge` in the fourth iteration of the
 * loop `orders`). It adds nothing to what the engine does: every call goes straight to the engine's own context.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import { errorFact } from "../../sim/world/history.ts";
import type { Surroundings } from "../../sim/world/surroundings.ts";
import { EPOCH_MS } from "../../sim/world/world.ts";
import type { Engine, EngineContext } from "./contract.ts";
import { render } from "./render.ts";

/** The shapes of the events an observed context writes, by kind. */
export interface ProbeEvents {
	/** A step body began; its attempts share a key. */
	"body.start": { key: string };
	"body.end": { key: string; error: { name: string; message: string } | undefined };
	/** A step gave its value, as text, to the workflow: from now on the step must never run again. */
	"step.return": { key: string; value: string };
	/** A step's failure was given to the workflow as a value. */
	"step.caught": { key: string; failure: string; error: { name: string; message: string } };
	/** A block that catches came to an end: with a value, or with a failure that it caught. */
	"try.return": { key: string; value: string; failure: { source: string; name: string } | undefined };
	/** A sleep was asked for, or returned; `deadlineMs` is the earliest virtual time it may return at. */
	"sleep.call": { key: string; deadlineMs: number };
	"sleep.return": { key: string };
	"queue.call": {
		key: string;
		names: readonly string[];
		count: number;
		deadlineMs: number | undefined;
		/** Present when the messages are to be completed by the workflow. */
		completable?: true;
	};
	/** Messages were given to the workflow, with their bodies as text; none means the wait timed out. */
	"queue.return": { key: string; ids: readonly string[]; bodies: string };
	"message.completed": { id: string };
	/** Completing a message was refused. */
	"message.refused": { id: string; error: { name: string; message: string } };
	/** The workflow asked for a message to be sent, or learnt that it was. */
	"send.call": { key: string; name: string };
	"send.return": { key: string };
	/** A round of a loop began, with the state as text. */
	iterate: { key: string; state: string };
	"loop.return": { key: string; value: string };
	/** Branches were started side by side (join, race), or one result came of them. */
	"branches.call": { key: string; operation: "join" | "race"; names: readonly string[] };
	"branches.return": { key: string; winner: string | undefined; value: string };
	/** One branch began, or came to an end: with a value, or with an error that is not a yield. */
	"branch.start": { key: string };
	"branch.return": { key: string; value: string };
	"branch.threw": { key: string; error: { name: string; message: string } };
	"checkpoint.return": { key: string };
	"removed.return": { key: string };
	"version.return": { key: string; version: number };
	/** A compensation began, or ended. */
	"compensation.start": { key: string };
	"compensation.end": { key: string; ok: boolean };
	/** An operation failed in a way the workflow sees. */
	threw: {
		key: string;
		error: { name: string; message: string };
		/** What made the branches of a join or race fail, by branch, as text. */
		causes?: Readonly<Record<string, string>>;
	};
}

/** What a step said of itself; the rest is the engine's default. */
export interface StepRule {
	/** Durable with the next flush only, so that it may run again after a crash. */
	readonly ephemeral: boolean;
	readonly maxRetries: number | undefined;
	/** Virtual milliseconds that an attempt may take; 0 and less for no limit. */
	readonly timeoutMs: number | undefined;
	readonly retryOnTimeout: boolean;
	readonly backoffBaseMs: number | undefined;
	readonly backoffMaxMs: number | undefined;
	/** Whether it is undone when the workflow fails. */
	readonly compensated: boolean;
}

/** What one process life observes with. */
export interface Observation {
	readonly world: Surroundings;
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
			send: (name, body) => {
				const key = this.#key(`send ${name}`);
				this.#note("send.call", { key, name });
				return this.#tell(key, context.queue.send(name, body), () => this.#note("send.return", { key }));
			},
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
		return this.#tell(key, this.#context.step(config), (value) =>
			this.#note("step.return", { key, value: render(value) }),
		);
	}

	tryStep<T>(nameOrConfig: string | Rivet.TryStepConfig<T>, run?: () => Promise<T>): Promise<Rivet.TryStepResult<T>> {
		const { key, config } = this.#observedStep(nameOrConfig, run);
		return this.#tell(key, this.#context.tryStep(config), (result) => {
			if (result.ok) this.#note("step.return", { key, value: render(result.value) });
			else {
				const { kind: failure, error } = result.failure;
				this.#note("step.caught", { key, failure, error: { name: error.name, message: error.message } });
			}
		});
	}

	try<T>(
		nameOrConfig: string | Rivet.TryBlockConfig<T>,
		run?: (context: EngineContext) => Promise<T>,
	): Promise<Rivet.TryBlockResult<T>> {
		const config = typeof nameOrConfig === "string" ? { name: nameOrConfig, run: run as never } : nameOrConfig;
		const key = this.#key(config.name);
		const observed = { ...config, run: (context: EngineContext) => config.run(this.#child(context, key)) };
		return this.#tell(key, this.#context.try(observed), (result) => {
			const failure = result.ok ? undefined : { source: result.failure.source, name: result.failure.name };
			this.#note("try.return", { key, value: result.ok ? render(result.value) : "", failure });
		});
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
				this.#note("iterate", { key: iterationKey, state: render(state) });
				return config.run(this.#child(context, iterationKey), state);
			},
		};
		return this.#tell(key, this.#context.loop(observed), (value) =>
			this.#note("loop.return", { key, value: render(value) }),
		);
	}

	sleep(name: string, durationMs: number): Promise<void> {
		return this.#sleep(name, this.#nowMs() + durationMs, this.#context.sleep.bind(this.#context, name, durationMs));
	}

	sleepUntil(name: string, timestampMs: number): Promise<void> {
		return this.#sleep(name, timestampMs - EPOCH_MS, this.#context.sleepUntil.bind(this.#context, name, timestampMs));
	}

	rollbackCheckpoint(name: string): Promise<void> {
		const key = this.#key(name);
		return this.#tell(key, this.#context.rollbackCheckpoint(name), () => this.#note("checkpoint.return", { key }));
	}

	join<T extends Record<string, Rivet.BranchConfig<unknown>>>(
		name: string,
		branches: T,
	): Promise<{ [K in keyof T]: Rivet.BranchOutput<T[K]> }> {
		const key = this.#key(name);
		const observed = Object.fromEntries(
			Object.entries(branches).map(([branch, config]) => [
				branch,
				{ run: (context: EngineContext) => this.#branch(`${key}.${branch}`, context, config.run) },
			]),
		) as T;
		this.#note("branches.call", { key, operation: "join", names: Object.keys(branches) });
		return this.#tell(key, this.#context.join(name, observed), (value) =>
			this.#note("branches.return", { key, winner: undefined, value: render(value) }),
		);
	}

	race<T>(
		name: string,
		branches: Array<{ name: string; run: (context: EngineContext) => Promise<T> }>,
	): Promise<{ winner: string; value: T }> {
		const key = this.#key(name);
		const observed = branches.map((branch) => ({
			name: branch.name,
			run: (context: EngineContext) => this.#branch(`${key}.${branch.name}`, context, branch.run),
		}));
		this.#note("branches.call", { key, operation: "race", names: branches.map((branch) => branch.name) });
		return this.#tell(key, this.#context.race(name, observed), ({ winner, value }) =>
			this.#note("branches.return", { key, winner, value: render(value) }),
		);
	}

	removed(name: string, originalType: Rivet.EntryKindType): Promise<void> {
		const key = this.#key(name);
		return this.#tell(key, this.#context.removed(name, originalType), () => this.#note("removed.return", { key }));
	}

	getVersion(name: string, latest: number): Promise<number> {
		const key = this.#key(name);
		return this.#tell(key, this.#context.getVersion(name, latest), (version) =>
			this.#note("version.return", { key, version }),
		);
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
			timeoutMs: config.timeout,
			retryOnTimeout: config.retryOnTimeout === true,
			backoffBaseMs: config.retryBackoffBase,
			backoffMaxMs: config.retryBackoffMax,
			compensated: rollback !== undefined,
		});
		return { key, config: observed };
	}

	#branch<T>(key: string, context: EngineContext, run: (context: EngineContext) => Promise<T>): Promise<T> {
		this.#note("branch.start", { key });
		return run(this.#child(context, key)).then(
			(value) => {
				this.#note("branch.return", { key, value: render(value) });
				return value;
			},
			(error) => {
				if (!this.#observation.engine.isYield(error)) this.#note("branch.threw", { key, error: errorFact(error) });
				throw error;
			},
		);
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
		const completable = options?.completable === true;
		this.#note("queue.call", {
			key,
			names: options?.names ?? [],
			count,
			deadlineMs,
			...(completable ? { completable } : {}),
		});
		const told = this.#tell(key, receive(), (messages) =>
			this.#note("queue.return", {
				key,
				ids: messages.map((message) => String(message.id)),
				bodies: render(messages.map((message) => message.body)),
			}),
		);
		return completable ? told.then((messages) => messages.map(this.#completable)) : told;
	}

	readonly #completable = <M extends Rivet.WorkflowQueueMessage>(message: M): M => {
		const { complete } = message;
		if (complete === undefined) return message;
		return {
			...message,
			complete: (response?: unknown) =>
				complete(response).then(
					() => this.#note("message.completed", { id: String(message.id) }),
					(error: unknown) => {
						this.#note("message.refused", { id: String(message.id), error: errorFact(error) });
						throw error;
					},
				),
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
				if (!this.#observation.engine.isYield(error)) {
					this.#note("threw", { key, error: errorFact(error), ...causesOf(error) });
				}
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

/** The errors that an error of several branches holds, by branch: a record of errors, or a list of names and texts. */
function causesOf(error: unknown): Pick<ProbeEvents["threw"], "causes"> {
	const errors: unknown = error instanceof Error && "errors" in error ? error.errors : undefined;
	if (typeof errors !== "object" || errors === null) return {};
	const pairs = Array.isArray(errors)
		? errors.map((one: { name: string; error: string }) => [one.name, one.error] as const)
		: Object.entries(errors).map(([name, cause]) => [name, textOf(cause)] as const);
	return { causes: Object.fromEntries(pairs) };
}

function textOf(cause: unknown): string {
	const { name, message } = errorFact(cause);
	return `${name}: ${message}`;
}
