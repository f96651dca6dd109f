/**
 * Every crash point of a program, and every crash point of what follows, to a depth. Runs are made from their beginning each time:
 * subjects have no snapshots, since real runtimes keep more in memory than could be copied. A way is a plan of crashes, each at a
 * durable write that the plan before it came to, before it or after it.
 *
 *   const search = new SubjectCrashSearch(lab, "counter", base, 2);
 *   while (search.step());
 */
import type { CrashSearchResult, CrashWindow } from "../../../reports/model.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { Fault, FaultPlan } from "../../world/faults.ts";
import type { HistoryEvent, WorldEvents } from "../../world/history.ts";
import type { Search } from "../campaign/lab.ts";
import type { SubjectJudgement } from "./judge.ts";
import type { Subject } from "./subject.ts";

export interface SubjectCrashSearchOptions {
	readonly program: string;
	/** In which way the program is hosted, as reports say it. */
	readonly mode: string;
	/** The program with nothing in its way. */
	readonly base: SubjectScenario;
	/** How many crashes one after the other. */
	readonly depth: number;
	readonly describeKey: Subject["describeKey"];
	/** Runs and judges one scenario; undefined when the run left its world, which ends the search. */
	judge(scenario: SubjectScenario): SubjectJudgement | undefined;
}

type Crash = Extract<Fault, { readonly kind: "crash"; readonly write: number }>;

export class SubjectCrashSearch implements Search {
	readonly #options: SubjectCrashSearchOptions;
	/** Plans to run, the shallow ones first. */
	readonly #pending: FaultPlan[] = [[]];
	#ways = 0;
	#explored = 0;
	#windows: Mutable<CrashWindow>[] = [];

	constructor(options: SubjectCrashSearchOptions) {
		this.#options = options;
	}

	step(): boolean {
		const faults = this.#pending.shift();
		if (faults === undefined) return false;
		const { base, depth, describeKey, judge } = this.#options;
		const judgement = judge({ ...base, faults });
		if (judgement === undefined) return false;
		const { run, unfired } = judgement;
		if (faults.length === 0) this.#windows = windowsOf(run.history.events, describeKey);
		else this.#explored++;
		const last = faults.at(-1) as Crash | undefined;
		if (last !== undefined && unfired.length === 0) this.#crossed(faults);
		if (faults.length < depth && unfired.length === 0) {
			for (let write = (last?.write ?? 0) + 1; write <= run.writes; write++) {
				for (const side of ["before", "after"] as const)
					this.#pending.push([...faults, { kind: "crash", write, side }]);
				this.#ways += 2;
			}
		}
		return this.#pending.length > 0;
	}

	result(): CrashSearchResult {
		const { program, mode, depth } = this.#options;
		return {
			...{ kind: "crashes", program, mode, depth },
			...{ ways: this.#ways, states: this.#ways, explored: this.#explored },
			exhausted: this.#pending.length === 0,
			...{ joined: 0, checked: 0, bounded: [] },
			faults: [{ kind: "crash", ways: this.#ways, places: this.#windows.length }],
			windows: this.#windows,
		};
	}

	/** The first crash of a plan falls into a window of the uninterrupted run. */
	#crossed(faults: FaultPlan): void {
		const [first] = faults as readonly Crash[];
		if (first === undefined) return;
		const place = first.side === "before" ? first.write - 1 : first.write;
		const window = this.#windows[place];
		if (window === undefined) return;
		if (faults.length === 1) window.crossed++;
		else window.crossedInRecovery++;
	}
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Between which durable effects a crash can fall: before the first, between any two, behind the last. */
function windowsOf(events: readonly HistoryEvent[], describeKey: Subject["describeKey"]): Mutable<CrashWindow>[] {
	const effects = events.flatMap(({ kind, data }) => {
		if (kind === "effect") {
			const { label } = data as WorldEvents["effect"];
			return [{ operation: "effect", detail: label }];
		}
		if (kind !== "durable") return [];
		const { what, mutations } = data as WorldEvents["durable"];
		return [{ operation: what, detail: changesOf(mutations, describeKey) }];
	});
	const ends = [...effects, { operation: "end", detail: "" }];
	return ends.map(({ operation, detail }, from) => ({ from, operation, detail, crossed: 0, crossedInRecovery: 0 }));
}

/** Keys of a batch that a window names: more than a line has room for. */
const MOST_KEYS = 6;

/** What a durable write changes, in the words in which stories tell it. */
function changesOf(mutations: WorldEvents["durable"]["mutations"], describeKey: Subject["describeKey"]): string {
	const told = mutations
		.slice(0, MOST_KEYS)
		.map(({ table, key, value }) => (value === null ? "- " : "") + describeKey(table, key));
	const left = mutations.length - told.length;
	return [...told, ...(left > 0 ? [`${left} more`] : [])].join(", ");
}
