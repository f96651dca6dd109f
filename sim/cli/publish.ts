/** Hands a report on: printed, and as files, which are replaced whole so that whoever reads one never sees half of it. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../../drivers/engine/contract.ts";
import { json } from "../../reports/json.ts";
import { junit } from "../../reports/junit.ts";
import type { Report } from "../../reports/model.ts";
import { terminal } from "../../reports/terminal.ts";
import { replaceFile } from "../explore/keep/reproducer-file.ts";
import { paintFor, widthOf } from "./terminal.ts";

export interface PublishOptions {
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
	/** Whether to tell a GitHub workflow too: annotations, and a summary. */
	readonly github?: boolean;
}

/** Prints the report in the form that was asked for. */
export function printReport(report: Report, options: PublishOptions): void {
	if (options.json === true) process.stdout.write(json(report));
	else {
		const paint = paintFor(process.stdout);
		process.stdout.write(terminal(report, { width: widthOf(process.stdout), paint, quiet: options.quiet === true }));
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

/** The report in every form, by name of the file. */
export function filesOf(report: Report): [name: string, content: string][] {
	return [
		["report.json", json(report)],
		["junit.xml", junit(report)],
		["report.txt", terminal(report)],
	];
}

/** Replaces the files in the directory, each at once. */
export function writeFiles(directory: string, files: readonly (readonly [name: string, content: string])[]): void {
	for (const [name, content] of files) replaceFile(join(directory, name), content);
}

/** The report with the reproducer of each finding, by its id, as a path from the report's directory. */
export function withReproducers(report: Report, reproducers: ReadonlyMap<string, string>): Report {
	if (reproducers.size === 0) return report;
	const findings = report.findings.map((finding) => {
		const reproducer = reproducers.get(finding.id);
		if (reproducer === undefined || finding.example === undefined) return finding;
		return { ...finding, example: { ...finding.example, reproducer } };
	});
	return { ...report, findings };
}

/**
 * Writes the report into a directory, in every form.
 * @param reproducers files that are there already, by finding id, as paths from the directory.
 * @throws UsageError when the directory cannot be made.
 */
export function writeReport(
	directory: string,
	report: Report,
	silent: boolean,
	reproducers: ReadonlyMap<string, string> = new Map(),
): void {
	makeReportDirectory(directory);
	const files = filesOf(report);
	writeFiles(directory, files);
	if (!silent) sayWritten(directory, namesOf(files, reproducers));
}

/** The names to tell of what was written: each file of the report, and the directory of its reproducers. */
export function namesOf(
	files: readonly (readonly [name: string, content: string])[],
	reproducers: ReadonlyMap<string, string>,
): string[] {
	const directories = [...reproducers.values()].map((file) => `${dirname(file)}/`);
	return [...files.map(([name]) => name), ...new Set(directories)];
}

export function sayWritten(directory: string, names: readonly string[]): void {
	const line = `written: ${names.map((name) => join(directory, name)).join(", ")}`;
	const fits = line.length <= widthOf(process.stdout);
	process.stdout.write(`\n${fits ? line : line.replaceAll(", ", `,\n${" ".repeat("written: ".length)}`)}\n`);
}
