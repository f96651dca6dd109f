/** `pnpm sim replay FILE.repro.json`: a reproducer of an actor or a runner again, and whether it still fails. */
import { findingId, type Report } from "../../../reports/model.ts";
import { wrap } from "../../../reports/text.ts";
import { readSubjectReproducer } from "../../explore/subject/reproducer.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { refuse } from "../engine/replay.ts";
import { quote } from "../options.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { prepareSubject, type SubjectOptions } from "./options.ts";
import { judgeOneScenario, type ShowSubjectOptions, save, tellJudged } from "./show.ts";

/** What a reproducer says itself, or what is about many runs. */
const NOT_FOR_REPLAY = [
	...["engine", "driver", "program", "suite", "property", "faults", "avoid", "lacking", "mode"],
	...["seed", "known", "plan", "way", "order", "depth", "runs", "for", "shard", "corpus", "doublecheck"],
];
const OF_RUNNERS = ["runner", "server"];

/** @throws UsageError for a file that is not right; HarnessError when the run left its world. */
export async function replaySubject(file: string, options: ShowSubjectOptions): Promise<Report> {
	refuse(options, NOT_FOR_REPLAY, "replay runs what the file holds");
	const { target, scenario, finding, digest, tool } = readSubjectReproducer(file);
	refuse(
		options,
		target.subject === "actor" ? OF_RUNNERS : ["actor"],
		`${file} is of ${target.subject === "actor" ? "an actor" : "a runner"}`,
	);
	const named: SubjectOptions =
		target.subject === "actor"
			? { actor: options.actor ?? target.target }
			: {
					runner: options.runner ?? target.target,
					...(target.against === undefined ? {} : { server: options.server ?? target.against }),
				};
	const prepared = await prepareSubject({
		...named,
		...(options.expectations === undefined ? {} : { expectations: options.expectations }),
	});
	const { lab, subject } = prepared;
	if (!lab.programs.includes(scenario.program)) {
		const { name } = subject.target;
		throw new HarnessError("target", `${file} runs ${scenario.program}, which is no program that ${name} runs here.`);
	}
	const judged = await judgeOneScenario(prepared, scenario, `pnpm sim replay ${quote(file)}`, { replay: file });
	const id = findingId(finding);
	const shown = judged.report.findings.map((found) => found.id);
	const outcome = shown.includes(id) ? "still-fails" : shown.length > 0 ? "other-failure" : "passes";
	const report: Report = { ...judged.report, replay: { finding: id, outcome, missedFaults: judged.judgement.unfired } };
	if (options.save !== undefined) save(options.save, prepared.spec, judged);
	await tellJudged(file, prepared.subject, { ...judged, report }, options);
	if (options.json === true) return report;
	const paint = paintFor(process.stdout);
	const words = {
		"still-fails": `${paint.red("still fails")}: ${id}`,
		"other-failure": `${paint.yellow("fails otherwise")}: ${shown.join(", ")} instead of ${id}`,
		passes: `${paint.green("passes now")}: ${id} is not shown`,
	}[outcome];
	const same = report.digest === digest ? "equal to the byte to" : "not";
	const lines = [words, `The history is ${same} the one recorded by Faultline ${tool}.`];
	process.stdout.write(`\n${lines.map((line) => wrap(line, widthOf(process.stdout), "  ", "")).join("\n")}\n`);
	return report;
}
