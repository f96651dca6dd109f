/**
 * The gate of the properties: each catches the mutants it names, and catches in them what the published engine does not
 * do in the same scenario. A property that lets its mutant pass proves nothing by passing.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import type { ChangeKind } from "../fixtures/generators/evolve.ts";
import { programOf } from "../fixtures/generators/interpret.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import { MUTANTS } from "../fixtures/mutants/index.ts";
import type { Mutant } from "../fixtures/mutants/mutant.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import type { Program, ProgramInput } from "../fixtures/programs/program.ts";
import { ORDINARY_FAULTS } from "../sim/explore/draw.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import type { FaultKind } from "../sim/world/faults.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { COMPARISONS, PROPERTIES } from "../suites/index.ts";
import type { Property } from "../suites/property.ts";
import type { Target } from "../suites/run.ts";
import type { Scenario } from "../suites/scenario.ts";

/** The published engine loses names of branches that are unlike each other; of these it loses none. */
const twins: Program = {
	name: "twins",
	summary: "Two branches alike, whose flushes overlap while every name either will use is known.",
	parallel: true,
	async run(ctx) {
		return await ctx.join("twins", {
			left: { run: (branch) => branch.sleep("left-pause", 300) },
			right: { run: (branch) => branch.sleep("right-pause", 300) },
		});
	},
};

const pruned: Program = {
	name: "pruned",
	summary: "A loop of many rounds, each a step, that keeps the last round only.",
	async run(ctx, env) {
		return await ctx.loop({
			name: "rounds",
			state: 0,
			historyPruneInterval: 1,
			historySize: 1,
			run: async (loop, state) => {
				if (state === 60) return env.Loop.break(state);
				await loop.step("work", async () => state);
				if (state % 20 === 0) await loop.sleep("pause", 1_000);
				return env.Loop.continue(state + 1);
			},
		});
	},
};

const careless: Program = {
	name: "careless",
	summary: "A step that is compensated, and no checkpoint before it.",
	compensates: true,
	async run(ctx, env) {
		return await ctx.step({
			name: "charge",
			run: () => env.call("charge"),
			rollback: async () => void (await env.call("refund")),
		});
	},
};

/** A few statements, each of which would do to show a mutant: under a name, so that rows can say which. */
function made(name: string, statements: readonly Statement[], inputs: readonly ProgramInput[] = []): Program {
	return { ...programOf(statements, inputs), name };
}

const mails = (count: number, atMs = 1): ProgramInput[] =>
	Array.from({ length: count }, (_, i) => ({ atMs: atMs + i, name: "mail", body: i }));
const pause = { kind: "sleep", name: "pause", ms: 3_000 } as const;
const after = { kind: "step", name: "after" } as const;
const forEver = { kind: "receive", name: "for-ever", messages: ["never"] } as const;
const mail = { kind: "receive", messages: ["mail"] } as const;

const MADE: readonly Program[] = [
	twins,
	pruned,
	careless,
	{
		...programOf([
			{ kind: "step", name: "counts", returns: "map" },
			{ kind: "step", name: "made", changed: true },
			{ kind: "sleep", name: "pause", ms: 500 },
		]),
		name: "kept-values",
	},
	{
		...programOf([
			{ kind: "step", name: "check" },
			{ kind: "try", name: "again", body: [{ kind: "step", name: "check" }] },
			{ kind: "sleep", name: "pause", ms: 500 },
		]),
		name: "one-name-twice",
	},
	{ ...evolving("retype", "pause"), name: "retyped" },
	{ ...evolving("remove-told", "first"), name: "removed-step" },
	{ ...evolving("raise-version", "gate"), name: "raised-version" },
	made("gives-up", [{ kind: "try-step", name: "fails", failures: "always", maxRetries: 0 }, pause, after]),
	made("too-slow", [{ kind: "step", name: "slow", slowMs: 2_500, timeoutMs: 1_000 }]),
	made("no-limit", [{ kind: "step", name: "slow", slowMs: 40_000, timeoutMs: 0 }]),
	made("one-failure", [{ kind: "step", name: "fails", failures: 1 }]),
	made("light", [{ kind: "step", name: "light", ephemeral: true }, after, pause]),
	made("overlapping", [{ kind: "overlap", name: "overlap" }]),
	made("no-sleep", [{ kind: "sleep", name: "none", ms: -1 }]),
	made(
		"two-names",
		[pause, { ...mail, name: "first", messages: ["other"] }],
		[...mails(1), { atMs: 9, name: "other", body: 0 }],
	),
	made("twice-completed", [{ ...mail, name: "ask", completable: "twice" }, forEver], mails(1)),
	made(
		"never-completed",
		[
			{ ...mail, name: "ask", completable: "never" },
			{ ...mail, name: "next" },
		],
		mails(2),
	),
	made("ready-mail", [pause, { ...mail, name: "ready", timeoutMs: 2_000 }], mails(1)),
	made("no-mail", [{ ...mail, name: "vain", timeoutMs: 20_000 }]),
	made("batch", [{ kind: "step", name: "slow", slowMs: 100 }, { ...mail, name: "all", count: 3 }, pause], mails(3)),
	made("kept-values", [
		{ kind: "step", name: "counts", returns: "map" },
		{ kind: "step", name: "made", changed: true },
		pause,
	]),
	made("one-name-twice", [
		{ kind: "step", name: "check" },
		{ kind: "try", name: "again", body: [{ kind: "step", name: "check" }] },
		pause,
	]),
	{ ...evolving("retype", "pause"), name: "retyped" },
	{ ...evolving("remove-told", "first"), name: "removed-step" },
	{ ...evolving("raise-version", "gate"), name: "raised-version" },
];

function evolving(kind: ChangeKind, at: string): Program {
	const statements: Statement[] = [
		{ kind: "step", name: "first" },
		{ kind: "version", name: "gate", latest: 2 },
		{ kind: "sleep", name: "pause", ms: 50 },
		{ kind: "step", name: "middle" },
		{ kind: "sleep", name: "long-pause", ms: 500 },
		{ kind: "step", name: "last" },
	];
	return programOf(statements, [], { change: { kind, at } });
}

/** Which mutant a property catches, how it then says the target broke, the program that brings it out, and the faults that seeds draw. */
const CATCHES: readonly (readonly [
	property: string,
	mutant: string,
	kind: string,
	program: string,
	faults?: readonly FaultKind[],
])[] = [
	["replay.same-outcome", "driver-lists-one-page", "waits-for-lost-message", "request-response"],
	["replay.every-state-recovers", "driver-drops-names", "missing-name-uninterrupted", "simple"],
	["replay.every-state-recovers", "driver-truncates-values", "undecodable-uninterrupted", "simple"],
	["replay.every-state-recovers", "driver-lists-past-the-prefix", "rejected-with-Error", "simple"],
	["replay.pure", "driver-forgets-completion", "completed-wrote-workflow-state", "timeouts"],
	["replay.parallel-safe", "engine-skips-names-of-overlapping-flushes", "name-lost", "twins"],
	["step.committed-once", "driver-lists-one-page", "ran-again", "progress"],
	["step.committed-once", "driver-acknowledges-unwritten-batches", "ran-again", "simple"],
	["step.bounded-attempts", "driver-forgets-attempts", "too-many-attempts", "exhausted"],
	["step.terminal-sticks", "engine-grants-retries-to-each-life", "caught-exhausted-ran-again-at-wake", "gives-up"],
	["step.timeout", "engine-waits-for-late-bodies", "never-fired", "too-slow"],
	["step.timeout", "engine-disables-no-timeout", "fired-though-disabled", "no-limit"],
	["step.error-recorded", "engine-hides-errors", "error-not-recorded", "one-failure"],
	["step.error-recorded", "engine-settles-for-a-failed-attempt", "value-of-failed-attempt", "one-failure"],
	["step.ephemeral", "engine-keeps-ephemeral-steps-to-itself", "ran-again-after-flush", "light"],
	["step.one-at-a-time", "engine-queues-overlapping-steps", "accepted", "overlapping"],
	["step.backoff", "driver-forgets-attempts", "retried-early", "timeouts"],
	["queue.no-loss", "queue-forgets-every-third-message", "vanished", "queue-loop"],
	["queue.no-loss", "driver-lists-one-page", "forgotten-after-given", "reminders"],
	["queue.no-duplicate", "queue-keeps-what-it-gives", "given-twice", "queue-loop"],
	["queue.no-duplicate", "queue-removes-after-giving", "given-twice", "batch-drainer"],
	["queue.fifo", "queue-gives-newest-first", "overtaken", "queue-loop"],
	["queue.fifo", "queue-ignores-the-filter", "unwanted-given", "two-names"],
	["queue.complete-once", "engine-swallows-second-complete", "second-accepted", "twice-completed"],
	["queue.complete-once", "queue-drops-responses", "response-lost", "request-response"],
	["queue.complete-before-next", "engine-lets-the-next-be-taken", "next-given", "never-completed"],
	["queue.timeout", "engine-takes-waits-for-polls", "waiting-message-ignored", "ready-mail"],
	["queue.timeout", "driver-forgets-deadlines", "deadline-moved", "no-mail"],
	["queue.batch", "queue-ignores-the-count", "more-than-asked-for", "batch-drainer"],
	["queue.batch", "engine-replays-the-first-of-a-batch", "split-on-replay", "batch"],
	["queue.wakes", "queue-misses-early-messages", "not-woken", "setup-teardown"],
	["queue.wakes", "engine-reports-no-names", "not-woken", "queue-loop"],
	["timer.extremes", "engine-rounds-sleeps-up", "past-deadline-waited", "no-sleep"],
	["timer.never-early", "engine-halves-sleeps", "sleep-early", "month-sleep"],
	["timer.never-early", "engine-cuts-long-sleeps-short", "sleep-early", "month-sleep"],
	["timer.never-early", "driver-forgets-attempts", "retry-early", "timeouts"],
	["timer.deadline-fixed", "driver-counts-alarms-anew", "moved-later", "month-sleep"],
	["timer.fires", "driver-ignores-alarms", "no-alarm", "month-sleep"],
	["timer.fires", "driver-ignores-alarms", "never-ended", "month-sleep"],
	["timer.fires", "driver-acknowledges-alarms-early", "no-alarm", "month-sleep"],
	["life.no-leak", "engine-keeps-a-timer", "timer-left-after-completed", "simple"],
	["life.no-leak", "driver-keeps-waits", "wait-left-after-evicted", "setup-teardown"],
	["life.no-leak", "driver-never-clears-alarms", "alarm-left-after-completed", "month-sleep"],
	["join.all", "engine-forgets-a-branch", "result-lacks-branch", "twins"],
	["race.one-winner", "engine-decides-races-anew", "winner-changed", "race"],
	["race.losers-clean", "driver-keeps-deleted-prefixes", "loser-left-entries", "race"],
	["loop.state", "engine-restarts-loops", "iteration-saw-other-state", "poll-backoff"],
	["loop.pruning", "driver-keeps-deleted-ranges", "stored-beyond-history-size", "pruned"],
	["try.catches", "engine-tells-the-wrong-failure", "told-exhausted-for-critical", "fallback"],
	["rollback.order", "engine-compensates-forwards", "out-of-order", "rollback"],
	["rollback.once", "engine-compensates-twice", "ran-again-at-once", "rollback"],
	["rollback.checkpoint", "engine-needs-no-checkpoint", "ran-without-checkpoint", "careless"],
	["life.no-unhandled", "engine-forgets-a-rejection", "unhandled-AbortError", "approval-gate"],
	["life.progress", "driver-ignores-alarms", "hung", "month-sleep"],
	["life.progress", "driver-ignores-alarms", "missed-deadline", "bounded-drain"],
	["life.progress", "queue-misses-early-messages", "missed-message", "setup-teardown"],
	[
		"durable.refused-write",
		"driver-swallows-refusals",
		"success-never-written",
		"simple",
		[...ORDINARY_FAULTS, "refused"],
	],
	[
		"durable.refused-write",
		"driver-lists-nothing-on-error",
		"committed-step-ran-again-by-load",
		"simple",
		[...ORDINARY_FAULTS, "refused"],
	],
	[
		"durable.lost-ack",
		"driver-lists-nothing-on-error",
		"committed-step-ran-again-by-load",
		"simple",
		[...ORDINARY_FAULTS, "lost-ack"],
	],
	["durable.torn-batch", "driver-writes-names-last", "missing-name", "simple", [...ORDINARY_FAULTS, "torn"]],
	["durable.limits", "engine-hands-over-whole-batches", "batch-not-split", "wide-batch"],
	[
		"durable.corruption",
		"driver-takes-empty-for-absent",
		"replayed-damaged-step-entry",
		"simple",
		[...ORDINARY_FAULTS, "corrupt"],
	],
	["replay.values-round-trip", "engine-keeps-json", "map-became-object", "kept-values"],
	["replay.isolated-values", "engine-remembers-objects", "step-value-seen-as-changed", "kept-values"],
	["replay.names", "engine-caches-steps-by-name", "alike-took-value-of-another", "one-name-twice"],
	["replay.divergence-detected", "engine-tolerates-other-kinds", "retype-accepted-root", "retyped"],
	["version.removed", "engine-does-not-know-removed", "step-diverged-root", "removed-step"],
	["version.pinned", "engine-forgets-versions", "changed-root", "raised-version"],
	["evict.resumes", "engine-rejects-when-evicted", "rejected-instead-of-stopping", "simple"],
	["evict.resumes", "engine-hears-evictions-late", "step-started-after-stop", "progress"],
	["cancel.sticks", "engine-cancels-in-memory-only", "not-recorded", "month-sleep", ["cancel"]],
	["cancel.sticks", "engine-runs-what-was-cancelled", "ran-after-cancelled", "progress", ["cancel"]],
	["recover.restarts", "engine-recovers-the-state-only", "failed-step-not-retried", "exhausted", ["recover"]],
	["replay-from.clean", "engine-replays-and-keeps-metadata", "orphan-metadata", "simple", ["replay-from"]],
];

/** Seeds tried on a mutant before it counts as missed. */
const MAX_SEEDS = 200;

let published: Target;

beforeAll(async () => {
	published = { engine: await loadRivet(NEWEST), storage: memoryStorage };
});

describe("properties and mutants", () => {
	const named = PROPERTIES.flatMap(({ id, mutants }) => mutants.map((mutant) => `${id} catches ${mutant}`));

	it("know each other: a property names only mutants that exist", () => {
		const existing = new Set(MUTANTS.map(({ name }) => name));
		expect(PROPERTIES.flatMap(({ mutants }) => mutants).filter((name) => !existing.has(name))).toEqual([]);
	});

	it("belong together: every mutant is named by a property", () => {
		// Those of comparisons are put to the test beside them: upgrades.test.ts, cost.test.ts.
		const names = new Set([...PROPERTIES, ...COMPARISONS].flatMap(({ mutants }) => mutants));
		const unnamed = MUTANTS.map(({ name }) => name).filter((name) => !names.has(name));
		expect(unnamed).toEqual([]);
	});

	it("are all put to the test: every property has a mutant, and every naming a row", () => {
		expect(PROPERTIES.filter(({ mutants }) => mutants.length === 0)).toEqual([]);
		const tested = new Set(CATCHES.map(([property, mutant]) => `${property} catches ${mutant}`));
		expect(named.filter((naming) => !tested.has(naming))).toEqual([]);
	});
});

describe.each(CATCHES.map((row) => [row[0], row] as const))("%s", (propertyId, row) => {
	const [, mutantName, kind, programName, faults] = row;
	it(`catches ${mutantName}: ${kind}`, async () => {
		const property = find(PROPERTIES, ({ id }) => id === propertyId);
		const program = find([...PROGRAMS, ...MADE], ({ name }) => name === programName);
		const kinds = faults === undefined ? undefined : new Set(faults);
		const right = new Explorer(published, [program], [property], kinds);
		const wrong = new Explorer(mutantNamed(mutantName).plant(published), [program], [property], kinds);

		const caughtBy = await inMacrotask(() => {
			for (let seed = 1; seed <= MAX_SEEDS; seed++) {
				const { scenario } = right.draw(seed);
				const allowed = kindsOf(right, scenario, program);
				expect(allowed, `the published engine does so too, with seed ${seed}`).not.toContain(kind);
				if (kindsOf(wrong, scenario, program).includes(kind)) return seed;
			}
			return undefined;
		});
		expect(caughtBy, `${mutantName} lives through ${MAX_SEEDS} seeds of ${programName}`).toBeDefined();
	});
});

describe("a mutant", () => {
	it.each(MUTANTS.map(({ name }) => name))("makes equal histories of equal seeds: %s", async (name) => {
		const program = find(PROGRAMS, (candidate) => candidate.name === "queue-loop");
		const explorer = new Explorer(mutantNamed(name).plant(published), [program], []);
		const digests = await inMacrotask(() =>
			[1, 1].map((seed) => {
				const { scenario } = explorer.draw(seed);
				return explorer.judge(scenario, program).run.history.digest();
			}),
		);
		expect(digests[1]).toBe(digests[0]);
	});
});

function kindsOf(explorer: Explorer, scenario: Scenario, program: Program): string[] {
	return explorer
		.judge(scenario, program)
		.violations.filter(({ violation }) => violation.disputed === undefined)
		.map(({ violation }) => violation.kind);
}

function mutantNamed(name: string): Mutant {
	return find(MUTANTS, (mutant) => mutant.name === name);
}

function find<T extends Property | Program | Mutant>(items: readonly T[], matches: (item: T) => boolean): T {
	const found = items.find(matches);
	if (found === undefined) throw new Error("A row of the table names something that does not exist.");
	return found;
}
