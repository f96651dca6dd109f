/** `pnpm sim --actor NAME`, `pnpm sim --runner NAME`: explores an actor runtime, or a runner and its server. */
import { availableParallelism } from "node:os";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { exitCodeOf, type Report, SCHEMA_VERSION } from "../../../reports/model.ts";
import { plural } from "../../../reports/text.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { campaignIn } from "../../explore/campaign/campaign.ts";
import { Doublecheck } from "../../explore/campaign/doublecheck.ts";
import type { CampaignResult } from "../../explore/campaign/result.ts";
import type { Exploration } from "../../explore/campaign/work.ts";
import type { Subject } from "../../explore/subject/subject.ts";
import { LOADER } from "../options.ts";
import { carryOut } from "../progress/carry-out.ts";
import { baselineOf } from "../report/baseline.ts";
import { makeReportDirectory, type PublishOptions } from "../report/publish.ts";
import { VERSION } from "../version.ts";
import { SubjectKeeper } from "./keeper.ts";
import { judgedProperties, prepareSubject, type SubjectOptions, subjectCommands } from "./options.ts";

export interface ExploreSubjectOptions extends SubjectOptions, PublishOptions {
	readonly runs?: number;
	/** Real milliseconds. */
	readonly for?: number;
	readonly from: number;
	readonly workers?: number;
	readonly baseline?: string;
	readonly explore: Exploration["kind"];
	readonly depth?: number;
	readonly seed?: number;
	readonly doublecheck?: boolean;
}

/** Seeds of a campaign that says neither how many nor how long. */
export const SUBJECT_RUNS = 5_000;
const DEFAULT_DEPTH = 2;

/** Explores, writes the report where it was asked for, and returns it. @throws UsageError */
export async function exploreSubject(options: ExploreSubjectOptions): Promise<Report> {
	const exploration = explorationOf(options);
	const prepared = await prepareSubject(
		exploration.kind === "random" ? options : { ...options, faults: options.faults ?? ["crash"] },
	);
	const { subject, lab, spec, expectations } = prepared;
	const baseline = await baselineOf(options, lab.properties);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const runs = options.runs ?? (options.for === undefined ? SUBJECT_RUNS : Number.POSITIVE_INFINITY);
	if (options.quiet !== true && options.json !== true) {
		const amount =
			exploration.kind === "crashes"
				? `every crash point to depth ${exploration.depth}`
				: Number.isFinite(runs)
					? `${plural(runs, "seed")}${options.for === undefined ? "" : ` within ${options.for / 1_000} s`}`
					: `${(options.for ?? 0) / 1_000} s`;
		const all = judgedProperties(subject).length;
		process.stdout.write(
			`Faultline ${VERSION}: ${titleOf(subject)}\n${amount}, ${plural(subject.programs.length, "program")}, ${lab.properties.length} of ${all} properties\n\n`,
		);
	}
	const doublecheck = options.doublecheck === true ? new Doublecheck({ target: spec, loader: LOADER }) : undefined;
	try {
		return await carryOut<SubjectScenario>({
			options,
			total: exploration.kind === "random" && Number.isFinite(runs) ? runs : undefined,
			...(options.report === undefined ? {} : { keeper: new SubjectKeeper(prepared, options.report) }),
			report: (result, seconds) => {
				const report = subjectReport(result, subject, settingsOf(options, runs, exploration), seconds);
				return baseline === undefined ? report : { ...report, baseline: baseline.beside(report) };
			},
			campaign: (hooks) =>
				campaignIn(lab, {
					...{ from: options.from, runs, exploration, expectations },
					...(options.for === undefined ? {} : { forMs: options.for }),
					workers: { count: options.workers ?? availableParallelism(), spec },
					properties: judgedProperties(subject),
					...(baseline === undefined ? {} : { baseline: baseline.known }),
					...(doublecheck === undefined ? {} : { doublecheck }),
					...hooks,
					...subjectCommands(options, subject),
				}),
		});
	} finally {
		doublecheck?.close();
	}
}

/** @throws UsageError for options that do not go together. */
function explorationOf({ explore: kind, depth, seed, runs }: ExploreSubjectOptions): Exploration {
	if (kind === "schedules") throw new UsageError("--explore schedules is about workflow engines.");
	if (kind === "random") {
		if (depth === undefined) return { kind };
		throw new UsageError("--depth is for --explore crashes; seeds draw their faults.");
	}
	if (runs !== undefined) throw new UsageError("--runs counts seeds; --explore crashes ends when it is exhausted.");
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
	const named = Object.entries({ actor, runner, server, program, suite, property, faults, forMs: options.for });
	return {
		...(kind === "random" ? { from: options.from, ...(Number.isFinite(runs) ? { runs } : {}) } : {}),
		...Object.fromEntries(named.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
		explore: kind,
		...(kind === "crashes" ? { depth: exploration.depth } : {}),
	};
}

export function subjectReport(
	result: CampaignResult<SubjectScenario>,
	{ kind, target }: Subject,
	settings: Report["settings"],
	seconds: number,
	digest?: string,
): Report {
	const { verdict, problems, interrupted, counts, findings, properties, faults, programs, searches } = result;
	const searched = searches.filter(({ explored }) => explored > 0);
	return {
		...{ schemaVersion: SCHEMA_VERSION, tool: { name: "faultline", version: VERSION } },
		settings,
		target: { engine: target.name, driver: target.against, kind },
		...{ verdict, exitCode: exitCodeOf(verdict), problems, interrupted, counts, findings, properties },
		coverage: { faults, programs, ...(searched.length === 0 ? {} : { searches: searched }) },
		timings: {
			seconds: Number(seconds.toFixed(3)),
			runsPerSecond: Number((counts.runs / Math.max(seconds, 0.001)).toFixed(1)),
			virtualDays: Number((result.virtualMs / 86_400_000).toFixed(2)),
		},
		...(digest === undefined ? {} : { digest }),
	};
}
