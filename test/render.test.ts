/** `pnpm sim render`: the forms of a report, made from what was written before, without a run. */
import {
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../reports/model.ts";
import { expectRefusal, sim } from "./support/cli.ts";

let directory: string;
let campaign: string;
beforeAll(async () => {
	directory = mkdtempSync(join(tmpdir(), "faultline-render-"));
	campaign = join(directory, "campaign");
	await sim(["--seed", "956", "--report", campaign, "--quiet"]);
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

/** A directory with the campaign's report alone, as it may have been kept. */
function kept(name: string): string {
	const place = join(directory, name);
	mkdirSync(place);
	copyFileSync(join(campaign, "report.json"), join(place, "report.json"));
	return place;
}

describe("the report of one run", () => {
	it("has a page with the run to go through", () => {
		const report = JSON.parse(readFileSync(join(campaign, "report.json"), "utf8")) as Report;
		const [finding] = report.findings;
		expect(finding?.example?.run).toBe("runs/replay.parallel-safe--name-lost.json");
		expect(existsSync(join(campaign, finding?.example?.run as string))).toBe(true);
		expect(readFileSync(join(campaign, "report.html"), "utf8")).toMatch(/id="run-0">[\w+/=]{500}/);
	});
});

describe("render", () => {
	it("makes each form as the command itself does", async () => {
		const place = kept("all");
		await sim(["render", place]);
		expect(readdirSync(place).sort()).toEqual(["junit.xml", "report.html", "report.json", "report.md", "report.txt"]);
		for (const name of ["junit.xml", "report.txt"]) {
			expect(readFileSync(join(place, name), "utf8")).toBe(readFileSync(join(campaign, name), "utf8"));
		}
	});

	it("makes only what is named", async () => {
		const place = kept("named");
		await sim(["render", place, "--markdown", "--junit"]);
		expect(readdirSync(place).sort()).toEqual(["junit.xml", "report.json", "report.md"]);
		const text = readFileSync(join(place, "report.md"), "utf8");
		expect(text).toMatch(/^# Faultline: known, rivet-2\.3\.19 on memory/);
		expect(text).toMatch(/<code>pnpm sim --seed 956[^<]*<\/code>/);
	});

	it("takes the runs that lie beside, and does without them", async () => {
		const [alone, beside] = [kept("alone"), kept("beside")];
		mkdirSync(join(beside, "runs"));
		const name = "runs/replay.parallel-safe--name-lost.json";
		copyFileSync(join(campaign, name), join(beside, name));
		await sim(["render", alone, "--html"]);
		await sim(["render", beside, "--html"]);
		expect(readFileSync(join(alone, "report.html"), "utf8")).toContain("No runs were kept with this report");
		expect(readFileSync(join(beside, "report.html"), "utf8")).toBe(readFileSync(join(campaign, "report.html"), "utf8"));
	});

	it("reads no file outside of the directory, whatever a report names", async () => {
		const place = kept("astray");
		const report = JSON.parse(readFileSync(join(place, "report.json"), "utf8")) as Report;
		const findings = report.findings.map(({ example, ...finding }) => ({
			...finding,
			...(example === undefined
				? {}
				: { example: { ...example, run: "../campaign/runs/replay.parallel-safe--name-lost.json" } }),
		}));
		writeFileSync(join(place, "report.json"), JSON.stringify({ ...report, findings }));
		await sim(["render", place, "--html"]);
		expect(readFileSync(join(place, "report.html"), "utf8")).toContain("No runs were kept with this report");
	});

	it("annotates as the campaign would", async () => {
		const place = kept("github");
		const report = JSON.parse(readFileSync(join(place, "report.json"), "utf8")) as Report;
		const findings = report.findings.map((finding) => ({ ...finding, verdict: "fail" }));
		writeFileSync(join(place, "report.json"), JSON.stringify({ ...report, findings }));
		const { stdout } = await sim(["render", place, "--github"]);
		expect(stdout).toMatch(/^::error title=replay\.parallel-safe\/name-lost/m);
		expect(readdirSync(place)).toEqual(["report.json"]);
	});

	it.each<[string, string | undefined, string[], RegExp]>([
		["no report", undefined, [], /No report in .*; give a directory that --report wrote/],
		["what is not JSON", "no", [], /is not JSON/],
		["a report of another format", '{ "schemaVersion": 2 }', [], /is of format 2, and this is 1; make it again/],
		["what is no report", '{ "schemaVersion": 1 }', [], /is no report that Faultline/],
	])("refuses %s, in one line", async (_what, text, options, message) => {
		const place = mkdtempSync(join(directory, "wrong-"));
		if (text !== undefined) writeFileSync(join(place, "report.json"), text);
		await expectRefusal(["render", place, ...options], message);
	});

	it("refuses a form that the kind of report does not have", async () => {
		const place = mkdtempSync(join(directory, "mutants-"));
		const report = { schemaVersion: 1, mutants: { rows: [], gaps: [], interrupted: false } };
		writeFileSync(join(place, "mutants.json"), JSON.stringify(report));
		await expectRefusal(["render", place, "--html"], /has no form --html; there is --junit, --markdown, --text/);
		await sim(["render", place]);
		expect(readdirSync(place).sort()).toEqual(["mutants.json", "mutants.md", "mutants.txt", "mutants.xml"]);
	});
});

it("joins JUnit across runs by property: every run has the same cases, whatever was checked", async () => {
	const casesOf = (text: string) => [...text.matchAll(/<testcase [^>]*name="([^"]+)"/g)].map(([, name]) => name).sort();
	const other = join(directory, "other");
	await sim(["--runs", "3", "--program", "simple", "--property", "queue.no-loss", "--report", other, "--quiet"]);
	const cases = casesOf(readFileSync(join(campaign, "junit.xml"), "utf8"));
	expect(cases.length).toBeGreaterThan(40);
	expect(new Set(cases).size).toBe(cases.length);
	expect(casesOf(readFileSync(join(other, "junit.xml"), "utf8"))).toEqual(cases);
});

describe("published", () => {
	it("makes a table by the command that anyone would type, with the day and the settings", async () => {
		const out = join(directory, "published");
		await sim(["published", "--only", "runners", "--runs", "2", "--out", out]);
		expect(readdirSync(out).sort()).toEqual(["README.md", "runners.html", "runners.md"]);
		const table = readFileSync(join(out, "runners.md"), "utf8");
		expect(table).toMatch(/^# Runners\n/);
		expect(table).toMatch(/## Settings\n\nmade on \d{4}-\d\d-\d\d by Faultline/);
		expect(table).toContain("pnpm sim matrix --runner all --runs 2");
		expect(readFileSync(join(out, "README.md"), "utf8")).toMatch(/\[runners\.md\]\(runners\.md\).* made on /);
	});

	it("refuses a table that is none", async () => {
		await expectRefusal(
			["published", "--only", "engines"],
			/There is no table "engines"; choose from versions, drivers/,
		);
	});
});
