/** Mutants of actors made of their rows: the target, the sound one beside it, and what is hunted. */
import type { ActorTarget } from "../../../drivers/actor/contract.ts";
import { referenceActor } from "../../../drivers/actor/reference/reference.ts";
import { actorProgram } from "../../../fixtures/actors/index.ts";
import { ACTOR_MUTANTS, type ActorMutant } from "../../../fixtures/mutants/actors/index.ts";
import type { SubjectHunt } from "../subject/gate.ts";
import type { Subject } from "../subject/subject.ts";
import { actorSubject } from "./subject.ts";

/** Seeds within which a mutant must be seen. */
const MAX_SEEDS = 400;

/** The reference without the rules of the row, or with what it plants. */
export function mutantTarget({ actor = [], engine = [], plant }: ActorMutant): ActorTarget {
	const on = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, true]));
	const target = referenceActor(on(actor), on(engine));
	return plant?.(target) ?? target;
}

export const ACTOR_HUNTS: readonly SubjectHunt[] = ACTOR_MUTANTS.map((mutant) => ({
	mutant: mutant.name,
	summary: mutant.what,
	...{ property: mutant.property, kind: mutant.kind, program: mutant.program },
	within: MAX_SEEDS,
	subject: (planted) =>
		actorSubject({
			target: planted ? mutantTarget(mutant) : referenceActor(),
			programs: [actorProgram(mutant.program)],
		}) as Subject,
	scenario: (subject, seed) => subject.draw(seed),
}));
