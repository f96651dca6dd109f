/** The figures of the bench, and their table: 80 columns of plain text. */
import type { Comparison } from "./rounds.ts";

export interface Figures {
	readonly engine: string;
	readonly node: string;
	readonly schedules: Comparison & { readonly count: number };
	readonly programs: readonly (Comparison & { readonly name: string })[];
	/** Median real milliseconds of a run that sleeps thirty days. */
	readonly monthMs: number;
	readonly tookMs: number;
}

export function table({ engine, node, schedules, programs, monthMs, tookMs }: Figures): string {
	const perSecond = (us: number) => Math.round(1e6 / (us / schedules.count)).toString();
	return `${[
		`${engine}, Node ${node}, one core`,
		"",
		`Crash schedules a second, program simple: ${schedules.count} schedules, one before and one`,
		"after each durable write; each runs, crashes there, recovers to the end, and",
		"looks at the finished workflow once more.",
		row("", "bare", "in a world", "world/bare  (min to max)"),
		row("crash schedules/s", perSecond(schedules.bareUs), perSecond(schedules.worldUs), ratioOf(schedules)),
		"",
		"Microseconds a run, uninterrupted, the finished workflow looked at once more.",
		row("", "bare", "in a world", "world/bare  (min to max)"),
		...programs.map((program) =>
			row(program.name, program.bareUs.toFixed(0), program.worldUs.toFixed(0), ratioOf(program)),
		),
		"",
		`A sleep of thirty days: ${monthMs.toFixed(1)} ms.`,
		"",
		"Bare: the same engine and programs over a Map that owns its bytes and answers at",
		"once, one drain a life; a crash is a driver that answers no more, then a new",
		"start on what the Map holds. In a world: clock, loop, disk, host, observation and",
		"history of every event. Stack traces are off on both sides. Ratios are medians of",
		`pairs timed in turn in one process; it took ${(tookMs / 1000).toFixed(0)} s.`,
	].join("\n")}\n`;
}

function row(name: string, bare: string, world: string, ratio: string): string {
	return `  ${name.padEnd(20)}${bare.padStart(9)}${world.padStart(13)}    ${ratio}`.trimEnd();
}

function ratioOf({ ratio }: Comparison): string {
	const range = `(${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`;
	return `${ratio.median.toFixed(2).padStart(10)}  ${range}`;
}
