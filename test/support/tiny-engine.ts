/**
 * Engines of a few lines, for tests of searches: small enough to count by hand what a search has to find. All that a tiny
 * engine knows is on the disk, unless a test gives it more.
 */
import type { EngineDriver } from "@rivetkit/workflow-engine";
import type { Engine, EngineHandle } from "../../drivers/engine/contract.ts";
import { memoryStorage } from "../../drivers/storage/memory/driver.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import type { Target } from "../../suites/run.ts";

/** The program of a tiny engine, which does what its body says whatever the program. */
export const tiny: Program = { name: "tiny", summary: "What a tiny engine does.", parallel: true, run: async () => {} };

const DONE = bytesOf("done");

export function bytesOf(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array | null): string {
	return new TextDecoder().decode(bytes ?? new Uint8Array());
}

/** A target whose engine carries out `body` once, and stores the text that it returns. */
export function tinyTarget(body: (driver: EngineDriver) => Promise<string>): Target {
	const run = async (driver: EngineDriver) => {
		const done = await driver.get(DONE);
		if (done !== null) return { state: "completed", output: textOf(done) };
		const output = await body(driver);
		await driver.set(DONE, bytesOf(output));
		return { state: "completed", output };
	};
	const runWorkflow = (_id: string, _workflow: unknown, _input: unknown, driver: EngineDriver) =>
		({ result: run(driver), evict() {}, getState: async () => "running" }) as unknown as EngineHandle;
	const engine: Engine = {
		name: "tiny",
		version: "0.0.0",
		module: { runWorkflow, Loop: {}, CriticalError: Error, RollbackError: Error } as unknown as Engine["module"],
		features: new Set(),
		iterationOf: () => undefined,
		isYield: () => false,
		describeKey: (key) => key,
	};
	return { engine, storage: memoryStorage };
}
