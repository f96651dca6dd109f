/** `pnpm sim replay FILE`: runs a reproducer again and says whether it still fails, and from where on it differs. */
import { UsageError } from "../../../drivers/engine/contract.ts";
import { json } from "../../../reports/json.ts";
import { findingId, type Report } from "../../../reports/model.ts";
import { type Paint, plural, wrap } from "../../../reports/text.ts";
import { describeDifference } from "../../explore/blame.ts";
import { judgeOne } from "../../explore/campaign/campaign.ts";
import { type Explorer, idOf } from "../../explore/explorer.ts";
import {
	compareWithRecorded,
	type Replay,
	type Reproducer,
	readReproducer,
	reproducerOf,
	writeReproducer,
} from "../../explore/keep/reproducer.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { loadExpectations, prepare, quote, type RunOptions } from "../options.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { writeRunReport } from "../report/publish.ts";
import { reportOf } from "./explore.ts";
import { hanging, tellRun } from "./show.ts";

export interface ReplayOptions extends Partial<RunOptions> {
	readonly verbose?: boolean;
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
	/** File to write the finding to as this run shows it. */
	readonly save?: string;
}

/** What a reproducer says itself, or what is about many runs. */
const NOT_FOR_REPLAY = ["seed", "known", "runs", "for", "program", "suite", "property", "avoid", "doublecheck"];

/** @throws UsageError for a file or an option that is not right; HarnessError when the target cannot run it. */
export async function replay(file: string, options: ReplayOptions): Promise<Report> {
	refuse(options, NOT_FOR_REPLAY, "replay runs what the file holds");
	const reproducer = readReproducer(file);
	const explorer = await explorerFor(reproducer, file, options.engine);
	const { scenario } = reproducer;
	const program = explorer.programOf(scenario);
	const { engine } = explorer.target;
	if (program === undefined) {
		throw new HarnessError(
			"target",
			`${file} runs ${scenario.program}, which is no program that ${engine.name} runs here.`,
		);
	}
	const expectations = loadExpectations(engine, options.expectations);
	const command = `pnpm sim replay ${quote(file)}${options.engine === undefined ? "" : ` --engine ${quote(options.engine)}`}`;
	const startedAt = performance.now();
	const { result, judgement } = await inMacrotask(() =>
		judgeOne(explorer, { scenario, program }, command, expectations),
	);
	const found = compareWithRecorded(reproducer, judgement);
	const seconds = (performance.now() - startedAt) / 1_000;
	const report: Report = {
		...reportOf(result, explorer.target, { replay: file }, seconds, judgement.run.history.digest()),
		replay: {
			finding: findingId(reproducer.finding),
			outcome: found.outcome,
			...(found.difference === undefined ? {} : { differsAt: found.difference.event }),
			missedFaults: found.missed,
		},
	};
	if (options.save !== undefined) {
		const shown = judgement.violations.find((candidate) => idOf(candidate) === findingId(reproducer.finding));
		if (shown === undefined)
			throw new UsageError(`${file} does not show its failure any more: there is nothing to save.`);
		writeReproducer(options.save, reproducerOf(judgement.run, shown));
	}

	if (options.json === true) process.stdout.write(json(report));
	else {
		const paint = paintFor(process.stdout);
		const width = widthOf(process.stdout);
		process.stdout.write(tellRun({ title: file, explorer, judgement, report }, options));
		process.stdout.write(`\n${replayText(reproducer, found, explorer, paint, width)}\n`);
	}
	const silent = options.json === true || options.quiet === true;
	if (options.report !== undefined) {
		// Loaded when asked for: a run is told without it.
		const { runRecordOf } = await import("../../explore/keep/run-record.ts");
		await writeRunReport(options.report, report, silent, (id) =>
			inMacrotask(() => runRecordOf(explorer, id, judgement)),
		);
	}
	return report;
}

/** @throws UsageError when one of these options was given. */
export function refuse(options: object, names: readonly string[], why: string): void {
	const given = names.find((name) => Reflect.get(options, name) !== undefined);
	if (given !== undefined) throw new UsageError(`${why}: leave --${given} out.`);
}

/** An explorer of the engine that the file was recorded on, or of the one that was named. */
export async function explorerFor(reproducer: Reproducer, file: string, named: string | undefined): Promise<Explorer> {
	const { engine, driver } = reproducer.target;
	try {
		const { explorer } = await prepare({ engine: named ?? engine.name });
		const { storage } = explorer.target;
		if (storage.name !== driver) {
			throw new HarnessError("target", `${file} needs storage ${driver}, and there is ${storage.name} storage only.`);
		}
		return explorer;
	} catch (error) {
		// The file named it, not the user.
		if (named !== undefined || !(error instanceof UsageError)) throw error;
		throw new HarnessError("target", `${file} was recorded on ${engine.name}. ${error.message} Or name one: --engine`);
	}
}

function replayText(reproducer: Reproducer, found: Replay, explorer: Explorer, paint: Paint, width: number): string {
	const { difference, outcome, shown, missed } = found;
	const id = findingId(reproducer.finding);
	const { name, version } = reproducer.target.engine;
	const recorded = `recorded on ${name}${version === "local" ? " (a local build)" : ""} by Faultline ${reproducer.tool}`;
	const verdict = {
		"still-fails": `${paint.red("still fails")}: ${id}`,
		"other-failure": `${paint.yellow("fails otherwise")}: ${shown.join(", ")} instead of ${id}`,
		passes: `${paint.green("passes now")}: ${id} is not shown`,
	}[outcome];
	const lines = [wrap(verdict, width, "  ", "")];
	if (difference === undefined)
		lines.push(wrap(`The history is equal to the byte to the one ${recorded}.`, width, "  "));
	else {
		lines.push(wrap(`The history is not the one ${recorded}:`, width, "  "));
		lines.push(hanging(describeDifference(difference, ["recorded", "now"], explorer.describeKey).join("\n"), width));
	}
	if (missed.length > 0) {
		const faults = plural(missed.length, "recorded fault");
		const proof = outcome === "passes" ? "; that it passes proves nothing" : "";
		lines.push(paint.yellow(wrap(`${faults} found no place to strike this time${proof}.`, width, "  ")));
	}
	return lines.join("\n");
}
