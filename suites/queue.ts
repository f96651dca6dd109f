/** Messages are given once, in order and in time, and answered once. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import {
	areParallel,
	isUnder,
	isWanted,
	losingBranches,
	lostMessages,
	QueueContent,
	type Receipt,
	receipts,
	type Wait,
	waitOf,
} from "./messages.ts";
import { unclearNames } from "./names.ts";
import type { Property, Violation } from "./property.ts";
import type { ClientEvents, Run } from "./run.ts";
import { hadTimeToRecord } from "./timers.ts";

const skipsWithoutMessages: Property["skips"] = (program) =>
	program.inputs === undefined ? "no messages are sent" : undefined;

const HOW = {
	"taken-then-crashed": "was taken from the queue by a process that died before the workflow had it on record",
	"taken-then-evicted": "was taken from the queue by a process that was evicted before the workflow had it on record",
	"taken-then-rejected": "was taken from the queue by a process that could not record it, and rejected",
	"forgotten-after-given": "was given to the workflow, which no longer has it on record",
	"swallowed-by-race-loser": "was given to a race branch that lost, and is gone with it",
	vanished: "is neither in the queue nor with the workflow",
} as const;

export const noLoss: Property = {
	id: "queue.no-loss",
	claim: "A message whose send was acknowledged takes effect.",
	source: "docs: Loops, Queue-driven worker; types: WorkflowHandle.message, WorkflowMessageDriver.receiveMessages",
	mutants: ["queue-forgets-every-third-message", "driver-lists-one-page", "driver-reads-from-a-follower"],
	skips: skipsWithoutMessages,
	check(run) {
		return lostMessages(run).map(({ id, kind, event }) => ({
			kind,
			message: `${id} ${HOW[kind]}`,
			event: run.history.events.indexOf(event),
		}));
	},
};

export const noDuplicate: Property = {
	id: "queue.no-duplicate",
	claim: "A message takes effect once, and is sent once by a workflow that is replayed.",
	source: "docs: What are workflows?, Queue-driven worker; types: WorkflowQueue.send",
	mutants: ["queue-keeps-what-it-gives", "queue-removes-after-giving", "queue-gives-twice-at-once"],
	skips: unclearNames,
	check(run) {
		return [...givenTwice(run), ...sentTwice(run)];
	},
};

function givenTwice(run: Run): Violation[] {
	// A wait that returned has the message on record: another wait that returns it too is a second effect.
	const violations: Violation[] = [];
	const givenTo = new Map<string, Wait>();
	const completed = completions(run);
	for (const { wait, ids, event } of receipts(run)) {
		const { key } = wait;
		if (new Set(ids).size < ids.length) {
			violations.push({ kind: "given-twice-at-once", message: `${key} was given ${ids.join(", ")}`, event });
		}
		for (const id of ids) {
			const first = givenTo.get(id);
			if (first === undefined) givenTo.set(id, wait);
			if (first === undefined || first.key === key) continue;
			const held = first.completable && !completed(id, event);
			const parallel = areParallel(run, first.key, key);
			// What is given again before it was completed is told of by queue.complete-before-next.
			if (held && !parallel) continue;
			violations.push({
				// Completed meanwhile or not: the second branch had read it before.
				kind: parallel && first.completable ? "given-to-two-branches" : "given-twice",
				message: `${id} was given to ${first.key} and to ${key}`,
				event,
			});
		}
	}
	return violations;
}

/** Tells whether a message had been completed before an event. */
function completions(run: Run): (id: string, before: number) => boolean {
	const at = new Map<string, number>();
	run.history.events.forEach((event, index) => {
		if (event.kind !== "message.completed") return;
		const { id } = event.data as ProbeEvents["message.completed"];
		if (!at.has(id)) at.set(id, index);
	});
	return (id, before) => (at.get(id) ?? Number.POSITIVE_INFINITY) < before;
}

function sentTwice(run: Run): Violation[] {
	const violations: Violation[] = [];
	/** Sends under way that stored a message, and sends that the workflow knows of. */
	const stored = new Set<string>();
	const sent = new Set<string>();
	const open = new Map<string, { readonly key: string; readonly process: number }>();
	const losers = losingBranches(run);
	run.history.events.forEach((event, index) => {
		if (event.kind === "send.call") {
			const { key, name } = event.data as ProbeEvents["send.call"];
			stored.delete(key);
			open.set(name, { key, process: event.process });
		} else if (event.kind === "durable" && (event.data as WorldEvents["durable"]).what === "queue.append") {
			for (const [name, { key, process }] of open) {
				if (process === event.process && appends(run, event, name)) stored.add(key);
			}
		} else if (event.kind === "send.return") {
			const { key } = event.data as ProbeEvents["send.return"];
			if (sent.has(key) && stored.has(key) && !isUnder(key, losers)) {
				violations.push({
					kind: "sent-again-on-replay",
					message: `${key} had been sent, and was sent once more as the workflow was replayed`,
					event: index,
				});
			}
			sent.add(key);
			for (const [name, call] of open) if (call.key === key) open.delete(name);
		}
	});
	return violations;
}

function appends(run: Run, { data }: HistoryEvent, name: string): boolean {
	const { engine, storage } = run.target;
	return (data as WorldEvents["durable"]).mutations.some(({ table, key }) =>
		storage.describeKey(table, key, engine.describeKey).endsWith(` (${name})`),
	);
}

export const fifo: Property = {
	id: "queue.fifo",
	claim:
		"For one reader, messages matching the filter arrive in the order they were sent; the others stay, in their order.",
	source: "docs: Setup & teardown, Queue-driven worker; types: WorkflowQueueNextOptions.names; PR 4006",
	mutants: ["queue-gives-newest-first", "queue-ignores-the-filter", "queue-gives-batches-backwards"],
	skips: (program) => skipsWithoutMessages(program) ?? unclearNames(program),
	check(run) {
		const violations: Violation[] = [];
		const content = new QueueContent(run);
		run.history.events.forEach((event, index) => {
			content.follow(event, index);
		});
		/** Messages that some wait has, by the wait. */
		const holders = new Map<string, string>();
		for (const { wait, ids, event, before, passed } of receipts(run)) {
			if (before !== undefined) continue;
			const { key } = wait;
			ids.forEach((id, place) => {
				const name = content.nameOf(id);
				// What another wait has, too, is told of by queue.no-duplicate.
				if (name !== undefined && !isWanted(wait, name) && !holders.has(id)) {
					violations.push({ kind: "unwanted-given", message: `${key} was given ${id}, a ${name}`, event });
				}
				const older = (passed.get(id) ?? []).filter((other) => isWanted(wait, other.name));
				const overtaken = older.find((other) => !ids.includes(other.id) && (holders.get(other.id) ?? key) === key);
				if (overtaken !== undefined) {
					violations.push({ kind: "overtaken", message: `${key} was given ${id} before ${overtaken.id}`, event });
				}
				// A batch that is taken as one leaves none of its messages behind: its order is that in which they were stored.
				if (ids.slice(place + 1).some((other) => content.storedAt(other) < content.storedAt(id))) {
					violations.push({ kind: "batch-out-of-order", message: `${key} was given ${ids.join(", ")}`, event });
				}
			});
			for (const id of ids) if (!holders.has(id)) holders.set(id, key);
		}
		return violations;
	},
};

export const completeOnce: Property = {
	id: "queue.complete-once",
	claim:
		"A completable message's response reaches its sender once, survives a crash between response and record, and a second complete is refused.",
	source:
		"docs: Request/response (using queue); types: WorkflowQueueNextOptions.completable, WorkflowMessageDriver.completeMessage; engine: toWorkflowQueueMessage",
	mutants: ["engine-swallows-second-complete", "queue-drops-responses", "queue-redelivers-what-was-completed"],
	skips: skipsWithoutMessages,
	check(run) {
		const violations: Violation[] = [];
		/** How often each message was completed since it was last given, and whether it was given before that. */
		const completed = new Map<string, number>();
		const given = new Map<string, number>();
		const answered = new Map<string, number>();
		/** The waits that each message was given to; what was given to several is told of by queue.no-duplicate. */
		const givenTo = new Map<string, string>();
		const shared = new Set<string>();
		run.history.events.forEach((event, index) => {
			if (event.kind === "queue.return") {
				const { key, ids } = event.data as ProbeEvents["queue.return"];
				for (const id of ids) {
					if ((givenTo.get(id) ?? key) !== key) shared.add(id);
					givenTo.set(id, key);
					completed.set(id, 0);
					given.set(id, (given.get(id) ?? 0) + 1);
				}
			} else if (event.kind === "durable") {
				for (const id of answeredBy(run, event)) {
					answered.set(id, (answered.get(id) ?? 0) + 1);
					if (answered.get(id) === 2) {
						violations.push({ kind: "answered-twice", message: `${id} was answered a second time`, event: index });
					}
				}
			} else if (event.kind === "message.completed") {
				const { id } = event.data as ProbeEvents["message.completed"];
				const times = (completed.get(id) ?? 0) + 1;
				completed.set(id, times);
				if (!answered.has(id) && !shared.has(id)) {
					violations.push({
						kind: "response-lost",
						message: `${id} was completed, and its sender has no response`,
						event: index,
					});
				}
				if (times === 2) {
					violations.push({
						kind: (given.get(id) ?? 0) > 1 ? "second-accepted-after-replay" : "second-accepted",
						message: `${id} was completed twice, and nothing was said`,
						event: index,
					});
				}
			}
		});
		return violations;
	},
};

/** The messages whose response a write stores. */
function answeredBy(run: Run, { data }: HistoryEvent): string[] {
	const { engine, storage } = run.target;
	const { what, mutations } = data as WorldEvents["durable"];
	if (!what.startsWith("queue.")) return [];
	return mutations.flatMap(({ table, key, value }) => {
		const [, id] = /^response to (.*)$/s.exec(storage.describeKey(table, key, engine.describeKey)) ?? [];
		return id === undefined || value === null ? [] : [id];
	});
}

export const completeBeforeNext: Property = {
	id: "queue.complete-before-next",
	claim: "Taking the next message with one uncompleted is refused, also after replay.",
	source: "docs: Request/response (using queue); types: WorkflowQueueNextOptions.completable; engine: nextBatch",
	mutants: ["engine-lets-the-next-be-taken"],
	skips: skipsWithoutMessages,
	check(run) {
		const violations: Violation[] = [];
		const completed = completions(run);
		/** Waits that gave what is to be completed, in the order of their first return. */
		const holding: Receipt[] = [];
		for (const receipt of receipts(run)) {
			const { wait, event, before } = receipt;
			if (before === undefined) {
				const open = holding.find(
					(held) =>
						held.event < wait.event &&
						held.ids.some((id) => !completed(id, event)) &&
						!areParallel(run, held.wait.key, wait.key),
				);
				if (open !== undefined) {
					const elsewhere = scopeOf(open.wait.key) !== scopeOf(wait.key);
					violations.push({
						kind: elsewhere ? "next-given-in-another-scope" : "next-given",
						message: `${wait.key} returned while ${open.ids.filter((id) => !completed(id, event)).join(", ")}, given to ${open.wait.key}, was not completed`,
						event,
					});
				}
			}
			if (wait.completable && before === undefined && receipt.ids.length > 0) holding.push(receipt);
		}
		return violations;
	},
};

/** The block that an entry stands in. */
function scopeOf(key: string): string {
	return key.slice(0, Math.max(0, key.lastIndexOf("/")));
}

/** Timed waits shorter than this say too little about which deadline they kept. */
const TELLING_MS = 2_000;

export const timeout: Property = {
	id: "queue.timeout",
	claim:
		"A timed wait returns at its deadline, which a restart does not move; a message at the same instant is neither lost nor doubled.",
	source: "docs: Queue-driven worker, Bounded drain + concurrency cap; types: WorkflowQueueNextOptions.timeout",
	mutants: ["engine-takes-waits-for-polls", "driver-forgets-deadlines"],
	skips: skipsWithoutMessages,
	check(run) {
		const violations: Violation[] = [];
		const held = new Set<string>();
		for (const receipt of receipts(run)) {
			const { wait, ids, event, before, left } = receipt;
			for (const id of ids) held.add(id);
			const { deadlineMs } = wait;
			if (before !== undefined || ids.length > 0 || deadlineMs === undefined) continue;
			const ignored = left.find(({ id, atMs }) => !held.has(id) && (atMs < deadlineMs || atMs < wait.atMs));
			if (ignored !== undefined) violations.push(ignores(wait, ignored, event));
			const moved = movedBy(run, receipt);
			if (moved !== undefined) {
				violations.push({
					kind: "deadline-moved",
					message: `${wait.key} timed out ${moved} ms after its deadline, a whole wait after a restart`,
					event,
				});
			}
		}
		return violations;
	},
};

function ignores(wait: Wait, ignored: { id: string; event: number; atMs: number }, event: number): Violation {
	const { key, deadlineMs = 0 } = wait;
	const message = `${key} told that nothing came, with ${ignored.id} in the queue since ${ignored.atMs} ms`;
	if (ignored.event >= wait.event) {
		return {
			kind: "message-in-time-ignored",
			message,
			event,
			disputed:
				"The documents say how long a wait lasts, not that a reader who comes back after its deadline still gets what had come in time; the message is not lost, the next wait gets it.",
		};
	}
	if (deadlineMs <= wait.atMs) return { kind: "zero-timeout-never-looks", message, event };
	return { kind: "waiting-message-ignored", message, event };
}

/** How late a wait timed out that began anew after a restart; undefined when it did not. */
function movedBy(run: Run, { wait, event, process }: Receipt): number | undefined {
	const { deadlineMs, atMs, key } = wait;
	if (deadlineMs === undefined || !(deadlineMs - atMs >= TELLING_MS) || run.scenario.faults.some(isSlow)) return;
	const inBranches = run.of("branches.call").some(({ data }) => key.startsWith(`${(data as { key: string }).key}.`));
	if (inBranches) return;
	const { events } = run.history;
	// Only what a process got to write down is a deadline that the next one has to keep.
	const first = events[wait.event] as HistoryEvent;
	const recorded = events.findIndex(
		(other, index) => index > wait.event && other.kind === "durable" && other.process === first.process,
	);
	const again = events.findIndex(
		(other) => other.kind === "queue.call" && other.process === process && (other.data as { key: string }).key === key,
	);
	const isRecorded = recorded >= 0 && again > recorded;
	if (process === first.process || (!isRecorded && !hadTimeToRecord(events, wait.event))) return;
	const dueMs = Math.max(deadlineMs, (events[again] as HistoryEvent).at);
	const lateMs = (events[event] as HistoryEvent).at - dueMs;
	return lateMs >= (deadlineMs - atMs) * 0.9 ? lateMs : undefined;
}

function isSlow({ kind }: { readonly kind: string }): boolean {
	return kind === "slow";
}

export const batch: Property = {
	id: "queue.batch",
	claim: "nextBatch returns up to count, never splits one across replays.",
	source: "types: WorkflowQueueNextBatchOptions.count; docs: What are workflows?",
	mutants: ["queue-ignores-the-count", "engine-replays-the-first-of-a-batch"],
	skips: skipsWithoutMessages,
	check(run) {
		const violations: Violation[] = [];
		for (const { wait, ids, event, before } of receipts(run)) {
			if (ids.length > Math.max(1, wait.count)) {
				violations.push({
					kind: "more-than-asked-for",
					message: `${wait.key} asked for ${wait.count}, and was given ${ids.join(", ")}`,
					event,
				});
			}
			// A batch of which nothing is left was forgotten: queue.no-loss tells of it.
			const kept = before?.filter((id) => ids.includes(id)) ?? [];
			if (before !== undefined && kept.length > 0 && before.join() !== ids.join()) {
				violations.push({
					kind: "split-on-replay",
					message: `${wait.key} had been given ${before.join(", ")}, and on replay ${ids.join(", ")}`,
					event,
				});
			}
		}
		return violations;
	},
};

/** Virtual milliseconds in which a process that is awake does something about a message. */
const PROMPT_MS = 10_000;

export const wakes: Property = {
	id: "queue.wakes",
	claim: "A waiting reader is woken by the send that satisfies it.",
	source:
		"docs: What are workflows? (event-driven); types: WorkflowHandle.message; engine: EngineDriver.waitForMessages; PR 4006",
	mutants: ["queue-misses-early-messages", "engine-reports-no-names", "queue-wakes-for-the-first-name"],
	check(run) {
		return run.scenario.hosting.mode === "yield" ? untold(run) : unwoken(run);
	},
};

/** Waits that are not over, in order of their call; those of races that are over do not count. */
class OpenWaits {
	readonly waits = new Map<string, Wait>();

	follow(event: HistoryEvent, index: number): void {
		switch (event.kind) {
			case "run.start":
			case "process.crash":
			case "process.exit":
			case "run.evicting":
			case "run.cancelled":
				this.waits.clear();
				break;
			case "queue.call": {
				const wait = waitOf(event, index);
				this.waits.set(wait.key, wait);
				break;
			}
			case "queue.return":
			case "threw":
				this.waits.delete((event.data as { key: string }).key);
				break;
			case "branches.return": {
				const { key } = event.data as ProbeEvents["branches.return"];
				for (const open of [...this.waits.keys()]) if (open.startsWith(`${key}.`)) this.waits.delete(open);
				break;
			}
		}
	}

	/** Why a wait for any message may go unheard: what its branch stands beside. */
	kindOf(wait: Wait): string {
		if (wait.names.length > 0) return "not-woken";
		const named = [...this.waits.values()].some(({ names }) => names.length > 0);
		return named ? "any-beside-names" : "any-beside-sleep";
	}
}

/** Waits of which a host is not told as the engine hands control back: no send will wake them. */
function untold(run: Run): Violation[] {
	const found = new Map<string, Violation>();
	const open = new OpenWaits();
	run.history.events.forEach((event, index) => {
		if (event.kind === "run.yield") {
			const { names } = event.data as HostEvents["run.yield"];
			const hears = (wait: Wait) =>
				names !== undefined &&
				(names.length === 0 || (wait.names.length > 0 && wait.names.every((name) => names.includes(name))));
			for (const wait of open.waits.values()) {
				if (hears(wait) || found.has(wait.key)) continue;
				const told = names === undefined ? "no messages" : names.join(", ");
				const message = `${wait.key} waits for ${wait.names.join(", ") || "any message"}, and the host is told of ${told}`;
				found.set(wait.key, { kind: open.kindOf(wait), message, event: index });
			}
		}
		open.follow(event, index);
	});
	return [...found.values()];
}

/** Waits in a live process that does nothing about a message which satisfies them. */
function unwoken(run: Run): Violation[] {
	const found = new Map<string, Violation>();
	const open = new OpenWaits();
	const bodies = new Set<string>();
	const { events } = run.history;
	events.forEach((event, index) => {
		open.follow(event, index);
		if (event.kind === "body.start") bodies.add((event.data as { key: string }).key);
		else if (event.kind === "body.end") bodies.delete((event.data as { key: string }).key);
		else if (event.kind === "process.start") bodies.clear();
		else if (event.kind === "message.acknowledged" && bodies.size === 0) {
			const { id, name } = event.data as ClientEvents["message.acknowledged"];
			const wait = [...open.waits.values()].find((candidate) => isWanted(candidate, name));
			if (wait === undefined || found.has(wait.key)) return;
			const reader = (events[wait.event] as HistoryEvent).process;
			const next = events.slice(index + 1).find((later) => looks(later, reader) || ends(later, reader));
			const idleMs = (next?.at ?? run.endMs) - event.at;
			if (next === undefined ? run.stop !== "quiescent" : idleMs < PROMPT_MS || ends(next, reader)) return;
			const until = next === undefined ? "for ever" : `for ${idleMs} ms`;
			const message = `${wait.key} waits for ${wait.names.join(", ") || "any message"}, and slept on ${until} when ${id} came`;
			found.set(wait.key, { kind: open.kindOf(wait), message, event: index });
		}
	});
	return [...found.values()];
}

/** Whether a process asks the queue for messages, or comes to the wait again. */
function looks({ process, kind, data }: HistoryEvent, reader: number): boolean {
	if (process !== reader) return false;
	if (kind === "operation" || kind === "durable") return (data as { what: string }).what.startsWith("queue.");
	return kind === "queue.call" || kind === "queue.return" || kind === "run.completed" || kind === "run.rejected";
}

/** Whether a process is told to end, or does: no time is left to be prompt. */
function ends({ process, kind }: HistoryEvent, reader: number): boolean {
	return (
		kind === "run.evicting" ||
		kind === "run.cancelled" ||
		(process === reader && (kind === "process.crash" || kind === "process.exit"))
	);
}
