/**
 * Any `unstorage` store, through its strings: keys are hexadecimal, since stores normalize what they are given, and listed by
 * reading all of them. Nothing is promised of several keys at once, nor of a process that dies in the middle of a write.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Storage } from "unstorage";
import type { DriverClaims, OpenedStorage, PluggedDriver } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import { listByName, type OrderedStore } from "../ordered/store.ts";

export const UNSTORAGE_CLAIMS: DriverClaims = {
	atomicBatch: "none",
	durability: "memory",
	alarms: "durable",
	messages: "durable",
	concurrency: "one-process",
};

/** `unstorage` over its driver for a directory: a file for each key. */
export function unstorageDriver(root: string): PluggedDriver {
	const directory = (namespace: string) => join(root, namespace);
	return {
		name: "unstorage",
		claims: UNSTORAGE_CLAIMS,
		directory,
		async open(namespace) {
			const { createStorage } = await import("unstorage");
			const { default: files } = await import("unstorage/drivers/fs-lite");
			return unstorageStorage(createStorage({ driver: files({ base: directory(namespace) }) }));
		},
		async destroy(namespace) {
			rmSync(directory(namespace), { recursive: true, force: true });
		},
	};
}

/** An opened namespace over a storage that holds nothing else. */
export function unstorageStorage(storage: Storage): OpenedStorage {
	return engineDriverOver(storeOver(storage), UNSTORAGE_CLAIMS);
}

function storeOver(storage: Storage): OrderedStore {
	const get = async (name: string): Promise<Uint8Array | null> => {
		const value: unknown = await storage.getItemRaw(name);
		if (value === null || value === undefined) return null;
		if (value instanceof Uint8Array) return value;
		if (value instanceof ArrayBuffer) return new Uint8Array(value);
		throw new TypeError(`The store gave back a ${typeof value} for bytes.`);
	};
	return {
		get: (key) => get(nameOf(key)),
		async write(changes) {
			for (const { key, value } of changes) {
				if (value === null) await storage.removeItem(nameOf(key));
				else await storage.setItemRaw(nameOf(key), Buffer.from(value));
			}
		},
		list: async (start, end, limit) =>
			await listByName(await storage.getKeys(), { keyOf, get, together: TOGETHER }, { start, end, limit }),
		close: () => storage.dispose(),
	};
}

/** Values read at a time. */
const TOGETHER = 100;
/** Hexadecimal digits of one part of a name: file systems allow 255 characters. */
const PART_DIGITS = 200;
/** The last part ends with it, so that no name is both a file and a directory. */
const LAST = "z";

function nameOf(key: Uint8Array): string {
	const digits = Buffer.from(key).toString("hex") + LAST;
	return digits.match(new RegExp(`.{1,${PART_DIGITS}}`, "g"))?.join(":") ?? LAST;
}

function keyOf(name: string): Uint8Array {
	return Uint8Array.from(Buffer.from(name.replaceAll(":", "").slice(0, -LAST.length), "hex"));
}
