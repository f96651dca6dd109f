/** What one run is: plain data, from which the run follows to the byte. */
import type { Hosting } from "../drivers/engine/host.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import type { ProgramInput } from "../fixtures/programs/program.ts";
import type { FaultPlan, Latency } from "../sim/world/faults.ts";
import type { Schedule } from "../sim/world/schedule.ts";

export interface Scenario {
	/** Name of the program. */
	readonly program: string;
	/** The program itself, when it was generated and no list holds it. */
	readonly statements?: readonly Statement[];
	/** The messages that clients send, in place of the program's own. */
	readonly inputs?: readonly ProgramInput[];
	/** Seeds every choice of the world: ties, latencies, ids, fates. */
	readonly seed: string;
	readonly hosting: Hosting;
	readonly latency: Latency;
	readonly inFlight: "lost" | "drawn";
	readonly faults: FaultPlan;
	/** Who goes first among what is due at one instant; drawn from the seed when absent. */
	readonly schedule?: Schedule;
}
