/** What became of storage drivers, as text for a terminal, as a Markdown table and as JUnit XML. */
import { createRequire } from "node:module";
import type { Builder } from "junit-report-builder";
import type { ConformReport, DriverCell, DriverFinding, DriverResult } from "./conform-model.ts";
import { count, NO_PAINT, type Paint, plural, wrap } from "./text.ts";
import { paintedVerdict, VERDICT_WORDS } from "./verdict.ts";

export interface ConformTextOptions {
	readonly width?: number;
	readonly paint?: Paint;
	/** Only findings and the verdict. */
	readonly quiet?: boolean;
}

export function conformText(report: ConformReport, options: ConformTextOptions = {}): string {
	const width = options.width ?? 80;
	const paint = options.paint ?? NO_PAINT;
	const parts = report.drivers.flatMap(({ findings }) => findings).map((finding) => findingText(finding, width, paint));
	if (options.quiet !== true) {
		const [only] = report.drivers;
		if (report.drivers.length === 1 && only !== undefined) parts.push(driverTable(only, width, paint));
		else parts.push(matrixText(report, width, paint));
	}
	parts.push(verdictText(report, width, paint));
	return `${parts.join("\n\n")}\n`;
}

function findingText(finding: DriverFinding, width: number, paint: Paint): string {
	const { verdict, property, kind, driver, runs, steps, reproducible } = finding;
	const label = VERDICT_WORDS[verdict].padEnd(6);
	const indent = " ".repeat(7);
	const lines = [
		`${paintedVerdict(verdict, label, paint)} ${paint.bold(`${property}  ${kind}`)}  on ${driver}, ${plural(runs, "run")}`,
	];
	if (finding.reason !== undefined) lines.push(wrap(finding.reason, width, indent));
	if (finding.disputed !== undefined) lines.push(wrap(`A matter of reading: ${finding.disputed}`, width, indent));
	lines.push(wrap(finding.message, width, indent));
	lines.push(...steps.map((step, i) => wrap(step, width, `${indent}    `, `${indent}${String(i + 1).padStart(2)}  `)));
	if (!reproducible && steps.length > 0)
		lines.push(`${indent}not every time: operations that overlap are a matter of timing`);
	if (finding.command !== "") lines.push(indent + paint.cyan(finding.command));
	return lines.join("\n");
}

/** One driver: a line a property, with what it was not held to. */
function driverTable(result: DriverResult, width: number, paint: Paint): string {
	const column = Math.max(...result.cells.map(({ property }) => property.length), 8) + 2;
	const lines = [paint.bold(`${"property".padEnd(column)}verdict      runs`)];
	for (const cell of result.cells) {
		const runs = cell.runs === 0 ? "" : count(cell.runs);
		const head = `${cell.property.padEnd(column)}${paintedVerdict(cell.verdict, VERDICT_WORDS[cell.verdict].padEnd(10), paint)}${runs.padStart(7)}`;
		const notes = notesOf(cell);
		if (notes === "") {
			lines.push(head);
			continue;
		}
		const indent = " ".repeat(column + 19);
		const [first = "", ...rest] = wrap(notes, Math.max(width, column + 40), indent).split("\n");
		lines.push(`${head}  ${paint.dim(first.trimStart())}`, ...rest.map((line) => paint.dim(line)));
	}
	const { claims = {}, said } = result;
	const claimed = Object.entries(claims).map(
		([name, value]) => `${name} ${claimText(value)}${said.includes(name) ? "" : " (not said)"}`,
	);
	if (claimed.length > 0) lines.push("", wrap(`held to: ${claimed.join(", ")}`, width, "  ", ""));
	if (result.stepsPerSecond !== undefined) {
		lines.push(`the engine on it: ${plural(result.stepsPerSecond, "workflow step")} a second`);
	}
	if (result.reason !== undefined) lines.push(wrap(result.reason, width, "  ", ""));
	return lines.join("\n");
}

function notesOf({ reason, unclaimed }: DriverCell): string {
	if (reason !== undefined) return reason;
	return unclaimed.length === 0 ? "" : `not: ${unclaimed.join("; ")}`;
}

function claimText(value: unknown): string {
	if (typeof value !== "object" || value === null) return String(value);
	return Object.entries(value)
		.map(([name, limit]) => `${name} ${String(limit)}`)
		.join(" ");
}

/** How one cell of the table of all drivers looks. */
const SIGNS: Readonly<Record<DriverCell["verdict"], string>> = {
	pass: "pass",
	fail: "FAIL",
	known: "known",
	fixed: "FIXED",
	disputed: "disp.",
	skip: "-",
};

/** Every driver and property, as many properties beside each other as there is room for; a part that was not claimed has a star. */
function matrixText(report: ConformReport, width: number, paint: Paint): string {
	const first = Math.max(...report.drivers.map(({ driver }) => driver.length), 6) + 2;
	const columns: Column[] = report.properties.map(({ id }) => {
		const name = id.replace(/^storage\./, "");
		return {
			name,
			width: Math.max(name.length, MOST_OF_A_SIGN) + 2,
			cellOf(result) {
				const cell = result.cells.find(({ property }) => property === id);
				const text = cell === undefined ? "" : signOf(cell);
				return { text, verdict: cell?.verdict ?? "skip" };
			},
		};
	});
	if (report.drivers.some(({ stepsPerSecond }) => stepsPerSecond !== undefined)) {
		columns.push({
			name: "steps/s",
			width: 9,
			cellOf: ({ stepsPerSecond }) => ({
				text: stepsPerSecond === undefined ? "" : count(stepsPerSecond).padStart(7),
				verdict: undefined,
			}),
		});
	}
	const checked = report.drivers.filter(({ cells }) => cells.length > 0);
	const blocks = inBlocks(columns, width - first).map((block) =>
		[
			paint.bold("driver".padEnd(first) + block.map((column) => column.name.padEnd(column.width)).join("")).trimEnd(),
			...checked.map((result) => {
				const cells = block.map((column) => {
					const { text, verdict } = column.cellOf(result);
					const padded = text.padEnd(column.width);
					return verdict === undefined ? padded : paintedVerdict(verdict, padded, paint);
				});
				return `${result.driver.padEnd(first)}${cells.join("")}`.trimEnd();
			}),
		].join("\n"),
	);
	const skipped = report.drivers
		.filter(({ cells }) => cells.length === 0)
		.map(({ driver, verdict, reason }) =>
			wrap(`${driver.padEnd(first)}${VERDICT_WORDS[verdict]}: ${reason ?? ""}`, width, " ".repeat(first), ""),
		);
	return [...blocks, ...(skipped.length > 0 ? [skipped.join("\n")] : []), LEGEND].join("\n\n");
}

/** Whether it was kept, and a star where a part of it was not claimed. */
function signOf({ verdict, unclaimed }: DriverCell): string {
	return SIGNS[verdict] + (verdict !== "skip" && unclaimed.length > 0 ? "*" : "");
}

interface Column {
	readonly name: string;
	readonly width: number;
	cellOf(result: DriverResult): { readonly text: string; readonly verdict: DriverCell["verdict"] | undefined };
}

const MOST_OF_A_SIGN = 6;
const LEGEND = "*  in part: the rest is not claimed, or tested by pnpm sim kills   -  not claimed";

/** The columns one after the other, in rows that fit. */
function inBlocks(columns: readonly Column[], width: number): Column[][] {
	const blocks: Column[][] = [[]];
	let used = 0;
	for (const column of columns) {
		if (used + column.width > width && used > 0) {
			blocks.push([]);
			used = 0;
		}
		blocks.at(-1)?.push(column);
		used += column.width;
	}
	return blocks;
}

function verdictText(report: ConformReport, width: number, paint: Paint): string {
	const skipped = report.drivers.filter(({ verdict }) => verdict === "skip");
	const checked = report.drivers.length - skipped.length;
	const runs = report.drivers.flatMap(({ cells }) => cells).reduce((sum, cell) => sum + cell.runs, 0);
	const invalid = report.drivers.filter(({ verdict }) => verdict === "invalid");
	const lines = invalid.map(({ driver, reason }) => wrap(`${driver}: ${reason ?? "invalid"}`, width, "  ", ""));
	if (checked === 0)
		lines.push(
			...skipped.map(({ driver, reason }) =>
				wrap(`${driver}: ${reason ?? "nothing of it was checked"}`, width, "  ", ""),
			),
		);
	const tried = new Set(report.drivers.flatMap(({ cells }) => cells.map(({ property }) => property))).size;
	const properties = tried === 1 ? "1 property" : `${tried} properties`;
	const said = `${plural(checked, "driver")} held to ${properties} in ${plural(runs, "run")}, ${Math.round(report.seconds)} s`;
	const ended = report.interrupted ? "; stopped before the end" : "";
	lines.push(`${paintedVerdict(report.verdict, VERDICT_WORDS[report.verdict], paint)}: ${said}${ended}`);
	return lines.join("\n");
}

/** The table for a document. */
export function conformMarkdown(report: ConformReport): string {
	const names = report.properties.map(({ id }) => id.replace(/^storage\./, ""));
	const rows = report.drivers.map((result) => {
		if (result.cells.length === 0) return [result.driver, ...names.map(() => ""), `skipped: ${result.reason ?? ""}`];
		const cells = report.properties.map(({ id }) => {
			const cell = result.cells.find(({ property }) => property === id);
			return cell === undefined ? "" : signOf(cell).replace("*", "\\*");
		});
		return [result.driver, ...cells, result.stepsPerSecond === undefined ? "" : count(result.stepsPerSecond)];
	});
	const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
	const header = ["driver", ...names, "steps/s"];
	return `${[line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n")}\n`;
}

const load = createRequire(import.meta.url);

/** A suite a driver, a test case a property. */
export function conformJunit(report: ConformReport): string {
	const xml = (load("junit-report-builder") as Builder).newBuilder();
	for (const result of report.drivers) {
		const suite = xml.testSuite().name(`faultline.storage.${result.driver}`);
		if (result.cells.length === 0) suite.testCase().name("storage").skipped();
		for (const cell of result.cells) {
			const test = suite.testCase().className(`faultline.storage.${result.driver}`).name(cell.property);
			const findings = result.findings.filter(({ property }) => property === cell.property);
			const failed = findings.filter(({ verdict }) => verdict === "fail" || verdict === "fixed");
			if (failed.length > 0) test.failure(failed.map(({ id }) => id).join(", "), cell.verdict);
			else if (cell.verdict === "skip") test.skipped();
			const told = findings.map(({ id, verdict, message, command }) => `${verdict}: ${id}\n  ${message}\n  ${command}`);
			test.standardOutput([...told, notesOf(cell)].filter((text) => text !== "").join("\n"));
		}
	}
	return xml.build();
}
