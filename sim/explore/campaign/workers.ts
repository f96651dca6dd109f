/**
 * Who does the work of a campaign: this thread, or worker threads that each have an explorer of their own, made from the same
 * spec. Whoever does it, what comes back are tallies.
 */
import { Worker } from "node:worker_threads";
import type { ExplorerSpec } from "../spec.ts";
import type { SubjectSpec } from "../subject/spec.ts";
import type { LabAtWork } from "./lab.ts";
import type { TallyData } from "./tally.ts";
import { doWork, type Work } from "./work.ts";

/** What a lab is made from: whatever decides what a seed means, as plain data. */
export type LabSpec = ExplorerSpec | SubjectSpec;

export interface Lane {
	/**
	 * Does the work, one at a time, and hands out what it shows in one part or several.
	 * @throws WorkerLost saying what became of a worker that is no more.
	 */
	run(work: Work, onPart: (part: TallyData) => void): Promise<void>;
	/** Has the work under way end early, at its next look up. */
	stop(): void;
	/** Ends it; work under way is lost. */
	close(): Promise<void>;
}

/** A worker died or threw: the seeds of its block are lost, and so is the campaign's claim to have run them. */
export class WorkerLost extends Error {
	override readonly name = "WorkerLost";
}

export function mainLane(lab: LabAtWork): Lane {
	let stopped = false;
	return {
		run: (work, onPart) => doWork(lab, work, () => stopped, onPart),
		stop: () => {
			stopped = true;
		},
		close: async () => {},
	};
}

/** What the main thread says to a worker. */
export type WorkerMessage = Work | "stop";
/** What the worker answers: parts of what its work shows, then that the work is done. */
export type WorkerAnswer = TallyData | "done";

/** @param name tells it from others when something is said of it. */
export function workerLane(name: string, spec: LabSpec): Lane {
	// The worker loads TypeScript as this process does: what lets it is in `process.execArgv`, which a worker inherits.
	const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: spec, name });
	let waiting: { onPart(part: TallyData): void; resolve(): void; reject(error: Error): void } | undefined;
	let gone: WorkerLost | undefined;
	const fail = (why: string) => {
		gone ??= new WorkerLost(`${name} ${why}; with --workers 1 the same seeds run in one thread, which tells more`);
		waiting?.reject(gone);
		waiting = undefined;
	};
	worker.on("message", (answer: WorkerAnswer) => {
		if (answer !== "done") {
			waiting?.onPart(answer);
			return;
		}
		waiting?.resolve();
		waiting = undefined;
	});
	worker.on("error", (error: unknown) => fail(`threw: ${error instanceof Error ? error.message : String(error)}`));
	worker.on("messageerror", (error) => fail(`sent what cannot be read: ${error.message}`));
	worker.on("exit", (code) => fail(`ended before its work was done (exit code ${code})`));
	return {
		run: (work, onPart) =>
			new Promise((resolve, reject) => {
				if (gone !== undefined) return reject(gone);
				waiting = { onPart, resolve, reject };
				worker.postMessage(work satisfies WorkerMessage);
			}),
		stop: () => worker.postMessage("stop" satisfies WorkerMessage),
		close: async () => {
			await worker.terminate();
		},
	};
}
