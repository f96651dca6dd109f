/**
 * Where things are in a space-time diagram: events stand side by side in their order, further apart where more virtual time lies
 * between them, and lanes lie one under the other. Pure arithmetic; drawing is elsewhere.
 */
import type { RunView } from "../view.ts";

export interface Timeline {
	readonly width: number;
	readonly height: number;
	/** Where the lanes begin, behind their names. */
	readonly left: number;
	/** Across, by place of the row; of a row that is not shown it is that of the shown one before it. */
	readonly x: readonly number[];
	/** Down, by place of the lane: its middle. */
	readonly y: readonly number[];
	/** Rows that are shown, by place. */
	readonly shown: readonly number[];
	/** Times to write under the lanes. */
	readonly ticks: readonly { readonly x: number; readonly text: string }[];
}

const TOP = 18;
const BOTTOM = 26;
const MARGIN = 14;
const CHARACTER = 6.4;
/** Between the texts of two times, at least. */
const TICK_GAP = 14;

export function timelineOf(view: RunView, width: number, everything: boolean): Timeline {
	const shown = shownRows(view, everything);
	const pitch = view.lanes.length > 10 ? 20 : 28;
	const longest = Math.max(...view.lanes.map(({ name }) => name.length));
	const left = Math.round(Math.min(longest * CHARACTER + 16, width * 0.3));
	const gaps = shown.map((row, i) => {
		const before = shown[i - 1];
		if (before === undefined) return 0;
		const passed = (view.rows[row]?.at ?? 0) - (view.rows[before]?.at ?? 0);
		return 1 + 0.35 * Math.log10(1 + passed);
	});
	const whole = gaps.reduce((sum, gap) => sum + gap, 0) || 1;
	const room = width - left - 2 * MARGIN;
	const x: number[] = [];
	let passed = 0;
	let next = 0;
	view.rows.forEach((_, row) => {
		if (shown[next] === row) {
			passed += gaps[next] ?? 0;
			next++;
		}
		x[row] = left + MARGIN + (passed / whole) * room;
	});
	return {
		...{ width, left, x, shown },
		height: TOP + view.lanes.length * pitch + BOTTOM,
		y: view.lanes.map((_, lane) => TOP + pitch * (lane + 0.5)),
		ticks: ticksOf(view, shown, x, width),
	};
}

/** Rows that there is something to see of: all of them, or what is no mere look, and whatever breaks a promise. */
export function shownRows(view: RunView, everything: boolean): number[] {
	const broken = new Set(view.violations.map(({ row }) => row));
	const shown = view.rows.flatMap(({ minor }, row) => (everything || !minor || broken.has(row) ? [row] : []));
	return shown.length > 0 ? shown : view.rows.map((_, row) => row);
}

/** A time wherever one begins, as far as its text does not run into the one before. */
function ticksOf(view: RunView, shown: readonly number[], x: readonly number[], width: number): Timeline["ticks"] {
	const ticks: { x: number; text: string }[] = [];
	let free = Number.NEGATIVE_INFINITY;
	let last: number | undefined;
	for (const row of shown) {
		const { at, time } = view.rows[row] as RunView["rows"][number];
		if (at === last) continue;
		last = at;
		const half = (time.length * CHARACTER) / 2;
		const middle = Math.min(x[row] as number, width - half);
		if (middle - half < free) continue;
		ticks.push({ x: middle, text: time });
		free = middle + half + TICK_GAP;
	}
	return ticks;
}

/** The shown row that is nearest to a place across. */
export function nearest({ shown, x }: Timeline, across: number): number {
	let best = shown[0] ?? 0;
	for (const row of shown) {
		if (Math.abs((x[row] as number) - across) < Math.abs((x[best] as number) - across)) best = row;
	}
	return best;
}
