/** Runs scenarios against one target and has the properties judge them. Keeps one reference run a program and mode. */
import type { HostingMode } from "../../drivers/engine/host.ts";
import { sleepOf } from "../../fixtures/generators/edit.ts";
import { firstReleaseOf, programOf } from "../../fixtures/generators/interpret.ts";
import type { StatementKind } from "../../fixtures/generators/statement.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import { findingId } from "../../reports/model.ts";
import { isConsequence } from "../../suites/failures.ts";
import { SUITES } from "../../suites/index.ts";
import { endOf, oncePerRun, type Property, skipped, type Violation } from "../../suites/property.ts";
import { type ExecuteOptions, execute, type Run, type Target } from "../../suites/run.ts";
import type { Scenario } from "../../suites/scenario.ts";
import { undisturbed } from "../../suites/undisturbed.ts";
import { getOrInsert } from "../world/collections.ts";
import type { FaultKind } from "../world/faults.ts";
import type { WorldEvents } from "../world/history.ts";
import {
	type Drawn,
	drawScenario,
	type Extent,
	ORDINARY_FAULTS,
	referenceScenario,
	type Space,
	USUAL_FAULTS,
} from "./draw.ts";
import { type Avoid, evolveProgram, generateProgram, kindsFor } from "./generate.ts";
import { DriverExplorer, type UnderTest } from "./on-driver.ts";

export interface Judgement {
	readonly run: Run;
	readonly violations: readonly { readonly property: Property; readonly violation: Violation }[];
	/** Places in the plan of faults that did not strike: with any, the run is no evidence. */
	readonly unfired: readonly number[];
}

/** Id of the finding that a violation is. */
export function idOf(shown: {
	readonly property: { readonly id: string };
	readonly violation: { readonly kind: string };
}): string {
	return findingId({ property: shown.property.id, kind: shown.violation.kind });
}

/** Virtual milliseconds a run gets beyond twice its uninterrupted length, and again for each fault. */
const SLACK_MS = 600_000;

/** How often a generated program carries out one statement at most, by all loops around it. */
const MOST_ROUNDS = 12;

export class Explorer {
	readonly target: Target;
	readonly properties: readonly Property[];
	readonly #space: Space;
	/** Runs on a real driver, when one is under test. */
	readonly onDriver: DriverExplorer | undefined;
	readonly #references = new WeakMap<Program, Map<HostingMode, Run>>();

	/**
	 * @param programs the ones to draw from; those that need what the engine lacks are left out.
	 * @param faults kinds of fault that plans are made of, `usual` for all usual ones, of which each seed knows a few; a replay is left out where the engine cannot do it.
	 * @param generated whether programs are generated, too.
	 * @param avoid shapes that seeds avoid.
	 * @param under a real driver that seeds are run on.
	 */
	constructor(
		target: Target,
		programs: readonly Program[],
		properties: readonly Property[],
		faults: ReadonlySet<FaultKind> | "usual" = ORDINARY_FAULTS,
		generated = false,
		avoid?: Avoid,
		under?: UnderTest,
	) {
		this.target = target;
		this.onDriver = under === undefined ? undefined : new DriverExplorer(this, under);
		this.properties = properties;
		const kinds = faults === "usual" ? USUAL_FAULTS : faults;
		this.#space = {
			programs: programs.filter((program) => program.needs?.every((need) => target.engine.features.has(need)) ?? true),
			faults: new Set([...kinds].filter((kind) => kind !== "replay-from" || target.engine.features.has("replayFrom"))),
			...(faults === "usual" ? { swarm: true } : {}),
			...(generated
				? {
						generate: (seed, stream) => generateProgram(seed, stream, target.engine.features),
						evolve: (program, scenario, stream) => evolveProgram(program, scenario, stream, target.engine.features),
					}
				: {}),
			...(avoid === undefined ? {} : { avoid }),
			extent: (program, mode) => extentOf(this.reference(program, mode)),
		};
	}

	/** Programs that seeds draw from. */
	get programs(): readonly Program[] {
		return this.#space.programs;
	}

	/** Whether seeds also draw programs that are made for them. */
	get generates(): boolean {
		return this.#space.generate !== undefined;
	}

	/** Shapes that seeds avoid, or are known to have. */
	get avoided(): readonly string[] {
		return this.#space.avoid?.shapes ?? [];
	}

	/** Kinds of statement that generated programs are made of. */
	get kinds(): readonly StatementKind[] {
		return kindsFor(this.target.engine.features);
	}

	/** What a stored key means, in a few words. */
	readonly describeKey = (table: string, key: string): string =>
		this.target.storage.describeKey(table, key, this.target.engine.describeKey);

	/** What the bytes under a stored key hold, as plain data; undefined when they are not what is stored there. */
	readonly describeValue = (table: string, key: string, value: Uint8Array): unknown => {
		const { storage, engine } = this.target;
		const engineValue = (key: string, value: Uint8Array) => engine.describeValue?.(key, value);
		return storage.describeValue?.(table, key, value, engineValue);
	};

	/** Kinds of fault that plans are made of. */
	get faults(): ReadonlySet<FaultKind> {
		return this.#space.faults;
	}

	/** The scenario of a seed. */
	draw(seed: number): Drawn {
		return drawScenario(seed, this.#space);
	}

	/** The program's uninterrupted run in that mode, in its first release. */
	reference(program: Program, mode: HostingMode): Run {
		let runs = this.#references.get(program);
		if (runs === undefined) {
			runs = new Map();
			this.#references.set(program, runs);
		}
		return getOrInsert(runs, mode, () =>
			execute(referenceScenario(program, mode), firstReleaseOf(program), this.target),
		);
	}

	/** The program that a scenario runs; undefined when it names one that is not among the programs. */
	programOf(scenario: Scenario): Program | undefined {
		if (scenario.statements !== undefined) return programOf(scenario.statements, scenario.inputs, scenario);
		const program = this.programs.find(({ name }) => name === scenario.program);
		if (program === undefined || scenario.inputs === undefined) return program;
		return { ...program, inputs: scenario.inputs };
	}

	/** Virtual milliseconds by which a run of the scenario must have come to an end. */
	limitOf(scenario: Scenario, program: Program): number {
		const reference = this.reference(program, scenario.hosting.mode);
		// What an operator sends back takes its time again.
		const again = scenario.faults.filter(({ kind }) => kind === "recover" || kind === "replay-from").length;
		// Where the uninterrupted run ended early, this one may sleep through all that the program has.
		const asleepMs = MOST_ROUNDS * sleepOf(program.statements ?? []);
		return (2 + again) * (reference.endMs + asleepMs) + SLACK_MS * (1 + scenario.faults.length);
	}

	/** Runs and judges a scenario. @throws HarnessError when the run left its world. */
	judge(scenario: Scenario, program: Program, options: Omit<ExecuteOptions, "untilMs"> = {}): Judgement {
		const untilMs = this.limitOf(scenario, program);
		return this.judgeRun(execute(scenario, program, this.target, { ...options, untilMs }));
	}

	/** Judges a run that was made already. */
	judgeRun(run: Run): Judgement {
		const { program, scenario } = run;
		const reference = this.reference(program, scenario.hosting.mode);
		const unfired = scenario.faults.map((_, i) => i).filter((i) => !run.fired.has(i));
		const violations: Judgement["violations"][number][] = [];
		// What is left over is judged last: it is silent where something else was found before the end.
		const ordered = [...this.properties].sort((a, b) => Number(a.residual === true) - Number(b.residual === true));
		for (const property of ordered) {
			if (property.residual === true && violations.some((shown) => tellsOfOutcome(shown, run))) break;
			if (skipped(property, program, scenario.faults) !== undefined) continue;
			const judged = property.followsOperators === true ? run : undisturbed(run);
			for (const violation of property.check(judged, reference)) {
				// What failed storage brings about is told once, by the property that is about it.
				if (ABOUT_STORAGE.has(property) || !isConsequence(run, property.id, violation))
					violations.push({ property, violation });
			}
		}
		return { run, violations: violations.filter((shown) => !isLeftOver(shown, violations)), unfired };
	}
}

type Shown = Judgement["violations"][number];

/** What is about a look at a finished workflow, or about what a run leaves behind, explains no outcome. */
const AFTERMATH: ReadonlySet<string> = new Set(["replay.pure", "life.no-leak"]);

/** Whether a violation can be why a run ended as it did. */
export function tellsOfOutcome({ property, violation }: Shown, run: Run): boolean {
	return violation.event < endOf(run) || !AFTERMATH.has(property.id);
}

/** Whether a violation that follows from others most often has one of another property before it. */
function isLeftOver({ property, violation }: Shown, all: readonly Shown[]): boolean {
	if (violation.residual !== true) return false;
	return all.some(
		(other) =>
			other.property !== property &&
			!AFTERMATH.has(other.property.id) &&
			other.violation.residual !== true &&
			other.violation.event <= violation.event,
	);
}

const ABOUT_STORAGE: ReadonlySet<Property> = new Set(SUITES.get("durability"));

const extentOf = oncePerRun((run): Extent => {
	const batches = run.of("durable").flatMap(({ data }) => {
		const { n, what, mutations } = data as WorldEvents["durable"];
		return what.startsWith("kv.") ? [{ write: n, entries: mutations.length }] : [];
	});
	const { writes, events, operations, alarms, outcome } = run;
	return { writes, events, operations, alarms, fails: outcome.status === "failed", batches };
});
