/** Recorded histories: what each published version left on its disk is there, still means what it meant, and is resumed. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadRivet, NEWEST, PUBLISHED } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { MUTANTS } from "../fixtures/mutants/index.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { historiesFile, readableHistories } from "../sim/cli/versions/histories.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import {
	checkHistory,
	decodeHistories,
	encodeHistories,
	RECORDED_PROGRAMS,
	recordHistories,
} from "../sim/explore/matrix/histories.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { explorerOf } from "./support/explorer.ts";

it("there are some of every published version", () => {
	expect(PUBLISHED.filter((engine) => !existsSync(historiesFile(engine)))).toEqual([]);
	expect(readableHistories(NEWEST).map(({ engine }) => engine)).toEqual(PUBLISHED);
});

it("an engine must read its own and those of older ones, a local build all", () => {
	expect(readableHistories("rivet-2.2.1").map(({ engine }) => engine)).toEqual(PUBLISHED.slice(0, 3));
	expect(readableHistories("./dist/index.js")).toHaveLength(PUBLISHED.length);
});

describe.each(PUBLISHED)("the histories of %s", (engine) => {
	it("are in every recorded program that it has, and the newest version ends each as it should", async () => {
		const file = historiesFile(engine);
		const { states } = decodeHistories(readFileSync(file), file);
		const newest = await explorerOf();
		const { features } = await loadRivet(engine);
		const programs = PROGRAMS.filter(
			({ name, needs }) => RECORDED_PROGRAMS.includes(name) && (needs?.every((need) => features.has(need)) ?? true),
		);
		expect([...new Set(states.map(({ program }) => program))].sort()).toEqual(programs.map(({ name }) => name).sort());
		const failures = await inMacrotask(() => states.flatMap((state) => checkHistory(newest, state)));
		expect(failures).toEqual([]);
	});
});

it("are written to the byte as they are read", () => {
	for (const { engine, states } of readableHistories(NEWEST)) {
		expect(Buffer.from(encodeHistories(engine, states)).equals(readFileSync(historiesFile(engine)))).toBe(true);
	}
});

it("of the newest version can be recorded anew, with as many states", async () => {
	const explorer = await explorerOf();
	const states = await inMacrotask(() => recordHistories(explorer));
	expect(states).toHaveLength(readableHistories(NEWEST).at(-1)?.states.length ?? 0);
});

it.each(["engine-moves-names", "driver-truncates-values"])("are not ended as they should by %s", async (name) => {
	const mutant = MUTANTS.find((candidate) => candidate.name === name);
	if (mutant === undefined) throw new Error(`No mutant ${name}.`);
	const target = mutant.plant({ engine: await loadRivet(NEWEST), storage: memoryStorage });
	const explorer = new Explorer(target, PROGRAMS, []);
	const [newest] = readableHistories(NEWEST).slice(-1);
	const failures = await inMacrotask(() => newest?.states.flatMap((state) => checkHistory(explorer, state)));
	expect(failures).not.toEqual([]);
});

it("a file that holds none is refused, with what to do", () => {
	expect(() => decodeHistories(new Uint8Array([1, 2]), "x.cbor")).toThrow(/x\.cbor holds no recorded histories/);
});
