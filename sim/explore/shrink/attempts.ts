/**
 * Candidates tried: each is run, its faults where their anchors say or near there, and taken when it is smaller and fails alike.
 * Nothing here decides what is tried next; everything here decides what counts.
 */
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { HostingMode, Outcome } from "../../../drivers/engine/host.ts";
import { firstReleaseOf } from "../../../fixtures/generators/interpret.ts";
import type { Program, ProgramInput } from "../../../fixtures/programs/program.ts";
import { execute, type Run } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { getOrInsert } from "../../world/collections.ts";
import type { Fault } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { referenceScenario } from "../draw.ts";
import { Explorer, type Judgement } from "../explorer.ts";
import { type Anchor, coordinateOf, earliest, moved, placeOf, Tracer } from "./anchor.ts";
import { isSmaller, SEEDS, sizeOf } from "./simpler.ts";

/** What must go on failing, and how. */
export interface Failure {
	/** Id of the property. */
	readonly property: string;
	readonly kind: string;
}

/** A scenario to try: its faults are where their anchors say. */
export interface Candidate {
	readonly scenario: Scenario;
	readonly anchors: readonly Anchor[];
}

export interface Best extends Candidate {
	readonly run: Run;
	readonly size: readonly number[];
}

/** A part of the search, which pauses before each run; returns whether something smaller was found. */
export type Steps = Generator<void, boolean>;

/** How hard to look for the places of the faults of a candidate, by how many faults it has. */
export interface Effort {
	/** Places of an anchor that are tried. */
	readonly places: readonly number[];
	/** By how many half places the faults are moved from there, all together. */
	readonly shifts: readonly number[];
	/** Half places after the fault before that one fault is tried at, wherever its anchor says; the others keep to theirs. */
	readonly anywhere: readonly number[];
	readonly seeds: readonly string[];
}

export const QUICK: Effort = { places: [0, 4, 2, 1], shifts: [0], anywhere: [0], seeds: [] };
export const PATIENT: Effort = {
	places: [0, 8, 3, 2],
	shifts: [0, 8, 4, 1],
	anywhere: [0, 96, 64, 48, 24],
	seeds: SEEDS,
};

/** How far faults may be from where they were. */
interface Room {
	readonly places: number;
	readonly shifts: number;
	readonly anywhere?: { readonly fault: number; readonly halves: number };
}

/** Each fault at the likeliest place. */
const STILL: Room = { places: 1, shifts: 0 };

/** The entry of a list by number of faults, of which the last holds for all beyond. */
function byFaults(list: readonly number[], count: number): number {
	return list[Math.min(count, list.length - 1)] as number;
}

/** How many programs and runs are kept for when they are needed again. */
const KEPT = 64;

/** Virtual milliseconds a candidate's uninterrupted run gets beyond twice that of the original. */
const SLACK_MS = 600_000;

/** Gives up on programs that go on for ever once something was taken from them, such as loops that poll. */
class BoundedExplorer extends Explorer {
	/** Virtual milliseconds; as long as any run may take until it is set. */
	boundMs: number | undefined;
	readonly #references = new WeakMap<Program, Map<HostingMode, Run>>();

	override reference(program: Program, mode: HostingMode): Run {
		const runs = this.#references.get(program) ?? new Map<HostingMode, Run>();
		this.#references.set(program, runs);
		const { boundMs } = this;
		const options = boundMs === undefined ? {} : { untilMs: boundMs };
		return getOrInsert(runs, mode, () =>
			execute(referenceScenario(program, mode), firstReleaseOf(program), this.target, options),
		);
	}

	/** Whether the uninterrupted run is there already. */
	knows(program: Program, mode: HostingMode): boolean {
		return this.#references.get(program)?.has(mode) === true;
	}
}

export class Attempts {
	runs = 0;
	readonly #original: Explorer;
	/** The same target, traced, with the one property that matters. */
	readonly #explorer: BoundedExplorer;
	readonly #tracer: Tracer;
	readonly #failure: Failure;
	readonly #scenario: Scenario;
	#end: Outcome | undefined;
	#best: Best | undefined;
	/** How hard is looked for the places of faults. */
	effort: Effort = QUICK;
	/** Scenarios that were run and not taken; none ever will be, since only smaller ones are. */
	readonly #refused = new Set<string>();
	readonly #programs = new Map<string, Program>();
	readonly #known = new Map<string, Run>();

	constructor(explorer: Explorer, scenario: Scenario, failure: Failure) {
		this.#original = explorer;
		this.#scenario = scenario;
		this.#failure = failure;
		this.#tracer = new Tracer(explorer.target);
		const properties = explorer.properties.filter(({ id }) => id === failure.property);
		this.#explorer = new BoundedExplorer(this.#tracer.target, explorer.programs, properties);
	}

	/** The smallest scenario so far. */
	get best(): Best {
		return this.#best as Best;
	}

	/** Where a fault is that stands between two events of a run. */
	anchor(run: Run, fault: Fault, begins: number, ends: number): Anchor {
		return this.#tracer.anchor(run, fault, begins, ends);
	}

	/** Judges the original. */
	begin(): Judgement {
		const program = this.programOf(this.#scenario);
		const judgement = this.#explorer.judge(this.#scenario, program);
		const { outcome, endMs } = this.#explorer.reference(program, this.#scenario.hosting.mode);
		this.#end = outcome;
		this.#explorer.boundMs = 2 * endMs + SLACK_MS;
		this.runs += 2;
		if (!this.#fails(judgement)) {
			const { property, kind } = this.#failure;
			throw new UsageError(`The scenario does not break ${property} by ${kind}; name a failure that it shows.`);
		}
		this.#take(this.#scenario, judgement.run);
		return this.#original.judge(this.#scenario, program);
	}

	programOf(scenario: Scenario): Program {
		const key = JSON.stringify([
			scenario.program,
			scenario.statements,
			scenario.inputs,
			scenario.change,
			scenario.startedWith,
		]);
		const kept = this.#programs.get(key);
		if (kept !== undefined) return kept;
		const program = this.#original.programOf(scenario);
		if (program === undefined) throw new UsageError(`There is no program "${scenario.program}" to shrink with.`);
		if (this.#programs.size >= KEPT) this.#programs.clear();
		this.#programs.set(key, program);
		return program;
	}

	/** Runs a candidate: with the numbers as they are, with the faults where their anchors say, and near there. */
	*attempt(candidate: Candidate): Steps {
		const { scenario, anchors } = candidate;
		const raw = { ...scenario, faults: anchors.map(({ fault }) => fault) };
		// Whatever places its faults come to.
		if (!this.#isSmaller({ ...raw, faults: raw.faults.map(earliest) })) return false;
		if ((yield* this.#look(raw)) === "taken") return true;
		const { places, shifts, anywhere, seeds } = this.effort;
		const near = { places: byFaults(places, anchors.length), shifts: byFaults(shifts, anchors.length) };
		if (yield* this.#place(candidate, [], near)) return true;
		const far = byFaults(anywhere, anchors.length);
		for (let i = 0; far > 0 && i < anchors.length; i++) {
			if (yield* this.#place(candidate, [], { ...STILL, anywhere: { fault: i, halves: far } })) return true;
		}
		for (const seed of seeds) {
			if (seed === scenario.seed) continue;
			if (yield* this.#place({ anchors, scenario: { ...scenario, seed } }, [], STILL)) return true;
		}
		return false;
	}

	/** Places the faults of a candidate one after the other, each by a run with the ones before it. */
	*#place(candidate: Candidate, placed: readonly Fault[], room: Room): Steps {
		const { scenario, anchors } = candidate;
		const anchor = anchors[placed.length];
		const run = yield* this.#look({ ...scenario, faults: placed }, anchor !== undefined);
		if (run === "taken") return true;
		if (run === undefined || anchor === undefined) return false;
		for (const [fault, shift] of this.#places(anchor, placed, run, room)) {
			const left = { ...room, shifts: room.shifts - Math.abs(shift) };
			if (yield* this.#place(candidate, [...placed, fault], left)) return true;
		}
		return false;
	}

	/** Where the next fault may be, the likeliest first, and by how many half places that is moved from where it was. */
	*#places(anchor: Anchor, placed: readonly Fault[], run: Run, room: Room): Generator<[fault: Fault, shift: number]> {
		const { fault } = anchor;
		const resolved = this.#tracer.resolve(anchor, run).slice(0, room.places);
		if (resolved.length === 0) return;
		if (room.anywhere?.fault === placed.length) {
			const before = placed.at(-1);
			const first = before !== undefined && coordinateOf(before) === coordinateOf(fault) ? placeOf(before) : 1;
			for (let shift = 0; shift < room.anywhere.halves; shift++) {
				const elsewhere = moved(earliest(fault), first, shift);
				if (elsewhere === undefined || placeOf(elsewhere) > lastPlace(elsewhere, run)) return;
				yield [elsewhere, 0];
			}
			return;
		}
		for (let shift = 0; Math.abs(shift) <= room.shifts; shift = shift > 0 ? -shift : 1 - shift) {
			for (const place of resolved) {
				const near = moved(fault, place, shift);
				if (near !== undefined) yield [near, shift];
			}
		}
	}

	/**
	 * Runs a scenario, and takes it when it is a smaller one that fails alike.
	 * @param again whether its run is wanted even if it is known to be refused.
	 */
	*#look(scenario: Scenario, again = false): Generator<void, Run | "taken" | undefined> {
		const key = JSON.stringify(scenario);
		const known = this.#known.get(key);
		if (known !== undefined || (!again && this.#refused.has(key))) return known;
		const program = this.programOf(scenario);
		const judgement = yield* this.#judge(scenario, program);
		if (judgement !== undefined && !this.#refused.has(key) && this.#accepts(scenario, judgement)) {
			this.#take(scenario, judgement.run);
			return "taken";
		}
		this.#refused.add(key);
		if (judgement === undefined) return undefined;
		if (this.#known.size >= KEPT) this.#known.clear();
		this.#known.set(key, judgement.run);
		return judgement.run;
	}

	/** Undefined when the program left alone does not end as it should, or something leaves the world. */
	*#judge(scenario: Scenario, program: Program): Generator<void, Judgement | undefined> {
		const { mode } = scenario.hosting;
		try {
			if (!this.#explorer.knows(program, mode)) {
				yield;
				this.runs++;
			}
			const { outcome } = this.#explorer.reference(program, mode);
			if (!this.#endsAlike(outcome, scenario)) return undefined;
			yield;
			this.runs++;
			return this.#explorer.judge(scenario, program);
		} catch (error) {
			if (error instanceof HarnessError) return undefined;
			throw error;
		}
	}

	/**
	 * As the original, or to completion. A listed program may also wait for messages that were taken from it; a generated one has
	 * no receive without its message.
	 */
	#endsAlike(outcome: Outcome, { statements, inputs }: Scenario): boolean {
		const end = this.#end as Outcome;
		if (outcome.status === "completed") return true;
		if (outcome.status === "failed" && end.status === "failed") return outcome.error.name === end.error.name;
		return (
			outcome.status === end.status ||
			(outcome.status === "waiting" && statements === undefined && inputs !== undefined)
		);
	}

	#accepts(scenario: Scenario, judgement: Judgement): boolean {
		return judgement.unfired.length === 0 && this.#isSmaller(scenario) && this.#fails(judgement);
	}

	#fails({ run, violations }: Judgement): boolean {
		const isFailure = ({ property, violation }: Judgement["violations"][number]) =>
			property.id === this.#failure.property && violation.kind === this.#failure.kind;
		const shown = violations.find(isFailure);
		if (shown === undefined) return false;
		// What is silent where another property has something to say must be judged beside the others.
		const { property, violation } = shown;
		const isResidual = property.residual === true || violation.residual === true;
		return !isResidual || this.#original.judgeRun(run).violations.some(isFailure);
	}

	#isSmaller(scenario: Scenario): boolean {
		return isSmaller(sizeOf(scenario, this.inputsOf(scenario)), this.best.size);
	}

	#take(scenario: Scenario, run: Run): void {
		const size = sizeOf(scenario, this.inputsOf(scenario));
		this.#best = { scenario, run, size, anchors: this.#tracer.anchors(run) };
	}

	inputsOf(scenario: Scenario): readonly ProgramInput[] {
		return this.programOf(scenario).inputs ?? [];
	}
}

/** How far the coordinate of a fault goes in a run. */
function lastPlace(fault: Fault, run: Run): number {
	const { writes, events, operations, alarms } = run;
	// A workflow talks over no network.
	return { write: writes, event: events, operation: operations, alarm: alarms, frame: 0 }[coordinateOf(fault)];
}
