/** Mutants of the reference engine: each leaves one of its rules out. Their names and reasons are those of the rules. */
import { REFERENCE, referenceEngine } from "../../../drivers/engine/reference/reference.ts";
import { DEVIATIONS, type Deviation } from "../../../drivers/engine/reference/rules.ts";
import { MUTANTS } from "../../../fixtures/mutants/index.ts";
import type { Mutant } from "../../../fixtures/mutants/mutant.ts";

/** `noAlarm` as `reference-no-alarm`. */
export function nameOf(deviation: string): string {
	return `${REFERENCE}-${deviation.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export const REFERENCE_MUTANTS: readonly Mutant[] = (Object.keys(DEVIATIONS) as Deviation[])
	.map(
		(deviation): Mutant => ({
			name: nameOf(deviation),
			summary: DEVIATIONS[deviation],
			of: REFERENCE,
			plant: (target) => ({ ...target, engine: referenceEngine({ [deviation]: true }) }),
		}),
	)
	.sort((a, b) => (a.name < b.name ? -1 : 1));

/** Every mutant there is, whatever it is made of. */
export const ALL_MUTANTS: readonly Mutant[] = [...MUTANTS, ...REFERENCE_MUTANTS];
