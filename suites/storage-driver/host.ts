/**
 * One opened namespace as the suite uses it: every operation is limited in time, and an answer that is refused, late or of a
 * wrong type breaks the property that asked.
 */
import type { KVEntry, KVWrite, Message } from "@rivetkit/workflow-engine";
import type { EngineDriver, OpenedStorage } from "../../drivers/storage/contract.ts";
import { Break } from "./property.ts";
import { bytesText, prefixText } from "./tell.ts";

/** Fails with a `Break` what does not settle in time. */
export type Limit = <T>(what: string, answer: Promise<T>) => Promise<T>;

export interface ReceiveOptions {
	readonly names?: readonly string[];
	readonly count: number;
	readonly completable: boolean;
}

export class Host {
	readonly #open: () => Promise<OpenedStorage>;
	readonly #limit: Limit;
	#opened: OpenedStorage;
	#closed = false;

	private constructor(open: () => Promise<OpenedStorage>, limit: Limit, opened: OpenedStorage) {
		this.#open = open;
		this.#limit = limit;
		this.#opened = opened;
	}

	/** @throws Break when it does not open. */
	static async open(open: () => Promise<OpenedStorage>, limit: Limit): Promise<Host> {
		return new Host(open, limit, await opening(open, limit));
	}

	/** The driver itself, for what looks at it and not at its answers. */
	get driver(): EngineDriver {
		return this.#opened.driver;
	}

	/** Whether it can tell its alarm. */
	get tellsAlarm(): boolean {
		return this.#opened.alarm !== undefined;
	}

	/** The stored bytes; undefined as the driver says it, for what is not there. */
	async get(key: Uint8Array): Promise<Uint8Array | null | undefined> {
		const value: unknown = await this.ask("get", () => this.driver.get(key));
		if (value === null || value === undefined || value instanceof Uint8Array) return value;
		throw new Break("get-wrong-type", `get of ${bytesText(key)} gave ${typeOf(value)}, neither bytes nor null`);
	}

	async list(prefix: Uint8Array): Promise<KVEntry[]> {
		const entries: unknown = await this.ask("list", () => this.driver.list(prefix));
		if (!Array.isArray(entries)) {
			throw new Break("list-wrong-type", `list of ${prefixText(prefix)} gave ${typeOf(entries)}, no array`);
		}
		const strange = entries.find((entry) => !(entry?.key instanceof Uint8Array && entry.value instanceof Uint8Array));
		if (strange === undefined) return entries as KVEntry[];
		throw new Break("list-wrong-type", `list of ${prefixText(prefix)} gave an entry whose key and value are not bytes`);
	}

	set(key: Uint8Array, value: Uint8Array): Promise<void> {
		return this.ask("set", () => this.driver.set(key, value));
	}

	delete(key: Uint8Array): Promise<void> {
		return this.ask("delete", () => this.driver.delete(key));
	}

	batch(writes: KVWrite[]): Promise<void> {
		return this.ask("batch", () => this.driver.batch(writes));
	}

	batchDelete(keys: Uint8Array[]): Promise<void> {
		return this.ask("batchDelete", () => this.driver.batchDelete(keys));
	}

	deletePrefix(prefix: Uint8Array): Promise<void> {
		return this.ask("deletePrefix", () => this.driver.deletePrefix(prefix));
	}

	deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
		return this.ask("deleteRange", () => this.driver.deleteRange(start, end));
	}

	setAlarm(workflowId: string, wakeAt: number): Promise<void> {
		return this.ask("setAlarm", () => this.driver.setAlarm(workflowId, wakeAt));
	}

	clearAlarm(workflowId: string): Promise<void> {
		return this.ask("clearAlarm", () => this.driver.clearAlarm(workflowId));
	}

	/** The alarm that is set; only where `tellsAlarm`. */
	async alarm(workflowId: string): Promise<number | undefined> {
		const at: unknown = await this.ask("alarm", async () => this.#opened.alarm?.(workflowId));
		if (at === undefined || at === null) return undefined;
		if (typeof at === "number" && !Number.isNaN(at)) return at;
		throw new Break("alarm-wrong-type", `the alarm was told as ${typeOf(at)}, neither a number nor undefined`);
	}

	addMessage(message: Message): Promise<void> {
		return this.ask("addMessage", () => this.driver.messageDriver.addMessage(message));
	}

	async receiveMessages({ names, count, completable }: ReceiveOptions): Promise<Message[]> {
		const options = { ...(names === undefined ? {} : { names }), count, completable };
		const messages: unknown = await this.ask("receiveMessages", () =>
			this.driver.messageDriver.receiveMessages(options),
		);
		if (Array.isArray(messages)) return messages as Message[];
		throw new Break("receiveMessages-wrong-type", `receiveMessages gave ${typeOf(messages)}, no array`);
	}

	completeMessage(id: string, response?: unknown): Promise<void> {
		return this.ask("completeMessage", () => this.driver.messageDriver.completeMessage(id, response));
	}

	/** Asks in time; what the driver throws becomes a break of the kind `OPERATION-refused`. */
	async ask<T>(what: string, ask: () => Promise<T>): Promise<T> {
		try {
			return await this.#limit(what, new Promise((resolve) => resolve(ask())));
		} catch (error) {
			if (error instanceof Break) throw error;
			throw new Break(`${what}-refused`, `${what} was refused: ${messageOf(error)}`);
		}
	}

	async close(): Promise<void> {
		await this.ask("close", () => this.startClose());
	}

	/** Ends it unless that was done, whatever comes of it. */
	async end(): Promise<void> {
		if (!this.#closed) await this.close().catch(() => {});
	}

	/** Ends it in good order and opens the namespace anew. */
	async reopen(): Promise<void> {
		await this.close();
		await this.openAnew();
	}

	/** Opens the namespace anew without an end; after `close` was called elsewhere. */
	async openAnew(): Promise<void> {
		this.#opened = await opening(this.#open, this.#limit);
		this.#closed = false;
	}

	/** Ends it as `close`, without a limit and whatever comes of it. */
	async startClose(): Promise<void> {
		this.#closed = true;
		await this.#opened.close?.();
	}
}

async function opening(open: () => Promise<OpenedStorage>, limit: Limit): Promise<OpenedStorage> {
	let opened: unknown;
	try {
		opened = await limit("open", open());
	} catch (error) {
		if (error instanceof Break) throw error;
		throw new Break("open-refused", `it does not open: ${messageOf(error)}`);
	}
	const driver = (opened as Partial<OpenedStorage> | undefined | null)?.driver;
	if (typeof driver === "object" && driver !== null) return opened as OpenedStorage;
	throw new Break("open-wrong-type", `open gave ${typeOf(opened)}, not an object with a driver`);
}

export function messageOf(error: unknown): string {
	const text = error instanceof Error ? error.message || error.name : String(error);
	return text.split("\n")[0] ?? "";
}

/** A value's kind, for people: `a string`, `an array`, `undefined`. */
export function typeOf(value: unknown): string {
	if (value === null || value === undefined) return String(value);
	if (Array.isArray(value)) return "an array";
	const name = typeof value === "object" ? (value.constructor?.name ?? "Object") : typeof value;
	return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}
