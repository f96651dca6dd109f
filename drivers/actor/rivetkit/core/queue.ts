/**
 * The queue of the core: rows in order of their ids, which are never used again. A message that is taken for good is deleted before
 * it is handed out, and one that is to be completed when that is done, as the statements of the published core tell; whoever waits
 * for a response does so in memory.
 */
import type { Mutation } from "../../../../sim/world/history.ts";
import { coreError } from "./errors.ts";
import {
	attempt,
	type CoreStore,
	decodeMessage,
	encodeCount,
	encodeMessage,
	messageKey,
	NEXT_ID,
	nextIdOf,
	type StoredMessage,
} from "./store.ts";

/** What `rivetkit` cancels by; `onCancelled` is called at most once. */
export class CancellationToken {
	readonly #controller = new AbortController();

	aborted(): boolean {
		return this.#controller.signal.aborted;
	}

	cancel(): void {
		this.#controller.abort();
	}

	onCancelled(callback: () => unknown): void {
		if (this.aborted()) callback();
		else this.#controller.signal.addEventListener("abort", () => callback(), { once: true });
	}
}

/** A message as `rivetkit` is handed it. */
interface Handed {
	id(): bigint;
	name(): string;
	body(): Uint8Array;
	createdAt(): number;
	isCompletable(): boolean;
	complete(response?: Uint8Array | null): Promise<void>;
}

export interface QueueLimits {
	readonly maxQueueSize: number;
	readonly maxQueueMessageSize: number;
}

interface Batch {
	readonly names?: readonly string[] | null;
	readonly count?: number | null;
	readonly timeoutMs?: number | null;
	readonly completable?: boolean | null;
}

/** Whoever waits for a message with one of the names, any name when there are none. */
interface Waiter {
	readonly names: readonly string[];
	wake(how: "arrived" | "timed-out" | "cancelled"): void;
}

export class CoreQueue {
	/** Told of each message that is stored. */
	onStored: ((message: StoredMessage) => void) | undefined;
	readonly #store: CoreStore;
	readonly #limits: QueueLimits;
	readonly #abort: AbortSignal;
	readonly #busy: () => void;
	readonly #say: (text: string) => void;
	readonly #waiters = new Set<Waiter>();
	readonly #completions = new Map<bigint, (response: Uint8Array | null) => void>();

	/**
	 * @param abort is aborted when the actor stops.
	 * @param busy called when somebody begins or ends to wait.
	 */
	constructor(
		store: CoreStore,
		limits: QueueLimits,
		abort: AbortSignal,
		busy: () => void,
		say: (text: string) => void,
	) {
		this.#store = store;
		this.#limits = limits;
		this.#abort = abort;
		this.#busy = busy;
		this.#say = say;
		abort.addEventListener("abort", () => {
			for (const waiter of [...this.#waiters]) waiter.wake("cancelled");
		});
	}

	/** How many wait for a message. */
	get waits(): number {
		return this.#waiters.size;
	}

	async send(name: string, body: Uint8Array): Promise<Handed> {
		const { maxQueueSize, maxQueueMessageSize } = this.#limits;
		if (body.byteLength > maxQueueMessageSize) {
			const sizes = `${body.byteLength} bytes, at most ${maxQueueMessageSize}`;
			throw coreError("queue", "message_too_large", `Queue message too large (${sizes}).`);
		}
		const { queue } = this.#store.tables;
		const createdAt = Date.now();
		const stored = await this.#store.write("queue.send", (disk) => {
			if (disk.list(queue, "m").length >= maxQueueSize) return [[], undefined];
			const id = nextIdOf(disk, this.#store.tables);
			const message = { id, name, body, createdAt };
			const row = { table: queue, key: messageKey(id), value: encodeMessage(message) };
			return [[row, { table: queue, key: NEXT_ID, value: encodeCount(id + 1n) }], message];
		});
		if (stored === undefined) throw coreError("queue", "full", `Queue is full. Limit is ${maxQueueSize} messages.`);
		this.onStored?.(stored);
		for (const waiter of [...this.#waiters]) if (wants(waiter.names, name)) waiter.wake("arrived");
		return this.#handed(stored, false);
	}

	async enqueueAndWait(
		name: string,
		body: Uint8Array,
		options: { readonly timeoutMs?: number | null } | null,
	): Promise<Uint8Array | null> {
		const message = await this.send(name, body);
		return new Promise((resolve, reject) => {
			const { timeoutMs } = options ?? {};
			const timer = timeoutMs == null ? undefined : setTimeout(() => timeOut(timeoutMs), timeoutMs);
			const timeOut = (ms: number) => {
				this.#completions.delete(message.id());
				reject(coreError("queue", "timed_out", `Queue wait timed out after ${ms} ms.`));
			};
			this.#completions.set(message.id(), (response) => {
				clearTimeout(timer);
				resolve(response);
			});
		});
	}

	/** Up to `count` messages; none when the time is over. Without one it waits until there is a message. */
	async nextBatch(options?: Batch | null, token?: CancellationToken | null): Promise<Handed[]> {
		const { names, count, timeoutMs, completable } = options ?? {};
		const wanted = names ?? [];
		const until = timeoutMs == null ? undefined : Date.now() + timeoutMs;
		for (;;) {
			const taken = await this.#take(wanted, Math.max(1, count ?? 1), completable === true);
			if (taken.length > 0) return taken.map((message) => this.#handed(message, completable === true));
			const remainingMs = until === undefined ? undefined : until - Date.now();
			if (remainingMs !== undefined && remainingMs <= 0) return [];
			if ((await this.#wait(wanted, remainingMs, token)) === "timed-out") return [];
		}
	}

	/** Settles when there is a message with one of the names; takes none. */
	async waitForNamesAvailable(
		names: readonly string[],
		options?: { readonly timeoutMs?: number | null } | null,
		token?: CancellationToken | null,
	): Promise<void> {
		const { queue } = this.#store.tables;
		const there = await this.#store.read("queue.look", names.join(", "), (disk) =>
			disk.list(queue, "m").some(({ key, value }) => {
				const message = attempt(() => decodeMessage(key, value));
				return message !== undefined && wants(names, message.name);
			}),
		);
		if (there) return;
		if ((await this.#wait(names, options?.timeoutMs ?? undefined, token)) === "timed-out") {
			throw coreError("queue", "timed_out", "Queue wait timed out.");
		}
	}

	async completePersisted(id: bigint, _name: string, response?: Uint8Array | null): Promise<boolean> {
		const { queue } = this.#store.tables;
		const key = messageKey(id);
		const found = await this.#store.write("queue.complete", (disk) => {
			const deletion: Mutation = { table: queue, key, value: null };
			return [[deletion], disk.get(queue, key) !== undefined];
		});
		this.#completions.get(id)?.(response ?? null);
		this.#completions.delete(id);
		return found;
	}

	maxSize(): number {
		return this.#limits.maxQueueSize;
	}

	/** Takes messages in order; those that are to be completed stay where they are. What cannot be read is left and told of. */
	#take(names: readonly string[], count: number, keep: boolean): Promise<StoredMessage[]> {
		const { queue } = this.#store.tables;
		return this.#store.write("queue.take", (disk) => {
			const taken: StoredMessage[] = [];
			for (const { key, value } of disk.list(queue, "m")) {
				const message = attempt(() => decodeMessage(key, value));
				if (message === undefined) this.#say(`failed to decode queue message ${BigInt(key.slice(1))}`);
				else if (wants(names, message.name)) taken.push(message);
				if (taken.length === count) break;
			}
			const deletions = keep ? [] : taken.map(({ id }) => ({ table: queue, key: messageKey(id), value: null }));
			return [deletions, taken];
		});
	}

	#handed(message: StoredMessage, completable: boolean): Handed {
		return {
			id: () => message.id,
			name: () => message.name,
			body: () => message.body,
			createdAt: () => message.createdAt,
			isCompletable: () => completable,
			complete: async (response) => {
				const found = await this.completePersisted(message.id, message.name, response);
				if (!found) throw coreError("queue", "already_completed", "Queue message already completed.");
			},
		};
	}

	/** @throws what the actor's stop, or a cancellation, is told as. */
	#wait(
		names: readonly string[],
		timeoutMs: number | undefined,
		token: CancellationToken | null | undefined,
	): Promise<"arrived" | "timed-out"> {
		return new Promise((resolve, reject) => {
			const timer = timeoutMs === undefined ? undefined : setTimeout(() => waiter.wake("timed-out"), timeoutMs);
			const waiter: Waiter = {
				names,
				wake: (how) => {
					if (!this.#waiters.delete(waiter)) return;
					clearTimeout(timer);
					this.#busy();
					if (how === "cancelled") reject(coreError("actor", "aborted", "Actor aborted."));
					else resolve(how);
				},
			};
			this.#waiters.add(waiter);
			this.#busy();
			if (this.#abort.aborted) waiter.wake("cancelled");
			token?.onCancelled(() => waiter.wake("cancelled"));
		});
	}
}

function wants(names: readonly string[], name: string): boolean {
	return names.length === 0 || names.includes(name);
}
