/** What one check of one run found: of each kind the first, since the others are the same defect again. */
import type { Violation } from "./property.ts";

export class Findings {
	readonly #found = new Map<string, Violation>();

	add(kind: string, message: string, event: number, disputed?: string): void {
		if (this.#found.has(kind)) return;
		this.#found.set(kind, { kind, message, event, ...(disputed === undefined ? {} : { disputed }) });
	}

	/** What likely follows from what another property found before. */
	residual(kind: string, message: string, event: number): void {
		if (!this.#found.has(kind)) this.#found.set(kind, { kind, message, event, residual: true });
	}

	get violations(): Violation[] {
		return [...this.#found.values()];
	}
}
