/** `pnpm sim mutants`: the gate. Every property hunts the mutants it names, and the kills are held against the record. */
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { referenceEngine } from "../../../drivers/engine/reference/reference.ts";
import { loadRivet, NEWEST, PUBLISHED } from "../../../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../../../drivers/storage/memory/driver.ts";
import type { Catch } from "../../../fixtures/mutants/catch.ts";
import { CATCHES } from "../../../fixtures/mutants/catches.ts";
import { formatKills, type Kill, parseKills, rowOf } from "../../../fixtures/mutants/kills.ts";
import {
	exitCodeOf,
	findingId,
	type MutantResult,
	type MutantsReport,
	type MutantsResult,
	SCHEMA_VERSION,
} from "../../../reports/model.ts";
import { mutantsJunit, mutantsMarkdown, mutantsText, mutantsVerdict } from "../../../reports/mutants.ts";
import { COMPARISONS, PROPERTIES } from "../../../suites/index.ts";
import { ALL_MUTANTS } from "../../explore/gate/deviations.ts";
import { Gate, gaps, huntAll } from "../../explore/gate/gate.ts";
import { replaceFile } from "../../explore/keep/reproducer-file.ts";
import { loadExpectations } from "../options.ts";
import { stoppable } from "../progress/stoppable.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { makeReportDirectory, sayWritten, writeFiles } from "../report/publish.ts";
import { unknown } from "../unknown.ts";
import { VERSION } from "../version.ts";
import { loadBudgets } from "../versions/cost.ts";

const KILLS = fileURLToPath(new URL("../../../fixtures/mutants/kills.json", import.meta.url));

export interface MutantsOptions {
	/** None: what a mutant is made of is its own affair. */
	readonly engine?: string;
	/** Names of mutants; all when absent. */
	readonly mutant?: readonly string[];
	/** Ids of properties; all when absent. */
	readonly property?: readonly string[];
	/** Whether to record what the hunts came to. */
	readonly update?: boolean;
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
}

export async function mutants(options: MutantsOptions): Promise<MutantsReport> {
	if (options.engine !== undefined) {
		throw new UsageError("--engine means nothing here: each mutant is made of one engine; see docs/mutants.md.");
	}
	const rows = chosenRows(options);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const kills = loadKills();
	const startedAt = performance.now();
	const gate = await gateOf();
	const results: MutantResult[] = [];
	const silent = options.quiet === true || options.json === true;
	const work = async (signal: AbortSignal, progress: (done: number, note: string) => void) => {
		for await (const result of huntAll(gate, rows, options.update === true ? [] : kills, signal)) {
			results.push(result);
			progress(results.length, result.mutant);
		}
	};
	const { interrupted } = await stoppable(silent, rows.length, work, "hunt");
	const isWhole = options.mutant === undefined && options.property === undefined;
	const recorded = options.update === true && !interrupted ? record(kills, results, isWhole) : kills;
	const own = options.update === true ? results.map((result) => asRecorded(result, recorded)) : results;
	const result = { rows: own, gaps: isWhole ? gaps(recorded) : [], interrupted };
	const verdict = mutantsVerdict(result);
	const report: MutantsReport = {
		...{ schemaVersion: SCHEMA_VERSION, tool: { name: "faultline", version: VERSION } },
		...{ settings: settingsOf(options), command: commandOf(options) },
		...{ verdict, exitCode: exitCodeOf(verdict), mutants: result },
		seconds: Number(((performance.now() - startedAt) / 1_000).toFixed(3)),
	};
	publishMutants(report, options);
	if (options.update === true && !silent) process.stdout.write(updateText(kills, results));
	return report;
}

/** What an update did to the record. */
function updateText(before: readonly Kill[], results: readonly MutantResult[]): string {
	const seeds = new Map(before.map((kill) => [rowOf(kill), kill.seeds]));
	const slower = results.filter(
		(result) => (result.seeds ?? 0) > (seeds.get(rowOf(result)) ?? Number.POSITIVE_INFINITY),
	);
	const lines = slower.map(
		(result) => `takes longer than before: ${rowOf(result)}, ${seeds.get(rowOf(result))} to ${result.seeds}`,
	);
	return `${[...lines, `recorded: ${relative(".", KILLS)}`].join("\n")}\n`;
}

/** The whole gate, as a part of a larger report. */
export async function hunted(signal: AbortSignal, onProgress: (hunts: number) => void): Promise<MutantsResult> {
	const kills = loadKills();
	const rows: MutantResult[] = [];
	for await (const row of huntAll(await gateOf(), chosenRows(), kills, signal)) onProgress(rows.push(row));
	return { rows, gaps: gaps(kills), interrupted: signal.aborted };
}

/** The targets that mutants are made of, with what is known of them. */
export async function gateOf(): Promise<Gate> {
	const targetOf = async (name: string) => ({ engine: await loadRivet(name), storage: memoryStorage });
	const [newest, older] = await Promise.all([targetOf(NEWEST), targetOf(PUBLISHED.at(-2) ?? NEWEST)]);
	const reference = { engine: referenceEngine(), storage: memoryStorage };
	const known = new Set(loadExpectations({ name: NEWEST }, undefined).map(findingId));
	return new Gate({ newest, older, known, reference, budgets: loadBudgets() });
}

export function loadKills(): Kill[] {
	return existsSync(KILLS) ? parseKills(readFileSync(KILLS, "utf8"), KILLS) : [];
}

/** Rows in the order in which properties are reported. @throws UsageError when a name is none, or nothing is left. */
export function chosenRows({ mutant: mutants, property: properties }: MutantsOptions = {}): readonly Catch[] {
	const names = ALL_MUTANTS.map(({ name }) => name);
	const ids = [...PROPERTIES, ...COMPARISONS].map(({ id }) => id);
	for (const name of mutants ?? []) if (!names.includes(name)) throw new UsageError(unknown("mutant", name, names));
	for (const id of properties ?? []) if (!ids.includes(id)) throw new UsageError(unknown("property", id, ids));
	const rows = ids.flatMap((id) => CATCHES.filter(({ property }) => property === id));
	const chosen = rows.filter(
		({ mutant, property }) => (mutants?.includes(mutant) ?? true) && (properties?.includes(property) ?? true),
	);
	if (chosen.length > 0) return chosen;
	throw new UsageError(`No property of ${properties?.join(", ")} names a mutant of ${mutants?.join(", ")}.`);
}

/** Writes the record anew: hunted rows as they came out, and of the others those that a whole hunt would have gone along. */
function record(kills: readonly Kill[], results: readonly MutantResult[], isWhole: boolean): Kill[] {
	const hunted = new Set(results.map(rowOf));
	const updated = [
		...(isWhole ? [] : kills.filter((kill) => !hunted.has(rowOf(kill)))),
		...results.flatMap(({ mutant, property, kind, seeds }) =>
			seeds === undefined ? [] : [{ mutant, property, kind, seeds }],
		),
	];
	replaceFile(KILLS, formatKills(updated));
	return updated;
}

/** A kill that has just been put on record is as recorded. */
function asRecorded(result: MutantResult, kills: readonly Kill[]): MutantResult {
	const recorded = kills.find((kill) => rowOf(kill) === rowOf(result))?.seeds;
	if (recorded === undefined || result.seeds === undefined) return result;
	const { message: _, ...rest } = result;
	return { ...rest, recorded, verdict: "pass" };
}

/** Prints the table, and writes it where that was asked for. */
export function publishMutants(
	report: MutantsReport,
	options: Pick<MutantsOptions, "json" | "quiet" | "report">,
): void {
	const asJson = `${JSON.stringify(report, undefined, "\t")}\n`;
	const silent = options.quiet === true || options.json === true;
	if (options.json === true) process.stdout.write(asJson);
	else {
		const paint = paintFor(process.stdout);
		const quiet = options.quiet === true;
		process.stdout.write(mutantsText(report.mutants, { width: widthOf(process.stdout), paint, quiet }));
	}
	if (options.report === undefined) return;
	const files: [string, string][] = [
		["mutants.json", asJson],
		["mutants.md", mutantsMarkdown(report.mutants)],
		["mutants.txt", mutantsText(report.mutants)],
		["mutants.xml", mutantsJunit(report.mutants)],
	];
	writeFiles(options.report, files);
	const names = files.map(([name]) => name);
	if (!silent) sayWritten(options.report, names);
}

function settingsOf({ mutant, property, update }: MutantsOptions): MutantsReport["settings"] {
	return {
		...(mutant === undefined ? {} : { mutant }),
		...(property === undefined ? {} : { property }),
		...(update === true ? { update: "the record" } : {}),
	};
}

function commandOf({ mutant, property }: MutantsOptions): string {
	const list = (name: string, values: readonly string[] | undefined) =>
		values === undefined ? "" : ` --${name} ${values.join(",")}`;
	return `pnpm sim mutants${list("mutant", mutant)}${list("property", property)}`;
}
