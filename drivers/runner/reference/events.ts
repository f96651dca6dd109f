/**
 * What an actor has to tell the server: numbered within its generation, kept until the server has said that it is durable, and
 * told again on every connection until then.
 */
import type { EventWrapper } from "../wire.ts";
import type { RunnerRules } from "./rules.ts";

export type ActorEvent = EventWrapper["inner"];

export class EventLog {
	readonly actorId: string;
	readonly generation: number;
	readonly #rules: RunnerRules;
	#kept: EventWrapper[] = [];
	#next: bigint;

	/** @param first index of the first event: 0, unless acknowledgements cannot tell generations apart. */
	constructor(actorId: string, generation: number, first: bigint, rules: RunnerRules) {
		this.actorId = actorId;
		this.generation = generation;
		this.#next = first;
		this.#rules = rules;
	}

	/** Index of the next event. */
	get next(): bigint {
		return this.#next;
	}

	/** Events that the server has not acknowledged, the oldest first. */
	get unacknowledged(): readonly EventWrapper[] {
		return this.#kept;
	}

	/** Numbers an event and keeps it. */
	record(inner: ActorEvent): EventWrapper {
		const third = this.#next % 3n === 2n;
		if (this.#rules.reuseEventIndex === true && third) this.#next--;
		if (this.#rules.skipEventIndex === true && third) this.#next++;
		const event = {
			checkpoint: { actorId: this.actorId, generation: this.generation, index: this.#next++ },
			inner,
		};
		this.#kept.push(event);
		return event;
	}

	/** Forgets events up to that index. */
	acknowledge(index: bigint): void {
		if (this.#rules.keepAcknowledged === true) return;
		this.#kept = this.#kept.filter(({ checkpoint }) => checkpoint.index > index);
	}

	/** As after a start from nothing. */
	reset(): void {
		this.#next = 0n;
	}

	forgetAll(): void {
		this.#kept = [];
	}
}
