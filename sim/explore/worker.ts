/** A worker thread of a campaign: makes its explorer from the spec it is given, then takes one block of seeds after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { Recorder, runBlock } from "./recorder.ts";
import { type ExplorerSpec, explorerFrom } from "./spec.ts";
import type { WorkerMessage } from "./workers.ts";

let stopped = false;
const recorder = explorerFrom(workerData as ExplorerSpec).then((explorer) => new Recorder(explorer));

parentPort?.on("message", async (message: WorkerMessage) => {
	if (message === "stop") stopped = true;
	// What is thrown here ends the thread, and the main thread says so.
	else parentPort?.postMessage(await runBlock(await recorder, message, () => stopped));
});
