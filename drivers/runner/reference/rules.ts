/**
 * What a runner owes, by the ways to fail: each deviation leaves out one duty. The reference leaves out none. A deviation is no
 * feature; it exists so that the properties can be shown to notice.
 */

/** Every way to deviate, with what goes wrong. */
export const RUNNER_DEVIATIONS = {
	acknowledgeOnReceipt: "A command is acknowledged when it arrives, before anything came of it.",
	acknowledgeTooFar: "One command more is acknowledged than was applied.",
	forgetStopAcknowledgement: "Only what an actor that is still held was told is acknowledged: its stop never is.",
	acknowledgeSeldom: "Acknowledgements go out every five minutes of a connection, and not before.",
	acknowledgeBackwards: "Each acknowledgement names the command before the one it acknowledges, too.",
	applyReplays: "A start that is replayed starts the actor again.",
	stopAgain: "A stop that is replayed stops the actor again.",
	startAfterStop: "A start is applied though the generation was stopped before.",
	overlap: "A stop does not wait for the start to settle.",
	stopAnyGeneration: "A stop is for whatever generation is held.",
	startAnyGeneration: "A start of an older generation replaces a newer one.",
	ignoreUnknownStop: "A stop for an actor that is not held is not answered.",
	resetEventIndex: "Events are numbered from 0 again after each reconnect.",
	reuseEventIndex: "Every third event of an actor has the index of the one before.",
	skipEventIndex: "Every third event of an actor leaves out an index.",
	dropWhileClosed: "Events that come up while there is no connection are not kept.",
	forgetWithActor: "What an actor that has stopped last said is forgotten with it.",
	neverResend: "Events are sent once.",
	resendBackwards: "Unacknowledged events are resent newest first.",
	keepAcknowledged: "Acknowledged events are kept, and resent.",
	acknowledgedByActorOnly: "An acknowledgement is for every generation of its actor.",
	ignoreSilence: "Only a connection that is known to be over counts as silence.",
	neverGiveUp: "However long the server is silent, actors keep running.",
	openIsEnough: "An open connection ends the wait for the server, before that has said anything.",
	dieOfCallbacks: "What a user's callback throws goes where nobody catches it.",
	dieOfFrames: "A frame that is no message goes where nobody catches it.",
	keepIdAndActors: "Actors are kept although the server gave the runner another id.",
	ignoreRefusals: "A version of the protocol that was refused is asked for again and again.",
} as const;

export type RunnerDeviation = keyof typeof RUNNER_DEVIATIONS;

/** Which duties are left out: those that are true. */
export type RunnerRules = Readonly<Partial<Record<RunnerDeviation, boolean>>>;
