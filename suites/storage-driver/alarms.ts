/** The alarm that wakes a workflow: one for each, the last set wins, cleared means cleared. */
import * as fc from "fast-check";
import type { Host } from "./host.ts";
import { Break, type Claimed, driverProperty } from "./property.ts";

type AlarmCommand =
	| { readonly op: "set"; readonly workflow: string; readonly atMs: number }
	| { readonly op: "clear"; readonly workflow: string }
	| { readonly op: "reopen" };

const WORKFLOWS = ["workflow", "workflow-2", "workflow/2", "wörk:flow"] as const;
/** 2026 in the middle of a second, and what lies around it: past, close, far away. */
const AROUND_MS = 1_790_000_000_123;

const workflow = fc.constantFrom(...WORKFLOWS);
const atMs = fc.oneof(
	{ weight: 4, arbitrary: fc.integer({ min: -5_000, max: 5_000 }).map((ms) => AROUND_MS + ms) },
	{ weight: 1, arbitrary: fc.constantFrom(0, 1, AROUND_MS * 2, 8_640_000_000_000_000) },
	// Delays are computed, and need not come out even.
	{ weight: 1, arbitrary: fc.integer({ min: 1, max: 9 }).map((tenths) => AROUND_MS + tenths / 10) },
);

function kept({ claims, single }: Claimed): boolean {
	return claims.alarms === "durable" && !single;
}

export const alarms = driverProperty<AlarmCommand[]>({
	id: "storage.alarms",
	claim: "One alarm a workflow, the last set wins, cleared means cleared; it survives a restart where that is claimed.",
	source: "engine: EngineDriver.setAlarm, clearAlarm",
	mutants: ["wakes-early", "keeps-earliest-alarm", "clears-no-alarm", "has-one-alarm", "forgets-alarms-at-close"],
	uses: ["setAlarm", "clearAlarm"],
	skips({ claims, tellsAlarm }) {
		if (claims.alarms === "none") return "alarms are not claimed";
		return tellsAlarm ? undefined : "what it opens cannot tell its alarm: it has no alarm()";
	},
	unclaimed: (claimed) =>
		kept(claimed)
			? []
			: [`an alarm after a close: alarms are ${claimed.single ? "of one object" : claimed.claims.alarms}`],
	draws: (claimed) =>
		fc.array(
			fc.oneof(
				{ weight: 4, arbitrary: fc.record({ op: fc.constant("set" as const), workflow, atMs }) },
				{ weight: 2, arbitrary: fc.record({ op: fc.constant("clear" as const), workflow }) },
				...(kept(claimed) ? [{ weight: 1, arbitrary: fc.record({ op: fc.constant("reopen" as const) }) }] : []),
			),
			{ minLength: 1, maxLength: 12, size: "max" },
		),
	async run(sequence, bench) {
		const host = await bench.open();
		if (bench.single) for (const workflow of WORKFLOWS) await host.clearAlarm(workflow);
		const model = new Map<string, number>();
		const past = new Map<string, number[]>();
		for (const command of sequence) {
			if (command.op === "reopen") await host.reopen();
			else if (command.op === "clear") {
				await host.clearAlarm(command.workflow);
				model.delete(command.workflow);
			} else {
				await host.setAlarm(command.workflow, command.atMs);
				past.set(command.workflow, [...(past.get(command.workflow) ?? []), command.atMs]);
				model.set(command.workflow, command.atMs);
			}
			for (const workflow of WORKFLOWS) await expectAlarm(host, workflow, model, past, command);
		}
	},
	tell: (sequence) =>
		sequence.map((command) => {
			if (command.op === "reopen") return "close, and open anew";
			return command.op === "clear"
				? `clear the alarm of ${command.workflow}`
				: `set the alarm of ${command.workflow} at ${command.atMs}`;
		}),
});

const ONE_WORKFLOW = "a namespace is of one workflow, although each alarm is set with the id of one";

async function expectAlarm(
	host: Host,
	workflow: string,
	model: ReadonlyMap<string, number>,
	past: ReadonlyMap<string, readonly number[]>,
	last: AlarmCommand,
): Promise<void> {
	const expected = model.get(workflow);
	const actual = await host.alarm(workflow);
	const told = `the alarm of ${workflow} is ${actual ?? "not set"}, not ${expected ?? "cleared"}`;
	const others = last.op !== "reopen" && last.workflow !== workflow;
	if (expected === undefined) {
		if (actual === undefined) return;
		if (others) throw new Break("alarm-of-another", told, ONE_WORKFLOW);
		throw new Break(last.op === "reopen" ? "cleared-alarm-back" : "cleared-alarm-still-set", told);
	}
	// The next whole millisecond is as good: a clock cannot tell.
	if (actual !== undefined && actual >= expected && actual < expected + 1) return;
	if (actual === undefined) {
		if (others) throw new Break("alarm-lost-to-another", told, ONE_WORKFLOW);
		throw new Break(last.op === "reopen" ? "alarm-lost-at-close" : "alarm-not-set", told);
	}
	if (others) throw new Break("alarm-of-another", told, ONE_WORKFLOW);
	if ((past.get(workflow) ?? []).includes(actual)) throw new Break("earlier-alarm-kept", told);
	throw new Break(actual < expected ? "wakes-early" : "wakes-late", told);
}
