/** One report of what became of several drivers. */
import type { ConformReport, DriverResult } from "../../reports/conform-model.ts";
import { exitCodeOf } from "../../reports/model.ts";
import type { DriverProperty } from "../../suites/storage-driver/property.ts";
import { worst } from "./conform.ts";

export interface ReportFacts {
	readonly settings: ConformReport["settings"];
	readonly version: string;
	readonly interrupted: boolean;
	readonly seconds: number;
	/** Whether all drivers were asked for: then one that cannot run here takes nothing from the others. */
	readonly all: boolean;
}

export function reportOf(
	drivers: readonly DriverResult[],
	properties: readonly DriverProperty[],
	facts: ReportFacts,
): ConformReport {
	const verdict = verdictOf(drivers, facts.all);
	return {
		schemaVersion: 1,
		tool: { name: "faultline", version: facts.version },
		settings: facts.settings,
		properties: properties.map(({ id, claim, source }) => ({ id, claim, source })),
		drivers,
		verdict,
		exitCode: exitCodeOf(verdict),
		interrupted: facts.interrupted,
		seconds: Number(facts.seconds.toFixed(3)),
	};
}

/** A driver that was named and could not be checked proves nothing. */
function verdictOf(drivers: readonly DriverResult[], all: boolean): ConformReport["verdict"] {
	const verdicts = drivers.map(({ verdict }) => verdict);
	if (verdicts.includes("fail")) return "fail";
	if (verdicts.includes("fixed")) return "fixed";
	const unproven =
		verdicts.includes("invalid") || (all ? verdicts.every((v) => v === "skip") : verdicts.includes("skip"));
	return unproven ? "invalid" : worst(verdicts.filter((verdict) => verdict !== "invalid"));
}
