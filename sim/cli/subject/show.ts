/** One run of an actor or a runner again, told as a story, with its verdict and digest. */
import { UsageError } from "../../../drivers/engine/contract.ts";
import { json } from "../../../reports/json.ts";
import { findingId, type Report } from "../../../reports/model.ts";
import { story } from "../../../reports/story.ts";
import { plural, time, wrap } from "../../../reports/text.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { type Judging, resultOf } from "../../explore/campaign/result.ts";
import { parsePlan } from "../../explore/plan.ts";
import { conditionsOfRun, type SubjectJudgement } from "../../explore/subject/judge.ts";
import { writeSubjectReproducer } from "../../explore/subject/reproducer.ts";
import type { SubjectSpec } from "../../explore/subject/spec.ts";
import type { Subject } from "../../explore/subject/subject.ts";
import { eventsToTell } from "../../explore/subject/told.ts";
import { describeFault, type Fault } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { verdictLines } from "../engine/show.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { type PublishOptions, writeRunReport } from "../report/publish.ts";
import { notListed } from "../unknown.ts";
import { VERSION } from "../version.ts";
import { subjectReport } from "./explore.ts";
import {
	judgedProperties,
	type PreparedSubject,
	prepareSubject,
	type SubjectOptions,
	subjectCommands,
} from "./options.ts";

export interface ShowSubjectOptions extends SubjectOptions, PublishOptions {
	readonly seed?: number;
	/** Id of a known failure whose kept run is to be shown. */
	readonly known?: string;
	/** Faults in words, in place of those that were drawn. */
	readonly plan?: string;
	/** Which of the ways in which the program is hosted, from 1. */
	readonly way?: number;
	readonly verbose?: boolean;
	readonly save?: string;
}

/** @throws UsageError */
export async function showSubject(options: ShowSubjectOptions): Promise<Report> {
	const prepared = await prepareSubject(options);
	const { subject } = prepared;
	const commands = subjectCommands(options, subject);
	const { scenario, title } = await inMacrotask(() => choose(prepared, options));
	const { seed, known, plan } = options;
	const command =
		known !== undefined
			? commands.commandForKnown(known)
			: seed !== undefined && plan === undefined
				? commands.commandFor(seed)
				: commands.commandForScenario(scenario);
	const settings = {
		...(known === undefined ? {} : { known }),
		...(seed === undefined ? {} : { seed }),
		...(plan === undefined ? {} : { plan }),
	};
	const judged = await judgeOneScenario(prepared, scenario, command, settings, plan !== undefined);
	if (options.save !== undefined) save(options.save, prepared.spec, judged);
	await tellJudged(title, subject, judged, options);
	if (options.save !== undefined && options.json !== true) process.stdout.write(`saved: ${options.save}\n`);
	return judged.report;
}

export interface JudgedScenario {
	readonly judgement: SubjectJudgement;
	readonly report: Report;
}

/** @param asked whether the faults were asked for by name, so that each must strike. @throws HarnessError when the run left its world. */
export async function judgeOneScenario(
	{ lab, subject, expectations }: PreparedSubject,
	scenario: SubjectScenario,
	command: string,
	settings: Report["settings"],
	asked = false,
): Promise<JudgedScenario> {
	const startedAt = performance.now();
	const judgement = await inMacrotask(() => lab.takeScenario(scenario));
	const tally = lab.takeOff();
	if (judgement === undefined) throw new HarnessError("run", tally.problems.join("; "));
	const show = () => command;
	const judging: Judging = {
		expectations,
		properties: judgedProperties(subject),
		...{ commandFor: show, commandForKnown: show, commandForFile: show, commandForScenario: show },
	};
	const result = resultOf<SubjectScenario>(tally, judging, false);
	const missed = asked ? judgement.unfired.map((place) => describeFault(scenario.faults[place] as Fault)) : [];
	const problems = missed.length === 0 ? [] : [`found no place to strike: ${missed.join("; ")}`];
	const whole = problems.length === 0 ? result : { ...result, verdict: "invalid" as const, problems };
	const seconds = (performance.now() - startedAt) / 1_000;
	return { judgement, report: subjectReport(whole, subject, settings, seconds, judgement.run.history.digest()) };
}

function choose(
	{ subject, expectations }: PreparedSubject,
	{ seed, known, plan, program, way = 1 }: ShowSubjectOptions,
): { scenario: SubjectScenario; title: string } {
	if (known !== undefined) {
		const entry = expectations.find((candidate) => findingId(candidate) === known);
		if (entry !== undefined) return { scenario: entry.scenario, title: `known failure ${known}` };
		throw new UsageError(notListed(known, subject.target.name, expectations.map(findingId)));
	}
	const base = seed === undefined ? named(subject, program, way) : subject.draw(seed);
	const title = seed === undefined ? "as planned" : `seed ${seed}`;
	return { scenario: plan === undefined ? base : { ...base, faults: parsePlan(plan) }, title };
}

function named(subject: Subject, programs: readonly string[] | undefined, way: number): SubjectScenario {
	const [program] = programs ?? [];
	if (program === undefined || programs?.length !== 1) {
		throw new UsageError("--plan is about one program; name it: --program NAME, or draw one: --seed N");
	}
	const ways = subject.uninterrupted(program);
	const scenario = ways[way - 1];
	if (scenario === undefined)
		throw new UsageError(`${program} is hosted in ${ways.length} ways; give --way 1 to ${ways.length}.`);
	return scenario;
}

/** @throws UsageError when the run shows no failure. */
export function save(
	file: string,
	{ subject, target, against }: SubjectSpec,
	{ judgement, report }: JudgedScenario,
): void {
	const [first] = report.findings;
	if (first?.example === undefined) throw new UsageError("The run shows no failure, so there is nothing to save.");
	writeSubjectReproducer(file, {
		tool: VERSION,
		target: { subject, target, ...(against === undefined ? {} : { against }) },
		finding: { property: first.property, kind: first.kind, message: first.example.message },
		scenario: judgement.run.scenario,
		digest: judgement.run.history.digest(),
	});
}

/** Prints a judged run, as JSON or as a story, and writes its report where that was asked for. */
export async function tellJudged(
	title: string,
	subject: Subject,
	{ judgement, report }: JudgedScenario,
	options: Pick<ShowSubjectOptions, "json" | "quiet" | "verbose" | "report">,
): Promise<void> {
	if (options.json === true) process.stdout.write(json(report));
	else process.stdout.write(storyOf(title, subject, judgement, report, options));
	if (options.report !== undefined) {
		// Loaded when asked for: a run is told without it.
		const { subjectRunRecordOf } = await import("../../explore/subject/run-record.ts");
		await writeRunReport(options.report, report, options.json === true || options.quiet === true, (id) =>
			inMacrotask(() => subjectRunRecordOf(subject, id, judgement)),
		);
	}
}

function storyOf(
	title: string,
	subject: Subject,
	{ run, violations, unfired }: SubjectJudgement,
	report: Report,
	options: Pick<ShowSubjectOptions, "quiet" | "verbose">,
): string {
	const paint = paintFor(process.stdout);
	const width = widthOf(process.stdout);
	const { scenario } = run;
	const summary = subject.programs.find(({ name }) => name === scenario.program)?.summary ?? "";
	const { name, against } = subject.target;
	const lines = [
		paint.bold(
			wrap(
				`${title}: ${scenario.program} on ${subject.kind === "actor" ? name : `${name} and ${against}`}`,
				width,
				"  ",
				"",
			),
		),
		...(summary === "" ? [] : [wrap(summary, width, "  ")]),
		wrap(conditionsOfRun(subject, scenario, run.fired).join("; "), width, "  "),
	];
	if (unfired.length > 0) lines.push(`  (${plural(unfired.length, "planned fault")} found no place to strike)`);
	if (options.quiet !== true) {
		lines.push(
			"",
			story(eventsToTell(subject, run.history.events), {
				...{ width, paint },
				verbose: options.verbose === true,
				describeKey: (table, key) => subject.describeKey(table, key),
				remarks: violations.map(({ property, violation }) => ({
					event: violation.event,
					text: `${property.id}: ${violation.message}`,
				})),
			}),
		);
	}
	lines.push("", ...verdictLines(report, paint, width));
	lines.push(
		`${plural(run.events, "event")}, ${plural(run.writes, "durable write")}, ${time(run.endMs)} of virtual time`,
		`digest ${report.digest}`,
	);
	return `${lines.join("\n")}\n`;
}
