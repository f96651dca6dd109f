/**
 * Every property of actors notices something, and every mutant is noticed by what it names: within a bounded number of seeds, and not
 * in the reference without fault.
 */
import { describe, expect, test } from "vitest";
import { ACTOR_DEVIATIONS } from "../../drivers/actor/reference/rules.ts";
import { DEVIATIONS } from "../../drivers/engine/reference/rules.ts";
import { ACTOR_MUTANTS } from "../../fixtures/mutants/actors/index.ts";
import { ACTOR_HUNTS } from "../../sim/explore/actors/mutants.ts";
import { huntSubject } from "../../sim/explore/subject/gate.ts";
import { ACTOR_PROPERTIES } from "../../suites/actor/index.ts";

describe("each mutant is noticed by what it names, and only the mutant", () => {
	test.each(ACTOR_HUNTS.map((hunt) => [hunt.mutant, hunt] as const))("%s", async (_, hunt) => {
		expect(await huntSubject(hunt, "")).toMatchObject({ mutant: hunt.mutant, verdict: "pass" });
	});
});

test("every property has a mutant that it must notice", () => {
	const caught = new Set(ACTOR_MUTANTS.map(({ property }) => property));
	expect(ACTOR_PROPERTIES.map(({ id }) => id).filter((id) => !caught.has(id))).toEqual([]);
});

test("properties name their mutants", () => {
	const named = ACTOR_PROPERTIES.flatMap(({ id, mutants }) => mutants.map((mutant) => `${id} ${mutant}`)).sort();
	expect(named).toEqual(ACTOR_MUTANTS.map(({ name, property }) => `${property} ${name}`).sort());
});

test("the rules that mutants leave out are rules, and each rule of the actor has a mutant", () => {
	const actor = ACTOR_MUTANTS.flatMap(({ actor: rules = [] }) => rules);
	const engine = ACTOR_MUTANTS.flatMap(({ engine: rules = [] }) => rules);
	expect([...new Set(actor)].sort()).toEqual(Object.keys(ACTOR_DEVIATIONS).sort());
	expect(engine.filter((rule) => !(rule in DEVIATIONS))).toEqual([]);
});
