/** Values, names and releases: what the properties make of what was seen, and where other releases come from. */
import { describe, expect, it } from "vitest";
import { render } from "../drivers/engine/render.ts";
import { CHANGE_KINDS, type Change, describeChange, evolved } from "../fixtures/generators/evolve.ts";
import { GENERATED, programOf } from "../fixtures/generators/interpret.ts";
import { joinedOf, placesOf } from "../fixtures/generators/places.ts";
import { printStatements } from "../fixtures/generators/print.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import { sample, VALUE_KINDS } from "../fixtures/generators/values.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import { faultIn, SCENARIO } from "../sim/explore/keep/scenario-schema.ts";
import { simplerSurroundings } from "../sim/explore/shrink/simpler.ts";
import type { Fault } from "../sim/world/faults.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import type { Scenario } from "../suites/scenario.ts";
import { whatBecame } from "../suites/values.ts";
import { explorerOf } from "./support/explorer.ts";

describe("what became of a value", () => {
	const shared = { n: 1 };
	const sparse: unknown[] = [];
	sparse[1] = 1;
	class Point {
		readonly x = 1;
	}
	it.each<readonly [before: unknown, after: unknown, kind: string]>([
		[new Map([["a", 1]]), {}, "map-became-object"],
		[new Set([1]), [1], "set-became-array"],
		[new Date(0), "1970", "date-became-text"],
		[10n, 10, "bigint-became-number"],
		[undefined, null, "undefined-became-null"],
		[Number.NaN, null, "not-a-number-became-null"],
		[[-0], [0], "minus-zero-became-zero"],
		[Uint8Array.of(1), { 0: 1 }, "typed-array-became-object"],
		[{ a: shared, b: shared }, { a: { n: 1 }, b: { n: 1 } }, "shared-reference-split"],
		[sparse, [undefined, 1], "hole-became-undefined"],
		[new Point(), { x: 1 }, "class-lost"],
		[new RangeError("x"), new Error("x"), "error-class-lost"],
		[Object.assign(new Error("x"), { code: 1 }), new Error("x"), "error-fields-lost"],
		[new Error("x"), {}, "error-became-object"],
		["a\ud800", "a\ufffd", "lone-surrogate-replaced"],
		[/a/, {}, "regexp-became-object"],
		[{ a: undefined, b: 1 }, { b: 1 }, "field-lost"],
		[1, 2, "number-changed"],
	])("%o, then %o: %s", (before, after, kind) => {
		expect(whatBecame(render(before), render(after))).toBe(kind);
	});

	it("is nothing for two samples of one kind: they are told alike", () => {
		for (const kind of VALUE_KINDS) expect(render(sample(kind))).toBe(render(sample(kind)));
	});
});

describe("places", () => {
	const statements: Statement[] = [
		{ kind: "loop", name: "a.b", times: 2, body: [{ kind: "join", name: "j", branches: [branch("x", "s")] }] },
		{ kind: "try", name: "t", body: [{ kind: "receive", name: "r", messages: ["m"] }] },
	];

	function branch(name: string, step: string) {
		return { name, body: [{ kind: "step", name: step } as const] };
	}

	it("are found by what the observer calls them, and know the names on the way", () => {
		const [, , step, , receive] = placesOf(statements);
		expect(step?.key.test("a.b[3]/j.x/s")).toBe(true);
		expect(step?.key.test("aXb[3]/j.x/s")).toBe(false);
		expect(step && joinedOf(step, "a.b[3]/j.x/s")).toBe("a.b/~3/j/x/s");
		expect(receive?.records.some((record) => record.test("t/r:count"))).toBe(true);
		expect(placesOf(statements).map(({ level }) => level)).toEqual(["root", "loop", "branch", "root", "try"]);
	});
});

describe("a second release", () => {
	const statements: readonly Statement[] = [
		{ kind: "loop", name: "loop-1", times: 1, body: [{ kind: "receive", name: "mail-2", messages: ["m"] }] },
		{ kind: "version", name: "gate-3", latest: 1 },
		{ kind: "step", name: "step-4" },
		{ kind: "step", name: "step-5" },
	];
	it.each<readonly [change: Change, lines: readonly string[] | undefined]>([
		[{ kind: "rename", at: "step-4" }, ["step step-4-renamed", "step step-5"]],
		[{ kind: "remove", at: "step-4" }, ["step step-5"]],
		[{ kind: "reorder", at: "step-4" }, ["step step-5", "step step-4"]],
		[{ kind: "reorder", at: "step-5" }, undefined],
		[{ kind: "retype", at: "step-4" }, ["sleep step-4, 5 ms", "step step-5"]],
		[{ kind: "insert", at: "step-5" }, ["step step-4", "step before-step-5", "step step-5"]],
		[
			{ kind: "insert-gated", at: "step-5" },
			["step step-4", "version before-step-5, latest 2 (gates a step)", "step step-5"],
		],
		[{ kind: "remove-told", at: "step-4" }, ["removed step-4, once a step", "step step-5"]],
		[{ kind: "raise-version", at: "step-4" }, undefined],
		[{ kind: "rename", at: "gone" }, undefined],
	])("%o", (change, lines) => {
		const second = evolved(statements, change);
		expect(second && printStatements(second).slice(3)).toEqual(lines);
		expect(describeChange(change)).toContain(change.at);
	});

	it("tells of a removed wait and of the step that goes with it, where it stood", () => {
		expect(printStatements(evolved(statements, { kind: "remove-told", at: "mail-2" }) ?? []).slice(0, 3)).toEqual([
			"loop loop-1, 1 times",
			"  removed mail-2, once a message",
			"  removed mail-2-tell, once a step",
		]);
	});

	it("runs from the second process on, and not in the reference", async () => {
		const explorer = await explorerOf();
		const program = programOf(
			[
				{ kind: "sleep", name: "nap-1", ms: 500 },
				{ kind: "step", name: "step-2" },
			],
			[],
			{
				change: { kind: "rename", at: "step-2" },
			},
		);
		const scenario: Scenario = {
			...referenceScenario(program, "yield"),
			seed: "1",
			change: { kind: "rename", at: "step-2" },
		};
		const { run, reference } = await inMacrotask(() => ({
			run: explorer.judge(scenario, program).run,
			reference: explorer.reference(program, "yield"),
		}));
		const steps = (events: typeof run) => events.of("body.start").map(({ data }) => (data as { key: string }).key);
		expect(steps(run)).toEqual(["step-2-renamed"]);
		expect(steps(reference)).toEqual(["step-2"]);
		expect(explorer.programOf(scenario)?.change).toEqual(scenario.change);
	});

	it("can be kept, and can be left out by whoever makes a scenario smaller", () => {
		const program = programOf(statements);
		const plain: Scenario = referenceScenario(program, "live");
		for (const kind of CHANGE_KINDS) {
			expect(faultIn(SCENARIO, { ...plain, change: { kind, at: "step-4" }, startedWith: "map" })).toBeUndefined();
		}
		expect(faultIn(SCENARIO, { ...plain, change: { kind: "burn", at: "step-4" } })).toContain("change.kind");
		const changed: Scenario = { ...plain, change: { kind: "rename", at: "step-4" } };
		expect(simplerSurroundings(changed).some(({ change }) => change === undefined)).toBe(true);
	});

	it("is drawn only where a second process life may come", async () => {
		const { target } = await explorerOf();
		const generating = new Explorer(target, [], [], undefined, true);
		const drawn = await inMacrotask(() => Array.from({ length: 300 }, (_, seed) => generating.draw(seed).scenario));
		const changed = drawn.filter(({ change }) => change !== undefined);
		expect(changed.length).toBeGreaterThan(10);
		for (const { hosting, faults } of changed) {
			expect(faults.length > 0 || (hosting.mode === "yield" && hosting.coldWake)).toBe(true);
		}
	});
});

describe("no alarm is false: a program", () => {
	const CRASH: Fault = { kind: "crash", write: 6, side: "after" };

	async function findings(statements: readonly Statement[], faults: readonly Fault[], change?: Change) {
		const explorer = await explorerOf({
			properties: [
				...["replay.values-round-trip", "replay.isolated-values", "replay.names"],
				...["replay.divergence-detected", "version.removed", "version.pinned"],
			],
		});
		const program = programOf(statements, [], change === undefined ? {} : { change });
		const scenario: Scenario = {
			...referenceScenario(program, "live"),
			seed: "1",
			faults,
			...(change === undefined ? {} : { change }),
		};
		expect(scenario.program).toBe(GENERATED);
		const { violations, unfired } = await inMacrotask(() => explorer.judge(scenario, program));
		expect(unfired).toEqual([]);
		return violations.map(({ property, violation }) => `${property.id}/${violation.kind}`);
	}

	const WORK: readonly Statement[] = [
		{ kind: "step", name: "step-1", returns: "map" },
		{ kind: "step", name: "step-2", changed: true },
		{ kind: "sleep", name: "nap-3", ms: 500 },
		{ kind: "version", name: "gate-4", latest: 2 },
		{ kind: "step", name: "step-5" },
	];

	it("with values that are kept, and changes after they were on record", async () => {
		expect(await findings(WORK, [CRASH])).toEqual([]);
	});

	it("whose removed step is told of", async () => {
		expect(await findings(WORK, [CRASH], { kind: "remove-told", at: "step-1" })).toEqual([]);
	});

	it("whose gate comes before what is on record", async () => {
		expect(await findings(WORK, [CRASH], { kind: "insert-gated", at: "step-2" })).toEqual([]);
	});

	it("changed where nothing is on record yet", async () => {
		expect(
			await findings(WORK, [{ kind: "crash", write: 1, side: "after" }], { kind: "rename", at: "step-5" }),
		).toEqual([]);
	});

	it("with a change that is accepted is one that the property speaks of", async () => {
		expect(await findings(WORK, [CRASH], { kind: "rename", at: "step-1" })).toEqual([
			"replay.divergence-detected/rename-accepted-root",
		]);
	});
});
