/**
 * Every crash state of a program. One uninterrupted run passes through all places where a crash would leave something new;
 * what it would leave is noted there, and a recovery runs from each state that differs from all others. The recoveries
 * have crash states of their own, and so on to a depth. Nothing is run twice: neither a way to a state (recoveries go on from
 * the snapshot) nor a state (equal ones are joined, whatever way led there).
 *
 * What joins states does not join judgements: every way is judged with what was promised on it, its own history followed by
 * what came after the state.
 */
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type { CrashSearchResult, CrashWindow } from "../../../reports/model.ts";
import { alike, type Run, type RunCrashPoint, type Snapshot } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { describeFault, type Fault, type FaultKind, type FaultPlan } from "../../world/faults.ts";
import { History, type HistoryEvent, type WorldEvents } from "../../world/history.ts";
import { describeDifference, firstDifference } from "../blame.ts";
import { referenceScenario } from "../draw.ts";
import { type Explorer, idOf, type Judgement } from "../explorer.ts";
import { StateKeys } from "./state-key.ts";

/** Kinds of fault beyond the crash itself that widen what storage may do. */
export const WIDENING: readonly FaultKind[] = ["torn", "refused", "lost-ack", "power-loss"];

export interface CrashSearchOptions {
	/** How many crashes one after the other. */
	readonly depth: number;
	/** Which of `WIDENING` the storage may do besides crashing. */
	readonly kinds: ReadonlySet<FaultKind>;
	/** What is searched; the uninterrupted program, without latency, when absent. */
	readonly base?: Scenario;
	/** Each run made, judged. */
	readonly onJudged: (judgement: Judgement) => void;
	readonly onProblem: (problem: string) => void;
	/** Each distinct state, as it is come to for the first time. */
	readonly onState?: (faults: FaultPlan, snapshot: Snapshot) => void;
}

/** One distinct crash state. */
interface Node {
	/** A way that led there. */
	readonly faults: FaultPlan;
	/** Absent for what no crash is part of: an operation refused, say, in a run that has to be made from its beginning. */
	snapshot: Snapshot | undefined;
	/** The window of the uninterrupted run that it lies in. */
	readonly window: number | undefined;
	/** Whether its recovery was run. */
	recovered: boolean;
	/** What followed, once it was run and while there is room to keep it. */
	after: After | undefined;
	/** Other ways that led there before it was run. */
	readonly waiting: Way[];
}

/** What followed a state: the run from there on, and how many lives and events came before. */
interface After {
	readonly run: Run;
	readonly events: readonly HistoryEvent[];
	readonly lives: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A way to a state: a run up to a crash, and what the crash itself left in the history. */
interface Way {
	readonly faults: FaultPlan;
	/** The history of the run that was on it; the first `length` events are of the way. */
	readonly events: readonly HistoryEvent[];
	readonly length: number;
	readonly tail: readonly HistoryEvent[];
	readonly lives: number;
	readonly stepRules: Run["stepRules"];
}

function newNode(faults: FaultPlan, snapshot: Snapshot | undefined, window: number | undefined): Node {
	return { faults, snapshot, window, recovered: false, after: undefined, waiting: [] };
}

/** Of so many states one recovery is made again from the beginning; of the first ones more. */
const CHECK_EVERY = 97;
/** Sets of more members are not tried in every subset. */
const MAX_MEMBERS = 4;
/** Events that are kept to judge further ways by; what follows later states is run again when it is needed. */
const MAX_KEPT_EVENTS = 1_500_000;
/** The most writes that a loss of power takes with it. */
const MAX_UNSYNCED = 3;

export class CrashSearch {
	readonly #explorer: Explorer;
	readonly #program: Program;
	readonly #options: CrashSearchOptions;
	readonly #scenario: Scenario;
	readonly #keys = new StateKeys();
	readonly #nodes = new Map<string, Node>();
	readonly #queue: Node[] = [];
	readonly #bounded = new Set<string>();
	readonly #faults = new Map<FaultKind, { ways: number; places: Set<string> }>();
	readonly #confirmed = new Set<string>();
	/** States with ways that can be judged by now. */
	readonly #ready = new Set<Node>();
	/** Ways through each window of the uninterrupted run. */
	readonly #crossed = new Map<number, number>();
	#windows: Mutable<CrashWindow>[] = [];
	#judged = 0;
	/** Events of what followed all states so far, kept or not. */
	#keptEvents = 0;
	#ways = 0;
	#explored = 0;
	#checked = 0;
	#begun = false;

	constructor(explorer: Explorer, program: Program, mode: HostingMode, options: CrashSearchOptions) {
		this.#explorer = explorer;
		this.#program = program;
		this.#options = options;
		this.#scenario = options.base ?? referenceScenario(program, mode);
		for (const kind of ["crash", ...options.kinds] as const) this.#faults.set(kind, { ways: 0, places: new Set() });
	}

	/** Makes the next run. @returns false when there is none left. */
	step(): boolean {
		if (!this.#begun) {
			this.#begun = true;
			this.#beginning();
			return true;
		}
		const node = this.#queue.shift();
		if (node === undefined) return false;
		this.#recover(node);
		return true;
	}

	result(): CrashSearchResult {
		return {
			kind: "crashes",
			program: this.#program.name,
			mode: this.#scenario.hosting.mode,
			depth: this.#options.depth,
			ways: this.#ways,
			states: this.#explored + this.#queue.length,
			explored: this.#explored,
			exhausted: this.#begun && this.#queue.length === 0,
			bounded: [...this.#bounded],
			joined: this.#judged,
			checked: this.#checked,
			faults: [...this.#faults].map(([kind, { ways, places }]) => ({ kind, ways, places: places.size })),
			windows: this.#windows.map((window) => ({ ...window })),
		};
	}

	/** The uninterrupted run; and in line behind it, the runs with an operation that goes wrong and no crash. */
	#beginning(): void {
		const judgement = this.#judge([], undefined, (point) => {
			const before = "write" in point.place && point.place.side === "before";
			this.#take(point, [], before ? point.world.writes - 1 : point.world.writes);
		});
		const { run } = judgement;
		this.#windows = windowsOf(run, this.#crossed, this.#explorer.describeKey);
		this.#options.onJudged(judgement);
		this.#judgeWays();
		for (const kind of ["refused", "lost-ack"] as const) {
			if (!this.#options.kinds.has(kind)) continue;
			for (let operation = 1; operation <= run.operations; operation++) {
				this.#count({ kind, operation });
				this.#queue.push(newNode([{ kind, operation }], undefined, undefined));
			}
		}
	}

	#recover(node: Node): void {
		const { faults, snapshot } = node;
		const goesOn = faults.length < this.#options.depth;
		const judgement = this.#judge(
			faults,
			snapshot,
			goesOn ? (point) => this.#take(point, faults, undefined) : undefined,
		);
		const { run, violations, unfired } = judgement;
		this.#explored++;
		this.#options.onJudged(judgement);
		if (unfired.length > 0) this.#options.onProblem(`${describePlan(faults)} did not strike in ${this.#program.name}`);
		for (const violation of violations) this.#confirmed.add(idOf(violation));
		if (snapshot !== undefined) {
			if (isChecked(this.#explored)) this.#check(run);
			node.recovered = true;
			const after = afterOf(run, snapshot);
			for (const way of node.waiting.splice(0)) this.#judgeWay(way, after);
			// States of the last depth come last: no further way leads to one of them.
			this.#keptEvents += goesOn ? after.events.length : 0;
			if (goesOn && this.#keptEvents <= MAX_KEPT_EVENTS) node.after = after;
			if (node.after !== undefined || !goesOn) node.snapshot = undefined;
		}
		this.#judgeWays();
	}

	/** Judges the ways to states whose recovery is known by now. */
	#judgeWays(): void {
		for (const node of this.#ready) {
			const after = node.after ?? this.#again(node);
			for (const way of node.waiting.splice(0)) this.#judgeWay(way, after);
		}
		this.#ready.clear();
	}

	/** Makes a recovery once more, of which there was no room to keep what followed. */
	#again({ faults, snapshot }: Node): After {
		if (snapshot === undefined) throw new Error("A state has neither what followed it nor what led to that.");
		return afterOf(this.#judge(faults, snapshot, undefined).run, snapshot);
	}

	#judgeWay({ faults, events, length, tail, lives, stepRules }: Way, after: After): void {
		const history = new History();
		for (let i = 0; i < length; i++) history.events.push(events[i] as HistoryEvent);
		history.events.push(...tail);
		// Lives are counted along the way.
		const shift = lives - after.lives;
		for (const event of after.events) {
			history.events.push(shift === 0 || event.process === 0 ? event : { ...event, process: event.process + shift });
		}
		const scenario = { ...this.#scenario, faults };
		const rules = new Map([...stepRules, ...after.run.stepRules]);
		this.#judged++;
		const { violations } = this.#explorer.judgeRun(alike(after.run, scenario, history, rules));
		const news = violations.map(idOf);
		if (news.every((id) => this.#confirmed.has(id))) return;
		// Something that no run has shown so far: it counts once a run of its own shows it.
		const judgement = this.#explorer.judge(scenario, this.#program);
		this.#options.onJudged(judgement);
		const shown = new Set(judgement.violations.map(idOf));
		for (const id of shown) this.#confirmed.add(id);
		const missing = news.filter((id) => !this.#confirmed.has(id));
		if (missing.length > 0) {
			this.#options.onProblem(
				`${describePlan(faults)} in ${this.#program.name} seemed to show ${missing.join(", ")} and did not: states were joined that differ`,
			);
		}
	}

	/** Comes to the same recovery from the very beginning, which must not differ in a byte. */
	#check(run: Run): void {
		this.#checked++;
		const again = this.#explorer.judge(run.scenario, this.#program).run;
		const difference = firstDifference(run.history, again.history);
		if (difference !== undefined) {
			const lines = describeDifference(difference, ["snapshot", "beginning"], this.#explorer.describeKey);
			this.#options.onProblem(
				`${describePlan(run.scenario.faults)} in ${this.#program.name}: taken up from a snapshot it is another than from the beginning: ${lines.join("\n")}`,
			);
		}
	}

	#judge(
		faults: FaultPlan,
		from: Snapshot | undefined,
		onCrashPoint: ((point: RunCrashPoint) => void) | undefined,
	): Judgement {
		return this.#explorer.judge({ ...this.#scenario, faults }, this.#program, {
			...(from === undefined ? {} : { from }),
			...(onCrashPoint === undefined ? {} : { onCrashPoint }),
			...(this.#options.kinds.has("power-loss") ? { unsynced: MAX_UNSYNCED } : {}),
		});
	}

	/** Takes every way to crash at that place. */
	#take(point: RunCrashPoint, before: FaultPlan, window: number | undefined): void {
		for (const fault of this.#faultsAt(point)) {
			this.#ways++;
			this.#count(fault);
			if (window !== undefined) this.#crossed.set(window, (this.#crossed.get(window) ?? 0) + 1);
			const faults = [...before, fault];
			const snapshot = point.snapshot(fault);
			const { world, host, stepRules } = snapshot;
			const key = this.#keys.keyOf({ ...world, host });
			const known = this.#nodes.get(key);
			if (known === undefined) {
				const node = newNode(faults, snapshot, window);
				this.#nodes.set(key, node);
				this.#queue.push(node);
				this.#options.onState?.(faults, snapshot);
				continue;
			}
			if (window === undefined && known.window !== undefined) {
				const crossed = this.#windows[known.window];
				if (crossed !== undefined) crossed.crossedInRecovery++;
			}
			const { events } = point.world.history;
			const { length } = events;
			known.waiting.push({ faults, events, length, tail: world.history.slice(length), lives: world.lives, stepRules });
			if (known.recovered) this.#ready.add(known);
		}
	}

	#count(fault: Fault): void {
		const counted = this.#faults.get(fault.kind);
		if (counted === undefined) return;
		counted.ways++;
		counted.places.add(describeFault(fault));
	}

	*#faultsAt({ place, inFlight, mutations }: RunCrashPoint): Generator<Fault> {
		const { kinds } = this.#options;
		yield { kind: "crash", ...place };
		const changing = [...inFlight.keys()].filter((i) => changes(inFlight[i] as string));
		for (const late of this.#subsets(changing, "operations in flight")) yield { kind: "crash", ...place, late };
		if (!("write" in place)) return;
		if (place.side === "before" && kinds.has("torn") && mutations > 1) {
			const all = Array.from({ length: mutations }, (_, i) => i);
			for (const kept of this.#subsets(all, "entries of one write")) {
				if (kept.length < mutations) yield { kind: "torn", write: place.write, kept };
			}
		}
		if (place.side === "after" && kinds.has("power-loss")) {
			for (let lost = 1; lost <= Math.min(MAX_UNSYNCED, place.write); lost++) {
				yield { kind: "power-loss", write: place.write, lost };
			}
		}
	}

	/** Every subset but the empty one; of many members only each one alone, all but each one, and beginnings. */
	#subsets(members: readonly number[], of: string): number[][] {
		if (members.length <= MAX_MEMBERS) {
			const subsets: number[][] = [];
			for (let bits = 1; bits < 2 ** members.length; bits++) subsets.push(members.filter((_, i) => (bits >> i) & 1));
			return subsets;
		}
		this.#bounded.add(`of more than ${MAX_MEMBERS} ${of}: each alone, all but each, each beginning`);
		const subsets = new Map<string, number[]>();
		const add = (subset: number[]) => subsets.set(subset.join(), subset);
		for (const member of members) {
			add([member]);
			add(members.filter((other) => other !== member));
		}
		for (let length = 1; length <= members.length; length++) add(members.slice(0, length));
		return [...subsets.values()];
	}
}

/** The first, second, fourth, eighth …, and every so many. */
function isChecked(n: number): boolean {
	return (n & (n - 1)) === 0 || n % CHECK_EVERY === 0;
}

function afterOf(run: Run, { world }: Snapshot): After {
	const events = run.history.events.slice(world.history.length);
	// The history itself is shared with the run it was taken up from, and need not be kept twice.
	return { run: alike(run, run.scenario, new History(), run.stepRules), events, lives: world.lives };
}

function describePlan(faults: FaultPlan): string {
	return faults.map(describeFault).join("; ");
}

/** Whether an operation in flight could change anything if it still took place. */
function changes(what: string): boolean {
	return !/\.(get|list)$/.test(what);
}

function windowsOf(
	run: Run,
	crossed: ReadonlyMap<number, number>,
	describeKey: (table: string, key: string) => string,
): Mutable<CrashWindow>[] {
	const effects = run.history.events.filter(({ kind }) => kind === "durable" || kind === "effect");
	return [...effects, undefined].map((event, from) => {
		const label = { operation: "end", detail: "" };
		if (event?.kind === "effect") {
			label.operation = "effect";
			label.detail = (event.data as WorldEvents["effect"]).label;
		} else if (event !== undefined) {
			const { what, mutations } = event.data as WorldEvents["durable"];
			const [first] = mutations;
			label.operation = what;
			if (first !== undefined) label.detail = describeKey(first.table, first.key);
		}
		return { from, ...label, crossed: crossed.get(from) ?? 0, crossedInRecovery: 0 };
	});
}
