/** The oracle says what statements mean, by itself: no engine runs here. */
import { describe, expect, it } from "vitest";
import { type Choices, meaningOf } from "../fixtures/generators/meaning.ts";
import type { Branch, Statement } from "../fixtures/generators/statement.ts";

const NONE: Choices = {
	winner: () => undefined,
	received: () => undefined,
	message: () => undefined,
	gaveUp: () => false,
};

const step = (name: string, rules: object = {}): Statement => ({ kind: "step", name, ...rules });
const fails = (name: string, throws: string) => step(name, { failures: "always", throws, maxRetries: 0 });
const branch = (name: string, ...body: Statement[]): Branch => ({ name, body });
const receive = (name: string): Statement => ({ kind: "receive", name, messages: ["mail"] });

describe("an outcome", () => {
	it.each<[what: string, statements: Statement[], outcome: object, choices?: Partial<Choices>]>([
		["a step gives its place", [step("a")], { status: "completed", output: [["a", "a"]] }],
		["a step that fails for good", [fails("a", "critical")], { status: "failed", names: ["CriticalError"] }],
		["a step out of attempts", [fails("a", "error")], { status: "failed", names: ["StepExhaustedError"] }],
		[
			"a caught step",
			[{ kind: "try-step", name: "a", failures: "always", throws: "critical" }],
			{ status: "completed", output: [["a", ["caught", "critical"]]] },
		],
		[
			"a step that asks for rollback, which is not caught unless listed",
			[{ kind: "try-step", name: "a", failures: "always", throws: "rollback" }],
			{ status: "failed", names: ["RollbackError"] },
		],
		[
			"a failing branch of a join in a block that catches",
			[
				{
					kind: "try",
					name: "t",
					body: [{ kind: "join", name: "j", branches: [branch("x", fails("a", "critical"))] }],
				},
			],
			{ status: "completed", output: [["t", ["caught", "join"]]] },
		],
		["a message that has not come", [receive("r")], { status: "waiting", names: ["mail"] }],
		[
			"a branch that waits while another fails",
			[{ kind: "join", name: "j", branches: [branch("x", receive("r")), branch("y", fails("a", "critical"))] }],
			{ status: "waiting", names: ["mail"] },
		],
		[
			"a compensated step without a checkpoint",
			[step("a", { compensation: {} })],
			{ status: "failed", names: ["RollbackCheckpointError"] },
		],
		[
			"a winner that cannot have come to its end",
			[{ kind: "race", name: "r", branches: [branch("x", fails("a", "critical")), branch("y", step("b"))] }],
			{ status: "impossible" },
			{ winner: () => "x" },
		],
		["a sleep without an end", [{ kind: "sleep", name: "s", ms: "Infinity" }], { status: "unspecified" }],
	])("%s", (_, statements, outcome, choices = {}) => {
		expect(meaningOf(statements, { ...NONE, ...choices }).outcome).toMatchObject(outcome);
	});
});

describe("effects", () => {
	it("must be of every branch of a join, and may be of a race's losers", () => {
		const join: Statement = {
			kind: "join",
			name: "j",
			branches: [branch("x", fails("a", "critical")), branch("y", step("b"))],
		};
		expect([...meaningOf([join], NONE).must]).toEqual(["j.x/a", "j.y/b"]);
		const race: Statement = { kind: "race", name: "r", branches: [branch("x", step("a")), branch("y", step("b"))] };
		const meaning = meaningOf([race], { ...NONE, winner: () => "y" });
		expect([...meaning.must]).toEqual(["r.y/b"]);
		expect([...meaning.may]).toContain("r.x/a");
	});

	it("of a failed program are undone since its last checkpoint", () => {
		const checkpoint = (name: string): Statement => ({ kind: "checkpoint", name });
		const statements = [
			checkpoint("one"),
			step("a", { compensation: {} }),
			checkpoint("two"),
			step("b", { compensation: {} }),
			fails("c", "rollback"),
		];
		const { must, may } = meaningOf(statements, NONE);
		expect([...must]).toEqual(["a", "b", "c", "undo b"]);
		expect([...may]).toEqual(["undo a", "undo b"]);
	});
});
