/**
 * The file-system driver inside `rivetkit` 2.2.1, as it is: an actor for each namespace, and the engine's keys where rivetkit's own
 * workflow driver puts them, under a prefix among the actor's. Alarms wake the actor, and messages are the actor's; neither is
 * the driver's alone, so that neither is claimed.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DriverClaims, EngineDriver, PluggedDriver } from "../contract.ts";
import { behindPrefix, concat } from "../ordered/store.ts";

export const RIVETKIT = { name: "rivetkit", version: "2.2.1" } as const;

const ENTRY = "dist/tsup/mod.js";

/** What it says in its errors: 128 entries, 976 KiB of them, 2 KiB of key and 128 KiB of value, its own wrapping included. */
const PREFIX = Uint8Array.of(6, 1);
const WRAPPING_BYTES = 2;
const claims: DriverClaims = {
	atomicBatch: "within-limits",
	durability: "process-crash",
	limits: {
		batchEntries: 128,
		keyBytes: 2_048 - WRAPPING_BYTES - PREFIX.byteLength,
		valueBytes: 128 * 1_024,
	},
	alarms: "none",
	messages: "none",
	concurrency: "one-process",
};

type Entries = [key: Uint8Array, value: Uint8Array][];

/** What is used of its drivers. */
interface ActorDriver {
	kvBatchPut(actorId: string, entries: Entries): Promise<void>;
	kvBatchGet(actorId: string, keys: Uint8Array[]): Promise<(Uint8Array | null)[]>;
	kvBatchDelete(actorId: string, keys: Uint8Array[]): Promise<void>;
	kvDeleteRange(actorId: string, start: Uint8Array, end: Uint8Array): Promise<void>;
	kvListPrefix(actorId: string, prefix: Uint8Array): Promise<Entries>;
	startSleep?(actorId: string): void;
}

interface Manager {
	getOrCreateWithKey(input: { readonly name: string; readonly key: string[] }): Promise<{ readonly actorId: string }>;
	getForId(input: { readonly actorId: string }): Promise<unknown>;
}

interface Rivetkit {
	createFileSystemDriver(options: { readonly path: string }): {
		manager(config: unknown): Manager;
		actor(config: unknown, manager: Manager, client: object): ActorDriver;
	};
	setup(options: object): { parseConfig(): unknown };
	actor(options: object): unknown;
}

/**
 * @param root directory of all namespaces; made when needed.
 * @param packageDirectory where rivetkit is installed.
 */
export async function rivetFileDriver(root: string, packageDirectory: string): Promise<PluggedDriver> {
	const rivetkit = (await import(pathToFileURL(join(packageDirectory, ENTRY)).href)) as Rivetkit;
	const directory = (namespace: string) => join(root, namespace);
	const definition = rivetkit.actor({ state: {}, actions: {} });
	const config = rivetkit.setup({ use: { namespace: definition }, logging: { level: "silent" } }).parseConfig();
	return {
		name: "rivet-file",
		claims,
		directory,
		async open(namespace) {
			const driver = rivetkit.createFileSystemDriver({ path: directory(namespace) });
			const manager = driver.manager(config);
			const actors = driver.actor(config, manager, {});
			const { actorId } = await manager.getOrCreateWithKey({ name: "namespace", key: [namespace] });
			return {
				driver: engineDriver(actors, actorId),
				close: () => asleep(actors, manager, actorId),
			};
		},
		async destroy(namespace) {
			rmSync(directory(namespace), { recursive: true, force: true });
		},
	};
}

const LOOK_MS = 5;

/** Puts the actor to sleep, which closes its database, and waits until it sleeps. */
async function asleep(actors: ActorDriver, manager: Manager, actorId: string): Promise<void> {
	actors.startSleep?.(actorId);
	for (;;) {
		const stopping = await manager.getForId({ actorId }).then(
			() => false,
			() => true,
		);
		if (!stopping) return;
		await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
	}
}

function engineDriver(actors: ActorDriver, actorId: string): EngineDriver {
	const full = (key: Uint8Array) => concat(PREFIX, key);
	const none = async () => {
		throw new Error("Messages are the actor's, not the file-system driver's.");
	};
	return {
		workerPollInterval: 100,
		get: async (key) => (await actors.kvBatchGet(actorId, [full(key)]))[0] ?? null,
		set: (key, value) => actors.kvBatchPut(actorId, [[full(key), value]]),
		delete: (key) => actors.kvBatchDelete(actorId, [full(key)]),
		batch: async (writes) => {
			if (writes.length > 0) {
				await actors.kvBatchPut(
					actorId,
					writes.map(({ key, value }) => [full(key), value]),
				);
			}
		},
		batchDelete: (keys) => actors.kvBatchDelete(actorId, keys.map(full)),
		deletePrefix: (prefix) => actors.kvDeleteRange(actorId, full(prefix), behindPrefix(full(prefix))),
		deleteRange: (start, end) => actors.kvDeleteRange(actorId, full(start), full(end)),
		list: async (prefix) => {
			const entries = await actors.kvListPrefix(actorId, full(prefix));
			return entries.map(([key, value]) => ({ key: key.slice(PREFIX.byteLength), value }));
		},
		// Nothing is claimed of alarms, and a workflow that clears one it never set is to go on.
		setAlarm: async () => {},
		clearAlarm: async () => {},
		waitForMessages: none,
		messageDriver: { addMessage: none, receiveMessages: none, completeMessage: none },
	};
}
