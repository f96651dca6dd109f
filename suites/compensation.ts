/** What was done is undone when a workflow fails: all of it, in reverse, once. */
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { REFUSAL } from "../fixtures/generators/values.ts";
import { OperationError } from "../sim/world/faults.ts";
import type { ErrorFact, HistoryEvent } from "../sim/world/history.ts";
import { Findings } from "./findings.ts";
import { replayFailure } from "./meant.ts";
import { isUnder, losingBranches } from "./messages.ts";
import { unclearNames } from "./names.ts";
import { endOf, oncePerRun, type Property } from "./property.ts";
import type { Run } from "./run.ts";

const skipsWithoutCompensation: Property["skips"] = (program) =>
	program.compensates === true ? unclearNames(program) : "no step is compensated";

/** A compensated step that gave its value, and a checkpoint: where in the history it first did. */
interface Facts {
	readonly completed: ReadonlyMap<string, number>;
	readonly checkpoints: ReadonlyMap<string, number>;
	/** Compensations in the order in which each first began. */
	readonly begun: ReadonlyMap<string, number>;
	/** Compensations that came to their end. */
	readonly done: ReadonlySet<string>;
	/** The last failure of an operation before the first compensation, or before the end. */
	readonly failures: ReadonlySet<string>;
}

const factsOf = oncePerRun((run: Run): Facts => {
	const completed = new Map<string, number>();
	const checkpoints = new Map<string, number>();
	const begun = new Map<string, number>();
	const done = new Set<string>();
	const failures = new Set<string>();
	const first = (map: Map<string, number>, key: string, index: number) => {
		if (!map.has(key)) map.set(key, index);
	};
	// What a look at the finished workflow brings about is told of by replay.pure.
	const events = run.history.events.slice(0, endOf(run));
	events.forEach((event, index) => {
		const { key } = event.data as { key: string };
		switch (event.kind) {
			case "step.return":
				if (run.stepRules.get(key)?.compensated === true) first(completed, key, index);
				break;
			case "checkpoint.return":
				first(checkpoints, key, index);
				break;
			case "compensation.start":
				first(begun, key, index);
				break;
			case "compensation.end":
				if ((event.data as ProbeEvents["compensation.end"]).ok) done.add(key);
				break;
			case "threw":
				failures.add(textOf((event.data as ProbeEvents["threw"]).error));
				break;
		}
	});
	return { completed, checkpoints, begun, done, failures };
});

function textOf({ name, message }: { readonly name: string; readonly message: string }): string {
	return `${name}: ${message}`;
}

/** The block that an entry stands in, as the beginning of its key. */
function blockOf(key: string): string {
	return key.slice(0, key.lastIndexOf("/") + 1);
}

/** Whether the workflow came to an end by which what it did is to be undone. */
function undoes(run: Run): boolean {
	const { outcome } = run;
	return (
		outcome.status === "failed" && !UNDOES_NOTHING.has(outcome.error.name) && !NO_HISTORY.test(outcome.error.message)
	);
}

/** A mistake in the program or its history, found before anything: what is then undone is nobody's promise. */
const UNDOES_NOTHING: ReadonlySet<string> = new Set(["RollbackCheckpointError", "HistoryDivergedError"]);
const NO_HISTORY = /not found in registry/;

export const rollbackOrder: Property = {
	id: "rollback.order",
	claim: "Compensations run in reverse order of the completed steps since the checkpoint, all of them and only those.",
	source: "docs: Rollback, Cross-actor saga (compensating actions); types: StepConfig.rollback",
	mutants: ["engine-compensates-forwards", "engine-skips-the-last-compensation", "engine-compensates-what-failed"],
	skips: skipsWithoutCompensation,
	check(run) {
		const found = new Findings();
		const { completed, checkpoints, begun } = factsOf(run);
		const last = endOf(run) - 1;
		for (const [key, index] of begun) {
			const done = completed.get(key);
			// A success may be durable, and its process gone, before the workflow learns of it.
			const succeeded = run.history.events.slice(0, index).some(({ kind, data }) => {
				const end = data as ProbeEvents["body.end"];
				return kind === "body.end" && end.key === key && end.error === undefined;
			});
			if (done === undefined && succeeded) continue;
			if (done === undefined || done > index) {
				found.add("compensated-uncompleted", `${key} was compensated, and had not been completed`, index);
				continue;
			}
			for (const [checkpoint, at] of checkpoints) {
				if (at > done && at < index && key.startsWith(blockOf(checkpoint))) {
					found.add(
						"compensated-before-checkpoint",
						`${key} was compensated although checkpoint ${checkpoint} came after it`,
						index,
						"the documentation does not say whether a checkpoint ends the reach of the one before it",
					);
				}
			}
		}
		const order = [...begun.keys()].filter((key) => completed.has(key));
		for (let i = 1; i < order.length; i++) {
			const [earlier, later] = [order[i - 1] as string, order[i] as string];
			if ((completed.get(earlier) as number) > (completed.get(later) as number)) continue;
			if (inParallel(run, earlier, later)) continue;
			found.residual(
				"out-of-order",
				`${earlier} was compensated before ${later}, which came after it`,
				begun.get(earlier) as number,
			);
		}
		if (!undoes(run)) return found.violations;
		const losers = losingBranches(run);
		const lastCheckpoint = Math.max(-1, ...checkpoints.values());
		for (const [key, at] of completed) {
			if (begun.has(key) || at < lastCheckpoint || isUnder(key, losers)) continue;
			const [where, words, disputed] = whereIs(run, key, at);
			found.add(`not-compensated-${where}`, `${key} was completed and not compensated: ${words}`, last, disputed);
		}
		return found.violations;
	},
};

/** What stands between a step that was not compensated and the beginning of the workflow: what is to blame. */
function whereIs(run: Run, step: string, at: number): [where: string, words: string, disputed?: string] {
	const events = run.history.events;
	/** The outermost block around it that is more than a list of statements. */
	let outermost: readonly [length: number, where: string, words: string] | undefined;
	const around = (key: string, where: string, words: string) => {
		if (outermost === undefined || key.length < outermost[0]) outermost = [key.length, where, words];
	};
	const returned = new Set<string>();
	let caught: string | undefined;
	for (let index = 0; index < events.length; index++) {
		const { kind, data } = events[index] as HistoryEvent;
		const { key } = data as { key: string };
		if (kind === "loop.return" || kind === "branches.return") returned.add(key);
		else if (kind === "step.caught" && index < at) caught ??= "step";
		else if (kind === "try.return" && index < at && (data as ProbeEvents["try.return"]).failure !== undefined) {
			caught ??= "block";
		}
	}
	for (const { data } of run.of("iterate")) {
		const { key } = data as ProbeEvents["iterate"];
		if (!step.startsWith(`${key}/`)) continue;
		const loop = key.slice(0, key.lastIndexOf("["));
		if (returned.has(loop)) around(key, "in-finished-loop", `it stands in loop ${loop}, which had ended`);
		else around(key, "in-loop", `it stands in loop ${loop}, which was under way`);
	}
	for (const { data } of run.of("branches.call")) {
		const { key, operation, names } = data as ProbeEvents["branches.call"];
		if (!names.some((name) => step.startsWith(`${key}.${name}/`))) continue;
		const how = returned.has(key) ? operation : `failed-${operation}`;
		around(key, `in-${how}`, `it stands in a branch of ${operation} ${key}`);
	}
	if (outermost !== undefined) return [outermost[1], outermost[2]];
	if (caught !== undefined) return [`after-caught-${caught}`, `a ${caught} before it had failed and was caught`];
	return ["at-all", "nothing stands in the way"];
}

function inParallel(run: Run, one: string, other: string): boolean {
	return run.of("branches.call").some(({ data }) => {
		const { key, names } = data as ProbeEvents["branches.call"];
		const branch = (place: string) => names.find((name) => place.startsWith(`${key}.${name}/`));
		return branch(one) !== undefined && branch(other) !== undefined && branch(one) !== branch(other);
	});
}

export const rollbackOnce: Property = {
	id: "rollback.once",
	claim:
		"Each completed compensation runs once, across crashes during rollback; a failing one is resumed, and the error that began it all is kept.",
	source:
		"docs: Rollback; types: EntryMetadata.rollbackCompletedAt, EntryMetadata.rollbackError, WorkflowRollbackErrorEvent",
	mutants: [
		"engine-compensates-twice",
		"engine-reports-the-rollback",
		"engine-gives-up-on-compensations",
		"engine-compensates-what-failed",
	],
	skips: skipsWithoutCompensation,
	check(run) {
		const found = new Findings();
		/** Compensations that ended well, and those of them that a write of their process followed, or its next compensation. */
		const ended = new Map<string, number>();
		const recorded = new Set<string>();
		const open = new Map<string, number>();
		const crashed = new Set<number>();
		const evicted = new Set<number>();
		run.history.events.forEach((event, index) => {
			switch (event.kind) {
				case "process.crash":
					crashed.add(event.process);
					break;
				case "run.evicting":
					evicted.add(event.process);
					break;
				case "compensation.start": {
					const { key } = event.data as ProbeEvents["compensation.start"];
					const left = open.get(key);
					// The next one begins once the one before it is on record.
					for (const [done, process] of ended) if (process === event.process && done !== key) recorded.add(done);
					if (recorded.has(key)) found.add("ran-again", `${key} had been compensated, and was again`, index);
					else if (ended.get(key) === event.process) {
						found.add("ran-again-at-once", `${key} was compensated twice by one process`, index);
					} else if (left !== undefined && evicted.has(left) && !crashed.has(left)) {
						found.add(
							"abandoned-when-evicted",
							`the compensation of ${key} was left under way when the process was evicted, and ran again`,
							index,
							"eviction is to stop at the next yield point, and the documentation does not say whether a compensation is one",
						);
					}
					open.set(key, event.process);
					break;
				}
				case "compensation.end": {
					const { key, ok } = event.data as ProbeEvents["compensation.end"];
					// Asked to stop, the process no longer heeds how a compensation ends.
					if (evicted.has(event.process)) break;
					open.delete(key);
					if (ok) ended.set(key, event.process);
					break;
				}
				case "durable":
					for (const [key, process] of ended) if (process === event.process) recorded.add(key);
					break;
			}
		});
		const { outcome } = run;
		const last = run.history.events.length - 1;
		const { begun, done, failures } = factsOf(run);
		if (outcome.status === "failed") {
			for (const key of begun.keys()) {
				if (!done.has(key)) found.add("never-finished", `the compensation of ${key} failed and was not resumed`, last);
			}
			// A value that is refused may be no failure of an operation, but of the program.
			const isRefusal = outcome.error.name === REFUSAL;
			if (begun.size > 0 && failures.size > 0 && !isRefusal && !failures.has(textOf(outcome.error))) {
				found.residual("original-error-lost", `it failed with ${textOf(outcome.error)}, which no operation had`, last);
			}
		} else if (outcome.status === "unrecoverable" && begun.size > 0 && !isOfStorageOrReplay(outcome.error)) {
			found.residual("never-finished", `rollback came to no end: ${textOf(outcome.error)}`, last);
		} else if (outcome.status === "completed" && begun.size > 0) {
			found.add("completed-after-rollback", "it was compensated and completed all the same", last);
		}
		return found.violations;
	},
};

/** Whether the last start failed for another reason than its compensations: storage refused it, or replaying did. */
function isOfStorageOrReplay(error: ErrorFact): boolean {
	return error.name === OperationError.name || replayFailure(error) !== undefined;
}

export const rollbackCheckpoint: Property = {
	id: "rollback.checkpoint",
	claim: "A step with a compensation and no checkpoint before it is refused before it runs.",
	source: "docs: Rollback; errors: RollbackCheckpointError; engine: ensureRollbackCheckpoint",
	mutants: ["engine-needs-no-checkpoint", "engine-forgets-checkpoints"],
	skips: skipsWithoutCompensation,
	check(run) {
		const found = new Findings();
		const checkpoints = new Set<string>();
		run.history.events.forEach((event, index) => {
			switch (event.kind) {
				case "checkpoint.return":
					checkpoints.add(blockOf((event.data as ProbeEvents["checkpoint.return"]).key));
					break;
				case "body.start": {
					const { key } = event.data as ProbeEvents["body.start"];
					if (run.stepRules.get(key)?.compensated === true && checkpoints.size === 0) {
						found.add("ran-without-checkpoint", `${key} ran, and no checkpoint came before it`, index);
					}
					break;
				}
				case "threw": {
					const { key, error } = event.data as ProbeEvents["threw"];
					if (error.name !== "RollbackCheckpointError" || run.stepRules.get(key)?.compensated !== true) break;
					const before = [...checkpoints].find((block) => key.startsWith(block));
					if (before !== undefined) {
						found.add("refused-with-checkpoint", `${key} was refused although a checkpoint came before it`, index);
					}
					break;
				}
			}
		});
		return found.violations;
	},
};
