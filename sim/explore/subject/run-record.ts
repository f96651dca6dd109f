/** From a judged run of a subject to what a report keeps of it, so that it can be drawn and gone through. */
import { findingId, type RunRecord, SCHEMA_VERSION } from "../../../reports/model.ts";
import { comparedIn } from "../../../suites/subject.ts";
import { recordedViolations, toldEvents } from "../keep/run-record.ts";
import { conditionsOfRun, type SubjectJudgement } from "./judge.ts";
import type { Subject } from "./subject.ts";
import { eventsToTell } from "./told.ts";

/** @param finding id of the finding that the run shows: `property/kind`. */
export function subjectRunRecordOf(subject: Subject, finding: string, judgement: SubjectJudgement): RunRecord {
	const { run, violations } = judgement;
	const { scenario, history } = run;
	const { name, against } = subject.target;
	const shown = violations.find(
		({ property: { id }, violation: { kind } }) => findingId({ property: id, kind }) === finding,
	);
	const program = subject.programs.find((one) => one.name === scenario.program);
	return {
		schemaVersion: SCHEMA_VERSION,
		finding,
		target: { name, against },
		program: {
			...{ name: scenario.program, summary: program?.summary ?? "" },
			...{ code: subject.code?.(scenario) ?? "", language: "outline", inputs: [] },
		},
		conditions: conditionsOfRun(subject, scenario, run.fired),
		digest: history.digest(),
		...toldEvents(eventsToTell(subject, history.events), scenario.faults, subject),
		violations: recordedViolations(violations, history.events.length),
		...(shown === undefined ? { compared: [] } : comparedOf(subject, run, shown)),
	};
}

/** What the property promises of this run beside what became of it. */
function comparedOf(
	{ expected = {} }: Subject,
	run: SubjectJudgement["run"],
	{ property, violation }: SubjectJudgement["violations"][number],
): Pick<RunRecord, "expectation" | "compared"> {
	const compared = comparedIn(expected, run, property, violation);
	return { expectation: `what ${property.id} promises`, compared };
}
