/**
 * Who runs the blocks of a campaign: this thread, or worker threads that each have an explorer of their own, made from the same
 * spec. Whoever runs a block, what comes back is the tally of its seeds.
 */
import { Worker } from "node:worker_threads";
import { type Recorder, runBlock } from "./recorder.ts";
import type { Block } from "./shard.ts";
import type { ExplorerSpec } from "./spec.ts";
import type { TallyData } from "./tally.ts";

export interface Lane {
	/**
	 * What the seeds of a block show. One block at a time.
	 * @throws WorkerLost saying what became of a worker that is no more.
	 */
	run(block: Block): Promise<TallyData>;
	/** Has the block under way end early, at its next look up. */
	stop(): void;
	/** Ends it; a block under way is lost. */
	close(): Promise<void>;
}

/** A worker died or threw: the seeds of its block are lost, and so is the campaign's claim to have run them. */
export class WorkerLost extends Error {
	override readonly name = "WorkerLost";
}

export function mainLane(recorder: Recorder): Lane {
	let stopped = false;
	return {
		run: (block) => runBlock(recorder, block, () => stopped),
		stop: () => {
			stopped = true;
		},
		close: async () => {},
	};
}

/** What the main thread says to a worker; the worker answers each block with a `TallyData`. */
export type WorkerMessage = Block | "stop";

/** @param name tells it from others when something is said of it. */
export function workerLane(name: string, spec: ExplorerSpec): Lane {
	// The worker loads TypeScript as this process does: what lets it is in `process.execArgv`, which a worker inherits.
	const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: spec, name });
	let waiting: { resolve(data: TallyData): void; reject(error: Error): void } | undefined;
	let gone: WorkerLost | undefined;
	const fail = (why: string) => {
		gone ??= new WorkerLost(`${name} ${why}; with --workers 1 the same seeds run in one thread, which tells more`);
		waiting?.reject(gone);
		waiting = undefined;
	};
	worker.on("message", (data: TallyData) => {
		waiting?.resolve(data);
		waiting = undefined;
	});
	worker.on("error", (error: unknown) => fail(`threw: ${error instanceof Error ? error.message : String(error)}`));
	worker.on("messageerror", (error) => fail(`sent what cannot be read: ${error.message}`));
	worker.on("exit", (code) => fail(`ended before its work was done (exit code ${code})`));
	return {
		run: (block) =>
			new Promise((resolve, reject) => {
				if (gone !== undefined) return reject(gone);
				waiting = { resolve, reject };
				worker.postMessage(block satisfies WorkerMessage);
			}),
		stop: () => worker.postMessage("stop" satisfies WorkerMessage),
		close: async () => {
			await worker.terminate();
		},
	};
}
