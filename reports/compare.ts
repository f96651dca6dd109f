/** What one engine breaks, fixes and costs against another, as text and as Markdown. */
import type { CompareReport, Cost, CostChange, Finding } from "./model.ts";
import { count, NO_PAINT, type Paint, plural, wrap } from "./text.ts";

export interface CompareTextOptions {
	readonly width?: number;
	readonly paint?: Paint;
	/** Only what breaks, and the verdict. */
	readonly quiet?: boolean;
}

export function compareText(report: CompareReport, options: CompareTextOptions = {}): string {
	const { width = 80, paint = NO_PAINT } = options;
	const { before, target } = report;
	const parts = report.findings.map((finding) => findingText(finding, width, paint));
	if (options.quiet !== true) {
		parts.push(...report.fixes.map((finding) => findingText(finding, width, paint, before.engine)));
		if (report.both.length > 0) parts.push(bothText(report, width));
		if (report.unjudged.length > 0) {
			parts.push(wrap(`not compared, since only one was judged by it: ${report.unjudged.join(", ")}`, width, "  ", ""));
		}
		if (report.leftOut.length > 0) {
			parts.push(wrap(`not drawn, since only one of them has it: ${report.leftOut.join(", ")}`, width, "  ", ""));
		}
		if (report.cost !== undefined) parts.push(costText(report, width, paint));
		for (const warning of report.warnings) {
			parts.push(paint.yellow(wrap(`warning: the first was ${warning}`, width, "  ", "")));
		}
	}
	if (report.interrupted) parts.push(paint.yellow("Stopped before the end; this is what was found until then."));
	for (const problem of report.problems) parts.push(paint.red(wrap(problem, width, "  ")));
	const [fails, disputed] = [breaksOf(report).length, report.findings.length - breaksOf(report).length];
	const summary = [
		`breaks ${count(fails)}`,
		...(disputed > 0 ? [`and ${count(disputed)} disputed`] : []),
		`fixes ${count(report.fixes.length)}`,
	].join(", ");
	const word =
		report.verdict === "invalid" ? paint.red("INVALID") : fails > 0 ? paint.red("FAIL") : paint.green("pass");
	parts.push(`${word}  ${target.engine} against ${before.engine}: ${summary}`);
	return `${parts.join("\n\n")}\n`;
}

/** More than so many ids are for a file. */
const MOST_IDS = 12;

function bothText({ both }: CompareReport, width: number): string {
	const names = both.length <= MOST_IDS ? both.join(", ") : `${count(both.length)} findings, named in compare.json`;
	return wrap(`both break: ${names}`, width, "  ", "");
}

function breaksOf({ findings }: CompareReport): readonly Finding[] {
	return findings.filter(({ verdict }) => verdict === "fail");
}

/** @param fixedFrom the engine that shows it, when the other does not. */
function findingText(finding: Finding, width: number, paint: Paint, fixedFrom?: string): string {
	const { verdict, property, kind, runs, reason, disputed, example } = finding;
	const word = fixedFrom !== undefined ? "fixed" : verdict === "fail" ? "BREAKS" : verdict;
	const colour = fixedFrom !== undefined ? paint.green : verdict === "fail" ? paint.red : paint.yellow;
	const [name, seeds] = [`${property}  ${kind}`, runs === 0 ? "as listed" : plural(runs, "run")];
	const gap = " ".repeat(Math.max(2, width - name.length - seeds.length - Math.max(7, word.length + 1)));
	const lines = [`${colour(word.padEnd(6))} ${paint.bold(name)}${gap}${seeds}`];
	const indent = " ".repeat(7);
	if (reason !== undefined) lines.push(wrap(reason, width, indent));
	if (disputed !== undefined) lines.push(wrap(`A matter of reading: ${disputed}`, width, indent));
	if (example !== undefined) {
		if (fixedFrom === undefined) {
			lines.push(paint.dim(wrap(`${example.program}: ${example.message}`, width, indent)));
			lines.push(paint.dim(wrap(`(${example.conditions.join("; ")})`, width, indent)));
		}
		lines.push(indent + paint.cyan(example.command));
	}
	return lines.join("\n");
}

const MEASURES = ["writes", "operations", "bytes"] as const;

/** The operations that cost another amount, then how much there is of all, then the time. */
function costText({ cost, before, target }: CompareReport, width: number, paint: Paint): string {
	if (cost === undefined) return "";
	const changed = cost.operations.filter(isChanged);
	const name = Math.max(...changed.map(({ operation }) => operation.length), 0) + 2;
	const lines = [paint.bold("cost of one more of an operation")];
	for (const change of changed) {
		const { operation, mode } = change;
		lines.push(
			wrap(`${operation.padEnd(name)}${mode.padEnd(7)}${changeText(change)}`, width, " ".repeat(name + 9), "  "),
		);
	}
	const same = cost.operations.length - changed.length;
	lines.push(`  ${count(same)} of ${count(cost.operations.length)} cost the same`);
	lines.push(...costSummary({ cost, before, target }).map((line) => wrap(line, width, "  ", "")));
	return lines.join("\n");
}

function costSummary({ cost, before, target }: Pick<CompareReport, "cost" | "before" | "target">): string[] {
	if (cost === undefined) return [];
	const { writesARun, time } = cost;
	const speed = time.low > 1 ? "slower" : time.high < 1 ? "faster" : "no difference that shows";
	return [
		`durable writes of a run, on average over the seeds: ${writesARun.before} -> ${writesARun.after}`,
		...(time.rounds === 0
			? []
			: [
					`processor time of ${target.engine} beside ${before.engine}: ${time.ratio.toFixed(2)} times (half of ${plural(time.rounds, "round")} ` +
						`between ${time.low.toFixed(2)} and ${time.high.toFixed(2)}): ${speed}; ${plural(time.programs, "program")}, the world included`,
				]),
	];
}

function isChanged({ before, after }: CostChange): boolean {
	return MEASURES.some((measure) => before?.[measure] !== after?.[measure]);
}

/** `writes 2 -> 3, bytes 100 -> 120 (+20 %)`. */
function changeText({ before, after }: CostChange): string {
	if (before === undefined) return "only the second has it";
	if (after === undefined) return "only the first has it";
	const changes = MEASURES.filter((measure) => before[measure] !== after[measure]);
	return changes.map((measure) => `${measure} ${measureText(before, after, measure)}`).join(", ");
}

function measureText(before: Cost, after: Cost, measure: keyof Cost): string {
	const [a, b] = [before[measure], after[measure]];
	const share = a === 0 ? "" : ` (${b > a ? "+" : ""}${Math.round((100 * (b - a)) / a)} %)`;
	return `${count(a)} -> ${count(b)}${share}`;
}

export function compareMarkdown(report: CompareReport): string {
	const { before, target, findings, fixes, cost, warnings, problems } = report;
	const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
	const table = (title: string, rows: readonly Finding[]) => [
		[
			row([title, "runs", "again"]),
			"| --- | ---: | --- |",
			...rows.map(({ id, runs, example }) =>
				row([
					`\`${id}\``,
					runs === 0 ? "as listed" : count(runs),
					example === undefined ? "" : `\`${example.command}\``,
				]),
			),
		].join("\n"),
	];
	const changed = (cost?.operations ?? []).filter(isChanged);
	return `${[
		`# ${target.engine} against ${before.engine}`,
		...problems.map((problem) => `**Invalid**: ${problem}`),
		...warnings.map((warning) => `The first was ${warning}.`),
		...(findings.length === 0 ? ["It breaks nothing."] : table("breaks", findings)),
		...(fixes.length === 0 ? [] : table("fixes", fixes)),
		...(changed.length === 0
			? []
			: [
					[
						row(["operation", "mode", "cost"]),
						"| --- | --- | --- |",
						...changed.map((change) => row([change.operation, change.mode, changeText(change)])),
					].join("\n"),
				]),
		...costSummary(report),
		`\`${report.command}\``,
	].join("\n\n")}\n`;
}
