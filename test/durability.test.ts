/** What storage refuses, loses and damages, as properties tell it of the published engine: each plan shows one finding. */
import { beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { Explorer, idOf } from "../sim/explore/explorer.ts";
import { parsePlan } from "../sim/explore/plan.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";
import type { Scenario } from "../suites/scenario.ts";

let explorer: Explorer;

beforeAll(async () => {
	explorer = new Explorer({ engine: await loadRivet(NEWEST), storage: memoryStorage }, PROGRAMS, PROPERTIES);
});

/** Ids of everything a run shows, and whether its plan struck. */
async function shown(programName: string, plan: string, changes: Partial<Scenario> = {}) {
	const program = PROGRAMS.find(({ name }) => name === programName);
	if (program === undefined) throw new Error(`no program ${programName}`);
	const scenario = { ...referenceScenario(program, "live"), faults: parsePlan(plan), ...changes };
	const { violations, unfired } = await inMacrotask(() => explorer.judge(scenario, program));
	return { ids: violations.map(idOf).sort(), unfired };
}

describe("a refused or unacknowledged operation is told of once, by its own property", () => {
	it.each([
		["refuse operation 3", []],
		["lose the answer of operation 3", []],
		["hang operation 9", []],
		["refuse operation 9", ["durable.refused-write/workflow-failed"]],
		["refuse operation 11", ["durable.refused-write/success-counted-as-failure"]],
		["lose the answer of operation 11", ["durable.lost-ack/completed-step-ran-again"]],
		["refuse operation 13", ["durable.refused-write/step-failed"]],
		["refuse operation 14", ["durable.refused-write/compensated", "durable.refused-write/workflow-failed"]],
	] as const)("checkout, %s", async (plan, ids) => {
		const found = await shown("checkout", plan);
		expect(found).toEqual({ ids, unfired: [] });
	});
});

describe("a limit of storage", () => {
	it("is kept to by splitting where batches are no unit", async () => {
		expect((await shown("wide-batch", "none")).ids.filter((id) => id.startsWith("durable."))).toEqual([]);
	});

	it("refuses a batch whole where it is one, and the messages it records are gone", async () => {
		expect((await shown("wide-batch", "none", { atomicBatch: true })).ids).toContain("durable.limits/messages-lost");
	});

	it("loses them whatever struck before they were taken", async () => {
		const { ids, unfired } = await shown("wide-batch", "crash after durable write 1", { atomicBatch: true });
		expect({ ids, unfired }).toEqual({ ids: ["durable.limits/messages-lost"], unfired: [] });
	});

	it("is taken for a failure of the step that returned too much", async () => {
		expect((await shown("oversized-output", "none")).ids).toEqual([
			"durable.limits/neither-stored-nor-failed",
			"durable.limits/success-ran-again-on-restart",
		]);
	});
});

describe("storage that claims indivisible batches", () => {
	it("cannot tear one: the plan finds no place", async () => {
		expect((await shown("simple", "tear durable write 3 keeping 0")).unfired).toEqual([]);
		expect((await shown("simple", "tear durable write 3 keeping 0", { atomicBatch: true })).unfired).toEqual([0]);
	});
});

describe("a damaged value", () => {
	it.each([
		["empty entry 1 of durable write 3", ["durable.corruption/unnamed-key-of-entry"]],
		["empty entry 2 of durable write 3", ["durable.corruption/unnamed-key-of-metadata"]],
	] as const)("simple, %s", async (plan, ids) => {
		const kinds = (await shown("simple", `${plan}; crash before durable write 5`)).ids;
		expect(kinds).toEqual(ids);
	});

	it("that is written anew before it is read does no harm", async () => {
		const { ids, unfired } = await shown("simple", "empty entry 3 of durable write 3");
		expect({ ids, unfired }).toEqual({ ids: [], unfired: [] });
	});
});
