/** What must hold of every actor, whatever it is about: it comes to its end, nothing is left unhandled, and memory is no other than the disk. */
import type { Violation } from "../property.ts";
import {
	type ActorProperty,
	appliedAtEnd,
	asleepForGood,
	finalRead,
	handlerGone,
	isUnderWay,
	livesOf,
	lostByHistory,
	messagesOf,
	slackMs,
	violation,
} from "./facts.ts";
import type { ActorRun, Placed } from "./run.ts";

export const lifeProgress: ActorProperty = {
	id: "life.progress",
	claim: "Once faults stop, the actor can be started, answers, and has taken every message that it waits for.",
	source: "docs: survives restarts",
	mutants: ["start-once", "never-ready", "destroy-on-error"],
	check(run) {
		const last = run.history.events.length - 1;
		if (run.outcome.status === "unrecoverable") {
			const { name, message } = run.outcome.error;
			const text = `${name}: ${message}`;
			if (run.of("actor.ready").length === 0) {
				return [violation("never-started", `the actor can never be started: ${text}`, last)];
			}
			return [violation("unrecoverable", `the actor cannot be started again, or breaks each time: ${text}`, last)];
		}
		if (run.outcome.status === "stuck") {
			const waits = run.outcome.waits.length === 0 ? "nothing that can be named" : run.outcome.waits.join(", ");
			return [violation("stuck", `the actor did not answer in the end; it waits for ${waits}`, last)];
		}
		if (run.outcome.status === "destroyed") return destroyedOnError(run);
		const gone = goneHandler(run);
		return gone.length > 0 ? gone : [...leftMessages(run), ...lateEnds(run)];
	},
};

/** Virtual milliseconds that a platform, or the actor itself, has to begin the run handler anew. */
const HANDLER_PATIENCE_MS = 20_000;

/** A run handler that ended as storage failed it, in a life that went on without it. */
function goneHandler(run: ActorRun): Violation[] {
	const gone = handlerGone(run);
	if (gone === undefined) return [];
	const life = livesOf(run).find(({ process }) => process === gone.process);
	if (life === undefined || life.toMs < gone.at + HANDLER_PATIENCE_MS) return [];
	const { message = "" } = gone.data.error ?? {};
	const text = `the run handler ended with "${message}", and its actor went on without it for ${life.toMs - gone.at} ms`;
	return [violation("run-handler-gone", text, gone.place)];
}

/** An actor that is gone with all that it stored, since its run handler failed and not since anybody asked for it. */
function destroyedOnError(run: ActorRun): Violation[] {
	const failed = run.of("actor.run-ended").find(({ data }) => data.error !== undefined);
	const gone = run.of("actor.destroying").find(({ place }) => place > (failed?.place ?? Number.POSITIVE_INFINITY));
	if (failed?.data.error === undefined || gone === undefined) return [];
	if (run.program.inputs.some(({ kind }) => kind === "destroy")) return [];
	const { name, message } = failed.data.error;
	const text = `the run handler failed (${name}: ${message}), and the actor was destroyed with all that it stored`;
	return [violation("destroyed-on-error", text, gone.place)];
}

/** A workflow that is not over, though it had all the time that it needs. */
function lateEnds(run: ActorRun): Violation[] {
	const { endsByMs, endMs = 120_000 } = run.program;
	if (endsByMs === undefined || asleepForGood(run) !== undefined) return [];
	const dueMs = endsByMs + slackMs(run) * (1 + run.fired.size);
	if (dueMs > endMs || run.of("actor.run-ended").some(({ at }) => at <= dueMs)) return [];
	const text = `the workflow was to be over after ${endsByMs} ms, and was not after ${dueMs} ms`;
	return [violation("workflow-late", text, run.history.events.length - 1)];
}

/** Acknowledged messages that are still in the queue of a workflow that would take them. */
function leftMessages(run: ActorRun): Violation[] {
	const counts = appliedAtEnd(run);
	const read = finalRead(run);
	const image = run.of("actor.image").find(({ data }) => data.when === "end");
	if (counts === undefined || read === undefined || image === undefined) return [];
	if (run.of("actor.run-ended").some(({ place }) => place < read.place)) return [];
	const left = messagesOf(run).find(
		({ id, least }) => least > 0 && (counts[id] ?? least) < least && image.data.messages.some((one) => one.id === id),
	);
	if (left === undefined) return stalled(run, counts, read.place);
	return [
		violation(
			"message-not-taken",
			`message ${left.id} is still in the queue, for which the workflow waits`,
			read.place,
		),
	];
}

/** Messages that the history knows of, and that nobody went on with. */
function stalled(run: ActorRun, counts: Readonly<Record<string, number>>, place: number): Violation[] {
	const message = messagesOf(run).find(
		(one) => (counts[one.id] ?? one.least) < one.least && isUnderWay(run, one) && !lostByHistory(run, one.id),
	);
	if (message === undefined) return [];
	return [
		violation("workflow-stalled", `message ${message.id} was taken, and the workflow never went on with it`, place),
	];
}

export const lifeNoUnhandled: ActorProperty = {
	id: "life.no-unhandled",
	claim: "No fault causes an unhandled rejection or an uncaught exception.",
	source: "engine: process safety",
	mutants: ["careless-start"],
	check: (run) => [
		...run
			.of("unhandled")
			.map(({ place, data }) =>
				violation("rejection", `an unhandled rejection: ${data.error.name}: ${data.error.message}`, place),
			),
		...run
			.of("uncaught")
			.map(({ place, data }) =>
				violation("exception", `an uncaught exception: ${data.error.name}: ${data.error.message}`, place),
			),
	],
};

export const sameOutcome: ActorProperty = {
	id: "replay.same-outcome",
	claim: "A new life finds the state that the one before had when it went to sleep, and the state is whole.",
	source: "docs: workflow progress is saved automatically",
	mutants: ["read-behind"],
	residual: true,
	check(run) {
		const violations: Violation[] = [];
		const read = finalRead(run);
		if (read === undefined) return [];
		const before = run.of("client.read").find(({ data }) => data.when === "in-life");
		const from = run.of("actor.waits")[0]?.place ?? before?.place ?? 0;
		const isQuiet =
			run.program.ticks !== true &&
			!run.history.events.slice(from).some(({ kind }) => kind === "actor.body" || kind === "actor.body-end");
		if (before !== undefined && isQuiet && before.data.text !== read.data.text) {
			const text = `the state was ${before.data.text}, and a new life finds ${read.data.text}`;
			violations.push(violation("other-state", text, read.place));
		}
		violations.push(...otherOutcomes(run, read));
		if (run.program.fails === true && run.target.capabilities.stepState !== "rollback") return violations;
		const unsound = run.program.sound?.((read.data.state ?? {}) as Readonly<Record<string, unknown>>);
		if (unsound !== undefined) violations.push(violation("unsound-state", unsound, read.place));
		return violations;
	},
};

/** Ids of messages in the order in which they were first given. */
function orderOf(run: ActorRun): string {
	return [...new Set(run.of("actor.given").flatMap(({ data }) => data.messages.map(({ id }) => id)))].join();
}

/** A final state that a run with nothing in its way does not come to. */
function otherOutcomes(run: ActorRun, { place, data }: Placed<"client.read">): Violation[] {
	if (run.program.sameOutcome !== true || run.undisturbed === undefined) return [];
	// What was never acknowledged need not have been sent, and what was asked twice may have been sent twice.
	if (
		messagesOf(run).some(
			({ acknowledged, unknown, least, most }) => acknowledged.length === 0 || least !== most || unknown < 0,
		)
	)
		return [];
	// A refused call is a failure of the outside, to which a workflow may have an answer of its own.
	if (run.of("operation.failed").some(({ data }) => data.what.startsWith("call "))) return [];
	// What came in another order is another story.
	if (orderOf(run) !== orderOf(run.undisturbed)) return [];
	const expected = finalRead(run.undisturbed)?.data.text;
	if (expected === undefined || expected === data.text) return [];
	return [violation("other-outcome", `the state is ${data.text}, and without faults it is ${expected}`, place)];
}

export const LIFE: readonly ActorProperty[] = [lifeProgress, lifeNoUnhandled, sameOutcome];
