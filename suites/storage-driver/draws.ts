/** Keys and values that drivers are likely to get wrong, drawn so that operations of one sequence meet. */
import * as fc from "fast-check";

const utf8 = (text: string) => new Uint8Array(Buffer.from(text, "utf8"));

/**
 * Close to each other: of one beginning, ending in `00` or `ff`, no UTF-8 at all, or such that UTF-16 puts them in another order
 * than their bytes; the last are as the engine packs its own.
 */
export const AWKWARD_KEYS: readonly Uint8Array[] = [
	...["a", "b", "ab", "a/b", "a:b", "A", "aa"].map(utf8),
	...["\uff5e", "\u{1f600}", "é", "a%", "a_", "*"].map(utf8),
	...[[0], [0, 0], [0xff], [0xff, 0xff], [0x61, 0], [0x61, 0xff], [0x61, 0xff, 0xff], [0x7f], [0x80], [0xc3, 0x28]].map(
		(bytes) => Uint8Array.from(bytes),
	),
	...[
		[0x15, 1, 0x15, 0],
		[0x15, 1, 0x15, 9],
		[0x15, 2, 0x05, 0x15, 0, 0xff],
		[0x15, 3, 0x15, 1],
	].map((bytes) => Uint8Array.from(bytes)),
];

const fewBytes = fc
	.array(fc.constantFrom(0, 1, 0x2f, 0x3a, 0x61, 0x62, 0x7f, 0x80, 0xfe, 0xff), { minLength: 1, maxLength: 4 })
	.map((bytes) => Uint8Array.from(bytes));

/** Never empty: the engine has no such key, and some stores have none either. */
export const keys: fc.Arbitrary<Uint8Array> = fc.oneof(
	{ weight: 3, arbitrary: fc.constantFrom(...AWKWARD_KEYS) },
	{ weight: 2, arbitrary: fewBytes },
);

/** Beginnings of keys, the empty one included. */
export const prefixes: fc.Arbitrary<Uint8Array> = fc.oneof(
	{ weight: 1, arbitrary: fc.constant(new Uint8Array()) },
	{ weight: 3, arbitrary: keys },
	{
		weight: 2,
		arbitrary: fc.tuple(keys, fc.nat({ max: 2 })).map(([key, length]) => key.slice(0, Math.max(1, length))),
	},
);

export const values: fc.Arbitrary<Uint8Array> = fc.oneof(
	{ weight: 1, arbitrary: fc.constant(new Uint8Array()) },
	{ weight: 5, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 12 }) },
	{ weight: 1, arbitrary: fc.constantFrom(utf8("null"), utf8("0"), utf8('{"a":1}'), Uint8Array.of(0)) },
	{
		weight: 1,
		arbitrary: fc
			.tuple(fc.constantFrom(255, 256, 4_096, 65_537), fc.nat({ max: 255 }))
			.map(([length, byte]) => new Uint8Array(length).fill(byte)),
	},
);
