/** A workflow lives on, and ends. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { WorldEvents } from "../sim/world/history.ts";
import { lostMessages } from "./messages.ts";
import type { Property, Violation } from "./property.ts";

export const noUnhandled: Property = {
	id: "life.no-unhandled",
	claim: "No fault causes an unhandled rejection or an uncaught exception.",
	source: "engine",
	survivesLostWrites: true,
	mutants: ["engine-forgets-a-rejection"],
	check(run) {
		const violations: Violation[] = [];
		run.history.events.forEach((event, index) => {
			if (event.kind !== "unhandled" && event.kind !== "uncaught") return;
			const { error } = event.data as WorldEvents["unhandled"];
			violations.push({
				kind: `${event.kind}-${error.name}`,
				message: `${event.kind === "unhandled" ? "unhandled rejection" : "uncaught exception"}: ${error.name}: ${error.message}`,
				event: index,
			});
		});
		return violations;
	},
};

export const progress: Property = {
	id: "life.progress",
	claim:
		"Once faults stop, every runnable workflow finishes within a bound of virtual time; if not, what it waits for is named.",
	source: "docs",
	survivesLostWrites: true,
	mutants: ["driver-ignores-alarms", "queue-misses-early-messages"],
	check(run) {
		const { outcome } = run;
		const event = run.history.events.length - 1;
		switch (outcome.status) {
			case "hung":
				return [
					{
						kind: "hung",
						message:
							outcome.waits.length === 0
								? "asleep with no alarm set and no message awaited: nothing will ever wake it"
								: `nothing is left to happen, and it waits for ${outcome.waits.join(", ")}`,
						event,
					},
				];
			case "unfinished":
				return [
					{
						kind:
							lostMessages(run).length > 0
								? "polls-for-lost-message"
								: outcome.limit === "time"
									? "not-finished-in-time"
									: "livelock",
						message: `still running after ${outcome.limit === "time" ? `${run.endMs} ms of virtual time` : `${run.events} events`}; waits for ${outcome.waits.join(", ") || "nothing"}`,
						event,
					},
				];
			case "waiting": {
				const ready = run.queued.filter(({ name }) => outcome.names.length === 0 || outcome.names.includes(name));
				const { untilMs } = (run.of("run.yield").at(-1)?.data ?? {}) as Partial<HostEvents["run.yield"]>;
				if (ready.length === 0 && untilMs !== undefined) {
					return [
						{
							kind: "missed-deadline",
							message: `waits beyond ${untilMs} ms, when it was to be woken, with no alarm set`,
							event,
						},
					];
				}
				if (ready.length === 0) return [];
				return [
					{
						kind: "missed-message",
						message: `waits for ${outcome.names.join(", ") || "any message"} with ${ready.map(({ id }) => id).join(", ")} in the queue`,
						event,
					},
				];
			}
			default:
				return [];
		}
	},
};

export const evictResumes: Property = {
	id: "evict.resumes",
	claim: "Eviction at any point stops cleanly and the next run goes on.",
	source: "engine",
	survivesLostWrites: true,
	mutants: ["engine-rejects-when-evicted"],
	check(run) {
		const violations: Violation[] = [];
		run.history.events.forEach((event, index) => {
			if (event.kind === "run.rejected") {
				const { error, state, evicting } = event.data as HostEvents["run.rejected"];
				if (!evicting || state === "failed") return;
				violations.push({
					kind: "rejected-instead-of-stopping",
					message: `asked to stop, the run rejected with ${error.name}: ${error.message}`,
					event: index,
				});
			} else if (event.kind === "process.crash") {
				const { why } = event.data as WorldEvents["process.crash"];
				if (why !== "eviction grace over") return;
				violations.push({ kind: "never-stopped", message: "asked to stop, it had to be killed", event: index });
			}
		});
		return violations;
	},
};
