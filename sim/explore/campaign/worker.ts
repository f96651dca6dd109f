/** A worker thread of a campaign: makes its explorer from the spec it is given, then does one work after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { type ExplorerSpec, explorerFrom } from "../spec.ts";
import { Recorder } from "./recorder.ts";
import { doWork } from "./work.ts";
import type { WorkerAnswer, WorkerMessage } from "./workers.ts";

let stopped = false;
const recorder = explorerFrom(workerData as ExplorerSpec).then((explorer) => new Recorder(explorer));

const answer = (message: WorkerAnswer) => parentPort?.postMessage(message);

parentPort?.on("message", async (message: WorkerMessage) => {
	if (message === "stop") {
		stopped = true;
		return;
	}
	// What is thrown here ends the thread, and the main thread says so.
	await doWork(await recorder, message, () => stopped, answer);
	answer("done");
});
