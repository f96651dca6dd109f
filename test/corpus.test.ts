/** The memory of failures: what failed is kept, is tried first the next time, and is shown by its file while it still fails. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../reports/model.ts";
import { campaign } from "../sim/explore/campaign.ts";
import { keepFailures, keptFile, readCorpus, readKept, writeKept } from "../sim/explore/corpus.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { sim } from "./support/cli.ts";
import { explorerOf } from "./support/explorer.ts";

const LOST = "queue.no-loss/taken-then-crashed";
const FILE = "queue.no-loss--taken-then-crashed.yaml";
const CAMPAIGN = ["--program", "queue-loop", "--property", "queue.no-loss", "--expectations", "none"];

/** A campaign in a process of its own takes longer than the default on a busy machine. */
const HOOK_MS = 60_000;

let directory: string;
beforeAll(async () => {
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
	it("keeps each new failure in a file named after it, with a run that shows it", async () => {
		expect(readdirSync(join(directory, "first"))).toEqual([FILE]);
		const kept = readKept(join(directory, "first", FILE));
		expect(kept).toMatchObject({ engine: "rivet-2.3.19", property: "queue.no-loss", kind: "taken-then-crashed" });
		const explorer = await explorerOf({ properties: ["queue.no-loss"] });
		const program = explorer.programOf(kept.scenario);
		const { violations } = await inMacrotask(() =>
			explorer.judge(kept.scenario, program as NonNullable<typeof program>),
		);
		expect(violations.map(({ violation }) => violation)).toContainEqual(
			expect.objectContaining({ kind: kept.kind, message: kept.message }),
		);
	});

	it("keeps no listed failure", async () => {
		const corpus = join(directory, "listed");
		const args = ["--program", "queue-loop", "--property", "queue.no-loss", "--runs", "150", "--corpus", corpus];
		expect((await sim(args)).code).toBe(0);
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

	it("is left as it is by the same campaign again, and shows its file and not the seed", async () => {
		const corpus = copy("again");
		const before = readFileSync(join(corpus, FILE), "utf8");
		const { report } = await explore(corpus, "--runs", "150");
		expect(report.findings[0]?.runs).toBeGreaterThan(0);
		expect(report.findings[0]?.example?.command).toBe(`pnpm sim replay ${join(corpus, FILE)}`);
		expect(readFileSync(join(corpus, FILE), "utf8")).toBe(before);
	});

	it("is brought up to date by a simpler run, which is then what its command shows", async () => {
		const simplest = readKept(join(directory, "first", FILE));
		const explorer = await explorerOf({ programs: ["queue-loop"], properties: ["queue.no-loss"] });
		const commands = { commandFor: String, commandForKnown: String };
		const options = { from: 1, runs: 400, expectations: [], ...commands };
		const worse = await inMacrotask(() => {
			for (let seed = 1; seed <= 400; seed++) {
				const { scenario, program } = explorer.draw(seed);
				const { run, violations } = explorer.judge(scenario, program);
				const shows = violations.some(({ violation }) => violation.kind === "taken-then-crashed");
				if (shows && run.fired.size > 2) return scenario;
			}
			throw new Error("no seed shows it with three faults");
		});
		const corpus = join(directory, "worse");
		mkdirSync(corpus);
		const file = join(corpus, FILE);
		writeKept(file, { ...simplest, scenario: worse });
		const kept = readCorpus(corpus);
		const result = await campaign(explorer, { ...options, corpus: { directory: corpus, kept } });
		keepFailures(corpus, "rivet-2.3.19", result, kept);
		expect(readKept(file).scenario).not.toEqual(worse);
		expect(readKept(file).scenario).toEqual(result.scenarios.get(LOST));
		expect(result.findings[0]?.example?.command).toBe(`pnpm sim replay ${file}`);
	});

	it("says in one line what passes now, and keeps its file", async () => {
		const corpus = copy("passing");
		const kept = readKept(join(corpus, FILE));
		writeKept(join(corpus, FILE), { ...kept, scenario: { ...kept.scenario, faults: [] } });
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
			"--property",
			"timer.never-early",
			"--runs",
			"1",
			"--corpus",
			corpus,
			"--json",
		];
		const report = JSON.parse((await sim(args)).stdout) as Report;
		expect(report.corpus).toEqual({ failing: [], passing: [], untried: [join(corpus, FILE)] });
		expect(report.verdict).toBe("pass");
	});

	it("is refused where a file is", async () => {
		const { code, stderr } = await sim(["--runs", "1", "--corpus", "package.json"]);
		expect(stderr).toMatch(/^No corpus can be kept in package\.json \(E\w+\); give a directory\.\n$/);
		expect(code).toBe(2);
	});
});

describe("a file of a corpus", () => {
	it("is written and read as inverses", () => {
		const kept = readKept(join(directory, "first", FILE));
		const file = join(directory, "copy.yaml");
		writeKept(file, kept);
		expect(readKept(file)).toEqual(kept);
	});

	it("is named after its finding, whatever that is called", () => {
		expect(keptFile("d", LOST)).toBe(join("d", FILE));
		expect(keptFile("d", "a.b/c d/../e")).toBe(join("d", "a.b--c_d_.._e.yaml"));
	});

	it.each([
		["not YAML", (text: string) => `${text}\n- [`, /cannot be tried: /],
		["without a kind", (text: string) => text.replace(/^kind:.*$/m, ""), /cannot be tried: "kind" is missing/],
		["without a scenario", (text: string) => text.replace(/^scenario:[\s\S]*$/m, ""), /"scenario\.program" is missing/],
		["without a hosting mode", (text: string) => text.replace(/mode: \w+/, "mode: odd"), /"scenario\.hosting" is/],
		[
			"with faults of no kind",
			(text: string) => text.replaceAll(/kind: crash/g, "kin: crash"),
			/"scenario\.faults" is/,
		],
		["empty", () => "", /"engine" is missing/],
	])("that is %s ends the campaign before it begins: one line, exit 2", async (_what, change, message) => {
		const corpus = copy("damaged");
		const file = join(corpus, FILE);
		writeFileSync(file, change(readFileSync(file, "utf8")));
		expect(() => readCorpus(corpus)).toThrow(message);
		const { code, stdout, stderr } = await sim([...CAMPAIGN, "--runs", "1", "--corpus", corpus]);
		expect(stderr).toMatch(message);
		expect(stderr).toContain(file);
		expect(stderr.trimEnd().split("\n")).toHaveLength(1);
		expect(stdout).toBe("");
		expect(code).toBe(2);
	});
});
