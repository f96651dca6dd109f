/** What one run is: plain data, from which the run follows to the byte. */
import type { Hosting } from "../drivers/engine/host.ts";
import type { FaultPlan, Latency } from "../sim/world/faults.ts";

export interface Scenario {
	/** Name of the program. */
	readonly program: string;
	/** Seeds every choice of the world: ties, latencies, ids, fates. */
	readonly seed: string;
	readonly hosting: Hosting;
	readonly latency: Latency;
	readonly inFlight: "lost" | "drawn";
	readonly faults: FaultPlan;
}
