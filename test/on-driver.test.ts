/** A world on a real driver: the same bytes of history as on its own disk, and a word where the driver answers otherwise. */
import { expect, test } from "vitest";
import { GENERATED } from "../fixtures/generators/interpret.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { type Explorer, idOf } from "../sim/explore/explorer.ts";
import { explorerFrom } from "../sim/explore/spec.ts";
import { HarnessError } from "../sim/world/harness-error.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { World } from "../sim/world/world.ts";
import { ON_DRIVER, PROPERTIES } from "../suites/index.ts";
import { execute, executeOn } from "../suites/run.ts";
import { mapDriver, type Wrong } from "./support/map-driver.ts";

const ALL = [...PROGRAMS.map(({ name }) => name), GENERATED];
const UNTIL_MS = 100 * 86_400_000;

const explorerOn = (driver: ReturnType<typeof mapDriver>, programs: readonly string[] = ALL): Promise<Explorer> =>
	explorerFrom(
		{ engine: "rivet-2.3.19", programs, properties: [...PROPERTIES, ...ON_DRIVER].map(({ id }) => id) },
		{ driver, prefix: "test" },
	);

test.each([
	["a driver that keeps everything", {}],
	["a driver that keeps entries only", { alarms: "none", messages: "none" }],
	["a driver whose batches may be torn", { atomicBatch: "none" }],
	["a driver in memory", { durability: "memory" }],
] as const)("histories on %s are those of the world's own disk, to the byte", async (_, claims) => {
	const explorer = await explorerOn(mapDriver(claims));
	let struck = 0;
	for (let seed = 1; seed <= 40; seed++) {
		const { scenario: drawn, program } = await inMacrotask(() => explorer.draw(seed));
		const scenario = explorer.onDriver?.fitted(drawn) ?? drawn;
		const onDisk = await inMacrotask(() => execute(scenario, program, explorer.target, { untilMs: UNTIL_MS }));
		const under = { driver: mapDriver(claims), namespace: `n${seed}` };
		const onDriver = await executeOn(under, scenario, program, explorer.target, { untilMs: UNTIL_MS });
		expect(onDriver.history.digest()).toBe(onDisk.history.digest());
		struck += onDriver.fired.size;
	}
	expect(struck).toBeGreaterThan(10);
});

const WRONGS: readonly (readonly [what: string, kind: string, wrong: Wrong])[] = [
	["forgets a write", "reopen", (driver) => ({ ...driver, set: async () => {} })],
	["lists backwards", "reopen", (driver) => ({ list: async (prefix) => (await driver.list(prefix)).reverse() })],
	["gives undefined for what is not there", "kv-get", () => ({ get: async () => undefined as never })],
	["throws", "kv-batch-threw", () => ({ batch: () => Promise.reject(new Error("disk full")) })],
	["forgets alarms", "reopen-alarm", () => ({ setAlarm: async () => {} })],
	[
		"gives messages twice",
		"queue-receive",
		(driver) => ({
			messageDriver: {
				...driver.messageDriver,
				receiveMessages: (options) => driver.messageDriver.receiveMessages({ ...options, completable: true }),
			},
		}),
	],
];

test.each(WRONGS)(
	"a driver that %s is told of as such, and the engine is not blamed for it",
	async (_, kind, wrong) => {
		const explorer = await explorerOn(mapDriver({}, wrong), ["queue-loop", "simple", "poll-backoff"]);
		const on = explorer.onDriver as NonNullable<Explorer["onDriver"]>;
		const kinds = new Set<string>();
		for (let seed = 1; seed <= 25; seed++) {
			const { scenario: drawn, program } = await inMacrotask(() => explorer.draw(seed));
			const scenario = on.fitted(drawn);
			const shown = (await on.judge(scenario, program)).violations.map(idOf);
			const onDisk = await inMacrotask(() => explorer.judge(scenario, program));
			expect(onDisk.violations.map(idOf)).toEqual(
				expect.arrayContaining(shown.filter((id) => !id.startsWith("parity."))),
			);
			for (const id of shown) kinds.add(id);
		}
		expect([...kinds]).toContain(`parity.answers/${kind}`);
	},
);

test("a driver that cannot be opened, or is none, ends the run with a clear word", async () => {
	const explorer = await explorerOn(mapDriver(), ["simple"]);
	const { target } = explorer;
	const { scenario, program } = await inMacrotask(() => explorer.draw(1));
	const run = (driver: object) =>
		executeOn({ driver: { name: "odd", ...driver } as never, namespace: "n" }, scenario, program, target);
	await expect(run({ open: () => Promise.reject(new Error("no such server")) })).rejects.toThrow(
		"odd: open failed: no such server",
	);
	await expect(run({ open: () => ({ driver: { get() {} } }) })).rejects.toThrow("odd: the driver has no set, delete");
});

test("a run that cannot wait says so when an event is to wait", async () => {
	const world = new World({ seed: "1" });
	const run = inMacrotask(() => world.run(() => world.beyond(async () => {}), { untilMs: 1, maxEvents: 9 }));
	await expect(run).rejects.toThrow(HarnessError);
});
