/**
 * Every crash state to depth 2, searched by going on from snapshots, beside the same crashes made by running each way from
 * the very beginning. And how the cost grows with the length of the program.
 */

import type { Program } from "../fixtures/programs/program.ts";
import { queueLoopOf } from "../fixtures/programs/queues.ts";
import { CrashSearch } from "../sim/explore/crashes.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { Explorer, type Judgement } from "../sim/explore/explorer.ts";
import type { Fault, FaultPlan } from "../sim/world/faults.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";
import { row, type Section } from "./section.ts";
import { target } from "./world.ts";

const LENGTHS = [10, 20, 40];
const DEPTH = 2;
/** Ways that are run from the beginning, spread over all of them, to know what one costs. */
const SAMPLE = 400;

export interface StatesFigures {
	readonly programs: readonly {
		readonly messages: number;
		readonly ways: number;
		readonly states: number;
		/** Seconds of processor time: of the whole search, and of the runs in it. */
		readonly searchSeconds: number;
		readonly runSeconds: number;
		/** Milliseconds of processor time for one way run from the beginning, and how many were. */
		readonly wayMs: number;
		readonly sample: number;
	}[];
}

export const states: Section<StatesFigures> = {
	name: "states",
	about: "every crash state to depth 2, from snapshots and from the beginning",
	byDefault: false,

	async measure(tell) {
		const programs: StatesFigures["programs"][number][] = [];
		for (const messages of [LENGTHS[0] as number, ...LENGTHS]) {
			const program = queueLoopOf(messages);
			tell(`${messages} messages, from snapshots`);
			const explorer = new TimedExplorer(target, [program], PROPERTIES);
			const begun = cpuSeconds();
			const { ways, states } = await search(explorer, program);
			const searchSeconds = cpuSeconds() - begun;
			tell(`${messages} messages, from the beginning`);
			const { wayMs, sample } = await fromTheBeginning(program, ways);
			const figures = { messages, ways, states, searchSeconds, runSeconds: explorer.seconds, wayMs, sample };
			// The first length is measured twice: once to warm up.
			if (programs.at(-1)?.messages === messages) programs.pop();
			programs.push(figures);
		}
		return { programs };
	},

	text({ programs }) {
		const seconds = (figure: number) => `${figure.toFixed(1)} s`;
		const lines = programs.map(({ messages, ways, states, searchSeconds, runSeconds, wayMs }) => {
			const again = (ways * wayMs) / 1000;
			const factor = `${(again / runSeconds).toFixed(1)}`;
			return row(
				`${messages} messages`,
				...[`${ways}`, `${states}`, seconds(runSeconds), seconds(searchSeconds), seconds(again), factor],
			);
		});
		const growth = programs.slice(1).map(({ messages, searchSeconds }, i) => {
			const before = programs[i] as (typeof programs)[number];
			return `${before.messages} to ${messages}: ${(searchSeconds / before.searchSeconds).toFixed(1)} times`;
		});
		return [
			`Every crash state of the queue loop to depth ${DEPTH}, live hosting, exhausted.`,
			row("", "ways", "states", "runs", "search", "re-running", "factor"),
			...lines,
			`The search costs more with the length of the program: ${growth.join(", ")}.`,
			"",
			"Runs: the engine in all recoveries from distinct states, taken up from snapshots,",
			"with what the search notes on the way and the properties. Search: all of it, every",
			`way judged. Re-running: every way run from the beginning, by a sample of ${SAMPLE}; the`,
			"factor is re-running over runs. Processor time.",
		].join("\n");
	},
};

/** Notes the processor time of the runs. */
class TimedExplorer extends Explorer {
	seconds = 0;

	override judge(...values: Parameters<Explorer["judge"]>): Judgement {
		const begun = cpuSeconds();
		const judgement = super.judge(...values);
		this.seconds += cpuSeconds() - begun;
		return judgement;
	}
}

function cpuSeconds(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1e6;
}

function search(explorer: Explorer, program: Program) {
	return inMacrotask(() => {
		const search = new CrashSearch(explorer, program, "live", {
			depth: DEPTH,
			kinds: new Set(),
			onJudged: () => {},
			onProblem: (problem) => {
				throw new Error(problem);
			},
		});
		while (search.step());
		return search.result();
	});
}

/** Runs some of the ways from the beginning. */
async function fromTheBeginning(program: Program, ways: number): Promise<{ wayMs: number; sample: number }> {
	const explorer = new TimedExplorer(target, [program], PROPERTIES);
	const base = referenceScenario(program, "live");
	const placesAfter = (faults: FaultPlan): Fault[] => {
		const places: Fault[] = [];
		explorer.judge({ ...base, faults }, program, {
			onCrashPoint: ({ place }) => {
				places.push({ kind: "crash", ...place });
			},
		});
		return places;
	};
	return await inMacrotask(() => {
		const plans: FaultPlan[] = [];
		const stride = Math.max(1, Math.round(ways / SAMPLE));
		let place = 0;
		for (const first of placesAfter([])) {
			if (place++ % stride === 0) plans.push([first]);
			for (const second of placesAfter([first])) if (place++ % stride === 0) plans.push([first, second]);
		}
		explorer.seconds = 0;
		for (const faults of plans) explorer.judge({ ...base, faults }, program);
		return { wayMs: (explorer.seconds * 1000) / plans.length, sample: plans.length };
	});
}
