/**
 * A campaign of real crashes: each seed draws a program that takes no long time, how it is hosted, and where its processes are
 * killed; each run is judged by the properties that judge the world's, and compared with the same scenario in the world.
 */
import { isDeepStrictEqual } from "node:util";
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { PluggedDriver } from "../../../drivers/storage/contract.ts";
import { claimsOf } from "../../../drivers/storage/session.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type { KillsResult } from "../../../reports/model.ts";
import { sameAnswers, survivesKills, windowsOf } from "../../../suites/parity.ts";
import { execute, type Run } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { NO_LATENCY } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { drawInt, drawOne, type Stream, Streams } from "../../world/random.ts";
import type { Recorder } from "../campaign/recorder.ts";
import type { Explorer, Judgement } from "../explorer.ts";
import { withoutConsequences } from "../on-driver.ts";
import type { Loss } from "./losses.ts";
import type { Nursery } from "./nursery.ts";
import type { Kill } from "./planned-kills.ts";
import type { DriverSource } from "./protocol.ts";
import { RealRun } from "./real-run.ts";

export interface KillsOptions {
	/** The engine and the driver as the command line names them: each process loads its own. */
	readonly engine: string;
	readonly driver: DriverSource;
	readonly plugged: PluggedDriver;
	readonly nursery: Nursery;
	/** What else may be lost with a process; each kill draws one, or none. */
	readonly losses: readonly Loss[];
	/** Keeps the namespaces of this campaign apart from those of others. */
	readonly prefix: string;
}

/** What a seed is. */
export interface DrawnKills {
	readonly scenario: Scenario;
	readonly program: Program;
	readonly kills: readonly Kill[];
}

/** Virtual milliseconds that a program may take without interruption, since in real processes it takes real ones. */
const LONGEST_MS = 1_200;
/** Durable effects that it may have: each takes a word before and after it. */
const MOST_WRITES = 80;
/** Draws of one seed until a program is short enough. */
const MOST_DRAWS = 400;
/** Far above the number of any seed, so that the further draws of two seeds do not meet. */
const STRIDE = 1_000_003;

const KILLS = [1, 1, 1, 2, 2, 3];
const HOW = ["before", "after", "during", "during"] as const;
/** Microseconds into an operation: from when it has hardly begun to when most are over. */
const AFTER_US = [100, 300, 700, 1_500, 3_000, 6_000, 12_000];

/** The run of a seed. @throws HarnessError when no program is short enough. */
export function drawKills(
	explorer: Explorer,
	{ plugged, losses }: Pick<KillsOptions, "plugged" | "losses">,
	seed: number,
): DrawnKills {
	for (let draw = 0; draw < MOST_DRAWS; draw++) {
		const drawn = explorer.draw(seed + draw * STRIDE);
		const found = suited(explorer, drawn.scenario, drawn.program);
		if (found === undefined) continue;
		const { program, mode, writes } = found;
		const stream = new Streams(`kills-${seed}`).stream("draw");
		const isAtomic = claimsOf(plugged).atomicBatch !== "none";
		const { statements, inputs, startedWith } = drawn.scenario;
		const scenario: Scenario = {
			program: program.name,
			...(statements === undefined ? {} : { statements }),
			...(inputs === undefined ? {} : { inputs }),
			...(startedWith === undefined ? {} : { startedWith }),
			seed: String(seed),
			hosting: { mode, restartMs: 0, coldWake: drawn.scenario.hosting.coldWake },
			latency: NO_LATENCY,
			inFlight: "lost",
			faults: [],
			...(isAtomic ? { atomicBatch: true } : {}),
		};
		if (!ends(execute(scenario, program, explorer.target))) continue;
		return { scenario, program, kills: drawPlan(stream, writes, losses) };
	}
	throw new HarnessError("kills", `Seed ${seed} finds no program that is short enough.`);
}

/** Whether a program comes to an end soon and whatever the time; undefined when it does not. */
function suited(
	explorer: Explorer,
	{ hosting: { mode } }: Scenario,
	program: Program,
): { program: Program; mode: HostingMode; writes: number } | undefined {
	if (program.timingDependent !== undefined || program.evolving === true || program.change !== undefined)
		return undefined;
	const reference = explorer.reference(program, mode);
	if (!ends(reference)) return undefined;
	const { endMs, writes } = reference;
	return endMs <= LONGEST_MS && writes <= MOST_WRITES ? { program, mode, writes } : undefined;
}

function ends({ outcome }: Run): boolean {
	return outcome.status === "completed" || outcome.status === "failed";
}

function drawPlan(stream: Stream, writes: number, losses: readonly Loss[]): Kill[] {
	const places = new Set(Array.from({ length: drawOne(stream, KILLS) }, () => drawInt(stream, 1, writes)));
	return [...places]
		.sort((a, b) => a - b)
		.map((write): Kill => {
			const kill = { write, how: drawOne(stream, HOW), afterUs: drawOne(stream, AFTER_US) };
			const loss = drawOne(stream, [undefined, ...losses]);
			return loss === undefined ? kill : { ...kill, loss: loss.name };
		});
}

/** Makes and judges the run of a seed. @throws HarnessError when it cannot be made. */
export async function judgeKills(explorer: Explorer, drawn: DrawnKills, options: KillsOptions): Promise<Judgement> {
	const { scenario, program, kills } = drawn;
	const namespace = `${options.prefix}-${scenario.seed}`;
	const run = await new RealRun(scenario, program, explorer.target, kills, { ...options, namespace }).make();
	return await inMacrotask(() => {
		const judgement = explorer.judgeRun(run);
		if (!storageDiffers(run)) return judgement;
		return withoutConsequences(judgement, explorer.judgeRun(execute(run.scenario, program, explorer.target)));
	});
}

function storageDiffers(run: Run): boolean {
	return [sameAnswers, survivesKills].some((property) => property.check(run, run).length > 0);
}

/** What a campaign did so far. */
export type Killed = { -readonly [K in keyof Omit<KillsResult, "losses">]: number } & {
	losses: Record<string, number>;
};

/**
 * Makes the runs of these seeds and records what they show. What goes wrong with one is a problem of the campaign.
 * @param onRun called after each; says whether to go on.
 */
export async function recordKills(
	recorder: Recorder,
	seeds: Iterable<number>,
	options: KillsOptions,
	onRun: (done: number) => boolean,
): Promise<Killed> {
	const killed: Killed = {
		before: 0,
		after: 0,
		during: 0,
		tookPlace: 0,
		writes: 0,
		messages: 0,
		compared: 0,
		losses: {},
	};
	let done = 0;
	for (const seed of seeds) {
		try {
			const drawn = await inMacrotask(() => drawKills(recorder.explorer, options, seed));
			const judgement = await judgeKills(recorder.explorer, drawn, options);
			await inMacrotask(() => count(killed, drawn, judgement.run));
			recorder.recordSeed(judgement, seed);
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			recorder.problem(`seed ${seed}: ${error.message}`);
		}
		if (!onRun(++done) || recorder.failed) break;
	}
	return killed;
}

function count(killed: Killed, { kills }: DrawnKills, run: Run): void {
	kills.forEach(({ how, loss }, place) => {
		if (!run.fired.has(place)) return;
		killed[how]++;
		if (loss !== undefined) killed.losses[loss] = (killed.losses[loss] ?? 0) + 1;
		const fault = run.scenario.faults[place];
		if (how === "during" && fault?.kind === "crash" && "side" in fault && fault.side === "after") killed.tookPlace++;
	});
	killed.writes += run.of("durable").length;
	killed.messages += run.of("message.acknowledged").length;
	const inWorld = execute(run.scenario, run.program, run.target);
	if (isDeepStrictEqual(windowsOf(run), windowsOf(inWorld))) killed.compared++;
}
