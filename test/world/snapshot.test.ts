/**
 * Going on from a snapshot is going on: at every place where a crash leaves something new, the run taken up from what was
 * foreseen there equals, to the byte, the run from the beginning in which that fault strikes.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { loadRivet, NEWEST } from "../../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../../fixtures/programs/index.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import { firstDifference } from "../../sim/explore/blame.ts";
import { referenceScenario } from "../../sim/explore/draw.ts";
import { describeFault, type Fault, type FaultPlan } from "../../sim/world/faults.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import type { Process } from "../../sim/world/process.ts";
import type { CrashPoint, WorldState } from "../../sim/world/state.ts";
import { World, type WorldOptions } from "../../sim/world/world.ts";
import { execute, type Run, type RunCrashPoint, type Snapshot, type Target } from "../../suites/run.ts";
import type { Scenario } from "../../suites/scenario.ts";

const LIMITS = { untilMs: 100_000, maxEvents: 10_000 };
const UNSYNCED = 3;

/** Faults to let strike at a crash point: each kind that ends a process, and several of a kind where there are. */
function faultsAt({ place, inFlight, mutations }: CrashPoint): Fault[] {
	const faults: Fault[] = [{ kind: "crash", ...place }];
	const all = [...inFlight.keys()];
	for (const late of [[], all.slice(0, 1), all]) {
		if (late.length > 0 || all.length > 1) faults.push({ kind: "crash", ...place, late });
	}
	if (!("write" in place)) return faults;
	const { write, side } = place;
	if (side === "before" && mutations > 1) faults.push({ kind: "torn", write, kept: [mutations - 1] });
	if (side === "after") faults.push({ kind: "power-loss", write, lost: 1 + (write % UNSYNCED) });
	return faults;
}

/**
 * A workload of a world without an engine: two lives' worth of everything a snapshot has to hold. Each life writes what is
 * missing, several operations at a time, with chance and time in what it writes; the outside counts and sends meanwhile.
 */
function workload(world: World, restartMs: number) {
	const bytes = (text: string) => new TextEncoder().encode(text);
	const write = (process: Process, key: string) =>
		world.operate(process, `write ${key}`, () => {
			if (world.disk.get("t", key) !== undefined) return;
			const entry = (name: string, value: string) => ({ table: "t", key: name, value: bytes(value) });
			world.disk.commit(process, `write ${key}`, [
				entry(key, `${crypto.randomUUID()} at ${Date.now()}`),
				entry(`${key}-chance`, `${Math.random()}`),
			]);
			// The process may have died of it: then none of this happened.
			world.note("wrote", { key, chance: Math.random(), id: crypto.randomUUID() });
			setTimeout(() => world.note("timer", key), 3);
			setImmediate(() => world.note("immediate", key));
			void world.operate(process, "look", () => world.note("looked", world.disk.list("t", "").length));
			void world.call(process, "told");
		});
	const life = async (process: Process) => {
		await Promise.all(["a", "b", "c"].map((key) => write(process, key)));
		world.note("charged", await world.call(process, "charge", String(Math.random())));
		await new Promise((resolve) => setTimeout(resolve, 30));
		await write(process, "d");
		world.exit(process, "done");
	};
	world.onTask("start", () => void world.spawn("life", (process) => void life(process)));
	world.onTask("send", (n) => {
		world.disk.commit(world.outside, "send", [{ table: "sent", key: `${n}`, value: bytes(`${Math.random()}`) }]);
		if (n < 4) world.plan(11, "send", n + 1);
	});
	const restart = () => void world.plan(restartMs, "start");
	world.onCrash(restart);
	return {
		begin: () => {
			world.plan(0, "start");
			world.plan(5, "send", 1);
		},
		restart,
	};
}

interface Lived {
	readonly world: World;
	readonly told: readonly unknown[];
}

/** The workload from its beginning or from a state, and all that must be equal between two runs of it. */
function live(restartMs: number, options: Partial<WorldOptions>): Lived {
	const world = new World({ seed: "snapshot", ...options });
	const { begin, restart } = workload(world, restartMs);
	const stop = options.from === undefined ? world.run(begin, LIMITS) : world.resume(restart, LIMITS);
	const { events, writes, operations, nowMs, fired } = world;
	const disk = [...world.disk.contents()].map(([table, entries]) => [table, entries.map(({ key }) => key)]);
	return {
		world,
		told: [stop, world.history.digest(), events, writes, operations, nowMs, [...fired], world.living().length, disk],
	};
}

/** Every fault at every crash point, with the state that it leaves. */
function foreseen(restartMs: number, options: Partial<WorldOptions>) {
	const states: { fault: Fault; state: WorldState }[] = [];
	const watched = live(restartMs, {
		unsynced: UNSYNCED,
		...options,
		onCrashPoint: (point) => {
			for (const fault of faultsAt(point)) states.push({ fault, state: point.foresee(fault) });
		},
	});
	return { states, watched };
}

describe.each([
	["no latency, at once again", { latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 } }, 0],
	["no latency, again later", { latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 } }, 9],
	["latency", { latency: { minMs: 0, maxMs: 6, answerMaxMs: 4 } }, 9],
	["latency and drawn fates", { latency: { minMs: 2, maxMs: 6, answerMaxMs: 4 }, inFlight: "drawn" as const }, 0],
])("a world with %s", (_name, options: Partial<WorldOptions>, restartMs) => {
	test("taken up from what any fault leaves, is the world it strikes in", async () => {
		await inMacrotask(() => {
			const { states } = foreseen(restartMs, options);
			const kinds = new Set(states.map(({ fault }) => fault.kind));
			expect([...kinds].sort()).toEqual(["crash", "power-loss", "torn"]);
			expect(states.length).toBeGreaterThan(40);
			for (const { fault, state } of states) {
				const struck = live(restartMs, { ...options, faults: [fault] });
				const taken = live(restartMs, { ...options, faults: [fault], from: state });
				const told = JSON.stringify(firstDifference(struck.world.history, taken.world.history));
				expect(struck.world.fired.size, describeFault(fault)).toBe(1);
				expect(taken.told, `${describeFault(fault)}: ${told}`).toEqual(struck.told);
			}
		});
	});

	test("is not moved by foreseeing", async () => {
		await inMacrotask(() => {
			expect(foreseen(restartMs, options).watched.told).toEqual(live(restartMs, options).told);
		});
	});

	test("goes on from one state as often as wanted, in any order", async () => {
		await inMacrotask(() => {
			const { states } = foreseen(restartMs, options);
			const digests = (order: typeof states) =>
				new Map(
					order.map(({ fault, state }) => [
						describeFault(fault),
						live(restartMs, { ...options, faults: [fault], from: state }).world.history.digest(),
					]),
				);
			const forwards = digests(states);
			expect(digests([...states].reverse())).toEqual(forwards);
			expect(new Set(forwards.values()).size).toBeGreaterThan(20);
		});
	});
});

test("what does not end a process cannot be foreseen", async () => {
	await expect(
		inMacrotask(() => live(0, { onCrashPoint: (point) => void point.foresee({ kind: "refused", operation: 1 }) })),
	).rejects.toThrow("refuse operation 1 is no crash");
});

describe("what a process still does in the event it died in", () => {
	/** A process that dies of its first write; then it still does `more`. The outside goes on, by chance and in time. */
	async function traces(more: (world: World, process: Process) => void) {
		return await inMacrotask(() => {
			const world = new World({
				seed: "trace",
				latency: { minMs: 0, maxMs: 5, answerMaxMs: 0 },
				faults: [{ kind: "crash", write: 1, side: "after" }],
			});
			world.onCrash(() => {
				for (let i = 0; i < 3; i++) world.schedule(world.outside, 1, () => world.note("outside", i));
				world.spawn("next", (process) => {
					setTimeout(() => world.note("timer", [Math.random(), crypto.randomUUID()]), 1);
					void world.operate(process, "read", () => world.note("read", world.nowMs));
				});
			});
			world.run(
				() =>
					void world.spawn("victim", (process) => {
						void world.operate(process, "write", () => {
							world.disk.commit(process, "write", [{ table: "t", key: "a", value: new Uint8Array() }]);
							more(world, process);
						});
					}),
				LIMITS,
			);
			const { events, writes, operations, nowMs } = world;
			return [world.history.digest(), events, writes, operations, nowMs, JSON.stringify([...world.random.states()])];
		});
	}

	test.each<[string, (world: World, process: Process) => void]>([
		["a note", (world) => world.note("said", "something")],
		["a random number", () => void Math.random()],
		["random bytes", () => void crypto.getRandomValues(new Uint8Array(8))],
		["a UUID", () => void crypto.randomUUID()],
		["a timer", () => void setTimeout(() => {}, 1)],
		["an immediate", () => void setImmediate(() => {})],
		["a log", () => console.log("still here")],
		["a microtask that logs", () => queueMicrotask(() => console.log("still here"))],
		["an operation", (world, process) => void world.operate(process, "read", () => {})],
		["a call", (world, process) => void world.call(process, "charge")],
		["an event of its own", (world, process) => void world.schedule(process, 0, () => {})],
		["a rejection that nobody handles", (_, process) => void Promise.reject(new Error(`of process ${process.id}`))],
	])("leaves no trace: %s", async (_name, more) => {
		expect(await traces(more)).toEqual(await traces(() => {}));
	});
});

describe("a crash point", () => {
	const placesOf = async (begin: (world: World) => void) => {
		const points: { place: CrashPoint["place"]; mutations: number; inFlight: readonly string[] }[] = [];
		await inMacrotask(() => {
			const world = new World({
				seed: "points",
				onCrashPoint: ({ place, mutations, inFlight }) => points.push({ place, mutations, inFlight }),
			});
			world.run(() => begin(world), LIMITS);
		});
		return points;
	};
	const set = (...keys: string[]) => keys.map((key) => ({ table: "t", key, value: new Uint8Array() }));

	test("lies before and after each durable effect of a process, with what can be torn and what is in flight", async () => {
		const points = await placesOf(
			(world) =>
				void world.spawn("writer", async (process) => {
					await world.operate(process, "batch", () => world.disk.commit(process, "batch", set("a", "b")));
					void world.operate(process, "read", () => {});
					await world.call(process, "charge");
				}),
		);
		expect(points.filter(({ place }) => "write" in place)).toEqual([
			{ place: { write: 1, side: "before" }, mutations: 2, inFlight: [] },
			{ place: { write: 1, side: "after" }, mutations: 0, inFlight: [] },
			{ place: { write: 2, side: "before" }, mutations: 0, inFlight: expect.any(Array) },
			{ place: { write: 2, side: "after" }, mutations: 0, inFlight: expect.any(Array) },
		]);
	});

	test("lies before a task of the outside, and after its write", async () => {
		const points = await placesOf((world) => {
			world.spawn("bystander", () => void setTimeout(() => {}, 20));
			world.onTask("send", () => world.disk.commit(world.outside, "send", set("a")));
			world.plan(10, "send");
		});
		expect(points.map(({ place }) => place)).toEqual([{ event: 3 }, { write: 1, side: "after" }]);
	});

	test("is nowhere while nobody lives", async () => {
		const points = await placesOf((world) => {
			world.onTask("send", () => world.disk.commit(world.outside, "send", set("a")));
			world.plan(10, "send");
		});
		expect(points).toEqual([]);
	});
});

describe("a program of the engine", () => {
	let target: Target;
	beforeAll(async () => {
		target = { engine: await loadRivet(NEWEST), storage: memoryStorage };
	});

	const programNamed = (name: string) => PROGRAMS.find((candidate) => candidate.name === name) as Program;

	function snapshotsOf(scenario: Scenario, program: Program, from?: Snapshot) {
		const snapshots: { fault: Fault; snapshot: Snapshot }[] = [];
		const watched = execute(scenario, program, target, {
			unsynced: UNSYNCED,
			...(from === undefined ? {} : { from }),
			onCrashPoint: (point: RunCrashPoint) => {
				for (const fault of faultsAt(point)) snapshots.push({ fault, snapshot: point.snapshot(fault) });
			},
		});
		return { watched, snapshots };
	}

	const told = ({ history, events, writes, operations, outcome, stop, queued, revisited, stepRules, endMs }: Run) => ({
		digest: history.digest(),
		...{ events, writes, operations, outcome, stop, queued, revisited, stepRules, endMs },
	});

	/** Whether the run from the beginning and the one taken up are one; says where they part. */
	function compare(scenario: Scenario, program: Program, faults: FaultPlan, from: Snapshot): void {
		const planned = { ...scenario, faults };
		const untilMs = 40 * 86_400_000;
		const struck = execute(planned, program, target, { untilMs });
		const taken = execute(planned, program, target, { untilMs, from });
		const plan = faults.map(describeFault).join("; ");
		expect([...struck.fired], plan).toEqual([...faults.keys()]);
		const difference = JSON.stringify(firstDifference(struck.history, taken.history));
		expect(told(taken), `${program.name}: ${plan}: ${difference}`).toEqual(told(struck));
	}

	describe.each(["simple", "fan-out", "reminders", "timeouts"])("%s", (name) => {
		test.each([
			["live", 0, 0],
			["live", 5, 700],
			["yield", 0, 700],
			["yield", 5, 0],
		] as const)("in %s hosting, latency up to %i ms, restart after %i ms", async (mode, maxMs, restartMs) => {
			await inMacrotask(() => {
				const program = programNamed(name);
				const scenario: Scenario = {
					...referenceScenario(program, mode),
					latency: { minMs: 0, maxMs, answerMaxMs: maxMs },
					hosting: { mode, restartMs, coldWake: restartMs === 0 },
				};
				const { watched, snapshots } = snapshotsOf(scenario, program);
				expect(told(watched)).toEqual(told(execute(scenario, program, target)));
				expect(snapshots.length).toBeGreaterThan(20);
				for (const { fault, snapshot } of snapshots) compare(scenario, program, [fault], snapshot);
			});
		});
	});

	test("taken up from a run that was taken up itself", async () => {
		await inMacrotask(() => {
			const program = programNamed("simple");
			const scenario = referenceScenario(program, "live");
			let compared = 0;
			for (const first of snapshotsOf(scenario, program).snapshots) {
				const once = { ...scenario, faults: [first.fault] };
				for (const { fault, snapshot } of snapshotsOf(once, program, first.snapshot).snapshots) {
					// Two losses of power in a row are where what is remembered matters; of the rest a sample will do.
					const both = first.fault.kind === "power-loss" && fault.kind === "power-loss";
					if (compared++ % 13 === 0 || both) compare(scenario, program, [first.fault, fault], snapshot);
				}
			}
			expect(compared).toBeGreaterThan(400);
		});
	});
});
