/**
 * The same campaign on two engines: what only the second shows it breaks, what only the first shows it fixes. A finding that one
 * campaign alone came upon is no verdict yet, since rare ones are a matter of luck: its run is made on the other engine too, also
 * with its faults a little earlier and later, since engines write in different places. Only what that does not show is told. The
 * failures kept with the lists of both are tried on both.
 */
import type { Expectation } from "../../../fixtures/expectations/expectations.ts";
import { type CompareReport, type Finding, findingId } from "../../../reports/model.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { Fault } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { type CampaignOptions, type CampaignResult, campaign } from "../campaign/campaign.ts";
import type { Commands } from "../campaign/result.ts";
import { type Explorer, idOf } from "../explorer.ts";
import type { ExplorerSpec } from "../spec.ts";

/** One of the two. Both must draw alike: the same programs, features and shapes. */
export interface Side {
	readonly explorer: Explorer;
	readonly spec: ExplorerSpec;
	readonly commands: Partial<Commands>;
	/** What it is known to get wrong, each with a run that shows it. */
	readonly known: readonly Expectation<Scenario>[];
}

export interface CompareOptions extends Pick<CampaignOptions, "from" | "runs" | "forMs" | "signal"> {
	readonly workers: number;
	readonly onProgress?: (done: number, engine: string) => void;
}

export interface Comparison
	extends Pick<CompareReport, "verdict" | "problems" | "interrupted" | "counts" | "findings" | "fixes" | "both"> {
	/** Durable writes of a run, on average. */
	readonly writesARun: { readonly before: number; readonly after: number };
}

export async function compareEngines(before: Side, after: Side, options: CompareOptions): Promise<Comparison> {
	const results: CampaignResult[] = [];
	for (const [{ explorer, spec, commands, known }, other] of [[before, after] as const, [after, before] as const]) {
		// Of a failure that both know, each has a run of its own.
		const expectations = joinLists(known, other.known).filter(({ scenario }) => canRun(explorer, scenario));
		const done = results.reduce((sum, { counts }) => sum + counts.runs, 0);
		results.push(
			await campaign(explorer, {
				...commands,
				...{ from: options.from, runs: options.runs, expectations },
				...(options.forMs === undefined ? {} : { forMs: options.forMs }),
				...(options.signal === undefined ? {} : { signal: options.signal }),
				workers: { count: options.workers, spec },
				onProgress: (runs) => options.onProgress?.(done + runs, explorer.target.engine.name),
			}),
		);
	}
	const [a, b] = results as [CampaignResult, CampaignResult];
	const [shownByA, shownByB] = [shownIn(a), shownIn(b)];
	const problems = [...a.problems, ...b.problems];
	const alone = async (finding: Finding, from: CampaignResult, other: Explorer) => {
		try {
			return !(await shows(other, from.scenarios.get(finding.id), finding.id));
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			problems.push(`${finding.id}, tried on ${other.target.engine.name}: ${error.message}`);
			return false;
		}
	};
	const breaks: Finding[] = [];
	const fixes: Finding[] = [];
	for (const [id, finding] of shownByB) {
		if (!shownByA.has(id) && (await alone(finding, b, before.explorer))) breaks.push(asBroken(finding));
	}
	for (const [id, finding] of shownByA) {
		if (!shownByB.has(id) && (await alone(finding, a, after.explorer))) fixes.push(finding);
	}
	const told = new Set([...breaks, ...fixes].map(({ id }) => id));
	return {
		...{ verdict: verdictOf(breaks, problems), problems, fixes },
		interrupted: a.interrupted || b.interrupted,
		counts: { runs: b.counts.runs, runsBefore: a.counts.runs },
		findings: breaks,
		both: [...new Set([...shownByA.keys(), ...shownByB.keys()])].filter((id) => !told.has(id)).sort(),
		writesARun: { before: writesARun(a), after: writesARun(b) },
	};
}

/** What is new with the second engine has no entry there, whatever list its run is kept with. */
export function asBroken(finding: Finding): Finding {
	return { ...finding, verdict: finding.disputed === undefined ? "fail" : "disputed" };
}

export function verdictOf(
	breaks: readonly Finding[],
	problems: readonly string[],
): "invalid" | "fail" | "disputed" | "pass" {
	if (problems.length > 0) return "invalid";
	if (breaks.some(({ verdict }) => verdict === "fail")) return "fail";
	return breaks.length > 0 ? "disputed" : "pass";
}

/** Findings of a campaign, by id; what is listed and did not show is none. */
function shownIn({ findings }: CampaignResult): Map<string, Finding> {
	return new Map(findings.filter(({ verdict }) => verdict !== "fixed").map((finding) => [finding.id, finding]));
}

/** By how much the faults of a run are moved: what one engine writes first another writes a few writes later. */
const SHIFTS = [0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, -6, 6];

/** Whether the run of a finding shows it on this engine, as it is or with its faults a little earlier or later. @throws HarnessError */
async function shows(explorer: Explorer, scenario: Scenario | undefined, id: string): Promise<boolean> {
	const program = scenario === undefined ? undefined : explorer.programOf(scenario);
	if (scenario === undefined || program === undefined) return false;
	const shifts = scenario.faults.length === 0 ? [0] : SHIFTS;
	for (const by of shifts) {
		const moved = { ...scenario, faults: scenario.faults.map((fault) => shifted(fault, by)) };
		const { violations } = await inMacrotask(() => explorer.judge(moved, program));
		if (violations.some((shown) => idOf(shown) === id)) return true;
	}
	return false;
}

const COORDINATES: ReadonlySet<string> = new Set(["write", "event", "operation"]);

function shifted(fault: Fault, by: number): Fault {
	const fields = Object.entries(fault).map(([name, value]) => [
		name,
		COORDINATES.has(name) ? Math.max(1, Number(value) + by) : value,
	]);
	return Object.fromEntries(fields) as Fault;
}

function canRun(explorer: Explorer, scenario: Scenario): boolean {
	const needs = explorer.programOf(scenario)?.needs;
	return needs === undefined || needs.every((need) => explorer.target.engine.features.has(need));
}

function writesARun({ counts }: CampaignResult): number {
	return Number((counts.durableWrites / Math.max(1, counts.runs)).toFixed(2));
}

/** Lists joined, each failure once: the first that has it gives its run. */
function joinLists(...lists: readonly (readonly Expectation<Scenario>[])[]): Expectation<Scenario>[] {
	const entries = new Map<string, Expectation<Scenario>>();
	for (const entry of lists.flat()) if (!entries.has(findingId(entry))) entries.set(findingId(entry), entry);
	return [...entries.values()];
}
