/** What became of messages: shared by the properties that judge loss and those that must not blame it on others. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { oncePerRun } from "./property.ts";
import type { ClientEvents, Run } from "./run.ts";

export interface LostMessage {
	readonly id: string;
	/** How it went: its taker died before the workflow saw it, or a race branch that lost had it. */
	readonly kind:
		| "taken-then-crashed"
		| "taken-then-evicted"
		| "forgotten-after-given"
		| "swallowed-by-race-loser"
		| "vanished";
	readonly event: HistoryEvent;
}

/** Keys of race branches that lost, once their race had a winner. */
export function losingBranches(run: Run): string[] {
	const winners = new Map<string, string>();
	for (const { data } of run.of("branches.return")) {
		const { key, winner } = data as ProbeEvents["branches.return"];
		if (winner !== undefined) winners.set(key, winner);
	}
	const losers: string[] = [];
	for (const { data } of run.of("branches.call")) {
		const { key, operation, names } = data as ProbeEvents["branches.call"];
		const winner = winners.get(key);
		if (operation !== "race" || winner === undefined) continue;
		for (const name of names) if (name !== winner) losers.push(`${key}.${name}`);
	}
	return losers;
}

export function isUnder(key: string, branches: readonly string[]): boolean {
	return branches.some((branch) => key.startsWith(`${branch}/`) || key.startsWith(`${branch}.`));
}

/** Acknowledged messages that are no longer stored and that no surviving part of the workflow was given. */
export const lostMessages = oncePerRun((run: Run): readonly LostMessage[] => {
	const acknowledged = run.of("message.acknowledged");
	if (acknowledged.length === 0) return [];
	const stored = new Set(run.queued.map(({ id }) => id));
	const losers = losingBranches(run);
	const swallowed = new Set<string>();
	const everGiven = new Set<string>();
	// What a wait returned in its last replay is what the workflow has on record; what it returned before is forgotten.
	const onRecord = new Map<string, readonly string[]>();
	for (const { kind, data } of run.history.events) {
		if (kind === "queue.call") onRecord.delete((data as ProbeEvents["queue.call"]).key);
		if (kind !== "queue.return") continue;
		const { key, ids } = data as ProbeEvents["queue.return"];
		const lostRace = isUnder(key, losers);
		for (const id of ids) (lostRace ? swallowed : everGiven).add(id);
		if (!lostRace) onRecord.set(key, ids);
	}
	const given = new Set([...onRecord.values()].flat());
	const lost: LostMessage[] = [];
	for (const event of acknowledged) {
		const { id } = event.data as ClientEvents["message.acknowledged"];
		if (stored.has(id) || given.has(id)) continue;
		const taken = run.of("durable").find(({ data }) => takes(data as WorldEvents["durable"], id));
		const kind = swallowed.has(id)
			? "swallowed-by-race-loser"
			: everGiven.has(id)
				? "forgotten-after-given"
				: fateOfTaker(run, taken);
		lost.push({ id, kind, event: taken ?? event });
	}
	return lost;
});

function takes(durable: WorldEvents["durable"], id: string): boolean {
	return durable.what === "queue.take" && durable.mutations.some(({ key }) => key.endsWith(`:${id}`));
}

function fateOfTaker(run: Run, taken: HistoryEvent | undefined): LostMessage["kind"] {
	if (taken === undefined) return "vanished";
	// A reader that came back for more had this one behind it: what ended the process later is not to blame.
	const after = run.history.events.indexOf(taken);
	const wentOn = run.history.events.some(
		(event, index) =>
			index > after &&
			event.process === taken.process &&
			event.kind === "durable" &&
			(event.data as WorldEvents["durable"]).what === "queue.take",
	);
	if (wentOn) return "vanished";
	if (run.of("process.crash").some(({ process }) => process === taken.process)) return "taken-then-crashed";
	const evicted = run.of("run.evicted").some(({ process, data }) => {
		const { state } = data as HostEvents["run.evicted"];
		return process === taken.process && state !== "cancelled";
	});
	return evicted ? "taken-then-evicted" : "vanished";
}
