/**
 * Every crash schedule to depth 2: covered by a search, which goes on from snapshots and runs equal states once, beside
 * running each of them from the beginning, in worlds and as the contender of `fake-timers.ts` runs them. And how the cost
 * of the search grows with the length of the program.
 */
import { progress, simple } from "../fixtures/programs/basics.ts";
import { join } from "../fixtures/programs/branches.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { queueLoopOf } from "../fixtures/programs/queues.ts";
import { ticker } from "../fixtures/programs/timers.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { Explorer, type Judgement } from "../sim/explore/explorer.ts";
import { CrashSearch } from "../sim/explore/search/crashes.ts";
import type { Fault, FaultPlan } from "../sim/world/faults.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";
import type { WriteCrash } from "./bare.ts";
import { inFakeTime, runFakeTimed } from "./fake-timers.ts";
import type { Section } from "./section.ts";
import { target } from "./world.ts";

const PROGRAMS: readonly (readonly [string, Program])[] = [
	["simple", simple],
	["progress", progress],
	["ticker", ticker],
	["join", join],
	...[10, 20, 40].map((messages) => [`queue-loop, ${messages}`, queueLoopOf(messages)] as const),
];
const DEPTH = 2;
/** Ways that are run from the beginning, spread over all of them, to know what one costs. */
const SAMPLE = 400;
/** A search that takes less processor time, in seconds, is repeated for so long, and its first time warms up and does not count. */
const ENOUGH_SECONDS = 2;

export interface StatesFigures {
	readonly programs: readonly {
		readonly name: string;
		readonly ways: number;
		readonly states: number;
		/** Seconds of processor time: of the whole search, and of the runs in it. */
		readonly searchSeconds: number;
		readonly runSeconds: number;
		/** Milliseconds of processor time for one way from the beginning, in a world and by the contender. */
		readonly wayMs: number;
		readonly fakeTimedMs: number;
		/** How many ways were run to know these. */
		readonly sample: number;
	}[];
}

export const states: Section<StatesFigures> = {
	name: "states",
	about: "every crash schedule to depth 2, searched and run one by one; takes minutes",
	byDefault: false,

	async measure(tell) {
		const programs: StatesFigures["programs"][number][] = [];
		for (const [name, program] of PROGRAMS) {
			tell(`${name}, searched`);
			const searched = await searchTimed(program);
			tell(`${name}, one by one`);
			const plans = await inMacrotask(() => sampleOf(program, searched.ways));
			programs.push({ name, ...searched, ...(await oneByOne(program, plans)), sample: plans.length });
		}
		return { programs };
	},

	text({ programs }) {
		const seconds = (figure: number) => (figure < 10 ? figure.toPrecision(2) : figure.toFixed(0));
		const covering = programs.map(({ name, ways, states, searchSeconds, runSeconds, wayMs, fakeTimedMs }) => {
			const [again, fakeTimed] = [(ways * wayMs) / 1000, (ways * fakeTimedMs) / 1000];
			return [
				`  ${name.padEnd(15)}`,
				...[`${ways}`, `${states}`, seconds(runSeconds), seconds(searchSeconds)].map((cell) => cell.padStart(7)),
				...[seconds(again), (again / runSeconds).toFixed(1)].map((cell) => cell.padStart(8)),
				...[seconds(fakeTimed), (fakeTimed / searchSeconds).toFixed(1)].map((cell) => cell.padStart(8)),
			].join("");
		});
		const loops = programs.filter(({ name }) => name.startsWith("queue-loop"));
		const growth = loops.slice(1).map(({ name, searchSeconds }, i) => {
			const before = loops[i] as (typeof loops)[number];
			return `${before.name} to ${name.split(" ").at(-1)}: ${(searchSeconds / before.searchSeconds).toFixed(1)} times`;
		});
		return [
			`Every crash schedule to depth ${DEPTH}, live hosting, exhausted; seconds of processor time.`,
			`${" ".repeat(31)}---- searched ----  -- re-running --  - fake timers -`,
			`  ${" ".repeat(15)}   ways states   runs     all    time  factor    time  factor`,
			...covering,
			`The search costs more with length: ${growth.join(", ")}.`,
			"",
			"Runs: the engine in recoveries from distinct states, taken up from snapshots, with",
			"what the search notes on the way and the properties. All: the whole search, every",
			"way judged. Re-running: each way run from the beginning in a world, beside `runs`.",
			"Fake timers: each way run from the beginning over the package's InMemoryDriver, not",
			`judged, beside \`all\`. Both by a sample of about ${SAMPLE} ways.`,
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

async function searchTimed(program: Program) {
	const once = async () => {
		const explorer = new TimedExplorer(target, [program], PROPERTIES);
		const begun = cpuSeconds();
		const { ways, states } = await inMacrotask(() => search(explorer, program));
		return { ways, states, searchSeconds: cpuSeconds() - begun, runSeconds: explorer.seconds };
	};
	const first = await once();
	if (first.searchSeconds >= ENOUGH_SECONDS) return first;
	let [times, searchSeconds, runSeconds] = [0, 0, 0];
	while (searchSeconds < ENOUGH_SECONDS) {
		const again = await once();
		searchSeconds += again.searchSeconds;
		runSeconds += again.runSeconds;
		times++;
	}
	return { ...first, searchSeconds: searchSeconds / times, runSeconds: runSeconds / times };
}

function search(explorer: Explorer, program: Program) {
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
}

/** Some of the ways, spread over all; only those that crash around durable effects, which both sides can do. */
function sampleOf(program: Program, ways: number): WriteCrash[][] {
	const base = referenceScenario(program, "live");
	const explorer = new Explorer(target, [program], []);
	const placesAfter = (faults: FaultPlan): Fault[] => {
		const places: Fault[] = [];
		explorer.judge({ ...base, faults }, program, {
			onCrashPoint: ({ place }) => void places.push({ kind: "crash", ...place }),
		});
		return places;
	};
	const plans: WriteCrash[][] = [];
	const stride = Math.max(1, Math.round(ways / SAMPLE));
	let place = 0;
	const take = (faults: readonly Fault[]) => {
		if (place++ % stride === 0 && faults.every((fault) => "side" in fault)) plans.push(faults as WriteCrash[]);
	};
	for (const first of placesAfter([])) {
		take([first]);
		for (const second of placesAfter([first])) take([first, second]);
	}
	return plans;
}

/** What one of the plans costs from the beginning, in a world and by the contender; all of them once to warm up. */
async function oneByOne(program: Program, plans: readonly WriteCrash[][]) {
	const explorer = new TimedExplorer(target, [program], PROPERTIES);
	const base = referenceScenario(program, "live");
	const inWorlds = () =>
		inMacrotask(() => plans.forEach((faults) => void explorer.judge({ ...base, faults }, program)));
	const fakeTimed = () =>
		inFakeTime(async (clock) => {
			for (const plan of plans) await runFakeTimed(clock, target.engine.module, program, plan);
		});
	await inWorlds();
	await fakeTimed();
	explorer.seconds = 0;
	await inWorlds();
	const begun = cpuSeconds();
	await fakeTimed();
	const perWay = 1000 / plans.length;
	return { wayMs: explorer.seconds * perWay, fakeTimedMs: (cpuSeconds() - begun) * perWay };
}
