/** Every property of a storage driver catches the mutants that it names, and no mutant goes uncaught. */
import { describe, expect, test } from "vitest";
import { memoryDriver } from "../drivers/storage/box/memory.ts";
import { DRIVER_MUTANTS } from "../fixtures/mutants/storage-drivers/index.ts";
import { conformDriver } from "../sim/conform/conform.ts";
import { DRIVER_PROPERTIES } from "../suites/storage-driver/index.ts";

/** Seeds within which a mutant is caught, with room to spare. */
const RUNS = 80;

describe.each(DRIVER_PROPERTIES.map((property) => [property.id, property] as const))("%s", (id, property) => {
	test.each(property.mutants)("catches %s", async (name) => {
		const mutant = DRIVER_MUTANTS.find((candidate) => candidate.name === name);
		if (mutant === undefined) throw new Error(`there is no mutant ${name}`);
		const { findings } = await conformDriver(mutant.plant(memoryDriver()), {
			properties: [property],
			runs: RUNS,
			shrinkMs: 300,
			limitMs: name === "never-answers" ? 50 : 5_000,
		});
		expect(findings.map((finding) => finding.property)).toContain(id);
		expect(findings[0]?.steps).not.toEqual([]);
	});
});

test("every property names mutants, and every mutant is named", () => {
	expect(DRIVER_PROPERTIES.filter(({ mutants }) => mutants.length < 2)).toEqual([]);
	const named = new Set(DRIVER_PROPERTIES.flatMap(({ mutants }) => mutants));
	expect(DRIVER_MUTANTS.filter(({ name }) => !named.has(name)).map(({ name }) => name)).toEqual([]);
});

test("what they are made from keeps every promise", async () => {
	const { findings, cells } = await conformDriver(memoryDriver(), { runs: RUNS });
	expect(findings).toEqual([]);
	expect(cells.every(({ verdict, runs }) => verdict === "pass" && runs > 0)).toBe(true);
});
