/**
 * Named streams of randomness, all derived from one seed. Each consumer draws from a stream of its own, so
 * that one more draw in one place moves nothing anywhere else.
 */
import seedrandom from "seedrandom";
import { getOrInsert } from "./collections.ts";

/** A uniform draw from [0, 1). */
export type Stream = () => number;

/** Where each stream stands, by name. */
export type StreamStates = ReadonlyMap<string, seedrandom.State.Alea>;

export class Streams {
	readonly #seed: string;
	readonly #streams = new Map<string, seedrandom.StatefulPRNG<seedrandom.State.Alea>>();

	/** @param states where streams go on, in place of their beginning. */
	constructor(seed: string, states?: StreamStates) {
		this.#seed = seed;
		if (states !== undefined) this.restore(states);
	}

	/** The stream of that name; the same object until `restore`, so that draws go on where they stopped. */
	stream(name: string): Stream {
		return getOrInsert(this.#streams, name, () => seedrandom.alea(`${this.#seed}/${name}`, { state: true }));
	}

	states(): StreamStates {
		return new Map([...this.#streams].map(([name, stream]) => [name, stream.state()]));
	}

	/** Puts every stream where it stood; the ones not named begin anew. */
	restore(states: StreamStates): void {
		this.#streams.clear();
		for (const [name, state] of states) this.#streams.set(name, seedrandom.alea("", { state }));
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

/** Two hexadecimal digits for each byte. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** A version 4 UUID whose random bits come from the stream. */
export function drawUuid(stream: Stream): `${string}-${string}-${string}-${string}-${string}` {
	const a = drawWord(stream);
	const b = (drawWord(stream) & 0xffff_0fff) | 0x4000;
	const c = (drawWord(stream) & 0x3fff_ffff) | 0x8000_0000;
	const d = drawWord(stream);
	return `${hex(a >>> 16)}${hex(a)}-${hex(b >>> 16)}-${hex(b)}-${hex(c >>> 16)}-${hex(c)}${hex(d >>> 16)}${hex(d)}`;
}

function drawWord(stream: Stream): number {
	return Math.floor(stream() * 0x1_0000_0000);
}

/** The lower sixteen bits, in four digits. */
function hex(word: number): string {
	return `${HEX[(word >>> 8) & 0xff]}${HEX[word & 0xff]}`;
}
