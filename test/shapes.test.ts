/** A shape is found where it is, and what stands in its place has it no more; nothing else of the program changes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALL_TRAITS, drawProgram, programs } from "../fixtures/generators/draw.ts";
import { isWellFormed } from "../fixtures/generators/edit.ts";
import { avoiding, inOrder, isStatementShape, SHAPE_NAMES, shapeOf, shapesIn } from "../fixtures/generators/shapes.ts";
import { STATEMENT_KINDS, type Statement } from "../fixtures/generators/statement.ts";
import { drawScenario, referenceScenario, type Space } from "../sim/explore/draw.ts";
import { avoidedBy } from "../sim/explore/generate.ts";

const ANYTHING = { size: 15, kinds: STATEMENT_KINDS, traits: ALL_TRAITS };
const OF_STATEMENTS = SHAPE_NAMES.filter((name) => {
	const shape = shapeOf(name);
	return shape !== undefined && isStatementShape(shape);
});

function avoid(statements: readonly Statement[], ...names: string[]): readonly Statement[] {
	return avoiding({ statements, inputs: [{ atMs: 0, name: "m", body: null }] }, names).statements;
}

describe("every shape of statements", () => {
	const drawn = Array.from({ length: 400 }, (_, seed) => drawProgram(seed, ANYTHING));

	it.each(OF_STATEMENTS)("%s is drawn, and can be avoided", (name) => {
		const having = drawn.filter(({ statements }) => shapesIn(statements, [name]).has(name));
		expect(having.length).toBeGreaterThan(0);
		for (const program of having.slice(0, 40)) {
			const { statements, inputs, met } = avoiding(program, [name]);
			expect([...met]).toEqual([name]);
			expect([...shapesIn(statements, [name])]).toEqual([]);
			expect(isWellFormed(statements)).toBe(true);
			expect(program.inputs).toEqual(expect.arrayContaining([...inputs]));
		}
		const without = drawn.find((program) => !having.includes(program));
		if (without !== undefined) expect(avoiding(without, [name])).toMatchObject({ ...without, met: new Set() });
	});

	it("can be avoided together with any others", () => {
		fc.assert(
			fc.property(programs(ANYTHING), fc.subarray([...OF_STATEMENTS]), (program, some) => {
				const names = inOrder(some);
				const { statements, met } = avoiding(program, names);
				expect(isWellFormed(statements)).toBe(true);
				expect(statements.length).toBeGreaterThan(0);
				// One shape is the lack of the other: with both, plain steps stand in their place.
				expect([...shapesIn(statements, names)]).toEqual([]);
				// Names that nothing had change nothing.
				const again = avoiding(program, inOrder(met));
				expect(again.statements).toEqual(statements);
			}),
			{ seed: 1, numRuns: 300 },
		);
	});
});

describe("what stands in the place of", () => {
	const step: Statement = { kind: "step", name: "a" };
	const nap: Statement = { kind: "sleep", name: "b", ms: 5 };
	const receive: Statement = { kind: "receive", name: "r", messages: ["m"] };

	it.each<[string, Statement, readonly Statement[]]>([
		["race", { kind: "race", name: "x", branches: [{ name: "p", body: [step, nap] }] }, [step, nap]],
		[
			"branch-of-several-statements",
			{ kind: "join", name: "x", branches: [{ name: "p", body: [step, nap] }] },
			[{ kind: "join", name: "x", branches: [{ name: "p", body: [step] }] }],
		],
		[
			"nested-loop",
			{ kind: "loop", name: "x", times: 2, body: [{ kind: "loop", name: "y", times: 3, body: [step] }] },
			[{ kind: "loop", name: "x", times: 2, body: [step] }],
		],
		["message-taken-at-once", receive, [{ ...receive, completable: "once" }]],
		["sleep-no-number", { ...nap, ms: "NaN" }, [{ ...nap, ms: 50 }]],
		["step-limit-beyond-2^31", { ...step, timeoutMs: 2 ** 31 }, [step]],
		["value-map", { ...step, returns: "map" }, [step]],
		["caught-failure-for-good", { kind: "try-step", name: "a", failures: "always" }, [{ kind: "try-step", name: "a" }]],
		["caught-failure-for-good", { ...step, failures: "always" }, [{ ...step, failures: "always" }]],
		["odd-name", { kind: "sleep", name: "a/b", ms: 5 }, [{ kind: "sleep", name: "plain-a1bb", ms: 5 }]],
	])("%s", (name, statement, instead) => {
		expect(avoid([statement], name)).toEqual(instead);
	});

	it("a message that is no longer sent: nobody waits for it", () => {
		const program = [
			{ kind: "send", name: "s", message: "note" },
			{ kind: "receive", name: "r", messages: ["note"] },
		] as const;
		expect(avoid(program, "send-outside-step")).toEqual([
			{ kind: "step", name: "s" },
			{ kind: "step", name: "r" },
		]);
	});
});

describe("a seed", () => {
	const space: Space = {
		programs: [],
		generate: (seed) => drawProgram(seed, ANYTHING),
		faults: new Set(["crash", "evict"]),
		extent: () => ({ writes: 20, events: 60, operations: 40, alarms: 2, batches: [] }),
	};
	const avoidedHere = inOrder(["race", "loop", "yield-hosting", "fault-evict", "several-faults", "value-map"]);

	it("mostly avoids all, and now and then all but one, or none", () => {
		const left = Array.from(
			{ length: 4_000 },
			(_, seed) => avoidedHere.length - avoidedBy(seed, { shapes: avoidedHere, always: false }).length,
		);
		const share = (count: number) => left.filter((n) => n === count).length / left.length;
		expect(share(0)).toBeCloseTo(7 / 8, 1);
		expect(share(1)).toBeCloseTo(1 / 16, 1);
		expect(share(0) + share(1) + share(avoidedHere.length)).toBe(1);
		expect(avoidedBy(3, { shapes: avoidedHere, always: true })).toEqual(avoidedHere);
	});

	it("is the same again when just the shapes that it had are avoided", () => {
		let changed = 0;
		for (let seed = 1; seed <= 300; seed++) {
			const { scenario, avoided } = drawScenario(seed, { ...space, avoid: { shapes: avoidedHere, always: false } });
			const again = drawScenario(seed, { ...space, avoid: { shapes: avoided, always: true } });
			expect(again.scenario).toEqual(scenario);
			if (avoided.length > 0) changed++;
			else expect(drawScenario(seed, space).scenario).toEqual(scenario);
		}
		expect(changed).toBeGreaterThan(200);
	});

	it("has none of the shapes that it avoids", () => {
		const always = { shapes: avoidedHere, always: true };
		for (let seed = 1; seed <= 200; seed++) {
			const { scenario } = drawScenario(seed, { ...space, avoid: always });
			expect([...shapesIn(scenario.statements ?? [], avoidedHere)]).toEqual([]);
			expect(scenario.hosting.mode).toBe("live");
			expect(scenario.faults.length).toBeLessThanOrEqual(1);
			expect(scenario.faults.every(({ kind }) => kind === "crash")).toBe(true);
		}
	});
});

describe("a name", () => {
	it("is that of a shape, or of the faults of a kind, or nothing", () => {
		expect(shapeOf("race")?.meaning).toBe("a race");
		expect(shapeOf("fault-evict")).toMatchObject({ fault: "evict" });
		expect(shapeOf("toString")).toBeUndefined();
		expect(inOrder(["fault-evict", "race", "nested-loop", "race"])).toEqual(["nested-loop", "race", "fault-evict"]);
	});

	it("of a shape of scenarios tells what has it", () => {
		const scenario = referenceScenario({ name: "p", summary: "", run: async () => {} }, "yield");
		const shape = shapeOf("yield-hosting");
		expect(shape !== undefined && !isStatementShape(shape) && shape.is(scenario)).toBe(true);
	});
});
