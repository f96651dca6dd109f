/**
 * A campaign: many seeds against one target, over as many threads as there are. It confirms what is listed as known, tries
 * what a corpus keeps, then hands out the seeds in blocks and merges what they show; the same seeds give the same result
 * whatever the number of threads. What was found is handed out as it comes.
 */
import type { Expectation } from "../../../fixtures/expectations/expectations.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type { Finding } from "../../../reports/model.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { describeDifference } from "../blame.ts";
import type { Explorer, Judgement } from "../explorer.ts";
import type { DriverExplorer } from "../on-driver.ts";
import { planOptions } from "../plan.ts";
import type { Doublecheck } from "./doublecheck.ts";
import type { KeptFailure, Lab } from "./lab.ts";
import { Recorder } from "./recorder.ts";
import {
	type CampaignResult,
	type Commands,
	expectedOf,
	isKnownBefore,
	type JudgedProperty,
	type Judging,
	type KnownBefore,
	resultOf,
} from "./result.ts";
import { blocksOf, rerunOf, type Shard, seedsOf, WHOLE } from "./shard.ts";
import { Tally, type TallyData } from "./tally.ts";
import { type Exploration, notBegun, unitsOf, type Work } from "./work.ts";
import { type LabSpec, type Lane, mainLane, WorkerLost, workerLane } from "./workers.ts";

export { conditionsOf } from "./recorder.ts";
export type { CampaignResult } from "./result.ts";

/** @typeParam S what its scenarios are: those of an engine, an actor, a runner. */
export interface CampaignOptions<S extends SubjectScenario = Scenario> extends Partial<Commands> {
	/** The first seed. */
	readonly from: number;
	/** How many seeds, those of all shards together; `Infinity` when only time ends it. */
	readonly runs: number;
	/** What is explored in place of seeds; seeds when absent. */
	readonly exploration?: Exploration;
	/** Which of them are to be run here; all when absent. */
	readonly shard?: Shard;
	/** Real milliseconds from the first block of seeds after which no further one is begun. */
	readonly forMs?: number;
	/** How many threads at most, and what each makes its explorer from; this thread alone when absent. */
	readonly workers?: { readonly count: number; readonly spec: LabSpec };
	/** What the target is known to get wrong. */
	readonly expectations: readonly Expectation<S>[];
	/** What an earlier report has, which is no news. */
	readonly baseline?: KnownBefore;
	/** What could be judged by; the properties of engines when absent. */
	readonly properties?: readonly JudgedProperty[];
	/** Where failures are kept, and what is there, by file; tried before the seeds. */
	readonly corpus?: Keeping<S>;
	readonly signal?: AbortSignal;
	/** Makes the sample of seeds that is run twice once more, in another process. */
	readonly doublecheck?: Doublecheck;
	/** Runs done, findings that are new, and states or orders that searches know of and have not come to. */
	readonly onProgress?: (done: number, findings: number, left: number) => void;
	/** Called whenever something was added, with the findings that are neither listed nor were there before. */
	readonly onPart?: (news: readonly Finding[], soFar: () => CampaignResult<S>) => void;
}

/** As much of a corpus as a campaign knows of. */
export interface Keeping<S extends SubjectScenario> {
	readonly kept: ReadonlyMap<string, KeptFailure<S>>;
	/** Files that are about another kind of target, and cannot be tried. */
	readonly foreign?: readonly string[];
	fileOf(id: string): string;
}

/** Fewer seeds than so many are done before another thread has started. */
const SEEDS_A_WORKER = 500;

/** Runs seeds until their number, the time or the signal ends it. What was found until then is always returned. */
export function campaign(explorer: Explorer, options: CampaignOptions): Promise<CampaignResult> {
	return campaignIn(new Recorder(explorer), options);
}

/** As `campaign`, in whatever lab. */
export async function campaignIn<S extends SubjectScenario>(
	lab: Lab<S>,
	options: CampaignOptions<S>,
): Promise<CampaignResult<S>> {
	const judging = judgingOf(options);
	const tally = new Tally();
	tally.add(lab.takeOff());
	if (lab.isEmpty) {
		tally.problems.add("no program is left to run");
		return resultOf<S>(tally.data(), judging, false);
	}
	const expected = expectedOf(tally.data(), options.expectations);
	const announced = new Set<string>();
	const interrupted = () => options.signal?.aborted === true;

	const lanes = lanesOf(lab, options);
	const stop = () => {
		for (const lane of lanes) lane.stop();
	};
	const add = (part: TallyData) => {
		tally.add(part);
		if (tally.problems.size > 0) stop();
		const fresh = Object.keys(part.findings).filter(
			(id) => !isKnownBefore(id, expected, options.baseline) && !announced.has(id),
		);
		for (const id of fresh) announced.add(id);
		options.onProgress?.(tally.counts.runs, announced.size, tally.left);
		const soFar = () => resultOf<S>(tally.data(), judging, true);
		options.onPart?.(fresh.length === 0 ? [] : soFar().findings.filter(({ id }) => fresh.includes(id)), soFar);
	};

	options.signal?.addEventListener("abort", stop);
	let timer: NodeJS.Timeout | undefined;
	try {
		const before = [
			...[...expected.values()].map((entry) => () => lab.confirm(entry)),
			...[...(options.corpus?.kept ?? [])].map(
				([file, failure]) =>
					() =>
						lab.tryKept(file, failure),
			),
		];
		for (const file of options.corpus?.foreign ?? []) tally.corpus.untried.add(file);
		for (const run of before) if (!interrupted() && !lab.failed) await inMacrotask(run);
		add(lab.takeOff());

		const works = worksOf(lab, options);
		// The time is for seeds: however short, it is not used up by what is tried before them.
		const endsAt = performance.now() + (options.forMs ?? Number.POSITIVE_INFINITY);
		const ended = () => interrupted() || tally.problems.size > 0 || performance.now() >= endsAt;
		// A block of seeds ends soon by itself; a search does not.
		if (options.forMs !== undefined && isSearch(options)) timer = setTimeout(stop, options.forMs);
		const serve = async (lane: Lane) => {
			while (!ended()) {
				const { value: work } = works.next();
				if (work === undefined) return;
				await lane.run(work, add);
				if (options.doublecheck !== undefined && !("search" in work)) {
					for (const seed of rerunOf(work)) await doublecheck(lab, seed, options.doublecheck, tally);
				}
			}
		};
		await Promise.all(
			lanes.map((lane) =>
				serve(lane).catch((error: unknown) => {
					if (!(error instanceof WorkerLost)) throw error;
					tally.problems.add(error.message);
					stop();
				}),
			),
		);
		// What was stopped before its turn is not left out: the report would read as if it had never been asked for.
		if (isSearch(options)) {
			for (let work = works.next().value; work !== undefined; work = works.next().value) {
				if ("search" in work) tally.search(await notBegun(lab, work));
			}
		}
	} finally {
		clearTimeout(timer);
		options.signal?.removeEventListener("abort", stop);
		await Promise.all(lanes.map((lane) => lane.close()));
	}
	return resultOf<S>(tally.data(), judging, interrupted());
}

/** Has another process make the run of a seed too. */
async function doublecheck<S extends SubjectScenario>(
	lab: Lab<S>,
	seed: number,
	elsewhere: Doublecheck,
	tally: Tally,
): Promise<void> {
	try {
		const { scenario, history } = await inMacrotask(() => lab.remake(seed));
		const difference = await elsewhere.compare(scenario, history);
		tally.counts.doublechecked = (tally.counts.doublechecked ?? 0) + 1;
		if (difference === undefined) return;
		const lines = describeDifference(difference, ["here", "elsewhere"], (table, key) => lab.describeKey(table, key));
		tally.problems.add(`seed ${seed} is another in another process: ${lines.join("\n")}`);
	} catch (error) {
		if (!(error instanceof HarnessError)) throw error;
		tally.problems.add(error.message);
	}
}

function judgingOf<S extends SubjectScenario>(options: CampaignOptions<S>): Judging {
	const { expectations, corpus, baseline, properties } = options;
	return {
		...COMMANDS,
		...definedOf(options),
		expectations,
		...(baseline === undefined ? {} : { baseline }),
		...(properties === undefined ? {} : { properties }),
		...(corpus === undefined ? {} : { corpusFile: corpus.fileOf }),
	};
}

/** The commands without options, for whoever does not say better. */
const COMMANDS: Commands = {
	commandFor: (seed) => `pnpm sim --seed ${seed}`,
	commandForKnown: (id) => `pnpm sim --known ${id}`,
	commandForFile: (file) => `pnpm sim replay ${file}`,
	commandForScenario: (scenario) => `pnpm sim${planOptions(scenario as Scenario)}`,
};

function definedOf(options: Partial<Commands>): Partial<Commands> {
	const names = Object.keys(COMMANDS) as (keyof Commands)[];
	return Object.fromEntries(names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])));
}

function isSearch({ exploration }: Pick<CampaignOptions, "exploration">): boolean {
	return exploration !== undefined && exploration.kind !== "random";
}

type Extent = Pick<CampaignOptions, "exploration" | "from" | "runs" | "shard">;

function worksOf<S extends SubjectScenario>(
	lab: Lab<S>,
	{ exploration, from, runs, shard = WHOLE }: Extent,
): Iterator<Work> {
	if (exploration === undefined || exploration.kind === "random") return blocksOf(from, runs, shard);
	return unitsOf(exploration, lab, shard);
}

function lanesOf<S extends SubjectScenario>(lab: Lab<S>, options: CampaignOptions<S>): Lane[] {
	const { runs, shard = WHOLE, workers } = options;
	const worthwhile = isSearch(options)
		? [...{ [Symbol.iterator]: () => worksOf(lab, options) }].length
		: Math.ceil(seedsOf(runs, shard) / SEEDS_A_WORKER);
	const count = Math.min(workers?.count ?? 1, worthwhile);
	if (workers === undefined || count <= 1) return [mainLane(lab)];
	return Array.from({ length: count }, (_, i) => workerLane(`worker ${i + 1} of ${count}`, workers.spec));
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
	const lab = new Recorder(explorer);
	const judgement = lab.takeScenario(scenario, program, undefined);
	return judgedOne(lab, judgement, command, expectations);
}

/** As `judgeOne`, on the real driver under test. */
export async function judgeOneOn(
	explorer: Explorer,
	driver: DriverExplorer,
	{ scenario, program }: { scenario: Scenario; program: Program },
	command: string,
	expectations: readonly Expectation<Scenario>[],
): Promise<{ result: CampaignResult; judgement: Judgement }> {
	const lab = new Recorder(explorer);
	const judgement = await lab.takeScenarioOn(driver, scenario, program, undefined);
	return judgedOne(lab, judgement, command, expectations);
}

function judgedOne(
	lab: Recorder,
	judgement: Judgement | undefined,
	command: string,
	expectations: readonly Expectation<Scenario>[],
): { result: CampaignResult; judgement: Judgement } {
	const tally = lab.takeOff();
	if (judgement === undefined) throw new HarnessError("run", tally.problems.join("; "));
	const show = () => command;
	const judging: Judging = {
		expectations,
		...{ commandFor: show, commandForKnown: show, commandForFile: show, commandForScenario: show },
	};
	return { result: resultOf(tally, judging, false), judgement };
}
