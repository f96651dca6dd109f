/**
 * The memory of failures: a directory of reproducers. A campaign tries each of them before any seed, whatever its name, and keeps
 * what it finds itself under the name of the finding, with the simplest run known to show it.
 */

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { findingId } from "../../../reports/model.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { KeptFailure } from "../campaign/lab.ts";
import type { Form } from "./form.ts";
import { fileNameOf, REPRODUCER_EXTENSION, replaceFile, SUBJECT_REPRODUCER_EXTENSION } from "./reproducer-file.ts";
import type { Reproductions, Shown } from "./reproductions.ts";

/** What a corpus holds, and the file that belongs to a finding. */
export interface Corpus<S extends SubjectScenario> {
	readonly directory: string;
	/** By file, in the order of their names. */
	readonly kept: Map<string, KeptFailure<S>>;
	/** Files that are about another kind of target. */
	readonly foreign: readonly string[];
	fileOf(id: string): string;
}

const EXTENSIONS: readonly string[] = [REPRODUCER_EXTENSION, SUBJECT_REPRODUCER_EXTENSION];

/**
 * Reads a corpus; one that is not there yet is made.
 * @throws UsageError naming the file that cannot be read, or the directory.
 */
export function readCorpus<S extends SubjectScenario>(
	directory: string,
	form: Pick<Form<S>, "extension" | "read">,
): Corpus<S> {
	let names: string[];
	try {
		mkdirSync(directory, { recursive: true });
		names = readdirSync(directory).sort();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`No corpus can be kept in ${directory} (${code}); give a directory.`);
	}
	const filesIn = (extensions: readonly string[]) =>
		names.filter((name) => extensions.some((end) => name.endsWith(end))).map((name) => join(directory, name));
	return {
		directory,
		kept: new Map(filesIn([form.extension]).map((file) => [file, readKept(form, file)])),
		foreign: filesIn(EXTENSIONS.filter((extension) => extension !== form.extension)),
		fileOf: (id) => join(directory, fileNameOf(id, form.extension)),
	};
}

function readKept<S extends SubjectScenario>(form: Pick<Form<S>, "read">, file: string): KeptFailure<S> {
	try {
		return form.read(file);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		throw new UsageError(`${error.message.replace(/\.$/, "")}; or take it out of the corpus.`);
	}
}

/** Writes a reproducer of each new finding whose simplest run is in none of the files, and notes it in the corpus. */
export async function keepFailures<S extends SubjectScenario>(
	{ kept, fileOf }: Corpus<S>,
	result: Shown<S>,
	reproductions: Reproductions<S>,
): Promise<void> {
	for (const { finding, scenario } of reproductions.examplesOf(result)) {
		if (finding.verdict !== "fail") continue;
		const recorded = reproductions.form.recorded(scenario);
		const isKept = [...kept.values()].some(
			(failure) => findingId(failure) === finding.id && isDeepStrictEqual(failure.scenario, recorded),
		);
		if (isKept) continue;
		const made = await reproductions.of({ finding, scenario });
		if (made === undefined) continue;
		const file = fileOf(finding.id);
		replaceFile(file, made.content);
		kept.set(file, made.kept);
	}
}
