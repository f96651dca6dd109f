/** Who waits for messages: what a host learns of it, and whether a run has left a wait behind. */
import type { Process } from "../../sim/world/process.ts";

export class Waits {
	readonly #waits = new Set<{ readonly process: Process; readonly names: readonly string[] }>();

	/** Says that a process waits for a message with one of the names, until the returned function is called. */
	awaiting(process: Process, names: readonly string[]): () => void {
		const wait = { process, names };
		this.#waits.add(wait);
		return () => {
			this.#waits.delete(wait);
		};
	}

	/** The names that living processes wait for; undefined when none waits. */
	awaited(): readonly string[] | undefined {
		const waits = [...this.#waits].filter(({ process }) => process.alive);
		return waits.length === 0 ? undefined : [...new Set(waits.flatMap(({ names }) => names))];
	}

	/** How many waits of a process, living or not, have not ended. */
	waitsOf(process: Process): number {
		return [...this.#waits].filter((wait) => wait.process === process).length;
	}
}
