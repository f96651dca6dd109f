/** What a namespace must hold: a byte map, with what each key held before, so that what is wrong can be named. */
import type { KVEntry } from "@rivetkit/workflow-engine";

export class ByteMap {
	readonly #entries = new Map<string, Uint8Array>();
	readonly #past = new Map<string, Uint8Array[]>();

	get(key: Uint8Array): Uint8Array | null {
		return this.#entries.get(nameOf(key)) ?? null;
	}

	set(key: Uint8Array, value: Uint8Array): void {
		this.#remember(key);
		this.#entries.set(nameOf(key), Uint8Array.from(value));
	}

	delete(key: Uint8Array): void {
		this.#remember(key);
		this.#entries.delete(nameOf(key));
	}

	/** Removes every key that fits. */
	deleteWhere(fits: (key: Uint8Array) => boolean): void {
		for (const { key } of this.list()) if (fits(key)) this.delete(key);
	}

	/** The entries whose keys begin so, in unsigned byte order. */
	list(prefix: Uint8Array = new Uint8Array()): KVEntry[] {
		return [...this.#entries]
			.map(([name, value]) => ({ key: keyOf(name), value }))
			.filter(({ key }) => startsWith(key, prefix))
			.sort((a, b) => Buffer.compare(a.key, b.key));
	}

	/** Every key that was ever changed. */
	touched(): Uint8Array[] {
		return [...this.#past.keys()].map(keyOf);
	}

	/** Whether the key held that value once. */
	heldOnce(key: Uint8Array, value: Uint8Array): boolean {
		return this.#past.get(nameOf(key))?.some((past) => sameBytes(past, value)) ?? false;
	}

	#remember(key: Uint8Array): void {
		const name = nameOf(key);
		const before = this.#entries.get(name);
		this.#past.set(name, [...(this.#past.get(name) ?? []), ...(before === undefined ? [] : [before])]);
	}
}

export function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
	return key.byteLength >= prefix.byteLength && sameBytes(key.subarray(0, prefix.byteLength), prefix);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
	return Buffer.compare(a, b) === 0;
}

/** A key as the key of a map, and back. */
export function nameOf(key: Uint8Array): string {
	return Buffer.from(key).toString("latin1");
}

function keyOf(name: string): Uint8Array {
	return new Uint8Array(Buffer.from(name, "latin1"));
}
