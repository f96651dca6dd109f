/**
 * The reference engine keeps every promise at once: seeds and crash states find nothing in it, values come back as they were or
 * are refused, and no rule that can be left out goes unused. What happens when one is left out, its properties tell.
 */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Journal, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES } from "../drivers/engine/reference/journal.ts";
import { branchKey, describeKey, entryKey, HISTORY, iterationKey, parseKey } from "../drivers/engine/reference/keys.ts";
import { referenceEngine } from "../drivers/engine/reference/reference.ts";
import { DEVIATIONS, type Deviation, type Rules } from "../drivers/engine/reference/rules.ts";
import { decodeValue, encodeValue } from "../drivers/engine/reference/values.ts";
import { render } from "../drivers/engine/render.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { sample, UNKEEPABLE, VALUE_KINDS } from "../fixtures/generators/values.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { Explorer, idOf, type Judgement } from "../sim/explore/explorer.ts";
import { CrashSearch } from "../sim/explore/search/crashes.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";

const SEEDS = 300;

function explorerOf(rules?: Rules, programs = PROGRAMS): Explorer {
	return new Explorer({ engine: referenceEngine(rules), storage: memoryStorage }, programs, PROPERTIES, "usual", true);
}

async function judged(explorer: Explorer, from: number, to: number): Promise<Judgement[]> {
	return await inMacrotask(() =>
		Array.from({ length: to - from }, (_, i) => {
			const { scenario, program } = explorer.draw(from + i);
			return explorer.judge(scenario, program);
		}),
	);
}

const foundIn = (judgements: readonly Judgement[]) => [
	...new Set(judgements.flatMap(({ violations }) => violations.map(idOf))),
];

describe("seeds", () => {
	let judgements: readonly Judgement[];
	beforeAll(async () => {
		judgements = await judged(explorerOf(), 1, 1 + SEEDS);
	}, 120_000);

	it("find nothing", () => {
		const broken = judgements.filter(({ violations }) => violations.length > 0);
		expect(broken.map(({ run, violations }) => [run.scenario.seed, violations.map(idOf)])).toEqual([]);
	});

	it("host it live and yielding, and interrupt most", () => {
		const modes = new Set(judgements.map(({ run }) => run.scenario.hosting.mode));
		expect([...modes].sort()).toEqual(["live", "yield"]);
		expect(judgements.filter(({ run }) => run.of("fault").length > 0).length).toBeGreaterThan(SEEDS / 2);
	});

	it("mean the same bytes again", async () => {
		const again = await judged(explorerOf(), 1, 21);
		const digests = (list: readonly Judgement[]) => list.map(({ run }) => run.history.digest());
		expect(digests(again)).toEqual(digests(judgements.slice(0, 20)));
	});
});

describe("crash states to depth 2", () => {
	it.each([
		["simple", "live"],
		["race-message", "yield"],
		["saga", "live"],
	] as const)("of %s, %s, find nothing", async (name, mode) => {
		const explorer = explorerOf();
		const program = PROGRAMS.find((candidate) => candidate.name === name);
		if (program === undefined) throw new Error(`no program ${name}`);
		const judgements: Judgement[] = [];
		const result = await inMacrotask(() => {
			const search = new CrashSearch(explorer, program, mode, {
				depth: 2,
				kinds: new Set(),
				onJudged: (judgement) => judgements.push(judgement),
				onProblem: (problem) => {
					throw new Error(problem);
				},
			});
			while (search.step());
			return search.result();
		});
		expect(judgements.length).toBeGreaterThan(10);
		expect(foundIn(judgements)).toEqual([]);
		expect(result).toBeDefined();
	});
});

describe("values", () => {
	it.each(VALUE_KINDS.filter((kind) => !UNKEEPABLE.has(kind)))("%s comes back as it was", (kind) => {
		const value = sample(kind);
		expect(render(decodeValue(encodeValue(value)))).toBe(render(value));
	});

	it.each([...UNKEEPABLE])("%s is refused, with its place", (kind) => {
		const refused = () => encodeValue({ deep: [sample(kind)] }, 'step "a"');
		expect(refused).toThrow(/^The value of step "a" cannot be kept: \.deep\[0\]/);
		expect(refused).toThrow(expect.objectContaining({ name: "DataCloneError" }));
	});

	it("are each time objects of their own", () => {
		const bytes = encodeValue({ list: [1] });
		expect(decodeValue(bytes)).not.toBe(decodeValue(bytes));
		expect(decodeValue(bytes)).toEqual({ list: [1] });
	});
});

describe("places", () => {
	const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "\0", "a/b", "~0", "x".repeat(500)));
	const step = fc.record({ sort: fc.constantFrom("branch", "iteration"), number: fc.nat(), name });
	const path = fc.tuple(fc.nat(), name, fc.array(fc.tuple(step, fc.nat(), name), { maxLength: 4 }));
	const keyOf = ([number, first, rest]: typeof path extends fc.Arbitrary<infer P> ? P : never) =>
		rest.reduce(
			(key, [inner, next, nextName]) => {
				const { sort } = inner;
				const block = sort === "branch" ? branchKey(key, inner.number, inner.name) : iterationKey(key, inner.number);
				return entryKey(block, next, nextName);
			},
			entryKey(HISTORY, number, first),
		);

	it("have keys that tell their numbers, whatever the names", () => {
		fc.assert(
			fc.property(path, (place) => {
				const numbers = [place[0], ...place[2].flatMap(([inner, next]) => [inner.number, next])];
				expect(parseKey(keyOf(place))?.map(({ number }) => number)).toEqual(numbers);
			}),
		);
	});

	it("are told in the words of the program", () => {
		const loop = entryKey(HISTORY, 0, "orders");
		expect(describeKey(entryKey(iterationKey(loop, 3), 1, "charge"))).toBe("entry orders/[orders 3]/charge");
		expect(describeKey("ws")).toBe("workflow state");
	});
});

describe("a flush", () => {
	function journal(onBatch = () => {}) {
		const batches: string[][] = [];
		const refused: string[] = [];
		const driver = {
			batch: async (writes: readonly { readonly key: Uint8Array }[]) => {
				batches.push(writes.map(({ key }) => Buffer.from(key).toString("latin1")));
				onBatch();
			},
		};
		const made = new Journal(
			driver as never,
			(operation) => operation(),
			{},
			new Set(),
			({ message }) => {
				refused.push(message);
			},
		);
		return { batches, refused, journal: made };
	}
	const storable = (key: string, bytes = 1) => ({ key, bytes: () => new Uint8Array(bytes) });

	it("keeps the order of the last changes, and splits along it", async () => {
		const { batches, journal: flushed } = journal();
		for (let i = 0; i < MAX_BATCH_ENTRIES + 1; i++) flushed.change(storable(`k${i}`));
		flushed.change(storable("k0"));
		await flushed.flush();
		expect(batches.map((batch) => batch.length)).toEqual([MAX_BATCH_ENTRIES, 1]);
		expect(batches[0]?.[0]).toBe("k1");
		expect(batches[1]).toEqual(["k0"]);
	});

	it("refuses what no batch can hold, and writes the rest", async () => {
		const { batches, refused, journal: flushed } = journal();
		flushed.change(storable("small"));
		flushed.change(storable("large", MAX_BATCH_BYTES));
		await flushed.drained();
		expect(batches).toEqual([["small"]]);
		expect(refused).toEqual([expect.stringContaining("exceeding the 999424 byte limit")]);
	});

	it("takes what changes meanwhile into the next one", async () => {
		const { batches, journal: flushed } = journal(() => {
			if (batches.length === 1) flushed.change(storable("b"));
		});
		flushed.change(storable("a"));
		await flushed.flush();
		await flushed.flush();
		expect(batches).toEqual([["a"], ["b"]]);
	});
});

describe("the rules", () => {
	const ROOM = new URL("../drivers/engine/reference/", import.meta.url);
	const source = readdirSync(ROOM)
		.filter((file) => file !== "rules.ts")
		.map((file) => readFileSync(new URL(file, ROOM), "utf8"))
		.join("\n");

	it.each(Object.keys(DEVIATIONS) as Deviation[])("%s has a place in the engine", (deviation) => {
		expect(source.includes(`ules.${deviation}`)).toBe(true);
		expect(DEVIATIONS[deviation]).toMatch(/^[A-Z].*\.$/);
	});

	it.each<[Deviation, string]>([
		["neverUndo", "rollback.order/"],
		["forgetCompletion", "replay.pure/"],
		["keepAlarm", "life.no-leak/"],
		["tellNoNames", "queue.wakes/"],
		["giveBeforeRecord", "step.committed-once/"],
	])("without one (%s), its property notices", async (deviation, finding) => {
		const judgements = await judged(explorerOf({ [deviation]: true }), 1, 161);
		expect(foundIn(judgements).some((id) => id.startsWith(finding))).toBe(true);
	});
});
