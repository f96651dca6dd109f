/**
 * Scenarios that come from outside, checked field by field before they are run: an unknown field or kind may change what a
 * run means, so it is refused. Every field of the types must be named here; one that is added to a type is a type error
 * in this file until it is.
 */
import * as v from "valibot";
import type { Hosting } from "../../../drivers/engine/host.ts";
import type { Statement } from "../../../fixtures/generators/statement.ts";
import type { ProgramInput } from "../../../fixtures/programs/program.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { Fault, FaultKind, Latency } from "../../world/faults.ts";
import type { Schedule } from "../../world/schedule.ts";

/** An object with every field of `T` and no other. */
export function fields<T>() {
	return <const E extends { readonly [K in keyof T]-?: v.GenericSchema }>(entries: E) => v.strictObject(entries);
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const milliseconds = v.pipe(v.number(), v.finite(), v.minValue(0));
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
	slow: fields<OfKind<Fault, "slow">>()({ kind: v.literal("slow"), operation: count, ms: milliseconds }),
	torn: fields<OfKind<Fault, "torn">>()({ kind: v.literal("torn"), write: count, kept: counts }),
	refused: fields<OfKind<Fault, "refused">>()({ kind: v.literal("refused"), operation: count }),
	"lost-ack": fields<OfKind<Fault, "lost-ack">>()({ kind: v.literal("lost-ack"), operation: count }),
	"power-loss": fields<OfKind<Fault, "power-loss">>()({ kind: v.literal("power-loss"), write: count, lost: count }),
} satisfies Record<FaultKind, v.GenericSchema>;

const statements: v.GenericSchema = v.lazy(() => v.array(ofKind(STATEMENTS)));

const STATEMENTS = {
	step: fields<OfKind<Statement, "step">>()({
		kind: v.literal("step"),
		name: v.string(),
		failures: v.exactOptional(count),
		ephemeral: v.exactOptional(v.boolean()),
	}),
	sleep: fields<OfKind<Statement, "sleep">>()({ kind: v.literal("sleep"), name: v.string(), ms: milliseconds }),
	receive: fields<OfKind<Statement, "receive">>()({
		kind: v.literal("receive"),
		name: v.string(),
		message: v.string(),
	}),
	loop: fields<OfKind<Statement, "loop">>()({
		kind: v.literal("loop"),
		name: v.string(),
		times: count,
		body: statements,
	}),
	join: fields<OfKind<Statement, "join">>()({
		kind: v.literal("join"),
		name: v.string(),
		branches: v.array(statements),
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

export const SCENARIO = fields<Scenario>()({
	program: v.string(),
	statements: v.exactOptional(statements),
	inputs: v.exactOptional(v.array(fields<ProgramInput>()({ atMs: milliseconds, name: v.string(), body: v.unknown() }))),
	seed: v.string(),
	hosting: fields<Hosting>()({ mode: v.picklist(["live", "yield"]), restartMs: milliseconds, coldWake: v.boolean() }),
	latency: fields<Latency>()({ minMs: milliseconds, maxMs: milliseconds, answerMaxMs: milliseconds }),
	inFlight: v.picklist(["lost", "drawn"]),
	faults: v.array(ofKind(FAULTS)),
	schedule: v.exactOptional(ofKind(SCHEDULES)),
});

/** What is wrong with a value, in a few words, with the way to it; undefined when nothing is. */
export function faultIn(schema: v.GenericSchema, value: unknown): string | undefined {
	const { issues } = v.safeParse(schema, value, { abortEarly: true });
	if (issues === undefined) return undefined;
	return `${v.getDotPath(issues[0]) ?? "content"}: ${issues[0].message}`;
}
