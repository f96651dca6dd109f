/**
 * What `setTimeout`, `setInterval` and `setImmediate` return in a world, with the surface and the rules of Node's own. It
 * belongs to the process that armed it.
 */
import type { Due } from "../agenda.ts";
import type { SimulatedTimer } from "../interpose.ts";
import type { Process } from "../process.ts";

export class Timer implements SimulatedTimer {
	readonly #owner: Process;
	readonly #callback: () => void;
	readonly #repeat: boolean;
	readonly #numbered: Map<number, Timer>;
	readonly #schedule: (fire: () => void) => Due;
	readonly #id: number;
	/** Its place in the agenda while it is armed. */
	#due: Due | undefined;
	#cleared = false;
	#referenced = true;

	/**
	 * @param numbered where it is found by its number, once that was asked for.
	 * @param schedule puts its firing on the agenda; called each time it is armed.
	 */
	constructor(
		owner: Process,
		callback: () => void,
		repeat: boolean,
		numbered: Map<number, Timer>,
		schedule: (fire: () => void) => Due,
	) {
		this.#owner = owner;
		this.#callback = callback;
		this.#repeat = repeat;
		this.#numbered = numbered;
		this.#schedule = schedule;
		this.#id = this.#arm().sequence;
	}

	ref(): this {
		this.#referenced = true;
		return this;
	}

	unref(): this {
		this.#referenced = false;
		return this;
	}

	hasRef(): boolean {
		return this.#referenced;
	}

	refresh(): this {
		if (this.#cleared) return this;
		this.#disarm();
		this.#arm();
		return this;
	}

	close(): this {
		this.cancel();
		return this;
	}

	cancel(): void {
		this.#cleared = true;
		this.#disarm();
	}

	[Symbol.toPrimitive](): number {
		this.#numbered.set(this.#id, this);
		return this.#id;
	}

	#arm(): Due {
		this.#owner.timers++;
		this.#due = this.#schedule(() => this.#fire());
		return this.#due;
	}

	#disarm(): void {
		if (this.#due === undefined) return;
		this.#due.run = undefined;
		this.#due = undefined;
		this.#owner.timers--;
	}

	#fire(): void {
		this.#due = undefined;
		this.#owner.timers--;
		const callback = this.#callback;
		try {
			callback();
		} finally {
			// Node arms an interval again after its callback, behind the timers armed in there.
			if (this.#repeat && !this.#cleared) {
				this.#disarm();
				this.#arm();
			}
		}
	}
}
