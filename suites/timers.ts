/** Waits end when they should. */
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { Property, Violation } from "./property.ts";

export const neverEarly: Property = {
	id: "timer.never-early",
	claim: "No sleep, wait or retry ends before its deadline, whatever the clock does.",
	source: "docs",
	mutants: ["engine-halves-sleeps", "engine-cuts-long-sleeps-short"],
	check(run) {
		const violations: Violation[] = [];
		/** The earliest deadline each wait may have: the one computed when it was first asked for. */
		const deadlines = new Map<string, number>();
		run.history.events.forEach((event, index) => {
			if (event.kind === "sleep.call" || event.kind === "queue.call") {
				const { key, deadlineMs } = event.data as ProbeEvents["queue.call"];
				if (deadlineMs !== undefined && !deadlines.has(key)) deadlines.set(key, deadlineMs);
			} else if (event.kind === "sleep.return" || event.kind === "queue.return") {
				const { key } = event.data as ProbeEvents["sleep.return"];
				const timedOut = event.kind === "sleep.return" || (event.data as ProbeEvents["queue.return"]).ids.length === 0;
				const deadlineMs = deadlines.get(key);
				if (!timedOut || deadlineMs === undefined || event.at >= deadlineMs) return;
				violations.push({
					kind: event.kind === "sleep.return" ? "sleep-early" : "timeout-early",
					message: `${key} ended ${deadlineMs - event.at} ms before its deadline`,
					event: index,
				});
			}
		});
		return violations;
	},
};
