/**
 * Histories outlive the engine that wrote them. No single run can break this: it is judged from two runs that go on from one
 * durable state, one under the engine that wrote it and one under another. What both do wrong is no matter of versions.
 */

import { isDeepStrictEqual } from "node:util";
import { progress } from "./life.ts";
import { type Property, skipped, type Violation } from "./property.ts";
import { noDuplicate, noLoss } from "./queue.ts";
import { everyStateRecovers, sameOutcome } from "./replay.ts";
import type { Run } from "./run.ts";
import { backoff, boundedAttempts, committedOnce } from "./steps.ts";
import { deadlineFixed, neverEarly } from "./timers.ts";

/** What can be lost between versions: the way on, the outcome, what steps came to, messages, deadlines. */
const JUDGED: readonly Property[] = [
	...[everyStateRecovers, sameOutcome, progress],
	...[committedOnce, boundedAttempts, backoff],
	...[noLoss, noDuplicate, neverEarly, deadlineFixed],
];

export const versionUpgrade = {
	id: "version.upgrade",
	claim: "A history written by an older published engine, at every prefix, resumes on a newer one.",
	source: "docs: What are workflows? (survives restarts), Migrations",
	mutants: ["engine-moves-names", "engine-moves-metadata"],
	/**
	 * @param run went on under another engine from a state that an engine had left.
	 * @param reference went on from the same state under the engine that had left it.
	 * @param own the program under the engine of `run`, uninterrupted. Where the two engines are not of one mind about the end,
	 * one of them is wrong by itself, and all that can be asked of the other is that it goes on.
	 */
	check(run: Run, reference: Run, own = reference): Violation[] {
		const { version } = reference.target.engine;
		const agree = run.program.timingDependent !== undefined || isDeepStrictEqual(reference.outcome, own.outcome);
		const judged = agree ? JUDGED : [everyStateRecovers];
		const excused = new Set(brokenBy(reference, reference).map(causeOf));
		return brokenBy(run, reference, judged)
			.filter((violation) => violation.disputed === undefined && !excused.has(causeOf(violation)))
			.map((violation) => ({ ...violation, kind: `${violation.kind}-from-${version}` }));
	},
} satisfies Property;

/** What a run of one engine breaks of all that an upgrade must keep, by the kinds that its properties give. */
export function brokenBy(run: Run, reference: Run, judged = JUDGED): Violation[] {
	return judged.flatMap((property) =>
		skipped(property, run.program, run.scenario.faults) === undefined ? property.check(run, reference) : [],
	);
}

/** A kind without what it says of runs beside it or of versions: equal for one cause, wherever that shows. */
export function causeOf({ kind }: Pick<Violation, "kind">): string {
	return kind.replace(/-from-[^-]+$/, "").replace(/-uninterrupted$/, "");
}
