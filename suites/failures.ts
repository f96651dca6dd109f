/**
 * What became of operations that storage failed: which consequences a run shows, and which of them break a promise. Shared by the
 * properties of durability, which report them, and by the others, which must not report them once more.
 */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import type { HistoryEvent, Mutation, WorldEvents } from "../sim/world/history.ts";
import { lostMessages } from "./messages.ts";
import { oncePerRun, type Violation } from "./property.ts";
import type { Run } from "./run.ts";

/** What a workflow lost by an operation that storage failed. */
export interface Consequence extends Violation {
	/** How storage failed it; `limit` when it was more than storage takes. */
	readonly how: Failure["how"] | "limit";
	/** Place in the history from which other broken promises are this one again. */
	readonly since: number;
	/** What breaks with it: everything, or only what is promised of steps. */
	readonly breaks: "everything" | "steps";
	/** The step whose success was lost, where that is what it is about. */
	readonly step?: string;
	/** Whether it is within what is promised, and only explains what others see. */
	readonly allowed?: boolean;
}

type Failure = WorldEvents["operation.failed"];

/** An operation that storage failed, and where. */
interface Struck extends Failure {
	readonly index: number;
	readonly process: number;
	/** What it was for: `flush`, `load`, `deletion`, `receive`, `complete`, `send`, `alarm`; `call` when it was no storage. */
	readonly purpose: string;
}

const PURPOSES: Readonly<Record<string, string>> = {
	"kv.batch": "flush",
	"kv.set": "write",
	"kv.get": "load",
	"kv.list": "load",
	"kv.delete": "deletion",
	"kv.batchDelete": "deletion",
	"kv.deletePrefix": "deletion",
	"kv.deleteRange": "deletion",
	"queue.receive": "receive",
	"queue.complete": "complete",
	"queue.add": "send",
	"alarm.set": "alarm",
	"alarm.clear": "alarm",
};

/** What the error says of an operation, however it is wrapped. */
function markOf({ operation }: Failure): string {
	return `(operation ${operation})`;
}

export const consequences = oncePerRun((run: Run): readonly Consequence[] => {
	const found: Consequence[] = [...limitConsequences(run)];
	for (const event of run.of("operation.failed")) {
		const failure = event.data as Failure;
		// What was never answered is a crash a minute later, which is nobody's fault.
		if (failure.how === "hung") continue;
		const purpose = PURPOSES[failure.what] ?? "call";
		found.push(
			...consequencesOf(run, { ...failure, index: run.history.events.indexOf(event), process: event.process, purpose }),
		);
	}
	return found;
});

/** Whether a violation of a property of something else is a consequence of failed storage. */
export function isConsequence(run: Run, propertyId: string, violation: Violation): boolean {
	return consequences(run).some(
		({ since, breaks }) => violation.event >= since && (breaks === "everything" || ABOUT_STEPS.test(propertyId)),
	);
}

const ABOUT_STEPS = /^step\.|^replay\.parallel-safe$/;

function consequencesOf(run: Run, struck: Struck): Consequence[] {
	const { events } = run.history;
	const { index, process, purpose, how, what } = struck;
	const mark = markOf(struck);
	const found: Consequence[] = [];
	const told =
		how === "refused" ? `the ${what} that was refused` : `the ${what} that took place and was not acknowledged`;
	const report = (kind: string, message: string, event: number, more: Partial<Consequence> = {}) => {
		if (found.some((other) => other.kind === kind)) return;
		const allowed = purpose === "call";
		found.push({
			how,
			kind: purpose === "load" ? `${kind}-by-load` : kind,
			message,
			event,
			since: index,
			breaks: "everything",
			allowed,
			...more,
		});
	};

	let failed = false;
	let ended = false;
	for (let place = index + 1; place < events.length; place++) {
		const event = events[place] as HistoryEvent;
		if (event.kind === "unhandled" || event.kind === "uncaught") {
			const { error } = event.data as WorldEvents["unhandled"];
			if (error.message.includes(mark))
				report("process-killed", `${told} was handled by nobody: ${error.message}`, place);
		} else if (event.kind === "compensation.start" && failed) {
			const { key } = event.data as ProbeEvents["compensation.start"];
			report("compensated", `${told} had ${key} compensated`, place);
		} else if (event.kind === "durable") {
			const sorts = recorded(run, (event.data as WorldEvents["durable"]).mutations, mark);
			if (sorts.has("workflow error")) {
				failed = true;
				ended ||= completedBefore(run, place);
				// That a finished workflow sends its messages again is told of by queue.no-duplicate.
				if (ended && purpose === "send") break;
				const kind = ended ? "completion-undone" : "workflow-failed";
				report(
					kind,
					`${told} is on record as the ${ended ? "end of a workflow that had completed" : "failure of the workflow"}`,
					place,
				);
			}
			if (sorts.has("metadata")) {
				for (const consequence of stepConsequences(run, struck, told, place)) {
					if (!found.some(({ kind }) => kind === consequence.kind)) found.push(consequence);
				}
			} else if (sorts.has("branches"))
				report("branch-failed", `${told} is on record as the failure of a branch`, place);
		}
	}
	for (const { id, event } of lostMessages(run)) {
		const taken = events.indexOf(event);
		if (event.process !== process || taken > index || !isTakenFor(run, struck, taken)) continue;
		report("message-lost", `${id} was taken from the queue, and ${told} left no record of it`, taken, { since: taken });
	}
	if (purpose === "load") {
		const again = ranAgain(run, index, process);
		if (again !== undefined)
			report("committed-step-ran-again", `${again.key} had given its value, and ran again after ${told}`, again.place);
	}
	const unwritten = purpose === "flush" && how === "refused" ? toldUnwritten(run, index, process) : undefined;
	if (unwritten !== undefined) {
		report(
			"success-never-written",
			`${unwritten.key} gave its value to the workflow, and ${told} was to write it`,
			unwritten.place,
		);
	}
	if (!failed) {
		const end = events.findIndex(({ kind, data }) => {
			if (kind !== "run.rejected") return false;
			const { error, state } = data as HostEvents["run.rejected"];
			return state === "failed" && error.message.includes(mark);
		});
		// A workflow that had failed before was only looked at: what it failed with is on record.
		if (end >= 0) report("not-seen", "", end, { allowed: true });
	}
	return found;
}

/** What became of the step whose success was not written down, by the way in which the record of its failure says so. */
function stepConsequences(run: Run, struck: Struck, told: string, record: number): Consequence[] {
	const { events } = run.history;
	const { index, process, purpose, how } = struck;
	const finished = new Set<string>();
	for (let place = 0; place < index; place++) {
		const { kind, process: owner, data } = events[place] as HistoryEvent;
		if (owner !== process) continue;
		if (kind === "body.end" && (data as ProbeEvents["body.end"]).error === undefined) {
			finished.add((data as ProbeEvents["body.end"]).key);
		} else if (kind === "step.return") finished.delete((data as ProbeEvents["step.return"]).key);
	}
	const after = (wanted: string) =>
		events.findIndex(
			({ kind, data }, place) => place > index && kind === wanted && finished.has((data as { key: string }).key),
		);
	const common = { how, since: index } as const;
	if (purpose === "call") {
		// An attempt that fails because its call does is one; only when it was the last does anything else follow.
		const { key } = (events
			.slice(index)
			.find(({ kind, data }) => kind === "body.end" && failedWith(data, markOf(struck)))?.data ?? {}) as {
			key?: string;
		};
		const retried = events.some(
			({ kind, data }, place) => place > record && kind === "body.start" && (data as { key: string }).key === key,
		);
		return retried
			? []
			: [{ ...common, breaks: "everything", allowed: true, kind: "attempt", message: "", event: record }];
	}
	const again = after("body.start");
	const begun = events[again]?.data as ProbeEvents["body.start"] | undefined;
	const key = begun?.key ?? [...finished].at(-1) ?? "a step";
	if (begun !== undefined) {
		const applied = how === "lost-ack";
		return [
			{
				...common,
				breaks: "steps",
				kind: applied ? "completed-step-ran-again" : "success-counted-as-failure",
				message: applied
					? `the success of ${key} was durable, and ${told} had it run again`
					: `${told} is on record as a failed attempt of ${key}, whose body had succeeded`,
				event: applied ? again : record,
			},
		];
	}
	const returned = after("step.return") >= 0;
	return [
		{
			...common,
			step: key,
			// What is on record as failed is not compensated.
			breaks: returned && run.outcome.status !== "failed" ? "steps" : "everything",
			kind: returned ? "success-recorded-as-failure" : "step-failed",
			message: `${told} is on record as ${returned ? "a failed attempt" : "the failure"} of ${key}, whose body had succeeded`,
			event: record,
		},
	];
}

/** A step that runs in a process after it had given its value to the workflow before. */
function ranAgain(run: Run, index: number, process: number): { key: string; place: number } | undefined {
	const { events } = run.history;
	const returned = new Set<string>();
	for (let place = 0; place < events.length; place++) {
		const { kind, process: owner, data } = events[place] as HistoryEvent;
		const { key } = data as ProbeEvents["step.return"];
		if (place < index && kind === "step.return" && run.stepRules.get(key)?.ephemeral !== true) returned.add(key);
		if (place > index && owner === process && kind === "body.start" && returned.has(key)) return { key, place };
	}
	return undefined;
}

/** A step that gives its value to the workflow after a flush was refused, with nothing written in between. */
function toldUnwritten(run: Run, index: number, process: number): { key: string; place: number } | undefined {
	const { events } = run.history;
	for (let place = index + 1; place < events.length; place++) {
		const { kind, process: owner, data } = events[place] as HistoryEvent;
		if (owner !== process) continue;
		if (kind === "durable" || kind === "run.start" || kind === "body.start") return undefined;
		const { key } = data as ProbeEvents["step.return"];
		if (kind === "step.return" && run.stepRules.get(key)?.ephemeral !== true) return { key, place };
	}
	return undefined;
}

function failedWith(data: unknown, mark: string): boolean {
	return (data as ProbeEvents["body.end"]).error?.message.includes(mark) === true;
}

/** The sorts of things on record, in this write, that hold the error. */
function recorded(run: Run, mutations: readonly Mutation[], mark: string): Set<string> {
	const { engine, storage } = run.target;
	const sorts = new Set<string>();
	for (const { table, key, value } of mutations) {
		if (value === null || !Buffer.from(value.buffer, value.byteOffset, value.byteLength).includes(mark)) continue;
		const sort = sortOf(storage.describeKey(table, key, engine.describeKey));
		// The entry of a step keeps the error of an earlier attempt: only the one of its branches is about branches.
		const kind = sort === "entry" ? engine.entryKind?.(value) : undefined;
		const branches = ["join", "race", undefined].includes(kind);
		sorts.add(sort === "entry" && branches ? "branches" : sort);
		if (kind === "step" && !keepsMetadata(run)) sorts.add("metadata");
	}
	return sorts;
}

/** Whether what is known of attempts is stored apart from the entries of steps. */
const keepsMetadata = oncePerRun((run: Run): boolean => {
	const { engine, storage } = run.target;
	return run
		.of("durable")
		.some(({ data }) =>
			(data as WorldEvents["durable"]).mutations.some(
				({ table, key }) => sortOf(storage.describeKey(table, key, engine.describeKey)) === "metadata",
			),
		);
});

/** `entry` of `entry 0/4`; the description itself of what there is one of. */
export function sortOf(description: string): string {
	return description.replace(/^(entry|metadata|name|message) .*$/, "$1");
}

/** Whether the workflow had once been on record as completed. */
function completedBefore(run: Run, place: number): boolean {
	const { engine, storage } = run.target;
	return run.history.events
		.slice(0, place)
		.some(
			({ kind, data }) =>
				kind === "durable" &&
				(data as WorldEvents["durable"]).mutations.some(
					({ table, key, value }) =>
						value !== null &&
						Buffer.from(value).toString("latin1") === "completed" &&
						storage.describeKey(table, key, engine.describeKey) === "workflow state",
				),
		);
}

/** Whether what was taken at that place was for a wait that the failed operation was part of. */
function isTakenFor(run: Run, struck: Struck, taken: number): boolean {
	const { index, process, purpose, how } = struck;
	if (purpose === "receive") return how === "lost-ack" && index - taken <= 3;
	if (purpose !== "flush") return false;
	const { events } = run.history;
	const failed = events.find(
		({ kind, data }, place) =>
			place > index && kind === "threw" && (data as ProbeEvents["threw"]).error.message.includes(markOf(struck)),
	);
	const key = (failed?.data as ProbeEvents["threw"] | undefined)?.key;
	const asked = events.findLastIndex(
		({ kind, data }, place) =>
			place < index && kind === "queue.call" && (data as ProbeEvents["queue.call"]).key === key,
	);
	return asked >= 0 && asked < taken && events[asked]?.process === process;
}

const LIMIT = /StorageLimitError|kv\.batch refused whole|exceeding the \d+ byte limit/;

/** Whether an error tells of a limit of storage. */
export function tellsOfLimit(error: { readonly name: string; readonly message: string }): boolean {
	return LIMIT.test(`${error.name}: ${error.message}`);
}

/** What a workflow lost by writing more than storage takes. */
function limitConsequences(run: Run): Consequence[] {
	const { events } = run.history;
	const refused = events.findIndex(
		({ kind, data }) =>
			(kind === "operation" && /^refused: /.test((data as WorldEvents["operation"]).detail)) ||
			(kind === "run.rejected" && tellsOfLimit((data as HostEvents["run.rejected"]).error)),
	);
	if (refused < 0) return [];
	const found: Consequence[] = [];
	const report = (kind: string, message: string, event: number) =>
		found.push({ how: "limit", kind, message, event, since: 0, breaks: "everything" });

	if (run.scenario.atomicBatch !== true && (events[refused] as HistoryEvent).kind === "operation") {
		report("batch-not-split", "a batch beyond the limit was handed to storage whose batches are no unit", refused);
	}
	const succeeded = new Map<string, number>();
	// What storage refused, or came after a stop, is on record as little as what a crash cut off.
	const interrupted = new Set(
		[...run.of("process.crash"), ...run.of("operation.failed"), ...run.of("run.evicting")].map(
			({ process }) => process,
		),
	);
	for (let place = 0; place < events.length; place++) {
		const { kind, process, data } = events[place] as HistoryEvent;
		const { key } = data as ProbeEvents["body.end"];
		if (kind === "body.end" && (data as ProbeEvents["body.end"]).error === undefined) succeeded.set(key, process);
		if (kind === "step.return") succeeded.delete(key);
		const before = kind === "body.start" ? succeeded.get(key) : undefined;
		if (before === undefined || interrupted.has(before)) continue;
		report(
			before === process ? "success-retried" : "success-ran-again-on-restart",
			`${key} had succeeded; its value is beyond a limit, which no further run of its body can change, and it ran again`,
			place,
		);
		break;
	}
	const last = events.length - 1;
	if (run.outcome.status === "unrecoverable") {
		report(
			"neither-stored-nor-failed",
			`every start rejects, and the workflow never fails: ${run.outcome.error.message}`,
			last,
		);
	}
	const lost = lostMessages(run);
	if (lost[0] !== undefined && run.of("fault").length === 0) {
		report("messages-lost", `${lost.length} messages were taken and are neither in the queue nor on record`, last);
	}
	if (found.length === 0)
		found.push({
			how: "limit",
			kind: "refused",
			message: "",
			event: refused,
			since: 0,
			breaks: "everything",
			allowed: true,
		});
	return found;
}
