/** A small real driver for tests: a sorted map that outlives its sessions, with alarms and messages, asynchronous throughout. */
import type { KVEntry, Message } from "@rivetkit/workflow-engine";
import type { DriverClaims, EngineDriver, OpenedStorage, PluggedDriver } from "../../drivers/storage/contract.ts";
import { bytesFromKey, keyFromBytes } from "../../sim/world/disk.ts";

export interface Kept {
	readonly entries: Map<string, Uint8Array>;
	messages: Message[];
	alarm: number | undefined;
}

const CLAIMS: DriverClaims = {
	atomicBatch: "always",
	durability: "process-crash",
	alarms: "durable",
	messages: "durable",
	concurrency: "one-process",
};

/** What the driver does wrong on purpose, given what it keeps. */
export type Wrong = (driver: EngineDriver, kept: Kept) => Partial<EngineDriver>;

export function mapDriver(claims: Partial<DriverClaims> = {}, wrong: Wrong = () => ({})): PluggedDriver {
	const namespaces = new Map<string, Kept>();
	return {
		name: "map",
		claims: { ...CLAIMS, ...claims },
		open(namespace) {
			const kept = namespaces.get(namespace) ?? { entries: new Map(), messages: [], alarm: undefined };
			namespaces.set(namespace, kept);
			return openedOf(kept, wrong);
		},
		async destroy(namespace) {
			namespaces.delete(namespace);
		},
	};
}

function openedOf(kept: Kept, wrong: Wrong): OpenedStorage {
	const driver = driverOf(kept);
	return {
		driver: { ...driver, ...wrong(driver, kept) },
		alarm: async () => kept.alarm,
		close: async () => {},
	};
}

/** As long as a real one: the answer comes in another turn of the event loop. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The driver over what is kept. */
export function driverOf(kept: Kept): EngineDriver {
	const { entries } = kept;
	const remove = (matches: (key: string) => boolean) => {
		for (const key of [...entries.keys()]) if (matches(key)) entries.delete(key);
	};
	return {
		workerPollInterval: 100,
		async get(key) {
			await turn();
			return entries.get(keyFromBytes(key))?.slice() ?? null;
		},
		async set(key, value) {
			await turn();
			entries.set(keyFromBytes(key), value.slice());
		},
		async delete(key) {
			await turn();
			entries.delete(keyFromBytes(key));
		},
		async batch(writes) {
			await turn();
			for (const { key, value } of writes) entries.set(keyFromBytes(key), value.slice());
		},
		async batchDelete(keys) {
			await turn();
			for (const key of keys) entries.delete(keyFromBytes(key));
		},
		async deletePrefix(prefix) {
			await turn();
			remove((key) => key.startsWith(keyFromBytes(prefix)));
		},
		async deleteRange(start, end) {
			await turn();
			remove((key) => key >= keyFromBytes(start) && key < keyFromBytes(end));
		},
		async list(prefix) {
			await turn();
			const keys = [...entries.keys()].filter((key) => key.startsWith(keyFromBytes(prefix))).sort();
			return keys.map((key): KVEntry => ({ key: bytesFromKey(key), value: (entries.get(key) as Uint8Array).slice() }));
		},
		async setAlarm(_, at) {
			kept.alarm = at;
		},
		async clearAlarm() {
			kept.alarm = undefined;
		},
		messageDriver: {
			async addMessage(message) {
				kept.messages.push(structuredClone(message));
			},
			async receiveMessages({ names = [], count, completable }) {
				const found = kept.messages
					.filter(({ name }) => names.length === 0 || names.includes(name))
					.slice(0, Math.max(1, count));
				if (!completable) kept.messages = kept.messages.filter((message) => !found.includes(message));
				return found.map((message) => ({ ...message }));
			},
			async completeMessage(id) {
				kept.messages = kept.messages.filter((message) => message.id !== id);
			},
		},
		async waitForMessages() {},
	};
}
