/**
 * A scenario that only differs from the uninterrupted one in faults or order, as options of the command line and back: what a
 * search found is shown again without a file.
 */

import { UsageError } from "../../drivers/engine/contract.ts";
import type { HostingMode } from "../../drivers/engine/host.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import type { Scenario } from "../../suites/scenario.ts";
import { describeFault, type FaultPlan, parseFault } from "../world/faults.ts";
import { referenceScenario } from "./draw.ts";

/** A plan without faults. */
const NOTHING = "none";

/** ` --program queue-loop --mode live --plan "crash after durable write 4"` */
export function planOptions({ program, hosting, faults, schedule }: Scenario): string {
	const parts = [`--program ${program}`, `--mode ${hosting.mode}`];
	const plan = faults.length === 0 ? NOTHING : `"${faults.map(describeFault).join("; ")}"`;
	if (faults.length > 0 || schedule === undefined) parts.push(`--plan ${plan}`);
	if (schedule?.kind === "choices") parts.push(`--order ${schedule.choices.join(",") || "0"}`);
	return parts.map((part) => ` ${part}`).join("");
}

/** @throws UsageError naming the part that describes no fault. */
export function parsePlan(text: string): FaultPlan {
	if (text.trim() === NOTHING) return [];
	return text
		.split(";")
		.filter((part) => part.trim() !== "")
		.map((part) => {
			const fault = parseFault(part);
			if (fault !== undefined) return fault;
			throw new UsageError(
				`"${part.trim()}" is no fault; say, e.g., "crash after durable write 4; evict before event 9" (docs/search.md lists all).`,
			);
		});
}

export function plannedScenario(
	program: Program,
	mode: HostingMode,
	faults: FaultPlan,
	order: readonly number[] | undefined,
): Scenario {
	return {
		...referenceScenario(program, mode),
		faults,
		...(order === undefined ? {} : { schedule: { kind: "choices", choices: order } }),
	};
}
