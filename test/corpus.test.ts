/** The memory of failures: what failed is kept, is tried first the next time, and is shown by its file while it still fails. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findingId, type Report } from "../reports/model.ts";
import { campaign } from "../sim/explore/campaign/campaign.ts";
import { type Corpus, readCorpus } from "../sim/explore/keep/corpus.ts";
import { EngineForm } from "../sim/explore/keep/engine-form.ts";
import { Keeper } from "../sim/explore/keep/keeper.ts";
import { readReproducer, reproducerOf, writeReproducer } from "../sim/explore/keep/reproducer.ts";
import { reproducerName } from "../sim/explore/keep/reproducer-file.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import type { Scenario } from "../suites/scenario.ts";
import { sim } from "./support/cli.ts";
import { explorerOf } from "./support/explorer.ts";

const LOST = "queue.no-loss/taken-then-crashed";
const FILE = "queue.no-loss--taken-then-crashed.repro";
const ABOUT = ["--program", "queue-loop", "--faults", "crash", "--property", "queue.no-loss"];
const CAMPAIGN = [...ABOUT, "--expectations", "none"];

/** A campaign in a process of its own takes longer than the default on a busy machine. */
const HOOK_MS = 60_000;

let directory: string;
let form: EngineForm;
beforeAll(async () => {
	form = new EngineForm(await explorerOf({ programs: ["queue-loop"] }));
	directory = mkdtempSync(join(tmpdir(), "faultline-corpus-"));
	await sim([...CAMPAIGN, "--runs", "150", "--corpus", join(directory, "first")]);
}, HOOK_MS);
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

/** A corpus of its own, as the first campaign left it. */
function copy(name: string): string {
	const corpus = join(directory, name);
	cpSync(join(directory, "first"), corpus, { recursive: true });
	return corpus;
}

async function explore(corpus: string, ...args: string[]): Promise<{ report: Report; code: number | null }> {
	const { stdout, code } = await sim([...CAMPAIGN, "--corpus", corpus, "--json", ...args]);
	return { report: JSON.parse(stdout) as Report, code };
}

describe("a corpus", () => {
	it("keeps each new failure in a reproducer named after it, which replays to the byte", async () => {
		expect(readdirSync(join(directory, "first"))).toEqual([FILE]);
		const file = join(directory, "first", FILE);
		const { target, finding, digest } = readReproducer(file);
		expect(target.engine.name).toBe("rivet-2.3.19");
		expect(findingId(finding)).toBe(LOST);
		const { stdout, code } = await sim(["replay", file, "--json", "--expectations", "none"]);
		const report = JSON.parse(stdout) as Report;
		expect(report.replay).toEqual({ finding: LOST, outcome: "still-fails", missedFaults: [] });
		expect(report.digest).toBe(digest);
		expect(code).toBe(1);
	});

	it("keeps no listed failure", async () => {
		const corpus = join(directory, "listed");
		expect((await sim([...ABOUT, "--runs", "150", "--corpus", corpus])).code).toBe(0);
		expect(readdirSync(corpus)).toEqual([]);
	});

	it("is tried first: what still fails is a finding though no seed shows it, and its command names the file", async () => {
		const corpus = copy("failing");
		const { report, code } = await explore(corpus, "--runs", "1");
		const file = join(corpus, FILE);
		expect(report.findings).toMatchObject([{ id: LOST, verdict: "fail", runs: 0 }]);
		expect(report.findings[0]?.example?.command).toBe(`pnpm sim replay ${file}`);
		expect(report.corpus).toEqual({ failing: [file], passing: [], untried: [] });
		expect(report.counts.runs).toBe(1);
		expect(code).toBe(1);
	});

	it("tries what was put there by hand, whatever its name, and keeps no second file of it", async () => {
		const corpus = copy("by-hand");
		renameSync(join(corpus, FILE), join(corpus, "my bug.repro"));
		writeFileSync(join(corpus, "README.md"), "what users write beside it");
		const { report } = await explore(corpus, "--runs", "1");
		expect(report.findings).toMatchObject([{ id: LOST, verdict: "fail", runs: 0 }]);
		expect(report.findings[0]?.example?.command).toBe(`pnpm sim replay '${join(corpus, "my bug.repro")}'`);
		expect(readdirSync(corpus).sort()).toEqual(["README.md", "my bug.repro"]);
	});

	it("shows each finding by its own file, though one run shows them all", async () => {
		const corpus = join(directory, "several");
		mkdirSync(corpus);
		const shown = readReproducer(new URL("data/generated-ran-again.repro", import.meta.url).pathname);
		const kinds = ["completed-wrote-workflow-output", "completed-wrote-workflow-state"];
		for (const kind of kinds) {
			const finding = { ...shown.finding, property: "replay.pure", kind };
			writeReproducer(join(corpus, reproducerName(findingId(finding))), { ...shown, finding });
		}
		const args = ["--program", "generated", "--faults", "crash", "--property", "replay.pure", "--runs", "1"];
		const { stdout } = await sim([...args, "--expectations", "none", "--corpus", corpus, "--json"]);
		const { findings } = JSON.parse(stdout) as Report;
		for (const id of kinds.map((kind) => findingId({ property: "replay.pure", kind }))) {
			const command = findings.find((finding) => finding.id === id)?.example?.command;
			expect(command).toBe(`pnpm sim replay ${join(corpus, reproducerName(id))}`);
		}
	});

	it("is left as it is by the same campaign again, and shows its file and not the seed", async () => {
		const corpus = copy("again");
		const before = readFileSync(join(corpus, FILE));
		const { report } = await explore(corpus, "--runs", "150");
		expect(report.findings[0]?.runs).toBeGreaterThan(0);
		expect(report.findings[0]?.example?.command).toBe(`pnpm sim replay ${join(corpus, FILE)}`);
		expect(readFileSync(join(corpus, FILE))).toEqual(before);
	});

	it("names the engine in the command where that is not the one its file was recorded on", async () => {
		const corpus = copy("engine");
		const { report } = await explore(corpus, "--runs", "1", "--engine", "rivet-2.3.18");
		const command = `pnpm sim replay ${join(corpus, FILE)} --engine rivet-2.3.18`;
		expect(report.findings[0]?.example?.command).toBe(command);
	});

	it("is brought up to date by a simpler run, which is then what its command shows", async () => {
		const explorer = await explorerOf({ programs: ["queue-loop"], properties: ["queue.no-loss"] });
		const worse = await inMacrotask(() => {
			for (let seed = 1; seed <= 400; seed++) {
				const { scenario, program } = explorer.draw(seed);
				const { run, violations } = explorer.judge(scenario, program);
				const shown = violations.find(({ violation }) => violation.kind === "taken-then-crashed");
				if (shown !== undefined && run.fired.size > 2) return reproducerOf(run, shown);
			}
			throw new Error("no seed shows it with three faults");
		});
		const corpus = join(directory, "worse");
		mkdirSync(corpus);
		const file = join(corpus, FILE);
		writeReproducer(file, worse);
		const keeper = new Keeper(new EngineForm(explorer), { corpus });
		const commands = { commandFor: String, commandForKnown: String };
		const options = { from: 1, runs: 400, expectations: [], ...commands };
		const result = await campaign(explorer, { ...options, corpus: keeper.corpus as Corpus<Scenario> });
		expect((await keeper.keep(result)).result).toBe(result);
		const kept = readReproducer(file);
		expect(kept.scenario).not.toEqual(worse.scenario);
		expect(kept.scenario).toMatchObject(result.scenarios.get(LOST) as object);
		expect(kept.digest).toBe(result.findings[0]?.example?.digest);
		expect(result.findings[0]?.example?.command).toBe(`pnpm sim replay ${file}`);
	});

	it("says in one line what passes now, and keeps its file", async () => {
		const corpus = copy("passing");
		const kept = readReproducer(join(corpus, FILE));
		writeReproducer(join(corpus, FILE), { ...kept, scenario: { ...kept.scenario, faults: [] } });
		const { stdout, code } = await sim([...CAMPAIGN, "--corpus", corpus, "--runs", "1", "--quiet"]);
		expect(stdout.replaceAll(/\s+/g, "")).toContain(`corpus:passesnow:${join(corpus, FILE)}`);
		expect(readdirSync(corpus)).toEqual([FILE]);
		expect(code).toBe(0);
	});

	it("names what it could not try since its program was not chosen", async () => {
		const corpus = copy("untried");
		const args = [
			"--program",
			"simple",
			"--faults",
			"crash",
			"--property",
			"timer.never-early",
			"--runs",
			"1",
			"--expectations",
			"none",
		];
		const report = JSON.parse((await sim([...args, "--corpus", corpus, "--json"])).stdout) as Report;
		expect(report.corpus).toEqual({ failing: [], passing: [], untried: [join(corpus, FILE)] });
		expect(report.verdict).toBe("pass");
	});

	it("is refused where a file is", async () => {
		const { code, stderr } = await sim(["--runs", "1", "--corpus", "package.json"]);
		expect(stderr).toMatch(/^No corpus can be kept in package\.json \(E\w+\); give a directory\.\n$/);
		expect(code).toBe(2);
	});
});

describe("a campaign that is stopped", () => {
	it("has kept each failure it tells of, in whole files", async () => {
		const corpus = join(directory, "stopped");
		let interrupted = false;
		const args = ["--program", "queue-loop", "--faults", "crash", "--expectations", "none", "--for", "10m"];
		const { stdout, code } = await sim([...args, "--corpus", corpus], (child, stderr) => {
			if (interrupted || !stderr.includes("new:")) return;
			interrupted = true;
			child.kill("SIGINT");
		});
		expect(stdout).toMatch(/Stopped before the end/);
		const told = [...stdout.matchAll(/^FAIL +(\S+) {2}(\S+) /gm)].map(([, property, kind]) => `${property}/${kind}`);
		expect(told).not.toEqual([]);
		expect(readdirSync(corpus).sort()).toEqual(told.map(reproducerName).sort());
		for (const [, { property, kind }] of readCorpus(corpus, form).kept) expect(told).toContain(`${property}/${kind}`);
		expect(code).toBe(1);
	});

	it("by a kill has kept what it had announced a while ago", async () => {
		const corpus = join(directory, "killed");
		const args = ["--program", "queue-loop", "--faults", "crash", "--expectations", "none", "--for", "10m"];
		const kept = () => readdirSync(corpus).filter((name) => name.endsWith(".repro"));
		const { code } = await sim([...args, "--corpus", corpus], (child, stderr) => {
			if (stderr.includes("new:") && kept().length > 0) child.kill("SIGKILL");
		});
		expect(code).toBeNull();
		expect(readCorpus(corpus, form).kept.size).toBe(kept().length);
	});
});

describe("a file of a corpus", () => {
	it("is named after its finding, whatever that is called, and otherwise for each", () => {
		expect(reproducerName(LOST)).toBe(FILE);
		const odd = [
			"a.b/c d/../e",
			"a.b/c_d_.._e",
			"a.b/c d_.._e",
			`a.b/${"long".repeat(99)}`,
			`a.b/${"long".repeat(98)}`,
		];
		const names = odd.map(reproducerName);
		expect(new Set(names).size).toBe(odd.length);
		for (const name of names) expect(name).toMatch(/^a\.b--[\w.-]{1,180}\.repro$/);
	});

	it.each<[string, (bytes: Buffer) => Uint8Array | string, RegExp]>([
		["cut short", (bytes) => bytes.subarray(0, 500), /is damaged; copy it again, or make it anew/],
		["changed", (bytes) => bytes.fill(0, 100, 101), /is damaged; copy it again, or make it anew/],
		["something else", () => "seed: 1\n", /is no reproducer; give a file written by/],
		["empty", () => "", /is no reproducer; give a file written by/],
	])("that is %s ends the campaign before it begins: one line, exit 2", async (_what, change, message) => {
		const corpus = copy("damaged");
		const file = join(corpus, FILE);
		writeFileSync(file, change(readFileSync(file)));
		expect(() => readCorpus(corpus, form)).toThrow(message);
		const { code, stdout, stderr } = await sim([...CAMPAIGN, "--runs", "1", "--corpus", corpus]);
		expect(stderr).toMatch(message);
		expect(stderr).toMatch(/; or take it out of the corpus\.$/m);
		expect(stderr).toContain(file);
		expect(stderr.trimEnd().split("\n")).toHaveLength(1);
		expect(stdout).toBe("");
		expect(code).toBe(2);
	});
});
