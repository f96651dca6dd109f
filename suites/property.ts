/** A rule that no run may break. Properties are data; what runs them is elsewhere. */
import type { Feature } from "../drivers/engine/contract.ts";
import type { HostEvents } from "../drivers/engine/host.ts";
import type { Program } from "../fixtures/programs/program.ts";
import type { FaultKind, FaultPlan } from "../sim/world/faults.ts";
import type { WorldEvents } from "../sim/world/history.ts";
import { ofLast } from "./of-last.ts";
import type { Run } from "./run.ts";

/** One way in which one run broke a property. */
export interface Violation {
	/** Short and stable; names how the property broke, so that two defects behind one property stay apart. */
	readonly kind: string;
	/** What happened, in a sentence, with names from the run. */
	readonly message: string;
	/** Place in the history of the event that shows it. */
	readonly event: number;
	/** Why the promise is a matter of reading; absent when it is not. */
	readonly disputed?: string;
	/** Whether it is likely to follow from what another property found up to there: then only that is told. */
	readonly residual?: boolean;
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
	/** What an engine must have for it to be about anything. */
	readonly needs?: readonly Feature[];
	/** Why a program says nothing about it; undefined when it does. */
	skips?(program: Program): string | undefined;
	/** Whether it speaks only where no other property found anything up to the end: it tells of outcomes that have no cause yet. */
	readonly residual?: boolean;
	/** Whether it can be asked of storage that loses what it acknowledged; most promises end where that begins. */
	readonly survivesLostWrites?: boolean;
	/**
	 * Whether it knows what recoveries and replays do to a workflow. The others judge a run up to the moment in which an operator
	 * sent the workflow back, or changed something about one that was finished.
	 */
	readonly followsOperators?: boolean;
	/** Kinds of fault that end most promises and under which it is asked all the same. */
	readonly under?: ReadonlySet<FaultKind>;
	/** Whether it can be asked of a run whose code changes; most compare with what the code was at first. */
	readonly judgesChanges?: boolean;
	/** @param reference the same program run without interruption in the same hosting mode. */
	check(run: Run, reference: Run): Violation[];
}

/** Why a run of the program under these faults says nothing about the property; undefined when it does. */
export function skipped(property: Property, program: Program, faults: FaultPlan): string | undefined {
	if (property.survivesLostWrites !== true && faults.some(({ kind }) => kind === "power-loss")) {
		return "storage lost what it had acknowledged";
	}
	for (const { kind } of faults) {
		const reason = BEYOND[kind];
		if (reason !== undefined && property.under?.has(kind) !== true) return reason;
	}
	if (property.judgesChanges !== true && program.change !== undefined) return "the code changes while it runs";
	return property.skips?.(program);
}

/** Faults after which only the properties about them are asked, which know what follows from a fault and what does not. */
const BEYOND: Readonly<Partial<Record<FaultKind, string>>> = {
	torn: "a batch was torn, which durable.torn-batch judges",
	corrupt: "a stored value was damaged, which durable.corruption judges",
};

/** Works something out once for each run of an engine. */
export function oncePerRun<T>(work: (run: Run) => T): (run: Run) => T {
	return ofLast(work);
}

/** Place in the history of the first look at the finished workflow, or behind the last event: what comes later changes no outcome. */
export function endOf({ history: { events } }: Run): number {
	const look = events.findIndex(
		({ kind, data }) => kind === "run.start" && (data as HostEvents["run.start"]).visit === "revisit",
	);
	return look < 0 ? events.length : look;
}

/**
 * Place in the history from which the disk says that the workflow is being undone, or behind the last event. A process that
 * starts later runs the code through what is on record, finished loops and branches included, to find what undoes it: bodies
 * must not run again, code may.
 */
export const undoingFrom = oncePerRun((run: Run): number => {
	const { engine, storage } = run.target;
	const { events } = run.history;
	const place = events.findIndex(
		({ kind, data }) =>
			kind === "durable" &&
			(data as WorldEvents["durable"]).mutations.some(
				({ table, key, value }) =>
					value !== null &&
					storage.describeKey(table, key, engine.describeKey) === "workflow state" &&
					Buffer.from(value).toString("latin1").includes("rolling_back"),
			),
	);
	return place < 0 ? events.length : place;
});
