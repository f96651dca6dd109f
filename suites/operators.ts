/** What an operator asks of a workflow lasts: a cancellation, a recovery, a replay from a step. */
import type { HostEvents, RecordedEntry } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { EPOCH_MS } from "../sim/world/world.ts";
import { replayFailure } from "./meant.ts";
import { isUnder } from "./messages.ts";
import { unclearNames } from "./names.ts";
import type { Property, Violation } from "./property.ts";
import type { Run } from "./run.ts";

const DEFAULT_MAX_RETRIES = 3;

export const cancelSticks: Property = {
	id: "cancel.sticks",
	claim: "A cancelled workflow stays cancelled: nothing later overwrites it, and a later start runs nothing.",
	source: "types: WorkflowHandle.cancel",
	followsOperators: true,
	mutants: ["engine-cancels-in-memory-only", "engine-runs-what-was-cancelled"],
	check(run) {
		const { events } = run.history;
		const violations: Violation[] = [];
		let called: HistoryEvent | undefined;
		/** Whether the disk has said since that it is cancelled. */
		let recorded = false;
		let answered = false;
		let overwritten = false;
		for (let index = 0; index < events.length; index++) {
			const event = events[index] as HistoryEvent;
			const { operation, error } = (event.data ?? {}) as Partial<HostEvents["handle.answer"]>;
			if (event.kind === "run.again") break;
			if (event.kind === "handle.call" && operation === "cancel") {
				called = event;
			} else if (event.kind === "handle.answer" && operation === "cancel" && error === undefined) {
				answered = true;
				if (!recorded) {
					const message = "the cancellation was confirmed, and nothing on disk says so";
					violations.push({ kind: "not-recorded", message, event: index });
				}
			} else if (event.kind === "durable" && called !== undefined) {
				const state = stateWritten(run, event.data as WorldEvents["durable"]);
				if (state === undefined) continue;
				if (state === "cancelled") recorded = true;
				else if (recorded && !overwritten) {
					overwritten = true;
					const late = event.process === called.process ? "" : "-by-a-later-start";
					violations.push({
						kind: `overwritten-with-${state}${late}`,
						message: `cancelled, and then ${state} according to process ${event.process}`,
						event: index,
					});
				}
			} else if (event.kind === "body.start" || event.kind === "compensation.start") {
				// What an overwritten state brings about has that cause.
				if (!answered || !recorded || overwritten || event.process === called?.process) continue;
				const { key } = event.data as ProbeEvents["body.start"];
				const message = `${key} ran in process ${event.process}, after the cancellation was confirmed`;
				violations.push({ kind: "ran-after-cancelled", message, event: index });
				break;
			}
		}
		return violations;
	},
};

/** The workflow state that a write put on disk, if it did. */
function stateWritten(run: Run, { mutations }: WorldEvents["durable"]): string | undefined {
	const { engine, storage } = run.target;
	const written = mutations.find(
		({ table, key }) => storage.describeKey(table, key, engine.describeKey) === "workflow state",
	);
	return written?.value == null
		? undefined
		: Buffer.from(written.value)
				.toString("latin1")
				.replace(/[^a-z_]/g, "");
}

export const recoverRestarts: Property = {
	id: "recover.restarts",
	claim: "recover() of a failed workflow retries what failed and only that.",
	source: "types: WorkflowHandle.recover",
	followsOperators: true,
	mutants: ["engine-recovers-the-state-only"],
	check(run) {
		const { events } = run.history;
		const violations: Violation[] = [];
		events.forEach((event, begin) => {
			if (event.kind !== "handle.answer") return;
			const { operation, error } = event.data as HostEvents["handle.answer"];
			if (operation !== "recover" || error !== undefined) return;
			const failed = failureBefore(run, begin);
			const after = endAfter(events, begin);
			const ran = new Set(
				events
					.slice(begin, after)
					.flatMap(({ kind, data }) => (kind === "body.start" ? [(data as { key: string }).key] : [])),
			);
			const ended = events[after];
			if (ended !== undefined && failed.operation !== undefined && failed.steps.every((key) => !ran.has(key))) {
				violations.push({
					kind: `failed-${failed.operation}-not-retried`,
					message: `${failed.key} had failed and was to be retried; the workflow ended again without running ${failed.steps.join(" or ")}`,
					event: after,
				});
			}
			for (const key of failed.exhaustedAndCaught) {
				if (!ran.has(key)) continue;
				violations.push({
					kind: "caught-step-ran-again",
					message: `${key} had failed for good, which the workflow caught; recovering ran it again`,
					event: begin,
				});
			}
			if (ended?.kind !== "run.rejected") return;
			const broken = replayFailure((ended.data as HostEvents["run.rejected"]).error);
			if (broken !== undefined && failed.broken === undefined) {
				violations.push({ kind: broken, message: "what was recovered cannot be replayed", event: after });
			}
		});
		return violations;
	},
};

interface Failure {
	/** What failed, if it was something that the workflow asked for. */
	readonly operation: "step" | "join" | "race" | undefined;
	readonly key: string;
	/** Steps one of which has to run for that to be retried. */
	readonly steps: readonly string[];
	/** Steps that had run out of attempts and did not fail the workflow. */
	readonly exhaustedAndCaught: readonly string[];
	/** How replaying had failed, if that was it. */
	readonly broken: string | undefined;
}

/** What failed the workflow in the last run before that place. */
function failureBefore(run: Run, before: number): Failure {
	const events = run.history.events.slice(0, before);
	const begin = events.findLastIndex(({ kind }) => kind === "run.start");
	const { process } = events[begin] as HistoryEvent;
	const rejected = events.findLast(({ kind }) => kind === "run.rejected");
	const thrown = events.slice(begin).filter((event) => event.kind === "threw" && event.process === process);
	const keys = thrown.map(({ data }) => (data as ProbeEvents["threw"]).key);
	const error = (rejected?.data as HostEvents["run.rejected"] | undefined)?.error;
	// What failed the workflow is what came out of it; errors that the program caught, and what rollback meets, are others.
	const fatal = error === undefined ? undefined : thrown.findLast((event) => isSame(event, error));
	const key = (fatal?.data as ProbeEvents["threw"] | undefined)?.key ?? "";
	const branches = run.of("branches.call").find(({ data }) => (data as ProbeEvents["branches.call"]).key === key);
	const under = keys.filter((other) => isUnder(other, [key]) && run.stepRules.has(other));
	const failures = new Map<string, number>();
	const threw = new Set<string>();
	for (const { kind, data } of events) {
		if (kind === "threw") threw.add((data as ProbeEvents["threw"]).key);
		if (kind !== "body.end") continue;
		const { key, error } = data as ProbeEvents["body.end"];
		if (error !== undefined) failures.set(key, (failures.get(key) ?? 0) + 1);
	}
	const operation =
		branches !== undefined
			? (branches.data as ProbeEvents["branches.call"]).operation
			: run.stepRules.has(key)
				? "step"
				: undefined;
	// A step that was refused before its body ran has nothing to retry.
	const steps = (operation === "step" ? [key] : under).filter((step) => failures.has(step));
	return {
		operation: steps.length > 0 && fatal !== undefined ? operation : undefined,
		key,
		steps,
		exhaustedAndCaught: (operation === undefined ? [] : [...failures])
			.filter(([step, count]) => count > (run.stepRules.get(step)?.maxRetries ?? DEFAULT_MAX_RETRIES))
			.map(([step]) => step)
			.filter((step) => step !== key && !steps.includes(step))
			// What failed a branch in an earlier life failed it all the same.
			.filter((step) => !isUnder(step, [key]) || !threw.has(step)),
		broken: error === undefined ? undefined : replayFailure(error),
	};
}

function isSame(thrown: HistoryEvent | undefined, error: { readonly name: string; readonly message: string }): boolean {
	const data = thrown?.data as ProbeEvents["threw"] | undefined;
	return data?.error.name === error.name && data.error.message === error.message;
}

/** Where the workflow came to an end again, without having been cut short or asked anything; -1 when it did not. */
function endAfter(events: readonly HistoryEvent[], begin: number): number {
	for (let index = begin + 1; index < events.length; index++) {
		const { kind, data } = events[index] as HistoryEvent;
		if (kind === "run.completed") return index;
		if (kind === "run.rejected" && (data as HostEvents["run.rejected"]).state === "failed") return index;
		if (kind === "run.again" || kind === "run.cancelled") return -1;
	}
	return -1;
}

export const replayFromClean: Property = {
	id: "replay-from.clean",
	claim: "Replaying from a step takes away that step and what came after it, nothing before it, and leaves no orphan.",
	source: "engine: replayWorkflowFromStep",
	followsOperators: true,
	mutants: ["engine-replays-and-keeps-metadata"],
	needs: ["replayFrom"],
	skips: unclearNames,
	check(run, reference) {
		const { events } = run.history;
		const violations: Violation[] = [];
		events.forEach((event, begin) => {
			// What one replay leaves behind in disorder tells nothing of the next.
			if (event.kind !== "replay-from.call" || violations.length > 0) return;
			const call = event.data as HostEvents["replay-from.call"];
			const target = call.records.find(({ id }) => id === call.target);
			const answer = events.findIndex(
				(other, index) => index > begin && other.kind === "replay-from.answer" && other.process === event.process,
			);
			const report = (kind: string, message: string, place = answer < 0 ? begin : answer) => {
				if (!violations.some((other) => other.kind === kind)) violations.push({ kind, message, event: place });
			};
			if (target === undefined) return;
			const order = new ProgramOrder(run, target, call.records, begin);
			if (answer < 0) {
				judgeInterrupted(run, order, begin, report);
				return;
			}
			const { error, records, orphans } = (events[answer] as HistoryEvent).data as HostEvents["replay-from.answer"];
			if (error !== undefined) {
				if (/running/.test(error.message)) {
					const running = call.records.filter(({ status }) => status === "running");
					const kind = running.some((entry) => order.isTied(entry) && order.of(entry) === "after")
						? "wrong-cut-at-equal-times"
						: running.some((entry) => order.isInside(entry))
							? "refused-within-loop"
							: "refused-at-rest";
					report(kind, `nothing was running, and replaying ${target.path} was refused: ${error.message}`);
				}
				return;
			}
			if (orphans > call.orphans) {
				report("orphan-metadata", `metadata of ${orphans - call.orphans} entries that are gone was left`);
			}
			const left = new Set(records.map(({ id }) => id));
			for (const entry of call.records) {
				const gone = !left.has(entry.id);
				const place = order.of(entry);
				if (gone && place === "before") {
					report(
						order.isTied(entry)
							? "wrong-cut-at-equal-times"
							: entry.createdAt === undefined
								? "earlier-untimed-entry-lost"
								: `earlier-${entry.kind}-lost`,
						`the ${entry.kind} ${entry.path} came before ${target.path} and was taken away with it`,
					);
				}
				if (!gone && place === "after") {
					report(
						order.isTied(entry) ? "wrong-cut-at-equal-times" : `later-${entry.kind.replaceAll("_", "-")}-kept`,
						`the ${entry.kind} ${entry.path} came after ${target.path} and was kept`,
					);
				}
			}
			judgeEnd(run, reference, call, answer, report);
		});
		return violations;
	},
};

type Report = (kind: string, message: string, place?: number) => void;

/** What came of it: the same end, where nothing but the replay could have changed it. */
function judgeEnd(
	run: Run,
	reference: Run,
	call: HostEvents["replay-from.call"],
	answer: number,
	report: Report,
): void {
	const { events } = run.history;
	const end = endAfter(events, answer);
	const ended = events[end];
	if (ended?.kind !== "run.rejected") return;
	const broken = replayFailure((ended.data as HostEvents["run.rejected"]).error);
	if (broken === undefined || reference.outcome.status === "failed") return;
	// What could not be replayed before it cannot be replayed after it.
	if (events.slice(0, answer).some((event) => event.kind === "run.rejected" && isBroken(event))) return;
	report(`then-${broken}`, `after the replay from ${call.target} the workflow could not go on`, end);
}

function isBroken({ data }: HistoryEvent): boolean {
	return replayFailure((data as HostEvents["run.rejected"]).error) !== undefined;
}

/** A crash in the midst of it: all is as it was, or all that came after the step is gone with it. */
function judgeInterrupted(run: Run, order: ProgramOrder, begin: number, report: Report): void {
	const { events } = run.history;
	const call = (events[begin] as HistoryEvent).data as HostEvents["replay-from.call"];
	const found = events.find((event, index) => index > begin && event.kind === "replay-from.found");
	const { orphans = 0 } = (found?.data ?? {}) as Partial<HostEvents["replay-from.found"]>;
	if (found !== undefined && orphans > call.orphans) {
		const message = `a crash in the midst of it left metadata of ${orphans - call.orphans} entries that are gone`;
		report("orphan-metadata-after-a-crash", message, events.indexOf(found));
	}
	const end = endAfter(events, begin);
	// Without a crash it goes wrong where entries are as old as the step; without their messages loops end elsewhere.
	if (end < 0 || call.records.some((entry) => entry.kind === "message" || order.isTied(entry))) return;
	const ran = new Set(
		events
			.slice(begin, end)
			.flatMap(({ kind, data }) => (kind === "body.start" ? [(data as { key: string }).key] : [])),
	);
	const later = order.stepsFromTarget();
	const again = later.filter((key) => ran.has(key));
	const kept = later.filter((key) => !ran.has(key));
	if (again.length > 0 && kept.length > 0) {
		report(
			"half-done-after-a-crash",
			`${again.join(", ")} ran again and ${kept.join(", ")} did not: a crash left the replay half done`,
			end,
		);
	}
}

/** Where entries stand in the order of the program, as far as what was observed before the replay tells. */
class ProgramOrder {
	readonly #run: Run;
	readonly #events: readonly HistoryEvent[];
	/** First event of each operation, and its first return, by the path of its entry. */
	readonly #began = new Map<string, number>();
	readonly #returned = new Map<string, number>();
	readonly #branches: readonly string[];
	readonly #boundary: string;
	readonly #boundaryBegan: number | undefined;
	readonly #boundaryCreatedAt: number | undefined;
	readonly #replayedAt: number;

	constructor(run: Run, target: RecordedEntry, records: readonly RecordedEntry[], before: number) {
		this.#run = run;
		// What came before an earlier replay was in another order, if code changed meanwhile.
		const again = run.history.events.findLastIndex(
			({ kind }, index) => index < before - 1 && kind === "run.again" && run.program.evolving === true,
		);
		this.#events = run.history.events.slice(Math.max(0, again), before);
		this.#branches = run
			.of("branches.call")
			.map(({ data }) => data as ProbeEvents["branches.call"])
			.flatMap(({ key, names }) => names.map((name) => `${key}.${name}`))
			.sort((a, b) => b.length - a.length);
		this.#events.forEach((event, index) => {
			const { key } = (event.data ?? {}) as { key?: string };
			if (key === undefined) return;
			const path = this.#pathOf(key);
			if (BEGINS.has(event.kind) && !this.#began.has(path)) this.#began.set(path, index);
			if (RETURNS.has(event.kind) && !this.#returned.has(path)) this.#returned.set(path, index);
			// A loop begins with its first iteration.
			const loop = /^(.*)\[\d+\]$/.exec(path)?.[1];
			if (event.kind === "iterate" && loop !== undefined && !this.#began.has(loop)) this.#began.set(loop, index);
		});
		// A step in a loop is replayed with the whole loop, which keeps no state of earlier iterations.
		const loop = /^(.*)\[\d+\]\/.*$/.exec(target.path)?.[1];
		this.#boundary = loop ?? target.path;
		this.#boundaryBegan = this.#began.get(this.#boundary);
		this.#replayedAt = EPOCH_MS + (run.history.events[before]?.at ?? 0);
		this.#boundaryCreatedAt = records.find(({ path }) => path === this.#boundary)?.createdAt;
	}

	/** Whether an entry is exactly as old as the one that the replay begins at; without a time on record it is new. */
	isTied({ path, createdAt = this.#replayedAt }: RecordedEntry): boolean {
		return path !== this.#boundary && createdAt === this.#boundaryCreatedAt;
	}

	/** Whether the replay begins inside an entry. */
	isInside({ path }: RecordedEntry): boolean {
		return this.#boundary.startsWith(`${path}/`) || this.#boundary.startsWith(`${path}[`);
	}

	/** Undefined where the order is not known, or where there is none, as among branches side by side. */
	of(entry: RecordedEntry): "before" | "after" | undefined {
		const path = entry.path.replace(/:(count|\d+|deadline)$/, "");
		if (this.#boundaryBegan === undefined || path === this.#boundary || path.startsWith(`${this.#boundary}[`)) {
			return undefined;
		}
		if (this.isInside(entry)) return undefined;
		if (this.#sideBySide(path)) return undefined;
		const returned = this.#returned.get(path);
		if (returned !== undefined && returned < this.#boundaryBegan) return "before";
		const began = this.#began.get(path);
		return began !== undefined && began > this.#boundaryBegan ? "after" : undefined;
	}

	/** Steps that had returned and came after the target, and the target. */
	stepsFromTarget(): string[] {
		const boundaryBegan = this.#boundaryBegan;
		if (boundaryBegan === undefined) return [];
		const keys = new Set(
			this.#events.flatMap(({ kind, data }) => (kind === "step.return" ? [(data as { key: string }).key] : [])),
		);
		return [...keys].filter((key) => {
			const path = this.#pathOf(key);
			if (this.#run.stepRules.get(key)?.ephemeral === true || this.#sideBySide(path)) return false;
			return path === this.#boundary || (this.#began.get(path) ?? -1) > boundaryBegan;
		});
	}

	/** Whether a path and the boundary are in the same join or race. */
	#sideBySide(path: string): boolean {
		return this.#branches.some((branch) => {
			const operation = this.#pathOf(branch).replace(/\/[^/]*$/, "");
			return path.startsWith(`${operation}/`) && this.#boundary.startsWith(`${operation}/`);
		});
	}

	/** The path of the entry that an observed key is of: branches are a name further down. The innermost comes first. */
	#pathOf(key: string): string {
		let path = key;
		for (const branch of this.#branches) {
			if (path === branch || path.startsWith(`${branch}/`) || path.startsWith(`${branch}.`)) {
				const dot = branch.lastIndexOf(".");
				path = `${branch.slice(0, dot)}/${branch.slice(dot + 1)}${path.slice(branch.length)}`;
			}
		}
		return path;
	}
}

const BEGINS: ReadonlySet<string> = new Set(["body.start", "sleep.call", "queue.call", "branches.call"]);
const RETURNS: ReadonlySet<string> = new Set([
	"step.return",
	"sleep.return",
	"queue.return",
	"branches.return",
	"loop.return",
]);
