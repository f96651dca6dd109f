/**
 * Messages. A wait only looks into the queue; what it takes is on record first, and out of the queue after that. Until then it
 * is claimed in memory, so that no other branch takes it. A message that is to be completed stays in the queue until it is.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import type { Context } from "./context.ts";
import type { Execution } from "./execution.ts";
import type { Entry, MessageData, StoredMessage } from "./history.ts";
import { MAX_BATCH_BYTES } from "./journal.ts";
import { checkedMs } from "./step.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** Milliseconds between two looks at a queue that only holds what another branch has claimed: the first, and the most. */
const FIRST_POLL_MS = 100;
const LAST_POLL_MS = 5_000;
/** Bytes of bodies that one wait takes at most, so that its record fits into a batch. */
const MAX_BODIES_BYTES = MAX_BATCH_BYTES - 64 * 1024;

type Given = Rivet.WorkflowQueueMessage<unknown>;

export async function receive(
	context: Context,
	name: string,
	count: number,
	options: Rivet.WorkflowQueueNextOptions = {},
): Promise<Given[]> {
	const { execution, strand } = context.scope;
	const { rules } = execution.run;
	const { completable = false, timeout } = options;
	for (let around: typeof strand | undefined = strand; around !== undefined; around = around.parent) {
		const [held] = around.uncompleted;
		if (held === undefined || rules.nextBeforeComplete === true) continue;
		throw execution.mistake(
			new Error(`queue "${name}": complete ${held[0]}, which "${held[1]}" took, before taking more`),
			context.scope,
		);
	}
	const entry = context.enter("message", name, () => ({ kind: "message", completable, removed: false, completed: [] }));
	const { data } = entry;
	if (data.messages === undefined) {
		execution.onlyForReal();
		try {
			checkedMs(timeout, `the timeout of queue "${name}"`);
		} catch (error) {
			throw execution.mistake(error as Error, context.scope);
		}
		if (rules.removeBeforeMessageRecord === true) await takeUnsafely(context, entry, options, count);
		else await take(context, entry, options, count);
	}
	if (!data.removed && !data.completable && !execution.rehearsing) execution.removals.add(context, entry);
	const messages =
		rules.firstOfBatchOnly === true && entry.recorded && !execution.fresh.has(entry)
			? (data.messages ?? []).slice(0, 1)
			: data.messages;
	return (messages ?? []).map((message) => given(context, entry, message));
}

/** Waits for messages and has them on record, or that none came in time. */
async function take(
	context: Context,
	entry: Entry<MessageData>,
	options: Rivet.WorkflowQueueNextOptions,
	count: number,
): Promise<void> {
	const { execution, strand } = context.scope;
	const { run } = execution;
	const { data, name } = entry;
	const { names = [], timeout = Number.POSITIVE_INFINITY } = options;
	const fromNow = timeout < Number.POSITIVE_INFINITY ? Date.now() + timeout : undefined;
	const isOver = data.deadline !== undefined && Date.now() >= data.deadline;
	const deadline = run.rules.moveDeadlines === true && !isOver ? fromNow : (data.deadline ?? fromNow);
	let pollMs: number | undefined;
	for (;;) {
		const isLate = deadline !== undefined && Date.now() >= deadline;
		// A last look at the deadline: what came in time is not left behind.
		const { messages, others } =
			isLate && run.rules.neverLookLate === true
				? NOTHING
				: await look(context, names, Math.max(1, Math.floor(count)), name);
		if (messages.length > 0 || isLate) {
			data.messages = messages;
			data.removed = messages.length === 0;
			break;
		}
		if (deadline !== undefined && data.deadline === undefined) {
			data.deadline = deadline;
			context.record(entry);
			if (run.rules.waitBeforeRecord !== true) await context.flush();
		}
		// While the queue holds what another branch has, it would say for ever that there is something.
		pollMs = !others ? undefined : Math.min(LAST_POLL_MS, 2 * (pollMs ?? FIRST_POLL_MS / 2));
		await run.wait(strand, { deadline, names, pollMs });
	}
	context.record(entry);
	execution.fresh.add(entry);
	if (run.rules.giveMessageBeforeRecord !== true) await context.flush();
}

interface Look {
	readonly messages: readonly StoredMessage[];
	/** Whether the queue only holds what others have. */
	readonly others: boolean;
}

const NOTHING: Look = { messages: [], others: false };

/** The first messages with one of the names (of any name when there are none) that nobody has; claimed from then on. */
async function look(context: Context, names: readonly string[], count: number, wait: string): Promise<Look> {
	const { execution } = context.scope;
	const { claims, run } = execution;
	const found = await context.io(() =>
		run.driver.messageDriver.receiveMessages({ names, count: count + claims.queued, completable: true }),
	);
	const messages: StoredMessage[] = [];
	let bytes = 0;
	for (const { id, name, data, sentAt } of found) {
		if (claims.has(id) && run.rules.forgetClaims !== true) continue;
		const body = encodeValue(data, `message ${id}, taken by "${wait}"`);
		bytes += body.byteLength;
		if (messages.length === count || (messages.length > 0 && bytes > MAX_BODIES_BYTES)) break;
		messages.push({ id, name, body, sentAt });
	}
	for (const { id } of messages) claims.claim(id);
	// What is the very front of the queue can be taken off it without another look.
	if (messages.every(({ id }, i) => found[i]?.id === id)) execution.removals.front(messages, names);
	return { messages, others: messages.length === 0 && found.length > 0 };
}

/** Takes messages off the queue first, as a queue that gives what it forgets has it. */
async function takeUnsafely(
	context: Context,
	entry: Entry<MessageData>,
	options: Rivet.WorkflowQueueNextOptions,
	count: number,
): Promise<void> {
	const { execution, strand } = context.scope;
	const { run } = execution;
	const { names = [], timeout, completable = false } = options;
	const deadline = timeout === undefined ? undefined : Date.now() + timeout;
	for (;;) {
		const isLate = deadline !== undefined && Date.now() >= deadline;
		const found = await context.io(() => run.driver.messageDriver.receiveMessages({ names, count, completable }));
		if (found.length > 0 || isLate) {
			entry.data.messages = found.map(({ id, name, data, sentAt }) => ({ id, name, body: encodeValue(data), sentAt }));
			break;
		}
		await run.wait(strand, { deadline, names });
	}
	entry.data.removed = true;
	context.record(entry);
	await context.flush();
}

/** A message as the program gets it: a copy of its own each time. */
function given(context: Context, entry: Entry<MessageData>, { id, name, body, sentAt }: StoredMessage): Given {
	const message: Given = { id, name, body: decodeValue(body), createdAt: sentAt };
	if (!entry.data.completable) return message;
	const { execution, strand } = context.scope;
	strand.uncompleted.set(id, entry.name);
	let answered = false;
	message.complete = async (response) => {
		if (answered) {
			if (execution.run.rules.swallowSecondComplete === true) return;
			throw new Error(`message ${id}, taken by "${entry.name}", was completed already`);
		}
		answered = true;
		await complete(context, entry, id, response);
	};
	return message;
}

async function complete(context: Context, entry: Entry<MessageData>, id: string, response: unknown): Promise<void> {
	const { execution, strand } = context.scope;
	const { run, claims } = execution;
	const { data } = entry;
	if (!data.completed.includes(id)) {
		if (execution.rehearsing || !strand.alive) await new Promise(() => {});
		// Sent again after a crash before it is on record: whoever holds the queue leaves what is gone alone.
		const sent = run.io(() => run.driver.messageDriver.completeMessage(id, response)).then(() => claims.isOut(id));
		if (run.rules.completeUnheard !== true) await strand.until(sent);
		data.completed.push(id);
		context.record(entry);
	}
	strand.uncompleted.delete(id);
}

export async function send(context: Context, name: string, body: unknown): Promise<void> {
	const { execution } = context.scope;
	const { run, claims } = execution;
	const entry = context.enter("send", name, () => ({ kind: "send", sent: false }));
	if (entry.data.sent && run.rules.sendAgain !== true) return;
	execution.onlyForReal();
	let copy: unknown;
	try {
		copy = decodeValue(encodeValue(body, `the message "${name}"`));
	} catch (error) {
		throw execution.mistake(error as Error, context.scope);
	}
	// The same place sends under the same id, so that what an earlier life sent and could not record is recognised.
	const id = run.rules.sendUnderNewId === true ? crypto.randomUUID() : idOf(entry.key);
	const known = claims.has(id) || (await context.io(() => isQueued(execution, id, name)));
	if (!known) {
		await context.io(() => run.driver.messageDriver.addMessage({ id, name, data: copy, sentAt: Date.now() }));
	}
	entry.data.sent = true;
	context.record(entry);
	if (run.rules.sendBeforeRecord !== true) await context.flush();
}

async function isQueued({ run }: Execution, id: string, name: string): Promise<boolean> {
	const all = { names: [name], count: Number.MAX_SAFE_INTEGER, completable: true };
	const queued = await run.driver.messageDriver.receiveMessages(all);
	return queued.some((message) => message.id === id);
}

/** Two different sums of a key, as text. */
function idOf(key: string): string {
	const sum = (start: number) => {
		let value = start;
		for (let i = 0; i < key.length; i++) value = Math.imul(value ^ key.charCodeAt(i), 0x01000193);
		return (value >>> 0).toString(16).padStart(8, "0");
	};
	return `sent-${sum(0x811c9dc5)}${sum(0x2545f491)}`;
}

/** Messages that entries have taken and that are not the sender's any more, in order. */
export function takenIn(entries: Iterable<Entry>): StoredMessage[] {
	const taken: StoredMessage[] = [];
	for (const { data } of entries) {
		if (data.kind === "message" && !data.completable) taken.push(...(data.messages ?? []));
		else if (data.kind === "loop") taken.push(...data.took);
	}
	return taken;
}

/** Puts messages of branches that lost back into the queue, behind what has come since, unless they never left it. */
export async function putBack(execution: Execution, messages: readonly StoredMessage[]): Promise<void> {
	const { claims, run } = execution;
	await execution.removals.settle();
	for (const { id, name, body, sentAt } of messages) {
		if (!(await run.io(() => isQueued(execution, id, name)))) {
			await run.io(() => run.driver.messageDriver.addMessage({ id, name, data: decodeValue(body), sentAt }));
		}
		claims.release(id);
	}
}
