/** What the bench compares does the same work: the same output by as many durable effects, whatever crash strikes. */
import { describe, expect, it } from "vitest";
import { type EngineRun, inBareConditions, runBare } from "../bench/bare.ts";
import { crashSchedules, whereSame } from "../bench/crashes.ts";
import { inFakeTime, runFakeTimed } from "../bench/fake-timers.ts";
import { TIMED } from "../bench/programs.ts";
import { runInWorld, summaryOf, target } from "../bench/world.ts";
import { progress, simple } from "../fixtures/programs/basics.ts";
import { queueLoop } from "../fixtures/programs/queues.ts";
import { inMacrotask } from "../sim/world/interpose.ts";

const { module } = target.engine;

describe("the bare engine", () => {
	it.each(TIMED.map((program) => [program.name, program] as const))(
		"does with %s what a world does",
		async (_, program) => {
			const [world, bare] = await inMacrotask(() => [
				summaryOf(runInWorld(program)),
				inBareConditions(() => runBare(module, program)),
			]);
			expect(bare).toEqual(world);
		},
	);
});

describe("the contender", () => {
	it.each([
		["simple", simple],
		["progress", progress],
	])("does with %s what a world does, in every crash schedule", async (_, program) => {
		const schedules = await inMacrotask(() => crashSchedules(program));
		expect(schedules.length).toBeGreaterThan(0);
		expect(await whereSame(program, schedules)).toEqual(schedules);
	});

	it("does with a queue what a world does, where the engine loses a message too", async () => {
		const schedules = (await inMacrotask(() => crashSchedules(queueLoop))).slice(0, 24);
		expect(await whereSame(queueLoop, schedules)).toEqual(schedules);
		const statuses = await inFakeTime(async (clock) => {
			const runs: EngineRun[] = [];
			for (const crash of schedules) runs.push(await runFakeTimed(clock, module, queueLoop, [crash]));
			return new Set(runs.map(({ status }) => status));
		});
		expect(statuses).toEqual(new Set(["completed", "waiting"]));
	});

	it("survives a crash of its recovery", async () => {
		const crashes = [
			{ kind: "crash", write: 3, side: "after" },
			{ kind: "crash", write: 5, side: "before" },
		] as const;
		const world = await inMacrotask(() => summaryOf(runInWorld(simple, crashes)));
		const fake = await inFakeTime((clock) => runFakeTimed(clock, module, simple, crashes));
		expect(fake).toEqual(world);
		expect(fake.crashes).toBe(2);
	});

	it("gives the runtime its timers back", async () => {
		const { setTimeout, Date: RealDate } = globalThis;
		await inFakeTime(async () => expect(globalThis.setTimeout).not.toBe(setTimeout));
		expect(globalThis.setTimeout).toBe(setTimeout);
		expect(globalThis.Date).toBe(RealDate);
	});
});
