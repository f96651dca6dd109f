/** Sleeps, alarms and schedules of actors: never early, never moved, never lost, whatever the clock, the platform and crashes do. */

import { EPOCH_MS } from "../../sim/world/world.ts";
import type { Violation } from "../property.ts";
import {
	type ActorProperty,
	actedTicks,
	asleepForGood,
	finalRead,
	handlerGone,
	livesOf,
	only,
	slackMs,
	told,
	violation,
} from "./facts.ts";
import type { ActorRun, Placed } from "./run.ts";

/** When a sleep of a straight workflow was first asked for, by its path. */
function firstSleeps(run: ActorRun): Map<string, Placed<"actor.sleep-call">> {
	const first = new Map<string, Placed<"actor.sleep-call">>();
	for (const call of run.of("actor.sleep-call")) if (!first.has(call.data.path)) first.set(call.data.path, call);
	return first;
}

const NOT_STRAIGHT = "no sleep can be told again in a later life";

export const timerNeverEarly: ActorProperty = {
	id: "timer.never-early",
	claim: "No sleep, reminder or scheduled action comes before its time, whatever the platform's alarms do.",
	source: "docs: timers",
	mutants: ["act-early", "short-sleeps"],
	check(run) {
		const violations: Violation[] = [];
		const first = run.program.straight === true ? firstSleeps(run) : new Map<string, Placed<"actor.sleep-call">>();
		for (const { place, at, data } of run.of("actor.slept")) {
			const deadlineMs = first.get(data.path)?.data.deadlineMs;
			if (deadlineMs === undefined || at >= deadlineMs) continue;
			const text = `sleep ${data.path} ended at ${at} ms, and was to last until ${deadlineMs} ms`;
			violations.push(violation("sleep-early", text, place));
		}
		for (const { place, data } of told<{ readonly id: string; readonly late: number }>(run, "fired")) {
			if (data.late < 0) violations.push(violation("sleep-early", `${data.id} came ${-data.late} ms early`, place));
		}
		const acted = [
			...told<{ readonly what?: string; readonly earlyMs?: number }>(run, "noted"),
			...told<{ readonly what?: string; readonly early?: number }>(run, "acted").map((one) => ({
				...one,
				data: { what: "the tick", earlyMs: one.data.early },
			})),
		];
		for (const { place, data } of acted) {
			if ((data.earlyMs ?? 0) > 0)
				violations.push(violation("action-early", `${data.what} came ${data.earlyMs} ms early`, place));
		}
		return violations;
	},
};

export const timerDeadlineFixed: ActorProperty = {
	id: "timer.deadline-fixed",
	claim: "A restart does not move a deadline.",
	source: "docs: timers survive restarts",
	mutants: ["move-deadlines"],
	skips: ({ program }) => (program.straight === true ? undefined : NOT_STRAIGHT),
	check(run) {
		const violations: Violation[] = [];
		if (handlerGone(run) !== undefined || asleepForGood(run) !== undefined) return [];
		const first = firstSleeps(run);
		const seen = new Set<string>();
		for (const { place, at, data } of run.of("actor.slept")) {
			const call = first.get(data.path);
			if (call === undefined || seen.has(data.path)) continue;
			seen.add(data.path);
			const asked = livesOf(run).find((life) => life.process === call.process);
			const slack = slackMs(run);
			// By then the deadline was durable, and every later life had it to go by.
			if (asked === undefined || asked.toMs < call.at + slack) continue;
			if (at <= Math.max(call.at, call.data.deadlineMs) + slack) continue;
			const text = `sleep ${data.path} was to end at ${call.data.deadlineMs} ms and ended at ${at} ms`;
			violations.push(violation("moved", text, place));
		}
		return violations;
	},
};

export const timerFires: ActorProperty = {
	id: "timer.fires",
	claim: "Every sleep ends and every scheduled action is done once, with lost, late, early and doubled alarms too.",
	source: "docs: timers; PR 4006, alarms",
	mutants: [
		"forget-alarm",
		"rest-in-midst",
		"forget-due-actions",
		"do-actions-before-record",
		"drop-actions-before-run",
	],
	check(run) {
		if (handlerGone(run) !== undefined) return [];
		const asleep = asleepForGood(run);
		if (asleep === undefined) return [...openSleeps(run), ...schedules(run)];
		const text =
			asleep.kind === "asleep-in-midst"
				? "it was put to sleep in the midst of its workflow's work, and has no alarm with which to go on"
				: "it went to sleep in a sleep of its workflow, and has no alarm for that";
		return [violation(asleep.kind, text, asleep.place)];
	},
};

/** Sleeps whose time was long over when the run ended. */
function openSleeps(run: ActorRun): Violation[] {
	if (run.program.straight !== true || run.outcome.status !== "served") return [];
	const ended = new Set(run.of("actor.slept").map(({ data }) => data.path));
	return [...firstSleeps(run).values()]
		.filter(({ data }) => !ended.has(data.path) && data.deadlineMs + slackMs(run) < (run.program.endMs ?? 120_000))
		.slice(0, 1)
		.map(({ place, data }) =>
			violation("never-ended", `sleep ${data.path} was to end at ${data.deadlineMs} ms`, place),
		);
}

/** What the fixture about schedules has to have noted at the end: when each was due, at the earliest. */
const SCHEDULED = ["soon", "late"];

function schedules(run: ActorRun): Violation[] {
	const read = finalRead(run);
	if (read === undefined) return [];
	if (run.program.name === "cron") return ticks(run, read);
	if (run.program.name !== "scheduled") return [];
	const done = (read.data.state as { readonly done?: readonly string[] }).done ?? [];
	const expected = new Map<string, boolean>(SCHEDULED.map((what) => [what, true]));
	for (const { data } of run.of("client.acted")) {
		const input = run.program.inputs[data.input - 1];
		if (input?.kind === "act" && input.name === "remind") expected.set(String(input.input?.[0]), true);
	}
	const promise = run.target.capabilities.schedule;
	const violations: Violation[] = [];
	for (const what of expected.keys()) {
		const count = done.filter((one) => one === what).length;
		if (count === 0 && promise !== "at-most-once")
			violations.push(violation("action-lost", `the scheduled ${what} was never done`, read.place));
		if (count > 1 && promise !== "at-least-once")
			violations.push(violation("action-doubled", `the scheduled ${what} was done ${count} times`, read.place));
	}
	return violations;
}

/** Ticks of an action that schedules itself again: none may be left out, and none counts twice because its action ran twice. */
function ticks(run: ActorRun, read: Placed<"client.read">): Violation[] {
	const acted = actedTicks(run);
	const gap = acted.findIndex((at, i) => i > 0 && at - (acted[i - 1] as number) > MINUTE_MS);
	if (gap > 0) {
		const text = `the ticks go on from minute ${minuteOf(acted[gap - 1])} with minute ${minuteOf(acted[gap])}`;
		return [violation("tick-lost", text, read.place)];
	}
	const counted = (read.data.state as { readonly ticks?: readonly number[] }).ticks ?? [];
	const twice = counted.find((at, i) => counted.indexOf(at) !== i);
	if (twice === undefined || run.target.capabilities.schedule === "at-least-once") return [];
	return [violation("tick-doubled", `minute ${minuteOf(twice)} was counted twice`, read.place)];
}

const MINUTE_MS = 60_000;

function minuteOf(at: number | undefined): number {
	return Math.round(((at ?? EPOCH_MS) - EPOCH_MS) / MINUTE_MS);
}

export const timerExtremes: ActorProperty = {
	id: "timer.extremes",
	claim:
		"Sleeps of nothing, of less, until the past and beyond 2^31 ms last as long as they say; NaN is no sleep for ever.",
	source: "PR 4006, review of timers",
	mutants: ["sleep-in-32-bits", "sleep-until-never"],
	skips: only(["extremes", "not-a-number"]),
	check(run) {
		const violations: Violation[] = [];
		if (handlerGone(run) !== undefined) return [];
		const slack = slackMs(run) * (1 + run.fired.size);
		for (const { place, data } of told<{ readonly name: string; readonly askedMs: number; readonly tookMs: number }>(
			run,
			"slept",
		)) {
			if (data.tookMs < data.askedMs)
				violations.push(violation("short", `sleep ${data.name} of ${data.askedMs} ms took ${data.tookMs} ms`, place));
			if (data.tookMs > data.askedMs + slack)
				violations.push(violation("long", `sleep ${data.name} of ${data.askedMs} ms took ${data.tookMs} ms`, place));
		}
		if (run.program.name === "not-a-number" && run.outcome.status === "served") {
			const isOver =
				run.of("actor.run-ended").length > 0 || run.of("actor.broken").length > 0 || told(run, "nan").length > 0;
			if (!isOver)
				violations.push(
					violation("for-ever", "a sleep of NaN neither ended nor was refused", run.history.events.length - 1),
				);
		}
		return violations;
	},
};

export const TIMER: readonly ActorProperty[] = [timerNeverEarly, timerDeadlineFixed, timerFires, timerExtremes];
