/** What several properties of actors ask of one run, worked out once: what became of each message, and which lives there were. */

import type { ActorInput } from "../../drivers/actor/contract.ts";
import type { ActorProgramState } from "../../fixtures/actors/program.ts";
import { ofLast } from "../of-last.ts";
import type { Violation } from "../property.ts";
import type { SubjectProperty } from "../subject.ts";
import type { ActorRun, Placed } from "./run.ts";

export type ActorProperty = SubjectProperty<ActorRun>;

export type Send = Extract<ActorInput, { readonly kind: "send" }>;

/** A message that some client sent. */
export interface Message {
	readonly id: string;
	readonly input: number;
	readonly send: Send;
	/** Place of the first time that it was asked for. */
	readonly sentAt: number;
	/** Acknowledged sends, answers that came and that timed out among them. */
	readonly acknowledged: readonly {
		readonly place: number;
		readonly at: number;
		readonly stored: string | undefined;
	}[];
	/** Attempts of which nobody knows whether they were stored. */
	readonly unknown: number;
	/** Attempts that were refused as beyond a limit. */
	readonly refused: readonly { readonly place: number; readonly error: string }[];
	/** Each time that a workflow was given it. */
	readonly given: readonly Given[];
	/** The least and the most times that it may take effect. */
	readonly least: number;
	readonly most: number;
}

export interface Given {
	readonly place: number;
	readonly at: number;
	readonly process: number;
	readonly call: number;
	readonly path: string;
	readonly stored: string;
}

export interface Life {
	readonly process: number;
	readonly from: number;
	/** Place of its end; behind the last event for one that did not end. */
	readonly to: number;
	readonly toMs: number;
	readonly crashed: boolean;
}

/** Works something out once for each run of an actor. */
export function oncePerActorRun<T>(work: (run: ActorRun) => T): (run: ActorRun) => T {
	return ofLast(work);
}

/** Codes of errors that say that nothing was stored, for good reasons. */
const LIMIT = /queue[-._](full|message)/;

export function isLimit(code: string): boolean {
	return LIMIT.test(code);
}

export const messagesOf = oncePerActorRun((run): readonly Message[] => {
	const { inputs } = run.program;
	const idempotent = run.target.capabilities.sends === "idempotent";
	const givenById = new Map<string, Given[]>();
	for (const { place, at, process, data } of run.of("actor.given")) {
		for (const { id, stored } of data.messages) {
			const list = givenById.get(id) ?? [];
			list.push({ place, at, process, call: data.call, path: data.path, stored });
			givenById.set(id, list);
		}
	}
	const by = <K extends "client.send" | "client.acknowledged" | "client.answered" | "client.refused" | "client.lost">(
		kind: K,
		input: number,
	) => run.of(kind).filter(({ data }) => (data as { readonly input: number }).input === input);
	return inputs.flatMap((send, i): Message[] => {
		const input = i + 1;
		if (send.kind !== "send") return [];
		const sent = by("client.send", input);
		if (sent.length === 0) return [];
		const acknowledged = [
			...by("client.acknowledged", input).map(({ place, at, data }) => ({ place, at, stored: data.stored })),
			...by("client.answered", input).map(({ place, at }) => ({ place, at, stored: undefined })),
		];
		const refused = by("client.refused", input);
		const beyond = refused.filter(({ data }) => isLimit(data.code));
		const unknown = sent.length - acknowledged.length - beyond.length;
		const isAcknowledged = acknowledged.length > 0;
		return [
			{
				id: send.id,
				input,
				send,
				sentAt: sent[0]?.place ?? 0,
				acknowledged,
				unknown,
				refused: beyond.map(({ place, data }) => ({ place, error: data.error.message })),
				given: givenById.get(send.id) ?? [],
				least: idempotent ? Number(isAcknowledged) : acknowledged.length,
				most: idempotent ? Number(isAcknowledged || unknown > 0) : acknowledged.length + unknown,
			},
		];
	});
});

export const livesOf = oncePerActorRun((run): readonly Life[] => {
	const { events } = run.history;
	const ends = new Map<number, { place: number; at: number; crashed: boolean }>();
	for (const kind of ["process.crash", "process.exit"] as const) {
		for (const { place, at, process } of run.of(kind))
			ends.set(process, { place, at, crashed: kind === "process.crash" });
	}
	return run.of("actor.start").map(({ place, process }) => {
		const end = ends.get(process);
		return {
			process,
			from: place,
			to: end?.place ?? events.length,
			toMs: end?.at ?? run.endMs,
			crashed: end?.crashed ?? false,
		};
	});
});

/** The state as the last look found it; undefined when nobody could look. */
export function finalRead(run: ActorRun): Placed<"client.read"> | undefined {
	return run.outcome.status === "served"
		? run.of("client.read").findLast(({ data }) => data.when === "new-life")
		: undefined;
}

/** How often each message took effect at the end, by id; undefined where the state does not tell. */
export function appliedAtEnd(run: ActorRun): Readonly<Record<string, number>> | undefined {
	const read = finalRead(run);
	const { applied } = run.program;
	return read === undefined || applied === undefined ? undefined : appliedIn(run, read.data.state);
}

/** How often each message took effect as that state tells it; nothing where it is no state of the program's. */
export function appliedIn(
	{ program: { applied } }: ActorRun,
	state: unknown,
): Readonly<Record<string, number>> | undefined {
	if (applied === undefined || typeof state !== "object" || state === null) return undefined;
	try {
		return applied(state as ActorProgramState);
	} catch {
		return undefined;
	}
}

/**
 * The end of a run handler whose storage failed an operation, after which its life went on without it: what comes late then, or not
 * at all, follows from that, and `life.progress` tells it.
 */
export const handlerGone = oncePerActorRun((run): Placed<"actor.run-ended"> | undefined =>
	run.of("actor.run-ended").find(({ data }) => {
		const operation = /\(operation (\d+)\)/.exec(data.error?.message ?? "")?.[1];
		// A call into the outside that failed is a failure of the workflow's own.
		return run
			.of("operation.failed")
			.some((failed) => failed.data.operation === Number(operation) && !failed.data.what.startsWith("call "));
	}),
);

/** Where attempts that fail leave what they did, each of them applies a message. */
export function rollsForward({ program, target }: ActorRun): string | undefined {
	const isJudged = program.fails !== true || target.capabilities.stepState === "rollback";
	return isJudged ? undefined : "the runtime rolls forward: each attempt of a step that fails applies its message";
}

/** The most by which a planned fault can have anything come later, in virtual milliseconds. */
export function slackMs({ scenario: { faults, latency, restartMs } }: ActorRun): number {
	let slack = 3_000 + restartMs + 40 * (latency.maxMs + latency.answerMaxMs);
	for (const fault of faults) {
		if (fault.kind === "slow" || fault.kind === "alarm") slack += fault.ms;
		else if (fault.kind === "hung") slack += 60_000;
		else slack += restartMs + 2_000;
	}
	return slack;
}

/** Paths of steps whose bodies changed the state. */
const applyingPaths = oncePerActorRun((run): ReadonlySet<string> => {
	const begins = new Map(run.of("actor.body").map(({ data }) => [`${data.call}/${data.attempt}`, data.state]));
	return new Set(
		run
			.of("actor.body-end")
			.filter(({ data }) => begins.get(`${data.call}/${data.attempt}`) !== data.state)
			.map(({ data }) => data.path),
	);
});

/**
 * Places at which a step that applies what it was given came to its end, after the message was given and before the next was. Only
 * ends that are on record: a replay knows of them, or their life went on long enough.
 */
function completionsOf(run: ActorRun, id: string): number[] {
	const paths = applyingPaths(run);
	const message = messagesOf(run).find((one) => one.id === id);
	return (message?.given ?? []).flatMap(({ place, process, path }) => {
		const life = livesOf(run).find((one) => one.process === process);
		const next = run
			.of("actor.given")
			.find((given) => given.process === process && given.place > place && given.data.path === path)?.place;
		const to = Math.min(life?.to ?? 0, next ?? Number.POSITIVE_INFINITY);
		return (
			run
				.of("actor.step")
				.filter((step) => step.process === process && step.place > place && step.place < to)
				.filter(({ data }) => data.error === undefined && paths.has(data.path))
				// What came to its end as the run did is behind the last look at the state.
				.filter(({ place: end }) => end < (finalRead(run)?.place ?? Number.POSITIVE_INFINITY))
				.filter(({ at, data }) => data.bodies === 0 || (life?.toMs ?? 0) > at + slackMs(run))
				.map((step) => step.place)
		);
	});
}

/**
 * Whether some life began with the message in the state, where no step that applied it had come to its end, and the state came to
 * have it once more.
 */
export function appliedByStateAlone(run: ActorRun, id: string): boolean {
	const atEnd = appliedAtEnd(run)?.[id] ?? 0;
	const completions = completionsOf(run, id);
	return run.of("actor.image").some(({ place, data }) => {
		if (data.when !== "start" || completions.some((one) => one < place)) return false;
		const had = appliedIn(run, data.held)?.[id] ?? 0;
		return had > 0 && had < atEnd;
	});
}

/** Whether a step that applied the message came to its end, or is told by a replay to have done so: the state has lost it. */
export function lostByHistory(run: ActorRun, id: string): boolean {
	return completionsOf(run, id).length > 0;
}

/** Whether some life after the last one that was given the message came to wait for messages: it would know of this one. */
export function hasLaterReader(run: ActorRun, { given }: Message): boolean {
	const last = Math.max(0, ...given.map(({ process }) => process));
	return run.of("actor.wait").some(({ process }) => process > last);
}

/** Whether the last life still works on the message: the history knows of it. */
export function isUnderWay(run: ActorRun, { given }: Message): boolean {
	const last = livesOf(run).at(-1);
	const readAt = finalRead(run)?.place ?? Number.POSITIVE_INFINITY;
	return given.some(
		({ place, process }) => place > readAt || process === last?.process || process === (last?.process ?? 0) - 1,
	);
}

/** What the definition told, of one kind. */
export function told<T>(
	run: ActorRun,
	what: string,
): { readonly place: number; readonly at: number; readonly data: T }[] {
	return run
		.of("actor.told")
		.filter(({ data }) => data.what === what)
		.map(({ place, at, data }) => ({ place, at, data: data.data as T }));
}

/**
 * Where an actor went to sleep for good: with an open sleep of its workflow and no alarm for it, or, stopped in the midst of the
 * workflow's work, with no alarm at all. Only of workflows that wait for nobody.
 */
export const asleepForGood = oncePerActorRun(
	(run): { readonly kind: "asleep-without-alarm" | "asleep-in-midst"; readonly place: number } | undefined => {
		const { straight, inputs } = run.program;
		if (straight !== true) return undefined;
		const over = run.of("actor.run-ended")[0]?.place ?? Number.POSITIVE_INFINITY;
		for (const { place, at, process, data } of run.of("actor.asleep")) {
			if (place > over) break;
			// A runtime that replays asks again for what it has slept through: by its path a sleep is over once one of them is.
			const open = run
				.of("actor.sleep-call")
				.findLast(
					(call) =>
						call.process === process &&
						call.place < place &&
						!run.of("actor.slept").some((slept) => slept.data.path === call.data.path && slept.place < place),
				);
			const isOpen = open !== undefined && open.data.deadlineMs > at && Number.isFinite(open.data.deadlineMs);
			const alarmMs = data.alarmMs ?? Number.POSITIVE_INFINITY;
			// A sleep that was just asked for may not be on record: the next life asks for it again, if only there is one.
			if (isOpen && at >= open.at + slackMs(run)) {
				if (alarmMs > open.data.deadlineMs + slackMs(run)) return { kind: "asleep-without-alarm", place };
			} else if (data.alarmMs === undefined && !inputs.some(({ kind }) => kind === "send")) {
				return { kind: "asleep-in-midst", place };
			}
		}
		return undefined;
	},
);

/** When the ticks were due that the fixture about cron has acted on, each once, in order. */
export function actedTicks(run: ActorRun): readonly number[] {
	const acted = told<{ readonly scheduledAt?: number }>(run, "acted").flatMap(({ data }) => data.scheduledAt ?? []);
	return [...new Set(acted)].sort((a, b) => a - b);
}

export function violation(kind: string, message: string, event: number, disputed?: string): Violation {
	return { kind, message, event, ...(disputed === undefined ? {} : { disputed }) };
}

/** Why a program says nothing about a property; undefined when it does. */
export function only(names: readonly string[]): (run: ActorRun) => string | undefined {
	return (run) => (names.includes(run.program.name) ? undefined : "another program is about it");
}
