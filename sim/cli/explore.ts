/** `pnpm sim`: explores an engine seed by seed and reports what it found. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../drivers/engine/contract.ts";
import { json } from "../../reports/json.ts";
import { junit } from "../../reports/junit.ts";
import { exitCodeOf, type Report, SCHEMA_VERSION } from "../../reports/model.ts";
import { terminal } from "../../reports/terminal.ts";
import { count, plural } from "../../reports/text.ts";
import { PROPERTIES } from "../../suites/index.ts";
import type { Target } from "../../suites/run.ts";
import { type CampaignOptions, type CampaignResult, campaign } from "../explore/campaign.ts";
import { Doublecheck } from "../explore/doublecheck.ts";
import { drawingOptions, LOADER, loadExpectations, prepare, type RunOptions } from "./options.ts";
import { paintFor, progressOf, widthOf } from "./terminal.ts";
import { VERSION } from "./version.ts";

export interface ExploreOptions extends RunOptions {
	readonly runs?: number;
	readonly for?: number;
	readonly from: number;
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
	/** Whether to make a sample of the runs in another process too. */
	readonly doublecheck?: boolean;
}

/** Seeds of a campaign that says neither how many nor how long; under a minute on two cores of today. */
export const DEFAULT_RUNS = 40_000;

/** Explores, writes the report where it was asked for, and returns it. */
export async function explore(options: ExploreOptions): Promise<Report> {
	const { explorer, target } = await prepare(options);
	const expectations = loadExpectations(target.engine, options.expectations);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const runs = options.runs ?? (options.for === undefined ? DEFAULT_RUNS : Number.POSITIVE_INFINITY);
	const silent = options.quiet === true || options.json === true;
	if (!silent) {
		const amount = options.for === undefined ? `${count(runs)} seeds` : `${options.for / 1_000} s`;
		const subject = `Faultline ${VERSION}: ${target.engine.name} on ${target.storage.name} storage`;
		const { programs, properties } = explorer;
		process.stdout.write(
			`${subject}\n${amount}, ${plural(programs.length, "program")}, ${properties.length} of ${PROPERTIES.length} properties\n\n`,
		);
	}

	const progress = progressOf(Number.isFinite(runs) ? runs : undefined, silent);
	const stopped = new AbortController();
	const stop = () => {
		// A second ctrl-c ends the process at once, as ever.
		process.off("SIGINT", stop);
		stopped.abort();
	};
	process.on("SIGINT", stop);
	process.on("SIGTERM", stop);
	const startedAt = performance.now();
	const doublecheck =
		options.doublecheck === true ? new Doublecheck({ engine: target.engine, loader: LOADER }) : undefined;
	let result: CampaignResult;
	try {
		result = await campaign(explorer, {
			from: options.from,
			runs,
			...(options.for === undefined ? {} : { forMs: options.for }),
			expectations,
			signal: stopped.signal,
			...(doublecheck === undefined ? {} : { doublecheck }),
			onProgress: progress.update,
			...commands(options),
		});
	} finally {
		doublecheck?.close();
		progress.stop();
		process.off("SIGINT", stop);
		process.off("SIGTERM", stop);
	}
	const report = reportOf(result, target, settingsOf(options, runs), (performance.now() - startedAt) / 1_000);

	if (options.json === true) process.stdout.write(json(report));
	else {
		const paint = paintFor(process.stdout);
		process.stdout.write(terminal(report, { width: widthOf(process.stdout), paint, quiet: options.quiet === true }));
	}
	if (options.report !== undefined) writeReport(options.report, report, silent);
	return report;
}

/** The commands that show a run of this campaign again. */
export function commands(options: RunOptions): Pick<CampaignOptions, "commandFor" | "commandForKnown"> {
	const drawing = drawingOptions(options);
	return {
		commandFor: (seed) => `pnpm sim --seed ${seed}${drawing}`,
		commandForKnown: (id) => `pnpm sim --known ${id}${drawing}`,
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
	target: Target,
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

/** Makes the directory before anything long begins. @throws UsageError when it cannot be. */
function makeReportDirectory(directory: string): void {
	try {
		mkdirSync(directory, { recursive: true });
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`No report can be written to ${directory} (${code}); give a directory.`);
	}
}

/** Writes the report into a directory, in every form. @throws UsageError when the directory cannot be made. */
export function writeReport(directory: string, report: Report, silent: boolean): void {
	makeReportDirectory(directory);
	const files: [string, string][] = [
		["report.json", json(report)],
		["junit.xml", junit(report)],
		["report.txt", terminal(report)],
	];
	for (const [name, content] of files) writeFileSync(join(directory, name), content);
	if (!silent) process.stdout.write(`\nwritten: ${files.map(([name]) => join(directory, name)).join(", ")}\n`);
}
