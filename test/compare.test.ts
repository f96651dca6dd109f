/** What one engine breaks, fixes and costs against another: two engines, or the reports of two campaigns. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareMarkdown, compareText } from "../reports/compare.ts";
import type { CompareReport, Finding, Report } from "../reports/model.ts";
import { verdictOf } from "../sim/explore/compare/compare.ts";
import { expectRefusal, sim } from "./support/cli.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

const ids = (findings: readonly Finding[]) => findings.map(({ id }) => id);

describe("two engines", () => {
	/** A sleep that is over too early is in no published version; everything else is as published. */
	const EARLY = "./test/support/early-engine.mjs";
	const CAMPAIGN = [
		"--program",
		"month-sleep,queue-loop",
		"--property",
		"timer.never-early,queue.no-loss",
		"--runs",
		"60",
	];

	it("are compared by what the second breaks, whatever the first breaks too", async () => {
		const { stdout, code } = await sim(["compare", "rivet-2.3.19", EARLY, ...CAMPAIGN, "--report", directory]);
		const report = JSON.parse(readFileSync(join(directory, "compare.json"), "utf8")) as CompareReport;
		expect(ids(report.findings)).toContain("timer.never-early/sleep-early");
		expect(report.findings.every(({ verdict, property }) => verdict === "fail" && property !== "queue.no-loss")).toBe(
			true,
		);
		expect(report.both).toContain("queue.no-loss/taken-then-crashed");
		expect(report).toMatchObject({
			...{ before: { engine: "rivet-2.3.19" }, target: { engine: EARLY }, verdict: "fail", exitCode: 1 },
			...{ counts: { runs: 60, runsBefore: 60 }, leftOut: [], warnings: [] },
		});
		expect(stdout).toMatch(/BREAKS timer\.never-early {2}sleep-early/);
		expect(stdout).toMatch(
			/FAIL {2}\.\/test\/support\/early-engine\.mjs against rivet-2\.3\.19: breaks \d+, fixes 0\n/,
		);
		expect(readFileSync(join(directory, "compare.md"), "utf8")).toMatch(/\| `timer\.never-early\/sleep-early` \|/);
		expect(code).toBe(1);

		const command = report.findings.find(({ id }) => id === "timer.never-early/sleep-early")?.example?.command ?? "";
		const again = await sim([...command.replace("pnpm sim ", "").split(" "), "--quiet"]);
		expect(again.stdout).toMatch(/FAIL +timer\.never-early\/sleep-early/);
	});

	it("are compared by what the second fixes, and pass when it breaks nothing", async () => {
		const { stdout, code } = await sim(["--compare", EARLY, "rivet-2.3.19", ...CAMPAIGN, "--json"]);
		const report = JSON.parse(stdout) as CompareReport;
		expect(ids(report.fixes)).toContain("timer.never-early/sleep-early");
		expect(report).toMatchObject({ findings: [], verdict: "pass", exitCode: 0 });
		expect(code).toBe(0);
	});

	it("are compared by what operations cost, and by the time of the same programs by turns", async () => {
		const args = [
			"compare",
			"rivet-2.2.1",
			"rivet-2.3.19",
			"--program",
			"simple",
			"--property",
			"step.timeout",
			"--runs",
			"20",
		];
		const { stdout, code } = await sim([...args, "--report", directory]);
		const { cost, leftOut } = JSON.parse(readFileSync(join(directory, "compare.json"), "utf8")) as CompareReport;
		const row = cost?.operations.find(({ operation, mode }) => operation === "loop iteration" && mode === "live");
		expect(row).toMatchObject({ before: { writes: 42 }, after: { writes: 23 } });
		expect(cost?.operations.find(({ operation }) => operation === "getVersion")).not.toHaveProperty("before");
		expect(cost?.time).toMatchObject({ rounds: 20, programs: 1 });
		expect(cost?.time.low).toBeLessThanOrEqual(cost?.time.ratio ?? 0);
		expect(cost?.time.high).toBeGreaterThanOrEqual(cost?.time.ratio ?? 0);
		expect(cost?.writesARun.after).toBeGreaterThan(5);
		expect(leftOut).toEqual(["getVersion"]);
		expect(stdout).toMatch(/loop iteration +live +writes 42 -> 23 \(-45 %\)/);
		expect(stdout).toMatch(/34 of 40 cost the same/);
		expect(
			stdout.split("\n").filter((line) => line.length > 80 && !/pnpm sim|^written|^ +\S+compare/.test(line)),
		).toEqual([]);
		expect(code).toBe(0);
	});

	it.each([
		["one name", ["compare", "rivet-2.3.19"], /missing required argument 'after'/],
		["one name behind the flag", ["--compare", "rivet-2.3.19"], /compare takes two engines, or two reports/],
		["the same name twice", ["compare", "rivet-2.3.19", "rivet-2.3.19"], /no better or worse than itself/],
		["an engine and a report", ["compare", "rivet-2.3.19", "a.json"], /Two engines can be compared, or two reports/],
		["an engine besides", ["compare", "a.json", "b.json", "--engine", "rivet-2.3.18"], /leave --engine out/],
		["a baseline", ["compare", "a.json", "b.json", "--baseline", "c.json"], /compare takes no --baseline/],
		["a report that is not there", ["compare", "a.json", "b.json"], /No report at a\.json: the file does not exist/],
	])("refuse %s", (_name, args, message) => expectRefusal(args, message));
});

describe("two reports", () => {
	const finding = (id: string, change: Partial<Finding> = {}): Finding => ({
		...{ id, property: id.split("/")[0] ?? "", kind: id.split("/")[1] ?? "", verdict: "known", runs: 2, programs: [] },
		...change,
	});
	const write = (name: string, change: Partial<Report>): string => {
		mkdirSync(join(directory, name), { recursive: true });
		const report = {
			...{
				schemaVersion: 1,
				tool: { name: "faultline", version: "0.1.0" },
				verdict: "known",
				exitCode: 0,
				problems: [],
			},
			...{ settings: { from: 1, runs: 9, explore: "random" }, target: { engine: name, driver: "memory" } },
			...{ interrupted: false, counts: { runs: 9 }, coverage: {} },
			properties: ["a.b", "a.c"].map((id) => ({ id, checked: 9 })),
			...change,
		};
		writeFileSync(join(directory, name, "report.json"), JSON.stringify(report));
		return join(directory, name);
	};

	it("are compared by id, and only by properties that both were judged by", async () => {
		const a = write("a", {
			findings: [finding("a.b/old"), finding("a.b/both"), finding("a.b/fixed", { verdict: "fixed" })],
		});
		const b = write("b", {
			settings: { from: 1, runs: 20, explore: "random" },
			counts: { runs: 20 } as Report["counts"],
			properties: ["a.b", "a.d"].map((id) => ({ id, checked: 9 })) as unknown as Report["properties"],
			findings: [
				...[finding("a.b/both"), finding("a.b/new"), finding("a.d/else")],
				finding("a.b/moot", { verdict: "disputed", disputed: "nobody says" }),
			],
		});
		const { stdout, code } = await sim(["compare", a, join(b, "report.json"), "--json"]);
		const report = JSON.parse(stdout) as CompareReport;
		expect(report.findings.map(({ id, verdict }) => [id, verdict])).toEqual([
			["a.b/new", "fail"],
			["a.b/moot", "disputed"],
		]);
		expect(ids(report.fixes)).toEqual(["a.b/old"]);
		expect([report.both, report.unjudged]).toEqual([["a.b/both"], ["a.d/else"]]);
		expect(report.warnings.join("\n")).toMatch(/made of seeds 1 to 9, and this of seeds 1 to 20/);
		expect(report).not.toHaveProperty("cost");
		expect(code).toBe(1);

		const back = await sim(["compare", b, a]);
		expect(back.stdout).toMatch(/FAIL {2}a against b: breaks 1, fixes 2\n/);
		expect((await sim(["compare", b, write("c", { findings: [finding("a.b/both")] })])).code).toBe(0);
	});

	it("are told in 80 columns and in Markdown", () => {
		const report: CompareReport = {
			...{ schemaVersion: 1, tool: { name: "faultline", version: "0" }, settings: {}, command: "pnpm sim compare a b" },
			...{ before: { engine: "a", driver: "m" }, target: { engine: "b", driver: "m" }, verdict: "fail", exitCode: 1 },
			...{ problems: [], interrupted: false, warnings: ["made by another"], counts: { runs: 1, runsBefore: 1 } },
			findings: [finding("a.b/new|er", { verdict: "fail" })],
			...{ fixes: [], both: Array.from({ length: 20 }, (_, i) => `a.b/${i}`), unjudged: [], leftOut: [], seconds: 1 },
			cost: {
				operations: [
					{
						...{ operation: "step", mode: "live" },
						before: { writes: 1, operations: 1, bytes: 100 },
						after: { writes: 2, operations: 1, bytes: 120 },
					},
				],
				writesARun: { before: 1, after: 2 },
				time: { ratio: 1.2, low: 1.1, high: 1.3, rounds: 20, programs: 3 },
			},
		};
		const text = compareText(report);
		expect(text).toMatch(/step {2}live +writes 1 -> 2 \(\+100 %\), bytes 100 -> 120 \(\+20 %\)/);
		expect(text).toMatch(/1\.20 times \(half of 20 rounds between 1\.10 and\s+1\.30\): slower/);
		expect(text).toMatch(/both break: 20 findings, named in compare\.json/);
		expect(text).toMatch(/warning: the first was made by another/);
		expect(compareMarkdown(report)).toContain("| `a.b/new\\|er` | 2 |  |");
	});
});

describe("the verdict", () => {
	const broken = { verdict: "fail" } as Finding;
	const moot = { verdict: "disputed" } as Finding;
	it.each<[string, Finding[], string[], string]>([
		["a break fails", [moot, broken], [], "fail"],
		["what is a matter of reading does not", [moot], [], "disputed"],
		["nothing passes", [], [], "pass"],
		["a harness that went wrong counts for nothing", [broken], ["leaked"], "invalid"],
	])("%s", (_name, breaks, problems, verdict) => expect(verdictOf(breaks, problems)).toBe(verdict));
});
