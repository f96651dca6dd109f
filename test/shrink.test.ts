/**
 * The shrinker keeps the failure and drops the rest. Its measure is a planted bug that takes three faults in a program of
 * thirty statements; its use is shown on what the newest published engine gets wrong.
 */
import { describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { drawProgram } from "../fixtures/generators/draw.ts";
import { GENERATED, programOf } from "../fixtures/generators/interpret.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import { countStatements } from "../fixtures/generators/statement.ts";
import { holdsBackWhenDegraded } from "../fixtures/mutants/planted.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { Explorer, type Judgement } from "../sim/explore/explorer.ts";
import { placeOf, Tracer } from "../sim/explore/shrink/anchor.ts";
import { describeShrink, shrink } from "../sim/explore/shrink/shrink.ts";
import { simplerFaults, simplerMessages, simplerSurroundings } from "../sim/explore/shrink/simpler.ts";
import { type Fault, type FaultPlan, NO_LATENCY } from "../sim/world/faults.ts";
import type { WorldEvents } from "../sim/world/history.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";
import type { Property } from "../suites/property.ts";
import type { Scenario } from "../suites/scenario.ts";
import { explorerOf } from "./support/explorer.ts";
import { knownFailures } from "./support/known.ts";

const PLAIN: Omit<Scenario, "program" | "faults"> = {
	seed: "1",
	hosting: { mode: "live", restartMs: 0, coldWake: false },
	latency: NO_LATENCY,
	inFlight: "lost",
};

/** Under everything that a campaign may draw. */
const HARD: Omit<Scenario, "program" | "faults"> = {
	seed: "19",
	hosting: { mode: "live", restartMs: 10, coldWake: true },
	latency: { minMs: 1, maxMs: 5, answerMaxMs: 5 },
	inFlight: "drawn",
};

function kindsOf({ violations }: Judgement): string[] {
	return [...new Set(violations.map(({ property, violation }) => `${property.id}/${violation.kind}`))];
}

describe("a planted bug of three faults in a program of thirty statements", () => {
	const RAN_AGAIN = { property: "step.committed-once", kind: "ran-again" };
	const id = "step.committed-once/ran-again";
	const { statements, inputs } = drawProgram(9, { size: 30, kinds: ["step", "sleep", "receive", "loop"] });
	const faults: FaultPlan = [
		{ kind: "crash", write: 52, side: "after" },
		{ kind: "crash", write: 59, side: "after" },
		{ kind: "crash", write: 110, side: "after" },
	];
	const scenario: Scenario = { ...HARD, program: GENERATED, statements, inputs, faults };

	async function explorers(): Promise<{ right: Explorer; wrong: Explorer }> {
		const target = { engine: await loadRivet(NEWEST), storage: memoryStorage };
		const properties = PROPERTIES.filter(({ id }) => id === RAN_AGAIN.property);
		return {
			right: new Explorer(target, [], properties),
			wrong: new Explorer(holdsBackWhenDegraded.plant(target), [], properties),
		};
	}

	/** What shows with each choice of the faults of a scenario, but for all of them. */
	function withFewerFaults(explorer: Explorer, whole: Scenario): string[] {
		const program = explorer.programOf(whole) as NonNullable<ReturnType<Explorer["programOf"]>>;
		return Array.from({ length: 2 ** whole.faults.length - 1 }, (_, chosen) => chosen).flatMap((chosen) => {
			const some = whole.faults.filter((_, i) => (chosen & (1 << i)) !== 0);
			return kindsOf(explorer.judge({ ...whole, faults: some }, program));
		});
	}

	it("takes all three, and is not the engine's own", async () => {
		const { right, wrong } = await explorers();
		const program = programOf(statements, inputs);
		await inMacrotask(() => {
			expect(countStatements(statements)).toBe(30);
			expect(kindsOf(wrong.judge(scenario, program))).toEqual([id]);
			expect(withFewerFaults(wrong, scenario)).toEqual([]);
			expect(kindsOf(right.judge(scenario, program))).toEqual([]);
		});
	});

	it("shrinks to a few statements and the faults it needs", { timeout: 180_000 }, async () => {
		const { right, wrong } = await explorers();
		const shrunk = await shrink(wrong, scenario, RAN_AGAIN);
		const small = shrunk.scenario;
		expect(shrunk.exhausted).toBe(true);
		expect(countStatements(small.statements ?? [])).toBeLessThanOrEqual(5);
		expect(small.faults).toHaveLength(3);
		expect(small).toMatchObject({ ...PLAIN, inputs: [] });
		expect(kindsOf(shrunk.judgement)).toEqual([id]);
		expect(shrunk.judgement.unfired).toEqual([]);
		await inMacrotask(() => {
			expect(withFewerFaults(wrong, small)).toEqual([]);
			expect(kindsOf(right.judge(small, programOf(small.statements ?? [])))).toEqual([]);
		});
	});

	it("shrinks each time to the same", async () => {
		const { wrong } = await explorers();
		const [one, other] = [
			await shrink(wrong, scenario, RAN_AGAIN, { budget: 60 }),
			await shrink(wrong, scenario, RAN_AGAIN, { budget: 60 }),
		];
		expect(other.scenario).toEqual(one.scenario);
		expect(other.runs).toBe(one.runs);
		expect(other.judgement.run.history.digest()).toBe(one.judgement.run.history.digest());
	});

	it("keeps within its budget", async () => {
		const { wrong } = await explorers();
		const seen: number[] = [];
		const shrunk = await shrink(wrong, scenario, RAN_AGAIN, { budget: 60, onProgress: ({ runs }) => seen.push(runs) });
		expect(shrunk.runs).toBe(60);
		expect(shrunk.exhausted).toBe(false);
		expect(Math.max(...seen)).toBe(60);
		expect(countStatements(shrunk.scenario.statements ?? [])).toBeLessThan(30);
		expect(kindsOf(shrunk.judgement)).toEqual([id]);
	});

	it("is given back as small as it was when a signal came", async () => {
		const { wrong } = await explorers();
		const stop = new AbortController();
		let last: Scenario | undefined;
		const shrunk = await shrink(wrong, scenario, RAN_AGAIN, {
			signal: stop.signal,
			onProgress: ({ runs, scenario }) => {
				last = scenario;
				if (runs > 40) stop.abort();
			},
		});
		expect(shrunk.exhausted).toBe(false);
		expect(shrunk.scenario).toEqual(last);
		expect(countStatements(shrunk.scenario.statements ?? [])).toBeLessThan(30);
		expect(kindsOf(shrunk.judgement)).toEqual([id]);
	});
});

describe("findings of rivet-2.3.19", () => {
	const listed = knownFailures();
	const keptWith = (id: string): Scenario => {
		const entry = listed.find(({ property, kind }) => `${property}/${kind}` === id);
		if (entry === undefined) throw new Error(`${id} is not listed.`);
		return entry.scenario;
	};

	it("a message lost in a crash: one message, one crash, nothing else", async () => {
		const explorer = await explorerOf({ programs: ["queue-loop"] });
		const scenario: Scenario = {
			...HARD,
			hosting: { mode: "yield", restartMs: 45_000, coldWake: true },
			program: "queue-loop",
			faults: [
				{ kind: "slow", operation: 20, ms: 400 },
				{ kind: "evict", event: 60 },
				{ kind: "crash", write: 47, side: "after" },
				// This one finds no place to strike.
				{ kind: "crash", event: 3_000 },
			],
		};
		const shrunk = await shrink(explorer, scenario, { property: "queue.no-loss", kind: "taken-then-crashed" });
		expect(shrunk.scenario).toEqual({
			...PLAIN,
			program: "queue-loop",
			inputs: [{ atMs: 0, name: "counter", body: { delta: 1 } }],
			faults: [{ kind: "crash", write: expect.any(Number), side: expect.any(String) }],
		});
		expect(kindsOf(shrunk.judgement)).toContain("queue.no-loss/taken-then-crashed");
		expect(describeShrink(shrunk.original, shrunk.judgement)).toMatch(
			/^20 messages -> 1, 4 faults -> 1, \d+ events -> \d+$/,
		);
	});

	it("a name lost by overlapping flushes: no fault at all", async () => {
		const id = "replay.parallel-safe/name-lost";
		const explorer = await explorerOf({ programs: ["fan-out"] });
		const failure = { property: "replay.parallel-safe", kind: "name-lost" };
		const shrunk = await shrink(explorer, keptWith(id), failure);
		expect(shrunk.scenario.faults).toEqual([]);
		expect(shrunk.scenario.hosting).toEqual(PLAIN.hosting);
		expect(kindsOf(shrunk.judgement)).toContain(id);
	});

	it.each([
		["replay.pure/failed-ran-body", 0],
		["step.committed-once/ran-again", 1],
		["queue.no-loss/taken-then-crashed", 1],
	])("%s: %d faults", async (id, faults) => {
		const [property = "", kind = ""] = id.split("/");
		const scenario = keptWith(id);
		const shrunk = await shrink(await explorerOf({ programs: [scenario.program] }), scenario, { property, kind });
		expect(shrunk.exhausted).toBe(true);
		expect(shrunk.scenario.faults).toHaveLength(faults);
		expect(shrunk.scenario).toMatchObject({ seed: expect.stringMatching(/^[1-6]$/), hosting: { mode: "live" } });
		expect(kindsOf(shrunk.judgement)).toContain(id);
		expect(shrunk.judgement.unfired).toEqual([]);
	});

	it("nested blocks that a later start does not find: the two loops and the sleep that wakes them", async () => {
		const explorer = await explorerOf({ programs: [] });
		const loop = (name: string, times: number, body: readonly Statement[]): Statement => ({
			kind: "loop",
			name,
			times,
			body,
		});
		const step = (name: string): Statement => ({ kind: "step", name });
		const statements = [
			step("a"),
			loop("outer", 4, [step("b"), loop("inner", 3, [step("c"), { kind: "sleep", name: "d", ms: 60_000 }]), step("e")]),
			step("f"),
		];
		const scenario: Scenario = { ...HARD, program: GENERATED, statements, inputs: [], faults: [] };
		const shrunk = await shrink(explorer, scenario, {
			property: "replay.every-state-recovers",
			kind: "diverged-uninterrupted",
		});
		expect(countStatements(shrunk.scenario.statements ?? [])).toBeLessThanOrEqual(4);
		expect(JSON.stringify(shrunk.scenario.statements)).toMatch(/"outer".*"inner"/);
		expect(kindsOf(shrunk.judgement)).toContain("replay.every-state-recovers/diverged-uninterrupted");
	});
});

describe("shrinking", () => {
	/** Breaks in one of two ways, by how many messages there are. */
	const twoFaced: Property = {
		id: "test.two-faced",
		claim: "There are no messages.",
		source: "test",
		mutants: [],
		check: ({ program, history }) => [
			{
				kind: (program.inputs ?? []).length >= 5 ? "many" : "few",
				message: "broken",
				event: history.events.length - 1,
			},
		],
	};
	const scenario: Scenario = { ...HARD, program: "queue-loop", faults: [{ kind: "crash", write: 30, side: "after" }] };

	async function twoFacedExplorer(): Promise<Explorer> {
		const { target } = await explorerOf();
		return new Explorer(
			target,
			PROGRAMS.filter(({ name }) => name === "queue-loop"),
			[twoFaced],
		);
	}

	it("never takes a failure of another kind", async () => {
		const explorer = await twoFacedExplorer();
		const shrunk = await shrink(explorer, scenario, { property: twoFaced.id, kind: "many" });
		expect(shrunk.scenario.inputs).toHaveLength(5);
		expect(shrunk.scenario.faults).toEqual([]);
		expect(kindsOf(shrunk.judgement)).toEqual(["test.two-faced/many"]);
	});

	it("refuses a failure that the scenario does not show", async () => {
		const explorer = await twoFacedExplorer();
		await expect(shrink(explorer, scenario, { property: twoFaced.id, kind: "few" })).rejects.toThrow(
			"The scenario does not break test.two-faced by few; name a failure that it shows.",
		);
		await expect(
			shrink(explorer, { ...scenario, program: "gone" }, { property: twoFaced.id, kind: "many" }),
		).rejects.toThrow('There is no program "gone"');
	});

	it("leaves what is smallest already as it is", async () => {
		const explorer = await explorerOf({ programs: ["simple"] });
		const smallest: Scenario = { ...PLAIN, program: "simple", faults: [] };
		const shrunk = await shrink(explorer, smallest, {
			property: "replay.pure",
			kind: "completed-wrote-workflow-output",
		});
		expect(shrunk.scenario).toEqual(smallest);
		expect(shrunk.exhausted).toBe(true);
	});
});

describe("an anchor", () => {
	const statements: readonly Statement[] = [
		{ kind: "step", name: "a" },
		{
			kind: "loop",
			name: "l",
			times: 3,
			body: [
				{ kind: "step", name: "b" },
				{ kind: "step", name: "c" },
			],
		},
		{ kind: "step", name: "d" },
	];
	const faults: FaultPlan = [
		{ kind: "crash", write: 10, side: "after" },
		{ kind: "slow", operation: 38, ms: 5 },
		{ kind: "crash", event: 46 },
	];

	async function setUp() {
		const { target } = await explorerOf({ programs: [] });
		const tracer = new Tracer(target);
		const explorer = new Explorer(tracer.target, [], []);
		const judge = (program: readonly Statement[], plan: readonly Fault[]) =>
			explorer.judge({ ...PLAIN, program: GENERATED, statements: program, faults: plan }, programOf(program)).run;
		return { tracer, judge };
	}
	/** What was going on when each fault struck. */
	const windowsOf = (run: Judgement["run"]) => run.of("fault").map(({ data }) => (data as WorldEvents["fault"]).window);

	it("finds in the same program the place that it was made of", async () => {
		const { tracer, judge } = await setUp();
		await inMacrotask(() => {
			const whole = judge(statements, faults);
			expect(whole.fired.size).toBe(3);
			tracer.anchors(whole).forEach((anchor, i) => {
				const [place] = tracer.resolve(anchor, judge(statements, faults.slice(0, i)));
				const fault = faults[i] as Fault;
				expect(place).toBe(placeOf(fault));
			});
		});
	});

	it("finds the same moment when what came before it is gone", async () => {
		const { tracer, judge } = await setUp();
		await inMacrotask(() => {
			const whole = judge(statements, [{ kind: "crash", write: 10, side: "after" }]);
			const [anchor] = tracer.anchors(whole);
			const shorter = statements.slice(1);
			const [place = 0] = tracer.resolve(anchor as NonNullable<typeof anchor>, judge(shorter, []));
			expect(place).toBeLessThan(10);
			const moved = judge(shorter, [{ kind: "crash", write: place, side: "after" }]);
			expect(windowsOf(moved)).toEqual(windowsOf(whole));
			expect(windowsOf(whole)).toHaveLength(1);
		});
	});

	it("has no place after a fault that did not strike", async () => {
		const { tracer, judge } = await setUp();
		await inMacrotask(() => {
			const [anchor] = tracer.anchors(judge(statements, faults.slice(0, 1)));
			const missed = judge(statements, [{ kind: "crash", write: 9_999, side: "after" }]);
			expect(tracer.resolve(anchor as NonNullable<typeof anchor>, missed)).toEqual([]);
		});
	});

	it("changes nothing in the run that it is made of", async () => {
		const { judge } = await setUp();
		const plainly = await explorerOf({ programs: [], properties: [] });
		await inMacrotask(() => {
			const scenario: Scenario = { ...PLAIN, program: GENERATED, statements, faults };
			expect(judge(statements, faults).history.digest()).toBe(
				plainly.judge(scenario, programOf(statements)).run.history.digest(),
			);
		});
	});
});

describe("what is simpler", () => {
	it("than a crash between events is one at a write, and than torn writes and power loss a crash", () => {
		expect(simplerFaults({ kind: "crash", event: 40 }, 7)).toEqual([
			{ kind: "crash", write: 8, side: "before" },
			{ kind: "crash", write: 7, side: "after" },
		]);
		for (const fault of [
			{ kind: "torn", write: 8, kept: [0, 2] },
			{ kind: "power-loss", write: 8, lost: 2 },
		] as const) {
			expect(simplerFaults(fault, 7)[0]).toEqual({ kind: "crash", write: 8, side: "before" });
		}
		expect(simplerFaults({ kind: "crash", write: 3, side: "before", late: [0, 2] }, 2)).toEqual([
			{ kind: "crash", write: 3, side: "before" },
			{ kind: "crash", write: 3, side: "before", late: [2] },
			{ kind: "crash", write: 3, side: "before", late: [0] },
		]);
	});

	it("than messages at some time are ones at once, or with a gap closed and the others kept", () => {
		const at = (...times: number[]) => times.map((atMs) => ({ atMs, name: "x", body: null }));
		const candidates = simplerMessages(at(40, 44, 42), false).map((inputs) => inputs.map(({ atMs }) => atMs));
		expect(candidates[0]).toEqual([0, 0, 0]);
		expect(candidates).toContainEqual([0, 4, 2]);
		expect(candidates).toContainEqual([40, 42, 40]);
		expect(candidates).toContainEqual([40, 42, 42]);
	});

	it("than a schedule is none, then a shorter one", () => {
		const scheduled: Scenario = {
			...PLAIN,
			program: "simple",
			faults: [],
			schedule: { kind: "priorities", changes: [3, 9] },
		};
		const [first, ...rest] = simplerSurroundings(scheduled);
		expect(first).toEqual({ ...PLAIN, program: "simple", faults: [] });
		expect(rest.slice(0, 2).map(({ schedule }) => schedule)).toEqual([
			{ kind: "priorities", changes: [9] },
			{ kind: "priorities", changes: [3] },
		]);
	});
});

describe("a finding of an ordinary campaign", () => {
	it("shrinks to at most six statements, also where the uninterrupted run fails", { timeout: 120_000 }, async () => {
		const explorer = new Explorer(
			{ engine: await loadRivet(NEWEST), storage: memoryStorage },
			[],
			PROPERTIES,
			undefined,
			true,
		);
		const found = new Map<string, { scenario: Scenario; property: string; kind: string }>();
		await inMacrotask(() => {
			for (let seed = 1; found.size < 12; seed++) {
				const { scenario, program } = explorer.draw(seed);
				for (const { property, violation } of explorer.judge(scenario, program).violations) {
					found.set(`${property.id}/${violation.kind}`, { scenario, property: property.id, kind: violation.kind });
				}
			}
		});
		const ends = new Set<string>();
		for (const [id, { scenario, ...failure }] of found) {
			const { scenario: small, judgement } = await shrink(explorer, scenario, failure, { budget: 1_000 });
			expect(countStatements(small.statements ?? []), id).toBeLessThanOrEqual(6);
			expect(kindsOf(judgement)).toContain(id);
			const program = programOf(scenario.statements ?? [], scenario.inputs);
			await inMacrotask(() => ends.add(explorer.reference(program, scenario.hosting.mode).outcome.status));
		}
		expect(ends).toContain("completed");
		expect(ends).toContain("failed");
	});
});
