/**
 * The plan of a run and which of its faults struck. A fault that strikes is told in the history, as the proof that it did; what
 * strikes between events, at alarms and at frames is found here, what strikes operations and durable effects where these are made.
 */
import {
	describeFault,
	type Fault,
	type FaultPlan,
	type FrameFault,
	type Intervention,
	isIntervention,
	type PlannedAlarm,
	PlannedFaults,
} from "../faults.ts";
import type { Struck } from "../surroundings.ts";
import type { Timeline } from "../timeline.ts";
import { hasInFlight, type Lives } from "./lives.ts";

/** A frame that a network carries, with the faults planned for it. */
export interface NumberedFrame {
	/** Counted through the whole run, from 1. */
	readonly number: number;
	readonly faults: readonly { readonly fault: FrameFault; readonly struck: Struck }[];
}

const NO_FAULTS: NumberedFrame["faults"] = [];

export class Strikes {
	readonly planned: PlannedFaults;
	/** Planned faults that struck, by their place in the plan. */
	readonly fired = new Set<number>();
	readonly #timeline: Timeline;
	readonly #lives: Lives;
	readonly #interventionListeners: ((intervention: Intervention, struck: Struck) => void)[] = [];

	constructor(plan: FaultPlan, timeline: Timeline, lives: Lives) {
		this.planned = new PlannedFaults(plan);
		this.#timeline = timeline;
		this.#lives = lives;
	}

	onIntervention(listener: (intervention: Intervention, struck: Struck) => void): void {
		this.#interventionListeners.push(listener);
	}

	/** Strikes what is planned before the next event. */
	beforeEvent(): void {
		const planned = this.planned.atEvent(this.#timeline.events + 1);
		if (planned === undefined) return;
		for (const index of planned) {
			if (this.fired.has(index)) continue;
			const fault = this.planned.plan[index];
			if (fault?.kind === "crash") {
				const living = this.#lives.living();
				if (living.length === 0 || !hasInFlight(living, fault.late)) continue;
				this.fire(index, betweenEvents(living));
				for (const process of living) this.#lives.crash(process, "planned", fault.late);
			} else if (isIntervention(fault)) {
				for (const intervene of this.#interventionListeners) intervene(fault, this.struck(index));
			}
		}
	}

	/** Counts an alarm. @returns what the plan does to it. */
	atAlarm(): { readonly fault: PlannedAlarm; readonly struck: Struck } | undefined {
		for (const index of this.planned.atAlarm(++this.#timeline.alarms) ?? []) {
			const fault = this.planned.plan[index];
			if (fault?.kind === "alarm") return { fault, struck: this.struck(index) };
		}
		return undefined;
	}

	/** Counts a frame. @returns its number, and what is planned to become of it. */
	atFrame(): NumberedFrame {
		const number = ++this.#timeline.frames;
		const planned = this.planned.atFrame(number);
		if (planned === undefined) return { number, faults: NO_FAULTS };
		const faults = planned.map((index) => ({
			fault: this.planned.plan[index] as FrameFault,
			struck: this.struck(index),
		}));
		return { number, faults };
	}

	/** What tells that the fault at that place in the plan struck, the first time that it is called. */
	struck(index: number): Struck {
		return (window) => {
			if (!this.fired.has(index)) this.fire(index, window);
		};
	}

	fire(index: number, window: string): void {
		const fault = this.planned.plan[index];
		if (fault !== undefined) this.fireFault(fault, index, window);
	}

	/** @param index its place in the plan; one behind the plan for a fault that is only foreseen. */
	fireFault(fault: Fault, index: number, window: string): void {
		this.fired.add(index);
		this.#timeline.tell("fault", { index, kind: describeFault(fault), window }, this.#lives.outside);
	}
}

/** Where a crash between two events strikes, in words. */
export function betweenEvents(living: readonly unknown[]): string {
	return `between events, ${living.length} alive`;
}
