/** A worker thread of a campaign: makes its lab from the spec it is given, then does one work after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { explorerFrom } from "../spec.ts";
import type { LabAtWork } from "./lab.ts";
import { Recorder } from "./recorder.ts";
import { doWork } from "./work.ts";
import type { LabSpec, WorkerAnswer, WorkerMessage } from "./workers.ts";

let stopped = false;
const lab = labFrom(workerData as LabSpec);

async function labFrom(spec: LabSpec): Promise<LabAtWork> {
	if (!("subject" in spec)) return new Recorder(await explorerFrom(spec));
	// Loaded when asked for: campaigns of engines need none of it.
	const { subjectLabFrom } = await import("../subject/lab.ts");
	return subjectLabFrom(spec);
}

const answer = (message: WorkerAnswer) => parentPort?.postMessage(message);

parentPort?.on("message", async (message: WorkerMessage) => {
	if (message === "stop") {
		stopped = true;
		return;
	}
	// What is thrown here ends the thread, and the main thread says so.
	await doWork(await lab, message, () => stopped, answer);
	answer("done");
});
