/** Sizes at and beyond what is claimed, and the sizes that the published engine hands over. */
import type { KVWrite } from "@rivetkit/workflow-engine";
import * as fc from "fast-check";
import { MAX_BATCH_BYTES, MAX_BATCH_ENTRIES } from "../../drivers/storage/contract.ts";
import type { Host } from "./host.ts";
import { nameOf, sameBytes } from "./model.ts";
import { Break, type Claimed, driverProperty } from "./property.ts";
import { counted } from "./tell.ts";

interface Size {
	readonly what: "batchEntries" | "batchBytes" | "keyBytes" | "valueBytes";
	readonly size: number;
	/** The claimed limit it is held against; absent when none is claimed. */
	readonly limit?: number;
	/** What it is tried with when another limit is lower: a large batch of small values. */
	readonly entryBytes: number;
}

/** What is not tried: beyond it a claim of a limit is taken at its word. */
const MOST_BYTES = 32 * 1024 * 1024;
const MOST_ENTRIES = 20_000;
/** Keys of what is tried, each with its number. */
const KEY = 0x6c;
const KEY_BYTES = 4;
/** Without a limit, keys of this size are tried; the engine packs names as numbers, so that its own are short. */
const USUAL_KEY_BYTES = 512;

export const limits = driverProperty<Size>({
	id: "storage.limits",
	claim:
		"Sizes at a claimed limit are stored, beyond it refused whole with the limit in the error; what the engine writes fits.",
	source:
		"engine: EngineDriver.atomicBatch (refuses an oversized unit), MAX_KV_BATCH_ENTRIES, MAX_KV_BATCH_PAYLOAD_BYTES",
	mutants: ["truncates-values", "stores-what-fits", "keeps-limits-to-itself", "refuses-large-batches"],
	uses: ["get", "set", "batch", "list"],
	weight: 3,
	unclaimed: ({ claims }) =>
		(["batchEntries", "batchBytes", "keyBytes", "valueBytes"] as const).flatMap((what) => {
			const limit = claims.limits?.[what];
			if (limit === undefined) return [`${what}: no limit is claimed`];
			const most = what === "batchEntries" ? MOST_ENTRIES : MOST_BYTES;
			return limit > most ? [`${what}: ${limit} is more than is tried`] : [];
		}),
	draws: (claimed) => fc.constantFrom(...sizes(claimed)),
	async run(size, bench) {
		const host = await bench.open();
		const writes = writesOf(size);
		const single = size.what === "keyBytes" || size.what === "valueBytes";
		const [first] = writes;
		const answer = await (single && first !== undefined ? host.set(first.key, first.value) : host.batch(writes)).then(
			() => undefined,
			(error: Break) => error,
		);
		if (answer?.kind.endsWith("-hangs")) throw answer;
		await judge(host, size, writes, answer);
	},
	tell: (size) => [tellSize(size)],
});

function tellSize({ what, size, limit }: Size): string {
	const of = limit === undefined ? "" : `, with a limit of ${limit}`;
	if (what === "keyBytes") return `set a key of ${counted(size, "byte")}${of}`;
	if (what === "valueBytes") return `set a value of ${counted(size, "byte")}${of}`;
	return what === "batchEntries"
		? `batch of ${counted(size, "entry", "entries")}${of}`
		: `batch of ${counted(size, "byte")}${of}`;
}

/** The sizes to try: around each limit, and where none is claimed what the engine may hand over. */
function sizes({ claims }: Claimed): Size[] {
	const { batchEntries, batchBytes, keyBytes, valueBytes } = claims.limits ?? {};
	const largest = Math.min(valueBytes ?? MAX_BATCH_BYTES, (batchBytes ?? MAX_BATCH_BYTES) - KEY_BYTES);
	const around = (what: Size["what"], limit: number | undefined, usual: number, entryBytes: number): Size[] => {
		const most = what === "batchEntries" ? MOST_ENTRIES : MOST_BYTES;
		if (limit === undefined) return [{ what, size: usual, entryBytes }];
		if (limit > most) return [{ what, size: Math.min(limit, usual), limit, entryBytes }];
		return [0, 1, 2, limit].map((over) => ({ what, size: limit + over, limit, entryBytes }));
	};
	return [
		...around("batchEntries", batchEntries, MAX_BATCH_ENTRIES, 4),
		...around("batchBytes", batchBytes, MAX_BATCH_BYTES, Math.min(64 * 1024, largest)),
		...around("keyBytes", keyBytes, USUAL_KEY_BYTES, 4),
		...around("valueBytes", valueBytes, MAX_BATCH_BYTES - KEY_BYTES, 4),
	];
}

function writesOf({ what, size, entryBytes }: Size): KVWrite[] {
	if (what === "keyBytes") return [{ key: new Uint8Array(size).fill(KEY), value: Uint8Array.of(1) }];
	if (what === "valueBytes") return [{ key: keyOf(0), value: patterned(size) }];
	if (what === "batchEntries") {
		return Array.from({ length: size }, (_, i) => ({ key: keyOf(i), value: patterned(entryBytes) }));
	}
	const writes: KVWrite[] = [];
	for (let left = size; left > 0; ) {
		// The last entry takes what is left, so that keys and values add up exactly.
		const bytes = left < 2 * (entryBytes + KEY_BYTES) && left <= entryBytes + KEY_BYTES ? left : entryBytes + KEY_BYTES;
		if (bytes < KEY_BYTES) break;
		writes.push({ key: keyOf(writes.length), value: patterned(bytes - KEY_BYTES) });
		left -= bytes;
		if (left > 0 && left < KEY_BYTES) {
			const last = writes.at(-1);
			if (last !== undefined) last.value = patterned(last.value.byteLength + left);
			left = 0;
		}
	}
	return writes;
}

function keyOf(i: number): Uint8Array {
	return Uint8Array.of(KEY, (i >> 16) & 0xff, (i >> 8) & 0xff, i & 0xff);
}

/** Bytes that differ from place to place, so that what is cut or shifted shows. */
function patterned(length: number): Uint8Array {
	const bytes = new Uint8Array(length);
	for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
	return bytes;
}

async function judge(host: Host, size: Size, writes: readonly KVWrite[], answer: Break | undefined): Promise<void> {
	const { what, limit } = size;
	const beyond = limit !== undefined && size.size > limit;
	const told = tellSize(size);
	const there = await storedOf(host, writes);
	if (answer === undefined && beyond) throw new Break(`${what}-beyond-limit-accepted`, `${told}: it was not refused`);
	if (answer === undefined) {
		if (there.whole === writes.length) return;
		const message = `${told}: acknowledged, and ${there.whole} of ${counted(writes.length, "entry", "entries")} are as written`;
		throw new Break(there.part > 0 ? `${what}-altered` : `${what}-stored-in-part`, message);
	}
	if (!beyond)
		throw new Break(
			limit === undefined ? `${what}-refused-undeclared` : `${what}-within-limit-refused`,
			`${told}: ${answer.message}`,
		);
	if (there.whole + there.part > 0) {
		throw new Break(
			`${what}-refused-in-part`,
			`${told}: refused, and ${there.whole + there.part} of its entries are stored`,
		);
	}
	if (!namesLimit(answer.message, limit)) {
		throw new Break(`${what}-limit-not-told`, `${told}: refused without the limit in the error: ${answer.message}`);
	}
}

/** Entries that are as written, and entries that are there and are not. */
async function storedOf(host: Host, writes: readonly KVWrite[]): Promise<{ whole: number; part: number }> {
	const stored = new Map((await host.list(Uint8Array.of(KEY))).map(({ key, value }) => [nameOf(key), value]));
	let [whole, part] = [0, 0];
	for (const { key, value } of writes) {
		const actual = stored.get(nameOf(key));
		if (actual === undefined) continue;
		if (sameBytes(actual, value)) whole++;
		else part++;
	}
	return { whole, part };
}

/** Whether the figure is in the text, with or without groups, or in kibibytes or mebibytes. */
function namesLimit(text: string, limit: number): boolean {
	const plain = text.replaceAll(/(?<=\d)[ ,._'](?=\d{3}\b)/g, "");
	const figures = [limit, limit / 1_024, limit / 1_024 ** 2].filter(Number.isInteger);
	return figures.some((figure) => new RegExp(`(?<!\\d)${figure}(?!\\d)`).test(plain));
}
