/**
 * What a campaign leaves behind besides its report, kept up to date while it runs: new failures in a corpus, and a reproducer of
 * each finding beside the report. Loaded only when one of these was asked for, since a single seed is to be shown fast.
 */
import { join } from "node:path";
import type { Scenario } from "../../../suites/scenario.ts";
import type { KeptFailure } from "../campaign/lab.ts";
import type { CampaignResult } from "../campaign/result.ts";
import type { Explorer } from "../explorer.ts";
import { keepFailures, readCorpus } from "./corpus.ts";
import { reproducerName } from "./reproducer-file.ts";
import { type KeptFiles, ReportedReproducers, Reproductions } from "./reproductions.ts";

export interface KeeperOptions {
	/** Directory in which new failures are kept. */
	readonly corpus?: string | undefined;
	/** Directory of the report. */
	readonly report?: string | undefined;
}

/** What a corpus holds, by file, and the file that belongs to a finding. */
export interface Corpus {
	readonly directory: string;
	readonly kept: Map<string, KeptFailure<Scenario>>;
	fileOf(id: string): string;
}

function corpusIn(directory: string): Corpus {
	return { directory, kept: readCorpus(directory), fileOf: (id) => join(directory, reproducerName(id)) };
}

export class Keeper {
	/** The corpus, and what it holds, by file; undefined without one. */
	readonly corpus: Corpus | undefined;
	readonly #reproductions: Reproductions;
	readonly #reported: ReportedReproducers | undefined;

	/** @throws UsageError when the corpus, or a file in it, cannot be read. */
	constructor(explorer: Explorer, { corpus, report }: KeeperOptions) {
		this.#reproductions = new Reproductions(explorer);
		this.corpus = corpus === undefined ? undefined : corpusIn(corpus);
		this.#reported = report === undefined ? undefined : new ReportedReproducers(report, this.#reproductions);
	}

	/** Whether a run was another when it was made again, so that going on is in vain. */
	get failed(): boolean {
		return this.#reproductions.problems.size > 0;
	}

	/**
	 * Writes what is new or simpler than before.
	 * @returns what was written beside the report by finding id, as paths from its directory; and the result, which is invalid when
	 * a run was another the second time.
	 * @throws UsageError when a file cannot be written.
	 */
	async keep(result: CampaignResult): Promise<{ result: CampaignResult; files: ReadonlyMap<string, KeptFiles> }> {
		if (this.corpus !== undefined) {
			await keepFailures(this.corpus.directory, result, this.corpus.kept, this.#reproductions);
		}
		const files = (await this.#reported?.write(result)) ?? new Map<string, KeptFiles>();
		if (!this.failed) return { result, files };
		const { problems } = this.#reproductions;
		const all = [...new Set([...result.problems, ...problems])];
		const tally = { ...result.tally, problems: [...new Set([...result.tally.problems, ...problems])].sort() };
		return { result: { ...result, verdict: "invalid", problems: all, tally }, files };
	}

	/** Removes reproducers beside the report that an earlier campaign left and this one would have written. For its end. */
	removeStale(): void {
		this.#reported?.removeStale();
	}
}
