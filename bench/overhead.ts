/** What a world costs beside the bare engine, on uninterrupted programs; and how long a month of virtual time takes. */
import { monthSleep } from "../fixtures/programs/timers.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { inBareConditions, runBare } from "./bare.ts";
import { TIMED } from "./programs.ts";
import { type Comparison, compare, median, time } from "./rounds.ts";
import { ratioOf, row, type Section } from "./section.ts";
import { assertSameWork, runInWorld, summaryOf, target } from "./world.ts";

const PAIRS = 60;
const MONTHS = 40;

export interface OverheadFigures {
	readonly programs: readonly (Comparison & { readonly name: string })[];
	/** Median milliseconds of a run that sleeps thirty days. */
	readonly monthMs: number;
}

export const overhead: Section<OverheadFigures> = {
	name: "overhead",
	about: "what a world costs beside the bare engine",
	byDefault: true,

	async measure(tell) {
		const { module } = target.engine;
		const programs: OverheadFigures["programs"][number][] = [];
		for (const program of TIMED) {
			tell(program.name);
			await inMacrotask(() => {
				const bare = inBareConditions(() => runBare(module, program));
				assertSameWork(program, "bare", summaryOf(runInWorld(program)), bare);
			});
			const comparison = await compare(
				(times) =>
					inBareConditions(() => {
						for (let i = 0; i < times; i++) runBare(module, program);
					}),
				(times) => {
					for (let i = 0; i < times; i++) runInWorld(program);
				},
				PAIRS,
			);
			programs.push({ name: program.name, ...comparison });
		}
		tell(monthSleep.name);
		const months: number[] = [];
		for (let i = 0; i < MONTHS; i++) months.push((await time(() => void runInWorld(monthSleep), 1)) / 1000);
		return { programs, monthMs: median(months) };
	},

	text({ programs, monthMs }) {
		return [
			"Microseconds a run, uninterrupted, the finished workflow looked at once more.",
			row("", "bare", "in a world", "   ratio  (quartiles)"),
			...programs.map((program) =>
				row(program.name, program.baseUs.toFixed(0), program.otherUs.toFixed(0), `    ${ratioOf(program)}`),
			),
			"",
			`A sleep of thirty days takes ${monthMs.toFixed(1)} ms.`,
			"",
			"Bare: the same engine and programs over a Map that owns its bytes and answers at",
			"once, one drain a life. In a world: clock, loop, disk, host, observation and",
			"history of every event. Stack traces are off on both sides.",
		].join("\n");
	},
};
