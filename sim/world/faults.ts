/**
 * Which faults are legal where, and how a plan names the place.
 *
 * A plan is data. Each fault has a coordinate in the run, never a wall-clock time:
 *   crash at write n, before   the process dies, and the nth durable effect of the run does not happen
 *   crash at write n, after    the nth durable effect happens, and the process dies before it learns so
 *   crash at event n           the process dies between two events, before the nth event of the run
 *   evict at event n           the host is asked to stop the process gracefully, before the nth event
 *   slow at operation n        the nth I/O operation of the run takes `ms` longer
 *
 * All of these are legal in every state: a correct engine on a correct disk survives each, any number of times,
 * also while it recovers from another. Durable effects are numbered through the whole run, across lives, so a later
 * crash in a plan may strike during the recovery from an earlier one.
 *
 * On a crash, operations in flight were asked for and not yet answered. Each may or may not have reached the
 * disk; `inFlight` says whether they are all lost or drawn one by one.
 *
 * A fault that fired leaves a `fault` event in the history. A fault that left none did not fire, and the run is no
 * evidence about it.
 */

import { append } from "./collections.ts";

export type Fault =
	/** `late` names the operations in flight, by place, that still take effect; absent means as the scenario says. */
	| {
			readonly kind: "crash";
			readonly write: number;
			readonly side: "before" | "after";
			readonly late?: readonly number[];
	  }
	| { readonly kind: "crash"; readonly event: number; readonly late?: readonly number[] }
	| { readonly kind: "evict"; readonly event: number }
	| { readonly kind: "slow"; readonly operation: number; readonly ms: number }
	/** Of the nth durable write only these mutations, by place, reach the disk, and the process dies. */
	| { readonly kind: "torn"; readonly write: number; readonly kept: readonly number[] }
	/** The nth operation is answered with an error and does not take place. */
	| { readonly kind: "refused"; readonly operation: number }
	/** The nth operation takes place and is answered with an error. */
	| { readonly kind: "lost-ack"; readonly operation: number }
	/** After the nth durable effect everything dies, and the disk forgets its last `lost` writes. */
	| { readonly kind: "power-loss"; readonly write: number; readonly lost: number };

export type FaultKind = Fault["kind"];
/** Faults that strike at a durable effect. */
export type WriteFault = Extract<Fault, { readonly write: number }>;

/** What an operation is answered with when it was refused, or when its answer was lost. */
export class OperationError extends Error {
	override readonly name = "OperationError";
}

export type FaultPlan = readonly Fault[];

/** How long operations take. All in virtual milliseconds; draws are uniform over both ends. */
export interface Latency {
	readonly minMs: number;
	readonly maxMs: number;
	/** From taking effect to the answer; 0 means both at one instant. */
	readonly answerMaxMs: number;
}

export const NO_LATENCY: Latency = { minMs: 0, maxMs: 0, answerMaxMs: 0 };

/** One line that names a planned fault and its coordinate. */
export function describeFault(fault: Fault): string {
	switch (fault.kind) {
		case "crash": {
			const where = "write" in fault ? `${fault.side} durable write ${fault.write}` : `before event ${fault.event}`;
			return `crash ${where}${fault.late === undefined ? "" : ` with late ${places(fault.late)}`}`;
		}
		case "evict":
			return `evict before event ${fault.event}`;
		case "slow":
			return `operation ${fault.operation} slow by ${fault.ms} ms`;
		case "torn":
			return `tear durable write ${fault.write} keeping ${places(fault.kept)}`;
		case "refused":
			return `refuse operation ${fault.operation}`;
		case "lost-ack":
			return `lose the answer of operation ${fault.operation}`;
		case "power-loss":
			return `power loss after durable write ${fault.write} losing ${fault.lost}`;
	}
}

/** The inverse of `describeFault`; undefined for a text that describes none. */
export function parseFault(text: string): Fault | undefined {
	for (const [pattern, fault] of GRAMMAR) {
		const match = pattern.exec(text.trim());
		if (match !== null) return fault(match.slice(1));
	}
	return undefined;
}

const NUMBER = "([1-9]\\d*)";
const PLACES = "(none|\\d+(?:,\\d+)*)";
const LATE = `(?: with late ${PLACES})?`;

const GRAMMAR: readonly (readonly [RegExp, (parts: readonly (string | undefined)[]) => Fault])[] = [
	[
		new RegExp(`^crash (before|after) durable write ${NUMBER}${LATE}$`),
		([side, write, late]) => ({
			kind: "crash",
			write: Number(write),
			side: side as "before" | "after",
			...(late === undefined ? {} : { late: listOf(late) }),
		}),
	],
	[
		new RegExp(`^crash before event ${NUMBER}${LATE}$`),
		([event, late]) => ({
			kind: "crash",
			event: Number(event),
			...(late === undefined ? {} : { late: listOf(late) }),
		}),
	],
	[new RegExp(`^evict before event ${NUMBER}$`), ([event]) => ({ kind: "evict", event: Number(event) })],
	[
		new RegExp(`^operation ${NUMBER} slow by (\\d+) ms$`),
		([operation, ms]) => ({ kind: "slow", operation: Number(operation), ms: Number(ms) }),
	],
	[
		new RegExp(`^tear durable write ${NUMBER} keeping ${PLACES}$`),
		([write, kept]) => ({ kind: "torn", write: Number(write), kept: listOf(kept) }),
	],
	[new RegExp(`^refuse operation ${NUMBER}$`), ([operation]) => ({ kind: "refused", operation: Number(operation) })],
	[
		new RegExp(`^lose the answer of operation ${NUMBER}$`),
		([operation]) => ({ kind: "lost-ack", operation: Number(operation) }),
	],
	[
		new RegExp(`^power loss after durable write ${NUMBER} losing ${NUMBER}$`),
		([write, lost]) => ({ kind: "power-loss", write: Number(write), lost: Number(lost) }),
	],
];

function listOf(text: string | undefined): number[] {
	return text === undefined || text === "none" ? [] : text.split(",").map(Number);
}

function places(list: readonly number[]): string {
	return list.length === 0 ? "none" : list.join(",");
}

/** A plan looked up by coordinate. Several faults may share one coordinate; they strike in the order of the plan. */
export class PlannedFaults {
	readonly plan: FaultPlan;
	/** The most writes that a loss of power takes with it. */
	readonly mostLost: number;
	readonly #byWrite = new Map<number, number[]>();
	readonly #byEvent = new Map<number, number[]>();
	readonly #byOperation = new Map<number, number[]>();

	constructor(plan: FaultPlan) {
		this.plan = plan;
		this.mostLost = Math.max(0, ...plan.map((fault) => (fault.kind === "power-loss" ? fault.lost : 0)));
		plan.forEach((fault, index) => {
			if ("write" in fault) append(this.#byWrite, fault.write, index);
			else if ("event" in fault) append(this.#byEvent, fault.event, index);
			else append(this.#byOperation, fault.operation, index);
		});
	}

	/** Places in the plan of the faults at that coordinate; undefined when there are none, which is nearly always. */
	atWrite(n: number): readonly number[] | undefined {
		return this.#byWrite.get(n);
	}

	atEvent(n: number): readonly number[] | undefined {
		return this.#byEvent.get(n);
	}

	atOperation(n: number): readonly number[] | undefined {
		return this.#byOperation.get(n);
	}
}
