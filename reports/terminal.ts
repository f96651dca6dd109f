/** The report as text for a terminal or a log, at 80 columns by default. */
import { searchText } from "./ledger.ts";
import type { BaselineResult, Finding, GoneFinding, Report, Verdict } from "./model.ts";
import { avoidedText, generatedText } from "./space.ts";
import { count, NO_PAINT, type Paint, plural, wrap } from "./text.ts";
import { paintedVerdict, VERDICT_WORDS } from "./verdict.ts";

export interface TerminalOptions {
	readonly width?: number;
	readonly paint?: Paint;
	/** Only findings and the verdict. */
	readonly quiet?: boolean;
	/** Where known and disputed findings are many, only their names: hundreds of them would bury what is new. */
	readonly brief?: boolean;
}

/** So many known and disputed findings are still told in full. */
const MOST_TOLD = 20;

export function terminal(report: Report, options: TerminalOptions = {}): string {
	const width = options.width ?? 80;
	const paint = options.paint ?? NO_PAINT;
	const listed = report.findings.filter(({ verdict }) => verdict === "known" || verdict === "disputed");
	const named = options.brief === true && listed.length > MOST_TOLD ? listed : [];
	const told = report.findings.filter((finding) => !named.includes(finding));
	const parts = [
		...(named.length > 0 ? [briefText(named, width, paint)] : []),
		...told.map((finding) => findingText(finding, report, width, paint)),
	];
	if (options.quiet !== true) {
		parts.push(propertyTable(report, width, paint), coverageText(report, width));
		const { searches = [], generated, avoided = [] } = report.coverage;
		if (generated !== undefined) parts.push(generatedText(generated, width, paint));
		if (named.length > 0 && avoided.length > 0) {
			const shapes = avoided.map(({ shape }) => shape).join(", ");
			parts.push(wrap(`avoided, so that what is behind known failures shows: ${shapes}`, width, "  ", ""));
		} else if (avoided.length > 0) parts.push(avoidedText(avoided, width, paint));
		// The ledger of one program is there to be read; those of all programs would bury the rest.
		const full = new Set(searches.map(({ program }) => program)).size === 1;
		parts.push(...searches.map((search) => searchText(search, width, paint, full)));
	}
	if (report.baseline !== undefined) parts.push(baselineText(report.baseline, width, paint));
	const kept = corpusText(report, width);
	if (kept !== undefined) parts.push(kept);
	// What is new was told far above.
	const news = options.quiet === true ? [] : newsText(report, width, paint);
	parts.push([verdictText(report, width, paint), ...news].join("\n"));
	return `${parts.join("\n\n")}\n`;
}

/** Known and disputed findings by name, those that seeds came upon, and where the rest is. */
function briefText(findings: readonly Finding[], width: number, paint: Paint): string {
	const seen = findings.filter(({ runs }) => runs > 0);
	const others = findings.length - seen.length;
	const rest = [
		...(others > 0
			? [`${count(others)} more that no seed came upon: the run that is kept with each still shows it.`]
			: []),
		"What each of these means, with the command that shows it: --verbose, or report.txt of --report DIR.",
	];
	return [
		...seen.map((finding) => headText(finding, VERDICT_WORDS[finding.verdict].padEnd(8), width, paint)),
		...rest.map((line) => paint.dim(wrap(line, width, ""))),
	].join("\n");
}

/** Verdict, name, and in how many runs; the kind on a line of its own where it does not fit. */
function headText(finding: Finding, label: string, width: number, paint: Paint): string {
	const { verdict, property, kind, reason } = finding;
	const listed = reason !== undefined ? "as listed" : "as kept";
	const runs = verdict === "fixed" ? "" : finding.runs === 0 ? listed : plural(finding.runs, "run");
	const gap = (taken: number) => " ".repeat(Math.max(2, width - taken - runs.length));
	const start = `${paintedVerdict(verdict, label, paint)} `;
	const name = `${property}  ${kind}`;
	if (label.length + name.length + runs.length + 3 <= width) {
		return `${start}${paint.bold(name)}${gap(label.length + 1 + name.length)}${runs}`.trimEnd();
	}
	const indent = " ".repeat(label.length + 3);
	return `${start}${paint.bold(property)}\n${indent}${paint.bold(kind)}${gap(indent.length + kind.length)}${runs}`;
}

function findingText(finding: Finding, { baseline }: Report, width: number, paint: Paint): string {
	// What is listed and fixed fails no build that is held against a baseline.
	const isTold = finding.verdict === "fixed" && baseline !== undefined;
	const label = (isTold ? "fixed" : VERDICT_WORDS[finding.verdict]).padEnd(6);
	const lines = [headText(finding, label, width, paint)];
	const indent = " ".repeat(7);
	if (finding.verdict === "fixed") {
		lines.push(wrap("Listed as known, and its run shows it no longer: take it off the list.", width, indent));
		lines.push(`${indent}pnpm sim expectations --update`);
		return lines.join("\n");
	}
	const { example } = finding;
	if (finding.inBaseline === "failing" && finding.verdict === "known") lines.push(`${indent}In the baseline.`);
	if (finding.inBaseline === "fixed") lines.push(`${indent}Fixed when the baseline was made, and back.`);
	if (finding.reason !== undefined) lines.push(wrap(finding.reason, width, indent));
	if (finding.disputed !== undefined) lines.push(wrap(`A matter of reading: ${finding.disputed}`, width, indent));
	if (finding.affects !== undefined)
		lines.push(paint.dim(wrap(`affects ${finding.affects.join(", ")}`, width, indent)));
	if (example !== undefined) {
		const shown = `${example.program}: ${example.message}`;
		lines.push(paint.dim(wrap(shorten(shown, 3 * (width - indent.length)), width, indent)));
		lines.push(paint.dim(wrap(`(${example.conditions.join("; ")})`, width, indent)));
		lines.push(indent + paint.cyan(example.command));
	}
	return lines.join("\n");
}

function shorten(text: string, length: number): string {
	return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function propertyTable(report: Report, width: number, paint: Paint): string {
	const chosen = report.properties.filter(({ verdict }) => verdict !== "skip");
	const left = report.properties.length - chosen.length;
	const common = reasonsOfSeveral(chosen);
	const rows = chosen.map(({ id, verdict, checked, skipped }) => {
		const kinds = report.findings.filter(({ property }) => property === id).length;
		const word = paintedVerdict(verdict, (VERDICT_WORDS[verdict] + (kinds > 0 ? ` (${kinds})` : "")).padEnd(10), paint);
		const not = skipped
			.filter(({ reason }) => !common.has(reason))
			.map(({ reason, runs }) => `${count(runs)} not: ${reason}`);
		const first = `${id.padEnd(29)}${word}${count(checked).padStart(8)}  `;
		return not.length === 0 ? first.trimEnd() : first + wrap(not.join("; "), width, " ".repeat(TABLE_COLUMNS), "");
	});
	return [
		paint.bold(`${"property".padEnd(29)}${"verdict".padEnd(10)}${"checked".padStart(8)}`),
		...rows,
		...[...common].map(([reason, runs]) =>
			paint.dim(wrap(`not checked, where so: ${reason} (${runs})`, width, "  ", "")),
		),
		...(left > 0 ? [paint.dim(wrap(`(${left} not checked: ${notChecked(report)})`, width, ""))] : []),
	].join("\n");
}

/** So many properties with one reason not to be checked, and it is told once for all. */
const SEVERAL = 6;

/** Reasons that several properties have not to be checked in some runs, with the number of those runs. */
function reasonsOfSeveral(properties: Report["properties"]): ReadonlyMap<string, string> {
	const counts = new Map<string, number[]>();
	for (const { skipped } of properties) {
		for (const { reason, runs } of skipped) counts.set(reason, [...(counts.get(reason) ?? []), runs]);
	}
	const common = [...counts].filter(([, runs]) => runs.length >= SEVERAL);
	return new Map(
		common.map(([reason, runs]) => {
			const [least, most] = [Math.min(...runs), Math.max(...runs)];
			const span = least === most ? count(most) : `${count(least)} to ${count(most)}`;
			return [reason, `${span} runs, ${runs.length} properties`];
		}),
	);
}

/** Why properties were not checked at all, each reason once. */
function notChecked(report: Report): string {
	const reasons = report.properties
		.filter(({ verdict }) => verdict === "skip")
		.flatMap(({ skipped }) => skipped.map(({ reason }) => reason));
	return [...new Set(reasons)].join("; ");
}

/** Where the last column of the property table begins. */
const TABLE_COLUMNS = 49;

function coverageText(report: Report, width: number): string {
	const { counts, coverage, timings } = report;
	const faults = coverage.faults.map(
		({ kind, planned, fired, windows }) =>
			`${kind} ${count(fired)} of ${count(planned)} struck, in ${plural(windows, "window")}`,
	);
	const crossed = coverage.programs.reduce((sum, { crashedAt = 0 }) => sum + crashedAt, 0);
	const writes = coverage.programs.reduce((sum, { writes = 0 }) => sum + writes, 0);
	return [
		`${plural(counts.runs, "run")} of ${plural(coverage.programs.length, "program")}, ${count(counts.interruptedRuns)} of them interrupted: ` +
			`${plural(counts.crashes, "crash").replace("crashs", "crashes")}, ${plural(counts.evictions, "eviction")}, ` +
			`${plural(counts.processes, "process").replace("processs", "processes")}, ${plural(counts.durableWrites, "durable write")}`,
		`${timings.virtualDays < 1 ? "less than a day" : plural(Math.round(timings.virtualDays), "day")} of virtual time in ${timings.seconds.toFixed(1)} s, ${count(timings.runsPerSecond)} runs/s` +
			(counts.rerun === 0 ? "" : `; ${plural(counts.rerun, "run")} made twice with equal digests`) +
			(counts.doublechecked === undefined ? "" : `, ${count(counts.doublechecked)} of them in another process too`),
		...(faults.length > 0 ? [`planned faults: ${faults.join("; ")}`] : []),
		...(writes > 0 && coverage.searches === undefined
			? [`crash points: ${count(crossed)} durable writes of ${count(writes)} in the uninterrupted programs`]
			: []),
	]
		.map((line) => wrap(line, width, "  ", ""))
		.join("\n");
}

/** What became of kept failures; nothing when all still fail, since each is then a finding above. */
function corpusText({ corpus }: Report, width: number): string | undefined {
	if (corpus === undefined || corpus.passing.length + corpus.untried.length === 0) return undefined;
	const parts = [
		...(corpus.passing.length > 0 ? [`passes now: ${corpus.passing.join(", ")}`] : []),
		...(corpus.untried.length > 0
			? [`not tried, since it needs what was not chosen: ${corpus.untried.join(", ")}`]
			: []),
	];
	return wrap(`corpus: ${parts.join("; ")}`, width, "  ", "");
}

const GONE: readonly (readonly [how: GoneFinding["how"], words: string])[] = [
	["fixed", "fixed since: the run that showed it shows it no longer"],
	["not-seen", "not seen again: the run that showed it was not made, or was another"],
	["not-judged", "not judged here"],
];

/** What the report was held against, what of it is gone, and in what the two were made differently. */
function baselineText({ file, engine, runs, warnings, gone }: BaselineResult, width: number, paint: Paint): string {
	const lines = [`baseline: ${file}, ${engine}, ${plural(runs, "run")}`];
	for (const [how, words] of GONE) {
		const ids = gone.filter((finding) => finding.how === how).map(({ id }) => id);
		if (ids.length > 0) lines.push(wrap(`${words}: ${ids.join(", ")}`, width, "    ", "  "));
	}
	for (const warning of warnings)
		lines.push(paint.yellow(wrap(`warning: the baseline was ${warning}`, width, "    ", "  ")));
	return lines.join("\n");
}

function verdictText(report: Report, width: number, paint: Paint): string {
	const lines: string[] = [];
	if (report.interrupted) lines.push(paint.yellow("Stopped before the end; this is what was found until then."));
	for (const problem of report.problems) lines.push(paint.red(wrap(problem, width, "  ")));
	const by = (verdict: Verdict) => report.findings.filter((finding) => finding.verdict === verdict).length;
	const [fail, fixed, known, disputed] = [by("fail"), by("fixed"), by("known"), by("disputed")];
	const summary =
		report.verdict === "invalid"
			? "the result counts for nothing: mend what is named above"
			: report.findings.length === 0
				? "every property held"
				: [
						...(fail > 0 ? [`${fail} new`] : []),
						...(fixed > 0 ? [`${fixed} listed but fixed`] : []),
						...(known > 0 ? [`${known} known`] : []),
						...(disputed > 0 ? [`${disputed} disputed`] : []),
					].join(", ");
	lines.push(
		`${paintedVerdict(report.verdict, paint.bold(VERDICT_WORDS[report.verdict]), paint)}  ${report.target.engine}: ${summary}`,
	);
	return lines.join("\n");
}

/** So many of what is new are named once more. */
const MOST_NAMED = 10;

/** What is new once more, with its commands, where a log ends. */
function newsText({ findings, verdict }: Report, width: number, paint: Paint): string[] {
	const news = findings.filter((finding) => finding.verdict === "fail");
	if (news.length === 0 || verdict === "invalid") return [];
	const lines = news.slice(0, MOST_NAMED).flatMap(({ id, example }) => {
		const command = example === undefined ? [] : [`       ${paint.cyan(example.command)}`];
		return [`${paintedVerdict("fail", "new   ", paint)} ${paint.bold(id)}`, ...command];
	});
	const more = news.length - MOST_NAMED;
	if (more > 0) lines.push(wrap(`and ${count(more)} more, told above`, width, "       "));
	return lines;
}
