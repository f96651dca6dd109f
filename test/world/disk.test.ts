/** The disk: atomic commits, numbered durable writes, byte order, and images that nothing changes afterwards. */
import { describe, expect, test } from "vitest";
import { bytesFromKey, Disk, type DiskImage, keyFromBytes } from "../../sim/world/disk.ts";
import type { Mutation } from "../../sim/world/history.ts";
import { Process } from "../../sim/world/process.ts";
import { drawInt, drawOne, Streams } from "../../sim/world/random.ts";

const process = new Process(1, "test");
const TABLE = "t";

const bytes = (...values: number[]) => Uint8Array.of(...values);
const set = (key: string, ...value: number[]): Mutation => ({ table: TABLE, key, value: bytes(...value) });
const remove = (key: string): Mutation => ({ table: TABLE, key, value: null });

/** A disk on which every durable write succeeds, and the writes it made. */
function newDisk(image?: DiskImage) {
	const writes: { what: string; mutations: readonly Mutation[] }[] = [];
	const disk = new Disk((_process, what, mutations, apply) => {
		apply(mutations);
		writes.push({ what, mutations });
		return true;
	}, image);
	return { disk, writes, commit: (...mutations: Mutation[]) => disk.commit(process, "test", mutations) };
}

const keysOf = (disk: Disk, prefix = "") => disk.list(TABLE, prefix).map(({ key }) => key);

describe("a commit", () => {
	test("is one durable write, however many keys it touches", () => {
		const { commit, writes } = newDisk();
		commit(set("a", 1), set("b", 2), set("c", 3));
		expect(writes).toEqual([{ what: "test", mutations: [set("a", 1), set("b", 2), set("c", 3)] }]);
	});

	test("is applied whole", () => {
		const { disk, commit } = newDisk();
		commit(set("a", 1), set("b", 2));
		commit(remove("a"), set("c", 3));
		expect(keysOf(disk)).toEqual(["b", "c"]);
	});

	test("that does not happen is applied not at all", () => {
		const disk = new Disk(() => false);
		expect(disk.commit(process, "test", [set("a", 1), set("b", 2)])).toBe(false);
		expect(keysOf(disk)).toEqual([]);
	});

	test("shows nothing of itself before it is durable", () => {
		let seen: string[] | undefined;
		const disk: Disk = new Disk((_process, _what, mutations, apply) => {
			seen = keysOf(disk);
			apply(mutations);
			return true;
		});
		disk.commit(process, "test", [set("a", 1)]);
		expect(seen).toEqual([]);
	});

	test("touches tables apart", () => {
		const { disk } = newDisk();
		disk.commit(process, "test", [
			{ table: "one", key: "a", value: bytes(1) },
			{ table: "two", key: "a", value: bytes(2) },
		]);
		expect([disk.get("one", "a"), disk.get("two", "a"), disk.get("three", "a")]).toEqual([
			bytes(1),
			bytes(2),
			undefined,
		]);
	});
});

describe("deleting an absent key", () => {
	test("is no durable write", () => {
		const { commit, writes } = newDisk();
		expect(commit(remove("absent"))).toBe(true);
		expect(writes).toEqual([]);
	});

	test("is left out of a write that changes something else", () => {
		const { commit, writes } = newDisk();
		commit(remove("absent"), set("a", 1));
		expect(writes.map(({ mutations }) => mutations)).toEqual([[set("a", 1)]]);
	});

	test("tells a process that it is dead", () => {
		const dead = new Process(2, "dead");
		dead.alive = false;
		expect(newDisk().disk.commit(dead, "test", [remove("absent")])).toBe(false);
	});
});

test("an empty commit is no durable write", () => {
	const { commit, writes } = newDisk();
	commit();
	expect(writes).toEqual([]);
});

test("setting a key to what it holds is a durable write", () => {
	const { commit, writes } = newDisk();
	commit(set("a", 1));
	commit(set("a", 1));
	expect(writes).toHaveLength(2);
});

describe("of two mutations of one key in a commit the later wins", () => {
	test.each<[string, Mutation[], Uint8Array | undefined]>([
		["set, set", [set("a", 1), set("a", 2)], bytes(2)],
		["set, delete", [set("a", 1), remove("a")], undefined],
		["delete, set", [remove("a"), set("a", 2)], bytes(2)],
		["set, delete, set", [set("a", 1), remove("a"), set("a", 3)], bytes(3)],
	])("%s", (_order, mutations, expected) => {
		for (const before of [[], [set("a", 9)]]) {
			const { disk, commit } = newDisk();
			commit(...before);
			commit(...mutations);
			expect(disk.get(TABLE, "a")).toEqual(expected);
		}
	});
});

describe("the disk owns its bytes", () => {
	test.each<[string, Uint8Array]>([
		["an array", bytes(1, 2)],
		["a buffer, whose slices are views", Buffer.from([1, 2])],
		["a view into something larger", bytes(0, 1, 2, 3).subarray(1, 3)],
	])("when it was handed %s that is written to afterwards", (_what, value) => {
		const { disk, commit } = newDisk();
		commit({ table: TABLE, key: "a", value });
		value.fill(7);
		expect(disk.get(TABLE, "a")).toEqual(bytes(1, 2));
	});

	test("and so does the record of the write", () => {
		const { commit, writes } = newDisk();
		const value = bytes(1);
		commit({ table: TABLE, key: "a", value });
		value.fill(7);
		expect(writes[0]?.mutations).toEqual([set("a", 1)]);
	});
});

describe("a list", () => {
	const AWKWARD = [
		"",
		"\x00",
		"\x00\x00",
		"\x00\xff",
		"a",
		"a\x00",
		"a\x7f",
		"a\x80",
		"a\xff",
		"a\xff\xff",
		"b",
		"\x80",
		"\xff",
		"\xff\x00",
		"\xff\xff",
	];

	function filled(keys: readonly string[]) {
		const { disk, commit } = newDisk();
		for (const key of keys) commit(set(key, key.length));
		return disk;
	}

	test("is in unsigned byte order, with bytes 0x00 and 0xff", () => {
		const inByteOrder = [...AWKWARD].sort((a, b) => Buffer.compare(bytesFromKey(a), bytesFromKey(b)));
		expect(keysOf(filled([...AWKWARD].reverse()))).toEqual(inByteOrder);
	});

	test.each<[string, string[]]>([
		["", [...AWKWARD]],
		["a", ["a", "a\x00", "a\x7f", "a\x80", "a\xff", "a\xff\xff"]],
		["\x00", ["\x00", "\x00\x00", "\x00\xff"]],
		["\xff", ["\xff", "\xff\x00", "\xff\xff"]],
		["\xff\xff", ["\xff\xff"]],
		["c", []],
	])("of prefix %j holds what starts with it and nothing else", (prefix, expected) => {
		expect(keysOf(filled(AWKWARD), prefix).sort()).toEqual([...expected].sort());
	});

	test("gives the values with the keys", () => {
		expect(filled(["a", "bb"]).list(TABLE, "")).toEqual([
			{ key: "a", value: bytes(1) },
			{ key: "bb", value: bytes(2) },
		]);
	});

	test("of a table that was never written is empty", () => {
		expect(newDisk().disk.list("none", "")).toEqual([]);
	});

	test("does not change with later writes", () => {
		const { disk, commit } = newDisk();
		commit(set("a", 1));
		const listed = disk.list(TABLE, "");
		commit(set("a", 2), set("b", 2));
		expect(listed).toEqual([{ key: "a", value: bytes(1) }]);
	});
});

describe("a range holds its start and not its end", () => {
	const { disk, commit } = newDisk();
	commit(...["a", "b", "b\x00", "b\xff", "c", "\xff"].map((key) => set(key, 1)));

	test.each<[string, string, string[]]>([
		["a", "c", ["a", "b", "b\x00", "b\xff"]],
		["b", "b\x00", ["b"]],
		["b", "b\xff", ["b", "b\x00"]],
		["", "\xff", ["a", "b", "b\x00", "b\xff", "c"]],
		["b", "b", []],
		["c", "a", []],
		["x", "y", []],
	])("[%j, %j)", (start, end, expected) => {
		expect(disk.keysBetween(TABLE, start, end)).toEqual(expected);
	});
});

describe("an image", () => {
	test("is unaffected by later writes, deletions and tables", () => {
		const { disk, commit } = newDisk();
		commit(set("a", 1), set("b", 1));
		const image = disk.image();
		commit(set("a", 2), remove("b"), set("c", 2));
		disk.commit(process, "test", [{ table: "new", key: "a", value: bytes(1) }]);
		const restored = newDisk(image).disk;
		expect(restored.list(TABLE, "")).toEqual([
			{ key: "a", value: bytes(1) },
			{ key: "b", value: bytes(1) },
		]);
		expect(restored.list("new", "")).toEqual([]);
	});

	test("is unaffected by writes to the disks made from it, and so are they by one another", () => {
		const original = newDisk();
		original.commit(set("a", 1));
		const image = original.disk.image();
		const [left, right] = [newDisk(image), newDisk(image)];
		left.commit(set("a", 2), set("left", 2));
		right.commit(remove("a"));
		expect(keysOf(left.disk)).toEqual(["a", "left"]);
		expect(keysOf(right.disk)).toEqual([]);
		expect(original.disk.get(TABLE, "a")).toEqual(bytes(1));
		expect(newDisk(image).disk.list(TABLE, "")).toEqual([{ key: "a", value: bytes(1) }]);
	});

	test("holds what the disk held then, over thousands of random writes and images", () => {
		const stream = new Streams("images").stream("draw");
		const { disk, commit } = newDisk();
		const model = new Map<string, number>();
		const held: { image: DiskImage; expected: [string, number][] }[] = [];
		const content = (of: Disk) => of.list(TABLE, "").map(({ key, value }) => [key, value[0]]);
		for (let step = 0; step < 4_000; step++) {
			const key = String.fromCharCode(drawInt(stream, 0, 15) * 17, drawInt(stream, 0, 31) * 8);
			const value = drawInt(stream, 0, 255);
			if (drawOne(stream, [true, true, false])) {
				commit(set(key, value));
				model.set(key, value);
			} else {
				commit(remove(key));
				model.delete(key);
			}
			if (step % 40 === 0) held.push({ image: disk.image(), expected: sorted(model) });
		}
		expect(content(disk)).toEqual(sorted(model));
		for (const { image, expected } of held) expect(content(newDisk(image).disk)).toEqual(expected);
	});
});

function sorted(model: ReadonlyMap<string, number>): [string, number][] {
	return [...model].sort(([a], [b]) => Buffer.compare(bytesFromKey(a), bytesFromKey(b)));
}

test("bytes and keys are the same thing, both ways, for every byte", () => {
	const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
	expect(bytesFromKey(keyFromBytes(all))).toEqual(all);
	expect(keyFromBytes(all.subarray(3, 5))).toBe("\x03\x04");
});

describe("a disk that remembers what its latest writes replaced", () => {
	function remembering(count: number, image?: DiskImage) {
		const disk = new Disk(
			(_process, _what, mutations, apply) => {
				apply(mutations);
				return true;
			},
			image,
			count,
		);
		return { disk, commit: (...mutations: Mutation[]) => disk.commit(process, "test", mutations) };
	}
	const entriesOf = (disk: Disk) => disk.list(TABLE, "").map(({ key, value }) => [key, ...value]);

	test.each([
		[
			0,
			[
				["a", 2],
				["b", 1],
				["c", 1],
			],
		],
		[
			1,
			[
				["a", 2],
				["b", 1],
			],
		],
		[
			2,
			[
				["a", 1],
				["b", 1],
			],
		],
		[3, [["a", 1]]],
		// The first write is not remembered any more.
		[4, [["a", 1]]],
	] as const)("losing %i writes leaves %j", (count, entries) => {
		const { disk, commit } = remembering(3);
		commit(set("a", 1));
		commit(set("b", 1));
		commit(set("a", 2));
		commit(set("c", 1));
		disk.lose(count);
		expect(entriesOf(disk)).toEqual(entries);
	});

	test("loses writes whole, in every table, deletions too", () => {
		const { disk, commit } = remembering(1);
		commit(set("a", 1), { table: "other", key: "o", value: bytes(1) });
		commit(remove("a"), set("b", 1), { table: "other", key: "o", value: bytes(2) });
		disk.lose(1);
		expect(entriesOf(disk)).toEqual([["a", 1]]);
		expect([...(disk.get("other", "o") ?? [])]).toEqual([1]);
	});

	test("loses nothing when it remembers nothing", () => {
		const { disk, commit } = remembering(0);
		commit(set("a", 1));
		disk.lose(1);
		expect(entriesOf(disk)).toEqual([["a", 1]]);
	});

	test("hands what it remembers to whoever goes on from its image, and is not moved by that one", () => {
		const { disk, commit } = remembering(2);
		commit(set("a", 1));
		commit(set("b", 1));
		const image = disk.image();
		const other = remembering(2, image);
		other.commit(set("c", 1));
		other.disk.lose(2);
		expect(entriesOf(other.disk)).toEqual([["a", 1]]);
		disk.lose(1);
		expect(entriesOf(disk)).toEqual([["a", 1]]);
		disk.restore(image);
		disk.lose(2);
		expect(entriesOf(disk)).toEqual([]);
	});

	test("is the same as one that remembers nothing, until it loses some", () => {
		const stream = new Streams("remembers").stream("draw");
		const [plain, other] = [newDisk(), remembering(3)];
		for (let i = 0; i < 300; i++) {
			const mutations = Array.from({ length: drawInt(stream, 1, 3) }, () => {
				const key = drawOne(stream, ["a", "b", "c", "d"]);
				return stream() < 0.3 ? remove(key) : set(key, i % 256);
			});
			plain.commit(...mutations);
			other.commit(...mutations);
			expect(entriesOf(other.disk)).toEqual(entriesOf(plain.disk));
		}
	});
});
