/**
 * The kills that a run in real processes is to make, each with what else is lost at it: which is due where, how it is carried out,
 * and what it turned out to be.
 */
import type { Fault } from "../../world/faults.ts";
import type { Loss } from "./losses.ts";
import type { Child } from "./nursery.ts";

/** Where a life is killed: around the nth durable effect of the run, or so many microseconds into it. */
export interface Kill {
	readonly write: number;
	readonly how: "before" | "after" | "during";
	/** Real microseconds from the word to go on to the kill; for `during`. */
	readonly afterUs: number;
	/** Name of what else is lost with the process; nothing when absent. */
	readonly loss?: string;
}

export class PlannedKills {
	/** What each kill turned out to be, by its place. */
	readonly faults: Fault[];
	/** Places of the kills that struck. */
	readonly struck = new Set<number>();
	readonly #kills: readonly Kill[];
	readonly #losses: readonly Loss[];
	/** What is lost with the process that was killed last. */
	#loss: Loss | undefined;

	constructor(kills: readonly Kill[], losses: readonly Loss[]) {
		this.#kills = kills;
		this.#losses = losses;
		this.faults = kills.map(({ write, how }) => ({
			kind: "crash",
			write,
			side: how === "before" ? "before" : "after",
		}));
	}

	/** The kill that is due around that durable effect. */
	at(write: number): Kill | undefined {
		return this.#kills.find((kill, place) => kill.write === write && !this.struck.has(place));
	}

	/** `kill -9`, and what goes with it. */
	carryOut({ loss, how }: Kill, child: Child | undefined): void {
		this.#loss = this.#losses.find(({ name }) => name === loss);
		this.#loss?.atKill?.();
		const { lingersMs } = this.#loss ?? {};
		if (lingersMs === undefined || how !== "during") child?.kill();
		else setTimeout(() => child?.kill(), lingersMs);
	}

	/** Loses what goes with the process that was killed, now that it is dead. */
	async settleLoss(directory: string | undefined): Promise<void> {
		await this.#loss?.afterKill?.(directory);
		this.#loss = undefined;
	}

	/** Puts on record on which side of its durable effect a kill fell. @returns its place, and the fault that it was. */
	record(kill: Kill, side: "before" | "after"): { readonly index: number; readonly fault: Fault } {
		const index = this.#kills.indexOf(kill);
		const fault: Fault = { kind: "crash", write: kill.write, side };
		this.faults[index] = fault;
		this.struck.add(index);
		return { index, fault };
	}
}
