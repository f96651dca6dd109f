/** Real processes on real drivers, killed and started again. */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadDriver } from "../drivers/storage/load.ts";
import { killsText } from "../reports/kills.ts";
import type { Report } from "../reports/model.ts";
import { LOADER } from "../sim/cli/options.ts";
import { referenceScenario } from "../sim/explore/draw.ts";
import { type Explorer, idOf } from "../sim/explore/explorer.ts";
import { type DrawnKills, drawKills, judgeKills, type KillsOptions } from "../sim/explore/real/kills.ts";
import type { Loss } from "../sim/explore/real/losses.ts";
import { Nursery } from "../sim/explore/real/nursery.ts";
import type { Kill } from "../sim/explore/real/planned-kills.ts";
import { powerLossOf } from "../sim/explore/real/power/power-loss.ts";
import { ownServer } from "../sim/explore/real/servers.ts";
import { explorerFrom } from "../sim/explore/spec.ts";
import type { WorldEvents } from "../sim/world/history.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { IN_PROCESSES, PROPERTIES } from "../suites/index.ts";
import { FILES, fileDriver } from "./support/file-driver.ts";

const ENGINE = "rivet-2.3.19";
const LIMIT_MS = 60_000;
const settings = { root: join(tmpdir(), `faultline-test-${process.pid}`), postgresUrl: "", redisUrl: "", natsUrl: "" };

const explorer: Explorer = await explorerFrom({
	engine: ENGINE,
	programs: ["simple", "queue-loop", "progress"],
	properties: [...PROPERTIES, ...IN_PROCESSES].map(({ id }) => id),
});
const power = await powerLossOf(fileDriver("sound"));
const nursery = new Nursery(LOADER, typeof power === "string" ? {} : power.environment);

afterAll(async () => {
	await nursery.close();
	if (typeof server !== "string") await server.stop();
	rmSync(settings.root, { recursive: true, force: true });
	rmSync(FILES, { recursive: true, force: true });
});

async function optionsFor(name: string, losses: readonly Loss[] = []): Promise<KillsOptions> {
	const plugged = await loadDriver(name, { ...settings, packageDirectory: () => Promise.reject(new Error("none")) });
	const driver = { name, settings, packages: {} };
	return { engine: ENGINE, driver, plugged, nursery, losses, prefix: `test-${process.pid}` };
}

const file = (name: string) => resolve(import.meta.dirname, "support", "drivers", `${name}.ts`);

let runs = 0;

async function killed(
	driver: string,
	program: string,
	kills: readonly Partial<Kill>[],
	losses: readonly Loss[] = [],
	more: Partial<KillsOptions> = {},
) {
	const found = explorer.programs.find(({ name }) => name === program);
	if (found === undefined) throw new Error(`no program ${program}`);
	const scenario = { ...referenceScenario(found, "live"), seed: String(++runs), atomicBatch: true as const };
	const drawn: DrawnKills = {
		scenario,
		program: found,
		kills: kills.map((kill) => ({ write: 1, how: "after", afterUs: 500, ...kill })),
	};
	return await judgeKills(explorer, drawn, { ...(await optionsFor(driver, losses)), ...more });
}

const ofDriver = ({ violations }: Awaited<ReturnType<typeof killed>>): string[] =>
	violations.map(idOf).filter((id) => /^(storage|parity)\./.test(id));

test(
	"a workflow on SQLite whose process is killed before, after and in the midst of writes ends as if nothing had happened",
	async () => {
		const judgement = await killed("sqlite", "simple", [
			{ write: 2, how: "before" },
			{ write: 4, how: "after" },
			{ write: 6, how: "during" },
		]);
		const { run } = judgement;
		expect(run.outcome).toEqual({ status: "completed", output: { subtotal: 100, tax: 10, total: 110 } });
		expect(run.revisited).toBe(true);
		expect(ofDriver(judgement)).toEqual([]);
		// Three that were killed, the one that ended, and the look at what it left.
		expect(run.of("process.crash")).toHaveLength(3);
		expect(run.of("process.start")).toHaveLength(5);
		expect([...run.fired].sort()).toEqual([0, 1, 2]);
		const faults = run.of("fault").map(({ data }) => (data as WorldEvents["fault"]).kind);
		expect(faults.slice(0, 2)).toEqual(["crash before durable write 2", "crash after durable write 4"]);
		// The write that was killed before has its number, and was never made.
		const writes = run.of("durable").map(({ data }) => (data as WorldEvents["durable"]).n);
		expect(writes).not.toContain(2);
		expect(writes).toContain(4);
	},
	LIMIT_MS,
);

test(
	"messages that were acknowledged survive their process",
	async () => {
		const judgement = await killed("sqlite", "queue-loop", [
			{ write: 3, how: "after" },
			{ write: 9, how: "during" },
		]);
		expect(ofDriver(judgement)).toEqual([]);
		expect(judgement.run.of("message.acknowledged").length).toBeGreaterThan(1);
	},
	LIMIT_MS,
);

test(
	"a driver that answers one write too early is found by the first kill",
	async () => {
		expect(ofDriver(await killed(file("late"), "simple", [{ write: 5, how: "after" }]))).toEqual([
			"storage.durable/entries-differ-after-kill",
		]);
	},
	LIMIT_MS,
);

test(
	"a batch that was half there when its process died is told of where batches are claimed to be whole",
	async () => {
		const judgement = await killed(file("torn"), "simple", [{ write: 3, how: "during", afterUs: 60_000 }]);
		expect(ofDriver(judgement)).toEqual(["storage.durable/entries-differ-after-kill"]);
	},
	LIMIT_MS,
);

test.skipIf(typeof power === "string")(
	"what was not synced is gone with the power, and what was is not",
	async () => {
		const losses = typeof power === "string" ? [] : [power.loss];
		const plan = [{ write: 5, how: "after", loss: "power-loss" }] as const;
		expect(ofDriver(await killed(file("unsynced"), "simple", [{ write: 5, how: "after" }]))).toEqual([]);
		expect(ofDriver(await killed(file("unsynced"), "simple", plan, losses))).not.toEqual([]);
		expect(ofDriver(await killed(file("sound"), "simple", plan, losses))).toEqual([]);
	},
	LIMIT_MS,
);

const server = await ownServer("redis", join(settings.root, "redis"));

test.skipIf(typeof server === "string")(
	"what a server has acknowledged survives its own death, and a cut connection",
	async () => {
		if (typeof server === "string") return;
		const driver = { name: "redis", settings: { ...settings, ...server.settings }, packages: {} };
		const plugged = await loadDriver("redis", { ...driver.settings, packageDirectory: () => Promise.reject() });
		const judgement = await killed(
			"redis",
			"simple",
			[
				{ write: 3, how: "during", loss: "server" },
				{ write: 5, how: "after", loss: "server" },
				{ write: 6, how: "during", loss: "cut" },
			],
			server.losses,
			{ driver, plugged },
		);
		expect(ofDriver(judgement)).toEqual([]);
		expect(judgement.run.outcome.status).toBe("completed");
		expect(judgement.unfired).toEqual([]);
	},
	LIMIT_MS,
);

test("what a campaign did is told in a few lines", () => {
	const kills = { before: 3, after: 2, during: 5, tookPlace: 1, writes: 40, messages: 1, compared: 7 };
	const told = (losses: Record<string, number>, ids: readonly string[]) =>
		killsText(
			{
				counts: { runs: 8 },
				findings: ids.map((id) => ({ id, property: "storage.durable" })),
			} as unknown as Report,
			{ ...kills, losses },
			200,
		).split("\n");
	expect(told({}, [])).toEqual([
		"8 runs, 10 process lives killed: 3 before an operation, 2 after one, 5 in its midst, of which 1 had taken place",
		"40 durable writes and 1 message were acknowledged, and all were there after every kill",
		"7 runs could be compared with the world, since the same operations were struck",
	]);
	expect(told({ "power-loss": 4 }, ["storage.durable/x"]).slice(1, 3)).toEqual([
		"lost besides: what was not synced 4 times",
		"acknowledged and not there any more: see storage.durable/x",
	]);
});

test("a seed is the same kills each time, of a program that takes no long time", async () => {
	const options = await optionsFor("sqlite");
	const draw = (seed: number) => inMacrotask(() => drawKills(explorer, options, seed));
	for (let seed = 1; seed <= 20; seed++) {
		const drawn = await draw(seed);
		expect(await draw(seed)).toEqual(drawn);
		expect(drawn.kills.length).toBeGreaterThan(0);
		expect(explorer.reference(drawn.program, drawn.scenario.hosting.mode).endMs).toBeLessThan(1_300);
	}
});

test("a run is not over while a client is still to send", async () => {
	const program = explorer.programs.find(({ name }) => name === "queue-loop");
	if (program?.inputs === undefined) throw new Error("queue-loop takes no messages");
	// The workflow takes what there is and rests, and the last message comes long after that.
	const last = program.inputs.length - 1;
	const inputs = program.inputs.map((input, place) => (place === last ? { ...input, atMs: 1_500 } : input));
	const scenario = { ...referenceScenario(program, "yield"), seed: "late", atomicBatch: true as const, inputs };
	const drawn: DrawnKills = { scenario, program: { ...program, inputs }, kills: [] };
	const { run } = await judgeKills(explorer, drawn, await optionsFor("sqlite"));
	expect(run.outcome.status).toBe("completed");
	expect(run.of("message.acknowledged")).toHaveLength(inputs.length);
});
