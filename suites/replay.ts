/** An interrupted run ends as an uninterrupted one. */
import { isDeepStrictEqual } from "node:util";
import type { HostEvents, Outcome } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { render } from "../drivers/engine/render.ts";
import { CHANGED } from "../fixtures/generators/interpret.ts";
import type { Allowed } from "../fixtures/generators/meaning.ts";
import { type Statement, someStatement } from "../fixtures/generators/statement.ts";
import { REFUSAL, UNKEEPABLE, type ValueKind } from "../fixtures/generators/values.ts";
import { OperationError } from "../sim/world/faults.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { isUnrecordable } from "./durations.ts";
import { hasEnded, meantBy, replayFailure } from "./meant.ts";
import { isUnder, lostMessages, tookOperatorsMessage } from "./messages.ts";
import { unclearNames } from "./names.ts";
import type { Property, Violation } from "./property.ts";
import type { Run } from "./run.ts";

export const sameOutcome: Property = {
	id: "replay.same-outcome",
	claim:
		"Whatever crashes, evictions and restarts happen, a program ends as its statements mean, or as it does uninterrupted: with the same output, error and effects.",
	source: "docs: What are workflows?, Checkpoint-friendly loop design",
	mutants: [
		"driver-lists-one-page",
		"engine-forgets-what-loops-gave",
		"engine-settles-for-a-failed-attempt",
		"queue-redelivers-what-was-completed",
		"engine-skips-the-last-compensation",
		"queue-ignores-the-filter",
		"queue-forgets-every-third-message",
	],
	residual: true,
	skips: (program) =>
		program.timingDependent === undefined || program.statements !== undefined
			? unclearNames(program)
			: "the outcome depends on timing",
	check(run, reference) {
		if (run.program.statements !== undefined) return againstMeaning(run);
		// A run without an end is judged by life.progress, one that could not recover by replay.every-state-recovers.
		if (!hasEnded(run.outcome) || !hasEnded(reference.outcome)) return [];
		// What an operator sent besides is not among the inputs of the uninterrupted run.
		if (tookOperatorsMessage(run)) return [];
		if (run.outcome.status === "failed" && replayFailure(run.outcome.error) !== undefined) return [];
		const last = run.history.events.length - 1;
		const expected = tell(reference.outcome);

		if (run.outcome.status !== reference.outcome.status) {
			const lost = lostMessages(run);
			if (run.outcome.status === "waiting" && lost.length > 0) {
				const ids = lost.map(({ id }) => id).join(", ");
				return [
					{
						kind: "waits-for-lost-message",
						message: `waits for ever since ${ids} was lost, instead of ${expected}`,
						event: last,
					},
				];
			}
			return [
				{
					kind: `${run.outcome.status}-instead-of-${reference.outcome.status}`,
					message: `${tell(run.outcome)} instead of ${expected}`,
					event: last,
				},
			];
		}
		const violations: Violation[] = [];
		const lossy = lostMessages(run).length > 0;
		if (render(run.outcome) !== render(reference.outcome)) {
			const kind = OTHERWISE[run.outcome.status] ?? "other-outcome";
			violations.push({ kind, message: `${tell(run.outcome)} instead of ${expected}`, event: last });
			// What a run that failed elsewhere did or did not do outside follows from that.
			if (run.outcome.status === "failed") return violations;
		}
		const [effects, wanted] = [effectLabels(run), effectLabels(reference)];
		const missing = [...wanted].filter((label) => !effects.has(label));
		const extra = [...effects].filter((label) => !wanted.has(label));
		if (missing.length > 0) {
			violations.push({
				kind: lossy ? "effect-of-lost-message-missing" : "effect-missing",
				message: `never happened: ${missing.join(", ")}`,
				event: last,
			});
		}
		if (extra.length > 0) {
			violations.push({ kind: "effect-extra", message: `should not have happened: ${extra.join(", ")}`, event: last });
		}
		return violations;
	},
};

/** A generated program's outcome against what its statements mean. */
function againstMeaning(run: Run): Violation[] {
	const meant = meantBy(run);
	if (meant === undefined) return [];
	const { outcome } = run;
	// What cannot be kept may be refused; how, replay.values-round-trip tells.
	const refused =
		(outcome.status === "failed" && outcome.error.name === REFUSAL) ||
		run.of("threw").some(({ data }) => (data as ProbeEvents["threw"]).error.name === REFUSAL);
	if (refused && holdsUnkeepable(run)) return [];
	const { events, meaning } = meant;
	const allowed = meaning.outcome;
	const event = run.history.events.length - 1;
	switch (allowed.status) {
		case "unspecified":
			return [];
		case "impossible":
			return [{ kind: "impossible-choice", message: allowed.what, event }];
	}
	if (outcome.status !== allowed.status) {
		const kind = `${outcome.status}-instead-of-${allowed.status}`;
		return [{ kind, message: `${tell(outcome)} instead of ${tellAllowed(allowed)}`, event }];
	}
	// What a program changes itself, and may see again as changed, is told of by replay.isolated-values.
	if (someStatement(run.program.statements ?? [], changes)) return [];
	const same =
		(outcome.status === "completed" &&
			allowed.status === "completed" &&
			render(outcome.output) === render(allowed.output)) ||
		(outcome.status === "failed" && allowed.status === "failed" && allowed.names.includes(outcome.error.name)) ||
		outcome.status === "waiting";
	if (!same) {
		const kind = OTHERWISE[outcome.status] ?? "other-outcome";
		// What it did or did not do outside follows from where it ended.
		return [{ kind, message: `${tell(outcome)} instead of ${tellAllowed(allowed)}`, event }];
	}
	const violations: Violation[] = [];
	const effects = new Set(
		events.filter(({ kind }) => kind === "effect").map(({ data }) => (data as WorldEvents["effect"]).label),
	);
	// A call that storage was slow about may come after the limit of its step, and then never.
	const slow = new Set(run.of("fault").map(({ data }) => (data as WorldEvents["fault"]).window));
	const missing = [...meaning.must].filter((label) => !effects.has(label) && !slow.has(`call ${label}`));
	const extra = [...effects].filter((label) => !meaning.must.has(label) && !meaning.may.has(label));
	if (missing.length > 0) {
		violations.push({ kind: "effect-missing", message: `never happened: ${missing.join(", ")}`, event });
	}
	if (extra.length > 0) {
		violations.push({ kind: "effect-extra", message: `should not have happened: ${extra.join(", ")}`, event });
	}
	return violations;
}

function holdsUnkeepable({ program: { statements = [], startedWith } }: Run): boolean {
	if (startedWith !== undefined && UNKEEPABLE.has(startedWith)) return true;
	return someStatement(statements, (statement) => {
		const { returns, holds } = statement as { returns?: ValueKind; holds?: ValueKind };
		return [returns, holds].some((kind) => kind !== undefined && UNKEEPABLE.has(kind));
	});
}

function changes(statement: Statement): boolean {
	return (
		("changed" in statement && statement.changed === true) || ("state" in statement && statement.state === "changed")
	);
}

function tellAllowed(allowed: Allowed): string {
	switch (allowed.status) {
		case "completed":
			return `completed with ${render(allowed.output)}`;
		case "failed":
			return `failed with ${allowed.names.join(" or ")}`;
		case "waiting":
			return `waiting for ${allowed.names.join(", ")}`;
		default:
			return allowed.status;
	}
}

/** What differs when two runs ended alike but not equally. */
const OTHERWISE: Readonly<Partial<Record<Outcome["status"], string>>> = {
	completed: "other-output",
	failed: "other-error",
	waiting: "other-wait",
};

/** What the encoding of values says of those that it cannot write. */
const UNENCODABLE = /Maximum call stack size exceeded|^Unknown type: /;

export const everyStateRecovers: Property = {
	id: "replay.every-state-recovers",
	claim:
		"From every durable state the disk ever held, a fresh process loads, replays and goes on; never a divergence, a missing name or a decode error.",
	source:
		"docs: What are workflows?, Checkpoint-friendly loop design; errors: HistoryDivergedError (code changes only)",
	survivesLostWrites: true,
	mutants: [
		"driver-drops-names",
		"driver-truncates-values",
		"driver-lists-past-the-prefix",
		"driver-writes-batches-one-by-one",
		"engine-folds-names",
		"driver-tears-the-last-page",
	],
	check(run, reference) {
		const violations: Violation[] = [];
		run.history.events.forEach((event, index) => {
			if (event.kind !== "run.rejected") return;
			const { error, state, evicting } = event.data as HostEvents["run.rejected"];
			// Storage that refuses is told of by the run that met it; a later one must recover.
			if (error.name === OperationError.name && state !== "failed") return;
			const expected = reference.outcome.status === "failed" && isDeepStrictEqual(error, reference.outcome.error);
			// Deadlines that cannot be written are told of by timer.extremes, values by replay.values-round-trip.
			if (isUnrecordable(error) || UNENCODABLE.test(error.message)) return;
			// A compensation that failed is reported, and resumed later; what was cancelled is not run again;
			// and of a state that storage did not give nobody knows.
			const failure = replayFailure(error);
			if ((state === "rolling_back" && failure === undefined) || state === "cancelled" || state === "unreadable")
				return;
			// What the uninterrupted run meets too has another cause than what a crash or a slow disk brings about.
			const kind =
				failure === undefined
					? expected || state === "failed" || evicting
						? undefined
						: `rejected-with-${error.name}`
					: failure +
						(reference.of("run.rejected").some((other) => failedAlike(other, failure)) ? "-uninterrupted" : "");
			if (kind === undefined) return;
			violations.push({
				kind,
				message: `process ${event.process} could not go on: ${error.name}: ${error.message}`,
				event: index,
				residual: failure === undefined || kind !== failure,
			});
		});
		return violations;
	},
};

export const pure: Property = {
	id: "replay.pure",
	claim: "Resuming a finished workflow runs no step body, writes nothing and returns the same output.",
	source: "docs: What are workflows? (replay follows what is recorded); types: WorkflowHandle.getOutput",
	mutants: ["driver-forgets-completion", "engine-runs-steps-again-on-replay", "engine-loses-the-output"],
	skips: (program) => (program.evolving === true ? "the code is another when it is resumed" : undefined),
	check(run) {
		const { events } = run.history;
		const begin = events.findIndex(
			(event) => event.kind === "run.start" && (event.data as HostEvents["run.start"]).visit === "revisit",
		);
		const { outcome } = run;
		if (begin < 0 || (outcome.status !== "completed" && outcome.status !== "failed")) return [];
		// What broke in replay has no end that could be resumed; replay.every-state-recovers tells of it.
		if (outcome.status === "failed" && replayFailure(outcome.error) !== undefined) return [];

		const found = new Map<string, Violation>();
		const report = (how: string, message: string, event: number) => {
			const kind = `${outcome.status}-${how}`;
			if (!found.has(kind)) found.set(kind, { kind, message, event });
		};
		for (let index = begin; index < events.length; index++) {
			const event = events[index] as HistoryEvent;
			if (event.process === 0) continue;
			switch (event.kind) {
				case "body.start":
					report("ran-body", `ran step ${(event.data as ProbeEvents["body.start"]).key} again`, index);
					break;
				case "compensation.start":
					report("ran-compensation", `compensated ${(event.data as { key: string }).key} again`, index);
					break;
				case "durable":
					if (NO_HARM.has((event.data as WorldEvents["durable"]).what)) break;
					for (const [sort, name] of written(run, event.data as WorldEvents["durable"])) {
						report(
							`wrote-${sort.replaceAll(" ", "-")}`,
							`wrote ${name} (${(event.data as { what: string }).what})`,
							index,
						);
					}
					break;
				case "run.completed": {
					const { output } = event.data as HostEvents["run.completed"];
					const [seen, before] = [render(output), outcome.status === "completed" ? render(outcome.output) : undefined];
					// What the program changed itself is told of by replay.isolated-values.
					if (
						seen !== before &&
						!(before !== undefined && seen.split(CHANGED).length !== before.split(CHANGED).length)
					) {
						report("other-output", `returned ${render(output)}, before: ${tell(outcome)}`, index);
					}
					break;
				}
				case "run.rejected": {
					const { error } = event.data as HostEvents["run.rejected"];
					// What storage refused, and what cannot be replayed at all, are told of elsewhere.
					if (error.name === OperationError.name || replayFailure(error) !== undefined) break;
					if (outcome.status !== "failed" || !isDeepStrictEqual(error, outcome.error)) {
						report("other-error", `rejected with ${error.name}: ${error.message}, before: ${tell(outcome)}`, index);
					}
					break;
				}
			}
		}
		// What is run again is written again and may come out otherwise; another output alone has most often been found before.
		const again = [...found.values()].filter(({ kind }) => kind.includes("-ran-"));
		if (again.length > 0) return again;
		return [...found.values()].map((violation) =>
			violation.kind.includes("-other-") ? { ...violation, residual: true } : violation,
		);
	},
};

export const parallelSafe: Property = {
	id: "replay.parallel-safe",
	claim: "Branches that flush at the same time lose nothing: names, entries, statuses, metadata.",
	source: "docs: Join, Fan-out / fan-in (join); engine: flush (all that is dirty)",
	mutants: ["engine-skips-names-of-overlapping-flushes"],
	skips: (program) => (program.parallel === true ? unclearNames(program) : "no branches run side by side"),
	check(run) {
		// Judged where nothing else can be to blame: between a stop in good order and the next start.
		const violations: Violation[] = [];
		const returned = new Set<string>();
		const branches: string[] = [];
		let crashed = false;
		run.history.events.forEach((event, index) => {
			if (crashed) return;
			switch (event.kind) {
				case "process.crash":
					crashed = true;
					break;
				case "branches.call": {
					const { key, names } = event.data as ProbeEvents["branches.call"];
					for (const name of names) branches.push(`${key}.${name}`);
					break;
				}
				case "step.return": {
					const { key } = event.data as ProbeEvents["step.return"];
					if (isUnder(key, branches) && run.stepRules.get(key)?.ephemeral !== true) returned.add(key);
					break;
				}
				case "body.start": {
					const { key } = event.data as ProbeEvents["body.start"];
					if (returned.has(key)) {
						violations.push({
							kind: "step-forgotten",
							message: `${key} had returned before a stop in good order, and runs again`,
							event: index,
						});
					}
					break;
				}
				case "run.rejected": {
					const { error } = event.data as HostEvents["run.rejected"];
					if (replayFailure(error) === "missing-name") {
						violations.push({
							kind: "name-lost",
							message: `the start after a stop in good order failed: ${error.message}`,
							event: index,
						});
					}
					break;
				}
			}
		});
		return violations;
	},
};

function failedAlike({ data }: HistoryEvent, failure: string): boolean {
	return replayFailure((data as HostEvents["run.rejected"]).error) === failure;
}

/** The sorts of things a write changed (`workflow output`, `entry`, `alarm`), each with what it was. */
/**
 * A message that is sent again is told of by queue.no-duplicate; and an alarm that is cleared, as one that an operator set
 * while the workflow came to its end, wakes nobody any more.
 */
const NO_HARM: ReadonlySet<string> = new Set(["queue.append", "alarm.clear"]);

function written(run: Run, { mutations }: WorldEvents["durable"]): Map<string, string> {
	const { engine, storage } = run.target;
	const sorts = new Map<string, string>();
	for (const { table, key } of mutations) {
		const name = storage.describeKey(table, key, engine.describeKey);
		const sort = name.replace(/^(entry|metadata|name|message|response) .*$/, "$1");
		if (!sorts.has(sort)) sorts.set(sort, name);
	}
	return sorts;
}

function effectLabels(run: Run): Set<string> {
	return new Set(run.of("effect").map(({ data }) => (data as WorldEvents["effect"]).label));
}

/** An outcome in a few words. */
export function tell(outcome: Outcome): string {
	switch (outcome.status) {
		case "completed":
			return `completed with ${render(outcome.output)}`;
		case "failed":
			return `failed with ${outcome.error.name}: ${outcome.error.message}`;
		case "waiting":
			return `waiting for ${outcome.names.join(", ") || "any message"}`;
		case "cancelled":
			return "cancelled";
		case "unrecoverable":
			return `unrecoverable: ${outcome.error.message}`;
		case "hung":
			return "hung";
		case "unfinished":
			return "unfinished";
	}
}
