/** Makes one run of a subject and has its properties judge it. */
import type { Violation } from "../../../suites/property.ts";
import type { SubjectProperty, SubjectRun, SubjectScenario } from "../../../suites/subject.ts";
import { describeFault } from "../../world/faults.ts";
import type { Subject } from "./subject.ts";

export interface SubjectJudgement {
	readonly run: SubjectRun;
	readonly violations: readonly { readonly property: SubjectProperty; readonly violation: Violation }[];
	/** Places in the plan of faults that did not strike: with any, the run is no evidence. */
	readonly unfired: readonly number[];
	/** Why a property was not asked, by its id. */
	readonly skipped: ReadonlyMap<string, string>;
}

/** Called in a macrotask. @throws HarnessError when the run left its world. */
export function judgeScenario(
	subject: Subject,
	properties: readonly SubjectProperty[],
	scenario: SubjectScenario,
): SubjectJudgement {
	const run = subject.run(scenario);
	const violations: SubjectJudgement["violations"][number][] = [];
	const skipped = new Map<string, string>();
	// What is left over is judged last: it is silent where something else was found.
	const ordered = [...properties].sort((a, b) => Number(a.residual === true) - Number(b.residual === true));
	for (const property of ordered) {
		if (property.residual === true && violations.length > 0) break;
		const reason = property.skips?.(run);
		if (reason !== undefined) skipped.set(property.id, reason);
		else for (const violation of property.check(run)) violations.push({ property, violation });
	}
	const unfired = scenario.faults.map((_, place) => place).filter((place) => !run.fired.has(place));
	return { run, violations: violations.filter((shown) => !followsFrom(shown, violations)), unfired, skipped };
}

type Shown = SubjectJudgement["violations"][number];

/** Whether a violation that most often follows from others has one of another property before it. */
function followsFrom({ property, violation }: Shown, all: readonly Shown[]): boolean {
	if (violation.residual !== true) return false;
	return all.some(
		(other) =>
			other.property !== property && other.violation.residual !== true && other.violation.event <= violation.event,
	);
}

/** How a scenario was run and what was done to it, a line each. */
export function conditionsOfRun(subject: Subject, scenario: SubjectScenario, fired: ReadonlySet<number>): string[] {
	const struck = scenario.faults.filter((_, place) => fired.has(place)).map(describeFault);
	return [...subject.conditions(scenario), ...struck];
}

/** The properties that a spec names, all when it names none. */
export function propertiesOf(subject: Subject, ids: readonly string[] | undefined): readonly SubjectProperty[] {
	const all = [...new Set([...subject.suites.values()].flat())];
	return ids === undefined ? all : all.filter(({ id }) => ids.includes(id));
}
