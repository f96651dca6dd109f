/** `pnpm sim differ`: the same seeds on two engines, and for each difference that a user would see what explains it. */
import { UsageError } from "../../../drivers/engine/contract.ts";
import { differMarkdown, differText } from "../../../reports/differ.ts";
import { type DifferReport, exitCodeOf, SCHEMA_VERSION } from "../../../reports/model.ts";
import { story } from "../../../reports/story.ts";
import { plural, wrap } from "../../../reports/text.ts";
import { conditionsOf } from "../../explore/campaign/campaign.ts";
import { type Compared, compareSeed, differ, differencesIn } from "../../explore/compare/differ.ts";
import type { Judgement } from "../../explore/explorer.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { drawingOptions, quote } from "../options.ts";
import { stoppable } from "../progress/stoppable.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { readReport } from "../report/baseline.ts";
import { tellGithub } from "../report/github.ts";
import { makeReportDirectory, type PublishOptions, sayWritten, writeFiles } from "../report/publish.ts";
import { VERSION } from "../version.ts";
import { type PairOptions, type PreparedPair, preparePair } from "./pair.ts";

export interface DifferOptions extends PairOptions, PublishOptions {
	readonly runs?: number;
	/** Real milliseconds. */
	readonly for?: number;
	readonly from: number;
	/** The one seed to tell, on both. */
	readonly seed?: number;
	readonly verbose?: boolean;
	/** File of an earlier report of this command: what it has is known. */
	readonly baseline?: string;
}

/** Seeds when nothing else is said: some seconds. */
export const DEFAULT_DIFFER_RUNS = 3_000;

/** @returns the exit code: 1 when something differs and nothing explains it. */
export async function differCommand(options: DifferOptions): Promise<0 | 1 | 2 | 3> {
	if (options.engine === options.against) {
		throw new UsageError(`${options.engine} against itself differs in nothing; name another: --against NAME|PATH`);
	}
	if (options.report !== undefined) makeReportDirectory(options.report);
	const { baseline } = options;
	const known = baseline === undefined ? undefined : differencesIn(readReport(baseline, "baseline"), baseline);
	const pair = await preparePair(options);
	if (options.seed !== undefined) return await showSeed(options.seed, pair, options);
	const silent = options.quiet === true || options.json === true;
	const runs = options.runs ?? (options.for === undefined ? DEFAULT_DIFFER_RUNS : Number.POSITIVE_INFINITY);
	if (!silent) {
		const amount = options.for === undefined ? plural(runs, "seed") : `${options.for / 1_000} s`;
		process.stdout.write(`Faultline ${VERSION}: ${options.engine} against ${options.against}, ${amount}\n\n`);
	}
	const startedAt = performance.now();
	const { result } = await stoppable(silent, Number.isFinite(runs) ? runs : undefined, (signal, progress) =>
		differ(pair, {
			...{ from: options.from, runs, signal },
			...(known === undefined ? {} : { known }),
			...(options.for === undefined ? {} : { forMs: options.for }),
			onProgress: (done, unexplained) => progress(done, `${unexplained} unexplained`),
			commandFor: (seed) => commandOf(options, `--seed ${seed}`),
		}),
	);
	const amount = Number.isFinite(runs) ? `--runs ${runs}` : `--for ${(options.for ?? 0) / 1_000}s`;
	const report: DifferReport = {
		schemaVersion: SCHEMA_VERSION,
		tool: { name: "faultline", version: VERSION },
		settings: settingsOf(options, runs),
		command: commandOf(options, `--from ${options.from} ${amount}`),
		target: { engine: pair.engine.target.engine.name, driver: pair.engine.target.storage.name },
		against: pair.against.target.engine.name,
		...result,
		exitCode: exitCodeOf(result.verdict),
		leftOut: pair.leftOut,
		seconds: Number(((performance.now() - startedAt) / 1_000).toFixed(3)),
	};
	publish(report, options, silent);
	return report.exitCode;
}

function publish(report: DifferReport, options: DifferOptions, silent: boolean): void {
	const asJson = `${JSON.stringify(report, undefined, "\t")}\n`;
	process.stdout.write(
		options.json === true
			? asJson
			: differText(report, {
					...{ width: widthOf(process.stdout), paint: paintFor(process.stdout) },
					quiet: options.quiet === true,
				}),
	);
	if (options.report !== undefined) {
		const files: [string, string][] = [
			["differ.json", asJson],
			["differ.md", differMarkdown(report)],
			["differ.txt", differText(report)],
		];
		writeFiles(options.report, files);
		if (!silent) {
			sayWritten(
				options.report,
				files.map(([name]) => name),
			);
		}
	}
	if (options.github === true) tellGithub(report, options);
}

/** One seed on both engines, each as a story, and what comes of it. */
async function showSeed(seed: number, pair: PreparedPair, options: DifferOptions): Promise<0 | 1> {
	const { compared, judgements } = await inMacrotask(() => compareSeed(pair, seed));
	const paint = paintFor(process.stdout);
	const width = widthOf(process.stdout);
	const lines: string[] = [];
	if (judgements !== undefined && options.quiet !== true) {
		for (const { run, violations } of [judgements.engine, judgements.against]) {
			lines.push(
				paint.bold(`seed ${seed}: ${run.program.name} on ${run.target.engine.name}`),
				wrap(run.program.summary, width, "  "),
				wrap(conditionsOf(run.scenario, run.fired).join("; "), width, "  "),
				"",
				storyOf(run, violations, pair, options),
				"",
			);
		}
	}
	lines.push(...verdictOf(compared, pair).map((line) => wrap(line, width, "       ", "")));
	if (judgements !== undefined) {
		for (const { run } of [judgements.engine, judgements.against])
			lines.push(`digest ${run.history.digest()} (${run.target.engine.name})`);
	}
	process.stdout.write(`${lines.join("\n")}\n`);
	return compared.verdict === "unexplained" ? 1 : 0;
}

function storyOf(
	run: Judgement["run"],
	violations: Judgement["violations"],
	{ engine, against }: PreparedPair,
	{ verbose }: DifferOptions,
): string {
	const { describeKey } = run.target === engine.target ? engine : against;
	return story(run.history.events, {
		...{ width: widthOf(process.stdout), paint: paintFor(process.stdout), verbose: verbose === true, describeKey },
		remarks: violations.map(({ property, violation }) => ({
			event: violation.event,
			text: `${property.id}: ${violation.message}`,
		})),
	});
}

function verdictOf(compared: Compared, { engine, against }: PreparedPair): string[] {
	const paint = paintFor(process.stdout);
	const names = { engine: engine.target.engine.name, against: against.target.engine.name, both: "both" };
	switch (compared.verdict) {
		case "same":
			return [`${paint.green("pass")}  nothing differs that a user could see`];
		case "uncomparable":
			return [`${paint.dim("skip")}  not compared: ${compared.reason}`];
		case "free":
			return [`${paint.green("pass")}  they differ in what the program leaves open: ${compared.reason}`];
		case "explained":
			return [
				...compared.differences.map(({ kind, message }) => `${paint.yellow("differ")} ${kind}: ${message}`),
				`explained by ${compared.by.map(({ id, side }) => `${id} (${names[side]})`).join(", ")}`,
			];
		case "unexplained":
			return compared.differences.map(
				({ kind, message }) => `${paint.red("FAIL")}   differ.unexplained/${kind}: ${message}`,
			);
	}
}

function commandOf(options: DifferOptions, which: string): string {
	const avoid = options.avoid === undefined ? "" : ` --avoid ${options.avoid.join(",") || "none"}`;
	return `pnpm sim differ${drawingOptions(options)}${avoid} --against ${quote(options.against)} ${which}`;
}

function settingsOf(options: DifferOptions, runs: number): DifferReport["settings"] {
	const { program, faults, avoid, for: forMs } = options;
	return {
		from: options.from,
		...(Number.isFinite(runs) ? { runs } : {}),
		...(forMs === undefined ? {} : { forMs }),
		...(program === undefined ? {} : { program }),
		...(faults === undefined ? {} : { faults }),
		...(avoid === undefined ? {} : { avoid }),
	};
}
