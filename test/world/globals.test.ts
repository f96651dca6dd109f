/** Inside a run the globals tell virtual time and seeded chance; after it they are the runtime's own again. */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { HarnessError } from "../../sim/world/harness-error.ts";
import { EPOCH_MS, World } from "../../sim/world/world.ts";
import { eventsOf, inWorld, runProcess, runWorld } from "./in-world.ts";

const AT_MS = 1_234;

/** What the code returns 1234 virtual milliseconds after the start. */
function later<T>(read: () => T): Promise<T> {
	return inWorld(() => new Promise<T>((resolve) => setTimeout(() => resolve(read()), AT_MS)));
}

describe("Date", () => {
	const now = EPOCH_MS + AT_MS;

	test.each<[string, () => unknown, unknown]>([
		["Date.now() is virtual time", () => Date.now(), now],
		["new Date() is virtual time", () => new Date().toISOString(), new Date(now).toISOString()],
		["Date() is virtual time as text", () => Date(), new Date(now).toString()],
		["Date() takes no notice of arguments", () => (Date as (value?: number) => string)(0), new Date(now).toString()],
		["new Date(number) is that time", () => new Date(5).getTime(), 5],
		["new Date(text) is that time", () => new Date("2000-01-01T00:00:00Z").getTime(), Date.UTC(2000, 0, 1)],
		["new Date(parts) is that local time", () => new Date(2000, 1, 3).getTime(), new Date(2000, 1, 3).getTime()],
		["new Date(undefined) is invalid", () => new Date(undefined as unknown as string).getTime(), Number.NaN],
		["new Date(date) is a copy", () => new Date(new Date(7)).getTime(), 7],
		["Date.UTC is as ever", () => Date.UTC(2000, 0), Date.UTC(2000, 0)],
		["Date.parse is as ever", () => Date.parse("2000-01-01"), Date.parse("2000-01-01")],
		["a subclass tells virtual time", () => new (class Stamp extends Date {})().getTime(), now],
		["a subclass passes its arguments on", () => new (class Stamp extends Date {})(9).getTime(), 9],
		[
			"a subclass has its own methods",
			() =>
				new (class Stamp extends Date {
					seconds = () => this.getTime() / 1000;
				})(9_000).seconds(),
			9,
		],
		["an instance is instanceof Date", () => new Date() instanceof Date, true],
		[
			"an instance of a subclass is instanceof both",
			() => {
				class Stamp extends Date {}
				const stamp = new Stamp();
				return [stamp instanceof Stamp, stamp instanceof Date];
			},
			[true, true],
		],
	])("%s", async (_rule, read, expected) => {
		expect(await later(read)).toEqual(expected);
	});

	test("made before the run is instanceof Date in it", async () => {
		const before = new Date(0);
		expect(await inWorld(() => before instanceof Date)).toBe(true);
	});

	test("made in a run is instanceof Date after it", async () => {
		expect(await inWorld(() => new Date())).toBeInstanceOf(Date);
	});
});

describe("the monotonic clock", () => {
	test.each<[string, () => unknown, unknown]>([
		["performance.now() is milliseconds since the start", () => performance.now(), AT_MS],
		["process.uptime() is seconds since the start", () => process.uptime(), 1.234],
		["process.hrtime() is seconds and nanoseconds", () => process.hrtime(), [1, 234_000_000]],
		["process.hrtime(previous) is the difference", () => process.hrtime([0, 500_000_000]), [0, 734_000_000]],
		["process.hrtime.bigint() is nanoseconds", () => process.hrtime.bigint(), 1_234_000_000n],
	])("%s", async (_rule, read, expected) => {
		expect(await later(read)).toEqual(expected);
	});
});

describe("chance", () => {
	const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

	test("crypto.randomUUID() is a version 4 UUID", async () => {
		for (const uuid of await inWorld(() => Array.from({ length: 100 }, () => crypto.randomUUID()))) {
			expect(uuid).toMatch(UUID);
		}
	});

	test("Math.random() is in [0, 1) and spreads over it", async () => {
		const drawn = await inWorld(() => Array.from({ length: 1_000 }, () => Math.random()));
		expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
		expect(Math.min(...drawn)).toBeLessThan(0.1);
		expect(Math.max(...drawn)).toBeGreaterThan(0.9);
		expect(Math.max(...drawn)).toBeLessThan(1);
	});

	const draws: [string, () => unknown][] = [
		["crypto.randomUUID()", () => [crypto.randomUUID(), crypto.randomUUID()]],
		["randomUUID() of node:crypto", () => [randomUUID(), randomUUID()]],
		["Math.random()", () => [Math.random(), Math.random()]],
		["crypto.getRandomValues()", () => [...crypto.getRandomValues(new Uint16Array(4))]],
	];

	test.each(draws)("%s is the same for the same seed", async (_call, draw) => {
		expect(await inWorld(draw, { seed: "a" })).toEqual(await inWorld(draw, { seed: "a" }));
	});

	test.each(draws)("%s differs from seed to seed", async (_call, draw) => {
		expect(await inWorld(draw, { seed: "a" })).not.toEqual(await inWorld(draw, { seed: "b" }));
	});

	test("crypto.getRandomValues() fills what it was given, and only that", async () => {
		const bytes = await inWorld(() => {
			const whole = new Uint8Array(64);
			crypto.getRandomValues(whole.subarray(16, 48));
			return [...whole];
		});
		expect([...bytes.slice(0, 16), ...bytes.slice(48)].every((byte) => byte === 0)).toBe(true);
		expect(new Set(bytes.slice(16, 48)).size).toBeGreaterThan(16);
	});
});

describe("what is written", () => {
	test.each<[string, () => void, { level: string; text: string }]>([
		["console.log", () => console.log("a", 1, { b: 2 }), { level: "log", text: 'a 1 {"b":2}' }],
		["console.info", () => console.info("a"), { level: "info", text: "a" }],
		["console.warn", () => console.warn("a"), { level: "warn", text: "a" }],
		["console.error", () => console.error(new TypeError("a")), { level: "error", text: "TypeError: a" }],
		["console.debug", () => console.debug(undefined, null), { level: "debug", text: "undefined null" }],
		["console.trace", () => console.trace("a"), { level: "trace", text: "a" }],
		["console.dir", () => console.dir([1]), { level: "dir", text: "[1]" }],
		["process.emitWarning", () => process.emitWarning("a"), { level: "warning", text: "a" }],
		["process.emitWarning", () => process.emitWarning("a", "Slow"), { level: "warning", text: "a" }],
		["process.stdout.write", () => void process.stdout.write("a"), { level: "stdout", text: "a" }],
		["process.stderr.write", () => void process.stderr.write(Buffer.from("a")), { level: "stderr", text: "a" }],
	])("by %s goes into the history, in the life that wrote it", async (_call, write, expected) => {
		const { world } = await runProcess(write);
		expect(eventsOf(world, "log")).toEqual([expected]);
		expect(world.history.events.at(-1)?.process).toBe(1);
	});

	test("to process.stdout is acknowledged to a writer that asks", async () => {
		expect(
			await inWorld(() => new Promise((resolve) => process.stdout.write("a", "utf8", () => resolve("written")))),
		).toBe("written");
	});

	test.each<[string, () => void]>([
		[
			"too many listeners",
			() => {
				const target = new EventTarget();
				for (let i = 0; i < 20; i++) target.addEventListener("abort", () => {});
			},
		],
		["something experimental", () => process.emitWarning("a", "ExperimentalWarning")],
		["something deprecated", () => process.emitWarning("a", { type: "DeprecationWarning", code: "DEP0001" })],
	])("by the runtime about %s does not, for that differs from version to version", async (_what, cause) => {
		const { world } = await runProcess(cause);
		expect(eventsOf(world, "log")).toEqual([]);
	});

	test("may be an object with cycles", async () => {
		const cycle: { self?: unknown } = {};
		cycle.self = cycle;
		const { world } = await runProcess(() => console.log(cycle));
		expect(eventsOf(world, "log")).toEqual([{ level: "log", text: "[object Object]" }]);
	});
});

describe("an error made in a run", () => {
	test("has no stack but its message, so that nothing of this machine is stored", async () => {
		expect(await inWorld(() => new Error("a").stack)).toBe("Error: a");
	});
});

test("an async context set inside a run reaches every callback", async () => {
	const context = new AsyncLocalStorage<string>();
	const seen: string[] = [];
	await runProcess(() => {
		context.run("inner", () => {
			const look = (where: string) => () => void seen.push(`${where}: ${context.getStore()}`);
			setTimeout(look("timeout"), 1);
			const interval = setInterval(() => {
				look("interval")();
				clearInterval(interval);
			}, 2);
			setImmediate(look("immediate"));
			process.nextTick(look("tick"));
			queueMicrotask(look("microtask"));
			void new Promise((resolve) => setTimeout(resolve, 3)).then(look("promise"));
		});
	});
	expect(seen.sort()).toEqual(
		["immediate", "interval", "microtask", "promise", "tick", "timeout"].map((where) => `${where}: inner`),
	);
});

describe("after a run", () => {
	const replaced: readonly (readonly [string, object, string])[] = [
		["Date", globalThis, "Date"],
		["setTimeout", globalThis, "setTimeout"],
		["setInterval", globalThis, "setInterval"],
		["setImmediate", globalThis, "setImmediate"],
		["clearTimeout", globalThis, "clearTimeout"],
		["clearInterval", globalThis, "clearInterval"],
		["clearImmediate", globalThis, "clearImmediate"],
		["queueMicrotask", globalThis, "queueMicrotask"],
		["Math.random", Math, "random"],
		["performance.now", performance, "now"],
		["crypto.randomUUID", crypto, "randomUUID"],
		["crypto.getRandomValues", crypto, "getRandomValues"],
		["process.nextTick", process, "nextTick"],
		["process.hrtime", process, "hrtime"],
		["process.uptime", process, "uptime"],
		["process.emitWarning", process, "emitWarning"],
		["process.stdout.write", process.stdout, "write"],
		["process.stderr.write", process.stderr, "write"],
		["Error.stackTraceLimit", Error, "stackTraceLimit"],
		["process.env", process, "env"],
		["console", globalThis, "console"],
	];

	const valueIn = (holder: object, name: string) => (holder as Record<string, unknown>)[name];
	const state = () =>
		replaced.map(([call, holder, name]) => [
			call,
			valueIn(holder, name),
			Object.getOwnPropertyDescriptor(holder, name),
		]);

	test("these had been replaced in it", async () => {
		const before = replaced.map(([, holder, name]) => valueIn(holder, name));
		const same = await inWorld(() =>
			replaced.filter(([, holder, name], i) => valueIn(holder, name) === before[i]).map(([call]) => call),
		);
		expect(same).toEqual([]);
	});

	test.each<[string, () => Promise<unknown>]>([
		["that came to its end", () => runWorld(() => {})],
		[
			"that threw",
			() =>
				runWorld(() => {
					throw new Error("thrown");
				}).catch(() => {}),
		],
		["that left its world", () => runWorld(() => void fetch("data:,")).catch(() => {})],
		[
			"that was refused",
			async () => {
				await null;
				const run = () => new World({ seed: "1" }).run(() => {}, { untilMs: 1, maxEvents: 1 });
				expect(run).toThrow(HarnessError);
			},
		],
		[
			"that replaced them itself",
			() =>
				runProcess(() => {
					globalThis.setTimeout = (() => {}) as unknown as typeof setTimeout;
					Math.random = () => 4;
					Error.stackTraceLimit = 50;
				}),
		],
	])("%s, every global is as it was", async (_rule, run) => {
		await runWorld(() => {});
		const before = state();
		await run();
		expect(state()).toStrictEqual(before);
	});

	test("those who listened for unhandled rejections listen again, and nobody else", async () => {
		const listener = () => {};
		process.on("unhandledRejection", listener);
		try {
			const before = process.rawListeners("unhandledRejection");
			await runProcess(() => void process.on("unhandledRejection", () => {}));
			expect(process.rawListeners("unhandledRejection")).toEqual(before);
		} finally {
			process.off("unhandledRejection", listener);
		}
	});

	test("a simulated global that was kept is refused", async () => {
		const kept = await inWorld(() => setTimeout);
		expect(() => kept(() => {}, 1)).toThrow(HarnessError);
	});
});
