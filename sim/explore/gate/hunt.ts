/**
 * Hunts one mutant with one property: seed after seed, the same scenario on the target that works and on the one made wrong. The
 * mutant is killed by the first seed in which it breaks the property in the way that was named; that proves something only while
 * the target that works keeps the property in all seeds up to there.
 */
import { findingId } from "../../../reports/model.ts";
import { getOrInsert } from "../../world/collections.ts";
import { HarnessError } from "../../world/harness-error.ts";
import type { Explorer, Judgement } from "../explorer.ts";

/** What became of a hunt. */
export interface Hunted {
	/** Seeds tried until the mutant was killed, that one included; for comparisons, states or operations. Absent when it lives. */
	readonly seeds?: number;
	/** Seeds tried in all. */
	readonly tried: number;
	/** Why the hunt proves nothing, whatever the mutant did. */
	readonly flaw?: string;
}

/** Where a mutant is hunted: the scenarios, and what the target that works breaks in them, worked out once a seed. */
export class Ground {
	readonly explorer: Explorer;
	readonly #whole: Explorer;
	readonly #known: ReadonlySet<string>;
	readonly #flaws = new Map<number, { readonly alone: ReadonlySet<string>; readonly strange: string | undefined }>();

	/**
	 * @param explorer of the target that works, with the one property.
	 * @param whole the same with every property: what another one explains is not held against the target.
	 * @param known ids of findings that the target is known to show.
	 */
	constructor(explorer: Explorer, whole: Explorer, known: ReadonlySet<string>) {
		this.explorer = explorer;
		this.#whole = whole;
		this.#known = known;
	}

	/** Why the seed proves nothing about a mutant: the target that works breaks the property with it, too. */
	flawOf(seed: number, kind: string): string | undefined {
		const { alone, strange } = getOrInsert(this.#flaws, seed, () => this.#judge(seed));
		const shown = alone.has(kind) ? kind : strange;
		if (shown === undefined) return undefined;
		return `${this.explorer.target.engine.name} shows ${this.#idOf(shown)} without it, with seed ${seed}`;
	}

	#judge(seed: number) {
		const { run, violations } = judge(this.explorer, this.explorer, seed);
		const told = this.#whole
			.judgeRun(run)
			.violations.filter(({ property }) => property === this.explorer.properties[0]);
		const strange = kindsOf(told).find((kind) => !this.#known.has(this.#idOf(kind)));
		return { alone: new Set(kindsOf(violations)), strange };
	}

	#idOf(kind: string): string {
		const [property] = this.explorer.properties;
		return findingId({ property: property?.id ?? "", kind });
	}
}

/**
 * Hunts through the seeds from 1, one between two steps; each step is to be taken in a macrotask.
 * @param wrong the explorer of the mutant, with the programs, faults and property of the ground.
 * @param limit how many seeds it may take.
 */
export function* hunt(ground: Ground, wrong: Explorer, kind: string, limit: number): Generator<void, Hunted> {
	for (let seed = 1; seed <= limit; seed++) {
		try {
			const flaw = ground.flawOf(seed, kind);
			if (flaw !== undefined) return { tried: seed, flaw };
			if (kindsOf(judge(ground.explorer, wrong, seed).violations).includes(kind)) return { seeds: seed, tried: seed };
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			return { tried: seed, flaw: `seed ${seed}: ${error.message}` };
		}
		yield;
	}
	return { tried: limit };
}

/** What a target makes of the scenario of a seed. */
function judge(drawing: Explorer, judging: Explorer, seed: number): Judgement {
	const { scenario, program } = drawing.draw(seed);
	return judging.judge(scenario, program);
}

/** Kinds of violations; what is a matter of reading kills nobody. */
function kindsOf(violations: Judgement["violations"]): string[] {
	return violations.filter(({ violation }) => violation.disputed === undefined).map(({ violation }) => violation.kind);
}
