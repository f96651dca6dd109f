/** What leaks into a run is blamed at the event in which two histories part, within a process and across two. */
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { withDriver } from "../fixtures/mutants/mutant.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { decodeEvent, describeDifference, digestOf, firstDifference, record, tellEvent } from "../sim/explore/blame.ts";
import { campaign } from "../sim/explore/campaign/campaign.ts";
import { Doublecheck } from "../sim/explore/campaign/doublecheck.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import { encodeEvent, History, type HistoryEvent, type Mutation } from "../sim/world/history.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";
import type { Run } from "../suites/run.ts";
import { sim } from "./support/cli.ts";
import { explorerOf } from "./support/explorer.ts";

const LEAKY = fileURLToPath(new URL("./support/leaky-engine.mjs", import.meta.url));
const LOADER = new URL("../sim/cli/typescript/register.mjs", import.meta.url).href;

function historyOf(...datas: unknown[]): History {
	const history = new History();
	datas.forEach((data, at) => {
		history.events.push({ at, process: 1, kind: "test", data });
	});
	return history;
}

describe("the first difference", () => {
	it("is none between histories equal to the byte, recorded or not", () => {
		const history = historyOf({ a: 1 }, { bytes: Uint8Array.of(1, 2) });
		expect(firstDifference(history, historyOf({ a: 1 }, { bytes: Uint8Array.of(1, 2) }))).toBeUndefined();
		expect(firstDifference(record(history), history)).toBeUndefined();
		expect(digestOf(record(history))).toBe(history.digest());
		expect(record(history).map(decodeEvent).map(encodeEvent)).toEqual(record(history));
	});

	it.each<[string, unknown, unknown, string]>([
		["a field", { a: 1, b: 2 }, { a: 1, b: 3 }, "in data.b"],
		["a field that is there once only", { a: 1 }, { a: 1, b: 3 }, "in data.b"],
		["an element", { list: [1, [2, 3]] }, { list: [1, [2, 4]] }, "in data.list[1][1]"],
		["an element more", [1], [1, 2], "in data[1]"],
		["a text", { text: "abcd" }, { text: "abxd" }, "in data.text at character 2"],
		["bytes", { value: Uint8Array.of(7, 8) }, { value: Uint8Array.of(7, 9) }, "in data.value at byte 1"],
		["another kind of value", { a: 1 }, { a: "1" }, "in data.a"],
		["a list for an object", { a: [] }, { a: {} }, "in data.a"],
		["the order of fields alone", { a: 1, b: 2 }, { b: 2, a: 1 }, "in the order of its fields"],
	])("names %s", (_what, left, right, place) => {
		const difference = firstDifference(historyOf("same", left, 1), historyOf("same", right, 2));
		expect(difference?.event).toBe(1);
		expect(difference?.sides.map((side) => side && encodeEvent(side))).toEqual(
			[left, right].map((data) => encodeEvent({ at: 1, process: 1, kind: "test", data })),
		);
		expect(describeDifference(difference as never, ["first", "again"])[0]).toMatch(
			`event 1 differs${place.startsWith("in the") ? " " : ", "}${place}`,
		);
	});

	it("is the end of the shorter one when the other goes on", () => {
		const difference = firstDifference(historyOf(1, 2), historyOf(1, 2, 3));
		expect(difference?.event).toBe(2);
		expect(describeDifference(difference as never, ["first", "again"])).toEqual([
			"event 2: first has ended, again goes on",
			"before  0 ms  1 test 1",
			"before  1 ms  1 test 2",
			"first   (nothing more)",
			"again   2 ms  1 test 3",
		]);
	});

	it("is told with long values cut to what is around it", () => {
		const [left, right] = ["x", "y"].map((letter) => ({ text: `${"a".repeat(200)}${letter}${"b".repeat(200)}` }));
		const difference = firstDifference(historyOf(left), historyOf(right));
		const [, first, again] = describeDifference(difference as never, ["first", "again"]);
		expect(first).toMatch(/\(176 before\) 'a{24}xb{23}' \(177 more\)/);
		expect(again).toMatch(/\(176 before\) 'a{24}yb{23}' \(177 more\)/);
	});

	it("tells stored keys in words, unless it is the key that differs", () => {
		const data = { mutations: [{ table: "kv", key: "\x01", value: Uint8Array.of(65, 0) }] };
		const event: HistoryEvent = { at: 5, process: 2, kind: "durable", data };
		expect(tellEvent(event, undefined, () => "name 1")).toMatch(/key: name 1, value: bytes "A\\x00"/);
		expect(tellEvent(event, ["data", "mutations", 0, "key", 0], () => "name 1")).toMatch(/key: '\\x01'/);
	});
});

/** Where the run stores under the key of the leak, which no engine uses. */
function leakOf(run: Run): { event: number; mutation: number } {
	const mutationsOf = ({ data }: HistoryEvent) => (data as { mutations?: Mutation[] }).mutations ?? [];
	const event = run.history.events.findIndex((event) => mutationsOf(event).some(({ key }) => key === "\xff"));
	const mutations = mutationsOf(run.history.events[event] as HistoryEvent);
	return { event, mutation: mutations.findIndex(({ key }) => key === "\xff") };
}

describe("a counter that outlives the run", () => {
	let leaked = 0;

	async function leaking(): Promise<Explorer> {
		const { target } = await explorerOf();
		const leaky = withDriver(target, () => {
			let batches = 0;
			return (driver) => ({
				batch: (writes) => {
					const leak = { key: Uint8Array.of(0xff), value: Uint8Array.of(leaked++ % 256) };
					return driver.batch(++batches === 4 ? [...writes, leak] : writes);
				},
			});
		});
		return new Explorer(
			leaky,
			PROGRAMS.filter(({ name }) => name === "queue-loop"),
			PROPERTIES,
		);
	}

	it("is blamed at the event that stored it", async () => {
		const explorer = await leaking();
		const [first, again] = await inMacrotask(() => {
			const { scenario, program } = explorer.draw(1);
			return [explorer.judge(scenario, program).run, explorer.judge(scenario, program).run] as const;
		});
		const leak = leakOf(first);
		expect(leak.event).toBeGreaterThan(0);
		const difference = firstDifference(first.history, again.history);
		expect(difference?.event).toBe(leak.event);
		expect(difference?.path).toEqual(["data", "mutations", leak.mutation, "value", 0]);
		expect(difference?.before.map(encodeEvent)).toEqual(record(first.history).slice(leak.event - 3, leak.event));
	});

	it("makes a campaign invalid, which tells both sides", async () => {
		const { verdict, problems, counts } = await campaign(await leaking(), {
			from: 1,
			runs: 500,
			expectations: [],
			commandFor: String,
			commandForKnown: String,
		});
		expect(verdict).toBe("invalid");
		// The first seed of the sample ends it.
		expect(counts.runs).toBe(97);
		expect(problems).toHaveLength(1);
		expect(problems[0]).toMatch(
			/^seed 97 is not deterministic: event \d+ differs, in data\.mutations\[\d+\]\.value at byte 0\n(before .*\n){3}first .*key: key ff.*\nagain .*key: key ff/,
		);
	});
});

describe("a second process", () => {
	let doublecheck: Doublecheck | undefined;
	afterEach(() => doublecheck?.close());

	async function compared(engine: string, seeds: readonly number[]) {
		const explorer = await explorerOf({ engine });
		doublecheck = new Doublecheck({ target: explorer.target.engine, loader: LOADER });
		const runs = await inMacrotask(() =>
			seeds.map((seed) => {
				const { scenario, program } = explorer.draw(seed);
				return explorer.judge(scenario, program).run;
			}),
		);
		// All asked for at once: the answers must still belong to their questions.
		const differences = await Promise.all(
			runs.map((run) => (doublecheck as Doublecheck).compare(run.scenario, run.history)),
		);
		return { runs, differences };
	}

	it("makes the same runs of an engine that keeps to its world", async () => {
		const { differences } = await compared("rivet-2.3.19", [1, 2, 3, 5, 721]);
		expect(differences).toEqual([undefined, undefined, undefined, undefined, undefined]);
	});

	it("blames what leaks from the process, which two runs in one process cannot see", async () => {
		const explorer = await explorerOf({ engine: LEAKY });
		const [first, again] = await inMacrotask(() => {
			const { scenario, program } = explorer.draw(721);
			return [explorer.judge(scenario, program).run, explorer.judge(scenario, program).run] as const;
		});
		expect(firstDifference(first.history, again.history)).toBeUndefined();

		const { runs, differences } = await compared(LEAKY, [721, 1182]);
		for (const [i, difference] of differences.entries()) {
			const leak = leakOf(runs[i] as Run);
			expect(leak.event).toBeGreaterThan(0);
			expect(difference?.event).toBe(leak.event);
			expect(difference?.path?.slice(0, 4)).toEqual(["data", "mutations", leak.mutation, "value"]);
		}
	});

	it("makes a campaign count nothing when it differs, and is counted when it does not", async () => {
		const options = { from: 97, runs: 1, expectations: [], commandFor: String, commandForKnown: String };
		for (const engine of [LEAKY, "rivet-2.3.19"]) {
			const explorer = await explorerOf({ engine, programs: ["queue-loop"] });
			const second = new Doublecheck({ target: explorer.target.engine, loader: LOADER });
			const result = await campaign(explorer, { ...options, doublecheck: second });
			second.close();
			if (engine === LEAKY) {
				expect(result.verdict).toBe("invalid");
				expect(result.problems[0]).toMatch(/^seed 97 is another in another process: event \d+ differs/);
			} else {
				expect(result.problems).toEqual([]);
				expect(result.counts).toMatchObject({ rerun: 1, doublechecked: 1 });
			}
		}
	});

	it("is an error of the harness when it dies or cannot run", async () => {
		const { runs } = await compared("rivet-2.3.19", [1]);
		const [run] = runs as [Run];
		const strange = { ...run.scenario, program: "nope" };
		await expect(doublecheck?.compare(strange, run.history)).rejects.toThrow("there is no program nope");
		doublecheck?.close();
		await expect(doublecheck?.compare(run.scenario, run.history)).rejects.toThrow(
			/process that makes runs again has ended/,
		);
	});

	it("is run by --doublecheck: equal, or exit 3 with both events", async () => {
		const seed = ["--seed", "1", "--program", "simple", "--faults", "crash", "--doublecheck", "--quiet"];
		const equal = await sim(seed);
		expect(equal.stdout).toMatch(/made again in another process.*equal to the\s+byte/);
		expect(equal.code).toBe(0);

		const leaky = await sim([...seed, "--engine", "./test/support/leaky-engine.mjs"]);
		expect(leaky.stdout).toMatch(/INVALID\n +another process makes another history/);
		expect(leaky.stdout).toMatch(/here +\d+ ms {2}1 durable [^}]*value:\s+bytes\s+"process\s+\d+,\s+hour/);
		expect(leaky.stdout).toMatch(/elsewhere +\d+ ms {2}1 durable [^}]*value:\s+bytes\s+"process\s+\d+,\s+hour/);
		expect(leaky.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
		expect(leaky.code).toBe(3);
	});
});
