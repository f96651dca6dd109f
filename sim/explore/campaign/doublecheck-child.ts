/** The other process of a doublecheck: makes the runs that it is given and tells their digests. */
import { loadEngine } from "../../../drivers/engine/load.ts";
import { memoryStorage } from "../../../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../../../fixtures/programs/index.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { type Recording, record } from "../blame.ts";
import { Explorer } from "../explorer.ts";
import type { Answer, Question } from "./doublecheck.ts";

const engine = loadEngine(process.argv[2] ?? "");
const explorer = engine.then((engine) => new Explorer({ engine, storage: memoryStorage }, PROGRAMS, []));
let last: Recording = [];

process.on("message", async (question: Question) => {
	process.send?.(await answer(question));
});

async function answer(question: Question): Promise<Answer> {
	if ("events" in question) return { events: last };
	try {
		const { scenario } = question;
		const runs = await explorer;
		const program = runs.programOf(scenario);
		if (program === undefined) return { problem: `there is no program ${scenario.program}` };
		const { history } = (await inMacrotask(() => runs.judge(scenario, program))).run;
		last = record(history);
		return { digest: history.digest() };
	} catch (error) {
		return { problem: error instanceof Error ? error.message : String(error) };
	}
}
