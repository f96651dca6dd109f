/**
 * Compensation: what was completed since the last checkpoint is undone in reverse, one step at a time, each on record before
 * the next begins. How a step is undone is in the program: what this process has not come by, it learns by running the program
 * through what is on record. A compensation that fails is tried again, with the step's own delays, until it succeeds.
 */

import { recordOf } from "./errors.ts";
import type { Execution } from "./execution.ts";
import { type Block, type Entry, entriesOf, type StepData } from "./history.ts";
import { Strand } from "./run.ts";
import { backoffMs } from "./step.ts";
import { decodeValue } from "./values.ts";

type StepEntry = Entry<StepData>;

/** When the last checkpoint was set, in the order of completions. */
export function lastCheckpoint(root: Block): number {
	let last = 0;
	for (const { data } of entriesOf(root)) if (data.kind === "rollback_checkpoint") last = Math.max(last, data.order);
	return last;
}

function isToBeUndone(entry: Entry, since: number): entry is StepEntry {
	const { data } = entry;
	return data.kind === "step" && data.status === "completed" && data.undone !== true && (data.order ?? 0) > since;
}

/** Whether something in the block was completed since that moment and is undone when the workflow fails. */
export function waitsToBeUndone(block: Block, since: number): boolean {
	for (const entry of entriesOf(block)) if (isToBeUndone(entry, since)) return true;
	return false;
}

/** What is to be undone, in the order of completion. */
export function pendingUndos(root: Block, beyondCheckpoints = false): StepEntry[] {
	const since = beyondCheckpoints ? 0 : lastCheckpoint(root);
	return [...entriesOf(root)]
		.filter((entry): entry is StepEntry => isToBeUndone(entry, since))
		.sort((a, b) => (a.data.order as number) - (b.data.order as number));
}

/** @returns whether all is undone; otherwise the run was stopped meanwhile. */
export async function rollBack(execution: Execution): Promise<boolean> {
	const { run, recorded, handlers } = execution;
	const { rules } = run;
	const undos = pendingUndos(recorded.root, rules.undoBeyondCheckpoint === true);
	if (rules.undoForwards !== true) undos.reverse();
	const strand = new Strand(run);
	strand.running = true;
	if (undos.some(({ key }) => !handlers.has(key)) && rules.undoOnlyWhatIsInMemory !== true)
		await execution.rehearse(strand);
	for (const entry of undos) {
		if (run.stopping) return false;
		while (entry.data.undone !== true) {
			const { undoRetryAt = 0 } = entry.data;
			while (Date.now() < undoRetryAt) await run.wait(strand, { deadline: undoRetryAt });
			if (run.stopping) return false;
			execution.compensating = undo(execution, entry);
			await execution.compensating;
			execution.compensating = undefined;
			// With an eviction, what came of it is on record with the last flush.
			if (run.stopping) return false;
			if (rules.undoneInMemory !== true) await execution.journal.flush();
			if (rules.abandonFailedUndo === true) break;
		}
	}
	return !run.stopping;
}

async function undo(execution: Execution, entry: StepEntry): Promise<void> {
	const { run, handlers, journal, workflowId } = execution;
	const { data } = entry;
	const handler = handlers.get(entry.key);
	const value = data.value === undefined ? undefined : decodeValue(data.value);
	const context = { workflowId, abortSignal: run.abort.signal, isEvicted: () => run.abort.signal.aborted };
	try {
		// Code that has no compensation any more has nothing to undo.
		await handler?.(context, value);
		data.undone = true;
		delete data.undoRetryAt;
	} catch (error) {
		const record = recordOf(error);
		data.undoAttempts = (data.undoAttempts ?? 0) + 1;
		data.undoError = record;
		data.undoRetryAt = Date.now() + backoffMs({}, data.undoAttempts);
		const { name, message } = record;
		execution.report({ rollback: { workflowId, stepName: entry.name, error: { name, message } } });
	}
	if (run.rules.undoneInMemory !== true) journal.change(entry);
	if (run.rules.undoTwice === true && data.undone) await handler?.(context, value);
}
