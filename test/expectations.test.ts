/** Known failures: a listed one reads known, a new one fails, and one that is fixed must be taken off. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PUBLISHED } from "../drivers/engine/rivet/engine.ts";
import {
	avoidedShapes,
	type Expectation,
	ExpectationError,
	formatExpectations,
	parseExpectations,
	unexplained,
} from "../fixtures/expectations/expectations.ts";
import { countStatements } from "../fixtures/generators/statement.ts";
import { findingId, type Report } from "../reports/model.ts";
import { campaign } from "../sim/explore/campaign/campaign.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import type { Scenario } from "../suites/scenario.ts";
import { expectRefusal, sim } from "./support/cli.ts";
import { explorerOf } from "./support/explorer.ts";
import { knownFailures } from "./support/known.ts";

async function explore(expectations: Expectation<Scenario>[], properties: string[], runs = 300, from = 1) {
	return await campaign(await explorerOf({ properties }), {
		from,
		runs,
		expectations,
		commandFor: (seed) => `seed ${seed}`,
		commandForKnown: (id) => id,
	});
}

describe("a published list", () => {
	it.each(PUBLISHED)("has a kept run for each entry that still shows it: %s", async (engine) => {
		const list = knownFailures(engine);
		const explorer = await explorerOf({ engine });
		const shows = ({ property, kind, scenario }: Expectation<Scenario>) => {
			const program = scenario === undefined ? undefined : explorer.programOf(scenario);
			if (scenario === undefined || program === undefined) return false;
			const { violations } = explorer.judge(scenario, program);
			return violations.some((shown) => shown.property.id === property && shown.violation.kind === kind);
		};
		const hidden: string[] = [];
		for (const entry of list) if (!(await inMacrotask(() => shows(entry)))) hidden.push(findingId(entry));
		expect(hidden).toEqual([]);
		expect(list.length).toBeGreaterThan(100);
	});
});

describe("the list of the newest engine", () => {
	it("says of each entry what a user loses", () => {
		expect(unexplained(knownFailures())).toEqual([]);
	});

	it("covers what a campaign finds", async () => {
		const { verdict, findings } = await explore(
			knownFailures(),
			[...new Set(knownFailures().map(({ property }) => property))],
			1_500,
		);
		expect(findings.filter((finding) => finding.verdict === "fail").map(({ id }) => id)).toEqual([]);
		expect(verdict).toBe("known");
	});
});

describe("a verdict", () => {
	const known = (kind: string) =>
		knownFailures().filter((entry) => entry.property === "queue.no-loss" && entry.kind === kind);

	it("is fail for a failure of another kind than the listed one", async () => {
		const { verdict, findings } = await explore(known("swallowed-by-race-loser"), ["queue.no-loss"]);
		expect(findings.map(({ id, verdict }) => [id, verdict])).toEqual([
			["queue.no-loss/taken-then-crashed", "fail"],
			["queue.no-loss/swallowed-by-race-loser", "known"],
		]);
		expect(verdict).toBe("fail");
	});

	it("is fixed when the kept run shows the failure no longer", async () => {
		const [entry] = known("taken-then-crashed");
		if (entry === undefined) throw new Error("the list has no such entry");
		const harmless = { ...entry, scenario: { ...entry.scenario, program: "queue-loop", faults: [] } };
		// A seed that does not show the failure itself.
		const { verdict, findings } = await explore([harmless], ["queue.no-loss"], 1, 2);
		expect(findings.map(({ id, verdict }) => [id, verdict])).toEqual([["queue.no-loss/taken-then-crashed", "fixed"]]);
		expect(verdict).toBe("fixed");
	});

	it("is disputed where the promise is a matter of reading, and fails nothing", async () => {
		const entries = known("taken-then-crashed").map((entry) => ({ ...entry, disputed: "at most once may be meant" }));
		const listedToo = [...entries, ...known("swallowed-by-race-loser")];
		const { verdict, findings } = await explore(listedToo, ["queue.no-loss"]);
		expect(findings.map(({ id, verdict, disputed }) => [id, verdict, disputed])).toEqual([
			["queue.no-loss/swallowed-by-race-loser", "known", undefined],
			["queue.no-loss/taken-then-crashed", "disputed", "at most once may be meant"],
		]);
		expect(verdict).toBe("known");
	});

	it("leaves entries of properties that were not chosen alone", async () => {
		const { findings } = await explore(known("taken-then-crashed"), ["timer.never-early"], 20);
		expect(findings).toEqual([]);
	});
});

describe("the file", () => {
	it("is written and read as inverses", () => {
		expect(parseExpectations(formatExpectations(knownFailures()), "x")).toEqual(knownFailures());
		expect(parseExpectations(formatExpectations([]), "x")).toEqual([]);
		const [first] = knownFailures();
		const full = { ...first, avoids: ["race", "fault-evict"], affects: ["rivet-2.3.19"], disputed: "it may be meant" };
		expect(parseExpectations(formatExpectations([full as Expectation]), "x")).toEqual([full]);
	});

	it("names the shapes that its entries poison, in one order whatever that of the entries", () => {
		const entry = { property: "a", kind: "b", reason: "c", scenario: {} };
		const entries = [
			{ ...entry, avoids: ["fault-evict", "race"] },
			{ ...entry, avoids: ["nested-loop", "race"] },
		];
		expect(avoidedShapes(entries)).toEqual(["nested-loop", "race", "fault-evict"]);
		expect(avoidedShapes([...entries].reverse())).toEqual(avoidedShapes(entries));
	});

	it("is not complete as long as a reason is to be written", () => {
		const entry = { property: "a", kind: "b", scenario: {} };
		const open = { ...entry, reason: "TODO: say what a user loses" };
		expect(unexplained([{ ...entry, reason: "A message is lost." }, open])).toEqual([open]);
	});

	it.each([
		["- {property: a, kind: b, reason: '', scenario: {}}", /entry 1: "reason" is missing/],
		["- property: a\n  kind: b\n  reason: c", /entry 1: "scenario" is missing/],
		[
			"- {property: a, kind: b, reason: c, scenario: {}, avoids: [rase]}",
			/entry 1: there is no shape "rase"; see pnpm sim list/,
		],
		["- {property: a, kind: b, reason: c, scenario: {}, avoids: race}", /entry 1: "avoids" is not a list of names/],
		["- {property: a, kind: b, reason: c, scenario: {}, disputed: 1}", /entry 1: "disputed" is not a text/],
		["- {property: a, kind: b, reason: c, scenario: {}, avoid: [race]}", /entry 1: "avoid" means nothing here/],
		["a: b", /a list of known failures is expected/],
		["- [", /is neither JSON nor YAML/],
		[
			"- {property: a, kind: b, reason: c, scenario: {}}\n- {property: a, kind: b, reason: c, scenario: {}}",
			/entry 2: a\/b is listed twice/,
		],
	])("is refused when it is %j", (text, message) => {
		expect(() => parseExpectations(text, "list.yaml")).toThrow(ExpectationError);
		expect(() => parseExpectations(text, "list.yaml")).toThrow(message);
	});
});

describe("pnpm sim expectations --update", () => {
	it("lists what is new by its smallest run, and is not content until it is explained", {
		timeout: 60_000,
	}, async () => {
		const file = join(mkdtempSync(join(tmpdir(), "faultline-")), "list.yaml");
		writeFileSync(file, "[]\n");
		const engine = fileURLToPath(new URL("support/early-engine.mjs", import.meta.url));
		const about = ["--engine", engine, "--program", "generated", "--expectations", file];
		about.push("--property", "timer.never-early,queue.no-loss");
		const { code, stderr } = await sim(["expectations", "--update", "--runs", "200", "--workers", "1", ...about]);
		expect(stderr).toMatch(/The list is not complete: say what a user loses by\s+timer\.never-early\/sleep-early \(/);
		expect(code).toBe(1);
		const text = readFileSync(file, "utf8");
		const list = parseExpectations<Scenario>(text, file);
		// What a published version does too has its meaning from there.
		expect(list.map(findingId)).toContain("queue.no-loss/taken-then-crashed");
		for (const { scenario } of list) expect(countStatements(scenario.statements ?? [])).toBeLessThanOrEqual(3);

		writeFileSync(file, formatExpectations(list.map((entry) => ({ ...entry, reason: "A message is lost." }))));
		expect((await sim(["expectations", ...about])).code).toBe(0);
	});
});

describe("pnpm sim --avoid", () => {
	it("refuses what is no shape", () => expectRefusal(["--avoid", "rase", "--runs", "1"], /unknown shape "rase"/));

	it("is printed with a finding, whose seed then means the same under any list", { timeout: 60_000 }, async () => {
		const file = join(mkdtempSync(join(tmpdir(), "faultline-")), "list.yaml");
		writeFileSync(
			file,
			formatExpectations([{ ...(knownFailures()[0] as Expectation), avoids: ["race", "loop", "sleep-in-branch"] }]),
		);
		const about = ["--program", "generated", "--property", "queue.no-loss"];
		const found = await sim([...about, "--runs", "200", "--workers", "1", "--expectations", file, "--json"]);
		const { findings, coverage } = JSON.parse(found.stdout) as Report;
		const example = findings.find(({ verdict }) => verdict === "fail")?.example;
		expect(example?.command).toMatch(/ --avoid \S+$/);
		expect(coverage.avoided?.map(({ shape }) => shape)).toEqual(["loop", "race", "sleep-in-branch"]);
		const words = example?.command.split(" ").slice(2) as string[];
		for (const list of ["none", file]) {
			const again = JSON.parse((await sim([...words, "--expectations", list, "--json"])).stdout) as Report;
			expect(again.digest).toBe(example?.digest);
		}
	});
});
