/**
 * What a run of an actor, or of a runner and its server, is to whoever judges it. Workflow engines have a richer form of their
 * own (`run.ts`, `property.ts`); what both have in common is the world that they ran in and how a violation is told.
 */
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
