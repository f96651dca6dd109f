/**
 * A workflow's context that tells the history what the workflow saw: which bodies ran and on which state, which operations
 * returned, which messages it was given. It adds nothing to what the runtime does: every call goes straight to the runtime's own
 * context. Each call has a number of its own; a call that a later life repeats has another, and the same path.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import { type ErrorFact, errorFact } from "../../sim/world/history.ts";
import type { World } from "../../sim/world/world.ts";
import { EPOCH_MS } from "../../sim/world/world.ts";
import { render } from "../engine/render.ts";
import type { ActorClient, ActorMessage, ActorSurface, NextOptions, WorkflowContext } from "./contract.ts";

/** The shapes of the events an observed context writes, by kind. */
export interface ActorProbeEvents {
	/** The body of a step begins: what it finds, as text. */
	"actor.body": { call: number; path: string; attempt: number; state: string; vars: string };
	/** It ends: what it leaves, before anybody undoes it. */
	"actor.body-end": { call: number; path: string; attempt: number; state: string; error: ErrorFact | undefined };
	/** The step gave its value, or failed for good. */
	"actor.step": { call: number; path: string; bodies: number; error: ErrorFact | undefined };
	"actor.wait": {
		call: number;
		path: string;
		names: readonly string[];
		count: number;
		deadlineMs: number | undefined;
		completable: boolean;
	};
	/** Messages were given, none when time ran out; by what their bodies call themselves. */
	"actor.given": {
		call: number;
		path: string;
		messages: readonly { readonly id: string; readonly stored: string; readonly name: string; readonly body: string }[];
	};
	"actor.wait-failed": { call: number; path: string; error: ErrorFact };
	"actor.complete": { id: string };
	"actor.completed": { id: string; error: ErrorFact | undefined };
	"actor.sleep-call": { call: number; path: string; deadlineMs: number };
	"actor.slept": { call: number; path: string };
	/** Anything else that failed in a way the workflow sees. */
	"actor.threw": { path: string; error: ErrorFact };
}

export interface ActorProbe {
	readonly world: World;
	/** Calls so far, in all lives. */
	calls: number;
}

/** The surface, with workflows that tell what they see. */
export function observedSurface(surface: ActorSurface, probe: ActorProbe): ActorSurface {
	return {
		...surface,
		workflow: (run, options) =>
			surface.workflow((context) => run(new Observed(context, probe, "") as never), options as never),
	};
}

/** What a message calls itself in its body; its stored id where it does not. */
export function idOf({ id, body }: Pick<ActorMessage, "id" | "body">): string {
	const own = (body as { readonly id?: unknown } | null | undefined)?.id;
	return typeof own === "string" ? own : `#${id}`;
}

type StepConfig = Rivet.StepConfig<unknown>;

/** What engines throw to hand control back: no failure, whatever sees it. */
const YIELDS: ReadonlySet<string> = new Set(["SleepError", "MessageWaitError", "EvictedError", "StepFailedError"]);

function isYield(error: unknown): boolean {
	return error instanceof Error && YIELDS.has(error.name);
}

class Observed implements WorkflowContext {
	readonly #context: WorkflowContext;
	readonly #probe: ActorProbe;
	readonly #path: string;
	readonly queue: WorkflowContext["queue"];

	constructor(context: WorkflowContext, probe: ActorProbe, path: string) {
		this.#context = context;
		this.#probe = probe;
		this.#path = path;
		this.queue = {
			next: async <T>(name: string, options?: NextOptions) => {
				const messages = await this.#receive(name, 1, options, async () => [
					await context.queue.next<T>(name, options),
				]);
				return messages[0] as ActorMessage<T>;
			},
			nextBatch: <T>(name: string, options?: NextOptions & { readonly count?: number }) =>
				this.#receive(name, options?.count ?? 1, options, () => context.queue.nextBatch<T>(name, options)),
			send: (name, body) => context.queue.send(name, body),
		};
	}

	get workflowId(): string {
		return this.#context.workflowId;
	}

	get abortSignal(): AbortSignal {
		return this.#context.abortSignal;
	}

	get actorId(): string {
		return this.#context.actorId;
	}

	get state(): unknown {
		return this.#context.state;
	}

	set state(value: unknown) {
		this.#context.state = value;
	}

	get vars(): unknown {
		return this.#context.vars;
	}

	set vars(value: unknown) {
		this.#context.vars = value;
	}

	isEvicted(): boolean {
		return this.#context.isEvicted();
	}

	broadcast(event: string, ...values: readonly unknown[]): void {
		this.#context.broadcast(event, ...values);
	}

	client(): ActorClient {
		return this.#context.client();
	}

	destroy(): void {
		this.#context.destroy();
	}

	step<T>(nameOrConfig: string | Rivet.StepConfig<T>, run?: () => Promise<T>): Promise<T> {
		const { config, tell } = this.#observedStep(nameOrConfig, run);
		return tell(this.#context.step(config as never)) as Promise<T>;
	}

	tryStep<T>(nameOrConfig: string | Rivet.TryStepConfig<T>, run?: () => Promise<T>): Promise<Rivet.TryStepResult<T>> {
		const { config, tell } = this.#observedStep(nameOrConfig, run);
		return tell(this.#context.tryStep(config as never)) as Promise<Rivet.TryStepResult<T>>;
	}

	loop<T>(nameOrConfig: unknown, run?: (context: WorkflowContext) => Promise<unknown>): Promise<T> {
		const config = (typeof nameOrConfig === "string" ? { name: nameOrConfig, run } : nameOrConfig) as {
			readonly name: string;
			readonly run: (context: WorkflowContext, state: unknown) => Promise<unknown>;
		};
		const observed = {
			...config,
			run: (context: WorkflowContext, state: unknown) => config.run(this.#child(context, config.name), state),
		};
		return this.#tell(config.name, this.#context.loop<unknown, T>(observed));
	}

	join<T extends Record<string, { readonly run: (context: WorkflowContext) => Promise<unknown> }>>(
		name: string,
		branches: T,
	): Promise<{ [K in keyof T]: Awaited<ReturnType<T[K]["run"]>> }> {
		const observed = Object.fromEntries(
			Object.entries(branches).map(([branch, { run }]) => [
				branch,
				{ run: (context: WorkflowContext) => run(this.#child(context, `${name}.${branch}`)) },
			]),
		);
		return this.#tell(name, this.#context.join(name, observed as unknown as T));
	}

	race<T>(
		name: string,
		branches: readonly { readonly name: string; readonly run: (context: WorkflowContext) => Promise<T> }[],
	): Promise<{ winner: string; value: T }> {
		const observed = branches.map((branch) => ({
			name: branch.name,
			run: (context: WorkflowContext) => branch.run(this.#child(context, `${name}.${branch.name}`)),
		}));
		return this.#tell(name, this.#context.race(name, observed));
	}

	try<T>(name: string, run: (context: WorkflowContext) => Promise<T>): Promise<{ ok: boolean; value?: T }> {
		return this.#tell(
			name,
			this.#context.try(name, (context) => run(this.#child(context, name))),
		);
	}

	sleep(name: string, durationMs: number): Promise<void> {
		const deadlineMs = this.#probe.world.nowMs + durationMs;
		return this.#sleep(name, deadlineMs, () => this.#context.sleep(name, durationMs));
	}

	sleepUntil(name: string, timestampMs: number): Promise<void> {
		return this.#sleep(name, timestampMs - EPOCH_MS, () => this.#context.sleepUntil(name, timestampMs));
	}

	rollbackCheckpoint(name: string): Promise<void> {
		return this.#tell(name, this.#context.rollbackCheckpoint(name));
	}

	removed(name: string, originalType: Rivet.EntryKindType): Promise<void> {
		return this.#tell(name, this.#context.removed(name, originalType));
	}

	getVersion(name: string, latest: number): Promise<number> {
		return this.#tell(name, this.#context.getVersion(name, latest));
	}

	#child(context: WorkflowContext, name: string): Observed {
		return new Observed(context, this.#probe, this.#in(name));
	}

	#in(name: string): string {
		return this.#path === "" ? name : `${this.#path}/${name}`;
	}

	#note<K extends keyof ActorProbeEvents>(kind: K, data: ActorProbeEvents[K]): void {
		this.#probe.world.note(kind, data);
	}

	#observedStep<T>(nameOrConfig: string | Rivet.StepConfig<T>, run: (() => Promise<T>) | undefined) {
		const config = (
			typeof nameOrConfig === "string" ? { name: nameOrConfig, run: run as () => Promise<T> } : nameOrConfig
		) as StepConfig;
		const call = ++this.#probe.calls;
		const path = this.#in(config.name);
		let bodies = 0;
		const observed: StepConfig = {
			...config,
			run: async () => {
				const attempt = ++bodies;
				this.#note("actor.body", { call, path, attempt, state: this.#shown("state"), vars: this.#shown("vars") });
				let error: ErrorFact | undefined;
				try {
					return await config.run();
				} catch (thrown) {
					error = errorFact(thrown);
					throw thrown;
				} finally {
					this.#note("actor.body-end", { call, path, attempt, state: this.#shown("state"), error });
				}
			},
		};
		const tell = (result: Promise<unknown>): Promise<unknown> =>
			result.then(
				(value) => {
					this.#note("actor.step", { call, path, bodies, error: undefined });
					return value;
				},
				(error: unknown) => {
					if (!isYield(error)) this.#note("actor.step", { call, path, bodies, error: errorFact(error) });
					throw error;
				},
			);
		return { config: observed, tell };
	}

	/** As the body sees it; nothing for an actor that has none, or for a body that may not look any more. */
	#shown(what: "state" | "vars"): string {
		try {
			return render(this.#context[what]);
		} catch {
			return "";
		}
	}

	async #receive<T>(
		name: string,
		count: number,
		options: NextOptions | undefined,
		receive: () => Promise<ActorMessage<T>[]>,
	): Promise<ActorMessage<T>[]> {
		const call = ++this.#probe.calls;
		const path = this.#in(name);
		const { names = [], timeout, completable = false } = options ?? {};
		const deadlineMs = timeout === undefined ? undefined : this.#probe.world.nowMs + timeout;
		this.#note("actor.wait", { call, path, names, count, deadlineMs, completable });
		let messages: ActorMessage<T>[];
		try {
			messages = await receive();
		} catch (error) {
			if (!isYield(error)) this.#note("actor.wait-failed", { call, path, error: errorFact(error) });
			throw error;
		}
		const given = messages.map((message) => ({
			id: idOf(message),
			stored: String(message.id),
			name: message.name,
			body: render(message.body),
		}));
		this.#note("actor.given", { call, path, messages: given });
		return messages.map((message) => this.#completable(message));
	}

	#completable<T>(message: ActorMessage<T>): ActorMessage<T> {
		if (message.complete === undefined) return message;
		const id = idOf(message);
		const complete = async (response?: unknown): Promise<void> => {
			this.#note("actor.complete", { id });
			try {
				await message.complete?.(response);
			} catch (error) {
				this.#note("actor.completed", { id, error: errorFact(error) });
				throw error;
			}
			this.#note("actor.completed", { id, error: undefined });
		};
		return { ...message, complete };
	}

	async #sleep(name: string, deadlineMs: number, sleep: () => Promise<void>): Promise<void> {
		const call = ++this.#probe.calls;
		const path = this.#in(name);
		this.#note("actor.sleep-call", { call, path, deadlineMs });
		await sleep();
		this.#note("actor.slept", { call, path });
	}

	#tell<T>(name: string, result: Promise<T>): Promise<T> {
		return result.catch((error: unknown) => {
			if (!isYield(error)) this.#note("actor.threw", { path: this.#in(name), error: errorFact(error) });
			throw error;
		});
	}
}
