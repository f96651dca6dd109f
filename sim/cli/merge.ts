/** `pnpm sim merge DIR…`: the shards of a campaign, run anywhere, joined into the report that one campaign would have made. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../drivers/engine/contract.ts";
import type { Report } from "../../reports/model.ts";
import { resultOf } from "../explore/result.ts";
import { joinShards, parseShardFile, reach, SHARD_FILE, type ShardRecord } from "../explore/shard-file.ts";
import type { FaultKind } from "../world/faults.ts";
import { commands, reportOf } from "./explore.ts";
import { type PublishOptions, printReport, writeReport } from "./publish.ts";
import { VERSION } from "./version.ts";

export interface MergeOptions extends PublishOptions {
	/** Takes shards that were stopped before their end as they are. */
	readonly partial?: boolean;
}

/** Prints and writes the joined report. @throws UsageError naming the directory that does not belong, and why. */
export function merge(directories: readonly string[], options: MergeOptions): Report {
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
	const result = resultOf(
		tally,
		{ expectations: expectations.listed, ...commands(drawing) },
		shards.some(({ interrupted }) => interrupted),
	);
	// Shards run side by side: together they took as long as the slowest.
	const seconds = Math.max(...shards.map((shard) => shard.seconds));
	const report: Report = {
		...reportOf(result, { engine, storage: { name: driver } }, { ...settings, shards: shards.map(reach) }, seconds),
		...(Object.values(tally.corpus).some(({ length }) => length > 0) ? { corpus: tally.corpus } : {}),
	};
	printReport(report, options);
	if (options.report !== undefined)
		writeReport(options.report, report, options.json === true || options.quiet === true);
	return report;
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
