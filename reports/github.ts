/**
 * What a GitHub workflow shows: annotations (workflow commands, one a line) for what is new, and a job summary in Markdown. Pure
 * functions of what was found; who prints and who appends is decided elsewhere.
 * Escaping follows GitHub's own toolkit: `%`, carriage return and line feed in a message; also `:` and `,` in a title.
 */
import { code, fence, plain } from "./markdown.ts";
import type { Finding, Report, Verdict } from "./model.ts";
import { count, plural } from "./text.ts";

/** As much of a report as GitHub is told of. */
export interface Announced {
	readonly verdict: Verdict;
	/** What was tested, in a few words. */
	readonly target: { readonly engine: string };
	readonly problems: readonly string[];
	readonly findings: readonly Finding[];
	readonly baseline?: Report["baseline"];
	readonly counts: { readonly runs: number };
}

/** GitHub shows so many errors of a step; the last one then says how many there are besides. */
const MOST_ERRORS = 10;

/** Workflow commands: an error for each new finding and for each problem, a warning for a list that is out of date. */
export function annotations(report: Announced): string {
	const errors: [title: string, message: string][] = [
		...report.problems.map((problem): [string, string] => ["Faultline: the result counts for nothing", problem]),
		...newOf(report).map((finding): [string, string] => [titleOf(finding), messageOf(finding)]),
	];
	const shown = errors.length > MOST_ERRORS ? errors.slice(0, MOST_ERRORS - 1) : errors;
	const lines = shown.map(([title, message]) => command("error", title, message));
	if (shown.length < errors.length) {
		const left = errors.slice(shown.length).map(([title]) => title);
		lines.push(command("error", `${left.length} more`, left.join("\n")));
	}
	const stale = report.findings.filter(({ verdict }) => verdict === "fixed").map(({ id }) => id);
	if (stale.length > 0) {
		const level = report.baseline === undefined ? "error" : "notice";
		lines.push(command(level, "listed as known, and fixed", stale.join("\n")));
	}
	const fixed = goneOf(report, "fixed");
	if (fixed.length > 0) lines.push(command("notice", "fixed since the baseline", fixed.join("\n")));
	const warnings = report.baseline?.warnings ?? [];
	if (warnings.length > 0) {
		lines.push(command("warning", "the baseline compares badly", warnings.map((text) => `It was ${text}.`).join("\n")));
	}
	return lines.map((line) => `${line}\n`).join("");
}

/** The summary of a job, in Markdown. */
export function summary(report: Announced): string {
	const { target, counts, findings, problems, baseline } = report;
	const news = newOf(report);
	const known = findings.filter(({ verdict }) => verdict === "known").length;
	const parts = [
		`## Faultline: ${MARKS[report.verdict]} ${code(target.engine)}`,
		`${plural(counts.runs, "run")}, ${count(news.length)} new, ${count(known)} known.`,
		...problems.map((problem) => fence(problem)),
	];
	if (news.length > 0) {
		const rows = news.map(({ id, runs, example }) =>
			row([code(id), runs === 0 ? "as kept" : count(runs), text(example?.message ?? ""), code(example?.command ?? "")]),
		);
		parts.push(
			[row(["new", "runs", "what happened", "shows it again"]), "| --- | ---: | --- | --- |", ...rows].join("\n"),
		);
	}
	const fixed = goneOf(report, "fixed");
	if (fixed.length > 0) parts.push(`Fixed since the baseline: ${fixed.map(code).join(", ")}.`);
	const unseen = goneOf(report, "not-seen");
	if (unseen.length > 0) parts.push(`In the baseline and not seen again: ${unseen.map(code).join(", ")}.`);
	if (baseline !== undefined && baseline.warnings.length > 0) {
		parts.push(baseline.warnings.map((warning) => `- The baseline was ${text(warning)}.`).join("\n"));
	}
	return `${parts.join("\n\n")}\n\n`;
}

const MARKS: Readonly<Record<Verdict, string>> = {
	pass: "✅",
	known: "✅",
	disputed: "✅",
	skip: "➖",
	fail: "❌",
	fixed: "❌",
	invalid: "⚠️ invalid,",
};

function newOf({ findings }: Announced): readonly Finding[] {
	return findings.filter(({ verdict }) => verdict === "fail");
}

function goneOf({ baseline }: Announced, how: "fixed" | "not-seen"): string[] {
	return (baseline?.gone ?? []).filter((finding) => finding.how === how).map(({ id }) => id);
}

function titleOf({ id, runs }: Finding): string {
	return runs === 0 ? id : `${id} (${plural(runs, "run")})`;
}

function messageOf({ example, reason }: Finding): string {
	const lines =
		example === undefined ? [] : [`${example.program}: ${example.message}`, ...example.conditions, example.command];
	return [...(reason === undefined ? [] : [reason]), ...lines].join("\n");
}

/** A workflow command. */
function command(level: "error" | "warning" | "notice", title: string, message: string): string {
	return `::${level} title=${escapeProperty(title)}::${escapeData(message)}`;
}

export function escapeData(value: string): string {
	return value.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

export function escapeProperty(value: string): string {
	return escapeData(value).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

/** Longer than this a message is cut: a summary may hold a mebibyte, and is there to be read. */
const MOST_TEXT = 300;

/** Text in a cell of a table, with nothing in it that Markdown or HTML takes for its own. */
function text(value: string): string {
	return plain(value.length <= MOST_TEXT ? value : `${value.slice(0, MOST_TEXT - 1)}…`);
}

function row(cells: readonly string[]): string {
	return `| ${cells.join(" | ")} |`;
}
