/** Renderers are pure functions of the report. */
import { describe, expect, it } from "vitest";
import { json } from "../reports/json.ts";
import { junit } from "../reports/junit.ts";
import { searchText } from "../reports/ledger.ts";
import {
	type CrashSearchResult,
	type CrashWindow,
	exitCodeOf,
	type Finding,
	type Report,
	SCHEMA_VERSION,
	type ScheduleSearchResult,
	type SearchResult,
} from "../reports/model.ts";
import { story } from "../reports/story.ts";
import { terminal } from "../reports/terminal.ts";
import { count, NO_PAINT, time } from "../reports/text.ts";

const REPORT: Report = {
	schemaVersion: SCHEMA_VERSION,
	tool: { name: "faultline", version: "0.0.0" },
	settings: { from: 1, runs: 10 },
	target: { engine: "rivet-0", driver: "memory" },
	verdict: "fail",
	exitCode: 1,
	problems: [],
	interrupted: false,
	counts: {
		runs: 12_345,
		interruptedRuns: 12_000,
		crashes: 1,
		evictions: 2,
		processes: 3,
		events: 4,
		durableWrites: 5,
		rerun: 6,
	},
	findings: [
		{
			id: "queue.no-loss/lost",
			property: "queue.no-loss",
			kind: "lost",
			verdict: "fail",
			runs: 3,
			programs: [{ name: "queue-loop", runs: 3 }],
			example: {
				seed: 7,
				program: "queue-loop",
				conditions: ["live hosting", "crash after durable write 9"],
				message: `a long message about <m1> & "others", ${"word ".repeat(60)}`,
				digest: "ab",
				command: "pnpm sim --seed 7",
			},
		},
		{
			id: "replay.pure/wrote",
			property: "replay.pure",
			kind: "wrote",
			verdict: "known",
			runs: 1,
			programs: [],
			reason: "It writes again.",
		},
		{ id: "step.backoff/early", property: "step.backoff", kind: "early", verdict: "fixed", runs: 0, programs: [] },
	],
	properties: [
		{ id: "queue.no-loss", suite: "queue", claim: "c", source: "docs", verdict: "fail", checked: 9, skipped: [] },
		{ id: "replay.pure", suite: "replay", claim: "c", source: "docs", verdict: "known", checked: 9, skipped: [] },
		{ id: "step.backoff", suite: "steps", claim: "c", source: "docs", verdict: "fixed", checked: 9, skipped: [] },
		{
			id: "timer.never-early",
			suite: "timers",
			claim: "c",
			source: "docs",
			verdict: "skip",
			checked: 0,
			skipped: [{ reason: "not selected", runs: 9 }],
		},
	],
	coverage: {
		faults: [{ kind: "crash", planned: 10, fired: 9, windows: 8 }],
		programs: [{ name: "queue-loop", runs: 10, writes: 20, crashedAt: 9 }],
	},
	timings: { seconds: 1, runsPerSecond: 10, virtualDays: 3 },
};

describe("the terminal report", () => {
	it("fits 80 columns and has no colours unless painted", () => {
		const text = terminal(REPORT);
		expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
		expect(text).not.toContain("\u001b");
	});

	it("gives each new finding its command, each known one its reason, each fixed one what to do", () => {
		const text = terminal(REPORT);
		expect(text).toMatch(/FAIL +queue\.no-loss {2}lost +3 runs/);
		expect(text).toContain("pnpm sim --seed 7");
		expect(text).toContain("It writes again.");
		expect(text).toContain("pnpm sim expectations --update");
		expect(text).toMatch(/1 new, 1 listed but fixed, 1 known/);
	});

	it.each([
		[0.2, "less than a day"],
		[1.2, "1 day"],
		[3, "3 days"],
	])("tells %d virtual days as %s", (virtualDays, told) => {
		const text = terminal({ ...REPORT, timings: { ...REPORT.timings, virtualDays } });
		expect(text).toContain(`\n${told} of virtual time in 1.0 s`);
	});

	it("names many known findings and tells what is new in full, once more where it ends", () => {
		const known = (i: number): Finding => ({
			...{ id: `replay.divergence-detected/${"long-".repeat(i)}${i}`, property: "replay.divergence-detected" },
			...{ kind: `${"long-".repeat(i)}${i}`, verdict: "known", runs: i, programs: [], reason: "Told at length." },
		});
		const many = { ...REPORT, findings: [...REPORT.findings, ...Array.from({ length: 10 }, (_, i) => known(i))] };
		expect(terminal(many, { brief: true })).toBe(terminal(many));
		const more = {
			...many,
			findings: [...many.findings, ...many.findings.filter(({ verdict }) => verdict === "known")],
		};
		const text = terminal(more, { brief: true });
		expect(text).not.toContain("Told at length.");
		expect(text).toMatch(/^known {4}replay\.divergence-detected {2}long-1 +1 run$/m);
		expect(text).toMatch(/^2 more that no seed came upon/m);
		expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
		expect(text.split("\n").slice(-3)).toEqual(["new    queue.no-loss/lost", "       pnpm sim --seed 7", ""]);
		expect(terminal(more).match(/Told at length\./g)).toHaveLength(20);
	});

	it("names the problem of an invalid result", () => {
		const text = terminal({ ...REPORT, verdict: "invalid", findings: [], problems: ["fs.readFile was called"] });
		expect(text).toMatch(/fs\.readFile was called\nINVALID/);
	});
});

describe("a disputed finding", () => {
	const finding: Finding = {
		...{ id: "queue.fifo/late", property: "queue.fifo", kind: "late", verdict: "disputed", runs: 2, programs: [] },
		disputed: "the docs say no word of it",
		affects: ["rivet-0", "rivet-1"],
	};
	const property = { suite: "queue", claim: "c", source: "docs", checked: 9, skipped: [] };
	const report: Report = {
		...REPORT,
		verdict: "disputed",
		exitCode: 0,
		findings: [finding],
		properties: [{ ...property, id: "queue.fifo", verdict: "disputed" }],
	};

	it("is told apart from failures, with why it is one", () => {
		const text = terminal(report);
		expect(text).toMatch(/^disputed queue\.fifo {2}late +2 runs$/m);
		expect(text).toContain("A matter of reading: the docs say no word of it");
		expect(text).toContain("affects rivet-0, rivet-1");
		expect(text).toMatch(/^disputed {2}rivet-0: 1 disputed$/m);
	});

	it("neither fails nor passes its case in JUnit", () => {
		expect(junit(report)).toMatch(/<skipped\/>/);
		expect(junit(report)).toContain("a matter of reading: the docs say no word of it");
		const failing = { ...finding, id: "queue.fifo/lost", kind: "lost", verdict: "fail" as const };
		expect(junit({ ...report, findings: [finding, failing] })).toMatch(/<failure[^>]*queue.fifo\/lost \(fail\)/);
	});
});

describe("the space of generated programs", () => {
	const coverage: Report["coverage"] = {
		...REPORT.coverage,
		programs: [...REPORT.coverage.programs, { name: "generated", runs: 5 }],
		generated: {
			runs: 5,
			kinds: [
				{ kind: "step", ran: 5, crashedIn: 2 },
				{ kind: "race", ran: 1, crashedIn: 0 },
			],
			traits: [{ trait: "values", ran: 3 }],
			nestings: [{ outer: "race", inner: "step", ran: 1 }],
			never: ["race > race", "crash in race"],
		},
		avoided: [
			{ shape: "race", meaning: "a race", entries: ["queue.no-loss/lost"], avoided: 7, ran: 1 },
			{ shape: "batch", meaning: "several messages taken at once", entries: [], avoided: 2, ran: 0 },
		],
	};
	const text = terminal({ ...REPORT, coverage });

	it("tells what ran, and what never did", () => {
		expect(text).toContain("reached: step 5, race 1");
		expect(text).toContain("a process died in: step 2\n");
		expect(text).toContain("inside race: step 1");
		expect(text).toContain("never ran: race > race, crash in race");
		expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
	});

	it("tells what was avoided, how often, and for which known failure", () => {
		expect(text).toContain("race (a race): 7 seeds avoided it, 1 ran it; since queue.no-loss/lost");
		expect(text).toMatch(/batch \(several messages taken at once\): 2 seeds avoided it, 0 ran it; as\s+asked for/);
		expect(terminal(REPORT)).not.toMatch(/avoided|generated programs,/);
	});

	it("counts crash points of listed programs only", () => {
		expect(text).toContain("crash points: 9 durable writes of 20");
	});
});

describe("what was searched", () => {
	const windows: readonly CrashWindow[] = [
		{ from: 0, operation: "kv.set", detail: "workflow input", crossed: 3, crossedInRecovery: 1_204 },
		{ from: 1, operation: "queue.append", detail: `message ${"m".repeat(80)}`, crossed: 0, crossedInRecovery: 0 },
		{ from: 2, operation: "end", detail: "", crossed: 1, crossedInRecovery: 0 },
	];
	const crashes: CrashSearchResult = {
		...{ kind: "crashes", program: "simple", mode: "live", depth: 2, ways: 1_300, states: 1_204, explored: 1_204 },
		...{ exhausted: true, joined: 96, checked: 53, bounded: [], windows },
		faults: [{ kind: "crash", ways: 1_300, places: 40 }],
	};
	const schedules: ScheduleSearchResult = {
		...{ kind: "schedules", program: "join", mode: "yield", departures: 2, schedules: 30, explored: 30 },
		...{ exhausted: true, choices: 11, widest: 4 },
	};
	const textOf = (search: SearchResult, full = true) => searchText(search, 80, NO_PAINT, full);

	it("fits 80 columns, whatever a window is called", () => {
		const bounded = ["of more than 4 entries of one write: each alone, all but each, each beginning"];
		for (const search of [{ ...crashes, bounded }, schedules]) {
			expect(
				textOf(search)
					.split("\n")
					.filter((line) => line.length > 80),
			).toEqual([]);
		}
	});

	it("has a line for each window, a dark one told as such", () => {
		const text = textOf(crashes);
		expect(text).toMatch(/^ +0 → 1 +kv\.set workflow input +3 +1 204$/m);
		expect(text).toMatch(/^ +1 → 2 +queue\.append message m+… +dark +0$/m);
		expect(text).toMatch(/^ +2 +end +1 +0$/m);
		expect(text).toMatch(/^ {2}2 of 3 crash windows crossed, 1 dark$/m);
	});

	it("has only the dark ones when it is one of many", () => {
		const text = textOf(crashes, false);
		expect(text).toMatch(/queue\.append/);
		expect(text).not.toMatch(/kv\.set/);
		const lit = { ...crashes, windows: windows.filter(({ crossed }) => crossed > 0) };
		expect(textOf(lit, false)).not.toMatch(/window +up to/);
		expect(textOf(lit, false)).toMatch(/^ {2}2 of 2 crash windows crossed$/m);
	});

	it.each<[SearchResult, RegExp]>([
		[crashes, /^ {2}Exhausted to depth 2: 1 204 of 1 204 states\.$/m],
		[{ ...crashes, explored: 9, exhausted: false }, /^ {2}Not exhausted: 9 of 1 204 states known so far\.$/m],
		[{ ...crashes, states: 0, explored: 0, exhausted: false, windows: [] }, /^ {2}Not begun\.$/m],
		[schedules, /^ {2}Exhausted to 2 departures: 30 of 30 orders\.$/m],
		[{ ...schedules, explored: 3, exhausted: false }, /^ {2}Not exhausted: 3 of 30 orders known so far\.$/m],
	])("says whether it came to its end", (search, sentence) => {
		expect(textOf(search)).toMatch(sentence);
		expect(textOf(search).match(/xhausted|Not begun/g)).toHaveLength(1);
	});

	it("says that no bound was set, where none was", () => {
		const { departures: _, ...unbounded } = schedules;
		expect(textOf(unbounded)).toMatch(/^join, yield hosting: every order\n/);
		expect(textOf(unbounded)).toMatch(/^ {2}Exhausted: 30 of 30 orders\.$/m);
	});

	it("is in the report, in full for one program and only what is dark for several", () => {
		const reportOf = (...searches: SearchResult[]) =>
			terminal({ ...REPORT, coverage: { ...REPORT.coverage, searches } });
		expect(reportOf(crashes, { ...crashes, mode: "yield" })).toMatch(/kv\.set workflow input/);
		expect(reportOf(crashes, { ...crashes, program: "other" })).not.toMatch(/kv\.set workflow input/);
		expect(terminal(REPORT)).not.toMatch(/xhausted/);
	});
});

describe("JUnit", () => {
	it("has a case for each property: failed when new or fixed, skipped when not checked, passed when known", () => {
		const xml = junit(REPORT);
		const outcomeOf = (id: string) => {
			const body = new RegExp(`<testcase[^>]*name="${id}"[^>]*>([\\s\\S]*?)</testcase>`).exec(xml)?.[1] ?? "";
			return /<failure/.test(body) ? "failed" : /<skipped/.test(body) ? "skipped" : "passed";
		};
		expect(REPORT.properties.map(({ id }) => [id, outcomeOf(id)])).toEqual([
			["queue.no-loss", "failed"],
			["replay.pure", "passed"],
			["step.backoff", "failed"],
			["timer.never-early", "skipped"],
		]);
	});

	it("is an error in every case when the result is invalid", () => {
		const xml = junit({ ...REPORT, verdict: "invalid", problems: ["it leaked"] });
		expect(xml.match(/<error[^>]*it leaked/g)).toHaveLength(REPORT.properties.length);
	});
});

describe("JSON", () => {
	it("is the model as it is", () => {
		expect(JSON.parse(json(REPORT))).toEqual(REPORT);
	});
});

describe("the exit code", () => {
	it.each([
		["pass", 0],
		["known", 0],
		["disputed", 0],
		["skip", 0],
		["fail", 1],
		["fixed", 1],
		["invalid", 3],
	] as const)("of %s is %i", (verdict, code) => {
		expect(exitCodeOf(verdict)).toBe(code);
	});
});

describe("a story", () => {
	const options = { describeKey: (_table: string, key: string) => `key ${key}`, remarks: [] };

	it("tells a crash, what was unanswered, and the remark about it, in order", () => {
		const events = [
			{ at: 1_500, process: 1, kind: "process.crash", data: { why: "planned", inFlight: ["kv.batch"] } },
			{ at: 1_500, process: 2, kind: "process.start", data: { name: "host" } },
		];
		expect(story(events, { ...options, remarks: [{ event: 0, text: "property: broke" }] }).split("\n")).toEqual([
			"        1.5 s  1 CRASH (planned); unanswered: kv.batch",
			"                   ^ property: broke",
			"               2 process starts",
		]);
	});

	it("tells kinds it has no words for only when everything is to be told", () => {
		const events = [{ at: 0, process: 1, kind: "novel", data: { a: 1 } }];
		expect(story(events, options)).toBe("");
		expect(story(events, { ...options, verbose: true })).toContain("novel { a: 1 }");
	});
});

describe("text", () => {
	it.each([
		[0, "0"],
		[15, "15 ms"],
		[1_250, "1.25 s"],
		[60_000, "1 min"],
		[2_592_001_000, "30 d 1 s"],
	])("%i ms is %s", (ms, text) => {
		expect(time(ms)).toBe(text);
	});

	it("groups digits by three", () => {
		expect([1, 999, 1_000, 1_234_567].map(count)).toEqual(["1", "999", "1 000", "1 234 567"]);
	});
});
