/** `--github`: what a workflow on GitHub takes from a job, printed, and appended to the file that it names. */
import { appendFileSync } from "node:fs";
import { type Announced, annotations, summary } from "../../../reports/github.ts";

/** Prints annotations, to standard error where standard output is for JSON alone; GitHub reads both. */
export function tellGithub(announced: Announced, { json }: { readonly json?: boolean }): void {
	(json === true ? process.stderr : process.stdout).write(annotations(announced));
	const file = process.env.GITHUB_STEP_SUMMARY;
	if (file === undefined || file === "") return;
	try {
		appendFileSync(file, summary(announced));
	} catch (error) {
		// The summary says nothing that is not printed: a build does not fail for want of it.
		process.stderr.write(`No summary was written to ${file} (${(error as NodeJS.ErrnoException).code}).\n`);
	}
}
