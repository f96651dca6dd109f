/** The agenda hands out what is due by time, then by tie, then in the order of scheduling. */
import { describe, expect, test } from "vitest";
import { Agenda, type Due, newDue } from "../../sim/world/agenda.ts";
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
	for (const row of rows) agenda.push(entry(row));
	return agenda;
}

function entry({ at, tie, sequence }: Row, changes: Partial<Due> = {}): Due {
	return Object.assign(
		newDue(at, tie, sequence, process, () => {}),
		changes,
	);
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
	agenda.push(entry({ at: 2, tie: 0, sequence: 9 }));
	agenda.push(entry({ at: 4, tie: 0, sequence: 10 }));
	expect(taken(agenda).map(({ at }) => at)).toEqual([2, 3, 4, 5]);
});

test("an empty agenda has nothing due", () => {
	expect(new Agenda().pop()).toBeUndefined();
});

describe("pending", () => {
	test("leaves out what was cancelled", () => {
		const agenda = agendaOf([{ at: 1, tie: 0, sequence: 1 }]);
		agenda.push(entry({ at: 2, tie: 0, sequence: 2 }, { run: undefined }));
		expect(agenda.pending().map(({ at }) => at)).toEqual([1]);
	});

	test("leaves out what belongs to the dead", () => {
		const agenda = agendaOf([{ at: 1, tie: 0, sequence: 1 }]);
		const dead = new Process(2, "dead");
		dead.alive = false;
		agenda.push(newDue(2, 0, 2, dead, () => {}));
		expect(agenda.pending().map(({ at }) => at)).toEqual([1]);
	});
});

describe("choosing", () => {
	const PATIENCE_MS = 10;

	/** What there was to choose from each time, and what came out when the last was always taken. */
	function chosenLast(entries: readonly Due[]) {
		const agenda = new Agenda();
		for (const due of entries) agenda.push(due);
		const counts: number[] = [];
		const choose = (count: number) => {
			counts.push(count);
			return count - 1;
		};
		const order: number[] = [];
		for (let due = agenda.popChosen(choose, PATIENCE_MS); due; due = agenda.popChosen(choose, PATIENCE_MS)) {
			order.push(due.sequence);
		}
		return { counts, order };
	}

	const at = (ms: number, sequence: number, changes: Partial<Due> = {}) => entry({ at: ms, tie: 0, sequence }, changes);

	test("is asked for among what is due at one instant, until one is left", () => {
		expect(chosenLast([at(1, 1), at(1, 2), at(1, 3)])).toEqual({ counts: [3, 2], order: [3, 2, 1] });
	});

	test("is not asked for when nothing else is due", () => {
		expect(chosenLast([at(1, 1), at(2, 2)])).toEqual({ counts: [], order: [1, 2] });
	});

	test("lets an operation be overtaken by what is due later, within the patience", () => {
		const operation = at(1, 1, { operation: true });
		expect(chosenLast([operation, at(11, 2)])).toEqual({ counts: [2], order: [2, 1] });
		expect(chosenLast([at(1, 1, { operation: true }), at(12, 2)])).toEqual({ counts: [], order: [1, 2] });
	});

	test("keeps timers of one instant in order", () => {
		const timers = [1, 2].map((sequence) => at(1, sequence, { ordered: true }));
		expect(chosenLast(timers)).toEqual({ counts: [], order: [1, 2] });
		expect(chosenLast([...timers, at(1, 3)])).toEqual({ counts: [2], order: [3, 1, 2] });
	});

	test("passes over what was cancelled and who died", () => {
		const dead = new Process(2, "dead");
		dead.alive = false;
		const gone = [at(1, 1, { run: undefined }), newDue(1, 0, 2, dead, () => {})];
		expect(chosenLast([...gone, at(1, 3)])).toEqual({ counts: [], order: [3] });
	});
});
