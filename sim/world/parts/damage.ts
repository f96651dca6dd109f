/** What decay and tearing leave of what was written. */
import type { Fault } from "../faults.ts";
import type { Mutation } from "../history.ts";

/** What is left of a stored value; undefined when that damage leaves it as it is. */
export function damaged(
	stored: Uint8Array,
	{ how, at }: Extract<Fault, { readonly kind: "corrupt" }>,
	neighbours: () => readonly Uint8Array[],
): Uint8Array | undefined {
	if (stored.length === 0) return undefined;
	switch (how) {
		case "flip": {
			const bit = at % (stored.length * 8);
			const value = new Uint8Array(stored);
			value[bit >> 3] = (value[bit >> 3] as number) ^ (1 << (bit & 7));
			return value;
		}
		case "cut":
			return stored.length === 1 ? undefined : stored.slice(0, 1 + (at % (stored.length - 1)));
		case "empty":
			return new Uint8Array(0);
		case "swap": {
			const others = neighbours();
			return others[at % others.length];
		}
	}
}

/** What of a torn write reaches the disk. */
export function keptOf(places: readonly number[], mutations: readonly Mutation[] | undefined): Mutation[] {
	return places.map((place) => mutations?.[place] as Mutation);
}
