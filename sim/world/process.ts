/**
 * One life of a program: what it has in memory lives and dies with it. Timers and operations belong to the process
 * whose event asked for them. After a crash nothing of it runs again: its timers never fire, its operations are
 * never answered.
 */
export interface PendingOperation {
	readonly what: string;
	/** Carries it out; also without an answer, for a request that was already on its way when its process died. */
	readonly perform: () => unknown;
}

export class Process {
	/** 0 is the outside, which never dies; lives count from 1. */
	readonly id: number;
	readonly name: string;
	alive = true;
	readonly inFlight: PendingOperation[] = [];
	/** Timers armed and not yet fired or cleared. */
	timers = 0;

	constructor(id: number, name: string) {
		this.id = id;
		this.name = name;
	}
}
