/**
 * What operators do to a workflow, and what the newest published engine makes of it: the host carries out each intervention at
 * the instant that was planned, or as soon as it can, and the properties tell apart what breaks.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { Explorer, idOf, type Judgement } from "../sim/explore/explorer.ts";
import { parsePlan } from "../sim/explore/plan.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";

type Body = Program["run"];

function program(name: string, run: Body, more: Partial<Program> = {}): Program {
	return { name, summary: name, run, ...more };
}

/** A step that fails at its only attempt. */
const failing = (name: string): Body => {
	return (context, env) =>
		context.step({
			name,
			maxRetries: 0,
			run: async () => {
				await env.call(name);
				throw new Error(`${name} fails`);
			},
		});
};

/** Steps that take their time, with these names, in order. */
const slow = (...names: readonly string[]): Body => {
	return async (context, env) => {
		for (const name of names) {
			await context.step(name, async () => {
				await env.delay(30);
				await env.call(name);
			});
		}
	};
};

const OWN: readonly Program[] = [
	program("slow-steps", slow("c", "b", "a")),
	program("steps-and-sleep", async (context, env) => {
		await slow("first")(context, env);
		await context.sleep("nap", 300);
		await slow("last")(context, env);
	}),
	program("fails", failing("fatal")),
	program(
		"failing-join",
		(context, env) => context.join("both", { bad: { run: (branch) => failing("bad")(branch, env) } }),
		{ parallel: true },
	),
	program(
		"failing-race",
		(context, env) => context.race("either", [{ name: "bad", run: (branch) => failing("bad")(branch, env) }]),
		{ parallel: true },
	),
	program("caught-then-fails", async (context, env) => {
		await context.tryStep({
			name: "caught",
			maxRetries: 0,
			run: async () => {
				await env.call("caught");
				throw new Error("caught fails");
			},
		});
		await failing("fatal")(context, env);
	}),
	program("slow-race", (context, env) =>
		context.race("steps", [
			{ name: "slow", run: (branch) => slow("a", "b", "c")(branch, env) as Promise<undefined> },
			{ name: "sleeping", run: (branch) => branch.sleep("nap", 80) as Promise<undefined> },
		]),
	),
	program("endless-race", (context, env) =>
		context.race("ever", [
			{
				name: "polling",
				run: (branch) =>
					branch.loop({
						name: "polls",
						state: 0,
						run: async (loop, n) => {
							if (n === 700) return env.Loop.break(n);
							await loop.sleep("nap", 95);
							return env.Loop.continue(n + 1);
						},
					}),
			},
		]),
	),
	program("nested-loops", (context, env) =>
		context.loop({
			name: "outer",
			state: 0,
			run: async (outer, n) => {
				if (n === 2) return env.Loop.break(n);
				await outer.step(`before-${n}`, async () => n);
				await outer.loop({
					name: "inner",
					state: 0,
					run: async (inner, m) => {
						if (m === 1) return env.Loop.break(m);
						await slow("step")(inner, env);
						await inner.sleep("nap", 200);
						return env.Loop.continue(m + 1);
					},
				});
				return env.Loop.continue(n + 1);
			},
		}),
	),
	program("slow-compensation", async (context, env) => {
		await context.rollbackCheckpoint("checkpoint");
		await context.step({
			name: "book",
			run: () => env.call("book"),
			rollback: async () => {
				await env.delay(50);
				await env.call("cancel-booking");
			},
		});
		await failing("fatal")(context, env);
	}),
];

let explorer: Explorer;

beforeAll(async () => {
	const target = { engine: await loadRivet(NEWEST), storage: memoryStorage };
	explorer = new Explorer(target, [...PROGRAMS, ...OWN], PROPERTIES);
});

/** Ids of what this suite is about; what is known of replaying a finished workflow shows beside it. */
const SUBJECTS = /^(evict|cancel|recover|replay-from|timer|life)\./;

function judge(name: string, mode: "live" | "yield", plan: string, coldWake = true): Judgement {
	const found = explorer.programs.find((candidate) => candidate.name === name) as Program;
	const scenario = referenceScenario(found, mode);
	const hosting = { ...scenario.hosting, coldWake };
	return explorer.judge({ ...scenario, hosting, seed: "1", faults: parsePlan(plan) }, found);
}

/** What breaks with the intervention at each of these events in turn; those that found nothing to strike left out. */
function broken(name: string, mode: "live" | "yield", plan: string, events: number): string[] {
	const found = new Set<string>();
	for (let event = 2; event <= events; event++) {
		const judgement = judge(name, mode, plan.replace("EVENT", String(event)));
		if (judgement.unfired.length > 0) continue;
		for (const violation of judgement.violations) found.add(idOf(violation));
	}
	return [...found].filter((id) => SUBJECTS.test(id)).sort();
}

const kindsIn = ({ run }: Judgement) => run.history.events.map(({ kind }) => kind);

describe("the host", () => {
	it.each([
		["live", "an hour of virtual time does not pass", true],
		["yield", "a new process", true],
		["yield", "the same process", false],
	] as const)("cancels a workflow in %s mode, and starts it once more (%s)", async (mode, _, coldWake) => {
		await inMacrotask(() => {
			const { run, unfired, violations } = judge("month-sleep", mode, "cancel before event 12", coldWake);
			expect(unfired).toEqual([]);
			expect(run.outcome).toEqual({ status: "cancelled" });
			expect(run.endMs).toBeLessThan(3_600_000);
			expect(violations).toEqual([]);
		});
	});

	it("has a failed workflow recover, and runs it to another end", async () => {
		await inMacrotask(() => {
			for (const mode of ["live", "yield"] as const) {
				const judgement = judge("fails", mode, "recover before event 3");
				expect(judgement.unfired).toEqual([]);
				expect(judgement.run.of("body.start").length).toBeGreaterThanOrEqual(2);
				expect(kindsIn(judgement)).toContain("run.again");
				expect(judgement.run.outcome.status).toBe("failed");
				expect(judgement.run.revisited).toBe(true);
			}
		});
	});

	it("asks again for a recovery that a crash cut short", async () => {
		await inMacrotask(() => {
			const whole = judge("fails", "live", "recover before event 3");
			const begin = whole.run.history.events.findIndex(({ kind }) => kind === "run.again");
			const end = whole.run.history.events.findIndex(({ kind }) => kind === "handle.answer");
			const writes = whole.run.history.events
				.slice(begin, end)
				.flatMap(({ kind, data }) => (kind === "durable" ? [(data as { n: number }).n] : []));
			expect(writes.length).toBeGreaterThan(1);
			for (const write of writes) {
				const { run, unfired, violations } = judge(
					"fails",
					"live",
					`recover before event 3; crash before durable write ${write}`,
				);
				expect(unfired).toEqual([]);
				const answers = run.of("handle.answer");
				expect(answers).toHaveLength(1);
				expect(violations.map(idOf).filter((id) => id.startsWith("recover"))).toEqual([]);
			}
		});
	});

	it("replays from a step once the workflow rests, and sees it run again", async () => {
		await inMacrotask(() => {
			const judgement = judge("slow-steps", "live", "replay from step 0 before event 3");
			expect(judgement.unfired).toEqual([]);
			expect(kindsIn(judgement)).toContain("replay-from.answer");
			expect(judgement.run.outcome.status).toBe("completed");
			expect(judgement.violations.map(idOf).filter((id) => SUBJECTS.test(id))).toEqual([]);
		});
	});

	it("reads, wakes and sends without changing how the workflow ends", async () => {
		await inMacrotask(() => {
			for (const word of ["read", "wake", "message 0"]) {
				for (const mode of ["live", "yield"] as const) {
					expect(broken("steps-and-sleep", mode, `${word} before event EVENT`, 30), `${word}, ${mode}`).toEqual([]);
				}
			}
		});
	});

	it.each(["lost", "late", "early", "twice"])("wakes a workflow whose alarm is %s", async (how) => {
		await inMacrotask(() => {
			const { run, unfired, violations } = judge("steps-and-sleep", "yield", `alarm 1 ${how} by 120 ms`);
			expect(unfired).toEqual([]);
			expect(run.outcome.status).toBe("completed");
			expect(violations.map(idOf).filter((id) => SUBJECTS.test(id))).toEqual([]);
		});
	});
});

describe("the newest published engine", () => {
	const EVICT = "evict before event EVENT";
	const CANCEL = "cancel before event EVENT";
	const RECOVER = "recover before event EVENT";
	const ALARM_LEFT = "life.no-leak/alarm-left-after-failed";

	it.each<[string, "live" | "yield", string, number, string[]]>([
		["slow-steps", "live", EVICT, 30, []],
		["steps-and-sleep", "live", EVICT, 30, []],
		["slow-race", "live", EVICT, 30, ["evict.resumes/step-started-after-stop-in-race"]],
		["endless-race", "live", EVICT, 5, ["evict.resumes/never-stopped"]],
		["slow-compensation", "live", EVICT, 30, ["life.no-leak/compensation-left-after-evicted"]],
		[
			"slow-steps",
			"live",
			CANCEL,
			30,
			["cancel.sticks/overwritten-with-completed", "cancel.sticks/overwritten-with-running"],
		],
		["fails", "live", RECOVER, 4, []],
		["failing-join", "live", RECOVER, 4, ["recover.restarts/failed-join-not-retried"]],
		["failing-race", "live", RECOVER, 4, ["recover.restarts/failed-race-not-retried"]],
		["caught-then-fails", "live", RECOVER, 4, ["recover.restarts/caught-step-ran-again"]],
		["saga", "live", "read before event EVENT", 4, [ALARM_LEFT]],
		[
			"steps-and-sleep",
			"live",
			"replay from step 1 before event EVENT",
			4,
			["replay-from.clean/earlier-untimed-entry-lost"],
		],
		["simple", "live", "replay from step 0 before event EVENT", 4, ["replay-from.clean/wrong-cut-at-equal-times"]],
		["nested-loops", "yield", "replay from step 1 before event EVENT", 20, ["replay-from.clean/refused-within-loop"]],
	])("with %s in %s mode, %s of %i events: %j", async (name, mode, plan, events, expected) => {
		await inMacrotask(() => expect(broken(name, mode, plan, events)).toEqual(expected));
	});

	it("leaves a replay half done when it is cut short", async () => {
		await inMacrotask(() => {
			const found = new Set<string>();
			for (let write = 8; write < 30; write++) {
				const plan = `replay from step 0 before event 3; crash after durable write ${write}`;
				const { violations, unfired } = judge("slow-steps", "live", plan);
				if (unfired.length === 0) for (const violation of violations) found.add(idOf(violation));
			}
			expect([...found].filter((id) => id.startsWith("replay-from")).sort()).toEqual([
				"replay-from.clean/half-done-after-a-crash",
				"replay-from.clean/orphan-metadata-after-a-crash",
			]);
		});
	});
});
