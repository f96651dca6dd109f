/**
 * Where things are stored. A place is a path of numbers: which entry of its block, which branch, which iteration. Names only
 * follow for readers, so that no name, however odd or long, can make two places one. Keys sort in the order of the program.
 *
 *     w + field                                  what there is one of: input, output, error, state, cut
 *     h + (E number name 0) ...                  an entry of the root block
 *     h + (E ...) (B number name 0) (E ...)      an entry in a branch
 *     h + (E ...) (I number)                     an iteration of a loop, with the state that it begins with
 */

export const FIELDS = { input: "wi", output: "wo", error: "we", state: "ws", cut: "wc" } as const;

const ENTRY = "E";
const BRANCH = "B";
const ITERATION = "I";
export const HISTORY = "h";

/** Digits of a number in a key, of 256 each. */
const WIDTH = 6;
/** Longer names are cut: the number alone says which place it is. */
const MAX_NAME = 48;
const END = "\0";

export interface Segment {
	readonly sort: "entry" | "branch" | "iteration";
	readonly number: number;
	/** As far as the key tells it. */
	readonly name: string;
}

/** The start of all keys of an entry and of what is inside it. */
export function entryKey(block: string, number: number, name: string): string {
	return `${block}${ENTRY}${digits(number)}${readable(name)}${END}`;
}

export function branchKey(entry: string, number: number, name: string): string {
	return `${entry}${BRANCH}${digits(number)}${readable(name)}${END}`;
}

export function iterationKey(entry: string, number: number): string {
	return `${entry}${ITERATION}${digits(number)}`;
}

function digits(number: number): string {
	let text = "";
	for (let left = number, i = 0; i < WIDTH; i++) {
		text = String.fromCharCode(left % 256) + text;
		left = Math.floor(left / 256);
	}
	return text;
}

/** A name as bytes, without the byte that ends it. */
function readable(name: string): string {
	const short = name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}~` : name;
	return Buffer.from(short.replaceAll(END, " ")).toString("latin1");
}

/** The path that a key of the history stands for; undefined when it is none. */
export function parseKey(key: string): Segment[] | undefined {
	const segments: Segment[] = [];
	for (let at = HISTORY.length; at < key.length; ) {
		const sort = SORTS[key.charAt(at)];
		if (sort === undefined || at + WIDTH >= key.length) return undefined;
		let number = 0;
		for (let i = 1; i <= WIDTH; i++) number = number * 256 + key.charCodeAt(at + i);
		at += 1 + WIDTH;
		const end = sort === "iteration" ? at : key.indexOf(END, at);
		if (end < 0) return undefined;
		segments.push({ sort, number, name: Buffer.from(key.slice(at, end), "latin1").toString() });
		at = sort === "iteration" ? at : end + 1;
	}
	return segments;
}

const SORTS: Readonly<Record<string, Segment["sort"]>> = {
	[ENTRY]: "entry",
	[BRANCH]: "branch",
	[ITERATION]: "iteration",
};

const FIELD_NAMES: ReadonlyMap<string, string> = new Map(
	Object.entries(FIELDS).map(([name, key]) => [key, `workflow ${name}`]),
);

/** A stored key in a few words: `workflow state`, `entry orders/[orders 3]/charge`. */
export function describeKey(key: string): string {
	const field = FIELD_NAMES.get(key);
	if (field !== undefined) return field;
	const path = key.startsWith(HISTORY) ? parseKey(key) : undefined;
	if (path === undefined) return `key ${Buffer.from(key, "latin1").toString("hex")}`;
	let loop = "";
	const parts = path.map(({ sort, number, name }) => {
		if (sort !== "iteration") loop = name;
		return sort === "iteration" ? `[${loop} ${number}]` : name;
	});
	return `entry ${parts.join("/")}`;
}

export function bytesOf(key: string): Uint8Array {
	return Uint8Array.from(key, (_, i) => key.charCodeAt(i));
}

export function textOf(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The first key behind all that begin with this one. */
export function endOf(prefix: string): string {
	return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
