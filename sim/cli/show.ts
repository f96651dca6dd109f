/** `pnpm sim --seed N`: one run again, told as a story, with its verdict and digest. */

import { UsageError } from "../../drivers/engine/contract.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import { json } from "../../reports/json.ts";
import type { Report } from "../../reports/model.ts";
import { story } from "../../reports/story.ts";
import { type Paint, plural, time, wrap } from "../../reports/text.ts";
import type { Scenario } from "../../suites/scenario.ts";
import { conditionsOf, judgeOne } from "../explore/campaign.ts";
import type { Explorer, Judgement } from "../explore/explorer.ts";
import { inMacrotask } from "../world/interpose.ts";
import { commands, reportOf, writeReport } from "./explore.ts";
import { loadExpectations, prepare, type RunOptions } from "./options.ts";
import { paintFor, widthOf } from "./terminal.ts";

export interface ShowOptions extends RunOptions {
	readonly seed?: number;
	/** Id of a known failure whose kept run is to be shown. */
	readonly known?: string;
	readonly verbose?: boolean;
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
}

export async function show(options: ShowOptions): Promise<Report> {
	const { explorer, target } = await prepare(options);
	const expectations = loadExpectations(target.engine, options.expectations);
	const startedAt = performance.now();
	const { scenario, program } = await inMacrotask(() => choose(explorer, options, expectations));
	const { commandFor, commandForKnown } = commands(options);
	const command = options.known === undefined ? commandFor(options.seed ?? 1) : commandForKnown(options.known);
	const { result, judgement } = await inMacrotask(() =>
		judgeOne(explorer, { scenario, program }, command, expectations),
	);
	const digest = judgement.run.history.digest();
	const settings = options.seed === undefined ? { known: options.known ?? "" } : { seed: options.seed };
	const report = reportOf(result, target, settings, (performance.now() - startedAt) / 1_000, digest);

	if (options.json === true) process.stdout.write(json(report));
	else process.stdout.write(tellRun(explorer, judgement, program, scenario, report, options));
	if (options.report !== undefined)
		writeReport(options.report, report, options.json === true || options.quiet === true);
	return report;
}

function choose(
	explorer: Explorer,
	options: ShowOptions,
	expectations: ReturnType<typeof loadExpectations>,
): { scenario: Scenario; program: Program } {
	if (options.known === undefined) return explorer.draw(options.seed ?? 1);
	const entry = expectations.find(({ property, kind }) => `${property}/${kind}` === options.known);
	if (entry === undefined) {
		const ids = expectations.map(({ property, kind }) => `${property}/${kind}`);
		throw new UsageError(
			`No known failure "${options.known}" of ${explorer.target.engine.name}; listed: ${ids.join(", ") || "none"}.`,
		);
	}
	const program = explorer.programs.find(({ name }) => name === entry.scenario.program);
	if (program === undefined)
		throw new UsageError(`The run of ${options.known} needs program ${entry.scenario.program}.`);
	return { scenario: entry.scenario, program };
}

function tellRun(
	explorer: Explorer,
	{ run, violations, unfired }: Judgement,
	program: Program,
	scenario: Scenario,
	report: Report,
	options: ShowOptions,
): string {
	const paint = paintFor(process.stdout);
	const width = widthOf(process.stdout);
	const { engine, storage } = explorer.target;
	const head = options.seed === undefined ? `known failure ${options.known}` : `seed ${options.seed}`;
	const lines = [
		paint.bold(`${head}: ${program.name} on ${engine.name}`),
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
				describeKey: (table, key) => storage.describeKey(table, key, engine.describeKey),
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

function verdictLines(report: Report, paint: Paint, width: number): string[] {
	if (report.findings.length === 0) {
		const held = report.properties.filter(({ verdict }) => verdict === "pass").length;
		return [`${paint.green("pass")}  ${plural(held, "property").replace("propertys", "properties")} held`];
	}
	return report.findings.flatMap(({ verdict, id, reason, example }) => [
		`${verdict === "fail" ? paint.red("FAIL ") : paint.yellow("known")} ${paint.bold(id)}`,
		wrap(example?.message ?? "", width, "      "),
		...(reason === undefined ? [] : [paint.dim(wrap(reason, width, "      "))]),
	]);
}
