/** `pnpm sim`: explores an engine seed by seed, hands out what it finds as it comes, and reports it all at the end. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { HostingMode } from "../../../drivers/engine/host.ts";
import { exitCodeOf, type Report, SCHEMA_VERSION } from "../../../reports/model.ts";
import { plural } from "../../../reports/text.ts";
import { PROPERTIES } from "../../../suites/index.ts";
import type { Target } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { type CampaignResult, campaignIn } from "../../explore/campaign/campaign.ts";
import { Doublecheck } from "../../explore/campaign/doublecheck.ts";
import { Recorder } from "../../explore/campaign/recorder.ts";
import type { Commands } from "../../explore/campaign/result.ts";
import { seedsOf, WHOLE } from "../../explore/campaign/shard.ts";
import { digestOf } from "../../explore/campaign/shard-file.ts";
import type { Exploration } from "../../explore/campaign/work.ts";
import { REFERENCE_SEED } from "../../explore/draw.ts";
import type { Explorer } from "../../explore/explorer.ts";
import type { Keeper } from "../../explore/keep/keeper.ts";
import { planOptions } from "../../explore/plan.ts";
import { WIDENING } from "../../explore/search/crashes.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { type ExploringOptions, seedsText, withinText } from "../campaign.ts";
import {
	avoidOption,
	drawingOptions,
	engineOption,
	LOADER,
	loadExpectations,
	prepare,
	quote,
	type RunOptions,
} from "../options.ts";
import { carryOut } from "../progress/carry-out.ts";
import { baselineOf } from "../report/baseline.ts";
import { makeReportDirectory } from "../report/publish.ts";
import { refuseEmptyShard, shardFiles } from "../report/sharing.ts";
import { VERSION } from "../version.ts";

export interface ExploreOptions extends RunOptions, ExploringOptions {
	readonly mode?: HostingMode;
}

/** Seeds of a campaign that says neither how many nor how long; a minute or two on two cores of today. */
export const DEFAULT_RUNS = 15_000;
/** On a real driver every operation takes real time. */
const RUNS_ON_DRIVER = 500;

/** Explores, writes the report where it was asked for, and returns it. */
export async function explore(options: ExploreOptions): Promise<Report> {
	const exploration = explorationOf(options);
	if (options.driver !== undefined) refuseOnDriver(options);
	const { explorer, target, spec } = await prepare({ ...options, ...faultsOf(options, exploration) });
	const expectations = loadExpectations(target.engine, options.expectations);
	const baseline = await baselineOf(options, explorer.properties);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const keeper = await keeperOf(explorer, options);
	const searched = await searchedSeed(explorer, exploration);
	const usual = options.driver === undefined ? DEFAULT_RUNS : RUNS_ON_DRIVER;
	const runs = options.runs ?? (options.for === undefined ? usual : Number.POSITIVE_INFINITY);
	const { shard = WHOLE } = options;
	const seeds = seedsOf(runs, shard);
	const lab = new Recorder(explorer);
	if (options.shard !== undefined) refuseEmptyShard(shard, exploration, lab, runs);
	const silent = options.quiet === true || options.json === true;
	if (!silent) {
		const amount = amountText(exploration, seeds, options.for);
		const part = options.shard === undefined ? "" : `shard ${shard.i}/${shard.n}, `;
		const subject = `Faultline ${VERSION}: ${target.engine.name} on ${target.storage.name} storage`;
		const { programs, properties } = explorer;
		process.stdout.write(
			`${subject}\n${part}${amount}, ${plural(programs.length, "program")}, ${properties.length} of ${PROPERTIES.length} properties\n\n`,
		);
	}

	const settings = settingsOf(options, runs, exploration);
	const ownSettings = options.shard === undefined ? settings : { ...settings, shard: `${shard.i}/${shard.n}` };
	const doublecheck =
		options.doublecheck === true ? new Doublecheck({ target: target.engine, loader: LOADER }) : undefined;
	try {
		return await carryOut({
			options,
			total: exploration.kind === "random" && Number.isFinite(seeds) ? seeds : undefined,
			keeper,
			files: shardFiles({
				...{ engine: identityOf(target.engine), driver: target.storage.name, settings },
				...{ shard: options.shard, expectations },
			}),
			report: (result, seconds) => {
				const report = reportOf(result, target, ownSettings, seconds);
				const whole = options.corpus === undefined ? report : { ...report, corpus: result.tally.corpus };
				return baseline === undefined ? whole : { ...whole, baseline: baseline.beside(whole) };
			},
			campaign: (hooks) =>
				campaignIn(lab, {
					from: options.from,
					...{ runs, shard, exploration },
					...(options.for === undefined ? {} : { forMs: options.for }),
					...(options.driver === undefined
						? { workers: { count: options.workers ?? availableParallelism(), spec } }
						: {}),
					expectations,
					...(baseline === undefined ? {} : { baseline: baseline.known }),
					...(keeper?.corpus === undefined ? {} : { corpus: keeper.corpus }),
					...(doublecheck === undefined ? {} : { doublecheck }),
					...hooks,
					...commands(options, searched),
					commandForFile: (file) => replayCommand(file, keeper?.corpus?.kept.get(file)?.target, target.engine.name),
				}),
		});
	} finally {
		doublecheck?.close();
	}
}

/** The shapes that the seed of a search does without; absent when nothing is avoided, or no seed is searched. */
async function searchedSeed(
	explorer: Explorer,
	exploration: Exploration,
): Promise<{ readonly avoided?: readonly string[] }> {
	if (exploration.kind !== "crashes" || explorer.avoided.length === 0) return {};
	const { seed } = exploration;
	return seed === undefined ? {} : { avoided: (await inMacrotask(() => explorer.draw(seed))).avoided };
}

/** What keeps the runs of findings in files; undefined when no files were asked for. @throws UsageError */
async function keeperOf(explorer: Explorer, { corpus, report }: ExploreOptions): Promise<Keeper<Scenario> | undefined> {
	if (corpus === undefined && report === undefined) return undefined;
	const { Keeper } = await import("../../explore/keep/keeper.ts");
	const { EngineForm } = await import("../../explore/keep/engine-form.ts");
	return new Keeper(new EngineForm(explorer), { corpus, report });
}

/** @param recorded engine that the file itself names, which a replay runs unless it is told otherwise. */
function replayCommand(file: string, recorded: string | undefined, engine: string): string {
	const other = recorded === undefined || recorded === engine ? "" : ` --engine ${quote(engine)}`;
	return `pnpm sim replay ${quote(file)}${other}`;
}

/** The engine as a shard has to know it again: a local build by what its file holds. */
function identityOf({ name, version }: Target["engine"]): { name: string; version: string; digest?: string } {
	return version === "local" ? { name, version, digest: digestOf(readFileSync(name, "utf8")) } : { name, version };
}

/**
 * The commands that show a run of this campaign again.
 * @param searched what was taken out of the seed whose scenario is searched.
 */
export function commands(
	options: Pick<RunOptions, "engine" | "driver" | "program" | "faults" | "lacking">,
	searched?: { readonly avoided?: readonly string[] },
): Commands {
	const drawing = drawingOptions(options);
	return {
		commandFor: (seed, avoided) => `pnpm sim --seed ${seed}${drawing}${avoidOption(avoided, options)}`,
		commandForKnown: (id) => `pnpm sim --known ${id}${engineOption(options)}`,
		commandForFile: (file) => `pnpm sim replay ${quote(file)}`,
		commandForScenario: (scenario: Scenario) =>
			scenario.seed === REFERENCE_SEED
				? `pnpm sim${planOptions(scenario)}${engineOption(options)}`
				: `pnpm sim${planOptions(scenario, drawing + avoidOption(searched?.avoided, options))}`,
	};
}

function settingsOf(options: ExploreOptions, runs: number, exploration: Exploration): Report["settings"] {
	const { kind } = exploration;
	return {
		...(kind === "random" ? { from: options.from, ...(Number.isFinite(runs) ? { runs } : {}) } : {}),
		...(options.for === undefined ? {} : { forMs: options.for }),
		...(options.driver === undefined ? {} : { driver: options.driver }),
		...(options.program === undefined ? {} : { program: options.program }),
		...(options.suite === undefined ? {} : { suite: options.suite }),
		...(options.property === undefined ? {} : { property: options.property }),
		...(options.faults === undefined ? {} : { faults: options.faults }),
		...(options.avoid === undefined ? {} : { avoid: options.avoid }),
		...(options.lacking === undefined ? {} : { lacking: options.lacking }),
		explore: kind,
		...(kind === "crashes" && exploration.seed !== undefined ? { seed: exploration.seed } : {}),
		...(kind === "random" ? {} : { modes: exploration.modes, depth: exploration.depth ?? "all" }),
	};
}

const DEFAULT_DEPTH = 2;

/** @throws UsageError for options that do not go together. */
function explorationOf(options: ExploreOptions): Exploration {
	const { explore: kind, depth, mode, runs, faults, seed } = options;
	if (kind === "random") {
		const given = depth !== undefined ? "--depth" : mode !== undefined ? "--mode" : undefined;
		if (given === undefined) return { kind };
		throw new UsageError(`${given} is for --explore crashes or schedules; seeds draw theirs.`);
	}
	if (runs !== undefined) throw new UsageError(`--runs counts seeds; --explore ${kind} ends when it is exhausted.`);
	if (options.doublecheck === true) {
		throw new UsageError(`--doublecheck makes a sample of the seeds again; --explore ${kind} has none.`);
	}
	const modes: readonly HostingMode[] = mode === undefined ? ["live", "yield"] : [mode];
	if (kind === "schedules") {
		if (seed !== undefined) throw new UsageError("--explore schedules searches programs: leave --seed out.");
		if (faults !== undefined) throw new UsageError("--explore schedules interrupts nothing: leave --faults out.");
		return { kind, modes, depth: depth ?? DEFAULT_DEPTH };
	}
	const wrong = faults?.find((fault) => fault !== "crash" && !WIDENING.includes(fault));
	if (wrong !== undefined) {
		throw new UsageError(`--explore crashes knows crash, ${WIDENING.join(", ")}; ${wrong} is for seeds.`);
	}
	if (seed !== undefined && mode !== undefined) throw new UsageError("A seed is hosted as drawn: leave --mode out.");
	return {
		kind,
		...(seed === undefined ? {} : { seed }),
		...{ modes, depth: depth ?? DEFAULT_DEPTH },
		kinds: (faults ?? []).filter((fault) => fault !== "crash"),
	};
}

/** @throws UsageError for what cannot be had on a real driver, each with why. */
function refuseOnDriver(options: ExploreOptions): void {
	const { explore: kind } = options;
	if (kind !== "random") {
		throw new UsageError(
			`--explore ${kind} goes on from snapshots of the disk, and a real driver has none: leave --driver or --explore out.`,
		);
	}
	const reasons = {
		doublecheck: "every run on a driver is compared with the world's own disk already",
		workers: "runs on a driver go one after the other",
		corpus: "what is kept there runs on the world's own disk",
		report: "its reproducers run on the world's own disk; --json prints the report",
	} as const;
	for (const [name, reason] of Object.entries(reasons)) {
		if (Reflect.get(options, name) !== undefined) throw new UsageError(`With --driver leave --${name} out: ${reason}.`);
	}
}

/** The kinds of fault that must strike, or the result counts for nothing. */
function faultsOf({ faults }: ExploreOptions, exploration: Exploration): Pick<RunOptions, "faults"> {
	if (exploration.kind === "random") return faults === undefined ? {} : { faults };
	return { faults: exploration.kind === "schedules" ? [] : ["crash", ...exploration.kinds] };
}

function amountText(exploration: Exploration, seeds: number, forMs: number | undefined): string {
	const within = withinText(forMs);
	if (exploration.kind === "crashes") return `every crash state to depth ${exploration.depth}${within}`;
	if (exploration.kind === "schedules") return `every order to ${plural(exploration.depth ?? 0, "departure")}${within}`;
	return seedsText(seeds, forMs);
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
		coverage: {
			...{ faults: result.faults, programs: result.programs },
			...(result.generated === undefined ? {} : { generated: result.generated }),
			...(result.avoided === undefined ? {} : { avoided: result.avoided }),
			...(result.searches.length === 0 ? {} : { searches: result.searches }),
		},
		timings: {
			seconds: Number(seconds.toFixed(3)),
			runsPerSecond: Number((result.counts.runs / Math.max(seconds, 0.001)).toFixed(1)),
			virtualDays: Number((result.virtualMs / 86_400_000).toFixed(2)),
		},
		...(digest === undefined ? {} : { digest }),
	};
}
