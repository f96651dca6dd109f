/**
 * The published `@rivetkit/engine-runner`, every version by its npm alias, as it is: it finds the world's `WebSocket`, timers and
 * randomness under their global names. It is given no logger, and writes to none. Actors are the caller's; nobody sends them
 * requests, so that its tunnel stays empty.
 */
import { UsageError } from "../../engine/contract.ts";
import type { ActorConfig, Runner, RunnerCallbacks, RunnerSettings, RunningRunner } from "../contract.ts";
import type { ProtocolVersion } from "../wire.ts";

interface Published {
	readonly alias: string;
	/** The one version of the protocol that it speaks. */
	readonly protocol: ProtocolVersion;
}

/** By version, oldest first. */
const PUBLISHED: ReadonlyMap<string, Published> = new Map<string, Published>([
	["2.0.33", { alias: "runner-2.0.33", protocol: 5 }],
	["2.1.3", { alias: "runner-2.1.3", protocol: 5 }],
	["2.1.5", { alias: "runner-2.1.5", protocol: 6 }],
	["2.2.1", { alias: "runner-2.2.1", protocol: 7 }],
]);

const PREFIX = "engine-runner-";

/** Names of the published runners, oldest first. */
export const PUBLISHED_RUNNERS: readonly string[] = [...PUBLISHED.keys()].map((version) => `${PREFIX}${version}`);

/** What is used of the package. */
interface RunnerModule {
	readonly Runner: new (config: Record<string, unknown>) => PublishedRunner;
}

interface PublishedRunner {
	readonly runnerId: string | undefined;
	start(): Promise<void>;
	shutdown(immediate: boolean, exit: boolean): Promise<void>;
	hasActor(actorId: string, generation?: number): boolean;
	sleepActor(actorId: string, generation?: number): void;
	stopActor(actorId: string, generation?: number): unknown;
	destroyActor?(actorId: string, generation?: number): void;
	setAlarm(actorId: string, alarmMs: number | null, generation?: number): void;
	kvGet(actorId: string, keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]>;
	kvPut(actorId: string, entries: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<void>;
	kvDelete(actorId: string, keys: readonly Uint8Array[]): Promise<void>;
	kvListAll(actorId: string): Promise<[Uint8Array, Uint8Array][]>;
	kvDrop(actorId: string): Promise<void>;
}

/**
 * Loads a published runner by name (`engine-runner-2.2.1`, or just `2.2.1`).
 * @throws UsageError naming what was asked for and what would be right.
 */
export async function publishedRunner(name: string): Promise<Runner> {
	const version = name.replace(PREFIX, "");
	const published = PUBLISHED.get(version);
	if (published === undefined) {
		throw new UsageError(`Unknown runner "${name}"; choose ${PUBLISHED_RUNNERS.join(", ")}.`);
	}
	const module = (await import(published.alias)) as RunnerModule;
	return {
		name: `${PREFIX}${version}`,
		version,
		protocols: [published.protocol],
		start: (settings, callbacks) => start(module, settings, callbacks),
	};
}

function start(module: RunnerModule, settings: RunnerSettings, callbacks: RunnerCallbacks): RunningRunner {
	const runner = new module.Runner(configOf(settings, callbacks));
	runner.start().catch((error: unknown) => callbacks.onDisconnected(NEVER_CONNECTED, String(error)));
	return new AdaptedRunner(runner);
}

/** In place of a close code: there was no connection that could have been closed. */
const NEVER_CONNECTED = 1006;

function configOf(settings: RunnerSettings, callbacks: RunnerCallbacks): Record<string, unknown> {
	const { endpoint, namespace, runnerName, version, totalSlots, prepopulateActorNames, metadata } = settings;
	const noRequests = () => Promise.reject(new Error("Nobody sends requests to these actors."));
	return {
		endpoint,
		namespace,
		runnerName,
		version,
		totalSlots,
		prepopulateActorNames,
		metadata,
		// Versions before 2.2.1 have their user choose it; that one chooses for itself, in the same way.
		runnerKey: crypto.randomUUID(),
		onActorStart: (actorId: string, generation: number, config: ActorConfig) =>
			callbacks.onActorStart(actorId, generation, config),
		onActorStop: (actorId: string, generation: number) => callbacks.onActorStop(actorId, generation),
		onConnected: () => callbacks.onConnected(),
		onDisconnected: (code: number, reason: string) => callbacks.onDisconnected(code, reason),
		onShutdown: () => callbacks.onShutdown(),
		fetch: noRequests,
		websocket: noRequests,
		hibernatableWebSocket: { canHibernate: () => false },
		// Signals are the process's, and in a world nobody sends any.
		noAutoShutdown: true,
	};
}

/** The published runner as the contract has it. */
class AdaptedRunner implements RunningRunner {
	readonly destroyActor?: (actorId: string, generation?: number) => void;
	readonly kv: RunningRunner["kv"];
	readonly #runner: PublishedRunner;

	constructor(runner: PublishedRunner) {
		this.#runner = runner;
		if (runner.destroyActor !== undefined) {
			const destroy = (actorId: string, generation?: number) => runner.destroyActor?.(actorId, generation);
			this.destroyActor = destroy;
		}
		this.kv = {
			get: (actorId, keys) => runner.kvGet(actorId, keys),
			put: (actorId, entries) => runner.kvPut(actorId, entries),
			delete: (actorId, keys) => runner.kvDelete(actorId, keys),
			list: (actorId) => runner.kvListAll(actorId),
			drop: (actorId) => runner.kvDrop(actorId),
		};
	}

	get runnerId(): string | undefined {
		return this.#runner.runnerId;
	}

	hasActor(actorId: string, generation?: number): boolean {
		return this.#runner.hasActor(actorId, generation);
	}

	sleepActor(actorId: string, generation?: number): void {
		this.#runner.sleepActor(actorId, generation);
	}

	stopActor(actorId: string, generation?: number): void {
		void this.#runner.stopActor(actorId, generation);
	}

	setAlarm(actorId: string, alarmMs: number | null, generation?: number): void {
		this.#runner.setAlarm(actorId, alarmMs, generation);
	}

	shutdown(immediate: boolean): Promise<void> {
		return this.#runner.shutdown(immediate, false);
	}
}
