/**
 * A run up to the moment in which an operator sent the workflow back to where it had been (a recovery, a replay), or changed
 * something about a finished one. Up to there all promises hold; what holds after it is said by properties of its own.
 */
import type { HostEvents, Outcome } from "../drivers/engine/host.ts";
import { History, type HistoryEvent, type WorldEvents } from "../sim/world/history.ts";
import { oncePerRun } from "./property.ts";
import type { ClientEvents, Run } from "./run.ts";
import { byKind } from "./run.ts";

/** The run itself when no operator did such a thing. Places of events are those of the whole run. */
export const undisturbed = oncePerRun((run: Run): Run => {
	const { events } = run.history;
	const cut = disturbanceOf(events);
	if (cut === undefined) return run;
	const history = new History();
	for (const event of events.slice(0, cut)) history.events.push(event);
	const { at = run.endMs } = history.events.at(-1) ?? {};
	return {
		...run,
		history,
		outcome: outcomeAt(history.events),
		revisited: false,
		queued: queuedAt(history.events),
		endMs: at,
		of: byKind(history),
	};
});

/** Place of the event; undefined when there is none. */
function disturbanceOf(events: readonly HistoryEvent[]): number | undefined {
	let revisit = false;
	const place = events.findIndex(({ kind, data }) => {
		if (kind === "run.start") revisit = (data as HostEvents["run.start"]).visit === "revisit";
		if (kind === "handle.call") return revisit && (data as HostEvents["handle.call"]).operation !== "read";
		return kind === "run.again";
	});
	return place < 0 ? undefined : place;
}

/** How the workflow had ended by then. */
function outcomeAt(events: readonly HistoryEvent[]): Outcome {
	for (const { kind, data } of events.toReversed()) {
		if (kind === "run.completed") {
			return { status: "completed", output: (data as HostEvents["run.completed"]).output };
		}
		if (kind === "run.rejected") {
			const { error, state } = data as HostEvents["run.rejected"];
			if (state === "failed") return { status: "failed", error };
		}
	}
	return { status: "unfinished", waits: [], limit: "events" };
}

/** Messages that had been accepted and not taken. */
function queuedAt(events: readonly HistoryEvent[]): Run["queued"] {
	const queued = new Map<string, string>();
	for (const { kind, data } of events) {
		if (kind === "message.acknowledged") {
			const { id, name } = data as ClientEvents["message.acknowledged"];
			queued.set(id, name);
		} else if (kind === "durable") {
			const { mutations } = data as WorldEvents["durable"];
			for (const { table, key, value } of mutations) {
				if (!table.endsWith("/queue")) continue;
				const [place = "", name = "", id = ""] = key.split(":");
				if (value === null) queued.delete(key.split(":").at(-1) ?? "");
				// What a workflow sends, or puts back.
				else if (place.startsWith("m")) queued.set(id, decodeURIComponent(name));
			}
		}
	}
	return [...queued].map(([id, name]) => ({ id, name }));
}
