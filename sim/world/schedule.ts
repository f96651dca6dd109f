/** Who goes first among the events due at one instant. Without a schedule every event draws its place from the seed. */
export type Schedule =
	/**
	 * Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): chains of events have priorities drawn from the
	 * seed; the chain running at each of these events of the run falls behind all others.
	 */
	| { readonly kind: "priorities"; readonly changes: readonly number[] }
	/** At each instant with more than one event to choose from, the place of the one to run; 0 once the list is used up. */
	| { readonly kind: "choices"; readonly choices: readonly number[] };
