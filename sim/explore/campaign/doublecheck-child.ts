/** The other process of a doublecheck: makes the runs that it is given and tells their digests. */
import { loadEngine } from "../../../drivers/engine/load.ts";
import { memoryStorage } from "../../../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../../../fixtures/programs/index.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { History } from "../../world/history.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { type Recording, record } from "../blame.ts";
import { Explorer } from "../explorer.ts";
import type { Answer, Named, Question } from "./doublecheck.ts";

const runs = makerOf(JSON.parse(process.argv[2] ?? "null") as Named);
let last: Recording = [];

process.on("message", async (question: Question) => {
	process.send?.(await answer(question));
});

async function answer(question: Question): Promise<Answer> {
	if ("events" in question) return { events: last };
	try {
		const make = await runs;
		const history = await inMacrotask(() => make(question.scenario));
		last = record(history);
		return { digest: history.digest() };
	} catch (error) {
		return { problem: error instanceof Error ? error.message : String(error) };
	}
}

/** What makes the run of a scenario; called in a macrotask. */
async function makerOf(named: Named): Promise<(scenario: SubjectScenario) => History> {
	if (typeof named !== "string") {
		const { subjectFrom } = await import("../subject/spec.ts");
		const subject = await subjectFrom(named);
		return (scenario) => subject.run(scenario).history;
	}
	const explorer = new Explorer({ engine: await loadEngine(named), storage: memoryStorage }, PROGRAMS, []);
	return (scenario) => {
		const program = explorer.programOf(scenario as Scenario);
		if (program === undefined) throw new Error(`there is no program ${scenario.program}`);
		return explorer.judge(scenario as Scenario, program).run.history;
	};
}
