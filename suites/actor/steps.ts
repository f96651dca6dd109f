/** Steps of a workflow inside an actor: what has failed for good stays so. Judged by what the workflow was told, and listeners. */
import type { HeardOf } from "../../fixtures/actors/states.ts";
import type { Violation } from "../property.ts";
import { type ActorProperty, appliedAtEnd, messagesOf, only, violation } from "./facts.ts";
import type { ActorRun } from "./run.ts";

/** Paths of the steps that fail for good with their first attempt. */
const FAIL_FOR_GOOD: ReadonlySet<string> = new Set(["jobs/reject", "jobs/dawdle"]);

/** The message in hand at that place of a life: by it one iteration is told from another. */
function inHand(run: ActorRun, process: number, place: number): string | undefined {
	return run
		.of("actor.given")
		.findLast((given) => given.process === process && given.place < place)
		?.data.messages.at(0)?.id;
}

/** Messages that were applied more than once: each time is another iteration, with steps of its own. */
function applied(run: ActorRun): ReadonlySet<string> {
	const counts = appliedAtEnd(run) ?? {};
	return new Set(messagesOf(run).flatMap(({ id, most }) => ((counts[id] ?? 0) > most ? [id] : [])));
}

export const terminalSticks: ActorProperty = {
	id: "step.terminal-sticks",
	claim: "A step that failed for good never runs again, once the workflow or a listener has heard of it.",
	source: "PR 5010, review: durability of terminal failures, notification before the flush",
	mutants: ["fail-before-record", "notify-before-record"],
	skips: only(["failing-for-good"]),
	check(run) {
		const twice = applied(run);
		/** The first time that the workflow, or a listener, heard of each failure: its place. */
		const heard = { workflow: new Map<string, number>(), listener: new Map<string, number>() };
		const note = (by: "workflow" | "listener", path: string, process: number, place: number) => {
			const id = inHand(run, process, place);
			const key = `${path} of ${id}`;
			if (id === undefined || !FAIL_FOR_GOOD.has(path) || twice.has(id) || heard[by].has(key)) return;
			heard[by].set(key, place);
		};
		for (const { place, process, data } of run.of("actor.told")) {
			const { step, willRetry } = data.data as HeardOf;
			if (data.what === "heard" && !willRetry) note("listener", `jobs/${step}`, process, place);
		}
		for (const { place, process, data } of run.of("actor.step")) note("workflow", data.path, process, place);
		return run
			.of("actor.body")
			.flatMap(({ place, process, data }): Violation[] => {
				const key = `${data.path} of ${inHand(run, process, place)}`;
				const isBefore = (at: number | undefined) => at !== undefined && at < place;
				if (isBefore(heard.workflow.get(key)))
					return [
						violation("ran-again", `${key} had failed for good, and the workflow had gone on; it ran again`, place),
					];
				return isBefore(heard.listener.get(key))
					? [
							violation(
								"ran-again-after-notice",
								`a listener had heard that ${key} failed for good; it ran again`,
								place,
							),
						]
					: [];
			})
			.slice(0, 1);
	},
};

export const STEPS: readonly ActorProperty[] = [terminalSticks];
