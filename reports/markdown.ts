/** The report of a campaign as Markdown: verdict and figures, findings by property, properties. For a wiki, a review or a mail. */
import type { Finding, Report } from "./model.ts";
import { count, plural } from "./text.ts";
import { VERDICT_WORDS } from "./verdict.ts";

export function markdown(report: Report): string {
	const { target, verdict, counts, timings, findings, properties, problems, tool } = report;
	const of = (one: Finding["verdict"]) => findings.filter((finding) => finding.verdict === one);
	const parts = [
		`# Faultline: ${VERDICT_WORDS[verdict]}, ${plain(target.engine)} on ${plain(target.driver)}`,
		[
			`${plural(counts.runs, "run")}, ${count(counts.interruptedRuns)} of them disturbed`,
			`${count(counts.crashes)} crashes, ${count(counts.durableWrites)} durable writes`,
			`${count(timings.virtualDays)} virtual days in ${count(timings.seconds)} s.`,
		].join("; "),
		`${of("fail").length} new, ${of("fixed").length} listed and fixed, ${of("known").length} known, ${of("disputed").length} disputed.`,
		...problems.map((problem) => fence(`invalid: ${problem}`)),
		...(["fail", "fixed", "known", "disputed"] as const).flatMap((one) => findingsOf(TITLES[one], of(one))),
		"## Properties",
		table(
			["property", "verdict", "runs", "what must hold"],
			properties.map(({ id, verdict: came, checked, claim }) => [
				code(id),
				VERDICT_WORDS[came],
				count(checked),
				plain(claim),
			]),
		),
		"## Settings",
		fence(JSON.stringify(report.settings)),
		`Made by Faultline ${tool.version}.`,
	];
	return `${parts.join("\n\n")}\n`;
}

const TITLES: Readonly<Record<Finding["verdict"], string>> = {
	fail: "New",
	fixed: "Listed, and fixed",
	known: "Known",
	disputed: "Disputed",
};

function findingsOf(title: string, findings: readonly Finding[]): string[] {
	if (findings.length === 0) return [];
	const rows = findings.map(({ id, runs, reason, example, disputed }) => [
		code(id),
		runs === 0 ? "as listed" : count(runs),
		[reason ?? example?.message, disputed]
			.filter((text) => text !== undefined)
			.map(plain)
			.join(" "),
		example === undefined ? "" : code(example.command),
	]);
	return [`## ${title}`, table(["finding", "runs", "what a user loses, or what happened", "shows it again"], rows)];
}

/** A table of cells that are Markdown already. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
	const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
	return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Text in which nothing is taken for Markdown or HTML. */
export function plain(text: string): string {
	return text.replace(/\s+/g, " ").replace(/[&\\`*_[\]<>|#~@]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** Code in a line, whole. */
export function code(text: string): string {
	return `<code>${plain(text)}</code>`;
}

/** A block of text as it is, behind a fence longer than any in it. */
export function fence(text: string): string {
	const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
	const mark = "`".repeat(longest + 1);
	return `${mark}\n${text}\n${mark}`;
}
