/** Two workers against one: the same seeds, as runs a second from the reports of `pnpm sim --workers`. */
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { Report } from "../reports/model.ts";
import { median } from "./rounds.ts";
import { row, type Section, SIM } from "./section.ts";

/** As many as `pnpm sim` runs unless told otherwise. */
const RUNS = 40_000;
const PAIRS = 3;
const ROOT = fileURLToPath(new URL("..", import.meta.url));

export interface WorkersFigures {
	/** Why nothing was measured. */
	readonly notMeasured?: string;
	/** Median runs a second of one worker and of two, and the median of their ratios. */
	readonly one: number;
	readonly two: number;
	readonly ratio: number;
}

export const workers: Section<WorkersFigures> = {
	name: "workers",
	about: `two workers against one, ${RUNS} runs each, ${PAIRS} times; takes minutes`,
	byDefault: false,

	async measure(tell) {
		if (!sim("--help").includes("--workers")) return notMeasured("pnpm sim has no --workers");
		if (availableParallelism() < 2) return notMeasured("this machine has one core");
		const one: number[] = [];
		const two: number[] = [];
		for (let pair = 0; pair < PAIRS; pair++) {
			tell("one worker");
			one.push(runsPerSecond(1));
			tell("two workers");
			two.push(runsPerSecond(2));
		}
		return { one: median(one), two: median(two), ratio: median(two.map((speed, i) => speed / (one[i] as number))) };
	},

	text({ notMeasured, one, two, ratio }) {
		if (notMeasured !== undefined) return `Two workers against one: not measured, since ${notMeasured}.`;
		return [
			`Runs a second over ${RUNS} seeds, median of ${PAIRS}.`,
			row("", "one worker", "two", "ratio"),
			row("pnpm sim", one.toFixed(0), two.toFixed(0), ratio.toFixed(2)),
		].join("\n");
	},
};

function notMeasured(why: string): WorkersFigures {
	return { notMeasured: why, one: 0, two: 0, ratio: 0 };
}

function runsPerSecond(count: number): number {
	const report = JSON.parse(sim("--runs", `${RUNS}`, "--workers", `${count}`, "--json", "--quiet")) as Report;
	if (report.verdict === "invalid") throw new Error(`A campaign of ${count} workers was invalid: ${report.problems}.`);
	return report.timings.runsPerSecond;
}

function sim(...values: string[]): string {
	return execFileSync(process.execPath, [...SIM, ...values], {
		cwd: ROOT,
		encoding: "utf8",
		maxBuffer: 1 << 28,
		stdio: ["ignore", "pipe", "inherit"],
	});
}
