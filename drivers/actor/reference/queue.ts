/**
 * The queue of an actor: what senders, the workflow and plain readers do to it. Looking and taking are one operation, so nothing
 * comes in between; the size and the next id are written with every message that comes or goes. A message that cannot be read is
 * set aside and told of, and blocks nobody.
 */
import type { Mutation } from "../../../sim/world/history.ts";
import { decodeValue, encodeValue } from "../../engine/reference/values.ts";
import type { ActorMessage, NextOptions, SendResult } from "../contract.ts";
import {
	ActorAbortedError,
	QueueCompletedError,
	QueueFullError,
	QueueMessageInvalidError,
	QueueMessageTooLargeError,
	QueueReaderError,
	QueueUncompletedError,
} from "./errors.ts";
import type { ActorRules } from "./rules.ts";
import { describeKey, KEYS, messageKey, PREFIX, type Store, type StoredMessage, type StoredSend } from "./store.ts";

export interface QueueLimits {
	/** Messages. */
	readonly size: number;
	/** Bytes of a message's body as it is stored. */
	readonly messageBytes: number;
}

export interface QueueEvents {
	/** A message of that name is stored. */
	onMessage(name: string): void;
	onUnreadable(key: string): void;
}

interface Wait {
	readonly names: readonly string[];
	look(): void;
}

/** Sends that can be asked again; older ones are forgotten. */
const MAX_SENDS = 256;

export class Queue {
	readonly #store: Store;
	readonly #limits: QueueLimits;
	readonly #rules: ActorRules;
	readonly #events: QueueEvents;
	/** Whether a workflow is the reader. */
	readonly #isOfWorkflow: boolean;
	readonly #waits = new Set<Wait>();
	/** Whoever waits for the response to a message, by its id. */
	readonly #senders = new Map<number, (response: unknown) => void>();
	/** Messages that plain readers have taken and not completed. */
	readonly #uncompleted = new Set<number>();

	/** Fires when the actor stops. */
	readonly #stopped: AbortSignal;

	constructor(
		store: Store,
		limits: QueueLimits,
		rules: ActorRules,
		events: QueueEvents,
		isOfWorkflow: boolean,
		stopped: AbortSignal,
	) {
		this.#stopped = stopped;
		this.#store = store;
		this.#limits = limits;
		this.#rules = rules;
		this.#events = events;
		this.#isOfWorkflow = isOfWorkflow;
	}

	/** Waits for messages that are open. */
	get waits(): number {
		return this.#waits.size;
	}

	/** @throws QueueMessageInvalidError, QueueMessageTooLargeError */
	checked(body: unknown): Uint8Array {
		let bytes: Uint8Array;
		try {
			bytes = encodeValue(body, "the message");
		} catch (error) {
			if (this.#rules.acceptAnyValue === true) return encodeValue(JSON.parse(JSON.stringify(body) ?? "null"));
			throw new QueueMessageInvalidError(error instanceof Error ? error.message : String(error));
		}
		const { messageBytes } = this.#limits;
		if (bytes.byteLength > messageBytes && this.#rules.storeOversized !== true)
			throw new QueueMessageTooLargeError(bytes.byteLength, messageBytes);
		return bytes;
	}

	/** Settles with the id once the message is durable. */
	async send(name: string, body: unknown, token: string): Promise<string> {
		const bytes = this.checked(body);
		const { acknowledgeBeforeStore } = this.#rules;
		const stored = this.#store.operate("queue.send", () => {
			const known = this.#knownSend(token);
			if (known !== undefined) return known.id;
			const { mutations, ids } = this.mutationsOf([{ name, body: bytes }], token);
			this.#store.commitNow("queue.send", mutations);
			return ids[0] as number;
		});
		const done = stored.then((id) => {
			this.#tooLate(bytes);
			this.arrived(name);
			return String(id);
		});
		if (acknowledgeBeforeStore !== true) return await done;
		done.catch(() => {});
		return "";
	}

	#tooLate(bytes: Uint8Array): void {
		const { messageBytes } = this.#limits;
		if (bytes.byteLength > messageBytes) throw new QueueMessageTooLargeError(bytes.byteLength, messageBytes);
	}

	#knownSend(token: string): StoredSend | undefined {
		if (token === "" || this.#rules.forgetTokens === true) return undefined;
		return this.#store.read<StoredSend>(`${PREFIX.send}${token}`);
	}

	#counted: { size: number; next: number } | undefined;

	/**
	 * What stores new messages, in the instant in which it is asked for. `token` names the send, if it is one from outside.
	 * @throws QueueFullError
	 */
	mutationsOf(
		sends: readonly { readonly name: string; readonly body: Uint8Array }[],
		token = "",
	): { readonly mutations: Mutation[]; readonly ids: number[] } {
		const store = this.#store;
		const mutations: Mutation[] = [];
		const ids: number[] = [];
		if (sends.length === 0) return { mutations, ids };
		const { countInMemory, keepFullQueue, reuseIds } = this.#rules;
		let { size, next } = (countInMemory === true ? this.#counted : undefined) ?? store.queue(reuseIds);
		for (const { name, body } of sends) {
			if (size >= this.#limits.size && keepFullQueue !== true) throw new QueueFullError(this.#limits.size);
			const id = next++;
			size++;
			ids.push(id);
			const message: StoredMessage = { id, name, body, createdAt: Date.now(), token };
			mutations.push(store.record(messageKey(id), message));
			if (token !== "") mutations.push(...this.#tokenMutations(token, { id }));
		}
		if (countInMemory === true) this.#counted = { size, next };
		mutations.push(store.record(KEYS.queue, { size, next }));
		return { mutations, ids };
	}

	#tokenMutations(token: string, send: StoredSend): Mutation[] {
		const store = this.#store;
		const kept = store.disk.list(store.tables.actor, PREFIX.send).map(({ key }) => key);
		const oldest = kept.length < MAX_SENDS ? [] : [...kept].sort((a, b) => this.#idOfSend(a) - this.#idOfSend(b));
		return [...oldest.slice(0, 1).map((key) => store.deletion(key)), store.record(`${PREFIX.send}${token}`, send)];
	}

	#idOfSend(key: string): number {
		return this.#store.read<StoredSend>(key)?.id ?? 0;
	}

	/** A message of that name is durable: whoever waits for it looks. */
	arrived(name: string): void {
		if (this.#rules.forgetToWake !== true || this.#waits.size > 0) this.#events.onMessage(name);
		for (const wait of [...this.#waits]) if (matches(wait.names, name)) wait.look();
	}

	/** Sends and waits for the response. Asked again with the same token it is the same send. */
	async sendAndWait(name: string, body: unknown, timeoutMs: number | undefined, token: string): Promise<SendResult> {
		const id = Number(await this.send(name, body, token));
		return await new Promise<SendResult>((resolve, reject) => {
			const timer =
				timeoutMs === undefined
					? undefined
					: setTimeout(() => {
							this.#senders.delete(id);
							resolve({ status: "timedOut" });
						}, timeoutMs);
			this.#senders.set(id, (response) => {
				clearTimeout(timer);
				this.#senders.delete(id);
				resolve({ status: "completed", response });
			});
			// The response may be there already: this send was asked before, or another was quicker than this one.
			this.#store
				.operate("queue.answer", () => this.#knownSend(token)?.answer)
				.then((answer) => {
					if (answer !== undefined) this.#senders.get(id)?.(answer.response);
				}, reject);
		});
	}

	/** The first messages with one of the names, in order. Those that cannot be read are set aside on the way. */
	#find(names: readonly string[], count: number): StoredMessage[] {
		const found: StoredMessage[] = [];
		const unreadable: string[] = [];
		const messages = [...this.#store.messages()];
		if (this.#rules.newestFirst === true) messages.reverse();
		for (const message of messages) {
			if ("unreadable" in message) {
				unreadable.push(message.unreadable);
				if (this.#rules.stopAtUnreadable === true) return found;
			} else if (matches(names, message.name)) found.push(message);
			if (found.length === count) break;
		}
		if (unreadable.length > 0) this.#setAside(unreadable);
		if (this.#rules.requeueOthers === true) this.#requeue(messages, names, found);
		return found;
	}

	/** What other readers wait for goes behind all others. */
	#requeue(
		messages: readonly (StoredMessage | { readonly unreadable: string })[],
		names: readonly string[],
		found: readonly StoredMessage[],
	): void {
		const store = this.#store;
		const first = found[0];
		if (first === undefined) return;
		const others = messages.filter(
			(message): message is StoredMessage =>
				!("unreadable" in message) && message.id < first.id && !matches(names, message.name),
		);
		if (others.length === 0) return;
		let { size, next } = store.queue();
		store.commitNow(
			"queue.requeue",
			others
				.flatMap((message) => {
					const id = next++;
					return [store.deletion(messageKey(message.id)), store.record(messageKey(id), { ...message, id })];
				})
				.concat(store.record(KEYS.queue, { size, next })),
		);
	}

	#setAside(keys: readonly string[]): void {
		const store = this.#store;
		const mutations = keys.flatMap((key) => [
			store.deletion(key),
			...(this.#rules.dropUnreadable === true
				? []
				: [store.raw(`${PREFIX.unreadable}${key.slice(1)}`, store.bytes(key) ?? new Uint8Array())]),
		]);
		store.commitNow("queue.set-aside", [...mutations, this.#without(keys.length)]);
		if (this.#rules.dropUnreadable !== true) for (const key of keys) this.#events.onUnreadable(describeKey(key));
	}

	/** The metadata after so many messages have gone. */
	#without(count: number): Mutation {
		const { size, next } = this.#store.queue(this.#rules.reuseIds);
		return this.#store.record(KEYS.queue, {
			size: this.#rules.forgetSizeOnTake === true ? size : Math.max(0, size - count),
			next,
		});
	}

	/** The workflow looks, and takes nothing. */
	look(names: readonly string[], count: number): Promise<StoredMessage[]> {
		return this.#store.operate("queue.look", () => this.#find(names, count));
	}

	/** The workflow has these on record: they leave the queue, without a response. */
	remove(names: readonly string[], count: number): Promise<void> {
		return this.#store.operate("queue.remove", () => this.#delete(this.#find(names, count)));
	}

	#delete(messages: readonly StoredMessage[], more: readonly Mutation[] = []): void {
		const present = messages.filter(
			({ id }) => this.#store.disk.get(this.#store.tables.actor, messageKey(id)) !== undefined,
		);
		if (present.length === 0) return;
		this.#store.commitNow("queue.remove", [
			...present.map(({ id }) => this.#store.deletion(messageKey(id))),
			this.#without(present.length),
			...more,
		]);
	}

	/** A message leaves the queue; its sender gets the response, if it is one. A message that is gone is left alone. */
	async complete(id: number, answer: { readonly response: unknown } | undefined): Promise<void> {
		await this.#store.operate("queue.complete", () => {
			const stored = this.#store.read<StoredMessage>(messageKey(id));
			if (stored === undefined) return;
			const keeps = answer !== undefined && stored.token !== "" && this.#rules.forgetResponses !== true;
			const key = `${PREFIX.send}${stored.token}`;
			const isKept = this.#store.disk.get(this.#store.tables.actor, key) !== undefined;
			this.#delete([stored], keeps && isKept ? [this.#store.record(key, { id, answer })] : []);
		});
		if (answer !== undefined) this.#senders.get(id)?.(answer.response);
	}

	/** Resolves once there is a message with one of the names. @throws the signal's reason */
	async awaitNames(names: readonly string[], signal: AbortSignal): Promise<void> {
		signal.throwIfAborted();
		await new Promise<void>((resolve, reject) => {
			const stop = () => {
				this.#waits.delete(wait);
				signal.removeEventListener("abort", abort);
			};
			const abort = () => {
				stop();
				reject(signal.reason);
			};
			const look = () => {
				this.look(names, 1).then((found) => {
					if (found.length === 0 || !this.#waits.has(wait)) return;
					stop();
					resolve();
				}, reject);
			};
			const wait: Wait = { names, look };
			this.#waits.add(wait);
			signal.addEventListener("abort", abort, { once: true });
			look();
		});
	}

	/** A plain reader takes up to `count` messages. @throws QueueReaderError, QueueUncompletedError, ActorAbortedError */
	async next(
		options: NextOptions & { readonly count?: number; readonly signal?: AbortSignal },
	): Promise<ActorMessage[]> {
		const { names = [], timeout, completable = false, count = 1, signal } = options;
		if (this.#isOfWorkflow) throw new QueueReaderError();
		if (this.#uncompleted.size > 0) throw new QueueUncompletedError();
		if (signal?.aborted === true || this.#stopped.aborted) throw new ActorAbortedError();
		const take = () => this.#take(names, Math.max(1, count), completable);
		const messages = await take();
		if (messages.length > 0 || timeout === 0) return messages.map((message) => this.#given(message, completable));
		const late = await this.#waitToTake(names, timeout, signal, take);
		return late.map((message) => this.#given(message, completable));
	}

	#waitToTake(
		names: readonly string[],
		timeout: number | undefined,
		signal: AbortSignal | undefined,
		take: () => Promise<StoredMessage[]>,
	): Promise<StoredMessage[]> {
		return new Promise((resolve, reject) => {
			let taking = false;
			/** A message came after the look that is under way: that one may have been too early for it. */
			let isToLookAgain = false;
			/** Why the wait is over, once nothing is being taken. */
			let over: (() => void) | undefined;
			const end = (how: () => void) => {
				if (this.#rules.keepWaits !== true) this.#waits.delete(wait);
				clearTimeout(timer);
				signal?.removeEventListener("abort", abort);
				this.#stopped.removeEventListener("abort", abort);
				how();
			};
			// A message that is being taken is given, also where time runs out meanwhile: it is nobody else's.
			const give = (how: () => void) => {
				if (taking) over = how;
				else end(how);
			};
			const timer = timeout === undefined ? undefined : setTimeout(() => give(() => resolve([])), timeout);
			const abort = () => give(() => reject(new ActorAbortedError()));
			const look = () => {
				isToLookAgain = taking;
				if (taking) return;
				taking = true;
				take().then(
					(messages) => {
						taking = false;
						if (messages.length > 0) end(() => resolve(messages));
						else if (isToLookAgain) look();
						else if (over !== undefined) end(over);
					},
					(error) => end(() => reject(error)),
				);
			};
			const wait: Wait = { names, look };
			this.#waits.add(wait);
			signal?.addEventListener("abort", abort, { once: true });
			this.#stopped.addEventListener("abort", abort, { once: true });
			// One may have come between the first look and this wait.
			look();
		});
	}

	async #take(names: readonly string[], count: number, completable: boolean): Promise<StoredMessage[]> {
		const give = (messages: readonly StoredMessage[]) =>
			this.#rules.batchOfOne === true ? messages.slice(0, 1) : [...messages];
		if (this.#rules.takeTwice === true && !completable) {
			const found = await this.look(names, count);
			await this.#store.operate("queue.take", () => this.#delete(found));
			return give(found);
		}
		return await this.#store.operate("queue.take", () => {
			const found = this.#find(names, count).filter(({ id }) => !this.#uncompleted.has(id));
			if (!completable) this.#delete(found);
			return give(found);
		});
	}

	#given(message: StoredMessage, completable: boolean): ActorMessage {
		const { id, name, body, createdAt } = message;
		const given: ActorMessage = { id: BigInt(id), name, body: decodeValue(body), createdAt };
		if (!completable) return given;
		this.#uncompleted.add(id);
		let completed = false;
		given.complete = async (response) => {
			if (completed) throw new QueueCompletedError(String(id));
			completed = true;
			await this.complete(id, { response });
			this.#uncompleted.delete(id);
		};
		return given;
	}
}

export function matches(names: readonly string[], name: string): boolean {
	return names.length === 0 || names.includes(name);
}
