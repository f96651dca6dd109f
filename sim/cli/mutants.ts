/** `pnpm sim mutants`: the gate. Every property hunts the mutants it names, and the kills are held against the record. */
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../drivers/engine/contract.ts";
import { loadRivet, NEWEST, PUBLISHED } from "../../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../../drivers/storage/memory/driver.ts";
import { CATCHES, type Catch } from "../../fixtures/mutants/catches.ts";
import { MUTANTS } from "../../fixtures/mutants/index.ts";
import { formatKills, type Kill, parseKills, rowOf } from "../../fixtures/mutants/kills.ts";
import { exitCodeOf, findingId, type MutantResult, type MutantsReport, SCHEMA_VERSION } from "../../reports/model.ts";
import { mutantsJunit, mutantsMarkdown, mutantsText, mutantsVerdict } from "../../reports/mutants.ts";
import { COMPARISONS, PROPERTIES } from "../../suites/index.ts";
import { Gate, gaps, judgeHunt, limitOf } from "../explore/gate/gate.ts";
import type { Hunted } from "../explore/gate/hunt.ts";
import { replaceFile } from "../explore/keep/reproducer-file.ts";
import { inMacrotask } from "../world/interpose.ts";
import { loadBudgets } from "./cost.ts";
import { loadExpectations, unknown } from "./options.ts";
import { makeReportDirectory, sayWritten, writeFiles } from "./publish.ts";
import { paintFor, stoppable, widthOf } from "./terminal.ts";
import { VERSION } from "./version.ts";

const KILLS = fileURLToPath(new URL("../../fixtures/mutants/kills.json", import.meta.url));

export interface MutantsOptions {
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
	const rows = chosenRows(options);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const kills = loadKills();
	const startedAt = performance.now();
	const { results, interrupted } = await huntAll(rows, options, kills);
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
	publish(report, options);
	return report;
}

/** The targets that mutants are made of, with what is known of them. */
export async function gateOf(): Promise<Gate> {
	const targetOf = async (name: string) => ({ engine: await loadRivet(name), storage: memoryStorage });
	const [newest, older] = await Promise.all([targetOf(NEWEST), targetOf(PUBLISHED.at(-2) ?? NEWEST)]);
	const known = new Set(loadExpectations({ name: NEWEST }, undefined).map(findingId));
	return new Gate({ newest, older, known, budgets: loadBudgets() });
}

export function loadKills(): Kill[] {
	return existsSync(KILLS) ? parseKills(readFileSync(KILLS, "utf8"), KILLS) : [];
}

/** Rows in the order in which properties are reported. @throws UsageError when a name is none, or nothing is left. */
function chosenRows({ mutant: mutants, property: properties }: MutantsOptions): readonly Catch[] {
	const names = MUTANTS.map(({ name }) => name);
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

/** Hunts along all rows, with progress; at ctrl-c it ends early and keeps what there is. */
async function huntAll(
	rows: readonly Catch[],
	{ update, json, quiet }: MutantsOptions,
	kills: readonly Kill[],
): Promise<{ results: MutantResult[]; interrupted: boolean }> {
	const gate = await gateOf();
	const onRecord = new Map(kills.map((kill) => [rowOf(kill), kill.seeds]));
	const results: MutantResult[] = [];
	const work = async (signal: AbortSignal, progress: (done: number, note: string) => void) => {
		for (const row of rows) {
			const recorded = update === true ? undefined : onRecord.get(rowOf(row));
			const limit = limitOf(recorded);
			const hunted = await followed(gate.hunt(row, limit), signal);
			if (hunted === undefined) return;
			results.push(judgeHunt(row, gate.targetOf(row), hunted, limit, recorded));
			progress(results.length, row.mutant);
		}
	};
	const interrupted = await stoppable(quiet === true || json === true, work, rows.length, "hunt");
	return { results, interrupted };
}

/** Real milliseconds between two looks at whether to stop. */
const SLICE_MS = 100;

/** What a hunt came to; undefined when it was stopped before. */
async function followed(hunt: Generator<void, Hunted>, signal: AbortSignal): Promise<Hunted | undefined> {
	while (!signal.aborted) {
		const hunted = await inMacrotask(() => {
			const sliceEnds = performance.now() + SLICE_MS;
			while (performance.now() < sliceEnds) {
				const step = hunt.next();
				if (step.done === true) return step.value;
			}
			return undefined;
		});
		if (hunted !== undefined) return hunted;
	}
	return undefined;
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

function publish(report: MutantsReport, options: MutantsOptions): void {
	const asJson = `${JSON.stringify(report, undefined, "\t")}\n`;
	const silent = options.quiet === true || options.json === true;
	if (options.json === true) process.stdout.write(asJson);
	else {
		const paint = paintFor(process.stdout);
		const quiet = options.quiet === true;
		process.stdout.write(mutantsText(report.mutants, { width: widthOf(process.stdout), paint, quiet }));
	}
	if (options.update === true && !silent) process.stdout.write(`recorded: ${relative(".", KILLS)}\n`);
	if (options.report === undefined) return;
	const files: [string, string][] = [
		["mutants.json", asJson],
		["mutants.md", mutantsMarkdown(report.mutants)],
		["mutants.txt", mutantsText(report.mutants)],
		["mutants.xml", mutantsJunit(report)],
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
