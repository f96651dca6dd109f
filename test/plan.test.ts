/** Plans: in words and back, drawn from a seed within the kinds that are enabled, and worthless when they never strike. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { campaign } from "../sim/explore/campaign/campaign.ts";
import { type Commands, resultOf } from "../sim/explore/campaign/result.ts";
import { Tally } from "../sim/explore/campaign/tally.ts";
import { drawScenario, FAULT_KINDS, ORDINARY_FAULTS, referenceScenario } from "../sim/explore/draw.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import { parsePlan, planned, planOptions } from "../sim/explore/plan.ts";
import { describeFault, type FaultKind, type FaultPlan } from "../sim/world/faults.ts";
import type { Scenario } from "../suites/scenario.ts";
import { bytesOf, tiny, tinyTarget } from "./support/tiny-engine.ts";

const simple = PROGRAMS.find(({ name }) => name === "simple") as Program;
const EXTENT = {
	writes: 12,
	events: 60,
	operations: 30,
	alarms: 4,
	batches: [
		{ write: 3, entries: 4 },
		{ write: 5, entries: 1 },
	],
};
const SEEDS = Array.from({ length: 600 }, (_, i) => i + 1);

function plansOf(kinds: Iterable<FaultKind>): FaultPlan[] {
	const space = { programs: [simple], faults: new Set(kinds), extent: () => EXTENT };
	return SEEDS.map((seed) => drawScenario(seed, space).scenario.faults);
}

const kindsOf = (plans: readonly FaultPlan[]) => [...new Set(plans.flat().map(({ kind }) => kind))].sort();

describe("a plan drawn from a seed", () => {
	it("is made of crashes, evictions and delays unless other kinds are asked for", () => {
		expect([...ORDINARY_FAULTS].sort()).toEqual(["crash", "evict", "slow"]);
		expect(kindsOf(plansOf(ORDINARY_FAULTS))).toEqual(["crash", "evict", "slow"]);
	});

	it.each<[FaultKind[]]>([
		...FAULT_KINDS.map((kind): [FaultKind[]] => [[kind]]),
		[["torn", "power-loss"]],
		[["refused", "lost-ack", "slow"]],
		[[...FAULT_KINDS]],
	])("has every kind of %j, and no other", (kinds) => {
		expect(kindsOf(plansOf(kinds))).toEqual([...kinds].sort());
	});

	it("stays within the reach of the program", () => {
		for (const fault of plansOf(FAULT_KINDS).flat()) {
			if ("write" in fault) expect(fault.write).toBeLessThanOrEqual(EXTENT.writes);
			else if ("event" in fault) expect(fault.event).toBeLessThanOrEqual(EXTENT.events);
			else if ("alarm" in fault) expect(fault.alarm).toBeLessThanOrEqual(EXTENT.alarms);
			else if ("operation" in fault) expect(fault.operation).toBeLessThanOrEqual(EXTENT.operations);
		}
	});

	it("crashes before and after writes, and between events", () => {
		const places = plansOf(["crash"])
			.flat()
			.map((fault) => ("side" in fault ? fault.side : "event" in fault ? "event" : ""));
		expect([...new Set(places)].sort()).toEqual(["after", "before", "event"]);
	});

	it("is the same each time", () => {
		expect(plansOf(FAULT_KINDS)).toEqual(plansOf(FAULT_KINDS));
	});
});

describe("a plan in words", () => {
	/** What the options of a command line say, as commander hands them over. */
	function parsed(options: string): Scenario {
		const value = (name: string) =>
			new RegExp(`--${name} (?:"([^"]*)"|(\\S+))`)
				.exec(options)
				?.slice(1)
				.find((text) => text !== undefined);
		expect(value("program")).toBe("simple");
		const order = value("order")?.split(",").map(Number);
		return planned(referenceScenario(simple, value("mode") as "live" | "yield"), parsePlan(value("plan") ?? ""), order);
	}

	it("is the scenario again, for every plan", () => {
		const plans = [...plansOf(FAULT_KINDS), [{ kind: "crash", write: 3, side: "after", late: [0, 2] } as const]];
		for (const faults of plans) {
			for (const mode of ["live", "yield"] as const) {
				for (const order of [undefined, [0, 2, 1]]) {
					const scenario = planned(referenceScenario(simple, mode), faults, order);
					expect(parsed(planOptions(scenario)), planOptions(scenario)).toEqual(scenario);
				}
			}
		}
	});

	it("reads as it would be typed", () => {
		const scenario = referenceScenario(simple, "live");
		expect(planOptions(scenario)).toBe(" --program simple --mode live --plan none");
		expect(
			planOptions({
				...scenario,
				faults: [
					{ kind: "crash", write: 4, side: "after" },
					{ kind: "evict", event: 9 },
				],
			}),
		).toBe(' --program simple --mode live --plan "crash after durable write 4; evict before event 9"');
		expect(planOptions({ ...scenario, schedule: { kind: "choices", choices: [0, 2] } })).toBe(
			" --program simple --mode live --order 0,2",
		);
		expect(planOptions({ ...scenario, schedule: { kind: "choices", choices: [] } })).toBe(
			" --program simple --mode live --order 0",
		);
	});

	it("has every form that the documentation lists, and it lists every kind", () => {
		const text = readFileSync(new URL("../docs/search.md", import.meta.url), "utf8");
		const [, plans = ""] = /\n## Plans\n([\s\S]*?)\n## /.exec(text) ?? [];
		const forms = [...plans.matchAll(/^\| `([^`]+)`/gm)].map(([, form]) => form as string);
		expect(kindsOf(forms.map(parsePlan))).toEqual([...FAULT_KINDS].sort());
		for (const form of forms.filter((form) => form !== "none")) {
			expect(parsePlan(form).map(describeFault)).toEqual([form]);
		}
	});

	it.each(["none", " none ", "", ";"])("%j is a plan without faults", (text) => {
		expect(parsePlan(text)).toEqual([]);
	});

	it.each([
		["crash", '"crash" is no fault'],
		["crash after durable write 4; melt", '"melt" is no fault'],
		["none; crash after durable write 4", '"none" is no fault'],
	])("%j is refused by the part that is no fault, with what would be one", (text, message) => {
		expect(() => parsePlan(text)).toThrow(message);
		expect(() => parsePlan(text)).toThrow("crash after durable write 4; evict before event 9");
	});
});

describe("faults that were to strike", () => {
	const commands: Commands = {
		commandFor: () => "",
		commandForKnown: () => "",
		commandForFile: () => "",
		commandForScenario: () => "",
	};

	/** What becomes of a tally of so many runs in which so many faults were planned, and so many struck. */
	function verdictOf(runs: number, planned: number, fired: number) {
		const tally = new Tally();
		tally.counts.runs = runs;
		Object.assign(tally.fault("torn"), { planned, fired });
		return resultOf(tally.data(), { expectations: [], ...commands }, false);
	}

	it.each([
		[10, 5, 5, []],
		[5_000, 300, 1, []],
		// Too few to say.
		[100, 5, 0, []],
		[100, 0, 0, []],
		[100, 50, 0, ["50 torn faults were planned and none struck"]],
		[2_000, 49, 0, ["torn faults were to be tried, and none found a place to strike"]],
		[2_000, 0, 0, ["torn faults were to be tried, and none found a place to strike"]],
	])("in %i runs, %i planned, of which %i struck: %j", (runs, planned, fired, problems) => {
		const result = verdictOf(runs, planned, fired);
		expect(result.problems).toEqual(problems);
		expect(result.verdict).toBe(problems.length > 0 ? "invalid" : "pass");
	});

	it("are missed by a search of a program whose writes have one entry each, which has nothing to tear", async () => {
		const target = tinyTarget(async (driver) => {
			await driver.set(bytesOf("work"), bytesOf("done"));
			return "done";
		});
		const search = (kinds: FaultKind[]) =>
			campaign(new Explorer(target, [tiny], [], new Set(["crash", ...kinds])), {
				...{ from: 1, runs: 1, expectations: [] },
				exploration: { kind: "crashes", modes: ["live"], depth: 2, kinds },
			});
		const torn = await search(["torn"]);
		expect(torn.searches).toMatchObject([{ exhausted: true }]);
		expect(torn.problems).toEqual(["torn faults were to be tried, and none found a place to strike"]);
		expect(torn.verdict).toBe("invalid");
		expect((await search(["power-loss"])).verdict).toBe("pass");
	});
});
