/**
 * Durable effects, those of the disk and those of the outside: numbered through the whole run, and with whatever is planned around
 * each of them. A planned crash, tear, damage or loss of power strikes here and nowhere else.
 */
import type { Disk } from "../disk.ts";
import type { MediumFault, WriteFault } from "../faults.ts";
import type { Mutation } from "../history.ts";
import type { Process } from "../process.ts";
import type { Timeline } from "../timeline.ts";
import type { CrashPoints } from "./crash-points.ts";
import { damaged, keptOf } from "./damage.ts";
import { hasInFlight, type Lives } from "./lives.ts";
import type { Outside } from "./outside.ts";
import type { Strikes } from "./strikes.ts";

/** Characters of a key that tell the kind of thing stored under it. */
const KIND_LENGTH = 2;

export interface DurableEffectsParts {
	readonly timeline: Timeline;
	readonly lives: Lives;
	readonly strikes: Strikes;
	readonly disk: Disk;
	readonly others: Outside;
	/** Where crashes are foreseen, if they are. */
	readonly crashPoints: CrashPoints | undefined;
	/** Does something when the running event is over and all that it caused has settled. */
	readonly afterEvent: (run: () => void) => void;
}

export class DurableEffects {
	readonly #timeline: Timeline;
	readonly #lives: Lives;
	readonly #strikes: Strikes;
	readonly #disk: Disk;
	readonly #others: Outside;
	readonly #crashPoints: CrashPoints | undefined;
	readonly #afterEvent: (run: () => void) => void;

	constructor({ timeline, lives, strikes, disk, others, crashPoints, afterEvent }: DurableEffectsParts) {
		this.#timeline = timeline;
		this.#lives = lives;
		this.#strikes = strikes;
		this.#disk = disk;
		this.#others = others;
		this.#crashPoints = crashPoints;
		this.#afterEvent = afterEvent;
	}

	/** An effect on the outside. @returns how often that label took effect so far, this time included. */
	occur(process: Process, label: string, about: string | undefined): number {
		let occurrence = 0;
		this.#numbered(process, `effect ${label}`, undefined, (n) => {
			occurrence = this.#others.occur(label);
			this.#timeline.tell("effect", { n, label, about, occurrence }, process);
		});
		return occurrence;
	}

	/** A write of the disk. @returns whether the process survived it. */
	write(
		process: Process,
		what: string,
		mutations: readonly Mutation[],
		apply: (mutations: readonly Mutation[]) => void,
		legal: ReadonlySet<MediumFault>,
	): boolean {
		return this.#numbered(process, what, legal.has("torn") ? mutations : undefined, (n, kept = mutations) => {
			apply(kept);
			this.#timeline.tell("durable", { n, what, mutations: kept }, process);
			if (legal.has("corrupt")) this.#damage(n, kept, what);
		});
	}

	/** Strikes the planned damages of what a durable write stored. */
	#damage(n: number, mutations: readonly Mutation[], what: string): void {
		for (const index of this.#strikes.planned.atWrite(n) ?? []) {
			const fault = this.#strikes.planned.plan[index];
			if (fault?.kind !== "corrupt") continue;
			const { table, key, value: stored } = mutations[fault.place] ?? { value: null };
			if (table === undefined || key === undefined || stored === null) continue;
			const value = damaged(stored, fault, () => this.#neighbours(table, key, stored));
			if (value === undefined) continue;
			this.#strikes.fire(index, what);
			this.#disk.damage(table, key, value);
			this.#timeline.tell("damaged", { table, key, how: fault.how, value }, this.#lives.outside);
		}
	}

	/** Other values of the same kind, as far as keys tell kinds apart: by how they begin. */
	#neighbours(table: string, key: string, stored: Uint8Array): Uint8Array[] {
		return this.#disk
			.list(table, key.slice(0, KIND_LENGTH))
			.filter((entry) => entry.key !== key && Buffer.compare(entry.value, stored) !== 0)
			.map((entry) => entry.value);
	}

	/** @param mutations of an effect that can be torn; undefined for one that cannot, or that is on the outside. */
	#numbered(
		process: Process,
		what: string,
		mutations: readonly Mutation[] | undefined,
		apply: (n: number, kept?: readonly Mutation[]) => void,
	): boolean {
		const n = ++this.#timeline.writes;
		const planned = this.#strikes.planned.atWrite(n);
		const isOutside = process === this.#lives.outside;
		const crashPoints = process.alive ? this.#crashPoints : undefined;
		if (!isOutside) crashPoints?.offerWrite(n, "before", process, what, mutations, apply);
		if (planned === undefined) apply(n);
		else if (this.#strikeBefore(planned, n, process, what, mutations, apply)) return false;
		else apply(n);
		// What becomes of a write of the outside is settled when its event is over: its own doing cannot be cut short.
		if (isOutside) {
			if (planned !== undefined) this.#afterEvent(() => this.#strikeAfter(planned, process, what));
			if (crashPoints !== undefined) this.#afterEvent(() => crashPoints.offerWrite(n, "after", process, what));
		} else {
			if (planned !== undefined) this.#strikeAfter(planned, process, what);
			if (process.alive) crashPoints?.offerWrite(n, "after", process, what);
		}
		return process.alive;
	}

	/** @returns whether the process died of it. */
	#strikeBefore(
		planned: readonly number[],
		n: number,
		process: Process,
		what: string,
		mutations: readonly Mutation[] | undefined,
		apply: (n: number, kept?: readonly Mutation[]) => void,
	): boolean {
		for (const index of planned) {
			const fault = this.#strikes.planned.plan[index];
			if (fault?.kind !== "torn" && !(fault?.kind === "crash" && "side" in fault && fault.side === "before")) continue;
			const victims = this.#lives.victimsOf(process);
			if (!canStrike(fault, victims, mutations)) continue;
			this.#strikes.fire(index, what);
			if (fault.kind === "torn") apply(n, keptOf(fault.kept, mutations));
			for (const victim of victims) this.#lives.crash(victim, "planned", "late" in fault ? fault.late : undefined);
			if (process !== this.#lives.outside) return true;
		}
		return false;
	}

	#strikeAfter(planned: readonly number[], process: Process, what: string): void {
		for (const index of planned) {
			const fault = this.#strikes.planned.plan[index];
			if (fault?.kind === "power-loss") {
				const victims = this.#lives.living();
				if (victims.length === 0) continue;
				this.#strikes.fire(index, what);
				this.#disk.lose(fault.lost);
				for (const victim of victims) this.#lives.crash(victim, "power loss", []);
			} else if (fault?.kind === "crash" && "side" in fault && fault.side === "after") {
				const victims = this.#lives.victimsOf(process);
				if (!canStrike(fault, victims, undefined)) continue;
				this.#strikes.fire(index, what);
				for (const victim of victims) this.#lives.crash(victim, "planned", fault.late);
			}
		}
	}
}

function canStrike(
	fault: WriteFault,
	victims: readonly Process[],
	mutations: readonly Mutation[] | undefined,
): boolean {
	if (victims.length === 0) return false;
	if (fault.kind !== "torn") return hasInFlight(victims, "late" in fault ? fault.late : undefined);
	return mutations !== undefined && fault.kept.every((place) => place < mutations.length);
}
