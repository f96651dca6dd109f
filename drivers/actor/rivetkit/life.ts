/** What a life of a published actor is still doing when its process dies. */
import type { Process } from "../../../sim/world/process.ts";

/** The promise as long as the process lives: what is still under way in memory when it dies is never heard of. */
export function ofThisLife<T>(process: Process, promise: Promise<T>): Promise<T> {
	return new Promise((resolve, reject) => {
		promise.then(
			(value) => process.alive && resolve(value),
			(error: unknown) => process.alive && reject(error),
		);
	});
}
