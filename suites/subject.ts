/**
 * What a run of an actor, or of a runner and its server, is to whoever judges it. Workflow engines have a richer form of their
 * own (`run.ts`, `property.ts`); what both have in common is the world that they ran in and how a violation is told.
 */
import type { ComparedRow } from "../reports/model.ts";
import type { FaultPlan } from "../sim/world/faults.ts";
import type { History } from "../sim/world/history.ts";
import type { Violation } from "./property.ts";

/** Plain data, from which the run follows to the byte. */
export interface SubjectScenario {
	/** Seeds every choice of the world: ties, latencies, ids, fates. */
	readonly seed: string;
	/** Name of what runs: an actor's definition, a script of commands. */
	readonly program: string;
	readonly faults: FaultPlan;
}

export interface SubjectRun<S extends SubjectScenario = SubjectScenario> {
	readonly scenario: S;
	readonly history: History;
	/** Places in the plan of the faults that struck. */
	readonly fired: ReadonlySet<number>;
	/** Virtual milliseconds that it took. */
	readonly endMs: number;
	/** Events of the loop, and durable effects. */
	readonly events: number;
	readonly writes: number;
}

/** A rule that no such run may break. */
export interface SubjectProperty<R extends SubjectRun = SubjectRun> {
	/** As in the list of properties, e.g. `state.rollback`. */
	readonly id: string;
	/** What must hold, in one sentence. */
	readonly claim: string;
	/** Where the rule comes from. */
	readonly source: string;
	/** Mutants that it must catch, by name. */
	readonly mutants: readonly string[];
	/** Why a run says nothing about it; undefined when it does. */
	skips?(run: R): string | undefined;
	/** Whether it speaks only where no other property found anything: it tells of outcomes that have no cause yet. */
	readonly residual?: boolean;
	check(run: R): readonly Violation[];
}

/** What a run was to show in place of a finding, by its id (`property/kind`): in words for every run, or worked out from one. */
export type Expected<R extends SubjectRun> = Readonly<
	Record<string, string | ((run: R, violation: Violation) => readonly ComparedRow[])>
>;

/** What should have been beside what was; what the property promises where nothing nearer is known. */
export function comparedIn<R extends SubjectRun>(
	expected: Expected<R>,
	run: R,
	{ id, claim }: Pick<SubjectProperty<R>, "id" | "claim">,
	violation: Violation,
): readonly ComparedRow[] {
	const own = expected[`${id}/${violation.kind}`];
	const rows = typeof own === "function" ? own(run, violation) : [];
	if (rows.length > 0) return rows;
	const words = typeof own === "string" ? own : claim;
	return [rowOf(violation, words)];
}

/** Words for what should have been, beside what happened. */
export function rowOf({ kind, message }: Pick<Violation, "kind" | "message">, expected: string): ComparedRow {
	return { what: kind.replaceAll("-", " "), expected, observed: message };
}
