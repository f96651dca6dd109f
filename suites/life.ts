/** A workflow lives on, and ends. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { droppedMessages, isUnder, lostMessages, raceBranches, tookOperatorsMessage } from "./messages.ts";
import { oncePerRun, type Property, type Violation } from "./property.ts";
import type { Run } from "./run.ts";

export const noUnhandled: Property = {
	id: "life.no-unhandled",
	claim: "No fault causes an unhandled rejection or an uncaught exception.",
	source: "engine: executeLiveWorkflow (losers of a wait)",
	survivesLostWrites: true,
	followsOperators: true,
	mutants: ["engine-forgets-a-rejection", "engine-throws-from-a-timer"],
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
	source: "docs: What are workflows? (survives restarts, event-driven), Timers",
	survivesLostWrites: true,
	followsOperators: true,
	mutants: ["driver-ignores-alarms", "queue-misses-early-messages", "driver-keeps-the-first-alarm"],
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
								: `nothing is left to happen, and waits are left: ${outcome.waits.join("; ")}`,
						event,
					},
				];
			case "unfinished":
				// A program that counts what it takes may wait for ever after one more, or after some that it gave back.
				if (tookOperatorsMessage(run) || droppedMessages(run)) return [];
				// Nor does one end that waits for what storage lost.
				if (run.scenario.faults.some(({ kind }) => kind === "power-loss") && lostMessages(run).length > 0) return [];
				return [
					{
						kind:
							lostMessages(run).length > 0
								? "polls-for-lost-message"
								: outcome.limit === "time"
									? "not-finished-in-time"
									: "livelock",
						residual: true,
						message: `still running after ${outcome.limit === "time" ? `${run.endMs} ms of virtual time` : `${run.events} events`}; what waits: ${outcome.waits.join("; ") || "nothing"}`,
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
	claim: "Eviction at any point stops cleanly, starts nothing new, and the next run goes on.",
	source: "types: WorkflowHandle.evict; errors: EvictedError",
	survivesLostWrites: true,
	followsOperators: true,
	mutants: ["engine-rejects-when-evicted", "engine-hears-evictions-late", "engine-never-stops"],
	check(run) {
		const violations: Violation[] = [];
		run.history.events.forEach((event, index) => {
			if (event.kind === "run.rejected") {
				const { error, state, evicting } = event.data as HostEvents["run.rejected"];
				if (!evicting || state === "failed" || failedBefore(run, index, error.message)) return;
				violations.push({
					kind: "rejected-instead-of-stopping",
					message: `asked to stop, the run rejected with ${error.name}: ${error.message}`,
					event: index,
				});
			} else if (event.kind === "process.crash") {
				const { why } = event.data as WorldEvents["process.crash"];
				// Whoever waits for an answer that storage never gives cannot stop.
				if (why !== "eviction grace over" || struckByHang(run, index)) return;
				violations.push({ kind: "never-stopped", message: "asked to stop, it had to be killed", event: index });
			}
		});
		for (const { event, index, kind, what } of startedAfterStop(run)) {
			violations.push({
				kind,
				message: `${what} began in process ${event.process}, which had been asked to stop`,
				event: index,
			});
		}
		return violations;
	},
};

/** Whether storage had failed what the run rejected with before it was asked to stop. */
function failedBefore(run: Run, rejected: number, message: string): boolean {
	const { events } = run.history;
	const { process } = events[rejected] as HistoryEvent;
	const asked = events.findLastIndex(
		(event, index) => index < rejected && event.kind === "run.evicting" && event.process === process,
	);
	return events
		.slice(0, asked < 0 ? rejected : asked)
		.some(
			(event) =>
				event.kind === "operation.failed" &&
				event.process === process &&
				message.includes(`(operation ${(event.data as WorldEvents["operation.failed"]).operation})`),
		);
}

/** Bodies that began in a process after its run was asked to stop, the first of each kind. */
const startedAfterStop = oncePerRun((run: Run) => {
	const stopping = new Set<number>();
	const found = new Map<string, { event: HistoryEvent; index: number; kind: string; what: string }>();
	const races = raceBranches(run);
	run.history.events.forEach((event, index) => {
		// An operator's cancellation stops a run in the same way.
		const isStop =
			event.kind === "run.evicting" ||
			(event.kind === "handle.call" && (event.data as HostEvents["handle.call"]).operation === "cancel");
		if (isStop) stopping.add(event.process);
		if (event.kind === "run.start") stopping.delete(event.process);
		if (!stopping.has(event.process)) return;
		if (event.kind !== "body.start" && event.kind !== "compensation.start") return;
		const { key } = event.data as ProbeEvents["body.start"];
		const sort = event.kind === "body.start" ? "step" : "compensation";
		const kind = `${sort}-started-after-stop${isUnder(key, races) ? "-in-race" : ""}`;
		if (!found.has(kind)) found.set(kind, { event, index, kind, what: `${sort} ${key}` });
	});
	return [...found.values()];
});

export const noLeak: Property = {
	id: "life.no-leak",
	claim:
		"A run that has ended leaves no timer, listener, wait or pending operation in its process, and one that has ended for good no alarm.",
	source: "types: WorkflowHandle.cancel; engine: executeLiveWorkflow, EngineDriver.clearAlarm; PR 4006",
	followsOperators: true,
	mutants: ["engine-keeps-a-timer", "driver-keeps-waits", "driver-never-clears-alarms"],
	check(run) {
		const violations: Violation[] = [];
		const asked = run.of("handle.call").length > 0;
		run.history.events.forEach((event, index) => {
			if (event.kind !== "run.left") return;
			const { process, after, timers, operations, waits, listeners } = event.data as HostEvents["run.left"];
			const report = (what: string, message: string) =>
				violations.push({
					kind: `${what}-left-after-${after}`,
					message: `process ${process}: ${message}`,
					event: index,
				});
			const running = bodiesRunning(run, process, index);
			if (running.compensations > 0) report("compensation", "a compensation still ran when its run had ended");
			// A body that outlives its step (a timeout) keeps what it waits for; that is documented.
			else if (running.steps === 0) {
				if (timers > 0) report("timer", `${timers} armed when its run had ended`);
				// What an operator asked for may outlast the run: of two reads one is refused, the other still under way.
				if (operations.length > 0 && !asked)
					report("operation", `${operations.join(", ")} pending when its run had ended`);
			}
			if (waits > 0) report("wait", `${waits} waits for messages when its run had ended`);
			if (listeners > 0) report("listener", `${listeners} listeners on the signal of a run that had ended`);
		});
		return [...violations, ...alarmLeft(run)];
	},
};

/** Bodies of that process that have begun and not ended by then. */
function bodiesRunning(run: Run, process: number, before: number): { steps: number; compensations: number } {
	const running = { steps: 0, compensations: 0 };
	for (const { kind, process: of } of run.history.events.slice(0, before)) {
		if (of !== process) continue;
		if (kind === "body.start") running.steps++;
		else if (kind === "body.end") running.steps--;
		else if (kind === "compensation.start") running.compensations++;
		else if (kind === "compensation.end") running.compensations--;
	}
	return running;
}

function alarmLeft(run: Run): Violation[] {
	const { status } = run.outcome;
	if (status !== "completed" && status !== "failed" && status !== "cancelled") return [];
	// Waking a workflow is setting its alarm, whatever has become of it.
	if (run.of("handle.call").some(({ data }) => (data as HostEvents["handle.call"]).operation === "wake")) return [];
	const { events } = run.history;
	const event = events.findLastIndex(
		({ kind, data }) =>
			kind === "durable" && (data as WorldEvents["durable"]).mutations.some(({ table }) => table.endsWith("/alarm")),
	);
	const last = (events[event]?.data as WorldEvents["durable"] | undefined)?.mutations.find(({ table }) =>
		table.endsWith("/alarm"),
	);
	if (last === undefined || last.value === null) return [];
	return [
		{
			kind: `alarm-left-after-${status}`,
			message: `the workflow has ${status}, and an alarm is still set to wake it`,
			event,
		},
	];
}

function struckByHang({ history }: Run, before: number): boolean {
	return history.events
		.slice(0, before)
		.some(({ kind, data }) => kind === "fault" && (data as WorldEvents["fault"]).kind.startsWith("hang "));
}
