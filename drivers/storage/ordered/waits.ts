/**
 * Waits for messages: each ends once, by a message, by its signal or by the end of the driver, and leaves no listener behind. A
 * message is looked for when a wait begins and after every append, so that none is missed in between.
 */

interface Wait {
	readonly names: readonly string[];
	settle(how: () => void): void;
	resolve(): void;
	reject(reason: unknown): void;
}

export class Waits {
	readonly #has: (names: readonly string[]) => Promise<boolean>;
	readonly #everyMs: number | undefined;
	readonly #waits = new Set<Wait>();
	#timer: ReturnType<typeof setInterval> | undefined;

	/** @param everyMs how often to look for what others added; only after an append when absent. */
	constructor(has: (names: readonly string[]) => Promise<boolean>, everyMs?: number) {
		this.#has = has;
		this.#everyMs = everyMs;
	}

	/** Resolves once a message with one of the names (any when empty) is stored; rejects when the signal aborts. */
	wait(names: readonly string[], signal: AbortSignal): Promise<void> {
		return new Promise<void>((resolve, reject) => {
			if (signal.aborted) return reject(signal.reason);
			const abort = () => wait.reject(signal.reason);
			const settle = (how: () => void) => {
				if (!this.#waits.delete(wait)) return;
				signal.removeEventListener("abort", abort);
				this.#tick();
				how();
			};
			const wait: Wait = {
				names,
				settle,
				resolve: () => settle(resolve),
				reject: (reason) => settle(() => reject(reason)),
			};
			this.#waits.add(wait);
			signal.addEventListener("abort", abort, { once: true });
			this.#tick();
			this.#look(wait);
		});
	}

	/** Ends the waits whose messages are there. */
	look(): void {
		for (const wait of [...this.#waits]) this.#look(wait);
	}

	/** Ends every wait, as the driver is closed. */
	end(): void {
		for (const wait of [...this.#waits]) wait.reject(new Error("The storage was closed during a wait for messages."));
	}

	#look(wait: Wait): void {
		this.#has(wait.names).then(
			(there) => {
				if (there) wait.resolve();
			},
			(error) => wait.reject(error),
		);
	}

	/** Looks from time to time while anyone waits. */
	#tick(): void {
		if (this.#everyMs === undefined) return;
		if (this.#waits.size > 0) {
			this.#timer ??= setInterval(() => this.look(), this.#everyMs);
			return;
		}
		clearInterval(this.#timer);
		this.#timer = undefined;
	}
}
