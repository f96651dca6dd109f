/** Mutants of runners and servers made of their rows: what each is, the sound target beside it, and the hunt for it. */
import { RUNNER_DEVIATIONS, type RunnerRules } from "../../../drivers/runner/reference/rules.ts";
import { referenceRunner } from "../../../drivers/runner/reference/runner.ts";
import { SERVER_WEAKNESSES, type ServerRules } from "../../../drivers/runner/server/rules.ts";
import { referenceServer } from "../../../drivers/runner/server/server.ts";
import { RUNNER_MUTANTS } from "../../../fixtures/mutants/runners/index.ts";
import type { RunnerMutant } from "../../../fixtures/mutants/runners/mutant.ts";
import { COMMAND_PROPERTIES } from "../../../suites/commands/index.ts";
import type { CommandRun, CommandScenario } from "../../../suites/commands/run.ts";
import type { SubjectHunt } from "../subject/gate.ts";
import type { Subject } from "../subject/subject.ts";
import { commandSubject } from "./subject.ts";

/** How a mutant is wrong, in one line. */
export function summaryOf({ side, deviation }: RunnerMutant): string | undefined {
	if (side === "runner") return (RUNNER_DEVIATIONS as Readonly<Record<string, string>>)[deviation];
	return (SERVER_WEAKNESSES as Readonly<Record<string, { readonly what: string }>>)[deviation]?.what;
}

type CommandSubject = Subject<CommandScenario, CommandRun>;

/** The mutant, or what it is made of, as a subject. */
export function subjectOf(mutant: RunnerMutant, planted: boolean): CommandSubject {
	const { side, deviation, along = [], against = [], programs } = mutant;
	const own = planted ? [deviation, ...along] : along;
	const [runner, server] = side === "runner" ? [own, against] : [against, own];
	return commandSubject({
		runner: referenceRunner(switched(runner) as RunnerRules),
		server: referenceServer(switched(server) as ServerRules),
		...(programs === undefined ? {} : { programs }),
	});
}

function switched(names: readonly string[]): Readonly<Record<string, true>> {
	return Object.fromEntries(names.map((name) => [name, true]));
}

/** What a seed comes to, with the mutant's own plan before what the seed draws. */
export function huntedScenario(subject: CommandSubject, { plan = [] }: RunnerMutant, seed: number): CommandScenario {
	const drawn = subject.draw(seed);
	return { ...drawn, faults: [...plan, ...drawn.faults] };
}

/** Whether a run breaks the mutant's property in the mutant's way. Called in a macrotask. */
export function shows(subject: CommandSubject, { property, kind }: RunnerMutant, scenario: CommandScenario): boolean {
	const asked = COMMAND_PROPERTIES.find(({ id }) => id === property);
	return asked?.check(subject.run(scenario)).some((violation) => violation.kind === kind) === true;
}

/** The first seed that shows the mutant; undefined when none does within the number of seeds on its row. */
export function hunt(mutant: RunnerMutant): number | undefined {
	const subject = subjectOf(mutant, true);
	for (let seed = 1; seed <= mutant.within; seed++) {
		if (shows(subject, mutant, huntedScenario(subject, mutant, seed))) return seed;
	}
	return undefined;
}

export const COMMAND_HUNTS: readonly SubjectHunt[] = RUNNER_MUTANTS.map((mutant) => ({
	mutant: mutant.name,
	summary: summaryOf(mutant) ?? "",
	...{ property: mutant.property, kind: mutant.kind, within: mutant.within },
	program: mutant.programs?.join(", ") ?? "all",
	subject: (planted) => subjectOf(mutant, planted) as Subject,
	scenario: (subject, seed) => huntedScenario(subject as CommandSubject, mutant, seed),
}));
