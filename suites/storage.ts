/**
 * What the disk holds of a history, read off the durable writes of a run: shared by what judges growth and remains. Places in
 * storage are paths of names, or of numbers that stand for them; the observer's keys are translated into them.
 */
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import type { Run } from "./run.ts";

const ENTRY = "entry ";
const METADATA = "metadata ";
const NAME = "name ";
/** An entry's id follows its version and its length; metadata is stored under it, and told of by its first characters. */
const ID = /\$([0-9a-f]{8})-/;
const ID_WITHIN_BYTES = 16;

export class StoredHistory {
	/** Ids of the entries, by place: `0/[0 12]/4` is the entry named 4 in iteration 12 of the loop 0. */
	readonly entries = new Map<string, string>();
	/** Ids that have metadata. */
	readonly metadata = new Set<string>();
	/** The place where the entry of an id was last written. */
	readonly placeOf = new Map<string, string>();
	readonly #numbers = new Map<string, number>();
	readonly #run: Run;

	constructor(run: Run) {
		this.#run = run;
	}

	/** Applies one event of the history, when it is a write. */
	apply(event: HistoryEvent): void {
		if (event.kind !== "durable") return;
		const { engine, storage } = this.#run.target;
		for (const { table, key, value } of (event.data as WorldEvents["durable"]).mutations) {
			const told = storage.describeKey(table, key, engine.describeKey);
			if (told.startsWith(ENTRY)) this.#entry(told.slice(ENTRY.length), value);
			else if (told.startsWith(METADATA)) {
				if (value === null) this.metadata.delete(told.slice(METADATA.length));
				else this.metadata.add(told.slice(METADATA.length));
			} else if (told.startsWith(NAME) && value !== null) {
				const name = Buffer.from(value).toString("utf8");
				if (!this.#numbers.has(name)) this.#numbers.set(name, Number(told.slice(NAME.length)));
			}
		}
	}

	#entry(place: string, value: Uint8Array | null): void {
		if (value === null) {
			this.entries.delete(place);
			return;
		}
		const id = ID.exec(Buffer.from(value.subarray(0, ID_WITHIN_BYTES)).toString("latin1"))?.[1] ?? "";
		this.entries.set(place, id);
		this.placeOf.set(id, place);
	}

	/** What stands for a name in a place: its number, or the name where no table of names is kept. */
	#segment(name: string): string | undefined {
		return this.#numbers.size === 0 ? name : this.#numbers.get(name)?.toString();
	}

	/** Where an observer's key is stored; undefined when its names are not stored, or cannot be told from what joins them. */
	place(key: string): string | undefined {
		const segments: string[] = [];
		for (const part of key.split("/")) {
			const match = /^([\w-]+)(?:\[(\d+)\]|\.([\w-]+))?$/.exec(part);
			if (match === null) return undefined;
			const [, name = "", iteration, branch] = match;
			const segment = this.#segment(name);
			if (segment === undefined) return undefined;
			segments.push(segment);
			if (iteration !== undefined) segments.push(`[${segment} ${iteration}]`);
			if (branch === undefined) continue;
			const ofBranch = this.#segment(branch);
			if (ofBranch === undefined) return undefined;
			segments.push(ofBranch);
		}
		return segments.join("/");
	}

	/** Whether the last name of a place is that one. */
	ends(place: string, name: string): boolean {
		return place.split("/").at(-1) === this.#segment(name);
	}
}
