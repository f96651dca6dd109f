/**
 * Storage as the workflow inside an actor sees it: its records among the actor's, its queue, its time to wake. The batch that has a
 * step completed has what its turn did to the actor in the same write.
 */
import type {
	EngineDriver,
	KVEntry,
	KVWrite,
	Message,
	WorkflowErrorEvent,
	WorkflowMessageDriver,
} from "@rivetkit/workflow-engine";
import { bytesFromKey, keyFromBytes } from "../../../sim/world/disk.ts";
import type { Mutation } from "../../../sim/world/history.ts";
import { contentOf, type StepData } from "../../engine/reference/history.ts";
import { FIELDS, HISTORY, parseKey } from "../../engine/reference/keys.ts";
import { decodeValue } from "../../engine/reference/values.ts";
import type { Actor } from "./actor.ts";
import { KEYS, PREFIX, type StoredMessage } from "./store.ts";

/** Below this many milliseconds a workflow waits in memory. */
const WORKER_POLL_INTERVAL_MS = 100;

export class ActorEngineDriver implements EngineDriver {
	readonly workerPollInterval = WORKER_POLL_INTERVAL_MS;
	readonly atomicBatch = true;
	readonly messageDriver: WorkflowMessageDriver;
	readonly #actor: Actor;

	constructor(actor: Actor) {
		this.#actor = actor;
		const { queue } = actor;
		this.messageDriver = {
			addMessage: async ({ name, data }) => void (await queue.send(name, data, "")),
			receiveMessages: async ({ names = [], count, completable }) => {
				if (!completable) {
					await queue.remove(names, count);
					return [];
				}
				return (await queue.look(names, count)).map(messageOf);
			},
			// With a response it is the workflow's; without one the message has only to go.
			completeMessage: (...call: [string, unknown?]) =>
				queue.complete(Number(call[0]), call.length < 2 ? undefined : { response: call[1] }),
		};
	}

	async get(key: Uint8Array): Promise<Uint8Array | null> {
		const { store } = this.#actor;
		return store.operate("workflow.get", () => copy(store.disk.get(store.tables.actor, this.#key(key))));
	}

	set(key: Uint8Array, value: Uint8Array): Promise<void> {
		return this.#write("workflow.set", () => [this.#mutation(key, value)]);
	}

	delete(key: Uint8Array): Promise<void> {
		return this.#write("workflow.delete", () => [this.#mutation(key, null)]);
	}

	batch(writes: KVWrite[]): Promise<void> {
		return this.#actor.recordWorkflow(
			writes.map(({ key, value }) => this.#mutation(key, value)),
			writes,
		);
	}

	batchDelete(keys: Uint8Array[]): Promise<void> {
		return this.#write("workflow.batchDelete", () => keys.map((key) => this.#mutation(key, null)));
	}

	deletePrefix(prefix: Uint8Array): Promise<void> {
		const { store } = this.#actor;
		return this.#write("workflow.deletePrefix", () =>
			store.disk.list(store.tables.actor, this.#key(prefix)).map(({ key }) => store.deletion(key)),
		);
	}

	deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
		const { store } = this.#actor;
		return this.#write("workflow.deleteRange", () =>
			store.disk.keysBetween(store.tables.actor, this.#key(start), this.#key(end)).map((key) => store.deletion(key)),
		);
	}

	list(prefix: Uint8Array): Promise<KVEntry[]> {
		const { store } = this.#actor;
		return store.operate("workflow.list", () =>
			store.disk.list(store.tables.actor, this.#key(prefix)).map(({ key, value }) => ({
				key: bytesFromKey(key.slice(PREFIX.workflow.length)),
				value: new Uint8Array(value),
			})),
		);
	}

	setAlarm(_workflowId: string, wakeAt: number): Promise<void> {
		return this.#setWake(wakeAt);
	}

	clearAlarm(_workflowId: string): Promise<void> {
		return this.#setWake(undefined);
	}

	waitForMessages(names: string[], signal: AbortSignal): Promise<void> {
		return this.#actor.queue.awaitNames(names, signal);
	}

	async #setWake(at: number | undefined): Promise<void> {
		const { store, rules } = this.#actor;
		await this.#write("workflow.wake", () => {
			const record = at === undefined ? store.deletion(KEYS.wake) : store.record(KEYS.wake, at);
			return [record, ...(rules.forgetAlarm === true ? [] : store.alarmFor(at, store.schedule()))];
		});
		this.#actor.platform.alarmChanged();
	}

	#write(what: string, mutations: () => readonly Mutation[]): Promise<void> {
		return this.#actor.store.write(what, mutations);
	}

	#key(key: Uint8Array): string {
		return `${PREFIX.workflow}${keyFromBytes(key)}`;
	}

	/** The engine has sealed what it stores, under its own key. */
	#mutation(key: Uint8Array, value: Uint8Array | null): Mutation {
		return {
			table: this.#actor.store.tables.actor,
			key: this.#key(key),
			value: value === null ? null : new Uint8Array(value),
		};
	}
}

function messageOf({ id, name, body, createdAt }: StoredMessage): Message {
	return { id: String(id), name, data: decodeValue(body), sentAt: createdAt };
}

function copy(value: Uint8Array | undefined): Uint8Array | null {
	return value === undefined ? null : value.slice();
}

/** Which step of the workflow a turn belongs to. */
export interface StepPlace {
	readonly name: string;
	/** Key of the block that it stands in. */
	readonly block: string;
	/** Whether it is the compensation of that step. */
	readonly undoes: boolean;
}

const ENTRY = "E";
const NUMBER_LENGTH = 6;
const END = "\0";

/** What the writes say of the step in that place: that it is done, that an attempt of it failed, or nothing. */
export function recordedOf(
	{ name, block, undoes }: StepPlace,
	writes: readonly KVWrite[],
): "done" | "failed" | undefined {
	for (const { key, value } of writes) {
		const text = keyFromBytes(key);
		if (!text.startsWith(block)) continue;
		const rest = text.slice(block.length);
		if (rest.charAt(0) !== ENTRY || rest.indexOf(END, 1 + NUMBER_LENGTH) !== rest.length - 1) continue;
		const step = stepIn(value);
		if (step?.name !== name) continue;
		if (undoes) return step.data.undone === true ? "done" : "failed";
		return step.data.status === "completed" ? "done" : "failed";
	}
	return undefined;
}

function stepIn(value: Uint8Array): { readonly name: string; readonly data: StepData } | undefined {
	const [name, , data] = decodeValue(contentOf(value)) as [string, number, StepData | { readonly kind: "other" }];
	return data.kind === "step" ? { name, data } : undefined;
}

/** The failure that listeners are told of, in words that its record has, too. */
export function failureOf(event: WorkflowErrorEvent): string {
	if ("step" in event) return `step ${event.step.stepName} ${event.step.attempt}`;
	return "rollback" in event ? `rollback ${event.rollback.stepName}` : "workflow";
}

/** The failures that the writes have on record. */
export function failuresIn(writes: readonly KVWrite[]): string[] {
	return writes.flatMap(({ key, value }) => {
		const text = keyFromBytes(key);
		if (text === FIELDS.error) return ["workflow"];
		const isEntry = text.startsWith(HISTORY) && parseKey(text)?.at(-1)?.sort === "entry";
		const step = isEntry ? stepIn(value) : undefined;
		if (step === undefined) return [];
		const { name, data } = step;
		return [
			...(data.error === undefined ? [] : [`step ${name} ${data.attempts}`]),
			...(data.undoError === undefined || data.undone === true ? [] : [`rollback ${name}`]),
		];
	});
}
