/**
 * What a server owes, by the ways to fail: each weakness leaves out one duty. The reference leaves out none; `pegboard` has those
 * that the published server has, each as its rules say (docs/commands.md). The others exist so that the properties can be shown
 * to notice.
 */

export interface WeaknessText {
	/** What goes wrong. */
	readonly what: string;
	/** Whether the published server has it. */
	readonly pegboard: boolean;
}

const published = (what: string): WeaknessText => ({ what, pegboard: true });
const invented = (what: string): WeaknessText => ({ what, pegboard: false });

/** Every weakness. */
export const SERVER_WEAKNESSES = {
	// Commands.
	subscribesAfterSnapshot: published(
		"A connection is subscribed to live commands after the stored ones were read and sent: what is stored in between is in neither.",
	),
	publishesInSteps: published(
		"A command is stored, published, and only then counted as issued: a crash in between has it issued again.",
	),
	resetsIndices: published(
		"The count of an actor's commands begins anew as it is deallocated: what is issued then has an index that was used.",
	),
	replaysEverything: published("What is stored is replayed, of older generations and ended actors too."),
	keepsSuperseded: published("Commands that a newer generation supersedes stay stored until they are acknowledged."),
	replaysInKeyOrder: published("Commands are replayed in the order of their keys, actor by actor."),
	sendsBeforePersisted: invented("A command is sent before it is stored."),
	skipsReplay: invented("Stored commands are not replayed on a new connection."),
	replaysBackwards: invented("Commands are replayed newest first."),
	acknowledgementDeletesNothing: invented("An acknowledged command stays stored."),
	acknowledgementDeletesTooFar: invented("An acknowledgement deletes one command more than it names."),
	acknowledgementDeletesAnyGeneration: invented("An acknowledgement deletes commands of every generation."),
	reusesIndices: invented("Every second command of a generation has the index of the one before."),
	skipsIndices: invented("Every second command of a generation leaves an index out."),
	takesUntoldForFirst: published("Where version 4 acknowledges without naming a generation, the first is meant."),
	backsOff: published("The first restart after a crash is immediate; each further one waits twice as long."),
	endsWhateverStops: published(
		"An actor that stopped without an error is destroyed, also one that nobody asked to stop, whatever its crash policy.",
	),
	// Events.
	acknowledgesInBatches: published("Events are acknowledged only once there are more than 250 of them."),
	acceptsGaps: published("An event is taken if its index is higher than the last, whatever is missing in between."),
	filtersBatchOnce: published("Which events of a batch are taken is decided before the first of them takes effect."),
	abortsChannels: published("A channel that is collected loses what is in it."),
	dropsWhenClosed: invented("What reaches a collected channel is dropped, and the channel stays."),
	keepsChannels: invented("Channels are never collected."),
	swapsEvents: invented("Events of a batch are taken newest first."),
	takesRepeats: invented("An event is taken each time it comes."),
	takesAnyGeneration: invented("Events of older generations are taken."),
	dropsUncounted: published("What is dropped leaves no trace."),
	acknowledgesOnReceipt: invented("Events are acknowledged when they arrive."),
	acknowledgesTooFar: invented("One event more is acknowledged than took effect."),
	// Runners.
	evictsByCompletion: published(
		"Whichever connection of a runner completes its Init last evicts the others, older or newer.",
	),
	commandsBeforeInit: invented("A connection is sent its commands before Init."),
	drainsTimeOut: published(
		"A runner that said that it stops is given up after the time for a lost one, and evicted, whatever it still holds.",
	),
	forgetsDraining: published(
		"A runner that said that it stops is another one as soon as it connects again, whatever actors it still holds.",
	),
	ignoresBadInit: invented("A connection that does not begin with Init is left alone."),
	takesUnknownVersions: invented("Any version of the protocol is taken, and spoken as the newest."),
	keepsLostIds: invented("A runner that was lost gets its id back, and what it says is heard."),
	losesTwice: invented("The actors of a lost runner are given up twice."),
	losesTheLiving: invented("A runner is lost a while after it connected, heard of or not."),
	neverLoses: invented("A runner that is silent is waited for."),
	// Bounds.
	takesEmptyKeys: published("A runner may have an empty key, and is then one with all others that have."),
	tellsVersionsLate: published("A version that is not spoken is taken, and told of when the first frame comes."),
	ignoresBadFrames: published("After Init, a frame that is no message is left out without a word."),
	closesOnBadIds: published("An actor id that is none, in an event or an acknowledgement, ends the connection."),
	swallowsBadMetadata: published("Metadata that is no JSON is taken for none, without a word."),
	takesHugeMetadata: published("Metadata of any size is stored."),
	tellsInternals: invented("A close reason repeats what the peer sent and what was thrown."),
} as const satisfies Readonly<Record<string, WeaknessText>>;

export type ServerWeakness = keyof typeof SERVER_WEAKNESSES;

/** Which duties are left out: those that are true. */
export type ServerRules = Readonly<Partial<Record<ServerWeakness, boolean>>>;

/** Those of the published server. */
export const PEGBOARD: ServerRules = Object.fromEntries(
	Object.entries(SERVER_WEAKNESSES)
		.filter(([, { pegboard }]) => pegboard)
		.map(([name]) => [name, true]),
);
