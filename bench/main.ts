/**
 * `pnpm bench`: how fast worlds are, and what they cost beside the engine alone. Prints a table, or with `--json` the
 * figures and nothing else. Takes about half a minute.
 */
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { simple } from "../fixtures/programs/basics.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { monthSleep } from "../fixtures/programs/timers.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import type { FaultPlan } from "../sim/world/faults.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { execute, type Run, type Target } from "../suites/run.ts";
import { inBareConditions, runBare, type WriteCrash } from "./bare.ts";
import { TIMED } from "./programs.ts";
import { compare, median, time } from "./rounds.ts";
import { type Figures, table } from "./table.ts";

const SCHEDULE_PAIRS = 40;
const PROGRAM_PAIRS = 24;
const MONTHS = 40;

const target: Target = { engine: await loadRivet(NEWEST), storage: memoryStorage };
const json = process.argv.includes("--json");

function runInWorld(program: Program, faults: FaultPlan = []): Run {
	const run = execute({ ...referenceScenario(program, "live"), faults }, program, target);
	if (run.outcome.status !== "completed" || !run.revisited || run.fired.size !== faults.length) {
		throw new Error(
			`The run of ${program.name} in a world ended ${run.outcome.status}, which the bench does not expect.`,
		);
	}
	return run;
}

/** Both sides must come to the same output by as many durable effects, or they do not do the same work. */
function assertSameWork(program: Program, crash?: WriteCrash): number {
	const world = runInWorld(program, crash === undefined ? [] : [crash]);
	const bare = inBareConditions(() => runBare(target.engine.module, program, crash));
	const output = world.outcome.status === "completed" ? world.outcome.output : undefined;
	const worldSays = JSON.stringify([output, world.writes, world.fired.size > 0]);
	const bareSays = JSON.stringify([bare.output, bare.writes, bare.crashed]);
	if (worldSays !== bareSays) {
		throw new Error(`The two sides do not do the same with ${program.name}: world ${worldSays}, bare ${bareSays}.`);
	}
	return world.writes;
}

const figures = await measure();
process.stdout.write(json ? `${JSON.stringify(figures, null, "\t")}\n` : table(figures));

async function measure(): Promise<Figures> {
	const begun = performance.now();
	const { module } = target.engine;

	const crashes = await inMacrotask(() => crashSchedules(simple));
	const schedules = await compare(
		(times) =>
			inBareConditions(() => {
				for (let i = 0; i < times; i++) for (const crash of crashes) runBare(module, simple, crash);
			}),
		(times) => {
			for (let i = 0; i < times; i++) for (const crash of crashes) runInWorld(simple, [crash]);
		},
		SCHEDULE_PAIRS,
		() => progress("crash schedules"),
	);

	const programs: Figures["programs"][number][] = [];
	for (const program of TIMED) {
		await inMacrotask(() => assertSameWork(program));
		const comparison = await compare(
			(times) =>
				inBareConditions(() => {
					for (let i = 0; i < times; i++) runBare(module, program);
				}),
			(times) => {
				for (let i = 0; i < times; i++) runInWorld(program);
			},
			PROGRAM_PAIRS,
			() => progress(program.name),
		);
		programs.push({ name: program.name, ...comparison });
	}

	const months: number[] = [];
	for (let i = 0; i < MONTHS; i++) {
		months.push((await time((times) => void Array.from({ length: times }, () => runInWorld(monthSleep)), 1)) / 1000);
		progress(monthSleep.name);
	}
	if (!json) process.stderr.write("\n");
	return {
		engine: target.engine.name,
		node: process.versions.node,
		schedules: { count: crashes.length, ...schedules },
		programs,
		monthMs: median(months),
		tookMs: performance.now() - begun,
	};
}

/** Every durable write of the program, with a crash before it and a crash after it. */
function crashSchedules(program: Program): WriteCrash[] {
	const writes = assertSameWork(program);
	const crashes = Array.from({ length: writes }, (_, i) =>
		(["before", "after"] as const).map((side): WriteCrash => ({ kind: "crash", write: i + 1, side })),
	).flat();
	for (const crash of crashes) assertSameWork(program, crash);
	return crashes;
}

/** Names what is being timed, once, and then a dot for each slice done; on standard error. */
function progress(what: string): void {
	if (json) return;
	process.stderr.write(what === progress.last ? "." : `\n${what} .`);
	progress.last = what;
}
progress.last = "";
