/** Hands a report on: printed, and as files, which are replaced whole so that whoever reads one never sees half of it. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../drivers/engine/contract.ts";
import { json } from "../../reports/json.ts";
import { junit } from "../../reports/junit.ts";
import type { Report } from "../../reports/model.ts";
import { terminal } from "../../reports/terminal.ts";
import { paintFor, widthOf } from "./terminal.ts";

export interface PublishOptions {
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
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
	for (const [name, content] of files) {
		const file = join(directory, name);
		writeFileSync(`${file}.part`, content);
		renameSync(`${file}.part`, file);
	}
}

/** Writes the report into a directory, in every form. @throws UsageError when the directory cannot be made. */
export function writeReport(directory: string, report: Report, silent: boolean): void {
	makeReportDirectory(directory);
	const files = filesOf(report);
	writeFiles(directory, files);
	if (!silent) sayWritten(directory, files);
}

export function sayWritten(directory: string, files: readonly (readonly [name: string, content: string])[]): void {
	process.stdout.write(`\nwritten: ${files.map(([name]) => join(directory, name)).join(", ")}\n`);
}
