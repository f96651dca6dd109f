/**
 * What a runner remembers of the commands it was given, by actor and generation, for as long as they may be replayed: what it
 * has begun, and up to which index all is applied. A server may replay what was acknowledged, since acknowledgements get lost.
 */

/** Generations of an actor that are remembered; a server that replays older ones than these has none that are newer. */
const GENERATIONS = 8;

export class LedgerEntry {
	started = false;
	stopped = false;
	/** Up to which index everything that came is applied; undefined before anything is. */
	appliedUpTo: bigint | undefined;
	/** Commands that came and are not settled, and settled ones behind them. */
	readonly #open = new Set<bigint>();
	readonly #ahead = new Set<bigint>();
	/** Settles when all that was begun is settled. */
	#settled: Promise<void> = Promise.resolve();

	received(index: bigint): void {
		if (!this.#isApplied(index)) this.#open.add(index);
	}

	/** A command is applied; what came before it and is still open keeps it from being acknowledged. */
	applied(index: bigint): void {
		if (this.#isApplied(index)) return;
		this.#open.delete(index);
		this.#ahead.add(index);
		for (const done of [...this.#ahead].sort((a, b) => (a < b ? -1 : 1))) {
			if ([...this.#open].some((open) => open < done)) return;
			this.#ahead.delete(done);
			this.appliedUpTo = done;
		}
	}

	#isApplied(index: bigint): boolean {
		return (this.appliedUpTo !== undefined && index <= this.appliedUpTo) || this.#ahead.has(index);
	}

	settles(work: Promise<void>): Promise<void> {
		this.#settled = Promise.all([this.#settled, work]).then(() => undefined);
		return work;
	}

	/** For a command that is nothing new: when what was begun before is settled. */
	get settled(): Promise<void> {
		return this.#settled;
	}
}

export class Ledger {
	readonly #actors = new Map<string, Map<number, LedgerEntry>>();
	readonly #events = new Map<string, bigint>();

	of(actorId: string, generation: number): LedgerEntry {
		let generations = this.#actors.get(actorId);
		if (generations === undefined) {
			generations = new Map();
			this.#actors.set(actorId, generations);
		}
		let entry = generations.get(generation);
		if (entry === undefined) {
			entry = new LedgerEntry();
			generations.set(generation, entry);
			if (generations.size > GENERATIONS) generations.delete(Math.min(...generations.keys()));
		}
		return entry;
	}

	/** Remembers how far the events of an actor that is forgotten were numbered. */
	told(actorId: string, next: bigint): void {
		this.#events.set(actorId, next);
	}

	eventsOf(actorId: string): bigint {
		return this.#events.get(actorId) ?? 0n;
	}
}
