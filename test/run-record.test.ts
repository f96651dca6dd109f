/** What a report keeps of a run: its storage is the world's at every end, and what engines stored is read as what it is. */
import { describe, expect, it } from "vitest";
import { loadEngine } from "../drivers/engine/load.ts";
import { PUBLISHED } from "../drivers/engine/rivet/engine.ts";
import type { StorageDriver } from "../drivers/storage/contract.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import { runRecordOf, toldEvents, valueText } from "../sim/explore/keep/run-record.ts";
import { sourceText } from "../sim/explore/source-text.ts";
import type { FaultKind } from "../sim/world/faults.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import type { World } from "../sim/world/world.ts";

/** The world's own disk, with the world that was made last at hand. */
function watched(): { readonly storage: StorageDriver; readonly world: () => World } {
	let latest: World | undefined;
	return {
		storage: {
			...memoryStorage,
			storage(world, ...rest) {
				latest = world;
				return memoryStorage.storage(world, ...rest);
			},
		},
		world: () => latest as World,
	};
}

async function explorerOf(engine: string, faults: readonly FaultKind[], storage: StorageDriver = memoryStorage) {
	const target = { engine: await loadEngine(engine), storage };
	return new Explorer(target, PROGRAMS, [], new Set(faults), true);
}

describe.each<[string, readonly FaultKind[]]>([
	["crashes", ["crash"]],
	["torn batches", ["torn"]],
	["damage", ["corrupt"]],
	["loss of power", ["power-loss"]],
	["all of them", ["crash", "torn", "corrupt", "power-loss", "lost-ack"]],
])("after %s", (_what, faults) => {
	it("what is stored at the end is what the disk holds", async () => {
		const { storage, world } = watched();
		const explorer = await explorerOf("rivet-2.3.19", faults, storage);
		let struck = 0;
		for (let seed = 1; seed <= 60; seed++) {
			const [told, held, fired] = await inMacrotask(() => {
				const { scenario, program } = explorer.draw(seed);
				const { run } = explorer.judge(scenario, program);
				// Keys and values as they are: what is compared is the folding.
				const reader = {
					describeKey: (_table: string, key: string) => key,
					describeValue: (_table: string, _key: string, value: Uint8Array) => Buffer.from(value).toString("hex"),
				};
				const contents = [...world().disk.contents()].flatMap(([table, entries]) =>
					entries.map(({ key, value }) => [table, key, valueText(Buffer.from(value).toString("hex"))]),
				);
				return [toldEvents(run.history.events, scenario.faults, reader), contents, run.fired.size] as const;
			});
			struck += fired;
			const last = new Map<number, string | null>();
			for (const { changes = [] } of told.events) for (const { place, value } of changes) last.set(place, value);
			const folded = [...last].flatMap(([place, value]) =>
				value === null ? [] : [[told.places[place]?.table, told.places[place]?.name, value]],
			);
			expect(folded.sort(), `seed ${seed}`).toEqual(held.sort());
		}
		expect(struck).toBeGreaterThan(10);
	});
});

describe.each([...PUBLISHED, "reference"])("%s", (engine) => {
	it("has everything it stored read", async () => {
		const explorer = await explorerOf(engine, ["crash"]);
		const kinds = new Set<string>();
		for (let seed = 1; seed <= 40; seed++) {
			const record = await inMacrotask(() => {
				const { scenario, program } = explorer.draw(seed);
				return runRecordOf(explorer, "none", explorer.judge(scenario, program));
			});
			for (const { changes = [] } of record.events) {
				for (const { place, value } of changes) {
					expect(value ?? "", `seed ${seed}: ${record.places[place]?.name}`).not.toMatch(/^unreadable/);
					const kind = /kind: '([\w -]+)'/.exec(value ?? "")?.[1];
					if (kind !== undefined) kinds.add(kind);
				}
			}
			expect(JSON.parse(JSON.stringify(record))).toEqual(record);
		}
		expect([...kinds]).toEqual(expect.arrayContaining(["step", "sleep", "loop", "join"]));
	});
});

describe("an entry", () => {
	it("is read as what the engine itself reads", async () => {
		const explorer = await explorerOf("rivet-2.3.19", []);
		const program = PROGRAMS.find(({ name }) => name === "simple");
		const record = await inMacrotask(() => {
			if (program === undefined) throw new Error("There is no program simple.");
			const { scenario } = explorer.reference(program, "live");
			return runRecordOf(explorer, "none", explorer.judge(scenario, program));
		});
		const stored = new Map(
			record.events.flatMap(({ changes = [] }) =>
				changes.map(({ place, value }) => [record.places[place]?.name, value] as const),
			),
		);
		expect(stored.get("name 0")).toBe("'load-subtotal'");
		expect(stored.get("entry 0")).toMatch(/^\{ kind: 'step', output: 100, id: '[0-9a-f-]{36}' \}$/);
		expect(stored.get("workflow state")).toBe("'completed'");
		expect(stored.get("workflow output")).toBe("{ subtotal: 100, tax: 10, total: 110 }");
		const [, metadata] = [...stored].find(([name]) => name?.startsWith("metadata")) ?? [];
		expect(metadata).toMatch(/^\{ status: 'completed', attempts: 1, createdAt: \d+ ms, .*completedAt: \d+ ms \}$/);
	});

	it("that is damaged stays bytes", async () => {
		const { describeValue } = await loadEngine("rivet-2.3.19");
		const entry = Uint8Array.of(1, 0, 1, 0x61, 0, 0, 0, 0);
		expect(describeValue?.("\x15\x02", entry)).toEqual({ kind: "step", id: "a" });
		for (let length = 0; length < entry.length; length++) {
			expect(describeValue?.("\x15\x02", entry.slice(0, length))).toBeUndefined();
		}
		expect(describeValue?.("\x15\x02", Uint8Array.of(...entry, 0))).toBeUndefined();
		expect(describeValue?.("\x15\x02", Uint8Array.of(2, ...entry.slice(1)))).toBeUndefined();
	});
});

describe("a program's source", () => {
	it("is laid out: data on lines, functions as they are written", () => {
		const made = {
			state: { count: 0 },
			list: [1, "two"],
			async run(ctx: unknown) {
				return ctx;
			},
		};
		const text = sourceText(made);
		expect(text).toMatch(/^\{\n\tstate: \{ count: 0 \},\n\tlist: \[ 1, "two" \],\n\tasync run\(ctx\) \{\n/);
		expect(text).toMatch(/\n\t\},\n\}$/);
	});
});
