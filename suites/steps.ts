/** Step bodies run as often as they may, no sooner and no longer; what came of them is on record. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents, StepRule } from "../drivers/engine/observe.ts";
import { someStatement } from "../fixtures/generators/statement.ts";
import { append } from "../sim/world/collections.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { isUnder, losingBranches } from "./messages.ts";
import { unclearNames } from "./names.ts";
import { oncePerRun, type Property, type Violation } from "./property.ts";
import type { Run } from "./run.ts";

/** The engine's documented defaults for a step that sets none. */
const DEFAULT_MAX_RETRIES = 3;
const DEFAULT_BACKOFF_BASE_MS = 100;
const DEFAULT_BACKOFF_MAX_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 30_000;

export const committedOnce: Property = {
	id: "step.committed-once",
	claim: "A step whose success is durable never runs again.",
	source: "docs: What are workflows?, Recommendations",
	mutants: [
		"driver-lists-one-page",
		"driver-acknowledges-unwritten-batches",
		"engine-runs-steps-again-on-replay",
		"driver-reads-from-a-follower",
		"driver-drops-large-values",
	],
	skips: unclearNames,
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
	/** Place in the history of its end; undefined while it runs. */
	endedBy: number | undefined;
	/** Flushes since its end: the first may have been under way by then. */
	flushes: number;
	/** Its process ended before anything could be written about how it went. */
	unrecorded: boolean;
}

export const boundedAttempts: Property = {
	id: "step.bounded-attempts",
	claim: "A body runs at most maxRetries + 1 times, plus one for each crash that struck while it ran.",
	source: "docs: Timeouts; types: StepConfig.maxRetries; PR 5010",
	mutants: ["driver-forgets-attempts", "engine-tries-once-more", "driver-drops-the-end-of-batches"],
	skips: unclearNames,
	check(run) {
		const violations: Violation[] = [];
		const losers = losingBranches(run);
		for (const [key, attempts] of attemptsByStep(run)) {
			// As with step.backoff: attempts of a branch that lost are cleared away before the winner is on record.
			if (isUnder(key, losers)) continue;
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
	source: "docs: Timeouts; types: StepConfig.retryBackoffBase, StepConfig.retryBackoffMax",
	mutants: ["driver-forgets-attempts", "engine-forgets-backoff"],
	skips: unclearNames,
	check(run) {
		const violations: Violation[] = [];
		const losers = losingBranches(run);
		const parallel = parallelBranches(run);
		for (const [key, attempts] of attemptsByStep(run)) {
			// A branch that lost is cleared away, attempts included, before the winner is on record: step.committed-once and the
			// race's own properties tell what a crash in between does.
			if (isUnder(key, losers)) continue;
			const rule = run.stepRules.get(key);
			const baseMs = rule?.backoffBaseMs ?? DEFAULT_BACKOFF_BASE_MS;
			const maxMs = rule?.backoffMaxMs ?? DEFAULT_BACKOFF_MAX_MS;
			let failures = 0;
			for (let i = 1; i < attempts.length; i++) {
				const [previous, next] = [attempts[i - 1] as Attempt, attempts[i] as Attempt];
				// What nobody could record cannot delay anything; what fails for good is not a retry.
				if (previous.unrecorded || FOR_GOOD.has(previous.error ?? "")) continue;
				const timedOut = previous.endedBy === undefined || previous.endedBy > next.event;
				if (previous.error === undefined && !timedOut) continue;
				// Beside other branches a failure may be in none of the flushes that a crash interrupted.
				if (previous.process !== next.process && isUnder(key, parallel)) continue;
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
	const running = new Map<string, Attempt[]>();
	const lost = new Set<number>();
	const end = endOfRun(run);
	for (let index = 0; index < end; index++) {
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
					endedBy: undefined,
					flushes: 0,
					unrecorded: false,
				};
				append(steps, key, attempt);
				append(open, event.process, attempt);
				append(running, key, attempt);
				break;
			}
			case "body.end": {
				const { key, error } = event.data as ProbeEvents["body.end"];
				// The eldest: of a step that timed out, an attempt may end after the next began.
				const attempts = running.get(key)?.filter(({ process }) => process === event.process) ?? [];
				const attempt = attempts.shift();
				running.set(key, attempts);
				if (attempt !== undefined) {
					attempt.error = error?.name;
					attempt.endedBy = index;
				}
				break;
			}
			case "durable":
				follow(open, event, running);
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

/** Follows which attempts of a process have yet to be recorded, through one of its writes. */
function follow(
	open: Map<number, Attempt[]>,
	{ process, data }: HistoryEvent,
	running: ReadonlyMap<string, readonly Attempt[]>,
): void {
	const attempts = open.get(process);
	const { what } = data as WorldEvents["durable"];
	// Only a flush tells of steps; the alarm of a retry is set once its flush is over.
	if (attempts === undefined || (what !== "kv.batch" && what !== "alarm.set")) return;
	const unended = new Set([...running.values()].flat());
	const left = attempts.filter((attempt) => {
		if (unended.has(attempt) || (what !== "kv.batch" && attempt.flushes === 0)) return true;
		return ++attempt.flushes < 2;
	});
	if (left.length > 0) open.set(process, left);
	else open.delete(process);
}

/** A failure after which a step must not run again, as the workflow was told of it. */
interface Failure {
	readonly how: string;
	/** Whether the workflow goes on after it. */
	caught: boolean;
	readonly process: number;
	/** Writes of that process since; one may have been under way when the step failed. */
	writes: number;
	/** Whether a later step began, whose call to the outside then tells of the failure as a record does. */
	followed: boolean;
	onRecord: boolean;
	/** Whether a process ended without asking in the meantime. */
	interrupted: boolean;
}

const TERMINAL: ReadonlyMap<string, string> = new Map([
	["CriticalError", "critical"],
	["RollbackError", "rollback"],
	["StepExhaustedError", "exhausted"],
]);

/** What the error of a step says that ran out of time. */
export const TIMED_OUT = /timed out after/;

/** How a step failed for good, when that is what an event tells the workflow. */
function failureIn(run: Run, { kind, data }: HistoryEvent): { key: string; how: string } | undefined {
	if (kind === "step.caught") {
		const { key, failure } = data as ProbeEvents["step.caught"];
		return { key, how: failure };
	}
	if (kind !== "threw") return undefined;
	const { key, error } = data as ProbeEvents["threw"];
	const how = TERMINAL.get(error.name);
	if (how === undefined || !run.stepRules.has(key)) return undefined;
	return { key, how: how === "critical" && TIMED_OUT.test(error.message) ? "timeout" : how };
}

/** Where the finished workflow is looked at once more, which replay.pure judges. */
function endOfRun(run: Run): number {
	const { events } = run.history;
	const look = events.findIndex(
		({ kind, data }) => kind === "run.start" && (data as HostEvents["run.start"]).visit === "revisit",
	);
	return look < 0 ? events.length : look;
}

export const terminalSticks: Property = {
	id: "step.terminal-sticks",
	claim: "A critical, timed-out or exhausted step never runs again once its failure was observed by anyone.",
	source: "errors: CriticalError, RollbackError, StepExhaustedError; types: StepConfig.retryOnTimeout; PR 5010",
	mutants: ["engine-grants-retries-to-each-life"],
	skips: unclearNames,
	check(run) {
		const violations: Violation[] = [];
		const failures = new Map<string, Failure>();
		const losers = losingBranches(run);
		run.history.events.slice(0, endOfRun(run)).forEach((event, index) => {
			switch (event.kind) {
				case "step.caught":
				case "threw": {
					const failed = failureIn(run, event);
					if (failed === undefined || failures.has(failed.key) || isUnder(failed.key, losers)) break;
					const { key, how } = failed;
					failures.set(key, {
						how,
						caught: event.kind === "step.caught",
						process: event.process,
						writes: 0,
						followed: false,
						onRecord: false,
						interrupted: false,
					});
					break;
				}
				case "try.return": {
					const { key, failure } = event.data as ProbeEvents["try.return"];
					for (const [step, told] of failures) told.caught ||= failure !== undefined && isUnder(step, [key]);
					break;
				}
				case "durable":
					for (const failure of failures.values()) {
						if (failure.process !== event.process) continue;
						failure.writes++;
						failure.onRecord ||= failure.writes > 1;
					}
					break;
				case "effect":
					for (const failure of failures.values()) {
						failure.onRecord ||= failure.followed && failure.process === event.process;
					}
					break;
				case "run.yield":
					for (const failure of failures.values()) failure.onRecord ||= failure.process === event.process;
					break;
				case "process.crash":
				case "run.evicting":
				case "run.rejected":
					for (const [key, failure] of failures) {
						// What nobody could write down was observed by nobody who is left.
						if (!failure.onRecord && event.kind !== "run.evicting") failures.delete(key);
						failure.interrupted = true;
					}
					break;
				case "body.start": {
					const { key } = event.data as ProbeEvents["body.start"];
					const failure = failures.get(key);
					if (failure === undefined) {
						// Of branches side by side, another may have gone on; and a body that is late may call by itself.
						if (run.program.parallel === true) break;
						for (const told of failures.values()) {
							told.followed ||= told.process === event.process && told.how !== "timeout";
						}
						break;
					}
					failures.delete(key);
					if (!failure.onRecord) break;
					violations.push({
						kind: `${failure.caught ? "caught-" : ""}${failure.how}-ran-again-${failure.interrupted ? "after-restart" : "at-wake"}`,
						message: `${key} had failed for good (${failure.how}), and ran again in process ${event.process}`,
						event: index,
					});
					break;
				}
			}
		});
		return violations;
	},
};

/** An attempt whose body has not come to an end. */
interface Running {
	readonly process: number;
	readonly atMs: number;
	endedAtMs: number | undefined;
}

/** One time that a step ran into its limit, or one that should have. */
export interface Timeout {
	readonly key: string;
	/** What the step asked for, in virtual milliseconds. */
	readonly limitMs: number;
	/** How long the attempt had lasted; the limit was enforced then, unless `ignored`. */
	readonly lastedMs: number;
	readonly how: "fired" | "ignored" | "retried-unasked" | "late-result";
	readonly event: number;
}

/** Every time that a limit of a step showed. */
export const timeouts = oncePerRun((run: Run): readonly Timeout[] => {
	const found: Timeout[] = [];
	const last = new Map<string, Running>();
	const over = new Set<string>();
	run.history.events.slice(0, endOfRun(run)).forEach((event, index) => {
		if (!OF_STEPS.has(event.kind)) return;
		const { key } = event.data as { key: string };
		const rule = run.stepRules.get(key);
		if (rule === undefined) return;
		const attempt = last.get(key);
		const limitMs = limitOf(rule);
		const tell = (how: Timeout["how"], lastedMs: number) => found.push({ key, limitMs, lastedMs, how, event: index });
		const here = attempt?.process === event.process ? attempt : undefined;
		switch (event.kind) {
			case "body.start":
				if (here !== undefined && here.endedAtMs === undefined && !over.has(key)) {
					tell(rule.retryOnTimeout ? "fired" : "retried-unasked", event.at - here.atMs);
				}
				over.delete(key);
				last.set(key, { process: event.process, atMs: event.at, endedAtMs: undefined });
				break;
			case "body.end":
				if (here !== undefined) here.endedAtMs ??= event.at;
				break;
			case "step.return":
				if (over.has(key)) tell("late-result", event.at - (here?.atMs ?? event.at));
				if (here?.endedAtMs !== undefined && limitMs > 0 && here.endedAtMs - here.atMs > limitMs + 1) {
					tell("ignored", here.endedAtMs - here.atMs);
				}
				break;
			default: {
				const { error } = event.data as ProbeEvents["threw"];
				if (here === undefined || !TIMED_OUT.test(error.message)) break;
				// A limit that no timer can hold strikes in the instant in which a body ends, too.
				if (here.endedAtMs !== undefined && limitMs <= MAX_TIMER_MS) break;
				tell("fired", event.at - here.atMs);
				over.add(key);
			}
		}
	});
	return found;
});

const OF_STEPS: ReadonlySet<string> = new Set(["body.start", "body.end", "step.return", "step.caught", "threw"]);

/** Virtual milliseconds that an attempt may take; 0 and less for no limit. */
function limitOf({ timeoutMs }: StepRule): number {
	return timeoutMs ?? DEFAULT_TIMEOUT_MS;
}

/** Longest delay that a timer of the runtime can hold, in milliseconds. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

export const timeout: Property = {
	id: "step.timeout",
	claim:
		"A body past its timeout fails the step; what it does later changes neither history nor state; 0 disables, and only retryOnTimeout tries again.",
	source: "docs: Timeouts; types: StepConfig.timeout, StepConfig.retryOnTimeout; engine: executeWithTimeout",
	mutants: [
		"engine-waits-for-late-bodies",
		"engine-disables-no-timeout",
		"engine-retries-timeouts",
		"engine-halves-timeouts",
		"engine-takes-late-results",
		"engine-records-late-results",
	],
	skips: unclearNames,
	check(run) {
		return timeouts(run).flatMap((shown) => {
			const violation = ofLimit(shown);
			return violation === undefined ? [] : [violation];
		});
	},
};

function ofLimit({ key, limitMs, lastedMs, how, event }: Timeout): Violation | undefined {
	const lasted = `after ${lastedMs} ms`;
	// What no timer can hold is told of by timer.extremes.
	const holds = limitMs <= MAX_TIMER_MS;
	switch (how) {
		case "ignored":
			return { kind: "never-fired", message: `${key} gave a value ${lasted}, beyond its limit of ${limitMs}`, event };
		case "retried-unasked":
			return holds ? { kind: how, message: `${key} ran again while its body was under way`, event } : undefined;
		case "late-result":
			return { kind: "late-result-taken", message: `${key} had timed out, and then gave a value`, event };
		case "fired":
			if (limitMs <= 0) {
				return { kind: "fired-though-disabled", message: `${key} timed out ${lasted}, with no limit set`, event };
			}
			if (!holds || lastedMs >= limitMs - 1) return undefined;
			return { kind: "fired-early", message: `${key} timed out ${lasted} of ${limitMs}`, event };
	}
}

export const errorRecorded: Property = {
	id: "step.error-recorded",
	claim: "A failed attempt records its error and no output.",
	source: "types: StepEntry, EntryMetadata.error; PR 5010",
	mutants: ["engine-hides-errors", "engine-settles-for-a-failed-attempt"],
	check(run) {
		const violations: Violation[] = [];
		/** Failed attempts of which no write tells, by step. */
		const untold = new Map<string, { readonly text: string; readonly process: number }>();
		const started = new Map<string, number>();
		const thrown = new Map<string, string>();
		const succeeded = new Set<string>();
		const losers = losingBranches(run);
		const tellOf = (key: string, text: string, index: number) => {
			untold.delete(key);
			// What a branch did that lost changes nothing, and is cleared away.
			if (isUnder(key, losers)) return;
			const message = `${key} failed with "${text}", and went on without that on record`;
			violations.push({
				kind: isUnder(key, branchesOf(run)) ? "error-lost-in-branches" : "error-not-recorded",
				message,
				event: index,
			});
		};
		run.history.events.slice(0, endOfRun(run)).forEach((event, index) => {
			switch (event.kind) {
				case "body.start": {
					const { key } = event.data as ProbeEvents["body.start"];
					const failed = untold.get(key);
					if (failed !== undefined && failed.process === event.process) tellOf(key, failed.text, index);
					started.set(key, event.at);
					break;
				}
				case "body.end": {
					const { key, error } = event.data as ProbeEvents["body.end"];
					if (error === undefined) {
						succeeded.add(key);
						break;
					}
					thrown.set(key, error.name);
					const rule = run.stepRules.get(key);
					const limitMs = rule === undefined ? 0 : limitOf(rule);
					// What came too late is no failure any more; a limit that no timer can hold may be over at once (timer.extremes).
					const startedMs = started.get(key);
					const isOver = startedMs === undefined || (limitMs !== 0 && event.at - startedMs >= limitMs);
					const late = isOver || limitMs > MAX_TIMER_MS;
					if (!late && !UNPRINTABLE.has(error.name)) untold.set(key, { text: error.message, process: event.process });
					break;
				}
				case "durable":
					for (const [key, { text, process }] of untold) {
						if (process === event.process && tells(event, text)) untold.delete(key);
					}
					break;
				case "run.yield":
					for (const [key, { text, process }] of untold) if (process === event.process) tellOf(key, text, index);
					break;
				case "process.crash":
				case "process.exit":
					for (const [key, { process }] of untold) if (process === event.process) untold.delete(key);
					break;
				case "step.caught":
					// What its body does from now on comes too late.
					started.delete((event.data as ProbeEvents["step.caught"]).key);
					break;
				case "threw": {
					const { key, error } = event.data as ProbeEvents["threw"];
					started.delete(key);
					const cause = thrown.get(key);
					if (error.name !== "TypeError" || cause === undefined || !UNPRINTABLE.has(cause)) break;
					violations.push({
						kind: "unprintable-failure-breaks-the-step",
						message: `${key} threw what has no text, and the workflow was told ${error.name}: ${error.message}`,
						event: index,
					});
					break;
				}
				case "step.return": {
					const { key } = event.data as ProbeEvents["step.return"];
					if (!thrown.has(key) || succeeded.has(key)) break;
					thrown.delete(key);
					const message = `${key} gave a value, and no attempt of it had succeeded`;
					violations.push({ kind: "value-of-failed-attempt", message, event: index });
					break;
				}
			}
		});
		return violations;
	},
};

/** Where a flush may be under way as a step ends. */
function branchesOf(run: Run): string[] {
	return run.of("branches.call").flatMap(({ data }) => {
		const { key, names } = data as ProbeEvents["branches.call"];
		return names.map((name) => `${key}.${name}`);
	});
}

/** The types of what was thrown that may have no text at all. */
const UNPRINTABLE: ReadonlySet<string> = new Set(["object"]);

function tells({ data }: HistoryEvent, text: string): boolean {
	const bytes = Buffer.from(text);
	return (data as WorldEvents["durable"]).mutations.some(
		({ value }) => value !== null && Buffer.from(value.buffer, value.byteOffset, value.byteLength).includes(bytes),
	);
}

export const ephemeral: Property = {
	id: "step.ephemeral",
	claim: "An ephemeral step is durable with the next flush, and replays as one unit with it.",
	source: "types: StepConfig.ephemeral; engine: executeStep (ephemeral steps)",
	mutants: ["engine-keeps-ephemeral-steps-to-itself", "engine-runs-steps-again-on-replay"],
	skips: unclearNames,
	check(run) {
		const violations: Violation[] = [];
		const losers = losingBranches(run);
		/** Ephemeral steps that returned, with their process until a later flush has made them durable. */
		const returned = new Map<string, number>();
		const durable = new Set<string>();
		const bodies = new Map<string, Set<string>>();
		run.history.events.slice(0, endOfRun(run)).forEach((event, index) => {
			if (event.kind === "process.crash" || event.kind === "process.exit") {
				for (const [key, process] of returned) if (process === event.process) returned.delete(key);
				bodies.clear();
				return;
			}
			if (event.kind !== "body.start" && event.kind !== "step.return") return;
			const { key } = event.data as ProbeEvents["body.start"];
			const mayBeLost = run.stepRules.get(key)?.ephemeral === true;
			if (event.kind === "body.start") {
				if (mayBeLost && durable.has(key) && !isUnder(key, losers)) {
					durable.delete(key);
					const message = `${key} was followed by a step that is on record, and ran again`;
					violations.push({ kind: "ran-again-after-flush", message, event: index });
				}
				// What a step finds done as it begins is written with its own result at the latest.
				if (!mayBeLost) bodies.set(key, new Set(returned.keys()));
			} else if (mayBeLost) {
				if (!durable.has(key)) returned.set(key, event.process);
			} else {
				for (const before of bodies.get(key) ?? []) {
					if (!returned.delete(before)) continue;
					durable.add(before);
				}
			}
		});
		return violations;
	},
};

export const oneAtATime: Property = {
	id: "step.one-at-a-time",
	claim: "Starting an entry while another is unawaited is refused, and refused again on replay.",
	source: "errors: EntryInProgressError",
	mutants: ["engine-queues-overlapping-steps", "engine-forgets-overlap-on-replay"],
	skips: (program) =>
		program.statements !== undefined && someStatement(program.statements, ({ kind }) => kind === "overlap")
			? undefined
			: "no entry is started while another is unawaited",
	check(run) {
		const seconds = new Set<string>();
		someStatement(run.program.statements ?? [], ({ kind, name }) => {
			if (kind === "overlap") seconds.add(`${name}-second`);
			return false;
		});
		const violations: Violation[] = [];
		const refused = new Set<string>();
		const told = new Set<string>();
		run.history.events.forEach((event, index) => {
			if (event.kind !== "threw" && event.kind !== "body.start" && event.kind !== "step.return") return;
			const { key } = event.data as ProbeEvents["threw"];
			if (![...seconds].some((second) => key === second || key.endsWith(`/${second}`))) return;
			if (event.kind === "threw") refused.add(key);
			else if (!told.has(key)) {
				told.add(key);
				violations.push({
					kind: refused.has(key) ? "accepted-on-replay" : "accepted",
					message: `${key} was started while another step was unawaited, and was let through`,
					event: index,
				});
			}
		});
		return violations;
	},
};

/** Keys of all branches that run beside others. */
function parallelBranches(run: Run): string[] {
	return run.of("branches.call").flatMap(({ data }) => {
		const { key, names } = data as ProbeEvents["branches.call"];
		return names.map((name) => `${key}.${name}`);
	});
}
