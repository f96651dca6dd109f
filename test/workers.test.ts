/** Many threads: whatever their number, the same seeds give the same tally and the same report; and what ends a thread is said. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../reports/model.ts";
import { campaign } from "../sim/explore/campaign/campaign.ts";
import { Recorder } from "../sim/explore/campaign/recorder.ts";
import { BLOCK_SEEDS } from "../sim/explore/campaign/shard.ts";
import { mergeTallies, type Shown, Tally, type TallyData } from "../sim/explore/campaign/tally.ts";
import { doWork } from "../sim/explore/campaign/work.ts";
import { sim } from "./support/cli.ts";
import { explorerOf } from "./support/explorer.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-workers-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

const CHEAP = ["--program", "queue-loop,simple", "--faults", "crash", "--expectations", "none"];

describe("a tally", () => {
	const SEEDS = 120;
	let parts: TallyData[];
	let whole: TallyData;
	beforeAll(async () => {
		const explorer = await explorerOf({ programs: ["queue-loop", "fan-out"] });
		const take = async (first: number, count: number, recorder = new Recorder(explorer)) => {
			const parts: TallyData[] = [];
			await doWork(
				recorder,
				{ first, step: 1, count },
				() => false,
				(part) => parts.push(part),
			);
			expect(parts).toHaveLength(1);
			return parts[0] as TallyData;
		};
		whole = await take(1, SEEDS);
		// The last two parts come from one recorder, as the parts of one worker do.
		const same = new Recorder(explorer);
		parts = [
			await take(1, 17),
			await take(18, 40),
			await take(58, 1),
			await take(59, 30, same),
			await take(89, 32, same),
		];
	});

	it("of real runs has findings, windows and reasons to merge", () => {
		expect(whole.counts.runs).toBe(SEEDS);
		expect(Object.keys(whole.findings).length).toBeGreaterThan(3);
		expect(whole.faults.crash?.windows.length).toBeGreaterThan(20);
	});

	it("is the same however the seeds are cut", () => {
		expect(mergeTallies(parts)).toEqual(whole);
		expect(JSON.stringify(mergeTallies(parts))).toBe(JSON.stringify(whole));
	});

	it("is the same in any order and any grouping", () => {
		const [a, b, c, d, e] = parts as [TallyData, TallyData, TallyData, TallyData, TallyData];
		for (const order of [
			[e, d, c, b, a],
			[c, a, e, b, d],
			[mergeTallies([b, e]), mergeTallies([mergeTallies([d, a]), c])],
			[mergeTallies([]), ...parts],
		]) {
			expect(JSON.stringify(mergeTallies(order))).toBe(JSON.stringify(whole));
		}
	});

	it("survives JSON and structured clone", () => {
		expect(JSON.parse(JSON.stringify(whole))).toEqual(whole);
		expect(structuredClone(whole)).toEqual(whole);
	});

	it("keeps the least run of a finding by size, then by seed", () => {
		const shown = (size: number, seed: number): Shown => ({
			...{ size, seed, program: "p", conditions: [], message: "m", digest: String(seed) },
			scenario: whole.findings[Object.keys(whole.findings)[0] as string]?.least?.scenario as Shown["scenario"],
		});
		const part = (least: Shown) => {
			const tally = new Tally();
			tally.finding("a.b", "c").least = least;
			return tally.data();
		};
		const runs = [shown(2, 1), shown(1, 9), shown(1, 7), shown(3, 2)].map(part);
		for (const order of [runs, [...runs].reverse()]) {
			expect(mergeTallies(order).findings["a.b/c"]?.least).toMatchObject({ size: 1, seed: 7 });
		}
	});
});

describe("a campaign", () => {
	it("gives the same report with one worker, two and three", async () => {
		const reports = [];
		for (const workers of ["1", "2", "3"]) {
			const { stdout, code } = await sim(["--runs", "1100", "--workers", workers, "--json", ...CHEAP]);
			expect(code).toBe(1);
			const { timings: _, ...report } = JSON.parse(stdout) as Report;
			reports.push(report);
		}
		expect(reports[0]?.counts.runs).toBe(1100);
		expect(reports[0]?.counts.rerun).toBe(11);
		expect(reports[0]?.findings.length).toBeGreaterThan(0);
		expect(reports[1]).toEqual(reports[0]);
		expect(reports[2]).toEqual(reports[0]);
	});

	it("begins no block when its time is over, and has then run whole blocks only", async () => {
		const explorer = await explorerOf({ programs: ["simple"] });
		const commands = { commandFor: String, commandForKnown: String };
		const options = { from: 1, runs: Number.POSITIVE_INFINITY, forMs: 1, expectations: [], ...commands };
		const { counts, interrupted } = await campaign(explorer, options);
		expect(interrupted).toBe(false);
		expect(counts.runs).toBeGreaterThan(0);
		expect(counts.runs % BLOCK_SEEDS).toBe(0);
	});

	it("tells each new finding once, as it comes, and none when it is to be quiet", async () => {
		const { stderr, stdout } = await sim(["--runs", "600", "--workers", "2", ...CHEAP]);
		const told = [...stderr.matchAll(/^new: (\S+)$/gm)].map(([, id]) => id);
		const failed = [...stdout.matchAll(/^FAIL +(\S+) {2}(\S+) /gm)].map(([, property, kind]) => `${property}/${kind}`);
		expect(failed.length).toBeGreaterThan(0);
		expect([...told].sort()).toEqual([...failed].sort());
		expect((await sim(["--runs", "600", "--quiet", ...CHEAP])).stderr).toBe("");
	});

	it("that is killed has left a report of what it found", async () => {
		const killed = join(directory, "killed");
		const { code, stdout } = await sim(
			["--for", "10m", "--workers", "2", "--report", killed, ...CHEAP],
			(child, stderr) => {
				if (stderr.includes("new:") && existsSync(join(killed, "report.json"))) child.kill("SIGKILL");
			},
		);
		expect(code).toBeNull();
		expect(stdout).not.toMatch(/FAIL/);
		const report = JSON.parse(readFileSync(join(killed, "report.json"), "utf8")) as Report;
		expect(report.interrupted).toBe(true);
		expect(report.findings.filter(({ verdict }) => verdict === "fail")).not.toEqual([]);
		expect(readFileSync(join(killed, "report.txt"), "utf8")).toContain("FAIL");
	});
});

describe("ctrl-c", () => {
	it("ends all workers and reports what was found so far", async () => {
		let interrupted = false;
		const { code, stdout, stderr } = await sim(["--for", "10m", "--workers", "2", ...CHEAP], (child, stderr) => {
			if (interrupted || !stderr.includes("new:")) return;
			interrupted = true;
			child.kill("SIGINT");
		});
		expect(stderr).toMatch(/ctrl-c again ends at once/);
		expect(stdout).toMatch(/Stopped before the end/);
		expect(stdout).toMatch(/FAIL +queue\.no-loss/);
		expect(code).toBe(1);
	});

	it("ends everything at once the second time, whatever a worker is at", async () => {
		const engine = engineThat("hangs", "for (;;);");
		let last = "";
		const { code, stdout } = await sim(["--runs", "2000", "--workers", "2", "--engine", engine], (child, stderr) => {
			const said = stderr.includes("again") ? "again" : "worker waits";
			if (said !== last) child.kill("SIGINT");
			last = said;
		});
		expect(code).toBeNull();
		expect(stdout).not.toMatch(/Stopped before the end/);
	});
});

describe("a worker", () => {
	it.each([
		["throws", 'throw new Error("no threads here");', /worker \d of 2 threw: .*no threads here/],
		["dies", "process.exit(7);", /worker \d of 2 ended before its work was done \(exit code 7\)/],
	])("that %s makes the result invalid, with a line that says so", async (name, code, message) => {
		const ended = await sim(["--runs", "2000", "--workers", "2", "--json", "--engine", engineThat(name, code)]);
		const report = JSON.parse(ended.stdout) as Report;
		expect(report.verdict).toBe("invalid");
		expect(report.problems[0]).toMatch(message);
		expect(ended.code).toBe(3);
	});
});

/** A build of the newest engine that does something else when it is loaded in a worker thread. */
function engineThat(name: string, code: string): string {
	const file = join(directory, `${name}.mjs`);
	writeFileSync(
		file,
		`import { isMainThread } from "node:worker_threads";
if (!isMainThread) { process._rawDebug("worker waits"); ${code} }
export * from ${JSON.stringify(import.meta.resolve("@rivetkit/workflow-engine"))};
`,
	);
	return file;
}
