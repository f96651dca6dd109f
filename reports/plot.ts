/** Plots with two logarithmic axes, in plain characters and as SVG: how something grows with something else. */

export interface Series {
	readonly name: string;
	/** Both greater than 0. */
	readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Plot {
	readonly title: string;
	readonly x: string;
	readonly y: string;
	readonly series: readonly Series[];
}

/** One character a series, in order. */
const MARKS = ["o", "x", "+", "*", "#", "%"];
const ROWS = 12;
const COLUMNS = 48;

/** The plot in plain characters, at most 80 columns wide. Where two series meet, the later one is seen. */
export function plotText({ title, x, y, series }: Plot): string {
	const area = areaOf(series);
	const grid = Array.from({ length: ROWS }, () => Array.from({ length: COLUMNS }, () => " "));
	series.forEach(({ points }, i) => {
		for (const point of points) {
			const column = Math.round(place(point.x, area.x) * (COLUMNS - 1));
			const row = ROWS - 1 - Math.round(place(point.y, area.y) * (ROWS - 1));
			(grid[row] as string[])[column] = MARKS[i % MARKS.length] as string;
		}
	});
	const labels = grid.map((_, row) => (row === 0 ? short(area.y.high) : row === ROWS - 1 ? short(area.y.low) : ""));
	const left = Math.max(...labels.map((label) => label.length), y.length);
	const low = short(area.x.low);
	return [
		title,
		`${y.padStart(left)} ┐`,
		...grid.map((cells, row) => `${(labels[row] as string).padStart(left)} ┤${cells.join("").trimEnd()}`),
		`${" ".repeat(left)} └${"─".repeat(COLUMNS)} ${x}`,
		`${" ".repeat(left + 2)}${low}${short(area.x.high).padStart(COLUMNS - low.length)}`,
		...series.map(({ name }, i) => `${" ".repeat(left + 2)}${MARKS[i % MARKS.length]} ${name}`),
	].join("\n");
}

const SIZE = { width: 640, height: 400, left: 80, right: 180, top: 40, bottom: 50 };
/** Distinct for people who see colours differently too. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

export function plotSvg({ title, x, y, series }: Plot): string {
	const area = areaOf(series);
	const inner = { width: SIZE.width - SIZE.left - SIZE.right, height: SIZE.height - SIZE.top - SIZE.bottom };
	const across = (value: number) => round(SIZE.left + place(value, area.x) * inner.width);
	const down = (value: number) => round(SIZE.top + (1 - place(value, area.y)) * inner.height);
	const text = (at: readonly [number, number], content: string, anchor: "start" | "middle" | "end") =>
		`<text x="${at[0]}" y="${at[1]}" text-anchor="${anchor}">${escaped(content)}</text>`;
	const bottom = SIZE.top + inner.height;
	const right = SIZE.left + inner.width;
	const lines = [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" font-family="sans-serif" font-size="12">`,
		`<rect width="${SIZE.width}" height="${SIZE.height}" fill="white"/>`,
		text([SIZE.left, 20], title, "start"),
		...powers(area.x).flatMap((value) => [
			`<path d="M${across(value)} ${SIZE.top}V${bottom}" stroke="#ddd"/>`,
			text([across(value), bottom + 18], short(value), "middle"),
		]),
		...powers(area.y).flatMap((value) => [
			`<path d="M${SIZE.left} ${down(value)}H${right}" stroke="#ddd"/>`,
			text([SIZE.left - 8, down(value) + 4], short(value), "end"),
		]),
		text([SIZE.left + inner.width / 2, SIZE.height - 8], x, "middle"),
		text([SIZE.left, SIZE.top - 6], y, "end"),
		...series.flatMap(({ name, points }, i) => {
			const colour = COLOURS[i % COLOURS.length];
			const way = points.map((point, n) => `${n === 0 ? "M" : "L"}${across(point.x)} ${down(point.y)}`).join("");
			const legend = SIZE.top + 16 + 18 * i;
			return [
				`<path d="${way}" fill="none" stroke="${colour}" stroke-width="2"/>`,
				...points.map((point) => `<circle cx="${across(point.x)}" cy="${down(point.y)}" r="3" fill="${colour}"/>`),
				`<path d="M${right + 12} ${legend - 4}h18" stroke="${colour}" stroke-width="2"/>`,
				text([right + 36, legend], name, "start"),
			];
		}),
		"</svg>",
	];
	return `${lines.join("\n")}\n`;
}

interface Axis {
	readonly low: number;
	readonly high: number;
}

/** Whole powers of ten around everything there is. */
function areaOf(series: readonly Series[]): { x: Axis; y: Axis } {
	const axis = (values: readonly number[]): Axis => {
		if (values.length === 0 || values.some((value) => !(value > 0))) {
			throw new Error("A logarithmic plot needs points, all of them above 0.");
		}
		const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
		return { low, high: Math.max(10 * low, 10 ** Math.ceil(Math.log10(Math.max(...values)))) };
	};
	const points = series.flatMap((one) => one.points);
	return { x: axis(points.map(({ x }) => x)), y: axis(points.map(({ y }) => y)) };
}

/** Where a value lies on its axis, from 0 to 1. */
function place(value: number, { low, high }: Axis): number {
	return Math.log10(value / low) / Math.log10(high / low);
}

function powers({ low, high }: Axis): number[] {
	const values: number[] = [];
	for (let value = low; value <= high * 1.001; value *= 10) values.push(Number(value.toPrecision(6)));
	return values;
}

/** `100`, `10 k`, `1 M`, `0.1`. */
function short(value: number): string {
	if (value >= 1e6) return `${value / 1e6} M`;
	return value >= 1e4 ? `${value / 1e3} k` : String(Number(value.toPrecision(3)));
}

function round(value: number): number {
	return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
