/** Timers inside a run do what Node's do, in virtual time. */
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { inWorld, runProcess } from "./in-world.ts";

/** What `main` noted, each as `what@ms`. */
async function story(main: (note: (what: unknown) => void) => void, untilMs = 10_000): Promise<string[]> {
	const notes: string[] = [];
	await runProcess((world) => main((what) => void notes.push(`${what}@${world.nowMs}`)), { untilMs });
	return notes;
}

describe("setTimeout", () => {
	test("calls back after its delay", async () => {
		expect(await story((note) => void setTimeout(() => note("fired"), 250))).toEqual(["fired@250"]);
	});

	test("passes arguments on", async () => {
		expect(await story((note) => void setTimeout((a, b) => note(`${a}${b}`), 5, "x", 2))).toEqual(["x2@5"]);
	});

	test.each<[unknown, number]>([
		[0, 1],
		[-5, 1],
		[0.5, 1],
		[Number.NaN, 1],
		[undefined, 1],
		[null, 1],
		["", 1],
		["soon", 1],
		[Number.POSITIVE_INFINITY, 1],
		[2 ** 31, 1],
		[2 ** 31 - 1, 2 ** 31 - 1],
		[7.9, 7],
		["30", 30],
		[true, 1],
	])("with a delay of %j fires after %d ms, as in Node", async (delay, afterMs) => {
		const fired = await story((note) => void setTimeout(() => note("fired"), delay as number), 2 ** 32);
		expect(fired).toEqual([`fired@${afterMs}`]);
	});

	test("without a callback is refused, as in Node", async () => {
		const call = () => setTimeout(undefined as unknown as () => void, 1);
		await expect(inWorld(call)).rejects.toThrow(TypeError);
	});

	test("of `promisify` is that of timers/promises, which is refused", async () => {
		await expect(inWorld(() => promisify(setTimeout)(5))).rejects.toThrow("timers/promises.setTimeout");
	});
});

describe("a cleared timer never fires", () => {
	test.each<[string, (timer: NodeJS.Timeout) => void]>([
		["by clearTimeout", (timer) => clearTimeout(timer)],
		["by clearInterval, as in Node", (timer) => clearInterval(timer)],
		["by close()", (timer) => timer.close()],
		["by its number", (timer) => clearTimeout(Number(timer))],
		["by its number as text", (timer) => clearTimeout(String(Number(timer)))],
		[
			"and refresh() does not bring it back",
			(timer) => {
				clearTimeout(timer);
				timer.refresh();
			},
		],
	])("%s", async (_how, clear) => {
		expect(await story((note) => clear(setTimeout(() => note("fired"), 10)))).toEqual([]);
	});

	test("also when another timer of the same instant clears it", async () => {
		const fired = await story((note) => {
			setTimeout(() => clearTimeout(second), 10);
			const second = setTimeout(() => note("second"), 10);
		});
		expect(fired).toEqual([]);
	});

	test.each([undefined, null, {}, 12_345, "no timer"])("and clearing %j is harmless", async (nothing) => {
		expect(
			await story((note) => {
				setTimeout(() => note("fired"), 1);
				clearTimeout(nothing as unknown as NodeJS.Timeout);
			}),
		).toEqual(["fired@1"]);
	});
});

describe("setInterval", () => {
	test("fires again and again until it is cleared", async () => {
		const fired = await story((note) => {
			const timer = setInterval(() => note("fired"), 10);
			setTimeout(() => clearInterval(timer), 35);
		});
		expect(fired).toEqual(["fired@10", "fired@20", "fired@30"]);
	});

	test("may clear itself", async () => {
		const fired = await story((note) => {
			const timer = setInterval(() => {
				note("fired");
				clearInterval(timer);
			}, 10);
		});
		expect(fired).toEqual(["fired@10"]);
	});

	test("is armed again after its callback, behind the timers armed in there", async () => {
		const fired = await story((note) => {
			let timeouts = 0;
			const timer = setInterval(() => {
				note("interval");
				if (++timeouts === 2) clearInterval(timer);
				setTimeout(() => note("timeout"), 10);
			}, 10);
		});
		expect(fired).toEqual(["interval@10", "timeout@20", "interval@20", "timeout@30"]);
	});
});

describe("refresh", () => {
	test("begins the delay again", async () => {
		const fired = await story((note) => {
			const timer = setTimeout(() => note("fired"), 10);
			setTimeout(() => timer.refresh(), 6);
		});
		expect(fired).toEqual(["fired@16"]);
	});

	test("arms a timer that has fired", async () => {
		const fired = await story((note) => {
			const timer = setTimeout(() => note("fired"), 10);
			setTimeout(() => timer.refresh(), 20);
		});
		expect(fired).toEqual(["fired@10", "fired@30"]);
	});

	test("puts a timer behind others of its new instant", async () => {
		const fired = await story((note) => {
			const first = setTimeout(() => note("first"), 10);
			setTimeout(() => note("second"), 10);
			first.refresh();
		});
		expect(fired).toEqual(["second@10", "first@10"]);
	});
});

describe("a timer object", () => {
	test.each<[string, (timer: NodeJS.Timeout) => unknown, unknown]>([
		["keeps the process waiting at first", (timer) => timer.hasRef(), true],
		["says when it no longer does", (timer) => timer.unref().hasRef(), false],
		["says when it does again", (timer) => timer.unref().ref().hasRef(), true],
		["has a number", (timer) => Number.isInteger(Number(timer)), true],
		["returns itself from refresh()", (timer) => timer.refresh() === timer, true],
	])("%s", async (_rule, read, expected) => {
		expect(await inWorld(() => read(setTimeout(() => {}, 10)))).toBe(expected);
	});

	test("has a number of its own", async () => {
		const [a, b] = await inWorld(() => [Number(setTimeout(() => {}, 10)), Number(setTimeout(() => {}, 10))]);
		expect(a).not.toBe(b);
	});
});

describe("setImmediate", () => {
	test("calls back at the same instant, in another event, with its arguments", async () => {
		const fired = await story((note) => {
			setImmediate((text) => note(text), "immediate");
			queueMicrotask(() => note("microtask"));
		});
		expect(fired).toEqual(["microtask@0", "immediate@0"]);
	});

	test("comes before a timer of 0 ms", async () => {
		const fired = await story((note) => {
			setTimeout(() => note("timer"), 0);
			setImmediate(() => note("immediate"));
		});
		expect(fired).toEqual(["immediate@0", "timer@1"]);
	});

	test("is cleared by clearImmediate", async () => {
		expect(await story((note) => clearImmediate(setImmediate(() => note("fired"))))).toEqual([]);
	});
});

describe("timers of one process with the same deadline fire in the order they were armed", () => {
	test.each(["a", "b", "c", "d", "e"])("with seed %s", async (seed) => {
		const order: number[] = [];
		await runProcess(
			() => {
				for (let i = 0; i < 10; i++) setTimeout(() => order.push(i), 50);
				setTimeout(() => {
					for (let i = 10; i < 20; i++) setTimeout(() => order.push(i), 20);
				}, 30);
			},
			{ seed },
		);
		expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
	});

	test("while an operation of that instant falls before or behind them by seed", async () => {
		const places = new Set<number>();
		for (const seed of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
			const order: string[] = [];
			await runProcess(
				(world, process) => {
					for (let i = 0; i < 3; i++) setTimeout(() => order.push("timer"), 5);
					void world.operate(process, "io", () => order.push("io"));
				},
				{ seed, latency: { minMs: 5, maxMs: 5, answerMaxMs: 0 } },
			);
			places.add(order.indexOf("io"));
		}
		expect([...places].sort()).toEqual([0, 3]);
	});
});
