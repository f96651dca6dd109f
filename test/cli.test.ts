/** The command line as a user meets it: exit codes, one-line errors, reports, ctrl-c. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../reports/model.ts";
import { sim } from "./support/cli.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

describe("wrong usage", () => {
	it.each([
		["a seed that is no number", ["--seed", "x"], /seed.*whole number from 1/],
		["seed 0", ["--seed", "0"], /seed.*whole number from 1/],
		["an unknown engine", ["--engine", "rivet-9"], /Unknown engine "rivet-9"; choose rivet-2\.1\.3/],
		["an engine path that is not there", ["--engine", "./nope.js"], /No engine at \.\/nope\.js/],
		["a path that exports no runWorkflow", ["--engine", "./reports/text.ts"], /exports no runWorkflow/],
		["an unknown property", ["--property", "a.b"], /Unknown property "a\.b"; choose from replay\.same-outcome/],
		["an unknown program", ["--program", "nope"], /Unknown program "nope"; choose from/],
		["an unknown suite", ["--suite", "nope"], /Unknown suite "nope"; choose from replay/],
		["a program the engine cannot run", ["--engine", "rivet-2.1.3", "--program", "fallback"], /has no tryStep/],
		["a duration without a unit", ["--for", "3"], /30s, 10m, 8h/],
		["an unknown option", ["--bogus"], /unknown option '--bogus'/],
		["an unknown command", ["frobnicate"], /unknown command "frobnicate"/],
		["a known failure that is not listed", ["--known", "a/b"], /No known failure "a\/b"/],
		[
			"a list that is not there",
			["--expectations", "nope.yaml", "--runs", "1"],
			/No list of known failures at nope\.yaml/,
		],
		[
			"a report where a file is",
			["--runs", "1", "--report", "package.json"],
			/No report can be written to package\.json/,
		],
		["one run and many at once", ["--seed", "1", "--runs", "2"], /one or the other/],
	])("%s: one line that says what would be right, exit 2", async (_name, args, message) => {
		const { code, stdout, stderr } = await sim(args);
		expect(stderr).toMatch(message);
		expect(stderr.trimEnd().split("\n")).toHaveLength(1);
		expect(stdout).toBe("");
		expect(code).toBe(2);
	});
});

describe("one seed", () => {
	it("is told as a story of at most 80 columns, with verdict and digest, the same each time", async () => {
		const first = await sim(["--seed", "721"]);
		expect(first.stdout).toMatch(/process starts/);
		expect(first.stdout).toMatch(/write 1: kv\.set workflow input/);
		expect(first.stdout).toMatch(/digest [0-9a-f]{64}\n$/);
		expect(first.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
		expect(first.stdout).not.toContain("\u001b[");
		expect((await sim(["--seed", "721"])).stdout).toBe(first.stdout);
	});

	it("is the report and nothing else with --json", async () => {
		const { stdout, code } = await sim(["--seed", "721", "--json"]);
		const report = JSON.parse(stdout) as Report;
		expect(report.settings).toEqual({ seed: 721 });
		expect(report.digest).toMatch(/^[0-9a-f]{64}$/);
		expect(report.exitCode).toBe(code);
	});

	it("tells more with --verbose", async () => {
		const [plain, verbose] = await Promise.all([sim(["--seed", "5"]), sim(["--seed", "5", "--verbose"])]);
		expect(verbose.stdout.split("\n").length).toBeGreaterThan(plain.stdout.split("\n").length);
		expect(verbose.stdout).toMatch(/kv\.list/);
	});
});

describe("a campaign", () => {
	it("exits 0 when all that fails is listed, and writes its report", async () => {
		const { code, stdout } = await sim(["--runs", "150", "--program", "queue-loop", "--report", directory]);
		expect(stdout).toMatch(/known +queue\.no-loss {2}taken-then-crashed/);
		expect(code).toBe(0);

		const report = JSON.parse(readFileSync(join(directory, "report.json"), "utf8")) as Report;
		expect(report.counts.runs).toBe(150);
		expect(report.verdict).toBe("known");
		expect(readFileSync(join(directory, "junit.xml"), "utf8")).toMatch(/<testcase [^>]*name="queue\.no-loss"/);
		expect(readFileSync(join(directory, "report.txt"), "utf8")).toContain("queue.no-loss");
	});

	it("exits 1 when something new fails, with the command that shows it", async () => {
		const { code, stdout } = await sim([
			"--runs",
			"150",
			"--program",
			"queue-loop",
			"--expectations",
			"none",
			"--quiet",
		]);
		expect(stdout).toMatch(/FAIL +queue\.no-loss {2}taken-then-crashed/);
		const command = /pnpm sim (--seed \d+ --program queue-loop)/.exec(stdout)?.[1];
		expect(code).toBe(1);

		const again = await sim([...(command as string).split(" "), "--expectations", "none"]);
		expect(again.code).toBe(1);
	});

	it("explores a local build by its path", async () => {
		const build = join(directory, "engine.mjs");
		const engine = import.meta.resolve("@rivetkit/workflow-engine");
		writeFileSync(build, `export * from ${JSON.stringify(engine)};\n`);
		const { code, stdout } = await sim(["--engine", build, "--program", "simple", "--runs", "50", "--suite", "steps"]);
		expect(stdout).toMatch(/every property held/);
		expect(code).toBe(0);
	});

	it("stops at ctrl-c with what was found so far", async () => {
		let interrupted = false;
		const { code, stdout } = await sim(["--for", "60s", "--report", directory], (child, stderr) => {
			if (interrupted || !stderr.includes("runs")) return;
			interrupted = true;
			child.kill("SIGINT");
		});
		expect(stdout).toMatch(/Stopped before the end/);
		expect(stdout).toMatch(/known +queue\.no-loss/);
		expect(code).toBe(0);
		expect((JSON.parse(readFileSync(join(directory, "report.json"), "utf8")) as Report).interrupted).toBe(true);
	});
});

describe("lists", () => {
	it("names what can be chosen", async () => {
		const { code, stdout } = await sim(["list"]);
		for (const name of ["rivet-2.1.3", "queue-loop", "replay.pure", "steps", "memory"]) expect(stdout).toContain(name);
		expect(code).toBe(0);
	});

	it("teaches with --help", async () => {
		const { code, stdout } = await sim(["--help"]);
		expect(stdout).toMatch(/Examples:/);
		expect(stdout).toMatch(/Exit code:/);
		expect(code).toBe(0);
	});

	it("shows the known failures of an engine", async () => {
		const { code, stdout } = await sim(["expectations"]);
		expect(stdout).toMatch(/queue\.no-loss\/taken-then-crashed/);
		expect(code).toBe(0);
	});
});
