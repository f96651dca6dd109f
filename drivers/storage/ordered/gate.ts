/**
 * Keeps the operations of one opened store apart: reads may overlap with reads, and nothing overlaps with a write. In the order
 * in which they were asked for, so that nothing waits for ever.
 */
export class Gate {
	/** Settled when every write asked for has ended, and when every read since has. */
	#writes: Promise<unknown> = Promise.resolve();
	#reads: Promise<unknown>[] = [];

	read<T>(work: () => T | Promise<T>): Promise<T> {
		const done = this.#writes.then(work);
		this.#reads.push(settled(done));
		return done;
	}

	write<T>(work: () => T | Promise<T>): Promise<T> {
		const before = Promise.all([this.#writes, ...this.#reads]);
		const done = before.then(work);
		this.#writes = settled(done);
		this.#reads = [];
		return done;
	}
}

/** Resolves when the promise settles, either way. */
function settled(promise: Promise<unknown>): Promise<void> {
	return promise.then(
		() => {},
		() => {},
	);
}
