/**
 * Times two ways of doing the same work against each other in one process: a slice of one, a slice of the other, over
 * and over, so that whatever else the machine does meanwhile hits both. The ratio is the median over the pairs, and all
 * of it is processor time of this process, which others on the machine disturb less than they disturb the clock.
 */
import { inMacrotask } from "../sim/world/interpose.ts";

/** Work that is done `times` times in one call, which begins in a macrotask. */
export type Work = (times: number) => void | Promise<void>;

export interface Comparison {
	/** Median microseconds for one piece of work, of what is measured against and of what is measured. */
	readonly baseUs: number;
	readonly otherUs: number;
	/** Other over base: median, least and greatest of the pairs. */
	readonly ratio: { readonly median: number; readonly min: number; readonly max: number };
	readonly pairs: number;
}

/** Real milliseconds of one slice. */
const SLICE_MS = 80;
/** Real milliseconds each side runs before anything is timed. */
const WARM_UP_MS = 400;

export async function compare(base: Work, other: Work, pairs: number): Promise<Comparison> {
	const baseTimes = await calibrate(base);
	const otherTimes = await calibrate(other);
	const baseUs: number[] = [];
	const otherUs: number[] = [];
	const ratios: number[] = [];
	for (let pair = 0; pair < pairs; pair++) {
		// Which of the two goes first alternates too.
		const baseFirst = pair % 2 === 0;
		if (baseFirst) baseUs.push(await time(base, baseTimes));
		otherUs.push(await time(other, otherTimes));
		if (!baseFirst) baseUs.push(await time(base, baseTimes));
		ratios.push((otherUs.at(-1) as number) / (baseUs.at(-1) as number));
	}
	return {
		baseUs: median(baseUs),
		otherUs: median(otherUs),
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

/** Microseconds of processor time, the system's included, for one piece of work. */
export async function time(work: Work, times: number): Promise<number> {
	return await inMacrotask(async () => {
		const begun = process.cpuUsage();
		await work(times);
		const { user, system } = process.cpuUsage(begun);
		return Math.max(1, user + system) / times;
	});
}

export function median(figures: readonly number[]): number {
	const sorted = figures.toSorted((a, b) => a - b);
	const middle = sorted.length >> 1;
	const upper = sorted[middle];
	if (upper === undefined) throw new Error("The median of no figures was asked for.");
	return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
