/** Reproducers beside a report: one for each finding, made from the run that showed it, which must be the same again. */
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
import { type Finding, findingId, type Report } from "../reports/model.ts";
import { campaign } from "../sim/explore/campaign/campaign.ts";
import type { CampaignResult } from "../sim/explore/campaign/result.ts";
import { EngineForm } from "../sim/explore/keep/engine-form.ts";
import { Keeper } from "../sim/explore/keep/keeper.ts";
import { readReproducer } from "../sim/explore/keep/reproducer.ts";
import { reproducerName } from "../sim/explore/keep/reproducer-file.ts";
import { sim } from "./support/cli.ts";
import { explorerOf } from "./support/explorer.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-reproductions-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

const ABOUT = ["--faults", "crash", "--property", "queue.no-loss,replay.pure"];
const CAMPAIGN = ["--program", "queue-loop", ...ABOUT, "--runs", "200"];

function readReport(name: string): Report {
	return JSON.parse(readFileSync(join(directory, name, "report.json"), "utf8")) as Report;
}

function filesIn(name: string): string[] {
	const reproducers = join(directory, name, "reproducers");
	return existsSync(reproducers) ? readdirSync(reproducers).sort() : [];
}

describe("the report of a campaign", () => {
	it("has a reproducer of each finding, known ones too, and its path from the report", async () => {
		const { stdout } = await sim([...CAMPAIGN, "--report", join(directory, "known")]);
		expect(stdout).toContain(join(directory, "known", "reproducers/"));
		const { findings } = readReport("known");
		expect(findings.length).toBeGreaterThan(1);
		expect(filesIn("known")).toEqual(findings.map(({ id }) => reproducerName(id)).sort());
		for (const { id, verdict, example } of findings) {
			expect(verdict).toBe("known");
			expect(example?.reproducer).toBe(`reproducers/${reproducerName(id)}`);
			const reproducer = readReproducer(join(directory, "known", example?.reproducer as string));
			expect(findingId(reproducer.finding)).toBe(id);
			expect(reproducer.finding.message).toBe(example?.message);
			expect(reproducer.digest).toBe(example?.digest);
		}
	});

	it("has equal reproducers with one worker and with two", async () => {
		const args = ["--program", "queue-loop,simple", ...ABOUT, "--runs", "1100", "--quiet"];
		for (const n of ["1", "2"]) await sim([...args, "--workers", n, "--report", join(directory, `workers-${n}`)]);
		expect(filesIn("workers-1")).not.toEqual([]);
		expect(filesIn("workers-2")).toEqual(filesIn("workers-1"));
		for (const name of filesIn("workers-1")) {
			const [one, two] = ["1", "2"].map((n) => readFileSync(join(directory, `workers-${n}`, "reproducers", name)));
			expect(two).toEqual(one);
		}
	});

	it("has reproducers of what a search found, which replay and are emitted", async () => {
		const search = ["--program", "queue-loop", "--explore", "crashes", "--depth", "1", "--mode", "live"];
		await sim([...search, "--property", "queue.no-loss", "--quiet", "--report", join(directory, "search")]);
		const [example] = readReport("search").findings.map((finding) => finding.example);
		const file = join(directory, "search", example?.reproducer as string);
		const { stdout } = await sim(["replay", file, "--json"]);
		const report = JSON.parse(stdout) as Report;
		expect(report.replay).toMatchObject({ outcome: "still-fails" });
		expect(report.replay).not.toHaveProperty("differsAt");
		expect((await sim(["emit", file])).stdout).toContain("finding = 'queue.no-loss/taken-then-crashed'");
	});

	it("has no reproducers when nothing was found", async () => {
		const args = [
			"--program",
			"simple",
			"--faults",
			"crash",
			"--property",
			"timer.never-early",
			"--runs",
			"20",
			"--expectations",
			"none",
		];
		expect((await sim([...args, "--report", join(directory, "none")])).stdout).not.toContain("reproducers");
		expect(filesIn("none")).toEqual([]);
	});

	it("is printed even when its reproducers cannot be written, which is then said in one line", async () => {
		mkdirSync(join(directory, "full"));
		writeFileSync(join(directory, "full", "reproducers"), "a file");
		const { stdout, stderr, code } = await sim([...CAMPAIGN, "--quiet", "--report", join(directory, "full")]);
		expect(stdout).toMatch(/known +queue\.no-loss/);
		expect(stderr).toMatch(/^\S+\.repro cannot be written \(E\w+\); give a directory that can be, with room left\.\n$/);
		expect(code).toBe(2);
	});
});

describe("a later campaign with the same report", () => {
	const LOST = "queue.no-loss--taken-then-crashed.repro";
	/** A report directory with the reproducer of one finding that later campaigns do not make. */
	async function earlier(name: string): Promise<string[]> {
		const report = join(directory, name);
		await sim([...CAMPAIGN, "--expectations", "none", "--quiet", "--report", report]);
		copyFileSync(join(report, "reproducers", LOST), join(report, "reproducers", "mine.repro"));
		writeFileSync(join(report, "reproducers", "replay.pure--damaged.repro"), "cut");
		return filesIn(name);
	}

	it("removes what it looked for and did not find, and nothing else", async () => {
		const before = await earlier("later");
		const args = ["--program", "queue-loop", "--runs", "1", "--property", "queue.no-loss", "--faults", "slow"];
		await sim([...args, "--expectations", "none", "--report", join(directory, "later"), "--quiet"]);
		expect(readReport("later").findings).toEqual([]);
		expect(before).toContain(LOST);
		expect(filesIn("later")).toEqual(before.filter((name) => name !== LOST));
	});

	it("removes nothing of programs that it did not run", async () => {
		const before = await earlier("other-program");
		const args = ["--program", "simple", ...ABOUT, "--runs", "5", "--quiet", "--expectations", "none"];
		await sim([...args, "--report", join(directory, "other-program")]);
		expect(filesIn("other-program")).toEqual(before);
	});

	it("removes nothing when it is stopped", async () => {
		const before = await earlier("stopped");
		let interrupted = false;
		const args = ["--program", "queue-loop", "--for", "10m", "--faults", "slow", "--expectations", "none"];
		const { stdout } = await sim([...args, "--report", join(directory, "stopped")], (child, stderr) => {
			if (interrupted || !/new:|runs/.test(stderr)) return;
			interrupted = true;
			child.kill("SIGINT");
		});
		expect(stdout).toMatch(/Stopped before the end/);
		expect(filesIn("stopped")).toEqual(expect.arrayContaining(before));
	});
});

describe("a run that is made again to be kept", () => {
	let result: CampaignResult;
	beforeAll(async () => {
		const explorer = await explorerOf({ programs: ["queue-loop"], properties: ["queue.no-loss"] });
		const commands = { commandFor: String, commandForKnown: String };
		result = await campaign(explorer, { from: 1, runs: 150, expectations: [], ...commands });
		expect(result.findings).toHaveLength(1);
	});

	const changed = (change: (finding: Finding) => Finding): CampaignResult => ({
		...result,
		findings: result.findings.map(change),
	});
	const otherDigest = (finding: Finding) =>
		({ ...finding, example: { ...finding.example, digest: "0".repeat(64) } }) as Finding;
	const withoutFaults = () =>
		new Map([...result.scenarios].map(([id, scenario]) => [id, { ...scenario, faults: [] }] as const));

	it.each<[string, () => CampaignResult, RegExp]>([
		["has another history", () => changed(otherDigest), /the run that showed it has another history/],
		[
			"does not show its finding",
			() => ({ ...result, scenarios: withoutFaults() }),
			/the run that showed it shows it no more/,
		],
	])("and %s makes the result invalid, and is not kept", async (_what, make, message) => {
		const corpus = mkdtempSync(join(directory, "leak-"));
		const report = mkdtempSync(join(directory, "leak-"));
		const keeper = new Keeper(new EngineForm(await explorerOf({ programs: ["queue-loop"] })), { corpus, report });
		const kept = await keeper.keep(make());
		expect(kept.result.verdict).toBe("invalid");
		expect(kept.result.problems).toEqual([expect.stringMatching(message)]);
		expect(kept.result.tally.problems).toEqual(kept.result.problems);
		expect(keeper.failed).toBe(true);
		expect(kept.files.size).toBe(0);
		expect(readdirSync(corpus)).toEqual([]);
		expect(readdirSync(report)).toEqual([]);
	});

	it("is made and written once for as long as it is the simplest", async () => {
		const explorer = await explorerOf({ programs: ["queue-loop"] });
		const report = mkdtempSync(join(directory, "once-"));
		let runs = 0;
		const judge = explorer.judge.bind(explorer);
		explorer.judge = (...args) => {
			runs++;
			return judge(...args);
		};
		const keeper = new Keeper(new EngineForm(explorer), { report });
		const { files } = await keeper.keep(result);
		const file = join(report, ([...files.values()][0] as { reproducer: string }).reproducer);
		rmSync(file);
		await keeper.keep(result);
		expect(existsSync(file)).toBe(false);
		expect(runs).toBe(1);
		const others = [...result.scenarios].map(([id, scenario]) => [id, { ...scenario, seed: "another" }] as const);
		await keeper.keep({ ...result, scenarios: new Map(others) });
		expect(runs).toBe(2);
	});
});
