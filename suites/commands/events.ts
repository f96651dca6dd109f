/** What actors say takes effect once, in order, and is known to have done so. */
import { UNTOLD_GENERATION } from "../../drivers/runner/wire.ts";
import {
	type Account,
	type ConnectionFact,
	contentOf,
	grouped,
	isOf,
	isSame,
	isSameGeneration,
	type ToldEvent,
} from "./account.ts";
import { commandProperty, type Found, seconds, tellMark, tellOf } from "./tell.ts";

/** Virtual milliseconds within which what reached a server takes effect, slow storage included. */
const SOON_MS = 8_000;
/** Within which a runner that was greeted has said again what it has to. */
const AGAIN_MS = 1_000;

const isRunner = (account: Account, process: number) => account.lives.get(process)?.role === "runner";

export const onceInOrder = commandProperty({
	id: "event.once-in-order",
	claim:
		"Each event takes effect once, in index order, per actor and generation, out-of-order and repeated batches included.",
	source: "3543: event deduplication, ordering; RUNNER-PROTOCOL: rules 11 and 13",
	*find(account) {
		yield* takenOutOfOrder(account);
		yield* leftOut(account);
		for (const [process, said] of account.said) {
			if (!isRunner(account, process)) continue;
			for (const own of grouped(said, tellOf).values()) yield* numberedWrongly(account, process, own);
		}
	},
});

function* takenOutOfOrder(account: Account): Iterable<Found> {
	for (const applied of grouped(account.notesOf("event.applied"), ({ data }) => tellOf(data)).values()) {
		const taken = new Set<number>();
		let highest = -1;
		for (const { data, event } of applied) {
			const frames = () =>
				account.eventsAtServer.filter((told) => isSameGeneration(told, data)).map(({ frame }) => frame);
			if (taken.has(data.index)) {
				yield {
					...{ side: "server", kind: "applied-twice", event, frames: frames() },
					message: `event ${tellMark(data)} (${data.event}) took effect twice`,
				};
			} else if (data.index < highest) {
				yield {
					...{ side: "server", kind: "out-of-order", event, frames: frames() },
					message: `event ${tellMark(data)} (${data.event}) took effect after #${highest}`,
				};
			} else {
				const skipped = skippedBefore(account, data, highest);
				if (skipped !== undefined) {
					yield {
						...{ side: "server", kind: "skipped", event, frames: frames() },
						message: `event ${tellMark(data)} (${data.event}) took effect, and ${tellMark(skipped)}, which the runner had numbered before it, never can`,
					};
				}
			}
			taken.add(data.index);
			highest = Math.max(highest, data.index);
		}
	}
}

/** The next event of its generation is there, and does not take effect. */
function* leftOut(account: Account): Iterable<Found> {
	for (const { data, event, at } of account.notesOf("event.dropped")) {
		if (data.why !== "gap" || !account.serverLives({ event, at }, at + SOON_MS)) continue;
		const current = account.statusBefore(data.actorId, event);
		if (current?.generation !== data.generation) continue;
		const applied = account.notesOf("event.applied").filter((note) => isSameGeneration(note.data, data));
		const brought = account.eventsAtServer.filter((told) => isSameGeneration(told, data) && told.moment.event < event);
		// What a server that died had not stored is not there for the next one.
		const isThere = (index: number) =>
			brought.some((told) => told.index === index && account.serverLives(told.moment, at)) ||
			applied.some((note) => note.data.index === index && note.event < event);
		const whole = Array.from({ length: data.index }, (_, index) => index).every(isThere);
		const moved = account.statuses.some(
			(step) =>
				step.actorId === data.actorId && step.event > event && step.at <= at + SOON_MS && step.runnerId === undefined,
		);
		const isApplied = applied.some((note) => isSame(note.data, data) && note.at <= at + SOON_MS);
		if (!whole || moved || isApplied) continue;
		yield {
			...{ side: "server", kind: "left-out", event, frames: brought.map(({ frame }) => frame) },
			message: `event ${tellMark(data)} (${data.event}) was dropped for a gap before it, where there was none`,
		};
	}
}

/** An event that was left out, as far as the runner ever said it. */
function skippedBefore(
	account: Account,
	{ actorId, generation, index }: { readonly actorId: string; readonly generation: number; readonly index: number },
	highest: number,
): ToldEvent | undefined {
	// Nothing is between one index and the next.
	if (index <= highest + 1) return undefined;
	for (const said of account.said.values()) {
		const skipped = said.find(
			(told) =>
				told.actorId === actorId && told.generation === generation && told.index > highest && told.index < index,
		);
		if (skipped !== undefined) return skipped;
	}
	return undefined;
}

function* numberedWrongly(account: Account, process: number, said: readonly ToldEvent[]): Iterable<Found> {
	const contents = new Map<number, ToldEvent>();
	let next: number | undefined;
	for (const told of said) {
		const before = contents.get(told.index);
		if (before === undefined) {
			const untold = told.frame.connection.version === 4;
			// What comes later than it should was told of when it was passed over.
			if (told.index > (next ?? (untold ? told.index : 0))) {
				const later = said.some((other) => other.index < told.index && !contents.has(other.index));
				yield {
					...{
						side: "runner",
						kind: later ? "sent-out-of-order" : "index-gap",
						event: told.moment.event,
						frames: [told.frame],
					},
					message: `event ${tellMark(told)} was sent where #${next ?? 0} was next`,
					follows: account.secondStart(told, process, told.moment.event),
				};
			}
			contents.set(told.index, told);
			next = Math.max(next ?? 0, told.index + 1);
		} else if (contentOf(before) !== contentOf(told)) {
			yield {
				...{ side: "runner", kind: "index-reused", event: told.moment.event, frames: [before.frame, told.frame] },
				message: `event ${tellMark(told)} is one thing at ${seconds(before.moment)} and another at ${seconds(told.moment)}`,
				follows: account.secondStart(told, process, told.moment.event),
			};
		}
	}
	yield* resentOutOfOrder(said);
}

function* resentOutOfOrder(said: readonly ToldEvent[]): Iterable<Found> {
	for (const [first, second] of said.slice(1).map((told, i) => [said[i] as ToldEvent, told] as const)) {
		if (first.frame !== second.frame || second.index >= first.index) continue;
		yield {
			...{ side: "runner", kind: "resent-out-of-order", event: second.moment.event, frames: [second.frame] },
			message: `event ${tellMark(second)} was sent behind #${first.index}, in one frame`,
		};
	}
}

export const acked = commandProperty({
	id: "event.acked",
	claim: "Acknowledged events are dropped by the sender, unacknowledged ones resent after every reconnect.",
	source: "3543: event acknowledgement batches; RUNNER-PROTOCOL: rules 11 and 14",
	*find(account) {
		for (const connection of account.connections.values()) {
			if (isRunner(account, connection.process)) yield* notResent(account, connection);
		}
		for (const [process, said] of account.said)
			if (isRunner(account, process)) yield* keptAcknowledged(account, process, said);
		yield* acknowledgedEarly(account);
		yield* neverAcknowledged(account);
		yield* neverSaid(account);
	},
});

/** What the runner had said before, and was not told to forget. */
function* notResent(account: Account, connection: ConnectionFact): Iterable<Found> {
	const { greeted, process } = connection;
	if (greeted === undefined) return;
	const untilMs = greeted.at + AGAIN_MS;
	if (!account.runnerLives(process, untilMs)) return;
	const end = connection.over.client;
	if (end !== undefined && end.at <= untilMs) return;
	const said = account.said.get(process) ?? [];
	const earlier = account
		.connectionsBy(process)
		.filter((other) => (other.greeted?.event ?? Number.POSITIVE_INFINITY) < greeted.event);
	// To the server, what another id has said is over.
	if (earlier.some((other) => other.greeted?.runnerId !== greeted.runnerId)) return;
	for (const told of said) {
		if (told.moment.event > greeted.event || told.frame.connection === connection) continue;
		const heard = (account.heard.get(process) ?? []).some(
			(other) => other.moment.at <= untilMs && isOf(other, told) && other.index >= told.index,
		);
		const again = said.some(
			(other) => other.frame.connection === connection && isSame(other, told) && other.moment.at <= untilMs,
		);
		if (heard || again) continue;
		// Also where Stopped itself was never on its way: the runner has let go of the actor by then.
		const ended =
			said.some((other) => isSameGeneration(other, told) && other.isStopped && other.moment.event < greeted.event) ||
			account
				.callsBy(process)
				.some(
					(call) =>
						call.callback === "stop" &&
						isSameGeneration(call, told) &&
						call.settled !== undefined &&
						call.settled.event < greeted.event,
				);
		yield {
			...{ side: "runner", kind: ended ? "forgotten-with-actor" : "not-resent", event: greeted.event },
			follows: ended ? undefined : account.secondStart(told, process, greeted.event),
			message: `event ${tellMark(told)} was not acknowledged, and not sent again when the runner was greeted at ${seconds(greeted)}`,
			frames: [told.frame, ...connection.frames.filter(({ message }) => message?.tag === "ToClientInit")],
		};
	}
}

function* keptAcknowledged(account: Account, process: number, said: readonly ToldEvent[]): Iterable<Found> {
	for (const told of said) {
		const heard = (account.heard.get(process) ?? []).find(
			(other) =>
				other.moment.event < told.moment.event &&
				other.index >= told.index &&
				isOf(other, told) &&
				other.generation !== UNTOLD_GENERATION,
		);
		if (heard === undefined) continue;
		const before = said.find((other) => isSame(other, told));
		if (before === undefined || before.moment.event > heard.moment.event) continue;
		yield {
			...{
				side: "runner",
				kind: "kept-after-acknowledgement",
				event: told.moment.event,
				frames: [heard.frame, told.frame],
			},
			message: `event ${tellMark(told)} was sent again after it was acknowledged`,
			follows: account.secondStart(told, process, told.moment.event),
		};
	}
}

function* acknowledgedEarly(account: Account): Iterable<Found> {
	for (const told of account.eventAcksSent) {
		if (told.generation === UNTOLD_GENERATION) continue;
		const known: ToldEvent[] = [];
		for (const said of account.said.values()) {
			for (const other of said) if (other.moment.event < told.moment.event && isOf(told, other)) known.push(other);
		}
		const frames = () => [...known.slice(-2).map(({ frame }) => frame), told.frame];
		if (!known.some(({ index }) => index >= told.index)) {
			yield {
				...{ side: "server", kind: "acknowledged-too-far", event: told.moment.event, frames: frames() },
				message: `events up to ${tellMark(told)} were acknowledged, of which the last was never sent`,
			};
			continue;
		}
		const settled = account.notes.some(
			(note) =>
				(note.kind === "event.applied" || note.kind === "event.dropped") &&
				note.event < told.moment.event &&
				isSame(note.data, told),
		);
		const current = account.statusBefore(told.actorId, told.moment.event);
		// Of what is dropped without a trace nothing can be told.
		if (settled || current === undefined || current.generation !== told.generation || current.runnerId === undefined)
			continue;
		yield {
			...{ side: "server", kind: "acknowledged-before-durable", event: told.moment.event, frames: frames() },
			message: `events up to ${tellMark(told)} were acknowledged before that one had taken effect`,
		};
	}
}

function* neverAcknowledged(account: Account): Iterable<Found> {
	for (const { data, event, at } of account.notesOf("event.applied")) {
		const brought = account.eventsAtServer.findLast((told) => told.moment.event < event && isSame(told, data));
		if (brought === undefined) continue;
		const { connection } = brought.frame;
		if (!account.intactUntil(connection, at + SOON_MS) || !account.serverLives({ event, at }, at + SOON_MS)) continue;
		const covered = account.eventAcksSent.some(
			(told) => isOf(told, data) && told.index >= data.index && told.moment.at <= at + SOON_MS,
		);
		if (covered) continue;
		yield {
			...{ side: "server", kind: "never-acknowledged", event, frames: [brought.frame] },
			message: `event ${tellMark(data)} (${data.event}) took effect and was not acknowledged within ${SOON_MS} ms`,
		};
	}
}

/** What an actor asked of its runner is said, whether or not there was a connection just then. */
function* neverSaid(account: Account): Iterable<Found> {
	for (const call of account.calls) {
		const { settled, process } = call;
		if (settled === undefined || (call.failed && call.callback === "start")) continue;
		const connection = account
			.connectionsBy(process)
			.find(
				(other) =>
					other.greeted !== undefined && account.intactUntil(other, Math.max(other.greeted.at, settled.at) + SOON_MS),
			);
		if (connection?.greeted === undefined) continue;
		const untilMs = Math.max(connection.greeted.at, settled.at) + SOON_MS;
		if (!account.runnerLives(process, untilMs)) continue;
		const greetings = account
			.connectionsBy(process)
			.flatMap(({ greeted }) => (greeted === undefined ? [] : [greeted.runnerId]));
		if (new Set(greetings).size > 1) continue;
		const isStop = call.callback === "stop";
		const said = (account.said.get(process) ?? []).some(
			(told) => isSameGeneration(told, call) && (told.isStopped || !isStop),
		);
		if (said) continue;
		yield {
			...{ side: "runner", kind: isStop ? "forgotten-with-actor" : "never-sent", event: settled.event },
			message: `${tellOf(call)} ${isStop ? "had stopped at" : "ran from"} ${seconds(settled)}${isStop ? "" : " on"}, and the server was never told`,
			follows: isStop ? undefined : account.secondStart(call, process, settled.event),
		};
	}
}

export const demux = commandProperty({
	id: "event.demux",
	claim:
		"Events reach their actor in order while channels are created and collected; none is dropped silently; memory is bounded.",
	source: "3543: actor event demuxer, abort in its collection, unbounded channels; RUNNER-PROTOCOL: rule 12",
	*find(account) {
		yield* droppedSilently(account);
		for (const { data, event } of account.notesOf("channel.collected")) {
			if (data.pending === 0) continue;
			yield {
				...{ side: "server", kind: "collected-with-events", event },
				message: `the channel of ${data.actorId} was collected with ${data.pending} events in it`,
			};
		}
		yield* channelsKept(account);
	},
});

function* droppedSilently(account: Account): Iterable<Found> {
	for (const told of account.eventsAtServer) {
		const { event, at } = told.moment;
		const current = account.statusBefore(told.actorId, event);
		if (current === undefined || current.generation !== told.generation || current.runnerId === undefined) continue;
		if (told.frame.connection.greeted?.runnerId !== current.runnerId) continue;
		if (!account.serverLives(told.moment, at + SOON_MS)) continue;
		const highest = Math.max(
			-1,
			...account
				.notesOf("event.applied")
				.filter((note) => note.event < event && isSameGeneration(note.data, told))
				.map(({ data }) => data.index),
		);
		const noted = account.notes.some(
			(note) =>
				note.event > event &&
				(note.kind === "event.dropped" || note.kind === "event.applied") &&
				isSame(note.data, told),
		);
		const ended = account.statuses.some(
			(step) =>
				step.actorId === told.actorId &&
				step.event > event &&
				step.at <= at + SOON_MS &&
				step.runnerId !== current.runnerId,
		);
		if (noted || ended || told.index <= highest) continue;
		yield {
			...{ side: "server", kind: "dropped-silently", event, frames: [told.frame] },
			message: `event ${tellMark(told)} reached the server at ${seconds(told.moment)}; it neither took effect nor was it said to be dropped`,
		};
	}
}

/** Times that a channel may be idle before it counts as kept. */
const IDLE_TIMES = 1.5;

function* channelsKept(account: Account): Iterable<Found> {
	const idleMs = (account.run.program.script.thresholds?.channelIdleMs ?? 30_000) * IDLE_TIMES;
	for (const made of account.notesOf("channel.made")) {
		const { actorId } = made.data;
		const lastMs = Math.max(
			made.at,
			...account.eventsAtServer.filter((told) => told.actorId === actorId).map(({ moment }) => moment.at),
		);
		const collected = account
			.notesOf("channel.collected")
			.some(({ data, event }) => data.actorId === actorId && event > made.event);
		if (collected || !account.serverLives(made, lastMs + idleMs) || lastMs + idleMs > account.endMs) continue;
		yield {
			...{ side: "server", kind: "channels-kept", event: made.event },
			message: `the channel of ${actorId} is still there ${idleMs} ms after its last event`,
		};
	}
}
