/** The agenda hands out what is due by time, then by tie, then in the order of scheduling. */
import { describe, expect, test } from "vitest";
import { Agenda } from "../../sim/world/agenda.ts";
import { Process } from "../../sim/world/process.ts";
import { Streams } from "../../sim/world/random.ts";

const process = new Process(1, "test");

interface Row {
	readonly at: number;
	readonly tie: number;
	readonly sequence: number;
}

function agendaOf(rows: readonly Row[]): Agenda {
	const agenda = new Agenda();
	for (const row of rows) agenda.push({ ...row, process, run: () => {} });
	return agenda;
}

function taken(agenda: Agenda): Row[] {
	const rows: Row[] = [];
	for (let due = agenda.pop(); due !== undefined; due = agenda.pop()) {
		rows.push({ at: due.at, tie: due.tie, sequence: due.sequence });
	}
	return rows;
}

describe("the first of two entries", () => {
	test.each<[string, Row, Row]>([
		["is the earlier one", { at: 1, tie: 0.9, sequence: 2 }, { at: 2, tie: 0.1, sequence: 1 }],
		[
			"at one instant is the one with the lower tie",
			{ at: 1, tie: 0.1, sequence: 2 },
			{ at: 1, tie: 0.9, sequence: 1 },
		],
		["with one tie is the one scheduled first", { at: 1, tie: 0.5, sequence: 1 }, { at: 1, tie: 0.5, sequence: 2 }],
	])("%s", (_rule, first, second) => {
		expect(taken(agendaOf([first, second]))).toEqual([first, second]);
		expect(taken(agendaOf([second, first]))).toEqual([first, second]);
	});
});

test("many entries come out in order, whatever the order they went in", () => {
	const stream = new Streams("agenda").stream("rows");
	const rows = Array.from({ length: 500 }, (_, sequence) => ({
		at: Math.floor(stream() * 20),
		tie: Math.floor(stream() * 4) / 4,
		sequence,
	}));
	const sorted = [...rows].sort((a, b) => a.at - b.at || a.tie - b.tie || a.sequence - b.sequence);
	expect(taken(agendaOf(rows))).toEqual(sorted);
});

test("entries pushed between two pops take their place among the rest", () => {
	const agenda = agendaOf([1, 3, 5].map((at) => ({ at, tie: 0, sequence: at })));
	expect(agenda.pop()?.at).toBe(1);
	agenda.push({ at: 2, tie: 0, sequence: 9, process, run: () => {} });
	agenda.push({ at: 4, tie: 0, sequence: 10, process, run: () => {} });
	expect(taken(agenda).map(({ at }) => at)).toEqual([2, 3, 4, 5]);
});

test("an empty agenda has nothing due", () => {
	expect(new Agenda().pop()).toBeUndefined();
});

describe("pending", () => {
	test("leaves out what was cancelled", () => {
		const agenda = agendaOf([{ at: 1, tie: 0, sequence: 1 }]);
		const cancelled = { at: 2, tie: 0, sequence: 2, process, run: undefined };
		agenda.push(cancelled);
		expect(agenda.pending().map(({ at }) => at)).toEqual([1]);
	});

	test("leaves out what belongs to the dead", () => {
		const agenda = agendaOf([{ at: 1, tie: 0, sequence: 1 }]);
		const dead = new Process(2, "dead");
		dead.alive = false;
		agenda.push({ at: 2, tie: 0, sequence: 2, process: dead, run: () => {} });
		expect(agenda.pending().map(({ at }) => at)).toEqual([1]);
	});
});
