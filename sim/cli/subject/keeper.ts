/** The reproducers of a subject's findings beside a report, a file each. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { findingId, type RunRecord } from "../../../reports/model.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { CampaignResult } from "../../explore/campaign/result.ts";
import {
	REPRODUCERS,
	RUNS,
	replaceFile,
	runRecordName,
	SUBJECT_REPRODUCER_EXTENSION,
	subjectReproducerName,
} from "../../explore/keep/reproducer-file.ts";
import type { KeptFiles } from "../../explore/keep/reproductions.ts";
import { judgeScenario } from "../../explore/subject/judge.ts";
import type { SubjectLab } from "../../explore/subject/lab.ts";
import { readSubjectReproducer, writeSubjectReproducer } from "../../explore/subject/reproducer.ts";
import { subjectRunRecordOf } from "../../explore/subject/run-record.ts";
import type { SubjectSpec } from "../../explore/subject/spec.ts";
import type { Subject } from "../../explore/subject/subject.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { Keeps } from "../progress/carry-out.ts";
import { VERSION } from "../version.ts";
import type { PreparedSubject } from "./options.ts";

export class SubjectKeeper implements Keeps<SubjectScenario> {
	readonly failed = false;
	readonly #spec: SubjectSpec;
	readonly #subject: Subject;
	readonly #lab: SubjectLab;
	readonly #report: string;
	readonly #written = new Map<string, string>();

	/** @param report the report's directory. */
	constructor({ spec, subject, lab }: PreparedSubject, report: string) {
		this.#spec = spec;
		this.#lab = lab;
		this.#subject = subject;
		this.#report = report;
	}

	async keep(result: CampaignResult<SubjectScenario>) {
		const { subject, target, against } = this.#spec;
		const files = new Map<string, KeptFiles>();
		for (const { id, property, kind, example } of result.findings) {
			const scenario = result.scenarios.get(id);
			if (scenario === undefined || example === undefined) continue;
			const name = subjectReproducerName(id);
			const { digest, message } = example;
			const run = `${RUNS}/${runRecordName(id)}`;
			if (this.#written.get(name) !== digest) {
				writeSubjectReproducer(join(this.#report, REPRODUCERS, name), {
					tool: VERSION,
					target: { subject, target, ...(against === undefined ? {} : { against }) },
					finding: { property, kind, message },
					...{ scenario, digest },
				});
				replaceFile(join(this.#report, run), JSON.stringify(await this.#recordOf(id, scenario)));
				this.#written.set(name, digest);
			}
			files.set(id, { reproducer: `${REPRODUCERS}/${name}`, run });
		}
		return { result, files };
	}

	/** What there is to draw of the run, which is made once more. */
	async #recordOf(id: string, scenario: SubjectScenario): Promise<RunRecord> {
		const judgement = await inMacrotask(() => judgeScenario(this.#subject, this.#lab.properties, scenario));
		return subjectRunRecordOf(this.#subject, id, judgement);
	}

	/** Removes what an earlier campaign left for findings that this one looked for and did not see; everything else stays. */
	removeStale(): void {
		const directory = join(this.#report, REPRODUCERS);
		for (const name of existsSync(directory) ? readdirSync(directory) : []) {
			if (!name.endsWith(SUBJECT_REPRODUCER_EXTENSION) || this.#written.has(name)) continue;
			const file = join(directory, name);
			const id = this.#lookedFor(file);
			if (id === undefined || subjectReproducerName(id) !== name) continue;
			rmSync(file);
			rmSync(join(this.#report, RUNS, runRecordName(id)), { force: true });
		}
	}

	/** Id of the finding in a file, where this campaign looked for it: of this target, and of programs and properties that were chosen. */
	#lookedFor(file: string): string | undefined {
		try {
			const { target, finding, scenario } = readSubjectReproducer(file);
			const { subject, target: name, against } = this.#spec;
			const { programs, properties } = this.#lab;
			const isOfTarget = target.subject === subject && target.target === name && target.against === against;
			const isChosen = programs.includes(scenario.program) && properties.some(({ id }) => id === finding.property);
			return isOfTarget && isChosen ? findingId(finding) : undefined;
		} catch (error) {
			// What cannot be read was not written by this version of Faultline, or by nobody.
			if (error instanceof UsageError) return undefined;
			throw error;
		}
	}
}
