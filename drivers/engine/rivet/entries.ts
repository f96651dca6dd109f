/**
 * Reads of a stored history entry what kind of thing it records. Entries are in BARE: a version, an id, the place as a list of
 * name numbers and loop iterations, then a tagged union.
 */

const KINDS = ["step", "loop", "sleep", "message", "checkpoint", "join", "race", "removed", "version-check"] as const;

const VERSION_BYTES = 2;
const NAME_BYTES = 4;
const ITERATION_BYTES = 8;

/** `step`, `loop`, `message` and so on; undefined when the bytes are no entry. */
export function entryKind(bytes: Uint8Array): string | undefined {
	let at = VERSION_BYTES;
	const length = (): number => {
		let value = 0;
		for (let shift = 0; shift < 35; shift += 7) {
			const byte = bytes[at++] ?? 0;
			value += (byte & 0x7f) * 2 ** shift;
			if (byte < 0x80) break;
		}
		return value;
	};
	const idBytes = length();
	at += idBytes;
	for (let segments = length(); segments > 0 && at < bytes.length; segments--) {
		at += bytes[at] === 0 ? 1 + NAME_BYTES : 1 + ITERATION_BYTES;
	}
	const tag = bytes[at];
	return tag === undefined ? undefined : KINDS[tag];
}
