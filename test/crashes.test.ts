/**
 * Every crash state: states that are one have one key and others have others, and what the search finds, counts and calls
 * exhausted is what brute force over every way to crash finds and counts.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { withDriver } from "../fixtures/mutants/mutant.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import type { Program } from "../fixtures/programs/program.ts";
import type { CrashSearchResult } from "../reports/model.ts";
import { type CampaignOptions, type CampaignResult, campaign } from "../sim/explore/campaign/campaign.ts";
import { mergeTallies } from "../sim/explore/campaign/tally.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { Explorer, type Judgement } from "../sim/explore/explorer.ts";
import { CrashSearch } from "../sim/explore/search/crashes.ts";
import { type CrashState, StateKeys } from "../sim/explore/search/state-key.ts";
import { getOrInsert } from "../sim/world/collections.ts";
import { Disk, type DiskImage } from "../sim/world/disk.ts";
import { describeFault, type Fault, type FaultKind, type FaultPlan } from "../sim/world/faults.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { Process } from "../sim/world/process.ts";
import { drawUuid, Streams } from "../sim/world/random.ts";
import type { CrashPoint } from "../sim/world/state.ts";
import { PROPERTIES } from "../suites/index.ts";
import type { Snapshot, Target } from "../suites/run.ts";
import { bytesOf, textOf, tiny, tinyTarget } from "./support/tiny-engine.ts";

let published: Target;
beforeAll(async () => {
	published = { engine: await loadRivet(NEWEST), storage: memoryStorage };
});

const programNamed = (name: string) => PROGRAMS.find((program) => program.name === name) as Program;

describe("the key of a crash state", () => {
	type Entry = readonly [key: string, value: string, table?: string];

	function imageOf(entries: readonly Entry[]): DiskImage {
		const disk = new Disk((_process, _what, mutations, apply) => {
			apply(mutations);
			return true;
		});
		for (const [key, value, table = "t"] of entries) {
			disk.commit(new Process(1, "test"), "set", [{ table, key, value: new Uint8Array(Buffer.from(value, "latin1")) }]);
		}
		return disk.image();
	}

	function keyOf(entries: readonly Entry[], rest: Partial<CrashState> = {}, keys = new StateKeys()): string {
		return keys.keyOf({
			image: imageOf(entries),
			counts: new Map([["charge", 1]]),
			tasks: [{ name: "send", argument: 3, at: 20, tie: 0.5, sequence: 4 }],
			nowMs: 10,
			host: { outcome: undefined, revisited: false, rejections: 0 },
			...rest,
		});
	}

	const uuids = new Streams("keys").stream("uuids");
	const [a, b, c, d, e, f] = Array.from({ length: 6 }, () => drawUuid(uuids)) as [
		string,
		string,
		string,
		string,
		string,
		string,
	];
	/** Two ids that values lead to, in keys and values. */
	const state = (one: string, two: string): Entry[] => [
		["entry 0", `id ${one}, then ${two}`],
		["entry 1", two],
		[`meta ${one}`, "attempts 1"],
		[`meta ${two}`, `of ${one}`],
	];

	it("is the same for the same state, whoever makes it, and the second time", () => {
		const keys = new StateKeys();
		expect(keyOf(state(a, b), {}, keys)).toBe(keyOf(state(a, b)));
		expect(keyOf(state(a, b), {}, keys)).toBe(keyOf(state(a, b)));
	});

	it.each([
		["renamed to others", state(c, d)],
		["exchanged", state(b, a)],
		["renamed, one of them", state(a, c)],
	])("does not depend on ids: all of them %s", (_name, renamed) => {
		expect(keyOf(renamed)).toBe(keyOf(state(a, b)));
	});

	it("does not depend on the order in which keys with ids come", () => {
		const metas = (ids: readonly string[]): Entry[] => [
			["entries", ids.join()],
			...ids.map((id, i): Entry => [`meta ${id}`, `${i}`]),
		];
		expect(keyOf(metas([a, b, c, d, e]))).toBe(keyOf(metas([e, c, f, a, b])));
	});

	it.each<[string, Entry[]]>([
		["one id in place of two", state(a, a)],
		["another id in one place only", state(a, b).with(1, ["entry 1", c])],
		["ids exchanged in one place only", state(a, b).with(3, [`meta ${b}`, `of ${b}`])],
		["ids exchanged between keys", [...state(a, b).slice(0, 2), [`meta ${b}`, "attempts 1"], [`meta ${a}`, `of ${a}`]]],
		["a byte of a value", state(a, b).with(2, [`meta ${a}`, "attempts 2"])],
		["a byte of a value with ids", state(a, b).with(0, ["entry 0", `id ${a}. then ${b}`])],
		["a byte of a key", state(a, b).with(1, ["entry 2", b])],
		["a byte of a key with an id", state(a, b).with(2, [`mete ${a}`, "attempts 1"])],
		["one more key", [...state(a, b), ["entry 2", ""]]],
		["one key less", state(a, b).slice(1)],
		["another table", state(a, b).with(1, ["entry 1", b, "u"])],
		["what only looks like an id", state(a, `${b.slice(0, -1)}g`)],
	])("is another for %s", (_name, entries) => {
		expect(keyOf(entries)).not.toBe(keyOf(state(a, b)));
	});

	it.each<[string, Partial<CrashState>]>([
		["an effect more", { counts: new Map([["charge", 2]]) }],
		[
			"another effect",
			{
				counts: new Map([
					["charge", 1],
					["mail", 1],
				]),
			},
		],
		["no effect", { counts: new Map() }],
		["no pending input", { tasks: [] }],
		["another pending input", { tasks: [{ name: "send", argument: 4, at: 20, tie: 0.5, sequence: 4 }] }],
		["a pending input due later", { tasks: [{ name: "send", argument: 3, at: 21, tie: 0.5, sequence: 4 }] }],
		["a task of another name", { tasks: [{ name: "alarm", argument: 3, at: 20, tie: 0.5, sequence: 4 }] }],
		["a later instant", { nowMs: 11 }],
		["one more rejection", { host: { outcome: undefined, revisited: false, rejections: 1 } }],
		[
			"a workflow that has come to its end",
			{ host: { outcome: { status: "completed", output: 1 }, revisited: false, rejections: 0 } },
		],
	])("is another for %s", (_name, rest) => {
		expect(keyOf(state(a, b), rest)).not.toBe(keyOf(state(a, b)));
	});

	it("is another for another end", () => {
		const host = (output: number) => ({
			outcome: { status: "completed" as const, output },
			revisited: false,
			rejections: 0,
		});
		expect(keyOf(state(a, b), { host: host(1) })).not.toBe(keyOf(state(a, b), { host: host(2) }));
	});

	it.each<[string, Entry[], Entry[]]>([
		[
			"a value that holds what looks like another entry",
			[["a", "x\0t/b=y"]],
			[
				["a", "x"],
				["b", "y"],
			],
		],
		["a key that holds what parts it from its value", [["a=b", "c"]], [["a", "b=c"]]],
		["a table that holds what parts it from its key", [["c", "x", "a/b"]], [["b/c", "x", "a"]]],
		[
			"a value that holds the name given to an id",
			[
				["a", a],
				["b", "#0"],
			],
			[
				["a", a],
				["b", a],
			],
		],
		["an effect and an entry that read alike", [["charge*1", ""]], [["charge*1=", ""]]],
	])("is not confused by %s", (_name, one, other) => {
		expect(keyOf(one)).not.toBe(keyOf(other));
	});

	it("is another where a loss of power would take other writes with it", () => {
		const remembering = (lost: number, ...values: string[]) => {
			const disk = new Disk(
				(_process, _what, mutations, apply) => {
					apply(mutations);
					return true;
				},
				undefined,
				2,
			);
			for (const value of values) {
				disk.commit(new Process(1, "test"), "set", [{ table: "t", key: "a", value: bytesOf(value) }]);
			}
			if (lost > 0) disk.lose(lost);
			return keyOf([], { image: disk.image() });
		};
		expect(remembering(0, "1", "2")).toBe(remembering(0, "1", "2"));
		expect(remembering(0, "1", "2")).not.toBe(remembering(0, "2"));
		expect(remembering(0, "1", "2")).not.toBe(remembering(0, "0", "2"));
		expect(remembering(0, "1")).not.toBe(remembering(1, "1", "2"));
	});

	it("tells an id that nothing leads to by its own name: two states for one, never one for two", () => {
		expect(keyOf([[`meta ${a}`, "x"]])).not.toBe(keyOf([[`meta ${b}`, "x"]]));
	});
});

interface Searched {
	readonly result: CrashSearchResult;
	readonly judgements: readonly Judgement[];
	readonly problems: readonly string[];
}

interface SearchSettings {
	readonly depth: number;
	readonly kinds?: readonly FaultKind[];
	readonly mode?: "live" | "yield";
	/** Runs after which the search is left as it is. */
	readonly steps?: number;
}

async function search(explorer: Explorer, program: Program, settings: SearchSettings): Promise<Searched> {
	const { depth, kinds = [], mode = "live", steps = Number.POSITIVE_INFINITY } = settings;
	return await inMacrotask(() => {
		const judgements: Judgement[] = [];
		const problems: string[] = [];
		const search = new CrashSearch(explorer, program, mode, {
			depth,
			kinds: new Set(kinds),
			onJudged: (judgement) => judgements.push(judgement),
			onProblem: (problem) => problems.push(problem),
		});
		for (let i = 0; i < steps && search.step(); i++);
		return { result: search.result(), judgements, problems };
	});
}

const idsOf = (judgements: readonly Judgement[]) => {
	const ids = judgements.flatMap(({ violations }) =>
		violations.map(({ property, violation }) => `${property.id}/${violation.kind}`),
	);
	return [...new Set(ids)].sort();
};

/** Ways to crash at a place, as the search is meant to count them: alone, and with each set of changes under way. */
function waysAt({ place, inFlight, mutations }: CrashPoint, kinds: readonly FaultKind[]): Fault[] {
	const changing = [...inFlight.keys()].filter((i) => !/\.(get|list)$/.test(inFlight[i] as string));
	const ways: Fault[] = [{ kind: "crash", ...place }];
	for (const late of subsets(changing)) if (late.length > 0) ways.push({ kind: "crash", ...place, late });
	if (!("write" in place)) return ways;
	const { write, side } = place;
	if (kinds.includes("torn") && side === "before" && mutations > 1) {
		for (const kept of subsets([...Array(mutations).keys()])) {
			if (kept.length > 0 && kept.length < mutations) ways.push({ kind: "torn", write, kept });
		}
	}
	if (kinds.includes("power-loss") && side === "after") {
		for (const lost of [1, 2, 3]) if (lost <= write) ways.push({ kind: "power-loss", write, lost });
	}
	return ways;
}

/** All subsets; of more than four members the empty one, each alone, all but each, and each beginning. */
function subsets(members: readonly number[]): readonly number[][] {
	const all = members.reduce<number[][]>((sets, member) => sets.flatMap((set) => [set, [...set, member]]), [[]]);
	if (members.length <= 4) return all;
	const isBeginning = (set: readonly number[]) => set.every((member, i) => member === members[i]);
	return all.filter((set) => [0, 1, members.length - 1].includes(set.length) || isBeginning(set));
}

/**
 * What follows a crash, told without what the way there decides: numbers of lives and effects are counted from the crash,
 * and ids renamed as they come. Two ways with equal stories led to one state.
 */
function storyAfter({ run }: Judgement, faults: FaultPlan): string {
	const { events } = run.history;
	const strike = events.findLastIndex(
		({ kind, data }) => kind === "fault" && (data as { index: number }).index === faults.length - 1,
	);
	const start = events.findIndex(({ kind }, i) => i > strike && kind === "process.start");
	if (start < 0) return `nothing, at ${run.endMs}`;
	const before = events.slice(0, start);
	const lives = before.filter(({ kind }) => kind === "process.start").length;
	// A crash before an effect uses up its number.
	const effects = before.reduce((n, { data }) => Math.max(n, Number((data as { n?: number }).n ?? 0)), 0);
	let first: number | undefined;
	const story = events.slice(start).map(({ at, process, kind, data }) => {
		const { n, ...rest } = data as { n?: number };
		if (n !== undefined) first ??= n;
		const number = n === undefined ? "" : n - (first ?? effects);
		return `${at} ${process === 0 ? 0 : process - lives} ${kind} ${number} ${JSON.stringify(rest, bytesAsText)}`;
	});
	const names = new Map<string, string>();
	return story.join("\n").replace(UUID, (id) => {
		if (!names.has(id)) names.set(id, `#${names.size}`);
		return names.get(id) as string;
	});
}

function bytesAsText(_key: string, value: unknown): unknown {
	const { type, data } = Object(value) as { type?: string; data?: number[] };
	if (type === "Buffer" && data !== undefined) return Buffer.from(data).toString("latin1");
	return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;

/** A crash state in full, ids renamed as the values of keys without ids lead to them. */
function stateText({ world: { image, counts, tasks, nowMs }, host }: Snapshot): string {
	const names = new Map<string, string>();
	const renamed = (text: string) => text.replace(UUID, (id) => names.get(id) ?? id);
	const entries = [...image.tables].flatMap(([table, tree]) =>
		tree.toArray().map(([key, value]) => ({ table, key, value: bytesAsText("", value) as string })),
	);
	for (const { key, value } of entries.filter(({ key }) => key.match(UUID) === null)) {
		for (const id of value.match(UUID) ?? []) if (!names.has(id)) names.set(id, `id ${names.size}`);
		expect(key).toBe(renamed(key));
	}
	const disk = entries.map((entry) => renamed(JSON.stringify(entry))).sort();
	const unsynced = renamed(JSON.stringify(image.replaced, bytesAsText));
	const inputs = tasks.map(({ name, argument, at }) => [name, argument, at]);
	return JSON.stringify([disk, unsynced, [...counts].sort(), inputs, nowMs, host]);
}

/** Every plan of up to two crashes, each run made from its beginning. */
async function bruteForce(explorer: Explorer, program: Program, mode: "live" | "yield", kinds: readonly FaultKind[]) {
	const unsynced = kinds.includes("power-loss") ? { unsynced: 3 } : {};
	return await inMacrotask(() => {
		const judgements: Judgement[] = [];
		/** States that the search has to know of. */
		const counted = new Set<string>();
		/** The stories that followed each state. */
		const stories = new Map<string, Set<string>>();
		const make = (faults: FaultPlan, state?: string) => {
			const ways: { fault: Fault; state: string }[] = [];
			const judgement = explorer.judge({ ...referenceScenario(program, mode), faults }, program, {
				...unsynced,
				onCrashPoint: (point) => {
					if (faults.length === 2 || point.world.fired.size < faults.length) return;
					for (const fault of waysAt(point, kinds)) ways.push({ fault, state: stateText(point.snapshot(fault)) });
				},
			});
			expect(judgement.unfired, faults.map(describeFault).join("; ")).toEqual([]);
			judgements.push(judgement);
			if (state !== undefined) getOrInsert(stories, state, () => new Set()).add(storyAfter(judgement, faults));
			return ways;
		};
		const first = make([]);
		const seen = new Set<string>();
		let ways = first.length;
		for (const { fault, state } of first) {
			const further = make([fault], state);
			// The search goes on from a state once, whatever the number of ways to it.
			const isNew = !seen.has(state);
			if (isNew) ways += further.length;
			seen.add(state);
			counted.add(state);
			for (const second of further) {
				if (isNew) counted.add(second.state);
				make([fault, second.fault], second.state);
			}
		}
		return { judgements, ways, firstWays: first.length, states: counted.size, stories };
	});
}

describe("a search to depth 2", () => {
	it.each<[string, "live" | "yield", FaultKind[]]>([
		["simple", "live", []],
		["simple", "yield", []],
		["simple", "live", ["torn"]],
		["fallback", "yield", []],
		["simple", "live", ["power-loss"]],
		["request-response", "live", []],
	])("of %s in %s hosting with %j is brute force over every two crashes", async (name, mode, kinds) => {
		const program = programNamed(name);
		const explorer = new Explorer(published, [program], PROPERTIES);
		const { result, judgements, problems } = await search(explorer, program, { depth: 2, mode, kinds });
		const brute = await bruteForce(explorer, program, mode, kinds);
		expect(problems).toEqual([]);
		expect(idsOf(judgements)).toEqual(idsOf(brute.judgements));
		expect(idsOf(judgements)).not.toEqual([]);
		expect(result.ways).toBe(brute.ways);
		expect(result.states).toBe(brute.states);
		// What made joining them right: whatever way led to a state, the same follows.
		expect([...brute.stories.values()].filter(({ size }) => size > 1)).toEqual([]);
		expect(result.windows.reduce((sum, { crossed }) => sum + crossed, 0)).toBe(brute.firstWays);
		expect(result).toMatchObject({ exhausted: true, explored: result.states, depth: 2, mode });
		// Most of the ways needed no run.
		expect(judgements.length).toBeLessThan(brute.judgements.length / 3);
	});
});

describe("a search", () => {
	it("says that it is exhausted at the end, and not before", async () => {
		const explorer = new Explorer(published, [programNamed("simple")], PROPERTIES);
		const reached = [];
		for (const steps of [0, 1, 2, 20, 21, 22]) {
			reached.push((await search(explorer, programNamed("simple"), { depth: 2, steps })).result);
		}
		expect(reached.map(({ explored, exhausted }) => [explored, exhausted])).toEqual([
			[0, false],
			[0, false],
			[1, false],
			[19, false],
			[20, true],
			[20, true],
		]);
		expect(reached.at(1)).toMatchObject({ states: 9, ways: 16 });
	});

	it("says what it left out where there were too many choices", async () => {
		const explorer = new Explorer(published, [programNamed("simple")], []);
		const { result } = await search(explorer, programNamed("simple"), { depth: 2, kinds: ["torn"] });
		expect(result.bounded).toEqual(["of more than 4 entries of one write: each alone, all but each, each beginning"]);
		expect((await search(explorer, programNamed("simple"), { depth: 2 })).result.bounded).toEqual([]);
	});

	it("strikes with every kind it was given, and with no other", async () => {
		const explorer = new Explorer(published, [programNamed("simple")], []);
		const kinds: FaultKind[] = ["torn", "refused", "lost-ack", "power-loss"];
		const { result, judgements } = await search(explorer, programNamed("simple"), { depth: 1, kinds });
		expect(result.faults.map(({ kind, ways, places }) => [kind, ways > 0, places > 0])).toEqual(
			["crash", ...kinds].map((kind) => [kind, true, true]),
		);
		expect(new Set(judgements.flatMap(({ run }) => run.scenario.faults.map(({ kind }) => kind)))).toEqual(
			new Set(["crash", ...kinds]),
		);
		expect(judgements.flatMap(({ unfired }) => unfired)).toEqual([]);
		const plain = await search(explorer, programNamed("simple"), { depth: 1 });
		expect(plain.result.faults.map(({ kind }) => kind)).toEqual(["crash"]);
	});

	it("refuses each operation and loses each answer of the uninterrupted run", async () => {
		const explorer = new Explorer(published, [programNamed("simple")], []);
		const { operations } = await inMacrotask(() => explorer.reference(programNamed("simple"), "live"));
		const { result } = await search(explorer, programNamed("simple"), { depth: 1, kinds: ["refused", "lost-ack"] });
		expect(result.faults.slice(1)).toEqual([
			{ kind: "refused", ways: operations, places: operations },
			{ kind: "lost-ack", ways: operations, places: operations },
		]);
	});
});

describe("a bug that needs two crashes", () => {
	/** Counts on the disk how often it was begun, and goes wrong when that was more than twice. */
	const explorer = new Explorer(
		tinyTarget(async (driver) => {
			const begun = Number(textOf(await driver.get(bytesOf("begun")))) + 1;
			await driver.set(bytesOf("begun"), bytesOf(String(begun)));
			await driver.set(bytesOf("work"), bytesOf("done"));
			return begun > 2 ? "wrong" : "right";
		}),
		[tiny],
		PROPERTIES,
	);

	it.each([
		[1, []],
		[2, ["replay.same-outcome/other-output"]],
	])("at depth %i shows %j", async (depth, ids) => {
		const { result, judgements, problems } = await search(explorer, tiny, { depth });
		expect(problems).toEqual([]);
		expect(result.exhausted).toBe(true);
		expect(idsOf(judgements)).toEqual(ids);
		const plans = judgements.filter(({ violations }) => violations.length > 0).map(({ run }) => run.scenario.faults);
		expect(plans.every((faults) => faults.length === 2)).toBe(true);
	});
});

describe("a bug that only the way to a state tells of", () => {
	/** Acknowledges the first batch of each life and writes it with the second: until then the disk is as if nothing had been. */
	const explorer = () =>
		new Explorer(
			withDriver(published, () => (driver) => {
				let batches = 0;
				let held: Parameters<typeof driver.batch>[0] = [];
				return {
					batch: (writes) => {
						const copies = writes.map(({ key, value }) => ({ key: key.slice(), value: value.slice() }));
						if (++batches === 1) {
							held = copies;
							return Promise.resolve();
						}
						return driver.batch([...held.splice(0), ...copies]);
					},
				};
			}),
			[programNamed("simple")],
			PROPERTIES.filter(({ id }) => id === "step.committed-once"),
		);

	it("is found, on a way that joined a state which another way had led to without harm", async () => {
		const { result, judgements, problems } = await search(explorer(), programNamed("simple"), { depth: 1 });
		expect(problems).toEqual([]);
		expect(result.joined).toBeGreaterThan(0);
		expect(idsOf(judgements)).toEqual(["step.committed-once/ran-again"]);
		const plans = judgements.filter(({ violations }) => violations.length > 0).map(({ run }) => run.scenario.faults);
		// Before the write that carries both batches: the state is that after the effect of the first step.
		expect(plans).toEqual([[{ kind: "crash", write: 3, side: "before" }]]);
	});
});

describe("a target that keeps memory beside the disk", () => {
	/** Stores how many lives it has had, which it keeps in a variable that no crash takes. */
	const forgetless = () =>
		withDriver(published, () => {
			let lives = 0;
			return (driver) => {
				const life = bytesOf(String(++lives));
				return { set: (key, value) => driver.set(key, value).then(() => driver.set(bytesOf("lives"), life)) };
			};
		});

	it("is a problem of the search: what was foreseen is not what comes", async () => {
		const explorer = new Explorer(forgetless(), [programNamed("simple")], []);
		const { problems } = await search(explorer, programNamed("simple"), { depth: 1 });
		expect(problems.join()).toMatch(
			/^crash .* in simple: taken up from a snapshot it is another than from the beginning/,
		);
	});

	it("makes a campaign invalid, which stops", async () => {
		const explorer = new Explorer(forgetless(), [programNamed("simple")], []);
		const result = await explore(explorer, { depth: 2 });
		expect(result.verdict).toBe("invalid");
		expect(result.problems.join()).toMatch(/taken up from a snapshot it is another/);
		expect(result.searches.some(({ exhausted }) => exhausted)).toBe(false);
	});
});

function explore(
	explorer: Explorer,
	{
		depth = 2,
		kinds = [] as FaultKind[],
		...options
	}: { depth?: number; kinds?: FaultKind[] } & Partial<CampaignOptions>,
): Promise<CampaignResult> {
	return campaign(explorer, {
		from: 1,
		runs: 1,
		expectations: [],
		exploration: { kind: "crashes", modes: ["live", "yield"], depth, kinds },
		...options,
	});
}

describe("the ledger", () => {
	it("has a window for each durable effect of the uninterrupted run and one for its end, in order", async () => {
		const explorer = new Explorer(published, [programNamed("simple")], []);
		const { result } = await search(explorer, programNamed("simple"), { depth: 1 });
		const { writes: effects } = await inMacrotask(() => explorer.reference(programNamed("simple"), "live"));
		expect(result.windows.map(({ from }) => from)).toEqual([...Array(effects + 1).keys()]);
		expect(result.windows.map(({ operation, detail }) => `${operation} ${detail}`)).toEqual([
			"kv.set workflow input",
			"effect load-subtotal",
			"kv.batch name 0",
			"kv.batch name 1",
			"effect save-invoice",
			"kv.batch name 2",
			"kv.batch workflow state",
			"kv.batch workflow output",
			"end ",
		]);
		expect(result.windows.every(({ crossedInRecovery }) => crossedInRecovery === 0)).toBe(true);
	});

	it.each(["live", "yield"] as const)("adds up to the ways of the first level, in %s hosting", async (mode) => {
		const explorer = new Explorer(published, [programNamed("fan-out")], []);
		const kinds: FaultKind[] = ["torn", "power-loss"];
		const { result } = await search(explorer, programNamed("fan-out"), { depth: 1, mode, kinds });
		expect(result.windows.reduce((sum, { crossed }) => sum + crossed, 0)).toBe(result.ways);
		expect(result.faults.reduce((sum, { ways }) => sum + ways, 0)).toBe(result.ways);
	});

	it("has windows that no crash can fall into dark: nothing lives there", async () => {
		const explorer = new Explorer(published, [programNamed("reminders")], []);
		const { result } = await search(explorer, programNamed("reminders"), { depth: 1, mode: "yield" });
		const dark = result.windows.filter(({ crossed }) => crossed === 0);
		expect(dark.map(({ operation }) => operation)).toEqual(["queue.append", "alarm.fire"]);
		const live = await search(explorer, programNamed("reminders"), { depth: 1, mode: "live" });
		expect(live.result.windows.every(({ crossed }) => crossed > 0)).toBe(true);
	});
});

describe("a campaign of searches", () => {
	// Of `rollback` runs in both modes are as long as each other: which one is told must not depend on who came first.
	const PROGRAM_NAMES = ["simple", "rollback"];
	const explorer = () => new Explorer(published, PROGRAM_NAMES.map(programNamed), PROPERTIES, new Set(["crash"]));

	it("is the same whole and in two shards merged", async () => {
		const one = await explore(explorer(), {});
		expect(one.searches.map(({ program, mode, exhausted }) => [program, mode, exhausted])).toEqual([
			["rollback", "live", true],
			["rollback", "yield", true],
			["simple", "live", true],
			["simple", "yield", true],
		]);
		const shards = [];
		for (const i of [2, 1]) shards.push((await explore(explorer(), { shard: { i, n: 2 } })).tally);
		expect(shards.map(({ searches }) => Object.keys(searches).length)).toEqual([2, 2]);
		expect(mergeTallies(shards)).toEqual(one.tally);
	});

	it.each<[string, (stop: AbortController) => Partial<CampaignOptions>]>([
		// The first part is what was tried before the searches.
		[
			"told to stop",
			(stop) => ({ signal: stop.signal, onPart: (_, soFar) => soFar().counts.runs > 0 && stop.abort() }),
		],
		["out of time", () => ({ forMs: 60 })],
	])("%s in the middle has what it has, and says that it is not exhausted", async (_name, options) => {
		const queueLoop = new Explorer(published, [programNamed("queue-loop")], PROPERTIES, new Set(["crash"]));
		const result = await explore(queueLoop, options(new AbortController()));
		expect(result.problems).toEqual([]);
		expect(result.searches.length).toBeGreaterThan(0);
		for (const search of result.searches) {
			expect(search.exhausted).toBe(false);
			expect(search.explored === 0 || search.explored < (search as CrashSearchResult).states).toBe(true);
		}
		expect(result.searches.map(({ mode }) => mode)).toEqual(["live", "yield"]);
	});
});
