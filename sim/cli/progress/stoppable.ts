/** Long work that a person may stop: progress on the way, and at ctrl-c what there is so far. */
import { progressOf } from "./terminal.ts";

/**
 * Does the work; at ctrl-c its signal is aborted, and a second ctrl-c ends the process at once.
 * @param total what is to come, or undefined when nobody knows.
 * @param unit what is counted, one of them.
 */
export async function stoppable<T>(
	silent: boolean,
	total: number | undefined,
	work: (signal: AbortSignal, progress: (done: number, note: string) => void) => Promise<T>,
	unit = "run",
): Promise<{ readonly result: T; readonly interrupted: boolean }> {
	const progress = progressOf(total, silent, unit);
	const stopped = new AbortController();
	const unhear = hearStop(() => {
		progress.announce("stopping, with what there is so far; ctrl-c again ends at once");
		stopped.abort();
	});
	try {
		const result = await work(stopped.signal, (done, note) => progress.update(done, note));
		return { result, interrupted: stopped.signal.aborted };
	} finally {
		progress.stop();
		unhear();
	}
}

/** Has ctrl-c, or the word of a machine to end, stop what is done; a second one ends the process at once, as ever. @returns what ends that. */
export function hearStop(stop: () => void): () => void {
	const unhear = () => {
		process.off("SIGINT", heard);
		process.off("SIGTERM", heard);
	};
	const heard = () => {
		unhear();
		stop();
	};
	process.on("SIGINT", heard);
	process.on("SIGTERM", heard);
	return unhear;
}
