/** What a generated program means by the choices of one run: which branch won, what a queue gave, what gave up. */
import type { Outcome } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { type Choices, type Meaning, meaningOf } from "../fixtures/generators/meaning.ts";
import type { ErrorFact, HistoryEvent } from "../sim/world/history.ts";
import { tookOperatorsMessage } from "./messages.ts";
import { endOf, oncePerRun } from "./property.ts";
import type { Run } from "./run.ts";

export interface Meant {
	/** What happened before the workflow ended: a look at the finished one is told of by replay.pure. */
	readonly events: readonly HistoryEvent[];
	readonly meaning: Meaning;
}

/** What a run of a generated program should have come to; undefined where its end says nothing of that. */
export const meantBy = oncePerRun((run: Run): Meant | undefined => {
	const { outcome, program } = run;
	if (program.statements === undefined) return undefined;
	// What an operator sent besides is not among the inputs.
	if (!hasEnded(outcome) || tookOperatorsMessage(run)) return undefined;
	if (outcome.status === "failed" && replayFailure(outcome.error) !== undefined) return undefined;
	const events = run.history.events.slice(0, endOf(run));
	return { events, meaning: meaningOf(program.statements, choicesOf(run, events)) };
});

/** The choices of a run, as the workflow last saw them. */
export function choicesOf(run: Run, events: readonly HistoryEvent[]): Choices {
	const winners = new Map<string, string | undefined>();
	const received = new Map<string, readonly string[]>();
	const gaveUp = new Map<string, boolean>();
	for (const { kind, data } of events) {
		const { key } = data as { key: string };
		switch (kind) {
			case "branches.return":
				winners.set(key, (data as ProbeEvents["branches.return"]).winner);
				break;
			case "queue.return":
				received.set(key, (data as ProbeEvents["queue.return"]).ids);
				break;
			case "step.return":
			case "step.caught":
			case "threw":
				gaveUp.set(key, kind !== "step.return");
				break;
		}
	}
	return {
		winner: (place) => winners.get(place),
		received: (place) => received.get(place),
		message: (id) => run.program.inputs?.[Number(/^m(\d+)$/.exec(id)?.[1] ?? 0) - 1],
		gaveUp: (place) => gaveUp.get(place) ?? false,
	};
}

/** How a replay failed, when that is what an error tells of; undefined for a program's own errors. */
export function replayFailure(error: ErrorFact): string | undefined {
	if (/name index \d+ not found/i.test(error.message)) return "missing-name";
	if (error.name === "HistoryDivergedError") return "diverged";
	if (
		/end of (buffer|input)|unexpected end|decode|invalid tag|too large buffer|BareError/i.test(
			`${error.name} ${error.message}`,
		)
	) {
		return "undecodable";
	}
	return undefined;
}

/** Whether a run came to where nothing goes on by itself. */
export function hasEnded(outcome: Outcome): boolean {
	return outcome.status === "completed" || outcome.status === "failed" || outcome.status === "waiting";
}
