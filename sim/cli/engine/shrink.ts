/** `pnpm sim shrink`: the smallest run that still fails in the same way, told as a story and kept in a file. */
import { UsageError } from "../../../drivers/engine/contract.ts";
import { printStatements } from "../../../fixtures/generators/print.ts";
import { json } from "../../../reports/json.ts";
import { findingId, type Report } from "../../../reports/model.ts";
import { count, plural } from "../../../reports/text.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { judgeOne } from "../../explore/campaign/campaign.ts";
import { type Explorer, idOf } from "../../explore/explorer.ts";
import { readReproducer, reproducerOf, writeReproducer } from "../../explore/keep/reproducer.ts";
import { REPRODUCER_EXTENSION, reproducerName } from "../../explore/keep/reproducer-file.ts";
import { DEFAULT_BUDGET, describeShrink, type Failure, shrink } from "../../explore/shrink/shrink.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { loadExpectations, prepare, quote } from "../options.ts";
import { progressOf } from "../progress/terminal.ts";
import { writeRunReport } from "../report/publish.ts";
import { reportOf } from "./explore.ts";
import { explorerFor, refuse } from "./replay.ts";
import { choose, type ShowOptions, tellRun } from "./show.ts";

export interface ShrinkOptions extends ShowOptions {
	/** File to write the smaller reproducer to. */
	readonly out?: string;
	/** Runs after which the search ends with what it has. */
	readonly budget?: number;
}

/** What is to be made smaller. */
interface Subject {
	readonly explorer: Explorer;
	readonly scenario: Scenario;
	readonly failure: Failure;
	readonly out: string;
}

const NOT_FOR_SHRINK = ["runs", "for", "shard", "corpus", "doublecheck", "save", "depth"];

/** @throws UsageError for options that are not right, or a run that does not fail. */
export async function shrinkCommand(file: string | undefined, options: ShrinkOptions): Promise<Report> {
	refuse(options, NOT_FOR_SHRINK, "shrink makes one failing run smaller");
	const { explorer, scenario, failure, out } = await subjectOf(file, options);
	const budget = options.budget ?? DEFAULT_BUDGET;
	const silent = options.quiet === true || options.json === true;
	const startedAt = performance.now();
	const progress = progressOf(budget, silent);
	const stopped = new AbortController();
	const stop = () => {
		process.off("SIGINT", stop);
		stopped.abort();
	};
	process.on("SIGINT", stop);
	let shrunk: Awaited<ReturnType<typeof shrink>>;
	try {
		shrunk = await shrink(explorer, scenario, failure, {
			budget,
			signal: stopped.signal,
			onProgress: ({ runs, scenario: best }) => progress.update(runs, plural(best.faults.length, "fault")),
		});
	} finally {
		progress.stop();
		process.off("SIGINT", stop);
	}

	const program = shrunk.judgement.run.program;
	const command = `pnpm sim replay ${quote(out)}`;
	const expectations = loadExpectations(explorer.target.engine, options.expectations);
	const { result, judgement } = await inMacrotask(() =>
		judgeOne(explorer, { scenario: shrunk.scenario, program }, command, expectations),
	);
	const shown = judgement.violations.find((candidate) => idOf(candidate) === findingId(failure));
	if (shown === undefined) throw new Error(`The smaller run does not show ${findingId(failure)}.`);
	writeReproducer(out, reproducerOf(judgement.run, shown));
	const seconds = (performance.now() - startedAt) / 1_000;
	const digest = judgement.run.history.digest();
	const settings = { shrink: file ?? findingId(failure), budget, runs: shrunk.runs };
	const report = {
		...reportOf(result, explorer.target, settings, seconds, digest),
		interrupted: stopped.signal.aborted,
	};

	if (options.json === true) process.stdout.write(json(report));
	else {
		process.stdout.write(tellRun({ title: `smallest ${findingId(failure)}`, explorer, judgement, report }, options));
		const { statements } = shrunk.scenario;
		if (statements !== undefined) process.stdout.write(`\n${printStatements(statements, "  ").join("\n")}\n`);
		const ended = shrunk.exhausted
			? "nothing smaller was found"
			: stopped.signal.aborted
				? "stopped before the end"
				: `the budget of ${count(budget)} runs is used up`;
		process.stdout.write(
			`\n${describeShrink(shrunk.original, judgement)}\n${count(shrunk.runs)} runs in ${seconds.toFixed(1)} s; ${ended}\nwritten: ${out}\n`,
		);
	}
	if (options.report !== undefined) {
		// Loaded when asked for: a run is told without it.
		const { runRecordOf } = await import("../../explore/keep/run-record.ts");
		await writeRunReport(options.report, report, silent, (id) =>
			inMacrotask(() => runRecordOf(explorer, id, judgement)),
		);
	}
	return report;
}

async function subjectOf(file: string | undefined, options: ShrinkOptions): Promise<Subject> {
	const single = options.seed ?? options.known ?? options.plan ?? options.order;
	if ((file === undefined) === (single === undefined)) {
		throw new UsageError("Say what to shrink: a reproducer's file, or a run by --seed, --known or --plan.");
	}
	if (file !== undefined) {
		refuse(options, ["property", "suite", "program"], "shrink keeps the failure that the file holds");
		const reproducer = readReproducer(file);
		const { scenario, finding } = reproducer;
		const explorer = await explorerFor(reproducer, file, options.engine);
		return { explorer, scenario, failure: finding, out: options.out ?? smaller(file) };
	}
	const { explorer, target } = await prepare(options);
	const expectations = loadExpectations(target.engine, options.expectations);
	const { scenario, program } = await inMacrotask(() => choose(explorer, options, expectations));
	const { violations } = await inMacrotask(() => explorer.judge(scenario, program));
	const shown = violations.find((candidate) => idOf(candidate) === options.known) ?? violations[0];
	if (shown === undefined) throw new UsageError("That run shows no failure, so there is nothing to shrink.");
	const failure = { property: shown.property.id, kind: shown.violation.kind };
	return { explorer, scenario, failure, out: options.out ?? smaller(reproducerName(findingId(failure))) };
}

/** `bug.repro` -> `bug.min.repro` */
function smaller(file: string): string {
	const name = file.endsWith(REPRODUCER_EXTENSION) ? file.slice(0, -REPRODUCER_EXTENSION.length) : file;
	return `${name}.min${REPRODUCER_EXTENSION}`;
}
