/**
 * The published `rivetkit` from 2.3 on as an actor runtime. Its own are the definition of actors, their contexts, state, queue and
 * schedule as users see them, the `workflow()` handler with its contexts and driver, and the engine. The core that hosts all that is
 * a program in Rust, which reaches for a server as soon as it starts; in its place is one of ours (`context.ts`), which it is handed
 * as it is handed the WebAssembly one elsewhere.
 */

import type { Process } from "../../../../sim/world/process.ts";
import type { World } from "../../../../sim/world/world.ts";
import type {
	ActorCapabilities,
	ActorConfig,
	ActorFeature,
	ActorGround,
	ActorInstance,
	ActorPlatform,
	ActorSurface,
	ActorTarget,
	SendResult,
} from "../../contract.ts";
import { Endings } from "../endings.ts";
import { ActorRefusal } from "../instance.ts";
import { ofThisLife } from "../life.ts";
import { loggerOf } from "../logger.ts";
import { engineBeside, featuresOf, loadParts, type Rivetkit } from "../package.ts";
import { callbacksOf, type RegistryModule } from "./callbacks.ts";
import { decodeValue, encodeValue } from "./compat.ts";
import { ALARMS, CoreContext } from "./context.ts";
import { coreError, toldToClients } from "./errors.ts";
import { withSteps } from "./steps.ts";
import { decodeTime, describeKey, imageOf, type StoredMessage, type Tables, tablesOf } from "./store.ts";

/** What the sources say: steps roll forward, one commit holds state and history. */
const CAPABILITIES: ActorCapabilities = {
	stepState: "roll-forward",
	stepCommit: "atomic",
	queueDelivery: "exactly-once",
	completion: "of-one-life",
	broadcast: "at-once",
	sends: "plain",
	schedule: "at-most-once",
};

const FEATURES: readonly ActorFeature[] = ["actions", "schedule", "plainRun", "destroy"];

type CoreRivetkit = RegistryModule &
	Pick<Rivetkit, "queue" | "event" | "workflow" | "configureBaseLogger" | "engine"> & {
		readonly WorkflowContext: { readonly prototype: object };
	};

/** Loads a version that is installed in that directory. */
export async function coreRivetkitActors(version: string, directory: string): Promise<ActorTarget> {
	const parts = await loadParts(directory, ["mod.js", "workflow/mod.js", "common/log.js"]);
	const rivetkit = { ...parts, engine: await engineBeside(directory) } as unknown as CoreRivetkit;
	const runtime = new CoreRuntime(rivetkit);
	return {
		name: `rivetkit-${version}`,
		version,
		capabilities: CAPABILITIES,
		features: featuresOf(FEATURES, rivetkit.WorkflowContext.prototype),
		surface: runtime.surface,
		ground: (world, actorId) => new CoreGround(runtime, world, actorId),
		describeKey,
	};
}

class CoreRuntime {
	readonly rivetkit: CoreRivetkit;
	readonly surface: ActorSurface;
	readonly endings = new Endings();
	/** Of the life begun last: one world runs at a time, and one life of an actor in it. */
	platform: ActorPlatform | undefined;

	constructor(rivetkit: CoreRivetkit) {
		this.rivetkit = rivetkit;
		rivetkit.configureBaseLogger(loggerOf((level, text) => this.platform?.log(level, text)));
		this.surface = {
			...rivetkit.engine,
			queue: rivetkit.queue,
			event: rivetkit.event,
			workflow: (run, options) =>
				this.endings.handler(rivetkit.workflow, (context: never) => run(withSteps(context)), options),
		};
	}
}

class CoreGround implements ActorGround {
	readonly #runtime: CoreRuntime;
	readonly #world: World;
	readonly #actorId: string;
	readonly #tables: Tables;

	constructor(runtime: CoreRuntime, world: World, actorId: string) {
		this.#runtime = runtime;
		this.#world = world;
		this.#actorId = actorId;
		this.#tables = tablesOf(actorId);
	}

	async start(process: Process, config: ActorConfig, platform: ActorPlatform): Promise<ActorInstance> {
		const { rivetkit, endings } = this.#runtime;
		this.#runtime.platform = platform;
		const hosted = await callbacksOf(rivetkit, withClient(endings.watched(config, platform), platform.client));
		const context = new CoreContext(this.#world, process, this.#tables, this.#actorId, hosted, platform);
		await context.start();
		return new CoreActor(process, context);
	}

	alarm(): number | undefined {
		const times = this.#alarms().map(({ atMs }) => atMs);
		return times.length === 0 ? undefined : Math.min(...times);
	}

	/** Clears what goes off now; the later one of the two is still set. */
	clearAlarm(): void {
		const atMs = this.alarm();
		const due = this.#alarms().filter((alarm) => alarm.atMs === atMs);
		const mutations = due.map(({ key }) => ({ table: this.#tables.alarm, key, value: null }));
		this.#world.disk.commit(this.#world.outside, "alarm.fire", mutations, { legal: new Set() });
	}

	destroyed(): boolean {
		return this.#world.disk.get(this.#tables.fate, "destroyed") !== undefined;
	}

	image() {
		return imageOf(this.#world.disk, this.#tables, decodeValue);
	}

	/** How the queue is laid out is the core's affair, and this core is ours: its damage would tell nothing of rivetkit. */
	damage(): boolean {
		return false;
	}

	#alarms(): { readonly key: string; readonly atMs: number }[] {
		return Object.values(ALARMS).flatMap((key) => {
			const stored = this.#world.disk.get(this.#tables.alarm, key);
			return stored === undefined ? [] : [{ key, atMs: decodeTime(stored) }];
		});
	}
}

type Called = (context: never, ...input: never[]) => unknown;

const HOOKS = ["createVars", "onCreate", "onWake", "onSleep", "onDestroy", "run"] as const;

/** The definition with contexts whose `client()` is the platform's: their own would ask a server for other actors. */
function withClient(config: ActorConfig, client: ActorPlatform["client"]): ActorConfig {
	const wrapped = <F extends Called>(called: F): F =>
		new Proxy(called, {
			apply: (target, self, [context, ...input]: [object, ...unknown[]]) => {
				Object.defineProperty(context, "client", { value: () => client, configurable: true });
				return Reflect.apply(target, self, [context, ...input]);
			},
		});
	const hooks = HOOKS.flatMap((name) => {
		const hook = config[name];
		return hook === undefined ? [] : [[name, wrapped(hook as Called)] as const];
	});
	const actions = Object.entries(config.actions ?? {}).map(([name, action]) => [name, wrapped(action)] as const);
	return { ...config, ...Object.fromEntries(hooks), actions: Object.fromEntries(actions) };
}

class CoreActor implements ActorInstance {
	readonly #process: Process;
	readonly #context: CoreContext;
	/** Messages on their way into the queue; no client is told their ids. */
	readonly #onTheWay: { readonly name: string; readonly body: Uint8Array; id: string }[] = [];

	constructor(process: Process, context: CoreContext) {
		this.#process = process;
		this.#context = context;
		context.messages.onStored = (message) => this.#noteStored(message);
	}

	async send(name: string, body: unknown): Promise<string> {
		const message = { name, body: encodeValue(body), id: "" };
		this.#onTheWay.push(message);
		try {
			await this.#sendNow(name, message.body, undefined);
			return message.id;
		} finally {
			this.#onTheWay.splice(this.#onTheWay.indexOf(message), 1);
		}
	}

	sendAndWait(name: string, body: unknown, timeoutMs: number | undefined): Promise<SendResult> {
		return this.#sendNow(name, encodeValue(body), { timeoutMs });
	}

	async act(name: string, input: readonly unknown[]): Promise<unknown> {
		const { actions } = this.#context.callbacks;
		const call = Object.hasOwn(actions, name) ? actions[name] : undefined;
		const output = await this.#request(async () => {
			if (call === undefined) throw coreError("action", "not_found", `Action '${name}' not found.`);
			return call(null, { ctx: this.#context, conn: connection(), name, args: encodeValue(input) });
		});
		return decodeValue(output);
	}

	alarm(): Promise<void> {
		return ofThisLife(this.#process, this.#context.runDue());
	}

	sleep(): Promise<void> {
		return ofThisLife(this.#process, this.#context.stop("sleep"));
	}

	destroy(): Promise<void> {
		return ofThisLife(this.#process, this.#context.stop("destroy"));
	}

	waits(): number {
		return this.#context.messages.waits;
	}

	async #sendNow(
		name: string,
		body: Uint8Array,
		wait: { readonly timeoutMs: number | undefined } | undefined,
	): Promise<SendResult> {
		const request = { method: "POST", uri: `http://actor/queue/${encodeURIComponent(name)}`, headers: {} };
		const timeout = wait?.timeoutMs === undefined ? {} : { timeoutMs: wait.timeoutMs };
		const { status, response } = await this.#request(() =>
			this.#context.callbacks.onQueueSend(null, {
				...{ ctx: this.#context, conn: connection(), request, name, body },
				...{ wait: wait !== undefined, ...timeout },
			}),
		);
		return response === undefined ? { status } : { status, response: decodeValue(response) };
	}

	/** @throws ActorRefusal with what the client is told. */
	async #request<T>(run: () => Promise<T>): Promise<T> {
		try {
			return await ofThisLife(
				this.#process,
				this.#context.awake(async () => {
					if (this.#context.stopping) throw coreError("actor", "stopping", "Actor is stopping.");
					return run();
				}),
			);
		} catch (error) {
			const { group, code, message } = toldToClients(error);
			throw new ActorRefusal(group, code, message);
		}
	}

	/** Tells the first message on the way that reads like one just stored under which id that was. */
	#noteStored({ id, name, body }: StoredMessage): void {
		const message = this.#onTheWay.find(
			(one) => one.id === "" && one.name === name && Buffer.compare(one.body, body) === 0,
		);
		if (message !== undefined) message.id = id.toString();
	}
}

/** The connection of one request. */
function connection(): object {
	return {
		id: () => "request",
		params: () => new Uint8Array(0),
		state: () => new Uint8Array(0),
		setState: () => {},
		isHibernatable: () => false,
		send: () => {},
		disconnect: async () => {},
	};
}
