/**
 * A run as a space-time diagram, in SVG: a lane for each process life and each thing it talks to, a mark for each event, a line
 * where one reaches another lane. Text in, text out; colours are the style sheet's.
 */
import type { RowView, RunView } from "../view.ts";
import type { Timeline } from "./timeline.ts";

export function diagram(view: RunView, timeline: Timeline): string {
	const { width, height } = timeline;
	const parts = [
		...timeline.ticks.map(({ x, text }) => label("tick", x, height - 8, text, "middle")),
		...view.lanes.map((_, lane) => laneOf(view, timeline, lane)),
		...violationsOf(view, timeline),
		...timeline.shown.map((row) => eventOf(view, timeline, row)),
	];
	return `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true" focusable="false">${parts.join("")}<g class="cursor"><rect class="later" y="0" height="${height - 22}"/><line y1="4" y2="${height - 22}"/></g></svg>`;
}

/** The name of a lane, and the line along it: throughout, or as long as the process lives. */
function laneOf(view: RunView, { left, width, x, y, shown }: Timeline, lane: number): string {
	const { name, life } = view.lanes[lane] as RunView["lanes"][number];
	const down = y[lane] as number;
	const text = label("lane-name", left - 6, down + 4, name, "end");
	if (!life) return `${text}<line class="lane" x1="${left}" x2="${width - 2}" y1="${down}" y2="${down}"/>`;
	const rows = shown.filter((row) => view.rows[row]?.lane === lane);
	const [first] = rows;
	if (first === undefined) return text;
	const over = rows.find((row) => ["end", "crash"].includes(view.rows[row]?.mark ?? ""));
	const end = over === undefined ? width - 2 : (x[over] as number);
	const from = x[first] as number;
	return `${text}<line class="before" x1="${left}" x2="${from}" y1="${down}" y2="${down}"/><line class="life" x1="${from}" x2="${end}" y1="${down}" y2="${down}"/>`;
}

function eventOf(view: RunView, { x, y }: Timeline, row: number): string {
	const event = view.rows[row] as RowView;
	const across = round(x[row] as number);
	const from = y[event.lane] as number;
	const mark = markOf(event, across, from);
	if (event.reaches < 0 || event.reaches === event.lane) return mark;
	const to = y[event.reaches] as number;
	if (event.until >= 0) return passage(view, { x, y }, row) + mark;
	if (event.mark === "frame" && view.rows.some(({ until }) => until === row)) return mark;
	const line = `<line class="reach ${event.mark}" x1="${across}" x2="${across}" y1="${from}" y2="${to}"/>`;
	return `${line}${mark}${arrivalOf(event, across, to, to > from ? -1 : 1)}`;
}

/** What goes from one lane to another and takes its time, and a point on the lane that it goes over. */
function passage(view: RunView, { x, y }: Pick<Timeline, "x" | "y">, row: number): string {
	const { lane, reaches, until } = view.rows[row] as RowView;
	const end = view.rows[until] as RowView;
	const [fromX, fromY, toX] = [round(x[row] as number), y[lane] as number, round(x[until] as number)];
	const over = y[reaches] as number;
	const point = `<circle class="mark over" cx="${fromX}" cy="${over}" r="2"/>`;
	if (end.lane === lane || end.tone === "loud") {
		return `${point}<line class="reach lost" x1="${fromX}" x2="${toX}" y1="${fromY}" y2="${over}"/><path class="mark crash" d="M${toX - 4} ${over - 4}l8 8m0-8l-8 8"/>`;
	}
	const toY = y[end.lane] as number;
	const side = toY > fromY ? -1 : 1;
	return `${point}<line class="reach frame" x1="${fromX}" x2="${toX}" y1="${fromY}" y2="${toY}"/><path class="mark frame" d="M${toX} ${toY}l-3.5 ${6 * side}h7z"/>`;
}

function markOf({ mark, tone }: RowView, x: number, y: number): string {
	switch (mark) {
		case "start":
			return `<path class="mark start" d="M${x - 2} ${y - 6}l9 6-9 6z"/>`;
		case "end":
			return `<rect class="mark end" x="${x - 2}" y="${y - 6}" width="4" height="12"/>`;
		case "crash":
			return `<path class="mark crash" d="M${x - 6} ${y - 6}l12 12m0-12l-12 12"/>`;
		case "fault":
			return `<path class="mark fault" d="M${x} ${y - 7}l6 7-6 7-6-7z"/>`;
		case "look":
			return `<circle class="mark look" cx="${x}" cy="${y}" r="1.5"/>`;
		default:
			return `<circle class="mark ${tone === "loud" ? "loud" : mark}" cx="${x}" cy="${y}" r="3"/>`;
	}
}

/** Where a line arrives: a square for what is durable, a disc for what is done outside, a point for the rest. */
function arrivalOf({ mark }: RowView, x: number, y: number, side: 1 | -1): string {
	if (mark === "write") return `<rect class="mark write" x="${x - 4}" y="${y - 4}" width="8" height="8"/>`;
	if (mark === "effect") return `<circle class="mark effect" cx="${x}" cy="${y}" r="4.5"/>`;
	if (mark === "fault") return `<path class="mark fault" d="M${x} ${y - 7}l6 7-6 7-6-7z"/>`;
	return `<path class="mark ${mark}" d="M${x} ${y}l-4 ${7 * side}h8z"/>`;
}

/** A flag at the first row that breaks each promise; the same again further on is a line without one. */
function violationsOf(view: RunView, { x, height }: Timeline): string[] {
	const told = new Set<string>();
	return view.violations.map(({ row, property }) => {
		const across = round(x[row] as number);
		const first = !told.has(property);
		told.add(property);
		const flag = first ? `<path class="flag" d="M${across} 2h12l-4 5 4 5h-12z"/>` : "";
		return `<line class="broken${first ? "" : " again"}" x1="${across}" x2="${across}" y1="2" y2="${height - 22}"/>${flag}`;
	});
}

function label(className: string, x: number, y: number, text: string, anchor: "end" | "middle"): string {
	return `<text class="${className}" x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

function round(value: number): number {
	return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
