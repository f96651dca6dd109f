/**
 * Named streams of randomness, all derived from one seed. Each consumer draws from a stream of its own, so
 * that one more draw in one place moves nothing anywhere else.
 */
import seedrandom from "seedrandom";
import { getOrInsert } from "./collections.ts";

/** A uniform draw from [0, 1). */
export type Stream = () => number;

export class Streams {
	readonly #seed: string;
	readonly #streams = new Map<string, Stream>();

	constructor(seed: string) {
		this.#seed = seed;
	}

	/** The stream of that name; the same object at every call, so that draws go on where they stopped. */
	stream(name: string): Stream {
		return getOrInsert(this.#streams, name, (): Stream => seedrandom.alea(`${this.#seed}/${name}`));
	}
}

/** An integer in [low, high], both included. */
export function drawInt(stream: Stream, low: number, high: number): number {
	return low + Math.floor(stream() * (high - low + 1));
}

/** One of the items, each as likely as the other. */
export function drawOne<T>(stream: Stream, items: readonly T[]): T {
	return items[Math.floor(stream() * items.length)] as T;
}

const HEX = "0123456789abcdef";

/** A version 4 UUID whose random bits come from the stream. */
export function drawUuid(stream: Stream): `${string}-${string}-${string}-${string}-${string}` {
	let text = "";
	for (let i = 0; i < 4; i++) {
		const word = Math.floor(stream() * 0x1_0000_0000);
		for (let shift = 28; shift >= 0; shift -= 4) {
			const place = text.length;
			if (place === 8 || place === 13 || place === 18 || place === 23) text += "-";
			const at = text.length;
			const nibble = (word >>> shift) & 0xf;
			text += at === 14 ? "4" : at === 19 ? HEX[(nibble & 0x3) | 0x8] : HEX[nibble];
		}
	}
	return text as `${string}-${string}-${string}-${string}-${string}`;
}
