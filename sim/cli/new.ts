/** `pnpm sim new driver [FILE]`: a storage driver to begin with, which keeps every promise as it stands. */
import { writeFileSync } from "node:fs";
import { UsageError } from "../../drivers/engine/contract.ts";

export const DEFAULT_DRIVER_FILE = "my-driver.ts";

/** Writes the file and says what to do with it. @throws UsageError when it cannot be written, or is there already. */
export function newDriver(file: string): void {
	try {
		writeFileSync(file, driverTemplate(), { flag: "wx" });
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		const reason = code === "EEXIST" ? "there is a file already" : String(code);
		throw new UsageError(`No driver can be written to ${file} (${reason}); give another file.`);
	}
	const named = /[/\\]/.test(file) ? file : `./${file}`;
	process.stdout.write(`written: ${file}\nIt keeps every promise as it stands: pnpm conform ${named}\n`);
}

/** A whole driver in memory, without imports but for types. */
export function driverTemplate(): string {
	return `/**
 * A storage driver for the workflow engine, to begin with: it keeps every promise, in memory. Put your store where Namespace is,
 * and run pnpm conform again after each step.
 */
import type { DriverClaims, EngineDriver, PluggedDriver } from "faultline";

/** What you promise. Claim no more than is true: each claim is tested, and what you do not claim is not held against you. */
const claims: Partial<DriverClaims> = {
	// "always" or "within-limits" where a batch is one unit; then say limits: { batchEntries, batchBytes }.
	atomicBatch: "always",
	// "process-crash" or "power-loss" where your store survives that.
	durability: "memory",
	alarms: "durable",
	messages: "durable",
	concurrency: "one-process",
};

type Message = Parameters<EngineDriver["messageDriver"]["addMessage"]>[0];

/** What one workflow has stored. Keys are hexadecimal, whose order is the order of the bytes. */
class Namespace {
	readonly values = new Map<string, Uint8Array>();
	readonly alarms = new Map<string, number>();
	messages: Message[] = [];
	readonly waiters = new Set<() => void>();
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function driverOf(store: Namespace): EngineDriver {
	const matching = (names: readonly string[]) =>
		store.messages.filter(({ name }) => names.length === 0 || names.includes(name));
	const take = (id: string) => {
		store.messages = store.messages.filter((message) => message.id !== id);
	};
	return {
		// Up to so many milliseconds the engine sleeps in memory, and sets no alarm.
		workerPollInterval: 100,
		atomicBatch: true,

		// Copies, coming and going: a buffer belongs to whoever made it.
		async get(key) {
			const value = store.values.get(hex(key));
			return value === undefined ? null : Uint8Array.from(value);
		},
		async set(key, value) {
			store.values.set(hex(key), Uint8Array.from(value));
		},
		async delete(key) {
			store.values.delete(hex(key));
		},

		// All of it or nothing: what is wrong with an entry is found before the first is stored.
		async batch(writes) {
			const copies = writes.map(({ key, value }) => [hex(key), Uint8Array.from(value)] as const);
			if (writes.some(({ value }) => !(value instanceof Uint8Array))) throw new TypeError("a value is not bytes");
			for (const [key, value] of copies) store.values.set(key, value);
		},
		async batchDelete(keys) {
			for (const key of keys) store.values.delete(hex(key));
		},

		// The empty prefix is every key; a range has its start and not its end.
		async deletePrefix(prefix) {
			for (const key of store.values.keys()) if (key.startsWith(hex(prefix))) store.values.delete(key);
		},
		async deleteRange(start, end) {
			for (const key of store.values.keys()) if (key >= hex(start) && key < hex(end)) store.values.delete(key);
		},

		// In unsigned byte order, always: history is replayed in this order.
		async list(prefix) {
			return [...store.values]
				.filter(([key]) => key.startsWith(hex(prefix)))
				.sort(([a], [b]) => (a < b ? -1 : 1))
				.map(([key, value]) => ({ key: new Uint8Array(Buffer.from(key, "hex")), value: Uint8Array.from(value) }));
		},

		// One alarm a workflow; the last set wins, and is never rounded down.
		async setAlarm(workflowId, wakeAt) {
			store.alarms.set(workflowId, wakeAt);
		},
		async clearAlarm(workflowId) {
			store.alarms.delete(workflowId);
		},

		messageDriver: {
			async addMessage(message) {
				store.messages.push(structuredClone(message));
				for (const wake of [...store.waiters]) wake();
			},
			// What is to be completed stays until it is.
			async receiveMessages({ names = [], count, completable }) {
				const received = matching(names).slice(0, Math.max(1, count));
				if (!completable) for (const { id } of received) take(id);
				return received.map((message) => ({
					...structuredClone(message),
					...(completable ? { complete: async () => take(message.id) } : {}),
				}));
			},
			async completeMessage(id) {
				take(id);
			},
		},

		// Ends when a message is there or the signal aborts, and leaves no listener behind.
		waitForMessages(names, signal) {
			return new Promise((resolve, reject) => {
				const end = () => {
					store.waiters.delete(look);
					signal.removeEventListener("abort", abort);
				};
				const abort = () => {
					end();
					reject(signal.reason);
				};
				const look = () => {
					if (matching(names).length === 0) return;
					end();
					resolve();
				};
				if (signal.aborted) return reject(signal.reason);
				signal.addEventListener("abort", abort, { once: true });
				store.waiters.add(look);
				look();
			});
		},
	};
}

const namespaces = new Map<string, Namespace>();

const driver: PluggedDriver = {
	name: "my-driver",
	claims,
	open(namespace) {
		const store = namespaces.get(namespace) ?? new Namespace();
		namespaces.set(namespace, store);
		return {
			driver: driverOf(store),
			// How the suite learns of the alarm that is set.
			alarm: async (workflowId) => store.alarms.get(workflowId),
			async close() {},
		};
	},
	async destroy(namespace) {
		namespaces.delete(namespace);
	},
};

export default driver;
`;
}
