/** Waits end when they should. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { EPOCH_MS } from "../sim/world/world.ts";
import { unclearNames } from "./names.ts";
import type { Property, Violation } from "./property.ts";
import type { Run } from "./run.ts";

export const neverEarly: Property = {
	id: "timer.never-early",
	claim: "No sleep, wait or retry ends before its deadline, whatever the clock does.",
	source: "docs: Timers, Poll + backoff loop; types: SleepEntry.deadline",
	followsOperators: true,
	mutants: ["engine-halves-sleeps", "engine-cuts-long-sleeps-short", "driver-forgets-attempts", "engine-halves-waits"],
	skips: unclearNames,
	check(run) {
		const violations: Violation[] = [];
		/** The earliest deadline each wait may have: the one computed when it was first asked for, unless a replay took it away. */
		const deadlines = new Map<string, number>();
		/** When steps that failed are to be retried, by what the engine had itself woken for. */
		const retries = new Map<string, number>();
		const failed = new Map<number, string>();
		run.history.events.forEach((event, index) => {
			switch (event.kind) {
				case "sleep.call":
				case "queue.call": {
					const { key, deadlineMs } = event.data as ProbeEvents["queue.call"];
					if (deadlineMs !== undefined) deadlines.set(key, Math.min(deadlineMs, deadlines.get(key) ?? deadlineMs));
					break;
				}
				case "sleep.return":
				case "queue.return": {
					const { key } = event.data as ProbeEvents["sleep.return"];
					const timedOut =
						event.kind === "sleep.return" || (event.data as ProbeEvents["queue.return"]).ids.length === 0;
					const deadlineMs = deadlines.get(key);
					if (!timedOut || deadlineMs === undefined || event.at >= deadlineMs) break;
					violations.push({
						kind: event.kind === "sleep.return" ? "sleep-early" : "timeout-early",
						message: `${key} ended ${deadlineMs - event.at} ms before its deadline`,
						event: index,
					});
					break;
				}
				case "body.end": {
					const { key, error } = event.data as ProbeEvents["body.end"];
					if (error === undefined) failed.delete(event.process);
					else failed.set(event.process, key);
					break;
				}
				case "durable": {
					const key = failed.get(event.process);
					const alarmMs = alarmSet(event.data as WorldEvents["durable"]);
					if (key === undefined || alarmMs === undefined) break;
					retries.set(key, alarmMs);
					failed.delete(event.process);
					break;
				}
				case "body.start": {
					const { key } = event.data as ProbeEvents["body.start"];
					const retryMs = retries.get(key);
					retries.delete(key);
					if (retryMs === undefined || event.at >= retryMs) break;
					violations.push({
						kind: "retry-early",
						message: `${key} was retried ${retryMs - event.at} ms before the time for which an alarm had been set`,
						event: index,
					});
					break;
				}
				// A recovery resets attempts, and with them their delays.
				case "run.again":
					retries.clear();
			}
		});
		return violations;
	},
};

/** The time an alarm was set for, virtual; undefined when the write set none. */
function alarmSet({ what, mutations }: WorldEvents["durable"]): number | undefined {
	const value = what === "alarm.set" ? mutations[0]?.value : undefined;
	if (value === undefined || value === null) return undefined;
	return new DataView(value.buffer, value.byteOffset).getFloat64(0) - EPOCH_MS;
}

export const deadlineFixed: Property = {
	id: "timer.deadline-fixed",
	claim: "A restart does not move a deadline.",
	source: "docs: Timers, What are workflows?; types: SleepEntry.deadline",
	followsOperators: true,
	mutants: ["driver-counts-alarms-anew", "driver-takes-time-off-twice"],
	skips: (program) =>
		program.parallel === true ? "one alarm stands for the deadlines of several branches" : undefined,
	check(run) {
		const violations: Violation[] = [];
		/** The wait that a process is in. */
		const open = new Map<number, string>();
		/** The alarm set for each wait: by then its deadline was durable. */
		const alarms = new Map<string, { atMs: number }>();
		/** The first call of each sleep, and the latest. */
		const calls = new Map<string, { readonly first: number; latest: number }>();
		run.history.events.forEach((event, index) => {
			const { key = "" } = (event.data ?? {}) as { key?: string };
			switch (event.kind) {
				case "sleep.call":
					open.set(event.process, key);
					calls.set(key, { first: calls.get(key)?.first ?? index, latest: index });
					break;
				case "queue.call":
					if ((event.data as ProbeEvents["queue.call"]).deadlineMs === undefined) open.delete(event.process);
					else open.set(event.process, key);
					break;
				case "sleep.return": {
					open.delete(event.process);
					const lateMs = sleptAnew(run, calls.get(key), index);
					if (lateMs === undefined) break;
					const message = `${key} ended ${lateMs} ms after its deadline, a whole sleep after a restart`;
					violations.push({ kind: "moved-later", message, event: index });
					break;
				}
				case "run.start":
				case "queue.return":
				case "threw":
					open.delete(event.process);
					break;
				case "run.again":
					alarms.clear();
					calls.clear();
					break;
				case "durable": {
					const atMs = alarmSet(event.data as WorldEvents["durable"]);
					const wait = open.get(event.process);
					if (atMs === undefined || wait === undefined || wasAskedToWake(run.history.events, index)) break;
					// With its alarm the wait has yielded; what the same process does next is another pass through the workflow.
					open.delete(event.process);
					const first = alarms.get(wait);
					if (first === undefined) alarms.set(wait, { atMs });
					else if (first.atMs !== atMs) {
						violations.push({
							kind: atMs > first.atMs ? "moved-later" : "moved-earlier",
							message: `${wait} was to end at ${first.atMs} ms, and in process ${event.process} at ${atMs} ms`,
							event: index,
						});
					}
				}
			}
		});
		return violations;
	},
};

/** Sleeps shorter than this say too little about which deadline they kept. */
const TELLING_MS = 2_000;

/** By how much a sleep ended late that a later process began anew; undefined when it did not, or may have. */
function sleptAnew(
	run: Run,
	calls: { readonly first: number; readonly latest: number } | undefined,
	end: number,
): number | undefined {
	// Whatever else goes wrong may hold a sleep up.
	if (calls === undefined || run.scenario.faults.some(({ kind }) => kind !== "crash" && kind !== "evict")) return;
	const { events } = run.history;
	const [first, latest] = [events[calls.first], events[calls.latest]] as [HistoryEvent, HistoryEvent];
	const { deadlineMs } = first.data as ProbeEvents["sleep.call"];
	const durationMs = deadlineMs - first.at;
	if (first.process === latest.process || !(durationMs >= TELLING_MS)) return;
	if (!hadTimeToRecord(events, calls.first)) return;
	const lateMs = (events[end] as HistoryEvent).at - Math.max(deadlineMs, latest.at);
	return lateMs >= durationMs * 0.9 ? lateMs : undefined;
}

/** Long after any operation of storage that nothing holds up, in virtual milliseconds. */
const RECORDED_MS = 1_000;

/** Whether the process of a wait went on waiting, with nothing under way, for long enough to have its deadline on record, and then died. */
export function hadTimeToRecord(events: readonly HistoryEvent[], call: number): boolean {
	const { process, at } = events[call] as HistoryEvent;
	const end = events.find(
		(event, index) => index > call && event.process === process && event.kind === "process.crash",
	);
	if (end === undefined || end.at - at < RECORDED_MS) return false;
	return (end.data as WorldEvents["process.crash"]).inFlight.length === 0;
}

/** Whether the alarm may be an operator's: waking a workflow is setting its alarm to now. */
function wasAskedToWake(events: readonly HistoryEvent[], index: number): boolean {
	const atMs = alarmSet((events[index] as HistoryEvent).data as WorldEvents["durable"]);
	return events.slice(0, index).some(({ kind, data, at }) => {
		return kind === "handle.call" && (data as HostEvents["handle.call"]).operation === "wake" && at === atMs;
	});
}

export const fires: Property = {
	id: "timer.fires",
	claim:
		"Every sleep ends, if only its process lives: the alarm is durable before the engine yields, and one that is lost, late, early or doubled does no harm.",
	source: "docs: Timers; engine: EngineDriver.setAlarm; PR 4006",
	followsOperators: true,
	mutants: [
		"driver-ignores-alarms",
		"driver-acknowledges-alarms-early",
		"driver-rounds-alarms-up",
		"driver-keeps-the-first-alarm",
	],
	check(run) {
		const violations: Violation[] = [];
		let alarmMs: number | undefined;
		const sleeping = new Map<string, number>();
		run.history.events.forEach((event, index) => {
			switch (event.kind) {
				case "durable": {
					const data = event.data as WorldEvents["durable"];
					if (data.mutations.some(({ table }) => table.endsWith("/alarm"))) alarmMs = alarmSet(data);
					break;
				}
				case "run.yield": {
					const { untilMs } = event.data as HostEvents["run.yield"];
					// An alarm that is due when it is set goes off at once.
					if (untilMs === undefined || (alarmMs !== undefined && alarmMs <= Math.max(untilMs, event.at))) break;
					const message =
						alarmMs === undefined
							? `yielded until ${untilMs} ms with no alarm set`
							: `yielded until ${untilMs} ms with an alarm for ${alarmMs} ms`;
					violations.push({ kind: alarmMs === undefined ? "no-alarm" : "alarm-too-late", message, event: index });
					break;
				}
				case "sleep.call":
					sleeping.set((event.data as ProbeEvents["sleep.call"]).key, index);
					break;
				case "sleep.return":
					sleeping.delete((event.data as ProbeEvents["sleep.return"]).key);
					break;
				case "run.completed":
				case "run.again":
					sleeping.clear();
			}
		});
		if (run.outcome.status !== "hung") return violations;
		for (const [key, index] of sleeping) {
			violations.push({ kind: "never-ended", message: `the sleep ${key} never ended`, event: index });
		}
		return violations;
	},
};
