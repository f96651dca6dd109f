/**
 * Keeps the operations of one opened store apart: reads may overlap with reads, and nothing overlaps with a write. In the order
 * in which they were asked for, so that nothing waits for ever. Behind the end, everything is refused.
 */
export class Gate {
	/** Settled when every write asked for has ended. */
	#writes: Promise<unknown> = Promise.resolve();
	/** The reads asked for since, as long as they are under way. */
	#reads = new Set<Promise<unknown>>();
	#ended: Promise<void> | undefined;

	async read<T>(work: () => T | Promise<T>): Promise<T> {
		this.#refuseBehindEnd();
		const done = this.#writes.then(work);
		const reads = this.#reads;
		const ended: Promise<unknown> = settled(done).then(() => reads.delete(ended));
		reads.add(ended);
		return done;
	}

	async write<T>(work: () => T | Promise<T>): Promise<T> {
		this.#refuseBehindEnd();
		const before = Promise.all([this.#writes, ...this.#reads]);
		const done = before.then(work);
		this.#writes = settled(done);
		this.#reads = new Set();
		return done;
	}

	/** Does the last work, once; whoever asks again is given the same. */
	end(work: () => void | Promise<void>): Promise<void> {
		const last = this.#ended ?? this.write(work);
		this.#ended = last;
		return last;
	}

	#refuseBehindEnd(): void {
		if (this.#ended !== undefined) throw new Error("The storage is closed.");
	}
}

/** Resolves when the promise settles, either way. */
function settled(promise: Promise<unknown>): Promise<void> {
	return promise.then(
		() => {},
		() => {},
	);
}
