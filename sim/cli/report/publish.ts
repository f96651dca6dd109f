/** Hands a report on: printed, and as files, which are replaced whole so that whoever reads one never sees half of it. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { json } from "../../../reports/json.ts";
import { junit } from "../../../reports/junit.ts";
import type { Report, RunRecord } from "../../../reports/model.ts";
import { terminal } from "../../../reports/terminal.ts";
import { RUNS, replaceFile, runRecordName } from "../../explore/keep/reproducer-file.ts";
import type { KeptFiles } from "../../explore/keep/reproductions.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { htmlOf } from "./report-page.ts";

export interface PublishOptions {
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
	/** Whether to tell known findings in full, however many there are. */
	readonly verbose?: boolean;
	/** Whether to tell a GitHub workflow too: annotations, and a summary. */
	readonly github?: boolean;
}

/** Prints the report in the form that was asked for. */
export function printReport(report: Report, options: PublishOptions): void {
	if (options.json === true) process.stdout.write(json(report));
	else {
		const paint = paintFor(process.stdout);
		const [quiet, brief] = [options.quiet === true, options.verbose !== true];
		process.stdout.write(terminal(report, { width: widthOf(process.stdout), paint, quiet, brief }));
	}
}

/** Makes the directory before anything long begins. @throws UsageError when it cannot be. */
export function makeReportDirectory(directory: string): void {
	try {
		mkdirSync(directory, { recursive: true });
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`No report can be written to ${directory} (${code}); give a directory.`);
	}
}

/** A file's name, and what is in it. */
export type Named = readonly [name: string, content: string];

/** The report in the forms that are made in no time, by name of the file. */
export function filesOf(report: Report): Named[] {
	return [
		["report.json", json(report)],
		["junit.xml", junit(report)],
		["report.txt", terminal(report)],
	];
}

/** Replaces the files in the directory, each at once. */
export function writeFiles(directory: string, files: readonly Named[]): void {
	for (const [name, content] of files) replaceFile(join(directory, name), content);
}

/** The report with the files that were written about its findings, by their ids. */
export function withReproducers(report: Report, kept: ReadonlyMap<string, Partial<KeptFiles>>): Report {
	if (kept.size === 0) return report;
	const findings = report.findings.map((finding) => {
		const files = kept.get(finding.id);
		if (files === undefined || finding.example === undefined) return finding;
		return { ...finding, example: { ...finding.example, ...files } };
	});
	return { ...report, findings };
}

/**
 * Writes the report into a directory, in every form.
 * @param reproducers files that are there already, by finding id, as paths from the directory.
 * @throws UsageError when the directory cannot be made.
 */
export async function writeReport(
	directory: string,
	report: Report,
	silent: boolean,
	reproducers: ReadonlyMap<string, Partial<KeptFiles>> = new Map(),
): Promise<void> {
	makeReportDirectory(directory);
	const files = filesOf(report);
	writeFiles(directory, files);
	await writePage(directory, report);
	if (!silent) sayWritten(directory, [PAGE, ...namesOf(files, reproducers)]);
}

/**
 * Writes the report of one run in every form, and what there is to draw of it.
 * @param recordOf what the run is to a finding that it shows, by the finding's id.
 */
export async function writeRunReport(
	directory: string,
	report: Report,
	silent: boolean,
	recordOf: (id: string) => Promise<RunRecord>,
): Promise<void> {
	makeReportDirectory(directory);
	const files = new Map<string, Pick<KeptFiles, "run">>();
	for (const { id, example } of report.findings) {
		if (example === undefined) continue;
		const run = `${RUNS}/${runRecordName(id)}`;
		writeFiles(directory, [[run, JSON.stringify(await recordOf(id))]]);
		files.set(id, { run });
	}
	await writeReport(directory, withReproducers(report, files), silent, files);
}

/** The report as a page, with the runs that lie in the directory already. Takes a second where there are hundreds. */
export async function writePage(directory: string, report: Report): Promise<void> {
	writeFiles(directory, [[PAGE, await htmlOf(report, directory)]]);
}

export const PAGE = "report.html";

/** The names to tell of what was written: each file of the report, and the directory of its reproducers. */
export function namesOf(files: readonly Named[], reproducers: ReadonlyMap<string, Partial<KeptFiles>>): string[] {
	const directories = [...reproducers.values()].flatMap(Object.values).map((file: string) => `${dirname(file)}/`);
	return [...files.map(([name]) => name), ...new Set(directories)];
}

export function sayWritten(directory: string, names: readonly string[]): void {
	const line = `written: ${names.map((name) => join(directory, name)).join(", ")}`;
	const fits = line.length <= widthOf(process.stdout);
	process.stdout.write(`\n${fits ? line : line.replaceAll(", ", `,\n${" ".repeat("written: ".length)}`)}\n`);
}
