/**
 * From what a campaign found to reproducers: the simplest run of a finding is made once more, and its history recorded. It may
 * have been made in another thread or on another machine, so that this also shows that it is the same here, to the byte.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { type Example, type Finding, findingId } from "../../../reports/model.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { CampaignResult } from "../campaign/result.ts";
import { type Explorer, idOf } from "../explorer.ts";
import { encodeReproducer, type Reproducer, readReproducer, reproducerOf, withInputs } from "./reproducer.ts";
import {
	REPRODUCER_EXTENSION,
	REPRODUCERS,
	RUNS,
	replaceFile,
	reproducerName,
	runRecordName,
} from "./reproducer-file.ts";
import { runRecordOf } from "./run-record.ts";

/** A finding, with the simplest run that showed it. */
export interface Found {
	readonly finding: Finding;
	readonly scenario: Scenario;
}

/** What is made of the simplest run of a finding. */
export interface Made {
	readonly reproducer: Reproducer;
	/** The run as a report keeps it (`RunRecord`), in JSON. */
	readonly record: string;
}

export class Reproductions {
	/** Findings that were not shown again in the same way, which only a leak can cause: with any, no result counts. */
	readonly problems = new Set<string>();
	readonly #explorer: Explorer;
	readonly #made = new Map<string, { readonly scenario: Scenario; readonly made: Made | undefined }>();

	constructor(explorer: Explorer) {
		this.#explorer = explorer;
	}

	/** The findings of a result that a run shows; those that are fixed have none. */
	examplesOf({ findings, scenarios }: Pick<CampaignResult, "findings" | "scenarios">): Found[] {
		return findings.flatMap((finding) => {
			const scenario = scenarios.get(finding.id);
			return scenario === undefined ? [] : [{ finding, scenario }];
		});
	}

	/** The scenario as its reproducer has it. */
	recorded(scenario: Scenario): Scenario {
		const program = this.#explorer.programOf(scenario);
		return program === undefined ? scenario : withInputs(scenario, program);
	}

	/** Whether this explorer would show a failure of that property by that scenario, if there is one. */
	covers(property: string, scenario: Scenario): boolean {
		return (
			this.#explorer.properties.some(({ id }) => id === property) && this.#explorer.programOf(scenario) !== undefined
		);
	}

	/** The reproducer of a finding, made when its run is another than the last time; undefined adds to `problems`. */
	async of(found: Found): Promise<Reproducer | undefined> {
		return (await this.madeOf(found))?.reproducer;
	}

	/** The same with what a report keeps of the run. */
	async madeOf({ finding, scenario }: Found): Promise<Made | undefined> {
		const last = this.#made.get(finding.id);
		if (last !== undefined && isDeepStrictEqual(last.scenario, scenario)) return last.made;
		const made = await this.#make({ finding, scenario });
		this.#made.set(finding.id, { scenario, made });
		return made;
	}

	async #make({ finding: { id, example }, scenario }: Found): Promise<Made | undefined> {
		const program = this.#explorer.programOf(scenario);
		if (program === undefined) {
			this.problems.add(`${id} was found with program ${scenario.program}, which is not there to make it again`);
			return undefined;
		}
		try {
			const judgement = await inMacrotask(() => this.#explorer.judge(scenario, program));
			const shown = judgement.violations.find((candidate) => idOf(candidate) === id);
			const reproducer = shown === undefined ? undefined : reproducerOf(judgement.run, shown);
			if (reproducer !== undefined && reproducer.digest === example?.digest) {
				const record = await inMacrotask(() => runRecordOf(this.#explorer, id, judgement));
				return { reproducer, record: JSON.stringify(record) };
			}
			const what = reproducer === undefined ? "shows it no more" : "has another history";
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
export class ReportedReproducers {
	readonly #report: string;
	readonly #reproductions: Reproductions;
	readonly #written = new Map<string, Reproducer>();

	/** @param report the report's directory. */
	constructor(report: string, reproductions: Reproductions) {
		this.#report = report;
		this.#reproductions = reproductions;
	}

	/** Brings the files up to date and returns them by finding id, as paths from the report's directory. */
	async write(result: Pick<CampaignResult, "findings" | "scenarios">): Promise<ReadonlyMap<string, KeptFiles>> {
		const files = new Map<string, KeptFiles>();
		for (const found of this.#reproductions.examplesOf(result)) {
			const { id } = found.finding;
			const made = await this.#reproductions.madeOf(found);
			if (made === undefined) continue;
			const name = reproducerName(id);
			const kept = { reproducer: `${REPRODUCERS}/${name}`, run: `${RUNS}/${runRecordName(id)}` };
			if (this.#written.get(name) !== made.reproducer) {
				replaceFile(join(this.#report, kept.reproducer), encodeReproducer(made.reproducer));
				replaceFile(join(this.#report, kept.run), made.record);
				this.#written.set(name, made.reproducer);
			}
			files.set(id, kept);
		}
		return files;
	}

	/**
	 * Removes what an earlier campaign left for findings that this one looked for and did not find. Everything else stays: what has
	 * another name than campaigns give, and what is about programs or properties that were not chosen.
	 */
	removeStale(): void {
		const directory = join(this.#report, REPRODUCERS);
		for (const name of namesIn(directory)) {
			if (!name.endsWith(REPRODUCER_EXTENSION) || this.#written.has(name)) continue;
			const file = join(directory, name);
			const reproducer = readIfRight(file);
			if (reproducer === undefined || reproducerName(findingId(reproducer.finding)) !== name) continue;
			if (!this.#reproductions.covers(reproducer.finding.property, reproducer.scenario)) continue;
			rmSync(file);
			rmSync(join(this.#report, RUNS, runRecordName(findingId(reproducer.finding))), { force: true });
		}
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
function readIfRight(file: string): Reproducer | undefined {
	try {
		return readReproducer(file);
	} catch (error) {
		if (error instanceof UsageError) return undefined;
		throw error;
	}
}
