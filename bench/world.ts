/** The world's side of a comparison: a program in a run as campaigns make them, and what it came to. */
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { execute, type Run, type Target } from "../suites/run.ts";
import type { EngineRun, WriteCrash } from "./bare.ts";

export const target: Target = { engine: await loadRivet(NEWEST), storage: memoryStorage };

/** One run through the crashes. @throws Error when one of them found no place to strike. */
export function runInWorld(program: Program, crashes: readonly WriteCrash[] = []): Run {
	const run = execute({ ...referenceScenario(program, "live"), faults: crashes }, program, target);
	if (run.fired.size !== crashes.length) {
		throw new Error(`A crash planned for ${program.name} did not strike: ${JSON.stringify(crashes)}.`);
	}
	return run;
}

/** What a run in a world came to, to be held against what the other side's came to. */
export function summaryOf({ outcome, writes, fired }: Run): EngineRun {
	const output = outcome.status === "completed" ? outcome.output : undefined;
	return { status: outcome.status, output, writes, crashes: fired.size };
}

export function sameWork(a: EngineRun, b: EngineRun): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}

/** @throws Error unless both sides came to the same output by as many durable effects: else they do not do the same. */
export function assertSameWork(program: Program, other: string, world: EngineRun, others: EngineRun): void {
	if (sameWork(world, others)) return;
	const said = `world ${JSON.stringify(world)}, ${other} ${JSON.stringify(others)}`;
	throw new Error(`The two sides do not do the same with ${program.name}: ${said}.`);
}
