/**
 * Scenarios that come from outside, checked field by field before they are run: an unknown field or kind may change what a
 * run means, so it is refused. Every field of the types must be named here; one that is added to a type is a type error
 * in this file until it is.
 */
import * as v from "valibot";
import type { Hosting } from "../../../drivers/engine/host.ts";
import { CHANGE_KINDS, type Change } from "../../../fixtures/generators/evolve.ts";
import { type Branch, ORIGINAL_KINDS, type Statement, THROWS } from "../../../fixtures/generators/statement.ts";
import { VALUE_KINDS } from "../../../fixtures/generators/values.ts";
import type { ProgramInput } from "../../../fixtures/programs/program.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { DAMAGES, type Fault, type FaultKind, type Latency } from "../../world/faults.ts";
import type { Schedule } from "../../world/schedule.ts";

/** An object with every field of `T` and no other. */
export function fields<T>() {
	return <const E extends { readonly [K in keyof T]-?: v.GenericSchema }>(entries: E) => v.strictObject(entries);
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const milliseconds = v.pipe(v.number(), v.finite(), v.minValue(0));
const counts = v.array(count);

type OfKind<T, K> = Extract<T, { readonly kind: K }>;
type CrashAt<C> = Extract<Fault, { readonly kind: "crash" } & C>;

const FAULTS = {
	crash: v.union([
		fields<CrashAt<{ readonly write: number }>>()({
			kind: v.literal("crash"),
			write: count,
			side: v.picklist(["before", "after"]),
			late: v.exactOptional(counts),
		}),
		fields<CrashAt<{ readonly event: number }>>()({
			kind: v.literal("crash"),
			event: count,
			late: v.exactOptional(counts),
		}),
	]),
	evict: fields<OfKind<Fault, "evict">>()({ kind: v.literal("evict"), event: count }),
	cancel: fields<OfKind<Fault, "cancel">>()({ kind: v.literal("cancel"), event: count }),
	wake: fields<OfKind<Fault, "wake">>()({ kind: v.literal("wake"), event: count }),
	read: fields<OfKind<Fault, "read">>()({ kind: v.literal("read"), event: count }),
	recover: fields<OfKind<Fault, "recover">>()({ kind: v.literal("recover"), event: count }),
	message: fields<OfKind<Fault, "message">>()({ kind: v.literal("message"), event: count, which: count }),
	"replay-from": fields<OfKind<Fault, "replay-from">>()({ kind: v.literal("replay-from"), event: count, step: count }),
	alarm: fields<OfKind<Fault, "alarm">>()({
		kind: v.literal("alarm"),
		alarm: count,
		how: v.picklist(["lost", "late", "early", "twice"]),
		ms: milliseconds,
	}),
	slow: fields<OfKind<Fault, "slow">>()({ kind: v.literal("slow"), operation: count, ms: milliseconds }),
	torn: fields<OfKind<Fault, "torn">>()({ kind: v.literal("torn"), write: count, kept: counts }),
	refused: fields<OfKind<Fault, "refused">>()({ kind: v.literal("refused"), operation: count }),
	"lost-ack": fields<OfKind<Fault, "lost-ack">>()({ kind: v.literal("lost-ack"), operation: count }),
	hung: fields<OfKind<Fault, "hung">>()({ kind: v.literal("hung"), operation: count }),
	corrupt: fields<OfKind<Fault, "corrupt">>()({
		kind: v.literal("corrupt"),
		write: count,
		place: count,
		how: v.picklist(DAMAGES),
		at: count,
	}),
	"power-loss": fields<OfKind<Fault, "power-loss">>()({ kind: v.literal("power-loss"), write: count, lost: count }),
	cut: fields<OfKind<Fault, "cut">>()({ kind: v.literal("cut"), frame: count, side: v.picklist(["before", "after"]) }),
	"half-open": fields<OfKind<Fault, "half-open">>()({ kind: v.literal("half-open"), frame: count, ms: milliseconds }),
	"late-close": fields<OfKind<Fault, "late-close">>()({
		kind: v.literal("late-close"),
		frame: count,
		end: v.picklist(["client", "server"]),
		ms: milliseconds,
	}),
	"slow-link": fields<OfKind<Fault, "slow-link">>()({ kind: v.literal("slow-link"), frame: count, ms: milliseconds }),
	"peer-crash": fields<OfKind<Fault, "peer-crash">>()({
		kind: v.literal("peer-crash"),
		frame: count,
		side: v.picklist(["before", "after"]),
		peer: v.picklist(["sender", "receiver"]),
	}),
} satisfies Record<FaultKind, v.GenericSchema>;

const statements: v.GenericSchema = v.lazy(() => v.array(ofKind(STATEMENTS)));

const duration = v.union([v.number(), v.picklist(["NaN", "Infinity", "-Infinity"])]);

const stepRules = {
	name: v.string(),
	returns: v.exactOptional(v.picklist(VALUE_KINDS)),
	changed: v.exactOptional(v.boolean()),
	ephemeral: v.exactOptional(v.boolean()),
	failures: v.exactOptional(v.union([count, v.literal("always")])),
	throws: v.exactOptional(v.picklist(THROWS)),
	maxRetries: v.exactOptional(count),
	slowMs: v.exactOptional(milliseconds),
	timeoutMs: v.exactOptional(duration),
	retryOnTimeout: v.exactOptional(v.boolean()),
	compensation: v.exactOptional(v.strictObject({ failures: v.exactOptional(count) })),
};

const branches = v.array(fields<Branch>()({ name: v.string(), body: statements }));

const STATEMENTS = {
	step: fields<OfKind<Statement, "step">>()({ kind: v.literal("step"), ...stepRules }),
	"try-step": fields<OfKind<Statement, "try-step">>()({
		kind: v.literal("try-step"),
		catch: v.exactOptional(v.array(v.picklist(["critical", "timeout", "exhausted", "rollback"]))),
		...stepRules,
	}),
	try: fields<OfKind<Statement, "try">>()({
		kind: v.literal("try"),
		name: v.string(),
		catch: v.exactOptional(v.array(v.picklist(["step", "join", "race", "rollback"]))),
		body: statements,
	}),
	sleep: fields<OfKind<Statement, "sleep">>()({
		kind: v.literal("sleep"),
		name: v.string(),
		ms: duration,
		until: v.exactOptional(v.boolean()),
	}),
	receive: fields<OfKind<Statement, "receive">>()({
		kind: v.literal("receive"),
		name: v.string(),
		messages: v.array(v.string()),
		count: v.exactOptional(count),
		timeoutMs: v.exactOptional(duration),
		completable: v.exactOptional(v.picklist(["once", "twice", "never"])),
		changed: v.exactOptional(v.boolean()),
	}),
	send: fields<OfKind<Statement, "send">>()({ kind: v.literal("send"), name: v.string(), message: v.string() }),
	loop: fields<OfKind<Statement, "loop">>()({
		kind: v.literal("loop"),
		name: v.string(),
		times: count,
		state: v.exactOptional(v.picklist(["changed", "void"])),
		returns: v.exactOptional(v.picklist(VALUE_KINDS)),
		holds: v.exactOptional(v.picklist(VALUE_KINDS)),
		prune: v.exactOptional(v.strictObject({ every: count, keep: count })),
		body: statements,
	}),
	join: fields<OfKind<Statement, "join">>()({ kind: v.literal("join"), name: v.string(), branches }),
	race: fields<OfKind<Statement, "race">>()({ kind: v.literal("race"), name: v.string(), branches }),
	checkpoint: fields<OfKind<Statement, "checkpoint">>()({ kind: v.literal("checkpoint"), name: v.string() }),
	overlap: fields<OfKind<Statement, "overlap">>()({ kind: v.literal("overlap"), name: v.string() }),
	removed: fields<OfKind<Statement, "removed">>()({
		kind: v.literal("removed"),
		name: v.string(),
		original: v.picklist(ORIGINAL_KINDS),
	}),
	version: fields<OfKind<Statement, "version">>()({
		kind: v.literal("version"),
		name: v.string(),
		latest: count,
		gates: v.exactOptional(v.boolean()),
	}),
} satisfies Record<Statement["kind"], v.GenericSchema>;

const SCHEDULES = {
	priorities: fields<OfKind<Schedule, "priorities">>()({ kind: v.literal("priorities"), changes: counts }),
	choices: fields<OfKind<Schedule, "choices">>()({ kind: v.literal("choices"), choices: counts }),
} satisfies Record<Schedule["kind"], v.GenericSchema>;

/** An object whose `kind` says which of the schemas it must fulfil. */
function ofKind(schemas: Readonly<Record<string, v.GenericSchema>>): v.GenericSchema {
	const kinds = Object.keys(schemas);
	const tagged = v.looseObject({ kind: v.picklist(kinds) });
	return v.lazy((input) => {
		const { success, output } = v.safeParse(tagged, input);
		return success ? (schemas[output.kind] as v.GenericSchema) : tagged;
	});
}

/** What every scenario has, whatever its target is. */
export const IN_ANY_WORLD = {
	program: v.string(),
	seed: v.string(),
	latency: fields<Latency>()({ minMs: milliseconds, maxMs: milliseconds, answerMaxMs: milliseconds }),
	inFlight: v.picklist(["lost", "drawn"]),
	faults: v.array(ofKind(FAULTS)),
};

export const SCENARIO = fields<Scenario>()({
	// In this order reproducers are written: in another, the same scenario would be other bytes.
	program: IN_ANY_WORLD.program,
	statements: v.exactOptional(statements),
	inputs: v.exactOptional(v.array(fields<ProgramInput>()({ atMs: milliseconds, name: v.string(), body: v.unknown() }))),
	startedWith: v.exactOptional(v.picklist(VALUE_KINDS)),
	change: v.exactOptional(fields<Change>()({ kind: v.picklist(CHANGE_KINDS), at: v.string() })),
	seed: IN_ANY_WORLD.seed,
	hosting: fields<Hosting>()({ mode: v.picklist(["live", "yield"]), restartMs: milliseconds, coldWake: v.boolean() }),
	latency: IN_ANY_WORLD.latency,
	inFlight: IN_ANY_WORLD.inFlight,
	faults: IN_ANY_WORLD.faults,
	atomicBatch: v.exactOptional(v.literal(true)),
	schedule: v.exactOptional(ofKind(SCHEDULES)),
});

/** What is wrong with a value, in a few words, with the way to it; undefined when nothing is. */
export function faultIn(schema: v.GenericSchema, value: unknown): string | undefined {
	const { issues } = v.safeParse(schema, value, { abortEarly: true });
	if (issues === undefined) return undefined;
	return `${v.getDotPath(issues[0]) ?? "content"}: ${issues[0].message}`;
}
