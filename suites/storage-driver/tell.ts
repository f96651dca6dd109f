/** Bytes and counts in words, for sequences and messages. */

/** What can be read as it is, in quotes; everything else as hex; only the beginning of what is long. */
export function bytesText(bytes: Uint8Array): string {
	if (bytes.byteLength === 0) return "nothing";
	if (bytes.byteLength > MOST_BYTES) {
		return `${bytes.byteLength} bytes that begin with ${bytesText(bytes.subarray(0, MOST_BYTES / 3))}`;
	}
	const text = Buffer.from(bytes).toString("latin1");
	return /^[\x20-\x7e]+$/.test(text) && !text.includes('"') ? `"${text}"` : `0x${Buffer.from(bytes).toString("hex")}`;
}

const MOST_BYTES = 24;

/** A beginning of keys: `everything` for the empty one. */
export function prefixText(prefix: Uint8Array): string {
	return prefix.byteLength === 0 ? "everything" : bytesText(prefix);
}

/** A value, or that there is none. */
export function valueText(value: Uint8Array | null | undefined): string {
	if (value === undefined) return "undefined";
	if (value === null) return "null";
	return value.byteLength === 0 ? "an empty value" : bytesText(value);
}

/** `1 entry`, `2 entries`. */
export function counted(n: number, one: string, many = `${one}s`): string {
	return `${n} ${n === 1 ? one : many}`;
}
