/**
 * From what a campaign found to what is kept: the simplest run of a finding is made once more, in the form of its target. It may
 * have been made in another thread or on another machine, so that this also shows that it is the same here, to the byte.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { type Example, findingId } from "../../../reports/model.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { HarnessError } from "../../world/harness-error.ts";
import type { KeptFailure } from "../campaign/lab.ts";
import type { CampaignResult } from "../campaign/result.ts";
import type { Form, Found, Made } from "./form.ts";
import { fileNameOf, REPRODUCERS, RUNS, replaceFile, runRecordName } from "./reproducer-file.ts";

/** As much of a result as is kept. */
export type Shown<S extends SubjectScenario> = Pick<CampaignResult<S>, "findings" | "scenarios">;

export class Reproductions<S extends SubjectScenario> {
	/** Findings that were not shown again in the same way, which only a leak can cause: with any, no result counts. */
	readonly problems = new Set<string>();
	readonly form: Form<S>;
	readonly #made = new Map<string, { readonly scenario: S; readonly made: Made<S> | undefined }>();

	constructor(form: Form<S>) {
		this.form = form;
	}

	/** The findings of a result that a run shows; those that are fixed have none. */
	examplesOf({ findings, scenarios }: Shown<S>): Found<S>[] {
		return findings.flatMap((finding) => {
			const scenario = scenarios.get(finding.id);
			return scenario === undefined ? [] : [{ finding, scenario }];
		});
	}

	/** What is kept of a finding, made when its run is another than the last time; undefined adds to `problems`. */
	async of({ finding, scenario }: Found<S>): Promise<Made<S> | undefined> {
		const last = this.#made.get(finding.id);
		if (last !== undefined && isDeepStrictEqual(last.scenario, scenario)) return last.made;
		const made = await this.#make({ finding, scenario });
		this.#made.set(finding.id, { scenario, made });
		return made;
	}

	async #make({ finding: { id, example }, scenario }: Found<S>): Promise<Made<S> | undefined> {
		try {
			const made = await this.form.make(id, scenario);
			if (made !== undefined && made.digest === example?.digest) return made;
			const what = made === undefined ? "shows it no more" : "has another history";
			this.problems.add(`${id}: the run that showed it ${what} when it is made again to be kept`);
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			this.problems.add(`${id}, made again to be kept: ${error.message}`);
		}
		return undefined;
	}
}

/** Files beside a report about one finding, as paths from the report's directory. */
export type KeptFiles = Required<Pick<Example, "reproducer">> & Pick<Example, "run">;

/** The reproducers beside a report, of new findings and known ones: each is written when the simplest run of its finding changed. */
export class ReportedReproducers<S extends SubjectScenario> {
	readonly #report: string;
	readonly #reproductions: Reproductions<S>;
	readonly #written = new Map<string, Made<S>>();

	/** @param report the report's directory. */
	constructor(report: string, reproductions: Reproductions<S>) {
		this.#report = report;
		this.#reproductions = reproductions;
	}

	/** Brings the files up to date and returns them by finding id, as paths from the report's directory. */
	async write(result: Shown<S>): Promise<ReadonlyMap<string, KeptFiles>> {
		const files = new Map<string, KeptFiles>();
		for (const found of this.#reproductions.examplesOf(result)) {
			const { id } = found.finding;
			const made = await this.#reproductions.of(found);
			if (made === undefined) continue;
			const name = this.#nameOf(id);
			const kept = { reproducer: `${REPRODUCERS}/${name}`, run: `${RUNS}/${runRecordName(id)}` };
			if (this.#written.get(name) !== made) {
				replaceFile(join(this.#report, kept.reproducer), made.content);
				replaceFile(join(this.#report, kept.run), made.record);
				this.#written.set(name, made);
			}
			files.set(id, kept);
		}
		return files;
	}

	/**
	 * Removes what an earlier campaign left for findings that this one looked for and did not find. Everything else stays: what has
	 * another name than campaigns give, and what is about a target, programs or properties that were not chosen.
	 */
	removeStale(): void {
		const { form } = this.#reproductions;
		const directory = join(this.#report, REPRODUCERS);
		for (const name of namesIn(directory)) {
			if (!name.endsWith(form.extension) || this.#written.has(name)) continue;
			const file = join(directory, name);
			const kept = readIfRight(form, file);
			if (kept === undefined || this.#nameOf(findingId(kept)) !== name || !form.covers(kept)) continue;
			rmSync(file);
			rmSync(join(this.#report, RUNS, runRecordName(findingId(kept))), { force: true });
		}
	}

	#nameOf(id: string): string {
		return fileNameOf(id, this.#reproductions.form.extension);
	}
}

function namesIn(directory: string): string[] {
	try {
		return readdirSync(directory);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
		throw error;
	}
}

/** What cannot be read was not written by this version of Faultline, or by nobody. */
function readIfRight<S extends SubjectScenario>(form: Form<S>, file: string): KeptFailure<S> | undefined {
	try {
		return form.read(file);
	} catch (error) {
		if (error instanceof UsageError) return undefined;
		throw error;
	}
}
