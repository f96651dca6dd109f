/** A worker thread of an upgrade table: takes one program after the other through all pairs of versions. */
import { parentPort, workerData } from "node:worker_threads";
import { inMacrotask } from "../../world/interpose.ts";
import { type UpgradeSpec, upgradesOf } from "./upgrade-table.ts";

const spec = workerData as UpgradeSpec;

parentPort?.on("message", async (program: string) => {
	const upgrades = await upgradesOf(spec, [program]);
	// What is thrown here ends the thread, and the main thread says so.
	const result = await inMacrotask(() => {
		for (const _ of upgrades.steps());
		return upgrades.result();
	});
	parentPort?.postMessage(result);
});
