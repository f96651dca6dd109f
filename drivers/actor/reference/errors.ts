/** What the reference actor throws: each says what was asked, of what, and what to do. */

/** The actor was reached from where it must not be: outside of a step, or by an attempt that is over. */
export class ActorAccessError extends Error {
	readonly code = "actor-access";
	override readonly name = "ActorAccessError";

	constructor(what: string, isOver = false) {
		super(
			isOver
				? `${what} was asked for by an attempt that is over: what it does now counts for nothing`
				: `${what} can be used inside of steps and actions only: put it into a step`,
		);
	}
}

/** An actor without state was asked for it. */
export class StateNotEnabledError extends Error {
	readonly code = "state-not-enabled";
	override readonly name = "StateNotEnabledError";

	constructor() {
		super("The actor has no state: define `state` to have one");
	}
}

export class QueueFullError extends Error {
	readonly code = "queue-full";
	override readonly name = "QueueFullError";

	constructor(limit: number) {
		super(`The queue is full: it holds ${limit} messages, its limit; send again once some are taken`);
	}
}

export class QueueMessageTooLargeError extends Error {
	readonly code = "queue-message-too-large";
	override readonly name = "QueueMessageTooLargeError";

	constructor(bytes: number, limit: number) {
		super(`The message has ${bytes} bytes, and at most ${limit} are allowed: send less, or a reference to it`);
	}
}

export class QueueMessageInvalidError extends Error {
	readonly code = "queue-message-invalid";
	override readonly name = "QueueMessageInvalidError";

	constructor(why: string) {
		super(`The message cannot be stored: ${why}`);
	}
}

/** The queue of a workflow has one reader. */
export class QueueReaderError extends Error {
	readonly code = "queue-reader";
	override readonly name = "QueueReaderError";

	constructor() {
		super("The workflow reads this queue: take the message there, and do not read it in an action");
	}
}

export class QueueUncompletedError extends Error {
	readonly code = "queue-uncompleted";
	override readonly name = "QueueUncompletedError";

	constructor() {
		super("A message that was taken waits to be completed: complete it before taking the next");
	}
}

export class QueueCompletedError extends Error {
	readonly code = "queue-completed";
	override readonly name = "QueueCompletedError";

	constructor(id: string) {
		super(`Message ${id} was completed already`);
	}
}

/** The actor stops, and a wait with it. */
export class ActorAbortedError extends Error {
	readonly code = "actor-aborted";
	override readonly name = "ActorAbortedError";

	constructor() {
		super("The wait was aborted");
	}
}

export class ActionNotFoundError extends Error {
	readonly code = "action-not-found";
	override readonly name = "ActionNotFoundError";

	constructor(name: string) {
		super(`The actor has no action "${name}"`);
	}
}

/** What is stored is not what was written. */
export class ActorDamagedError extends Error {
	readonly code = "actor-damaged";
	override readonly name = "ActorDamagedError";

	constructor(key: string) {
		super(`The stored ${key} is damaged: its checksum is another`);
	}
}
