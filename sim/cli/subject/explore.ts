/** `pnpm sim --actor NAME`, `pnpm sim --runner NAME`: explores an actor runtime, or a runner and its server. */
import { availableParallelism } from "node:os";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { exitCodeOf, type Report, SCHEMA_VERSION } from "../../../reports/model.ts";
import { plural } from "../../../reports/text.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { campaignIn } from "../../explore/campaign/campaign.ts";
import { Doublecheck } from "../../explore/campaign/doublecheck.ts";
import type { CampaignResult } from "../../explore/campaign/result.ts";
import { seedsOf, WHOLE } from "../../explore/campaign/shard.ts";
import type { Exploration } from "../../explore/campaign/work.ts";
import { Keeper } from "../../explore/keep/keeper.ts";
import { nameOf, SubjectForm } from "../../explore/subject/form.ts";
import type { Subject } from "../../explore/subject/subject.ts";
import { type ExploringOptions, seedsText } from "../campaign.ts";
import { LOADER } from "../options.ts";
import { carryOut } from "../progress/carry-out.ts";
import { baselineOf } from "../report/baseline.ts";
import { makeReportDirectory } from "../report/publish.ts";
import { refuseEmptyShard, shardFiles } from "../report/sharing.ts";
import { VERSION } from "../version.ts";
import { judgedProperties, prepareSubject, type SubjectOptions, subjectCommands, targetOptions } from "./options.ts";

export interface ExploreSubjectOptions extends SubjectOptions, ExploringOptions {}

/** Seeds of a campaign that says neither how many nor how long. */
export const SUBJECT_RUNS = 5_000;
const DEFAULT_DEPTH = 2;

/** Explores, writes the report where it was asked for, and returns it. @throws UsageError */
export async function exploreSubject(options: ExploreSubjectOptions): Promise<Report> {
	const exploration = explorationOf(options);
	const { shard: given, corpus, ...about } = options;
	const prepared = await prepareSubject(exploration.kind === "random" ? about : { ...about, faults: ["crash"] });
	const { subject, lab, spec, expectations } = prepared;
	const baseline = await baselineOf(options, lab.properties);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const { report: directory } = options;
	const isKept = corpus !== undefined || directory !== undefined;
	const keeper = isKept ? new Keeper(new SubjectForm(spec, lab), { corpus, report: directory }) : undefined;
	const runs = options.runs ?? (options.for === undefined ? SUBJECT_RUNS : Number.POSITIVE_INFINITY);
	const shard = given ?? WHOLE;
	const seeds = seedsOf(runs, shard);
	if (given !== undefined) refuseEmptyShard(shard, exploration, lab, runs);
	if (options.quiet !== true && options.json !== true) {
		const part = given === undefined ? "" : `shard ${shard.i}/${shard.n}, `;
		const amount =
			exploration.kind === "crashes"
				? `every crash point to depth ${exploration.depth}`
				: seedsText(seeds, options.for);
		const all = judgedProperties(subject).length;
		process.stdout.write(
			`Faultline ${VERSION}: ${titleOf(subject)}\n${part}${amount}, ${plural(subject.programs.length, "program")}, ${lab.properties.length} of ${all} properties\n\n`,
		);
	}
	const settings = settingsOf(options, runs, exploration);
	const ownSettings = given === undefined ? settings : { ...settings, shard: `${shard.i}/${shard.n}` };
	const { name, version, against } = subject.target;
	const commands = subjectCommands(options, subject);
	const doublecheck = options.doublecheck === true ? new Doublecheck({ target: spec, loader: LOADER }) : undefined;
	try {
		return await carryOut<SubjectScenario>({
			options,
			total: exploration.kind === "random" && Number.isFinite(seeds) ? seeds : undefined,
			keeper,
			files: shardFiles({
				...{ kind: subject.kind, engine: { name, version }, driver: against, settings },
				...{ shard: given, expectations },
			}),
			report: (result, seconds) => {
				const report = subjectReport(result, subject, ownSettings, seconds);
				const whole = corpus === undefined ? report : { ...report, corpus: result.tally.corpus };
				return baseline === undefined ? whole : { ...whole, baseline: baseline.beside(whole) };
			},
			campaign: (hooks) =>
				campaignIn(lab, {
					...{ from: options.from, runs, shard, exploration, expectations },
					...(options.for === undefined ? {} : { forMs: options.for }),
					workers: { count: options.workers ?? availableParallelism(), spec },
					properties: judgedProperties(subject),
					...(baseline === undefined ? {} : { baseline: baseline.known }),
					...(keeper?.corpus === undefined ? {} : { corpus: keeper.corpus }),
					...(doublecheck === undefined ? {} : { doublecheck }),
					...hooks,
					...commands,
					commandForFile: (file) => {
						const recorded = keeper?.corpus?.kept.get(file)?.target;
						const isOther = recorded !== undefined && recorded !== nameOf(spec);
						return commands.commandForFile(file) + (isOther ? targetOptions(options) : "");
					},
				}),
		});
	} finally {
		doublecheck?.close();
	}
}

/** @throws UsageError for options that do not go together. */
function explorationOf(options: ExploreSubjectOptions): Exploration {
	const { explore: kind, depth, seed, runs, faults = [] } = options;
	if (kind === "schedules") throw new UsageError("--explore schedules is about workflow engines.");
	if (kind === "random") {
		if (depth === undefined) return { kind };
		throw new UsageError("--depth is for --explore crashes; seeds draw their faults.");
	}
	if (runs !== undefined) throw new UsageError("--runs counts seeds; --explore crashes ends when it is exhausted.");
	if (options.doublecheck === true) {
		throw new UsageError("--doublecheck makes a sample of the seeds again; --explore crashes has none.");
	}
	const wrong = faults.find((fault) => fault !== "crash");
	if (wrong !== undefined) {
		throw new UsageError(`--explore crashes of actors and runners knows crash; ${wrong} is for seeds.`);
	}
	// A program may be hosted in several ways; ways that a program does not have are searched in no time.
	const modes = Array.from({ length: MOST_WAYS }, (_, way) => String(way + 1));
	return { kind, ...(seed === undefined ? {} : { seed }), modes, depth: depth ?? DEFAULT_DEPTH, kinds: [] };
}

/** Ways in which one program is hosted, at most. */
const MOST_WAYS = 4;

export function titleOf({ kind, target }: Subject): string {
	return kind === "actor" ? `actors of ${target.name}` : `runner ${target.name} on server ${target.against}`;
}

function settingsOf(options: ExploreSubjectOptions, runs: number, exploration: Exploration): Report["settings"] {
	const { kind } = exploration;
	const { actor, runner, server, program, suite, property, faults } = options;
	const seed = exploration.kind === "crashes" ? exploration.seed : undefined;
	const named = Object.entries({ actor, runner, server, program, suite, property, faults, forMs: options.for, seed });
	return {
		...(kind === "random" ? { from: options.from, ...(Number.isFinite(runs) ? { runs } : {}) } : {}),
		...Object.fromEntries(named.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
		explore: kind,
		...(kind === "crashes" ? { depth: exploration.depth } : {}),
	};
}

export function subjectReport(
	result: CampaignResult<SubjectScenario>,
	{ kind, target }: Pick<Subject, "kind" | "target">,
	settings: Report["settings"],
	seconds: number,
	digest?: string,
): Report {
	const { verdict, problems, interrupted, counts, findings, properties, faults, programs, searches } = result;
	return {
		...{ schemaVersion: SCHEMA_VERSION, tool: { name: "faultline", version: VERSION } },
		settings,
		target: { engine: target.name, driver: target.against, kind },
		...{ verdict, exitCode: exitCodeOf(verdict), problems, interrupted, counts, findings, properties },
		coverage: { faults, programs, ...(searches.length === 0 ? {} : { searches }) },
		timings: {
			seconds: Number(seconds.toFixed(3)),
			runsPerSecond: Number((counts.runs / Math.max(seconds, 0.001)).toFixed(1)),
			virtualDays: Number((result.virtualMs / 86_400_000).toFixed(2)),
		},
		...(digest === undefined ? {} : { digest }),
	};
}
