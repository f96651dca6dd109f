/** `pnpm sim compare A B`: what B breaks, fixes and costs against A. A and B are engines, or reports of campaigns. */
import { existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { PROGRAMS } from "../../../fixtures/programs/index.ts";
import { compareMarkdown, compareText } from "../../../reports/compare.ts";
import {
	type CompareReport,
	type CostResult,
	exitCodeOf,
	type Finding,
	findingId,
	type Report,
	SCHEMA_VERSION,
} from "../../../reports/model.ts";
import { plural } from "../../../reports/text.ts";
import type { Commands } from "../../explore/campaign/result.ts";
import { asBroken, compareEngines, type Side, verdictOf } from "../../explore/compare/compare.ts";
import { timeRatio } from "../../explore/compare/time.ts";
import { costs } from "../../explore/matrix/costs.ts";
import { commands } from "../engine/explore.ts";
import { expectationsFile, loadExpectations, quote, type RunOptions } from "../options.ts";
import { stoppable } from "../progress/stoppable.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { readReport } from "../report/baseline.ts";
import { tellGithub } from "../report/github.ts";
import { makeReportDirectory, type PublishOptions, sayWritten, writeFiles } from "../report/publish.ts";
import { VERSION } from "../version.ts";
import { preparePair } from "./pair.ts";

export interface CompareCommandOptions extends Omit<RunOptions, "engine">, PublishOptions {
	readonly runs?: number;
	/** Real milliseconds for each engine. */
	readonly for?: number;
	readonly from: number;
	readonly workers?: number;
	/** Given by mistake. */
	readonly baseline?: string;
}

/** Seeds for each engine when nothing else is said: about a minute on two cores. */
export const DEFAULT_COMPARE_RUNS = 4_000;
/** Rounds of all programs on both that are timed: some seconds. */
const ROUNDS = 20;

/** @returns the exit code: 1 when the second breaks something. @throws UsageError unless two of a kind are named. */
export async function compareCommand(names: readonly string[], options: CompareCommandOptions): Promise<0 | 1 | 2 | 3> {
	const [before, after] = names;
	if (before === undefined || after === undefined || names.length !== 2) {
		throw new UsageError("compare takes two engines, or two reports: pnpm sim compare rivet-2.3.18 ./dist/index.js");
	}
	if (options.baseline !== undefined) {
		throw new UsageError("compare takes no --baseline: the first of the two is what the second is held against.");
	}
	if (before === after) throw new UsageError(`${before} is no better or worse than itself; name two.`);
	const [a, b] = [reportFile(before), reportFile(after)];
	if ((a === undefined) !== (b === undefined)) {
		throw new UsageError("Two engines can be compared, or two reports, and not one with the other.");
	}
	if (options.report !== undefined) makeReportDirectory(options.report);
	const report =
		a !== undefined && b !== undefined
			? await compareReports(a, b)
			: await compareTwo({ ...options, engine: after, before });
	publish(report, options);
	return report.exitCode;
}

/** The file of a report, when that is what was named: a directory that one was written to, or a file of JSON. */
function reportFile(name: string): string | undefined {
	if (name.endsWith(".json")) return name;
	const isDirectory = existsSync(name) && statSync(name).isDirectory();
	return isDirectory ? join(name, "report.json") : undefined;
}

async function compareTwo(options: CompareCommandOptions & { engine: string; before: string }): Promise<CompareReport> {
	const startedAt = performance.now();
	const silent = options.quiet === true || options.json === true;
	const pair = await preparePair({ ...options, engine: options.engine, against: options.before });
	const lacking = pair.leftOut.length === 0 ? {} : { lacking: pair.leftOut };
	const side = (which: "engine" | "against", name: string, other: string): Side => ({
		explorer: pair[which],
		spec: pair.specs[which],
		commands: commandsOf({ ...options, ...lacking, engine: name }, other),
		known: loadExpectations({ name }, options.expectations),
	});
	const [before, after] = [
		side("against", options.before, options.engine),
		side("engine", options.engine, options.before),
	];
	const runs = options.runs ?? (options.for === undefined ? DEFAULT_COMPARE_RUNS : Number.POSITIVE_INFINITY);
	const amount = options.for === undefined ? plural(runs, "seed") : `${options.for / 1_000} s`;
	if (!silent) {
		process.stdout.write(`Faultline ${VERSION}: ${options.engine} against ${options.before}, ${amount} each\n\n`);
	}
	const targets = [before.explorer.target, after.explorer.target] as const;
	const { result } = await stoppable(silent, Number.isFinite(runs) ? 2 * runs : undefined, async (signal, progress) => {
		const comparison = await compareEngines(before, after, {
			...{ from: options.from, runs, signal },
			...(options.for === undefined ? {} : { forMs: options.for }),
			workers: options.workers ?? availableParallelism(),
			onProgress: progress,
		});
		if (signal.aborted) return { comparison, cost: undefined };
		const chosen = PROGRAMS.filter(({ name, needs = [] }) => {
			const isChosen = options.program?.includes(name) ?? true;
			return isChosen && needs.every((need) => targets.every(({ engine }) => engine.features.has(need)));
		});
		const cost: CompareReport["cost"] = {
			operations: changesOf(await costs(targets, {})),
			writesARun: comparison.writesARun,
			time: await timeRatio(...targets, chosen, ROUNDS, signal),
		};
		return { comparison, cost };
	});
	const { writesARun: _, ...comparison } = result.comparison;
	const many = Number.isFinite(runs) ? ` --runs ${runs}` : ` --for ${(options.for ?? 0) / 1_000}s`;
	return {
		schemaVersion: SCHEMA_VERSION,
		tool: { name: "faultline", version: VERSION },
		settings: {
			...{ from: options.from, ...(Number.isFinite(runs) ? { runs } : { forMs: options.for ?? 0 }) },
			...(options.program === undefined ? {} : { program: options.program }),
			...(options.faults === undefined ? {} : { faults: options.faults }),
			...(options.avoid === undefined ? {} : { avoid: options.avoid }),
		},
		command: `pnpm sim compare ${quote(options.before)} ${quote(options.engine)} --from ${options.from}${many}${drawingOf(options)}`,
		before: { engine: targets[0].engine.name, driver: targets[0].storage.name },
		target: { engine: targets[1].engine.name, driver: targets[1].storage.name },
		...comparison,
		exitCode: exitCodeOf(comparison.verdict),
		...{ warnings: [], unjudged: [], leftOut: pair.leftOut },
		...(result.cost === undefined ? {} : { cost: result.cost }),
		seconds: secondsSince(startedAt),
	};
}

function drawingOf({ program, faults, avoid }: Pick<CompareCommandOptions, "program" | "faults" | "avoid">): string {
	const list = (name: string, values: readonly string[] | undefined) =>
		values === undefined ? "" : ` --${name} ${values.join(",") || "none"}`;
	return list("program", program) + list("faults", faults) + list("avoid", avoid);
}

/** Commands for one of the two; what only the list of the other keeps is shown with that list. */
function commandsOf(options: RunOptions, other: string): Partial<Commands> {
	const own = commands(options);
	const listed = new Set(loadExpectations({ name: options.engine }, options.expectations).map(findingId));
	const list =
		options.expectations === undefined
			? ` --expectations ${quote(relative(".", expectationsFile({ name: other })))}`
			: ` --expectations ${quote(options.expectations)}`;
	return {
		...own,
		commandForKnown: (id) =>
			own.commandForKnown(id) + (options.expectations === undefined && listed.has(id) ? "" : list),
	};
}

function changesOf({ rows }: CostResult): NonNullable<CompareReport["cost"]>["operations"] {
	return rows.map(({ operation, mode, cells: [before, after] }) => ({
		...{ operation, mode },
		...(before?.cost === undefined ? {} : { before: before.cost }),
		...(after?.cost === undefined ? {} : { after: after.cost }),
	}));
}

/** Two reports, without running anything. */
async function compareReports(fileOfA: string, fileOfB: string): Promise<CompareReport> {
	const startedAt = performance.now();
	const { differences, judgedIn, parseBaseline } = await import("../../explore/campaign/baseline.ts");
	const [a, b] = [fileOfA, fileOfB].map((file) => parseBaseline(readReport(file, "report"), file).report) as [
		Report,
		Report,
	];
	const shown = ({ findings }: Report) => findings.filter(({ verdict }) => verdict !== "fixed");
	const alone = (mine: Report, other: Report): Finding[] => {
		const ids = new Set(shown(other).map(({ id }) => id));
		return shown(mine).filter(({ id }) => !ids.has(id));
	};
	const [judgedByA, judgedByB] = [judgedIn(a), judgedIn(b)];
	const [onlyA, onlyB] = [alone(a, b), alone(b, a)];
	const findings = onlyB.filter(({ property }) => judgedByA.has(property)).map(asBroken);
	const fixes = onlyA.filter(({ property }) => judgedByB.has(property));
	const told = new Set([...findings, ...fixes].map(({ id }) => id));
	const verdict = verdictOf(findings, []);
	const ofB = new Set(shown(b).map(({ id }) => id));
	return {
		schemaVersion: SCHEMA_VERSION,
		tool: { name: "faultline", version: VERSION },
		settings: b.settings,
		command: `pnpm sim compare ${quote(fileOfA)} ${quote(fileOfB)}`,
		...{ before: a.target, target: b.target, verdict, exitCode: exitCodeOf(verdict), problems: [] },
		interrupted: a.interrupted || b.interrupted,
		warnings: differences(a, b),
		counts: { runs: b.counts.runs, runsBefore: a.counts.runs },
		...{ findings, fixes },
		both: shown(a)
			.map(({ id }) => id)
			.filter((id) => ofB.has(id))
			.sort(),
		unjudged: [...onlyA, ...onlyB].map(({ id }) => id).filter((id) => !told.has(id)),
		leftOut: [],
		seconds: secondsSince(startedAt),
	};
}

function secondsSince(startedAt: number): number {
	return Number(((performance.now() - startedAt) / 1_000).toFixed(3));
}

function publish(report: CompareReport, options: CompareCommandOptions): void {
	const asJson = `${JSON.stringify(report, undefined, "\t")}\n`;
	const text = { width: widthOf(process.stdout), paint: paintFor(process.stdout), quiet: options.quiet === true };
	process.stdout.write(options.json === true ? asJson : compareText(report, text));
	if (options.report !== undefined) {
		const files: [string, string][] = [
			["compare.json", asJson],
			["compare.md", compareMarkdown(report)],
			["compare.txt", compareText(report)],
		];
		writeFiles(options.report, files);
		if (options.json !== true && options.quiet !== true) {
			sayWritten(
				options.report,
				files.map(([name]) => name),
			);
		}
	}
	if (options.github === true) tellGithub(report, options);
}
