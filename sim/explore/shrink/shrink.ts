/**
 * Makes a failing scenario small: program, messages, fault plan, hosting, latencies and schedule together, as long as the same
 * property breaks in the same way. Greedy and deterministic: passes over ever simpler candidates until none is left that
 * still fails. No clock decides what is tried; the budget counts runs.
 *
 * A candidate is taken when it fails so, all its faults struck, its program left alone completes or ends as the original
 * one did, and it is smaller by `sizeOf`. When the program changes, its faults are put where they were by their anchors
 * (anchor.ts), which takes a run for each; when nothing goes on that way, other places and seeds are tried too.
 */
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { HostingMode, Outcome } from "../../../drivers/engine/host.ts";
import {
	awaited,
	isWellFormed,
	lessened,
	replaced,
	shortened,
	statementAt,
	unwrapped,
} from "../../../fixtures/generators/edit.ts";
import { firstReleaseOf } from "../../../fixtures/generators/interpret.ts";
import type { Statement } from "../../../fixtures/generators/statement.ts";
import { countStatements } from "../../../fixtures/generators/statement.ts";
import type { Program, ProgramInput } from "../../../fixtures/programs/program.ts";
import { execute, type Run } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { getOrInsert } from "../../world/collections.ts";
import type { Fault } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import type { WorldEvents } from "../../world/history.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { referenceScenario } from "../draw.ts";
import { Explorer, type Judgement } from "../explorer.ts";
import { type Anchor, coordinateOf, earliest, moved, placeOf, strikesOf, Tracer } from "./anchor.ts";
import {
	decidedCrashes,
	isSmaller,
	plain,
	SEEDS,
	simplerFaults,
	simplerMessages,
	simplerSurroundings,
	sizeOf,
} from "./simpler.ts";

/** What must go on failing, and how. */
export interface Failure {
	/** Id of the property. */
	readonly property: string;
	readonly kind: string;
}

export interface ShrinkOptions {
	/** Runs after which the search ends with what it has; references and the runs that anchors take included. */
	readonly budget?: number;
	/** Called between slices of the search. */
	readonly onProgress?: (progress: ShrinkProgress) => void;
	/** Ends the search, which then returns what it has. */
	readonly signal?: AbortSignal;
}

export interface ShrinkProgress {
	readonly runs: number;
	readonly budget: number;
	/** The smallest scenario so far. */
	readonly scenario: Scenario;
}

export interface Shrunk {
	readonly scenario: Scenario;
	/** How it and the original are judged, by all properties of the explorer. */
	readonly judgement: Judgement;
	readonly original: Judgement;
	/** Runs that the search took. */
	readonly runs: number;
	/** Whether everything was tried; false when the budget or the signal ended it before. */
	readonly exhausted: boolean;
}

export const DEFAULT_BUDGET = 10_000;

/** Real milliseconds of running between two looks at signals and progress. */
const SLICE_MS = 40;

/**
 * The smallest scenario found that fails as this one does.
 * @throws UsageError when the scenario does not fail so, or names a program that the explorer does not have.
 * @throws HarnessError when its own run leaves the world.
 */
export async function shrink(
	explorer: Explorer,
	scenario: Scenario,
	failure: Failure,
	{ budget = DEFAULT_BUDGET, onProgress, signal }: ShrinkOptions = {},
): Promise<Shrunk> {
	const search = new Search(explorer, scenario, failure);
	const original = await inMacrotask(() => search.begin());
	const steps = search.steps();
	let exhausted = false;
	while (!exhausted && search.runs < budget && signal?.aborted !== true) {
		await inMacrotask(() => {
			const sliceEnds = performance.now() + SLICE_MS;
			do {
				exhausted = steps.next().done === true;
			} while (!exhausted && search.runs < budget && performance.now() < sliceEnds);
		});
		onProgress?.({ runs: search.runs, budget, scenario: search.best.scenario });
	}
	const { runs, best } = search;
	const judgement = await inMacrotask(() => explorer.judge(best.scenario, search.programOf(best.scenario)));
	return { scenario: best.scenario, judgement, original, runs, exhausted };
}

/** What became smaller, in a line: `30 statements -> 4, 5 faults -> 3, 812 events -> 96`. */
export function describeShrink(before: Judgement, after: Judgement): string {
	const counts = ({ run }: Judgement): [string, number][] => [
		["statements", countStatements(run.scenario.statements ?? [])],
		["messages", run.program.inputs?.length ?? 0],
		["faults", run.scenario.faults.length],
		["events", run.events],
	];
	const now = new Map(counts(after));
	return counts(before)
		.filter(([, count]) => count > 0)
		.map(([what, count]) => `${count} ${count === 1 ? what.slice(0, -1) : what} -> ${now.get(what)}`)
		.join(", ");
}

/** A scenario to try: its faults are where their anchors say. */
interface Candidate {
	readonly scenario: Scenario;
	readonly anchors: readonly Anchor[];
}

interface Best extends Candidate {
	readonly run: Run;
	readonly size: readonly number[];
}

/** A part of the search, which pauses before each run; returns whether something smaller was found. */
type Steps = Generator<void, boolean>;

/** How hard to look for the places of the faults of a candidate, by how many faults it has. */
interface Effort {
	/** Places of an anchor that are tried. */
	readonly places: readonly number[];
	/** By how many half places the faults are moved from there, all together. */
	readonly shifts: readonly number[];
	/** Half places after the fault before that one fault is tried at, wherever its anchor says; the others keep to theirs. */
	readonly anywhere: readonly number[];
	readonly seeds: readonly string[];
}

const QUICK: Effort = { places: [0, 4, 2, 1], shifts: [0], anywhere: [0], seeds: [] };
const PATIENT: Effort = { places: [0, 8, 3, 2], shifts: [0, 8, 4, 1], anywhere: [0, 96, 64, 48, 24], seeds: SEEDS };

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

/** Places near the start that are tried for each fault. */
const EARLY_PLACES = 16;
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

class Search {
	runs = 0;
	readonly #original: Explorer;
	/** The same target, traced, with the one property that matters. */
	readonly #explorer: BoundedExplorer;
	readonly #tracer: Tracer;
	readonly #failure: Failure;
	readonly #scenario: Scenario;
	#end: Outcome | undefined;
	#best: Best | undefined;
	#effort = QUICK;
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

	get best(): Best {
		return this.#best as Best;
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

	/** The search, a run a step: quick passes as long as they find something, then patient ones. */
	*steps(): Generator<void, void> {
		yield* this.#attempt(this.best);
		for (;;) {
			this.#effort = QUICK;
			let found = false;
			for (const pass of [...this.#structure, ...this.#details]) found = (yield* pass()) || found;
			if (found) continue;
			this.#effort = PATIENT;
			for (const pass of this.#structure) {
				found = yield* pass();
				if (found) break;
			}
			if (!found) return;
		}
	}

	/** What the scenario consists of. */
	readonly #structure: readonly (() => Steps)[] = [
		() => this.#dropFaults(),
		() => this.#dropStatements(),
		() => this.#rewrite((statement) => [...opened(statement), ...asLists(lessened(statement))]),
		() => this.#dropMessages(),
	];

	/** How it is carried out, and the values in it. */
	readonly #details: readonly (() => Steps)[] = [
		() => this.#surroundings(),
		() => this.#simplifyFaults(),
		() => this.#rewrite((statement) => asLists(shortened(statement))),
		() => this.#simplifyMessages(),
		() => this.#comeEarlier(),
	];

	#dropFaults(): Steps {
		return this.#thin(
			() => this.best.anchors,
			(anchors) => ({ scenario: this.best.scenario, anchors }),
		);
	}

	#dropStatements(): Steps {
		const statements = () => this.best.scenario.statements ?? [];
		return this.#thin(
			() => Array.from({ length: countStatements(statements()) }, (_, place) => place),
			(kept) => {
				const places = new Set(kept);
				return this.#with(replaced(statements(), (_, place) => (places.has(place) ? undefined : [])));
			},
		);
	}

	#dropMessages(): Steps {
		return this.#thin(
			() => this.#inputsOf(this.best.scenario),
			(inputs) => ({ ...this.best, scenario: { ...this.best.scenario, inputs } }),
		);
	}

	/** Takes items out of a list: all, halves, quarters, single ones, from the end. */
	*#thin<T>(list: () => readonly T[], keeping: (kept: readonly T[]) => Candidate): Steps {
		let found = false;
		for (let size = list().length; size >= 1; size >>= 1) {
			for (let end = list().length; end > 0; ) {
				const begin = Math.max(0, end - size);
				const kept = [...list().slice(0, begin), ...list().slice(end)];
				const taken = yield* this.#attempt(keeping(kept));
				found ||= taken;
				end = Math.min(begin, list().length);
			}
		}
		return found;
	}

	/** Puts less in the place of each statement, from the end. */
	*#rewrite(less: (statement: Statement) => readonly (readonly Statement[])[]): Steps {
		let found = false;
		for (let place = countStatements(this.best.scenario.statements ?? []) - 1; place >= 0; ) {
			const statements = this.best.scenario.statements ?? [];
			const statement = statementAt(statements, place);
			let taken = false;
			for (const replacement of statement === undefined ? [] : less(statement)) {
				const changed = replaced(statements, (_, at) => (at === place ? replacement : undefined));
				taken = isWellFormed(changed) && (yield* this.#attempt(this.#with(changed)));
				if (taken) break;
			}
			found ||= taken;
			if (!taken) place--;
		}
		return found;
	}

	*#surroundings(): Steps {
		let found = yield* this.#attempt({ ...this.best, scenario: plain(this.best.scenario) });
		for (let again = true; again; ) {
			again = false;
			for (const scenario of simplerSurroundings(this.best.scenario)) {
				again = yield* this.#attempt({ ...this.best, scenario });
				if (again) break;
			}
			again ||= yield* this.#decideFates();
			found ||= again;
		}
		return found;
	}

	/** Says of operations in flight which take effect, instead of drawing it. */
	*#decideFates(): Steps {
		if (this.best.scenario.inFlight === "lost") return false;
		const { anchors, run } = this.best;
		const scenario = { ...this.best.scenario, inFlight: "lost" as const };
		const strikes = strikesOf(run);
		for (const [i, anchor] of anchors.entries()) {
			const crash = run.history.events[(strikes[i]?.ends ?? 0) + 1];
			const inFlight =
				crash?.kind === "process.crash" ? (crash.data as WorldEvents["process.crash"]).inFlight.length : 0;
			for (const fault of decidedCrashes(anchor.fault, inFlight)) {
				if (yield* this.#attempt({ scenario, anchors: anchors.with(i, { ...anchor, fault }) })) return true;
			}
		}
		return false;
	}

	*#simplifyFaults(): Steps {
		let found = false;
		for (let i = 0; i < this.best.anchors.length; ) {
			const { scenario, anchors, run } = this.best;
			const { fault, begins, ends } = strikesOf(run)[i] as ReturnType<typeof strikesOf>[number];
			const writes = run.history.events
				.slice(0, ends)
				.filter(({ kind }) => kind === "durable" || kind === "effect").length;
			let taken = false;
			for (const simpler of simplerFaults(fault, writes)) {
				const anchor = this.#tracer.anchor(run, simpler, begins, ends);
				taken = yield* this.#attempt({ scenario, anchors: anchors.with(i, anchor) });
				if (taken) break;
			}
			found ||= taken;
			if (!taken) i++;
		}
		return found;
	}

	*#simplifyMessages(): Steps {
		let found = false;
		for (let again = true; again; ) {
			again = false;
			const { scenario } = this.best;
			for (const inputs of simplerMessages(this.#inputsOf(scenario), scenario.statements === undefined)) {
				again = yield* this.#attempt({ ...this.best, scenario: { ...scenario, inputs } });
				if (again) break;
			}
			found ||= again;
		}
		return found;
	}

	/** Looks for the same failure nearer to the start of the run. */
	*#comeEarlier(): Steps {
		let found = false;
		for (let i = 0; i < this.best.anchors.length; i++) {
			const { scenario, anchors } = this.best;
			const { fault } = anchors[i] as Anchor;
			for (let place = 1; place < Math.min(placeOf(fault), EARLY_PLACES); place++) {
				const earlier = moved(fault, place);
				if (earlier === undefined) continue;
				const candidate = { scenario, anchors: anchors.with(i, { fault: earlier, references: [] }) };
				if (!(yield* this.#attempt(candidate))) continue;
				found = true;
				break;
			}
		}
		return found;
	}

	/** The best scenario with another program, and no messages that nothing waits for. */
	#with(statements: readonly Statement[]): Candidate {
		const { scenario, anchors } = this.best;
		const inputs = scenario.inputs === undefined ? {} : { inputs: awaited(statements, scenario.inputs) };
		return { scenario: { ...scenario, statements, ...inputs }, anchors };
	}

	/** Runs a candidate: with the numbers as they are, with the faults where their anchors say, and near there. */
	*#attempt(candidate: Candidate): Steps {
		const { scenario, anchors } = candidate;
		const raw = { ...scenario, faults: anchors.map(({ fault }) => fault) };
		// Whatever places its faults come to.
		if (!this.#isSmaller({ ...raw, faults: raw.faults.map(earliest) })) return false;
		if ((yield* this.#look(raw)) === "taken") return true;
		const { places, shifts, anywhere, seeds } = this.#effort;
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
		return isSmaller(sizeOf(scenario, this.#inputsOf(scenario)), this.best.size);
	}

	#take(scenario: Scenario, run: Run): void {
		const size = sizeOf(scenario, this.#inputsOf(scenario));
		this.#best = { scenario, run, size, anchors: this.#tracer.anchors(run) };
	}

	#inputsOf(scenario: Scenario): readonly ProgramInput[] {
		return this.programOf(scenario).inputs ?? [];
	}
}

/** How far the coordinate of a fault goes in a run. */
function lastPlace(fault: Fault, run: Run): number {
	const { writes, events, operations, alarms } = run;
	// A workflow talks over no network.
	return { write: writes, event: events, operation: operations, alarm: alarms, frame: 0 }[coordinateOf(fault)];
}

/** What is inside a statement in its place, when there is something. */
function opened(statement: Statement): readonly (readonly Statement[])[] {
	const inside = unwrapped(statement);
	return inside.length === 0 ? [] : [inside];
}

function asLists(statements: readonly Statement[]): readonly (readonly Statement[])[] {
	return statements.map((statement) => [statement]);
}
