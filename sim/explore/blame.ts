/**
 * Determinism blame: where two histories part. Histories are compared as the bytes that go into their digests, so equal here
 * means equal digests; what differs is told decoded, with the place inside the event and what led up to it.
 *
 *   const difference = firstDifference(first.history, again.history);
 *   if (difference !== undefined) console.log(describeDifference(difference, ["first", "again"]).join("\n"));
 */
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { Encoder } from "cbor-x";
import { encodeEvent, type History, type HistoryEvent } from "../world/history.ts";

/** A history as it is kept or sent: the bytes of each event, as they go into the digest. */
export type Recording = readonly Uint8Array[];

export function record(history: History): Recording {
	return history.events.map(encodeEvent);
}

/** Hex SHA-256 of a recording; equal to the digest of the history it was made from. */
export function digestOf(recording: Recording): string {
	const hash = createHash("sha256");
	for (const event of recording) hash.update(event);
	return hash.digest("hex");
}

const decoder = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true });

/** The event that those bytes are. @throws Error when they are none. */
export function decodeEvent(bytes: Uint8Array): HistoryEvent {
	const fields: unknown = decoder.decode(bytes);
	if (!Array.isArray(fields) || fields.length !== 4) throw new Error("not the bytes of an event");
	const [at, process, kind, data] = fields;
	if (typeof at !== "number" || typeof process !== "number" || typeof kind !== "string") {
		throw new Error("not the bytes of an event");
	}
	return { at, process, kind, data };
}

/** Steps from an event down to a value inside it: names of fields, places in lists, and last the place in a text or in bytes. */
type Path = readonly (string | number)[];

export interface Difference {
	/** Place in both histories of the first event that differs, from 0. */
	readonly event: number;
	/** Both sides of it; undefined where a history ended before. */
	readonly sides: readonly [HistoryEvent | undefined, HistoryEvent | undefined];
	/** Where inside the event; undefined when one side has none. */
	readonly path: Path | undefined;
	/** The few events before it, equal on both sides. */
	readonly before: readonly HistoryEvent[];
}

/** Equal events told before the one that differs. */
const CONTEXT = 3;

/** The first event in which two histories differ; undefined when they are equal to the byte. */
export function firstDifference(left: History | Recording, right: History | Recording): Difference | undefined {
	const [a, b] = [bytesOf(left), bytesOf(right)];
	const length = Math.max(a.length, b.length);
	for (let event = 0; event < length; event++) {
		const [bytes, other] = [a.at(event), b.at(event)];
		if (bytes !== undefined && other !== undefined && Buffer.compare(bytes, other) === 0) continue;
		const sides = [bytes && decodeEvent(bytes), other && decodeEvent(other)] as const;
		const first = Math.max(0, event - CONTEXT);
		return {
			event,
			sides,
			path: sides[0] === undefined || sides[1] === undefined ? undefined : pathToDifference(sides[0], sides[1]),
			before: Array.from({ length: event - first }, (_, i) => decodeEvent(a.at(first + i) as Uint8Array)),
		};
	}
	return undefined;
}

/** The events by place; a history's are encoded one by one, as they are asked for. */
function bytesOf(from: History | Recording): { readonly length: number; at(i: number): Uint8Array | undefined } {
	if (Array.isArray(from)) return from as Recording;
	const { events } = from as History;
	return {
		length: events.length,
		at: (i) => {
			const event = events[i];
			return event && encodeEvent(event);
		},
	};
}

/** The way to the first value that differs; undefined when only the order of fields does. */
function pathToDifference(a: unknown, b: unknown): Path | undefined {
	if (Object.is(a, b)) return undefined;
	if (typeof a === "string" && typeof b === "string") return [firstIndex(a, b)];
	if (a instanceof Uint8Array && b instanceof Uint8Array) {
		return Buffer.compare(a, b) === 0 ? undefined : [firstIndex(a, b)];
	}
	if (!isContainer(a) || !isContainer(b) || Array.isArray(a) !== Array.isArray(b)) return [];
	const keys: (string | number)[] = Array.isArray(a)
		? Array.from({ length: Math.max(a.length, (b as unknown[]).length) }, (_, i) => i)
		: [...new Set([...Object.keys(a), ...Object.keys(b)])];
	for (const key of keys) {
		if (Object.hasOwn(a, key) !== Object.hasOwn(b, key)) return [key];
		const rest = pathToDifference(Reflect.get(a, key), Reflect.get(b, key));
		if (rest !== undefined) return [key, ...rest];
	}
	return undefined;
}

function isContainer(value: unknown): value is object {
	return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

function firstIndex(a: string | Uint8Array, b: string | Uint8Array): number {
	let i = 0;
	while (i < a.length && i < b.length && a[i] === b[i]) i++;
	return i;
}

/** What a stored key means, by table; as storage drivers tell it. */
export type DescribeKey = (table: string, key: string) => string;

/**
 * Lines that name the event that differs, tell both sides of it, and what came before.
 * @param names what the two sides are called, e.g. `recorded` and `now`.
 */
export function describeDifference(
	{ event, sides, path, before }: Difference,
	names: readonly [string, string],
	describeKey?: DescribeKey,
): string[] {
	const column = Math.max(...names.map((name) => name.length), "before".length) + 2;
	const line = (name: string, told: string) => `${name.padEnd(column)}${told}`;
	const missing = sides.indexOf(undefined);
	const where =
		missing >= 0
			? `event ${event}: ${names[missing]} has ended, ${names[1 - missing]} goes on`
			: `event ${event} differs${path === undefined ? " in the order of its fields" : `, in ${placeName(path, sides[0])}`}`;
	return [
		where,
		...before.map((earlier) => line("before", tellEvent(earlier, undefined, describeKey))),
		...sides.map((side, i) =>
			line(names[i] as string, side === undefined ? "(nothing more)" : tellEvent(side, path, describeKey)),
		),
	];
}

/** `data.mutations[0].value at byte 3`. */
function placeName(path: Path, event: unknown): string {
	let value = event;
	let name = "";
	for (const step of path) {
		if (typeof value === "string") return `${name} at character ${step}`;
		if (value instanceof Uint8Array) return `${name} at byte ${step}`;
		name += typeof step === "number" ? `[${step}]` : name === "" ? step : `.${step}`;
		value = isContainer(value) ? Reflect.get(value, step) : undefined;
	}
	return name;
}

/** `303 ms  1 durable { n: 10, what: 'kv.batch', … }`: one event, whole but for long values, which are cut. */
export function tellEvent({ at, process, kind, data }: HistoryEvent, path?: Path, describeKey?: DescribeKey): string {
	const inside = path?.[0] === "data" ? path.slice(1) : undefined;
	const told = inspect(readable(data, inside, describeKey), {
		depth: null,
		breakLength: Number.POSITIVE_INFINITY,
		compact: true,
		maxArrayLength: null,
		maxStringLength: null,
	});
	return `${at} ms  ${process} ${kind} ${told}`;
}

/** Characters or bytes that are shown of one value. */
const SHOWN = 48;
/** Elements that are shown of one list. */
const SHOWN_ELEMENTS = 2;

/** The value with long texts, bytes and lists cut to what is around the place that `path` leads to, or to their beginnings. */
function readable(value: unknown, path: Path | undefined, describeKey: DescribeKey | undefined): unknown {
	const [step, ...rest] = path ?? [];
	const place = typeof step === "number" ? step : 0;
	if (typeof value === "string") return value.length <= SHOWN ? value : verbatim(window(value, place, inspect));
	if (value instanceof Uint8Array) return verbatim(window(Buffer.from(value).toString("latin1"), place, bytesText));
	if (Array.isArray(value)) {
		// With a place to look at, only the element there; in the others it is the beginning that tells most.
		const first = step === undefined ? 0 : Math.max(0, Math.min(place, value.length - 1));
		const shown = value
			.slice(first, first + (step === undefined ? SHOWN_ELEMENTS : 1))
			.map((element, i) => readable(element, first + i === step ? rest : undefined, describeKey));
		const after = value.length - first - shown.length;
		return [
			...(first > 0 ? [verbatim(`(${first} before)`)] : []),
			...shown,
			...(after > 0 ? [verbatim(`(${after} more)`)] : []),
		];
	}
	if (!isContainer(value)) return value;
	const fields = Object.entries(value).map(([name, field]) => [
		name,
		readable(field, name === step ? rest : undefined, describeKey),
	]);
	const { table, key } = value as { table?: unknown; key?: unknown };
	if (describeKey !== undefined && typeof table === "string" && typeof key === "string") {
		// A key that differs is shown as it is: two keys may read alike in words.
		if (step !== "key")
			return Object.fromEntries(
				fields.map((field) => (field[0] === "key" ? ["key", verbatim(describeKey(table, key))] : field)),
			);
	}
	return Object.fromEntries(fields);
}

/** What is around a place, with how much was left out on either side. */
function window(text: string, place: number, show: (text: string) => string): string {
	if (text.length <= SHOWN) return show(text);
	const first = Math.max(0, Math.min(place - SHOWN / 2, text.length - SHOWN));
	const after = text.length - first - SHOWN;
	const shown = show(text.slice(first, first + SHOWN));
	return `${first > 0 ? `(${first} before) ` : ""}${shown}${after > 0 ? ` (${after} more)` : ""}`;
}

/** Bytes, one character each, as text where they are text. */
function bytesText(latin1: string): string {
	const escaped = latin1.replace(
		// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what cannot be printed
		/[\x00-\x1f\x7f-\xff"\\]/g,
		(character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
	);
	return `bytes "${escaped}"`;
}

/** Shown by `inspect` as it is, without quotes. */
function verbatim(text: string): unknown {
	return { [inspect.custom]: () => text };
}
