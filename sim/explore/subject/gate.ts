/**
 * Hunts mutants of actors, runners and servers: each is to be seen by the property that it names, in the way that it names, within
 * so many seeds; and the sound target must not break it in the very seed that shows the mutant.
 */
import { findingId, type MutantResult } from "../../../reports/model.ts";
import type { SubjectProperty, SubjectScenario } from "../../../suites/subject.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { Subject } from "./subject.ts";

/** One mutant, ready to be hunted. */
export interface SubjectHunt {
	readonly mutant: string;
	/** How it is wrong, in one line. */
	readonly summary: string;
	readonly property: string;
	readonly kind: string;
	/** What runs, as reports say it. */
	readonly program: string;
	/** Seeds, from 1, within which it must be seen. */
	readonly within: number;
	/** Makes the mutant, and the sound target beside it. */
	subject(planted: boolean): Subject;
	/** What a seed comes to. */
	scenario(subject: Subject, seed: number): SubjectScenario;
}

/** @param command that hunts it again. */
export async function huntSubject(hunt: SubjectHunt, command: string): Promise<MutantResult> {
	const { mutant, property, kind, program, within } = hunt;
	const planted = hunt.subject(true);
	const row = {
		mutant,
		property,
		kind,
		target: planted.target.name,
		program,
		unit: "seeds",
		limit: within,
		command,
	} as const;
	for (let seed = 1; seed <= within; seed++) {
		if (!(await inMacrotask(() => shows(hunt, planted, seed)))) continue;
		const sound = hunt.subject(false);
		if (!(await inMacrotask(() => shows(hunt, sound, seed)))) return { ...row, seeds: seed, verdict: "pass" };
		const message = `seed ${seed} shows ${findingId(hunt)} without the mutant, too`;
		return { ...row, seeds: seed, verdict: "invalid", message };
	}
	return { ...row, verdict: "fail", message: `lives: ${within} seeds do not show ${findingId(hunt)}` };
}

function shows({ property, kind, scenario }: SubjectHunt, subject: Subject, seed: number): boolean {
	const asked = propertyOf(subject, property);
	const run = subject.run(scenario(subject, seed));
	if (asked.skips?.(run) !== undefined) return false;
	return asked.check(run).some((violation) => violation.kind === kind);
}

function propertyOf(subject: Subject, id: string): SubjectProperty {
	const property = [...subject.suites.values()].flat().find((candidate) => candidate.id === id);
	if (property === undefined) throw new Error(`There is no property ${id} of ${subject.kind}s.`);
	return property;
}

/** What is missing: properties that name no mutant that is hunted, and names that are nobody's. */
export function gapsOf(hunts: readonly SubjectHunt[], properties: readonly SubjectProperty[]): string[] {
	return properties.flatMap(({ id, mutants }) => {
		const own = hunts.filter(({ property }) => property === id).map(({ mutant }) => mutant);
		const unknown = mutants.filter((name) => !own.includes(name));
		return [
			...(own.length === 0 ? [`${id} kills nothing`] : []),
			...unknown.map((name) => `${id} names ${name}, which nobody hunts with it`),
		];
	});
}
