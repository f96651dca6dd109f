/** A section of the bench: what it measures, and how its figures read in 80 columns of plain text. */
import { createRequire } from "node:module";
import type { Comparison } from "./rounds.ts";

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
	/** Pictures of the figures, by name of the file. */
	files?(figures: F): (readonly [name: string, content: string])[];
}

/** A line of a table: its name, then cells to the right of columns 12 wide. */
export function row(name: string, ...cells: readonly string[]): string {
	return `  ${name.padEnd(22)}${cells.map((cell) => cell.padStart(12)).join("")}`.trimEnd();
}

/** `1.13  (1.10 to 1.18)`: a ratio, and the quartiles of it over single pairs. */
export function ratioOf({ ratio, pairs }: Comparison): string {
	return `${ratio.toFixed(2)}  (${pairs.low.toFixed(2)} to ${pairs.high.toFixed(2)})`;
}

/** What Node is given to run `pnpm sim`, as the package's script gives it. */
export const SIM: readonly string[] = (
	createRequire(import.meta.url)("../package.json") as { scripts: { sim: string } }
).scripts.sim
	.split(" ")
	.slice(1);

export const MIB = 1024 * 1024;
