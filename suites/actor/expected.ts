/**
 * What should have been, by finding, for reports to set beside what was. Asked only of a run that is shown to somebody: words that
 * are true of every run, or what the run itself says.
 */
import type { ComparedRow } from "../../reports/model.ts";
import type { Violation } from "../property.ts";
import type { Expected } from "../subject.ts";
import { appliedAtEnd, finalRead, messagesOf } from "./facts.ts";
import type { ActorRun } from "./run.ts";

const times = (count: number) => (count === 1 ? "once" : count === 0 ? "never" : `${count} times`);

/** Of a sent message: how often it may be in the state, and how often it is. Where either is right, nothing is said of it. */
function effects(run: ActorRun): ComparedRow[] {
	const counts = appliedAtEnd(run) ?? {};
	return messagesOf(run).flatMap(({ id, least, most }) => {
		const count = counts[id];
		const isRight = count !== undefined && count >= least && count <= most;
		if (count === undefined || (isRight && least !== most)) return [];
		const expected = least === most ? times(least) : `${times(least)} to ${times(most)}`;
		return [{ what: `message ${id} applied`, expected, observed: times(count) }];
	});
}

/** What an attempt found, beside what the failed one before it had found. */
function asBefore(what: "state" | "vars") {
	return (run: ActorRun, { event }: Violation): ComparedRow[] => {
		const bodies = run.of("actor.body");
		const next = bodies.findIndex(({ place }) => place === event);
		const [failed, found] = [bodies[next - 1], bodies[next]];
		if (failed === undefined || found === undefined) return [];
		return [{ what: `${what} as the next attempt begins`, expected: failed.data[what], observed: found.data[what] }];
	};
}

/** What the queue says of itself, beside the messages that are stored. */
function size(run: ActorRun, { event }: Violation): ComparedRow[] {
	const image = run.of("actor.image").find(({ place }) => place === event);
	if (image === undefined) return [];
	const { messages, size: said } = image.data;
	return [{ what: "size of the queue", expected: `${messages.length}`, observed: `${said}` }];
}

function nextId(run: ActorRun, { event }: Violation): ComparedRow[] {
	const image = run.of("actor.image").find(({ place }) => place === event);
	if (image === undefined) return [];
	// Ids of all kinds of runtimes are whole numbers, far below those that a number cannot hold.
	const highest = Math.max(...image.data.messages.map(({ stored }) => Number(stored)));
	return [{ what: "next id", expected: `above ${highest}`, observed: `${image.data.nextId}` }];
}

/** The state that a new life found, beside one that was there before, or that the same program comes to undisturbed. */
function state(what: string, expected: (run: ActorRun) => string | undefined) {
	return (run: ActorRun): ComparedRow[] => {
		const [should, is] = [expected(run), finalRead(run)?.data.text];
		return should === undefined || is === undefined ? [] : [{ what, expected: should, observed: is }];
	};
}

export const ACTOR_EXPECTED: Expected<ActorRun> = {
	"state.rollback/state-kept": asBefore("state"),
	"state.rollback/vars-kept": asBefore("vars"),
	"state.rollback/neither": "the state that the failed attempt began with, or the one that it left",
	"state.rollback/failed-state-stored": "no state is stored that only a failed attempt left",
	"state.atomic/state-without-history": effects,
	"state.atomic/history-without-state": effects,
	"state.no-extra-save/saved": "no write of the state between a failed attempt and the next",
	"state.stateless/step-failed": "the step succeeds, or fails with an error of its own",
	"state.stateless/wait-failed": "the wait goes on, or ends with an error of the workflow's own",
	"state.uncloneable-vars/half-restored": "all of the vars as they were before the attempt, or all as it left them",
	"state.uncloneable-vars/step-failed": "the step goes on, or is refused with an error that names the vars",
	"state.guard/allowed": "an error, and nothing changed",
	"state.guard/sent": "no event leaves outside of a step",
	"state.guard/state-changed": "the state as it was before the refused access",
	"state.broadcast/sent-by-failed-attempt": "an event of an attempt that rolled back is not sent",
	"state.broadcast/sent-twice": "each event is sent once",
	"state.broadcast/sent-on-replay": "an event for each body that ran, and none for a replay",
	"queue.no-loss/never-given": effects,
	"queue.no-loss/given-and-forgotten": effects,
	"queue.no-loss/step-send-lost": "what a step sent that is done is applied, or still in the queue",
	"queue.no-loss/action-send-lost": "what a scheduled action sent is applied, or still in the queue",
	"queue.no-duplicate/stored-twice": effects,
	"queue.no-duplicate/given-twice": effects,
	"queue.no-duplicate/applied-again": effects,
	"queue.no-duplicate/sent-by-failed-attempt": "one message for each step that succeeded, and none for failed attempts",
	"queue.fifo/overtaken": "the message that was acknowledged first is given first",
	"queue.complete-once/completed-twice": "the second complete is refused",
	"queue.complete-once/answered-twice": "the sender hears once",
	"queue.complete-once/wrong-response": "the sender hears what its own message was completed with",
	"queue.complete-once/response-lost": "the sender hears what its message was completed with",
	"queue.complete-before-next/given": "an error as long as a message is not completed",
	"queue.timeout/early": "the wait lasts until its deadline, or a message",
	"queue.timeout/deadline-moved": "the wait ends at its deadline, however many lives it takes",
	"queue.timeout/left-behind": "the wait is given the message that came in time",
	"queue.batch/over-count": "as many messages as were asked for, at most",
	"queue.batch/split-on-replay": "the same messages in every life",
	"queue.metadata/size-disagrees": size,
	"queue.metadata/size-disagrees-for-good": size,
	"queue.metadata/next-id-behind": nextId,
	"queue.metadata/id-reused": "another id for each message",
	"queue.limits/over-full": "a send into a full queue is refused",
	"queue.limits/stored-anyway": "what is refused is not stored",
	"queue.limits/accepted": "the send is refused",
	"queue.limits/unclear-error": "an error that says which limit",
	"queue.wakes/listener-left": "no listener is left of a wait that is over",
	"queue.wakes/not-woken": "whoever waits for a message is given it soon after it is acknowledged",
	"queue.wakes/taken-by-nobody": "one reader gets it",
	"queue.wakes/given-to-two": "one reader gets it",
	"queue.poison/others-blocked": "messages beside a damaged one are applied",
	"queue.poison/silent": "an error or a line in the log says that a message cannot be read",
	"timer.never-early/sleep-early": "the sleep lasts as long as it was asked for",
	"timer.never-early/action-early": "the action is done when it is due, or later",
	"timer.deadline-fixed/moved": "the sleep ends at the deadline that it was first asked with",
	"timer.fires/asleep-without-alarm": "an alarm is set for the sleep before the actor goes to sleep",
	"timer.fires/asleep-in-midst": "the actor stays awake until its workflow waits, or an alarm is set",
	"timer.fires/never-ended": "the sleep ends soon after its deadline",
	"timer.fires/action-lost": "each scheduled action is done once",
	"timer.fires/action-doubled": "each scheduled action is done once",
	"timer.fires/tick-lost": "a tick for every minute",
	"timer.fires/tick-doubled": "each minute is counted once",
	"timer.extremes/short": "the sleep lasts as long as it was asked for",
	"timer.extremes/long": "the sleep ends soon after its time",
	"timer.extremes/for-ever": "the sleep ends, or is refused",
	"life.progress/never-started": "the actor starts",
	"life.progress/unrecoverable": "the actor starts again and answers",
	"life.progress/stuck": "the actor answers",
	"life.progress/run-handler-gone": "the run handler begins anew, or its actor ends with it",
	"life.progress/destroyed-on-error": "the actor stays, and what it stored with it",
	"life.progress/workflow-late": "the workflow comes to its end in good time",
	"life.progress/message-not-taken": "the message is taken by the workflow that waits for it",
	"life.progress/workflow-stalled": "the workflow goes on with what it has taken",
	"life.no-unhandled/rejection": "every rejection is handled",
	"life.no-unhandled/exception": "every exception is caught",
	"replay.same-outcome/other-state": state(
		"state that a new life finds",
		(run) => run.of("client.read").find(({ data }) => data.when === "in-life")?.data.text,
	),
	"replay.same-outcome/other-outcome": state("state at the end", ({ undisturbed }) =>
		undisturbed === undefined ? undefined : finalRead(undisturbed)?.data.text,
	),
	"replay.same-outcome/unsound-state": "a state that some order of the messages leads to",
	"step.terminal-sticks/ran-again": "a step that failed for good does not run again",
	"step.terminal-sticks/ran-again-after-notice":
		"a step does not run again once a listener heard that it failed for good",
};
