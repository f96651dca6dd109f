/** Engines by name: the published ones, a local build by its path, and the reference engine. */
import type { Engine } from "./contract.ts";
import { REFERENCE, referenceEngine } from "./reference/reference.ts";
import { loadRivet } from "./rivet/engine.ts";

/** @throws UsageError naming what was asked for and what would be right. */
export async function loadEngine(name: string): Promise<Engine> {
	return name === REFERENCE ? referenceEngine() : loadRivet(name);
}
