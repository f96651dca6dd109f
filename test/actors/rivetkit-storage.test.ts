/** What is ours around the published actor runtimes: the order of their storage, the statements of their core, their packages. */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CoreSql, UnknownStatement } from "../../drivers/actor/rivetkit/core/sql.ts";
import { CoreStore, tablesOf } from "../../drivers/actor/rivetkit/core/store.ts";
import { type Order, type Touched, Turns } from "../../drivers/actor/rivetkit/turns.ts";
import { installedInPart, PackageUnavailable } from "../../sim/cli/machine/packages.ts";
import { runProcess } from "../world/in-world.ts";

const SEEDS = Array.from({ length: 20 }, (_, seed) => String(seed));

/** Operations take a while. */
const LATENCY = { minMs: 0, maxMs: 20, answerMaxMs: 0 };

describe("two operations that are under way at once", () => {
	const put = (...keys: string[]): Touched => ({ writes: true, keys });
	const get = (...keys: string[]): Touched => ({ writes: false, keys });
	const list = (start: string): Touched => ({ writes: false, start });
	const remove = (start: string, end: string): Touched => ({ writes: true, start, end });

	test.each<[string, Order, Touched, Touched, boolean]>([
		["writes of different keys", "overlapping", put("a"), put("b"), true],
		["writes of one key", "overlapping", put("a", "b"), put("b"), false],
		["reads of one key", "overlapping", get("a"), get("a"), true],
		["a write and a read of its key", "overlapping", put("a"), get("a"), false],
		["a list and a write among what it lists", "overlapping", list("a"), put("ab"), false],
		["a list and a write beside it", "overlapping", list("a"), put("b"), true],
		["a range and a write at its end", "overlapping", remove("a", "b"), put("b"), true],
		["a range and a write in it", "overlapping", remove("a", "b"), put("ab"), false],
		["a list and a range", "overlapping", list("x"), remove("a", "b"), false],
		["writes of different keys, one after the other", "in-turn", put("a"), put("b"), false],
	])("%s, %s", async (_what, order, first, second, mayOvertake) => {
		const orders = new Set<string>();
		for (const seed of SEEDS) {
			const done: string[] = [];
			await runProcess(
				(world, process) => {
					const turns = new Turns(world, process, order);
					void turns.operate("first", first, () => done.push("first"));
					void turns.operate("second", second, () => done.push("second"));
				},
				{ seed, latency: LATENCY },
			);
			orders.add(done.join(", "));
		}
		expect([...orders].sort()).toEqual(mayOvertake ? ["first, second", "second, first"] : ["first, second"]);
	});

	test("what was refused is over, too", async () => {
		const done: string[] = [];
		await runProcess(
			(world, process) => {
				const turns = new Turns(world, process, "in-turn");
				const refused = turns.operate("first", put("a"), () => {
					throw new Error("refused");
				});
				refused.catch((error: Error) => done.push(error.message));
				void turns.operate("second", put("a"), () => done.push("second"));
			},
			{ latency: LATENCY },
		);
		expect(done).toEqual(["refused", "second"]);
	});
});

describe("the statements of workflow storage", () => {
	const bytes = (text: string) => ({ blobValue: Buffer.from(text) });
	const insert =
		"INSERT INTO _rivet_wf_kv (key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value";
	const select = "SELECT value FROM _rivet_wf_kv WHERE key = ?";

	test("a transaction is one durable write, at its commit", async () => {
		const read: unknown[] = [];
		const { world } = await runProcess((world, process) => {
			const sql = new CoreSql(new CoreStore(world, process, tablesOf("actor")));
			void (async () => {
				const transaction = await sql.beginTransaction();
				await transaction.execute(insert, [bytes("a"), bytes("1")]);
				await transaction.execute(insert, [bytes("b"), bytes("2")]);
				read.push((await sql.execute(select, [bytes("a")])).rows.length);
				await transaction.commit();
				read.push(Buffer.from((await sql.execute(select, [bytes("b")])).rows[0]?.[0] as Uint8Array).toString());
			})();
		});
		expect(read).toEqual([0, "2"]);
		expect(world.writes).toBe(1);
	});

	test("another statement is refused by name", async () => {
		const errors: unknown[] = [];
		await runProcess((world, process) => {
			const sql = new CoreSql(new CoreStore(world, process, tablesOf("actor")));
			sql.execute("SELECT 1", null).catch((error: unknown) => errors.push(error));
		});
		expect(errors[0]).toBeInstanceOf(UnknownStatement);
		expect((errors[0] as Error).message).toMatch(/SELECT 1$/);
	});
});

test("a package that is not to be had is unavailable, in one line, and leaves nothing behind", async () => {
	const told: string[] = [];
	const need = { name: "rivetkit", version: "0.0.0-none", without: [], beside: {}, pinned: {} };
	const failed = installedInPart(need, (text) => told.push(text));
	await expect(failed).rejects.toThrow(PackageUnavailable);
	await expect(failed).rejects.toThrow(/^rivetkit 0\.0\.0-none cannot be installed: [^\n]+$/);
	expect(told).toEqual(["installing rivetkit 0.0.0-none, once ..."]);
	const cache = fileURLToPath(new URL("../../node_modules/.cache/faultline-packages/", import.meta.url));
	expect(existsSync(cache) ? readdirSync(cache).filter((name) => name.includes("0.0.0-none")) : []).toEqual([]);
}, 120_000);
