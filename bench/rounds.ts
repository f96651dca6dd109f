/**
 * Times two ways of doing the same work against each other in one process: a slice of one, a slice of the other, over
 * and over, so that whatever else the machine does meanwhile hits both. What others do there only ever makes a slice
 * slower, so each side's figure is its lower quartile; and all of it is processor time of this process, which others
 * disturb less than they disturb the clock.
 */
import { inMacrotask } from "../sim/world/interpose.ts";

/** Work that is done `times` times in one call, which begins in a macrotask. */
export type Work = (times: number) => void | Promise<void>;

export interface Comparison {
	/** Microseconds for one piece of work, of what is measured against and of what is measured: lower quartiles. */
	readonly baseUs: number;
	readonly otherUs: number;
	/** Other over base. */
	readonly ratio: number;
	/** The quartiles of that ratio over the single pairs. */
	readonly pairs: { readonly count: number; readonly low: number; readonly high: number };
}

/** Real milliseconds of one slice. */
const SLICE_MS = 30;
/** Real milliseconds each side runs before anything is timed. */
const WARM_UP_MS = 1_500;

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
	const [quietBase, quietOther] = [quantile(baseUs, 0.25), quantile(otherUs, 0.25)];
	return {
		baseUs: quietBase,
		otherUs: quietOther,
		ratio: quietOther / quietBase,
		pairs: { count: pairs, low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) },
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
	return quantile(figures, 0.5);
}

/** The figure below which that share of the figures lies, between two of them in proportion. */
function quantile(figures: readonly number[], share: number): number {
	const sorted = figures.toSorted((a, b) => a - b);
	const place = (sorted.length - 1) * share;
	const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
	if (low === undefined || high === undefined) throw new Error("A quantile of no figures was asked for.");
	return low + (high - low) * (place - Math.floor(place));
}
