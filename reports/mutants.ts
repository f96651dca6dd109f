/** The table of the gate: mutants, the properties that kill them, and in how many seeds. For the terminal, as Markdown, as JUnit. */
import { createRequire } from "node:module";
import type { Builder } from "junit-report-builder";
import { findingId, type MutantResult, type MutantsResult } from "./model.ts";
import { count, NO_PAINT, type Paint, plural, wrap } from "./text.ts";

const load = createRequire(import.meta.url);

export interface MutantsTextOptions {
	readonly width?: number;
	readonly paint?: Paint;
	/** Only what did not go as recorded, and the verdict. */
	readonly quiet?: boolean;
}

/** By property, since a property is what the gate proves; below it each mutant, how it shows, and the seeds it took. */
export function mutantsText(result: MutantsResult, options: MutantsTextOptions = {}): string {
	const { width = 80, paint = NO_PAINT, quiet = false } = options;
	const parts: string[] = [];
	if (!quiet && result.rows.length > 0) parts.push(table(result.rows, width, paint));
	const bad = result.rows.filter(({ verdict }) => verdict !== "pass");
	parts.push(...bad.map((row) => failureText(row, width, paint)));
	parts.push(...result.gaps.map((gap) => wrap(`${paint.red("FAIL")}  ${gap}`, width, "      ", "")));
	parts.push(verdictText(result, width, paint));
	return `${parts.join("\n\n")}\n`;
}

function table(rows: readonly MutantResult[], width: number, paint: Paint): string {
	const lines = [
		paint.bold(`${"property, and what it kills".padEnd(width - NUMBERS)}${"seeds".padStart(6)}${"record".padStart(8)}`),
	];
	for (const property of new Set(rows.map((row) => row.property))) {
		lines.push(property);
		for (const row of rows.filter((candidate) => candidate.property === property)) {
			const name = `  ${row.mutant}`;
			const kind = paint.dim(`    ${row.kind}`);
			const seeds = (row.seeds === undefined ? "-" : count(row.seeds)).padStart(6);
			const numbers = seeds + (row.recorded === undefined ? "-" : count(row.recorded)).padStart(8);
			const coloured = row.verdict === "pass" ? numbers : paint.red(numbers);
			lines.push(name.padEnd(width - NUMBERS) + coloured, kind);
		}
	}
	return lines.join("\n");
}

/** Columns of the two numbers. */
const NUMBERS = 14;

function failureText(
	{ mutant, property, kind, verdict, message = "", command }: MutantResult,
	width: number,
	paint: Paint,
) {
	const word = verdict === "invalid" ? "INVALID" : "FAIL";
	const head = `${paint.red(word)}  ${paint.bold(mutant)}  ${findingId({ property, kind })}`;
	return [head, wrap(message, width, "      "), `      ${paint.cyan(command)}`].join("\n");
}

function verdictText({ rows, gaps, interrupted }: MutantsResult, width: number, paint: Paint): string {
	const mutants = new Set(rows.map(({ mutant }) => mutant)).size;
	const properties = new Set(rows.map(({ property }) => property)).size;
	const alive = rows.filter(({ verdict, seeds }) => verdict === "fail" && seeds === undefined).length;
	const unrecorded = rows.filter(({ verdict, seeds }) => verdict === "fail" && seeds !== undefined).length;
	const invalid = rows.filter(({ verdict }) => verdict === "invalid").length;
	const verdict = mutantsVerdict({ rows, gaps, interrupted });
	const word = verdict === "pass" ? paint.green("pass") : paint.red(verdict === "fail" ? "FAIL" : "INVALID");
	const parts = [
		`${plural(mutants, "mutant")}, ${plural(properties, "property").replace("propertys", "properties")}, ${plural(rows.length, "hunt")}`,
		...(alive > 0 ? [`${alive} lived`] : []),
		...(unrecorded > 0 ? [`${unrecorded} not on record`] : []),
		...(invalid > 0 ? [`${invalid} prove nothing`] : []),
		...(gaps.length > 0 ? [plural(gaps.length, "gap")] : []),
		...(interrupted ? ["stopped before the end"] : []),
	];
	return wrap(`${word}  ${parts.join(", ")}`, width, "      ", "");
}

/** What the whole table comes to. A table that was not finished proves nothing. */
export function mutantsVerdict({ rows, gaps, interrupted }: MutantsResult): "pass" | "fail" | "invalid" {
	if (interrupted || rows.some(({ verdict }) => verdict === "invalid")) return "invalid";
	return gaps.length > 0 || rows.some(({ verdict }) => verdict === "fail") ? "fail" : "pass";
}

export function mutantsMarkdown({ rows, gaps }: MutantsResult): string {
	const lines = rows.map(({ property, mutant, kind, target, program, seeds, unit, recorded }) => {
		const took = seeds === undefined ? "**lives**" : unit === "seeds" ? count(seeds) : `${count(seeds)} ${unit}`;
		return `| \`${property}\` | \`${mutant}\` | \`${kind}\` | ${target} | ${program} | ${took} | ${recorded ?? "-"} |`;
	});
	return [
		"| property | kills | by the kind | made of | program | seeds | on record |",
		"| --- | --- | --- | --- | --- | --- | --- |",
		...lines,
		...(gaps.length === 0 ? [] : ["", ...gaps.map((gap) => `- ${gap}`)]),
		"",
	].join("\n");
}

/** A suite a property, a test case a mutant. */
export function mutantsJunit({ rows, gaps }: MutantsResult): string {
	const xml = (load("junit-report-builder") as Builder).newBuilder();
	for (const property of new Set(rows.map((row) => row.property))) {
		const suite = xml.testSuite().name(`faultline.mutants.${property}`);
		for (const row of rows.filter((candidate) => candidate.property === property)) {
			const test = suite.testCase().className(`faultline.mutants.${property}`).name(`${row.mutant}: ${row.kind}`);
			if (row.verdict === "invalid") test.error(row.message ?? "", "invalid", row.command);
			else if (row.verdict === "fail") test.failure(row.message ?? "", "fail");
			test.standardOutput(
				`${row.seeds ?? "no"} ${row.unit} to kill, on record ${row.recorded ?? "none"}\n${row.command}`,
			);
		}
	}
	if (gaps.length > 0) {
		const suite = xml.testSuite().name("faultline.mutants");
		for (const gap of gaps) suite.testCase().className("faultline.mutants").name(gap).failure(gap, "fail");
	}
	return xml.build();
}
