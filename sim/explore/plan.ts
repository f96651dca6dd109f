/**
 * A scenario that only differs from the uninterrupted one in faults or order, as options of the command line and back: what a
 * search found is shown again without a file.
 */

import { UsageError } from "../../drivers/engine/contract.ts";
import type { Scenario } from "../../suites/scenario.ts";
import { describeFault, type FaultPlan, parseFault } from "../world/faults.ts";
import { REFERENCE_SEED } from "./draw.ts";

/** A plan without faults. */
const NOTHING = "none";

/**
 * ` --program queue-loop --mode live --plan "crash after durable write 4"`; of a seed's scenario ` --seed 7 --plan …`.
 * @param drawing the options that decide what a seed means.
 */
export function planOptions({ program, seed, hosting, faults, schedule }: Scenario, drawing = ""): string {
	const drawn = seed !== REFERENCE_SEED;
	const parts = drawn ? [`--seed ${seed}${drawing}`] : [`--program ${program}`, `--mode ${hosting.mode}`];
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

/** The scenario with nothing in its way: no faults, no order but the seed's, and at a crash nothing in flight takes effect. */
export function uninterrupted({ schedule: _, ...scenario }: Scenario): Scenario {
	return { ...scenario, inFlight: "lost", faults: [] };
}

/** The scenario with these faults, and in this order when one is given. */
export function planned(base: Scenario, faults: FaultPlan, order: readonly number[] | undefined): Scenario {
	return {
		...uninterrupted(base),
		faults,
		...(order === undefined ? {} : { schedule: { kind: "choices", choices: order } }),
	};
}
