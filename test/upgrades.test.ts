/**
 * `version.upgrade`: a history goes on under a newer engine. Held by published pairs in a few programs here, and by all pairs in
 * all programs in `pnpm sim matrix`; broken by engines that moved what an older one had written.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST, PUBLISHED } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { MUTANTS } from "../fixtures/mutants/index.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import type { UpgradeResult } from "../reports/model.ts";
import { type UpgradeOptions, Upgrades } from "../sim/explore/matrix/upgrades.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import type { Target } from "../suites/run.ts";
import { causeOf, versionUpgrade } from "../suites/upgrade.ts";

const [OLDEST = "", PREVIOUS = ""] = [PUBLISHED[0], PUBLISHED.at(-2)];

let targets: ReadonlyMap<string, Target>;
beforeAll(async () => {
	const loaded = await Promise.all(
		[OLDEST, PREVIOUS, NEWEST].map(async (name) => ({ engine: await loadRivet(name), storage: memoryStorage })),
	);
	targets = new Map(loaded.map((target) => [target.engine.name, target]));
});

function targetOf(name: string, mutant?: string): Target {
	const target = targets.get(name) as Target;
	return mutant === undefined ? target : (MUTANTS.find((known) => known.name === mutant)?.plant(target) as Target);
}

function upgrade(
	chain: readonly Target[],
	programs: readonly string[],
	options: Partial<UpgradeOptions> = {},
): Promise<UpgradeResult> {
	const chosen = PROGRAMS.filter(({ name }) => programs.includes(name));
	return inMacrotask(() => {
		const upgrades = new Upgrades(chain, chosen, { modes: ["live", "yield"], downgrades: false, ...options });
		for (const _ of upgrades.steps());
		return upgrades.result();
	});
}

describe("a history of an older published engine, stopped at every durable state", () => {
	it("is finished by newer ones, in both ways of hosting", async () => {
		const { pairs, problems, interrupted } = await upgrade(
			[targetOf(OLDEST), targetOf(PREVIOUS), targetOf(NEWEST)],
			["simple", "timeouts", "batch-drainer", "month-sleep", "rollback"],
		);
		expect(problems).toEqual([]);
		expect(interrupted).toBe(false);
		expect(pairs.map(({ from, to, programs }) => [from, to, programs])).toEqual([
			[OLDEST, PREVIOUS, 5],
			[OLDEST, NEWEST, 5],
			[PREVIOUS, NEWEST, 5],
		]);
		for (const { states, failures } of pairs) {
			expect(states).toBeGreaterThan(200);
			expect(failures).toEqual([]);
		}
	});

	it("is left out where one of the two cannot run the program", async () => {
		const { pairs } = await upgrade([targetOf(OLDEST), targetOf(NEWEST)], ["simple", "fallback"], { modes: ["live"] });
		expect(pairs.map(({ programs }) => programs)).toEqual([1]);
	});

	it("is finished by older ones only when asked for, and told apart", async () => {
		const { pairs } = await upgrade([targetOf(PREVIOUS), targetOf(NEWEST)], ["simple"], { downgrades: true });
		expect(pairs.map(({ from, direction }) => [from, direction])).toEqual([
			[PREVIOUS, "upgrade"],
			[NEWEST, "downgrade"],
		]);
	});
});

describe("version.upgrade catches", () => {
	it.each([
		["engine-moves-names", "simple", "missing-name"],
		["engine-moves-metadata", "exhausted", "too-many-attempts"],
		["engine-moves-metadata", "exhausted", "retried-early"],
	])("%s in %s: %s", async (mutant, program, cause) => {
		const { pairs } = await upgrade([targetOf(PREVIOUS), targetOf(NEWEST, mutant)], [program]);
		const failure = pairs[0]?.failures.find(({ kind }) => causeOf({ kind }) === cause);
		expect(failure?.kind).toBe(`${cause}-from-${targetOf(PREVIOUS).engine.version}`);
		expect(failure?.example.command).toMatch(
			new RegExp(
				`^pnpm sim upgrade --engine ${PREVIOUS},${NEWEST} --program ${program} --mode (live|yield) --plan "crash `,
			),
		);
	});

	it("every mutant it names", () => {
		expect([...versionUpgrade.mutants].sort()).toEqual(["engine-moves-metadata", "engine-moves-names"]);
	});
});

it("does not blame an upgrade for what the newer engine does wrong by itself", async () => {
	// A mutant that breaks its own histories too: what shows after an upgrade is no news.
	const { pairs } = await upgrade([targetOf(PREVIOUS), targetOf(NEWEST, "driver-drops-names")], ["simple"]);
	expect(pairs[0]?.failures).toEqual([]);
	expect(pairs[0]?.excused).toHaveProperty("missing-name");
});
