/** The costs of all operations on several versions, beside what is on record. */
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Budgets } from "../../../fixtures/costs/budgets.ts";
import type { Cost, CostResult, CostRow } from "../../../reports/model.ts";
import { costOf, durableCost, judgeCost, OPERATIONS, type Operation, RESUME } from "../../../suites/cost.ts";
import type { Target } from "../../../suites/run.ts";
import { inMacrotask } from "../../world/interpose.ts";

const MODES: readonly HostingMode[] = ["live", "yield"];
const ALL: readonly Operation[] = [...OPERATIONS, RESUME];

/** Counts every operation. @param onProgress called with the programs counted so far. */
export async function costs(
	targets: readonly Target[],
	budgets: Budgets,
	{ modes = MODES, onProgress }: { modes?: readonly HostingMode[]; onProgress?: (done: number) => void } = {},
): Promise<CostResult> {
	const rows: CostRow[] = [];
	for (const operation of ALL) {
		for (const mode of modes) {
			const { name, summary, counts } = operation;
			const cells = await inMacrotask(() =>
				targets.map((target) => {
					const recorded = budgets[target.engine.name]?.[mode]?.[name];
					const cost = costOf(target, operation, mode);
					return judgeCost(target.engine.name, cost, recorded === undefined ? undefined : asCost(recorded));
				}),
			);
			rows.push({ operation: name, summary, mode, times: counts[1] - counts[0], cells });
			onProgress?.(rows.length);
		}
	}
	return { property: durableCost.id, engines: targets.map(({ engine }) => engine.name), rows };
}

/** The budgets with those of the versions counted replaced by what they cost now. */
export function budgetsFrom(budgets: Budgets, { engines, rows }: CostResult): Budgets {
	const updated = { ...budgets };
	for (const engine of engines) {
		const modes: Record<string, Record<string, [number, number, number]>> = {};
		for (const { operation, mode, cells } of rows) {
			const cost = cells.find((cell) => cell.engine === engine)?.cost;
			if (cost === undefined) continue;
			modes[mode] ??= {};
			(modes[mode] as Record<string, unknown>)[operation] = [cost.writes, cost.operations, cost.bytes];
		}
		updated[engine] = modes;
	}
	return updated;
}

function asCost([writes, operations, bytes]: readonly [number, number, number]): Cost {
	return { writes, operations, bytes };
}
