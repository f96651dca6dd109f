/**
 * Crash schedules a second: every durable effect of a program with a crash before it and a crash after it, run in worlds
 * and as the contender of `fake-timers.ts` runs them, in turn.
 */
import { progress, simple } from "../fixtures/programs/basics.ts";
import { join } from "../fixtures/programs/branches.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { queueLoop } from "../fixtures/programs/queues.ts";
import { ticker } from "../fixtures/programs/timers.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { type EngineRun, inBareConditions, runBare, type WriteCrash } from "./bare.ts";
import { inFakeTime, runFakeTimed } from "./fake-timers.ts";
import { enqueuedUpFront } from "./programs.ts";
import { type Comparison, compare, type Work } from "./rounds.ts";
import { ratioOf, row, type Section } from "./section.ts";
import { assertSameWork, runInWorld, sameWork, summaryOf, target } from "./world.ts";

const PAIRS = 40;

const PROGRAMS: readonly (readonly [string, Program])[] = [
	["simple", simple],
	["progress", progress],
	["queue-loop", queueLoop],
	["queue-loop, up front", enqueuedUpFront(queueLoop)],
	["ticker", ticker],
	["join", join],
];

export interface CrashFigures {
	readonly programs: readonly (Comparison & {
		readonly name: string;
		/** Schedules there are, and those that came to the same on both sides; only these are timed. */
		readonly schedules: number;
		readonly same: number;
	})[];
	/** The contender over the bare engine, program simple: what a harness without any cost of its own would reach. */
	readonly floor: Comparison;
}

export const crashes: Section<CrashFigures> = {
	name: "crashes",
	about: "crash schedules a second, in worlds and with fake timers",
	byDefault: true,

	async measure(tell) {
		const { module } = target.engine;
		const programs: CrashFigures["programs"][number][] = [];
		for (const [name, program] of PROGRAMS) {
			tell(name);
			const schedules = await inMacrotask(() => crashSchedules(program));
			const same = await whereSame(program, schedules);
			const comparison = await compare(
				each(same, (crash) => void runInWorld(program, [crash])),
				fakeTimed(program, same),
				PAIRS,
			);
			programs.push({ name, schedules: schedules.length, same: same.length, ...comparison });
		}
		tell("bare");
		const schedules = await inMacrotask(() => crashSchedules(simple));
		await inMacrotask(() => {
			for (const crash of schedules) {
				const bare = inBareConditions(() => runBare(module, simple, crash));
				assertSameWork(simple, "bare", summaryOf(runInWorld(simple, [crash])), bare);
			}
		});
		const bare = each(schedules, (crash) => void runBare(module, simple, crash));
		const floor = await compare((times) => inBareConditions(() => bare(times)), fakeTimed(simple, schedules), PAIRS);
		return { programs, floor };
	},

	text({ programs, floor }) {
		const perSecond = (us: number) => Math.round(1e6 / us).toString();
		return [
			"Crash schedules a second: one crash before and one after each durable effect; each",
			"run crashes there, recovers to the end, and looks at the finished workflow again.",
			row("", "fake timers", "in a world", "  factor  (quartiles)"),
			...programs.map((program) =>
				row(program.name, perSecond(program.otherUs), perSecond(program.baseUs), `    ${ratioOf(program)}`),
			),
			"",
			...programs.map(({ name, schedules, same }) =>
				row(name, `${same} of ${schedules} schedules come to the same on both sides`),
			),
			"",
			"Fake timers: the same engine and programs over the package's InMemoryDriver without",
			"latency, a fake clock stepped by hand, and one real turn of the event loop between",
			"two timers. Timed are the schedules that come to the same output by as many durable",
			"effects on both sides; where operations run side by side, a number may stand for",
			"another effect. The engine alone, driven by nothing, would make the factor of",
			`simple ${floor.ratio.toFixed(2)}.`,
		].join("\n");
	},
};

/** Every durable effect of the program's uninterrupted run, with a crash before it and a crash after it. */
export function crashSchedules(program: Program): WriteCrash[] {
	const { writes } = runInWorld(program);
	return Array.from({ length: writes }, (_, i) =>
		(["before", "after"] as const).map((side): WriteCrash => ({ kind: "crash", write: i + 1, side })),
	).flat();
}

/** The schedules that come to the same on both sides. @throws Error when the uninterrupted run does not. */
export async function whereSame(program: Program, schedules: readonly WriteCrash[]): Promise<WriteCrash[]> {
	const plans = [[], ...schedules.map((crash) => [crash])];
	const inWorlds = await inMacrotask(() => plans.map((plan) => summaryOf(runInWorld(program, plan))));
	const fakeTimed = await inFakeTime(async (clock) => {
		const runs: EngineRun[] = [];
		for (const plan of plans) runs.push(await runFakeTimed(clock, target.engine.module, program, plan));
		return runs;
	});
	const pairs = inWorlds.map((world, i) => [world, fakeTimed[i] as EngineRun] as const);
	const [uninterrupted, ...crashed] = pairs;
	if (uninterrupted !== undefined) assertSameWork(program, "fake timers", ...uninterrupted);
	return schedules.filter((_, i) => sameWork(...(crashed[i] as (typeof pairs)[number])));
}

/** Goes round the schedules, in steps that spread any few of them over the whole program. */
function round(schedules: readonly WriteCrash[]): () => WriteCrash {
	let step = Math.max(1, Math.round(schedules.length * 0.618));
	while (gcd(step, schedules.length) !== 1) step++;
	let at = 0;
	return () => {
		at = (at + step) % schedules.length;
		return schedules[at] as WriteCrash;
	};
}

function gcd(a: number, b: number): number {
	return b === 0 ? a : gcd(b, a % b);
}

function each(schedules: readonly WriteCrash[], run: (crash: WriteCrash) => void): Work {
	const next = round(schedules);
	return (times) => {
		for (let i = 0; i < times; i++) run(next());
	};
}

function fakeTimed(program: Program, schedules: readonly WriteCrash[]): Work {
	const next = round(schedules);
	return (times) =>
		inFakeTime(async (clock) => {
			for (let i = 0; i < times; i++) await runFakeTimed(clock, target.engine.module, program, [next()]);
		});
}
