/**
 * The table of properties by versions, and those of upgrades and costs beside it: as text for a terminal, and as Markdown. Both are
 * pure functions of the model; a table too wide for the terminal is cut between versions.
 */
import type { CostCell, CostResult, Finding, MatrixCell, MatrixReport, UpgradeResult, Verdict } from "./model.ts";
import { mutantsMarkdown, mutantsText } from "./mutants.ts";
import { count, NO_PAINT, type Paint, plural, wrap } from "./text.ts";

export interface MatrixTextOptions {
	readonly width?: number;
	readonly paint?: Paint;
}

export function matrixText(report: MatrixReport, { width = 80, paint = NO_PAINT }: MatrixTextOptions = {}): string {
	const parts = [
		...propertyTables(report, width, paint),
		...notesOf(report).map((note) => wrap(note, width, "  ", "")),
		...failureTexts(failuresOf(report), width, paint),
	];
	if (report.upgrades !== undefined) parts.push(upgradesText(report.upgrades, { width, paint }));
	if (report.cost !== undefined) parts.push(costText(report.cost, { width, paint }));
	if (report.mutants !== undefined) {
		const text = mutantsText(report.mutants, { width, paint, quiet: true }).trimEnd();
		parts.push(paint.bold("Mutants: whether every property kills those it names"), text);
	}
	parts.push(
		wrap(settingsLine(report), width, "  ", ""),
		report.command,
		...(report.interrupted ? [paint.yellow("Stopped before the end; this is what there was until then.")] : []),
		...problemsOf(report).map((problem) => paint.red(wrap(problem, width, "  ", ""))),
		coloured(report.verdict, report.verdict.toUpperCase(), paint),
	);
	return `${parts.join("\n\n")}\n`;
}

export function matrixMarkdown(report: MatrixReport): string {
	const engines = report.versions.map(({ engine }) => engine);
	const rows = report.properties.map(({ id, cells }) => [`\`${id}\``, ...cells.map(markdownCell)]);
	const parts = [
		`# ${titleOf(report)}`,
		markdownTable(
			["property", ...engines.map(short)],
			[...rows, ["runs", ...report.versions.map(({ counts }) => count(counts.runs))]],
		),
		"In brackets: runs (states, operations) in which it was checked. A failure counts as many times as it has kinds.",
		...notesOf(report),
	];
	for (const [verdict, title] of Object.entries(FAILURE_TITLES)) {
		const failures = failuresOf(report, verdict as Finding["verdict"]);
		if (failures.length === 0) continue;
		parts.push(
			`## ${title}`,
			markdownTable(
				["finding", "shown by", "what it says", "again"],
				failures.map(({ id, on, message, command }) => [
					`\`${id}\``,
					on,
					message.replaceAll("<", "&lt;"),
					command === "" ? "" : `\`${command}\``,
				]),
				false,
			),
		);
	}
	if (report.upgrades !== undefined) parts.push(upgradesMarkdown(report.upgrades));
	if (report.cost !== undefined) parts.push(costMarkdown(report.cost));
	if (report.mutants !== undefined) parts.push("## Mutants", mutantsMarkdown(report.mutants).trimEnd());
	parts.push("## Settings", settingsLine(report), `\`\`\`\n${report.command}\n\`\`\``);
	if (report.interrupted) parts.push("**Stopped before the end.**");
	for (const problem of problemsOf(report)) parts.push(`**Invalid**: ${problem}`);
	return `${parts.join("\n\n")}\n`;
}

export function upgradesText(
	upgrades: UpgradeResult,
	{ width = 80, paint = NO_PAINT }: MatrixTextOptions = {},
): string {
	const parts: string[] = [];
	for (const direction of ["upgrade", "downgrade"] as const) {
		const table = upgradeTable(upgrades, direction);
		if (table === undefined) continue;
		parts.push(
			paint.bold(UPGRADE_TITLES[direction]),
			...textTables(table.head, table.rows, width).map((text) => paintCells(text, paint)),
		);
		const failures = upgradeFailures(upgrades, direction);
		parts.push(...failureTexts(failures, width, paint));
	}
	parts.push(...excusedNotes(upgrades).map((note) => wrap(note, width, "  ", "")));
	if (upgrades.interrupted) parts.push(paint.yellow("Stopped before every program was through."));
	return parts.join("\n\n");
}

const UPGRADE_TITLES = {
	upgrade: "Upgrades: every durable state of one version (rows) finished under a newer one",
	downgrade: "Downgrades, told and not judged: finished under an older one",
} as const;

export function costText(cost: CostResult, { width = 80, paint = NO_PAINT }: MatrixTextOptions = {}): string {
	const head = ["one more", "versions", "writes", "operations", "bytes", "budget"];
	const tables = textTables(head, costRows(cost), width, 2);
	return [
		paint.bold(
			wrap("Cost of one more of each operation: durable writes, storage operations, bytes written", width, "  ", ""),
		),
		...tables.map((text) => paintCells(text, paint)),
		...costNotes(cost).map((note) => paintCells(wrap(note, width, "  ", ""), paint)),
	].join("\n\n");
}

function upgradesMarkdown(upgrades: UpgradeResult): string {
	const parts: string[] = [];
	for (const direction of ["upgrade", "downgrade"] as const) {
		const table = upgradeTable(upgrades, direction);
		if (table === undefined) continue;
		parts.push(`## ${UPGRADE_TITLES[direction]}`, markdownTable(table.head, table.rows));
		const failures = upgradeFailures(upgrades, direction);
		if (failures.length > 0) {
			parts.push(
				markdownTable(
					["kind", "on", "what it says", "again"],
					failures.map(({ id, engines, message, command }) => [
						`\`${id}\``,
						engines.map(short).join(", "),
						message,
						`\`${command}\``,
					]),
					false,
				),
			);
		}
	}
	return [...parts, ...excusedNotes(upgrades)].join("\n\n");
}

export function costMarkdown(cost: CostResult): string {
	return [
		"## Cost of one more of each operation",
		markdownTable(["one more", "versions", "writes", "operations", "bytes", "budget"], costRows(cost)),
		...costNotes(cost),
	].join("\n\n");
}

function propertyTables(report: MatrixReport, width: number, paint: Paint): string[] {
	const head = ["", ...report.versions.map(({ engine }) => short(engine))];
	const rows: string[][] = [];
	const prefixOf = (id: string) => id.slice(0, id.indexOf("."));
	for (const prefix of new Set(report.properties.map(({ id }) => prefixOf(id)))) {
		rows.push([prefix]);
		for (const { id, cells } of report.properties.filter(({ id }) => prefixOf(id) === prefix)) {
			rows.push([`  ${id.slice(prefix.length + 1)}`, ...cells.map(cellText)]);
		}
	}
	rows.push(["runs", ...report.versions.map(({ counts }) => count(counts.runs))]);
	return textTables(head, rows, width).map((text) => paintCells(text, paint));
}

const WORDS: Readonly<Record<MatrixCell["verdict"], string>> = {
	pass: "pass",
	fail: "fail",
	known: "known",
	fixed: "fixed",
	disputed: "disp.",
	skip: "-",
	"not-applicable": "n/a",
};

function cellText(cell: MatrixCell): string {
	const kinds = kindsOf(cell)[cell.verdict] ?? 0;
	return kinds === 0 ? WORDS[cell.verdict] : `${WORDS[cell.verdict]} ${kinds}`;
}

/** How many kinds of failure a cell has of each verdict, worst first. */
function kindsOf({ failing, fixed, known, disputed }: MatrixCell): Partial<Record<Verdict | "not-applicable", number>> {
	return { fail: failing, fixed, known, disputed };
}

function markdownCell(cell: MatrixCell): string {
	if (cell.verdict === "not-applicable") return "not applicable";
	if (cell.verdict === "skip") return "not checked";
	const kinds = Object.entries(kindsOf(cell)).filter(([, n]) => n > 0);
	const text = kinds.length === 0 ? cell.verdict : kinds.map(([verdict, n]) => `${verdict} ${n}`).join(", ");
	return `${text} (${count(cell.checked)})`;
}

/** Why cells say `n/a` or `-`, each reason once. */
function notesOf(report: MatrixReport): string[] {
	const notes = new Map<string, { readonly ids: string[]; readonly engines: Set<string> }>();
	for (const { id, cells } of report.properties) {
		for (const { engine, verdict, reason } of cells) {
			if (reason === undefined) continue;
			const text = `${verdict === "skip" ? "not checked (-)" : "not applicable (n/a)"}: ${reason}`;
			const note = notes.get(text) ?? { ids: [], engines: new Set<string>() };
			notes.set(text, note);
			if (!note.ids.includes(id)) note.ids.push(id);
			note.engines.add(engine);
		}
	}
	const all = allEngines(report);
	const isDisputed = report.properties.some(({ cells }) => cells.some(({ verdict }) => verdict === "disputed"));
	const legend = isDisputed ? ["disputed (disp.): broken as some read the promise, and held as others do"] : [];
	const texts = [...notes].map(
		([text, { ids, engines }]) => `${text}: ${ids.join(", ")} on ${versionsText([...engines], all)}`,
	);
	return [...legend, ...texts];
}

interface Failure {
	readonly id: string;
	readonly engines: readonly string[];
	readonly on: string;
	readonly message: string;
	readonly command: string;
}

/** What stands side by side, as a title. */
export function titleOf({ kind = "versions" }: MatrixReport): string {
	return { versions: "Properties by version", drivers: "Storage drivers", actors: "Actors", runners: "Runners" }[kind];
}

const FAILURE_TITLES: Readonly<Record<Finding["verdict"], string>> = {
	fail: "Failures that are on no list",
	fixed: "Listed, and fixed",
	known: "Known failures",
	disputed: "Disputed: a matter of reading",
};

/** Findings of one verdict, each with the versions that show it, told by the newest of them. */
function failuresOf(report: MatrixReport, wanted: Finding["verdict"] = "fail"): Failure[] {
	const failures = new Map<string, { engines: string[]; message: string; command: string }>();
	for (const { engine, findings } of report.versions) {
		for (const { id, verdict, example, reason } of findings) {
			if (verdict !== wanted) continue;
			const engines = [...(failures.get(id)?.engines ?? []), engine];
			const message = reason ?? (example === undefined ? "" : `${example.program}: ${example.message}`);
			failures.set(id, { engines, message, command: example?.command ?? "" });
		}
	}
	const all = allEngines(report);
	return [...failures]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([id, failure]) => ({ id, ...failure, on: versionsText(failure.engines, all) }));
}

function upgradeFailures({ pairs }: UpgradeResult, direction: "upgrade" | "downgrade"): Failure[] {
	const failures = new Map<string, Failure>();
	for (const pair of pairs) {
		if (pair.direction !== direction) continue;
		for (const { kind, example } of pair.failures) {
			const known = failures.get(kind)?.engines ?? [];
			const engines = [...known, pair.to];
			failures.set(kind, {
				...{ id: kind, engines, on: `to ${engines.map(short).join(", ")}` },
				...{ message: `${example.program}: ${example.message}`, command: example.command },
			});
		}
	}
	return [...failures.values()];
}

/** Columns that a failure's message may take in the terminal, in lines. */
const MESSAGE_LINES = 3;

function failureTexts(failures: readonly Failure[], width: number, paint: Paint): string[] {
	return failures.map(({ id, on, message, command }) => {
		const room = MESSAGE_LINES * (width - INDENT.length);
		const shown = message.length <= room ? message : `${message.slice(0, room - 1)}…`;
		return [
			wrap(`${paint.red("FAIL")}   ${paint.bold(id)}  ${on}`, width, INDENT, ""),
			paint.dim(wrap(shown, width, INDENT)),
			INDENT + paint.cyan(command),
		].join("\n");
	});
}

const INDENT = " ".repeat(7);

function upgradeTable(
	{ pairs }: UpgradeResult,
	direction: "upgrade" | "downgrade",
): { head: string[]; rows: string[][] } | undefined {
	const chosen = pairs.filter((pair) => pair.direction === direction);
	if (chosen.length === 0) return undefined;
	const names = (end: "from" | "to") => {
		const used = new Set(chosen.map((pair) => pair[end]));
		return [...new Set(pairs.flatMap(({ from, to }) => [from, to]))].sort(byVersion).filter((name) => used.has(name));
	};
	const to = names("to");
	const rows = names("from").map((from) => {
		const own = chosen.filter((pair) => pair.from === from);
		const cells = to.map((name) => {
			const pair = own.find((candidate) => candidate.to === name);
			if (pair === undefined) return "";
			if (pair.states === 0) return "-";
			if (pair.failures.length === 0) return "pass";
			return direction === "upgrade" ? `fail ${pair.failures.length}` : plural(pair.failures.length, "kind");
		});
		return [short(from), ...cells, count(Math.max(...own.map(({ states }) => states)))];
	});
	return { head: ["from \\ to", ...to.map(short), "states"], rows };
}

/** What was not held against an upgrade, since the newer version does so by itself. */
function excusedNotes({ pairs }: UpgradeResult): string[] {
	const excused = new Map<string, Set<string>>();
	for (const pair of pairs) {
		if (pair.direction !== "upgrade") continue;
		for (const kind of Object.keys(pair.excused)) {
			excused.set(kind, (excused.get(kind) ?? new Set()).add(pair.to));
		}
	}
	if (excused.size === 0) return [];
	const kinds = [...excused].map(([kind, on]) => `${kind} (on ${[...on].sort(byVersion).map(short).join(", ")})`);
	return [
		`Not held against upgrades, since the version that goes on does so in the same program by itself: ${kinds.join("; ")}`,
	];
}

/** What the last column of the costs says. */
const BUDGET_WORDS: Readonly<Record<CostResult["rows"][number]["cells"][number]["verdict"], string>> = {
	pass: "pass",
	fail: "fail",
	improved: "improved",
	unrecorded: "none",
	"not-applicable": "",
};

/** A row for each operation and cost, with the versions that share it; ways of hosting apart only where they differ. */
function costRows({ rows, engines }: CostResult): string[][] {
	const lines: string[][] = [];
	const names = [...new Set(rows.map(({ operation }) => operation))];
	for (const operation of names) {
		const tables = rows
			.filter((row) => row.operation === operation)
			.map(({ mode, times, cells }) => ({ mode, groups: costGroups(cells, times, engines) }));
		const alike = new Set(tables.map(({ groups }) => JSON.stringify(groups))).size === 1;
		for (const { mode, groups } of alike ? tables.slice(0, 1) : tables) {
			let name = alike ? operation : `${operation}, ${mode}`;
			for (const group of groups) {
				lines.push([name, ...group]);
				name = "";
			}
		}
	}
	return lines;
}

function costGroups(cells: readonly CostCell[], times: number, all: readonly string[]): string[][] {
	const groups = new Map<string, { engines: string[]; texts: string[] }>();
	for (const { engine, cost, verdict } of cells) {
		const figures = cost === undefined ? [] : [cost.writes, cost.operations, cost.bytes];
		const texts =
			figures.length === 0 ? ["n/a"] : [...figures.map((total) => each(total, times)), BUDGET_WORDS[verdict]];
		const group = groups.get(texts.join()) ?? { engines: [], texts };
		groups.set(texts.join(), group);
		group.engines.push(engine);
	}
	return [...groups.values()].map(({ engines, texts }) => [versionsText(engines, all), ...texts]);
}

/** What exceeds its budget or falls below it, by how much. */
function costNotes({ rows, engines }: CostResult): string[] {
	const notes = new Map<string, string[]>();
	for (const { operation, mode, times, cells } of rows) {
		for (const { engine, verdict, message } of cells) {
			if (verdict !== "fail" && verdict !== "improved") continue;
			const amount = times === 1 ? "" : ` (${times} of them)`;
			const text = `${verdict}: ${operation}${amount}, ${mode} hosting: ${message}`;
			notes.set(text, [...(notes.get(text) ?? []), engine]);
		}
	}
	return [...notes].map(([text, some]) => `${text} on ${versionsText(some, engines)}`);
}

/** A cost for each, with a decimal where it does not come out even. */
function each(total: number, times: number): string {
	const value = total / times;
	return Number.isInteger(value) ? count(value) : value.toFixed(2);
}

export function settingsLine(report: MatrixReport): string {
	const { settings, versions, driver, seconds, upgrades, made, kind = "versions" } = report;
	const told = Object.entries(settings).map(
		([name, value]) => `${name} ${Array.isArray(value) ? value.join(",") : value}`,
	);
	const runs = versions.reduce((sum, { counts }) => sum + counts.runs, 0);
	const states = (upgrades?.pairs ?? []).reduce((sum, pair) => sum + pair.states, 0);
	return [
		...(made === undefined ? [] : [`made on ${made} by Faultline ${report.tool.version}`]),
		kind === "versions" ? `${plural(versions.length, "version")} on ${driver} storage` : `${versions.length} ${kind}`,
		...told,
		`${plural(runs, "run")}${states > 0 ? ` and ${plural(states, "state")} taken over` : ""} in ${seconds.toFixed(0)} s`,
	].join("; ");
}

function problemsOf({ versions, upgrades }: MatrixReport): string[] {
	return [
		...versions.flatMap(({ engine, problems }) => problems.map((problem) => `${engine}: ${problem}`)),
		...(upgrades?.problems ?? []).map((problem) => `upgrades: ${problem}`),
	];
}

function allEngines({ versions }: MatrixReport): string[] {
	return versions.map(({ engine }) => engine);
}

/** `rivet-2.3.19` as `2.3.19`: in a table of versions the rest says nothing. */
function short(engine: string): string {
	return engine.replace(/^rivet-(?=\d)/, "");
}

/** `all`, `2.1.3`, `2.1.3 to 2.3.11`, or single ones with commas. */
export function versionsText(some: readonly string[], all: readonly string[]): string {
	if (all.length > 1 && some.length === all.length) return "all";
	const places = some.map((name) => all.indexOf(name)).sort((a, b) => a - b);
	const runs: number[][] = [];
	for (const place of places) {
		const last = runs.at(-1);
		if (last !== undefined && last.at(-1) === place - 1) last.push(place);
		else runs.push([place]);
	}
	return runs
		.map((run) => run.map((place) => short(all[place] ?? "")))
		.map((names) => (names.length > 2 ? `${names[0]} to ${names.at(-1)}` : names.join(", ")))
		.join(", ");
}

function byVersion(a: string, b: string): number {
	return a.localeCompare(b, "en", { numeric: true });
}

/** Columns between two cells: two, or one where that spares a cut. */
const GAPS = [2, 1] as const;

/** The table as text: the first columns to the left, the others to the right, cut between columns where it is too wide. */
function textTables(
	head: readonly string[],
	rows: readonly (readonly string[])[],
	width: number,
	leftColumns = 1,
): string[] {
	const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
	const needs = (gap: number) => widths.reduce((sum, each) => sum + each + gap, -gap);
	const gap = GAPS.find((candidate) => needs(candidate) <= width) ?? GAPS[0];
	const left = widths.slice(0, leftColumns).reduce((sum, each) => sum + each + gap, -gap);
	const blocks: number[][] = [];
	let room = 0;
	for (let column = leftColumns; column < head.length; column++) {
		const needed = (widths[column] as number) + gap;
		if (blocks.length === 0 || needed > room) {
			blocks.push([]);
			room = width - left;
		}
		blocks.at(-1)?.push(column);
		room -= needed;
	}
	const line = (cells: readonly string[], block: readonly number[]) =>
		[
			...head.slice(0, leftColumns).map((_, i) => (cells[i] ?? "").padEnd(widths[i] as number)),
			...block.map((i) => (cells[i] ?? "").padStart(widths[i] as number)),
		]
			.join(" ".repeat(gap))
			.trimEnd();
	return blocks.map((block) => [line(head, block), ...rows.map((row) => line(row, block))].join("\n"));
}

function paintCells(text: string, paint: Paint): string {
	return text
		.replace(/\bfail( \d+)?/g, (cell) => paint.red(cell))
		.replace(/\b(known|fixed|improved|disp\.)( \d+)?/g, (cell) => paint.yellow(cell))
		.replace(/\bpass\b/g, (cell) => paint.green(cell))
		.replace(/\bn\/a\b/g, (cell) => paint.dim(cell));
}

function coloured(verdict: Verdict, text: string, paint: Paint): string {
	if (verdict === "pass") return paint.green(text);
	return verdict === "known" ? paint.yellow(text) : paint.red(text);
}

/** @param numbers whether all but the first column are figures or verdicts, which are set to the right. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[], numbers = true): string {
	const line = (cells: readonly string[]) => `| ${head.map((_, i) => escaped(cells[i] ?? "")).join(" | ")} |`;
	const rule = head.map((_, i) => (i === 0 || !numbers ? "---" : "---:"));
	return [line(head), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

/** A cell's text must neither end its cell nor its row. */
function escaped(text: string): string {
	return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
