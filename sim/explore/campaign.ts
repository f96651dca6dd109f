/**
 * A campaign: many seeds against one target. It gathers findings as they come, by property and kind; confirms what is listed as
 * known; proves that planned faults struck; and runs a sample twice to see that equal seeds make equal histories.
 */
import type { Expectation } from "../../fixtures/expectations/expectations.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import type { Example, FaultResult, Finding, ProgramResult, PropertyResult, Verdict } from "../../reports/model.ts";
import { PROPERTIES, SUITES } from "../../suites/index.ts";
import type { Scenario } from "../../suites/scenario.ts";
import { getOrInsert } from "../world/collections.ts";
import { describeFault, type Fault } from "../world/faults.ts";
import { HarnessError } from "../world/harness-error.ts";
import type { WorldEvents } from "../world/history.ts";
import { inMacrotask } from "../world/interpose.ts";
import { describeDifference, firstDifference } from "./blame.ts";
import type { Doublecheck } from "./doublecheck.ts";
import type { Explorer, Judgement } from "./explorer.ts";

export interface CampaignOptions {
	/** The first seed. */
	readonly from: number;
	/** How many seeds; `Infinity` when only time ends it. */
	readonly runs: number;
	/** Real milliseconds after which no further seed is begun. */
	readonly forMs?: number;
	/** What the target is known to get wrong. */
	readonly expectations: readonly Expectation<Scenario>[];
	readonly signal?: AbortSignal;
	/** Makes the sample of runs that is made twice once more, in another process. */
	readonly doublecheck?: Doublecheck;
	readonly onProgress?: (done: number, findings: number) => void;
	/** The command that shows a seed's run again. */
	readonly commandFor: (seed: number) => string;
	/** The command that shows the run kept with a known failure. */
	readonly commandForKnown: (id: string) => string;
}

export interface CampaignResult {
	readonly verdict: Verdict;
	readonly problems: readonly string[];
	readonly interrupted: boolean;
	readonly findings: readonly Finding[];
	/** The simplest scenario that showed each finding, by finding id. */
	readonly scenarios: ReadonlyMap<string, Scenario>;
	readonly properties: readonly PropertyResult[];
	readonly faults: readonly FaultResult[];
	readonly programs: readonly ProgramResult[];
	readonly counts: {
		runs: number;
		interruptedRuns: number;
		crashes: number;
		evictions: number;
		processes: number;
		events: number;
		durableWrites: number;
		rerun: number;
		doublechecked?: number;
	};
	readonly virtualMs: number;
}

/** Every so many seeds one is run twice. */
const RERUN_EVERY = 97;
/** Real milliseconds of running between two looks at signals and progress. */
const SLICE_MS = 40;

/** Runs seeds until their number, the time or the signal ends it. What was found until then is always returned. */
export async function campaign(explorer: Explorer, options: CampaignOptions): Promise<CampaignResult> {
	const tally = new Tally(explorer, options);
	const endsAt = options.forMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + options.forMs;
	const last = options.from + options.runs;
	let seed = options.from;
	const interrupted = () => options.signal?.aborted === true;

	if (explorer.programs.length === 0) tally.problems.push("no program is left to run");
	else await inMacrotask(() => tally.confirmExpectations());
	while (seed < last && performance.now() < endsAt && !interrupted() && tally.problems.length === 0) {
		await inMacrotask(() => {
			const sliceEnds = Math.min(performance.now() + SLICE_MS, endsAt);
			do {
				tally.take(seed++);
			} while (seed < last && performance.now() < sliceEnds && tally.problems.length === 0);
		});
		options.onProgress?.(seed - options.from, tally.newFindings);
	}
	await tally.doublechecked();
	return tally.result(interrupted());
}

/**
 * Judges one scenario as a campaign would, and makes it twice to compare. What is listed as known reads `known`.
 * @throws HarnessError when the run left its world.
 */
export function judgeOne(
	explorer: Explorer,
	{ scenario, program }: { scenario: Scenario; program: Program },
	command: string,
	expectations: readonly Expectation<Scenario>[],
): { result: CampaignResult; judgement: Judgement } {
	const options: CampaignOptions = {
		from: 1,
		runs: 1,
		expectations,
		commandFor: () => command,
		commandForKnown: () => command,
	};
	const tally = new Tally(explorer, options);
	const judgement = tally.takeScenario(scenario, program, command, undefined);
	if (judgement === undefined) throw new HarnessError("run", tally.problems.join("; "));
	return { result: tally.result(false), judgement };
}

/** What is known of one finding so far. */
interface Gathered {
	readonly property: string;
	readonly kind: string;
	runs: number;
	readonly programs: Map<string, number>;
	/** The simplest run so far; its size decides. */
	best: { size: number; scenario: Scenario; example: Example };
}

class Tally {
	readonly problems: string[] = [];
	readonly #explorer: Explorer;
	readonly #options: CampaignOptions;
	readonly #expected: ReadonlyMap<string, Expectation<Scenario>>;
	readonly #gathered = new Map<string, Gathered>();
	readonly #fixed: Finding[] = [];
	readonly #checked = new Map<string, { checked: number; skipped: Map<string, number> }>();
	readonly #faults = new Map<string, { planned: number; fired: number; windows: Set<string> }>();
	readonly #programs = new Map<string, { runs: number; writes: number; crashedAt: Set<number> }>();
	readonly #counts: CampaignResult["counts"] = {
		runs: 0,
		interruptedRuns: 0,
		crashes: 0,
		evictions: 0,
		processes: 0,
		events: 0,
		durableWrites: 0,
		rerun: 0,
	};
	readonly #doublechecks = new Set<Promise<void>>();
	#virtualMs = 0;
	/** Findings that nobody listed. */
	newFindings = 0;

	constructor(explorer: Explorer, options: CampaignOptions) {
		this.#explorer = explorer;
		this.#options = options;
		const judged = new Set(explorer.properties.map(({ id }) => id));
		this.#expected = new Map(
			options.expectations
				.filter(({ property }) => judged.has(property))
				.map((expectation) => [`${expectation.property}/${expectation.kind}`, expectation]),
		);
		for (const { id } of explorer.properties) this.#checked.set(id, { checked: 0, skipped: new Map() });
	}

	/** Runs what is kept with each known failure: one that shows it no longer is `fixed`. */
	confirmExpectations(): void {
		for (const [id, expectation] of this.#expected) {
			const program = this.#explorer.programs.find(({ name }) => name === expectation.scenario.program);
			if (program === undefined) continue;
			const judgement = this.#judge(expectation.scenario, program);
			if (judgement === undefined) return;
			const command = this.#options.commandForKnown(id);
			if (!this.#gather(judgement, expectation.scenario, program, command, undefined).has(id)) {
				const { property, kind, reason } = expectation;
				this.#fixed.push({ id, property, kind, verdict: "fixed", runs: 0, programs: [], reason });
			}
		}
		// Seeds speak for themselves: what a kept run showed counts once seeds have shown it, or as confirmation.
		for (const gathered of this.#gathered.values()) {
			gathered.runs = 0;
			gathered.programs.clear();
			gathered.best.size = Number.POSITIVE_INFINITY;
		}
	}

	take(seed: number): void {
		const { scenario, program } = this.#explorer.draw(seed);
		this.takeScenario(scenario, program, this.#options.commandFor(seed), seed);
	}

	/** @returns how it was judged; undefined when the run left its world, which is then a problem of the campaign. */
	takeScenario(scenario: Scenario, program: Program, command: string, seed: number | undefined): Judgement | undefined {
		const judgement = this.#judge(scenario, program);
		if (judgement === undefined) return undefined;
		if (seed === undefined || seed % RERUN_EVERY === 0) this.#rerun(judgement, program);
		this.#count(judgement, program);
		this.#gather(judgement, scenario, program, command, seed);
		return judgement;
	}

	result(interrupted: boolean): CampaignResult {
		const findings = [...this.#fixed, ...[...this.#gathered].map(([id, gathered]) => this.#finding(id, gathered))];
		findings.sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || (a.id < b.id ? -1 : 1));
		const problems = [...this.problems];
		if (this.#counts.runs === 0 && problems.length === 0 && !interrupted) problems.push("nothing was run");
		for (const [kind, { planned, fired }] of this.#faults) {
			if (planned >= ENOUGH_PLANNED && fired === 0)
				problems.push(`${planned} ${kind} faults were planned and none struck`);
		}
		return {
			verdict: problems.length > 0 ? "invalid" : worst(findings.map(({ verdict }) => verdict)),
			problems,
			interrupted,
			findings,
			scenarios: new Map([...this.#gathered].map(([id, { best }]) => [id, best.scenario])),
			properties: this.#propertyResults(findings),
			faults: [...this.#faults].map(([kind, { planned, fired, windows }]) => ({
				kind,
				planned,
				fired,
				windows: windows.size,
			})),
			programs: [...this.#programs].map(([name, { runs, writes, crashedAt }]) => ({
				name,
				runs,
				writes,
				crashedAt: crashedAt.size,
			})),
			counts: this.#counts,
			virtualMs: this.#virtualMs,
		};
	}

	#judge(scenario: Scenario, program: Program): Judgement | undefined {
		try {
			return this.#explorer.judge(scenario, program);
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			this.problems.push(`seed ${scenario.seed}, program ${program.name}: ${error.message}`);
			return undefined;
		}
	}

	#rerun(judgement: Judgement, program: Program): void {
		this.#counts.rerun++;
		this.#doublecheck(judgement);
		const again = this.#judge(judgement.run.scenario, program);
		if (again === undefined) return;
		const difference = firstDifference(judgement.run.history, again.run.history);
		if (difference !== undefined) {
			const lines = describeDifference(difference, ["first", "again"], this.#explorer.describeKey);
			this.problems.push(`seed ${judgement.run.scenario.seed} is not deterministic: ${lines.join("\n")}`);
		}
	}

	/** Has the other process make the run too; what it says may come later. */
	#doublecheck({ run }: Judgement): void {
		const checked = this.#options.doublecheck?.compare(run.scenario, run.history).then(
			(difference) => {
				if (difference === undefined) {
					this.#counts.doublechecked = (this.#counts.doublechecked ?? 0) + 1;
					return;
				}
				const lines = describeDifference(difference, ["here", "elsewhere"], this.#explorer.describeKey);
				this.problems.push(`seed ${run.scenario.seed} is another in another process: ${lines.join("\n")}`);
			},
			(error) => void this.problems.push(error instanceof Error ? error.message : String(error)),
		);
		if (checked === undefined) return;
		this.#doublechecks.add(checked);
		void checked.then(() => this.#doublechecks.delete(checked));
	}

	/** Resolves once the other process has said all that it was asked. */
	async doublechecked(): Promise<void> {
		await Promise.all(this.#doublechecks);
	}

	#count({ run, unfired }: Judgement, program: Program): void {
		const counts = this.#counts;
		counts.runs++;
		counts.events += run.events;
		counts.durableWrites += run.writes;
		counts.processes += run.of("process.start").length;
		counts.crashes += run.of("process.crash").length;
		counts.evictions += run.of("run.evicted").length;
		if (run.fired.size > 0) counts.interruptedRuns++;
		this.#virtualMs += run.endMs;
		for (const property of this.#explorer.properties) {
			const entry = this.#checked.get(property.id);
			const reason = property.skips?.(program);
			if (entry === undefined) continue;
			if (reason === undefined) entry.checked++;
			else entry.skipped.set(reason, (entry.skipped.get(reason) ?? 0) + 1);
		}
		const programEntry = getOrInsert(this.#programs, program.name, () => ({
			runs: 0,
			writes: 0,
			crashedAt: new Set<number>(),
		}));
		programEntry.runs++;
		const { writes } = this.#explorer.reference(program, run.scenario.hosting.mode);
		programEntry.writes = Math.max(programEntry.writes, writes);
		run.scenario.faults.forEach((fault, i) => {
			const entry = getOrInsert(this.#faults, fault.kind, () => ({ planned: 0, fired: 0, windows: new Set<string>() }));
			entry.planned++;
			if (unfired.includes(i)) return;
			entry.fired++;
			if ("write" in fault) programEntry.crashedAt.add(fault.write);
		});
		for (const { data } of run.of("fault")) {
			const { index, window } = data as WorldEvents["fault"];
			const fault = run.scenario.faults[index] as Fault;
			this.#faults.get(fault.kind)?.windows.add(`${program.name} ${window} ${describeFault(fault)}`);
		}
	}

	/** @returns the ids of the findings this run showed. */
	#gather(
		{ run, violations }: Judgement,
		scenario: Scenario,
		program: Program,
		command: string,
		seed: number | undefined,
	): Set<string> {
		const shown = new Set<string>();
		for (const { property, violation } of violations) {
			const id = `${property.id}/${violation.kind}`;
			if (shown.has(id)) continue;
			shown.add(id);
			const size = run.fired.size * 1_000_000 + run.history.events.length;
			let gathered = this.#gathered.get(id);
			if (gathered === undefined || size < gathered.best.size) {
				const example: Example = {
					...(seed === undefined ? {} : { seed }),
					program: program.name,
					conditions: conditionsOf(scenario, run.fired),
					message: violation.message,
					digest: run.history.digest(),
					command,
				};
				const best = { size, scenario, example };
				if (gathered === undefined) {
					gathered = { property: property.id, kind: violation.kind, runs: 0, programs: new Map(), best };
					this.#gathered.set(id, gathered);
					if (!this.#expected.has(id)) this.newFindings++;
				} else {
					gathered.best = best;
				}
			}
			gathered.runs++;
			gathered.programs.set(program.name, (gathered.programs.get(program.name) ?? 0) + 1);
		}
		return shown;
	}

	#finding(id: string, { property, kind, runs, programs, best }: Gathered): Finding {
		const expectation = this.#expected.get(id);
		return {
			id,
			property,
			kind,
			verdict: expectation === undefined ? "fail" : "known",
			runs,
			programs: [...programs].sort((a, b) => b[1] - a[1]).map(([name, count]) => ({ name, runs: count })),
			example: best.example,
			...(expectation === undefined ? {} : { reason: expectation.reason }),
			...(expectation?.link === undefined ? {} : { link: expectation.link }),
		};
	}

	#propertyResults(findings: readonly Finding[]): PropertyResult[] {
		const suiteOf = new Map([...SUITES].flatMap(([suite, properties]) => properties.map(({ id }) => [id, suite])));
		return PROPERTIES.map(({ id, claim, source }) => {
			const entry = this.#checked.get(id);
			const skipped = [...(entry?.skipped ?? [["not selected", this.#counts.runs] as const])];
			const checked = entry?.checked ?? 0;
			const verdicts = findings.filter(({ property }) => property === id).map(({ verdict }) => verdict);
			return {
				id,
				suite: suiteOf.get(id) ?? "",
				claim,
				source,
				verdict: verdicts.length > 0 ? worst(verdicts) : checked === 0 ? "skip" : "pass",
				checked,
				skipped: skipped.map(([reason, runs]) => ({ reason, runs })),
			};
		});
	}
}

/** Worst first. */
const ORDER: readonly Verdict[] = ["fail", "fixed", "known", "pass"];
/** Fewer than so many planned faults of a kind prove nothing by not striking. */
const ENOUGH_PLANNED = 50;

function worst(verdicts: readonly Verdict[]): Verdict {
	return ORDER.find((verdict) => verdicts.includes(verdict)) ?? "pass";
}

/** What was done to a run, a line each: how it was hosted, how slow its storage was, and the faults that struck. */
export function conditionsOf(scenario: Scenario, fired: ReadonlySet<number>): string[] {
	const { hosting, latency, faults } = scenario;
	const wakes =
		hosting.mode === "yield"
			? `, ${hosting.coldWake ? "a new process for each wake" : "one process for all wakes"}`
			: "";
	const lines = [`${hosting.mode} hosting${wakes}`];
	if (latency.maxMs > 0) lines.push(`storage takes ${latency.minMs} to ${latency.maxMs + latency.answerMaxMs} ms`);
	faults.forEach((fault, i) => {
		if (fired.has(i)) lines.push(describeFault(fault));
	});
	return lines;
}
