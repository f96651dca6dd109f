/**
 * A small real driver for tests: everything of a namespace in one file, written anew with every change. It can be told to break
 * what it claims in ways that only show when its process dies.
 */
import {
	closeSync,
	existsSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import type { EngineDriver, PluggedDriver } from "../../drivers/storage/contract.ts";
import { driverOf, type Kept } from "./map-driver.ts";

/** Under which all namespaces of these drivers have their files. */
export const FILES = join(tmpdir(), "faultline-test-drivers");

/** What it does wrong: nothing, no sync, one change late, or a batch entry by entry. */
export type How = "sound" | "unsynced" | "late" | "torn";

/** Milliseconds between two entries of a batch that is torn: long enough to be killed in between. */
const BETWEEN_MS = 40;

export function fileDriver(how: How): PluggedDriver {
	const directory = (namespace: string) => join(FILES, namespace);
	return {
		name: how,
		claims: {
			...{ atomicBatch: "always", durability: "power-loss", alarms: "durable", messages: "durable" },
			concurrency: "one-process",
		},
		directory,
		open(namespace) {
			mkdirSync(directory(namespace), { recursive: true });
			const file = join(directory(namespace), "all");
			const kept: Kept = existsSync(file)
				? deserialize(readFileSync(file))
				: { entries: new Map(), messages: [], alarm: undefined };
			let before = serialize(kept);
			const save = () => {
				const now = serialize(kept);
				write(file, how === "late" ? before : now, how !== "unsynced");
				before = now;
			};
			return { driver: saving(driverOf(kept), save, how), alarm: async () => kept.alarm };
		},
		async destroy(namespace) {
			rmSync(directory(namespace), { recursive: true, force: true });
		},
	};
}

function write(file: string, bytes: Uint8Array, sync: boolean): void {
	const part = `${file}.part`;
	const descriptor = openSync(part, "w");
	writeSync(descriptor, bytes);
	if (sync) fsyncSync(descriptor);
	closeSync(descriptor);
	renameSync(part, file);
}

function saving(driver: EngineDriver, save: () => void, how: How): EngineDriver {
	const then =
		<A extends unknown[], R>(method: (...values: A) => Promise<R>) =>
		async (...values: A): Promise<R> => {
			const result = await method(...values);
			save();
			return result;
		};
	const { messageDriver } = driver;
	return {
		...driver,
		set: then(driver.set),
		delete: then(driver.delete),
		batch: async (writes) => {
			if (how !== "torn") return await then(driver.batch)(writes);
			for (const write of writes) {
				await then(driver.batch)([write]);
				await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
			}
		},
		batchDelete: then(driver.batchDelete),
		deletePrefix: then(driver.deletePrefix),
		deleteRange: then(driver.deleteRange),
		setAlarm: then(driver.setAlarm),
		clearAlarm: then(driver.clearAlarm),
		messageDriver: {
			addMessage: then(messageDriver.addMessage),
			receiveMessages: then(messageDriver.receiveMessages),
			completeMessage: then(messageDriver.completeMessage),
		},
		// As long as no message is there, its reader is woken by looking again.
		waitForMessages: async (names, signal) => {
			const look = { names, count: 1, completable: true };
			while ((await messageDriver.receiveMessages(look)).length === 0) {
				if (signal.aborted) throw signal.reason;
				await new Promise((resolve) => setTimeout(resolve, 5));
			}
		},
	};
}
