/** How the runs of actors and runners are kept: as JSON that holds the scenario and the digest of the history (`reproducer.ts`). */
import { usualServer } from "../../../drivers/runner/load.ts";
import { findingId } from "../../../reports/model.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { KeptFailure } from "../campaign/lab.ts";
import type { Form, Made } from "../keep/form.ts";
import { SUBJECT_REPRODUCER_EXTENSION } from "../keep/reproducer-file.ts";
import { VERSION } from "../version.ts";
import { judgeScenario } from "./judge.ts";
import type { SubjectLab } from "./lab.ts";
import { formatSubjectReproducer, readSubjectReproducer, type SubjectReproducer } from "./reproducer.ts";
import { subjectRunRecordOf } from "./run-record.ts";
import type { SubjectSpec } from "./spec.ts";

export class SubjectForm implements Form {
	readonly extension = SUBJECT_REPRODUCER_EXTENSION;
	readonly #spec: SubjectSpec;
	readonly #lab: SubjectLab;

	/** @param spec that the lab was made from. */
	constructor(spec: SubjectSpec, lab: SubjectLab) {
		this.#spec = spec;
		this.#lab = lab;
	}

	read(file: string): KeptFailure {
		return keptOf(readSubjectReproducer(file));
	}

	recorded(scenario: SubjectScenario): SubjectScenario {
		return JSON.parse(JSON.stringify(scenario)) as SubjectScenario;
	}

	covers({ target, property, scenario }: KeptFailure): boolean {
		const { programs, properties } = this.#lab;
		const isChosen = programs.includes(scenario.program) && properties.some(({ id }) => id === property);
		return isChosen && target === nameOf(this.#spec);
	}

	async make(id: string, scenario: SubjectScenario): Promise<Made<SubjectScenario> | undefined> {
		const { subject, properties } = this.#lab;
		const judgement = await inMacrotask(() => judgeScenario(subject, properties, scenario));
		const shown = judgement.violations.find(
			({ property, violation: { kind } }) => findingId({ property: property.id, kind }) === id,
		);
		if (shown === undefined) return undefined;
		const { kind, message } = shown.violation;
		const { subject: ofKind, target, against } = this.#spec;
		const reproducer: SubjectReproducer = {
			tool: VERSION,
			target: { subject: ofKind, target, ...(against === undefined ? {} : { against }) },
			finding: { property: shown.property.id, kind, message },
			...{ scenario, digest: judgement.run.history.digest() },
		};
		return {
			digest: reproducer.digest,
			kept: keptOf({ ...reproducer, scenario: this.recorded(scenario) }),
			content: formatSubjectReproducer(reproducer),
			record: JSON.stringify(await inMacrotask(() => subjectRunRecordOf(subject, id, judgement))),
		};
	}
}

function keptOf({ target, finding: { property, kind }, scenario }: SubjectReproducer): KeptFailure {
	return { target: nameOf(target), property, kind, scenario };
}

/** `rivetkit-2.2.1`, `2.2.1 on pegboard`. */
export function nameOf({ subject, target, against }: SubjectReproducer["target"]): string {
	return subject === "actor" ? target : `${target} on ${against ?? usualServer(target)}`;
}
