/** Who goes first: chains of events with priorities that change at a few places, and orders given choice by choice. */
import { describe, expect, test } from "vitest";
import type { Process } from "../../sim/world/process.ts";
import type { Schedule } from "../../sim/world/schedule.ts";
import type { World } from "../../sim/world/world.ts";
import { type Options, runWorld } from "./in-world.ts";

const SEEDS = Array.from({ length: 24 }, (_, i) => `seed ${i}`);

const priorities = (...changes: number[]): Schedule => ({ kind: "priorities", changes });
const choices = (...list: number[]): Schedule => ({ kind: "choices", choices: list });

/** Carries out operations `a1`, `a2`, … one after the other. */
async function chain(world: World, process: Process, name: string, length: number, done: string[]): Promise<void> {
	for (let i = 1; i <= length; i++) await world.operate(process, `${name}${i}`, () => done.push(`${name}${i}`));
}

/** The order in which two processes of three operations each, all due at one instant, get them done. */
async function orderOf(options: Options): Promise<string> {
	const done: string[] = [];
	await runWorld((world) => {
		for (const name of ["a", "b"]) world.spawn(name, (process) => void chain(world, process, name, 3, done));
	}, options);
	return done.join(" ");
}

/** The same with the process that goes first called x, the other y. */
async function renamedOrderOf(options: Options): Promise<string> {
	const order = await orderOf(options);
	const first = order[0] as string;
	return order.replace(/[ab]/g, (name) => (name === first ? "x" : "y"));
}

describe("a schedule of priorities", () => {
	test("follows from the seed", async () => {
		for (const seed of SEEDS) {
			const options = { seed, schedule: priorities(4, 6), latency: { minMs: 0, maxMs: 2, answerMaxMs: 1 } };
			const digest = async () =>
				(
					await runWorld((world) => {
						for (const name of ["a", "b", "c"]) {
							world.spawn(
								name,
								(process) => void chain(world, process, name, 4, []).then(() => world.note("done", name)),
							);
						}
					}, options)
				).world.history.digest();
			expect(await digest()).toBe(await digest());
		}
	});

	test("lets what an event causes inherit its place: one chain runs to its end before the other", async () => {
		const orders = new Set<string>();
		for (const seed of SEEDS) orders.add(await orderOf({ seed, schedule: priorities() }));
		expect([...orders].sort()).toEqual(["a1 a2 a3 b1 b2 b3", "b1 b2 b3 a1 a2 a3"]);
	});

	test("is not what drawing every event does", async () => {
		const orders = new Set<string>();
		for (const seed of SEEDS) orders.add(await orderOf({ seed }));
		expect(orders.size).toBeGreaterThan(5);
	});

	// Event 1 begins, event 2 is the main function of x, events 3, 4 and 5 are its operations.
	test.each([
		[[], "x1 x2 x3 y1 y2 y3"],
		[[4], "x1 y1 y2 y3 x2 x3"],
		[[5], "x1 x2 y1 y2 y3 x3"],
		[[7], "x1 x2 x3 y1 y2 y3"],
		[[100], "x1 x2 x3 y1 y2 y3"],
		// Each change puts its chain behind those of the changes before.
		[[4, 6], "x1 y1 x2 x3 y2 y3"],
		// x fell behind at 4 and stays where it is at 8, when y has come to its end.
		[[4, 8], "x1 y1 y2 y3 x2 x3"],
		// Twice at one event: y comes up in place of x, and falls behind x.
		[[4, 4], "x1 x2 x3 y1 y2 y3"],
	])("with changes at %j: the chain running there falls behind all others", async (changes, order) => {
		for (const seed of SEEDS) {
			expect(await renamedOrderOf({ seed, schedule: priorities(...changes) })).toBe(order);
		}
	});

	test("never turns time: what is due later comes later", async () => {
		for (const seed of SEEDS) {
			const times: number[] = [];
			await runWorld(
				(world) => {
					for (const name of ["a", "b"]) {
						world.spawn(name, async (process) => {
							for (let i = 0; i < 10; i++) await world.operate(process, "io", () => times.push(world.nowMs));
						});
					}
				},
				{ seed, schedule: priorities(5, 9), latency: { minMs: 1, maxMs: 5, answerMaxMs: 3 } },
			);
			expect(times).toEqual([...times].sort((a, b) => a - b));
		}
	});

	test("does not move a task of the outside", async () => {
		for (const seed of SEEDS) {
			const seen: string[] = [];
			await runWorld(
				(world) => {
					world.onTask("send", (n) => seen.push(`send ${n}`));
					for (const n of [1, 2, 3]) world.plan(10 * n, "send", n);
				},
				{ seed, schedule: priorities(2, 3, 4) },
			);
			expect(seen).toEqual(["send 1", "send 2", "send 3"]);
		}
	});
});

describe("a schedule of choices", () => {
	/** One process whose branches each carry out operations in turn. */
	async function run(schedule: Schedule, lengths: readonly number[]) {
		const done: string[] = [];
		const { world } = await runWorld(
			(world) =>
				void world.spawn("test", (process) => {
					lengths.forEach((length, i) => void chain(world, process, "abc"[i] as string, length, done));
				}),
			{ schedule },
		);
		return { order: done.join(" "), alternatives: world.alternatives };
	}

	test("takes the oldest where the list ends, and tells how many there were to choose from", async () => {
		expect(await run(choices(), [2, 2])).toEqual({ order: "a1 b1 a2 b2", alternatives: [2, 2, 2] });
	});

	test.each([
		[[1], "b1 a1 b2 a2"],
		[[0, 1], "a1 a2 b1 b2"],
		[[1, 1], "b1 b2 a1 a2"],
		[[0, 0, 1], "a1 b1 b2 a2"],
		// Of too few, the last.
		[[9], "b1 a1 b2 a2"],
	])("of %j takes each in turn", async (list, order) => {
		expect((await run(choices(...list), [2, 2])).order).toBe(order);
	});

	test.each([
		[[1, 1], 2],
		[[2, 2], 6],
		[[3, 2], 10],
		[[1, 1, 1], 6],
		[[2, 2, 2], 90],
	])("over every list, reaches each of the interleavings of %j operations once: %i", async (lengths, count) => {
		const orders: string[] = [];
		const queue: number[][] = [[]];
		for (let list = queue.pop(); list !== undefined; list = queue.pop()) {
			const { order, alternatives } = await run(choices(...list), lengths);
			orders.push(order);
			for (let place = list.length; place < alternatives.length; place++) {
				const before = [...list, ...Array<number>(place - list.length).fill(0)];
				for (let choice = 1; choice < (alternatives[place] as number); choice++) queue.push([...before, choice]);
			}
		}
		expect(orders).toHaveLength(count);
		expect(new Set(orders).size).toBe(count);
	});

	test("has an operation take as long as it takes something else to be due, if that is not too long", async () => {
		const order = async (dueMs: number, ...list: number[]) => {
			const seen: string[] = [];
			await runWorld(
				(world) =>
					void world.spawn("test", (process) => {
						void world.operate(process, "io", () => seen.push(`io at ${world.nowMs}`));
						setTimeout(() => seen.push(`timer at ${world.nowMs}`), dueMs);
					}),
				{ schedule: choices(...list) },
			);
			return seen;
		};
		expect(await order(2_000, 0)).toEqual(["io at 0", "timer at 2000"]);
		expect(await order(2_000, 1)).toEqual(["timer at 2000", "io at 2000"]);
		expect(await order(2_001, 1)).toEqual(["io at 0", "timer at 2001"]);
	});

	test("never turns the order of timers due at one instant", async () => {
		const seen: number[] = [];
		const { world } = await runWorld(
			(world) =>
				void world.spawn("test", () => {
					for (const n of [1, 2, 3]) setTimeout(() => seen.push(n), 5);
				}),
			{ schedule: choices(2, 2, 2) },
		);
		expect(seen).toEqual([1, 2, 3]);
		expect(world.alternatives).toEqual([]);
	});
});
