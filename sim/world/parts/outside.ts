/**
 * The world beyond the processes: payment services, mail servers, users. A call takes effect at one instant and no
 * crash undoes it, so every effect is a numbered durable effect like a disk write. The outside remembers how often each
 * thing was asked of it; that is all the state it has.
 */
export class Outside {
	readonly #counts = new Map<string, number>();

	/** Counts one more effect of that label and returns how many there have been, this one included. */
	occur(label: string): number {
		const count = (this.#counts.get(label) ?? 0) + 1;
		this.#counts.set(label, count);
		return count;
	}

	/** How often each label took effect. */
	counts(): ReadonlyMap<string, number> {
		return new Map(this.#counts);
	}

	restore(counts: ReadonlyMap<string, number>): void {
		this.#counts.clear();
		for (const [label, count] of counts) this.#counts.set(label, count);
	}
}
