/**
 * State, vars and history of an actor are one. Judged by what bodies find as they begin, by what actions return, by what clients
 * see of broadcasts, and by which messages the state says it has taken.
 */
import type { Violation } from "../property.ts";
import {
	type ActorProperty,
	appliedAtEnd,
	appliedByStateAlone,
	finalRead,
	livesOf,
	lostByHistory,
	messagesOf,
	only,
	rollsForward,
	told,
	violation,
} from "./facts.ts";
import type { ActorRun, Placed } from "./run.ts";

type Body = Placed<"actor.body">;
type BodyEnd = Placed<"actor.body-end">;

/** Bodies with how they ended, in the order in which they began. */
function bodiesOf(run: ActorRun): { readonly begin: Body; readonly end: BodyEnd | undefined }[] {
	const ends = new Map(run.of("actor.body-end").map((end) => [`${end.data.call}/${end.data.attempt}`, end]));
	return run.of("actor.body").map((begin) => ({ begin, end: ends.get(`${begin.data.call}/${begin.data.attempt}`) }));
}

/** Whether anything but this body may have changed the state in between. */
function isAlone(run: ActorRun, from: number, to: number, call: number): boolean {
	const between = (place: number) => place > from && place < to;
	return (
		!run.of("actor.body").some(({ place, data }) => between(place) && data.call !== call) &&
		!run.of("actor.body-end").some(({ place, data }) => between(place) && data.call !== call) &&
		!run.of("client.acted").some(({ place }) => between(place)) &&
		!run.of("client.act").some(({ place }) => between(place)) &&
		told(run, "acted").every(({ place }) => !between(place))
	);
}

export const stateRollback: ActorProperty = {
	id: "state.rollback",
	claim: "After a failed attempt state and vars are what they were before it, and the next attempt starts from there.",
	source: "PR 5010, description; the declared stepState where a runtime promises less",
	mutants: ["keep-failed-state", "keep-failed-vars", "claim-to-roll-forward"],
	skips: (run) => (run.program.stateless === true ? "the actor has no state" : undefined),
	check(run) {
		const { stepState } = run.target.capabilities;
		if (stepState === "none") return [];
		const violations: Violation[] = [];
		const bodies = bodiesOf(run);
		for (const [i, { begin, end }] of bodies.entries()) {
			if (end?.data.error === undefined) continue;
			const next = bodies[i + 1]?.begin;
			if (next === undefined || next.process !== begin.process) continue;
			if (!isAlone(run, begin.place, next.place, begin.data.call)) continue;
			const { path } = begin.data;
			if (stepState === "rollback") {
				if (next.data.state !== begin.data.state) {
					const message = `after a failed attempt of ${path} the state is ${next.data.state}, and was ${begin.data.state}`;
					violations.push(violation("state-kept", message, next.place));
				}
				// What vars hold by reference is left out by contract; `state.uncloneable-vars` is about that.
				if (next.data.vars !== begin.data.vars && run.program.name !== "uncloneable-vars") {
					const message = `after a failed attempt of ${path} the vars are ${next.data.vars}, and were ${begin.data.vars}`;
					violations.push(violation("vars-kept", message, next.place));
				}
			} else if (end.data.state !== "" && next.data.state !== end.data.state) {
				const message = `a failed attempt of ${path} left ${end.data.state}, and what follows finds ${next.data.state}`;
				violations.push(violation("neither", message, next.place));
			}
		}
		if (stepState === "rollback") violations.push(...survivals(run, bodies));
		return violations;
	},
};

/** States of failed attempts that a later life goes on from. */
function survivals(
	run: ActorRun,
	bodies: readonly { readonly begin: Body; readonly end: BodyEnd | undefined }[],
): Violation[] {
	if (run.of("client.act").length > 0) return [];
	const violations: Violation[] = [];
	for (const { data, place } of run.of("actor.image")) {
		const before = bodies.filter(({ begin }) => begin.place < place);
		const failed = before.find(({ end }) => end?.data.error !== undefined && end.data.state === data.state);
		if (failed === undefined) continue;
		const isLegal = before.some(
			({ begin, end }) =>
				begin.data.state === data.state || (end?.data.error === undefined && end?.data.state === data.state),
		);
		if (isLegal) continue;
		const message = `${data.state} is stored, which only a failed attempt of ${failed.begin.data.path} left`;
		violations.push(violation("failed-state-stored", message, place));
	}
	return violations.slice(0, 1);
}

export const stateAtomic: ActorProperty = {
	id: "state.atomic",
	claim: "A step's changes of the state and its completion become durable together or not at all.",
	source: "PR 4006, review of batch(); PR 5010, description",
	mutants: ["store-state-first", "store-state-last", "give-before-record"],
	skips: (run) => {
		if (run.program.applied === undefined) return "the state does not tell what was applied";
		const forward = rollsForward(run);
		if (forward !== undefined) return forward;
		return run.program.damages === true ? "the script damages what is stored" : undefined;
	},
	check(run) {
		const atEnd = appliedAtEnd(run);
		const read = finalRead(run);
		if (atEnd === undefined || read === undefined) return [];
		const violations: Violation[] = [];
		for (const message of messagesOf(run)) {
			const applied = atEnd[message.id];
			if (applied === undefined) continue;
			if (applied > message.most && appliedByStateAlone(run, message.id)) {
				const text = `message ${message.id} is in the state ${applied} times: a life went on from a state that had it, and applied it again`;
				violations.push(violation("state-without-history", text, read.place));
			}
			if (applied < message.least && lostByHistory(run, message.id)) {
				const text = `the step that applied message ${message.id} is done, and the state has it ${applied} times`;
				violations.push(violation("history-without-state", text, read.place));
			}
		}
		return violations;
	},
};

export const stateNoExtraSave: ActorProperty = {
	id: "state.no-extra-save",
	claim: "Rolling back writes nothing that was not there before: the state is stored by no failed attempt.",
	source: "PR 5010, review: no save follows a rollback",
	mutants: ["save-after-rollback"],
	skips: (run) =>
		run.target.capabilities.stepState === "rollback" ? undefined : "the runtime does not promise to roll back",
	check(run) {
		const { target } = run;
		const violations: Violation[] = [];
		const bodies = bodiesOf(run);
		const saves = run
			.of("durable")
			.filter(({ data }) => data.mutations.some(({ table, key }) => target.describeKey(table, key) === "actor state"));
		for (const [i, { begin, end }] of bodies.entries()) {
			if (end?.data.error === undefined) continue;
			const next = bodies[i + 1]?.begin;
			const to = next?.place ?? run.history.events.length;
			const life = livesOf(run).find(({ process }) => process === begin.process);
			const until = Math.min(to, life?.to ?? to);
			if (!isAlone(run, begin.place, until, begin.data.call)) continue;
			const save = saves.find(({ place, process }) => process === begin.process && place > end.place && place < until);
			if (save === undefined) continue;
			const message = `write ${save.data.n} stores the state after a failed attempt of ${begin.data.path}`;
			violations.push(violation("saved", message, save.place));
		}
		return violations;
	},
};

/** What a fixture's bodies throw on purpose, or because a fault refused a call of theirs. */
function isExpected({ name, message }: { readonly name: string; readonly message: string }): boolean {
	return name === "OperationError" || /planned|\(operation \d+\)/.test(message);
}

export const stateStateless: ActorProperty = {
	id: "state.stateless",
	claim: "An actor without state runs steps, and fails steps, as any other.",
	source: "PR 5010, review: stateless actors with workflow steps",
	mutants: ["snapshot-state-always"],
	skips: (run) => (run.program.stateless === true ? undefined : "the actor has a state"),
	check(run) {
		const violations: Violation[] = [];
		const failed = run.of("actor.step").find(({ data }) => data.error !== undefined && !isExpected(data.error));
		if (failed?.data.error !== undefined) {
			const { name, message } = failed.data.error;
			violations.push(violation("step-failed", `step ${failed.data.path} failed: ${name}: ${message}`, failed.place));
		}
		const late = run.of("actor.wait-failed").find(({ data }) => !isExpected(data.error));
		if (late !== undefined) violations.push(violation("wait-failed", late.data.error.message, late.place));
		return violations;
	},
};

/** What the fixture about vars finds as an attempt begins. */
export interface VarsTold {
	readonly attempt: number;
	readonly before: number;
	readonly behind: number;
}

export const stateUncloneableVars: ActorProperty = {
	id: "state.uncloneable-vars",
	claim: "Vars that cannot be copied are refused with a clear error or left out by contract, never half restored.",
	source: "PR 5010, review: structuredClone(vars)",
	mutants: ["clone-vars", "restore-vars-in-part"],
	skips: only(["uncloneable-vars"]),
	check(run) {
		const violations: Violation[] = [];
		for (const { place, data } of told<VarsTold>(run, "vars")) {
			if (data.before !== data.behind) {
				const message = `attempt ${data.attempt} finds what stands before the thing that cannot be copied ${data.before} times changed, and what stands behind it ${data.behind} times`;
				violations.push(violation("half-restored", message, place));
			}
		}
		const crash = run.of("actor.body-end").find(({ data }) => data.error !== undefined && !isExpected(data.error));
		const step = run.of("actor.step").find(({ data }) => data.error !== undefined && !isExpected(data.error));
		const thrown = crash ?? step;
		if (thrown?.data.error !== undefined && !/vars/i.test(thrown.data.error.message)) {
			const { name, message } = thrown.data.error;
			violations.push(violation("step-failed", `the step fails with ${name}: ${message}`, thrown.place));
		}
		return violations;
	},
};

/** What the fixture about access tells of each attempt to reach the actor from outside of a step. */
export interface GuardTold {
	readonly what: string;
	readonly threw: boolean;
}

export const stateGuard: ActorProperty = {
	id: "state.guard",
	claim: "Touching state, vars, client or broadcast outside of a step throws and changes nothing.",
	source: "docs: step-only access to actor APIs; PR 4006, guard",
	mutants: ["open-access", "mark-refused-access"],
	skips: only(["outside-access"]),
	check(run) {
		const violations: Violation[] = [];
		for (const { place, data } of told<GuardTold>(run, "guard")) {
			if (!data.threw) violations.push(violation("allowed", `${data.what} was allowed outside of a step`, place));
		}
		for (const { place, data } of run.of("actor.broadcast")) {
			if (data.event === "outside") violations.push(violation("sent", "an event left that no step broadcast", place));
		}
		const read = finalRead(run);
		const state = read?.data.state as Readonly<Record<string, unknown>> | undefined;
		if (read !== undefined && state !== undefined) {
			const marks = Object.keys(state).filter((field) => !["value", "steps", "guardTriggered"].includes(field));
			const isMarked = marks.length > 0 || state.guardTriggered === true;
			if (state.value !== 0 || isMarked) {
				const message = `the refused access has changed the state to ${read.data.text}`;
				violations.push(violation("state-changed", message, read.place));
			}
		}
		return violations;
	},
};

export const stateBroadcast: ActorProperty = {
	id: "state.broadcast",
	claim:
		"An event broadcast in a step that rolled back, or replayed, is not sent, where events leave after the commit.",
	source: "docs: store progress in state and broadcast; the declared broadcast where a runtime promises less",
	mutants: ["broadcast-at-once", "broadcast-on-rejection"],
	skips: only(["broadcasts"]),
	check(run) {
		const violations: Violation[] = [];
		const counts = new Map<string, number>();
		for (const { place, data } of run.of("actor.broadcast")) {
			const count = (counts.get(data.values) ?? 0) + 1;
			counts.set(data.values, count);
			if (run.target.capabilities.broadcast === "after-commit") {
				if (data.values.includes('"fails": true'))
					violations.push(violation("sent-by-failed-attempt", `a failed attempt sent ${data.values}`, place));
				else if (count > 1) violations.push(violation("sent-twice", `${data.values} was sent ${count} times`, place));
				continue;
			}
			// At once means with each body, and not with a replay.
			const bodies = told<string>(run, "broadcasting").filter((one) => one.data === data.values && one.place < place);
			if (count > bodies.length)
				violations.push(violation("sent-on-replay", `${data.values} was sent by no body`, place));
		}
		return violations;
	},
};

export const STATE: readonly ActorProperty[] = [
	stateRollback,
	stateAtomic,
	stateNoExtraSave,
	stateStateless,
	stateUncloneableVars,
	stateGuard,
	stateBroadcast,
];
