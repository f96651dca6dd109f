/**
 * The reference runner on the reference server keeps every promise at once: seeds find nothing, equal seeds make equal histories, and
 * every fault that is drawn can strike.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { referenceRunner } from "../../drivers/runner/reference/runner.ts";
import { referenceServer } from "../../drivers/runner/server/server.ts";
import { COMMAND_PROGRAMS } from "../../fixtures/commands/index.ts";
import { COMMAND_FAULTS } from "../../sim/explore/commands/draw.ts";
import { commandSubject } from "../../sim/explore/commands/subject.ts";
import type { Fault, FaultKind } from "../../sim/world/faults.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import { COMMAND_PROPERTIES } from "../../suites/commands/index.ts";
import type { CommandRun } from "../../suites/commands/run.ts";

const SEEDS = 250;

const make = () => commandSubject({ runner: referenceRunner(), server: referenceServer() });

function runsOf(seeds: number): Promise<CommandRun[]> {
	const subject = make();
	return inMacrotask(() => Array.from({ length: seeds }, (_, seed) => subject.run(subject.draw(seed + 1))));
}

const foundIn = (run: CommandRun) =>
	COMMAND_PROPERTIES.flatMap((property) =>
		property.check(run).map(({ kind, message }) => `${property.id}/${kind} in seed ${run.scenario.seed}: ${message}`),
	);

describe("seeds", () => {
	let runs: readonly CommandRun[];
	beforeAll(async () => {
		runs = await runsOf(SEEDS);
	}, 120_000);

	it("find nothing", () => {
		expect(runs.flatMap(foundIn)).toEqual([]);
	});

	it("reach every program, and every kind of fault strikes", () => {
		expect([...new Set(runs.map(({ program }) => program.name))].sort()).toEqual(
			COMMAND_PROGRAMS.map(({ name }) => name).sort(),
		);
		const struck = new Set<FaultKind>();
		for (const { scenario, fired } of runs) {
			for (const place of fired) struck.add((scenario.faults[place] as { kind: FaultKind }).kind);
		}
		expect([...struck].sort()).toEqual([...COMMAND_FAULTS].sort());
	});

	it("have versions 4 to 7 meet, older servers too", () => {
		const pairs = new Set(runs.map(({ scenario }) => `${scenario.protocol ?? 7} on ${scenario.serverProtocol ?? 7}`));
		expect([4, 5, 6, 7].every((version) => pairs.has(`${version} on 7`))).toBe(true);
		expect(runs.some(({ scenario }) => (scenario.serverProtocol ?? 7) < (scenario.protocol ?? 7))).toBe(true);
	});

	it("mean the same bytes again, also in another subject", async () => {
		const again = await runsOf(20);
		const digests = (list: readonly CommandRun[]) => list.map(({ history }) => history.digest());
		expect(digests(again)).toEqual(digests(runs.slice(0, 20)));
	});
});

describe.each(COMMAND_PROGRAMS.map((program) => [program.name, program] as const))("%s", (name) => {
	it("with nothing in its way finds nothing", async () => {
		const subject = make();
		const runs = await inMacrotask(() => subject.uninterrupted(name).map((scenario) => subject.run(scenario)));
		expect(runs.flatMap(foundIn)).toEqual([]);
		expect(runs.map(({ frames }) => frames > 5)).toEqual([true]);
	});

	it("at any crash around a durable write finds nothing", async () => {
		const subject = make();
		const found = await inMacrotask(() => {
			const [scenario] = subject.uninterrupted(name);
			if (scenario === undefined) throw new Error(`no way to run ${name}`);
			const { writes } = subject.run(scenario);
			return Array.from({ length: writes }, (_, i) => i + 1).flatMap((write) =>
				(["before", "after"] as const).flatMap((side) =>
					foundIn(subject.run({ ...scenario, faults: [{ kind: "crash", write, side }] })),
				),
			);
		});
		expect(found).toEqual([]);
	});
});

describe.each(["destroy-while-starting", "sleep-and-wake", "ends", "drain", "again-at-once"])("%s", (name) => {
	it.each<[string, (frame: number) => Fault]>([
		["a cut before", (frame) => ({ kind: "cut", frame, side: "before" })],
		["a cut after", (frame) => ({ kind: "cut", frame, side: "after" })],
		["a silence from", (frame) => ({ kind: "half-open", frame, ms: 60_000 })],
		[
			"a close that the server hears of late, after",
			(frame) => ({ kind: "late-close", frame, end: "server", ms: 5_000 }),
		],
		["the death of the receiver before", (frame) => ({ kind: "peer-crash", frame, side: "before", peer: "receiver" })],
		["the death of the receiver after", (frame) => ({ kind: "peer-crash", frame, side: "after", peer: "receiver" })],
		["the death of the sender before", (frame) => ({ kind: "peer-crash", frame, side: "before", peer: "sender" })],
	])(
		"finds nothing at %s any frame",
		async (_what, faultAt) => {
			const subject = make();
			const runs = await inMacrotask(() => {
				const [scenario] = subject.uninterrupted(name);
				if (scenario === undefined) throw new Error(`no way to run ${name}`);
				const { frames } = subject.run(scenario);
				return Array.from({ length: frames }, (_, i) => subject.run({ ...scenario, faults: [faultAt(i + 1)] }));
			});
			expect(runs.flatMap(foundIn)).toEqual([]);
			expect(runs.filter(({ fired }) => fired.size > 0).length).toBeGreaterThan(runs.length / 2);
		},
		30_000,
	);
});

describe("a scenario", () => {
	it("is told in lines, and can be made smaller", async () => {
		const subject = make();
		await inMacrotask(() => {
			const scenario = { ...subject.draw(3), protocol: 5, serverProtocol: 6, pace: 90 } as const;
			expect(subject.conditions(scenario).join("\n")).toMatch(/version 5.*versions up to 6.*90 %/s);
			const smaller = [...subject.smaller(scenario)];
			expect(smaller).not.toContainEqual(scenario);
			expect(smaller[0]).toMatchObject({ network: { minMs: 1, maxMs: 1 }, latency: { maxMs: 0 }, pace: 100 });
			expect(smaller.some(({ serverProtocol }) => serverProtocol === undefined)).toBe(true);
		});
	});

	it("of a program that there is not is refused", () => {
		expect(() => commandSubject({ runner: referenceRunner(), server: referenceServer(), programs: ["none"] })).toThrow(
			/Unknown program "none" of runners; choose from start, /,
		);
	});
});
