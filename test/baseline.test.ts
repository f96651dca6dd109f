/** A campaign held against an earlier report: what that has is known, only what is new fails, and what is gone is told. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../drivers/engine/contract.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import type { Program } from "../fixtures/programs/program.ts";
import type { Finding, Report } from "../reports/model.ts";
import { besideBaseline, checkComparable, parseBaseline } from "../sim/explore/campaign/baseline.ts";
import { isKnownBefore } from "../sim/explore/campaign/result.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { expectRefusal, sim } from "./support/cli.ts";
import { writeKnown } from "./support/known.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

const CAMPAIGN = ["--program", "queue-loop", "--faults", "crash", "--property", "queue.no-loss,replay.pure"];
const queueLoop = PROGRAMS.find(({ name }) => name === "queue-loop") as Program;
const LOSS = "queue.no-loss/taken-then-crashed";

async function reportOf(...args: readonly string[]): Promise<{ report: Report; code: number | null; text: string }> {
	const { stdout, code } = await sim([...CAMPAIGN, ...args, "--json"]);
	return { report: JSON.parse(stdout) as Report, code, text: stdout };
}

/** Writes a baseline: the report, changed. */
function write(name: string, report: Report, change: (report: Report) => Report = (same) => same): string {
	const file = join(directory, name);
	writeFileSync(file, JSON.stringify(change(report)));
	return file;
}

function without(report: Report, id: string): Report {
	return { ...report, findings: report.findings.filter((finding) => finding.id !== id) };
}

function asFixed(report: Report, id: string): Report {
	const fixed = (finding: Finding): Finding => (finding.id === id ? { ...finding, verdict: "fixed" } : finding);
	return { ...report, findings: report.findings.map(fixed) };
}

describe("a campaign with a baseline", () => {
	let before: Report;
	beforeAll(async () => {
		const { report, code } = await reportOf("--runs", "150", "--expectations", "none");
		expect(code).toBe(1);
		before = report;
	}, 60_000);

	it("passes when everything that it finds is there, and says so", async () => {
		const file = write("same.json", before);
		const args = ["--runs", "150", "--expectations", "none", "--baseline", file];
		const { stdout, code } = await sim([...CAMPAIGN, ...args, "--report", join(directory, "report")]);
		expect(stdout).toMatch(/known +queue\.no-loss {2}taken-then-crashed.*\n +In the baseline\.\n/);
		expect(stdout).toMatch(/^baseline: .*same\.json, rivet-2\.3\.19, 150 runs\n/m);
		expect(stdout).not.toMatch(/warning:/);
		expect(code).toBe(0);

		const report = JSON.parse(readFileSync(join(directory, "report", "report.json"), "utf8")) as Report;
		expect(report.verdict).toBe("known");
		expect(report.findings.map(({ verdict, inBaseline }) => [verdict, inBaseline])).toEqual(
			before.findings.map(() => ["known", "failing"]),
		);
		expect(report.baseline).toMatchObject({ file, engine: "rivet-2.3.19", runs: 150, warnings: [], gone: [] });
		const xml = readFileSync(join(directory, "report", "junit.xml"), "utf8");
		expect(xml).toMatch(/failing in the baseline/);
		expect(xml).not.toMatch(/<failure/);
	});

	it("fails on what is not there, and announces only that", async () => {
		const file = write("without.json", before, (report) => without(report, LOSS));
		const { stdout, stderr, code } = await sim([
			...[...CAMPAIGN, "--runs", "150", "--expectations", "none"],
			...["--baseline", file, "--corpus", join(directory, "corpus")],
		]);
		expect(stdout).toMatch(/FAIL +queue\.no-loss {2}taken-then-crashed/);
		expect(stderr.match(/^new: .*$/gm)).toEqual([`new: ${LOSS}`]);
		expect(code).toBe(1);
	});

	it("composes with a list: what either has is known, and what is listed needs no baseline", async () => {
		const list = writeKnown(join(directory, "list.json"), LOSS);
		const file = write("rest.json", before, (report) => without(report, LOSS));
		const { report, code } = await reportOf("--runs", "150", "--expectations", list, "--baseline", file);
		expect(report.findings.find(({ id }) => id === LOSS)).toMatchObject({
			verdict: "known",
			reason: expect.any(String),
		});
		expect(report.findings.find(({ id }) => id === LOSS)).not.toHaveProperty("inBaseline");
		expect(code).toBe(0);
	});

	it("fails on what is listed, was fixed when the baseline was made, and is back", async () => {
		const list = writeKnown(join(directory, "back.json"), LOSS);
		const file = write("fixed.json", before, (report) => asFixed(report, LOSS));
		const { report, code } = await reportOf("--runs", "150", "--expectations", list, "--baseline", file);
		expect(report.findings.find(({ id }) => id === LOSS)).toMatchObject({ verdict: "fail", inBaseline: "fixed" });
		expect(code).toBe(1);
	});

	it("tells what is gone, by whether the run that showed it was made again, and does not fail", async () => {
		const seed = before.findings.find(({ id }) => id === LOSS)?.example?.seed ?? 0;
		const gone = (id: string, example: object): Finding => ({
			...{ id, property: id.split("/")[0] ?? "", kind: "gone", verdict: "fail", runs: 1, programs: [] },
			example: { ...{ program: "queue-loop", conditions: [], message: "", digest: "", command: "" }, ...example },
		});
		const file = write("more.json", before, (report) => ({
			...report,
			findings: [
				...report.findings,
				gone("replay.pure/made-again", { seed }),
				gone("replay.pure/not-made-again", { seed: 151 }),
				gone("step.backoff/not-asked", { seed }),
			],
		}));
		const { report, code } = await reportOf("--runs", "150", "--expectations", "none", "--baseline", file);
		expect(report.baseline?.gone).toEqual([
			{ id: "replay.pure/made-again", how: "fixed", seed },
			{ id: "replay.pure/not-made-again", how: "not-seen", seed: 151 },
			{ id: "step.backoff/not-asked", how: "not-judged", seed },
		]);
		expect(report.verdict).toBe("known");
		expect(code).toBe(0);
	});

	it("tells what is listed and fixed, and does not fail", async () => {
		const list = join(directory, "stale.json");
		const scenario = referenceScenario(queueLoop, "live");
		const stale = { property: "queue.no-loss", kind: "long-gone", reason: "It is gone.", scenario };
		writeFileSync(list, JSON.stringify([stale]));
		const args = ["--runs", "20", "--expectations", list];
		expect((await reportOf(...args)).report.verdict).toBe("fail");
		const { report, code } = await reportOf(...args, "--baseline", write("all.json", before));
		expect(report.findings.map(({ id, verdict }) => [id, verdict])).toContainEqual([
			"queue.no-loss/long-gone",
			"fixed",
		]);
		expect(report.properties.find(({ id }) => id === "queue.no-loss")?.verdict).toBe("known");
		expect(code).toBe(0);
	});

	it("warns of what was made differently, and says what follows", async () => {
		const file = write("other.json", before, (report) => ({
			...{ ...report, interrupted: true, tool: { name: "faultline", version: "0.0.1" } },
			...{ settings: { ...report.settings, faults: ["crash", "torn"] } },
			properties: report.properties.map((property) =>
				property.id === "replay.pure" ? { ...property, checked: 0 } : property,
			),
		}));
		const { report, code } = await reportOf("--runs", "300", "--expectations", "none", "--baseline", file);
		const warnings = report.baseline?.warnings.join("\n");
		expect(warnings).toMatch(/made by Faultline 0\.0\.1, and this is /);
		expect(warnings).toMatch(/stopped before its end: what it had not come to reads as new/);
		expect(warnings).toMatch(/made with --faults crash,torn, and this with --faults crash/);
		expect(warnings).toMatch(/not judged by replay\.pure: what breaks these reads as new/);
		expect(warnings).toMatch(/made of seeds 1 to 150, and this of seeds 1 to 300/);
		expect(code).toBe(0);
	});

	it("is taken by the merge of shards too", async () => {
		const shards = ["1", "2"].map((i) => join(directory, `shard-${i}`));
		for (const [i, shard] of shards.entries()) {
			const args = ["--runs", "150", "--expectations", "none", "--quiet"];
			await sim([...CAMPAIGN, ...args, "--shard", `${i + 1}/2`, "--report", shard]);
		}
		const file = write("whole.json", before);
		const { stdout, code } = await sim(["merge", ...shards, "--baseline", file, "--json"]);
		expect((JSON.parse(stdout) as Report).baseline?.gone).toEqual([]);
		expect(code).toBe(0);
	});

	it("refuses what is no baseline, in one line", async () => {
		const refused = (file: string, message: RegExp) =>
			expectRefusal([...CAMPAIGN, "--runs", "5", "--baseline", file], message);
		await refused(
			join(directory, "nope.json"),
			/No baseline at .*nope\.json: the file does not exist; give a report that/,
		);
		writeFileSync(join(directory, "text.json"), "new: one\n");
		await refused(join(directory, "text.json"), /text\.json is not JSON; give a report\.json/);
	});

	it("is for campaigns, not for one run", async () => {
		const file = write("one.json", before);
		await expectRefusal(["--seed", "1", "--baseline", file], /--seed shows one run, and --baseline is for exploring/);
	});
});

describe("a baseline", () => {
	const REPORT = {
		...{
			schemaVersion: 1,
			tool: { name: "faultline", version: "0.1.0" },
			settings: { from: 1, runs: 9, explore: "random" },
		},
		...{ target: { engine: "rivet-0", driver: "memory" }, verdict: "known", exitCode: 0, interrupted: false },
		...{ counts: { runs: 9 }, findings: [], coverage: {} },
		properties: [{ id: "replay.pure", checked: 9 }],
	};
	const parse = (change: object) => parseBaseline(JSON.stringify({ ...REPORT, ...change }), "main.json");

	it.each([
		["of another schema", { schemaVersion: 2 }, /main\.json is a report of schema 2, and this is 1; make it again/],
		["without a schema", { schemaVersion: undefined }, /main\.json is not the report of a campaign; give/],
		["of something else", { findings: undefined }, /main\.json is not the report of a campaign \(findings: /],
		["that is invalid", { verdict: "invalid" }, /main\.json cannot be a baseline: it is invalid, so it counts for/],
		["of one run", { settings: { seed: 4 } }, /main\.json cannot be a baseline: it tells of one run/],
	])("%s is refused", (_name, change, message) => {
		expect(() => parse(change)).toThrow(message);
		expect(() => parse(change)).toThrow(UsageError);
	});

	it("that judged by none of the same properties is refused", () => {
		expect(() => checkComparable(parse({}), [{ id: "queue.fifo" }])).toThrow(/it judged by none of queue\.fifo/);
		expect(() => checkComparable(parse({}), [{ id: "queue.fifo" }, { id: "replay.pure" }])).not.toThrow();
	});

	it("of other seeds says nothing of what it alone saw", () => {
		const finding = { id: "replay.pure/a", property: "replay.pure", kind: "a", verdict: "fail", example: { seed: 3 } };
		const baseline = parse({ findings: [finding] });
		const now = (change: object) => ({ ...REPORT, ...change }) as unknown as Report;
		const how = (change: object) => besideBaseline(baseline, now(change)).gone[0]?.how;
		expect(how({})).toBe("fixed");
		expect(how({ interrupted: true })).toBe("not-seen");
		expect(how({ settings: { ...REPORT.settings, shard: "1/2" } })).toBe("not-seen");
		expect(how({ settings: { ...REPORT.settings, from: 4 } })).toBe("not-seen");
		expect(how({ settings: { ...REPORT.settings, program: ["join"] } })).toBe("not-seen");
		expect(how({ coverage: { avoided: [{ shape: "race" }] } })).toBe("not-seen");
	});
});

describe("what is no news", () => {
	const baseline = { failing: new Set(["a/1", "a/2"]), fixed: new Set(["a/3"]) };
	it.each([
		["in the baseline", "a/1", [], true],
		["in the baseline and listed", "a/2", ["a/2"], true],
		["listed alone", "a/4", ["a/4"], true],
		["in neither", "a/4", [], false],
		["listed, and fixed in the baseline", "a/3", ["a/3"], false],
	])("%s", (_name, id, listed, isKnown) => {
		expect(isKnownBefore(id, new Set(listed), baseline)).toBe(isKnown);
	});
});
