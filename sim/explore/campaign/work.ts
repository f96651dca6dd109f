/** What one thread is given to do at a time, and how it does it: a block of seeds, or the search of one program. */
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type { SearchResult } from "../../../reports/model.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { FaultKind } from "../../world/faults.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { referenceScenario } from "../draw.ts";
import { uninterrupted } from "../plan.ts";
import { CrashSearch } from "../search/crashes.ts";
import { ScheduleSearch } from "../search/schedules.ts";
import type { Recorder } from "./recorder.ts";
import type { Block, Shard } from "./shard.ts";
import type { TallyData } from "./tally.ts";

/** How the space is explored: seeds drawn from it, or everything of a kind there is. */
export type Exploration =
	| { readonly kind: "random" }
	/** `depth` crashes one after the other; `kinds` of faults besides the crash. */
	| {
			readonly kind: "crashes";
			/** Searches the scenario of that seed, without its faults, in place of every program. */
			readonly seed?: number;
			readonly modes: readonly HostingMode[];
			readonly depth: number;
			readonly kinds: readonly FaultKind[];
	  }
	/** At most `depth` departures from the usual order; absent for no bound. */
	| { readonly kind: "schedules"; readonly modes: readonly HostingMode[]; readonly depth?: number };

/** The search of one program, hosted in one way. */
export interface SearchUnit {
	readonly search: Exclude<Exploration, { kind: "random" }>;
	readonly program: string;
	readonly mode: HostingMode;
}

export type Work = Block | SearchUnit;

/** Real milliseconds of running between two looks at signals and messages. */
const SLICE_MS = 40;
/** Real milliseconds between two parts of a search. */
const PART_MS = 1_000;

/** The searches of a shard, in order. */
export function* unitsOf(
	search: SearchUnit["search"],
	programs: readonly string[],
	shard: Shard,
): Generator<SearchUnit> {
	if (search.kind === "crashes" && search.seed !== undefined) {
		if (shard.i === 1) yield { search, program: "", mode: "live" };
		return;
	}
	let place = 0;
	for (const program of programs) {
		for (const mode of search.modes) if (place++ % shard.n === shard.i - 1) yield { search, program, mode };
	}
}

/**
 * Does the work, looking up now and then, and hands out what it shows: all at the end for a block, now and then for a search.
 * It ends early when told to stop, or when going on is in vain.
 */
export async function doWork(
	recorder: Recorder,
	work: Work,
	stopped: () => boolean,
	onPart: (part: TallyData) => void,
): Promise<void> {
	if ("search" in work) await runSearch(recorder, work, stopped, onPart);
	else await runBlock(recorder, work, stopped, onPart);
	onPart(recorder.takeOff());
}

async function runBlock(
	recorder: Recorder,
	block: Block,
	stopped: () => boolean,
	onPart: (part: TallyData) => void,
): Promise<void> {
	let place = 0;
	const { onDriver } = recorder.explorer;
	let partAt = performance.now();
	while (onDriver !== undefined && place < block.count && !stopped() && !recorder.failed) {
		await recorder.takeOn(onDriver, block.first + place++ * block.step);
		if (performance.now() - partAt < PART_MS || recorder.failed) continue;
		partAt = performance.now();
		onPart(recorder.takeOff());
	}
	while (place < block.count && !stopped() && !recorder.failed) {
		await inMacrotask(() => {
			const sliceEnds = performance.now() + SLICE_MS;
			do {
				recorder.take(block.first + place++ * block.step);
			} while (place < block.count && performance.now() < sliceEnds && !recorder.failed);
		});
	}
}

async function runSearch(
	recorder: Recorder,
	unit: SearchUnit,
	stopped: () => boolean,
	onPart: (part: TallyData) => void,
): Promise<void> {
	const search = searchOf(recorder, unit);
	let partAt = performance.now();
	let goesOn = true;
	while (goesOn && !stopped() && !recorder.failed) {
		await inMacrotask(() => {
			const sliceEnds = performance.now() + SLICE_MS;
			do goesOn = search.step();
			while (goesOn && performance.now() < sliceEnds && !recorder.failed);
		});
		if (goesOn && performance.now() - partAt > PART_MS && !recorder.failed) {
			partAt = performance.now();
			recorder.searched(search.result());
			onPart(recorder.takeOff());
		}
	}
	recorder.searched(search.result());
}

/** What is known of a search that nobody has begun. */
export function notBegun(recorder: Recorder, unit: SearchUnit): SearchResult {
	return searchOf(recorder, unit).result();
}

function searchOf(recorder: Recorder, { search, program: name, mode }: SearchUnit): CrashSearch | ScheduleSearch {
	const { explorer } = recorder;
	if (search.kind === "crashes" && search.seed !== undefined) {
		const { scenario, program } = explorer.draw(search.seed);
		return crashSearchOf(recorder, search, program, uninterrupted(scenario));
	}
	const program = explorer.programs.find((candidate) => candidate.name === name);
	if (program === undefined) throw new Error(`The program ${name} is not among those of the explorer.`);
	if (search.kind === "schedules") {
		const departures = search.depth ?? Number.POSITIVE_INFINITY;
		return new ScheduleSearch(explorer, program, mode, departures, (judgement) => recorder.record(judgement));
	}
	return crashSearchOf(recorder, search, program, referenceScenario(program, mode));
}

function crashSearchOf(
	recorder: Recorder,
	{ depth, kinds }: Extract<SearchUnit["search"], { kind: "crashes" }>,
	program: Program,
	base: Scenario,
): CrashSearch {
	return new CrashSearch(recorder.explorer, program, base.hosting.mode, {
		depth,
		kinds: new Set(kinds),
		base,
		onJudged: (judgement) => recorder.record(judgement),
		onProblem: (text) => recorder.problem(text),
	});
}
