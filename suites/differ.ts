/**
 * Two engines, one scenario: what a user can observe of each, and whether it is the same. Not the histories: engines write and
 * wait in their own ways, and a fault planned at the fourth write strikes each elsewhere. What must not differ for that is how
 * the workflow ends, what it did to the outside, which messages it took, and in which order it went.
 *
 * What is left out, and why, stands in `UNCOMPARABLE`; what may differ, since the program leaves it open, in `freedomOf`.
 */

import { isDeepStrictEqual } from "node:util";
import type { Outcome } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { render } from "../drivers/engine/render.ts";
import { type Choices, meaningOf } from "../fixtures/generators/meaning.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import { REFUSAL } from "../fixtures/generators/values.ts";
import type { Program } from "../fixtures/programs/program.ts";
import type { FaultKind } from "../sim/world/faults.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { choicesOf, hasEnded, meantBy } from "./meant.ts";
import { unclearNames } from "./names.ts";
import { endOf, oncePerRun } from "./property.ts";
import { tell } from "./replay.ts";
import type { Run } from "./run.ts";
import type { Scenario } from "./scenario.ts";

/** Faults after which two engines may rightly come to different ends, with the reason. */
const UNCOMPARABLE: Readonly<Partial<Record<FaultKind, string>>> = {
	cancel: "what an operator asks for takes effect where it strikes, and that is elsewhere on another engine",
	message: "what an operator asks for takes effect where it strikes, and that is elsewhere on another engine",
	recover: "what an operator asks for takes effect where it strikes, and that is elsewhere on another engine",
	"replay-from": "what an operator asks for takes effect where it strikes, and that is elsewhere on another engine",
	refused: "the operation that storage fails is another on another engine, and may be a call that counts as an attempt",
	"lost-ack":
		"the operation that storage fails is another on another engine, and may be a call that counts as an attempt",
	torn: "what storage lost or damaged is another entry on another engine",
	corrupt: "what storage lost or damaged is another entry on another engine",
	"power-loss": "what storage lost or damaged is another entry on another engine",
};

/** Why two engines cannot be compared by a scenario; undefined when they can. */
export function uncomparable({ faults }: Scenario, program: Program): string | undefined {
	if (program.timingDependent !== undefined && program.statements === undefined) return "the outcome depends on timing";
	if (program.change !== undefined || program.evolving === true) return "the code changes while it runs";
	for (const { kind } of faults) {
		const reason = UNCOMPARABLE[kind];
		if (reason !== undefined) return reason;
	}
	return unclearNames(program);
}

/** One thing that a user would see differ. */
export interface Difference {
	/** Short and stable; names what differs. */
	readonly kind: string;
	/** What each run came to, in a sentence. */
	readonly message: string;
}

/** Everything that a user would see differ, what weighs most first. */
export function differencesOf(a: Run, b: Run): Difference[] {
	const [nameOfA, nameOfB] = [a.target.engine.name, b.target.engine.name];
	const told = (ofA: string, ofB: string) => `${nameOfA}: ${ofA}; ${nameOfB}: ${ofB}`;
	const found: Difference[] = [];
	const kind = outcomeDifference(a.outcome, b.outcome);
	if (kind !== undefined) found.push({ kind, message: told(tell(a.outcome), tell(b.outcome)) });
	// What one of them has not come to the end of it cannot have done whole.
	if (a.outcome.status !== b.outcome.status || !hasEnded(a.outcome)) return found;
	for (const [aspect, of] of ASPECTS) {
		const [ofA, ofB] = [of(a, b), of(b, a)];
		if (!isDeepStrictEqual(ofA, ofB)) found.push({ kind: aspect, message: told(list(ofA), list(ofB)) });
	}
	return found;
}

/** What differs of two outcomes: for errors the class, since messages are an engine's own. */
function outcomeDifference(a: Outcome, b: Outcome): string | undefined {
	if (a.status !== b.status) return `${a.status}-against-${b.status}`;
	if (a.status === "completed" && b.status === "completed")
		return render(a.output) === render(b.output) ? undefined : "other-output";
	if (a.status === "failed" && b.status === "failed") return a.error.name === b.error.name ? undefined : "other-error";
	if (a.status === "waiting" && b.status === "waiting")
		return isDeepStrictEqual([...a.names].sort(), [...b.names].sort()) ? undefined : "other-wait";
	return undefined;
}

/** The rest of what can be observed, of a run beside another, by the kind of a difference in it. */
const ASPECTS: readonly (readonly [kind: string, of: (run: Run, other: Run) => readonly string[]])[] = [
	["other-effects", effectsOf],
	["other-messages", messagesOf],
	["other-order", orderOf],
];

/** What was done to the outside, each once: how often is a matter of where crashes struck. What branches that lost did may differ. */
function effectsOf(run: Run, other: Run): string[] {
	const optional = new Set([run, other].flatMap((one) => [...(meantBy(one)?.meaning.may ?? [])]));
	const labels = beforeEnd(run, "effect").map(({ data }) => (data as WorldEvents["effect"]).label);
	return [...new Set(labels)].filter((label) => !optional.has(label)).sort();
}

/** The messages taken, in their order unless branches take them side by side; and the ones that nobody took. */
function messagesOf(run: Run): string[] {
	const taken = beforeEnd(run, "queue.return").flatMap(({ data }) => (data as ProbeEvents["queue.return"]).ids);
	const once = [...new Set(taken)];
	const left = run.queued.filter(({ id }) => !once.includes(id)).map(({ id }) => `${id} left`);
	return [...(run.program.parallel === true ? once.sort() : once), ...left.sort()];
}

/**
 * The order in which steps gave a result for the first time, and were undone; it is open where branches run side by side. Only
 * what both did has an order: what one alone did is a matter of effects.
 */
function orderOf(run: Run, other: Run): string[] {
	if (run.program.parallel === true) return [];
	const done = new Set(placesOf(other));
	return placesOf(run).filter((place) => done.has(place));
}

function placesOf(run: Run): string[] {
	const places = eventsBeforeEnd(run).flatMap(({ kind, data }) => {
		const { key } = data as { readonly key: string };
		if (kind === "step.return" || kind === "step.caught") return [key];
		return kind === "compensation.start" ? [`undo ${key}`] : [];
	});
	return [...new Set(places)];
}

/** What happened before the workflow ended: a look at the finished one is another matter. */
const eventsBeforeEnd = oncePerRun((run: Run) => run.history.events.slice(0, endOf(run)));

function beforeEnd(run: Run, kind: string): readonly HistoryEvent[] {
	return eventsBeforeEnd(run).filter((event) => event.kind === kind);
}

function list(items: readonly string[]): string {
	return items.length === 0 ? "none" : items.join(", ");
}

/**
 * Why a program may rightly come to different ends in two runs: they made other choices where it leaves one, or what it does is
 * not documented. Undefined when it may not, or nobody can say.
 */
export function freedomOf(a: Run, b: Run, differences: readonly Difference[]): string | undefined {
	if (refusesValue(a) !== refusesValue(b)) return FREEDOMS.refused;
	const { statements } = a.program;
	if (statements === undefined) return freedomOfBatches(a, b, differences);
	const [ofA, ofB] = [answersOf(a, statements), answersOf(b, statements)];
	for (const [what, answer] of ofA.asked) {
		if (!ofB.asked.has(what) || isDeepStrictEqual(answer, ofB.asked.get(what))) continue;
		return FREEDOMS[what.slice(0, what.indexOf(" ")) as keyof typeof FREEDOMS];
	}
	for (const { outcome } of [ofA, ofB]) {
		if (outcome.status === "unspecified") return `not documented: ${outcome.why}`;
	}
	return undefined;
}

function refusesValue({ outcome }: Run): boolean {
	return outcome.status === "failed" && outcome.error.name === REFUSAL;
}

/**
 * A program from the list has no oracle. That it takes the same messages in the same order, some more and some fewer at once, can
 * be seen all the same, and then its steps may be others.
 */
function freedomOfBatches(a: Run, b: Run, differences: readonly Difference[]): string | undefined {
	if (!differences.every(({ kind }) => kind === "other-order" || kind === "other-effects")) return undefined;
	return isDeepStrictEqual(batchesOf(a), batchesOf(b)) ? undefined : FREEDOMS.received;
}

/** What each wait was given when it last came to an end. */
function batchesOf(run: Run): ReadonlyMap<string, readonly string[]> {
	const returns = beforeEnd(run, "queue.return").map(({ data }) => data as ProbeEvents["queue.return"]);
	return new Map(returns.map(({ key, ids }) => [key, ids]));
}

function answersOf(run: Run, statements: readonly Statement[]): Answered {
	const asked = new Map<string, unknown>();
	const choices = choicesOf(run, eventsBeforeEnd(run));
	return { asked, outcome: meaningOf(statements, noting(choices, asked)).outcome };
}

interface Answered {
	/** What the meaning of the program asked of a run, with the answers. */
	readonly asked: ReadonlyMap<string, unknown>;
	readonly outcome: ReturnType<typeof meaningOf>["outcome"];
}

const FREEDOMS = {
	refused: "what cannot be kept as it is may be refused",
	winner: "another branch came first",
	received: "messages came to another wait, or before its time was over",
	gaveUp: "a limit of time or attempts was just met, or just not",
} as const;

/** The same choices, with a note of each that is asked for. */
function noting(choices: Choices, asked: Map<string, unknown>): Choices {
	const note = <T>(what: string, answer: T): T => {
		asked.set(what, answer);
		return answer;
	};
	return {
		...choices,
		winner: (place) => note(`winner ${place}`, choices.winner(place)),
		received: (place) => note(`received ${place}`, choices.received(place)),
		gaveUp: (place) => note(`gaveUp ${place}`, choices.gaveUp(place)),
	};
}
