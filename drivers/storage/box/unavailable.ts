/** A driver for a server that does not answer: it cannot run here, and says so in one line. */
import type { PluggedDriver } from "../contract.ts";

export function unavailable(name: string, url: string, error: unknown): PluggedDriver {
	const said = error instanceof AggregateError ? error.errors[0] : error;
	const because = said instanceof Error ? said.message || said.name : String(said);
	const reason = `no server answers at ${new URL(url).host}: ${because}`;
	return {
		name,
		unavailable: async () => reason,
		open() {
			throw new Error(reason);
		},
	};
}
