/**
 * The gate of the properties: each catches the mutants it names, and catches in them what the published engine does not
 * do in the same scenario. A property that lets its mutant pass proves nothing by passing.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { MUTANTS } from "../fixtures/mutants/index.ts";
import type { Mutant } from "../fixtures/mutants/mutant.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";
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

/** Which mutant a property catches, how it then says the target broke, and the program that brings it out. */
const CATCHES: readonly (readonly [property: string, mutant: string, kind: string, program: string])[] = [
	["replay.same-outcome", "driver-lists-one-page", "waits-for-lost-message", "request-response"],
	["replay.every-state-recovers", "driver-drops-names", "missing-name-uninterrupted", "simple"],
	["replay.every-state-recovers", "driver-truncates-values", "undecodable-uninterrupted", "simple"],
	["replay.every-state-recovers", "driver-lists-past-the-prefix", "rejected-with-Error", "simple"],
	["replay.pure", "driver-forgets-completion", "completed-wrote-workflow-state", "timeouts"],
	["replay.parallel-safe", "engine-skips-names-of-overlapping-flushes", "name-lost", "twins"],
	["step.committed-once", "driver-lists-one-page", "ran-again", "progress"],
	["step.committed-once", "driver-acknowledges-unwritten-batches", "ran-again", "simple"],
	["step.bounded-attempts", "driver-forgets-attempts", "too-many-attempts", "exhausted"],
	["step.backoff", "driver-forgets-attempts", "retried-early", "timeouts"],
	["queue.no-loss", "queue-forgets-every-third-message", "vanished", "queue-loop"],
	["queue.no-loss", "driver-lists-one-page", "forgotten-after-given", "reminders"],
	["queue.no-duplicate", "queue-keeps-what-it-gives", "given-twice", "queue-loop"],
	["queue.no-duplicate", "queue-removes-after-giving", "given-twice", "batch-drainer"],
	["timer.never-early", "engine-halves-sleeps", "sleep-early", "month-sleep"],
	["timer.never-early", "engine-cuts-long-sleeps-short", "sleep-early", "month-sleep"],
	["life.no-unhandled", "engine-forgets-a-rejection", "unhandled-AbortError", "approval-gate"],
	["life.progress", "driver-ignores-alarms", "hung", "month-sleep"],
	["life.progress", "driver-ignores-alarms", "missed-deadline", "bounded-drain"],
	["life.progress", "queue-misses-early-messages", "missed-message", "setup-teardown"],
	["evict.resumes", "engine-rejects-when-evicted", "rejected-instead-of-stopping", "simple"],
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
		const names = new Set(PROPERTIES.flatMap(({ mutants }) => mutants));
		const unnamed = MUTANTS.map(({ name }) => name).filter((name) => !names.has(name));
		expect(unnamed).toEqual([]);
	});

	it("are all put to the test: every property has a mutant, and every naming a row", () => {
		expect(PROPERTIES.filter(({ mutants }) => mutants.length === 0)).toEqual([]);
		const tested = new Set(CATCHES.map(([property, mutant]) => `${property} catches ${mutant}`));
		expect(named.filter((naming) => !tested.has(naming))).toEqual([]);
	});
});

describe.each(CATCHES)("%s", (propertyId, mutantName, kind, programName) => {
	it(`catches ${mutantName}: ${kind}`, async () => {
		const property = find(PROPERTIES, ({ id }) => id === propertyId);
		const program = find([...PROGRAMS, twins], ({ name }) => name === programName);
		const right = new Explorer(published, [program], [property]);
		const wrong = new Explorer(mutantNamed(mutantName).plant(published), [program], [property]);

		const caughtBy = await inMacrotask(() => {
			for (let seed = 1; seed <= MAX_SEEDS; seed++) {
				const { scenario } = right.draw(seed);
				const allowed = kindsOf(right, scenario, program);
				expect(allowed, `the published engine does so too, with seed ${seed}`).not.toContain(kind);
				if (allowed.length === 0 && kindsOf(wrong, scenario, program).includes(kind)) return seed;
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
	return explorer.judge(scenario, program).violations.map(({ violation }) => violation.kind);
}

function mutantNamed(name: string): Mutant {
	return find(MUTANTS, (mutant) => mutant.name === name);
}

function find<T extends Property | Program | Mutant>(items: readonly T[], matches: (item: T) => boolean): T {
	const found = items.find(matches);
	if (found === undefined) throw new Error("A row of the table names something that does not exist.");
	return found;
}
