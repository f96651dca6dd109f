/**
 * Loops. Each iteration has a record of its own with the state that it begins with, written with the first flush inside it: a
 * loop resumes at its last one, and earlier ones can be run through again as long as they are kept.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import type { Context } from "./context.ts";
import { type Block, type Entry, entriesOf, type LoopData } from "./history.ts";
import { iterationKey } from "./keys.ts";
import { takenIn } from "./queue.ts";
import { decodeValue, encodeValue } from "./values.ts";

export const DEFAULT_PRUNE_INTERVAL = 20;

type Config<T> = Rivet.LoopConfig<unknown, T>;

export async function runLoop<T>(context: Context, config: Config<T>): Promise<T> {
	const { execution } = context.scope;
	const { rules } = execution.run;
	const entry = context.enter("loop", config.name, () => ({ kind: "loop", done: false, from: 0, took: [] }));
	const { data } = entry;
	if (execution.rehearsing) rehearse(context, entry, config);
	if (data.done && rules.forgetLoopEnd !== true) return decodeValue(data.value as Uint8Array) as T;
	execution.onlyForReal();
	if (!entry.recorded) context.record(entry);

	let block = lastIteration(entry) ?? entry.iteration(0);
	let object = config.state;
	for (;;) {
		if (block.state === undefined) begin(context, block, keepable(context, config.state, config.name));
		const state = rules.shareLoopState === true ? object : decodeValue(block.state as Uint8Array);
		const iteration = block.iteration as number;
		const result = await context
			.inside(block, { iteration })
			.carryOut((inner) => config.run(inner, state) as Promise<unknown>);
		const next = outcomeOf(context, config.name, result);
		if (next.over) {
			data.done = true;
			data.value = keepable(context, next.value, config.name);
			context.record(entry);
			// The program must never see the loop go on again.
			if (rules.endLoopBeforeRecord !== true) await context.flush();
			return decodeValue(data.value) as T;
		}
		const bytes = keepable(context, next.value, config.name);
		object = next.value;
		// What nothing is recorded in needs no record: the next one's state says all there is to know.
		if (!block.entries.some((inner) => inner?.recorded === true)) {
			entry.blocks.delete(block.key);
			execution.journal.forget(block.key);
			execution.journal.remove(block.key);
		}
		block = entry.iteration(iteration + 1);
		begin(context, block, bytes);
		prune(context, entry, config, iteration + 1);
	}
}

function begin(context: Context, block: Block, state: Uint8Array): void {
	const { journal, run } = context.scope.execution;
	block.state = state;
	if (run.rules.keepLoopStateInMemory !== true || block.iteration === 0) journal.change(block);
}

/** The iteration that a loop has come to, as far as is on record. */
function lastIteration({ blocks }: Entry<LoopData>): Block | undefined {
	let last: Block | undefined;
	for (const block of blocks.values()) {
		if (block.state !== undefined && (block.iteration ?? -1) > (last?.iteration ?? -1)) last = block;
	}
	return last;
}

function outcomeOf(context: Context, name: string, result: unknown): { over: boolean; value: unknown } {
	if (result === undefined) return { over: false, value: undefined };
	if (typeof result === "object" && result !== null) {
		if ("break" in result) return { over: true, value: (result as { value?: unknown }).value };
		if ("continue" in result) return { over: false, value: (result as { state?: unknown }).state };
	}
	const message = `Loop "${name}": an iteration returns Loop.continue(state), Loop.break(value), or nothing`;
	throw context.scope.execution.mistake(new TypeError(message), context.scope);
}

function keepable(context: Context, value: unknown, name: string): Uint8Array {
	try {
		return encodeValue(value, `loop "${name}"`);
	} catch (error) {
		throw context.scope.execution.mistake(error as Error, context.scope);
	}
}

/** Forgets iterations now and then; not those with steps that may have to be undone, which need their code to run again. */
function prune<T>(context: Context, entry: Entry<LoopData>, config: Config<T>, current: number): void {
	const { execution, inRace } = context.scope;
	const { rules } = execution.run;
	const every =
		count(config.historyPruneInterval ?? config.commitInterval ?? config.historyEvery) ?? DEFAULT_PRUNE_INTERVAL;
	const keep = count(config.historySize ?? config.historyKeep) ?? every;
	if (current % Math.max(1, every) !== 0 || rules.neverPrune === true) return;
	const limit = current - keep + (rules.pruneLiveIteration === true ? 1 : 0);
	const old = [...entry.blocks.values()].filter(
		(block) => (block.iteration as number) < limit && (rules.pruneCompensations === true || !execution.mayUndo(block)),
	);
	if (old.length === 0) return;
	const { data } = entry;
	data.from = Math.max(data.from, limit);
	for (const block of old) {
		// A race that is lost gives back what was taken here.
		if (inRace) data.took = [...data.took, ...takenIn(entriesOf(block))];
		entry.blocks.delete(block.key);
	}
	context.record(entry);
	for (const [from, to] of rangesOf(old.map(({ iteration }) => iteration as number))) {
		execution.journal.remove(iterationKey(entry.key, from), iterationKey(entry.key, to));
	}
}

function count(value: number | undefined): number | undefined {
	return value === undefined || !(value >= 0) ? undefined : Math.floor(value);
}

/** Half-open ranges of numbers that follow each other. */
function rangesOf(numbers: readonly number[]): [from: number, to: number][] {
	const ranges: [number, number][] = [];
	for (const number of [...numbers].sort((a, b) => a - b)) {
		const last = ranges.at(-1);
		if (last !== undefined && last[1] === number) last[1]++;
		else ranges.push([number, number + 1]);
	}
	return ranges;
}

/** Runs through what was done in the iterations that are kept, to learn how it is undone. */
function rehearse<T>(context: Context, entry: Entry<LoopData>, config: Config<T>): void {
	for (const block of entry.blocks.values()) {
		if (block.state === undefined || !context.scope.execution.mayUndo(block)) continue;
		const state = decodeValue(block.state);
		const { iteration } = block;
		context
			.inside(block, { iteration })
			.carryOut((inner) => config.run(inner, state) as Promise<unknown>)
			.catch(() => {});
	}
}
