/**
 * Promises about steps, queues and durations that the newest engine breaks without any fault, each shown by the fewest
 * statements: the properties find them, and name their cause.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { programOf } from "../fixtures/generators/interpret.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import type { ProgramInput } from "../fixtures/programs/program.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { Explorer, idOf } from "../sim/explore/explorer.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { PROPERTIES } from "../suites/index.ts";

const mail: ProgramInput = { atMs: 1, name: "mail", body: 0 };
const pause: Statement = { kind: "sleep", name: "pause", ms: 400 };
const receive = { kind: "receive", name: "read", messages: ["mail"] } as const;
const fails = { kind: "try-step", name: "fails", failures: "always" } as const;
const slow = { kind: "step", name: "slow", slowMs: 20 } as const;
const never = { kind: "receive", name: "never", messages: ["never"] } as const;
const anyMail = { ...receive, messages: [] };

function beside(...bodies: readonly (readonly Statement[])[]): Statement {
	return { kind: "join", name: "both", branches: bodies.map((body, i) => ({ name: `b${i}`, body })) };
}

/** What is found, the program that shows it, and the messages it needs. */
const BROKEN: readonly (readonly [
	finding: string,
	statements: readonly Statement[],
	inputs: readonly ProgramInput[],
])[] = [
	["step.terminal-sticks/caught-critical-ran-again-at-wake", [{ ...fails, throws: "critical" }, pause], []],
	["step.terminal-sticks/caught-timeout-ran-again-at-wake", [{ ...fails, throws: "timeout" }, pause], []],
	["step.error-recorded/unprintable-failure-breaks-the-step", [{ ...fails, throws: "bare-object" }], []],
	["queue.no-duplicate/sent-again-on-replay", [{ kind: "send", name: "send", message: "note" }, pause], []],
	["queue.complete-once/second-accepted-after-replay", [{ ...receive, completable: "twice" }, pause], [mail]],
	[
		"queue.complete-before-next/next-given-in-another-scope",
		[
			{ ...receive, completable: "never" },
			{ kind: "try", name: "block", body: [receive] },
		],
		[mail],
	],
	[
		"queue.no-duplicate/given-to-two-branches",
		[beside([{ ...receive, completable: "once" }], [{ ...receive, completable: "once" }])],
		[mail],
	],
	["queue.timeout/zero-timeout-never-looks", [pause, { ...receive, timeoutMs: 0 }], [mail]],
	["queue.wakes/any-beside-sleep", [beside([anyMail], [{ ...pause, ms: 60_000 }])], [{ ...mail, atMs: 200 }]],
	["queue.wakes/any-beside-names", [beside([anyMail], [never])], [{ ...mail, atMs: 200 }]],
	["timer.extremes/fractional-sleep-breaks-the-workflow", [{ ...pause, ms: 0.5 }], []],
	["timer.extremes/fractional-wait-breaks-the-workflow", [{ ...receive, timeoutMs: 0.5 }], []],
	["timer.extremes/long-step-timeout-fires-at-once", [{ ...slow, timeoutMs: 2 ** 31 }], []],
	["timer.extremes/infinite-step-timeout-fires-at-once", [{ ...slow, timeoutMs: "Infinity" }], []],
	["timer.extremes/nan-sleep-breaks-the-workflow", [{ ...pause, ms: "NaN" }], []],
];

let explorer: Explorer;

beforeAll(async () => {
	explorer = new Explorer({ engine: await loadRivet(NEWEST), storage: memoryStorage }, [], PROPERTIES);
});

describe(`${NEWEST} breaks`, () => {
	it.each(BROKEN)("%s", async (finding, statements, inputs) => {
		const program = programOf(statements, inputs);
		const found = await inMacrotask(() =>
			(["live", "yield"] as const).map((mode) =>
				explorer.judge(referenceScenario(program, mode), program).violations.map(idOf),
			),
		);
		for (const ids of found) expect(ids).toContain(finding);
	});
});
