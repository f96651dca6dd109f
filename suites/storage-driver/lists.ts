/** Listing in byte order, and removing ranges and prefixes of keys. */
import type { KVEntry } from "@rivetkit/workflow-engine";
import * as fc from "fast-check";
import { apply, type Command, change, commands, isChange, tellCommand, within } from "./commands.ts";
import type { Host } from "./host.ts";
import { ByteMap, nameOf, sameBytes, startsWith } from "./model.ts";
import { Break, driverProperty } from "./property.ts";
import { bytesText, counted, prefixText, valueText } from "./tell.ts";

interface Listing {
	/** Entries to begin with, of keys that differ in a number at the end, so that order and pages matter. */
	readonly many: number;
	readonly commands: readonly Command[];
}

const MANY = [0, 0, 0, 0, 40, 130, 300, 1_100] as const;
/** Beyond the pages of stores that are known; seldom, since it takes long. */
const VERY_MANY = 17_000;
/** What the many are written in. */
const BATCH = 100;

export const sortedList = driverProperty<Listing>({
	id: "storage.sorted-list",
	claim: "list returns exactly the keys with the prefix, in unsigned byte order, at any size.",
	source: "engine: EngineDriver.list (sorted by key in lexicographic byte order)",
	mutants: ["sorts-by-utf-16", "sorts-signed", "lists-one-page", "lists-past-the-prefix", "keeps-insertion-order"],
	uses: ["set", "delete", "batch", "list"],
	weight: 1.5,
	draws: () =>
		fc.record({
			many: fc.oneof(
				{ weight: 19, arbitrary: fc.constantFrom(...MANY) },
				{ weight: 1, arbitrary: fc.constant(VERY_MANY) },
			),
			commands: commands({ set: 5, delete: 1, batch: 2, list: 3 }),
		}),
	async run({ many, commands }, bench) {
		const host = await bench.open();
		const model = new ByteMap();
		for (const batch of batchesOf(many)) {
			await change(host, batch);
			apply(model, batch);
		}
		for (const command of commands) {
			if (isChange(command)) {
				await change(host, command);
				apply(model, command);
			} else if (command.op === "list") await expectList(host, model, command.prefix);
		}
		await expectList(host, model, new Uint8Array());
	},
	tell: ({ many, commands }) => [
		...(many === 0 ? [] : [`${counted(many, "entry", "entries")} of keys "many" and a number in two bytes`]),
		...commands.map(tellCommand),
		"list of everything",
	],
});

function batchesOf(many: number): Extract<Command, { op: "batch" }>[] {
	const writes = Array.from({ length: many }, (_, i) => ({
		// From the last to the first, so that the order of writing is not the order of keys.
		key: Uint8Array.of(0x6d, 0x61, 0x6e, 0x79, (many - i) >> 8, (many - i) & 0xff),
		value: Uint8Array.of(i & 0xff),
	}));
	const batches: Extract<Command, { op: "batch" }>[] = [];
	for (let from = 0; from < many; from += BATCH)
		batches.push({ op: "batch", writes: writes.slice(from, from + BATCH) });
	return batches;
}

/** Lists, and holds it against the model. */
export async function expectList(host: Host, model: ByteMap, prefix: Uint8Array): Promise<void> {
	const wrong = listDifference(model, prefix, await host.list(prefix));
	if (wrong !== undefined) throw wrong;
}

function listDifference(model: ByteMap, prefix: Uint8Array, actual: readonly KVEntry[]): Break | undefined {
	const expected = model.list(prefix);
	const of = `list of ${prefixText(prefix)}`;
	const seen = new Map<string, KVEntry>();
	for (const entry of actual) {
		const key = bytesText(entry.key);
		if (!startsWith(entry.key, prefix)) return new Break("foreign-key", `${of} gave ${key}, which does not begin so`);
		if (seen.has(nameOf(entry.key))) return new Break("key-twice", `${of} gave ${key} twice`);
		seen.set(nameOf(entry.key), entry);
		if (model.get(entry.key) === null) {
			const kind = model.touched().some((touched) => sameBytes(touched, entry.key))
				? "deleted-key-listed"
				: "unknown-key";
			return new Break(kind, `${of} gave ${key}, which is not there`);
		}
	}
	for (const { key, value } of expected) {
		const entry = seen.get(nameOf(key));
		if (entry === undefined) {
			const counts = `${counted(actual.length, "entry", "entries")} of ${expected.length}`;
			return new Break("key-missing", `${of} did not give ${bytesText(key)} (${counts})`);
		}
		if (!sameBytes(entry.value, value)) {
			const message = `${of} gave ${valueText(entry.value)} under ${bytesText(key)}, not ${valueText(value)}`;
			return new Break(model.heldOnce(key, entry.value) ? "old-value-listed" : "value-altered", message);
		}
	}
	const at = actual.findIndex(({ key }, i) => !sameBytes(key, expected[i]?.key ?? new Uint8Array()));
	if (at < 0) return undefined;
	const [key, first] = [actual[at]?.key ?? new Uint8Array(), expected[at]?.key ?? new Uint8Array()];
	return new Break("out-of-order", `${of} gave ${bytesText(key)} before ${bytesText(first)}`);
}

export const ranges = driverProperty<Command[]>({
	id: "storage.ranges",
	claim: "deleteRange is half open; deletePrefix is exact, ff bytes and the empty prefix included.",
	source: "engine: EngineDriver.deleteRange (half-open range), deletePrefix",
	mutants: ["closes-ranges", "opens-ranges", "increments-last-byte", "spares-the-empty-prefix"],
	uses: ["get", "set", "batch", "deletePrefix", "deleteRange"],
	draws: () => commands({ set: 4, batch: 2, deletePrefix: 2, deleteRange: 3 }),
	async run(sequence, bench) {
		const host = await bench.open();
		const model = new ByteMap();
		for (const command of sequence) {
			if (!isChange(command)) continue;
			await change(host, command);
			const before = new Map(model.list().map(({ key }) => [nameOf(key), key]));
			apply(model, command);
			if (command.op !== "deletePrefix" && command.op !== "deleteRange") continue;
			for (const key of before.values()) await expectRemoval(host, model, command, key);
		}
	},
	tell: (sequence) => sequence.map(tellCommand),
});

/** Holds one key that was there before a removal against what the removal was to do with it. */
async function expectRemoval(
	host: Host,
	model: ByteMap,
	command: Command & { readonly op: "deletePrefix" | "deleteRange" },
	key: Uint8Array,
): Promise<void> {
	const actual = (await host.get(key)) ?? null;
	const kept = model.get(key) !== null;
	if (kept === (actual !== null)) return;
	const told = `after ${tellCommand(command)}, ${bytesText(key)} is ${kept ? "gone" : "still there"}`;
	if (command.op === "deletePrefix") {
		const { prefix } = command;
		const what = prefix.byteLength === 0 ? "empty-prefix" : prefix.at(-1) === 0xff ? "ff-prefix" : "prefix";
		throw new Break(kept ? `beyond-${what}-deleted` : `inside-${what}-kept`, told);
	}
	const { start, end } = command;
	if (!kept) throw new Break(sameBytes(key, start) ? "start-kept" : "inside-range-kept", told);
	if (sameBytes(key, end)) throw new Break("end-deleted", told);
	const inverted = Buffer.compare(start, end) >= 0 && within(key, end, start);
	throw new Break(inverted ? "inverted-range-deleted" : "outside-range-deleted", told);
}
