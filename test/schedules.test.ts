/** Every order of what is pending: each once, as far as the bound allows, and the bug that one departure brings out. */
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import type { Program } from "../fixtures/programs/program.ts";
import type { ScheduleSearchResult } from "../reports/model.ts";
import { Explorer, type Judgement } from "../sim/explore/explorer.ts";
import { ScheduleSearch } from "../sim/explore/search/schedules.ts";
import type { WorldEvents } from "../sim/world/history.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { explorerOf } from "./support/explorer.ts";
import { bytesOf, tiny, tinyTarget } from "./support/tiny-engine.ts";

interface Searched {
	readonly result: ScheduleSearchResult;
	readonly judgements: readonly Judgement[];
}

/** @param steps after which the search is left as it is. */
function search(
	explorer: Explorer,
	program: Program,
	departures: number,
	steps = Number.POSITIVE_INFINITY,
): Promise<Searched> {
	return inMacrotask(() => {
		const judgements: Judgement[] = [];
		const search = new ScheduleSearch(explorer, program, "live", departures, (judgement) => judgements.push(judgement));
		for (let i = 0; i < steps && search.step(); i++);
		return { result: search.result(), judgements };
	});
}

/** Branches side by side, each of which stores `a1`, `a2`, … one after the other. */
function branching(lengths: readonly number[]): Explorer {
	const target = tinyTarget(async (driver) => {
		const branch = async (name: string, length: number) => {
			for (let i = 1; i <= length; i++) await driver.set(bytesOf(`${name}${i}`), bytesOf(""));
		};
		await Promise.all(lengths.map((length, i) => branch("abc"[i] as string, length)));
		return "done";
	});
	return new Explorer(target, [tiny], []);
}

/** The order in which a run stored what its branches store. */
function orderOf({ run }: Judgement): string {
	return run
		.of("durable")
		.map(({ data }) => (data as WorldEvents["durable"]).mutations[0]?.key)
		.filter((key) => key !== "done")
		.join(" ");
}

/** Every order by counting: the oldest operation pending or, as a departure, a younger one; with its departures. */
function ordersOf(lengths: readonly number[]): Map<string, number> {
	const orders = new Map<string, number>();
	const goOn = (pending: readonly string[], done: readonly string[], departures: number): void => {
		if (pending.length === 0) orders.set(done.join(" "), departures);
		pending.forEach((operation, place) => {
			const branch = "abc".indexOf(operation[0] as string);
			const next = Number(operation.slice(1)) + 1;
			const after = pending.filter((other) => other !== operation);
			if (next <= (lengths[branch] as number)) after.push(`${"abc"[branch]}${next}`);
			goOn(after, [...done, operation], departures + (place > 0 ? 1 : 0));
		});
	};
	goOn(
		lengths.map((_, i) => `${"abc"[i]}1`),
		[],
		0,
	);
	return orders;
}

describe("the orders of branches", () => {
	it.each([
		[[1, 1], 2],
		[[2, 2], 6],
		[[2, 3], 10],
		[[1, 1, 1], 6],
		[[1, 2, 2], 30],
	])("of %j operations are %i, and each is made once", async (lengths, count) => {
		const { result, judgements } = await search(branching(lengths), tiny, Number.POSITIVE_INFINITY);
		expect(ordersOf(lengths).size).toBe(count);
		expect(judgements.map(orderOf).sort()).toEqual([...ordersOf(lengths).keys()].sort());
		expect(result).toMatchObject({ schedules: count, explored: count, exhausted: true, widest: lengths.length });
		expect(result).not.toHaveProperty("departures");
	});

	it.each([0, 1, 2, 3, 4])("with at most %i departures are the ones that depart so often", async (departures) => {
		const lengths = [2, 2, 2];
		const { result, judgements } = await search(branching(lengths), tiny, departures);
		const allowed = [...ordersOf(lengths)].filter(([, departed]) => departed <= departures).map(([order]) => order);
		expect(judgements.map(orderOf).sort()).toEqual(allowed.sort());
		expect(result).toMatchObject({ departures, schedules: allowed.length, exhausted: true });
	});

	it("are exhausted at the end, and not before", async () => {
		const explorer = branching([2, 2]);
		const reached = [];
		for (const steps of [0, 1, 3, 5, 6, 7]) reached.push((await search(explorer, tiny, 9, steps)).result);
		expect(reached.map(({ explored, exhausted }) => [explored, exhausted])).toEqual([
			[0, false],
			[1, false],
			[3, false],
			[5, false],
			[6, true],
			[6, true],
		]);
	});

	it("of one branch is one", async () => {
		const { result } = await search(branching([5]), tiny, Number.POSITIVE_INFINITY);
		expect(result).toMatchObject({ schedules: 1, choices: 0, widest: 1, exhausted: true });
	});
});

it("one departure shows that branches flushing at once lose a name", async () => {
	const explorer = await explorerOf({ programs: ["fan-out"] });
	const fanOut = PROGRAMS.find(({ name }) => name === "fan-out") as Program;
	const ids = ({ judgements }: Searched) =>
		judgements.flatMap(({ violations }) =>
			violations.map(({ property, violation }) => `${property.id}/${violation.kind}`),
		);
	expect(explorer.target.engine.name).toBe("rivet-2.3.19");
	expect(explorer.target.storage).toBe(memoryStorage);
	expect(ids(await search(explorer, fanOut, 0))).not.toContain("replay.parallel-safe/name-lost");
	const one = await search(explorer, fanOut, 1);
	expect(ids(one)).toContain("replay.parallel-safe/name-lost");
	expect(one.result).toMatchObject({ exhausted: true, departures: 1, widest: 4 });
});
