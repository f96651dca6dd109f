/** Loops keep their state and forget what they may; failures are caught where the program says so. */
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { blocksOf, type Statement, someStatement } from "../fixtures/generators/statement.ts";
import { getOrInsert } from "../sim/world/collections.ts";
import type { ErrorFact } from "../sim/world/history.ts";
import { Findings } from "./findings.ts";
import { isUnder, losingBranches } from "./messages.ts";
import { unclearNames } from "./names.ts";
import { type Property, undoingFrom } from "./property.ts";
import type { Run } from "./run.ts";
import { MAX_TIMER_MS, TIMED_OUT } from "./steps.ts";
import { StoredHistory } from "./storage.ts";

export const loopState: Property = {
	id: "loop.state",
	claim: "A loop resumes at its last durable state; break values and undefined states included.",
	source: "docs: Loops, Checkpoint-friendly loop design; types: LoopConfig, LoopEntry, LoopIterationResult",
	mutants: ["engine-restarts-loops", "engine-forgets-what-loops-gave", "driver-drops-the-end-of-batches"],
	skips: unclearNames,
	check(run) {
		const found = new Findings();
		const plain = loopsWithPlainState(run);
		const losers = losingBranches(run);
		const undoing = undoingFrom(run);
		const states = new Map<string, string>();
		const results = new Map<string, string>();
		/** The highest iteration of each loop that a step was on record for. */
		const reached = new Map<string, number>();
		run.history.events.forEach((event, index) => {
			switch (event.kind) {
				case "iterate": {
					if (index > undoing) break;
					const { key, state } = event.data as ProbeEvents["iterate"];
					const [loop, iteration] = iterationOf(key);
					if (results.has(loop)) {
						const kind = isUnder(key, losers) ? "finished-loop-ran-again-in-race" : "finished-loop-ran-again";
						found.add(kind, `${key} began although ${loop} had ended`, index);
						break;
					}
					const before = getOrInsert(states, key, () => state);
					if (before !== state && plain(loop)) {
						found.add("iteration-saw-other-state", `${key} began with ${before} first, and with ${state} later`, index);
					}
					const last = reached.get(loop) ?? 0;
					// A step in iteration n was written together with the state that n began with.
					if (iteration < last) {
						found.add("went-back", `${key} began although a step of iteration ${last} was on record`, index);
					}
					break;
				}
				case "step.return": {
					const { key } = event.data as ProbeEvents["step.return"];
					if (run.stepRules.get(key)?.ephemeral === true) break;
					const parent = key.slice(0, key.lastIndexOf("/"));
					if (!states.has(parent)) break;
					const [loop, iteration] = iterationOf(parent);
					reached.set(loop, Math.max(iteration, reached.get(loop) ?? 0));
					break;
				}
				case "loop.return": {
					const { key, value } = event.data as ProbeEvents["loop.return"];
					const before = getOrInsert(results, key, () => value);
					if (before !== value && plain(key)) {
						found.add("other-break-value", `${key} gave ${before} first, and ${value} on replay`, index);
					}
					break;
				}
			}
		});
		return found.violations;
	},
};

function iterationOf(key: string): [loop: string, iteration: number] {
	const open = key.lastIndexOf("[");
	return [key.slice(0, open), Number(key.slice(open + 1, -1))];
}

/**
 * Values that no encoding keeps, and objects changed after they were handed over, are judged where values are; failures that
 * were caught, where they are caught.
 */
function loopsWithPlainState(run: Run): (loop: string) => boolean {
	const { statements } = run.program;
	if (statements === undefined) return () => true;
	const odd = (statement: Statement) =>
		("returns" in statement && statement.returns !== undefined) ||
		("changed" in statement && statement.changed === true) ||
		statement.kind === "try" ||
		statement.kind === "try-step" ||
		(statement.kind === "loop" && (statement.state === "changed" || statement.holds !== undefined));
	return (loop) => {
		const name = loop.split("/").at(-1);
		return !someStatement(
			statements,
			(statement) => statement.kind === "loop" && statement.name === name && someStatement([statement], odd),
		);
	};
}

/** What the engine prunes by when a loop does not say. */
const DEFAULT_PRUNE_EVERY = 20;

export const loopPruning: Property = {
	id: "loop.pruning",
	claim: "Storage of a loop stays bounded in the number of its iterations, by the history size that it asks for.",
	source: "types: LoopConfig.historyPruneInterval, LoopConfig.historySize; engine: collectLoopPruning; PR 4006",
	mutants: ["driver-keeps-deleted-ranges", "driver-keeps-deleted-metadata"],
	skips: (program) =>
		program.statements === undefined || someStatement(program.statements, prunes)
			? unclearNames(program)
			: "no loop is pruned",
	check(run) {
		const found = new Findings();
		const stored = new StoredHistory(run);
		const limits = limitsOf(run);
		run.history.events.forEach((event, index) => {
			stored.apply(event);
			if (event.kind !== "run.yield" && event.kind !== "run.completed") return;
			// What may have to be undone outlives its iteration: undoing it takes its record, and its code run through once more.
			const undoable = [...run.stepRules].flatMap(([key, rule]) => (rule.compensated ? [stored.place(key) ?? ""] : []));
			for (const [loop, iterations] of iterationsOf(stored, undoable)) {
				const limit = limits(stored, loop);
				if (iterations.size > limit) {
					found.add(
						"stored-beyond-history-size",
						`${iterations.size} iterations of a loop are stored, and ${limit} at most may be`,
						index,
					);
				}
			}
			const orphans = [...stored.metadata].filter((id) => {
				const place = stored.placeOf.get(id);
				return place?.includes("[") === true && !stored.entries.has(place);
			});
			if (orphans.length > 0) {
				const crashed = run.of("process.crash").length > 0;
				found.add(
					crashed ? "metadata-left-by-crash" : "metadata-left",
					`metadata of ${orphans.length} entries that were pruned stays for ever`,
					index,
					crashed ? "it grows with the number of crashes, not with that of the iterations" : undefined,
				);
			}
		});
		return found.violations;
	},
};

function prunes(statement: Statement): boolean {
	return statement.kind === "loop" && statement.prune !== undefined;
}

/** The iterations stored of each loop, by the place of the loop; without those that have one of the places inside. */
function iterationsOf(stored: StoredHistory, without: readonly string[]): Map<string, Set<string>> {
	const loops = new Map<string, Set<string>>();
	for (const place of stored.entries.keys()) {
		const segments = place.split("/");
		segments.forEach((segment, i) => {
			if (!segment.startsWith("[")) return;
			const loop = segments.slice(0, i).join("/");
			if (without.some((inside) => inside.startsWith(`${loop}/${segment}/`))) return;
			getOrInsert(loops, loop, () => new Set()).add(segment);
		});
	}
	return loops;
}

/** How many iterations of a loop may be stored: those it keeps, those since it last pruned, and the one under way. */
function limitsOf(run: Run): (stored: StoredHistory, loop: string) => number {
	const { statements } = run.program;
	return (stored, loop) => {
		const rules = statements === undefined ? undefined : pruneOf(statements, (name) => stored.ends(loop, name));
		const { every, keep } = rules ?? { every: DEFAULT_PRUNE_EVERY, keep: DEFAULT_PRUNE_EVERY };
		// A crash may come after an iteration is on record and before what it makes superfluous is gone.
		return every + keep + 1 + every * run.of("process.crash").length;
	};
}

function pruneOf(
	statements: readonly Statement[],
	is: (name: string) => boolean,
): { readonly every: number; readonly keep: number } | undefined {
	for (const statement of statements) {
		if (statement.kind === "loop" && statement.prune !== undefined && is(statement.name)) return statement.prune;
		for (const block of blocksOf(statement)) {
			const inside = pruneOf(block, is);
			if (inside !== undefined) return inside;
		}
	}
	return undefined;
}

/** What a catching operation says when it says nothing. */
const STEP_FAILURES: readonly string[] = ["critical", "timeout", "exhausted"];
const BLOCK_FAILURES: readonly string[] = ["step", "join", "race"];

export const tryCatches: Property = {
	id: "try.catches",
	claim: "tryStep and try catch what their catch says, rethrow the rest, and the same after replay.",
	source:
		"types: TryStepConfig.catch, TryStepFailure, TryBlockConfig.catch, TryBlockFailure; docs: What are workflows?",
	mutants: [
		"engine-tells-the-wrong-failure",
		"engine-catches-whatever-fails",
		"engine-catches-too-little",
		"engine-retries-critical-failures",
	],
	skips: (program) =>
		program.needs?.some((need) => need !== "getVersion") === true ? unclearNames(program) : "nothing is caught",
	check(run) {
		const found = new Findings();
		const listed = catchesOf(run);
		/** How the last attempt of each step ended; undefined while it runs, or ran out of time. */
		const ends = new Map<string, string | undefined>();
		/** Virtual milliseconds at which the last attempt of each step began. */
		const begun = new Map<string, number>();
		const caughtSteps = new Map<string, { readonly failure: string; readonly error: string }>();
		const thrown = new Set<string>();
		const caughtBlocks = new Map<string, string>();
		/** The kind of failure by key of the step, as its last attempt tells it. */
		const kindOf = (key: string) => KIND_OF_ERROR.get(ends.get(key) ?? "timeout") ?? "exhausted";
		/** A limit that no timer can hold strikes at once, however the body ends: timer.extremes tells of it. */
		const noteCutShort = (key: string, error: ErrorFact) => {
			const limitMs = run.stepRules.get(key)?.timeoutMs ?? 0;
			if (limitMs > MAX_TIMER_MS && TIMED_OUT.test(error.message)) ends.set(key, "timeout");
		};
		run.history.events.forEach((event, index) => {
			switch (event.kind) {
				case "body.start": {
					const { key } = event.data as ProbeEvents["body.start"];
					ends.set(key, undefined);
					begun.set(key, event.at);
					break;
				}
				case "body.end": {
					const { key, error } = event.data as ProbeEvents["body.end"];
					// What fails in the instant in which its time is up has failed in both ways: its limit may have been first.
					const limitMs = run.stepRules.get(key)?.timeoutMs ?? Number.POSITIVE_INFINITY;
					const inTime = event.at - (begun.get(key) ?? 0) < limitMs || limitMs <= 0;
					if (!caughtSteps.has(key) && inTime) ends.set(key, error?.name);
					break;
				}
				case "step.caught": {
					const { key, failure, error } = event.data as ProbeEvents["step.caught"];
					noteCutShort(key, error);
					const told = `${error.name}: ${error.message}`;
					const first = caughtSteps.get(key);
					if (first === undefined) {
						caughtSteps.set(key, { failure, error: told });
						const right = kindOf(key);
						if (thrown.has(key)) {
							const message = `${key} failed as ${right} and threw, and was caught as ${failure} on replay`;
							found.add("thrown-then-caught-after-replay", message, index);
						} else if (failure !== right && !(failure === "timeout" && ends.get(key) === undefined)) {
							const message = `${key} failed as ${right}, and was told as ${failure}`;
							// An attempt that a crash cut short has no end; a flush of a branch beside it counts it all the same.
							const cut = ends.has(key) && ends.get(key) === undefined;
							found.add(cut ? "cut-short-counted-as-failure" : `told-${failure}-for-${right}`, message, index);
						}
						if (!thrown.has(key) && !listed.step(key).includes(failure)) {
							found.add("caught-unlisted", `${key} caught ${failure}, which it does not list`, index);
						}
					} else if (first.failure !== failure) {
						const kind = `${first.failure}-became-${failure}-after-replay`;
						found.add(kind, `${key} failed as ${first.failure} first, and as ${failure} on replay`, index);
					} else if (first.error !== told) {
						const message = `${key} failed with "${first.error}" first, and with "${told}" on replay`;
						found.add("other-error-after-replay", message, index);
					}
					break;
				}
				case "step.return": {
					const { key } = event.data as ProbeEvents["step.return"];
					if (caughtSteps.has(key))
						found.add("failure-became-success", `${key} had failed for good, and returned`, index);
					break;
				}
				case "threw": {
					const { key, error } = event.data as ProbeEvents["threw"];
					noteCutShort(key, error);
					if (run.stepRules.has(key) && listed.isTryStep(key) && FAILURES_OF_STEPS.has(error.name)) {
						thrown.add(key);
						const before = caughtSteps.get(key);
						if (before !== undefined) {
							const message = `${key} was caught as ${before.failure}, and threw ${error.name} on replay`;
							found.add("caught-then-thrown", message, index);
						} else if (listed.step(key).includes(kindOf(key))) {
							found.add(`${kindOf(key)}-not-caught`, `${key} lists ${kindOf(key)}, and threw ${error.name}`, index);
						}
					}
					const source = SOURCE_OF_ERROR.get(error.name);
					if (listed.isTry(key) && source !== undefined) {
						const before = caughtBlocks.get(key);
						if (before !== undefined) {
							const message = `${key} had caught a failure of a ${before}, and threw ${error.name} on replay`;
							found.add("block-caught-then-thrown", message, index);
						} else if (listed.block(key).includes(source)) {
							found.add(`block-missed-${source}`, `${key} lists ${source}, and threw ${error.name}`, index);
						}
					}
					break;
				}
				case "try.return": {
					const { key, failure } = event.data as ProbeEvents["try.return"];
					const source = failure?.source ?? "none";
					const first = getOrInsert(caughtBlocks, key, () => source);
					if (first !== source) {
						found.add(`block-failure-changed`, `${key}: a failure of ${first} first, of ${source} on replay`, index);
					}
					break;
				}
			}
		});
		return found.violations;
	},
};

/** The kind of failure that an error from a step's body makes of the step. */
const KIND_OF_ERROR: ReadonlyMap<string, string> = new Map([
	["CriticalError", "critical"],
	["RollbackError", "rollback"],
	["timeout", "timeout"],
]);
const FAILURES_OF_STEPS: ReadonlySet<string> = new Set(["CriticalError", "RollbackError", "StepExhaustedError"]);
const SOURCE_OF_ERROR: ReadonlyMap<string, string> = new Map([
	["CriticalError", "step"],
	["StepExhaustedError", "step"],
	["RollbackError", "rollback"],
	["JoinError", "join"],
	["RaceError", "race"],
]);

/** What each place lists, by its key; what is not known from statements is taken for the default. */
function catchesOf(run: Run) {
	const steps = new Map<string, readonly string[]>();
	const blocks = new Map<string, readonly string[]>();
	if (run.program.statements !== undefined) {
		someStatement(run.program.statements, (statement) => {
			if (statement.kind === "try-step") steps.set(statement.name, statement.catch ?? STEP_FAILURES);
			if (statement.kind === "try") blocks.set(statement.name, statement.catch ?? BLOCK_FAILURES);
			return false;
		});
	}
	const nameOf = (key: string) => key.split("/").at(-1) ?? key;
	return {
		isTryStep: (key: string) => steps.has(nameOf(key)),
		isTry: (key: string) => blocks.has(nameOf(key)),
		step: (key: string) => steps.get(nameOf(key)) ?? STEP_FAILURES,
		block: (key: string) => blocks.get(nameOf(key)) ?? BLOCK_FAILURES,
	};
}
