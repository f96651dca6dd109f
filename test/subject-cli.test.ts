/** Actors and runners on the command line, as users type it. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MutantsReport, Report, RunRecord } from "../reports/model.ts";
import { sim } from "./support/cli.ts";

const directory = mkdtempSync(join(tmpdir(), "faultline-subject-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const PEGBOARD = ["--runner", "reference", "--server", "pegboard"];

describe.each([
	["actors", ["--actor", "reference"], "reference"],
	["runners", ["--runner", "reference"], "reference"],
])("%s", (_what, target, name) => {
	test("are explored, and the reference holds", async () => {
		const { code, stdout } = await sim([...target, "--runs", "120", "--json"]);
		const report = JSON.parse(stdout) as Report;
		expect(report).toMatchObject({ verdict: "pass", exitCode: 0, target: { engine: name } });
		expect(report.counts.runs).toBe(120);
		expect(report.counts.crashes).toBeGreaterThan(10);
		expect(report.coverage.faults.some(({ fired }) => fired > 0)).toBe(true);
		expect(code).toBe(0);
	});

	test("give the same bytes for a seed in two processes", async () => {
		const [first, second] = await Promise.all([1, 2].map(() => sim([...target, "--seed", "7", "--json"])));
		const digest = (JSON.parse(first?.stdout ?? "") as Report).digest;
		expect(digest).toMatch(/^[0-9a-f]{64}$/);
		expect((JSON.parse(second?.stdout ?? "") as Report).digest).toBe(digest);
	});

	test("tell a seed as a story", async () => {
		const { code, stdout } = await sim([...target, "--seed", "7"]);
		expect(stdout).toMatch(/^seed 7: /);
		expect(stdout).toContain("process starts");
		expect(stdout).toMatch(/digest [0-9a-f]{64}/);
		expect(stdout.split("\n").every((line) => line.length <= 80)).toBe(true);
		expect(code).toBe(0);
	});

	test("have a gate of mutants", async () => {
		const all = JSON.parse((await sim(["list", "--json"])).stdout) as Record<string, { name: string }[]>;
		const { name: mutant = "" } = all[target[0] === "--actor" ? "actorMutants" : "runnerMutants"]?.[0] ?? {};
		const { code, stdout } = await sim(["mutants", ...target, "--mutant", mutant, "--json"]);
		const { mutants, verdict } = JSON.parse(stdout) as MutantsReport;
		expect(mutants.rows).toMatchObject([{ mutant, verdict: "pass" }]);
		expect(verdict).toBe("pass");
		expect(code).toBe(0);
	});
});

test("every crash point of one program is searched", async () => {
	const options = ["--actor", "reference", "--program", "counter-loop", "--explore", "crashes", "--depth", "1"];
	const report = JSON.parse((await sim([...options, "--json"])).stdout) as Report;
	const [search] = report.coverage.searches ?? [];
	expect(report.verdict).toBe("pass");
	expect(search).toMatchObject({ kind: "crashes", program: "counter-loop", exhausted: true });
	const windows = search?.kind === "crashes" ? search.windows : [];
	expect(windows.every(({ crossed }) => crossed > 0)).toBe(true);
	// Between which writes each lies is told as the story of a run tells it.
	const ends = windows.map(({ operation, detail }) => `${operation} ${detail}`);
	expect(ends).toContain("queue.remove - message 1, queue metadata");
	const { stdout } = await sim(["--actor", "reference", "--program", "counter-loop", "--plan", "none"]);
	expect(stdout).toContain(": queue.remove - message 1, queue metadata");
	const text = (await sim(options)).stdout;
	expect(text).toMatch(/^counter-loop, a crashed actor starts again after 0 ms: every crash state to depth 1$/m);
	expect(text).toMatch(/^ +\d+ → \d+ +queue\.remove - message 1, queue metadata +2 +0$/m);
});

test("what a campaign finds is in files, and is shown again by each of them", async () => {
	const report = join(directory, "report");
	const found = await sim([...PEGBOARD, "--runs", "60", "--expectations", "none", "--report", report, "--quiet"]);
	expect(found.code).toBe(1);
	const names = readdirSync(join(report, "reproducers"));
	expect(names.length).toBeGreaterThan(0);
	const { findings } = JSON.parse(readFileSync(join(report, "report.json"), "utf8")) as Report;
	const [first] = findings;
	const file = join(report, first?.example?.reproducer ?? "");
	const replayed = await sim(["replay", file, "--expectations", "none"]);
	expect(replayed.stdout).toContain(`still fails: ${first?.id}`);
	expect(replayed.stdout).toContain("equal to the byte");
	expect(replayed.code).toBe(1);
	// Its run says what was expected, and the page shows it.
	const run = JSON.parse(readFileSync(join(report, first?.example?.run ?? ""), "utf8")) as RunRecord;
	expect(run.compared.some(({ expected, observed }) => expected !== observed)).toBe(true);
	const page = readFileSync(join(report, "report.html"), "utf8");
	expect(page).toContain(`Expected and observed. Expected: what ${first?.property} promises`);
	expect(page).toContain(run.compared[0]?.expected);
	// The command that the report prints shows it too.
	const words = (first?.example?.command ?? "").split(" ").slice(2);
	expect((await sim([...words, "--expectations", "none"])).stdout).toContain(first?.id);
});

test("a later campaign removes what it looked for and did not find, and nothing else", async () => {
	const report = join(directory, "later");
	const found = (options: readonly string[]) =>
		sim([...options, "--runs", "40", "--expectations", "none", "--report", report, "--quiet"]);
	const kept = () => readdirSync(join(report, "reproducers"));
	await found([...PEGBOARD, "--program", "start"]);
	const first = kept();
	expect(first.length).toBeGreaterThan(0);
	// Another target, another program, another property: not what these are about.
	await found(["--runner", "reference", "--program", "start"]);
	expect(kept()).toEqual(first);
	await found([...PEGBOARD, "--program", "sleep-and-wake", "--property", "runner.handshake"]);
	expect(kept()).toEqual(expect.arrayContaining(first));
	// What the same campaign left once, and shows no longer, goes.
	const [name = ""] = first;
	writeFileSync(
		join(report, "reproducers", "command.index--gone.repro.json"),
		renamed(join(report, "reproducers", name)),
	);
	await found([...PEGBOARD, "--program", "start"]);
	expect(kept().sort()).toEqual([...first].sort());
});

/** The reproducer in a file as one of a finding that there is no more. */
function renamed(file: string): string {
	const content = JSON.parse(readFileSync(file, "utf8")) as { finding: object };
	return JSON.stringify({ ...content, finding: { property: "command.index", kind: "gone", message: "gone" } });
}

test("what is listed is known, and shown by its id", async () => {
	const list = JSON.parse((await sim([...PEGBOARD, "--runs", "60", "--json"])).stdout) as Report;
	expect(list.verdict).toBe("known");
	const id = list.findings.find(({ verdict }) => verdict === "known")?.id ?? "";
	const shown = await sim([...PEGBOARD, "--known", id]);
	expect(shown.stdout).toContain(`known failure ${id}`);
	expect(shown.code).toBe(0);
});

describe("a corpus of runners", () => {
	const ABOUT = ["--program", "start", "--property", "command.index,event.acked", "--expectations", "none", "--json"];
	const CAMPAIGN = [...PEGBOARD, ...ABOUT];
	const NAMES = ["command.index--went-back.repro.json", "event.acked--never-acknowledged.repro.json"];
	const [INDEX, ACKED] = NAMES as [string, string];
	const first = join(directory, "corpus");
	/** Seeds that show nothing of themselves. */
	const ONE_RUN = ["--runs", "1", "--from", "100000"];

	beforeAll(async () => {
		await sim([...CAMPAIGN, "--runs", "60", "--corpus", first]);
	}, 60_000);

	/** A corpus of its own, as the first campaign left it. */
	function copy(name: string): string {
		const corpus = join(directory, `corpus-${name}`);
		cpSync(first, corpus, { recursive: true });
		return corpus;
	}

	async function explored(
		corpus: string,
		options: readonly string[],
	): Promise<{ report: Report; code: number | null }> {
		const { stdout, code } = await sim([...options, "--corpus", corpus]);
		return { report: JSON.parse(stdout) as Report, code };
	}

	test("keeps what is new, a file a finding, and nothing that is listed", async () => {
		expect(readdirSync(first)).toEqual(NAMES);
		const listed = join(directory, "corpus-listed");
		const { code } = await sim([...PEGBOARD, "--program", "start", "--runs", "60", "--quiet", "--corpus", listed]);
		expect(code).toBe(0);
		expect(readdirSync(listed)).toEqual([]);
	});

	test("is tried before the first seed, and what still fails is a finding that no seed counts for", async () => {
		const corpus = copy("failing");
		const files = NAMES.map((name) => join(corpus, name));
		const { report, code } = await explored(corpus, [...CAMPAIGN, ...ONE_RUN]);
		expect(report.corpus).toEqual({ failing: files, passing: [], untried: [] });
		expect(report.findings).toMatchObject([
			{ id: "command.index/went-back", verdict: "fail", runs: 0, example: { command: `pnpm sim replay ${files[0]}` } },
			{ id: "event.acked/never-acknowledged", verdict: "fail", runs: 0 },
		]);
		expect(report.counts.runs).toBe(1);
		expect(code).toBe(1);
		const replayed = await sim(["replay", files[0] as string, "--expectations", "none"]);
		expect(replayed.stdout).toContain("equal to the byte");
		expect(replayed.code).toBe(1);
	});

	test("takes a file of any name, and brings up to date only its own", async () => {
		const corpus = copy("by-hand");
		renameSync(join(corpus, INDEX), join(corpus, "mine.repro.json"));
		const before = readFileSync(join(corpus, ACKED), "utf8");
		const content = JSON.parse(before) as { scenario: object };
		const worse = { ...content, scenario: { ...content.scenario, faults: [{ kind: "slow-link", frame: 1, ms: 1 }] } };
		writeFileSync(join(corpus, ACKED), JSON.stringify(worse));
		const { report } = await explored(corpus, [...CAMPAIGN, "--runs", "60"]);
		expect(report.corpus?.failing).toEqual([join(corpus, ACKED), join(corpus, "mine.repro.json")]);
		expect(readdirSync(corpus)).toEqual([ACKED, "mine.repro.json"]);
		expect(readFileSync(join(corpus, ACKED), "utf8")).toBe(before);
	});

	test("says what passes on another target, and names the target where a file is of another", async () => {
		const corpus = copy("other");
		const [index, acked] = [join(corpus, INDEX), join(corpus, ACKED)];
		const sound = await explored(corpus, ["--runner", "reference", ...ABOUT, ...ONE_RUN]);
		expect(sound.report.corpus).toEqual({ failing: [], passing: [index, acked], untried: [] });
		expect(sound.code).toBe(0);
		const published = await explored(corpus, ["--runner", "2.2.1", ...ABOUT, ...ONE_RUN]);
		expect(published.report.corpus?.failing).toContain(acked);
		const { command } = published.report.findings.find(({ property }) => property === "event.acked")?.example ?? {};
		expect(command).toBe(`pnpm sim replay ${acked} --runner 2.2.1`);
		expect(readdirSync(corpus)).toEqual(NAMES);
	});

	test.each([
		["another program", [...PEGBOARD, "--program", "sleep-and-wake"]],
		["another property", [...PEGBOARD, "--property", "runner.lost"]],
		["another kind of subject", ["--actor", "reference"]],
		["a workflow engine", ["--engine", "reference", "--program", "simple", "--property", "timer.never-early"]],
	])("names what it could not try, with %s", async (_what, target) => {
		const corpus = copy("untried");
		const args = ["--expectations", "none", "--json", ...ONE_RUN];
		const { report } = await explored(corpus, [...target, ...args]);
		expect(report.corpus).toEqual({ failing: [], passing: [], untried: NAMES.map((name) => join(corpus, name)) });
	});

	test("is refused in one line where a file in it cannot be run", async () => {
		const corpus = copy("damaged");
		writeFileSync(join(corpus, INDEX), readFileSync(join(corpus, INDEX), "utf8").replace('"pace"', '"pacing"'));
		const { code, stdout, stderr } = await sim([...CAMPAIGN, ...ONE_RUN, "--corpus", corpus]);
		expect(stderr).toMatch(/cannot run \(scenario\.pac\w+: .*; or take it out of the corpus\.$/m);
		expect(stderr).toContain(join(corpus, INDEX));
		expect(stderr.trimEnd().split("\n")).toHaveLength(1);
		expect(stdout).toBe("");
		expect(code).toBe(2);
	});
});

describe("what is wrong is said in a line", () => {
	const broken = join(directory, "broken.repro.json");
	writeFileSync(broken, "{}");
	test.each([
		[["--actor", "nobody"], 'Unknown actor runtime "nobody"; choose'],
		[["--runner", "nobody"], 'Unknown runner "nobody"; choose'],
		[["--runner", "reference", "--server", "nobody"], 'Unknown server "nobody"; choose'],
		[["--server", "pegboard"], "--server is what a --runner talks to."],
		[["--actor", "reference", "--runner", "reference"], "give one of them"],
		[["--actor", "reference", "--program", "nothing"], 'Unknown program "nothing"'],
		[["--actor", "reference", "--property", "replay.pure"], 'Unknown property "replay.pure" of actors'],
		[["--actor", "reference", "--suite", "commands"], 'Unknown suite "commands" of actors'],
		[["--actor", "reference", "--driver", "sqlite"], "--driver is about workflow engines"],
		[["--actor", "reference", "--plan", "none"], "name it: --program NAME"],
		[["--actor", "reference", "--known", "a/b"], 'No known failure "a/b"'],
		[["--actor", "reference", "--seed", "1", "--runs", "5"], "--seed shows one run"],
		[["--actor", "reference", "--seed", "1", "--corpus", directory], "--seed shows one run"],
		[["--actor", "reference", "--seed", "1", "--known", "a/b"], "each name a run"],
		[["--actor", "reference", "--seed", "1", "--depth", "1"], "--depth is for --explore crashes"],
		[["--actor", "reference", "--seed", "1", "--way", "2"], "--way hosts what --plan says"],
		[["--actor", "reference", "--engine", "rivet-2.1.3"], "--engine and --actor each name what is under test"],
		[["--actor", "reference", "--compare", "a", "b"], "--compare is about workflow engines"],
		[["--actor", "reference", "--faults", "torn"], 'No plan of actors has the fault "torn"; choose from crash,'],
		[["--runner", "reference", "--faults", "evict"], 'No plan of runners has the fault "evict"; choose from cut,'],
		[["--actor", "reference", "--explore", "crashes", "--faults", "slow"], "knows crash; slow is for seeds"],
		[["--actor", "reference", "--explore", "crashes", "--doublecheck"], "--explore crashes has none"],
		[["--actor", "reference", "--explore", "schedules"], "--explore schedules is about workflow engines"],
		[["differ", "--actor", "reference"], "differ takes no --actor: leave it out."],
		[["merge", "shards", "--runner", "reference"], "merge takes no --runner: leave it out."],
		[["matrix", "--actor", "all", "--shard", "1/2"], "leave --shard out"],
		[["expectations", "--actor", "reference", "--corpus", directory], "--corpus is for exploring"],
		[["mutants", "--actor", "reference", "--update"], "leave --update out"],
		[["mutants", "--actor", "rivetkit-2.2.1"], "Mutants are made of the reference"],
		[["matrix", "--runner", "nobody"], 'Unknown runner "nobody"'],
		[["replay", broken], "is no reproducer"],
		[["replay", broken, "--property", "a.b"], "leave --property out"],
		[["replay", "bug.repro", "--actor", "reference"], "bug.repro is of a workflow engine: leave --actor out."],
		[["shrink", broken], "is of an actor or a runner"],
		[["emit", broken], "is of an actor or a runner"],
	])("%j", async (options, why) => {
		const { code, stderr } = await sim(options);
		expect(stderr).toContain(why);
		expect(stderr.trim().split("\n")).toHaveLength(1);
		expect(code).toBe(2);
	});
});
