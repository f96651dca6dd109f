/** The reference actor keeps every promise: with nothing in its way, under the faults that seeds draw, and at every crash point. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ActorDefinition } from "../../drivers/actor/contract.ts";
import { referenceActor } from "../../drivers/actor/reference/reference.ts";
import { ACTOR_PROGRAMS, actorProgram } from "../../fixtures/actors/index.ts";
import type { ActorProgram } from "../../fixtures/actors/program.ts";
import { actorSubject } from "../../sim/explore/actors/subject.ts";
import type { FaultPlan } from "../../sim/world/faults.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import { ACTOR_PROPERTIES } from "../../suites/actor/index.ts";
import { type ActorRun, type ActorScenario, runActor, undisturbedScenario } from "../../suites/actor/run.ts";

const target = referenceActor();
const subject = actorSubject({ target });

/** What a run breaks, each with the seed and the words that tell it. */
function broken(run: ActorRun): string[] {
	return ACTOR_PROPERTIES.filter((property) => property.skips?.(run) === undefined).flatMap((property) =>
		property
			.check(run)
			.map(({ kind, message }) => `seed ${run.scenario.seed} ${run.program.name}: ${property.id}/${kind}: ${message}`),
	);
}

function played(program: ActorProgram, faults: FaultPlan = []): Promise<ActorRun> {
	return inMacrotask(() => runActor({ ...undisturbedScenario(program.name), faults }, program, target));
}

describe("with nothing in its way", () => {
	test.each(ACTOR_PROGRAMS.map((program) => [program.name, program] as const))("%s", async (_, program) => {
		const run = await played(program);
		expect(run.outcome.status).toBe("served");
		expect(broken(run)).toEqual([]);
	});
});

test("keeps every promise under the faults of the first seeds", { timeout: 120_000 }, async () => {
	const found: string[] = [];
	let fired = 0;
	for (let seed = 0; seed < 400; seed++) {
		const run = await inMacrotask(() => subject.run(subject.draw(seed)));
		fired += run.fired.size;
		found.push(...broken(run));
	}
	expect(found).toEqual([]);
	expect(fired).toBeGreaterThan(300);
});

describe("at every crash point", () => {
	test.each(["counter-loop", "failing-steps", "completions", "sends-from-steps", "scheduled"])(
		"of %s",
		{ timeout: 120_000 },
		async (name) => {
			const program = actorProgram(name);
			const { writes } = await played(program);
			const found: string[] = [];
			let struck = 0;
			for (let write = 1; write <= writes; write++) {
				for (const side of ["before", "after"] as const) {
					const run = await played(program, [{ kind: "crash", write, side }]);
					// The platform clears an alarm while nobody lives who could die of it.
					struck += run.fired.size;
					found.push(...broken(run));
				}
			}
			expect(found).toEqual([]);
			expect(struck).toBeGreaterThan(writes);
		},
	);
});

test("a plain reader that looks as a message comes looks again", async () => {
	const program = actorProgram("plain-readers");
	const latency = { minMs: 0, maxMs: 40, answerMaxMs: 20 };
	const scenario: ActorScenario = {
		...{ seed: "114060", program: program.name, faults: [], restartMs: 10_000, inFlight: "drawn", delaysMs: [] },
		latency,
	};
	const run = await inMacrotask(() => runActor(scenario, program, target));
	// The second of two messages is stored between the look of the second reader and the answer to it.
	expect(run.of("client.acknowledged").map(({ data }) => data.id)).toHaveLength(8);
	expect(broken(run)).toEqual([]);
	expect(run.of("actor.told").filter(({ data }) => data.what === "read")).toHaveLength(10);
});

test("a plain run handler that storage failed has not come to its end", async () => {
	const program = actorProgram("plain-readers");
	const { operations } = await played(program);
	const found: string[] = [];
	let broke = 0;
	for (let operation = 1; operation <= operations; operation++) {
		const run = await played(program, [{ kind: "refused", operation }]);
		broke += run.of("actor.broken").length;
		found.push(...broken(run));
	}
	expect(found).toEqual([]);
	expect(broke).toBeGreaterThan(0);
});

test("the same scenario makes the same history", async () => {
	const scenario = await inMacrotask(() => subject.draw(7));
	const first = await inMacrotask(() => subject.run(scenario));
	const second = await inMacrotask(() => actorSubject({ target: referenceActor() }).run(scenario));
	expect(second.history.digest()).toBe(first.history.digest());
});

/** A workflow whose only step fails for good, and which tells of it when it is notified. */
const notified: ActorDefinition = ({ workflow, CriticalError }, env) => ({
	state: { done: false },
	run: workflow(
		async (ctx) => {
			await ctx.step("fails", async () => {
				throw new CriticalError("planned: for good");
			});
		},
		{ onError: () => env.tell("notified", {}) },
	),
	actions: { getState: (c: { readonly state: unknown }) => c.state },
});

test("whoever listens for failures hears of one once it is durable", async () => {
	const run = await played({ name: "notified", summary: "", inputs: [], endMs: 10_000, define: notified });
	const told = run.of("actor.told").find(({ data }) => data.what === "notified");
	const recorded = run
		.of("durable")
		.find(({ data }) => data.mutations.some(({ table, key }) => target.describeKey(table, key) === "entry fails"));
	expect(recorded).toBeDefined();
	expect(told?.place).toBeGreaterThan(recorded?.place ?? Number.POSITIVE_INFINITY);
});

/** A step that fails for good while records of the branch beside it are on their way to the disk. */
const notifiedBeside: ActorDefinition = ({ workflow, CriticalError }, env) => ({
	state: { done: false },
	run: workflow(
		async (ctx) => {
			await ctx.join("both", {
				fails: {
					run: async (branch) => {
						await branch.step("fails", async () => {
							await env.delay(55);
							throw new CriticalError("planned: for good");
						});
					},
				},
				sleeps: {
					run: async (branch) => {
						for (let i = 0; i < 20; i++) await branch.sleep(`rest-${i}`, 1);
					},
				},
			});
		},
		{ onError: (_, event) => ("step" in (event as object) ? env.tell("notified", {}) : undefined) },
	),
	actions: { getState: (c: { readonly state: unknown }) => c.state },
});

test("a listener hears of a failure once that very failure is durable, and not something else", async () => {
	const program: ActorProgram = { name: "beside", summary: "", inputs: [], endMs: 30_000, define: notifiedBeside };
	let between = 0;
	for (let seed = 0; seed < 40; seed++) {
		const scenario: ActorScenario = {
			...{ seed: String(seed), program: "beside", faults: [], restartMs: 0, inFlight: "lost", delaysMs: [] },
			latency: { minMs: 1, maxMs: 30, answerMaxMs: 10 },
		};
		const run = await inMacrotask(() => runActor(scenario, program, target));
		const failed = run.of("actor.body-end")[0]?.place ?? 0;
		const recorded = run
			.of("durable")
			.find(
				({ place, data }) =>
					place > failed &&
					data.mutations.some(({ table, key }) => target.describeKey(table, key).endsWith("both/fails/fails")),
			);
		const [told, ...more] = run.of("actor.told").filter(({ data }) => data.what === "notified");
		expect(told?.place, `seed ${seed}`).toBeGreaterThan(recorded?.place ?? Number.POSITIVE_INFINITY);
		expect(more).toEqual([]);
		between += run.of("durable").filter(({ place }) => place > failed && place < (recorded?.place ?? 0)).length;
	}
	// Something else became durable between a failure and its record.
	expect(between).toBeGreaterThan(10);
});

test("a failure for good is never tried again, also by a life that begins right after it was recorded", async () => {
	const program: ActorProgram = { name: "notified", summary: "", inputs: [], endMs: 10_000, define: notified };
	const calm = await played(program);
	const recorded = calm
		.of("durable")
		.find(({ data }) => data.mutations.some(({ table, key }) => target.describeKey(table, key) === "entry fails"));
	const run = await played(program, [{ kind: "crash", write: recorded?.data.n ?? 0, side: "after" }]);
	expect(run.fired.size).toBe(1);
	expect(run.of("actor.body")).toHaveLength(1);
});

class Registry extends Map<string, number> {}

const mark = Symbol("mark");

/** Vars of every kind, how a step changes them, and what of them the next attempt finds. */
const VARS: readonly [string, () => object, (vars: never) => void, (vars: never) => unknown, unknown][] = [
	["a field", () => ({ n: 1 }), (v: { n: number }) => v.n++, (v: { n: number }) => v.n, 1],
	["a new field", () => ({}), (v: { n?: number }) => (v.n = 2), (v: object) => Object.keys(v), []],
	["an element", () => ({ l: [1] }), (v: { l: number[] }) => v.l.push(2), (v: { l: number[] }) => v.l, [1]],
	[
		"an object in a map",
		() => ({ m: new Map([["a", { n: 1 }]]) }),
		(v: { m: Map<string, { n: number }> }) => Object.assign(v.m.get("a") as object, { n: 2 }),
		(v: { m: Map<string, { n: number }> }) => v.m.get("a"),
		{ n: 1 },
	],
	[
		"an object in a set",
		() => ({ s: new Set([{ n: 1 }]) }),
		(v: { s: Set<{ n: number }> }) => {
			for (const held of v.s) held.n++;
		},
		(v: { s: Set<{ n: number }> }) => [...v.s],
		[{ n: 1 }],
	],
	[
		"a field with a symbol for its name",
		() => ({ [mark]: { n: 1 } }),
		(v: { [mark]: { n: number } }) => v[mark].n++,
		(v: { [mark]: { n: number } }) => v[mark],
		{ n: 1 },
	],
	[
		"a field that is computed",
		() => ({
			n: 1,
			get twice() {
				return this.n * 2;
			},
		}),
		(v: { n: number }) => v.n++,
		(v: { n: number; twice: number }) => {
			v.n = 5;
			return v.twice;
		},
		10,
	],
	[
		"an object that is there twice",
		() => {
			const held = { n: 1 };
			return { a: held, b: held };
		},
		(v: { a: { n: number } }) => v.a.n++,
		(v: { a: { n: number }; b: { n: number } }) => [v.a === v.b, v.b.n],
		[true, 1],
	],
	// By reference: what an attempt did inside of it stays, and it is what it was.
	[
		"a class of the user's own",
		() => ({ r: new Registry([["a", 1]]) }),
		(v: { r: Registry }) => v.r.set("b", 2),
		(v: { r: Registry }) => [v.r instanceof Registry, v.r.size],
		[true, 2],
	],
] as never;

test.each(VARS)("after a failed attempt vars are what they were: %s", async (_, make, change, look, expected) => {
	const define: ActorDefinition = ({ workflow }, env) => ({
		createVars: () => make(),
		run: workflow(async (ctx) => {
			let attempt = 0;
			await ctx.step({
				name: "fails-once",
				retryBackoffBase: 1,
				run: async () => {
					if (++attempt > 1) {
						env.tell("found", look(ctx.vars as never));
						return;
					}
					change(ctx.vars as never);
					throw new Error("planned: not yet");
				},
			});
		}),
	});
	const run = await played({ name: "vars", summary: "", inputs: [], endMs: 10_000, stateless: true, define });
	expect(run.of("actor.told").map(({ data }) => data)).toEqual([{ what: "found", data: expected }]);
});

test("the properties have ids of their own, claims and sources", () => {
	const ids = ACTOR_PROPERTIES.map(({ id }) => id);
	expect(new Set(ids).size).toBe(ids.length);
	expect(ACTOR_PROPERTIES.filter(({ claim, source }) => claim === "" || source === "")).toEqual([]);
});

test("the page about actors names every property, in order", () => {
	const page = readFileSync(new URL("../../docs/actors.md", import.meta.url), "utf8");
	const rows = [...page.matchAll(/^\| ((?:state|step|queue|timer|life|replay)\.[a-z-]+) /gm)].map(([, id]) => id);
	expect(rows).toEqual(ACTOR_PROPERTIES.map(({ id }) => id));
});
