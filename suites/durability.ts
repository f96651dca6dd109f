/** When storage misbehaves: what it refuses, fails to answer, tears, limits or lets decay. */
import { isDeepStrictEqual } from "node:util";
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { render } from "../drivers/engine/render.ts";
import { type Statement, someStatement } from "../fixtures/generators/statement.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { type FaultPlan, OperationError } from "../sim/world/faults.ts";
import type { ErrorFact, HistoryEvent, Mutation, WorldEvents } from "../sim/world/history.ts";
import { type Consequence, consequences, sortOf } from "./failures.ts";
import * as life from "./life.ts";
import type { Property, Violation } from "./property.ts";
import * as queue from "./queue.ts";
import * as replay from "./replay.ts";
import { execute, type Run } from "./run.ts";
import * as steps from "./steps.ts";

export const refusedWrite: Property = {
	id: "durable.refused-write",
	claim: "A refused operation surfaces, corrupts nothing, and a later run recovers.",
	source: "docs: What are workflows? (survives restarts); engine: flush (tracks what was written); PR 4006",
	mutants: ["driver-swallows-refusals", "driver-lists-nothing-on-error", "driver-gets-nothing-on-error"],
	check: (run, reference) => [...told(run, "refused"), ...uncompensated(run, reference, "refused")],
};

export const lostAck: Property = {
	id: "durable.lost-ack",
	claim: "An operation that applied but reported failure is not applied twice in effect.",
	source: "docs: What are workflows? (survives restarts); engine: EngineDriver; PR 4006",
	mutants: ["driver-lists-nothing-on-error"],
	check: (run, reference) => [...told(run, "lost-ack"), ...uncompensated(run, reference, "lost-ack")],
};

export const limits: Property = {
	id: "durable.limits",
	claim:
		"Batches beyond 128 entries or 976 KiB and values beyond a limit of storage are split or refused whole, clearly, and not taken for a failure of the step.",
	source: "engine: EngineDriver.atomicBatch, MAX_KV_BATCH_ENTRIES, MAX_KV_BATCH_PAYLOAD_BYTES; PR 4006",
	mutants: ["engine-hands-over-whole-batches"],
	check: (run) => told(run, "limit"),
};

function told(run: Run, how: Consequence["how"]): Violation[] {
	return consequences(run)
		.filter((consequence) => consequence.how === how && consequence.allowed !== true)
		.map(({ kind, message, event }) => ({ kind, message, event }));
}

/** Steps that succeeded, are on record as failed, and so were left out when the workflow was compensated. */
function uncompensated(run: Run, reference: Run, how: Consequence["how"]): Violation[] {
	if (run.outcome.status !== "failed") return [];
	const keysOf = ({ of }: Run) =>
		new Set(of("compensation.start").map(({ data }) => (data as ProbeEvents["compensation.start"]).key));
	const [done, wanted] = [keysOf(run), keysOf(reference)];
	return consequences(run)
		.filter(({ step, ...other }) => other.how === how && step !== undefined && wanted.has(step) && !done.has(step))
		.slice(0, 1)
		.map(({ step, event }) => ({
			kind: "compensation-skipped",
			message: `${step} had succeeded, is on record as failed, and was never compensated`,
			event,
		}));
}

/**
 * What must hold after a crash, and so must hold when a crash left a part of a batch. Attempts are left out: one whose record was
 * torn off may be made again. So are lost messages, of which a crash tells as much, and other ends: an attempt more or less has a
 * step fail for good that would have succeeded.
 */
const AFTER_A_CRASH: readonly Property[] = [
	...[replay.sameOutcome, replay.everyStateRecovers, replay.parallelSafe],
	...[steps.committedOnce, queue.noDuplicate, life.noUnhandled],
];

/** What a broken promise is called by its cause. */
const CAUSES: Readonly<Record<string, string>> = {
	"other-error": "error-lost",
	"effect-missing": "effect-skipped",
};

/** More torn batches than this in one run are too many to tell which of them was to blame. */
const MAX_TORN = 2;

export const tornBatch: Property = {
	id: "durable.torn-batch",
	claim: "On a driver without atomic batches, any prefix of a flush recovers.",
	source: "engine: EngineDriver.batch, EngineDriver.atomicBatch",
	mutants: ["driver-writes-names-last"],
	under: new Set(["torn"]),
	// A known defect of overlapping flushes would be told here as one of tears, since what it breaks hangs on single writes.
	skips: (program) => {
		if (program.parallel === true) return "branches that flush side by side lose names without a tear";
		return hasOddValues(program) ? "values come back as others without a tear" : undefined;
	},
	check(run, reference) {
		const torn = run.scenario.faults.filter((fault, index) => fault.kind === "torn" && run.fired.has(index));
		const first = run.of("fault").find(({ data }) => (data as WorldEvents["fault"]).kind.startsWith("tear "));
		if (first === undefined || torn.length > MAX_TORN) return [];
		const struck = run.history.events.indexOf(first);
		const broken = brokenIn(run, reference).filter(
			({ event, kind }) => event >= struck && !kind.includes("lost-message") && !kind.includes("-instead-of-"),
		);
		if (broken.length === 0) return [];
		// What also breaks when the same batches are lost or kept whole is the fault of the crash, not of the tear.
		const anyway = new Set(
			wholeInstead(run.scenario.faults).flatMap((faults) =>
				brokenIn(otherwise(run, faults), reference).map(({ kind }) => kind),
			),
		);
		const inOrder = torn.every((fault) => fault.kind === "torn" && fault.kept.every((place, i) => place === i));
		const violations = new Map<string, Violation>();
		for (const violation of broken) {
			if (anyway.has(violation.kind)) continue;
			const cause = CAUSES[violation.kind] ?? violation.kind;
			const kind = inOrder ? cause : `${cause}-out-of-order`;
			if (!violations.has(kind)) violations.set(kind, { ...violation, kind, ...(inOrder ? {} : OUT_OF_ORDER) });
		}
		return [...violations.values()];
	},
};

const OUT_OF_ORDER = {
	disputed: "the contract of a driver does not say in which order the entries of a batch get durable",
} as const;

/** The same plan with each torn batch lost, or kept, whole. */
function wholeInstead(faults: FaultPlan): FaultPlan[] {
	const place = faults.findIndex(({ kind }) => kind === "torn");
	const fault = faults[place];
	if (fault?.kind !== "torn") return [faults];
	return (["before", "after"] as const).flatMap((side) =>
		wholeInstead(faults.with(place, { kind: "crash", write: fault.write, side })),
	);
}

function brokenIn(run: Run, reference: Run): Violation[] {
	return AFTER_A_CRASH.filter((property) => property.skips?.(run.program) === undefined).flatMap((property) =>
		property.check(run, reference),
	);
}

/** The same run under other faults. */
function otherwise(run: Run, faults: FaultPlan): Run {
	return execute({ ...run.scenario, faults }, run.program, run.target);
}

export const corruption: Property = {
	id: "durable.corruption",
	claim: "A damaged value is reported with its key; it is never replayed as something else.",
	source: "PR 4006 (corrupted state)",
	mutants: ["driver-takes-empty-for-absent", "driver-skips-damaged-entries"],
	under: new Set(["corrupt", "torn"]),
	check(run, reference) {
		const violations = new Map<string, Violation>();
		run.history.events.forEach((event, place) => {
			if (event.kind !== "damaged") return;
			const { index } = (run.history.events[place - 1] as HistoryEvent).data as WorldEvents["fault"];
			let sound: Run | undefined;
			const soundRun = () => {
				sound ??= otherwise(
					run,
					run.scenario.faults.filter((_, other) => other !== index),
				);
				return sound;
			};
			const violation = judgeDamage(run, reference, place, event.data as WorldEvents["damaged"], soundRun);
			if (violation !== undefined && !violations.has(violation.kind)) violations.set(violation.kind, violation);
		});
		return [...violations.values()];
	},
};

function judgeDamage(
	run: Run,
	reference: Run,
	place: number,
	{ table, key, how }: WorldEvents["damaged"],
	soundRun: () => Run,
): Violation | undefined {
	const { events } = run.history;
	const met = firstRead(run, place, table, key);
	if (met === undefined) return undefined;
	const { engine, storage } = run.target;
	const name = storage.describeKey(table, key, engine.describeKey);
	const sort = sortOf(name).replaceAll(" ", "-");
	const ranBefore = (other: number) => events.slice(met, other).some(({ kind }) => OF_WORKFLOW.has(kind));
	// A start that is stopped while it loads has said nothing: the next one reads the same.
	const end = events.findIndex(
		({ kind, data }, other) =>
			other > met && ENDS.has(kind) && !isFailedRead(kind, data) && (kind !== "run.evicted" || ranBefore(other)),
	);
	const ending = events[end];
	// An empty name is a legal one.
	const noticeable = (how === "empty" && sort !== "name") || (sort === "entry" && how !== "flip");
	if (ending?.kind === "run.rejected") {
		const { error } = ending.data as HostEvents["run.rejected"];
		if (namesKey(error, key, name) || rejectsAnyway(soundRun(), error)) return undefined;
		const message = `${name} was damaged (${how}), and the error does not say so: ${error.name}: ${error.message}`;
		// What was read is taken for sound from where the workflow goes on with it.
		const loading = !ranBefore(end);
		if (loading) return { kind: `unnamed-key-of-${sort}`, message, event: end };
		if (error.name === "HistoryDivergedError") {
			// Of a value that is legal as it stands the engine can only say that it does not fit.
			return noticeable ? { kind: `damaged-${sort}-told-as-code-change`, message, event: end } : undefined;
		}
	}
	const differs = difference(run, reference, soundRun);
	if (differs === undefined) return undefined;
	const what = sort === "entry" ? `${entryKind(run, place, key) ?? "unknown"}-entry` : sort;
	return {
		kind:
			noticeable && how === "swap"
				? "replayed-misplaced-entry"
				: `replayed-${noticeable ? "damaged" : "altered"}-${what}`,
		message: `${name} was damaged (${how}) and replayed as something else: ${differs}`,
		event: events.length - 1,
		...(noticeable ? {} : UNNOTICEABLE),
	};
}

/** Whether a start ended with what storage said of itself: it was given nothing. */
function isFailedRead(kind: string, data: unknown): boolean {
	return kind === "run.rejected" && (data as HostEvents["run.rejected"]).error.name === OperationError.name;
}

/**
 * That there should be a checksum is a matter of reading. An empty value takes none, nor one cut short that says of itself how long
 * it is, nor an entry that says of itself that it belongs elsewhere.
 */
const UNNOTICEABLE = {
	disputed: "the damaged bytes are another legal value, which only a checksum could tell",
} as const;

/** Events that show that the workflow runs, on what was loaded. */
const OF_WORKFLOW: ReadonlySet<string> = new Set([
	...[
		"body.start",
		"step.return",
		"sleep.call",
		"queue.call",
		"iterate",
		"branches.call",
		"threw",
		"compensation.start",
	],
]);

/** Events by which a start of the engine ends by itself: after a crash another start reads the same. */
const ENDS: ReadonlySet<string> = new Set(["run.rejected", "run.completed", "run.yield", "run.evicted"]);

/** Place of the first read of the key after the damage, unless it was written anew before. */
function firstRead(run: Run, damagedAt: number, table: string, key: string): number | undefined {
	const { events } = run.history;
	for (let place = damagedAt + 1; place < events.length; place++) {
		const { kind, data } = events[place] as HistoryEvent;
		if (kind === "durable") {
			const { mutations } = data as WorldEvents["durable"];
			if (mutations.some((mutation) => mutation.table === table && mutation.key === key)) return undefined;
		} else if (kind === "operation") {
			const { what, detail } = data as WorldEvents["operation"];
			if (what === "kv.get" ? detail === key : what === "kv.list" && key.startsWith(detail)) return place;
		}
	}
	return undefined;
}

/** What the entry recorded before it was damaged. */
function entryKind(run: Run, damagedAt: number, key: string): string | undefined {
	let stored: Mutation | undefined;
	for (const { kind, data } of run.history.events.slice(0, damagedAt)) {
		if (kind !== "durable") continue;
		stored = (data as WorldEvents["durable"]).mutations.find((mutation) => mutation.key === key) ?? stored;
	}
	return stored?.value == null ? undefined : run.target.engine.entryKind?.(stored.value);
}

/** Whether an error says, in whatever words, which key it is about. */
function namesKey({ message }: ErrorFact, key: string, name: string): boolean {
	const text = message.toLowerCase().replaceAll(" ", "");
	return (
		text.includes(name.toLowerCase().replaceAll(" ", "")) || text.includes(Buffer.from(key, "latin1").toString("hex"))
	);
}

function rejectsAnyway(sound: Run, error: ErrorFact): boolean {
	return sound
		.of("run.rejected")
		.some(({ data }) => isDeepStrictEqual((data as HostEvents["run.rejected"]).error, error));
}

/** What came out differently than of sound storage, told; undefined when nothing did, or when it may for other reasons. */
function difference(run: Run, reference: Run, soundRun: () => Run): string | undefined {
	if (run.program.timingDependent !== undefined || run.program.evolving === true) return undefined;
	if (isDeepStrictEqual(run.outcome, reference.outcome) && isDeepStrictEqual(effects(run), effects(reference)))
		return undefined;
	const sound = soundRun();
	// Only where sound storage does what an uninterrupted run does is the damage to blame.
	if (!isDeepStrictEqual(sound.outcome, reference.outcome)) return undefined;
	if (!isDeepStrictEqual(run.outcome, sound.outcome)) {
		return `${render(run.outcome)} instead of ${render(sound.outcome)}`;
	}
	const [had, wanted] = [effects(run), effects(sound)];
	const other = [...new Set([...had.keys(), ...wanted.keys()])].filter((label) => had.get(label) !== wanted.get(label));
	return other.length === 0
		? undefined
		: `${other[0]} happened ${had.get(other[0] as string) ?? 0} times instead of ${wanted.get(other[0] as string) ?? 0}`;
}

function effects(run: Run): Map<string, number> {
	const counts = new Map<string, number>();
	for (const { data } of run.of("effect")) {
		const { label } = data as WorldEvents["effect"];
		counts.set(label, (counts.get(label) ?? 0) + 1);
	}
	return counts;
}

/** Whether the program puts values into its history that may come back as others. */
function hasOddValues({ statements, startedWith }: Program): boolean {
	if (startedWith !== undefined) return true;
	const odd = (statement: Statement) => "returns" in statement || "holds" in statement || "changed" in statement;
	return someStatement(statements ?? [], odd);
}
