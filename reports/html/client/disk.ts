/** What is stored at an instant of a run: all changes up to a row, the latest of them marked. */
import type { RunView } from "../view.ts";

export interface StoredNow {
	readonly store: string;
	readonly name: string;
	/** Null when it was just removed. */
	readonly value: string | null;
	readonly bytes: number;
	/** What just became of it; absent when nothing did. */
	readonly news?: "new" | "changed" | "written again" | "removed";
	/** What was there before, of what was changed or removed. */
	readonly was?: string;
}

/**
 * @param until the last row whose changes have taken place; those from `row` on are the news.
 * @returns sorted by part of storage, and within it in the order of first writing. What was removed is there while it is news.
 */
export function storedAt(view: RunView, row: number, until = row): StoredNow[] {
	const values = new Map<number, { value: string; bytes: number }>();
	const news = new Map<number, Pick<StoredNow, "news" | "was">>();
	for (let at = 0; at <= until; at++) {
		for (const [place, value, bytes] of view.rows[at]?.changes ?? []) {
			if (at >= row) news.set(place, newsOf(values.get(place)?.value, value));
			if (value === null) values.delete(place);
			else values.set(place, { value, bytes });
		}
	}
	const stored = view.places.flatMap(([store, name], place): StoredNow[] => {
		const now = values.get(place);
		const what = news.get(place);
		if (now === undefined && what === undefined) return [];
		return [{ store, name, ...(now ?? { value: null, bytes: 0 }), ...what }];
	});
	// Places are numbered as they are first written, so the part of storage that is written first stands first.
	const stores = [...new Set(view.places.map(([store]) => store))];
	return stored.sort((a, b) => stores.indexOf(a.store) - stores.indexOf(b.store));
}

function newsOf(before: string | undefined, now: string | null): Pick<StoredNow, "news" | "was"> {
	if (before === undefined) return { news: now === null ? "removed" : "new" };
	if (before === now) return { news: "written again" };
	return { news: now === null ? "removed" : "changed", was: before };
}
