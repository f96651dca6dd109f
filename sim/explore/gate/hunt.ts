/**
 * Hunts one mutant with one property: seed after seed, the same scenario on the target that works and on the one made wrong. The
 * mutant is killed by the first seed in which it breaks the property in the way that was named; that proves something only while
 * the target that works keeps the property in all seeds up to there.
 */
import { findingId } from "../../../reports/model.ts";
import { PROPERTIES } from "../../../suites/index.ts";
import type { Property } from "../../../suites/property.ts";
import { getOrInsert } from "../../world/collections.ts";
import { HarnessError } from "../../world/harness-error.ts";
import type { Drawn } from "../draw.ts";
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

/** Where mutants are hunted: the scenarios, and what the target that works breaks in them, worked out once a seed. */
export class Ground {
	readonly #whole: Explorer;
	readonly #explorerOf: (properties: readonly Property[]) => Explorer;
	readonly #known: ReadonlySet<string>;
	/** By seed: the run of the target that works, or `none` when nothing broke in it. */
	readonly #broken = new Map<number, Judgement | "none">();
	readonly #alone = new Map<Property, Explorer>();

	/**
	 * @param explorerOf an explorer of the target that works, with these properties.
	 * @param known ids of findings that the target is known to show.
	 */
	constructor(explorerOf: (properties: readonly Property[]) => Explorer, known: ReadonlySet<string>) {
		this.#explorerOf = explorerOf;
		this.#whole = explorerOf(PROPERTIES);
		this.#known = known;
	}

	/** The scenario of a seed. */
	draw(seed: number): Drawn {
		return this.#whole.draw(seed);
	}

	/** Why the seed proves nothing about a mutant: the target that works breaks the property with it, too. */
	flawOf(seed: number, property: Property, kind: string): string | undefined {
		const broken = this.#brokenBy(seed);
		if (broken === "none") return undefined;
		// What another property explains is not held against the target; but its kind kills nobody.
		const told = broken.violations.filter((shown) => shown.property === property);
		const alone = getOrInsert(this.#alone, property, () => this.#explorerOf([property])).judgeRun(broken.run);
		const id = (shown: string) => findingId({ property: property.id, kind: shown });
		const strange = kindsOf(told).find((shown) => !this.#known.has(id(shown)));
		const shown = kindsOf(alone.violations).includes(kind) ? kind : strange;
		return shown && `${this.#whole.target.engine.name} shows ${id(shown)} without it, with seed ${seed}`;
	}

	#brokenBy(seed: number): Judgement | "none" {
		return getOrInsert(this.#broken, seed, () => {
			const { scenario, program } = this.draw(seed);
			const judgement = this.#whole.judge(scenario, program);
			return judgement.violations.length === 0 ? "none" : judgement;
		});
	}
}

/**
 * Hunts through the seeds from 1, one between two steps; each step is to be taken in a macrotask.
 * @param wrong the explorer of the mutant, with the property that is to kill it.
 * @param limit how many seeds it may take.
 */
export function* hunt(ground: Ground, wrong: Explorer, kind: string, limit: number): Generator<void, Hunted> {
	const [property] = wrong.properties as readonly [Property];
	for (let seed = 1; seed <= limit; seed++) {
		try {
			const flaw = ground.flawOf(seed, property, kind);
			if (flaw !== undefined) return { tried: seed, flaw };
			const { scenario, program } = ground.draw(seed);
			if (kindsOf(wrong.judge(scenario, program).violations).includes(kind)) return { seeds: seed, tried: seed };
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			return { tried: seed, flaw: `seed ${seed}: ${error.message}` };
		}
		yield;
	}
	return { tried: limit };
}

/** Kinds of violations; what is a matter of reading kills nobody. */
function kindsOf(violations: Judgement["violations"]): string[] {
	return violations.filter(({ violation }) => violation.disputed === undefined).map(({ violation }) => violation.kind);
}
