/** Each duty that a runner or a server leaves out is noticed by the property that its row names, and by nothing else's fault. */
import { describe, expect, it } from "vitest";
import { RUNNER_DEVIATIONS } from "../../drivers/runner/reference/rules.ts";
import { PEGBOARD, SERVER_WEAKNESSES } from "../../drivers/runner/server/rules.ts";
import { HARMLESS, RUNNER_MUTANTS } from "../../fixtures/mutants/runners/index.ts";
import { hunt, huntedScenario, shows, subjectOf, summaryOf } from "../../sim/explore/commands/mutants.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import { COMMAND_PROPERTIES } from "../../suites/commands/index.ts";

describe.each(RUNNER_MUTANTS.map((mutant) => [mutant.name, mutant] as const))("%s", (_name, mutant) => {
	it(`is seen by ${mutant.property} as ${mutant.kind}, and the sound target is not`, async () => {
		const seed = await inMacrotask(() => hunt(mutant));
		expect(seed).toBeDefined();
		const sound = subjectOf(mutant, false);
		const seen = await inMacrotask(() => shows(sound, mutant, huntedScenario(sound, mutant, seed as number)));
		expect(seen).toBe(false);
	}, 60_000);
});

it("every deviation and every weakness has a row, or a reason to have none", () => {
	const known = [...Object.keys(RUNNER_DEVIATIONS), ...Object.keys(SERVER_WEAKNESSES)];
	const rows = new Set([...RUNNER_MUTANTS.map(({ deviation }) => deviation), ...Object.keys(HARMLESS)]);
	expect(known.filter((name) => !rows.has(name))).toEqual([]);
	expect([...rows].filter((name) => !known.includes(name))).toEqual([]);
});

it("every mutant says how it is wrong, and has a name of its own", () => {
	expect(RUNNER_MUTANTS.filter((mutant) => summaryOf(mutant) === undefined)).toEqual([]);
	expect(new Set(RUNNER_MUTANTS.map(({ name }) => name)).size).toBe(RUNNER_MUTANTS.length);
});

it("every property kills some, and names those that it kills", () => {
	for (const { id, mutants } of COMMAND_PROPERTIES) {
		const own = RUNNER_MUTANTS.filter(({ property }) => property === id).map(({ name }) => name);
		expect(own.length, id).toBeGreaterThan(0);
		expect(mutants, id).toEqual(own);
	}
});

it("the model of the published server has weaknesses, and not all that there are", () => {
	const names = Object.keys(PEGBOARD);
	expect(names.length).toBeGreaterThan(5);
	expect(names.length).toBeLessThan(Object.keys(SERVER_WEAKNESSES).length);
});
