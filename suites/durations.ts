/** Durations that no ordinary program uses: none, negative, fractional, endless, and longer than a timer can hold. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { ErrorFact, HistoryEvent } from "../sim/world/history.ts";
import { isUnder, losingBranches } from "./messages.ts";
import type { Property, Violation } from "./property.ts";
import type { Run } from "./run.ts";
import { MAX_TIMER_MS, timeouts } from "./steps.ts";

/** Virtual milliseconds within which what need not wait is over, on slow storage too. */
const AT_ONCE_MS = 5_000;

export const extremes: Property = {
	id: "timer.extremes",
	claim:
		"Zero, negative, NaN, infinite, past, fractional and over 2^31 ms durations behave as documented, or are refused at once with an error that says so.",
	source: "docs: Timers; types: StepConfig.timeout, WorkflowQueueNextOptions.timeout; PR 4006",
	mutants: ["engine-rounds-sleeps-up", "engine-rounds-waits-up"],
	check(run) {
		return [...unrecordable(run), ...slowToReturn(run), ...cutShort(run)];
	},
};

/** What an odd number is called in the kind of a violation; undefined for an ordinary one. */
function oddityOf(ms: number): string | undefined {
	if (Number.isNaN(ms)) return "nan";
	if (ms === Number.POSITIVE_INFINITY) return "infinite";
	if (ms === Number.NEGATIVE_INFINITY) return "minus-infinite";
	return Number.isInteger(ms) ? undefined : "fractional";
}

/** Whether a run failed as it tried to write a number as an integer that is none. */
export function isUnrecordable({ name, message }: ErrorFact): boolean {
	return name === "RangeError" && /cannot be converted to a BigInt/.test(message);
}

const NO_MEANING =
	"The documents give no meaning to a duration that is no finite number; whether this error refuses it clearly enough is a matter of reading.";

/** Deadlines that the engine takes and then cannot write down, so that the workflow can never go on. */
function unrecordable(run: Run): Violation[] {
	const found = new Map<string, Violation>();
	/** The latest call with an odd deadline, in each process. */
	const odd = new Map<number, { readonly key: string; readonly kind: string; readonly number: string }>();
	run.history.events.forEach((event, index) => {
		if (event.kind === "sleep.call" || event.kind === "queue.call") {
			const { key, deadlineMs } = event.data as ProbeEvents["queue.call"];
			const number = deadlineMs === undefined ? undefined : oddityOf(deadlineMs);
			if (number === undefined) return;
			odd.set(event.process, { key, number, kind: `${number}-${event.kind === "sleep.call" ? "sleep" : "wait"}` });
		} else if (event.kind === "run.rejected") {
			const { error } = event.data as HostEvents["run.rejected"];
			const cause = odd.get(event.process);
			if (!isUnrecordable(error) || cause === undefined || found.has(cause.kind)) return;
			found.set(cause.kind, {
				kind: `${cause.kind}-breaks-the-workflow`,
				message: `${cause.key} has a ${cause.number} deadline, which every run fails to write: ${error.message}`,
				event: index,
				...(cause.number === "fractional" ? {} : { disputed: NO_MEANING }),
			});
		}
	});
	return [...found.values()];
}

/** Sleeps and waits whose deadline was past when they were asked for, and that took their time. */
function slowToReturn(run: Run): Violation[] {
	const violations: Violation[] = [];
	const losers = losingBranches(run);
	const open = new Map<string, { readonly atMs: number; readonly process: number }>();
	run.history.events.forEach((event, index) => {
		if (event.kind === "sleep.call" || event.kind === "queue.call") {
			const { key, deadlineMs } = event.data as ProbeEvents["queue.call"];
			if (deadlineMs === undefined || !(deadlineMs <= event.at) || open.has(key)) return;
			open.set(key, { atMs: event.at, process: event.process });
		} else if (event.kind === "process.crash" || event.kind === "process.exit" || event.kind === "run.evicting") {
			open.clear();
		} else if (event.kind === "sleep.return" || event.kind === "queue.return" || event.kind === "run.yield") {
			for (const [key, { atMs, process }] of open) {
				if (!isEndOf(event, key) && !(event.kind === "run.yield" && process === event.process)) continue;
				open.delete(key);
				const lateMs = event.at - atMs;
				if (isUnder(key, losers) || (event.kind !== "run.yield" && lateMs <= AT_ONCE_MS)) continue;
				violations.push({
					kind: event.kind === "queue.return" ? "past-wait-waited" : "past-deadline-waited",
					message: `${key} had no time to wait for, and was not over ${lateMs} ms later`,
					event: index,
				});
			}
		}
	});
	return violations;
}

function isEndOf({ data }: HistoryEvent, key: string): boolean {
	return (data as { readonly key?: string }).key === key;
}

/** Limits of steps that no timer can hold, and that struck before their time. */
function cutShort(run: Run): Violation[] {
	return timeouts(run).flatMap(({ key, limitMs, lastedMs, how, event }): Violation[] => {
		if (limitMs <= MAX_TIMER_MS || (how !== "fired" && how !== "retried-unasked")) return [];
		if (lastedMs >= limitMs) return [];
		const number = oddityOf(limitMs) ?? "long";
		return [
			{
				kind: `${number}-step-timeout-fires-at-once`,
				message: `${key} may take ${limitMs} ms, and timed out after ${lastedMs}`,
				event,
				...(number === "nan" ? { disputed: NO_MEANING } : {}),
			},
		];
	});
}
