/** From a tally to what is reported: findings with their verdicts, a result for each property, coverage, and the verdict of it all. */
import type { Expectation } from "../../../fixtures/expectations/expectations.ts";
import { GENERATED } from "../../../fixtures/generators/interpret.ts";
import { shapeOf } from "../../../fixtures/generators/shapes.ts";
import {
	type AvoidedResult,
	type Example,
	type FaultResult,
	type Finding,
	findingId,
	type GeneratedResult,
	type ProgramResult,
	type PropertyResult,
	type SearchResult,
	type Verdict,
} from "../../../reports/model.ts";
import { IN_PROCESSES, PROPERTIES, SUITES } from "../../../suites/index.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { generatedResult } from "./reached.ts";
import { type Counts, type FoundData, isLesser, type Shown, type TallyData } from "./tally.ts";

/** @typeParam S what its scenarios are: those of an engine, an actor, a runner. */
export interface CampaignResult<S extends SubjectScenario = Scenario> {
	readonly verdict: Verdict;
	readonly problems: readonly string[];
	readonly interrupted: boolean;
	readonly findings: readonly Finding[];
	/** The simplest scenario that showed each finding, by finding id. */
	readonly scenarios: ReadonlyMap<string, S>;
	readonly properties: readonly PropertyResult[];
	readonly faults: readonly FaultResult[];
	readonly programs: readonly ProgramResult[];
	readonly generated?: GeneratedResult;
	readonly avoided?: readonly AvoidedResult[];
	readonly searches: readonly SearchResult[];
	readonly counts: Readonly<Counts>;
	readonly virtualMs: number;
	/** What all of this was made from. */
	readonly tally: TallyData;
}

/** A listed failure, as far as a verdict needs it. */
export type Listed = Omit<Expectation, "scenario">;

/** The commands that show a run again. */
export interface Commands {
	/** @param avoided shapes that were taken out of what the seed drew; absent where nothing is avoided. */
	commandFor(seed: number, avoided?: readonly string[]): string;
	/** For the run kept with a known failure. */
	commandForKnown(id: string): string;
	/** For the run kept in a file. */
	commandForFile(file: string): string;
	/** For a run that a search made. */
	commandForScenario(scenario: SubjectScenario): string;
}

/** Ids of what an earlier report had: what failed, as new or as listed, and what was listed and failed no longer. */
export interface KnownBefore {
	readonly failing: ReadonlySet<string>;
	readonly fixed: ReadonlySet<string>;
}

export interface Judging extends Commands {
	/** What the target is known to get wrong. */
	readonly expectations: readonly Listed[];
	/** What an earlier report has; absent when there is none to be held against. */
	readonly baseline?: KnownBefore;
	/** What could be judged by; the properties of engines when absent. */
	readonly properties?: readonly JudgedProperty[];
	/** The file of the corpus that holds a new finding of that id; absent without a corpus. */
	readonly corpusFile?: (id: string) => string;
}

/** @typeParam S as of the campaign that made the tally. */
export function resultOf<S extends SubjectScenario = Scenario>(
	tally: TallyData,
	judging: Judging,
	interrupted: boolean,
): CampaignResult<S> {
	const expected = expectedOf(tally, judging.expectations);
	const examples = new Map<string, Shown>();
	const findings: Finding[] = tally.fixed.flatMap((id) => {
		const entry = expected.get(id);
		if (entry === undefined) return [];
		const { property, kind, reason, affects } = entry;
		return [
			{
				...{ id, property, kind, verdict: "fixed", runs: 0, programs: [], reason },
				...(affects === undefined ? {} : { affects }),
			},
		];
	});
	for (const [id, found] of Object.entries(tally.findings)) {
		const entry = expected.get(id);
		const shown = exampleOf(found, entry === undefined);
		if (shown !== undefined) examples.set(id, shown);
		const disputed = entry?.disputed ?? found.disputed;
		const isKnown = isKnownBefore(id, expected, judging.baseline);
		const verdict = disputed !== undefined ? "disputed" : isKnown ? "known" : "fail";
		findings.push({
			...{ id, property: found.property, kind: found.kind, verdict },
			runs: found.runs,
			programs: Object.entries(found.programs)
				.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
				.map(([name, runs]) => ({ name, runs })),
			...(shown === undefined ? {} : { example: asExample(shown, commandOf(id, shown, found, entry, judging)) }),
			...(entry === undefined ? {} : { reason: entry.reason }),
			...(entry?.link === undefined ? {} : { link: entry.link }),
			...(disputed === undefined ? {} : { disputed }),
			...(entry?.affects === undefined ? {} : { affects: entry.affects }),
			...beforeOf(id, judging.baseline),
		});
	}
	findings.sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || (a.id < b.id ? -1 : 1));
	const problems = problemsOf(tally, interrupted);
	const judged = judging.baseline === undefined ? findings : findings.filter(({ verdict }) => verdict !== "fixed");
	return {
		verdict: problems.length > 0 ? "invalid" : worst(judged.map(({ verdict }) => verdict)),
		...{ problems, interrupted, findings },
		scenarios: new Map([...examples].map(([id, { scenario }]) => [id, scenario as S])),
		properties: propertyResults(tally, judged, judging.properties ?? ofEngines(tally)),
		faults: Object.entries(tally.faults).map(([kind, entry]) => ({ kind, ...entry, windows: entry.windows.length })),
		programs: Object.entries(tally.programs).map(([name, { runs, writes, crashedAt }]) => ({
			...{ name, runs },
			...(name === GENERATED ? {} : { writes, crashedAt: crashedAt.length }),
		})),
		...generatedOf(tally),
		...avoidedOf(tally, judging.expectations),
		searches: Object.values(tally.searches),
		counts: tally.counts,
		virtualMs: tally.virtualMs,
		tally,
	};
}

/**
 * Whether a finding is no news: the baseline has it, or it is listed. What is listed, was fixed when the baseline was made, and
 * is back, is news.
 */
export function isKnownBefore(
	id: string,
	listed: { has(id: string): boolean },
	baseline: KnownBefore | undefined,
): boolean {
	if (baseline?.failing.has(id) === true) return true;
	return listed.has(id) && baseline?.fixed.has(id) !== true;
}

function beforeOf(id: string, baseline: KnownBefore | undefined): Pick<Finding, "inBaseline"> {
	if (baseline?.failing.has(id) === true) return { inBaseline: "failing" };
	return baseline?.fixed.has(id) === true ? { inBaseline: "fixed" } : {};
}

function generatedOf({ programs, generated }: TallyData): { generated?: GeneratedResult } {
	const runs = programs[GENERATED]?.runs ?? 0;
	return runs === 0 ? {} : { generated: generatedResult(runs, generated) };
}

/** What was avoided, and because of which entries: of those that poison a shape, whether they were judged by or not. */
function avoidedOf({ avoided }: TallyData, expectations: readonly Listed[]): { avoided?: readonly AvoidedResult[] } {
	const shapes = Object.entries(avoided).map(([shape, counts]) => ({
		...{ shape, meaning: shapeOf(shape)?.meaning ?? "" },
		entries: expectations.filter(({ avoids }) => avoids?.includes(shape)).map(findingId),
		...counts,
	}));
	return shapes.length === 0 ? {} : { avoided: shapes };
}

/** The listed failures of properties that were judged by, by id. */
export function expectedOf<T extends Listed>(tally: Pick<TallyData, "checked">, list: readonly T[]): Map<string, T> {
	const judged = list.filter(({ property }) => tally.checked[property] !== undefined);
	return new Map(judged.map((entry) => [findingId(entry), entry]));
}

/** Worst first. */
const ORDER: readonly Verdict[] = ["fail", "fixed", "known", "disputed", "pass"];
/** Fewer than so many planned faults of a kind prove nothing by not striking. */
const ENOUGH_PLANNED = 50;
/** So many seeds draw every kind that they may draw. */
const ENOUGH_RUNS = 2_000;

function worst(verdicts: readonly Verdict[]): Verdict {
	return ORDER.find((verdict) => verdicts.includes(verdict)) ?? "pass";
}

function problemsOf({ problems, counts, faults, searches }: TallyData, interrupted: boolean): string[] {
	const all = [...problems];
	if (counts.runs === 0 && all.length === 0 && !interrupted) all.push("nothing was run");
	const searched = Object.values(searches);
	const isThorough =
		searched.length > 0 ? searched.every(({ exhausted }) => exhausted) : counts.runs >= ENOUGH_RUNS && !interrupted;
	for (const [kind, { planned, fired }] of Object.entries(faults)) {
		if (fired > 0) continue;
		if (planned >= ENOUGH_PLANNED) all.push(`${planned} ${kind} faults were planned and none struck`);
		else if (isThorough) all.push(`${kind} faults were to be tried, and none found a place to strike`);
	}
	return all;
}

/** A seed speaks for itself where one was found; a new failure that a corpus keeps is shown by whichever run is simpler. */
function exampleOf({ least, kept }: FoundData, isNew: boolean): Shown | undefined {
	if (least === undefined || kept === undefined) return least ?? kept;
	return isNew && kept.file !== undefined && !isLesser(least, kept) ? kept : least;
}

function commandOf(id: string, shown: Shown, { kept }: FoundData, entry: Listed | undefined, judging: Judging): string {
	const file = judging.corpusFile?.(id);
	// The corpus holds the simplest run by the time this is read, wherever that one came from.
	if (entry === undefined && file !== undefined && kept?.file === file) return judging.commandForFile(file);
	if (shown.file !== undefined) return judging.commandForFile(shown.file);
	if (shown.listed !== undefined) return judging.commandForKnown(shown.listed);
	return shown.seed === undefined
		? judging.commandForScenario(shown.scenario)
		: judging.commandFor(shown.seed, shown.avoided);
}

function asExample({ seed, program, conditions, message, digest }: Shown, command: string): Example {
	return { ...(seed === undefined ? {} : { seed }), program, conditions, message, digest, command };
}

/** A property as a report lists it. */
export type JudgedProperty = Pick<PropertyResult, "id" | "suite" | "claim" | "source">;

function ofEngines({ checked }: TallyData): JudgedProperty[] {
	const suiteOf = new Map([...SUITES].flatMap(([suite, properties]) => properties.map(({ id }) => [id, suite])));
	const besides = IN_PROCESSES.filter(({ id }) => checked[id] !== undefined);
	return [...besides, ...PROPERTIES].map(({ id, claim, source }) => ({
		...{ id, claim, source },
		suite: suiteOf.get(id) ?? "driver",
	}));
}

function propertyResults(
	{ checked, counts }: TallyData,
	findings: readonly Finding[],
	properties: readonly JudgedProperty[],
): PropertyResult[] {
	return properties.map(({ id, suite, claim, source }) => {
		const entry = checked[id] ?? { checked: 0, skipped: { "not selected": counts.runs } };
		const verdicts = findings.filter(({ property }) => property === id).map(({ verdict }) => verdict);
		return {
			...{ id, suite, claim, source },
			verdict: verdicts.length > 0 ? worst(verdicts) : entry.checked === 0 ? "skip" : "pass",
			checked: entry.checked,
			skipped: Object.entries(entry.skipped).map(([reason, runs]) => ({ reason, runs })),
		};
	});
}
