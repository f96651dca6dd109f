/**
 * Any `abstract-level` store whose keys are sorted as bytes. It claims what is true of every one of them; a store that keeps
 * more than memory does says so.
 */
import type { AbstractLevel } from "abstract-level";
import type { DriverClaims, OpenedStorage } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import type { OrderedStore, StoredEntry } from "../ordered/store.ts";

export const LEVEL_CLAIMS: DriverClaims = {
	atomicBatch: "always",
	durability: "memory",
	alarms: "durable",
	messages: "durable",
	concurrency: "one-process",
};

type Level = AbstractLevel<string | Buffer | Uint8Array, Uint8Array, Uint8Array>;

const VIEWS = { keyEncoding: "view", valueEncoding: "view" } as const;

/**
 * An opened namespace over a store that holds nothing else.
 * @param writeOptions what every write is given, e.g. `{ sync: true }` for `classic-level`.
 */
export async function levelStorage(
	level: Level,
	claims: DriverClaims = LEVEL_CLAIMS,
	writeOptions: object = {},
): Promise<OpenedStorage> {
	await level.open();
	return engineDriverOver(storeOver(level, writeOptions), claims);
}

function storeOver(level: Level, writeOptions: object): OrderedStore {
	return {
		get: async (key) => (await level.get(key, VIEWS)) ?? null,
		async write(changes) {
			const operations = changes.map(({ key, value }) =>
				value === null ? { type: "del" as const, key } : { type: "put" as const, key, value },
			);
			await level.batch(operations, { ...VIEWS, ...writeOptions });
		},
		async list(start, end, limit = -1) {
			const entries = await level.iterator({ gte: start, lt: end, limit, ...VIEWS }).all();
			return entries.map(([key, value]): StoredEntry => ({ key, value }));
		},
		close: () => level.close(),
	};
}
