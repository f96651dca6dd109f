/** `pnpm sim matrix` and `pnpm sim upgrade`: versions beside each other, in one table each. */
import { availableParallelism } from "node:os";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { HostingMode } from "../../../drivers/engine/host.ts";
import { REFERENCE } from "../../../drivers/engine/load.ts";
import { PROGRAMS } from "../../../fixtures/programs/index.ts";
import { matrixMarkdown, matrixText, upgradesText } from "../../../reports/matrix.ts";
import {
	exitCodeOf,
	type MatrixReport,
	type MatrixVersion,
	type MutantsResult,
	SCHEMA_VERSION,
	type UpgradeReport,
	type UpgradeResult,
} from "../../../reports/model.ts";
import { story } from "../../../reports/story.ts";
import { count, plural, wrap } from "../../../reports/text.ts";
import { versionUpgrade } from "../../../suites/upgrade.ts";
import { campaign } from "../../explore/campaign/campaign.ts";
import type { Explorer } from "../../explore/explorer.ts";
import { costs } from "../../explore/matrix/costs.ts";
import { type ExploredVersion, matrixRows, matrixVerdict } from "../../explore/matrix/matrix.ts";
import { upgradeTable } from "../../explore/matrix/upgrade-table.ts";
import { finish, statesOf } from "../../explore/matrix/upgrades.ts";
import { describeFault } from "../../world/faults.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { commands } from "../engine/explore.ts";
import { hunted } from "../engine/mutants.ts";
import { drawingOptions, enginesOf, loadExpectations, prepare, quote, type RunOptions } from "../options.ts";
import { stoppable } from "../progress/stoppable.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { makeReportDirectory, sayWritten, writeFiles } from "../report/publish.ts";
import { today } from "../report/today.ts";
import { VERSION } from "../version.ts";
import { loadBudgets } from "./cost.ts";

export interface MatrixOptions extends Omit<RunOptions, "engine"> {
	/** The versions, oldest first; all published ones when absent. */
	readonly engines?: readonly string[];
	/** Seeds for each version, or real milliseconds for each. */
	readonly runs?: number;
	readonly for?: number;
	readonly workers?: number;
	/** Whether the table of upgrades is made, and the one of mutants. */
	readonly upgrades: boolean;
	readonly mutants: boolean;
	readonly downgrades?: boolean;
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
}

/** Seeds for each version when nothing else is said: a few minutes for all of them on two cores. */
export const DEFAULT_MATRIX_RUNS = 10_000;

const MODES: readonly HostingMode[] = ["live", "yield"];

/** Those of one line, of which a later one goes on from what an earlier one left; the reference keeps its history in its own way. */
function versionsOf(engines: readonly string[]): readonly string[] {
	return engines.filter((name) => name !== REFERENCE);
}

export async function matrix(options: MatrixOptions): Promise<MatrixReport> {
	const engines = enginesOf(options.engines);
	const prepared = await Promise.all(engines.map((engine) => prepare({ ...options, engine })));
	if (options.report !== undefined) makeReportDirectory(options.report);
	const silent = options.quiet === true || options.json === true;
	const [first] = prepared;
	if (first === undefined) throw new UsageError("Name at least one engine.");
	const { properties } = first.explorer;
	if (!silent) {
		const each = options.for === undefined ? `${count(runsOf(options))} seeds each` : `${options.for / 1_000} s each`;
		process.stdout.write(`Faultline ${VERSION}: ${plural(engines.length, "version")}, ${each}\n\n`);
	}

	const startedAt = performance.now();
	const explored: (ExploredVersion & { readonly row: MatrixVersion })[] = [];
	const isWhole = options.suite === undefined && options.property === undefined && options.program === undefined;
	let upgrades: UpgradeResult | undefined;
	let mutants: MutantsResult | undefined;
	const { interrupted } = await stoppable(
		silent,
		options.for === undefined ? runsOf(options) * engines.length : undefined,
		async (signal, progress) => {
			for (const { explorer, spec } of prepared) {
				if (signal.aborted) return;
				const { engine } = explorer.target;
				const before = explored.reduce((sum, { row }) => sum + row.counts.runs, 0);
				const begun = performance.now();
				const own = { ...options, engine: engine.name };
				const result = await campaign(explorer, {
					...{ from: 1, runs: runsOf(options) },
					...(options.for === undefined ? {} : { forMs: options.for }),
					workers: { count: options.workers ?? availableParallelism(), spec },
					expectations: loadExpectations(engine, options.expectations),
					signal,
					onProgress: (done, findings) => progress(before + done, `${engine.name}: ${findings} new`),
					...commands(own),
				});
				const { verdict, problems, interrupted, counts, findings } = result;
				const seconds = Number(((performance.now() - begun) / 1_000).toFixed(3));
				const command = `pnpm sim --runs ${counts.runs}${drawingOptions(own)}`;
				explored.push({
					engine,
					result,
					row: { engine: engine.name, verdict, problems, interrupted, counts, findings, seconds, command },
				});
			}
			const versions = versionsOf(engines);
			if (options.upgrades && versions.length > 1 && !signal.aborted) {
				upgrades = await upgradeTable({
					engines: versions,
					modes: MODES,
					downgrades: options.downgrades === true,
					programs: programsOf(prepared.map(({ explorer }) => explorer)),
					workers: options.workers ?? availableParallelism(),
					signal,
					onProgress: (programs, states) => progress(states, `upgrades of ${plural(programs, "program")}`),
				});
			}
			if (options.mutants && isWhole && !signal.aborted) {
				const result = await hunted(signal, (hunts) => progress(hunts, "hunts of mutants"));
				if (!result.interrupted) mutants = result;
			}
		},
	);

	const cost =
		isWhole && !interrupted
			? await costs(
					prepared.map(({ target }) => target),
					loadBudgets(),
				)
			: undefined;
	const comparisons = {
		...(upgrades === undefined ? {} : { upgrades }),
		...(cost === undefined ? {} : { cost }),
		...(mutants === undefined ? {} : { mutants }),
	};
	const chosen = options.program;
	const programs = PROGRAMS.filter(({ name }) => chosen?.includes(name) ?? true);
	const rows = matrixRows(explored, programs, properties, comparisons);
	const verdict = matrixVerdict(
		explored.map(({ row }) => row.verdict),
		rows,
		comparisons,
	);
	const report: MatrixReport = {
		schemaVersion: SCHEMA_VERSION,
		tool: { name: "faultline", version: VERSION },
		made: today(),
		settings: settingsOf(options),
		command: commandOf(options),
		driver: first.target.storage.name,
		verdict,
		exitCode: exitCodeOf(verdict),
		interrupted,
		versions: explored.map(({ row }) => row),
		properties: rows,
		...comparisons,
		seconds: Number(((performance.now() - startedAt) / 1_000).toFixed(3)),
	};
	await publishMatrix(report, options, silent);
	return report;
}

/** Prints the table, and writes it where that was asked for. */
export async function publishMatrix(
	report: MatrixReport,
	options: Pick<MatrixOptions, "json" | "report">,
	silent: boolean,
): Promise<void> {
	const asJson = `${JSON.stringify(report, undefined, "\t")}\n`;
	if (options.json === true) process.stdout.write(asJson);
	else {
		process.stdout.write(matrixText(report, { width: widthOf(process.stdout), paint: paintFor(process.stdout) }));
	}
	if (options.report === undefined) return;
	// Loaded when asked for: only a page needs the bundler.
	const [{ matrixPage }, { pageAssets }] = await Promise.all([
		import("../../../reports/html/matrix-page.ts"),
		import("../report/page-assets.ts"),
	]);
	const files: [string, string][] = [
		["matrix.html", matrixPage(report, pageAssets())],
		["matrix.md", matrixMarkdown(report)],
		["matrix.json", asJson],
		["matrix.txt", matrixText(report)],
	];
	writeFiles(options.report, files);
	if (!silent)
		sayWritten(
			options.report,
			files.map(([name]) => name),
		);
}

export interface UpgradeOptions extends Pick<MatrixOptions, "engines" | "workers" | "downgrades" | "json" | "quiet"> {
	readonly program?: readonly string[];
	readonly mode?: HostingMode;
	/** Where the older version is stopped; the run is then told as a story. */
	readonly plan?: string;
	readonly verbose?: boolean;
}

/** The table of upgrades alone, or one of its runs told. @returns the exit code. */
export async function upgrade(options: UpgradeOptions): Promise<0 | 1 | 3> {
	const engines = versionsOf(enginesOf(options.engines));
	const prepared = await Promise.all(
		engines.map((engine) =>
			prepare({ engine, ...(options.program === undefined ? {} : { program: options.program }) }),
		),
	);
	if (engines.length < 2) throw new UsageError("An upgrade takes two versions: --engine rivet-2.1.3,rivet-2.3.19");
	if (options.plan !== undefined) return await showUpgrade(options, options.engines ?? []);
	const silent = options.quiet === true || options.json === true;
	let result: UpgradeResult | undefined;
	await stoppable(silent, undefined, async (signal, progress) => {
		result = await upgradeTable({
			engines,
			modes: options.mode === undefined ? MODES : [options.mode],
			downgrades: options.downgrades === true,
			programs: programsOf(prepared.map(({ explorer }) => explorer)),
			workers: options.workers ?? availableParallelism(),
			signal,
			onProgress: (programs, states) => progress(states, plural(programs, "program")),
		});
	});
	if (result === undefined) throw new Error("The table of upgrades was not made.");
	const report: UpgradeReport = { schemaVersion: SCHEMA_VERSION, upgrades: result };
	process.stdout.write(
		options.json === true
			? `${JSON.stringify(report, undefined, "\t")}\n`
			: `${upgradesText(result, { width: widthOf(process.stdout), paint: paintFor(process.stdout) })}\n`,
	);
	if (result.problems.length > 0) {
		process.stderr.write(`${result.problems.join("\n")}\n`);
		return 3;
	}
	return result.pairs.some(({ direction, failures }) => direction === "upgrade" && failures.length > 0) ? 1 : 0;
}

/** One state of one version, told as it goes on under another. @throws UsageError unless it is one. */
async function showUpgrade(options: UpgradeOptions, named: readonly string[]): Promise<0 | 1> {
	const [from, to] = named;
	const [name] = options.program ?? [];
	if (from === undefined || to === undefined || named.length !== 2 || name === undefined) {
		throw new UsageError("--plan is about two versions and one program: --engine FROM,TO --program NAME --plan FAULT");
	}
	const program = { program: [name] };
	const [older, newer] = await Promise.all([from, to].map((engine) => prepare({ engine, ...program })));
	const [writer, reader] = [older?.explorer as Explorer, newer?.explorer as Explorer];
	const mode = options.mode ?? "live";
	const { run, violations } = await inMacrotask(() => {
		const [chosen] = writer.programs;
		if (chosen === undefined) throw new UsageError(`${from} cannot run ${name}.`);
		const state = statesOf(writer, chosen, mode).find(
			({ faults }) => faults.map(describeFault).join("; ") === options.plan,
		);
		if (state === undefined) {
			throw new UsageError(
				`No state of ${name} on ${from} is left by "${options.plan}" alone; pnpm sim upgrade names some.`,
			);
		}
		const { faults, snapshot } = state;
		const finished = finish(writer, faults, snapshot, chosen, mode);
		const run = finish(reader, faults, snapshot, chosen, mode);
		return { run, violations: versionUpgrade.check(run, finished, reader.reference(chosen, mode)) };
	});
	const paint = paintFor(process.stdout);
	const width = widthOf(process.stdout);
	const lines = [
		paint.bold(
			`${name}, ${mode} hosting: ${writer.target.engine.name} until ${options.plan}, then ${reader.target.engine.name}`,
		),
		"",
		story(run.history.events, {
			...{ width, paint, verbose: options.verbose === true },
			describeKey: writer.describeKey,
			remarks: violations.map(({ event, kind, message }) => ({ event, text: `${kind}: ${message}` })),
		}),
		"",
		...(violations.length === 0
			? [`${paint.green("pass")}  nothing breaks that holds under ${writer.target.engine.name}`]
			: violations.map(({ kind, message }) =>
					wrap(`${paint.red("FAIL")}  ${versionUpgrade.id}/${kind}: ${message}`, width, "      ", ""),
				)),
		`digest ${run.history.digest()}`,
	];
	process.stdout.write(`${lines.join("\n")}\n`);
	return violations.length === 0 ? 0 : 1;
}

/** Names of the programs that at least two of the versions can run, in order. */
function programsOf(explorers: readonly Explorer[]): string[] {
	const names = new Map<string, number>();
	for (const { programs } of explorers) for (const { name } of programs) names.set(name, (names.get(name) ?? 0) + 1);
	return [...names].filter(([, versions]) => versions > 1).map(([name]) => name);
}

function runsOf({ runs, for: forMs }: Pick<MatrixOptions, "runs" | "for">): number {
	return runs ?? (forMs === undefined ? DEFAULT_MATRIX_RUNS : Number.POSITIVE_INFINITY);
}

function settingsOf(options: MatrixOptions): MatrixReport["settings"] {
	const { for: forMs, program, suite, property, faults, engines } = options;
	const runs = runsOf(options);
	return {
		...(Number.isFinite(runs) ? { runs } : {}),
		...(forMs === undefined ? {} : { forMs }),
		...(engines === undefined ? {} : { engine: engines }),
		...(program === undefined ? {} : { program }),
		...(suite === undefined ? {} : { suite }),
		...(property === undefined ? {} : { property }),
		...(faults === undefined ? {} : { faults }),
		...(options.upgrades ? { modes: MODES } : { upgrades: "left out" }),
		...(options.mutants ? {} : { mutants: "left out" }),
	};
}

function commandOf(options: MatrixOptions): string {
	const list = (name: string, values: readonly string[] | undefined) =>
		values === undefined ? "" : ` --${name} ${quote(values.join(","))}`;
	const amount = options.for === undefined ? ` --runs ${runsOf(options)}` : ` --for ${options.for / 1_000}s`;
	return [
		`pnpm sim matrix${amount}`,
		list("engine", options.engines),
		list("program", options.program),
		list("suite", options.suite),
		list("property", options.property),
		list("faults", options.faults),
		options.upgrades ? "" : " --no-upgrades",
		options.mutants ? "" : " --no-mutants",
		options.downgrades === true ? " --downgrades" : "",
	].join("");
}
