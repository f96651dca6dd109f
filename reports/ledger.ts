/** What was searched rather than drawn, as text: a line for each search, the ledger of crash windows, and what was exhausted. */
import type { CrashSearchResult, CrashWindow, ScheduleSearchResult, SearchResult } from "./model.ts";
import { count, hosted, type Paint, plural, wrap } from "./text.ts";

/** @param full whether each window gets a line, rather than only the dark ones. */
export function searchText(search: SearchResult, width: number, paint: Paint, full: boolean): string {
	return search.kind === "crashes" ? crashText(search, width, paint, full) : scheduleText(search, width, paint);
}

function crashText(search: CrashSearchResult, width: number, paint: Paint, full: boolean): string {
	const { windows } = search;
	const dark = windows.filter(({ crossed }) => crossed === 0);
	const lines = [paint.bold(`${search.program}, ${hosted(search.mode)}: every crash state to depth ${search.depth}`)];
	// Even a run that nothing crashes has a window.
	if (windows.length === 0) return [...lines, paint.yellow("  Not begun.")].join("\n");
	const shown = full ? windows : dark;
	if (shown.length > 0) lines.push(paint.bold(header(width)), ...shown.map((window) => row(window, width, paint)));
	const lit = `${count(windows.length - dark.length)} of ${plural(windows.length, "crash window")} crossed`;
	lines.push(wrap(dark.length === 0 ? lit : `${lit}, ${count(dark.length)} dark`, width, "  "));
	const kinds = search.faults.map(({ kind, ways, places }) => `${kind} ${count(ways)} in ${plural(places, "place")}`);
	lines.push(wrap(`${plural(search.ways, "way")} to crash: ${kinds.join("; ")}`, width, "    ", "  "));
	lines.push(
		wrap(
			`${count(search.joined)} led to a state already known and were judged with what followed there; ` +
				`${plural(search.checked, "recovery").replace("recoverys", "recoveries")} made again from the beginning, equal to the byte`,
			width,
			"    ",
			"  ",
		),
	);
	for (const bound of search.bounded) lines.push(wrap(`not every subset: ${bound}`, width, "    ", "  "));
	lines.push(sentence(search, `to depth ${search.depth}`, search.states, "state", width, paint));
	return lines.join("\n");
}

function scheduleText(search: ScheduleSearchResult, width: number, paint: Paint): string {
	const { departures } = search;
	const bound =
		departures === undefined ? "every order" : `orders with at most ${plural(departures, "departure")} from the usual`;
	return [
		paint.bold(`${search.program}, ${hosted(search.mode)}: ${bound}`),
		wrap(`at most ${plural(search.choices, "choice")} a run, of at most ${count(search.widest)} at once`, width, "  "),
		sentence(
			search,
			departures === undefined ? "" : `to ${plural(departures, "departure")}`,
			search.schedules,
			"order",
			width,
			paint,
		),
	].join("\n");
}

function sentence(
	{ explored, exhausted }: SearchResult,
	how: string,
	all: number,
	what: string,
	width: number,
	paint: Paint,
): string {
	const of = `${count(explored)} of ${plural(all, what)}`;
	const text = exhausted ? `Exhausted${how === "" ? "" : ` ${how}`}: ${of}.` : `Not exhausted: ${of} known so far.`;
	return (exhausted ? paint.green : paint.yellow)(wrap(text, width, "  "));
}

/** Columns of the numbers at the right: crossings, and crossings in recoveries. */
const COLUMNS = [9, 13] as const;
const NUMBERS = 13;

function header(width: number): string {
	const what = width - NUMBERS - COLUMNS[0] - COLUMNS[1];
	return `${"  window".padEnd(NUMBERS)}${"up to".padEnd(what)}${"crossed".padStart(COLUMNS[0])}${"in recovery".padStart(COLUMNS[1])}`;
}

function row(
	{ from, operation, detail, crossed, crossedInRecovery }: CrashWindow,
	width: number,
	paint: Paint,
): string {
	const room = width - NUMBERS - COLUMNS[0] - COLUMNS[1] - 1;
	const to = operation === "end" ? "" : `${from + 1}`;
	const what = `${operation} ${detail}`.trim();
	const shortened = what.length <= room ? what : `${what.slice(0, room - 1)}…`;
	const line =
		`  ${String(from).padStart(4)} ${(to === "" ? "" : `→ ${to}`).padEnd(NUMBERS - 7)}${shortened.padEnd(room + 1)}` +
		(crossed === 0 ? "dark" : count(crossed)).padStart(COLUMNS[0]) +
		count(crossedInRecovery).padStart(COLUMNS[1]);
	return crossed === 0 ? paint.yellow(line) : line;
}
