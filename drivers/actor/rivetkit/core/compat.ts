/**
 * Values as clients of `rivetkit` 2.3 send and get them: CBOR in which what JSON lacks is a pair of a tag and a text,
 * `["$BigInt", "1"]`, and a pair that only looks like one has a `$` more. Encode and decode are inverses.
 */
import { decode, encode } from "cbor-x";

/** @throws TypeError for what clients cannot send: functions, symbols, instances of classes. */
export function encodeValue(value: unknown): Uint8Array {
	return encode(tagged(value));
}

/** Of no bytes it is undefined. @throws for bytes that are no value. */
export function decodeValue(bytes: Uint8Array): unknown {
	return bytes.byteLength === 0 ? undefined : revived(decode(bytes));
}

function tagged(value: unknown): unknown {
	if (value === undefined) return ["$Undefined", 0];
	if (typeof value === "bigint") return ["$BigInt", value.toString()];
	if (typeof value === "function" || typeof value === "symbol")
		throw new TypeError(`A ${typeof value} cannot be sent.`);
	if (typeof value !== "object" || value === null) return value;
	if (value instanceof ArrayBuffer) return ["$ArrayBuffer", Buffer.from(value).toString("base64")];
	if (value instanceof Uint8Array) return ["$Uint8Array", Buffer.from(value).toString("base64")];
	if (ArrayBuffer.isView(value) || value instanceof Date || value instanceof RegExp || value instanceof Error)
		return value;
	if (value instanceof Set) return ["$Set", [...value].map(tagged)];
	if (value instanceof Map) return new Map([...value].map(([key, item]) => [tagged(key), tagged(item)]));
	if (Array.isArray(value)) {
		const items = value.map(tagged);
		return looksTagged(items) ? [`$${items[0]}`, items[1]] : items;
	}
	const prototype: unknown = Object.getPrototypeOf(value);
	if (prototype !== Object.prototype && prototype !== null)
		throw new TypeError("An instance of a class cannot be sent.");
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, tagged(item)]));
}

function revived(value: unknown): unknown {
	if (value instanceof Map) return new Map([...value].map(([key, item]) => [revived(key), revived(item)]));
	if (Array.isArray(value)) return looksTagged(value) ? untagged(value[0], value[1]) : value.map(revived);
	if (typeof value !== "object" || value === null) return value;
	const prototype: unknown = Object.getPrototypeOf(value);
	if (prototype !== Object.prototype && prototype !== null) return value;
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revived(item)]));
}

function untagged(tag: string, value: unknown): unknown {
	switch (tag) {
		case "$Undefined":
			return undefined;
		case "$BigInt":
			return BigInt(value as string);
		case "$ArrayBuffer":
			return new Uint8Array(Buffer.from(value as string, "base64")).buffer;
		case "$Uint8Array":
			return new Uint8Array(Buffer.from(value as string, "base64"));
		case "$Set":
			return new Set((value as unknown[]).map(revived));
		default:
			return [tag.slice(1), revived(value)];
	}
}

function looksTagged(items: readonly unknown[]): items is readonly [string, unknown] {
	return items.length === 2 && typeof items[0] === "string" && items[0].startsWith("$");
}
