/**
 * SQLite, through `libsql`: a file for each namespace, in WAL mode, synced at every commit. A batch is a transaction of any
 * size, and what was acknowledged is on the medium.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DriverClaims, PluggedDriver } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import type { OrderedStore } from "../ordered/store.ts";

const claims: DriverClaims = {
	atomicBatch: "always",
	durability: "power-loss",
	alarms: "durable",
	messages: "durable",
	concurrency: "one-process",
};

const BUSY_MS = 5_000;

/** @param root directory of all namespaces; made when needed. */
export function sqliteDriver(root: string): PluggedDriver {
	const directory = (namespace: string) => join(root, namespace);
	return {
		name: "sqlite",
		claims,
		directory,
		async open(namespace) {
			mkdirSync(directory(namespace), { recursive: true });
			return engineDriverOver(await openFile(join(directory(namespace), "storage.db")), claims);
		},
		async destroy(namespace) {
			rmSync(directory(namespace), { recursive: true, force: true });
		},
	};
}

/** `all` gives blobs as ArrayBuffers, where `get` gives Buffers. */
interface Row {
	readonly key: ArrayBuffer | Uint8Array;
	readonly value: ArrayBuffer | Uint8Array;
}

async function openFile(file: string): Promise<OrderedStore> {
	const { default: Database } = await import("libsql");
	const database = new Database(file);
	database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
	database.exec("PRAGMA journal_mode = WAL");
	database.exec("PRAGMA synchronous = FULL");
	// What a process that died had written and not synced is seen now: synced, so that a loss of power cannot take it back.
	database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
	database.exec("CREATE TABLE IF NOT EXISTS store (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
	const get = database.prepare("SELECT value FROM store WHERE key = ?");
	const set = database.prepare("INSERT OR REPLACE INTO store (key, value) VALUES (?, ?)");
	const remove = database.prepare("DELETE FROM store WHERE key = ?");
	const list = database.prepare("SELECT key, value FROM store WHERE key >= ? AND key < ? ORDER BY key LIMIT ?");
	return {
		get: (key) => (get.get([Buffer.from(key)]) as { value: Uint8Array } | undefined)?.value ?? null,
		write(changes) {
			database.exec("BEGIN IMMEDIATE");
			try {
				for (const { key, value } of changes) {
					if (value === null) remove.run([Buffer.from(key)]);
					else set.run([Buffer.from(key), Buffer.from(value)]);
				}
				database.exec("COMMIT");
			} catch (error) {
				database.exec("ROLLBACK");
				throw error;
			}
		},
		list: (start, end, limit = -1) =>
			(list.all([Buffer.from(start), Buffer.from(end), limit]) as Row[]).map(({ key, value }) => ({
				key: new Uint8Array(key),
				value: new Uint8Array(value),
			})),
		close: () => {
			database.close();
		},
	};
}
