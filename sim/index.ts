/**
 * The package's entry: what a project imports that keeps reproducers of engine failures among its own tests (docs/reproducers.md), or
 * holds its own storage driver to what drivers promise (docs/drivers.md).
 */
import { fileURLToPath } from "node:url";
import { UsageError } from "../drivers/engine/contract.ts";
import { loadEngine } from "../drivers/engine/load.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { PROPERTIES } from "../suites/index.ts";
import type { Scenario } from "../suites/scenario.ts";
import { Explorer } from "./explore/explorer.ts";
import { faultIn, SCENARIO } from "./explore/keep/scenario-schema.ts";
import type { HistoryEvent } from "./world/history.ts";
import { inMacrotask } from "./world/interpose.ts";

export { UsageError } from "../drivers/engine/contract.ts";
export type { DriverClaims, EngineDriver, OpenedStorage, PluggedDriver } from "../drivers/storage/contract.ts";
export { engineDriverOver } from "../drivers/storage/ordered/driver.ts";
export type { Change, OrderedStore, StoredEntry } from "../drivers/storage/ordered/store.ts";
export type { Statement } from "../fixtures/generators/statement.ts";
export type { DriverFinding, DriverResult } from "../reports/conform-model.ts";
export type { Scenario } from "../suites/scenario.ts";
export {
	conform,
	type DescribeOptions,
	describeDriver,
	type HoldOptions,
	type TestRunner,
} from "./conform/describe.ts";
export type { Fault } from "./world/faults.ts";
export { HarnessError } from "./world/harness-error.ts";
export type { HistoryEvent } from "./world/history.ts";

export interface ReproduceOptions {
	/** A published engine by name, e.g. `rivet-2.3.19`, or the built entry of your own: a URL, or a path from here. */
	readonly engine: string | URL;
	/** What to look for: `property/kind`, e.g. `queue.no-loss/taken-then-crashed`. */
	readonly finding: string;
}

export interface Reproduction {
	/** How the run shows the finding, in a sentence; undefined when it does not. */
	readonly failure: string | undefined;
	/** Planned faults that struck, by their place in the plan. What did not strike proves nothing. */
	readonly struck: readonly number[];
	/** Hex SHA-256 of the history: equal for equal runs. */
	readonly digest: string;
	/** What happened, in order. */
	readonly events: readonly HistoryEvent[];
}

/**
 * Runs a scenario on an engine and says whether it shows the finding.
 * @throws UsageError when the engine, the finding or the scenario cannot be made out; HarnessError when the run left its world.
 */
export async function reproduce(scenario: Scenario, { engine, finding }: ReproduceOptions): Promise<Reproduction> {
	const fault = faultIn(SCENARIO, scenario);
	if (fault !== undefined) throw new UsageError(`This is no scenario (${fault}); pnpm sim emit writes one.`);
	const [id, kind] = finding.split("/", 2);
	const property = PROPERTIES.find((candidate) => candidate.id === id);
	if (property === undefined || kind === undefined) {
		throw new UsageError(`Unknown finding "${finding}"; give property/kind, with a property that pnpm sim list names.`);
	}
	const module = await loadEngine(engine instanceof URL ? fileURLToPath(engine) : engine);
	const explorer = new Explorer({ engine: module, storage: memoryStorage }, PROGRAMS, [property]);
	const program = explorer.programOf(scenario);
	if (program === undefined) {
		throw new UsageError(
			`${module.name} runs no program "${scenario.program}" here; pnpm sim list names those there are.`,
		);
	}
	const { run, violations } = await inMacrotask(() => explorer.judge(scenario, program));
	return {
		failure: violations.find(({ violation }) => violation.kind === kind)?.violation.message,
		struck: [...run.fired].sort((a, b) => a - b),
		digest: run.history.digest(),
		events: run.history.events,
	};
}
