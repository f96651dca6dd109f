/**
 * What an actor runtime under test is: it takes the definition of an actor, as its users write it, and gives it lives in a world,
 * over storage that outlives them. Fixtures write definitions against the surface below, so that one definition runs on the
 * published runtime and on the reference. Hosting (restarts, sleep, alarms, clients, what is told to the history) is not the
 * runtime's: `host.ts` does that for all of them.
 */
import type { Process } from "../../sim/world/process.ts";
import type { World } from "../../sim/world/world.ts";
import type { EngineContext, EngineModule } from "../engine/contract.ts";

/** A message as a workflow, or a plain run handler, gets it. */
export interface ActorMessage<T = unknown> {
	readonly id: bigint | string;
	readonly name: string;
	readonly body: T;
	readonly createdAt: number;
	/** Only of messages taken with `completable`. @throws when it was completed before. */
	complete?(response?: unknown): Promise<void>;
}

export interface NextOptions {
	/** Any name when absent or empty. */
	readonly names?: readonly string[];
	/** Milliseconds; waits for ever when absent. */
	readonly timeout?: number;
	readonly completable?: boolean;
}

/** Actors that an actor can call: name, key, action. A call is an effect on the outside. */
export type ActorClient = Readonly<
	Record<
		string,
		{
			getOrCreate(key: readonly string[]): Readonly<Record<string, (...input: readonly unknown[]) => Promise<unknown>>>;
		}
	>
>;

/** What every context of an actor gives, and a workflow's gives in its steps. State and vars are written in place. */
export interface ActorAccess<S = unknown, V = unknown> {
	state: S;
	vars: V;
	readonly actorId: string;
	broadcast(event: string, ...values: readonly unknown[]): void;
	client(): ActorClient;
	destroy(): void;
}

/** What `workflow(...)` gives its function: the operations of a workflow, and the actor inside steps alone. */
export interface WorkflowContext<S = unknown, V = unknown>
	extends ActorAccess<S, V>,
		Omit<EngineContext, "queue" | "loop" | "join" | "race" | "try"> {
	readonly queue: {
		next<T = unknown>(name: string, options?: NextOptions): Promise<ActorMessage<T>>;
		nextBatch<T = unknown>(
			name: string,
			options?: NextOptions & { readonly count?: number },
		): Promise<ActorMessage<T>[]>;
		/** Only inside steps. */
		send(name: string, body: unknown): Promise<void>;
	};
	loop<T = unknown>(name: string, run: (context: WorkflowContext<S, V>) => Promise<unknown>): Promise<T>;
	loop<L, T = unknown>(config: {
		readonly name: string;
		readonly state?: L;
		readonly run: (context: WorkflowContext<S, V>, state: L) => Promise<unknown>;
	}): Promise<T>;
	join<T extends Record<string, { readonly run: (context: WorkflowContext<S, V>) => Promise<unknown> }>>(
		name: string,
		branches: T,
	): Promise<{ [K in keyof T]: Awaited<ReturnType<T[K]["run"]>> }>;
	race<T>(
		name: string,
		branches: readonly { readonly name: string; readonly run: (context: WorkflowContext<S, V>) => Promise<T> }[],
	): Promise<{ winner: string; value: T }>;
	try<T>(name: string, run: (context: WorkflowContext<S, V>) => Promise<T>): Promise<{ ok: boolean; value?: T }>;
}

/** What actions, hooks and plain run handlers get. */
export interface HandlerContext<S = unknown, V = unknown> extends ActorAccess<S, V> {
	readonly queue: {
		next<T = unknown>(options?: NextOptions & { readonly signal?: AbortSignal }): Promise<ActorMessage<T> | undefined>;
		nextBatch<T = unknown>(
			options?: NextOptions & { readonly count?: number; readonly signal?: AbortSignal },
		): Promise<ActorMessage<T>[]>;
		send(name: string, body: unknown): Promise<unknown>;
	};
	readonly schedule: {
		/** Has the action called, that many milliseconds from now. */
		after(ms: number, action: string, ...input: readonly unknown[]): Promise<void>;
		/** ... at that wall-clock time. */
		at(timestampMs: number, action: string, ...input: readonly unknown[]): Promise<void>;
	};
	readonly abortSignal: AbortSignal;
	sleep(): void;
}

/** What runs as long as the actor is awake. What `workflow(...)` makes is the runtime's own: only it looks inside. */
export type RunHandler = (context: never) => Promise<unknown>;

type Hook = (context: never) => unknown;

/** The definition of an actor, as users hand it to `actor({...})`. */
export interface ActorConfig {
	/** Absent for an actor without state. */
	readonly state?: unknown;
	readonly vars?: unknown;
	readonly createVars?: (context: never) => unknown;
	/** Values made by `surface.queue()`. */
	readonly queues?: Readonly<Record<string, unknown>>;
	/** Values made by `surface.event()`. */
	readonly events?: Readonly<Record<string, unknown>>;
	readonly onCreate?: Hook;
	readonly onWake?: Hook;
	readonly onSleep?: Hook;
	readonly onDestroy?: Hook;
	readonly actions?: Readonly<Record<string, (context: never, ...input: never[]) => unknown>>;
	/** `surface.workflow(...)`, or a plain function of a `HandlerContext`. */
	readonly run?: RunHandler;
	readonly options?: ActorOptions;
}

export interface ActorOptions {
	/** Milliseconds without anything to do after which the actor goes to sleep; 30 000 when absent. */
	readonly sleepTimeout?: number;
	/** 1 000 when absent. */
	readonly maxQueueSize?: number;
	/** Bytes of a message as it is stored; 64 KiB when absent. */
	readonly maxQueueMessageSize?: number;
	/** Milliseconds between two saves of changed state outside of workflows; 1 000 when absent. */
	readonly stateSaveInterval?: number;
}

/** The functions that a definition is written with: what a user imports from the runtime's package. */
export interface ActorSurface extends Pick<EngineModule, "Loop" | "CriticalError" | "RollbackError"> {
	workflow<S = unknown, V = unknown>(
		run: (context: WorkflowContext<S, V>) => Promise<unknown>,
		options?: { readonly onError?: (context: HandlerContext<S, V>, event: unknown) => unknown },
	): RunHandler;
	queue(): unknown;
	event(): unknown;
}

/** What a definition may use besides its contexts; it belongs to the process life it is made for. */
export interface ActorEnv {
	/** Has something done in the outside world, which no crash undoes. Resolves to how often it was done, this time included. */
	call(label: string, about?: string): Promise<number>;
	/** Lets virtual time pass. */
	delay(ms: number): Promise<void>;
	/** The wall clock, in milliseconds since 1970. */
	nowMs(): number;
	/** Tells the history what the definition saw: properties read it. */
	tell(what: string, data: unknown): void;
	/** Number of the process life, from 1. */
	readonly life: number;
}

/** A definition, made anew for each process life. */
export type ActorDefinition = (surface: ActorSurface, env: ActorEnv) => ActorConfig;

/** What not every runtime has. */
export type ActorFeature =
	| "tryStep"
	| "try"
	| "getVersion"
	| "actions"
	| "schedule"
	| "connections"
	| "plainRun"
	| "destroy";

/** What a runtime promises where runtimes differ. A claim is tested, and a weaker one is held to what it still says. */
export interface ActorCapabilities {
	/**
	 * What becomes of what a failed attempt of a step did to state and vars: undone before the next attempt; kept, so that the next
	 * one goes on from it; or neither is promised.
	 */
	readonly stepState: "rollback" | "roll-forward" | "none";
	/** Whether a step's changes of state and its completion become durable as one. */
	readonly stepCommit: "atomic" | "separate";
	/** How often a message whose send was acknowledged takes effect in a workflow, whatever crashes. */
	readonly queueDelivery: "exactly-once" | "at-least-once" | "at-most-once";
	/** Whether the response to a completable message reaches its sender also when the actor dies in between. */
	readonly completion: "durable" | "of-one-life";
	/** When an event that a step broadcasts leaves: once the step is durable, or at once, also from attempts that fail. */
	readonly broadcast: "after-commit" | "at-once";
	/**
	 * Whether a send that is asked again with the same token is the same send: one message, and one response that can be asked for
	 * again after a lost connection. `plain`: each is a message of its own.
	 */
	readonly sends: "idempotent" | "plain";
	/** How often a due action of `schedule` changes the state, whatever crashes. */
	readonly schedule: "exactly-once" | "at-least-once" | "at-most-once";
}

/** What the runtime asks of whoever hosts the actor. All of it is of one process life. */
export interface ActorPlatform {
	/** It has nothing to do, or was told to: `sleep` of the instance follows. */
	sleepRequested(): void;
	/** `destroy` of the instance follows. */
	destroyRequested(): void;
	/** The durable alarm is another one now. */
	alarmChanged(): void;
	/** An event has left for a connected client. */
	broadcasted(event: string, values: readonly unknown[]): void;
	/** The run handler is over: it came to its end (`error` undefined), or threw. The actor goes on. */
	runEnded(error: unknown): void;
	/** It cannot go on in this life: its process is to be ended, and another begun. */
	broken(error: unknown): void;
	/** What it has to say to whoever runs it: what was damaged, lost or given up. */
	log(level: "warn" | "error", text: string): void;
	/** Other actors. */
	readonly client: ActorClient;
}

export type SendResult = { readonly status: "completed" | "timedOut"; readonly response?: unknown };

/**
 * An actor in one process life, as clients and the platform reach it. Nothing of it settles once the process is dead. `token` names
 * a send for runtimes whose sends are idempotent; the others ignore it.
 */
export interface ActorInstance {
	/** Has a message queued. Settles once it is acknowledged. @returns the id it is stored under. @throws what the client would get. */
	send(name: string, body: unknown, token: string): Promise<string>;
	sendAndWait(name: string, body: unknown, timeoutMs: number | undefined, token: string): Promise<SendResult>;
	/** Calls an action. @throws what the client would get. */
	act(name: string, input: readonly unknown[]): Promise<unknown>;
	/** The alarm that was set has gone off. */
	alarm(): Promise<void>;
	/** Stops in good order; what was asked of it before is durable when this settles. */
	sleep(): Promise<void>;
	/** Stops for good; settles when nothing of it is stored any more. */
	destroy(): Promise<void>;
	/** Waits for messages that are open, timed out and aborted ones not among them; absent where it cannot be told. */
	waits?(): number;
}

/** What is stored of an actor, decoded. */
export interface ActorImage {
	/** Undefined where none is stored. */
	readonly state: unknown;
	readonly queue: {
		/** In the order in which they are to be taken; `body` undefined for what cannot be decoded. */
		readonly messages: readonly { readonly id: string; readonly name: string; readonly body: unknown }[];
		/** As the stored metadata says; undefined where none is stored. */
		readonly size: number | undefined;
		readonly nextId: string | undefined;
	};
}

/** Storage of one actor in a world, over all its lives. */
export interface ActorGround {
	/**
	 * Begins a life. The first one of an actor creates it. Settles once the actor is ready for clients; its run handler goes on
	 * by itself. @throws when it cannot start.
	 */
	start(process: Process, config: ActorConfig, platform: ActorPlatform): Promise<ActorInstance>;
	/** The durable alarm, in wall-clock milliseconds, if one is set. */
	alarm(): number | undefined;
	/** Clears the alarm, by the platform, as it goes off. */
	clearAlarm(): void;
	/** Whether the actor was destroyed. */
	destroyed(): boolean;
	/** Reads the disk; writes nothing, takes no time. */
	image(): ActorImage;
	/**
	 * Damages what is stored of the queue, as a medium that decays would: its metadata, or the message in that place.
	 * @returns whether there was something to damage.
	 */
	damage(what: "queue-metadata" | "message", place: number): boolean;
}

export interface ActorTarget {
	/** As on the command line, e.g. `rivetkit-2.2.1`. */
	readonly name: string;
	readonly version: string;
	readonly capabilities: ActorCapabilities;
	readonly features: ReadonlySet<ActorFeature>;
	readonly surface: ActorSurface;
	/** Makes or finds the storage of an actor in that world. */
	ground(world: World, actorId: string): ActorGround;
	/** A stored key in a few words: `actor state` for what holds the state, and only for that. */
	describeKey(table: string, key: string): string;
	/** What the bytes under a key hold, as plain data, for reports; undefined when they are not what is stored there. */
	describeValue?(table: string, key: string, value: Uint8Array): unknown;
}

/** What the outside does to an actor, at a virtual time. Its place in the list of a program is its number, from 1. */
export type ActorInput =
	/** `id` is what the body calls itself, by which effects can be told apart. */
	| {
			readonly kind: "send";
			readonly atMs: number;
			readonly id: string;
			readonly name: string;
			readonly body: unknown;
			/** Waits for a response, that many milliseconds or for ever. */
			readonly wait?: { readonly ms?: number };
			/** How often it is sent again after a lost connection. */
			readonly retries?: number;
	  }
	| { readonly kind: "act"; readonly atMs: number; readonly name: string; readonly input?: readonly unknown[] }
	/** The platform has it go to sleep. */
	| { readonly kind: "sleep"; readonly atMs: number }
	| { readonly kind: "destroy"; readonly atMs: number }
	/** What is stored of the queue is damaged. */
	| {
			readonly kind: "damage";
			readonly atMs: number;
			readonly what: "queue-metadata" | "message";
			readonly place: number;
	  };

/** Actors besides the one under test, as functions of the outside: by name, then by action. */
export type OtherActors = Readonly<
	Record<string, Readonly<Record<string, (env: Pick<ActorEnv, "delay">, ...input: never[]) => Promise<unknown>>>>
>;
