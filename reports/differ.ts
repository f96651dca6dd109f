/** Two engines beside each other, as text and as Markdown: what differs, and which finding explains it. */
import type { DifferExplanation, DifferReport, Finding } from "./model.ts";
import { count, NO_PAINT, type Paint, plural, wrap } from "./text.ts";

export interface DifferTextOptions {
	readonly width?: number;
	readonly paint?: Paint;
	/** Only what nothing explains, and the verdict. */
	readonly quiet?: boolean;
}

export function differText(report: DifferReport, options: DifferTextOptions = {}): string {
	const { width = 80, paint = NO_PAINT } = options;
	const parts = report.findings.map((finding) => findingText(finding, width, paint));
	if (options.quiet !== true) {
		if (report.explained.length > 0) parts.push(table(report, width, paint));
		parts.push(countsText(report, width));
	}
	parts.push(verdictText(report, width, paint));
	return `${parts.join("\n\n")}\n`;
}

function findingText({ kind, property, runs, example, verdict }: Finding, width: number, paint: Paint): string {
	const word = verdict === "fail" ? paint.red("FAIL  ") : paint.yellow("known ");
	const [name, seeds] = [`${property}  ${kind}`, plural(runs, "seed")];
	const gap = " ".repeat(Math.max(2, width - name.length - seeds.length - 7));
	const lines = [`${word} ${paint.bold(name)}${gap}${seeds}`];
	if (example !== undefined) {
		lines.push(paint.dim(wrap(`${example.program}: ${example.message}`, width, "       ")));
		lines.push(paint.dim(wrap(`(${example.conditions.join("; ")})`, width, "       ")));
		lines.push(`       ${paint.cyan(example.command)}`);
	}
	return lines.join("\n");
}

function table(report: DifferReport, width: number, paint: Paint): string {
	const rows = report.explained.map((explanation) => {
		const { id, seeds, example } = explanation;
		const [side, number] = [sideOf(explanation, report).padEnd(18), count(seeds).padStart(8)];
		// A name too long for its column has a line of its own.
		const head = id.length < width - 27 ? id.padEnd(width - 27) : `${id}\n${" ".repeat(width - 27)}`;
		return [
			`${head} ${side}${number}`,
			paint.dim(wrap(kindsOf(explanation), width, "  ")),
			`  ${paint.cyan(example.command)}`,
		].join("\n");
	});
	const head = `${"explained by".padEnd(width - 27)} ${"shown by".padEnd(18)}${"seeds".padStart(8)}`;
	return [paint.bold(head), ...rows].join("\n");
}

function sideOf({ side }: DifferExplanation, { target, against }: DifferReport): string {
	return { engine: target.engine, against, both: "both" }[side];
}

function kindsOf({ kinds }: DifferExplanation): string {
	return Object.entries(kinds)
		.sort(([, a], [, b]) => b - a)
		.map(([kind, seeds]) => `${kind} ${count(seeds)}`)
		.join(", ");
}

function countsText({ counts, free, uncomparable, leftOut }: DifferReport, width: number): string {
	const told = (reasons: DifferReport["free"]) =>
		reasons.map(({ reason, seeds }) => `${reason} (${count(seeds)})`).join("; ");
	return [
		`${plural(counts.runs, "seed")}: ${count(counts.same)} the same, ${count(counts.explained)} explained, ` +
			`${count(counts.unexplained)} unexplained, ${count(counts.free)} left open, ${count(counts.uncomparable)} not compared`,
		...(free.length > 0 ? [`left open by the program: ${told(free)}`] : []),
		...(uncomparable.length > 0 ? [`not compared: ${told(uncomparable)}`] : []),
		...(leftOut.length > 0 ? [`not drawn, since only one of them has it: ${leftOut.join(", ")}`] : []),
	]
		.map((line) => wrap(line, width, "  ", ""))
		.join("\n");
}

function verdictText(report: DifferReport, width: number, paint: Paint): string {
	const { verdict, problems, interrupted, findings, target, against } = report;
	const lines = interrupted ? [paint.yellow("Stopped before the end; this is what was found until then.")] : [];
	for (const problem of problems) lines.push(paint.red(wrap(problem, width, "  ")));
	const names = `${target.engine} against ${against}`;
	const news = findings.filter((finding) => finding.verdict === "fail").length;
	const [word, rest] =
		verdict === "invalid"
			? [paint.red("INVALID"), "the result counts for nothing"]
			: verdict === "pass"
				? [paint.green("pass"), "a property explains every difference"]
				: verdict === "known"
					? [paint.yellow("known"), "what no property explains is in the baseline"]
					: [paint.red("FAIL"), `${plural(news, "kind")} of difference that no property explains`];
	lines.push(wrap(`${word}  ${names}: ${rest}`, width, "  ", ""));
	return lines.join("\n");
}

export function differMarkdown(report: DifferReport): string {
	const { target, against, counts, findings, explained } = report;
	const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
	return `${[
		`# ${target.engine} against ${against}`,
		countsText(report, 10_000).split("\n").join("\n\n"),
		...(findings.length === 0
			? ["Every difference has a property that explains it."]
			: [
					[
						row(["no property explains", "seeds", "again"]),
						"| --- | ---: | --- |",
						...findings.map(({ kind, runs, example }) =>
							row([`\`${kind}\``, count(runs), `\`${example?.command ?? ""}\``]),
						),
					].join("\n"),
				]),
		...(explained.length === 0
			? []
			: [
					[
						row(["explained by", "shown by", "seeds", "what differs", "again"]),
						"| --- | --- | ---: | --- | --- |",
						...explained.map((explanation) =>
							row([
								`\`${explanation.id}\``,
								sideOf(explanation, report),
								count(explanation.seeds),
								kindsOf(explanation),
								`\`${explanation.example.command}\``,
							]),
						),
					].join("\n"),
				]),
		`${plural(counts.runs, "seed")}: \`${report.command}\``,
	].join("\n\n")}\n`;
}
