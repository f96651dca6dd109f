/** A process is one life: what is in memory dies with it, and nothing of it runs again. */
import { describe, expect, test } from "vitest";
import { HarnessError } from "../../sim/world/harness-error.ts";
import type { Process } from "../../sim/world/process.ts";
import type { World } from "../../sim/world/world.ts";
import { eventsOf, type Options, runProcess, runWorld, told } from "./in-world.ts";

const SLOW: Options = { latency: { minMs: 10, maxMs: 10, answerMaxMs: 0 } };
const SLOW_ANSWERS: Options = { seed: "answers", latency: { minMs: 10, maxMs: 10, answerMaxMs: 1_000 } };

/** Runs `main` in a process and ends its life at 5 ms. */
function crashedAt5<T>(main: (world: World, process: Process) => T, options: Options = {}) {
	return runWorld((world) => {
		const process = world.spawn("victim", (process) => void main(world, process));
		world.schedule(world.outside, 5, () => world.crash(process, "test"));
	}, options);
}

describe("a life", () => {
	test("begins with an event that names it, and ends with one that says why", async () => {
		const { world } = await crashedAt5(() => {});
		expect(world.history.events).toEqual([
			{ at: 0, process: 1, kind: "process.start", data: { name: "victim" } },
			{ at: 5, process: 1, kind: "process.crash", data: { why: "test", inFlight: [] } },
		]);
	});

	test("that ends in good order leaves an exit, and no crash", async () => {
		const { world } = await runProcess((world, process) => world.exit(process, "done"));
		expect(world.history.events.slice(1)).toEqual([{ at: 0, process: 1, kind: "process.exit", data: { why: "done" } }]);
	});

	test("ends once", async () => {
		const { world } = await runProcess((world, process) => {
			world.crash(process, "first");
			world.crash(process, "second");
			world.exit(process, "third");
		});
		expect(told(world.history.events)).toEqual(["process.start of 1 at 0", "process.crash of 1 at 0"]);
	});

	test("has an id of its own, counted from 1", async () => {
		const ids: number[] = [];
		await runWorld((world) => {
			for (const name of ["a", "a", "b"]) ids.push(world.spawn(name, () => {}).id);
		});
		expect(ids).toEqual([1, 2, 3]);
	});

	test("that crashed is told to those who listen, one that exits is not", async () => {
		const crashed: string[] = [];
		await runWorld((world) => {
			world.onCrash((process) => crashed.push(process.name));
			world.crash(
				world.spawn("crashes", () => {}),
				"test",
			);
			world.exit(
				world.spawn("exits", () => {}),
				"test",
			);
		});
		expect(crashed).toEqual(["crashes"]);
	});
});

describe.each<[string, (world: World, process: Process) => void]>([
	["a crash", (world, process) => world.crash(process, "test")],
	["an exit", (world, process) => world.exit(process, "test")],
])("%s", (_end, end) => {
	/** What `main` set going in a process that ended at 5 ms. */
	async function survivors(main: (done: () => void, world: World, process: Process) => void, options?: Options) {
		let count = 0;
		await runWorld((world) => {
			const process = world.spawn("victim", (process) => main(() => void count++, world, process));
			world.schedule(world.outside, 5, () => end(world, process));
		}, options);
		return count;
	}

	test.each<[string, (done: () => void, world: World, process: Process) => void, Options?]>([
		["timers", (done) => void setTimeout(done, 10)],
		["intervals", (done) => void setInterval(done, 10)],
		["timers armed by promises", (done) => void Promise.resolve().then(() => setTimeout(done, 10))],
		["timers armed by timers", (done) => void setTimeout(() => setTimeout(done, 10), 1)],
		["events", (done, world, process) => void world.schedule(process, 10, done)],
		["operations in flight", (done, world, process) => void world.operate(process, "io", done), SLOW],
		[
			"answers on their way",
			(done, world, process) => {
				void world.operate(process, "io", () => {}).then(done);
			},
			{ ...SLOW_ANSWERS, latency: { minMs: 0, maxMs: 1, answerMaxMs: 1_000 } },
		],
	])("drops %s", async (_what, main, options) => {
		expect(await survivors(main, options)).toBe(0);
	});

	test("leaves no events to count or to wait for", async () => {
		const { world } = await runWorld((world) => {
			const victim = world.spawn("victim", (process) => {
				setTimeout(() => {}, 100);
				world.schedule(process, 200, () => {});
			});
			world.schedule(world.outside, 5, () => end(world, victim));
		});
		expect([world.events, world.nowMs]).toEqual([3, 5]);
	});

	test("leaves the timers of others alone", async () => {
		const fired: string[] = [];
		await runWorld((world) => {
			const victim = world.spawn("victim", () => void setTimeout(() => fired.push("victim"), 10));
			world.spawn("other", () => void setTimeout(() => fired.push("other"), 10));
			world.schedule(world.outside, 5, () => end(world, victim));
		});
		expect(fired).toEqual(["other"]);
	});

	test("in the middle of an event leaves no trace of what that event still does", async () => {
		const { world } = await runProcess((world, process) => {
			const again = () => {
				console.log("still here");
				world.note("note", {});
				void world.operate(process, "io", () => world.note("io", {}, process));
				setTimeout(() => world.note("timer", {}), 1);
			};
			queueMicrotask(again);
			end(world, process);
			again();
		});
		expect(world.history.events.map(({ kind }) => kind).slice(2)).toEqual([]);
		expect(world.operations).toBe(0);
	});
});

describe("an operation", () => {
	test("takes place after its latency, and is answered then", async () => {
		const times: number[] = [];
		await runProcess(async (world, process) => {
			await world.operate(process, "io", () => times.push(world.nowMs));
			times.push(world.nowMs);
		}, SLOW);
		expect(times).toEqual([10, 10]);
	});

	test("may be answered later than it took place", async () => {
		const times: number[] = [];
		await runProcess(async (world, process) => {
			await world.operate(process, "io", () => times.push(world.nowMs));
			times.push(world.nowMs);
		}, SLOW_ANSWERS);
		expect(times[0]).toBe(10);
		expect(times[1]).toBeGreaterThan(10);
	});

	test("is answered by what it throws", async () => {
		const answers: unknown[] = [];
		await runProcess((world, process) => {
			const refuse = () => {
				throw new Error("refused");
			};
			world.operate(process, "io", refuse).catch((error) => answers.push(error.message));
		});
		expect(answers).toEqual(["refused"]);
	});

	test("takes as long as its latency allows, both ends included", async () => {
		const taken = new Set<number>();
		await runProcess(
			(world, process) => {
				for (let i = 0; i < 200; i++) void world.operate(process, "io", () => taken.add(world.nowMs));
			},
			{ latency: { minMs: 3, maxMs: 7, answerMaxMs: 0 } },
		);
		expect([...taken].sort()).toEqual([3, 4, 5, 6, 7]);
	});
});

describe("operations in flight at a crash", () => {
	const COUNT = 40;

	async function applied(options: Options): Promise<number[]> {
		const applied: number[] = [];
		await crashedAt5(
			(world, process) => {
				for (let i = 0; i < COUNT; i++) void world.operate(process, `io ${i}`, () => applied.push(i));
			},
			{ ...SLOW, ...options },
		);
		return applied;
	}

	test("are listed in the crash", async () => {
		const { world } = await crashedAt5((world, process) => {
			for (const what of ["kv.get", "kv.batch"]) void world.operate(process, what, () => {});
		}, SLOW);
		expect(eventsOf(world, "process.crash")).toEqual([{ why: "test", inFlight: ["kv.get", "kv.batch"] }]);
	});

	test("never reach the disk when their fate is `lost`", async () => {
		expect(await applied({ inFlight: "lost" })).toEqual([]);
	});

	test("are lost by default", async () => {
		expect(await applied({})).toEqual([]);
	});

	test("reach the disk some of them when their fate is `drawn`, in the order they were asked for", async () => {
		const some = await applied({ inFlight: "drawn" });
		expect(some.length).toBeGreaterThan(COUNT / 4);
		expect(some.length).toBeLessThan((COUNT * 3) / 4);
		expect(some).toEqual([...some].sort((a, b) => a - b));
	});

	test("have fates that follow from the seed", async () => {
		const drawn = (seed: string) => applied({ inFlight: "drawn", seed });
		expect(await drawn("a")).toEqual(await drawn("a"));
		expect(await drawn("a")).not.toEqual(await drawn("b"));
	});

	test("are not answered, whatever their fate", async () => {
		let answers = 0;
		await crashedAt5(
			(world, process) => {
				for (let i = 0; i < COUNT; i++) void world.operate(process, "io", () => {}).then(() => answers++);
			},
			{ ...SLOW, inFlight: "drawn" },
		);
		expect(answers).toBe(0);
	});

	test("may fail with nobody left to hear of it", async () => {
		let tried = 0;
		const crashed: string[] = [];
		const { world } = await runWorld(
			(world) => {
				world.onCrash((process) => crashed.push(process.name));
				const victim = world.spawn("victim", (process) => {
					for (let i = 0; i < COUNT; i++) {
						void world.operate(process, "io", () => {
							tried++;
							throw new Error("refused");
						});
					}
				});
				world.schedule(world.outside, 5, () => world.crash(victim, "test"));
			},
			{ ...SLOW, inFlight: "drawn" },
		);
		expect(tried).toBeGreaterThan(1);
		expect(crashed).toEqual(["victim"]);
		expect(eventsOf(world, "uncaught")).toEqual([]);
	});

	test("that took place before it are not among them", async () => {
		const { world } = await crashedAt5((world, process) => void world.operate(process, "io", () => {}), {
			latency: { minMs: 1, maxMs: 1, answerMaxMs: 1_000 },
		});
		expect(eventsOf(world, "process.crash")).toEqual([{ why: "test", inFlight: [] }]);
	});

	test("may not leave the world either", async () => {
		const run = crashedAt5(
			(world, process) => {
				for (let i = 0; i < COUNT; i++) {
					void world.operate(process, "io", () => {
						throw new HarnessError("escape", "late");
					});
				}
			},
			{ ...SLOW, inFlight: "drawn" },
		);
		await expect(run).rejects.toMatchObject({ name: "HarnessError", message: "late" });
	});

	test("that took place before it are not asked for again", async () => {
		let times = 0;
		await crashedAt5(
			(world, process) => {
				for (let i = 0; i < COUNT; i++) void world.operate(process, "io", () => times++);
			},
			{ latency: { minMs: 1, maxMs: 1, answerMaxMs: 1_000 }, inFlight: "drawn" },
		);
		expect(times).toBe(COUNT);
	});
});

describe("a rejection that nobody handles", () => {
	test("is recorded and ends the life", async () => {
		const { world } = await runProcess(() => void Promise.reject(new RangeError("forgotten")));
		expect(eventsOf(world, "unhandled")).toEqual([{ error: { name: "RangeError", message: "forgotten" } }]);
		expect(eventsOf(world, "process.crash")).toEqual([{ why: "unhandled rejection", inFlight: [] }]);
	});

	test("may be of anything", async () => {
		const { world } = await runProcess(() => void Promise.reject("text"));
		expect(eventsOf(world, "unhandled")).toEqual([{ error: { name: "string", message: "text" } }]);
	});

	test("ends the life whose event it came of, and no other", async () => {
		const { world } = await runWorld((world) => {
			world.spawn("sound", () => {});
			world.spawn("faulty", () => void Promise.reject(new Error("forgotten")));
		});
		expect(world.living().map(({ name }) => name)).toEqual(["sound"]);
	});

	test("is none when it is handled within its event", async () => {
		const { world } = await runProcess(async () => {
			const rejected = Promise.reject(new Error("handled"));
			for (let i = 0; i < 10; i++) await null;
			await rejected.catch(() => {});
		});
		// Node looks for unhandled rejections once all microtasks have run.
		expect(eventsOf(world, "unhandled")).toEqual([]);
	});

	test("is one when it is handled in a later event, as in Node", async () => {
		const { world } = await runProcess(() => {
			const rejected = Promise.reject(new Error("late"));
			setTimeout(() => rejected.catch(() => {}), 0);
		});
		expect(eventsOf(world, "unhandled")).toHaveLength(1);
	});
});

describe("an exception that nobody catches", () => {
	const fail = () => {
		throw new RangeError("thrown");
	};

	test.each<[string, (world: World, process: Process) => void]>([
		["in the first event", fail],
		["in a timer", () => void setTimeout(fail, 1)],
		["in an interval", () => void setInterval(fail, 1)],
		["in an immediate", () => void setImmediate(fail)],
		["in a next-tick", () => process.nextTick(fail)],
		["in a microtask", () => queueMicrotask(fail)],
		[
			"in a listener for an abort",
			() => {
				const controller = new AbortController();
				controller.signal.addEventListener("abort", fail);
				controller.abort();
			},
		],
		["in an event", (world, process) => void world.schedule(process, 1, fail)],
	])("%s is recorded and ends the life", async (_where, main) => {
		const { world, stop } = await runProcess(main);
		expect(eventsOf(world, "uncaught")).toEqual([{ error: { name: "RangeError", message: "thrown" } }]);
		expect(eventsOf(world, "process.crash")).toEqual([{ why: "uncaught exception", inFlight: [] }]);
		expect(stop).toBe("quiescent");
	});

	test("in a next-tick does not keep later events from running", async () => {
		const seen: string[] = [];
		await runWorld((world) => {
			world.spawn("faulty", () => process.nextTick(fail));
			world.spawn("sound", () => void setTimeout(() => process.nextTick(() => seen.push("ran")), 1));
		});
		expect(seen).toEqual(["ran"]);
	});

	test("is recorded once, though what follows in its event fails as well", async () => {
		const { world } = await runProcess(() => {
			process.nextTick(fail);
			process.nextTick(fail);
			queueMicrotask(fail);
		});
		expect(eventsOf(world, "uncaught")).toHaveLength(1);
	});
});

describe("a call into the outside world", () => {
	test("is a numbered durable effect, counted by its label", async () => {
		const answers: number[] = [];
		const { world } = await runProcess(async (world, process) => {
			for (const label of ["charge", "mail", "charge"]) answers.push(await world.call(process, label, "order 1"));
		});
		expect(answers).toEqual([1, 1, 2]);
		expect(eventsOf(world, "effect")).toEqual([
			{ n: 1, label: "charge", about: "order 1", occurrence: 1 },
			{ n: 2, label: "mail", about: "order 1", occurrence: 1 },
			{ n: 3, label: "charge", about: "order 1", occurrence: 2 },
		]);
	});

	test("is remembered across lives", async () => {
		const answers: number[] = [];
		await runWorld((world) => {
			const main = (process: Process) => void world.call(process, "charge").then((n) => answers.push(n));
			world.spawn("first", main);
			world.schedule(world.outside, 10, () => void world.spawn("second", main));
		});
		expect(answers).toEqual([1, 2]);
	});
});
