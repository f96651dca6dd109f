/**
 * The process that crashes one actor runtime again and again, named on the command line with the directory that it is installed in;
 * its figures as JSON. One process a runtime: code that has seen several is slower.
 */
import { loadActor } from "../drivers/actor/load.ts";
import { counterLoopOf } from "../fixtures/actors/docs.ts";
import type { Fault } from "../sim/world/faults.ts";
import { type ActorRun, runActor } from "../suites/actor/run.ts";
import { median, time } from "./rounds.ts";

const MESSAGES = 3;

export interface ActorFigures {
	readonly schedules: number;
	/** Of processor time. */
	readonly schedulesPerSecond: number;
	/** Of one schedule, on average: durable writes, events of the loop, process lives, milliseconds. */
	readonly writes: number;
	readonly events: number;
	readonly lives: number;
	readonly ms: number;
}

const PROGRAM = counterLoopOf(MESSAGES);
/** Every schedule is run so often before it is timed: the runtimes are large, and their code is slow until it is compiled. */
const WARM_UP_ROUNDS = 20;
const ROUNDS = 9;

async function figures(name: string, directory: string | undefined): Promise<ActorFigures> {
	const target = await loadActor(name, directory);
	const run = (faults: readonly Fault[]): ActorRun =>
		runActor(
			{
				seed: "1",
				program: PROGRAM.name,
				faults,
				restartMs: 1_000,
				latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 },
				inFlight: "lost",
				delaysMs: [],
			},
			PROGRAM,
			target,
		);
	let schedules: readonly (readonly Fault[])[] = [];
	let runs: ActorRun[] = [];
	await time(() => {
		const { writes } = run([]);
		schedules = Array.from({ length: writes }, (_, n) =>
			(["before", "after"] as const).map((side) => [{ kind: "crash", write: n + 1, side } as const]),
		).flat();
		runs = schedules.map(run);
	}, 1);
	// A crash behind the end has nobody to strike.
	const struck = schedules.filter((_, place) => runs[place]?.fired.size === 1);
	const round = () => time(() => struck.forEach((faults) => void run(faults)), struck.length);
	for (let i = 0; i < WARM_UP_ROUNDS; i++) await round();
	const us: number[] = [];
	for (let i = 0; i < ROUNDS; i++) us.push(await round());
	const ms = median(us) / 1_000;
	const mean = (of: (run: ActorRun) => number) => runs.reduce((sum, each) => sum + of(each), 0) / runs.length;
	return {
		schedules: struck.length,
		schedulesPerSecond: 1_000 / ms,
		writes: mean(({ writes }) => writes),
		events: mean(({ events }) => events),
		lives: mean((each) => each.of("process.start").length),
		ms,
	};
}

const [, , name = "", directory] = process.argv;
process.stdout.write(JSON.stringify(await figures(name, directory)));
