/** Shards: together they are the campaign, to the seed; merging joins them, and refuses what was never one campaign. */
import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import type { Example, Report } from "../reports/model.ts";
import { BLOCK_SEEDS, blocksOf, seedsOf } from "../sim/explore/campaign/shard.ts";
import { formatShard, joinShards, parseShardFile, type ShardRecord } from "../sim/explore/campaign/shard-file.ts";
import { expectRefusal, sim } from "./support/cli.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Campaigns in processes of their own take longer than the default on a busy machine. */
const HOOK_MS = 120_000;

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-shards-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

function readReport(name: string): Report {
	return JSON.parse(readFileSync(join(directory, name, "report.json"), "utf8")) as Report;
}

function readShard(name: string): ShardRecord {
	return parseShardFile(readFileSync(join(directory, name, "shard.json"), "utf8"), name);
}

describe("seed number k of n shards", () => {
	it.each([
		[1, 100, 1],
		[1, 100, 3],
		[500, 321, 7],
		[1, 2, 5],
		[9, 4 * BLOCK_SEEDS, 4],
	])("from %i, %i seeds, %i shards: belongs to shard (k mod n) + 1", (from, runs, n) => {
		const owner = new Map<number, number>();
		for (let i = 1; i <= n; i++) {
			let own = 0;
			for (const { first, step, count } of blocksOf(from, runs, { i, n })) {
				for (let place = 0; place < count; place++, own++) {
					const seed = first + place * step;
					expect(owner.has(seed)).toBe(false);
					owner.set(seed, i);
				}
			}
			expect(own).toBe(seedsOf(runs, { i, n }));
		}
		for (let k = 0; k < runs; k++) expect(owner.get(from + k)).toBe((k % n) + 1);
		expect(owner.size).toBe(runs);
	});

	it("has no end when only time ends it", () => {
		expect(seedsOf(Number.POSITIVE_INFINITY, { i: 2, n: 3 })).toBe(Number.POSITIVE_INFINITY);
	});
});

describe("three shards", () => {
	const ABOUT = [
		"--faults",
		"crash",
		"--property",
		"queue.no-loss,replay.pure,replay.parallel-safe,step.committed-once",
	];
	const CAMPAIGN = ["--program", "queue-loop,fan-out", ...ABOUT, "--runs", "400", "--from", "11"];
	beforeAll(async () => {
		await sim([...CAMPAIGN, "--report", join(directory, "whole")]);
		for (const i of [1, 2, 3]) {
			await sim([...CAMPAIGN, "--shard", `${i}/3`, "--report", join(directory, String(i))]);
		}
	}, HOOK_MS);

	const shardDirectories = (...names: string[]) => names.map((name) => join(directory, name));

	it("merged are the campaign without shards: findings, counts, coverage, verdict", async () => {
		const into = join(directory, "merged");
		const { code, stdout } = await sim(["merge", ...shardDirectories("3", "1", "2"), "--report", into]);
		const [whole, merged] = [readReport("whole"), readReport("merged")];
		expect(whole.findings.length).toBeGreaterThan(3);
		expect(whole.counts.runs).toBe(400);
		const { timings: _, settings, ...rest } = merged;
		expect({ ...whole, ...rest, timings: whole.timings, settings: whole.settings }).toEqual(whole);
		expect(settings).toEqual({
			...whole.settings,
			shards: ["1/3: 134 seeds, 11 to 410", "2/3: 133 seeds, 12 to 408", "3/3: 133 seeds, 13 to 409"],
		});
		expect(code).toBe(whole.exitCode);
		expect(stdout).toMatch(/^known {2}rivet-2\.3\.19: \d+ known$/m);
		// The reproducers are named by the findings, and compared by their bytes.
		for (const { example } of whole.findings) {
			const [one, other] = ["whole", "merged"].map((name) => join(directory, name, example?.reproducer as string));
			expect(readFileSync(other as string)).toEqual(readFileSync(one as string));
		}
	});

	it("merge as data with --json, and nothing else", async () => {
		const { stdout, stderr } = await sim(["merge", ...shardDirectories("1", "2", "3"), "--json"]);
		const plain = readReport("whole").findings.map(({ example, ...finding }) => {
			const { reproducer: _, run: __, ...rest } = example as Example;
			return { ...finding, example: rest };
		});
		expect((JSON.parse(stdout) as Report).findings).toEqual(plain);
		expect(stderr).toBe("");
	});

	it("fail when merged if one of them found something new", async () => {
		const names: string[] = [];
		for (const i of [1, 2]) {
			names.push(`new-${i}`);
			const args = ["--program", "queue-loop", "--faults", "crash", "--runs", "100", "--expectations", "none"];
			await sim([...args, "--shard", `${i}/2`, "--report", join(directory, `new-${i}`)]);
		}
		const { code, stdout } = await sim(["merge", ...shardDirectories(...names), "--quiet"]);
		expect(stdout).toMatch(/FAIL +queue\.no-loss/);
		expect(stdout).toMatch(/pnpm sim --seed \d+ --program queue-loop --faults crash/);
		expect(code).toBe(1);
	});

	it("that ran until a time merge too, and say how far each came", async () => {
		for (const i of [1, 2]) {
			const args = ["--program", "simple", "--faults", "crash", "--property", "timer.never-early", "--for", "50ms"];
			await sim([...args, "--shard", `${i}/2`, "--quiet", "--report", join(directory, `time-${i}`)]);
		}
		const { stdout, code } = await sim(["merge", ...shardDirectories("time-1", "time-2"), "--json"]);
		const report = JSON.parse(stdout) as Report;
		const [first, second] = [readReport("time-1").counts.runs, readReport("time-2").counts.runs];
		expect(report.counts.runs).toBe(first + second);
		expect(report.settings.shards).toEqual([
			`1/2: ${first} seeds, 1 to ${2 * first - 1}`,
			`2/2: ${second} seeds, 2 to ${2 * second}`,
		]);
		expect(code).toBe(0);
	});

	it.each([
		["no directory", [], /missing required argument 'dirs'/],
		["one that holds no shard", ["whole", "1"], /whole: no shard\.json is there; give a directory written by/],
		["too few", ["1", "3"], /1, \S+3: shard 2\/3 is missing; give its directory too, or run it/],
		["a directory twice", ["1", "2", "1"], /1 is given twice; give each directory once/],
	])("refuse %s: one line, exit 2", async (_what, names, message) => {
		const { code, stdout, stderr } = await sim(["merge", ...shardDirectories(...names)]);
		expect(stderr).toMatch(message);
		expect(stderr.trimEnd().split("\n")).toHaveLength(1);
		expect(stdout).toBe("");
		expect(code).toBe(2);
	});

	/** The three shards, the second one changed. */
	const withSecond = (change: (record: ShardRecord) => ShardRecord) =>
		new Map([
			["a", readShard("1")],
			["b", change(readShard("2"))],
			["c", readShard("3")],
		]);

	it.each<[string, (record: ShardRecord) => ShardRecord, RegExp]>([
		["the same shard again", (record) => ({ ...record, shard: { i: 1, n: 3 } }), /^b: shard 1\/3 again, as a is;/],
		["another version of this tool", (record) => ({ ...record, tool: "9.9.9" }), /^b: another version of Faultline/],
		[
			"another engine",
			(record) => ({ ...record, engine: { name: "rivet-2.1.3", version: "2.1.3" } }),
			/^b: another engine than a has .*rivet-2\.1\.3.*; give the shards of one campaign/,
		],
		[
			"another build of one path",
			(record) => ({ ...record, engine: { ...record.engine, digest: "0" } }),
			/^b: another engine/,
		],
		["another driver", (record) => ({ ...record, driver: "other" }), /^b: another storage driver/],
		["another number of shards", (record) => ({ ...record, shard: { i: 2, n: 4 } }), /^b: another number of shards/],
		[
			"other settings",
			(record) => ({ ...record, settings: { ...record.settings, from: 12 } }),
			/^b: other settings than a has .*"from":12/,
		],
		[
			"another list of known failures",
			(record) => ({ ...record, expectations: { ...record.expectations, digest: "0" } }),
			/^b: another list of known failures/,
		],
		[
			"a shard that was stopped",
			(record) => ({ ...record, interrupted: true }),
			/^b: shard 2\/3 was stopped before its end; .* --partial/,
		],
	])("refuse %s", (_what, change, message) => {
		expect(() => joinShards(withSecond(change), false)).toThrow(message);
		expect(() =>
			joinShards(
				withSecond((record) => record),
				false,
			),
		).not.toThrow();
	});

	it.each<[string, (text: string) => string, RegExp]>([
		["cut short", (text) => text.slice(0, 500), /^b: its shard\.json is damaged; run that shard again/],
		["changed", (text) => text.replace('"runs":', '"runs":1'), /^b: its shard\.json is damaged; run that shard again/],
		["empty", () => "", /^b: its shard\.json is damaged/],
		[
			"of another format",
			(text) => text.replace("faultline-shard-1", "faultline-shard-9"),
			/^b: .*not of this version/,
		],
	])("refuse a file that is %s", (_what, change, message) => {
		const text = formatShard(readShard("2"));
		expect(parseShardFile(text, "b")).toEqual(readShard("2"));
		expect(() => parseShardFile(change(text), "b")).toThrow(message);
	});

	it("take a stopped shard with --partial, and the report says so", async () => {
		cpSync(join(directory, "2"), join(directory, "stopped"), { recursive: true });
		writeFileSync(join(directory, "stopped", "shard.json"), formatShard({ ...readShard("2"), interrupted: true }));
		const directories = shardDirectories("1", "stopped", "3");
		expect((await sim(["merge", ...directories])).code).toBe(2);
		const { code, stdout } = await sim(["merge", ...directories, "--partial", "--json"]);
		const report = JSON.parse(stdout) as Report;
		expect(report.interrupted).toBe(true);
		expect(report.counts.runs).toBe(400);
		expect(code).toBe(0);
	});
});

describe.each([
	{
		what: "seeds of a runner and its server",
		campaign: "--runner reference --server pegboard --program start,sleep-and-wake --runs 61 --from 5",
		reached: ["1/3: 21 seeds, 5 to 65", "2/3: 20 seeds, 6 to 63", "3/3: 20 seeds, 7 to 64"],
		verdict: "known",
		other: [{ driver: "reference" }, /^b: another server than a has \(reference, not pegboard\)/],
	},
	{
		what: "searches of actors",
		campaign: "--actor reference --program stateless,counter-loop,broadcasts --explore crashes --depth 1",
		reached: [1, 2, 3].map((i) => expect.stringMatching(`^${i}/3: 1 of 1 searches exhausted, \\d+ runs$`)),
		verdict: "pass",
		other: [
			{ engine: { name: "rivetkit-2.2.1", version: "2.2.1" } },
			/^b: another actor than a has .*rivetkit-2\.2\.1/,
		],
	},
] as const)("shards that are $what", ({ what, campaign, reached, verdict, other }) => {
	const named = (name: string) => `${what.replaceAll(" ", "-")}-${name}`;
	const numbers = ["1", "2", "3"];

	beforeAll(async () => {
		const args = [...campaign.split(" "), "--quiet", "--report"];
		await sim([...args, join(directory, named("whole"))]);
		for (const i of numbers) await sim([...args, join(directory, named(i)), "--shard", `${i}/3`]);
	}, HOOK_MS);

	it("merged are the campaign without shards, the files of its findings to the byte", async () => {
		const shards = numbers.map((i) => join(directory, named(i))).reverse();
		const { code } = await sim(["merge", ...shards, "--report", join(directory, named("merged")), "--quiet"]);
		const [whole, merged] = [readReport(named("whole")), readReport(named("merged"))];
		expect(whole.verdict).toBe(verdict);
		expect(whole.counts.runs).toBeGreaterThan(60);
		const { timings: _, settings, ...rest } = merged;
		expect({ ...whole, ...rest, timings: whole.timings, settings: whole.settings }).toEqual(whole);
		expect(settings).toEqual({ ...whole.settings, shards: reached });
		expect(code).toBe(whole.exitCode);
		for (const { example } of whole.findings) {
			for (const file of [example?.reproducer, example?.run]) {
				const [one, another] = ["whole", "merged"].map((name) => join(directory, named(name), file as string));
				expect(readFileSync(another as string)).toEqual(readFileSync(one as string));
			}
		}
	});

	it("refuse those of another target, and of another kind of target", () => {
		const [change, message] = other;
		const withSecond = (record: Partial<ShardRecord>) =>
			new Map([
				["a", readShard(named("1"))],
				["b", { ...readShard(named("2")), ...record }],
			]);
		expect(() => joinShards(withSecond(change), false)).toThrow(message);
		const { kind: _, ...engine } = readShard(named("2"));
		const mixed = new Map([
			["a", readShard(named("1"))],
			["b", engine],
		]);
		expect(() => joinShards(mixed, false)).toThrow(
			/^b: another kind of target than a has \(engine, not (actor|runner)\)/,
		);
	});
});

describe("wrong usage", () => {
	it.each([
		["a shard beyond the last", ["--shard", "4/3"], /a shard is i\/n with i from 1 to n/],
		["shard 0", ["--shard", "0/3"], /a shard is i\/n with i from 1 to n/],
		[
			"a shard without seeds",
			["--shard", "5/5", "--runs", "2"],
			/Shard 5\/5 has none of 2 seeds; use at most 2 shards/,
		],
		[
			"a shard without searches",
			["--actor", "reference", "--explore", "crashes", "--program", "stateless", "--shard", "2/2"],
			/Shard 2\/2 has none of 1 search; use at most 1 shard\./,
		],
		["a shard of one run of an actor", ["--actor", "reference", "--seed", "1", "--shard", "1/2"], /one or the other/],
		["no workers", ["--workers", "0"], /a number of workers is a whole number from 1/],
		["a shard of one seed", ["--seed", "1", "--shard", "1/2"], /one or the other/],
	])("%s: one line that says what would be right, exit 2", (_name, args, message) => expectRefusal(args, message));
});

describe("the example for", () => {
	/** Runs what a shell is given in an example, with the packages' runner in place of a download. */
	async function shell(script: string, env: Record<string, string>): Promise<string> {
		const bin = join(directory, "bin");
		mkdirSync(bin, { recursive: true });
		writeFileSync(
			join(bin, "npx"),
			`#!/bin/sh
[ "$1 $2 $3" = "-y pnpm@12 sim" ] || exit 99
shift 3
cd '${ROOT}' && exec '${process.execPath}' --import ./sim/cli/typescript/register.mjs sim/cli/main.ts "$@"
`,
		);
		chmodSync(join(bin, "npx"), 0o755);
		const { stdout } = await promisify(execFile)("/bin/sh", ["-ec", script], {
			cwd: directory,
			env: { ...process.env, ...env, PATH: `${bin}${delimiter}${process.env.PATH}` },
		});
		return stdout;
	}
	const TINY = "--runs 20 --program queue-loop --faults crash --expectations none --quiet";

	interface Step {
		name?: string;
		run?: string;
	}

	it("GitHub Actions has steps that run: two shards, merged", async () => {
		const workflow = parse(readFileSync(new URL("../examples/github-actions.yml", import.meta.url), "utf8"));
		const { shard, merge } = workflow.jobs;
		expect(shard.strategy.matrix.shard).toEqual(Array.from({ length: workflow.env.SHARDS }, (_, i) => i + 1));
		expect(merge.needs).toBe("shard");
		const stepOf = (job: { steps: Step[] }) => job.steps.find(({ run }) => run !== undefined)?.run as string;
		// The shim runs where the checkout is, so paths are made absolute.
		const local = (script: string) =>
			script.replaceAll(/"?shards\//g, (start) => `${start.startsWith('"') ? '"' : ""}$WORK/shards/`);
		const env = { SHARDS: "2", CAMPAIGN: TINY, WORK: join(directory, "github") };
		for (const SHARD of ["1", "2"]) await shell(local(stepOf(shard)), { ...env, SHARD });
		const script = local(stepOf(merge)).replace("--report report", '--report "$WORK/report"');
		await expect(shell(script, env)).rejects.toMatchObject({ code: 1, stdout: expect.stringMatching(/FAIL/) });
		expect(readReport("github/report").counts.runs).toBe(20);
	});

	it("Kubernetes has commands that run: two indexes, merged", async () => {
		const documents = parseAllDocuments(readFileSync(new URL("../examples/kubernetes.yaml", import.meta.url), "utf8"));
		expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
		const [, shards, merge] = documents.map((document) => document.toJS());
		expect(shards.spec.completionMode).toBe("Indexed");
		const containerOf = (job: typeof shards) => job.spec.template.spec.containers[0];
		const env = containerOf(shards).env as { name: string; value: string }[];
		expect(env.find(({ name }) => name === "SHARDS")?.value).toBe(String(shards.spec.completions));
		const tiny = { SHARDS: "2", CAMPAIGN: TINY, RESULTS: join(directory, "kubernetes") };
		for (const JOB_COMPLETION_INDEX of ["0", "1"]) {
			await shell(containerOf(shards).args[0], { ...tiny, JOB_COMPLETION_INDEX });
		}
		await expect(shell(containerOf(merge).args[0], tiny)).rejects.toMatchObject({ code: 1 });
		expect(readReport("kubernetes/report").counts.runs).toBe(20);
	});
});
