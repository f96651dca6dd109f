/** Runners and servers as peers: how they meet, how they lose each other, and what they bear of others. */
import { UNKNOWN_VERSION } from "../../drivers/runner/reference/runner.ts";
import { SECRET } from "../../drivers/runner/wild.ts";
import { wireOf } from "../../drivers/runner/wire.ts";
import type { ConnectionEnd } from "../../sim/world/faults.ts";
import type { Account, ConnectionFact, Moment, UserCall } from "./account.ts";
import { isSameGeneration } from "./account.ts";
import { commandProperty, type Found, seconds, tellOf } from "./tell.ts";

/** Virtual milliseconds within which a bad beginning is answered: the time a server waits for Init, and a way there and back. */
const ANSWERED_MS = 8_000;
/** Beyond its threshold, within which silence is acted on: a ping that was missed, callbacks of the actors. */
const SLACK_MS = 9_000;
const REFUSED = 1011;

export const handshake = commandProperty({
	id: "runner.handshake",
	claim:
		"Init completes before its signals are seen; a bad init is answered, not dropped; versions negotiate down, never up by default.",
	source: "3543: initialization sequence, init parse failure, version fallback; RUNNER-PROTOCOL: rules 1 to 4",
	*find(account) {
		for (const connection of account.connections.values()) yield* commandsBeforeInit(connection);
		yield* badInits(account);
		yield* refusedAgain(account);
		yield* refusedUnclearly(account);
		yield* evictedByOlder(account);
	},
});

function* commandsBeforeInit(connection: ConnectionFact): Iterable<Found> {
	const said = connection.frames.filter(({ from, message }) => from === "server" && message !== undefined);
	const [first] = said;
	if (first === undefined || first.message?.tag === "ToClientInit") return;
	yield {
		...{ side: "server", kind: "commands-before-init", event: first.sent.event, frames: said.slice(0, 2) },
		message: "a connection was sent something before its Init",
	};
}

/** Beginnings that are taken for reasons of their own. */
const TAKEN: ReadonlyMap<string, string> = new Map([
	["version-3", "unknown-version-taken"],
	["version-99", "unknown-version-taken"],
	["empty-key", "empty-key-taken"],
]);

const BEGINNINGS: ReadonlySet<string> = new Set([
	...["bad-path", "no-version", "no-key", "empty-key", "unknown-namespace", "version-3", "version-99"],
	...["no-init", "text-init", "garbage-init", "events-first"],
]);

function* badInits(account: Account): Iterable<Found> {
	for (const { how, process, begun, over } of account.wild) {
		const connection = account.connectionsBy(process)[0];
		if (connection === undefined) continue;
		const { event } = begun;
		// From the last that the server got of it.
		const last = connection.frames.findLast(({ from, arrived }) => from === "client" && arrived !== undefined)?.arrived;
		if (last === undefined) continue;
		const untilMs = last.at + ANSWERED_MS;
		const answered = connection.frames.some(({ from, content }) => from === "server" && content.kind === "close");
		const greeted = connection.frames.filter(({ message }) => message?.tag === "ToClientInit");
		if (BEGINNINGS.has(how) && greeted.length > 0) {
			yield {
				...{ side: "server", kind: TAKEN.get(how) ?? "bad-init-taken", event, frames: greeted },
				message: `a peer that begins with ${how} was greeted`,
			};
		} else if (BEGINNINGS.has(how) && over !== undefined && over.code !== REFUSED && over.code !== 1006) {
			yield {
				...{ side: "server", kind: "bad-init-answered-otherwise", event: over.event, frames: connection.frames },
				message: `a peer that begins with ${how} was answered with ${over.code} instead of ${REFUSED}`,
			};
		} else if (
			BEGINNINGS.has(how) &&
			!answered &&
			account.serverLives(last, untilMs) &&
			account.intactUntil(connection, untilMs)
		) {
			yield {
				...{ side: "server", kind: "bad-init-unanswered", event, frames: connection.frames },
				message: `a peer that begins with ${how} at ${seconds(begun)} was not answered in ${ANSWERED_MS} ms`,
			};
		}
		if (how === "second-init" && greeted.length > 1) {
			yield {
				...{ side: "server", kind: "second-init-answered", event, frames: greeted },
				message: "a second Init was answered like a first",
			};
		}
	}
}

/** Whether nothing of a connection was lost until then, also when its ends have given it up. */
function isWhole({ broken }: ConnectionFact, untilMs: number): boolean {
	return broken === undefined || broken.at > untilMs;
}

/** A runner that is refused for its version either has no older one, or tries that. */
function* refusedAgain(account: Account): Iterable<Found> {
	for (const [process, own] of account.asked) {
		if (account.lives.get(process)?.role !== "runner") continue;
		const refused = own.filter(({ over }) => over.client?.reason === UNKNOWN_VERSION);
		for (const connection of refused) {
			const next = own.find(({ asked }) => asked.event > (connection.over.client as Moment).event);
			const older = account.run.target.runner.protocols.some((version) => version < connection.version);
			if (next === undefined || next.version < connection.version) continue;
			const speaksOne = !older;
			yield {
				side: speaksOne ? "protocol" : "runner",
				kind: speaksOne ? "speaks-one-version" : "never-negotiates-down",
				event: next.asked.event,
				message: `version ${connection.version} was refused, and version ${next.version} was asked for next`,
				frames: [...connection.frames, ...next.frames.slice(0, 1)],
				...(speaksOne
					? { disputed: "The protocol has no negotiation of its own: a client that speaks one version can do no more." }
					: {}),
			};
		}
	}
}

/** Whoever is refused for its version can only ask for an older one if that is what it is told. */
function* refusedUnclearly(account: Account): Iterable<Found> {
	const newest = account.run.scenario.serverProtocol ?? Number.POSITIVE_INFINITY;
	for (const connection of account.connections.values()) {
		const spoken = connection.version <= newest && wireOf(connection.version) !== undefined;
		const close = connection.frames.find(({ from, content }) => from === "server" && content.kind === "close");
		if (spoken || Number.isNaN(connection.version) || close?.content.kind !== "close") continue;
		const wild = account.wild.find(({ process }) => process === connection.process);
		const isAsked = wild === undefined || wild.how.startsWith("version-");
		if (close.content.reason === UNKNOWN_VERSION || !isAsked) continue;
		yield {
			...{ side: "server", kind: "refused-without-saying-why", event: close.sent.event, frames: connection.frames },
			message: `version ${connection.version} is not spoken, and the peer is told "${close.content.reason}"`,
			disputed: "The protocol says that a refusal has a reason, and not which.",
		};
	}
}

/** Of two connections of a runner, the one that was taken later stays. */
function* evictedByOlder(account: Account): Iterable<Found> {
	for (const connection of account.connections.values()) {
		const { over, process } = connection;
		if (over.client === undefined || !over.client.reason.startsWith("ws.eviction")) continue;
		const newer = account
			.connectionsBy(process)
			.some(({ asked }) => asked.event > connection.asked.event && asked.event < (over.client as Moment).event);
		// A runner that was given up is closed in the same way.
		const givenUp = account
			.notesOf("runner.lost")
			.some(
				({ data, event }) => data.runnerId === connection.greeted?.runnerId && event < (over.client as Moment).event,
			);
		if (newer || givenUp || account.lives.get(process)?.role !== "runner") continue;
		yield {
			...{ side: "server", kind: "newest-evicted", event: over.client.event },
			message: `connection ${connection.id}, the newest of its runner, was evicted at ${seconds(over.client)}`,
			frames: account.connectionsBy(process).flatMap(({ frames }) => frames.slice(0, 3)),
		};
	}
}

export const lost = commandProperty({
	id: "runner.lost",
	claim: "A runner silent past the threshold loses its actors once; a late return does not resurrect them.",
	source: "3543: runner lost threshold, runner state cleanup; RUNNER-PROTOCOL: rules 16 and 17",
	*find(account) {
		yield* lostWrongly(account);
		yield* neverLost(account);
		for (const life of account.lives.values()) if (life.role === "runner") yield* keptRunning(account, life.process);
		yield* keptUnderAnotherId(account);
	},
});

function thresholdOf(account: Account): number {
	return account.run.program.script.thresholds?.runnerLostMs ?? 15_000;
}

/** When the server heard of that runner, by any frame that reached it. */
function heardOf(account: Account, runnerId: string): Moment[] {
	return arrivals(account.connectionsOf(runnerId), "client").sort((a, b) => a.event - b.event);
}

/** When what an end of those connections said reached the other: connection by connection. */
function arrivals(connections: readonly ConnectionFact[], sender: ConnectionEnd): Moment[] {
	const found: Moment[] = [];
	for (const { frames } of connections) {
		for (const { from, arrived, message } of frames) {
			if (from === sender && message !== undefined && arrived !== undefined) found.push(arrived);
		}
	}
	return found;
}

/** Why a runner was given up that had said that it stops, and was still heard of. */
const DRAIN_TIMED_OUT = "drain timed out";

function* lostWrongly(account: Account): Iterable<Found> {
	const gone = new Map<string, Moment>();
	for (const { data, event, at } of account.notesOf("runner.lost")) {
		const before = gone.get(data.runnerId);
		if (before !== undefined) {
			yield {
				...{ side: "server", kind: "lost-twice", event },
				message: `runner ${data.runnerId.slice(0, 8)} was given up at ${seconds(before)} and again at ${at} ms`,
			};
		}
		gone.set(data.runnerId, { event, at });
		const lastMs = heardOf(account, data.runnerId).findLast((heard) => heard.event < event)?.at;
		if (data.why === DRAIN_TIMED_OUT && data.actors.length > 0) {
			yield {
				...{ side: "server", kind: "given-up-while-draining", event },
				message: `runner ${data.runnerId.slice(0, 8)} was given up at ${at} ms, with ${data.actors.join(" and ")} still being stopped`,
			};
		}
		if (data.why !== "silent" || lastMs === undefined || at - lastMs >= thresholdOf(account)) continue;
		yield {
			...{ side: "server", kind: "lost-while-heard", event },
			message: `runner ${data.runnerId.slice(0, 8)} was given up at ${at} ms, ${at - lastMs} ms after it was heard of`,
		};
	}
	const known = new Map<string, string>();
	for (const { data, event, at } of account.notesOf("runner.known")) {
		const id = known.get(data.key);
		const isGone = id !== undefined && (gone.get(id)?.event ?? Number.POSITIVE_INFINITY) < event;
		if (id !== undefined && id !== data.runnerId && !isGone) {
			yield {
				...{ side: "server", kind: "another-id-while-known", event },
				message: `runner ${id.slice(0, 8)} came back at ${at} ms and was called ${data.runnerId.slice(0, 8)}, without having been given up`,
			};
		}
		known.set(data.key, data.runnerId);
		const before = gone.get(data.runnerId);
		if (before === undefined || before.event > event) continue;
		yield {
			...{ side: "server", kind: "id-came-back", event },
			message: `runner ${data.runnerId.slice(0, 8)} was given up at ${seconds(before)}, and got its id back at ${at} ms`,
		};
	}
}

/** Silent for twice the threshold, and a while: by then no server that looks now and then can have missed it. */
const LOST_TIMES = 2;

function* neverLost(account: Account): Iterable<Found> {
	for (const { data } of account.notesOf("runner.known")) {
		const { runnerId } = data;
		if (account.notesOf("runner.lost").some((note) => note.data.runnerId === runnerId)) continue;
		const held = account.actors().filter((actorId) => account.statusBefore(actorId, Infinity)?.runnerId === runnerId);
		if (held.length === 0) continue;
		const last = heardOf(account, runnerId).at(-1);
		if (last === undefined) continue;
		const lastMs = last.at;
		const untilMs = lastMs + LOST_TIMES * thresholdOf(account) + SLACK_MS;
		if (untilMs > account.endMs || !account.serverLives(last, untilMs)) continue;
		yield {
			...{ side: "server", kind: "never-lost", event: account.run.history.events.length - 1 },
			message: `runner ${runnerId.slice(0, 8)} was last heard of at ${lastMs} ms and still holds ${held.join(", ")} at ${untilMs} ms`,
		};
	}
}

/** Actors of a runner that has not heard of its server are stopped; only Init excuses it. */
function* keptRunning(account: Account, process: number): Iterable<Found> {
	const own = account.connectionsBy(process);
	const thresholdMs = own.find(({ greeted }) => greeted !== undefined)?.greeted?.lostMs;
	if (thresholdMs === undefined) return;
	const heard = arrivals(own, "server").sort((a, b) => a.at - b.at);
	for (const [i, { at }] of heard.entries()) {
		const untilMs = at + thresholdMs + SLACK_MS;
		if ((heard[i + 1]?.at ?? Number.POSITIVE_INFINITY) <= untilMs || !account.runnerLives(process, untilMs)) continue;
		const running = account.calls.find((call) => isRunning(account, call, process, heard[i] as Moment, untilMs));
		if (running === undefined) return;
		const reopened = own.some(({ frames }) =>
			frames.some(
				({ content, arrived }) =>
					content.kind === "accept" && arrived !== undefined && arrived.at > at && arrived.at <= untilMs,
			),
		);
		const believed = own.some(
			({ greeted, over }) =>
				greeted !== undefined && greeted.at <= at && (over.client?.at ?? Number.POSITIVE_INFINITY) > at + SLACK_MS,
		);
		yield {
			side: "runner",
			kind: reopened ? "kept-running-after-open" : believed ? "kept-running-in-silence" : "kept-running",
			event: (heard[i] as Moment).event,
			message: `${tellOf(running)} still runs at ${untilMs} ms, though the server was last heard of at ${at} ms and counts as lost after ${thresholdMs} ms`,
			frames: own
				.flatMap(({ frames }) => frames.filter(({ sent }) => sent.at >= at - 1 && sent.at <= untilMs))
				.slice(0, 6),
		};
		return;
	}
}

/** Whether an actor was running at one time and was not even asked to stop by another. */
function isRunning(account: Account, call: UserCall, process: number, from: Moment, untilMs: number): boolean {
	if (call.process !== process || call.callback !== "start" || call.failed) return false;
	if (call.settled === undefined || call.settled.event > from.event) return false;
	return !account
		.callsBy(process)
		.some((other) => other.callback === "stop" && isSameGeneration(other, call) && other.called.at <= untilMs);
}

/** What a runner held under one id is lost once it is given another. */
function* keptUnderAnotherId(account: Account): Iterable<Found> {
	for (const connection of account.connections.values()) {
		const { greeted, process } = connection;
		if (greeted === undefined) continue;
		const before = account
			.connectionsBy(process)
			.findLast((other) => other.greeted !== undefined && other.greeted.event < greeted.event);
		if (before === undefined || before.greeted?.runnerId === greeted.runnerId) continue;
		const untilMs = greeted.at + SLACK_MS;
		if (!account.runnerLives(process, untilMs)) continue;
		const running = account.calls.find((call) => isRunning(account, call, process, greeted, untilMs));
		if (running === undefined) continue;
		yield {
			...{ side: "runner", kind: "kept-under-another-id", event: greeted.event },
			message: `${tellOf(running)} runs on, though the runner was given another id at ${seconds(greeted)}: to the server it is lost`,
			frames: [before, connection].flatMap(({ frames }) =>
				frames.filter(({ message }) => message?.tag === "ToClientInit"),
			),
		};
	}
}

export const bounds = commandProperty({
	id: "runner.bounds",
	claim: "Oversized or malformed metadata, input and frames are refused with a logged, sanitised error.",
	source:
		"3543: metadata parsing, size validation, error sanitisation; RUNNER-PROTOCOL: nothing a user callback throws kills the process",
	*find(account) {
		yield* takenInSilence(account);
		yield* toldInternals(account);
		yield* died(account);
	},
});

const METADATA: ReadonlyMap<string, string> = new Map([
	["bad-metadata", "malformed-metadata-taken"],
	["bad-name-metadata", "malformed-metadata-taken"],
	["huge-metadata", "oversized-metadata-taken"],
]);

function* takenInSilence(account: Account): Iterable<Found> {
	for (const { how, process, begun } of account.wild) {
		const connection = account.connectionsBy(process)[0];
		const greeted = connection?.frames.find(({ message }) => message?.tag === "ToClientInit");
		const kind = METADATA.get(how);
		if (kind !== undefined && greeted !== undefined) {
			const refused = account
				.notesOf("input.refused")
				.some(({ event }) => event > begun.event && event < greeted.sent.event);
			if (refused) continue;
			yield {
				...{ side: "server", kind, event: greeted.sent.event, frames: connection?.frames.slice(2, 4) ?? [] },
				message: `an Init with ${how} was taken, and nothing tells that it was`,
			};
		}
		if (how !== "bad-frame" || connection === undefined || greeted === undefined) continue;
		const bad = connection.frames.find(
			({ from, content, message, arrived }) =>
				from === "client" && content.kind === "message" && message === undefined && arrived !== undefined,
		);
		if (bad?.arrived === undefined) continue;
		const untilMs = Math.max(greeted.sent.at, bad.arrived.at) + ANSWERED_MS;
		const answered = connection.frames.some(
			({ from, content, sent }) => from === "server" && content.kind === "close" && sent.at <= untilMs,
		);
		if (answered || !isWhole(connection, untilMs) || !account.serverLives(greeted.sent, untilMs)) continue;
		yield {
			...{ side: "server", kind: "bad-frame-ignored", event: greeted.sent.event, frames: connection.frames.slice(2) },
			message: "a frame that is no message was passed over",
		};
	}
}

function* toldInternals(account: Account): Iterable<Found> {
	for (const { over, how } of account.wild) {
		if (over === undefined || !over.reason.includes(SECRET)) continue;
		yield {
			...{ side: "server", kind: "told-internals", event: over.event },
			message: `the answer to ${how} repeats what the peer sent: ${over.reason}`,
		};
	}
	for (const note of account.notes) {
		if (note.kind !== "connection.refused" && note.kind !== "input.refused") continue;
		if (!JSON.stringify(note.data).includes(SECRET)) continue;
		yield {
			...{ side: "server", kind: "told-internals", event: note.event },
			message: "what was refused is repeated in the words of its refusal",
		};
	}
}

function* died(account: Account): Iterable<Found> {
	for (const { process, moment, message } of account.errors) {
		const life = account.lives.get(process);
		if (life === undefined || life.role === "wild") continue;
		const ofCallback = /the actor does not want to/.test(message);
		yield {
			side: life.role,
			kind: ofCallback ? "died-of-a-callback" : `${life.role}-died-of-an-error`,
			event: moment.event,
			message: `the process of ${life.name} died at ${seconds(moment)} of an error that nothing caught: ${message}`,
		};
	}
}
