/** Two engines on the same seeds: what a user would see differ, what explains it, and what nothing explains. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { programOf } from "../fixtures/generators/interpret.ts";
import { MUTANTS } from "../fixtures/mutants/index.ts";
import { type Target, withEngine } from "../fixtures/mutants/mutant.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { differMarkdown, differText } from "../reports/differ.ts";
import type { DifferReport } from "../reports/model.ts";
import { differ } from "../sim/explore/compare/differ.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import type { Fault } from "../sim/world/faults.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { differencesOf, freedomOf, uncomparable } from "../suites/differ.ts";
import { PROPERTIES } from "../suites/index.ts";
import { execute, type Run } from "../suites/run.ts";
import { expectRefusal, sim } from "./support/cli.ts";

const base: Target = { engine: await loadRivet(NEWEST), storage: memoryStorage };
const named = (target: Target, name: string): Target => ({ ...target, engine: { ...target.engine, name } });

/** An engine that does something to what every workflow returns. */
function returning(name: string, change: (output: unknown) => unknown): Target {
	const wrong = withEngine(base, (runWorkflow) => (id, workflow, input, driver, options) => {
		const changed: typeof workflow = async (...started) => change(await workflow(...started)) as never;
		return runWorkflow(id, changed, input, driver, options);
	});
	return named(wrong, name);
}

function explorer(target: Target, programs: readonly string[]): Explorer {
	const chosen = PROGRAMS.filter(({ name }) => programs.includes(name));
	return new Explorer(target, chosen, PROPERTIES, new Set<Fault["kind"]>(["crash", "evict"]));
}

async function compared(against: Target, programs: readonly string[], runs: number) {
	return await differ(
		{ engine: explorer(base, programs), against: explorer(against, programs) },
		{ from: 1, runs, commandFor: (seed) => `again ${seed}` },
	);
}

describe("two engines", () => {
	it("that are one differ in nothing", async () => {
		const { verdict, counts } = await compared(named(base, "same"), ["simple", "join", "race"], 150);
		expect(verdict).toBe("pass");
		expect(counts.same).toBeGreaterThan(50);
		expect(counts.uncomparable).toBeGreaterThan(20);
		expect(counts).toMatchObject({ explained: 0, unexplained: 0, free: 0, runs: 150 });
	});

	it("of which one breaks a property differ by that", async () => {
		const mutant = MUTANTS.find(({ name }) => name === "driver-drops-names");
		const { verdict, explained } = await compared(named(mutant?.plant(base) as Target, "wrong"), ["simple"], 60);
		expect(explained[0]).toMatchObject({
			...{ id: "replay.every-state-recovers/missing-name-uninterrupted", side: "against" },
			kinds: { "completed-against-unrecoverable": explained[0]?.seeds },
			example: { program: "simple", command: `again ${explained[0]?.example.seed}` },
		});
		expect(verdict).toBe("pass");
	});

	it("of which one is wrong as it always is, differ in a way that no property explains", async () => {
		const off = returning("off", (output) => ({ off: output }));
		const { verdict, findings, counts } = await compared(off, ["simple"], 30);
		expect(verdict).toBe("fail");
		expect(findings).toHaveLength(1);
		expect(findings[0]).toMatchObject({
			...{ id: "differ.unexplained/other-output", verdict: "fail", runs: counts.unexplained },
			programs: [{ name: "simple", runs: counts.unexplained }],
			example: { seed: 1, command: "again 1" },
		});
		expect(findings[0]?.example?.message).toMatch(/^rivet-2\.3\.19: completed with .*; off: completed with \{"off": /);
		expect(counts.unexplained).toBe(30);
	});

	it("say nothing when nothing could be compared", async () => {
		const { verdict, problems } = await compared(named(base, "same"), ["race"], 5);
		expect([verdict, problems]).toEqual(["invalid", ["nothing was compared"]]);
	});
});

describe("what differs", () => {
	const program = PROGRAMS.find(({ name }) => name === "simple") as (typeof PROGRAMS)[number];
	const run = (target: Target) => inMacrotask(() => execute(referenceScenario(program, "live"), program, target));

	it.each<[string, Target, string[]]>([
		["nothing", base, []],
		["the output", returning("b", () => "another"), ["other-output"]],
		[
			"the way it ends",
			returning("b", () => {
				throw new Error("no");
			}),
			["completed-against-failed"],
		],
	])("%s", async (_name, target, kinds) => {
		expect(differencesOf(await run(base), await run(target)).map(({ kind }) => kind)).toEqual(kinds);
	});

	it.each<[string, (run: Run) => Run, string]>([
		["what was done to the outside", (run) => dropping(run, "effect"), "other-effects"],
		["the messages left", (run) => ({ ...run, queued: [{ id: "m9", name: "x" }] }), "other-messages"],
		["the order of steps", swapping, "other-order"],
	])("%s", async (_name, change, kind) => {
		const one = await run(base);
		expect(differencesOf(one, change(one)).map((difference) => difference.kind)).toEqual([kind]);
	});

	it("is not the order of branches that run side by side", async () => {
		const one = await run(base);
		const parallel = { ...one, program: { ...one.program, parallel: true } };
		expect(differencesOf(parallel, swapping(parallel))).toEqual([]);
	});

	it("is not the order of what only one did", async () => {
		const one = await run(base);
		expect(differencesOf(one, dropping(one, "step.return"))).toEqual([]);
	});
});

/** The run with the results of its first two steps the other way round. */
function swapping(run: Run): Run {
	const [first, second] = run.of("step.return");
	if (first === undefined || second === undefined) throw new Error("Two steps are needed.");
	const events = run.history.events.map((event) => (event === first ? second : event === second ? first : event));
	return { ...run, history: Object.assign(Object.create(Object.getPrototypeOf(run.history)), { events }) };
}

/** The run without the first event of a kind. */
function dropping(run: Run, kind: string): Run {
	const events = [...run.history.events];
	events.splice(
		events.findIndex((event) => event.kind === kind),
		1,
	);
	const history = Object.assign(Object.create(Object.getPrototypeOf(run.history)), { events });
	return { ...run, history };
}

describe("what the program leaves open", () => {
	const step = (name: string) => ({ kind: "step", name, slowMs: 50 }) as const;
	const race = programOf([
		{
			...{ kind: "race", name: "race-1" },
			branches: [
				{ name: "a", body: [step("step-2")] },
				{ name: "b", body: [step("step-3")] },
			],
		},
	]);

	it("is which of two branches comes first", async () => {
		const runs = await inMacrotask(() =>
			Array.from({ length: 30 }, (_, seed) =>
				execute({ ...referenceScenario(race, "live"), seed: String(seed) }, race, base),
			),
		);
		const [first] = runs as [Run, ...Run[]];
		const other = runs.find((run) => differencesOf(first, run).length > 0) as Run;
		expect(other).toBeDefined();
		expect(freedomOf(first, other, differencesOf(first, other))).toBe("another branch came first");
		expect(freedomOf(first, first, [])).toBeUndefined();
	});

	it("is whether a value is refused that cannot be kept", async () => {
		const program = programOf([{ kind: "step", name: "step-1" }]);
		const one = await inMacrotask(() => execute(referenceScenario(program, "live"), program, base));
		const failing = (name: string): Run => ({ ...one, outcome: { status: "failed", error: { name, message: "no" } } });
		const freedom = (other: Run) => freedomOf(one, other, differencesOf(one, other));
		expect(freedom(failing("DataCloneError"))).toBe("what cannot be kept as it is may be refused");
		expect(freedom(failing("Error"))).toBeUndefined();
	});

	it("is how many messages a wait takes at once, as long as they are the same in the same order", async () => {
		const program = PROGRAMS.find(({ name }) => name === "batch-drainer") as (typeof PROGRAMS)[number];
		const one = await inMacrotask(() => execute(referenceScenario(program, "live"), program, base));
		const returns = one.of("queue.return");
		expect(returns.length).toBeGreaterThan(1);
		/** The first two waits as they were, or as one that was given the messages of both. */
		const taking = (atOnce: boolean): Run => {
			const [first, second] = returns.map(
				({ data }) => data as { readonly key: string; readonly ids: readonly string[] },
			);
			const both = { ...first, ids: [...(first?.ids ?? []), ...(second?.ids ?? [])] };
			const events = one.history.events
				.filter((event) => !atOnce || event !== returns[1])
				.map((event) => (atOnce && event === returns[0] ? { ...event, data: both } : event));
			return { ...one, history: Object.assign(Object.create(Object.getPrototypeOf(one.history)), { events }) };
		};
		expect(differencesOf(taking(false), taking(true))).toEqual([]);
		expect(freedomOf(taking(false), taking(true), [{ kind: "other-order", message: "" }])).toMatch(/to another wait/);
		expect(freedomOf(taking(false), taking(false), [{ kind: "other-order", message: "" }])).toBeUndefined();
		expect(freedomOf(taking(false), taking(true), [{ kind: "other-output", message: "" }])).toBeUndefined();
	});

	it.each<[string, readonly Fault[], RegExp | undefined]>([
		["a crash is survived wherever it strikes", [{ kind: "crash", write: 3, side: "after" }], undefined],
		["a cancellation counts where it strikes", [{ kind: "cancel", event: 3 }], /what an operator asks for/],
		["an operation is another one", [{ kind: "refused", operation: 3 }], /the operation that storage fails/],
		["a torn write is another one", [{ kind: "torn", write: 3, kept: [0] }], /lost or damaged/],
	])("%s", (_name, faults, reason) => {
		const found = uncomparable({ ...referenceScenario(race, "live"), faults }, { ...race });
		if (reason === undefined) expect(found).toBeUndefined();
		else expect(found).toMatch(reason);
	});
});

describe("pnpm sim differ", () => {
	let directory: string;
	beforeAll(() => {
		directory = mkdtempSync(join(tmpdir(), "faultline-"));
	});
	afterAll(() => {
		rmSync(directory, { recursive: true, force: true });
	});
	const PROGRAM = ["--program", "join-retry,queue-loop", "--faults", "crash"];

	it("tells of two versions, with commands that show each difference again", async () => {
		const args = ["differ", "--against", "rivet-2.1.3", ...PROGRAM, "--runs", "150"];
		const { stdout, code } = await sim([...args, "--report", directory]);
		const report = JSON.parse(readFileSync(join(directory, "differ.json"), "utf8")) as DifferReport;
		expect(
			stdout.split("\n").filter((line) => line.length > 80 && !/pnpm sim|written|^ +\S+differ\./.test(line)),
		).toEqual([]);
		// A step of a branch that fails once fails the join there, with and without crashes.
		expect(report.findings.map(({ id }) => id)).toEqual(["differ.unexplained/completed-against-failed"]);
		expect(report.leftOut).toEqual(["getVersion", "replayFrom", "try", "tryStep"]);
		expect(report).toMatchObject({ verdict: "fail", exitCode: 1, against: "rivet-2.1.3", interrupted: false });
		const { same, explained, unexplained, free, uncomparable: left } = report.counts;
		expect(same + explained + unexplained + free + left).toBe(150);
		expect(code).toBe(1);

		const command = report.findings[0]?.example?.command ?? "";
		expect(command).toMatch(
			/^pnpm sim differ --program join-retry,queue-loop --faults crash --against rivet-2\.1\.3 --seed \d+$/,
		);
		const again = await sim(command.replace("pnpm sim ", "").split(" "));
		expect(again.stdout).toMatch(/join-retry on rivet-2\.3\.19\n[\s\S]*join-retry on rivet-2\.1\.3\n/);
		expect(again.stdout).toMatch(
			/FAIL {3}differ\.unexplained\/completed-against-failed: rivet-2\.3\.19:\s+completed with/,
		);
		expect(again.stdout).toMatch(/digest [0-9a-f]{64} \(rivet-2\.1\.3\)\n$/);
		expect(again.code).toBe(1);
	});

	it("annotates, and is JSON and nothing else when asked", async () => {
		const args = ["differ", "--against", "rivet-2.1.3", ...PROGRAM, "--runs", "60", "--github", "--json"];
		const { stdout, stderr } = await sim(args);
		expect((JSON.parse(stdout) as DifferReport).schemaVersion).toBe(1);
		expect(stderr).toMatch(/^::error title=differ\.unexplained\/completed-against-failed \(\d+ runs\)::join-retry: /m);
	});

	it("knows what an earlier report has, and fails on the rest", async () => {
		const args = ["differ", "--against", "rivet-2.1.3", ...PROGRAM, "--runs", "60"];
		await sim([...args, "--report", directory, "--quiet"]);
		const file = join(directory, "differ.json");
		const { stdout, code } = await sim([...args, "--baseline", file]);
		expect(stdout).toMatch(/known {2}differ\.unexplained {2}completed-against-failed/);
		expect(stdout).toMatch(
			/known {2}rivet-2\.3\.19 against rivet-2\.1\.3: what no property explains is in the\s+baseline\n/,
		);
		expect(code).toBe(0);

		const report = JSON.parse(readFileSync(file, "utf8")) as DifferReport;
		writeFileSync(file, JSON.stringify({ ...report, findings: [] }));
		expect((await sim([...args, "--baseline", file])).code).toBe(1);
		writeFileSync(file, JSON.stringify({ ...report, verdict: "invalid" }));
		await expectRefusal([...args, "--baseline", file], /differ\.json cannot be a baseline: it is invalid/);
		writeFileSync(file, JSON.stringify({ ...report, against: undefined }));
		await expectRefusal([...args, "--baseline", file], /differ\.json is no report of differ of this version/);
	});

	it.each([
		["an engine against itself", ["differ", "--against", NEWEST], /against itself differs in nothing/],
		["an engine that is not there", ["differ", "--against", "rivet-9"], /Unknown engine "rivet-9"/],
		[
			"a program that one of them lacks",
			["differ", "--against", "rivet-2.1.3", "--program", "fallback"],
			/rivet-2\.3\.19 and rivet-2\.1\.3 cannot both run fallback/,
		],
	])("refuses %s", (_name, args, message) => expectRefusal(args, message));
});

describe("the report", () => {
	const report: DifferReport = {
		...{ schemaVersion: 1, tool: { name: "faultline", version: "0" }, settings: {}, command: "pnpm sim differ" },
		...{ target: { engine: "a", driver: "memory" }, against: "b", verdict: "pass", exitCode: 0, problems: [] },
		...{ interrupted: false, findings: [], leftOut: ["try"], seconds: 1 },
		counts: { runs: 10, same: 4, explained: 3, unexplained: 0, free: 1, uncomparable: 2 },
		explained: [
			{
				...{ id: `replay.names/${"long-".repeat(10)}`, side: "both", seeds: 3, kinds: { "other-output": 2, "a|b": 1 } },
				example: { seed: 4, program: "p", message: "m", command: "pnpm sim differ --seed 4" },
			},
		],
		free: [{ reason: "another branch came first", seeds: 1 }],
		uncomparable: [{ reason: "the code changes while it runs", seeds: 2 }],
	};

	it("adds up, names each finding with its side, and what was left out", () => {
		const text = differText(report);
		expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
		expect(text).toMatch(
			/replay\.names\/long-.*\n +both +3\n {2}other-output 2, a\|b 1\n {2}pnpm sim differ --seed 4\n/,
		);
		expect(text).toMatch(/10 seeds: 4 the same, 3 explained, 0 unexplained, 1 left open, 2 not compared/);
		expect(text).toMatch(/not drawn, since only one of them has it: try/);
		expect(text).toMatch(/pass {2}a against b: a property explains every difference\n$/);
	});

	it("is Markdown that no bar breaks", () => {
		expect(differMarkdown(report)).toContain("| both | 3 | other-output 2, a\\|b 1 | `pnpm sim differ --seed 4` |");
	});
});
