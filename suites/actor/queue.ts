/**
 * What an actor's queue promises to those who send and to those who read. Judged by acknowledgements, by what workflows and plain
 * readers were given, by what the state says was applied, and by the stored queue as the outside can decode it.
 */
import type { Violation } from "../property.ts";
import {
	type ActorProperty,
	actedTicks,
	appliedAtEnd,
	appliedByStateAlone,
	finalRead,
	handlerGone,
	hasLaterReader,
	isLimit,
	isUnderWay,
	livesOf,
	lostByHistory,
	type Message,
	messagesOf,
	only,
	rollsForward,
	slackMs,
	told,
	violation,
} from "./facts.ts";
import type { ActorRun, Placed } from "./run.ts";

const NOT_TOLD = "the state does not tell what was applied";
const DAMAGED = "the script damages what is stored";

function judgesEffects({ program }: ActorRun): string | undefined {
	if (program.applied === undefined) return NOT_TOLD;
	return program.damages === true ? DAMAGED : undefined;
}

/** Messages with how often the final state has them. */
function applied(run: ActorRun): { readonly message: Message; readonly count: number; readonly place: number }[] {
	const counts = appliedAtEnd(run);
	const read = finalRead(run);
	if (counts === undefined || read === undefined) return [];
	return messagesOf(run).flatMap((message) => {
		const count = counts[message.id];
		return count === undefined ? [] : [{ message, count, place: read.place }];
	});
}

/** Messages that the queue holds at the end, by their own ids. */
function leftAtEnd(run: ActorRun): ReadonlySet<string | undefined> {
	const image = run.of("actor.image").find(({ data }) => data.when === "end");
	return new Set(image?.data.messages.map(({ id }) => id));
}

export const queueNoLoss: ActorProperty = {
	id: "queue.no-loss",
	claim: "A message whose send was acknowledged takes effect.",
	source: "docs: queue waits survive restarts; the declared queueDelivery where a runtime promises less",
	mutants: ["acknowledge-before-store", "send-in-memory", "remove-before-message-record"],
	skips: (run) => {
		if (run.target.capabilities.queueDelivery === "at-most-once") return "the runtime promises at most once";
		return run.program.name === "cron" ? undefined : judgesEffects(run);
	},
	check(run) {
		const left = leftAtEnd(run);
		const violations: Violation[] = [];
		for (const { message, count, place } of applied(run)) {
			if (count >= message.least || left.has(message.id) || lostByHistory(run, message.id)) continue;
			// What the history knows of and nobody goes on with is lost time, and not a lost message.
			if (isUnderWay(run, message)) continue;
			if (message.given.length > 0 && !hasLaterReader(run, message)) continue;
			const { id, acknowledged } = message;
			const text = `message ${id} was acknowledged ${acknowledged.length} times and applied ${count} times`;
			violations.push(
				message.given.length === 0
					? violation("never-given", `${text}: nobody was ever given it`, place)
					: violation("given-and-forgotten", `${text}: it was taken, and no later life knows of it`, place),
			);
		}
		return [...violations, ...lostFollowups(run), ...lostTicks(run)];
	},
};

/** Counts of what steps sent, beside counts of the messages that had them sent. */
function followups(
	run: ActorRun,
): { readonly id: string; readonly count: number; readonly sent: number; readonly place: number }[] {
	const read = finalRead(run);
	const log = (read?.data.state as { readonly log?: unknown } | undefined)?.log;
	if (run.program.followups !== true || rollsForward(run) !== undefined || read === undefined || !Array.isArray(log))
		return [];
	return messagesOf(run).map(({ id }) => ({
		id: `${id}-followup`,
		count: log.filter((one) => one === `${id}-followup`).length,
		sent: log.filter((one) => one === id).length,
		place: read.place,
	}));
}

function lostFollowups(run: ActorRun): Violation[] {
	const left = leftAtEnd(run);
	return followups(run)
		.filter(({ count, sent, id }) => count < sent && !left.has(id))
		.map(({ id, place }) =>
			violation("step-send-lost", `the step that sent ${id} is done, and it was never applied`, place),
		);
}

/** Messages that a scheduled action sent, which had the next one scheduled after it. */
function lostTicks(run: ActorRun): Violation[] {
	const read = finalRead(run);
	const counted = (read?.data.state as { readonly ticks?: unknown } | undefined)?.ticks;
	const image = run.of("actor.image").find(({ data }) => data.when === "end");
	if (run.program.name !== "cron" || read === undefined || !Array.isArray(counted)) return [];
	const lost = actedTicks(run)
		.slice(0, -1)
		.filter((at) => !counted.includes(at));
	if (lost.length <= (image?.data.messages.length ?? 0)) return [];
	const text = `${lost.length} messages that a scheduled action sent were never applied`;
	return [violation("action-send-lost", text, read.place)];
}

export const queueNoDuplicate: ActorProperty = {
	id: "queue.no-duplicate",
	claim: "A message takes effect once for each send that was stored.",
	source: "docs: each command is applied once; the declared queueDelivery where a runtime promises less",
	mutants: ["forget-tokens", "forget-claims"],
	skips: (run) => {
		if (run.target.capabilities.queueDelivery === "at-least-once") return "the runtime promises at least once";
		return judgesEffects(run) ?? rollsForward(run);
	},
	check(run) {
		const violations: Violation[] = [];
		for (const { message, count, place } of applied(run)) {
			if (count <= message.most || appliedByStateAlone(run, message.id)) continue;
			const { id, given } = message;
			const text = `message ${id} may take effect ${message.most} times and was applied ${count} times`;
			const inOneLife = given.some((one) =>
				given.some((other) => other !== one && other.process === one.process && other.call !== one.call),
			);
			const stored = new Set(given.map((one) => one.stored)).size;
			if (stored > message.most)
				violations.push(violation("stored-twice", `${text}: it was stored ${stored} times`, place));
			else if (inOneLife) violations.push(violation("given-twice", `${text}: one life was given it twice`, place));
			else violations.push(violation("applied-again", text, place));
		}
		for (const { id, count, sent, place } of followups(run)) {
			if (count <= sent) continue;
			// A runtime whose steps send at once repeats that with each attempt.
			const text = `${id} was sent by ${sent} steps that succeeded, and applied ${count} times`;
			violations.push(violation("sent-by-failed-attempt", text, place));
		}
		return violations;
	},
};

/** What was given, of workflows and of plain readers, each message at the first time it was given. */
function firstGiven(
	run: ActorRun,
): Map<string, { readonly place: number; readonly rank: number; readonly call: number }> {
	const first = new Map<string, { place: number; rank: number; call: number }>();
	for (const { place, data } of run.of("actor.given")) {
		for (const [rank, { id }] of data.messages.entries())
			if (!first.has(id)) first.set(id, { place, rank, call: data.call });
	}
	return first;
}

export const queueFifo: ActorProperty = {
	id: "queue.fifo",
	claim: "For one reader, messages that match its filter are given in the order of their sends; others stay, in order.",
	source: "docs: queue; PR 4006, receive",
	mutants: ["newest-first", "requeue-others"],
	skips: ({ program }) => (program.damages === true ? DAMAGED : undefined),
	check(run) {
		const given = firstGiven(run);
		const waits = new Map(run.of("actor.wait").map(({ data }) => [data.call, data.names]));
		const messages = messagesOf(run).filter(({ acknowledged, unknown }) => acknowledged.length === 1 && unknown === 0);
		const violations: Violation[] = [];
		for (const earlier of messages) {
			const ofEarlier = given.get(earlier.id);
			for (const later of messages) {
				const ofLater = given.get(later.id);
				if (ofEarlier === undefined || ofLater === undefined || earlier === later) continue;
				if ((earlier.acknowledged[0]?.place ?? 0) >= later.sentAt) continue;
				const names = waits.get(ofLater.call) ?? [];
				if (names.length > 0 && !names.includes(earlier.send.name)) continue;
				const isOvertaken =
					ofLater.place < ofEarlier.place || (ofLater.place === ofEarlier.place && ofLater.rank < ofEarlier.rank);
				if (!isOvertaken) continue;
				const text = `message ${later.id} was given before ${earlier.id}, which was acknowledged before it was sent`;
				violations.push(violation("overtaken", text, ofLater.place));
			}
		}
		return violations.slice(0, 1);
	},
};

export const queueCompleteOnce: ActorProperty = {
	id: "queue.complete-once",
	claim:
		"A completable message's response reaches its sender once, survives a crash in between where that is declared, and a second complete is refused.",
	source: "docs: request/response; the declared completion where a runtime promises less",
	mutants: ["forget-responses", "swallow-second-complete", "complete-unheard"],
	skips: ({ program }) => (program.answers === true ? undefined : "the workflow answers nobody"),
	check(run) {
		const violations: Violation[] = [];
		for (const { place, data } of told<{ readonly id: string; readonly threw: boolean }>(run, "completed-again")) {
			if (!data.threw) violations.push(violation("completed-twice", `message ${data.id} was completed twice`, place));
		}
		const { completion } = run.target.capabilities;
		const left = leftAtEnd(run);
		for (const { id, input, send, given } of messagesOf(run)) {
			const answers = run.of("client.answered").filter(({ data }) => data.input === input);
			const completed = run.of("actor.completed").filter(({ data }) => data.id === id && data.error === undefined);
			const good = answers.filter(({ data }) => data.status === "completed");
			const [second] = good.slice(1);
			if (second !== undefined)
				violations.push(violation("answered-twice", `the sender of ${id} heard twice`, second.place));
			const value = (send.body as { readonly value?: number }).value ?? 0;
			const wrong = good.find(({ data }) => !data.response.includes(`"doubled": ${value * 2}`));
			if (wrong !== undefined) {
				const text = `the sender of ${id} was answered ${wrong.data.response}`;
				violations.push(violation("wrong-response", text, wrong.place));
			}
			const [first] = completed;
			const silent = answers.find(({ data }) => data.status !== "completed");
			const isGone = given.length > 0 && !left.has(id);
			if ((first === undefined && !isGone) || good.length > 0 || silent === undefined) continue;
			const sent = run.of("client.send").find(({ data }) => data.input === input)?.place ?? 0;
			if (completion === "durable" || (first !== undefined && staysFrom(run, first.process, sent))) {
				const text = `message ${id} was completed, and its sender, who asked until the end, heard nothing`;
				violations.push(violation("response-lost", text, silent.place));
			}
		}
		return violations;
	},
};

/** Whether the life was there from that place in the history on. */
function staysFrom(run: ActorRun, process: number, place: number): boolean {
	const life = livesOf(run).find((one) => one.process === process);
	return life !== undefined && life.from <= place;
}

export const queueCompleteBeforeNext: ActorProperty = {
	id: "queue.complete-before-next",
	claim: "Taking the next message with one uncompleted is refused, also after replay.",
	source: "docs: completable messages",
	mutants: ["next-before-complete"],
	skips: only(["next-before-complete"]),
	check: (run) =>
		told(run, "given-before-complete")
			.slice(0, 1)
			.map(({ place }) => violation("given", "the next message was given while one was not completed", place)),
};

/** When an operation of a straight workflow was first asked for, by its path. */
function firstWaits(run: ActorRun): Map<string, Placed<"actor.wait">> {
	const first = new Map<string, Placed<"actor.wait">>();
	for (const wait of run.of("actor.wait")) if (!first.has(wait.data.path)) first.set(wait.data.path, wait);
	return first;
}

export const queueTimeout: ActorProperty = {
	id: "queue.timeout",
	claim: "A timed wait ends in vain at its deadline, which no restart moves, and not before.",
	source: "docs: queue timeouts",
	mutants: ["never-look-late", "move-deadlines-of-waits"],
	skips: ({ program }) =>
		program.straight === true && program.inputs.length > 0 ? undefined : "no wait can be told again in a later life",
	check(run) {
		if (handlerGone(run) !== undefined) return [];
		const violations: Violation[] = [];
		const first = firstWaits(run);
		const ended = new Set<string>();
		for (const { place, at, data } of run.of("actor.given")) {
			const wait = first.get(data.path);
			const deadlineMs = wait?.data.deadlineMs;
			if (wait === undefined || deadlineMs === undefined || ended.has(data.path)) continue;
			if (data.messages.length === 0) {
				ended.add(data.path);
				if (at < deadlineMs) {
					const text = `wait ${data.path} ended in vain after ${at} ms, and had until ${deadlineMs} ms`;
					violations.push(violation("early", text, place));
				}
				const durable = livesOf(run).find((life) => life.process === wait.process);
				const isDurable = durable !== undefined && durable.toMs >= wait.at + slackMs(run);
				if (isDurable && at > deadlineMs + slackMs(run)) {
					const text = `wait ${data.path} ended in vain after ${at} ms; its deadline was ${deadlineMs} ms, and a restart moved it`;
					violations.push(violation("deadline-moved", text, place));
				}
				const missed = messagesOf(run).find((message) => isMissed(message, wait.data.names, deadlineMs, run, place));
				if (missed !== undefined) {
					const text = `wait ${data.path} ended in vain, and ${missed.id} was in the queue before its deadline`;
					violations.push(violation("left-behind", text, place));
				}
			} else ended.add(data.path);
		}
		return violations;
	},
};

/** Whether a message was there well before the deadline, and nobody was given it until after the wait. */
function isMissed(
	{ acknowledged, send, given, unknown }: Message,
	names: readonly string[],
	deadlineMs: number,
	run: ActorRun,
	place: number,
): boolean {
	const [ack] = acknowledged;
	if (ack === undefined || unknown > 0 || ack.at >= deadlineMs) return false;
	if (names.length > 0 && !names.includes(send.name)) return false;
	const begun = run
		.of("actor.given")
		.some((one) => one.place < place && one.data.messages.some(({ id }) => id === send.id));
	return !begun && given.some((one) => one.place > place);
}

export const queueBatch: ActorProperty = {
	id: "queue.batch",
	claim: "nextBatch gives up to the count, and never splits what it gave across replays.",
	source: "docs: nextBatch",
	mutants: ["first-of-batch-only"],
	check(run) {
		const counts = new Map(run.of("actor.wait").map(({ data }) => [data.call, data.count]));
		const violations: Violation[] = [];
		for (const { place, data } of run.of("actor.given")) {
			const count = counts.get(data.call) ?? Number.POSITIVE_INFINITY;
			if (data.messages.length <= count) continue;
			const text = `${data.path} asked for ${count} messages and was given ${data.messages.length}`;
			violations.push(violation("over-count", text, place));
		}
		return [...violations, ...splits(run)];
	},
};

/** Batches that a step has worked on, and of which a later life is given a part. */
function splits(run: ActorRun): Violation[] {
	const violations: Violation[] = [];
	const given = run.of("actor.given").filter(({ data }) => data.messages.length > 1);
	for (const batch of given) {
		const isWorkedOn = run
			.of("actor.step")
			.some(({ place, process, data }) => process === batch.process && place > batch.place && data.bodies > 0);
		if (!isWorkedOn) continue;
		const first = batch.data.messages[0]?.stored;
		const ids = batch.data.messages.map(({ id }) => id);
		const later = run.of("actor.given").find(
			({ place, data }) =>
				place > batch.place &&
				data.path === batch.data.path &&
				// A send that was asked again is another message, which calls itself the same.
				data.messages[0]?.stored === first &&
				data.messages.map(({ id }) => id).join() !== ids.join(),
		);
		if (later === undefined) continue;
		const text = `${batch.data.path} was given ${ids.join()} and, replayed, ${later.data.messages.map(({ id }) => id).join()}`;
		violations.push(violation("split-on-replay", text, later.place));
	}
	return violations.slice(0, 1);
}

export const queueMetadata: ActorProperty = {
	id: "queue.metadata",
	claim: "Size and next id agree with the stored messages after any crash and any interleaving; ids are never reused.",
	source: "PR 4006, review of the queue manager",
	mutants: ["count-in-memory", "forget-size-on-take", "reuse-ids"],
	check(run) {
		const violations: Violation[] = [];
		const damaged = run.of("platform.damaged").find(({ data }) => data.what === "queue-metadata")?.place;
		for (const { place, data } of run.of("actor.image")) {
			// What was damaged cannot agree before the runtime has looked at it.
			if (data.size === undefined || (damaged !== undefined && data.when === "start")) continue;
			if (data.when === "end" && isTaking(run)) continue;
			if (data.size !== data.messages.length && run.program.damages !== true) {
				const text = `the queue holds ${data.messages.length} messages and says ${data.size}`;
				violations.push(
					data.when === "end"
						? violation("size-disagrees-for-good", text, place)
						: violation("size-disagrees", text, place, "The runtime counts anew when it next looks at its messages"),
				);
			}
			const next = BigInt(data.nextId ?? 0);
			const taken = data.messages.find(({ stored }) => BigInt(stored) >= next);
			if (data.nextId !== undefined && taken !== undefined) {
				const text = `the next id is ${data.nextId}, and a message with id ${taken.stored} is stored`;
				violations.push(violation("next-id-behind", text, place));
			}
		}
		return [...violations.slice(0, 2), ...reusedIds(run)];
	},
};

/** Whether the run ended between two writes of a runtime that takes a message in one and counts in another. */
function isTaking(run: ActorRun): boolean {
	const { describeKey } = run.target;
	const life = livesOf(run).at(-1)?.process;
	const touches = (what: RegExp) =>
		run
			.of("durable")
			.findLast(
				({ process, data }) =>
					process === life && data.mutations.some(({ table, key }) => what.test(describeKey(table, key))),
			)?.place ?? -1;
	return touches(/^message /) > touches(/^queue metadata$/);
}

function reusedIds(run: ActorRun): Violation[] {
	const seen = new Map<string, number>();
	for (const { place, data } of run.of("client.acknowledged")) {
		const known = seen.get(data.stored);
		if (data.stored !== "" && known !== undefined && known !== data.input) {
			return [violation("id-reused", `two messages were stored under id ${data.stored}`, place)];
		}
		seen.set(data.stored, data.input);
	}
	return [];
}

export const queueLimits: ActorProperty = {
	id: "queue.limits",
	claim: "A full queue, an oversized or unserialisable message is refused with its error, and nothing is stored.",
	source: "PR 4006, review of the queue manager; docs: limits",
	mutants: ["keep-full-queue", "store-oversized", "accept-any-value"],
	skips: only(["limits"]),
	check(run) {
		const violations: Violation[] = [];
		const { queueSize = Number.POSITIVE_INFINITY, refuses = [] } = run.program;
		for (const { place, data } of run.of("actor.image")) {
			if (data.messages.length > queueSize) {
				const text = `the queue holds ${data.messages.length} messages, and ${queueSize} at most`;
				violations.push(violation("over-full", text, place));
			}
			const kept = data.messages.find(({ id }) => id !== undefined && refuses.includes(id));
			if (kept !== undefined) violations.push(violation("stored-anyway", `${kept.id} is stored`, place));
		}
		for (const { id, acknowledged, given } of messagesOf(run)) {
			const isOver = refuses.includes(id);
			const [ack] = acknowledged;
			if (isOver && ack !== undefined) violations.push(violation("accepted", `${id} was acknowledged`, ack.place));
			if (isOver && given[0] !== undefined)
				violations.push(violation("stored-anyway", `${id} was given to the workflow`, given[0].place));
		}
		for (const { place, data } of run.of("client.refused")) {
			// What storage refused is nobody's limit.
			if (data.error.name === "OperationError") continue;
			if (
				isLimit(data.code) ||
				/full|large|size|serializ|serialis|stored|clone|invalid|encode/i.test(data.error.message)
			)
				continue;
			const text = `${data.id} was refused with ${data.error.name}: ${data.error.message}`;
			violations.push(violation("unclear-error", text, place, "An error is an error, however little it says"));
		}
		violations.push(...filled(run, queueSize));
		return violations.slice(0, 2);
	},
};

/** Acknowledged sends into a queue that was full of acknowledged messages, which nobody was given until long after. */
function filled(run: ActorRun, queueSize: number): Violation[] {
	const messages = messagesOf(run);
	const left = leftAtEnd(run);
	for (const { acknowledged, sentAt, id } of messages) {
		const [ack] = acknowledged;
		if (ack === undefined) continue;
		const before = messages.filter(
			(other) =>
				other.id !== id &&
				// What was lost takes no room.
				(other.given.length > 0 || left.has(other.id)) &&
				(other.acknowledged[0]?.place ?? Number.POSITIVE_INFINITY) < sentAt &&
				(other.given[0]?.at ?? Number.POSITIVE_INFINITY) > ack.at + slackMs(run),
		);
		if (before.length < queueSize) continue;
		return [violation("over-full", `${id} was acknowledged, with ${before.length} messages in the queue`, ack.place)];
	}
	return [];
}

export const queueWakes: ActorProperty = {
	id: "queue.wakes",
	claim: "A waiting reader is woken by the send that satisfies it; an aborted or timed-out wait leaves no listener.",
	source: "PR 4006, review of waiters and listeners",
	mutants: ["forget-to-wake", "keep-waits", "take-twice", "batch-of-one"],
	skips: ({ program }) => (program.damages === true ? DAMAGED : undefined),
	check(run) {
		const violations: Violation[] = [];
		const waits = run.of("actor.waits")[0];
		const isOver = run
			.of("actor.run-ended")
			.some(({ process, place }) => lifeAt(run, waits?.place ?? 0) === process && place < (waits?.place ?? 0));
		const isLeft = run.program.name === "plain-readers" && isOver;
		if (isLeft && waits !== undefined && waits.data.waits > 0) {
			const text = `${waits.data.waits} listeners are left of waits that are over`;
			violations.push(violation("listener-left", text, waits.place));
		}
		return [...violations, ...unwoken(run), ...unread(run)];
	},
};

/** The life that was there at a place in the history. */
function lifeAt(run: ActorRun, place: number): number | undefined {
	return livesOf(run).find(({ from, to }) => from <= place && place < to)?.process;
}

/** Messages that came while a workflow waited for them, and that it was not given in good time. */
function unwoken(run: ActorRun): Violation[] {
	const patience = slackMs(run) + 12_000;
	const given = run.of("actor.given");
	for (const message of messagesOf(run)) {
		const [ack] = message.acknowledged;
		if (ack?.stored === undefined || message.given.some(({ at }) => at <= ack.at + patience)) continue;
		const wait = openWaitFor(run, message.send.name, ack.place);
		if (wait === undefined) continue;
		const life = livesOf(run).find(({ process }) => process === wait.process);
		if (life === undefined || life.to < ack.place || life.toMs < ack.at + patience) continue;
		if (run.of("actor.run-ended").some(({ at }) => at <= ack.at + patience)) continue;
		// It was given something else, or time ran out, or storage failed it.
		if (
			[...given, ...run.of("actor.wait-failed")].some(
				({ place, at, data }) => data.path === wait.data.path && place > ack.place && at <= ack.at + patience,
			)
		)
			continue;
		const text = `${wait.data.path} waited for ${message.id}, which was acknowledged at ${ack.at} ms, and was not woken`;
		return [violation("not-woken", text, ack.place)];
	}
	return [];
}

const GOING_ON: ReadonlySet<string> = new Set(["actor.body", "actor.step", "actor.sleep-call", "actor.given"]);

/** A wait for messages of the name that was open at that place: asked for, and neither answered nor failed. */
function openWaitFor(run: ActorRun, name: string, place: number): Placed<"actor.wait"> | undefined {
	const over = new Set(
		[...run.of("actor.given"), ...run.of("actor.wait-failed")]
			.filter((one) => one.place < place)
			.map(({ data }) => data.call),
	);
	const wait = run
		.of("actor.wait")
		.findLast(
			(one) =>
				one.place < place &&
				!over.has(one.data.call) &&
				(one.data.names.length === 0 || one.data.names.includes(name)) &&
				(one.data.deadlineMs === undefined || one.data.deadlineMs > one.at),
		);
	if (wait === undefined) return undefined;
	// A runtime that replays its workflow asks again for what it waited for: what has gone on since is no wait.
	const hasGoneOn = run.history.events
		.slice(wait.place, place)
		.some(({ process, kind }) => process === wait.process && GOING_ON.has(kind));
	return hasGoneOn ? undefined : wait;
}

/** Messages that plain readers did not get as they should: not woken for them, given none of them, or given one twice. */
function unread(run: ActorRun): Violation[] {
	if (run.program.name !== "plain-readers") return [];
	const got = new Map<string, number>();
	for (const { data } of told<{ readonly id: string | null }>(run, "read"))
		if (data.id !== null) got.set(data.id, (got.get(data.id) ?? 0) + 1);
	const left = leftAtEnd(run);
	return messagesOf(run).flatMap((message) => {
		const { id, acknowledged } = message;
		const count = got.get(id) ?? 0;
		const [ack] = acknowledged;
		if (ack === undefined || count === 1) return [];
		if (count > 1)
			return run.fired.size > 0 ? [] : [violation("given-to-two", `${count} readers got ${id}`, ack.place)];
		const reader = readerOf(message, run);
		if (reader !== undefined && left.has(id)) {
			const text = `reader ${reader} waited for ${id}, which was acknowledged at ${ack.at} ms, and was not woken`;
			return [violation("not-woken", text, ack.place)];
		}
		// A crash takes with it what a plain reader had in hand: without one whose life went on, only a run without faults can be judged.
		if (left.has(id) || (reader === undefined && run.fired.size > 0)) return [];
		return [violation("taken-by-nobody", `no reader got ${id}, for which one waited`, ack.place)];
	});
}

interface Reading {
	readonly reader: string;
	readonly names?: readonly string[];
}

/** A plain reader that waited for the message as it was acknowledged, and in the same life long after that. */
function readerOf({ send, acknowledged }: Message, run: ActorRun): string | undefined {
	const [ack] = acknowledged;
	if (ack === undefined) return undefined;
	const untilMs = ack.at + slackMs(run) + 12_000;
	const life = lifeAt(run, ack.place);
	if ((livesOf(run).find(({ process }) => process === life)?.toMs ?? 0) < untilMs) return undefined;
	const reads = run.of("actor.told").filter(({ process }) => process === life);
	const of = (what: string, reader?: string) =>
		reads.filter(({ data }) => {
			const told = data.data as Reading;
			return data.what === what && (reader === undefined || told.reader === reader);
		});
	return of("reading")
		.filter(({ place, data }) => place < ack.place && (data.data as Reading).names?.includes(send.name) === true)
		.map(({ data }) => (data.data as Reading).reader)
		.find((reader) => of("read", reader).every(({ at }) => at >= untilMs));
}

export const queuePoison: ActorProperty = {
	id: "queue.poison",
	claim: "A stored message that cannot be decoded does not lose or block the others, and somebody is told.",
	source: "PR 4006, review of message decoding",
	mutants: ["drop-unreadable", "stop-at-unreadable"],
	skips: only(["poison"]),
	check(run) {
		const damaged = run.of("platform.damaged").find(({ data }) => data.what === "message");
		const counts = appliedAtEnd(run);
		const read = finalRead(run);
		if (damaged === undefined || counts === undefined || read === undefined) return [];
		const victim = damaged.data.id;
		const left = leftAtEnd(run);
		// A refused operation that ended the run handler is no doing of the damaged message.
		if (handlerGone(run) !== undefined) return [];
		const violations: Violation[] = [];
		const missing = messagesOf(run).filter(
			({ id, acknowledged }) =>
				id !== victim &&
				acknowledged.length > 0 &&
				(counts[id] ?? 0) === 0 &&
				// What a crash took with it is lost for another reason.
				(run.fired.size === 0 || left.has(id)),
		);
		if (missing.length > 0) {
			const text = `${missing.map(({ id }) => id).join(", ")} stood beside the damaged message, and took no effect`;
			violations.push(violation("others-blocked", text, read.place));
		}
		const isVictimApplied = victim !== undefined && (counts[victim] ?? 0) > 0;
		const isTold = run.of("actor.log").some(({ place }) => place > damaged.place) || run.of("log").length > 0;
		if (!isTold && !isVictimApplied)
			violations.push(violation("silent", "a damaged message is gone, and nobody was told", read.place));
		return violations;
	},
};

export const QUEUE: readonly ActorProperty[] = [
	queueNoLoss,
	queueNoDuplicate,
	queueFifo,
	queueCompleteOnce,
	queueCompleteBeforeNext,
	queueTimeout,
	queueBatch,
	queueMetadata,
	queueLimits,
	queueWakes,
	queuePoison,
];
