/** `pnpm sim expectations --actor NAME`: the known failures of an actor runtime or a runner, shown or brought up to date. */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, relative } from "node:path";
import { type Expectation, formatExpectations, UNEXPLAINED } from "../../../fixtures/expectations/expectations.ts";
import { findingId } from "../../../reports/model.ts";
import { plural } from "../../../reports/text.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { campaignIn } from "../../explore/campaign/campaign.ts";
import { shrinkSubject } from "../../explore/subject/shrink.ts";
import { completeness, entryText } from "../engine/expectations.ts";
import { progressOf, widthOf } from "../progress/terminal.ts";
import { SUBJECT_RUNS } from "./explore.ts";
import {
	judgedProperties,
	loadSubjectExpectations,
	prepareSubject,
	type SubjectOptions,
	subjectCommands,
	subjectExpectationsFile,
	subjectMeanings,
	targetOptions,
} from "./options.ts";

export interface SubjectExpectationsOptions extends SubjectOptions {
	readonly update?: boolean;
	readonly runs?: number;
	readonly from?: number;
	readonly workers?: number;
}

/** Runs that making one new entry smaller may take. */
const SHRINK_BUDGET = 1_500;

/** @returns the exit code: 1 as long as an entry is not explained. */
export async function subjectExpectations(options: SubjectExpectationsOptions): Promise<0 | 1> {
	const { subject, lab, spec, expectations: known } = await prepareSubject(options);
	const width = widthOf(process.stdout);
	if (options.update !== true) {
		const text = known.map((entry) => entryText(entry, [], width, targetOptions(options)));
		const title = `${subject.target.name}: ${plural(known.length, "known failure")}`;
		process.stdout.write(`${title}\n\n${text.join("\n\n")}\n`);
		return completeness(known, width);
	}
	const runs = options.runs ?? SUBJECT_RUNS;
	const progress = progressOf(runs, false);
	const result = await campaignIn(lab, {
		...{ from: options.from ?? 1, runs, expectations: known },
		workers: { count: options.workers ?? availableParallelism(), spec },
		properties: judgedProperties(subject),
		onProgress: (done, findings) => progress.update(done, `${findings} new`),
		...subjectCommands(options, subject),
	});
	if (result.problems.length > 0) throw new Error(`The list was left as it is: ${result.problems.join("; ")}`);
	const listed = new Map(known.map((entry) => [findingId(entry), entry]));
	const found = result.findings.filter(({ verdict }) => verdict !== "fixed").sort((a, b) => (a.id < b.id ? -1 : 1));
	const updated: Expectation<SubjectScenario>[] = [];
	for (const { id, property, kind, disputed } of found) {
		const entry = listed.get(id);
		const shown = result.scenarios.get(id);
		// A kept run that still shows the failure stays, so that the list changes only where the target did.
		const stays = entry !== undefined && !result.tally.fixed.includes(id);
		const scenario = stays ? entry.scenario : shown;
		if (scenario === undefined) throw new Error(`${id} was found without a scenario.`);
		const small = stays
			? scenario
			: (await shrinkSubject(lab, scenario, { property, kind }, { budget: SHRINK_BUDGET })).scenario;
		if (!stays) progress.announce(`${id}: ${plural(small.faults.length, "fault")}`);
		const why = disputed === undefined ? {} : { disputed };
		updated.push({ ...{ property, kind, reason: UNEXPLAINED }, ...why, ...entry, scenario: small });
	}
	progress.stop();
	const file = options.expectations ?? subjectExpectationsFile(subject);
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, formatExpectations(updated, subjectMeanings(subject.kind)));
	const fresh = updated.filter((entry) => !listed.has(findingId(entry))).length;
	process.stdout.write(`${relative(".", file)}: ${plural(updated.length, "known failure")}, ${fresh} found\n`);
	return completeness(loadSubjectExpectations(subject, options.expectations), width);
}
