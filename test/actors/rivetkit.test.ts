/** The published actor runtimes, unmodified, in a world. Skipped with its reason where a version cannot be installed. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { ActorDefinition, ActorTarget, HandlerContext } from "../../drivers/actor/contract.ts";
import { decodeValue, encodeValue } from "../../drivers/actor/rivetkit/core/compat.ts";
import { NEEDS, type PackageNeed } from "../../drivers/actor/rivetkit/package.ts";
import { rivetkitActors } from "../../drivers/actor/rivetkit/target.ts";
import type { Order } from "../../drivers/actor/rivetkit/turns.ts";
import { installedInPart, PackageUnavailable } from "../../sim/cli/machine/packages.ts";
import { play } from "../support/actor-stage.ts";
import { type Counted, counter, digestOf } from "./counter.ts";

const CHILD_MS = 60_000;

const targets = await Promise.all([...NEEDS.keys()].map(loaded));

async function loaded(version: string) {
	const need = NEEDS.get(version);
	if (need === undefined) throw new Error(`Nobody says what rivetkit ${version} needs.`);
	try {
		const directory = await installedInPart(need, () => {});
		return { version, title: version, target: await rivetkitActors(version, directory) };
	} catch (error) {
		if (!(error instanceof PackageUnavailable)) throw error;
		return { version, title: `${version} (${error.message})`, target: undefined };
	}
}

interface Reminded {
	readonly reminded: string[];
}

const reminder: ActorDefinition = (_surface, env) => ({
	state: { reminded: [] as string[] },
	options: { sleepTimeout: 1_000 },
	actions: {
		remind: async (context: HandlerContext, ms: number, text: string) => {
			await context.schedule.after(ms, "due", text);
		},
		due: (context: HandlerContext<Reminded>, text: string) => {
			context.state.reminded.push(text);
			env.tell("due", text);
		},
		reminded: (context: HandlerContext<Reminded>) => [...context.state.reminded],
	},
});

const echo: ActorDefinition = () => ({ actions: { echo: (_context: HandlerContext, value: unknown) => value } });

const failing: ActorDefinition = ({ workflow }, env) => ({
	state: { attempts: 0 },
	vars: { attempts: 0 },
	run: workflow<{ attempts: number }, { attempts: number }>(async (context) => {
		await context.step({
			name: "fails-twice",
			retryBackoffBase: 100,
			run: async () => {
				env.tell("attempt", [context.state.attempts, context.vars.attempts]);
				context.state.attempts += 1;
				context.vars.attempts += 1;
				if (context.state.attempts < 3) throw new Error("not yet");
				return "done";
			},
		});
		await context.sleep("rest", 3_600_000);
	}),
});

describe.each(targets)("rivetkit $title", ({ target, version }) => {
	const only = test.skipIf(target === undefined);
	const actor = target as ActorTarget;

	only("applies messages, answers an action, and keeps its state over a sleep", async () => {
		const run = await play(actor, counter, [
			{ at: 10, send: ["counter", { delta: 1 }] },
			{ at: 20, send: ["counter", { delta: 10 }] },
			{ at: 5_000, act: ["getState"] },
			{ at: 60_000, act: ["getState"] },
		]);
		const state = { value: 11, processed: 2 };
		expect(run.answers).toEqual(["1", "2", state, state]);
		expect(run.told("broadcast")).toEqual([
			["applied", 1],
			["applied", 10],
		]);
		expect(run.told("process.start").length).toBeGreaterThan(1);
		expect(run.image).toMatchObject({ state, queue: { messages: [], nextId: "3" } });
		expect(run.image.queue.size ?? 0).toBe(0);
	});

	only("comes back from a crash with what was durable", async () => {
		const asks = [
			{ at: 10, send: ["counter", { delta: 1 }] as const },
			{ at: 5_000, act: ["getState"] as const },
		];
		const undisturbed = await play(actor, counter, asks);
		const run = await play(actor, counter, asks, [{ kind: "crash", write: undisturbed.world.writes, side: "after" }]);
		expect(run.world.fired.size).toBe(1);
		expect(run.told("process.crash")).toHaveLength(1);
		expect(run.answers).toEqual(["1", { value: 1, processed: 1 }]);
	});

	only("loses an acknowledged message to a crash between its removal and the history of it", async () => {
		const asks = [{ at: 10, send: ["counter", { delta: 1 }] as const }];
		const undisturbed = await play(actor, counter, asks);
		const removal = undisturbed
			.told("durable")
			.map((data) => data as { readonly n: number; readonly what: string })
			.find(({ what }) => what === "kv.delete" || what === "queue.take");
		const run = await play(actor, counter, asks, [{ kind: "crash", write: removal?.n ?? 0, side: "after" }]);
		expect(run.world.fired.size).toBe(1);
		expect(run.answers).toEqual(["1"]);
		expect(run.image).toMatchObject({ state: { value: 0, processed: 0 }, queue: { messages: [] } });
	});

	only("goes on from what a failed attempt did to state and vars", async () => {
		const run = await play(actor, failing, [{ at: 30_000, stop: "sleep" }]);
		expect(run.told("attempt").slice(0, 3)).toEqual([
			[0, 0],
			[1, 1],
			[2, 2],
		]);
		expect(run.image.state).toEqual({ attempts: 3 });
	});

	only("wakes for its alarm and does what was scheduled", async () => {
		const run = await play(actor, reminder, [
			{ at: 10, act: ["remind", 30_000, "later"] },
			{ at: 20, act: ["remind", 15_000, "sooner"] },
			{ at: 60_000, act: ["reminded"] },
		]);
		expect(run.told("due")).toEqual(["sooner", "later"]);
		expect(run.answers[2]).toEqual(["sooner", "later"]);
		expect(run.told("process.start").length).toBeGreaterThan(2);
	});

	only("refuses an action that it does not know", async () => {
		const run = await play(actor, counter, [{ at: 10, act: ["nothing"] }]);
		expect(run.answers).toEqual(["action.not_found"]);
	});

	only("hands on what clients send and get as it is", async () => {
		const values = [1, "text", null, true, [1, [2]], { nested: { list: [] } }, 12n, new Date(5), new Map([["a", 1]])];
		const run = await play(
			actor,
			echo,
			values.map((value, place) => ({ at: 10 + place, act: ["echo", value] })),
		);
		expect(run.answers).toEqual(values);
	});

	only("leaves nothing behind when it is destroyed", async () => {
		const run = await play(actor, counter, [
			{ at: 10, send: ["counter", { delta: 1 }] },
			{ at: 20, stop: "destroy" },
			{ at: 5_000, act: ["getState"] },
		]);
		expect(run.destroyed).toBe(true);
		expect(run.image).toEqual({ state: undefined, queue: { messages: [], size: undefined, nextId: undefined } });
		expect(run.answers[2]).toBeUndefined();
	});

	only("names every key that it stores", async () => {
		const run = await play(actor, counter, [{ at: 10, send: ["counter", { delta: 1 }] }]);
		const names = run.told("durable").flatMap((data) => {
			const { mutations } = data as { readonly mutations: readonly { readonly table: string; readonly key: string }[] };
			return mutations.map(({ table, key }) => actor.describeKey(table, key));
		});
		expect(names).toEqual(expect.arrayContaining(["actor state", "message 1", "name 0", "workflow state"]));
		expect(names.filter((name) => name.startsWith("key "))).toEqual([]);
	});

	only(
		"does the same again, to the byte, here and in another process with another environment",
		async () => {
			const first = await digestOf(actor, "1");
			expect(await digestOf(actor, "2")).not.toBe(first);
			expect(await digestOf(actor, "1")).toBe(first);
			expect(await digestInChild(version, "1")).toBe(first);
		},
		CHILD_MS,
	);
});

async function digestInChild(version: string, seed: string): Promise<string> {
	const loader = new URL("../../sim/cli/typescript/register.mjs", import.meta.url).href;
	const script = fileURLToPath(new URL("./counter.ts", import.meta.url));
	// What these say is for servers of rivetkit, and no part of a run.
	const env = { ...process.env, NODE_ENV: "development", RIVET_EXPOSE_ERRORS: "1", RIVET_EXPERIMENTAL_OTEL: "1" };
	const child = promisify(execFile)(process.execPath, ["--import", loader, script, version, seed], { env });
	const { stdout } = await child;
	return stdout.trim();
}

describe("what state and history are, being two writes that are under way at once", () => {
	const version = "2.2.1";
	const found = targets.find((target) => target.version === version);

	test.skipIf(found?.target === undefined).each<[Order, readonly string[]]>([
		["overlapping", ["lost", "twice"]],
		["in-turn", ["lost"]],
	])("on %s storage, over all crashes: %j", async (order, expected) => {
		const directory = await installedInPart(NEEDS.get(version) as PackageNeed, () => {});
		const target = await rivetkitActors(version, directory, order);
		const asks = [1, 10].map((delta) => ({ at: 300 * delta, send: ["counter", { delta }] as const }));
		const { writes } = (await play(target, counter, asks)).world;
		const seen = new Set<string>();
		for (let write = 1; write <= writes; write++) {
			for (const side of ["before", "after"] as const) {
				const run = await play(target, counter, asks, [{ kind: "crash", write, side }]);
				const { value } = run.image.state as Counted;
				const applied = [value % 10, Math.floor(value / 10)];
				if (applied.some((times) => times > 1)) seen.add("twice");
				if (applied.some((times, place) => times === 0 && run.answers[place] !== undefined)) seen.add("lost");
			}
		}
		expect([...seen].sort()).toEqual(expected);
	});
});

test.each([
	[undefined, 7n, [], ["$BigInt", "1"], ["$", 2], ["$$x", ["$y", null]]],
	[{ bytes: Uint8Array.of(1, 2), set: new Set([1n]), map: new Map([[undefined, "value"]]) }],
])("what clients of 2.3 send is what they get: %j", (...values: unknown[]) => {
	for (const value of values) expect(decodeValue(encodeValue(value))).toEqual(value);
});
