/**
 * What a crash leaves of a world, taken and taken up again. What would be left is found by having the crash happen, noting the
 * state, and undoing it: only what a crash can change is kept for that.
 */
import type { Disk } from "../disk.ts";
import type { Streams } from "../random.ts";
import type { WorldState } from "../state.ts";
import type { Timeline } from "../timeline.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Lives } from "./lives.ts";
import type { Outside } from "./outside.ts";
import type { Strikes } from "./strikes.ts";
import type { Tasks } from "./tasks.ts";

/** Everything of a world that outlives its processes, and the processes. */
export interface SnapshotParts {
	readonly timeline: Timeline;
	readonly queue: EventQueue;
	readonly tasks: Tasks;
	readonly lives: Lives;
	readonly strikes: Strikes;
	readonly disk: Disk;
	readonly others: Outside;
	readonly streams: Streams;
}

export class Snapshots {
	readonly #parts: SnapshotParts;

	constructor(parts: SnapshotParts) {
		this.#parts = parts;
	}

	/** Has something happen, notes what it left, and undoes it. */
	foresee(happen: () => void): WorldState {
		const { timeline, queue, lives, strikes, disk, others, streams } = this.#parts;
		const { length } = timeline.history.events;
		const { writes, operations } = timeline;
		const living = lives.living().map((process) => ({ process, inFlight: [...process.inFlight] }));
		const image = disk.image();
		const counts = others.counts();
		const states = streams.states();
		const fired = [...strikes.fired];
		happen();
		const state = this.#take();
		timeline.history.events.length = length;
		timeline.writes = writes;
		timeline.operations = operations;
		for (const { process, inFlight } of living) {
			process.alive = true;
			process.inFlight.push(...inFlight);
		}
		disk.restore(image);
		others.restore(counts);
		streams.restore(states);
		queue.streamsRestored();
		strikes.fired.clear();
		for (const index of fired) strikes.fired.add(index);
		return state;
	}

	/** Goes on from a state, in a world that was just made with its streams and its disk. */
	takeUp(state: WorldState): void {
		const { timeline, queue, tasks, lives, strikes, others } = this.#parts;
		timeline.nowMs = state.nowMs;
		timeline.events = state.events;
		timeline.writes = state.writes;
		timeline.operations = state.operations;
		timeline.alarms = state.alarms;
		queue.sequence = state.sequence;
		lives.begun = state.lives;
		for (const index of state.fired) strikes.fired.add(index);
		others.restore(state.counts);
		for (const event of state.history) timeline.history.events.push(event);
		tasks.takeUp(state.tasks);
	}

	#take(): WorldState {
		const { timeline, queue, tasks, lives, strikes, disk, others, streams } = this.#parts;
		return {
			nowMs: timeline.nowMs,
			events: timeline.events,
			writes: timeline.writes,
			operations: timeline.operations,
			alarms: timeline.alarms,
			sequence: queue.sequence,
			lives: lives.begun,
			fired: new Set(strikes.fired),
			streams: streams.states(),
			image: disk.image(),
			counts: others.counts(),
			tasks: tasks.pending(),
			history: timeline.history.events.slice(),
		};
	}
}
