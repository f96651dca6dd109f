/**
 * The rules, by the ways to break them: each deviation is one place in which a durable engine may go wrong, and leaves out one
 * rule. The specification leaves out none. A deviation is no feature; it exists so that the properties can be shown to notice.
 */

/** Every way to deviate, with what goes wrong. */
export const DEVIATIONS = {
	// What is flushed, and when.
	flushInOrderOfCreation:
		"A batch keeps the order in which keys were first made, not that of changes: a torn one is no past state.",
	causeAfterEffect: "A batch is written backwards: what a state rests on comes behind it.",
	forgetChangesDuringFlush: "What is dirty is cleared when a flush ends, with what changed while it was under way.",
	overlappingFlushes: "A flush does not wait for the one before: an older record may be written over a newer one.",
	neverSplit: "A flush is handed over as one batch, whatever its size.",
	removeBeforeRecord: "Keys are removed before what makes them superfluous is durable.",
	keepOutdated: "Keys that are superfluous are never removed.",
	trustStorage: "What is read is not checked: a damaged value is taken for another.",
	takeStorageForFailure: "An operation that storage refuses is taken for a failure of the workflow.",
	giveBeforeRecord: "A step gives its value before that is durable.",
	failBeforeRecord: "A step tells that it failed for good before that is durable.",
	giveMessageBeforeRecord: "A wait gives its messages before they are on record.",
	endLoopBeforeRecord: "A loop gives its value before its end is durable.",
	endJoinBeforeRecord: "A join gives its values before its end is durable.",
	tellWinnerBeforeRecord: "A race tells who won before that is durable.",
	versionBeforeRecord: "A version is told before it is durable.",
	sendBeforeRecord: "A message is sent, and the workflow goes on before that is on record.",
	sleepBeforeRecord: "A sleep begins before its deadline is durable.",
	waitBeforeRecord: "A timed wait begins before its deadline is durable.",
	undoBeforeRecord: "Compensations begin before it is durable that the workflow failed.",
	yieldBeforeFlush: "Control is handed back with changes that were never flushed.",
	evictBeforeFlush: "An eviction drops what was not flushed.",
	alarmBeforeFlush: "The alarm is set before what it wakes for is durable.",
	// Steps.
	countAttemptsInMemory: "Attempts are counted by the process: each life has all of them again.",
	forgetBackoff: "The delay of a retry is forgotten with the process.",
	hideErrors: "A failed attempt is recorded without its error.",
	tellWrongFailure: "A step that failed for good is said to have run out of attempts.",
	waitForLateBody: "A step that ran out of time waits for its body, and takes what that gives.",
	dropEphemeral: "An ephemeral step is in no flush at all.",
	giveTheObjectItself: "The program is given the very object that a body returned, and not what replay will give.",
	overlapEntries: "An entry may begin while another is under way in its block.",
	// Timers.
	moveDeadlines: "A deadline is computed anew by each life.",
	timersOverflow: "A timer is given more than it can hold, and fires at once.",
	noAlarm: "Control is handed back without an alarm.",
	keepAlarm: "An alarm outlives the workflow.",
	// Messages.
	removeBeforeMessageRecord: "A message leaves the queue before it is on record.",
	neverRemove: "A message that was taken stays in the queue.",
	forgetClaims: "A branch does not know what another has taken.",
	neverLookLate: "A wait whose time is up does not look at the queue a last time.",
	firstOfBatchOnly: "Of a batch, replay gives the first message only.",
	nextBeforeComplete: "The next message is given while one waits to be completed.",
	swallowSecondComplete: "Completing a message twice is let pass.",
	completeUnheard: "A completion counts before the queue has confirmed it.",
	sendAgain: "A replayed send sends again.",
	sendUnderNewId: "A send that is made again has another id, by which nobody knows it.",
	tellNoNames: "The host is not told which messages are waited for.",
	swallowLosersMessages: "What a branch that lost had taken is gone with it.",
	// Branches.
	decideRacesAnew: "A race is decided anew on each replay.",
	clearLosersFirst: "The winner is in a flush behind the one after which the others are cleared away.",
	keepLosers: "What branches that lost recorded stays.",
	joinEndsWithFirstFailure: "A join does not wait for the others once one has failed.",
	joinForgetsErrors: "A branch that failed counts as one without a value.",
	// Loops.
	forgetLoopEnd: "A loop that has ended is run again on replay.",
	keepLoopStateInMemory: "Only the first state of a loop is on record.",
	shareLoopState: "An iteration gets the object that the one before returned, and what became of it since.",
	neverPrune: "Nothing of a loop is ever forgotten.",
	pruneLiveIteration: "Pruning takes the iteration under way with it.",
	pruneCompensations: "Pruning takes steps that may have to be undone.",
	// Code that changes.
	acceptOtherKind: "An entry of another kind is taken for a new one.",
	acceptOtherName: "An entry of another name is taken for the one asked for.",
	acceptOtherNested: "Only at the root is the code compared with the history.",
	acceptRemoved: "Entries behind the end of the code are ignored.",
	failOnDivergence: "Code that does not fit has the workflow fail for good.",
	ignoreRemoved: "What was told to be removed is not stepped over.",
	versionAnew: "A version is resolved anew each time.",
	catchUnlisted: "A step that catches does so whatever it lists.",
	// Compensation.
	needNoCheckpoint: "A compensated step needs no checkpoint.",
	neverUndo: "Nothing is undone.",
	undoForwards: "What was done first is undone first.",
	undoTwice: "Each compensation runs twice.",
	undoneInMemory: "Only the process knows what it has undone.",
	undoBeyondCheckpoint: "What came before the last checkpoint is undone, too.",
	undoOnlyWhatIsInMemory: "Only what this process has seen is undone.",
	abandonFailedUndo: "A compensation that fails is not tried again.",
	// The end.
	forgetState: "The end is not on record.",
	forgetOutput: "The end is on record without its output.",
	forgetError: "A failure is on record without its error.",
	forgetCompletion: "A completed workflow runs again.",
	forgetFailure: "A failed workflow runs again.",
	runCancelled: "A cancelled workflow runs again.",
	cancelInMemory: "A cancellation is confirmed and not written down.",
	recoverStateOnly: "A recovery resets the workflow, and not what failed.",
	recoverEverything: "A recovery tries failures again that the program had caught.",
	cutUnannounced: "A replay from a step takes entries away without a record of where it began.",
} as const;

export type Deviation = keyof typeof DEVIATIONS;

/** Which rules are left out: those that are true. */
export type Rules = Readonly<Partial<Record<Deviation, boolean>>>;

/** All rules hold. */
export const SPECIFICATION: Rules = {};
