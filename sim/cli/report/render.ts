/** `pnpm sim render DIR`: what the report in a directory says, in the forms that were asked for. Nothing is run. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { ConformReport } from "../../../reports/conform-model.ts";
import { matrixOfDrivers } from "../../../reports/drivers.ts";
import type { Announced } from "../../../reports/github.ts";
import { junit } from "../../../reports/junit.ts";
import { markdown } from "../../../reports/markdown.ts";
import {
	type CompareReport,
	type DifferReport,
	type MatrixReport,
	type MutantsReport,
	SCHEMA_VERSION,
} from "../../../reports/model.ts";
import { terminal } from "../../../reports/terminal.ts";
import { parseReport } from "../../explore/campaign/baseline.ts";
import { VERSION } from "../version.ts";
import { readReport } from "./baseline.ts";
import { tellGithub } from "./github.ts";
import { type Named, sayWritten, writeFiles } from "./publish.ts";
import { htmlOf } from "./report-page.ts";

export interface RenderOptions {
	readonly html?: boolean;
	readonly junit?: boolean;
	readonly markdown?: boolean;
	readonly text?: boolean;
	readonly github?: boolean;
	readonly quiet?: boolean;
}

const FORMS = ["html", "junit", "markdown", "text"] as const;
type Form = (typeof FORMS)[number];

/** What can be made of one kind of report: for each form, the file's name and how it is made. */
type Forms = Partial<Record<Form, readonly [name: string, make: () => string | Promise<string>]>>;

/** Writes the forms beside the report, every one of them when none is named. @throws UsageError for what is no report. */
export async function render(directory: string, options: RenderOptions): Promise<void> {
	const { file, text, kind } = reportIn(directory);
	const forms = await kind.forms(text, file, directory);
	const named = FORMS.filter((form) => options[form] === true);
	const missing = named.find((form) => forms[form] === undefined);
	if (missing !== undefined) {
		const there = Object.keys(forms).map((form) => `--${form}`);
		throw new UsageError(`${file} has no form --${missing}; there is ${there.join(", ")}.`);
	}
	if (options.github === true) {
		if (kind.announced === undefined)
			throw new UsageError(`--github tells of campaigns and comparisons; ${file} is neither.`);
		tellGithub(kind.announced(text, file), {});
	}
	const wanted = named.length > 0 || options.github === true ? named : FORMS;
	const files: Named[] = [];
	for (const form of wanted) {
		const [name, make] = forms[form] ?? [];
		if (name !== undefined && make !== undefined) files.push([name, await make()]);
	}
	if (files.length === 0) return;
	writeFiles(directory, files);
	const names = files.map(([name]) => name);
	if (options.quiet !== true) sayWritten(directory, names);
}

/** A kind of report, which is found by its file. */
interface Kind {
	readonly file: string;
	is(content: object): boolean;
	forms(text: string, file: string, directory: string): Promise<Forms>;
	/** As much as GitHub is told of; absent for what it is told nothing of. */
	announced?(text: string, file: string): Announced;
}

const KINDS: readonly Kind[] = [
	{
		file: "report.json",
		is: (content) => "findings" in content,
		async forms(text, file, directory) {
			const report = parseReport(text, file);
			return {
				html: ["report.html", () => htmlOf(report, directory)],
				junit: ["junit.xml", () => junit(report)],
				markdown: ["report.md", () => markdown(report)],
				text: ["report.txt", () => terminal(report)],
			};
		},
		announced: parseReport,
	},
	{
		file: "report.json",
		is: (content) => "drivers" in content,
		async forms(text) {
			const [{ conformJunit, conformMarkdown, conformText }, { matrixPage }, { pageAssets }] = await Promise.all([
				import("../../../reports/conform.ts"),
				import("../../../reports/html/matrix-page.ts"),
				import("./page-assets.ts"),
			]);
			const report = JSON.parse(text) as ConformReport;
			const command = `pnpm conform ${[report.settings.drivers].flat().join(" ")}`;
			return {
				html: ["matrix.html", () => matrixPage(matrixOfDrivers(report, { command }), pageAssets())],
				junit: ["junit.xml", () => conformJunit(report)],
				markdown: ["report.md", () => conformMarkdown(report)],
				text: ["report.txt", () => conformText(report)],
			};
		},
		announced: (text) => announcedOf(JSON.parse(text) as ConformReport),
	},
	{
		file: "matrix.json",
		is: (content) => "versions" in content,
		async forms(text) {
			const [{ matrixPage }, { matrixMarkdown, matrixText }, { pageAssets }] = await Promise.all([
				import("../../../reports/html/matrix-page.ts"),
				import("../../../reports/matrix.ts"),
				import("./page-assets.ts"),
			]);
			const report = JSON.parse(text) as MatrixReport;
			return {
				html: ["matrix.html", () => matrixPage(report, pageAssets())],
				markdown: ["matrix.md", () => matrixMarkdown(report)],
				text: ["matrix.txt", () => matrixText(report)],
			};
		},
	},
	{
		file: "mutants.json",
		is: (content) => "mutants" in content,
		async forms(text) {
			const { mutantsJunit, mutantsMarkdown, mutantsText } = await import("../../../reports/mutants.ts");
			const { mutants } = JSON.parse(text) as MutantsReport;
			return {
				junit: ["mutants.xml", () => mutantsJunit(mutants)],
				markdown: ["mutants.md", () => mutantsMarkdown(mutants)],
				text: ["mutants.txt", () => mutantsText(mutants)],
			};
		},
	},
	{
		file: "compare.json",
		is: (content) => "fixes" in content,
		async forms(text) {
			const { compareMarkdown, compareText } = await import("../../../reports/compare.ts");
			const report = JSON.parse(text) as CompareReport;
			return {
				markdown: ["compare.md", () => compareMarkdown(report)],
				text: ["compare.txt", () => compareText(report)],
			};
		},
		announced: (text) => JSON.parse(text) as CompareReport,
	},
	{
		file: "differ.json",
		is: (content) => "explained" in content,
		async forms(text) {
			const { differMarkdown, differText } = await import("../../../reports/differ.ts");
			const report = JSON.parse(text) as DifferReport;
			return {
				markdown: ["differ.md", () => differMarkdown(report)],
				text: ["differ.txt", () => differText(report)],
			};
		},
	},
];

/** As much of what drivers came to as GitHub is told of. */
function announcedOf(report: ConformReport): Announced {
	const { verdict, versions } = matrixOfDrivers(report, { command: "" });
	return {
		verdict,
		target: { engine: versions.map(({ engine }) => engine).join(", ") },
		problems: versions.flatMap(({ problems }) => problems),
		findings: versions.flatMap(({ findings }) => findings),
		counts: { runs: versions.reduce((sum, { counts }) => sum + counts.runs, 0) },
	};
}

/** The report in a directory, or of a file that was named. @throws UsageError when there is none that this version reads. */
function reportIn(place: string): { file: string; text: string; kind: Kind } {
	const names = [...new Set(KINDS.map(({ file }) => file))];
	const name = names.find((one) => existsSync(join(place, one)));
	if (name === undefined) {
		throw new UsageError(
			`No report in ${place}; give a directory that --report wrote, with ${names.join(", ")} in it.`,
		);
	}
	const file = join(place, name);
	const text = readReport(file, "report");
	const content = contentOf(text, file);
	const kind = KINDS.find((one) => one.file === name && one.is(content));
	if (kind === undefined) throw new UsageError(`${file} is no report that Faultline ${VERSION} wrote; make it again.`);
	return { file, text, kind };
}

function contentOf(text: string, file: string): object {
	let content: unknown;
	try {
		content = JSON.parse(text);
	} catch {
		throw new UsageError(`${file} is not JSON; give a directory that --report wrote.`);
	}
	const { schemaVersion } = Object(content) as { schemaVersion?: unknown };
	if (schemaVersion !== SCHEMA_VERSION) {
		throw new UsageError(
			`${file} ${schemaVersion === undefined ? "is no report" : `is of format ${String(schemaVersion)}, and this is ${SCHEMA_VERSION}`}; make it again.`,
		);
	}
	return content as object;
}
