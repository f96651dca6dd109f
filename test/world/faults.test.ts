/** Every planned fault strikes at its coordinate and proves it in the history; one out of reach leaves no proof. */
import { describe, expect, test } from "vitest";
import {
	DAMAGES,
	type Damage,
	describeFault,
	type Fault,
	type FaultPlan,
	type MediumFault,
	parseFault,
} from "../../sim/world/faults.ts";
import type { Process } from "../../sim/world/process.ts";
import { drawInt, drawOne, type Stream, Streams } from "../../sim/world/random.ts";
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
	world.onIntervention(({ kind }, struck) => {
		const [living] = world.living();
		if (living === undefined) return;
		struck(`asked to ${kind}`);
		if (kind !== "evict") return;
		world.exit(living, "evicted");
		world.spawn("again", (process) => void write(process));
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
		[{ kind: "evict", event: 3 }, "asked to evict"],
		[{ kind: "cancel", event: 3 }, "asked to cancel"],
		[{ kind: "wake", event: 3 }, "asked to wake"],
		[{ kind: "read", event: 3 }, "asked to read"],
		[{ kind: "recover", event: 3 }, "asked to recover"],
		[{ kind: "message", event: 3, which: 0 }, "asked to message"],
		[{ kind: "replay-from", event: 3, step: 0 }, "asked to replay-from"],
		[{ kind: "slow", operation: 2, ms: 50 }, "write b"],
		[{ kind: "torn", write: 2, kept: [] }, "write b"],
		[{ kind: "refused", operation: 2 }, "write b"],
		[{ kind: "lost-ack", operation: 2 }, "write b"],
		[{ kind: "power-loss", write: 2, lost: 1 }, "write b"],
		[{ kind: "crash", write: 2, side: "after", late: [] }, "write b"],
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
		[{ kind: "torn", write: 4, kept: [] }],
		[{ kind: "refused", operation: 4 }],
		[{ kind: "lost-ack", operation: 4 }],
		[{ kind: "power-loss", write: 4, lost: 1 }],
		// The place is there, and what is to be kept or to come late is not.
		[{ kind: "torn", write: 2, kept: [1] }],
		[{ kind: "crash", write: 2, side: "before", late: [0] }],
		[{ kind: "crash", write: 2, side: "after", late: [0] }],
		[{ kind: "crash", event: 3, late: [1] }],
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

describe("an alarm", () => {
	const alarms = (faults: FaultPlan) =>
		runWorld(
			(world) => {
				for (let i = 0; i < 3; i++) {
					const planned = world.alarm();
					world.note("alarm", planned?.fault.how);
					planned?.struck("an alarm");
				}
			},
			{ faults },
		);

	test("is told what is planned for the one of that number, and only for that one", async () => {
		const { world } = await alarms([{ kind: "alarm", alarm: 2, how: "late", ms: 5 }]);
		const told = world.history.events.filter(({ kind }) => kind === "alarm").map(({ data }) => data);
		expect(told).toEqual([undefined, "late", undefined]);
		expect(eventsOf(world, "fault")).toEqual([{ index: 0, kind: "alarm 2 late by 5 ms", window: "an alarm" }]);
	});

	test("that is not among those relied on was not tampered with", async () => {
		const { world } = await alarms([{ kind: "alarm", alarm: 4, how: "lost", ms: 5 }]);
		expect(world.fired.size).toBe(0);
	});
});

describe("an intervention", () => {
	test("may be carried out later, and has struck only then", async () => {
		const { world } = await runWorld(
			(world) => {
				world.onIntervention((_, struck) => {
					world.schedule(world.outside, 40, () => struck("later"));
				});
				world.spawn("test", (process) => void world.schedule(process, 10, () => {}));
			},
			{ faults: [{ kind: "recover", event: 3 }] },
		);
		const [fault] = world.history.events.filter(({ kind }) => kind === "fault");
		expect(fault).toMatchObject({ at: 50, data: { window: "later" } });
	});

	test("strikes once, however often that is said", async () => {
		const { world } = await runWorld(
			(world) => {
				world.onIntervention((_, struck) => {
					struck("once");
					struck("twice");
				});
				world.spawn("test", () => {});
			},
			{ faults: [{ kind: "wake", event: 2 }] },
		);
		expect(eventsOf(world, "fault")).toHaveLength(1);
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
				world.onIntervention(() => {});
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

/** Every key of the table `t`. */
const keysOf = (world: World) => world.disk.list("t", "").map(({ key }) => key);

const set = (key: string) => ({ table: "t", key, value: new Uint8Array() });

/** What was told to the processes of a world: `answered` or the error, an operation each. */
function operateAll(world: World, process: Process, whats: readonly string[], told: string[]): void {
	for (const what of whats) {
		world
			.operate(process, what, () => world.disk.commit(process, what, [set(what)]))
			.then(
				() => told.push(`${what} answered`),
				(error) => told.push(`${error}`),
			);
	}
}

describe("a crash that says what comes late", () => {
	const asked = ["a", "b", "c"];
	async function crashed(late: readonly number[] | undefined, inFlight: "lost" | "drawn" = "lost") {
		const told: string[] = [];
		const { world } = await runWorld(
			(world) => void world.spawn("victim", (process) => operateAll(world, process, asked, told)),
			{
				inFlight,
				faults: [{ kind: "crash", write: 1, side: "after", ...(late === undefined ? {} : { late }) }],
			},
		);
		const [first] = writtenBy(world, 1) as [string];
		const [crash] = eventsOf(world, "process.crash");
		expect(crash?.inFlight).toHaveLength(2);
		return { world, told, first, left: crash?.inFlight ?? [] };
	}

	test.each([[[]], [[0]], [[1]], [[0, 1]]])("has %j of those in flight take effect, and no others", async (late) => {
		const { world, first, left } = await crashed(late);
		expect(world.fired.size).toBe(1);
		expect(keysOf(world)).toEqual([first, ...late.map((place) => left[place] as string)].sort());
	});

	test("has them take effect in the order given", async () => {
		const { world, first, left } = await crashed([1, 0]);
		expect(writtenBy(world, 1)).toEqual([first, left[1], left[0]]);
	});

	test("answers none of them", async () => {
		expect((await crashed([0, 1])).told).toEqual([]);
	});

	test("is not overruled by a scenario that draws fates, nor draws any", async () => {
		const { world } = await crashed([], "drawn");
		expect(keysOf(world)).toHaveLength(1);
		expect(world.random.states().has("in-flight")).toBe(false);
	});

	test("does not strike when one of several victims has fewer in flight", async () => {
		const { world } = await runWorld(
			(world) => {
				world.spawn("one", (process) => operateAll(world, process, ["a", "b"], []));
				world.spawn("other", (process) => operateAll(world, process, ["c"], []));
				world.schedule(world.outside, 5, () => {});
			},
			{
				latency: { minMs: 10, maxMs: 10, answerMaxMs: 0 },
				faults: [{ kind: "crash", event: 4, late: [1] }],
			},
		);
		expect(world.fired.size).toBe(0);
		expect(keysOf(world)).toEqual(["a", "b", "c"]);
	});
});

describe("a torn write", () => {
	async function torn(kept: readonly number[]) {
		const { world } = await runWorld(
			(world) =>
				void world.spawn("victim", (process) => {
					void world.operate(process, "batch", () =>
						world.disk.commit(process, "batch", [set("a"), set("b"), set("c")]),
					);
				}),
			{ faults: [{ kind: "torn", write: 1, kept }] },
		);
		return world;
	}

	test.each([[[]], [[0]], [[1]], [[0, 2]], [[1, 2]]])(
		"leaves %j of its entries, and its process dead",
		async (kept) => {
			const world = await torn(kept);
			expect(keysOf(world)).toEqual(kept.map((place) => KEYS[place]));
			expect(eventsOf(world, "process.crash")).toHaveLength(1);
		},
	);

	test("tells the history what it left, under its number", async () => {
		const [durable] = eventsOf(await torn([0, 2]), "durable");
		expect(durable).toMatchObject({ n: 1, what: "batch" });
		expect(durable?.mutations.map(({ key }) => key)).toEqual(["a", "c"]);
	});

	test("is no fault of an effect on the outside, which has no parts", async () => {
		const { world } = await runWorld(
			(world) => void world.spawn("caller", (process) => void world.call(process, "charge")),
			{ faults: [{ kind: "torn", write: 1, kept: [] }] },
		);
		expect(world.fired.size).toBe(0);
		expect(eventsOf(world, "effect")).toHaveLength(1);
	});

	test("of deletions leaves the entries of those that did not happen", async () => {
		const { world } = await runWorld(
			(world) =>
				void world.spawn("victim", async (process) => {
					const write = (value: Uint8Array | null) => () =>
						world.disk.commit(
							process,
							"batch",
							KEYS.map((key) => ({ table: "t", key, value })),
						);
					await world.operate(process, "write", write(new Uint8Array()));
					await world.operate(process, "delete", write(null));
				}),
			{ faults: [{ kind: "torn", write: 2, kept: [1] }] },
		);
		expect(keysOf(world)).toEqual(["a", "c"]);
	});
});

describe("an operation that goes wrong", () => {
	async function told(kind: "refused" | "lost-ack", operation: number) {
		const told: string[] = [];
		const { world } = await runWorld(
			(world) => void world.spawn("caller", (process) => operateAll(world, process, ["a", "b"], told)),
			{ faults: [{ kind, operation }] },
		);
		return { told: told.sort(), keys: keysOf(world), world };
	}

	test("refused: nothing happens, and its process is told so and lives", async () => {
		const { told: said, keys, world } = await told("refused", 1);
		expect(said).toEqual(["OperationError: a was refused (operation 1)", "b answered"]);
		expect(keys).toEqual(["b"]);
		expect(eventsOf(world, "process.crash")).toEqual([]);
	});

	test("with a lost answer: it happens, and its process is told that it failed and lives", async () => {
		const { told: said, keys, world } = await told("lost-ack", 1);
		expect(said).toEqual(["OperationError: a was not acknowledged (operation 1)", "b answered"]);
		expect(keys).toEqual(["a", "b"]);
		expect(eventsOf(world, "process.crash")).toEqual([]);
	});

	test("is that one only, by its number in the order of asking", async () => {
		expect((await told("refused", 2)).keys).toEqual(["a"]);
	});

	test.each(["refused", "lost-ack"] as const)("%s: an effect on the outside too", async (kind) => {
		const said: string[] = [];
		const { world } = await runWorld(
			(world) =>
				void world.spawn("caller", (process) => {
					world.call(process, "charge").then(
						() => said.push("answered"),
						({ name }) => said.push(name),
					);
				}),
			{ faults: [{ kind, operation: 1 }] },
		);
		expect(said).toEqual(["OperationError"]);
		expect(eventsOf(world, "effect")).toHaveLength(kind === "refused" ? 0 : 1);
	});

	test("whose process dies of it, has no answer to lose", async () => {
		const { world } = await runWorld(
			(world) => void world.spawn("caller", (process) => operateAll(world, process, ["a"], [])),
			{
				faults: [
					{ kind: "crash", write: 1, side: "after" },
					{ kind: "lost-ack", operation: 1 },
				],
			},
		);
		expect([...world.fired]).toEqual([0]);
	});

	test("and is slow as well, is both", async () => {
		const { world } = await runWorld(
			(world) => void world.spawn("caller", (process) => operateAll(world, process, ["a"], [])),
			{
				faults: [
					{ kind: "refused", operation: 1 },
					{ kind: "slow", operation: 1, ms: 70 },
				],
			},
		);
		expect(world.nowMs).toBe(70);
		expect([...world.fired].sort()).toEqual([0, 1]);
	});
});

describe("a loss of power", () => {
	/** Writes a, b and c, tells the outside, and writes d; a bystander lives meanwhile. */
	async function lost(write: number, count: number) {
		const { world } = await runWorld(
			(world) => {
				world.spawn("bystander", () => void setInterval(() => {}, 1_000));
				world.spawn("writer", async (process) => {
					const write = (key: string) => world.operate(process, key, () => world.disk.commit(process, key, [set(key)]));
					for (const key of KEYS) await write(key);
					await world.call(process, "charge");
					await write("d");
				});
			},
			{ faults: [{ kind: "power-loss", write, lost: count }], untilMs: 10_000 },
		);
		return world;
	}

	test.each([
		[3, 0, ["a", "b", "c"]],
		[3, 1, ["a", "b"]],
		[3, 2, ["a"]],
		[3, 3, []],
		[2, 5, []],
		[5, 1, ["a", "b", "c"]],
	])("after write %i losing %i leaves %j", async (write, count, keys) => {
		expect(keysOf(await lost(write, count))).toEqual(keys);
	});

	test("takes every process with it, and what is in flight", async () => {
		const crashes = eventsOf(await lost(2, 1), "process.crash");
		expect(crashes.map(({ why }) => why)).toEqual(["power loss", "power loss"]);
	});

	test("leaves nothing unsynced behind: what one loss spared, the next cannot take", async () => {
		const faults: FaultPlan = [
			{ kind: "power-loss", write: 3, lost: 1 },
			{ kind: "power-loss", write: 4, lost: 3 },
		];
		const world = await runPlan(faults);
		expect(world.fired.size).toBe(2);
		expect(eventsOf(world, "durable").map(({ n, what }) => [n, what])).toEqual([
			[1, "write a"],
			[2, "write b"],
			[3, "write c"],
			[4, "write c"],
			[5, "write c"],
		]);
	});

	test("does not undo an effect on the outside, but the writes before it", async () => {
		const world = await lost(4, 1);
		expect(eventsOf(world, "effect")).toHaveLength(1);
		expect(keysOf(world)).toEqual(["a", "b"]);
	});

	test("brings back what the lost writes had replaced or deleted", async () => {
		const { world } = await runWorld(
			(world) =>
				void world.spawn("writer", async (process) => {
					const commit = (key: string, value: Uint8Array | null) =>
						world.operate(process, key, () => world.disk.commit(process, key, [{ table: "t", key, value }]));
					await commit("a", Uint8Array.of(1));
					await commit("b", Uint8Array.of(2));
					await commit("a", Uint8Array.of(3));
					await commit("b", null);
				}),
			{ faults: [{ kind: "power-loss", write: 4, lost: 2 }] },
		);
		expect(world.disk.list("t", "").map(({ key, value }) => [key, ...value])).toEqual([
			["a", 1],
			["b", 2],
		]);
	});
});

describe("a fault in words", () => {
	/** Faults of every kind, with and without what is optional. */
	const drawn: readonly ((stream: Stream, place: () => number, places: () => number[]) => Fault)[] = [
		(stream, place) => ({ kind: "crash", write: place(), side: drawOne(stream, ["before", "after"] as const) }),
		(stream, place, places) => ({
			kind: "crash",
			write: place(),
			side: drawOne(stream, ["before", "after"] as const),
			late: places(),
		}),
		(_, place) => ({ kind: "crash", event: place() }),
		(_, place, places) => ({ kind: "crash", event: place(), late: places() }),
		(_, place) => ({ kind: "evict", event: place() }),
		(stream, place) => ({
			kind: drawOne(stream, ["cancel", "wake", "read", "recover"] as const),
			event: place(),
		}),
		(_, place) => ({ kind: "message", event: place(), which: place() - 1 }),
		(_, place) => ({ kind: "replay-from", event: place(), step: place() - 1 }),
		(stream, place) => ({
			kind: "alarm",
			alarm: place(),
			how: drawOne(stream, ["lost", "late", "early", "twice"] as const),
			ms: place(),
		}),
		(_, place) => ({ kind: "slow", operation: place(), ms: place() }),
		(_, place, places) => ({ kind: "torn", write: place(), kept: places() }),
		(_, place) => ({ kind: "refused", operation: place() }),
		(_, place) => ({ kind: "lost-ack", operation: place() }),
		(_, place) => ({ kind: "power-loss", write: place(), lost: place() }),
	];

	test("is that fault again when read", () => {
		const stream = new Streams("faults").stream("draw");
		const place = () => drawInt(stream, 1, 10 ** drawInt(stream, 1, 9));
		const places = () => Array.from({ length: drawInt(stream, 0, 5) }, () => drawInt(stream, 0, 40));
		const texts = new Set<string>();
		for (let i = 0; i < 3_000; i++) {
			const fault = (drawn[i % drawn.length] as (typeof drawn)[number])(stream, place, places);
			const text = describeFault(fault);
			expect(parseFault(text), text).toEqual(fault);
			expect(parseFault(` ${text}\n`), text).toEqual(fault);
			texts.add(text);
		}
		expect(texts.size).toBeGreaterThan(2_500);
	});

	test.each([
		"",
		"crash",
		"crash after durable write",
		"crash after durable write -1",
		"crash after durable write 1.5",
		"crash beside durable write 1",
		"crash after durable write 1 with late",
		"crash after durable write 1; evict before event 2",
		"tear durable write 3",
		"tear durable write 3 keeping all",
		"power loss after durable write 3",
		"refuse operation one",
		"Crash after durable write 1",
	])("%j describes none", (text) => {
		expect(parseFault(text)).toBeUndefined();
	});
});

describe("an operation that hangs", () => {
	async function hung(what: "storage" | "outside") {
		const told: string[] = [];
		const { world } = await runWorld(
			(world) =>
				void world.spawn("caller", (process) => {
					if (what === "storage") operateAll(world, process, ["a", "b"], told);
					else void world.call(process, "charge").then(() => told.push("charged"));
				}),
			{ faults: [{ kind: "hung", operation: 1 }] },
		);
		return { world, told };
	}

	test("neither happens nor is answered; after a minute a watchdog kills the process", async () => {
		const { world, told } = await hung("storage");
		expect(told).toEqual(["b answered"]);
		expect(keysOf(world)).toEqual(["b"]);
		expect(eventsOf(world, "process.crash")).toEqual([{ why: "storage did not answer", inFlight: ["a"] }]);
		expect(world.nowMs).toBe(60_000);
	});

	test("is an operation of storage: a call to the outside has its own timeout", async () => {
		const { world, told } = await hung("outside");
		expect(told).toEqual(["charged"]);
		expect(world.fired.size).toBe(0);
	});
});

describe("a damaged value", () => {
	const WHOLE = Uint8Array.of(0b1111_0000, 2, 3, 4);

	async function damaged(how: Damage, at: number, legal?: ReadonlySet<MediumFault>) {
		const { world } = await runWorld(
			(world) =>
				void world.spawn("writer", async (process) => {
					const write = (key: string, value: Uint8Array) =>
						world.operate(process, key, () =>
							world.disk.commit(process, key, [{ table: "t", key, value }], legal === undefined ? {} : { legal }),
						);
					await write("ka-other", Uint8Array.of(9));
					await write("ka-this", WHOLE);
				}),
			{ faults: [{ kind: "corrupt", write: 2, place: 0, how, at }] },
		);
		return { world, value: [...(world.disk.get("t", "ka-this") ?? [])] };
	}

	test.each([
		["flip", 0, [0b1111_0001, 2, 3, 4]],
		["flip", 9, [0b1111_0000, 0, 3, 4]],
		["cut", 1, [0b1111_0000, 2]],
		["empty", 0, []],
		["swap", 7, [9]],
	] as const)("%s %i", async (how, at, left) => {
		const { world, value } = await damaged(how, at);
		expect(value).toEqual(left);
		expect(world.fired.size).toBe(1);
		expect(eventsOf(world, "damaged")).toHaveLength(1);
	});

	test("was acknowledged whole, and no durable write tells of the damage", async () => {
		const { world } = await damaged("empty", 0);
		expect(eventsOf(world, "durable").map(({ mutations }) => mutations[0]?.value)).toEqual([Uint8Array.of(9), WHOLE]);
		expect(world.writes).toBe(2);
	});

	test("is none where who committed it says that the medium does not decay", async () => {
		const { world, value } = await damaged("empty", 0, new Set());
		expect(value).toEqual([...WHOLE]);
		expect(world.fired.size).toBe(0);
	});
});

test("a write that is one unit cannot be torn", async () => {
	const { world } = await runWorld(
		(world) =>
			void world.spawn("writer", (process) => {
				void world.operate(process, "batch", () =>
					world.disk.commit(process, "batch", [set("a"), set("b")], { legal: new Set(["corrupt"]) }),
				);
			}),
		{ faults: [{ kind: "torn", write: 1, kept: [0] }] },
	);
	expect(world.fired.size).toBe(0);
	expect(keysOf(world)).toEqual(["a", "b"]);
});

test.each<Fault>([
	{ kind: "hung", operation: 7 },
	...DAMAGES.map((how) => ({ kind: "corrupt", write: 5, place: 2, how, at: how === "empty" ? 0 : 13 }) as const),
])("$kind $how is told and read back", (fault) => {
	expect(parseFault(describeFault(fault))).toEqual(fault);
});
