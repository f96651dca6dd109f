/** Known failures: a listed one reads known, a new one fails, and one that is fixed must be taken off. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
	type Expectation,
	ExpectationError,
	formatExpectations,
	parseExpectations,
} from "../fixtures/expectations/expectations.ts";
import { campaign } from "../sim/explore/campaign/campaign.ts";
import type { Scenario } from "../suites/scenario.ts";
import { explorerOf } from "./support/explorer.ts";

const FILE = new URL("../fixtures/expectations/rivet-2.3.19.yaml", import.meta.url);

function listed(): Expectation<Scenario>[] {
	return parseExpectations<Scenario>(readFileSync(FILE, "utf8"), "rivet-2.3.19.yaml");
}

async function explore(expectations: Expectation<Scenario>[], properties: string[], runs = 300) {
	return await campaign(await explorerOf({ properties }), {
		from: 1,
		runs,
		expectations,
		commandFor: (seed) => `seed ${seed}`,
		commandForKnown: (id) => id,
	});
}

describe("the list of the newest engine", () => {
	it("has a kept run for each entry that still shows it", async () => {
		const { findings } = await explore(listed(), [...new Set(listed().map(({ property }) => property))], 1);
		expect(findings.filter(({ verdict }) => verdict === "fixed").map(({ id }) => id)).toEqual([]);
	});

	it("says of each entry what a user loses", () => {
		for (const { reason } of listed()) expect(reason).not.toMatch(/^New/);
	});

	it("covers what a campaign finds", async () => {
		const { verdict, findings } = await explore(
			listed(),
			[...new Set(listed().map(({ property }) => property))],
			1_500,
		);
		expect(findings.filter((finding) => finding.verdict === "fail").map(({ id }) => id)).toEqual([]);
		expect(verdict).toBe("known");
	});
});

describe("a verdict", () => {
	const known = (kind: string) => listed().filter((entry) => entry.property === "queue.no-loss" && entry.kind === kind);

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
		const { verdict, findings } = await explore([harmless], ["queue.no-loss"], 1);
		expect(findings.map(({ id, verdict }) => [id, verdict])).toEqual([["queue.no-loss/taken-then-crashed", "fixed"]]);
		expect(verdict).toBe("fixed");
	});

	it("leaves entries of properties that were not chosen alone", async () => {
		const { findings } = await explore(known("taken-then-crashed"), ["timer.never-early"], 20);
		expect(findings).toEqual([]);
	});
});

describe("the file", () => {
	it("is written and read as inverses", () => {
		expect(parseExpectations(formatExpectations(listed(), "two\nlines"), "x")).toEqual(listed());
		expect(parseExpectations(formatExpectations([], "none"), "x")).toEqual([]);
	});

	it.each([
		["- property: a\n  kind: b\n  scenario: {}", /entry 1: "reason" is missing/],
		["- property: a\n  kind: b\n  reason: c", /entry 1: "scenario" is missing/],
		["a: b", /a list of known failures is expected/],
		["- [", /is not YAML/],
		[
			"- {property: a, kind: b, reason: c, scenario: {}}\n- {property: a, kind: b, reason: c, scenario: {}}",
			/entry 2: a\/b is listed twice/,
		],
	])("is refused when it is %j", (text, message) => {
		expect(() => parseExpectations(text, "list.yaml")).toThrow(ExpectationError);
		expect(() => parseExpectations(text, "list.yaml")).toThrow(message);
	});
});
