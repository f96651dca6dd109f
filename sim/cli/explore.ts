/** `pnpm sim`: explores an engine seed by seed, hands out what it finds as it comes, and reports it all at the end. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { UsageError } from "../../drivers/engine/contract.ts";
import { exitCodeOf, type Finding, type Report, SCHEMA_VERSION } from "../../reports/model.ts";
import { count, plural, wrap } from "../../reports/text.ts";
import { PROPERTIES } from "../../suites/index.ts";
import type { Target } from "../../suites/run.ts";
import { type CampaignResult, campaign } from "../explore/campaign.ts";
import { keepFailures, readCorpus } from "../explore/corpus.ts";
import { Doublecheck } from "../explore/doublecheck.ts";
import { planOptions } from "../explore/plan.ts";
import type { Commands } from "../explore/result.ts";
import { type Shard, seedsOf, WHOLE } from "../explore/shard.ts";
import { digestOf, formatShard, SHARD_FILE } from "../explore/shard-file.ts";
import { drawingOptions, engineOption, LOADER, loadExpectations, prepare, quote, type RunOptions } from "./options.ts";
import { filesOf, makeReportDirectory, type PublishOptions, printReport, sayWritten, writeFiles } from "./publish.ts";
import { progressOf, widthOf } from "./terminal.ts";
import { VERSION } from "./version.ts";

export { writeReport } from "./publish.ts";

export interface ExploreOptions extends RunOptions, PublishOptions {
	readonly runs?: number;
	readonly for?: number;
	readonly from: number;
	/** Threads at most; as many as there are cores when absent. */
	readonly workers?: number;
	readonly shard?: Shard;
	/** Directory in which failures are kept. */
	readonly corpus?: string;
	/** Whether to make a sample of the runs in another process too. */
	readonly doublecheck?: boolean;
}

/** Seeds of a campaign that says neither how many nor how long; under a minute on two cores of today. */
export const DEFAULT_RUNS = 40_000;
/** Real milliseconds between two writings of the report while nothing new is found. */
const WRITE_EVERY_MS = 10_000;

/** Explores, writes the report where it was asked for, and returns it. */
export async function explore(options: ExploreOptions): Promise<Report> {
	const { explorer, target, spec } = await prepare(options);
	const expectations = loadExpectations(target.engine, options.expectations);
	const kept = options.corpus === undefined ? undefined : readCorpus(options.corpus);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const runs = options.runs ?? (options.for === undefined ? DEFAULT_RUNS : Number.POSITIVE_INFINITY);
	const { shard = WHOLE } = options;
	const seeds = seedsOf(runs, shard);
	if (seeds === 0) {
		throw new UsageError(
			`Shard ${shard.i}/${shard.n} has none of ${plural(runs, "seed")}; use at most ${runs} shards.`,
		);
	}
	const silent = options.quiet === true || options.json === true;
	if (!silent) {
		const amount = options.for === undefined ? `${count(seeds)} seeds` : `${options.for / 1_000} s`;
		const part = options.shard === undefined ? "" : `shard ${shard.i}/${shard.n}, `;
		const subject = `Faultline ${VERSION}: ${target.engine.name} on ${target.storage.name} storage`;
		const { programs, properties } = explorer;
		process.stdout.write(
			`${subject}\n${part}${amount}, ${plural(programs.length, "program")}, ${properties.length} of ${PROPERTIES.length} properties\n\n`,
		);
	}

	const startedAt = performance.now();
	const seconds = () => (performance.now() - startedAt) / 1_000;
	const settings = settingsOf(options, runs);
	const ownSettings = options.shard === undefined ? settings : { ...settings, shard: `${shard.i}/${shard.n}` };
	const reportNow = (result: CampaignResult) => {
		const report = reportOf(result, target, ownSettings, seconds());
		return options.corpus === undefined ? report : { ...report, corpus: result.tally.corpus };
	};
	/** Puts everything found so far where a killed campaign leaves it. */
	const store = (result: CampaignResult): (readonly [string, string])[] => {
		if (options.corpus !== undefined && kept !== undefined) {
			keepFailures(options.corpus, target.engine.name, result, kept);
		}
		if (options.report === undefined) return [];
		const files: (readonly [string, string])[] = filesOf(reportNow(result));
		if (options.shard !== undefined) {
			files.push([
				SHARD_FILE,
				formatShard({
					tool: VERSION,
					engine: identityOf(target.engine),
					driver: target.storage.name,
					...{ settings, shard },
					interrupted: result.interrupted,
					seconds: Number(seconds().toFixed(3)),
					expectations: {
						digest: digestOf(expectations),
						listed: expectations.map(({ scenario: _, ...entry }) => entry),
					},
					tally: result.tally,
				}),
			]);
		}
		writeFiles(options.report, files);
		return files;
	};

	const progress = progressOf(Number.isFinite(seeds) ? seeds : undefined, silent);
	const stopped = new AbortController();
	const stop = () => {
		// A second ctrl-c ends the process at once, as ever.
		process.off("SIGINT", stop);
		process.off("SIGTERM", stop);
		progress.announce("stopping, with what was found so far; ctrl-c again ends at once");
		stopped.abort();
	};
	process.on("SIGINT", stop);
	process.on("SIGTERM", stop);
	let storedAt = startedAt;
	const doublecheck =
		options.doublecheck === true ? new Doublecheck({ engine: target.engine, loader: LOADER }) : undefined;
	let result: CampaignResult;
	try {
		result = await campaign(explorer, {
			from: options.from,
			...{ runs, shard },
			...(options.for === undefined ? {} : { forMs: options.for }),
			workers: { count: options.workers ?? availableParallelism(), spec },
			expectations,
			...(options.corpus === undefined || kept === undefined ? {} : { corpus: { directory: options.corpus, kept } }),
			signal: stopped.signal,
			...(doublecheck === undefined ? {} : { doublecheck }),
			onProgress: progress.update,
			onPart: (news, soFar) => {
				for (const finding of news) progress.announce(announcement(finding));
				const now = performance.now();
				if (news.length === 0 && now - storedAt < WRITE_EVERY_MS) return;
				storedAt = now;
				store(soFar());
			},
			...commands(options),
		});
	} finally {
		doublecheck?.close();
		progress.stop();
		process.off("SIGINT", stop);
		process.off("SIGTERM", stop);
	}
	const report = reportNow(result);
	const files = store(result);
	printReport(report, options);
	if (options.report !== undefined && !silent) sayWritten(options.report, files);
	return report;
}

/** A new finding as it is told the moment it is there. */
function announcement({ id, example }: Finding): string {
	const width = widthOf(process.stderr);
	const lines = [`new: ${id}`];
	if (example !== undefined) {
		const { program, message, command } = example;
		const [line = "", ...more] = wrap(`${program}: ${message}`, width - 1, "     ").split("\n");
		lines.push(more.length === 0 ? line : `${line}…`, `     ${command}`);
	}
	return lines.join("\n");
}

/** The engine as a shard has to know it again: a local build by what its file holds. */
function identityOf({ name, version }: Target["engine"]): { name: string; version: string; digest?: string } {
	return version === "local" ? { name, version, digest: digestOf(readFileSync(name, "utf8")) } : { name, version };
}

/** The commands that show a run of this campaign again. */
export function commands(options: Pick<RunOptions, "engine" | "program">): Commands {
	const drawing = drawingOptions(options);
	return {
		commandFor: (seed) => `pnpm sim --seed ${seed}${drawing}`,
		commandForKnown: (id) => `pnpm sim --known ${id}${drawing}`,
		commandForFile: (file) => `pnpm sim replay ${quote(file)}`,
		commandForScenario: (scenario) => `pnpm sim${planOptions(scenario)}${engineOption(options)}`,
	};
}

function settingsOf(options: ExploreOptions, runs: number): Report["settings"] {
	return {
		from: options.from,
		...(Number.isFinite(runs) ? { runs } : {}),
		...(options.for === undefined ? {} : { forMs: options.for }),
		...(options.program === undefined ? {} : { program: options.program }),
		...(options.suite === undefined ? {} : { suite: options.suite }),
		...(options.property === undefined ? {} : { property: options.property }),
		explore: "random",
	};
}

export function reportOf(
	result: CampaignResult,
	target: { readonly engine: { readonly name: string }; readonly storage: { readonly name: string } },
	settings: Report["settings"],
	seconds: number,
	digest?: string,
): Report {
	return {
		schemaVersion: SCHEMA_VERSION,
		tool: { name: "faultline", version: VERSION },
		settings,
		target: { engine: target.engine.name, driver: target.storage.name },
		verdict: result.verdict,
		exitCode: exitCodeOf(result.verdict),
		problems: result.problems,
		interrupted: result.interrupted,
		counts: result.counts,
		findings: result.findings,
		properties: result.properties,
		coverage: { faults: result.faults, programs: result.programs },
		timings: {
			seconds: Number(seconds.toFixed(3)),
			runsPerSecond: Number((result.counts.runs / Math.max(seconds, 0.001)).toFixed(1)),
			virtualDays: Number((result.virtualMs / 86_400_000).toFixed(2)),
		},
		...(digest === undefined ? {} : { digest }),
	};
}
