/**
 * What operations cost: durable writes, storage operations and bytes, counted in tiny programs with one more of an operation than
 * others. The world is deterministic, so the difference is exact; what a version may cost is on record, and more is a failure.
 */
import type { HostingMode } from "../drivers/engine/host.ts";
import type { Program, ProgramInput } from "../fixtures/programs/program.ts";
import type { Cost, CostCell } from "../reports/model.ts";
import type { WorldEvents } from "../sim/world/history.ts";
import { execute, type Run, type Target } from "./run.ts";
import type { Scenario } from "./scenario.ts";

export const durableCost = {
	id: "durable.cost",
	claim: "Durable writes per operation (step, sleep, message, iteration) stay at their recorded budget.",
	source: "PR 4006 (frequent operations); the budgets of fixtures/costs/budgets.yaml",
	mutants: ["driver-writes-twice"],
} as const;

/** An operation whose cost is counted: programs that do it `count` times, over and over, and nothing else that grows. */
export interface Operation {
	readonly name: string;
	readonly summary: string;
	readonly needs?: Program["needs"];
	/** Counts whose difference is the cost; a difference of more than one evens out what happens every so often. */
	readonly counts: readonly [less: number, more: number];
	inputs?(count: number): readonly ProgramInput[];
	run(count: number): Program["run"];
}

const ONE_MORE = [2, 3] as const;
/** As many iterations as loops keep between two prunings of their history, unless they say otherwise. */
const PRUNING = [20, 40] as const;

const DAY_MS = 86_400_000;

/** A program that does something `count` times, each under a name of its own and of equal length. */
function times(
	once: (context: Parameters<Program["run"]>[0], name: string, env: Parameters<Program["run"]>[1]) => Promise<unknown>,
) {
	return (count: number): Program["run"] =>
		async (context, env) => {
			for (let i = 0; i < count; i++) await once(context, `n${i}`, env);
		};
}

function messages(count: number): ProgramInput[] {
	return Array.from({ length: count }, () => ({ atMs: 0, name: "work", body: { amount: 1 } }));
}

export const OPERATIONS: readonly Operation[] = [
	{
		name: "step",
		summary: "a step that returns a number",
		counts: ONE_MORE,
		run: times((context, name) => context.step(name, async () => 7)),
	},
	{
		name: "step, void",
		summary: "a step that returns nothing",
		counts: ONE_MORE,
		run: times((context, name) => context.step(name, async () => {})),
	},
	{
		name: "step, ephemeral",
		summary: "an ephemeral step that returns a number",
		counts: ONE_MORE,
		run: times((context, name) => context.step({ name, ephemeral: true, run: async () => 7 })),
	},
	{
		name: "step, compensable",
		summary: "a step with a rollback handler, behind one checkpoint",
		counts: ONE_MORE,
		run: (count) => async (context) => {
			await context.rollbackCheckpoint("checkpoint");
			for (let i = 0; i < count; i++) {
				await context.step({ name: `n${i}`, run: async () => 7, rollback: async () => {} });
			}
		},
	},
	{
		name: "sleep, short",
		summary: "a sleep of 10 ms",
		counts: ONE_MORE,
		run: times((context, name) => context.sleep(name, 10)),
	},
	{
		name: "sleep, long",
		summary: "a sleep of a day",
		counts: ONE_MORE,
		run: times((context, name) => context.sleep(name, DAY_MS)),
	},
	{
		name: "sleepUntil",
		summary: "a sleep until an hour from now",
		counts: ONE_MORE,
		run: times((context, name, env) => context.sleepUntil(name, env.nowMs() + 3_600_000)),
	},
	{
		name: "message",
		summary: "a message taken from the queue",
		counts: ONE_MORE,
		inputs: messages,
		run: times((context, name) => context.queue.next(name)),
	},
	{
		name: "message, completable",
		summary: "a message taken and answered",
		counts: ONE_MORE,
		inputs: messages,
		run: times(async (context, name) => {
			const message = await context.queue.next(name, { completable: true });
			await message.complete?.({ ok: true });
		}),
	},
	{
		name: "nextBatch of 10",
		summary: "ten messages taken at once",
		counts: ONE_MORE,
		inputs: (count) => messages(10 * count),
		run: times((context, name) => context.queue.nextBatch(name, { count: 10 })),
	},
	{
		name: "loop iteration",
		summary: "an iteration of a loop with state, around one step",
		counts: PRUNING,
		run: (count) => (context, env) =>
			context.loop({
				name: "loop",
				state: 0,
				run: async (loop, iteration) => {
					if (iteration === count) return env.Loop.break(iteration);
					await loop.step("step", async () => 7);
					return env.Loop.continue(iteration + 1);
				},
			}),
	},
	{
		name: "loop iteration, empty",
		summary: "an iteration of a loop with state that does nothing",
		counts: PRUNING,
		run: (count) => (context, env) =>
			context.loop({
				name: "loop",
				state: 0,
				run: async (_, iteration) =>
					iteration === count ? env.Loop.break(iteration) : env.Loop.continue(iteration + 1),
			}),
	},
	{
		name: "join of 2",
		summary: "a join of two branches with a step each",
		counts: ONE_MORE,
		run: times((context, name) =>
			context.join(name, {
				a: { run: (branch) => branch.step("a", async () => 1) },
				b: { run: (branch) => branch.step("b", async () => 2) },
			}),
		),
	},
	{
		name: "race of 2",
		summary: "a race of a step against a sleep of a day",
		counts: ONE_MORE,
		run: times((context, name) =>
			context.race<number | undefined>(name, [
				{ name: "a", run: (branch) => branch.step("a", async () => 1) },
				{ name: "b", run: async (branch) => void (await branch.sleep("b", DAY_MS)) },
			]),
		),
	},
	{
		name: "rollbackCheckpoint",
		summary: "a checkpoint to roll back to",
		counts: ONE_MORE,
		run: times((context, name) => context.rollbackCheckpoint(name)),
	},
	{
		name: "removed",
		summary: "an entry that a former release had, in a history that never met it",
		counts: ONE_MORE,
		run: times((context, name) => context.removed(name, "step")),
	},
	{
		name: "tryStep",
		summary: "a step that succeeds, in tryStep",
		needs: ["tryStep"],
		counts: ONE_MORE,
		run: times((context, name) => context.tryStep(name, async () => 7)),
	},
	{
		name: "try",
		summary: "a try block around one step",
		needs: ["try"],
		counts: ONE_MORE,
		run: times((context, name) => context.try(name, (block) => block.step("a", async () => 7))),
	},
	{
		name: "getVersion",
		summary: "a version of a place in the code",
		needs: ["getVersion"],
		counts: ONE_MORE,
		run: times((context, name) => context.getVersion(name, 2)),
	},
];

/** The whole of a start of a workflow that has finished: ten steps behind it. */
export const RESUME = {
	name: "resume of a finished one",
	summary: "a start of a workflow that had finished after ten steps",
	counts: [0, 1],
	run: () => times((context, name) => context.step(name, async () => 7))(10),
} as const satisfies Operation;

/** What the operation costs on a target; undefined where the engine lacks it. @throws Error when a program does not complete. */
export function costOf(target: Target, operation: Operation, mode: HostingMode): Cost | undefined {
	if (operation.needs?.some((need) => !target.engine.features.has(need))) return undefined;
	const [less, more] = operation.counts;
	if (operation.name === RESUME.name) return spent(measured(target, operation, more, mode), "revisit");
	const [a, b] = [less, more].map((count) => spent(measured(target, operation, count, mode), "run")) as [Cost, Cost];
	return { writes: b.writes - a.writes, operations: b.operations - a.operations, bytes: b.bytes - a.bytes };
}

function measured(target: Target, operation: Operation, count: number, mode: HostingMode): Run {
	const inputs = operation.inputs?.(count);
	const program: Program = {
		name: operation.name,
		summary: operation.summary,
		...(inputs === undefined ? {} : { inputs }),
		run: operation.run(count),
	};
	const scenario: Scenario = {
		program: program.name,
		seed: "cost",
		hosting: { mode, restartMs: 0, coldWake: true },
		latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 },
		inFlight: "lost",
		faults: [],
	};
	const run = execute(scenario, program, target);
	if (run.outcome.status !== "completed") {
		throw new Error(`The program for "${operation.name}" ended ${run.outcome.status} on ${target.engine.name}.`);
	}
	return run;
}

/** What processes spent before the workflow had completed, or in the visit after that. */
function spent(run: Run, visit: "run" | "revisit"): Cost {
	const { events } = run.history;
	const completed = events.findIndex(({ kind }) => kind === "run.completed");
	const chosen = visit === "run" ? events.slice(0, completed) : events.slice(completed);
	const cost = { writes: 0, operations: 0, bytes: 0 };
	for (const { process, kind, data } of chosen) {
		if (process === 0) continue;
		// A message that is taken is told of twice: as read, and as the write that takes it out.
		if (kind === "operation") cost.operations++;
		if (kind !== "durable") continue;
		const { what, mutations } = data as WorldEvents["durable"];
		cost.writes++;
		if (what !== "queue.take") cost.operations++;
		for (const { key, value } of mutations) cost.bytes += key.length + (value?.length ?? 0);
	}
	return cost;
}

/** What a cost comes to beside its budget. */
export function judgeCost(engine: string, cost: Cost | undefined, budget: Cost | undefined): CostCell {
	if (cost === undefined) return { engine, verdict: "not-applicable", message: "the version lacks it" };
	if (budget === undefined) return { engine, cost, verdict: "unrecorded" };
	const changes = (["writes", "operations", "bytes"] as const).filter((measure) => cost[measure] !== budget[measure]);
	const message = changes.map((measure) => `${measure} ${cost[measure]}, budget ${budget[measure]}`).join("; ");
	if (changes.length === 0) return { engine, cost, budget, verdict: "pass" };
	const exceeds = changes.some((measure) => cost[measure] > budget[measure]);
	return { engine, cost, budget, verdict: exceeds ? "fail" : "improved", message };
}
