/** Clients of a run in real processes: they send one message after the other, and remember what was acknowledged. */
import type { ProgramInput } from "../../../fixtures/programs/program.ts";

export class Clients {
	readonly #inputs: readonly ProgramInput[];
	/** The place of the next message to be sent, and the timer of the one that is on its way. */
	#next = 0;
	#timer: NodeJS.Timeout | undefined;
	#send: ((place: number) => void) | undefined;
	#startedAtMs = 0;

	constructor(inputs: readonly ProgramInput[]) {
		this.#inputs = inputs;
	}

	/** Someone takes messages now, by `send`: each is sent at its time, or as soon after it as there is someone. */
	meet(startedAtMs: number, send: (place: number) => void): void {
		if (this.#send !== undefined) return;
		this.#startedAtMs = startedAtMs;
		this.#send = send;
		this.#schedule();
	}

	/** Whether a message is still to be sent, or sent and not acknowledged. */
	get areToCome(): boolean {
		return this.#next < this.#inputs.length;
	}

	/** Nobody takes messages any more; what was not acknowledged is sent again to whoever comes next. */
	part(): void {
		this.#send = undefined;
		clearTimeout(this.#timer);
		this.#timer = undefined;
	}

	/** The message in that place was acknowledged. */
	acknowledged(place: number): void {
		this.#next = place + 1;
		if (this.#send !== undefined) this.#schedule();
	}

	#schedule(): void {
		const place = this.#next;
		const input = this.#inputs[place];
		if (input === undefined) return;
		const delayMs = input.atMs - (Date.now() - this.#startedAtMs);
		this.#timer = setTimeout(() => this.#send?.(place), Math.max(0, delayMs));
	}
}
