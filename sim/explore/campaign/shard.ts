/**
 * Which seeds are whose. A campaign from seed `from` numbers its seeds 0, 1, 2, …; number k belongs to shard (k mod n) + 1 of n.
 * A shard takes its seeds in blocks, one thread a block.
 */

/** Shard `i` of `n`, from 1. */
export interface Shard {
	readonly i: number;
	readonly n: number;
}

export const WHOLE: Shard = { i: 1, n: 1 };

/** `count` seeds, the first one and then every `step`th. */
export interface Block {
	readonly first: number;
	readonly step: number;
	readonly count: number;
}

/** Seeds of a block: some tens of milliseconds, so that threads end together and the cost of handing over is lost in it. */
export const BLOCK_SEEDS = 32;

/** How many of `runs` seeds belong to the shard; `Infinity` of `Infinity`. */
export function seedsOf(runs: number, { i, n }: Shard): number {
	return Number.isFinite(runs) ? Math.max(0, Math.ceil((runs - (i - 1)) / n)) : runs;
}

/** The blocks of a shard in order; without end when `runs` is `Infinity`. */
export function* blocksOf(from: number, runs: number, shard: Shard): Generator<Block, void, undefined> {
	const seeds = seedsOf(runs, shard);
	for (let taken = 0; taken < seeds; taken += BLOCK_SEEDS) {
		const first = from + shard.i - 1 + taken * shard.n;
		yield { first, step: shard.n, count: Math.min(BLOCK_SEEDS, seeds - taken) };
	}
}

/** Every so many seeds one is run twice. */
export const RERUN_EVERY = 97;

/** The seeds of a block that are run twice. */
export function rerunOf({ first, step, count }: Block): number[] {
	return Array.from({ length: count }, (_, i) => first + i * step).filter((seed) => seed % RERUN_EVERY === 0);
}
