/**
 * Which faults are legal where, and how a plan names the place.
 *
 * A plan is data. Each fault has a coordinate in the run, never a wall-clock time:
 *   crash at write n, before   the process dies, and the nth durable effect of the run does not happen
 *   crash at write n, after    the nth durable effect happens, and the process dies before it learns so
 *   crash at event n           the process dies between two events, before the nth event of the run
 *   evict at event n           the host is asked to stop the process gracefully, before the nth event
 *   cancel, wake, message, read, recover, replay-from at event n
 *                              an operator asks that of what runs; to the world a word that the host carries out, at the
 *                              nth event or as soon after it as what was asked makes sense
 *   alarm n                    the nth alarm that the host relies on is lost, late, early, or goes off twice
 *   slow at operation n        the nth I/O operation of the run takes `ms` longer
 *   hung at operation n        the nth storage operation is never answered; after a minute a watchdog kills its process
 *   cut, half-open, late-close, slow-link, peer-crash at frame n
 *                              the nth frame that a network carries, in the order of sending: its connection breaks, goes
 *                              silent, breaks with one end told late, or delays it and all behind it; or the process at one
 *                              end dies as the frame arrives
 *
 * All of these are legal in every state: a correct engine on a correct disk survives each, any number of times,
 * also while it recovers from another. Durable effects are numbered through the whole run, across lives, so a later
 * crash in a plan may strike during the recovery from an earlier one.
 *
 * Others are legal only where storage promises less:
 *   torn                       storage without indivisible batches; who commits says which writes it may strike
 *   refused, lost-ack          storage behind a network
 *   corrupt                    a medium that decays: what was stored reads as something else
 *   power-loss                 storage that does not sync
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
	/** Asked of what runs, or of what rests, by whoever operates it. */
	| { readonly kind: "cancel"; readonly event: number }
	| { readonly kind: "wake"; readonly event: number }
	| { readonly kind: "read"; readonly event: number }
	| { readonly kind: "recover"; readonly event: number }
	/** One more message: a copy of the one in that place, from 1; 0 is one that nobody asked for. */
	| { readonly kind: "message"; readonly event: number; readonly which: number }
	/** To begin anew from a step: its place among the recorded ones, modulo their count. */
	| { readonly kind: "replay-from"; readonly event: number; readonly step: number }
	/** Early or late by `ms`, lost and found out `ms` later, or gone off again after `ms`. */
	| { readonly kind: "alarm"; readonly alarm: number; readonly how: AlarmFault; readonly ms: number }
	| { readonly kind: "slow"; readonly operation: number; readonly ms: number }
	/** Of the nth durable write only these mutations, by place, reach the disk, and the process dies. */
	| { readonly kind: "torn"; readonly write: number; readonly kept: readonly number[] }
	/** The nth operation is answered with an error and does not take place. */
	| { readonly kind: "refused"; readonly operation: number }
	/** The nth operation takes place and is answered with an error. */
	| { readonly kind: "lost-ack"; readonly operation: number }
	/** The nth operation of storage does not take place and is never answered. */
	| { readonly kind: "hung"; readonly operation: number }
	/** After the nth durable write what its mutation at `place` stored is damaged. */
	| {
			readonly kind: "corrupt";
			readonly write: number;
			readonly place: number;
			readonly how: Damage;
			/** Which bit, how many bytes are left, or which other entry; counted round where there are fewer. */
			readonly at: number;
	  }
	/** After the nth durable effect everything dies, and the disk forgets its last `lost` writes. */
	| { readonly kind: "power-loss"; readonly write: number; readonly lost: number }
	/** The connection of the nth frame breaks as that arrives, or once it was handled; what is on its way is lost. */
	| { readonly kind: "cut"; readonly frame: number; readonly side: Side }
	/** From the nth frame on nothing that its connection carries arrives; after `ms` both ends are told. */
	| { readonly kind: "half-open"; readonly frame: number; readonly ms: number }
	/** The connection of the nth frame breaks once that was handled, and the named end is told `ms` later than the other. */
	| { readonly kind: "late-close"; readonly frame: number; readonly end: ConnectionEnd; readonly ms: number }
	/** The nth frame takes `ms` longer, and so does what is sent behind it: a slow reader. */
	| { readonly kind: "slow-link"; readonly frame: number; readonly ms: number }
	/** As the nth frame arrives, or once it was handled, the process at one end of its connection dies. */
	| { readonly kind: "peer-crash"; readonly frame: number; readonly side: Side; readonly peer: "sender" | "receiver" };

export type Side = "before" | "after";
/** Who asked for a connection, and who was asked. */
export type ConnectionEnd = "client" | "server";
/** Faults that strike at a frame. */
export type FrameFault = Extract<Fault, { readonly frame: number }>;

export type AlarmFault = "lost" | "late" | "early" | "twice";
/** A bit is flipped, the value is cut short, emptied, or another stored value of its kind is in its place. */
export type Damage = "flip" | "cut" | "empty" | "swap";

export const DAMAGES: readonly Damage[] = ["flip", "cut", "empty", "swap"];

/** Faults of the medium, which strike only writes whose committer says that they may. */
export type MediumFault = Extract<FaultKind, "torn" | "corrupt">;

export const ANY_MEDIUM: ReadonlySet<MediumFault> = new Set(["torn", "corrupt"]);

export type FaultKind = Fault["kind"];
/** Faults that are a word to whoever hosts what runs. */
export type Intervention = Extract<Fault, { readonly kind: InterventionKind }>;
export type PlannedAlarm = Extract<Fault, { readonly kind: "alarm" }>;

const INTERVENTIONS = ["evict", "cancel", "wake", "message", "read", "recover", "replay-from"] as const;
type InterventionKind = (typeof INTERVENTIONS)[number];

export function isIntervention(fault: Fault | undefined): fault is Intervention {
	return fault !== undefined && (INTERVENTIONS as readonly string[]).includes(fault.kind);
}

/** Faults that strike where processes talk over a network; where nothing does, none of them can. */
export const NETWORK_FAULTS = ["cut", "half-open", "late-close", "slow-link", "peer-crash"] as const;

/** Faults that strike at a durable effect. */
export type WriteFault = Extract<Fault, { readonly write: number }>;

/** What an operation is answered with when it was refused, or when its answer was lost. */
export class OperationError extends Error {
	override readonly name = "OperationError";

	/** @param operation its number in the run, so that whoever finds the message on record knows which one it was. */
	constructor(operation: number, what: string, how: "refused" | "lost-ack") {
		super(`${what} was ${how === "refused" ? "refused" : "not acknowledged"} (operation ${operation})`);
	}
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
		case "cancel":
		case "wake":
		case "read":
		case "recover":
			return `${fault.kind} before event ${fault.event}`;
		case "message":
			return `message ${fault.which} before event ${fault.event}`;
		case "replay-from":
			return `replay from step ${fault.step} before event ${fault.event}`;
		case "alarm":
			return `alarm ${fault.alarm} ${fault.how} by ${fault.ms} ms`;
		case "slow":
			return `operation ${fault.operation} slow by ${fault.ms} ms`;
		case "torn":
			return `tear durable write ${fault.write} keeping ${places(fault.kept)}`;
		case "refused":
			return `refuse operation ${fault.operation}`;
		case "lost-ack":
			return `lose the answer of operation ${fault.operation}`;
		case "hung":
			return `hang operation ${fault.operation}`;
		case "corrupt":
			return `${DAMAGE_TEXTS[fault.how](fault.place, fault.at)} of durable write ${fault.write}`;
		case "power-loss":
			return `power loss after durable write ${fault.write} losing ${fault.lost}`;
		case "cut":
			return `cut ${fault.side} frame ${fault.frame}`;
		case "half-open":
			return `half-open from frame ${fault.frame} for ${fault.ms} ms`;
		case "late-close":
			return `cut after frame ${fault.frame} telling the ${fault.end} ${fault.ms} ms late`;
		case "slow-link":
			return `frame ${fault.frame} slow by ${fault.ms} ms`;
		case "peer-crash":
			return `crash the ${fault.peer} ${fault.side} frame ${fault.frame}`;
	}
}

const DAMAGE_TEXTS: Readonly<Record<Damage, (place: number, at: number) => string>> = {
	flip: (place, at) => `flip bit ${at} of entry ${place}`,
	cut: (place, at) => `cut to ${at} bytes entry ${place}`,
	empty: (place) => `empty entry ${place}`,
	swap: (place, at) => `put neighbour ${at} for entry ${place}`,
};

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
	[
		new RegExp(`^(evict|cancel|wake|read|recover) before event ${NUMBER}$`),
		([kind, event]) => ({ kind: kind as "evict" | "cancel" | "wake" | "read" | "recover", event: Number(event) }),
	],
	[
		new RegExp(`^message (\\d+) before event ${NUMBER}$`),
		([which, event]) => ({ kind: "message", event: Number(event), which: Number(which) }),
	],
	[
		new RegExp(`^replay from step (\\d+) before event ${NUMBER}$`),
		([step, event]) => ({ kind: "replay-from", event: Number(event), step: Number(step) }),
	],
	[
		new RegExp(`^alarm ${NUMBER} (lost|late|early|twice) by (\\d+) ms$`),
		([alarm, how, ms]) => ({ kind: "alarm", alarm: Number(alarm), how: how as AlarmFault, ms: Number(ms) }),
	],
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
	[new RegExp(`^hang operation ${NUMBER}$`), ([operation]) => ({ kind: "hung", operation: Number(operation) })],
	...damageGrammar("flip", "flip bit (\\d+) of entry (\\d+)"),
	...damageGrammar("cut", "cut to (\\d+) bytes entry (\\d+)"),
	...damageGrammar("empty", "empty()? entry (\\d+)"),
	...damageGrammar("swap", "put neighbour (\\d+) for entry (\\d+)"),
	[
		new RegExp(`^power loss after durable write ${NUMBER} losing ${NUMBER}$`),
		([write, lost]) => ({ kind: "power-loss", write: Number(write), lost: Number(lost) }),
	],
	[
		new RegExp(`^cut (before|after) frame ${NUMBER}$`),
		([side, frame]) => ({ kind: "cut", frame: Number(frame), side: side as Side }),
	],
	[
		new RegExp(`^half-open from frame ${NUMBER} for (\\d+) ms$`),
		([frame, ms]) => ({ kind: "half-open", frame: Number(frame), ms: Number(ms) }),
	],
	[
		new RegExp(`^cut after frame ${NUMBER} telling the (client|server) (\\d+) ms late$`),
		([frame, end, ms]) => ({
			kind: "late-close",
			frame: Number(frame),
			end: end as ConnectionEnd,
			ms: Number(ms),
		}),
	],
	[
		new RegExp(`^frame ${NUMBER} slow by (\\d+) ms$`),
		([frame, ms]) => ({ kind: "slow-link", frame: Number(frame), ms: Number(ms) }),
	],
	[
		new RegExp(`^crash the (sender|receiver) (before|after) frame ${NUMBER}$`),
		([peer, side, frame]) => ({
			kind: "peer-crash",
			frame: Number(frame),
			side: side as Side,
			peer: peer as "sender" | "receiver",
		}),
	],
];

function damageGrammar(how: Damage, pattern: string): [RegExp, (parts: readonly (string | undefined)[]) => Fault][] {
	return [
		[
			new RegExp(`^${pattern} of durable write ${NUMBER}$`),
			([at, place, write]) => ({
				kind: "corrupt",
				write: Number(write),
				place: Number(place),
				how,
				at: Number(at ?? 0),
			}),
		],
	];
}

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
	readonly #byAlarm = new Map<number, number[]>();
	readonly #byFrame = new Map<number, number[]>();

	constructor(plan: FaultPlan) {
		this.plan = plan;
		this.mostLost = Math.max(0, ...plan.map((fault) => (fault.kind === "power-loss" ? fault.lost : 0)));
		plan.forEach((fault, index) => {
			if ("write" in fault) append(this.#byWrite, fault.write, index);
			else if ("event" in fault) append(this.#byEvent, fault.event, index);
			else if ("alarm" in fault) append(this.#byAlarm, fault.alarm, index);
			else if ("frame" in fault) append(this.#byFrame, fault.frame, index);
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

	atAlarm(n: number): readonly number[] | undefined {
		return this.#byAlarm.get(n);
	}

	atFrame(n: number): readonly number[] | undefined {
		return this.#byFrame.get(n);
	}
}
