/** What campaigns, searches and shrinking make of whatever is a subject, on one as small as can be. */
import { expect, test } from "vitest";
import { campaignIn } from "../sim/explore/campaign/campaign.ts";
import { huntSubject, type SubjectHunt } from "../sim/explore/subject/gate.ts";
import { propertiesOf } from "../sim/explore/subject/judge.ts";
import { SubjectLab } from "../sim/explore/subject/lab.ts";
import {
	formatSubjectReproducer,
	parseSubjectReproducer,
	type SubjectReproducer,
} from "../sim/explore/subject/reproducer.ts";
import { shrinkSubject } from "../sim/explore/subject/shrink.ts";
import type { CommandScenario } from "../suites/commands/run.ts";
import { tinySubject } from "./support/tiny-subject.ts";

function labOf(forgets: boolean): SubjectLab {
	const subject = tinySubject(forgets);
	return new SubjectLab(subject, propertiesOf(subject, undefined));
}

const PROPERTIES = [{ id: "tiny.count", suite: "tiny", claim: "It counts to three.", source: "test" }];
const SEEDS = { from: 1, runs: 200, expectations: [], properties: PROPERTIES };
const CRASHES = {
	...{ from: 1, runs: 0, expectations: [], properties: PROPERTIES },
	exploration: { kind: "crashes", modes: ["1", "2"], depth: 2, kinds: [] },
} as const;

test("a sound subject passes, with faults that struck", async () => {
	const { verdict, counts, faults, properties } = await campaignIn(labOf(false), SEEDS);
	expect(verdict).toBe("pass");
	expect(counts.runs).toBe(200);
	expect(counts.rerun).toBe(2);
	expect(faults).toMatchObject([{ kind: "crash" }]);
	expect(faults[0]?.fired).toBeGreaterThan(50);
	expect(properties).toMatchObject([{ id: "tiny.count", verdict: "pass", checked: 200 }]);
});

test("a finding is told with the least seed that shows it", async () => {
	const { verdict, findings } = await campaignIn(labOf(true), SEEDS);
	expect(verdict).toBe("fail");
	expect(findings).toMatchObject([{ id: "tiny.count/too-far", example: { program: "count" } }]);
	const { conditions } = findings[0]?.example ?? {};
	expect(conditions?.[0]).toBe("as it is");
	expect(conditions?.[1]).toMatch(/^crash after durable write 1$/);
});

test("every crash point is come to, once for each depth", async () => {
	const { searches, verdict } = await campaignIn(labOf(false), CRASHES);
	expect(verdict).toBe("pass");
	// It is hosted in one way: of the second there is nothing to tell.
	expect(searches).toHaveLength(1);
	const [search] = searches;
	// Six first crashes; then those behind a write that did not take place, and those behind one that did.
	expect(search).toMatchObject({
		kind: "crashes",
		program: "count",
		exhausted: true,
		explored: 6 + (6 + 4 + 2) + (4 + 2),
	});
	const windows = search?.kind === "crashes" ? search.windows : [];
	expect(windows.every(({ crossed }) => crossed > 0)).toBe(true);
	expect(windows.map(({ operation, detail }) => `${operation} ${detail}`.trim())).toEqual([
		...["set count n", "set count n", "set count n"],
		"end",
	]);
});

test("what is listed is known, and fixed once its run shows it no longer", async () => {
	const scenario = { seed: "1", program: "count", faults: [{ kind: "crash", write: 1, side: "after" }] } as const;
	const expectations = [{ property: "tiny.count", kind: "too-far", reason: "It counts too far.", scenario }];
	expect((await campaignIn(labOf(true), { ...SEEDS, expectations })).verdict).toBe("known");
	expect((await campaignIn(labOf(false), { ...SEEDS, expectations })).verdict).toBe("fixed");
});

test("a failing scenario is made small", async () => {
	const faults = [3, 2, 4].map((write) => ({ kind: "crash", write, side: "after" }) as const);
	const failure = { property: "tiny.count", kind: "too-far" };
	const { scenario, exhausted } = await shrinkSubject(labOf(true), { seed: "1", program: "count", faults }, failure, {
		budget: 200,
	});
	expect(exhausted).toBe(true);
	expect(scenario.faults).toEqual([{ kind: "crash", write: 1, side: "after" }]);
});

test("a reproducer is read as it was written", () => {
	const reproducer: SubjectReproducer = {
		...{ tool: "0.1.0", digest: "ab" },
		target: { subject: "runner", target: "reference", against: "pegboard" },
		finding: { property: "tiny.count", kind: "too-far", message: "4 writes" },
		scenario: SCENARIO,
	};
	expect(parseSubjectReproducer(formatSubjectReproducer(reproducer), "file")).toEqual(reproducer);
});

const SCENARIO: CommandScenario = {
	...{ seed: "1", program: "start", faults: [{ kind: "crash", write: 1, side: "after" }] },
	...{ network: { minMs: 1, maxMs: 1 }, latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 } },
	...{ inFlight: "lost", serverRestartMs: 0, runnerRestartMs: 0, protocol: 5, pace: 100 },
};

test.each<[string, object, string]>([
	["a field too many", { ...SCENARIO, hosting: "live" }, "scenario.hosting"],
	["a field too few", { ...SCENARIO, latency: undefined }, "scenario.latency"],
	["a fault of no kind", { ...SCENARIO, faults: [{ kind: "flood" }] }, "scenario.faults.0.kind"],
	["a version that nobody speaks", { ...SCENARIO, protocol: 9 }, "scenario.protocol"],
])("a scenario with %s is refused, and with which version it can be run", (_what, scenario, where) => {
	const finding = { property: "tiny.count", kind: "too-far", message: "4 writes" };
	const target = { subject: "runner", target: "reference" };
	const text = JSON.stringify({
		...{ format: "faultline-subject-reproducer-1", tool: "0.0.7", target, finding },
		...{ scenario, digest: "ab" },
	});
	expect(() => parseSubjectReproducer(text, "bug.repro.json")).toThrow(`cannot run (${where}: `);
	expect(() => parseSubjectReproducer(text, "bug.repro.json")).toThrow("use Faultline 0.0.7, which wrote it.");
});

test.each<[string, string]>([
	["not JSON", "not JSON"],
	["{}", "is no reproducer (format"],
	[
		'{"format":"faultline-subject-reproducer-1","tool":"1","target":{"subject":"engine","target":"a"}}',
		"target.subject",
	],
])("%s is refused with what is wrong", (text, why) => {
	expect(() => parseSubjectReproducer(text, "bug.repro.json")).toThrow(why);
});

test.each<[string, (planted: boolean) => boolean, "pass" | "fail" | "invalid"]>([
	["a mutant that shows is killed", (planted) => planted, "pass"],
	["one that never shows lives", () => false, "fail"],
	["one that the sound target shows too proves nothing", () => true, "invalid"],
])("%s", async (_what, forgets, verdict) => {
	const hunt: SubjectHunt = {
		...{ mutant: "forgets", summary: "It begins anew.", property: "tiny.count", kind: "too-far" },
		...{ program: "count", within: 50 },
		subject: (planted) => tinySubject(forgets(planted)),
		scenario: (subject, seed) => subject.draw(seed),
	};
	const result = await huntSubject(hunt, "again");
	expect(result).toMatchObject({ verdict, unit: "seeds", limit: 50 });
	expect(result.seeds === undefined).toBe(verdict === "fail");
});
