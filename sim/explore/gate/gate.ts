/**
 * The gate: every property kills the mutants that it names, each within the seeds that are on record. Finds out which target a
 * mutant is planted in and where it is hunted, and judges what came of the hunt.
 */
import type { Budgets } from "../../../fixtures/costs/budgets.ts";
import { GENERATED } from "../../../fixtures/generators/interpret.ts";
import type { Catch } from "../../../fixtures/mutants/catch.ts";
import { CATCHES } from "../../../fixtures/mutants/catches.ts";
import { GROUNDS } from "../../../fixtures/mutants/grounds.ts";
import { type Kill, rowOf } from "../../../fixtures/mutants/kills.ts";
import type { Mutant } from "../../../fixtures/mutants/mutant.ts";
import { UNSEEN } from "../../../fixtures/mutants/reference.ts";
import { PROGRAMS } from "../../../fixtures/programs/index.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type { MutantResult } from "../../../reports/model.ts";
import { durableCost } from "../../../suites/cost.ts";
import { COMPARISONS, PROPERTIES } from "../../../suites/index.ts";
import type { Property } from "../../../suites/property.ts";
import type { Target } from "../../../suites/run.ts";
import { versionUpgrade } from "../../../suites/upgrade.ts";
import { getOrInsert } from "../../world/collections.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { Explorer } from "../explorer.ts";
import { huntCost, huntUpgrade } from "./comparisons.ts";
import { ALL_MUTANTS, REFERENCE_MUTANTS } from "./deviations.ts";
import { Ground, type Hunted, hunt } from "./hunt.ts";

/** Seeds for a hunt that is not on record. */
export const MOST_SEEDS = 500;

/** How many seeds a kill on record may take: seeds mean something else whenever programs or the world change. */
export function limitOf(recorded: number | undefined): number {
	return recorded === undefined ? MOST_SEEDS : 2 * recorded + 50;
}

/** What mutants are planted in, and what is known of it. */
export interface GateTargets {
	/** The newest published engine, and the one before it. */
	readonly newest: Target;
	readonly older: Target;
	/** Ids of the findings that the newest is known to show. */
	readonly known: ReadonlySet<string>;
	/** An engine that keeps every promise. */
	readonly reference: Target;
	readonly budgets: Budgets;
}

export class Gate {
	readonly #targets: GateTargets;
	readonly #grounds = new Map<string, Ground>();

	constructor(targets: GateTargets) {
		this.#targets = targets;
	}

	/** The target that works, of which the mutant of a row is made. */
	targetOf({ mutant }: Pick<Catch, "mutant">): Target {
		const { newest, reference } = this.#targets;
		return mutantNamed(mutant).of === undefined ? newest : reference;
	}

	/** Hunts along a row, by steps that are each to be taken in a macrotask. @throws Error when it names what does not exist. */
	hunt(row: Catch, limit: number): Generator<void, Hunted> {
		const { newest, older, budgets } = this.#targets;
		const target = this.targetOf(row);
		const mutant = mutantNamed(row.mutant).plant(target);
		if (row.property === versionUpgrade.id) {
			const ground = { older, newest, program: programNamed(row.program ?? "") };
			return huntUpgrade(ground, mutant, row.kind, limit);
		}
		if (row.property === durableCost.id) return huntCost(target, budgets, mutant, row.kind, limit);
		return hunt(this.#groundOf(row, target), explorerFor(row, mutant, [propertyOf(row.property)]), row.kind, limit);
	}

	/** Rows that differ by mutant and property are hunted on the same ground. */
	#groundOf(row: Catch, target: Target): Ground {
		const key = JSON.stringify([target.engine.name, row.program, row.faults]);
		const { newest, known } = this.#targets;
		return getOrInsert(this.#grounds, key, () => {
			const explorerOf = (properties: readonly Property[]) => explorerFor(row, target, properties);
			return new Ground(explorerOf, target === newest ? known : new Set());
		});
	}
}

/** Explores where the row says. */
function explorerFor({ program, faults }: Catch, target: Target, properties: readonly Property[]): Explorer {
	const programs = program === undefined ? PROGRAMS : [programNamed(program)];
	const kinds = faults === undefined || faults === "usual" ? faults : new Set(faults);
	return new Explorer(target, programs, properties, kinds, program === undefined);
}

function propertyOf(id: string): Property {
	const property = PROPERTIES.find((candidate) => candidate.id === id);
	if (property === undefined) throw new Error(`A catch names the property ${id}, which does not exist.`);
	return property;
}

function mutantNamed(name: string): Mutant {
	const mutant = ALL_MUTANTS.find((candidate) => candidate.name === name);
	if (mutant === undefined) throw new Error(`A catch names the mutant ${name}, which does not exist.`);
	return mutant;
}

function programNamed(name: string): Program {
	const program = [...PROGRAMS, ...GROUNDS].find((candidate) => candidate.name === name);
	if (program === undefined) throw new Error(`A catch names the program ${name}, which does not exist.`);
	return program;
}

/** What is counted where it is not seeds. */
const UNITS: ReadonlyMap<string, MutantResult["unit"]> = new Map([
	[versionUpgrade.id, "states"],
	[durableCost.id, "operations"],
]);

/** What a hunt came to beside the record. @param limit what it was allowed. */
export function judgeHunt(
	row: Catch,
	target: Target,
	{ seeds, tried, flaw }: Hunted,
	limit: number,
	recorded: number | undefined,
): MutantResult {
	const { mutant, property, kind, program = GENERATED } = row;
	const unit = UNITS.get(property) ?? "seeds";
	const result = {
		...{ mutant, property, kind, target: target.engine.name, program, unit, limit },
		...(recorded === undefined ? {} : { recorded }),
		command: `pnpm sim mutants --mutant ${mutant} --property ${property}`,
	} as const;
	if (flaw !== undefined) return { ...result, verdict: "invalid", message: flaw };
	if (seeds === undefined) {
		const before = recorded === undefined ? "" : `; on record it took ${recorded}`;
		return { ...result, verdict: "fail", message: `lives through ${tried} ${unit}${before}` };
	}
	if (recorded !== undefined) return { ...result, seeds, verdict: "pass" };
	return { ...result, seeds, verdict: "fail", message: "not on record: pnpm sim mutants --update" };
}

/** Real milliseconds between two looks at whether to stop. */
const SLICE_MS = 100;

/**
 * Hunts along all rows, and hands out what came of each; those done when it is told to stop are all there is.
 * @param kills what is on record, and so how long each hunt may take.
 */
export async function* huntAll(
	gate: Gate,
	rows: readonly Catch[],
	kills: readonly Kill[],
	signal: AbortSignal,
): AsyncGenerator<MutantResult, void> {
	const onRecord = new Map(kills.map((kill) => [rowOf(kill), kill.seeds]));
	for (const row of rows) {
		const recorded = onRecord.get(rowOf(row));
		const limit = limitOf(recorded);
		const hunted = await followed(gate.hunt(row, limit), signal);
		if (hunted === undefined) return;
		yield judgeHunt(row, gate.targetOf(row), hunted, limit, recorded);
	}
}

/** What a hunt came to; undefined when it was stopped before. */
async function followed(hunt: Generator<void, Hunted>, signal: AbortSignal): Promise<Hunted | undefined> {
	while (!signal.aborted) {
		const hunted = await inMacrotask(() => {
			const sliceEnds = performance.now() + SLICE_MS;
			while (performance.now() < sliceEnds) {
				const step = hunt.next();
				if (step.done === true) return step.value;
			}
			return undefined;
		});
		if (hunted !== undefined) return hunted;
	}
	return undefined;
}

/** Whatever is missing between properties, mutants, catches and the record, a sentence each; nothing when the gate is whole. */
export function gaps(kills: readonly Kill[]): string[] {
	const properties = [...PROPERTIES, ...COMPARISONS];
	const named = properties.flatMap(({ id, mutants }) => mutants.map((mutant) => `${id} kills ${mutant}`));
	const hunted = CATCHES.map(rowIn);
	// Rules of the reference engine are named by the catches alone, and those that nothing can tell of by their reasons.
	const rules = new Set(REFERENCE_MUTANTS.map(({ name }) => name));
	const byProperty = CATCHES.filter(({ mutant }) => !rules.has(mutant)).map(rowIn);
	const sought = new Set(CATCHES.map(({ mutant }) => mutant));
	const without = (some: readonly string[], all: readonly string[]) => some.filter((row) => !all.includes(row));
	return [
		...properties
			.filter(({ id }) => !CATCHES.some(({ property }) => property === id))
			.map(({ id }) => `${id} kills nothing.`),
		...ALL_MUTANTS.filter(({ name }) => !sought.has(name) && !(name in UNSEEN)).map(
			({ name }) => `Nobody hunts ${name}.`,
		),
		...Object.keys(UNSEEN)
			.filter((name) => !rules.has(name) || sought.has(name))
			.map((name) => `${name} is said to be unseen, and is not.`),
		...without(named, hunted).map((row) => `No catch says how ${row}.`),
		...without(byProperty, named).map((row) => `A catch says that ${row}, which the property does not name.`),
		...without(kills.map(rowOf), CATCHES.map(rowOf)).map((row) => `On record is ${row}, which no catch says.`),
	];
}

function rowIn({ property, mutant }: Catch): string {
	return `${property} kills ${mutant}`;
}
