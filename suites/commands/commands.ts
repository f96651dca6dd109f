/** What is commanded is done once, in order, and known to be done. */
import { UNTOLD_GENERATION } from "../../drivers/runner/wire.ts";
import {
	type Account,
	type ConnectionFact,
	type FrameFact,
	grouped,
	isOf,
	isSame,
	isSameGeneration,
	type StoredCommand,
	type Told,
	type ToldCommand,
	type UserCall,
} from "./account.ts";
import { commandProperty, type Found, seconds, tellMark, tellOf } from "./tell.ts";

/** Virtual milliseconds within which what can be sent is sent, slow storage and links included. */
const SOON_MS = 8_000;
/** Within which what a runner was told is begun: behind other callbacks of the same actor. */
const BEGUN_MS = 25_000;
/** The interval at which the published client acknowledges, and a bit. */
const PATIENCE_MS = 330_000;
/** Commands of one actor that may be stored at once: what it is told now, and late stops on runners that are gone. */
const MOST_STORED = 6;

const commandsOf = (account: Account, { actorId, generation }: Pick<Told, "actorId" | "generation">, process: number) =>
	(account.received.get(process) ?? []).filter((told) => told.actorId === actorId && told.generation === generation);

const framesOf = (told: readonly Told[]) => told.map(({ frame }) => frame);

export const exactlyOnce = commandProperty({
	id: "command.exactly-once",
	claim: "Each command is applied once, whatever cuts, reconnects, restarts and replays of missed commands happen.",
	source: "3543: command replay; RUNNER-PROTOCOL: what each side owes",
	*find(account) {
		for (const calls of grouped(account.calls, (call) => `${tellOf(call)}`).values())
			yield* appliedTwice(account, calls);
	},
});

function* appliedTwice(account: Account, calls: readonly UserCall[]): Iterable<Found> {
	const starts = calls.filter(({ callback }) => callback === "start");
	const first = starts[0];
	const elsewhere = starts.find(({ process }) => process !== first?.process);
	if (first !== undefined && elsewhere !== undefined) {
		yield {
			...{ side: "server", kind: "started-elsewhere", event: elsewhere.called.event },
			message: `${tellOf(first)} was started by process ${first.process} and by process ${elsewhere.process}`,
			frames: framesOf([
				...commandsOf(account, first, first.process),
				...commandsOf(account, first, elsewhere.process),
			]),
		};
	}
	for (const own of grouped(calls, ({ process }) => `${process}`).values()) yield* appliedTwiceBy(account, own);
}

/** By one process. */
function* appliedTwiceBy(account: Account, calls: readonly UserCall[]): Iterable<Found> {
	const [start, again] = calls.filter(({ callback }) => callback === "start");
	const [stop, stopAgain] = calls.filter(({ callback }) => callback === "stop");
	const subject = start ?? stop;
	if (subject === undefined) return;
	const commands = commandsOf(account, subject, subject.process);
	const frames = framesOf(commands);
	const firstStop = commands.find(({ command }) => command === "stop");
	const firstStart = commands.find(({ command }) => command === "start");
	if (again !== undefined) {
		yield {
			...{
				side: "runner",
				kind: "started-twice",
				event: again.called.event,
				frames,
			},
			message: `${tellOf(subject)} was started at ${seconds((start as UserCall).called)} and again at ${seconds(again.called)}`,
		};
	} else if (
		start !== undefined &&
		firstStop !== undefined &&
		firstStart !== undefined &&
		commands.indexOf(firstStop) < commands.indexOf(firstStart)
	) {
		yield {
			...{ side: "runner", kind: "started-after-stop", event: start.called.event, frames },
			message: `${tellOf(subject)} was started at ${seconds(start.called)}, after the runner was told to stop it`,
		};
	}
	if (stop !== undefined && stopAgain !== undefined && again === undefined) {
		yield {
			...{ side: "runner", kind: "stopped-twice", event: stopAgain.called.event, frames },
			message: `${tellOf(subject)} was stopped at ${seconds(stop.called)} and again at ${seconds(stopAgain.called)}`,
		};
	}
	const pending =
		start !== undefined && (start.settled === undefined || start.settled.event > (stop?.called.event ?? 0));
	if (stop !== undefined && start !== undefined && start.called.event < stop.called.event && pending) {
		yield {
			...{ side: "runner", kind: "stop-overlaps-start", event: stop.called.event, frames },
			message: `${tellOf(subject)} was stopped at ${seconds(stop.called)} while its start, begun at ${seconds(start.called)}, was not over`,
		};
	}
}

export const noLoss = commandProperty({
	id: "command.no-loss",
	claim: "Each persisted command is applied, or superseded by a newer generation.",
	source:
		"3543: persistent command storage; RUNNER-PROTOCOL: every persisted unacknowledged command is in the replay or pushed",
	*find(account) {
		for (const command of account.stored) {
			yield* neverSent(account, command);
			yield* notApplied(account, command);
		}
		yield* sentUnstored(account);
	},
});

/** What is sent can be lost with the server that has not stored it. */
function* sentUnstored(account: Account): Iterable<Found> {
	for (const frame of account.frames.values()) {
		if (frame.message?.tag !== "ToClientCommands") continue;
		for (const { checkpoint } of frame.message.val) {
			const { actorId, generation } = checkpoint;
			const mark = { actorId, generation, index: Number(checkpoint.index) };
			if (account.stored.some((command) => isSame(command, mark) && command.stored.event < frame.sent.event)) continue;
			yield {
				...{ side: "server", kind: "sent-before-stored", event: frame.sent.event, frames: [frame] },
				message: `${tellMark(mark)} was sent at ${seconds(frame.sent)}, before it was stored`,
			};
		}
	}
}

/** When a stored command began to mean nothing any more. */
function supersededAt(account: Account, command: StoredCommand): number {
	// All of these are in the order of time: the first of each is the earliest.
	const later = account.stored.find(
		(other) =>
			other.actorId === command.actorId &&
			other.stored.event > command.stored.event &&
			(other.generation > command.generation || other.command === "stop"),
	);
	const lost = account.notesOf("runner.lost").find(({ data }) => data.runnerId === command.runnerId);
	const settled = account.statuses.find(
		(step) => step.actorId === command.actorId && step.event > command.stored.event && step.runnerId === undefined,
	);
	return Math.min(
		later?.stored.at ?? Number.POSITIVE_INFINITY,
		lost?.at ?? Number.POSITIVE_INFINITY,
		settled?.at ?? Number.POSITIVE_INFINITY,
		command.deleted?.at ?? Number.POSITIVE_INFINITY,
	);
}

function* neverSent(account: Account, command: StoredCommand): Iterable<Found> {
	for (const connection of account.connectionsOf(command.runnerId)) {
		const { greeted } = connection;
		if (greeted === undefined) continue;
		const fromMs = Math.max(greeted.at, command.stored.at);
		const untilMs = fromMs + SOON_MS;
		if (!account.intactUntil(connection, untilMs) || supersededAt(account, command) <= untilMs) continue;
		const from = greeted.event > command.stored.event ? greeted : command.stored;
		if (!account.serverLives(from, untilMs) || !account.runnerLives(connection.process, untilMs)) continue;
		if (sends(connection, command, untilMs)) continue;
		// What another connection of the same process brought has arrived.
		if ((account.received.get(connection.process) ?? []).some((other) => isSame(other, command))) continue;
		yield {
			...{ side: "server", kind: "never-sent", event: greeted.event },
			message: `${command.command} ${tellMark(command)} was stored at ${seconds(command.stored)} and not sent within ${SOON_MS} ms of a connection greeted at ${seconds(greeted)}`,
			frames: connection.frames.filter(
				({ message }) => message?.tag === "ToClientInit" || message?.tag === "ToClientCommands",
			),
		};
	}
}

/** Whether a frame that was sent until then carries the command. */
function sends(connection: ConnectionFact, { actorId, generation, index }: StoredCommand, untilMs: number): boolean {
	return connection.frames.some(
		({ message, sent }) =>
			message?.tag === "ToClientCommands" &&
			sent.at <= untilMs &&
			message.val.some(
				({ checkpoint }) =>
					checkpoint.actorId === actorId && checkpoint.generation === generation && Number(checkpoint.index) === index,
			),
	);
}

function* notApplied(account: Account, command: StoredCommand): Iterable<Found> {
	for (const process of account.processesOf(command.runnerId)) {
		const all = account.received.get(process) ?? [];
		const told = all.find((other) => isSame(other, command) && other.command === command.command);
		if (told === undefined || !account.runnerLives(process, told.moment.at + BEGUN_MS)) continue;
		if (isExcused(account, command, told, all, process)) continue;
		yield {
			...{ side: "runner", kind: `${command.command}-not-applied`, event: told.moment.event, frames: [told.frame] },
			message: `${command.command} ${tellMark(command)} reached the runner at ${seconds(told.moment)}, and nothing came of it`,
		};
	}
}

function isExcused(
	account: Account,
	command: StoredCommand,
	told: ToldCommand,
	all: readonly ToldCommand[],
	process: number,
): boolean {
	const calls = account.callsBy(process).filter((call) => isSameGeneration(call, command));
	const isNewer = (other: ToldCommand) => other.actorId === command.actorId && other.generation > command.generation;
	if (all.some((other) => isNewer(other) && other.moment.at <= told.moment.at + BEGUN_MS)) return true;
	if (command.command === "start") {
		const stopped = all.some((other) => isSameGeneration(other, command) && other.command === "stop");
		return stopped || calls.some(({ callback }) => callback === "start");
	}
	// A stop is answered: the actor is stopped, or said not to run.
	const answered = (account.said.get(process) ?? []).some((said) => isSameGeneration(said, command) && said.isStopped);
	return answered || calls.some(({ callback }) => callback === "stop");
}

export const ackAfterApply = commandProperty({
	id: "command.ack-after-apply",
	claim: "A command is acknowledged only once applied, for every command kind; acknowledgements never go back.",
	source: "3543: command acknowledgement; RUNNER-PROTOCOL: what a runner owes",
	*find(account) {
		for (const [process, acknowledgements] of account.acknowledged) {
			if (account.lives.get(process)?.role !== "runner") continue;
			const highest = new Map<string, Told>();
			for (const told of acknowledgements) {
				yield* acknowledgedEarly(account, process, told);
				const meant = meantGeneration(account, told);
				if (meant === undefined || isAmbiguous(account, told)) continue;
				const of = tellOf({ actorId: told.actorId, generation: meant });
				const before = highest.get(of);
				if (before !== undefined && told.index < before.index) {
					yield {
						...{ side: "runner", kind: "went-back", event: told.moment.event, frames: [before.frame, told.frame] },
						message: `commands up to ${tellMark(before)} were acknowledged, and then up to ${tellMark(told)}`,
					};
				} else highest.set(of, told);
			}
		}
		for (const [process, received] of account.received) yield* neverAcknowledged(account, process, received);
	},
});

function* acknowledgedEarly(account: Account, process: number, told: Told): Iterable<Found> {
	const { event } = told.moment;
	const received = (account.received.get(process) ?? []).filter(
		(other) => other.moment.event < event && isOf(told, other),
	);
	if (!received.some(({ index }) => index >= told.index)) {
		yield {
			...{ side: "runner", kind: "acknowledged-too-far", event, frames: [...framesOf(received), told.frame] },
			message: `commands up to ${tellMark(told)} were acknowledged, of which the last never came`,
		};
		return;
	}
	const open = received.find((command) => command.index <= told.index && !isSettled(account, process, command, event));
	// Where a server numbers a later command no higher, what is acknowledged cannot be told apart: its fault, told elsewhere.
	const unclear = isAmbiguous(account, told) || received.some((other, i) => isNumberedBack(received, other, i));
	if (open === undefined || unclear) return;
	yield {
		...{ side: "runner", kind: "acknowledged-before-applied", event, frames: [open.frame, told.frame] },
		message: `${open.command} ${tellMark(open)} was acknowledged at ${seconds(told.moment)}, before it was carried out`,
	};
}

/** Whether an acknowledgement of version 4 may be of several generations, which a server numbered alike. */
function isAmbiguous(account: Account, { actorId, generation, index, frame }: Told): boolean {
	if (generation !== UNTOLD_GENERATION) return false;
	const received = (account.received.get(frame.connection.process) ?? []).filter(
		(command) => command.actorId === actorId,
	);
	return new Set(received.filter((command) => command.index === index).map((command) => command.generation)).size > 1;
}

/** Whether a command has an index that is not above those of others of its generation that came first. */
function isNumberedBack(received: readonly ToldCommand[], command: ToldCommand, place: number): boolean {
	return received.some(
		(other, i) =>
			i < place &&
			isSameGeneration(other, command) &&
			other.command !== command.command &&
			other.index >= command.index,
	);
}

/** Whether a command was carried out before that place in the history, or superseded by what came later. */
function isSettled(account: Account, process: number, command: ToldCommand, event: number): boolean {
	const before = ({ event: place }: { readonly event: number }) => place < event;
	const all = (account.received.get(process) ?? []).filter(({ moment }) => before(moment));
	if (all.some(({ actorId, generation }) => actorId === command.actorId && generation > command.generation))
		return true;
	const calls = account.callsBy(process).filter((call) => isSameGeneration(call, command));
	const stopped = (account.said.get(process) ?? []).some(
		(said) => isSameGeneration(said, command) && said.isStopped && before(said.moment),
	);
	const isOver = ({ settled }: UserCall) => settled !== undefined && before(settled);
	if (command.command === "start") return stopped || calls.some((call) => call.callback === "start" && isOver(call));
	return calls.some(({ callback }) => callback === "stop")
		? calls.some((call) => call.callback === "stop" && isOver(call))
		: stopped || calls.every(({ settled }) => settled !== undefined);
}

/** Applied long ago, and the connection that brought it has been there ever since. */
function* neverAcknowledged(account: Account, process: number, received: readonly ToldCommand[]): Iterable<Found> {
	for (const command of received) {
		const { moment, frame } = command;
		const { connection } = frame;
		if (!account.intactUntil(connection, moment.at + PATIENCE_MS)) continue;
		if (!account.runnerLives(process, moment.at + PATIENCE_MS)) continue;
		const covered = (account.acknowledged.get(process) ?? []).some(
			(told) => isOf(told, command) && told.index >= command.index,
		);
		if (covered) continue;
		const ended = (account.said.get(process) ?? []).some((said) => isSameGeneration(said, command) && said.isStopped);
		yield {
			...{ side: "runner", kind: ended ? "never-once-stopped" : "never", event: moment.event, frames: [frame] },
			message: `${command.command} ${tellMark(command)} was not acknowledged in ${PATIENCE_MS / 60_000} minutes${ended ? ", its actor having stopped" : ""}`,
		};
	}
}

export const pruned = commandProperty({
	id: "command.pruned",
	claim: "Acknowledged commands are deleted, and no others; storage for a live actor stays bounded.",
	source: "3543: unbounded command storage; RUNNER-PROTOCOL: rule 9",
	*find(account) {
		for (const told of account.commandAcksAtServer) yield* keptAfterAcknowledgement(account, told);
		for (const command of account.stored) yield* deletedUnacknowledged(account, command);
		for (const commands of grouped(account.stored, ({ actorId }) => actorId).values()) yield* grows(account, commands);
	},
});

function* keptAfterAcknowledgement(account: Account, told: Account["commandAcksAtServer"][number]): Iterable<Found> {
	const generation = meantGeneration(account, told);
	const untilMs = told.moment.at + SOON_MS;
	if (!account.serverLives(told.moment, untilMs)) return;
	const kept = account.stored.find(
		(command) =>
			command.runnerId === told.runnerId &&
			command.actorId === told.actorId &&
			command.generation === generation &&
			command.index <= told.index &&
			command.stored.event < told.moment.event &&
			(command.deleted?.at ?? Number.POSITIVE_INFINITY) > untilMs,
	);
	if (kept === undefined) return;
	yield {
		...{ side: "server", kind: "kept-after-acknowledgement", event: told.moment.event, frames: [told.frame] },
		message: `${kept.command} ${tellMark(kept)} was acknowledged and is still stored ${SOON_MS} ms later`,
	};
}

/** Version 4 does not tell the generation: meant is the last command of that index that the runner got. */
function meantGeneration(account: Account, { actorId, generation, index, frame }: Told): number | undefined {
	if (generation !== UNTOLD_GENERATION) return generation;
	return (account.received.get(frame.connection.process) ?? []).findLast(
		(command) => command.actorId === actorId && command.index === index && command.moment.event < frame.sent.event,
	)?.generation;
}

function* deletedUnacknowledged(account: Account, command: StoredCommand): Iterable<Found> {
	const { deleted } = command;
	if (deleted?.why !== "acknowledged") return;
	const covering = account.commandAcksAtServer.filter(
		(told) =>
			told.moment.event < deleted.event && told.runnerId === command.runnerId && told.actorId === command.actorId,
	);
	if (covering.some((told) => isOf(told, command) && told.index >= command.index)) return;
	yield {
		...{ side: "server", kind: "deleted-unacknowledged", event: deleted.event, frames: framesOf(covering.slice(-1)) },
		message: `${command.command} ${tellMark(command)} was deleted by an acknowledgement that does not name it`,
	};
}

function* grows(account: Account, commands: readonly StoredCommand[]): Iterable<Found> {
	for (const command of commands) {
		const { event } = command.stored;
		const at = commands.filter(
			(other) => other.stored.event <= event && (other.deleted?.event ?? Number.POSITIVE_INFINITY) > event,
		);
		const distinct = new Set(at.map((other) => `${tellMark(other)} ${other.runnerId}`));
		if (distinct.size <= MOST_STORED || account.statusBefore(command.actorId, event)?.status === "destroyed") continue;
		yield {
			...{ side: "server", kind: "grows-with-generations", event },
			message: `${distinct.size} commands of ${command.actorId} are stored at once, the oldest of generation ${at[0]?.generation}, the newest of ${command.generation}`,
		};
		return;
	}
	const runnerOf = (command: StoredCommand) =>
		commands.find(
			(other) =>
				other.generation > command.generation && other.command === "start" && other.runnerId === command.runnerId,
		);
	for (const command of commands) {
		const newer = runnerOf(command);
		if (newer === undefined || newer.stored.event < command.stored.event) continue;
		if ((command.deleted?.at ?? account.endMs) <= newer.stored.at + SOON_MS) continue;
		yield {
			...{ side: "server", kind: "superseded-kept", event: newer.stored.event },
			message: `${command.command} ${tellMark(command)} is still stored ${SOON_MS} ms after the same runner was sent generation ${newer.generation}`,
		};
	}
}

export const generation = commandProperty({
	id: "command.generation",
	claim: "Commands and events of an old generation change nothing and are counted.",
	source: "3543: generation checking; RUNNER-PROTOCOL: generations only grow",
	*find(account) {
		for (const calls of grouped(account.calls, ({ process, actorId }) => `${process} ${actorId}`).values()) {
			yield* startedOlder(account, calls);
		}
		for (const call of account.calls) if (call.callback === "stop") yield* stoppedUnasked(account, call);
		yield* olderEventApplied(account);
		yield* replayedOlder(account);
		yield* uncounted(account);
	},
});

function* startedOlder(account: Account, calls: readonly UserCall[]): Iterable<Found> {
	const starts = calls.filter(({ callback }) => callback === "start");
	for (const [i, start] of starts.entries()) {
		const newer = starts.slice(0, i).find((other) => other.generation > start.generation);
		if (newer === undefined) continue;
		yield {
			...{ side: "runner", kind: "older-started", event: start.called.event },
			message: `${tellOf(start)} was started at ${seconds(start.called)}, after ${tellOf(newer)}`,
			follows: account.secondStart(start, start.process, start.called.event),
			frames: framesOf([...commandsOf(account, newer, start.process), ...commandsOf(account, start, start.process)]),
		};
	}
}

/** Nothing that the runner was told, and nothing that it was not told for long, has it stop that generation. */
function* stoppedUnasked(account: Account, call: UserCall): Iterable<Found> {
	const { actorId, process, called } = call;
	const told = (account.received.get(process) ?? []).filter(
		(other) => other.actorId === actorId && other.moment.event < called.event,
	);
	const asked = told.some(
		(other) => other.generation > call.generation || (other.generation === call.generation && other.command === "stop"),
	);
	const failed = account
		.callsBy(process)
		.some((other) => isSameGeneration(other, call) && other.callback === "start" && other.failed);
	if (asked || failed || mayGiveUp(account, process, called.event)) return;
	const other = told.findLast(({ command }) => command === "stop");
	if (other === undefined) return;
	yield {
		...{ side: "runner", kind: "stopped-another-generation", event: called.event, frames: framesOf(told) },
		message: `${tellOf(call)} was stopped at ${seconds(called)}; what the runner was told to stop is ${tellOf(other)}`,
	};
}

/** Whether a runner has reason to stop all it has: silence, another id, its own end. */
function mayGiveUp(account: Account, process: number, event: number): boolean {
	const life = account.lives.get(process);
	if (life?.shutDown !== undefined && life.shutDown.event <= event) return true;
	const own = account.connectionsBy(process);
	const greetings = own.flatMap(({ greeted }) => (greeted !== undefined && greeted.event < event ? [greeted] : []));
	if (new Set(greetings.map(({ runnerId }) => runnerId)).size > 1) return true;
	if (own.some(({ over }) => over.client?.reason.startsWith("ws.eviction") === true)) return true;
	const now = account.run.history.events[event]?.at ?? 0;
	const heard = own
		.flatMap(({ frames }) => frames)
		.filter(
			(frame) =>
				frame.from === "server" &&
				frame.message !== undefined &&
				frame.arrived !== undefined &&
				frame.arrived.event < event,
		)
		.map((frame) => frame.arrived?.at ?? 0);
	const threshold = greetings[0]?.lostMs ?? Number.POSITIVE_INFINITY;
	// Counted from the end of a connection after which it was not greeted again, also where an older one is still there.
	const ends = own.flatMap(({ over }) => (over.client !== undefined && over.client.event < event ? [over.client] : []));
	if (ends.some((end) => now - end.at >= threshold - 1 && !greetings.some((greeted) => greeted.event > end.event))) {
		return true;
	}
	const times = [...heard, now].sort((a, b) => a - b);
	return times.some((at, i) => at - (times[i - 1] ?? at) >= threshold - 1);
}

function* olderEventApplied(account: Account): Iterable<Found> {
	for (const { data, event } of account.notesOf("event.applied")) {
		const current = account.statusBefore(data.actorId, event);
		if (current === undefined || current.generation === data.generation) continue;
		yield {
			...{ side: "server", kind: "older-event-applied", event },
			message: `event ${tellMark(data)} (${data.event}) took effect when the actor was in generation ${current.generation}`,
			frames: framesOf(account.eventsAtServer.filter((told) => isSame(told, data))),
		};
	}
	// A generation that has ended takes no more events.
	for (const { data, event } of account.notesOf("event.applied")) {
		const current = account.statusBefore(data.actorId, event);
		if (current === undefined || current.generation !== data.generation || current.runnerId !== undefined) continue;
		yield {
			...{ side: "server", kind: "event-of-the-ended-applied", event },
			message: `event ${tellMark(data)} (${data.event}) took effect when that generation had ended (${current.status})`,
			// What takes effect twice is told of as that.
			follows: account.notesOf("event.applied").find((note) => note.event < event && isSame(note.data, data))?.event,
			frames: framesOf(account.eventsAtServer.filter((told) => isSame(told, data))),
		};
	}
}

function* replayedOlder(account: Account): Iterable<Found> {
	for (const connection of account.connections.values()) {
		for (const frame of connection.frames) {
			if (frame.message?.tag !== "ToClientCommands") continue;
			for (const { checkpoint } of frame.message.val) {
				const { actorId, generation } = checkpoint;
				const newer = account.stored.find(
					(command) =>
						command.actorId === actorId &&
						command.generation > generation &&
						command.command === "start" &&
						command.stored.at + SOON_MS < frame.sent.at &&
						account.processesOf(command.runnerId).has(connection.process),
				);
				// A late stop of what was given up is meant, whatever became of the actor.
				const stopped = account
					.notesOf("event.applied")
					.some(({ data }) => isSameGeneration(data, checkpoint) && data.event.startsWith("stopped"));
				const destroyed = account.statuses.find(
					(step) =>
						stopped && step.actorId === actorId && step.status === "destroyed" && step.at + SOON_MS < frame.sent.at,
				);
				if (newer === undefined && destroyed === undefined) continue;
				const since =
					newer === undefined
						? "the actor was destroyed"
						: `generation ${newer.generation} was sent to the same runner`;
				yield {
					...{
						side: "server",
						kind: newer === undefined ? "replayed-destroyed" : "replayed-older",
						event: frame.sent.event,
					},
					message: `${tellMark(checkpoint)} was sent at ${seconds(frame.sent)}, long after ${since}`,
					frames: [frame],
				};
			}
		}
	}
}

/** What changes nothing is to leave a trace all the same. */
function* uncounted(account: Account): Iterable<Found> {
	for (const told of account.eventsAtServer) {
		const { event, at } = told.moment;
		const current = account.statusBefore(told.actorId, event);
		if (current === undefined || current.generation <= told.generation) continue;
		if (!account.serverLives(told.moment, at + SOON_MS) || told.frame.connection.greeted === undefined) continue;
		const noted = account.notes.some(
			(note) =>
				note.event > event &&
				(note.kind === "event.dropped" || note.kind === "event.applied") &&
				isSame(note.data, told),
		);
		if (noted) continue;
		yield {
			...{ side: "server", kind: "uncounted", event, frames: [told.frame] },
			message: `event ${tellMark(told)} of an older generation (now ${current.generation}) left no trace`,
		};
	}
}

export const index = commandProperty({
	id: "command.index",
	claim: "Indices have no gap or repeat, also across restarts and at their numeric limit.",
	source: "3543: command index arithmetic; RUNNER-PROTOCOL: rule 6",
	*find(account) {
		for (const frame of account.frames.values()) yield* replayedOutOfOrder(account, frame);
		for (const commands of grouped(account.stored, ({ actorId }) => actorId).values()) {
			const next = new Map<number, number>();
			const known = new Map<string, StoredCommand>();
			let last = 0;
			for (const command of commands) {
				const before = known.get(tellMark(command));
				if (before !== undefined) {
					// The same command again is the same command.
					if (before.command === command.command && before.runnerId === command.runnerId) continue;
					yield {
						...{ side: "server", kind: "went-back", event: command.stored.event },
						message: `${tellMark(command)} was a ${before.command}, and is then a ${command.command}`,
					};
					continue;
				}
				known.set(tellMark(command), command);
				const expected = next.get(command.generation);
				// A generation begins anew, or goes on where the ones before it were.
				if (expected === undefined ? command.index > last : command.index !== expected) {
					yield {
						...{
							side: "server",
							kind: command.index < (expected ?? last) ? "went-back" : "gap",
							event: command.stored.event,
						},
						message: `${tellMark(command)} was stored where #${expected ?? last} was next`,
					};
				}
				next.set(command.generation, command.index + 1);
				last = Math.max(last, command.index + 1);
			}
		}
	},
});

/** Within one frame commands stand in the order in which they were issued. */
function* replayedOutOfOrder(account: Account, frame: FrameFact): Iterable<Found> {
	if (frame.message?.tag !== "ToClientCommands" || frame.message.val.length < 2) return;
	const issued = frame.message.val.map(({ checkpoint: { actorId, generation, index } }) => {
		const mark = { actorId, generation, index: Number(index) };
		return account.stored.find((command) => isSame(command, mark));
	});
	for (const [i, later] of issued.entries()) {
		const earlier = issued
			.slice(0, i)
			.find((other) => other !== undefined && other.stored.event > (later?.stored.event ?? Infinity));
		if (earlier === undefined || later === undefined) continue;
		const sameActor = issued
			.slice(0, i)
			.some((other) => other?.actorId === later.actorId && other.stored.event > later.stored.event);
		yield {
			...{ side: "server", kind: sameActor ? "replayed-out-of-order" : "replayed-by-actor", event: frame.sent.event },
			message: `${tellMark(later)} was replayed behind ${tellMark(earlier)}, which was issued after it`,
			frames: [frame],
			...(sameActor
				? {}
				: { disputed: "Actors do not order each other: nothing comes of it unless a runner has them do." }),
		};
	}
}
