/** The command line as a user meets it: exit codes, one-line errors, reports, ctrl-c. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../reports/model.ts";
import { expectRefusal, sim } from "./support/cli.ts";
import { writeKnown } from "./support/known.ts";

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
		["almost a property", ["--property", "queue.nolos"], /did you mean queue\.no-loss\? If not, see pnpm sim list\.$/m],
		["almost a suite", ["--suite", "quee"], /did you mean queue\? If not, there are replay, values/],
		["almost a shape", ["--avoid", "nested-lop"], /did you mean nested-loop\?/],
		["almost a command", ["lst"], /unknown command "lst"; did you mean list\?/],
		["a part of a known failure's name", ["--known", "slow-step-beats"], /did you mean race\.one-winner\/slow-step/],
		[
			"an engine and an actor",
			["--engine", "reference", "--actor", "reference"],
			/--engine and --actor each name what/,
		],
		["a way without a plan", ["--way", "2"], /--way is about actors and runners: leave it out/],
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
		["a plan without a program", ["--plan", "none"], /about one program; name it: --program NAME/],
		["a plan for two programs", ["--plan", "none", "--program", "simple,join"], /about one program/],
		["a plan that is none", ["--plan", "melt", "--program", "simple"], /"melt" is no fault; say, e\.g\., "crash after/],
		["an order with a gap", ["--order", "0,,1", "--program", "simple"], /list of places from 0, e\.g\. --order 0,2,1/],
		[
			"a plan and a seed",
			["--plan", "none", "--known", "a.b/c", "--program", "simple"],
			/--known and --plan each name a run/,
		],
		["a plan and a search", ["--plan", "none", "--explore", "crashes"], /--explore crashes makes many: give one/],
		["a mode that is none", ["--mode", "warm"], /choices are live, yield/],
		["a mode for seeds", ["--mode", "live"], /--mode is for --explore crashes or schedules/],
		["a depth for seeds", ["--depth", "2"], /--depth is for --explore crashes or schedules/],
		["depth 0", ["--explore", "crashes", "--depth", "0"], /depth is a whole number from 1/],
		["an unknown fault", ["--faults", "fire"], /Unknown fault "fire"; choose from crash, evict, slow, torn/],
		["a fault that no search makes", ["--explore", "crashes", "--faults", "evict"], /evict is for seeds/],
		["faults in a search of orders", ["--explore", "schedules", "--faults", "torn"], /leave --faults out/],
		["a number of seeds for a search", ["--explore", "crashes", "--runs", "5"], /ends when it is exhausted/],
		["a search on a real driver", ["--explore", "crashes", "--driver", "sqlite"], /a real driver has none/],
		["a corpus on a real driver", ["--driver", "sqlite", "--corpus", "c"], /leave --corpus out/],
		["a driver that is not there", ["--driver", "nowhere"], /Unknown driver "nowhere"; choose memory, sqlite/],
		["kills of what keeps nothing", ["kills", "memory"], /claims to keep nothing beyond its process/],
		["a search in another process", ["--explore", "crashes", "--doublecheck"], /--explore crashes has none/],
		[
			"more shards than searches",
			["--explore", "crashes", "--program", "simple", "--shard", "3/3"],
			/Shard 3\/3 has none of 2 searches; use at most 2 shards/,
		],
	])("%s: one line that says what would be right, exit 2", (_name, args, message) => expectRefusal(args, message));
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
	const CAMPAIGN = ["--program", "queue-loop", "--faults", "crash", "--property", "queue.no-loss,replay.pure"];

	it("exits 0 when all that fails is listed, and writes its report", async () => {
		const { code, stdout } = await sim(["--runs", "150", ...CAMPAIGN, "--report", directory]);
		expect(stdout).toMatch(/known +queue\.no-loss {2}taken-then-crashed/);
		expect(code).toBe(0);

		const report = JSON.parse(readFileSync(join(directory, "report.json"), "utf8")) as Report;
		expect(report.counts.runs).toBe(150);
		expect(report.verdict).toBe("known");
		expect(readFileSync(join(directory, "junit.xml"), "utf8")).toMatch(/<testcase [^>]*name="queue\.no-loss"/);
		expect(readFileSync(join(directory, "report.txt"), "utf8")).toContain("queue.no-loss");
	});

	it("exits 1 when something new fails, with the command that shows it", async () => {
		const { code, stdout } = await sim(["--runs", "150", ...CAMPAIGN, "--expectations", "none", "--quiet"]);
		expect(stdout).toMatch(/FAIL +queue\.no-loss {2}taken-then-crashed/);
		const command = /pnpm sim (--seed \d+ --program queue-loop --faults crash)/.exec(stdout)?.[1];
		expect(code).toBe(1);

		const again = await sim([...(command as string).split(" "), "--expectations", "none"]);
		expect(again.code).toBe(1);
	});

	it("explores a local build by its path", async () => {
		const build = join(directory, "engine.mjs");
		const engine = import.meta.resolve("@rivetkit/workflow-engine");
		writeFileSync(build, `export * from ${JSON.stringify(engine)};\n`);
		const args = ["--program", "simple", "--faults", "crash", "--runs", "50", "--suite", "steps"];
		const { code, stdout } = await sim(["--engine", build, ...args, "--expectations", "none"]);
		expect(stdout).toMatch(/every property held/);
		expect(code).toBe(0);
	});

	it("stops at ctrl-c with what was found so far", async () => {
		let interrupted = false;
		const args = [...CAMPAIGN, "--for", "10m", "--report", directory];
		const { code, stdout } = await sim(args, (child, stderr) => {
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

describe("a search of every crash state", () => {
	const SEARCH = ["--explore", "crashes", "--program", "simple"];

	it("is of what a seed draws where one is named, workflow or actor", async () => {
		// The uninterrupted run is made as the search begins: a run outside of a macrotask would count for nothing.
		for (const target of [
			["--seed", "3"],
			["--actor", "reference", "--seed", "3"],
		]) {
			const { code, stdout } = await sim([...target, "--explore", "crashes", "--depth", "1", "--json"]);
			const { coverage, counts } = JSON.parse(stdout) as Report;
			expect(coverage?.searches?.map(({ exhausted }) => exhausted)).toEqual([true]);
			expect(counts.runs).toBeGreaterThan(5);
			expect(code).toBe(0);
		}
	});

	it("ends with the ledger and a sentence that says how far it came", async () => {
		const list = writeKnown(join(directory, "pure.json"), "replay.pure/completed-wrote-workflow-output");
		const { code, stdout } = await sim([...SEARCH, "--expectations", list]);
		expect(stdout).toMatch(/every crash state to depth 2, 1 program, (\d+) of \1 properties/);
		for (const mode of ["live", "yield"]) {
			const [, ledger = ""] = stdout.split(`simple, ${mode} hosting: every crash state to depth 2\n`);
			expect(ledger).toMatch(/^ {2}window +up to +crossed {2}in recovery\n +0 → 1 +kv\.set workflow input +1 +1\n/);
			expect(ledger).toMatch(/ {5}8 +end +1 +0\n {2}9 of 9 crash windows crossed\n/);
			expect(ledger).toMatch(/ {2}Exhausted to depth 2: 20 of 20 states\.\n/);
		}
		expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
		expect(code).toBe(0);
	});

	it("is the same with one worker and with two, and in shards merged", async () => {
		const args = ["--explore", "crashes", "--program", "simple,rollback", "--expectations", "none"];
		const reportOf = async (...more: string[]) => {
			const { timings: _, settings, ...rest } = JSON.parse((await sim([...args, ...more, "--json"])).stdout) as Report;
			return { rest, settings };
		};
		const one = await reportOf("--workers", "1");
		expect(one.rest.coverage.searches).toHaveLength(4);
		expect(await reportOf("--workers", "2")).toEqual(one);
		const shards = ["1/2", "2/2"].map((shard) => join(directory, `searched-${shard[0]}`));
		for (const [i, shard] of shards.entries()) {
			await sim([...args, "--shard", `${i + 1}/2`, "--report", shard, "--quiet"]);
		}
		const merged = JSON.parse((await sim(["merge", ...shards, "--json"])).stdout) as Report;
		const { timings: _, settings, ...rest } = merged;
		expect(rest).toEqual(one.rest);
		expect(settings.shards).toEqual([
			expect.stringMatching(/^1\/2: 2 of 2 searches exhausted, \d+ runs$/),
			expect.stringMatching(/^2\/2: 2 of 2 searches exhausted, \d+ runs$/),
		]);
	});

	it("gives each finding a command that shows it again, to the byte", async () => {
		const args = ["--explore", "crashes", "--program", "fan-out", "--depth", "1", "--mode", "live"];
		const report = JSON.parse((await sim([...args, "--expectations", "none", "--json"])).stdout) as Report;
		const finding = report.findings.find(({ example }) => example?.command.includes("crash ") === true);
		const command = finding?.example?.command ?? "";
		const words = [...command.replace("pnpm sim ", "").matchAll(/"([^"]*)"|(\S+)/g)].map(([, a, b]) => a ?? b ?? "");
		const again = await sim([...words, "--expectations", "none", "--json"]);
		const shown = JSON.parse(again.stdout) as Report;
		expect(shown.digest).toBe(finding?.example?.digest);
		expect(shown.findings.map(({ id }) => id)).toContain(finding?.id);
		expect(shown.findings.map(({ example }) => example?.command)).toContain(command);
		expect(again.code).toBe(1);
	});

	it("stops at ctrl-c with what it has, and says that it is not exhausted", async () => {
		let interrupted = false;
		const args = ["--explore", "crashes", "--program", "queue-loop", "--property", "queue.no-loss"];
		const { code, stdout } = await sim(args, (child, stderr) => {
			if (interrupted || !stderr.includes("runs")) return;
			interrupted = true;
			child.kill("SIGINT");
		});
		expect(stdout).toMatch(/Stopped before the end/);
		expect(stdout).toMatch(/Not exhausted: [\d ]+ of [\d ]+ states known so far\./);
		expect(stdout).not.toMatch(/Exhausted/);
		expect(code).toBe(0);
	});

	it("stops when its time is over, and says what it has not begun", async () => {
		const args = ["--explore", "crashes", "--program", "queue-loop,ticker", "--for", "50ms", "--workers", "1"];
		const { code, stdout } = await sim([...args, "--property", "queue.no-loss"]);
		expect(stdout).toMatch(/Not exhausted: [\d ]+ of [\d ]+ states known so far\./);
		expect(stdout).toMatch(/ticker, yield hosting: every crash state to depth 2\n {2}Not begun\./);
		expect(stdout).not.toMatch(/Exhausted/);
		expect(code).toBe(0);
	});
});

describe("a plan", () => {
	it("whose faults strike shows the run under them", async () => {
		const { code, stdout } = await sim(["--program", "simple", "--plan", "crash after durable write 4", "--quiet"]);
		expect(stdout).toMatch(/as planned: simple on rivet-2\.3\.19/);
		expect(stdout).toMatch(/live hosting; crash after durable write 4\n/);
		expect(code).toBe(0);
	});

	it("with a fault that finds no place proves nothing", async () => {
		const { code, stdout } = await sim(["--program", "simple", "--plan", "crash after durable write 400", "--quiet"]);
		expect(stdout).toMatch(/found no place to strike: crash after durable write 400/);
		expect(code).toBe(3);
	});

	it("is an order too, with its departures", async () => {
		const args = ["--program", "fan-out", "--order", "0,0,2", "--quiet"];
		const { code, stdout } = await sim(args);
		expect(stdout).toMatch(/order of choice 0,0,2/);
		expect(stdout).toMatch(/known replay\.parallel-safe\/name-lost/);
		expect(code).toBe(0);
	});
});

describe("seeds with storage that tears, refuses and loses", () => {
	it("strike with every kind asked for", async () => {
		const kinds = ["crash", "torn", "refused", "lost-ack", "power-loss"];
		const { stdout, code } = await sim([
			"--faults",
			kinds.join(),
			"--program",
			"simple,progress",
			"--runs",
			"400",
			"--expectations",
			"none",
			"--json",
		]);
		const report = JSON.parse(stdout) as Report;
		expect(report.coverage.faults.map(({ kind, fired, windows }) => [kind, fired > 0, windows > 1])).toEqual(
			[...kinds].sort().map((kind) => [kind, true, true]),
		);
		expect(report.findings.every(({ example }) => example?.command.includes(`--faults ${kinds.join()}`))).toBe(true);
		expect(report.findings.length).toBeGreaterThan(0);
		expect(code).toBe(1);
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
		expect((await sim(["expectations"])).stdout).toMatch(/queue\.no-loss\/taken-then-crashed/);
		const list = writeKnown(join(directory, "parallel.json"), "replay.parallel-safe/name-lost");
		const { code, stdout } = await sim(["expectations", "--expectations", list]);
		expect(stdout).toMatch(/replay\.parallel-safe\/name-lost/);
		expect(stdout).not.toMatch(/queue\.no-loss\//);
		expect(code).toBe(0);
	});
});
