/**
 * Times two ways of doing the same work against each other in one process: a slice of one, a slice of the other, over
 * and over, so that whatever else the machine does meanwhile hits both. The ratio is the median over the pairs.
 */
import { inMacrotask } from "../sim/world/interpose.ts";

/** Work that is done `times` times in one synchronous call. */
export type Work = (times: number) => void;

export interface Comparison {
	/** Median microseconds for one piece of work. */
	readonly bareUs: number;
	readonly worldUs: number;
	/** World over bare: median, least and greatest of the pairs. */
	readonly ratio: { readonly median: number; readonly min: number; readonly max: number };
	readonly pairs: number;
}

/** Real milliseconds of one slice. */
const SLICE_MS = 80;
/** Real milliseconds each side runs before anything is timed. */
const WARM_UP_MS = 400;

export async function compare(bare: Work, world: Work, pairs: number, onPair: () => void): Promise<Comparison> {
	const bareTimes = await calibrate(bare);
	const worldTimes = await calibrate(world);
	const bareUs: number[] = [];
	const worldUs: number[] = [];
	const ratios: number[] = [];
	for (let pair = 0; pair < pairs; pair++) {
		// Which of the two goes first alternates too.
		const bareFirst = pair % 2 === 0;
		if (bareFirst) bareUs.push(await time(bare, bareTimes));
		worldUs.push(await time(world, worldTimes));
		if (!bareFirst) bareUs.push(await time(bare, bareTimes));
		ratios.push((worldUs.at(-1) as number) / (bareUs.at(-1) as number));
		onPair();
	}
	return {
		bareUs: median(bareUs),
		worldUs: median(worldUs),
		ratio: { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
		pairs,
	};
}

/** Warms the work up, and tells how many times it fits into a slice. */
async function calibrate(work: Work): Promise<number> {
	const endsAt = performance.now() + WARM_UP_MS;
	let times = 1;
	for (;;) {
		const us = await time(work, times);
		times = Math.max(1, Math.round((SLICE_MS * 1000) / us));
		if (performance.now() >= endsAt) return times;
	}
}

/** Microseconds for one piece of work. */
export async function time(work: Work, times: number): Promise<number> {
	return await inMacrotask(() => {
		const begun = performance.now();
		work(times);
		return ((performance.now() - begun) * 1000) / times;
	});
}

export function median(figures: readonly number[]): number {
	const sorted = figures.toSorted((a, b) => a - b);
	const middle = sorted.length >> 1;
	const upper = sorted[middle];
	if (upper === undefined) throw new Error("The median of no figures was asked for.");
	return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
