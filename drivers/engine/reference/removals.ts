/**
 * Messages that are on record leave the queue. A queue gives up its first messages, or one by its id as completed, which tells
 * its sender so; hence what nobody answers is taken off the front, and completed only where it cannot come to the front.
 */
import type { Context } from "./context.ts";
import type { Execution } from "./execution.ts";
import type { Entry, MessageData, StoredMessage } from "./history.ts";

/** Which messages are taken, in this process. */
export class Claims {
	/** Taken by some wait: no other may have them. */
	readonly #taken = new Set<string>();
	/** Those that may still be in the queue. */
	readonly #queued = new Set<string>();

	claim(id: string, isQueued = true): void {
		this.#taken.add(id);
		if (isQueued) this.#queued.add(id);
	}

	has(id: string): boolean {
		return this.#taken.has(id);
	}

	/** How many that are taken a look into the queue may find. */
	get queued(): number {
		return this.#queued.size;
	}

	isOut(id: string): void {
		this.#queued.delete(id);
	}

	release(id: string): void {
		this.#taken.delete(id);
		this.#queued.delete(id);
	}
}

interface Removal {
	readonly name: string;
	readonly done: () => void;
}

export class Removals {
	readonly #execution: Execution;
	/** What is on record and may still be in the queue, by id. */
	readonly #due = new Map<string, Removal>();
	/** Messages that were found at the front of the queue by a look for these names. */
	readonly #fronts = new Map<string, { readonly names: readonly string[]; readonly ids: readonly string[] }>();
	#tail: Promise<void> = Promise.resolve();

	constructor(execution: Execution) {
		this.#execution = execution;
	}

	/** Remembers that these are the first messages of the names. What comes later comes behind them. */
	front(messages: readonly StoredMessage[], names: readonly string[]): void {
		const [first] = messages;
		if (first !== undefined) this.#fronts.set(first.id, { names, ids: messages.map(({ id }) => id) });
	}

	/** Has the messages of a wait, which are on record, leave the queue. Nobody has to wait for that: they are claimed. */
	add(context: Context, entry: Entry<MessageData>): void {
		const { execution, strand } = context.scope;
		if (execution.run.rules.neverRemove === true) return;
		const messages = entry.data.messages ?? [];
		let left = messages.length;
		const done = () => {
			if (--left > 0) return;
			entry.data.removed = true;
			if (strand.alive) context.record(entry);
		};
		for (const { id, name } of messages) this.#due.set(id, { name, done });
		const front = this.#fronts.get(messages[0]?.id ?? "");
		this.#queue(() => (front === undefined ? this.#remove(false) : this.#takeFront(front)));
	}

	/** Settles when all that is due has left the queue. */
	settle(): Promise<void> {
		if (this.#due.size > 0) this.#queue(() => this.#remove(true));
		return this.#tail;
	}

	#queue(work: () => Promise<void>): void {
		this.#tail = this.#tail.then(work);
	}

	async #takeFront({
		names,
		ids,
	}: {
		readonly names: readonly string[];
		readonly ids: readonly string[];
	}): Promise<void> {
		const { run } = this.#execution;
		// Another removal may have taken some of them meanwhile.
		if (!ids.every((id) => this.#due.has(id))) return await this.#remove(false);
		await run.io(() => run.driver.messageDriver.receiveMessages({ names, count: ids.length, completable: false }));
		for (const id of ids) this.#isOut(id);
	}

	/** @param all also what stands behind a message that a wait has, and has not on record yet. */
	async #remove(all: boolean): Promise<void> {
		const { run, claims } = this.#execution;
		const queue = run.driver.messageDriver;
		// What becomes due from here on was not looked for, and is the next one's.
		const due = [...this.#due];
		for (const name of new Set(due.map(([, removal]) => removal.name))) {
			const look = { names: [name], count: Number.MAX_SAFE_INTEGER, completable: true };
			const queued = (await run.io(() => queue.receiveMessages(look))).map(({ id }) => id);
			const isDue = (id: string) => due.some(([known]) => known === id);
			const first = queued.findIndex((id) => !isDue(id));
			const count = first < 0 ? queued.length : first;
			if (count > 0) await run.io(() => queue.receiveMessages({ names: [name], count, completable: false }));
			const behind = queued.slice(count).filter(isDue);
			const waits = !all && claims.has(queued[count] ?? "");
			if (!waits) for (const id of behind) await run.io(() => queue.completeMessage(id));
			for (const [id, removal] of due) {
				if (removal.name === name && !(waits && behind.includes(id))) this.#isOut(id);
			}
		}
	}

	#isOut(id: string): void {
		const { claims } = this.#execution;
		const removal = this.#due.get(id);
		this.#due.delete(id);
		this.#fronts.delete(id);
		claims.isOut(id);
		removal?.done();
	}
}
