/**
 * LMDB, through `lmdb`: an environment for each namespace. A batch is a transaction that has synced when it answers; keys are
 * bytes, of a length that the environment sets.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DriverClaims, PluggedDriver } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import type { OrderedStore, StoredEntry } from "../ordered/store.ts";

/** What the environment allows for a key, without the byte that the adapter puts before the engine's. */
const KEY_BYTES = 1_978 - 1;

const claims: DriverClaims = {
	atomicBatch: "always",
	durability: "power-loss",
	limits: { keyBytes: KEY_BYTES },
	alarms: "durable",
	messages: "durable",
	concurrency: "one-process",
};

/** @param root directory of all namespaces; made when needed. */
export function lmdbDriver(root: string): PluggedDriver {
	const directory = (namespace: string) => join(root, namespace);
	return {
		name: "lmdb",
		claims,
		directory,
		async open(namespace) {
			mkdirSync(directory(namespace), { recursive: true });
			return engineDriverOver(await openEnvironment(directory(namespace)), claims);
		},
		async destroy(namespace) {
			rmSync(directory(namespace), { recursive: true, force: true });
		},
	};
}

/** Has what a process that died had written, and not synced, on the medium before anybody reads it. */
function synced(database: object): Promise<void> {
	// There, and not among the package's types.
	const { sync } = database as { sync(done: (error?: unknown) => void): void };
	return new Promise((resolve, reject) => {
		sync.call(database, (error) => (error === undefined || error === null ? resolve() : reject(error)));
	});
}

async function openEnvironment(path: string): Promise<OrderedStore> {
	const { open } = await import("lmdb");
	const database = open<Buffer, Buffer>({
		path,
		keyEncoding: "binary",
		encoding: "binary",
		// Otherwise a write answers before it is on the medium.
		overlappingSync: false,
	});
	await synced(database);
	return {
		get: (key) => database.getBinary(Buffer.from(key)) ?? null,
		write(changes) {
			database.transactionSync(() => {
				for (const { key, value } of changes) {
					if (value === null) database.removeSync(Buffer.from(key));
					else database.putSync(Buffer.from(key), Buffer.from(value));
				}
			});
		},
		list(start, end, limit) {
			const range = database.getRange({
				start: Buffer.from(start),
				end: Buffer.from(end),
				...(limit === undefined ? {} : { limit }),
			});
			const entries: StoredEntry[] = [];
			for (const { key, value } of range) entries.push({ key: Uint8Array.from(key), value: Uint8Array.from(value) });
			return entries;
		},
		close: () => database.close(),
	};
}
