/** What one run is: plain data, from which the run follows to the byte. */
import type { Hosting } from "../drivers/engine/host.ts";
import type { Change } from "../fixtures/generators/evolve.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import type { ValueKind } from "../fixtures/generators/values.ts";
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
	/** What a generated program is started with; nothing when absent. */
	readonly startedWith?: ValueKind;
	/** What another release of a generated program does, from the second process life on. */
	readonly change?: Change;
	/** Seeds every choice of the world: ties, latencies, ids, fates. */
	readonly seed: string;
	readonly hosting: Hosting;
	readonly latency: Latency;
	readonly inFlight: "lost" | "drawn";
	readonly faults: FaultPlan;
	/** Whether the storage claims that a batch is one indivisible unit; when absent, a torn write is legal. */
	readonly atomicBatch?: true;
	/** Who goes first among what is due at one instant; drawn from the seed when absent. */
	readonly schedule?: Schedule;
}
