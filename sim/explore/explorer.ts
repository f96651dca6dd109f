/** Runs scenarios against one target and has the properties judge them. Keeps one reference run a program and mode. */
import type { HostingMode } from "../../drivers/engine/host.ts";
import { programOf } from "../../fixtures/generators/interpret.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import { findingId } from "../../reports/model.ts";
import { type Property, skipped, type Violation } from "../../suites/property.ts";
import { type ExecuteOptions, execute, type Run, type Target } from "../../suites/run.ts";
import type { Scenario } from "../../suites/scenario.ts";
import { getOrInsert } from "../world/collections.ts";
import type { FaultKind } from "../world/faults.ts";
import { drawScenario, type Extent, referenceScenario, type Space, USUAL_FAULTS } from "./draw.ts";

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

export class Explorer {
	readonly target: Target;
	readonly properties: readonly Property[];
	readonly #space: Space;
	readonly #references = new WeakMap<Program, Map<HostingMode, Run>>();

	/**
	 * @param programs the ones to draw from; those that need what the engine lacks are left out.
	 * @param faults kinds of fault that plans are made of.
	 */
	constructor(
		target: Target,
		programs: readonly Program[],
		properties: readonly Property[],
		faults: ReadonlySet<FaultKind> = USUAL_FAULTS,
	) {
		this.target = target;
		this.properties = properties;
		this.#space = {
			programs: programs.filter((program) => program.needs?.every((need) => target.engine.features.has(need)) ?? true),
			faults,
			extent: (program, mode): Extent => this.reference(program, mode),
		};
	}

	/** Programs that seeds draw from. */
	get programs(): readonly Program[] {
		return this.#space.programs;
	}

	/** What a stored key means, in a few words. */
	readonly describeKey = (table: string, key: string): string =>
		this.target.storage.describeKey(table, key, this.target.engine.describeKey);

	/** Kinds of fault that plans are made of. */
	get faults(): ReadonlySet<FaultKind> {
		return this.#space.faults;
	}

	/** The scenario of a seed. */
	draw(seed: number): { scenario: Scenario; program: Program } {
		return drawScenario(seed, this.#space);
	}

	/** The program's uninterrupted run in that mode. */
	reference(program: Program, mode: HostingMode): Run {
		let runs = this.#references.get(program);
		if (runs === undefined) {
			runs = new Map();
			this.#references.set(program, runs);
		}
		return getOrInsert(runs, mode, () => execute(referenceScenario(program, mode), program, this.target));
	}

	/** The program that a scenario runs; undefined when it names one that is not among the programs. */
	programOf(scenario: Scenario): Program | undefined {
		if (scenario.statements !== undefined) return programOf(scenario.statements, scenario.inputs);
		const program = this.programs.find(({ name }) => name === scenario.program);
		if (program === undefined || scenario.inputs === undefined) return program;
		return { ...program, inputs: scenario.inputs };
	}

	/** Runs and judges a scenario. @throws HarnessError when the run left its world. */
	judge(scenario: Scenario, program: Program, options: Omit<ExecuteOptions, "untilMs"> = {}): Judgement {
		const reference = this.reference(program, scenario.hosting.mode);
		const untilMs = 2 * reference.endMs + SLACK_MS * (1 + scenario.faults.length);
		return this.judgeRun(execute(scenario, program, this.target, { ...options, untilMs }));
	}

	/** Judges a run that was made already. */
	judgeRun(run: Run): Judgement {
		const { program, scenario } = run;
		const reference = this.reference(program, scenario.hosting.mode);
		const unfired = scenario.faults.map((_, i) => i).filter((i) => !run.fired.has(i));
		const violations: Judgement["violations"][number][] = [];
		for (const property of this.properties) {
			if (skipped(property, program, scenario.faults) !== undefined) continue;
			for (const violation of property.check(run, reference)) violations.push({ property, violation });
		}
		return { run, violations, unfired };
	}
}
