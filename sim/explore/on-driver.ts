/**
 * Runs of an explorer on a real driver: the same scenarios, judged by the same properties, each beside the same run on the world's
 * own disk. What a driver gets wrong is told once, as such; what follows from it is not told as a failure of the engine.
 */

import type { PluggedDriver } from "../../drivers/storage/contract.ts";
import { claimsOf } from "../../drivers/storage/session.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import { sameAnswers, survivesKills } from "../../suites/parity.ts";
import type { Property } from "../../suites/property.ts";
import { execute, executeOn } from "../../suites/run.ts";
import type { Scenario } from "../../suites/scenario.ts";
import type { FaultKind } from "../world/faults.ts";
import { HarnessError } from "../world/harness-error.ts";
import { inMacrotask } from "../world/interpose.ts";
import { describeDifference, firstDifference } from "./blame.ts";
import { type Explorer, idOf, type Judgement } from "./explorer.ts";

const ABOUT_DRIVERS: ReadonlySet<Property> = new Set([sameAnswers, survivesKills]);

/**
 * A judgement of a run on storage that went wrong, without what follows from that: what the engine gets wrong of itself it gets
 * wrong on the world's disk, too.
 */
export function withoutConsequences(judgement: Judgement, onDisk: Judgement): Judgement {
	const anyway = new Set(onDisk.violations.map(idOf));
	const violations = judgement.violations.filter(
		(shown) => ABOUT_DRIVERS.has(shown.property) || anyway.has(idOf(shown)),
	);
	return { ...judgement, violations };
}

/** A driver under test, with a name that keeps the namespaces of its runs apart from those of other processes. */
export interface UnderTest {
	readonly driver: PluggedDriver;
	readonly prefix: string;
}

export class DriverExplorer {
	readonly #explorer: Explorer;
	readonly #under: UnderTest;
	#runs = 0;

	constructor(explorer: Explorer, under: UnderTest) {
		this.#explorer = explorer;
		this.#under = under;
	}

	/** The scenario as the driver's claims allow it: the engine is told what is claimed, and storage keeps what it acknowledged. */
	fitted(scenario: Scenario): Scenario {
		const { atomicBatch: _, ...rest } = scenario;
		const isAtomic = claimsOf(this.#under.driver).atomicBatch !== "none";
		const illegal: ReadonlySet<FaultKind> = new Set(isAtomic ? ["power-loss", "torn"] : ["power-loss"]);
		const faults = rest.faults.filter(({ kind }) => !illegal.has(kind));
		return { ...rest, faults, ...(isAtomic ? { atomicBatch: true } : {}) };
	}

	/** Runs the scenario on the driver and judges it. @throws HarnessError when the run left its world or the driver failed. */
	async judge(scenario: Scenario, program: Program): Promise<Judgement> {
		const explorer = this.#explorer;
		const { driver, prefix } = this.#under;
		const untilMs = await inMacrotask(() => explorer.limitOf(scenario, program));
		const namespace = `${prefix}-${++this.#runs}`;
		const run = await executeOn({ driver, namespace }, scenario, program, explorer.target, { untilMs });
		return await inMacrotask(() => {
			const judgement = explorer.judgeRun(run);
			const differs = sameAnswers.check(run, run).length > 0;
			const onDisk = execute(scenario, program, explorer.target, { untilMs });
			if (differs) return withoutConsequences(judgement, explorer.judgeRun(onDisk));
			const difference = firstDifference(onDisk.history, run.history);
			if (difference === undefined) return judgement;
			const lines = describeDifference(difference, ["disk", driver.name], explorer.describeKey);
			throw new HarnessError(
				"parity",
				`the same run is another on the driver, whose answers are right: ${lines.join("\n")}`,
			);
		});
	}
}
