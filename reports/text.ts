/** Plain text for people: numbers, durations, wrapped lines. */
import wrapAnsi from "wrap-ansi";

const DAY_MS = 86_400_000;

/** `12 345`, with thin groups for the eye. */
export function count(n: number): string {
	return Math.round(n)
		.toString()
		.replace(/\B(?=(\d{3})+$)/g, " ");
}

/** `1 run`, `2 runs`. */
export function plural(n: number, noun: string): string {
	return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** How a program was hosted: `live hosting`; in a sentence of its own where one word does not say it. */
export function hosted(mode: string): string {
	return mode.includes(" ") ? mode : `${mode} hosting`;
}

/** A virtual time, short: `0`, `15 ms`, `1.25 s`, `5 min`, `30 d`. */
export function time(ms: number): string {
	if (ms === 0) return "0";
	if (ms < 1_000) return `${ms} ms`;
	const units: [number, string][] = [
		[DAY_MS, "d"],
		[3_600_000, "h"],
		[60_000, "min"],
		[1_000, "s"],
	];
	const parts: string[] = [];
	let rest = ms;
	for (const [size, unit] of units) {
		if (unit === "s") {
			if (rest > 0) parts.push(`${Number((rest / 1_000).toFixed(3))} s`);
		} else if (rest >= size) {
			parts.push(`${Math.floor(rest / size)} ${unit}`);
			rest %= size;
		}
	}
	return parts.join(" ");
}

/** Wraps to `width` columns, every line behind `indent`; `first` replaces the indent of the first line. */
export function wrap(text: string, width: number, indent: string, first = indent): string {
	const lines = wrapAnsi(text, width - indent.length, { hard: true, trim: true }).split("\n");
	return lines.map((line, i) => (i === 0 ? first : indent) + line).join("\n");
}

/** Colours that are there, or not. */
export interface Paint {
	bold(text: string): string;
	dim(text: string): string;
	red(text: string): string;
	green(text: string): string;
	yellow(text: string): string;
	cyan(text: string): string;
}

const same = (text: string) => text;

export const NO_PAINT: Paint = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };
