/** What became of messages: shared by the properties that judge loss and those that must not blame it on others. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { oncePerRun } from "./property.ts";
import type { ClientEvents, Run } from "./run.ts";

export interface LostMessage {
	readonly id: string;
	/** How it went: its taker died before the workflow saw it, or a race branch that lost had it. */
	readonly kind:
		| "taken-then-crashed"
		| "taken-then-evicted"
		| "taken-then-rejected"
		| "forgotten-after-given"
		| "swallowed-by-race-loser"
		| "vanished";
	readonly event: HistoryEvent;
}

/** Keys of race branches that lost, once their race had a winner. */
export function losingBranches(run: Run): string[] {
	const winners = new Map<string, string>();
	for (const { data } of run.of("branches.return")) {
		const { key, winner } = data as ProbeEvents["branches.return"];
		if (winner !== undefined) winners.set(key, winner);
	}
	const losers: string[] = [];
	for (const { data } of run.of("branches.call")) {
		const { key, operation, names } = data as ProbeEvents["branches.call"];
		const winner = winners.get(key);
		if (operation !== "race" || winner === undefined) continue;
		for (const name of names) if (name !== winner) losers.push(`${key}.${name}`);
	}
	return losers;
}

/** Keys of all branches of races. */
export function raceBranches(run: Run): string[] {
	return run
		.of("branches.call")
		.map(({ data }) => data as ProbeEvents["branches.call"])
		.filter(({ operation }) => operation === "race")
		.flatMap(({ key, names }) => names.map((name) => `${key}.${name}`));
}

export function isUnder(key: string, branches: readonly string[]): boolean {
	return branches.some((branch) => key.startsWith(`${branch}/`) || key.startsWith(`${branch}.`));
}

/** Whether two places lie in different branches of one join or race. */
export function areParallel(run: Run, one: string, other: string): boolean {
	return run.of("branches.call").some(({ data }) => {
		const { key, names } = data as ProbeEvents["branches.call"];
		const [mine, its] = [one, other].map((place) => names.find((name) => isUnder(place, [`${key}.${name}`])));
		return mine !== undefined && its !== undefined && mine !== its;
	});
}

/** A message as the queue held it. */
export interface StoredMessage {
	readonly id: string;
	readonly name: string;
	/** Virtual milliseconds at which it was stored, and the place of that in the history. */
	readonly atMs: number;
	readonly event: number;
}

/** What a wait asked for when it was first reached. */
export interface Wait {
	readonly key: string;
	readonly names: readonly string[];
	readonly count: number;
	readonly completable: boolean;
	readonly deadlineMs: number | undefined;
	readonly atMs: number;
	readonly event: number;
}

/** One time that a wait came to an end. */
export interface Receipt {
	readonly wait: Wait;
	readonly ids: readonly string[];
	readonly event: number;
	readonly process: number;
	/** What it had returned before, when the wait was replayed. */
	readonly before: readonly string[] | undefined;
	/** Messages of its names that were in the queue as it returned. */
	readonly left: readonly StoredMessage[];
	/** Of each message given, the ones that were stored before it and still there when it was taken. */
	readonly passed: ReadonlyMap<string, readonly StoredMessage[]>;
}

export function isWanted(wait: Wait, name: string): boolean {
	return wait.names.length === 0 || wait.names.includes(name);
}

/** The content of the queue, followed through a history: fed every event in order. */
export class QueueContent {
	/** In the order in which they were stored. */
	readonly stored = new Map<string, StoredMessage>();
	/** What was known of each message when it went. */
	readonly gone = new Map<string, { readonly message: StoredMessage; readonly passed: readonly StoredMessage[] }>();
	readonly #run: Run;

	constructor(run: Run) {
		this.#run = run;
	}

	follow(event: HistoryEvent, index: number): void {
		if (event.kind !== "durable") return;
		const { what, mutations } = event.data as WorldEvents["durable"];
		if (!what.startsWith("queue.")) return;
		const removed: StoredMessage[] = [];
		for (const { table, key, value } of mutations) {
			const { engine, storage } = this.#run.target;
			const [, id, name] = /^message (\S+) \((.*)\)$/s.exec(storage.describeKey(table, key, engine.describeKey)) ?? [];
			if (id === undefined || name === undefined) continue;
			const message = this.stored.get(id);
			if (value !== null) this.stored.set(id, { id, name, atMs: event.at, event: index });
			else if (message !== undefined) removed.push(message);
		}
		const left = [...this.stored.values()].filter((message) => !removed.includes(message));
		for (const message of removed) {
			this.gone.set(message.id, { message, passed: left.filter((other) => other.event < message.event) });
			this.stored.delete(message.id);
		}
	}

	/** What was stored before a message, when it went or now that it is still there. */
	passed(id: string): readonly StoredMessage[] {
		const here = this.stored.get(id);
		if (here === undefined) return this.gone.get(id)?.passed ?? [];
		return [...this.stored.values()].filter((other) => other.event < here.event);
	}

	/** Place in the history of the event that stored a message; behind the last when none did. */
	storedAt(id: string): number {
		return (this.stored.get(id) ?? this.gone.get(id)?.message)?.event ?? Number.POSITIVE_INFINITY;
	}

	nameOf(id: string): string | undefined {
		return (this.stored.get(id) ?? this.gone.get(id)?.message)?.name;
	}
}

export function waitOf(event: HistoryEvent, index: number): Wait {
	const { key, names, count, deadlineMs, completable } = event.data as ProbeEvents["queue.call"];
	return { key, names, count, completable: completable === true, deadlineMs, atMs: event.at, event: index };
}

/** Every end of every wait, in order; those of race branches that lost are left out. */
export const receipts = oncePerRun((run: Run): readonly Receipt[] => {
	if (run.of("queue.call").length === 0) return [];
	const content = new QueueContent(run);
	const losers = losingBranches(run);
	const waits = new Map<string, Wait>();
	const returned = new Map<string, readonly string[]>();
	const found: Receipt[] = [];
	run.history.events.forEach((event, index) => {
		content.follow(event, index);
		if (event.kind === "queue.call") {
			const wait = waitOf(event, index);
			if (!waits.has(wait.key)) waits.set(wait.key, wait);
		} else if (event.kind === "queue.return") {
			const { key, ids } = event.data as ProbeEvents["queue.return"];
			const wait = waits.get(key);
			if (wait === undefined || isUnder(key, losers)) return;
			found.push({
				wait,
				ids,
				event: index,
				process: event.process,
				before: returned.get(key),
				left: [...content.stored.values()].filter(({ name }) => isWanted(wait, name)),
				passed: new Map(ids.map((id) => [id, content.passed(id)])),
			});
			returned.set(key, ids);
		}
	});
	return found;
});

/** Acknowledged messages that are no longer stored and that no surviving part of the workflow was given. */
export const lostMessages = oncePerRun((run: Run): readonly LostMessage[] => {
	const acknowledged = run.of("message.acknowledged");
	// A cancelled workflow takes no more messages, and owes nothing for those that it had.
	if (acknowledged.length === 0 || run.outcome.status === "cancelled") return [];
	const stored = new Set(run.queued.map(({ id }) => id));
	const losers = losingBranches(run);
	const swallowed = new Set<string>();
	// What was answered has taken effect, whatever became of the branch that answered it.
	const answered = new Set(run.of("message.completed").map(({ data }) => (data as { id: string }).id));
	const everGiven = new Set<string>();
	// What a wait returned in its last replay is what the workflow has on record; what it returned before is forgotten.
	const onRecord = new Map<string, readonly string[]>();
	for (const { kind, data } of run.history.events) {
		if (kind === "queue.call") onRecord.delete((data as ProbeEvents["queue.call"]).key);
		if (kind !== "queue.return") continue;
		const { key, ids } = data as ProbeEvents["queue.return"];
		const lostRace = isUnder(key, losers);
		for (const id of ids) (lostRace ? swallowed : everGiven).add(id);
		if (!lostRace) onRecord.set(key, ids);
	}
	const given = new Set([...onRecord.values()].flat());
	const lost: LostMessage[] = [];
	for (const event of acknowledged) {
		const { id } = event.data as ClientEvents["message.acknowledged"];
		if (stored.has(id) || given.has(id) || answered.has(id)) continue;
		const taken = run.of("durable").find(({ data }) => takes(data as WorldEvents["durable"], id));
		const kind = swallowed.has(id)
			? "swallowed-by-race-loser"
			: everGiven.has(id)
				? "forgotten-after-given"
				: fateOfTaker(run, taken);
		lost.push({ id, kind, event: taken ?? event });
	}
	return lost;
});

/** Whether the workflow was given a message that no client sent, but an operator. */
export function tookOperatorsMessage(run: Run): boolean {
	if (!run.scenario.faults.some(({ kind }) => kind === "message")) return false;
	const clients = new Set(run.of("message.acknowledged").map(({ data }) => (data as { id: string }).id));
	return run
		.of("queue.return")
		.some(({ data }) => (data as ProbeEvents["queue.return"]).ids.some((id) => !clients.has(id)));
}

/** Whether a replay took received messages off the record: the workflow waits for them again, and nobody sends them again. */
export function droppedMessages(run: Run): boolean {
	return run
		.of("replay-from.call")
		.some(({ data }) => (data as HostEvents["replay-from.call"]).records.some(({ kind }) => kind === "message"));
}

function takes(durable: WorldEvents["durable"], id: string): boolean {
	return durable.what === "queue.take" && durable.mutations.some(({ key }) => key.endsWith(`:${id}`));
}

function rejectedIn({ process, data }: HistoryEvent, taker: number): boolean {
	return process === taker && (data as WorldEvents["process.exit"]).why === "run rejected";
}

function fateOfTaker(run: Run, taken: HistoryEvent | undefined): LostMessage["kind"] {
	if (taken === undefined) return "vanished";
	// A reader that came back for more had this one behind it: what ended the process later is not to blame.
	const after = run.history.events.indexOf(taken);
	const wentOn = run.history.events.some(
		(event, index) =>
			index > after &&
			event.process === taken.process &&
			event.kind === "durable" &&
			(event.data as WorldEvents["durable"]).what === "queue.take",
	);
	// Of branches side by side, another one may have come back.
	if (wentOn && run.program.parallel !== true) return "vanished";
	if (run.of("process.crash").some(({ process }) => process === taken.process)) return "taken-then-crashed";
	const evicted = run.of("run.evicted").some(({ process, data }) => {
		const { state } = data as HostEvents["run.evicted"];
		return process === taken.process && state !== "cancelled";
	});
	if (evicted) return "taken-then-evicted";
	const rejected = run.of("run.rejected").some(({ process }) => process === taken.process);
	return rejected || run.of("process.exit").some((event) => rejectedIn(event, taken.process))
		? "taken-then-rejected"
		: "vanished";
}
