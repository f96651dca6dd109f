/**
 * Hunts with the properties that no single run can break: `version.upgrade` in the durable states that an older version left, and
 * `durable.cost` in what operations cost. Where seeds are counted otherwise, it is states here, or operations.
 */
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Budgets } from "../../../fixtures/costs/budgets.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import { costOf, judgeCost, OPERATIONS, type Operation, RESUME } from "../../../suites/cost.ts";
import type { Target } from "../../../suites/run.ts";
import { causeOf } from "../../../suites/upgrade.ts";
import { Upgrades } from "../matrix/upgrades.ts";
import type { Hunted } from "./hunt.ts";

const MODES: readonly HostingMode[] = ["live", "yield"];
const ALL: readonly Operation[] = [...OPERATIONS, RESUME];
const MEASURES = ["writes", "operations", "bytes"] as const;

/** What an older version left, finished by the newest and by the mutant made of it. */
export interface UpgradeGround {
	readonly older: Target;
	readonly newest: Target;
	readonly program: Program;
}

/** @param kind the cause of the failure, whatever version the history came from. */
export function* huntUpgrade(
	{ older, newest, program }: UpgradeGround,
	mutant: Target,
	kind: string,
	limit: number,
): Generator<void, Hunted> {
	const options = { modes: MODES, downgrades: false };
	const right = new Upgrades([older, newest], [program], options);
	for (const _ of right.steps()) yield;
	const broken = right.result().pairs.flatMap(({ failures }) => failures)[0];
	if (broken !== undefined) return { tried: 0, flaw: `${newest.engine.name} shows ${broken.kind} without it` };

	const wrong = new Upgrades([older, mutant], [program], options);
	let tried = 0;
	for (const _ of wrong.steps()) {
		const [pair] = wrong.result().pairs;
		tried = pair?.states ?? 0;
		if (pair?.failures.some((failure) => causeOf(failure) === kind) === true) return { seeds: tried, tried };
		if (tried >= limit) break;
		yield;
	}
	return { tried };
}

/** @param kind which measure exceeds its budget: writes, operations or bytes. */
export function* huntCost(
	newest: Target,
	budgets: Budgets,
	mutant: Target,
	kind: string,
	limit: number,
): Generator<void, Hunted> {
	let tried = 0;
	for (const operation of ALL) {
		for (const mode of MODES) {
			if (tried >= limit) return { tried };
			tried++;
			const right = beyondBudget(newest, operation, mode, budgets);
			if (right.length > 0) return { tried, flaw: `${newest.engine.name} exceeds its budget for ${operation.name}` };
			if (beyondBudget(mutant, operation, mode, budgets).some((measure) => measure === kind)) {
				return { seeds: tried, tried };
			}
			yield;
		}
	}
	return { tried };
}

function beyondBudget(target: Target, operation: Operation, mode: HostingMode, budgets: Budgets) {
	const recorded = budgets[target.engine.name]?.[mode]?.[operation.name];
	if (recorded === undefined) return [];
	const [writes, operations, bytes] = recorded;
	const budget = { writes, operations, bytes };
	const { cost, verdict } = judgeCost(target.engine.name, costOf(target, operation, mode), budget);
	return verdict === "fail" && cost !== undefined ? MEASURES.filter((measure) => cost[measure] > budget[measure]) : [];
}
