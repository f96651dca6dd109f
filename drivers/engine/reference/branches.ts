/**
 * Branches side by side, each a strand and a block of its own. A join waits for all of them, a race for the first that comes to
 * its end. The winner is on record before anything of the others is cleared away.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import type { Context } from "./context.ts";
import { branchesFailed, type ErrorRecord, errorOf, HistoryDivergedError, recordOf } from "./errors.ts";
import { HALT } from "./execution.ts";
import { type BranchData, type BranchesData, type Entry, entriesOf } from "./history.ts";
import { describeKey } from "./keys.ts";
import { putBack, takenIn } from "./queue.ts";
import { Strand } from "./run.ts";
import { decodeValue, encodeValue } from "./values.ts";

type Branches = readonly (readonly [name: string, config: Rivet.BranchConfig<unknown>])[];

function enter(context: Context, kind: "join" | "race", name: string, branches: Branches): Entry<BranchesData> {
	const { execution } = context.scope;
	const entry = context.enter(kind, name, () => ({
		kind,
		branches: branches.map(([branch]): BranchData => ({ name: branch, status: "pending" })),
		done: false,
		back: [],
	})) as Entry<BranchesData>;
	const recorded = entry.data.branches.map((branch) => branch.name);
	if (recorded.length !== branches.length || branches.some(([branch], i) => branch !== recorded[i])) {
		const now = branches.map(([branch]) => branch).join(", ");
		throw execution.refuse(
			new HistoryDivergedError(
				`History has the branches ${recorded.join(", ")} where the code has ${now}, in ${describeKey(entry.key)}`,
			),
		);
	}
	if (!entry.recorded) {
		execution.onlyForReal();
		context.record(entry);
	}
	return entry;
}

export async function joinBranches(context: Context, name: string, branches: Branches): Promise<unknown> {
	const { execution } = context.scope;
	const { rules } = execution.run;
	const entry = enter(context, "join", name, branches);
	const { data } = entry;
	if (execution.rehearsing) rehearse(context, entry, branches, () => true);
	if (!data.done) {
		execution.onlyForReal();
		await fork(context, (ended) => {
			const open = branches.flatMap(([, config], i) =>
				data.branches[i]?.status === "pending" ? [[config, i] as const] : [],
			);
			let left = open.length;
			if (left === 0) ended();
			return open.map(([config, i]) =>
				branch(context, entry, i, config, () => {
					if (--left === 0 || (rules.joinEndsWithFirstFailure === true && data.branches[i]?.status === "failed"))
						ended();
				}),
			);
		});
		data.done = true;
		if (rules.joinForgetsErrors === true)
			for (const one of data.branches) {
				if (one.status !== "failed") continue;
				one.status = "completed";
				delete one.error;
			}
		context.record(entry);
		// Once the program goes on, no branch may ever begin again.
		if (rules.endJoinBeforeRecord !== true) await context.flush();
	}
	const failed = failures(data);
	if (failed.length > 0) throw branchError(entry, "join", failed);
	return Object.fromEntries(
		data.branches.map((one) => [one.name, one.value === undefined ? undefined : decodeValue(one.value)]),
	);
}

export async function raceBranches(
	context: Context,
	name: string,
	branches: Branches,
): Promise<{ winner: string; value: unknown }> {
	const { execution } = context.scope;
	const { rules } = execution.run;
	const entry = enter(context, "race", name, branches);
	const { data } = entry;
	if (execution.rehearsing) rehearse(context, entry, branches, (i) => !data.done || i === data.winner);
	if (!data.done || rules.decideRacesAnew === true) {
		execution.onlyForReal();
		if (rules.decideRacesAnew === true) for (const one of data.branches) one.status = "pending";
		await fork(context, (ended) => {
			const open = branches.flatMap(([, config], i) =>
				data.branches[i]?.status === "pending" ? [[config, i] as const] : [],
			);
			const isOver = () => data.branches.every(({ status }) => status === "failed");
			if (isOver()) ended();
			return open.map(([config, i]) =>
				branch(context, entry, i, config, () => {
					if (data.done) return;
					const won = data.branches[i]?.status === "completed";
					if (won) data.winner = i;
					if (!won && !isOver()) return;
					data.done = true;
					ended();
				}),
			);
		});
		data.done = true;
		await decide(context, entry);
	}
	if (data.back.length > 0 && !execution.rehearsing) {
		await context.scope.strand.until(putBack(execution, data.back));
		data.back = [];
		context.record(entry);
	}
	if (data.winner === undefined) throw branchError(entry, "race", failures(data));
	const { name: winner, value } = data.branches[data.winner] as BranchData;
	return { winner, value: value === undefined ? undefined : decodeValue(value) };
}

/** Has the winner on record, and the others cleared away after that. */
async function decide(context: Context, entry: Entry<BranchesData>): Promise<void> {
	const { execution } = context.scope;
	const { rules } = execution.run;
	const { data } = entry;
	if (data.winner === undefined) {
		context.record(entry);
		await context.flush();
		return;
	}
	const back = [];
	for (const [i, { name }] of data.branches.entries()) {
		if (i === data.winner) continue;
		const block = entry.branch(i, name);
		back.push(...takenIn(entriesOf(block)));
		for (const { data: taken } of entriesOf(block)) {
			if (taken.kind !== "message" || !taken.completable) continue;
			for (const { id } of taken.messages ?? []) if (!taken.completed.includes(id)) execution.claims.release(id);
		}
		if (rules.keepLosers === true) continue;
		entry.blocks.delete(block.key);
		execution.journal.remove(block.key);
	}
	data.back = rules.swallowLosersMessages === true ? [] : back;
	if (rules.clearLosersFirst === true) await context.flush();
	context.record(entry);
	if (rules.tellWinnerBeforeRecord !== true) await context.flush();
}

type End = () => void;

/** Runs branches while the strand around them rests, until one of them says that it is over. */
async function fork(context: Context, start: (ended: End) => readonly Strand[]): Promise<void> {
	const { execution, strand } = context.scope;
	let strands: readonly Strand[] = [];
	await strand.until(
		new Promise<void>((resolve) => {
			let over = false;
			strands = start(() => {
				over = true;
				strand.running = true;
				// In the instant in which it is decided: what the others still do counts no more.
				for (const branch of strands) execution.run.drop(branch);
				resolve();
			});
			if (over) for (const branch of strands) execution.run.drop(branch);
			else strand.running = false;
		}),
	);
}

/** Starts one branch. Its end is known at once, and on record with the next flush. */
function branch(
	context: Context,
	entry: Entry<BranchesData>,
	number: number,
	config: Rivet.BranchConfig<unknown>,
	ended: End,
): Strand {
	const { execution } = context.scope;
	const data = entry.data.branches[number] as BranchData;
	const isRace = entry.data.kind === "race";
	const strand = new Strand(execution.run, context.scope.strand);
	strand.running = true;
	const inner = context.inside(entry.branch(number, data.name), { strand, inRace: isRace || context.scope.inRace });
	const end = (status: "completed" | "failed", more: Partial<BranchData>): void => {
		Object.assign(data, { status, ...more });
		context.record(entry);
		for (const [id, where] of strand.uncompleted) context.scope.strand.uncompleted.set(id, where);
		ended();
		execution.run.drop(strand);
	};
	inner
		.carryOut((child) => config.run(child))
		.then(
			(value) => {
				if (!strand.alive) return;
				let bytes: Uint8Array;
				try {
					bytes = encodeValue(value, `branch "${data.name}" of ${entry.data.kind} "${entry.name}"`);
				} catch (error) {
					if (execution.mistake(error as Error, inner.scope) !== HALT) end("failed", { error: recordOf(error) });
					return;
				}
				end("completed", { value: bytes });
			},
			(error: unknown) => {
				if (error === HALT || !strand.alive) return;
				end("failed", { error: recordOf(error) });
			},
		);
	return strand;
}

/** Runs through what branches did, to learn how it is undone. */
function rehearse(
	context: Context,
	entry: Entry<BranchesData>,
	branches: Branches,
	counts: (number: number) => boolean,
): void {
	for (const [number, [name, config]] of branches.entries()) {
		if (!counts(number)) continue;
		const strand = new Strand(context.scope.execution.run, context.scope.strand);
		strand.running = true;
		context
			.inside(entry.branch(number, name), { strand })
			.carryOut((child) => config.run(child))
			.catch(() => {});
	}
}

function failures({ branches }: BranchesData): [string, ErrorRecord][] {
	return branches.flatMap(({ name, error }): [string, ErrorRecord][] => (error === undefined ? [] : [[name, error]]));
}

/** One error for all that failed, in the order in which the program names them: the same on every replay. */
function branchError(
	entry: Entry<BranchesData>,
	operation: "join" | "race",
	failed: readonly [string, ErrorRecord][],
): Error {
	const blame = [entry.key, ...failed.flatMap(([, error]) => error.blame ?? [])];
	return errorOf(branchesFailed(operation, failed, blame), { source: operation, name: entry.name, blame });
}
