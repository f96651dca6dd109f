/** A rule that no run may break. Properties are data; what runs them is elsewhere. */
import type { Program } from "../fixtures/programs/program.ts";
import type { FaultPlan } from "../sim/world/faults.ts";
import type { Run } from "./run.ts";

/** One way in which one run broke a property. */
export interface Violation {
	/** Short and stable; names how the property broke, so that two defects behind one property stay apart. */
	readonly kind: string;
	/** What happened, in a sentence, with names from the run. */
	readonly message: string;
	/** Place in the history of the event that shows it. */
	readonly event: number;
}

export interface Property {
	/** As in the list of properties, e.g. `replay.pure`. */
	readonly id: string;
	/** What must hold, in one sentence. */
	readonly claim: string;
	/** Where the rule comes from. */
	readonly source: string;
	/** Mutants that it must catch, by name. */
	readonly mutants: readonly string[];
	/** Why a program says nothing about it; undefined when it does. */
	skips?(program: Program): string | undefined;
	/** Whether it can be asked of storage that loses what it acknowledged; most promises end where that begins. */
	readonly survivesLostWrites?: boolean;
	/** @param reference the same program run without interruption in the same hosting mode. */
	check(run: Run, reference: Run): Violation[];
}

/** Why a run of the program under these faults says nothing about the property; undefined when it does. */
export function skipped(property: Property, program: Program, faults: FaultPlan): string | undefined {
	if (property.survivesLostWrites !== true && faults.some(({ kind }) => kind === "power-loss")) {
		return "storage lost what it had acknowledged";
	}
	return property.skips?.(program);
}

/** What several properties ask of one run, worked out once. */
export function oncePerRun<T>(work: (run: Run) => T): (run: Run) => T {
	const known = new WeakMap<Run, T>();
	return (run) => {
		let result = known.get(run);
		if (result === undefined) {
			result = work(run);
			known.set(run, result);
		}
		return result;
	};
}
