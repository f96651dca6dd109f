/** The lab of a subject: makes its runs, has its properties judge them, and keeps count. */
import type { Expectation } from "../../../fixtures/expectations/expectations.ts";
import { findingId, type SearchResult } from "../../../reports/model.ts";
import type { SubjectProperty, SubjectScenario } from "../../../suites/subject.ts";
import { describeFault, type Fault } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import type { History, WorldEvents } from "../../world/history.ts";
import { describeDifference, firstDifference } from "../blame.ts";
import { Gatherer, type Source } from "../campaign/gather.ts";
import type { KeptFailure, Lab, Search } from "../campaign/lab.ts";
import { RERUN_EVERY } from "../campaign/shard.ts";
import { Tally, type TallyData } from "../campaign/tally.ts";
import type { SearchUnit } from "../campaign/work.ts";
import { SubjectCrashSearch } from "./crashes.ts";
import { conditionsOfRun, judgeScenario, propertiesOf, type SubjectJudgement } from "./judge.ts";
import { type SubjectSpec, subjectFrom } from "./spec.ts";
import type { Subject } from "./subject.ts";

/** @throws UsageError as `subjectFrom`. */
export async function subjectLabFrom(spec: SubjectSpec): Promise<SubjectLab> {
	const subject = await subjectFrom(spec);
	return new SubjectLab(subject, propertiesOf(subject, spec.properties));
}

export class SubjectLab implements Lab {
	readonly subject: Subject;
	readonly properties: readonly SubjectProperty[];
	readonly takeAwaiting = undefined;
	readonly #gatherer = new Gatherer();
	#tally: Tally;

	constructor(subject: Subject, properties: readonly SubjectProperty[]) {
		this.subject = subject;
		this.properties = properties;
		this.#tally = this.#begin();
	}

	get isEmpty(): boolean {
		return this.subject.programs.length === 0;
	}

	get programs(): readonly string[] {
		return this.subject.programs.map(({ name }) => name);
	}

	hosts(program: string, mode: string): boolean {
		return this.#wayOf(program, mode) !== undefined;
	}

	get failed(): boolean {
		return this.#tally.problems.size > 0;
	}

	readonly describeKey = (table: string, key: string): string => this.subject.describeKey(table, key);

	takeOff(): TallyData {
		const data = this.#tally.data();
		this.#tally = this.#begin();
		return data;
	}

	take(seed: number): void {
		this.takeScenario(this.subject.draw(seed), seed);
	}

	/** @returns how it was judged; undefined when the run left its world, which is then a problem of the campaign. */
	takeScenario(scenario: SubjectScenario, seed?: number): SubjectJudgement | undefined {
		const judgement = this.judge(scenario);
		if (judgement === undefined) return undefined;
		if (seed === undefined || seed % RERUN_EVERY === 0) this.#rerun(judgement);
		this.#record(judgement, seed === undefined ? {} : { seed });
		return judgement;
	}

	confirm({ property, kind, scenario }: Expectation<SubjectScenario>): void {
		if (!this.programs.includes(scenario.program)) return;
		const id = findingId({ property, kind });
		const judgement = this.judge(scenario);
		if (judgement !== undefined && !this.#gather(judgement, { listed: id }, id).has(id)) this.#tally.fixed.add(id);
	}

	tryKept(file: string, { property, kind, scenario }: KeptFailure): void {
		if (!this.programs.includes(scenario.program) || !this.properties.some(({ id }) => id === property)) {
			this.#tally.corpus.untried.add(file);
			return;
		}
		const judgement = this.judge(scenario);
		if (judgement === undefined) return;
		const id = findingId({ property, kind });
		this.#tally.corpus[this.#gather(judgement, { file }, id).has(id) ? "failing" : "passing"].add(file);
	}

	searchOf({ search, program, mode }: SearchUnit): Search {
		if (search.kind !== "crashes") throw new Error("Subjects have no search of schedules.");
		const { depth, seed } = search;
		const base = seed === undefined ? this.#wayOf(program, mode) : this.subject.draw(seed);
		if (base === undefined) throw new Error(`${program} is not hosted in way ${mode}.`);
		return new SubjectCrashSearch({
			...{ program: base.program, base: { ...base, faults: [] }, depth },
			mode: this.subject.conditions(base).join("; "),
			describeKey: this.describeKey,
			judge: (scenario) => {
				const judgement = this.judge(scenario);
				if (judgement !== undefined) this.#record(judgement, {});
				return judgement;
			},
		});
	}

	searched(result: SearchResult): void {
		this.#tally.search(result);
	}

	remake(seed: number): { readonly scenario: SubjectScenario; readonly history: History } {
		const scenario = this.subject.draw(seed);
		return { scenario, history: this.subject.run(scenario).history };
	}

	/** Makes and judges a run that is not counted; undefined when it left its world. */
	judge(scenario: SubjectScenario): SubjectJudgement | undefined {
		try {
			return judgeScenario(this.subject, this.properties, scenario);
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			this.#tally.problems.add(`seed ${scenario.seed}, program ${scenario.program}: ${error.message}`);
			return undefined;
		}
	}

	/** The program with nothing in its way, hosted in one of the ways that it has, from 1. */
	#wayOf(program: string, mode: string): SubjectScenario | undefined {
		return this.subject.uninterrupted(program)[Number(mode) - 1];
	}

	#begin(): Tally {
		const tally = new Tally();
		for (const { id } of this.properties) tally.property(id);
		for (const kind of this.subject.faults) tally.fault(kind);
		return tally;
	}

	#rerun({ run }: SubjectJudgement): void {
		this.#tally.counts.rerun++;
		const again = this.judge(run.scenario);
		if (again === undefined) return;
		const difference = firstDifference(run.history, again.run.history);
		if (difference === undefined) return;
		const lines = describeDifference(difference, ["first", "again"], this.describeKey);
		this.#tally.problems.add(`seed ${run.scenario.seed} is not deterministic: ${lines.join("\n")}`);
	}

	#record(judgement: SubjectJudgement, source: Source): void {
		this.#count(judgement);
		this.#gather(judgement, source);
	}

	#count({ run, unfired, skipped }: SubjectJudgement): void {
		const tally = this.#tally;
		const { scenario, history, fired } = run;
		tally.counts.runs++;
		tally.counts.events += run.events;
		tally.counts.durableWrites += run.writes;
		if (fired.size > 0) tally.counts.interruptedRuns++;
		tally.virtualMs += run.endMs;
		for (const { id } of this.properties) {
			const entry = tally.property(id);
			const reason = skipped.get(id);
			if (reason === undefined) entry.checked++;
			else entry.skipped.set(reason, (entry.skipped.get(reason) ?? 0) + 1);
		}
		const program = tally.program(scenario.program);
		program.runs++;
		program.writes = Math.max(program.writes, run.writes);
		scenario.faults.forEach((fault, place) => {
			const entry = tally.fault(fault.kind);
			entry.planned++;
			if (unfired.includes(place)) return;
			entry.fired++;
			if ("write" in fault) program.crashedAt.add(fault.write);
		});
		for (const { kind, data } of history.events) {
			if (kind === "process.start") tally.counts.processes++;
			else if (kind === "process.crash") tally.counts.crashes++;
			else if (kind === "fault") {
				const { index, window } = data as WorldEvents["fault"];
				const fault = scenario.faults[index] as Fault;
				tally.fault(fault.kind).windows.add(`${scenario.program} ${window} ${describeFault(fault)}`);
			}
		}
	}

	#gather({ run, violations }: SubjectJudgement, source: Source, own?: string): Set<string> {
		const { program } = run.scenario;
		const conditions = () => conditionsOfRun(this.subject, run.scenario, run.fired);
		return this.#gatherer.gather(this.#tally, { run, violations, program, conditions }, source, own);
	}
}
