/** Streams of randomness are named, follow from one seed, and do not disturb one another. */
import { describe, expect, test } from "vitest";
import { drawInt, drawOne, drawUuid, type Stream, Streams } from "../../sim/world/random.ts";

const take = (stream: Stream, count = 20) => Array.from({ length: count }, stream);

describe("a stream", () => {
	test("is the same for the same seed and name", () => {
		expect(take(new Streams("seed").stream("a"))).toEqual(take(new Streams("seed").stream("a")));
	});

	test("differs by name", () => {
		const streams = new Streams("seed");
		expect(take(streams.stream("a"))).not.toEqual(take(streams.stream("b")));
	});

	test("differs by seed", () => {
		expect(take(new Streams("one").stream("a"))).not.toEqual(take(new Streams("two").stream("a")));
	});

	test("is not moved by draws from another", () => {
		const disturbed = new Streams("seed");
		take(disturbed.stream("b"), 1_000);
		expect(take(disturbed.stream("a"))).toEqual(take(new Streams("seed").stream("a")));
	});

	test("is not moved by streams that came before it", () => {
		const crowded = new Streams("seed");
		for (const name of ["x", "y", "z"]) crowded.stream(name);
		expect(take(crowded.stream("a"))).toEqual(take(new Streams("seed").stream("a")));
	});

	test("goes on where it stopped when it is asked for again", () => {
		const streams = new Streams("seed");
		const parts = [...take(streams.stream("a"), 5), ...take(streams.stream("a"), 5)];
		expect(parts).toEqual(take(new Streams("seed").stream("a"), 10));
	});

	test("stays in [0, 1)", () => {
		const drawn = take(new Streams("seed").stream("a"), 10_000);
		expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
		expect(Math.max(...drawn)).toBeLessThan(1);
	});
});

describe("the states of streams", () => {
	const begun = () => {
		const streams = new Streams("seed");
		take(streams.stream("a"), 7);
		take(streams.stream("b"), 3);
		return streams;
	};

	test("let other streams go on where they stood", () => {
		const streams = begun();
		const taken = new Streams("seed", streams.states());
		expect(take(taken.stream("a"))).toEqual(take(streams.stream("a")));
		expect(take(taken.stream("b"))).toEqual(take(streams.stream("b")));
	});

	test("are not moved by draws made after they were taken", () => {
		const streams = begun();
		const states = streams.states();
		const next = take(streams.stream("a"));
		for (let i = 0; i < 3; i++) expect(take(new Streams("seed", states).stream("a"))).toEqual(next);
	});

	test("put back, undo every draw since; streams that had not begun begin anew", () => {
		const streams = begun();
		const states = streams.states();
		const drawn = ["a", "b", "c"].map((name) => take(streams.stream(name)));
		streams.restore(states);
		expect(["a", "b", "c"].map((name) => take(streams.stream(name)))).toEqual(drawn);
	});

	test("name the streams that were asked for, and no others", () => {
		expect([...begun().states().keys()]).toEqual(["a", "b"]);
	});

	test("leave a stream that had not begun to the seed of who goes on", () => {
		expect(take(new Streams("other", begun().states()).stream("c"))).toEqual(take(new Streams("other").stream("c")));
	});
});

describe("draws", () => {
	const stream = () => new Streams("draws").stream("a");

	test.each([
		[0, 0],
		[0, 1],
		[-3, 3],
		[5, 9],
	])("an integer from [%d, %d] reaches both ends and no further", (low, high) => {
		const from = stream();
		const drawn = new Set(Array.from({ length: 500 }, () => drawInt(from, low, high)));
		expect([...drawn].sort((a, b) => a - b)).toEqual(Array.from({ length: high - low + 1 }, (_, i) => low + i));
	});

	test("one of the items reaches each", () => {
		const from = stream();
		expect(new Set(Array.from({ length: 100 }, () => drawOne(from, ["a", "b", "c"])))).toEqual(
			new Set(["a", "b", "c"]),
		);
	});

	test("a UUID has version 4, its variant, and no two alike", () => {
		const from = stream();
		const uuids = Array.from({ length: 500 }, () => drawUuid(from));
		for (const uuid of uuids)
			expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
		expect(new Set(uuids).size).toBe(500);
	});

	test("a UUID varies in every place that is free", () => {
		const from = stream();
		const uuids = Array.from({ length: 500 }, () => drawUuid(from).replaceAll("-", ""));
		const varieties = Array.from({ length: 32 }, (_, place) => new Set(uuids.map((uuid) => uuid[place])).size);
		expect(
			varieties.map((variety, place) => (place === 12 ? variety === 1 : place === 16 ? variety === 4 : variety === 16)),
		).toEqual(Array(32).fill(true));
	});
});
