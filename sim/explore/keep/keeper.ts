/**
 * What a campaign leaves behind besides its report, kept up to date while it runs: new failures in a corpus, and a reproducer of
 * each finding beside the report. Loaded only when one of these was asked for, since a single seed is to be shown fast.
 */
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { CampaignResult } from "../campaign/result.ts";
import { type Corpus, keepFailures, readCorpus } from "./corpus.ts";
import type { Form } from "./form.ts";
import { type KeptFiles, ReportedReproducers, Reproductions } from "./reproductions.ts";

export interface KeeperOptions {
	/** Directory in which new failures are kept. */
	readonly corpus?: string | undefined;
	/** Directory of the report. */
	readonly report?: string | undefined;
}

export class Keeper<S extends SubjectScenario> {
	/** Undefined without one. */
	readonly corpus: Corpus<S> | undefined;
	readonly #reproductions: Reproductions<S>;
	readonly #reported: ReportedReproducers<S> | undefined;

	/** @throws UsageError when the corpus, or a file in it, cannot be read. */
	constructor(form: Form<S>, { corpus, report }: KeeperOptions) {
		this.#reproductions = new Reproductions(form);
		this.corpus = corpus === undefined ? undefined : readCorpus(corpus, form);
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
	async keep(result: CampaignResult<S>): Promise<{ result: CampaignResult<S>; files: ReadonlyMap<string, KeptFiles> }> {
		if (this.corpus !== undefined) await keepFailures(this.corpus, result, this.#reproductions);
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
