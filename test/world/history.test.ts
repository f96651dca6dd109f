/** A history has a digest that tells apart any two that differ, and keeps nothing of the machine it was made on. */
import { describe, expect, test } from "vitest";
import { encodeEvent, errorFact, History, type HistoryEvent } from "../../sim/world/history.ts";

const EVENT: HistoryEvent = { at: 5, process: 1, kind: "note", data: { text: "a", bytes: Uint8Array.of(1, 2) } };

function digestOf(...events: HistoryEvent[]): string {
	const history = new History();
	history.events.push(...events);
	return history.digest();
}

describe("the digest", () => {
	test("is equal for equal events", () => {
		expect(digestOf(structuredClone(EVENT))).toBe(digestOf(EVENT));
	});

	test("is equal for the same bytes in a buffer and in an array", () => {
		const inBuffer = { ...EVENT, data: { text: "a", bytes: Buffer.from([1, 2]) } };
		expect(digestOf(inBuffer)).toBe(digestOf(EVENT));
	});

	test("does not change by being read", () => {
		const history = new History();
		history.events.push(EVENT);
		expect(history.digest()).toBe(history.digest());
	});

	test.each<[string, HistoryEvent[]]>([
		["time", [{ ...EVENT, at: 6 }]],
		["process", [{ ...EVENT, process: 2 }]],
		["kind", [{ ...EVENT, kind: "other" }]],
		["data", [{ ...EVENT, data: { text: "b", bytes: Uint8Array.of(1, 2) } }]],
		["bytes", [{ ...EVENT, data: { text: "a", bytes: Uint8Array.of(1, 3) } }]],
		["number of events", [EVENT, EVENT]],
		["nothing at all", []],
	])("tells apart by %s", (_what, events) => {
		expect(digestOf(...events)).not.toBe(digestOf(EVENT));
	});

	test("tells apart by order", () => {
		const other = { ...EVENT, kind: "other" };
		expect(digestOf(EVENT, other)).not.toBe(digestOf(other, EVENT));
	});

	test.each<[string, unknown, unknown]>([
		["null and undefined", null, undefined],
		["a number and its text", 1, "1"],
		["an absent property and an undefined one", {}, { a: undefined }],
		["an empty list and an empty object", [], {}],
	])("tells apart %s", (_what, a, b) => {
		expect(digestOf({ ...EVENT, data: a })).not.toBe(digestOf({ ...EVENT, data: b }));
	});
});

test("the digest is the hash of the encoded events, one after the other", async () => {
	const encoded = Buffer.concat([encodeEvent(EVENT), encodeEvent(EVENT)]);
	const hash = Buffer.from(await crypto.subtle.digest("SHA-256", encoded)).toString("hex");
	expect(digestOf(EVENT, EVENT)).toBe(hash);
});

describe("what is kept of an error", () => {
	test.each<[string, unknown, { name: string; message: string }]>([
		["an error", new RangeError("far"), { name: "RangeError", message: "far" }],
		["a text", "text", { name: "string", message: "text" }],
		["nothing", undefined, { name: "undefined", message: "undefined" }],
		["null", null, { name: "object", message: "null" }],
	])("%s", (_what, error, expected) => {
		expect(errorFact(error)).toEqual(expected);
	});
});
