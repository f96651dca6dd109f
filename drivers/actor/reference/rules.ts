/**
 * The rules of an actor, by the ways to break them: each deviation leaves out one rule of the reference. The specification leaves
 * out none. A deviation is no feature; it exists so that the properties can be shown to notice. The rules of the workflow inside
 * are the engine's (`drivers/engine/reference/rules.ts`).
 */

/** Every way to deviate, with what goes wrong. */
export const ACTOR_DEVIATIONS = {
	// State and vars.
	keepFailedState: "What a failed attempt did to the state stays, in memory, and is stored with the next change.",
	keepFailedVars: "What a failed attempt did to the vars stays.",
	storeStateFirst: "The state is stored in a write of its own, before the one that has the step completed.",
	storeStateLast: "The state is stored in a write of its own, after the one that has the step completed.",
	saveAfterRollback: "After a failed attempt the state is stored, as it was.",
	snapshotStateAlways: "A step takes a copy of the state before it runs, and an actor without state has none.",
	cloneVars: "Vars are copied as a structured clone, which fails for what cannot be cloned.",
	restoreVarsInPart: "Of vars that hold what cannot be cloned, what follows behind it is not restored.",
	openAccess: "The actor can be reached from outside of steps.",
	markRefusedAccess: "Reaching the actor from outside of a step throws, and leaves a mark in the state.",
	broadcastAtOnce: "An event leaves when it is broadcast, and not when its step is durable.",
	broadcastOnRejection: "The events of a failed attempt leave when it fails.",
	notifyBeforeRecord: "Whoever listens for failures hears of one before it is durable.",
	// The queue.
	acknowledgeBeforeStore: "A send is acknowledged before its message is stored.",
	sendInMemory: "What a step sends is handed over once the step is durable, and not with it.",
	newestFirst: "The newest message is given first.",
	requeueOthers: "Messages that a wait for other names comes by go to the end of the queue.",
	takeTwice: "A plain reader is given a message before it is taken out, so that another can have it too.",
	forgetResponses: "A response is told to whoever waits, and kept for nobody.",
	forgetTokens: "A send that is asked again is a new one.",
	countInMemory: "Size and next id are counted in memory, and written as they were when a send began.",
	forgetSizeOnTake: "Taking a message does not change the size.",
	reuseIds: "A rebuilt queue begins its ids behind those that it still holds.",
	keepFullQueue: "A queue of any size takes another message.",
	storeOversized: "A message that is too large is refused after it was stored.",
	acceptAnyValue: "What no message can hold is left out of it in silence.",
	forgetToWake: "A message that comes while nobody has looked yet wakes nobody.",
	keepWaits: "A wait that was aborted or ran out of time goes on listening, and takes a message with it.",
	batchOfOne: "A batch gives one message, and takes all.",
	dropUnreadable: "A message that cannot be read is dropped, and nobody is told.",
	stopAtUnreadable: "Messages behind one that cannot be read are not seen.",
	// Timers and the schedule.
	restInMidst: "A workflow that is stopped in the midst of its work leaves no alarm, though it waits for one.",
	forgetAlarm: "An actor goes to sleep without an alarm.",
	forgetDueActions: "What is due at the start of a life is taken for done.",
	doActionsBeforeRecord: "A due action is taken off the schedule in a write of its own, after it ran.",
	dropActionsBeforeRun: "A due action is taken off the schedule in a write of its own, before it runs.",
	actEarly: "All that is scheduled is done with the first alarm.",
} as const;

export type ActorDeviation = keyof typeof ACTOR_DEVIATIONS;

/** Which rules are left out: those that are true. */
export type ActorRules = Readonly<Partial<Record<ActorDeviation, boolean>>>;

/** All rules hold. */
export const ACTOR_SPECIFICATION: ActorRules = {};
