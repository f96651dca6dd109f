/** `pnpm sim --seed N`: one run again, told as a story, with its verdict and digest. */
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import { json } from "../../../reports/json.ts";
import { findingId, type Report } from "../../../reports/model.ts";
import { story } from "../../../reports/story.ts";
import { type Paint, plural, time, wrap } from "../../../reports/text.ts";
import type { Run } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { describeDifference } from "../../explore/blame.ts";
import { type CampaignResult, conditionsOf, judgeOne, judgeOneOn } from "../../explore/campaign/campaign.ts";
import { Doublecheck } from "../../explore/campaign/doublecheck.ts";
import { referenceScenario } from "../../explore/draw.ts";
import { type Explorer, idOf, type Judgement } from "../../explore/explorer.ts";
import type { Shown } from "../../explore/keep/reproducer.ts";
import { parsePlan, planned } from "../../explore/plan.ts";
import { describeFault, type Fault } from "../../world/faults.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { LOADER, loadExpectations, prepare, type RunOptions } from "../options.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { writeRunReport } from "../report/publish.ts";
import { notListed } from "../unknown.ts";
import { commands, reportOf } from "./explore.ts";

type JudgedRun = ReturnType<typeof judgeOne>;

export interface ShowOptions extends RunOptions {
	readonly seed?: number;
	/** Id of a known failure whose kept run is to be shown. */
	readonly known?: string;
	/** Faults that strike the one program, in words, and the order of what is pending. */
	readonly plan?: string;
	readonly order?: readonly number[];
	readonly mode?: HostingMode;
	readonly verbose?: boolean;
	/** File to write a reproducer to. */
	readonly save?: string;
	/** Whether to make the run in another process too. */
	readonly doublecheck?: boolean;
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
}

export async function show(options: ShowOptions): Promise<Report> {
	if (options.driver !== undefined && (options.save !== undefined || options.doublecheck === true)) {
		throw new UsageError("--save and --doublecheck run on the world's own disk: leave --driver out.");
	}
	const { explorer, target } = await prepare(options);
	const expectations = loadExpectations(target.engine, options.expectations);
	const startedAt = performance.now();
	const { scenario, program, avoided } = await inMacrotask(() => choose(explorer, options, expectations));
	const taken = explorer.avoided.length === 0 || avoided === undefined ? {} : { avoided };
	const { commandFor, commandForKnown, commandForScenario } = commands(options, taken);
	const { seed, known } = options;
	const asDrawn = seed !== undefined && options.plan === undefined && options.order === undefined;
	const command =
		known !== undefined
			? commandForKnown(known)
			: asDrawn
				? commandFor(seed, taken.avoided)
				: commandForScenario(scenario);
	const { onDriver } = explorer;
	const one = { scenario, program };
	const judged =
		onDriver === undefined
			? await inMacrotask(() => judgeOne(explorer, one, command, expectations))
			: await judgeOneOn(explorer, onDriver, one, command, expectations);
	const { judgement } = judged;
	const shown = options.save === undefined ? undefined : shownFirst(judged, options);
	const checked = options.doublecheck === true ? await doublechecked(judged) : judged.result;
	const result = options.plan === undefined ? checked : struck(checked, judgement);
	const digest = judgement.run.history.digest();
	const settings =
		known !== undefined
			? { known }
			: {
					...(seed === undefined ? {} : { seed }),
					...(options.plan === undefined ? {} : { plan: options.plan }),
					...(options.order === undefined ? {} : { order: options.order.join() }),
				};
	const report = reportOf(result, target, settings, (performance.now() - startedAt) / 1_000, digest);

	if (options.save !== undefined && shown !== undefined) {
		// Loaded when asked for: only a reproducer needs its schema and its compression.
		const { reproducerOf, writeReproducer } = await import("../../explore/keep/reproducer.ts");
		writeReproducer(options.save, reproducerOf(judgement.run, shown));
	}
	if (options.json === true) process.stdout.write(json(report));
	else {
		const title = known !== undefined ? `known failure ${known}` : seed !== undefined ? `seed ${seed}` : "as planned";
		process.stdout.write(tellRun({ title, explorer, judgement, report }, options));
		if (shown !== undefined) process.stdout.write(`saved ${idOf(shown)}: ${options.save}\n`);
	}
	if (options.report !== undefined) {
		// Loaded when asked for: a run is told without it.
		const { runRecordOf } = await import("../../explore/keep/run-record.ts");
		await writeRunReport(options.report, report, options.json === true || options.quiet === true, (id) =>
			inMacrotask(() => runRecordOf(explorer, id, judgement)),
		);
	}
	return report;
}

/** The finding that is told first. @throws UsageError when there is none. */
function shownFirst({ result, judgement }: JudgedRun, options: ShowOptions): Shown {
	const [first] = result.findings;
	const shown = judgement.violations.find((candidate) => idOf(candidate) === first?.id);
	if (shown === undefined) {
		const { seed, known } = options;
		const run = known !== undefined ? `The run of ${known}` : seed !== undefined ? `Seed ${seed}` : "The planned run";
		throw new UsageError(`${run} shows no failure, so there is nothing to save; give a run that fails.`);
	}
	return shown;
}

/** The result, `invalid` when another process makes another history of the same run. */
async function doublechecked({ result, judgement }: JudgedRun): Promise<CampaignResult> {
	const { run } = judgement;
	const doublecheck = new Doublecheck({ target: run.target.engine, loader: LOADER });
	try {
		const difference = await doublecheck.compare(run.scenario, run.history);
		if (difference === undefined) return result;
		const { storage, engine } = run.target;
		const lines = describeDifference(difference, ["here", "elsewhere"], (table, key) =>
			storage.describeKey(table, key, engine.describeKey),
		);
		const problem = ["another process makes another history of this run", ...lines].join("\n");
		return { ...result, verdict: "invalid", problems: [...result.problems, problem] };
	} finally {
		doublecheck.close();
	}
}

/** The result, `invalid` when faults that were asked for by name did not strike: the run says nothing about them. */
function struck(result: CampaignResult, { run, unfired }: Judgement): CampaignResult {
	if (unfired.length === 0) return result;
	const missed = unfired.map((place) => describeFault(run.scenario.faults[place] as Fault));
	const problem = `found no place to strike: ${missed.join("; ")}`;
	return { ...result, verdict: "invalid", problems: [...result.problems, problem] };
}

/** The run that the options name. @throws UsageError when they name none. */
export function choose(
	explorer: Explorer,
	options: ShowOptions,
	expectations: ReturnType<typeof loadExpectations>,
): { scenario: Scenario; program: Program; avoided?: readonly string[] } {
	const { seed, known, plan, order } = options;
	if (known === undefined) {
		const base = seed === undefined ? namedScenario(explorer, options) : explorer.draw(seed);
		if (plan === undefined && order === undefined) return base;
		return { ...base, scenario: planned(base.scenario, parsePlan(plan ?? ""), order) };
	}
	const entry = expectations.find((entry) => findingId(entry) === options.known);
	if (entry === undefined) {
		throw new UsageError(notListed(known, explorer.target.engine.name, expectations.map(findingId)));
	}
	const program = explorer.programOf(entry.scenario);
	if (program === undefined)
		throw new UsageError(`The run of ${options.known} needs program ${entry.scenario.program}.`);
	return { scenario: entry.scenario, program };
}

/** @throws UsageError unless one program is named. */
function namedScenario(explorer: Explorer, { program: names, mode = "live" }: ShowOptions) {
	const program = explorer.programs.find(({ name }) => name === names?.[0]);
	if (program === undefined || names?.length !== 1) {
		throw new UsageError("--plan and --order are about one program; name it: --program NAME");
	}
	return { program, scenario: referenceScenario(program, mode) };
}

/** What there is to tell of one run. */
export interface ToldRun {
	/** How the run was asked for, e.g. `seed 42`. */
	readonly title: string;
	readonly explorer: Explorer;
	readonly judgement: Judgement;
	readonly report: Report;
}

/** One run as a story, with its verdict and digest, for the terminal. */
export function tellRun(
	{ title, explorer, judgement: { run, violations, unfired }, report }: ToldRun,
	options: Pick<ShowOptions, "quiet" | "verbose" | "doublecheck">,
): string {
	const paint = paintFor(process.stdout);
	const width = widthOf(process.stdout);
	const { program, scenario } = run;
	const lines = [
		paint.bold(wrap(`${title}: ${program.name} on ${explorer.target.engine.name}`, width, "  ", "")),
		wrap(program.summary, width, "  "),
		wrap(conditionsOf(scenario, run.fired).join("; "), width, "  "),
	];
	if (unfired.length > 0) lines.push(`  (${plural(unfired.length, "planned fault")} found no place to strike)`);
	if (options.quiet !== true) {
		lines.push(
			"",
			story(run.history.events, {
				width,
				paint,
				verbose: options.verbose === true,
				describeKey: explorer.describeKey,
				remarks: violations.map(({ property, violation }) => ({
					event: violation.event,
					text: `${property.id}: ${violation.message}`,
				})),
			}),
		);
	}
	const stuck = stuckText(run);
	if (stuck !== undefined) lines.push("", paint.yellow(wrap(stuck, width, "  ", "")));
	lines.push("", ...verdictLines(report, paint, width));
	if (options.doublecheck === true && report.problems.length === 0) {
		lines.push(wrap("made again in another process, time zone, locale and directory: equal to the byte", width, ""));
	}
	lines.push(
		`${plural(run.events, "event")}, ${plural(run.writes, "durable write")}, ${time(run.endMs)} of virtual time`,
		`digest ${report.digest}`,
	);
	return `${lines.join("\n")}\n`;
}

/** Of a run that came to no end: what each of its processes waits for. */
function stuckText({ outcome, endMs, events }: Run): string | undefined {
	if (outcome.status !== "hung" && outcome.status !== "unfinished") return undefined;
	const waits = outcome.waits.map((one) => `waits: ${one}`).join("; ") || "no process waits for anything";
	if (outcome.status === "hung") return `Nothing is left to happen, and it has not ended; ${waits}`;
	return `Stopped after ${outcome.limit === "time" ? time(endMs) : plural(events, "event")}; ${waits}`;
}

function mustHold({ properties }: Report, id: string): string[] {
	return properties.flatMap((property) => (property.id === id ? [property.claim] : []));
}

export function verdictLines(report: Report, paint: Paint, width: number): string[] {
	const findings = report.findings.flatMap(({ verdict, id, property, reason, disputed, example }) => [
		`${verdict === "fail" ? paint.red("FAIL ") : paint.yellow(verdict)} ${paint.bold(id)}`,
		wrap(example?.message ?? "", width, "      "),
		...mustHold(report, property).map((claim) => paint.dim(wrap(`Must hold: ${claim}`, width, "      "))),
		...(reason === undefined ? [] : [paint.dim(wrap(reason, width, "      "))]),
		...(disputed === undefined ? [] : [wrap(`A matter of reading: ${disputed}`, width, "      ")]),
	]);
	if (report.problems.length > 0) {
		return [...findings, paint.red("INVALID"), ...report.problems.map((problem) => hanging(problem, width))];
	}
	if (findings.length > 0) return findings;
	const held = report.properties.filter(({ verdict }) => verdict === "pass").length;
	return [`${paint.green("pass")}  ${plural(held, "property").replace("propertys", "properties")} held`];
}

/** Lines wrapped one by one, each behind an indent that its own further lines exceed. */
export function hanging(text: string, width: number): string {
	return text
		.split("\n")
		.map((line) => wrap(line, width, "        ", "  "))
		.join("\n");
}
