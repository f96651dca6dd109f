/**
 * What `rivetkit` 2.3 gives the core that hosts its actors: from the definition of an actor it makes callbacks over contexts of its
 * own, and hands them to the factory of whatever core it was told to use. This is told to it as that core, takes the callbacks and
 * ends the matter there: no registry is served, nothing is connected to.
 */
import type { ActorConfig } from "../../contract.ts";
import { CancellationToken } from "./queue.ts";

/** Everything that a core passes carries its context; the first argument is for errors of another bridge. */
type Callback<P extends object = object, R = void> = (error: null, payload: { readonly ctx: object } & P) => Promise<R>;

export interface StateDelta {
	/** Absent when there is none. */
	readonly state?: Uint8Array;
}

export interface QueueSendRequest {
	readonly conn: object;
	readonly request: { readonly method: string; readonly uri: string; readonly headers: Record<string, string> };
	readonly name: string;
	readonly body: Uint8Array;
	readonly wait: boolean;
	readonly timeoutMs?: number;
}

export interface QueueSendAnswer {
	readonly status: "completed" | "timedOut";
	readonly response?: Uint8Array;
}

export interface ActionCall {
	readonly conn: object;
	readonly name: string;
	readonly args: Uint8Array;
}

export interface ActorCallbacks {
	readonly createState?: Callback<object, Uint8Array>;
	readonly onCreate?: Callback;
	readonly createVars?: Callback;
	readonly onMigrate?: Callback<{ readonly isNew: boolean }>;
	readonly onWake?: Callback;
	readonly onBeforeActorStart?: Callback;
	readonly onSleep: Callback;
	readonly onDestroy: Callback;
	readonly run?: Callback<object, boolean>;
	readonly actions: Readonly<Record<string, Callback<ActionCall, Uint8Array>>>;
	readonly onQueueSend: Callback<QueueSendRequest, QueueSendAnswer>;
	readonly serializeState: Callback<{ readonly reason: "save" }, StateDelta>;
}

/** Options of the definition, with the package's own values where it says nothing. */
export interface CoreConfig {
	readonly stateSaveIntervalMs: number;
	readonly sleepTimeoutMs: number;
	readonly sleepGracePeriodMs: number;
	readonly maxQueueSize: number;
	readonly maxQueueMessageSize: number;
}

/** What is used of the package. */
export interface RegistryModule {
	actor(config: ActorConfig): object;
	setup(options: object): { handler(request: Request): Promise<Response> };
}

export interface Hosted {
	readonly callbacks: ActorCallbacks;
	readonly config: CoreConfig;
}

/** What the factory ends the building of a registry with. */
class Taken extends Error {}

/** The callbacks of a definition. Takes microtasks, no more. @throws what the package says of a definition it refuses. */
export async function callbacksOf(rivetkit: RegistryModule, definition: ActorConfig): Promise<Hosted> {
	let hosted: Hosted | undefined;
	class ActorFactory {
		constructor(callbacks: ActorCallbacks, config: CoreConfig) {
			hosted = { callbacks, config };
			throw new Taken();
		}
	}
	const bindings = { default: async () => {}, CoreRegistry: class {}, CancellationToken, ActorFactory };
	const use = { subject: rivetkit.actor(definition) };
	const registry = rivetkit.setup({ use, runtime: "wasm", wasm: { bindings }, noWelcome: true });
	try {
		await registry.handler(new Request("http://core/"));
	} catch (error) {
		if (!(error instanceof Taken)) throw error;
	}
	if (hosted === undefined) throw new Error("rivetkit made no callbacks of the definition.");
	return hosted;
}
