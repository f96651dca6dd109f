/** `pnpm sim merge DIR…`: the shards of a campaign, run anywhere, joined into the report that one campaign would have made. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { PUBLISHED } from "../../../drivers/engine/rivet/engine.ts";
import type { Report } from "../../../reports/model.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { type CampaignResult, type Commands, type JudgedProperty, resultOf } from "../../explore/campaign/result.ts";
import { joinShards, parseShardFile, reach, SHARD_FILE, type ShardRecord } from "../../explore/campaign/shard-file.ts";
import type { KeptFiles } from "../../explore/keep/reproductions.ts";
import type { FaultKind } from "../../world/faults.ts";
import { commands, reportOf } from "../engine/explore.ts";
import { prepare } from "../options.ts";
import type { Keeps } from "../progress/carry-out.ts";
import { VERSION } from "../version.ts";
import { baselineOf } from "./baseline.ts";
import { tellGithub } from "./github.ts";
import { makeReportDirectory, type PublishOptions, printReport, withReproducers, writeReport } from "./publish.ts";

export interface MergeOptions extends PublishOptions {
	/** File of an earlier report: what it has is no news. */
	readonly baseline?: string;
	/** Takes shards that were stopped before their end as they are. */
	readonly partial?: boolean;
}

/**
 * What merging has to know of what the shards were of.
 * @typeParam S what its scenarios are: those of an engine, an actor, a runner.
 */
export interface Merging<S extends SubjectScenario = SubjectScenario> {
	readonly commands: Commands;
	/** What could be judged by; the properties of engines when absent. */
	readonly properties?: readonly JudgedProperty[];
	report(result: CampaignResult<S>, settings: Report["settings"], seconds: number): Report;
	/** What writes the reproducers beside a report; undefined where what they run need not be here. */
	keeper(report: string): Promise<Keeps<S> | undefined>;
}

/** Prints and writes the joined report. @throws UsageError naming the directory that does not belong, and why. */
export async function merge(directories: readonly string[], options: MergeOptions): Promise<Report> {
	const byDirectory = new Map<string, ShardRecord>();
	for (const directory of directories) {
		if (byDirectory.has(directory)) throw new UsageError(`${directory} is given twice; give each directory once.`);
		byDirectory.set(directory, readShard(directory));
	}
	const { tally, shards } = joinShards(byDirectory, options.partial === true);
	const [first] = shards as readonly [ShardRecord];
	if (first.tool !== VERSION) {
		throw new UsageError(
			`${directories[0]}: made by Faultline ${first.tool}, and this is ${VERSION}; merge with ${first.tool}.`,
		);
	}
	const judged = Object.keys(tally.checked).map((id) => ({ id }));
	const baseline = await baselineOf(options, judged);
	const merging = await mergingOf(first);
	const found = resultOf<SubjectScenario>(
		tally,
		{
			expectations: first.expectations.listed,
			...(baseline === undefined ? {} : { baseline: baseline.known }),
			...(merging.properties === undefined ? {} : { properties: merging.properties }),
			...merging.commands,
		},
		shards.some(({ interrupted }) => interrupted),
	);
	const { result, files } = await reproducersOf(found, merging, options.report);
	// Shards run side by side: together they took as long as the slowest.
	const seconds = Math.max(...shards.map((shard) => shard.seconds));
	const plain: Report = {
		...merging.report(result, { ...first.settings, shards: shards.map(reach) }, seconds),
		...(Object.values(tally.corpus).some(({ length }) => length > 0) ? { corpus: tally.corpus } : {}),
	};
	const reproducible = withReproducers(plain, files);
	const report: Report =
		baseline === undefined ? reproducible : { ...reproducible, baseline: baseline.beside(reproducible) };
	printReport(report, options);
	const silent = options.json === true || options.quiet === true;
	if (options.report !== undefined) await writeReport(options.report, report, silent, files);
	if (options.github === true) tellGithub(report, options);
	return report;
}

async function mergingOf(record: ShardRecord): Promise<Merging> {
	if (record.kind === undefined) return mergingEngines(record);
	// Loaded when asked for: shards of engines need none of it.
	const { mergingSubjects } = await import("../subject/merge.ts");
	return mergingSubjects({ ...record, kind: record.kind });
}

function mergingEngines({ engine, driver, settings, tally }: ShardRecord): Merging<Scenario> {
	const drawing = {
		engine: engine.name,
		...(settings.program === undefined ? {} : { program: settings.program as string[] }),
		...(settings.faults === undefined ? {} : { faults: settings.faults as FaultKind[] }),
	};
	return {
		commands: commands(drawing),
		report: (result, own, seconds) => reportOf(result, { engine, storage: { name: driver } }, own, seconds),
		keeper: async (report) => {
			// A published engine is here too, a local build may not be.
			if (!PUBLISHED.includes(engine.name)) return undefined;
			const { explorer } = await prepare({ ...drawing, property: Object.keys(tally.checked) });
			const { Keeper } = await import("../../explore/keep/keeper.ts");
			const { EngineForm } = await import("../../explore/keep/engine-form.ts");
			return new Keeper(new EngineForm(explorer), { report });
		},
	};
}

/** Writes the reproducers beside a report. */
async function reproducersOf(
	result: CampaignResult<SubjectScenario>,
	merging: Merging,
	report: string | undefined,
): Promise<{ result: CampaignResult<SubjectScenario>; files: ReadonlyMap<string, KeptFiles> }> {
	if (report === undefined) return { result, files: new Map() };
	makeReportDirectory(report);
	const keeper = await merging.keeper(report);
	if (keeper === undefined) return { result, files: new Map() };
	const kept = await keeper.keep(result);
	if (!result.interrupted && kept.result.verdict !== "invalid") keeper.removeStale();
	return kept;
}

function readShard(directory: string): ShardRecord {
	let text: string;
	try {
		text = readFileSync(join(directory, SHARD_FILE), "utf8");
	} catch {
		throw new UsageError(
			`${directory}: no ${SHARD_FILE} is there; give a directory written by pnpm sim --shard i/n --report DIR.`,
		);
	}
	return parseShardFile(text, directory);
}
