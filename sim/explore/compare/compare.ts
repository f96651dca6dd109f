/**
 * The same campaign on two engines: what only the second shows it breaks, what only the first shows it fixes. A finding that one
 * campaign alone came upon is no verdict yet, since rare ones are a matter of luck: its run is made on the other engine too, and
 * only what that does not show is told. The failures kept with the lists of both are tried on both.
 */
import type { Expectation } from "../../../fixtures/expectations/expectations.ts";
import { type CompareReport, type Finding, findingId } from "../../../reports/model.ts";
import type { Scenario } from "../../../suites/scenario.ts";
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
}

export interface CompareOptions extends Pick<CampaignOptions, "from" | "runs" | "forMs" | "signal"> {
	readonly workers: number;
	/** Known failures, of either engine, whose runs are tried on both. */
	readonly known: readonly Expectation<Scenario>[];
	readonly onProgress?: (done: number, engine: string) => void;
}

export interface Comparison
	extends Pick<CompareReport, "verdict" | "problems" | "interrupted" | "counts" | "findings" | "fixes" | "both"> {
	/** Durable writes of a run, on average. */
	readonly writesARun: { readonly before: number; readonly after: number };
}

export async function compareEngines(before: Side, after: Side, options: CompareOptions): Promise<Comparison> {
	const known = options.known.filter(({ scenario }) => canRun(before.explorer, scenario));
	const results: CampaignResult[] = [];
	for (const { explorer, spec, commands } of [before, after]) {
		const done = results.reduce((sum, { counts }) => sum + counts.runs, 0);
		results.push(
			await campaign(explorer, {
				...commands,
				...{ from: options.from, runs: options.runs, expectations: known },
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

/** Whether the run of a finding shows it on this engine. @throws HarnessError */
async function shows(explorer: Explorer, scenario: Scenario | undefined, id: string): Promise<boolean> {
	const program = scenario === undefined ? undefined : explorer.programOf(scenario);
	if (scenario === undefined || program === undefined) return false;
	const { violations } = await inMacrotask(() => explorer.judge(scenario, program));
	return violations.some((shown) => idOf(shown) === id);
}

function canRun(explorer: Explorer, scenario: Scenario): boolean {
	const needs = explorer.programOf(scenario)?.needs;
	return needs === undefined || needs.every((need) => explorer.target.engine.features.has(need));
}

function writesARun({ counts }: CampaignResult): number {
	return Number((counts.durableWrites / Math.max(1, counts.runs)).toFixed(2));
}

/** The lists of both, each failure once. */
export function joinLists(...lists: readonly (readonly Expectation<Scenario>[])[]): Expectation<Scenario>[] {
	const entries = new Map<string, Expectation<Scenario>>();
	for (const entry of lists.flat()) if (!entries.has(findingId(entry))) entries.set(findingId(entry), entry);
	return [...entries.values()];
}
