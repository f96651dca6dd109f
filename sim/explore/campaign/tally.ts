/**
 * What many runs showed, as data that merges. `TallyData` is plain (it survives structured clone and JSON), and merging is
 * associative and blind to order: counts add, sets unite, and of two runs that show one finding the least stays, by size and
 * then by seed. So a seed range gives the same tally however it is cut over threads and machines.
 */
import { findingId, type SearchResult } from "../../../reports/model.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { getOrInsert } from "../../world/collections.ts";

/** A run that showed a finding. */
export interface Shown {
	/** How hard it is to follow: faults that struck, then events. */
	readonly size: number;
	/** The seed that drew it, if one did. */
	readonly seed?: number;
	/** Id of the known failure it is kept with, when it was run to confirm that. */
	readonly listed?: string;
	/** The file it is kept in, when it was tried because a corpus holds it. */
	readonly file?: string;
	readonly scenario: SubjectScenario;
	readonly program: string;
	readonly conditions: readonly string[];
	readonly message: string;
	readonly digest: string;
	/** Shapes that were taken out of what the seed drew. */
	readonly avoided?: readonly string[];
}

export interface FoundData {
	readonly property: string;
	readonly kind: string;
	/** Seeds that showed it. */
	readonly runs: number;
	/** How many of them ran which program. */
	readonly programs: Readonly<Record<string, number>>;
	/** The least of them; absent in a part whose runs were no simpler than those of an earlier part. */
	readonly least?: Shown;
	/** The run kept with a list or in a corpus that showed it before any seed was tried. */
	readonly kept?: Shown;
	/** Why the promise is a matter of reading; absent as soon as one run shows it in a way that is not. */
	readonly disputed?: string;
}

export interface Counts {
	runs: number;
	interruptedRuns: number;
	crashes: number;
	evictions: number;
	processes: number;
	events: number;
	durableWrites: number;
	rerun: number;
	/** Seeds that another process made too; absent when none was asked to. */
	doublechecked?: number;
}

/** Records have their keys in order and lists are sorted sets: equal tallies are equal to the byte as JSON. */
export interface TallyData {
	/** What went wrong with the harness; with any, the tally counts for nothing. */
	readonly problems: readonly string[];
	readonly counts: Readonly<Counts>;
	/** Virtual milliseconds of all runs together. */
	readonly virtualMs: number;
	/** By id of each property judged by. */
	readonly checked: Readonly<Record<string, { checked: number; skipped: Readonly<Record<string, number>> }>>;
	readonly faults: Readonly<Record<string, { planned: number; fired: number; windows: readonly string[] }>>;
	readonly programs: Readonly<Record<string, { runs: number; writes: number; crashedAt: readonly number[] }>>;
	/** What ran of generated programs, by `Reached`; counts of runs. */
	readonly generated: Readonly<Record<string, number>>;
	/** By shape that seeds avoid: of how many it was taken out, and how many runs had it. */
	readonly avoided: Readonly<Record<string, { avoided: number; ran: number }>>;
	readonly findings: Readonly<Record<string, FoundData>>;
	/** What was searched, by kind, program and mode; of two parts of one search the later stays. */
	readonly searches: Readonly<Record<string, SearchResult>>;
	/** Ids of listed failures whose kept run shows them no longer. */
	readonly fixed: readonly string[];
	/** Files of the corpus whose failure is still there, is there no longer, and files that could not be tried here. */
	readonly corpus: Readonly<Record<"failing" | "passing" | "untried", readonly string[]>>;
}

/** The mutable form of `FoundData`. */
interface Found {
	readonly property: string;
	readonly kind: string;
	runs: number;
	readonly programs: Map<string, number>;
	least: Shown | undefined;
	kept: Shown | undefined;
	/** `undefined` before the first run. */
	disputed: string | false | undefined;
}

export class Tally {
	readonly problems = new Set<string>();
	readonly counts: Counts = {
		runs: 0,
		interruptedRuns: 0,
		crashes: 0,
		evictions: 0,
		processes: 0,
		events: 0,
		durableWrites: 0,
		rerun: 0,
	};
	virtualMs = 0;
	readonly checked = new Map<string, { checked: number; skipped: Map<string, number> }>();
	readonly faults = new Map<string, { planned: number; fired: number; windows: Set<string> }>();
	readonly programs = new Map<string, { runs: number; writes: number; crashedAt: Set<number> }>();
	readonly generated = new Map<string, number>();
	readonly avoided = new Map<string, { avoided: number; ran: number }>();
	readonly findings = new Map<string, Found>();
	readonly searches = new Map<string, SearchResult>();
	readonly fixed = new Set<string>();
	readonly corpus = { failing: new Set<string>(), passing: new Set<string>(), untried: new Set<string>() };

	property(id: string): { checked: number; skipped: Map<string, number> } {
		return getOrInsert(this.checked, id, () => ({ checked: 0, skipped: new Map() }));
	}

	fault(kind: string): { planned: number; fired: number; windows: Set<string> } {
		return getOrInsert(this.faults, kind, () => ({ planned: 0, fired: 0, windows: new Set() }));
	}

	program(name: string): { runs: number; writes: number; crashedAt: Set<number> } {
		return getOrInsert(this.programs, name, () => ({ runs: 0, writes: 0, crashedAt: new Set() }));
	}

	shape(name: string): { avoided: number; ran: number } {
		return getOrInsert(this.avoided, name, () => ({ avoided: 0, ran: 0 }));
	}

	finding(property: string, kind: string): Found {
		return getOrInsert(this.findings, findingId({ property, kind }), () => ({
			...{ property, kind },
			...{ runs: 0, programs: new Map(), least: undefined, kept: undefined, disputed: undefined },
		}));
	}

	search(result: SearchResult): void {
		const key = `${result.kind} ${result.program} ${result.mode}`;
		const known = this.searches.get(key);
		if (known === undefined || known.explored <= result.explored) this.searches.set(key, result);
	}

	/** States and orders that searches know of and have not come to. */
	get left(): number {
		let left = 0;
		for (const search of this.searches.values()) {
			left += (search.kind === "crashes" ? search.states : search.schedules) - search.explored;
		}
		return left;
	}

	add(data: TallyData): void {
		addAll(this.problems, data.problems);
		for (const [key, n] of Object.entries(data.counts) as [keyof Counts, number][]) {
			this.counts[key] = (this.counts[key] ?? 0) + n;
		}
		this.virtualMs += data.virtualMs;
		for (const [id, { checked, skipped }] of Object.entries(data.checked)) {
			const entry = this.property(id);
			entry.checked += checked;
			addCounts(entry.skipped, skipped);
		}
		for (const [kind, { planned, fired, windows }] of Object.entries(data.faults)) {
			const entry = this.fault(kind);
			entry.planned += planned;
			entry.fired += fired;
			addAll(entry.windows, windows);
		}
		for (const [name, { runs, writes, crashedAt }] of Object.entries(data.programs)) {
			const entry = this.program(name);
			entry.runs += runs;
			entry.writes = Math.max(entry.writes, writes);
			addAll(entry.crashedAt, crashedAt);
		}
		addCounts(this.generated, data.generated);
		for (const [name, { avoided, ran }] of Object.entries(data.avoided)) {
			const entry = this.shape(name);
			entry.avoided += avoided;
			entry.ran += ran;
		}
		for (const { property, kind, runs, programs, least, kept, disputed } of Object.values(data.findings)) {
			const entry = this.finding(property, kind);
			entry.runs += runs;
			addCounts(entry.programs, programs);
			entry.least = lesser(entry.least, least);
			entry.kept = lesser(entry.kept, kept);
			entry.disputed = bothDisputed(entry.disputed, disputed ?? false);
		}
		for (const result of Object.values(data.searches)) this.search(result);
		addAll(this.fixed, data.fixed);
		for (const key of ["failing", "passing", "untried"] as const) addAll(this.corpus[key], data.corpus[key]);
	}

	data(): TallyData {
		return {
			problems: sorted(this.problems),
			counts: { ...this.counts },
			virtualMs: this.virtualMs,
			checked: record(this.checked, ({ checked, skipped }) => ({ checked, skipped: record(skipped, (n) => n) })),
			faults: record(this.faults, ({ planned, fired, windows }) => ({ planned, fired, windows: sorted(windows) })),
			programs: record(this.programs, ({ runs, writes, crashedAt }) => ({
				...{ runs, writes },
				crashedAt: [...crashedAt].sort((a, b) => a - b),
			})),
			generated: record(this.generated, (n) => n),
			avoided: record(this.avoided, (entry) => ({ ...entry })),
			findings: record(this.findings, ({ property, kind, runs, programs, least, kept, disputed }) => ({
				...{ property, kind, runs, programs: record(programs, (n) => n) },
				...(least === undefined ? {} : { least }),
				...(kept === undefined ? {} : { kept }),
				...(disputed === undefined || disputed === false ? {} : { disputed }),
			})),
			searches: record(this.searches, (result) => result),
			fixed: sorted(this.fixed),
			corpus: {
				failing: sorted(this.corpus.failing),
				passing: sorted(this.corpus.passing),
				untried: sorted(this.corpus.untried),
			},
		};
	}
}

/** The tally of everything that the parts saw, whatever their order. */
export function mergeTallies(parts: Iterable<TallyData>): TallyData {
	const tally = new Tally();
	for (const part of parts) tally.add(part);
	return tally.data();
}

/** What decides which of two runs is simpler. */
export type Rank = Pick<Shown, "size" | "seed" | "scenario">;

/**
 * Whether a run is simpler than the other: by size, then by seed, one that no seed drew before others; of two that no seed
 * drew the scenario decides, so that it does not matter which was made first.
 */
export function isLesser(a: Rank, b: Rank): boolean {
	if (a.size !== b.size) return a.size < b.size;
	const [seedOfA, seedOfB] = [a.seed ?? 0, b.seed ?? 0];
	if (seedOfA !== seedOfB) return seedOfA < seedOfB;
	return seedOfA === 0 && JSON.stringify(a.scenario) < JSON.stringify(b.scenario);
}

/** The lesser of two runs that show one finding. The last word, between runs that no seed drew, is that of the digest. */
function lesser(a: Shown | undefined, b: Shown | undefined): Shown | undefined {
	if (a === undefined || b === undefined) return a ?? b;
	if (isLesser(a, b)) return a;
	if (isLesser(b, a)) return b;
	const word = ({ digest, listed = "", file = "" }: Shown) => `${digest} ${listed} ${file}`;
	return word(b) < word(a) ? b : a;
}

/** What is disputed in some runs only is none; of two reasons the first in the alphabet stays. */
export function bothDisputed(a: string | false | undefined, b: string | false): string | false {
	if (a === undefined) return b;
	if (a === false || b === false) return false;
	return a < b ? a : b;
}

function addAll<T>(set: Set<T>, items: readonly T[]): void {
	for (const item of items) set.add(item);
}

function addCounts(counts: Map<string, number>, more: Readonly<Record<string, number>>): void {
	for (const [key, n] of Object.entries(more)) counts.set(key, (counts.get(key) ?? 0) + n);
}

function sorted(items: Iterable<string>): string[] {
	return [...items].sort();
}

function record<T, U>(map: ReadonlyMap<string, T>, value: (entry: T) => U): Record<string, U> {
	return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => [key, value(entry)]));
}
