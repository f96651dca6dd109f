/** Engines by name: the published ones, a local build by its path, and the reference engine. */
import { type Engine, UsageError } from "./contract.ts";
import { describeKey as describeReferenceKey } from "./reference/keys.ts";
import { REFERENCE, referenceEngine } from "./reference/reference.ts";
import { loadRivet } from "./rivet/engine.ts";
import { describeKey as describeRivetKey } from "./rivet/keys.ts";

export { REFERENCE };

/** @throws UsageError naming what was asked for and what would be right. */
export async function loadEngine(name: string): Promise<Engine> {
	if (name === REFERENCE) return referenceEngine();
	try {
		return await loadRivet(name);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		throw new UsageError(error.message.replace(", or give a path", `, ${REFERENCE}, or give a path`));
	}
}

/** What a stored key of that engine means, in a few words, without loading the engine. */
export function describeKeyOf(name: string): Engine["describeKey"] {
	return name === REFERENCE ? describeReferenceKey : describeRivetKey;
}
