/** Step bodies run as often as they may, and no sooner. */
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { append } from "../sim/world/collections.ts";
import type { HistoryEvent } from "../sim/world/history.ts";
import { isUnder } from "./messages.ts";
import { oncePerRun, type Property, type Violation } from "./property.ts";
import type { Run } from "./run.ts";

/** The engine's documented defaults for a step that sets none. */
const DEFAULT_MAX_RETRIES = 3;
const DEFAULT_BACKOFF_BASE_MS = 100;
const DEFAULT_BACKOFF_MAX_MS = 30_000;

export const committedOnce: Property = {
	id: "step.committed-once",
	claim: "A step whose success is durable never runs again.",
	source: "docs",
	mutants: ["driver-lists-one-page", "driver-acknowledges-unwritten-batches"],
	check(run) {
		const violations: Violation[] = [];
		const returned = new Set<string>();
		const races = run
			.of("branches.call")
			.map(({ data }) => data as ProbeEvents["branches.call"])
			.filter(({ operation }) => operation === "race")
			.flatMap(({ key, names }) => names.map((name) => `${key}.${name}`));
		run.history.events.forEach((event, index) => {
			if (event.kind === "step.return") {
				const { key } = event.data as ProbeEvents["step.return"];
				// An ephemeral step is durable with the next flush only.
				if (run.stepRules.get(key)?.ephemeral !== true) returned.add(key);
			} else if (event.kind === "body.start") {
				const { key } = event.data as ProbeEvents["body.start"];
				if (!returned.has(key)) return;
				violations.push({
					kind: isUnder(key, races) ? "ran-again-in-race" : "ran-again",
					message: `${key} had given its value to the workflow, and ran again in process ${event.process}`,
					event: index,
				});
			}
		});
		return violations;
	},
};

/** One run of a step body. */
interface Attempt {
	readonly process: number;
	readonly startedAtMs: number;
	readonly event: number;
	/** The error it ended with, once it did; undefined while it runs or after a success. */
	error: string | undefined;
	/** Its process ended before anything could be written about how it went. */
	unrecorded: boolean;
}

export const boundedAttempts: Property = {
	id: "step.bounded-attempts",
	claim: "A body runs at most maxRetries + 1 times, plus one for each crash that struck while it ran.",
	source: "docs, 5010",
	mutants: ["driver-forgets-attempts"],
	check(run) {
		const violations: Violation[] = [];
		for (const [key, attempts] of attemptsByStep(run)) {
			const maxRetries = run.stepRules.get(key)?.maxRetries ?? DEFAULT_MAX_RETRIES;
			const struck = attempts.filter((attempt) => attempt.unrecorded).length;
			const allowed = maxRetries + 1 + struck;
			const excess = attempts[allowed];
			if (excess !== undefined) {
				violations.push({
					kind: "too-many-attempts",
					message: `${key} ran ${attempts.length} times; ${maxRetries} retries and ${struck} crashes allow ${allowed}`,
					event: excess.event,
				});
			}
		}
		return violations;
	},
};

export const backoff: Property = {
	id: "step.backoff",
	claim: "A retry never starts before its delay, which survives restarts.",
	source: "docs",
	mutants: ["driver-forgets-attempts"],
	check(run) {
		const violations: Violation[] = [];
		for (const [key, attempts] of attemptsByStep(run)) {
			const rule = run.stepRules.get(key);
			const baseMs = rule?.backoffBaseMs ?? DEFAULT_BACKOFF_BASE_MS;
			const maxMs = rule?.backoffMaxMs ?? DEFAULT_BACKOFF_MAX_MS;
			let failures = 0;
			for (let i = 1; i < attempts.length; i++) {
				const [previous, next] = [attempts[i - 1] as Attempt, attempts[i] as Attempt];
				// What nobody could record cannot delay anything; what fails for good is not a retry.
				if (previous.unrecorded || previous.error === undefined || FOR_GOOD.has(previous.error)) continue;
				failures++;
				// The documents give base and maximum, not from which instant the delay counts: take the earliest.
				const dueMs = previous.startedAtMs + Math.min(maxMs, baseMs * 2 ** (failures - 1));
				const startedMs = next.startedAtMs;
				if (startedMs < dueMs) {
					violations.push({
						kind: "retried-early",
						message: `${key} was retried ${dueMs - startedMs} ms before its delay had passed`,
						event: next.event,
					});
				}
			}
		}
		return violations;
	},
};

const FOR_GOOD: ReadonlySet<string> = new Set(["CriticalError", "RollbackError"]);

/** Every run of every step body, in order; ephemeral steps apart, whose record is not expected to last. */
const attemptsByStep = oncePerRun((run: Run): ReadonlyMap<string, readonly Attempt[]> => {
	const steps = new Map<string, Attempt[]>();
	/** Attempts about which nothing was written yet, by process. */
	const open = new Map<number, Attempt[]>();
	const running = new Map<string, Attempt>();
	const lost = new Set<number>();
	for (let index = 0; index < run.history.events.length; index++) {
		const event = run.history.events[index] as HistoryEvent;
		switch (event.kind) {
			case "body.start": {
				const { key } = event.data as ProbeEvents["body.start"];
				if (run.stepRules.get(key)?.ephemeral === true) break;
				const attempt: Attempt = {
					process: event.process,
					startedAtMs: event.at,
					event: index,
					error: undefined,
					unrecorded: false,
				};
				append(steps, key, attempt);
				append(open, event.process, attempt);
				running.set(key, attempt);
				break;
			}
			case "body.end": {
				const { key, error } = event.data as ProbeEvents["body.end"];
				const attempt = running.get(key);
				if (attempt?.process === event.process) {
					running.delete(key);
					attempt.error = error?.name;
				}
				break;
			}
			case "durable":
				// A record of an attempt can be in any write after its end.
				if (open.has(event.process)) {
					const unended = new Set(running.values());
					const left = open.get(event.process)?.filter((attempt) => unended.has(attempt)) ?? [];
					if (left.length > 0) open.set(event.process, left);
					else open.delete(event.process);
				}
				break;
			case "process.crash":
			case "process.exit":
				if (lost.has(event.process)) break;
				lost.add(event.process);
				for (const attempt of open.get(event.process) ?? []) attempt.unrecorded = true;
				break;
		}
	}
	return steps;
});
