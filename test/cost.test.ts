/** `durable.cost`: what operations cost stays within what is on record, and what is counted is what reaches the disk. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST, PUBLISHED } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { formatBudgets, parseBudgets } from "../fixtures/costs/budgets.ts";
import { MUTANTS } from "../fixtures/mutants/index.ts";
import { costText } from "../reports/matrix.ts";
import { budgetsFrom, costs } from "../sim/explore/matrix/costs.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { costOf, durableCost, judgeCost, OPERATIONS } from "../suites/cost.ts";
import type { Target } from "../suites/run.ts";

const FILE = new URL("../fixtures/costs/budgets.yaml", import.meta.url);
const budgets = parseBudgets(readFileSync(FILE, "utf8"), "budgets.yaml");

let targets: readonly Target[];
let newest: Target;
beforeAll(async () => {
	targets = await Promise.all(
		PUBLISHED.map(async (name) => ({ engine: await loadRivet(name), storage: memoryStorage })),
	);
	newest = targets.find(({ engine }) => engine.name === NEWEST) as Target;
});

function operation(name: string) {
	const found = OPERATIONS.find((candidate) => candidate.name === name);
	if (found === undefined) throw new Error(`No operation ${name}.`);
	return found;
}

describe("the budgets on record", () => {
	it("are what every published version costs, to the byte", async () => {
		const { rows } = await costs(targets, budgets);
		const others = rows.flatMap(({ operation, mode, cells }) =>
			cells
				.filter(({ verdict }) => verdict !== "pass" && verdict !== "not-applicable")
				.map(({ engine, verdict, message }) => [operation, mode, engine, verdict, message]),
		);
		expect(others).toEqual([]);
	});

	it("are written as they are read, and as what was counted", async () => {
		expect(parseBudgets(formatBudgets(budgets), "again")).toEqual(budgets);
		const counted = await costs(targets, {});
		expect(budgetsFrom({}, counted)).toEqual(budgets);
	});

	it("name what is none", () => {
		expect(() => parseBudgets("rivet-1:\n  live:\n    step: [1, 2]\n", "b.yaml")).toThrow(
			/b\.yaml: rivet-1, live, "step" is not \[writes, operations, bytes\]/,
		);
	});
});

describe("a cost", () => {
	it("is what one more of the operation adds, first and last parts of a workflow left out", async () => {
		const step = await inMacrotask(() => costOf(newest, operation("step"), "live"));
		const batch = await inMacrotask(() => costOf(newest, operation("nextBatch of 10"), "live"));
		expect(step).toMatchObject({ writes: 1, operations: 1 });
		expect(batch).toMatchObject({ writes: 2, operations: 2 });
	});

	it("is not there where the version lacks the operation", async () => {
		const [oldest] = targets as [Target];
		expect(await inMacrotask(() => costOf(oldest, operation("getVersion"), "live"))).toBeUndefined();
	});

	it("above its budget fails, and below it says that the budget can be lowered", () => {
		const cost = { writes: 2, operations: 2, bytes: 100 };
		expect(judgeCost("e", cost, { ...cost, writes: 1 })).toMatchObject({
			verdict: "fail",
			message: "writes 2, budget 1",
		});
		expect(judgeCost("e", cost, { ...cost, bytes: 101 }).verdict).toBe("improved");
		// Cheaper in one measure does not make up for dearer in another.
		expect(judgeCost("e", cost, { ...cost, bytes: 101, writes: 1 }).verdict).toBe("fail");
		expect(judgeCost("e", cost, undefined).verdict).toBe("unrecorded");
	});
});

it.each(durableCost.mutants)("durable.cost catches %s", async (name) => {
	const mutant = MUTANTS.find((candidate) => candidate.name === name)?.plant(newest) as Target;
	const result = await costs([mutant], budgets, { modes: ["live"] });
	const failing = result.rows.filter(({ cells }) => cells[0]?.verdict === "fail").map(({ operation }) => operation);
	expect(failing).toEqual(expect.arrayContaining(["step", "sleep, long", "message", "loop iteration", "join of 2"]));
	const text = costText(result);
	expect(text).toMatch(/fail: step, live hosting: writes 2, budget 1/);
	expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
});
