/** Enters a world from a test: from a macrotask, as a run must be, and hands back what the code inside returned. */
import type { HistoryEvent, WorldEvents } from "../../sim/world/history.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import type { Process } from "../../sim/world/process.ts";
import { type Limits, type Stop, World, type WorldOptions } from "../../sim/world/world.ts";

export type Options = Partial<WorldOptions & Limits>;

export interface Ran {
	readonly world: World;
	readonly stop: Stop;
}

/** Runs `begin` as the first event of a world, in the outside, and then all that follows from it. */
export function runWorld(begin: (world: World) => void, options: Options = {}): Promise<Ran> {
	const { untilMs = 400 * 86_400_000, maxEvents = 10_000, ...rest } = options;
	const world = new World({ seed: "test", ...rest });
	return inMacrotask(() => ({ world, stop: world.run(() => begin(world), { untilMs, maxEvents }) }));
}

/** Runs `main` as the first event of the first process of a world. */
export function runProcess(main: (world: World, process: Process) => void, options?: Options): Promise<Ran> {
	return runWorld((world) => void world.spawn("test", (process) => main(world, process)), options);
}

/** What `main` returned, or resolved to, as the first event of a process. Throws what it threw. */
export async function inWorld<T>(main: (world: World) => T | Promise<T>, options?: Options): Promise<T> {
	let end: { value: T } | { error: unknown } | undefined;
	await runProcess(async (world) => {
		try {
			end = { value: await main(world) };
		} catch (error) {
			end = { error };
		}
	}, options);
	if (end === undefined) throw new Error("The code in the world did not come to an end.");
	if ("error" in end) throw end.error;
	return end.value;
}

/** The data of the world's own events of one kind, in order. */
export function eventsOf<K extends keyof WorldEvents>(world: World, kind: K): WorldEvents[K][] {
	return world.history.events.filter((event) => event.kind === kind).map((event) => event.data as WorldEvents[K]);
}

/** Events as `kind of process at time`, for the order of a story. */
export function told(events: readonly HistoryEvent[]): string[] {
	return events.map(({ kind, process, at }) => `${kind} of ${process} at ${at}`);
}
