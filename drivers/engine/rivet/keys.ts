/**
 * Reads the engine's storage keys, for stories. Keys are tuples in FoundationDB's encoding, of small integers, strings and
 * nested tuples; the first element says what kind of thing is stored.
 */

type Element = number | string | Element[];

const FIELDS: ReadonlyMap<number, string> = new Map([
	[1, "workflow state"],
	[2, "workflow output"],
	[3, "workflow error"],
	[4, "workflow input"],
]);

/** A stored key in a few words: `name 3`, `entry 0/[0 12]/4`, `metadata 1b9d6bcd`, `workflow state`. */
export function describeKey(key: string): string {
	const tuple = parseTuple(key);
	if (tuple === undefined) return `key ${Buffer.from(key, "latin1").toString("hex")}`;
	const [kind, ...rest] = tuple;
	switch (kind) {
		case 1:
			return rest.length === 0 ? "names" : `name ${rest[0]}`;
		case 2:
			return rest.length === 0 ? "history" : `entry ${rest.map(segment).join("/")}`;
		case 3:
			return FIELDS.get(Number(rest[0])) ?? "workflow";
		case 4:
			return rest.length === 0 ? "metadata" : `metadata ${String(rest[0]).slice(0, 8)}`;
		default:
			return `key ${Buffer.from(key, "latin1").toString("hex")}`;
	}
}

function segment(element: Element): string {
	return Array.isArray(element) ? `[${element.join(" ")}]` : String(element);
}

const STRING = 0x02;
const NESTED = 0x05;
const INTEGER_ZERO = 0x14;

/** The elements of a packed tuple, or undefined when it holds something else than integers, strings and tuples. */
function parseTuple(key: string): Element[] | undefined {
	let at = 0;
	function elements(nested: boolean): Element[] | undefined {
		const found: Element[] = [];
		while (at < key.length) {
			const code = key.charCodeAt(at++);
			if (nested && code === 0x00) return found;
			if (code === STRING) {
				const end = key.indexOf("\0", at);
				if (end < 0) return undefined;
				found.push(key.slice(at, end));
				at = end + 1;
			} else if (code === NESTED) {
				const inner = elements(true);
				if (inner === undefined) return undefined;
				found.push(inner);
			} else if (code >= INTEGER_ZERO && code <= INTEGER_ZERO + 8) {
				let value = 0;
				for (let size = code - INTEGER_ZERO; size > 0; size--) value = value * 256 + key.charCodeAt(at++);
				found.push(value);
			} else {
				return undefined;
			}
		}
		return nested ? undefined : found;
	}
	return elements(false);
}
