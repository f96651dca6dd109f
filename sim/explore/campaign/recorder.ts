/**
 * Has an explorer judge runs and records what they show in a tally. What gathered since the last time can be taken off as plain
 * data, so that one recorder a thread sends what it saw block by block.
 */

import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Expectation } from "../../../fixtures/expectations/expectations.ts";
import { describeChange } from "../../../fixtures/generators/evolve.ts";
import { isStatementShape, shapeOf, shapesIn } from "../../../fixtures/generators/shapes.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import { findingId, type SearchResult } from "../../../reports/model.ts";
import { skipped } from "../../../suites/property.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { describeFault, type Fault } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import type { History, WorldEvents } from "../../world/history.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { Schedule } from "../../world/schedule.ts";
import { describeDifference, firstDifference } from "../blame.ts";
import { referenceScenario } from "../draw.ts";
import type { Explorer, Judgement } from "../explorer.ts";
import type { DriverExplorer } from "../on-driver.ts";
import { uninterrupted } from "../plan.ts";
import { CrashSearch } from "../search/crashes.ts";
import { ScheduleSearch } from "../search/schedules.ts";
import { Gatherer, type Source } from "./gather.ts";
import type { KeptFailure, Lab, Search } from "./lab.ts";
import { reachable, reachedIn } from "./reached.ts";
import { RERUN_EVERY } from "./shard.ts";
import { Tally, type TallyData } from "./tally.ts";
import type { SearchUnit } from "./work.ts";

export class Recorder implements Lab<Scenario> {
	readonly #explorer: Explorer;
	#tally: Tally;
	readonly #gatherer = new Gatherer();

	constructor(explorer: Explorer) {
		this.#explorer = explorer;
		this.#tally = this.#begin();
	}

	/** Whether something went wrong since the last taking off, so that going on is in vain. */
	get failed(): boolean {
		return this.#tally.problems.size > 0;
	}

	/** What was recorded since the last time. */
	takeOff(): TallyData {
		const data = this.#tally.data();
		this.#tally = this.#begin();
		return data;
	}

	take(seed: number): void {
		const { scenario, program, avoided } = this.#explorer.draw(seed);
		for (const name of avoided) this.#tally.shape(name).avoided++;
		this.takeScenario(scenario, program, seed, avoided);
	}

	/** As `take`, on the real driver under test; undefined without one. */
	get takeAwaiting(): ((seed: number) => Promise<void>) | undefined {
		const { onDriver } = this.#explorer;
		return onDriver === undefined ? undefined : (seed) => this.#takeOn(onDriver, seed);
	}

	async #takeOn(driver: DriverExplorer, seed: number): Promise<void> {
		const { scenario, program, avoided } = await inMacrotask(() => this.#explorer.draw(seed));
		for (const name of avoided) this.#tally.shape(name).avoided++;
		await this.takeScenarioOn(driver, scenario, program, seed, avoided);
	}

	/** As `takeScenario`, on the real driver under test; each such run is compared with the same one on the world's own disk. */
	async takeScenarioOn(
		driver: DriverExplorer,
		drawn: Scenario,
		program: Program,
		seed: number | undefined,
		avoided?: readonly string[],
	): Promise<Judgement | undefined> {
		const scenario = driver.fitted(drawn);
		try {
			const judgement = await driver.judge(scenario, program);
			this.#tally.counts.rerun++;
			this.#take(judgement, program, seed, avoided);
			return judgement;
		} catch (error) {
			this.#failed(scenario, program, error);
			return undefined;
		}
	}

	/** @returns how it was judged; undefined when the run left its world, which is then a problem of the campaign. */
	takeScenario(
		scenario: Scenario,
		program: Program,
		seed: number | undefined,
		avoided?: readonly string[],
	): Judgement | undefined {
		const judgement = this.#judge(scenario, program);
		if (judgement === undefined) return undefined;
		if (seed === undefined || seed % RERUN_EVERY === 0) this.#rerun(judgement, program);
		this.#take(judgement, program, seed, avoided);
		return judgement;
	}

	#take(
		judgement: Judgement,
		program: Program,
		seed: number | undefined,
		avoided: readonly string[] | undefined,
	): void {
		this.#count(judgement, program);
		// Where nothing is avoided a seed says it all.
		const taken = this.#explorer.avoided.length === 0 || avoided === undefined ? {} : { avoided };
		this.#gather(judgement, program, seed === undefined ? {} : { seed, ...taken });
	}

	/** Records a run of a seed that was made elsewhere. */
	recordSeed(judgement: Judgement, seed: number): void {
		this.#take(judgement, judgement.run.program, seed, undefined);
	}

	/** Records a run that a search made. */
	record(judgement: Judgement): void {
		this.#count(judgement, judgement.run.program);
		this.#gather(judgement, judgement.run.program, {});
	}

	/** Records how far a search has come. */
	searched(result: SearchResult): void {
		this.#tally.search(result);
	}

	problem(text: string): void {
		this.#tally.problems.add(text);
	}

	get explorer(): Explorer {
		return this.#explorer;
	}

	get isEmpty(): boolean {
		return this.#explorer.programs.length === 0 && !this.#explorer.generates;
	}

	get programs(): readonly string[] {
		return this.#explorer.programs.map(({ name }) => name);
	}

	hosts(): boolean {
		return true;
	}

	readonly describeKey = (table: string, key: string): string => this.#explorer.describeKey(table, key);

	remake(seed: number): { readonly scenario: Scenario; readonly history: History } {
		const { scenario, program } = this.#explorer.draw(seed);
		return { scenario, history: this.#explorer.judge(scenario, program).run.history };
	}

	searchOf({ search, program: name, mode }: SearchUnit): Search {
		const explorer = this.#explorer;
		if (search.kind === "crashes" && search.seed !== undefined) {
			const { scenario, program } = explorer.draw(search.seed);
			return this.#crashSearchOf(search, program, uninterrupted(scenario));
		}
		const program = explorer.programs.find((candidate) => candidate.name === name);
		if (program === undefined) throw new Error(`The program ${name} is not among those of the explorer.`);
		const hosting = mode as HostingMode;
		if (search.kind === "schedules") {
			const departures = search.depth ?? Number.POSITIVE_INFINITY;
			return new ScheduleSearch(explorer, program, hosting, departures, (judgement) => this.record(judgement));
		}
		return this.#crashSearchOf(search, program, referenceScenario(program, hosting));
	}

	#crashSearchOf(
		{ depth, kinds }: Extract<SearchUnit["search"], { kind: "crashes" }>,
		program: Program,
		base: Scenario,
	): CrashSearch {
		return new CrashSearch(this.#explorer, program, base.hosting.mode, {
			depth,
			kinds: new Set(kinds),
			base,
			onJudged: (judgement) => this.record(judgement),
			onProblem: (text) => this.problem(text),
		});
	}

	/** Runs what is kept with a known failure: one that shows it no longer is fixed. Such runs are not counted. */
	confirm({ property, kind, scenario }: Expectation<Scenario>): void {
		const program = this.#explorer.programOf(scenario);
		if (program === undefined) return;
		const id = findingId({ property, kind });
		const judgement = this.#judge(scenario, program);
		if (judgement !== undefined && !this.#gather(judgement, program, { listed: id }, id).has(id))
			this.#tally.fixed.add(id);
	}

	/** Runs what a file of the corpus keeps. Such runs are not counted. */
	tryKept(file: string, { property, kind, scenario }: KeptFailure<Scenario>): void {
		const program = this.#explorer.programOf(scenario);
		if (program === undefined || !this.#explorer.properties.some(({ id }) => id === property)) {
			this.#tally.corpus.untried.add(file);
			return;
		}
		const judgement = this.#judge(scenario, program);
		if (judgement === undefined) return;
		const id = findingId({ property, kind });
		const fails = this.#gather(judgement, program, { file }, id).has(id);
		this.#tally.corpus[fails ? "failing" : "passing"].add(file);
	}

	#begin(): Tally {
		const tally = new Tally();
		for (const { id } of this.#explorer.properties) tally.property(id);
		for (const kind of this.#explorer.faults) tally.fault(kind);
		for (const name of this.#explorer.avoided) tally.shape(name);
		if (this.#explorer.generates) for (const what of reachable(this.#explorer.kinds)) tally.generated.set(what, 0);
		return tally;
	}

	#judge(scenario: Scenario, program: Program): Judgement | undefined {
		try {
			return this.#explorer.judge(scenario, program);
		} catch (error) {
			this.#failed(scenario, program, error);
			return undefined;
		}
	}

	/** A run that left its world is a problem of the campaign. */
	#failed(scenario: Scenario, program: Program, error: unknown): void {
		if (!(error instanceof HarnessError)) throw error;
		this.#tally.problems.add(`seed ${scenario.seed}, program ${program.name}: ${error.message}`);
	}

	#rerun(judgement: Judgement, program: Program): void {
		this.#tally.counts.rerun++;
		const again = this.#judge(judgement.run.scenario, program);
		if (again === undefined) return;
		const difference = firstDifference(judgement.run.history, again.run.history);
		if (difference !== undefined) {
			const lines = describeDifference(difference, ["first", "again"], this.#explorer.describeKey);
			this.#tally.problems.add(`seed ${judgement.run.scenario.seed} is not deterministic: ${lines.join("\n")}`);
		}
	}

	#count({ run, unfired }: Judgement, program: Program): void {
		const tally = this.#tally;
		const { counts } = tally;
		counts.runs++;
		counts.events += run.events;
		counts.durableWrites += run.writes;
		counts.processes += run.of("process.start").length;
		counts.crashes += run.of("process.crash").length;
		counts.evictions += run.of("run.evicted").length;
		if (run.fired.size > 0) counts.interruptedRuns++;
		tally.virtualMs += run.endMs;
		for (const property of this.#explorer.properties) {
			const entry = tally.property(property.id);
			const reason = skipped(property, program, run.scenario.faults);
			if (reason === undefined) entry.checked++;
			else entry.skipped.set(reason, (entry.skipped.get(reason) ?? 0) + 1);
		}
		const programEntry = tally.program(program.name);
		programEntry.runs++;
		// Each generated program is another: there are no writes that all of them have.
		if (program.statements === undefined) {
			const { writes } = this.#explorer.reference(program, run.scenario.hosting.mode);
			programEntry.writes = Math.max(programEntry.writes, writes);
		} else {
			for (const what of reachedIn(run)) tally.generated.set(what, (tally.generated.get(what) ?? 0) + 1);
		}
		this.#countShapes(run.scenario);
		run.scenario.faults.forEach((fault, i) => {
			const entry = tally.fault(fault.kind);
			entry.planned++;
			if (unfired.includes(i)) return;
			entry.fired++;
			if ("write" in fault && program.statements === undefined) programEntry.crashedAt.add(fault.write);
		});
		for (const { data } of run.of("fault")) {
			const { index, window } = data as WorldEvents["fault"];
			const fault = run.scenario.faults[index] as Fault;
			tally.fault(fault.kind).windows.add(`${program.name} ${window} ${describeFault(fault)}`);
		}
	}

	/** Which of the shapes that seeds avoid this run had. */
	#countShapes(scenario: Scenario): void {
		const names = this.#explorer.avoided;
		if (names.length === 0) return;
		const inStatements = shapesIn(scenario.statements ?? [], names);
		for (const name of names) {
			const shape = shapeOf(name);
			if (shape === undefined) continue;
			if (isStatementShape(shape) ? inStatements.has(name) : shape.is(scenario)) this.#tally.shape(name).ran++;
		}
	}

	#gather({ run, violations }: Judgement, program: Program, source: Source, own?: string): Set<string> {
		const conditions = () => conditionsOf(run.scenario, run.fired);
		return this.#gatherer.gather(this.#tally, { run, violations, program: program.name, conditions }, source, own);
	}
}

/** What was done to a run, a line each: how it was hosted, how slow its storage was, and the faults that struck. */
export function conditionsOf(scenario: Scenario, fired: ReadonlySet<number>): string[] {
	const { hosting, latency, faults, schedule, change, startedWith } = scenario;
	const wakes =
		hosting.mode === "yield"
			? `, ${hosting.coldWake ? "a new process for each wake" : "one process for all wakes"}`
			: "";
	const lines = [`${hosting.mode} hosting${wakes}`];
	if (latency.maxMs > 0) lines.push(`storage takes ${latency.minMs} to ${latency.maxMs + latency.answerMaxMs} ms`);
	if (startedWith !== undefined) lines.push(`started with a value: ${startedWith}`);
	if (change !== undefined) lines.push(`from the second process on ${describeChange(change)}`);
	if (schedule !== undefined) lines.push(describeSchedule(schedule));
	faults.forEach((fault, i) => {
		if (fired.has(i)) lines.push(describeFault(fault));
	});
	return lines;
}

function describeSchedule(schedule: Schedule): string {
	return schedule.kind === "priorities"
		? `priorities change at event ${schedule.changes.join(", ")}`
		: `order of choice ${schedule.choices.join(",") || "0"}`;
}
