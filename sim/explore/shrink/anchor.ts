/**
 * Where faults strike, told by what the workflow was doing. A plan names places by number, and the numbers move when a program,
 * its messages or its latencies change. An anchor says instead: so many writes, events or operations after this
 * moment of the program, counted since the fault before; it finds the place again in the run of another scenario.
 *
 *   crash after write 88  =  crash, 2 writes after `body.start l[1]/a`, first time since the crash before
 */
import { changed } from "../../../fixtures/mutants/mutant.ts";
import type { Run, Target } from "../../../suites/run.ts";
import type { Fault } from "../../world/faults.ts";
import type { History, WorldEvents } from "../../world/history.ts";
import type { World } from "../../world/world.ts";

/** A moment of the program: something it did or was told, and how far the run had come by then. */
interface Mark {
	/** What happened, e.g. `body.start`. */
	readonly kind: string;
	/** Of which statement, e.g. `l[1]/a`; empty for what concerns the whole run. */
	readonly key: string;
	/** Place in the history. */
	readonly index: number;
	readonly write: number;
	readonly event: number;
	readonly operation: number;
	readonly alarm: number;
	readonly frame: number;
}

/** The coordinates faults have; each fault has one of them. */
const COORDINATES = ["write", "event", "operation", "alarm", "frame"] as const;
type Coordinate = (typeof COORDINATES)[number];

/** A planned fault and how to find its place. */
export interface Anchor {
	readonly fault: Fault;
	/** Moments before it, the nearest first. None when it struck before the program did anything since the fault before. */
	readonly references: readonly Reference[];
}

interface Reference {
	readonly kind: string;
	readonly key: string;
	/** Which of the moments alike since the fault before, from 0. */
	readonly occurrence: number;
	/** How much further the fault struck, in its own coordinate. */
	readonly distance: number;
}

/** How many moments before a fault its anchor keeps, for when the statements of the nearest are gone. */
const REFERENCES = 8;

/** Events that have no key and still say where the program stands. */
const KEYLESS: ReadonlySet<string> = new Set(["run.start", "run.yield", "run.completed", "run.evicting", "alarm.due"]);

/** A target whose runs can be anchored. Its histories are those of the original, to the byte. */
export class Tracer {
	readonly target: Target;
	readonly #marks = new WeakMap<History, Mark[]>();

	constructor(target: Target) {
		const { storage } = target;
		this.target = {
			...target,
			storage: changed(storage, {
				storage: (world, ...opened) => {
					this.#listen(world);
					return storage.storage(world, ...opened);
				},
			}),
		};
	}

	/** The faults of a run that struck, in the order in which they did, anchored. */
	anchors(run: Run): Anchor[] {
		return strikesOf(run).map(({ fault, begins, ends }) => this.anchor(run, fault, begins, ends));
	}

	/** Anchors any fault at the place where one struck, e.g. a simpler fault in its stead. */
	anchor(run: Run, fault: Fault, begins: number, ends: number): Anchor {
		const marks = this.#between(run, begins, ends);
		const coordinate = coordinateOf(fault);
		const place = placeOf(fault);
		const references = marks
			.slice(-REFERENCES)
			.reverse()
			.map(({ kind, key, [coordinate]: at, index }) => ({
				kind,
				key,
				occurrence: marks.filter((mark) => mark.index < index && mark.kind === kind && mark.key === key).length,
				distance: place - at,
			}));
		return { fault, references };
	}

	/**
	 * Places where an anchor may be in a run with the faults before it, the likeliest first. Empty when the fault before has
	 * not struck, so that nothing can come after it.
	 */
	resolve({ fault, references }: Anchor, run: Run): number[] {
		const strikes = strikesOf(run);
		if (strikes.length < run.scenario.faults.length) return [];
		const marks = this.#between(run, strikes.at(-1)?.ends ?? -1, Number.POSITIVE_INFINITY);
		const coordinate = coordinateOf(fault);
		const places = new Set<number>();
		// The very moment, then the same statement with other loops or branches around it, and the nearest moment first.
		for (const { kind, key, occurrence, distance } of references) {
			const found = marks.filter((mark) => mark.kind === kind && mark.key === key)[occurrence];
			if (found !== undefined) places.add(found[coordinate] + distance);
			else {
				const alike = marks.filter((mark) => mark.kind === kind && key !== "" && nameIn(mark.key) === nameIn(key));
				for (const mark of [alike.at(-1), alike[0], alike.at(-2)]) {
					if (mark !== undefined) places.add(mark[coordinate] + distance);
				}
			}
		}
		if (places.size === 0) places.add(placeOf(fault));
		return [...places].filter((place) => place >= 1);
	}

	/** The moments between two places in the history, both left out. */
	#between(run: Run, begins: number, ends: number): Mark[] {
		return (this.#marks.get(run.history) ?? []).filter(({ index }) => index > begins && index < ends);
	}

	/** Remembers of each moment the coordinates it was at, which the history does not hold. */
	#listen(world: World): void {
		const marks: Mark[] = [];
		this.#marks.set(world.history, marks);
		const note = world.note.bind(world);
		world.note = (kind, data, process) => {
			const index = world.history.events.length;
			note(kind, data, process);
			if (world.history.events.length === index) return;
			const { key = "" } = (data ?? {}) as { key?: string };
			if (key === "" && !KEYLESS.has(kind)) return;
			const { writes: write, events: event, operations: operation, alarms: alarm, frames: frame } = world;
			marks.push({ kind, key, index, write, event, operation, alarm, frame });
		};
	}
}

/** A fault that struck. */
export interface Strike {
	readonly fault: Fault;
	/** Place in the history of the strike before; -1 for the first one. */
	readonly begins: number;
	/** Place in the history of this one. */
	readonly ends: number;
}

/** The faults of a run that struck, in the order in which they did. */
export function strikesOf(run: Run): Strike[] {
	const strikes: Strike[] = [];
	const seen = new Set<number>();
	run.history.events.forEach(({ kind, data }, ends) => {
		if (kind !== "fault") return;
		const { index } = data as WorldEvents["fault"];
		const fault = run.scenario.faults[index];
		if (fault === undefined || seen.has(index)) return;
		seen.add(index);
		strikes.push({ fault, begins: strikes.at(-1)?.ends ?? -1, ends });
	});
	return strikes;
}

/** The same fault elsewhere. A crash at a write can be moved by half a place, from before it to after it. */
export function moved(fault: Fault, place: number, shift = 0): Fault | undefined {
	const coordinate = coordinateOf(fault);
	if (fault.kind === "crash" && "side" in fault) {
		const halves = 2 * place + (fault.side === "after" ? 1 : 0) + shift;
		if (halves < 2) return undefined;
		return { ...fault, write: Math.floor(halves / 2), side: halves % 2 === 0 ? "before" : "after" };
	}
	return place + shift < 1 ? undefined : { ...fault, [coordinate]: place + shift };
}

/** The same fault at the first place there is. */
export function earliest(fault: Fault): Fault {
	const coordinate = coordinateOf(fault);
	if (fault.kind === "crash" && "side" in fault) return { ...fault, write: 1, side: "before" };
	return { ...fault, [coordinate]: 1 };
}

export function coordinateOf(fault: Fault): Coordinate {
	return COORDINATES.find((coordinate) => coordinate in fault) as Coordinate;
}

/** The number in the coordinate of the fault. */
export function placeOf(fault: Fault): number {
	if ("write" in fault) return fault.write;
	if ("event" in fault) return fault.event;
	if ("frame" in fault) return fault.frame;
	return "alarm" in fault ? fault.alarm : fault.operation;
}

/** The name of a statement in its key, without what is around it and without the number of an iteration. */
function nameIn(key: string): string {
	return key.slice(key.lastIndexOf("/") + 1).replace(/\[\d+\]$/, "");
}
