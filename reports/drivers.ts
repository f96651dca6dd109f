/** What storage drivers were held to, as the matrix that versions, actors and runners have: one table, one page for all of them. */
import type { ConformReport, DriverCell, DriverFinding, DriverResult } from "./conform-model.ts";
import {
	exitCodeOf,
	type Finding,
	type MatrixCell,
	type MatrixReport,
	type MatrixVersion,
	SCHEMA_VERSION,
} from "./model.ts";

export interface DriversMade {
	/** Makes it again. */
	readonly command: string;
	/** The day it was made, as `2030-01-31`. */
	readonly made?: string;
}

export function matrixOfDrivers(report: ConformReport, { command, made }: DriversMade): MatrixReport {
	const { tool, settings, verdict, interrupted, drivers, properties, seconds } = report;
	return {
		...{ schemaVersion: SCHEMA_VERSION, tool, kind: "drivers" },
		...(made === undefined ? {} : { made }),
		...{ settings, command, driver: "their own", verdict, exitCode: exitCodeOf(verdict), interrupted },
		versions: drivers.map((result) => rowOf(result, command)),
		properties: properties.map(({ id, claim }) => ({
			...{ id, suite: "storage", claim },
			cells: drivers.map((result) => cellOf(id, result)),
		})),
		seconds: Number(seconds.toFixed(3)),
	};
}

function rowOf({ driver, verdict, reason, cells, findings, seconds }: DriverResult, command: string): MatrixVersion {
	return {
		engine: driver,
		...{ verdict, problems: verdict === "invalid" && reason !== undefined ? [reason] : [], interrupted: false },
		counts: { runs: cells.reduce((sum, { runs }) => sum + runs, 0) },
		findings: findings.map(findingOf),
		...{ seconds, command: command.replace("--all", driver) },
	};
}

function findingOf(finding: DriverFinding): Finding {
	const { id, property, kind, verdict, runs, seed, message, steps, command, disputed, reason } = finding;
	return {
		...{ id, property, kind, verdict, runs, programs: [] },
		...(verdict === "fixed"
			? {}
			: { example: { seed, program: finding.driver, conditions: steps, message, digest: "", command } }),
		...(disputed === undefined ? {} : { disputed }),
		...(reason === undefined ? {} : { reason }),
	};
}

function cellOf(property: string, { driver, cells, findings, reason }: DriverResult): MatrixCell {
	const cell = cells.find((one) => one.property === property);
	const of = (verdict: Finding["verdict"]) =>
		findings.filter((finding) => finding.property === property && finding.verdict === verdict).length;
	const why = whyNot(cell, reason);
	return {
		...{ engine: driver, verdict: cell?.verdict ?? "skip", checked: cell?.runs ?? 0 },
		...{ failing: of("fail"), known: of("known"), fixed: of("fixed"), disputed: of("disputed") },
		...(why === undefined ? {} : { reason: why }),
	};
}

/** Why a driver was not held to a property, or to parts of it. */
function whyNot(cell: DriverCell | undefined, skipped: string | undefined): string | undefined {
	if (cell === undefined) return skipped ?? "not chosen";
	if (cell.reason !== undefined) return cell.reason;
	return cell.unclaimed.length > 0 ? `without what it does not claim: ${cell.unclaimed.join(", ")}` : undefined;
}
