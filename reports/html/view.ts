/**
 * What the script in a page needs to draw one run: each event in words, the lanes it touches, and what it changed in storage.
 * Plain data in short lists, since hundreds of runs may be in one page.
 */
import { findingId, type RunEvent, type RunRecord } from "../model.ts";
import { wordsOf } from "../story.ts";
import { time } from "../text.ts";
import type { Mark, Teller, Told } from "../words/told.ts";

export interface RunView {
	readonly lanes: readonly LaneView[];
	readonly rows: readonly RowView[];
	/** What is stored under: the name of its part of storage, and its own. */
	readonly places: readonly (readonly [store: string, name: string])[];
	/** The row that shows the finding that the run is kept for. */
	readonly shows: number;
	readonly violations: readonly { readonly row: number; readonly property: string; readonly message: string }[];
}

export interface LaneView {
	readonly name: string;
	/** A process life is drawn from its beginning to its end, everything else throughout. */
	readonly life: boolean;
}

export interface RowView {
	/** Virtual milliseconds, and as text. */
	readonly at: number;
	readonly time: string;
	readonly words: string;
	readonly tone: Told["tone"] | "";
	readonly mark: Mark | "dot";
	/** Places of the lanes: where it happened, and what it reached; -1 when nothing. */
	readonly lane: number;
	readonly reaches: number;
	/** The row at which what begins here ends, as a frame that is sent arrives; -1 when nothing does. */
	readonly until: number;
	/** Whether it is shown only where everything is. */
	readonly minor: boolean;
	/** Place, what is stored there from now on (null for nothing), bytes. */
	readonly changes: readonly (readonly [place: number, value: string | null, bytes: number])[];
}

export function viewOf(record: RunRecord): RunView {
	const teller: Teller = { describeKey: (_table, key) => record.places[Number(key)]?.name ?? key };
	const lanes = new Lanes(record.events);
	const all = record.events.map((event) => wordsOf({ ...event, data: withPlaces(event, record) }, teller));
	const ends = endsOf(all);
	const rows = record.events.map((event, row): RowView => {
		const told = all[row] as Told;
		return {
			...{ at: event.at, time: time(event.at), words: told.words, tone: told.tone ?? "", mark: told.mark ?? "dot" },
			lane: lanes.ofProcess(event.process),
			reaches:
				told.reaches === undefined ? -1 : lanes.named(told.reaches, told.mark === "frame" || told.pair !== undefined),
			until: ends.get(row) ?? -1,
			minor: told.verboseOnly === true,
			changes: (event.changes ?? []).map(({ place, value, bytes }) => [place, value, bytes]),
		};
	});
	const { order, at } = lanes.sorted();
	return {
		lanes: order,
		rows: rows.map((row) => ({
			...row,
			lane: at[row.lane] as number,
			reaches: row.reaches < 0 ? -1 : (at[row.reaches] as number),
		})),
		places: record.places.map(({ table, name }) => [table.slice(table.lastIndexOf("/") + 1), name]),
		shows: record.violations.find((violation) => findingId(violation) === record.finding)?.event ?? 0,
		violations: record.violations.map(({ event, property, message }) => ({ row: event, property, message })),
	};
}

/** Where each thing ends that begins at a row. */
function endsOf(all: readonly Told[]): ReadonlyMap<number, number> {
	const begun = new Map<string, number>();
	const ends = new Map<number, number>();
	all.forEach(({ pair }, row) => {
		if (pair === undefined) return;
		const from = begun.get(pair);
		if (from === undefined) begun.set(pair, row);
		else if (!ends.has(from)) ends.set(from, row);
	});
	return ends;
}

/** The data of an event with what it changed, as words ask for it: places stand for tables and keys. */
function withPlaces({ data, changes = [], kind }: RunEvent, { places }: RunRecord): unknown {
	if (kind !== "durable" && kind !== "damaged") return data;
	const mutations = changes.map(({ place, value }) => ({
		...{ table: places[place]?.table ?? "", key: String(place) },
		value: value === null ? null : new Uint8Array(),
	}));
	return kind === "durable" ? { ...(data as object), mutations } : { ...mutations[0], ...(data as object) };
}

const OUTSIDE = "outside";

/** The lanes of a diagram, as events ask for them; sorted from the outside over the processes to what they reach. */
class Lanes {
	readonly #names: { name: string; life: boolean; rank: number }[] = [];
	readonly #byName = new Map<string, number>();
	readonly #processes = new Map<number, string>();

	constructor(events: readonly RunEvent[]) {
		const starts = events.filter(({ kind }) => kind === "process.start");
		const nameOf = (event: RunEvent) => (event.data as { readonly name?: string }).name ?? "process";
		const alike = new Set(starts.map(nameOf)).size <= 1;
		for (const start of starts) {
			this.#processes.set(start.process, `${alike ? "process" : nameOf(start)} ${start.process}`);
		}
	}

	ofProcess(id: number): number {
		if (id === 0) return this.named(OUTSIDE);
		return this.#lane(this.#processes.get(id) ?? `process ${id}`, true, id);
	}

	/** @param between whether it is what processes talk over, and not what they write to. */
	named(name: string, between = false): number {
		return this.#lane(name, false, name === OUTSIDE ? -1 : between ? BEHIND_PROCESSES : BEHIND_PROCESSES + 1);
	}

	sorted(): { order: LaneView[]; at: number[] } {
		const places = this.#names.map((_, place) => place);
		const rank = (place: number) => this.#names[place]?.rank ?? 0;
		places.sort((a, b) => rank(a) - rank(b) || a - b);
		const at: number[] = [];
		places.forEach((place, i) => {
			at[place] = i;
		});
		const order = places.map((place) => {
			const { name, life } = this.#names[place] as { name: string; life: boolean };
			return { name, life };
		});
		return { order, at };
	}

	#lane(name: string, life: boolean, rank: number): number {
		const known = this.#byName.get(name);
		if (known !== undefined) return known;
		this.#byName.set(name, this.#names.length);
		this.#names.push({ name, life, rank });
		return this.#names.length - 1;
	}
}

const BEHIND_PROCESSES = 1_000_000;
