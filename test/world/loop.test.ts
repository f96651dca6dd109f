/** The loop: one event at a time, everything it caused drained before the next, in virtual time. */
import { describe, expect, test } from "vitest";
import { HarnessError } from "../../sim/world/harness-error.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import { EPOCH_MS, World } from "../../sim/world/world.ts";
import { inWorld, runProcess, runWorld } from "./in-world.ts";

const DAY_MS = 86_400_000;
const LIMITS = { untilMs: 1_000, maxEvents: 100 };

/** The code of the error that a call throws. */
function codeOf(call: () => unknown): string | undefined {
	try {
		call();
	} catch (error) {
		return error instanceof HarnessError ? error.code : String(error);
	}
	return undefined;
}

describe("between two events", () => {
	test.each<[string, (done: () => void) => void]>([
		["microtasks run", (done) => queueMicrotask(done)],
		["promise reactions run", (done) => void Promise.resolve().then(done)],
		["next-ticks run", (done) => process.nextTick(done)],
		["microtasks of next-ticks run", (done) => process.nextTick(() => queueMicrotask(done))],
		["next-ticks of microtasks run", (done) => queueMicrotask(() => process.nextTick(done))],
		[
			"chains of promises run to their end",
			(done) =>
				void (async () => {
					for (let i = 0; i < 100; i++) await null;
					done();
				})(),
		],
	])("%s", async (_rule, cause) => {
		const order: string[] = [];
		await runWorld(
			(world) => {
				world.schedule(world.outside, 0, () => cause(() => order.push("caused")));
				world.schedule(world.outside, 0, () => order.push("next event"));
			},
			{ schedule: { kind: "choices", choices: [] } },
		);
		expect(order).toEqual(["caused", "next event"]);
	});

	test("next-ticks come before microtasks, as in Node", async () => {
		const order: string[] = [];
		await runProcess(() => {
			queueMicrotask(() => order.push("microtask"));
			process.nextTick((text: string) => order.push(text), "tick");
		});
		expect(order).toEqual(["tick", "microtask"]);
	});
});

describe("a run is refused", () => {
	test("from a promise job, where nothing can be drained", async () => {
		await null;
		expect(codeOf(() => new World({ seed: "1" }).run(() => {}, LIMITS))).toBe("promise-job");
	});

	test("inside another run", async () => {
		const code = await inWorld(() => codeOf(() => new World({ seed: "2" }).run(() => {}, LIMITS)));
		expect(code).toBe("nested-run");
	});

	test("inside another run, also when nobody hears of the refusal", async () => {
		const run = runProcess(async () => {
			new World({ seed: "2" }).run(() => {}, LIMITS);
		});
		await expect(run).rejects.toMatchObject({ name: "HarnessError", code: "nested-run" });
	});
});

test("a refused run leaves the way free for the next", async () => {
	await null;
	codeOf(() => new World({ seed: "1" }).run(() => {}, LIMITS));
	expect((await runWorld(() => {})).stop).toBe("quiescent");
});

describe("inMacrotask", () => {
	test("hands on what the body returns", async () => {
		expect(await inMacrotask(() => 7)).toBe(7);
	});

	test("hands on what the body throws", async () => {
		const error = new Error("thrown");
		await expect(
			inMacrotask(() => {
				throw error;
			}),
		).rejects.toBe(error);
	});
});

describe("a run stops", () => {
	test("when nothing is left", async () => {
		const { stop, world } = await runWorld((world) => void world.schedule(world.outside, 5, () => {}));
		expect([stop, world.nowMs, world.events]).toEqual(["quiescent", 5, 2]);
	});

	test("before the first event beyond its time", async () => {
		const seen: number[] = [];
		const { stop, world } = await runWorld(
			(world) => {
				for (const at of [10, 11]) world.schedule(world.outside, at, () => seen.push(at));
			},
			{ untilMs: 10 },
		);
		expect([stop, world.nowMs, seen]).toEqual(["time-limit", 10, [10]]);
	});

	test("after so many events", async () => {
		const { stop, world } = await runProcess(() => void setInterval(() => {}, 1), { maxEvents: 50 });
		expect([stop, world.events]).toEqual(["event-limit", 50]);
	});

	test("when nothing is left but cancelled timers beyond its time", async () => {
		const { stop } = await runProcess(() => clearTimeout(setTimeout(() => {}, 20)), { untilMs: 10 });
		expect(stop).toBe("quiescent");
	});
});

describe("virtual time", () => {
	test("passes 30 days in a run of a few events", async () => {
		const { world } = await runProcess(async () => {
			await new Promise((resolve) => setTimeout(resolve, 20 * DAY_MS));
			await new Promise((resolve) => setTimeout(resolve, 10 * DAY_MS));
		});
		expect(world.nowMs).toBe(30 * DAY_MS);
		expect(world.events).toBe(4);
	});

	test("stands still while an event runs", async () => {
		const [before, after] = await inWorld(async () => {
			const before = Date.now();
			for (let i = 0; i < 1_000; i++) await null;
			return [before, Date.now()];
		});
		expect([before, after]).toEqual([EPOCH_MS, EPOCH_MS]);
	});

	test.each([-1, Number.NaN])("cannot be turned back by a delay of %d", async (delayMs) => {
		const run = runWorld((world) => void world.schedule(world.outside, delayMs, () => {}));
		await expect(run).rejects.toMatchObject({ name: "HarnessError", code: "delay" });
	});
});

describe("events due at one instant", () => {
	const orderOf = async (seed: string) => {
		const order: number[] = [];
		await runWorld(
			(world) => {
				for (let i = 0; i < 8; i++) world.schedule(world.outside, 1, () => order.push(i));
			},
			{ seed },
		);
		return order.join("");
	};

	test("come in an order drawn by seed", async () => {
		const orders = await Promise.all(["a", "b", "c"].map(orderOf));
		expect(new Set(orders).size).toBe(3);
	});

	test("come in the same order for the same seed", async () => {
		expect(await orderOf("a")).toBe(await orderOf("a"));
	});
});

describe("what the outside throws", () => {
	test.each<[string, () => void]>([
		[
			"in an event",
			() => {
				throw new RangeError("outside");
			},
		],
		[
			"in a next-tick",
			() =>
				process.nextTick(() => {
					throw new RangeError("outside");
				}),
		],
		[
			"in a microtask",
			() =>
				queueMicrotask(() => {
					throw new RangeError("outside");
				}),
		],
	])("%s ends the run with that error", async (_where, fail) => {
		await expect(runWorld(fail)).rejects.toThrow(new RangeError("outside"));
	});

	test("in a promise nobody handles ends the run with a harness error", async () => {
		const run = runWorld(() => void Promise.reject(new Error("forgotten")));
		await expect(run).rejects.toMatchObject({
			code: "outside-rejection",
			message: expect.stringContaining("forgotten"),
		});
	});
});

test("a run that throws leaves nothing behind to run later", async () => {
	const seen: string[] = [];
	const run = runWorld(() => {
		queueMicrotask(() => seen.push("microtask"));
		throw new Error("ends the run");
	});
	let seenAtTheEnd: string[] = [];
	await run.catch(() => {
		seenAtTheEnd = [...seen];
	});
	expect(seenAtTheEnd).toEqual(["microtask"]);
});

describe("what the living wait for", () => {
	test("are operations in flight and armed timers, by name and number", async () => {
		const { world } = await runProcess(
			(world, process) => {
				void world.operate(process, "kv.get", () => {});
				setTimeout(() => {}, 100);
				setTimeout(() => {}, 200);
				clearTimeout(setTimeout(() => {}, 300));
			},
			{ latency: { minMs: 50, maxMs: 50, answerMaxMs: 0 }, untilMs: 10 },
		);
		expect(world.waits()).toEqual(["process 1 for kv.get, 2 armed timers"]);
	});

	test("is nothing once they are dead", async () => {
		const { world } = await runProcess((world, process) => {
			setTimeout(() => {}, 100);
			world.crash(process, "test");
		});
		expect(world.waits()).toEqual([]);
	});
});
