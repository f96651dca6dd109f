/**
 * The gate of the properties: each kills the mutants it names, within the seeds on record, and in scenarios in which the engine that
 * works does nothing of the kind. A property that lets its mutant live proves nothing by passing.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { Catch } from "../fixtures/mutants/catch.ts";
import { CATCHES } from "../fixtures/mutants/catches.ts";
import { formatKills, parseKills, rowOf } from "../fixtures/mutants/kills.ts";
import type { MutantResult, MutantsResult } from "../reports/model.ts";
import { mutantsJunit, mutantsMarkdown, mutantsText, mutantsVerdict } from "../reports/mutants.ts";
import { gateOf, loadKills } from "../sim/cli/engine/mutants.ts";
import { ALL_MUTANTS } from "../sim/explore/gate/deviations.ts";
import { type Gate, gaps, judgeHunt, limitOf, MOST_SEEDS } from "../sim/explore/gate/gate.ts";
import type { Hunted } from "../sim/explore/gate/hunt.ts";
import { matrixVerdict } from "../sim/explore/matrix/matrix.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { COMPARISONS, PROPERTIES } from "../suites/index.ts";
import { sim } from "./support/cli.ts";

const kills = loadKills();

let gate: Gate;
beforeAll(async () => {
	gate = await gateOf();
});

function hunted(row: Catch, limit: number): Promise<Hunted> {
	return inMacrotask(() => {
		const hunt = gate.hunt(row, limit);
		for (;;) {
			const step = hunt.next();
			if (step.done === true) return step.value;
		}
	});
}

async function judged(row: Catch, recorded: number | undefined, limit = limitOf(recorded)): Promise<MutantResult> {
	return judgeHunt(row, gate.targetOf(row), await hunted(row, limit), limit, recorded);
}

describe("the gate", () => {
	it("is whole: properties, mutants, catches and the record name each other", () => {
		expect(gaps(kills)).toEqual([]);
		expect(new Set(CATCHES.map(({ property }) => property))).toEqual(
			new Set([...PROPERTIES, ...COMPARISONS].map(({ id }) => id)),
		);
		expect(new Set(CATCHES.map(rowOf)).size).toBe(CATCHES.length);
	});

	it("has a mutant for whatever is known to go wrong in engines", () => {
		expect(ALL_MUTANTS.length).toBeGreaterThanOrEqual(90);
		expect(new Set(ALL_MUTANTS.map(({ name }) => name)).size).toBe(ALL_MUTANTS.length);
		expect(ALL_MUTANTS.filter(({ summary }) => summary.length < 15)).toEqual([]);
	});
});

describe.each(PROPERTIES.concat(COMPARISONS as never[]).map(({ id }) => id))("%s", (property) => {
	const rows = CATCHES.filter((row) => row.property === property);
	it.each(rows.map((row) => [`${row.mutant}: ${row.kind}`, row] as const))("kills %s", async (_, row) => {
		const recorded = kills.find((kill) => rowOf(kill) === rowOf(row))?.seeds;
		const { verdict, message } = await judged(row, recorded);
		expect({ verdict, message }).toEqual({ verdict: "pass", message: undefined });
	});
});

describe("a hunt", () => {
	const row = {
		...{ property: "step.committed-once", mutant: "driver-acknowledges-unwritten-batches" },
		...{ kind: "ran-again", program: "simple" },
	};

	it("takes the same number of seeds each time", async () => {
		const slow = CATCHES.find(({ kind }) => kind === "wait-left-after-evicted") as Catch;
		const [first, second] = [await hunted(slow, MOST_SEEDS), await hunted(slow, MOST_SEEDS)];
		expect(first.seeds).toBeGreaterThan(1);
		expect(second).toEqual(first);
	});

	it("is not over when the mutant breaks its property in another way", async () => {
		expect(await hunted({ ...row, kind: "ran-again-in-race" }, 5)).toEqual({ tried: 5 });
	});

	it("proves nothing where the engine that works shows the same", async () => {
		const nested = { ...row, property: "replay.parallel-safe", kind: "name-lost", program: "fan-out" };
		const result = await judged(nested, undefined);
		expect(result.verdict).toBe("invalid");
		expect(result.message).toMatch(/^rivet-.* shows replay\.parallel-safe\/name-lost without it, with seed \d+$/);
	});

	it("fails when it takes far more seeds than on record, or is not on record", async () => {
		expect(limitOf(3)).toBe(56);
		const { verdict, message } = await judged({ ...row, kind: "ran-again-in-race" }, 3, 7);
		expect([verdict, message]).toEqual(["fail", "lives through 7 seeds; on record it took 3"]);
		const unrecorded = await judged(row, undefined);
		expect([unrecorded.verdict, unrecorded.message]).toEqual(["fail", "not on record: pnpm sim mutants --update"]);
	});
});

describe("the record", () => {
	it("is written as it is read, in order", () => {
		const file = new URL("../fixtures/mutants/kills.json", import.meta.url);
		expect(formatKills(kills)).toBe(readFileSync(file, "utf8"));
		expect(parseKills(formatKills(kills), "again")).toEqual(kills);
		expect(formatKills([...kills].reverse())).toBe(formatKills(kills));
	});

	it("names what is no kill, and what is there twice", () => {
		const kill = { mutant: "m", property: "p.q", kind: "k", seeds: 1 };
		expect(() => parseKills(JSON.stringify([{ ...kill, seeds: 0 }]), "kills.json")).toThrow(/kills\.json: entry 1/);
		expect(() => parseKills(JSON.stringify([kill, kill]), "kills.json")).toThrow(/"m p\.q\/k" is there twice/);
	});

	it("has a gap where it names what nobody hunts", () => {
		const kill = { mutant: "engine-of-yesterday", property: "p.q", kind: "k", seeds: 1 };
		expect(gaps([...kills, kill])).toEqual(["On record is engine-of-yesterday p.q/k, which no catch says."]);
	});
});

describe("the table", () => {
	const row: MutantResult = {
		...{ mutant: "engine-forgets", property: "step.committed-once", kind: "ran-again", target: "rivet-2.3.19" },
		...{ program: "simple", unit: "seeds", seeds: 4, recorded: 4, limit: 58, verdict: "pass" },
		command: "pnpm sim mutants --mutant engine-forgets --property step.committed-once",
	};
	const { seeds: _, ...living } = row;
	const lives: MutantResult = { ...living, verdict: "fail", message: "lives through 58 seeds; on record it took 4" };
	const table = (rows: MutantResult[], changes: Partial<MutantsResult> = {}) => ({
		...{ rows, gaps: [], interrupted: false },
		...changes,
	});

	it("fails when a mutant lives or something is missing, and counts for nothing when stopped", () => {
		expect(mutantsVerdict(table([row]))).toBe("pass");
		expect(mutantsVerdict(table([row, lives]))).toBe("fail");
		expect(mutantsVerdict(table([row], { gaps: ["x kills nothing."] }))).toBe("fail");
		expect(mutantsVerdict(table([row], { interrupted: true }))).toBe("invalid");
	});

	it("decides with the other tables of a matrix", () => {
		expect(matrixVerdict(["known"], [], { mutants: table([row]) })).toBe("known");
		expect(matrixVerdict(["known"], [], { mutants: table([row, lives]) })).toBe("fail");
		expect(matrixVerdict(["known"], [], { mutants: table([row], { gaps: ["x kills nothing."] }) })).toBe("fail");
	});

	it("is a suite a property in JUnit, a test case a mutant", () => {
		const xml = mutantsJunit(table([row, lives], { gaps: ["x kills nothing."] }));
		expect(xml.match(/<testcase /g)).toHaveLength(3);
		expect(xml.match(/<failure message="[^"]*"/g)).toEqual([
			'<failure message="lives through 58 seeds; on record it took 4"',
			'<failure message="x kills nothing."',
		]);
	});

	it("says what lived, and the command that hunts it again, within 80 columns", () => {
		const text = mutantsText(table([row, lives]));
		expect(text).toMatch(/FAIL {2}engine-forgets {2}step\.committed-once\/ran-again\n {6}lives through 58 seeds/);
		expect(text).toContain(lives.command);
		expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
		expect(mutantsMarkdown(table([row, lives]))).toMatch(/\| simple \| 4 \| 4 \|\n.*\| \*\*lives\*\* \| 4 \|/);
	});
});

describe("pnpm sim mutants", () => {
	it("hunts what was chosen, and prints the table as data", async () => {
		const { code, stdout } = await sim(["mutants", "--mutant", "engine-keeps-json", "--json"]);
		expect(code).toBe(0);
		const { verdict, mutants, command } = JSON.parse(stdout);
		expect([verdict, command]).toEqual(["pass", "pnpm sim mutants --mutant engine-keeps-json"]);
		expect(mutants.rows).toMatchObject([{ property: "replay.values-round-trip", seeds: 1, recorded: 1 }]);
	});

	it.each([
		["a mutant that is none", ["--mutant", "engine-nobody-built"], /Unknown mutant "engine-nobody-built"; choose from/],
		["a property that is none", ["--property", "step.nothing"], /Unknown property "step\.nothing"/],
		["an engine to make them of", ["--engine", "rivet-2.1.3"], /--engine means nothing here/],
		[
			"two that know nothing of each other",
			["--mutant", "engine-keeps-json", "--property", "queue.fifo"],
			/No property of queue\.fifo names a mutant of engine-keeps-json/,
		],
	])("refuses %s", async (_, options, message) => {
		const { code, stderr } = await sim(["mutants", ...options]);
		expect(code).toBe(2);
		expect(stderr).toMatch(message);
	});
});
