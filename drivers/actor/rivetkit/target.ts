/**
 * The published `rivetkit` as an actor runtime: its queue, state, schedule and workflow integration, on the world's disk. Lives are
 * told apart by an address each, under which its own routes find the instance.
 */
import type { Process } from "../../../sim/world/process.ts";
import type { World } from "../../../sim/world/world.ts";
import type {
	ActorCapabilities,
	ActorConfig,
	ActorFeature,
	ActorGround,
	ActorInstance,
	ActorPlatform,
	ActorSurface,
	ActorTarget,
} from "../contract.ts";
import { coreRivetkitActors } from "./core/target.ts";
import { Endings } from "./endings.ts";
import { begin, RivetkitActor } from "./instance.ts";
import { loggerOf } from "./logger.ts";
import {
	type ActorDriver,
	type ActorRouter,
	featuresOf,
	loadRivetkit,
	NEEDS,
	type Rivetkit,
	type RivetkitInstance,
} from "./package.ts";
import { ActorStorage, type ActorTables, alarmOf, clearAlarmOf, isDestroyed, tablesOf } from "./storage.ts";
import { describeKey, describeValue, imageOf, MESSAGE_PREFIX, QUEUE_METADATA_KEY } from "./stored.ts";
import type { Order } from "./turns.ts";

/** Names of the published runtimes that run here, oldest first. */
export const RIVETKIT_ACTORS: readonly string[] = [...NEEDS.keys()].map((version) => `rivetkit-${version}`);

/**
 * What the packages say of themselves: messages survive restarts, and state and history are flushed together, by a comment in their
 * workflow driver. Of what becomes of a failed attempt's changes they say nothing: that is what was observed.
 */
const CAPABILITIES: ActorCapabilities = {
	stepState: "roll-forward",
	stepCommit: "atomic",
	queueDelivery: "exactly-once",
	completion: "of-one-life",
	broadcast: "at-once",
	sends: "plain",
	schedule: "at-least-once",
};

/** Versions whose actors are hosted by a core that is no part of the package. */
const FROM_A_CORE = /^2\.3\./;

const FEATURES: readonly ActorFeature[] = ["actions", "schedule", "connections", "plainRun", "destroy"];

/**
 * Loads a version that is installed in that directory.
 * @param order of operations of its storage that are under way at once; the core of later versions does one after the other.
 */
export async function rivetkitActors(
	version: string,
	directory: string,
	order: Order = "overlapping",
): Promise<ActorTarget> {
	if (FROM_A_CORE.test(version)) return coreRivetkitActors(version, directory);
	const rivetkit = await loadRivetkit(directory);
	const runtime = new Runtime(rivetkit);
	return {
		name: `rivetkit-${version}`,
		version,
		capabilities: CAPABILITIES,
		features: featuresOf(FEATURES, rivetkit.ActorWorkflowContext.prototype),
		surface: runtime.surface,
		ground: (world, actorId) => new RivetkitGround(runtime, world, actorId, order),
		describeKey: (table, key) => (table.endsWith("/kv") ? describeKey(key) : (table.split("/").at(-1) as string)),
		describeValue: (table, key, value) => (table.endsWith("/kv") ? describeValue(key, value) : undefined),
	};
}

/** The package, its routes, and the instances that these find. */
class Runtime {
	readonly rivetkit: Rivetkit;
	readonly router: ActorRouter;
	readonly surface: ActorSurface;
	/** By address: those that live. */
	readonly instances = new Map<string, RivetkitInstance>();
	/** Of the life begun last: one world runs at a time, and one life of an actor in it. */
	platform: ActorPlatform | undefined;
	readonly endings = new Endings();

	constructor(rivetkit: Rivetkit) {
		this.rivetkit = rivetkit;
		rivetkit.configureBaseLogger(loggerOf((level, text) => this.platform?.log(level, text)));
		const none = rivetkit.actor({ actions: {} });
		const config = rivetkit.RegistryConfigSchema.parse({ use: { none } });
		this.router = rivetkit.createActorRouter(config, { loadActor: (address) => this.#find(address) }, undefined, false);
		this.surface = {
			...rivetkit.engine,
			queue: rivetkit.queue,
			event: rivetkit.event,
			workflow: (run, options) => this.endings.handler(rivetkit.workflow, run, options),
		};
	}

	async #find(address: string): Promise<RivetkitInstance> {
		const instance = this.instances.get(address);
		if (instance === undefined) throw new Error(`No actor lives at ${address}.`);
		return instance;
	}
}

class RivetkitGround implements ActorGround {
	readonly #runtime: Runtime;
	readonly #world: World;
	readonly #actorId: string;
	readonly #order: Order;
	readonly #tables: ActorTables;

	constructor(runtime: Runtime, world: World, actorId: string, order: Order) {
		this.#runtime = runtime;
		this.#world = world;
		this.#actorId = actorId;
		this.#order = order;
		this.#tables = tablesOf(actorId);
	}

	async start(process: Process, config: ActorConfig, platform: ActorPlatform): Promise<ActorInstance> {
		const { rivetkit, router, instances, endings } = this.#runtime;
		const address = `${this.#actorId}/${process.id}`;
		const storage = new ActorStorage(this.#world, process, this.#tables, platform, this.#order);
		const driver: ActorDriver = Object.assign(storage, {
			loadActor: async () => instances.get(address) as RivetkitInstance,
		});
		// Who lived at this address before was of another world.
		this.#runtime.platform = platform;
		const instance = await begin(
			rivetkit,
			endings.watched(config, platform),
			storage,
			driver,
			this.#actorId,
			platform,
			(made) => instances.set(address, made),
		);
		return new RivetkitActor(process, instance, storage, router, address);
	}

	alarm(): number | undefined {
		return alarmOf(this.#world, this.#tables);
	}

	clearAlarm(): void {
		clearAlarmOf(this.#world, this.#tables);
	}

	destroyed(): boolean {
		return isDestroyed(this.#world, this.#tables);
	}

	image() {
		return imageOf(this.#world.disk, this.#tables.kv);
	}

	damage(what: "queue-metadata" | "message", place: number): boolean {
		const { disk } = this.#world;
		const key = what === "queue-metadata" ? QUEUE_METADATA_KEY : disk.list(this.#tables.kv, MESSAGE_PREFIX)[place]?.key;
		const stored = key === undefined ? undefined : disk.get(this.#tables.kv, key);
		if (key === undefined || stored === undefined) return false;
		disk.damage(this.#tables.kv, key, stored.slice(0, CUT_BYTES));
		return true;
	}
}

/** What a cut leaves: the version and the beginning of what follows. */
const CUT_BYTES = 3;
