/** What one thread is given to do at a time, and how it does it: a block of seeds, or the search of one program. */
import type { SearchResult } from "../../../reports/model.ts";
import type { FaultKind } from "../../world/faults.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { Lab, LabAtWork } from "./lab.ts";
import { type Block, type Shard, WHOLE } from "./shard.ts";
import type { TallyData } from "./tally.ts";

/** How the space is explored: seeds drawn from it, or everything of a kind there is. */
export type Exploration =
	| { readonly kind: "random" }
	/** `depth` crashes one after the other; `kinds` of faults besides the crash. */
	| {
			readonly kind: "crashes";
			/** Searches the scenario of that seed, without its faults, in place of every program. */
			readonly seed?: number;
			readonly modes: readonly string[];
			readonly depth: number;
			readonly kinds: readonly FaultKind[];
	  }
	/** At most `depth` departures from the usual order; absent for no bound. */
	| { readonly kind: "schedules"; readonly modes: readonly string[]; readonly depth?: number };

/** The search of one program, hosted in one way. */
export interface SearchUnit {
	readonly search: Exclude<Exploration, { kind: "random" }>;
	readonly program: string;
	readonly mode: string;
}

export type Work = Block | SearchUnit;

/** Real milliseconds of running between two looks at signals and messages. */
const SLICE_MS = 40;
/** Real milliseconds between two parts of a search. */
const PART_MS = 1_000;

/** What searches are there for: programs, and the ways in which each can be hosted. */
type Searched = Pick<Lab, "programs" | "hosts">;

/** The searches of a shard, in order. */
export function* unitsOf(search: SearchUnit["search"], lab: Searched, shard: Shard): Generator<SearchUnit> {
	if (search.kind === "crashes" && search.seed !== undefined) {
		if (shard.i === 1) yield { search, program: "", mode: "live" };
		return;
	}
	let place = 0;
	for (const program of lab.programs) {
		for (const mode of search.modes) {
			if (lab.hosts(program, mode) && place++ % shard.n === shard.i - 1) yield { search, program, mode };
		}
	}
}

/** How many seeds or searches there are for all shards together: a shard beyond the last has nothing to do. */
export function worksIn(lab: Searched, exploration: Exploration, runs: number): number {
	return exploration.kind === "random" ? runs : [...unitsOf(exploration, lab, WHOLE)].length;
}

/**
 * Does the work, looking up now and then, and hands out what it shows: all at the end for a block, now and then for a search.
 * It ends early when told to stop, or when going on is in vain.
 */
export async function doWork(
	lab: LabAtWork,
	work: Work,
	stopped: () => boolean,
	onPart: (part: TallyData) => void,
): Promise<void> {
	if ("search" in work) await runSearch(lab, work, stopped, onPart);
	else await runBlock(lab, work, stopped, onPart);
	onPart(lab.takeOff());
}

async function runBlock(
	lab: LabAtWork,
	block: Block,
	stopped: () => boolean,
	onPart: (part: TallyData) => void,
): Promise<void> {
	let place = 0;
	const { takeAwaiting } = lab;
	let partAt = performance.now();
	while (takeAwaiting !== undefined && place < block.count && !stopped() && !lab.failed) {
		await takeAwaiting(block.first + place++ * block.step);
		if (performance.now() - partAt < PART_MS || lab.failed) continue;
		partAt = performance.now();
		onPart(lab.takeOff());
	}
	while (place < block.count && !stopped() && !lab.failed) {
		await inMacrotask(() => {
			const sliceEnds = performance.now() + SLICE_MS;
			do {
				lab.take(block.first + place++ * block.step);
			} while (place < block.count && performance.now() < sliceEnds && !lab.failed);
		});
	}
}

async function runSearch(
	lab: LabAtWork,
	unit: SearchUnit,
	stopped: () => boolean,
	onPart: (part: TallyData) => void,
): Promise<void> {
	// What has no faults yet is run to know what a search is about, and a run is entered through a macrotask.
	const search = await inMacrotask(() => lab.searchOf(unit));
	let partAt = performance.now();
	let goesOn = true;
	while (goesOn && !stopped() && !lab.failed) {
		await inMacrotask(() => {
			const sliceEnds = performance.now() + SLICE_MS;
			do goesOn = search.step();
			while (goesOn && performance.now() < sliceEnds && !lab.failed);
		});
		if (goesOn && performance.now() - partAt > PART_MS && !lab.failed) {
			partAt = performance.now();
			lab.searched(search.result());
			onPart(lab.takeOff());
		}
	}
	lab.searched(search.result());
}

/** What is known of a search that nobody has begun. */
export function notBegun(lab: LabAtWork, unit: SearchUnit): Promise<SearchResult> {
	return inMacrotask(() => lab.searchOf(unit).result());
}
