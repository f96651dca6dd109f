/** Every planned fault strikes at its coordinate and proves it in the history; one out of reach leaves no proof. */
import { describe, expect, test } from "vitest";
import { describeFault, type Fault, type FaultPlan } from "../../sim/world/faults.ts";
import type { Process } from "../../sim/world/process.ts";
import type { World } from "../../sim/world/world.ts";
import { eventsOf, type Options, runWorld } from "./in-world.ts";

const KEYS = ["a", "b", "c"];

/** One process writes three keys, one after the other; a new life begins after each crash and writes what is missing. */
function writer(world: World): void {
	const write = async (process: Process) => {
		for (const key of KEYS) {
			await world.operate(process, `write ${key}`, () => {
				if (world.disk.get("t", key) !== undefined) return;
				world.disk.commit(process, `write ${key}`, [{ table: "t", key, value: new Uint8Array() }]);
			});
			world.note("acknowledged", key);
		}
		world.exit(process, "done");
	};
	world.onCrash(() => void world.spawn("again", (process) => void write(process)));
	world.onEvict(() => {
		const [living] = world.living();
		if (living === undefined) return false;
		world.exit(living, "evicted");
		world.spawn("again", (process) => void write(process));
		return true;
	});
	world.spawn("first", (process) => void write(process));
}

async function runPlan(faults: FaultPlan, options: Options = {}) {
	const { world } = await runWorld(writer, { faults, ...options });
	return world;
}

/** What was acknowledged to the life of that number. */
const acknowledgedTo = (world: World, life: number) =>
	world.history.events
		.filter(({ kind, process }) => kind === "acknowledged" && process === life)
		.map(({ data }) => data);

/** What was written by the life of that number. */
const writtenBy = (world: World, life: number) =>
	world.history.events
		.filter(({ kind, process }) => kind === "durable" && process === life)
		.map(({ data }) => (data as { what: string }).what);

test("without a plan nothing strikes", async () => {
	const world = await runPlan([]);
	expect(eventsOf(world, "fault")).toEqual([]);
	expect(world.fired.size).toBe(0);
	expect(acknowledgedTo(world, 1)).toEqual(KEYS);
});

describe("every kind proves that it fired", () => {
	test.each<[Fault, string]>([
		[{ kind: "crash", write: 2, side: "before" }, "write b"],
		[{ kind: "crash", write: 2, side: "after" }, "write b"],
		[{ kind: "crash", event: 3 }, "between events, 1 alive"],
		[{ kind: "evict", event: 3 }, "between events"],
		[{ kind: "slow", operation: 2, ms: 50 }, "write b"],
	])("%j", async (fault, window) => {
		const world = await runPlan([fault]);
		expect(eventsOf(world, "fault")).toEqual([{ index: 0, kind: describeFault(fault), window }]);
		expect([...world.fired]).toEqual([0]);
	});
});

describe("a coordinate out of reach leaves no proof", () => {
	test.each<[Fault]>([
		[{ kind: "crash", write: 4, side: "before" }],
		[{ kind: "crash", write: 4, side: "after" }],
		[{ kind: "crash", event: 100 }],
		[{ kind: "evict", event: 100 }],
		[{ kind: "slow", operation: 4, ms: 50 }],
		[{ kind: "crash", write: 0, side: "before" }],
		[{ kind: "crash", event: 1 }],
		[{ kind: "evict", event: 1 }],
	])("%j", async (fault) => {
		const world = await runPlan([fault]);
		expect(eventsOf(world, "fault")).toEqual([]);
		expect(world.fired.size).toBe(0);
	});
});

describe("a crash before write n", () => {
	test("leaves that write undone", async () => {
		const world = await runPlan([{ kind: "crash", write: 2, side: "before" }]);
		expect(writtenBy(world, 1)).toEqual(["write a"]);
		expect(writtenBy(world, 2)).toEqual(["write b", "write c"]);
	});

	test("uses up the number of that write", async () => {
		const world = await runPlan([{ kind: "crash", write: 2, side: "before" }]);
		expect(eventsOf(world, "durable").map(({ n }) => n)).toEqual([1, 3, 4]);
	});
});

describe("a crash after write n", () => {
	test("leaves that write done", async () => {
		const world = await runPlan([{ kind: "crash", write: 2, side: "after" }]);
		expect(writtenBy(world, 1)).toEqual(["write a", "write b"]);
		expect(writtenBy(world, 2)).toEqual(["write c"]);
	});

	test("leaves the process without the acknowledgement", async () => {
		const world = await runPlan([{ kind: "crash", write: 2, side: "after" }]);
		expect(acknowledgedTo(world, 1)).toEqual(["a"]);
	});
});

test.each(["before", "after"] as const)(
	"code behind a write does not run when its process died %s it",
	async (side) => {
		let ran = false;
		await runWorld(
			(world) =>
				void world.spawn("test", async (process) => {
					await world.operate(process, "write", () =>
						world.disk.commit(process, "write", [{ table: "t", key: "a", value: new Uint8Array() }]),
					);
					ran = true;
				}),
			{ faults: [{ kind: "crash", write: 1, side }] },
		);
		expect(ran).toBe(false);
	},
);

describe("a crash at an effect on the outside world", () => {
	async function effects(side: "before" | "after") {
		const { world } = await runWorld(
			(world) => void world.spawn("caller", (process) => void world.call(process, "charge")),
			{ faults: [{ kind: "crash", write: 1, side }] },
		);
		return eventsOf(world, "effect").length;
	}

	test("before it, prevents it", async () => {
		expect(await effects("before")).toBe(0);
	});

	test("after it, does not undo it", async () => {
		expect(await effects("after")).toBe(1);
	});
});

describe("a crash at a write of the outside", () => {
	async function written(side: "before" | "after") {
		const { world } = await runWorld(
			(world) => {
				world.spawn("bystander", () => {});
				world.schedule(world.outside, 1, () => {
					world.disk.commit(world.outside, "append", [{ table: "t", key: "a", value: new Uint8Array() }]);
				});
			},
			{ faults: [{ kind: "crash", write: 1, side }] },
		);
		return [world.disk.list("t", "").length, eventsOf(world, "process.crash").length];
	}

	test.each(["before", "after"] as const)("%s it, takes whoever lives, and the write happens", async (side) => {
		expect(await written(side)).toEqual([1, 1]);
	});
});

describe("a crash before event n", () => {
	test("ends every life", async () => {
		const { world } = await runWorld(
			(world) => {
				for (const name of ["a", "b"]) world.spawn(name, () => void setInterval(() => {}, 1));
			},
			{ faults: [{ kind: "crash", event: 10 }] },
		);
		expect(eventsOf(world, "process.crash")).toEqual([
			{ why: "planned", inFlight: [] },
			{ why: "planned", inFlight: [] },
		]);
	});

	test("keeps that event from happening when it belonged to one of them", async () => {
		const seen: string[] = [];
		await runWorld((world) => void world.spawn("victim", () => seen.push("ran")), {
			faults: [{ kind: "crash", event: 2 }],
		});
		expect(seen).toEqual([]);
	});

	test("does not keep an event of the outside from happening", async () => {
		const seen: string[] = [];
		const { world } = await runWorld(
			(world) => {
				world.spawn("victim", () => {});
				world.schedule(world.outside, 1, () => seen.push("ran"));
			},
			{ faults: [{ kind: "crash", event: 3 }] },
		);
		expect(seen).toEqual(["ran"]);
		expect(world.fired.size).toBe(1);
	});

	test("does not fire when nobody lives", async () => {
		const { world } = await runWorld(
			(world) => {
				world.schedule(world.outside, 1, () => {});
			},
			{ faults: [{ kind: "crash", event: 2 }] },
		);
		expect(world.fired.size).toBe(0);
	});
});

describe("an eviction", () => {
	test("asks those who carry it out", async () => {
		const world = await runPlan([{ kind: "evict", event: 3 }]);
		expect(eventsOf(world, "process.exit")[0]).toEqual({ why: "evicted" });
		expect(eventsOf(world, "process.crash")).toEqual([]);
	});

	test("that finds nothing to evict did not fire", async () => {
		const { world } = await runWorld(
			(world) => {
				world.onEvict(() => false);
				world.spawn("test", () => {});
			},
			{ faults: [{ kind: "evict", event: 2 }] },
		);
		expect(world.fired.size).toBe(0);
	});
});

describe("a slow operation", () => {
	test("takes that much longer, and only that one", async () => {
		const times: number[] = [];
		await runWorld(
			(world) =>
				void world.spawn("test", async (process) => {
					for (let i = 0; i < 3; i++) await world.operate(process, "io", () => times.push(world.nowMs));
				}),
			{ faults: [{ kind: "slow", operation: 2, ms: 70 }] },
		);
		expect(times).toEqual([0, 70, 70]);
	});

	test("comes on top of the latency", async () => {
		const { world } = await runWorld(
			(world) => void world.spawn("test", (process) => void world.operate(process, "io", () => {})),
			{ faults: [{ kind: "slow", operation: 1, ms: 70 }], latency: { minMs: 5, maxMs: 5, answerMaxMs: 0 } },
		);
		expect(world.nowMs).toBe(75);
	});

	test("that a dead process asks for did not fire", async () => {
		const { world } = await runWorld(
			(world) =>
				void world.spawn("test", (process) => {
					world.crash(process, "test");
					void world.operate(process, "io", () => {});
				}),
			{ faults: [{ kind: "slow", operation: 1, ms: 70 }] },
		);
		expect(world.fired.size).toBe(0);
	});
});

describe("several faults", () => {
	test("may strike one after the other, each in the recovery from the one before", async () => {
		const faults: FaultPlan = [2, 3, 4].map((write) => ({ kind: "crash", write, side: "before" }) as const);
		const world = await runPlan(faults);
		expect([...world.fired]).toEqual([0, 1, 2]);
		expect(eventsOf(world, "process.start")).toHaveLength(4);
		expect(acknowledgedTo(world, 4)).toEqual(KEYS);
	});

	test("of one coordinate strike in the order of the plan, as far as anybody is left", async () => {
		const world = await runPlan([
			{ kind: "slow", operation: 1, ms: 5 },
			{ kind: "slow", operation: 1, ms: 6 },
			{ kind: "crash", write: 1, side: "before" },
			{ kind: "crash", write: 1, side: "before" },
		]);
		expect(eventsOf(world, "fault").map(({ index }) => index)).toEqual([0, 1, 2]);
	});

	test("name their place in the plan, whatever the order in which they strike", async () => {
		const world = await runPlan([
			{ kind: "crash", write: 3, side: "after" },
			{ kind: "crash", write: 1, side: "after" },
		]);
		expect(eventsOf(world, "fault").map(({ index }) => index)).toEqual([1, 0]);
	});
});

test("a late write of the dead does not fire a crash planned for it", async () => {
	const { world } = await runWorld(
		(world) => {
			const victim = world.spawn("victim", (process) => {
				for (const key of KEYS) {
					void world.operate(process, "late", () => {
						world.disk.commit(process, "late", [{ table: "t", key, value: new Uint8Array() }]);
					});
				}
			});
			world.schedule(world.outside, 5, () => world.crash(victim, "test"));
		},
		{
			seed: "late",
			inFlight: "drawn",
			latency: { minMs: 10, maxMs: 10, answerMaxMs: 0 },
			faults: [{ kind: "crash", write: 1, side: "before" }],
		},
	);
	expect(world.writes).toBeGreaterThan(0);
	expect(world.fired.size).toBe(0);
});
