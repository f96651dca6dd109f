/** How the runs of workflow engines are kept: as reproducers that hold the history too (`reproducer.ts`). */
import type { Scenario } from "../../../suites/scenario.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { KeptFailure } from "../campaign/lab.ts";
import { type Explorer, idOf } from "../explorer.ts";
import type { Form, Made } from "./form.ts";
import { encodeReproducer, type Reproducer, readReproducer, reproducerOf, withInputs } from "./reproducer.ts";
import { REPRODUCER_EXTENSION } from "./reproducer-file.ts";
import { runRecordOf } from "./run-record.ts";

export class EngineForm implements Form<Scenario> {
	readonly extension = REPRODUCER_EXTENSION;
	readonly #explorer: Explorer;

	constructor(explorer: Explorer) {
		this.#explorer = explorer;
	}

	read(file: string): KeptFailure<Scenario> {
		return keptOf(readReproducer(file));
	}

	recorded(scenario: Scenario): Scenario {
		const program = this.#explorer.programOf(scenario);
		return program === undefined ? scenario : withInputs(scenario, program);
	}

	covers({ property, scenario }: KeptFailure<Scenario>): boolean {
		const isJudged = this.#explorer.properties.some(({ id }) => id === property);
		return isJudged && this.#explorer.programOf(scenario) !== undefined;
	}

	async make(id: string, scenario: Scenario): Promise<Made<Scenario> | undefined> {
		const explorer = this.#explorer;
		const program = explorer.programOf(scenario);
		if (program === undefined) throw new HarnessError("keep", `Its program ${scenario.program} is not there.`);
		const judgement = await inMacrotask(() => explorer.judge(scenario, program));
		const shown = judgement.violations.find((candidate) => idOf(candidate) === id);
		if (shown === undefined) return undefined;
		const reproducer = reproducerOf(judgement.run, shown);
		return {
			digest: reproducer.digest,
			kept: keptOf(reproducer),
			content: encodeReproducer(reproducer),
			record: JSON.stringify(await inMacrotask(() => runRecordOf(explorer, id, judgement))),
		};
	}
}

function keptOf({ target, finding: { property, kind }, scenario }: Reproducer): KeptFailure<Scenario> {
	return { target: target.engine.name, property, kind, scenario };
}
