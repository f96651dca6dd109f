/** A section of the bench: what it measures, and how its figures read in 80 columns of plain text. */

/** Says what is being timed now. */
export type Tell = (what: string) => void;

export interface Section<F = unknown> {
	/** As on the command line. */
	readonly name: string;
	/** What it answers, in a few words. */
	readonly about: string;
	/** Whether it is measured when no section is named; long ones are not. */
	readonly byDefault: boolean;
	measure(tell: Tell): Promise<F>;
	text(figures: F): string;
}

/** A line of a table: its name, then cells to the right of columns 12 wide. */
export function row(name: string, ...cells: readonly string[]): string {
	return `  ${name.padEnd(22)}${cells.map((cell) => cell.padStart(12)).join("")}`.trimEnd();
}

/** `1.13 (1.02-1.31)` for a ratio with its extremes. */
export function spread({ median, min, max }: { median: number; min: number; max: number }): string {
	return `${median.toFixed(2)}  (${min.toFixed(2)} to ${max.toFixed(2)})`;
}

export const MIB = 1024 * 1024;
