/**
 * The memory of failures: a directory of reproducers. A campaign tries each of them before any seed, whatever its name, and keeps
 * what it finds itself under the name of the finding, with the simplest run known to show it.
 */

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { findingId } from "../../../reports/model.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { KeptFailure } from "../campaign/lab.ts";
import type { CampaignResult } from "../campaign/result.ts";
import { encodeReproducer, type Reproducer, readReproducer } from "./reproducer.ts";
import { REPRODUCER_EXTENSION, replaceFile, reproducerName } from "./reproducer-file.ts";
import type { Reproductions } from "./reproductions.ts";

/**
 * What a corpus holds, by file, in the order of their names. A corpus that is not there yet is made.
 * @throws UsageError naming the file that cannot be read, or the directory.
 */
export function readCorpus(directory: string): Map<string, KeptFailure<Scenario>> {
	let names: string[];
	try {
		mkdirSync(directory, { recursive: true });
		names = readdirSync(directory);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`No corpus can be kept in ${directory} (${code}); give a directory.`);
	}
	const files = names.filter((name) => name.endsWith(REPRODUCER_EXTENSION)).sort();
	return new Map(files.map((name) => [join(directory, name), readKept(join(directory, name))]));
}

function readKept(file: string): KeptFailure<Scenario> {
	try {
		return keptOf(readReproducer(file));
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		throw new UsageError(`${error.message.replace(/\.$/, "")}; or take it out of the corpus.`);
	}
}

function keptOf({ target, finding: { property, kind }, scenario }: Reproducer): KeptFailure<Scenario> {
	return { engine: target.engine.name, property, kind, scenario };
}

/**
 * Writes a reproducer of each new finding whose simplest run is in none of the files, and notes it in `kept`, which is by file as
 * `readCorpus` gives it.
 */
export async function keepFailures(
	directory: string,
	result: Pick<CampaignResult, "findings" | "scenarios">,
	kept: Map<string, KeptFailure<Scenario>>,
	reproductions: Reproductions,
): Promise<void> {
	for (const { finding, scenario } of reproductions.examplesOf(result)) {
		if (finding.verdict !== "fail") continue;
		const recorded = reproductions.recorded(scenario);
		const isKept = [...kept.values()].some(
			(failure) => findingId(failure) === finding.id && isDeepStrictEqual(failure.scenario, recorded),
		);
		if (isKept) continue;
		const reproducer = await reproductions.of({ finding, scenario });
		if (reproducer === undefined) continue;
		const file = join(directory, reproducerName(finding.id));
		replaceFile(file, encodeReproducer(reproducer));
		kept.set(file, keptOf(reproducer));
	}
}
