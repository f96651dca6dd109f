/** `pnpm sim merge DIR…`: the shards of a campaign, run anywhere, joined into the report that one campaign would have made. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { PUBLISHED } from "../../../drivers/engine/rivet/engine.ts";
import type { Report } from "../../../reports/model.ts";
import { type CampaignResult, resultOf } from "../../explore/campaign/result.ts";
import { joinShards, parseShardFile, reach, SHARD_FILE, type ShardRecord } from "../../explore/campaign/shard-file.ts";
import type { KeptFiles } from "../../explore/keep/reproductions.ts";
import type { FaultKind } from "../../world/faults.ts";
import { commands, reportOf } from "../engine/explore.ts";
import { prepare, type RunOptions } from "../options.ts";
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

/** Prints and writes the joined report. @throws UsageError naming the directory that does not belong, and why. */
export async function merge(directories: readonly string[], options: MergeOptions): Promise<Report> {
	const byDirectory = new Map<string, ShardRecord>();
	for (const directory of directories) {
		if (byDirectory.has(directory)) throw new UsageError(`${directory} is given twice; give each directory once.`);
		byDirectory.set(directory, readShard(directory));
	}
	const { tally, shards } = joinShards(byDirectory, options.partial === true);
	const { tool, engine, driver, settings, expectations } = shards[0] as ShardRecord;
	if (tool !== VERSION) {
		throw new UsageError(`${directories[0]}: made by Faultline ${tool}, and this is ${VERSION}; merge with ${tool}.`);
	}
	const drawing = {
		engine: engine.name,
		...(settings.program === undefined ? {} : { program: settings.program as string[] }),
		...(settings.faults === undefined ? {} : { faults: settings.faults as FaultKind[] }),
	};
	const judged = Object.keys(tally.checked).map((id) => ({ id }));
	const baseline = await baselineOf(options, judged);
	const found = resultOf(
		tally,
		{
			expectations: expectations.listed,
			...(baseline === undefined ? {} : { baseline: baseline.known }),
			...commands(drawing),
		},
		shards.some(({ interrupted }) => interrupted),
	);
	const { result, files } = await reproducersOf(found, drawing, options.report);
	// Shards run side by side: together they took as long as the slowest.
	const seconds = Math.max(...shards.map((shard) => shard.seconds));
	const plain: Report = {
		...reportOf(result, { engine, storage: { name: driver } }, { ...settings, shards: shards.map(reach) }, seconds),
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

/** Writes the reproducers beside a report, which takes the engine: a published one is here too, a local build may not be. */
async function reproducersOf(
	result: CampaignResult,
	drawing: Pick<RunOptions, "engine" | "program">,
	report: string | undefined,
): Promise<{ result: CampaignResult; files: ReadonlyMap<string, KeptFiles> }> {
	if (report === undefined || !PUBLISHED.includes(drawing.engine)) return { result, files: new Map() };
	makeReportDirectory(report);
	const { explorer } = await prepare({ ...drawing, property: Object.keys(result.tally.checked) });
	const { Keeper } = await import("../../explore/keep/keeper.ts");
	const keeper = new Keeper(explorer, { report });
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
