/**
 * Reading a history, and going back in one: a replay from a step takes away that step and all that comes after it. What is to
 * go is on record first, as one place; a crash in the midst is no more than a delay, since whoever reads the history next
 * leaves out what is doomed.
 */
import type { EngineDriver, KVEntry } from "@rivetkit/workflow-engine";
import { type Entry, type Recorded, readHistory, type StoredField } from "./history.ts";
import { batchesOf, type Io, MAX_BATCH_ENTRIES, type Storable } from "./journal.ts";
import { bytesOf, FIELDS, HISTORY, parseKey, type Segment, textOf } from "./keys.ts";
import type { Rules } from "./rules.ts";
import { encodeValue } from "./values.ts";

/** What a replay from a step has to do to the disk. */
export interface Cut {
	readonly changed: readonly Storable[];
	readonly doomed: readonly string[];
}

/** @throws StorageDamagedError naming the key. */
export function load(
	pairs: readonly KVEntry[],
	rules: Rules = {},
	at?: string,
): { readonly recorded: Recorded; readonly cut: Cut | undefined } {
	const stored = pairs.map(({ key, value }): StoredField => [textOf(key), value]);
	const checks = rules.trustStorage !== true;
	const whole = readHistory(stored, checks);
	const place = at ?? whole.cut;
	if (place === undefined) return { recorded: whole, cut: undefined };
	const boundary = place === HISTORY ? [] : (parseKey(place) ?? []);
	const doomed = stored.map(([key]) => key).filter((key) => isDoomed(key, boundary));
	const gone = new Set(doomed);
	const recorded = readHistory(
		stored.filter(([key]) => !gone.has(key) && key !== FIELDS.state),
		checks,
	);
	return { recorded, cut: { changed: reopened(recorded, boundary), doomed } };
}

/** Fields that tell of an end, which is none any more. */
const OF_THE_END: ReadonlySet<string> = new Set([FIELDS.output, FIELDS.error]);

function isDoomed(key: string, boundary: readonly Segment[]): boolean {
	if (!key.startsWith(HISTORY)) return OF_THE_END.has(key);
	const path = parseKey(key) ?? [];
	for (const [i, segment] of boundary.entries()) {
		const other = path[i];
		// What the boundary is inside of stays.
		if (other === undefined) return false;
		if (other.sort !== segment.sort || other.number === segment.number) continue;
		// Branches side by side have no order.
		return segment.sort !== "branch" && other.number > segment.number;
	}
	return true;
}

/** What the boundary is inside of is under way again. */
function reopened({ root }: Recorded, boundary: readonly Segment[]): Storable[] {
	const changed: Entry[] = [];
	let block = root;
	let around: Entry | undefined;
	for (const [i, { sort, number, name }] of boundary.entries()) {
		if (sort === "entry") {
			around = block.entries[number];
			if (around === undefined) break;
			if (i < boundary.length - 1) {
				reopen(around, boundary[i + 1] as Segment);
				changed.push(around);
			}
		} else if (around !== undefined) block = sort === "branch" ? around.branch(number, name) : around.iteration(number);
	}
	return changed;
}

function reopen({ data }: Entry, inside: Segment): void {
	if (data.kind === "loop") {
		data.done = false;
		delete data.value;
	} else if (data.kind === "join" || data.kind === "race") {
		data.done = false;
		delete data.winner;
		for (const [i, branch] of data.branches.entries()) {
			if (data.kind === "join" && i !== inside.number) continue;
			branch.status = "pending";
			delete branch.value;
			delete branch.error;
		}
	}
}

/** The place from which a replay of a step begins: the step, or the loop around it. */
export function boundaryOf(key: string): string {
	const path = parseKey(key) ?? [];
	const iteration = path.findLastIndex(({ sort }) => sort === "iteration");
	if (iteration < 0) return key;
	let at = HISTORY.length;
	let end = at;
	for (let i = 0; i < iteration; i++) {
		// Keys of inner places begin with those of outer ones.
		end = lengthOf(key, at);
		at = end;
	}
	return key.slice(0, end);
}

/** Where the segment that begins there ends. */
function lengthOf(key: string, at: number): number {
	for (let end = at + 1; end <= key.length; end++) {
		const path = parseKey(HISTORY + key.slice(at, end));
		if (path?.length === 1) return end;
	}
	return key.length;
}

/** Does on the disk what was decided; may be done again. */
export async function finishCut(io: Io, driver: EngineDriver, { changed, doomed }: Cut): Promise<void> {
	const under: Storable = { key: FIELDS.state, bytes: () => Buffer.from("pending") };
	for (const batch of batchesOf([...changed, under]).batches) await io(() => driver.batch(batch));
	for (let i = 0; i < doomed.length; i += MAX_BATCH_ENTRIES) {
		const keys = doomed.slice(i, i + MAX_BATCH_ENTRIES).map(bytesOf);
		await io(() => driver.batchDelete(keys));
	}
	await io(() => driver.batchDelete([bytesOf(FIELDS.cut)]));
}

/** The record of where a replay begins. */
export function cutAt(place: string): Storable {
	return { key: FIELDS.cut, bytes: () => encodeValue(place) };
}
