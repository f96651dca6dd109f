/** Storage drivers held to their promises: those in the box, those that are none, and the ways of asking. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStorage, type Storage } from "unstorage";
import { afterAll, describe, expect, test } from "vitest";
import { BOX } from "../drivers/storage/box/index.ts";
import { memoryDriver } from "../drivers/storage/box/memory.ts";
import { UNSTORAGE_CLAIMS, unstorageStorage } from "../drivers/storage/box/unstorage.ts";
import type { PluggedDriver } from "../drivers/storage/contract.ts";
import { loadDriver } from "../drivers/storage/load.ts";
import { plug } from "../drivers/storage/plug.ts";
import { changed } from "../fixtures/mutants/mutant.ts";
import { forgetsDeletes } from "../fixtures/mutants/storage-drivers/keys.ts";
import { boxSettings } from "../sim/cli/machine/box-settings.ts";
import { driverTemplate } from "../sim/cli/new.ts";
import { conformDriver } from "../sim/conform/conform.ts";
import { conform, describeDriver } from "../sim/conform/describe.ts";
import { knownFailures } from "../sim/conform/known.ts";
import { DRIVER_PROPERTIES } from "../suites/storage-driver/index.ts";
import { linearize, type Operation, type State } from "../suites/storage-driver/linearizable.ts";
import { type Ended, sim } from "./support/cli.ts";

const directory = mkdtempSync(join(tmpdir(), "faultline-conform-"));
const settings = boxSettings(join(directory, "stores"), () => {});
afterAll(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));

const cli = (...args: string[]): Promise<Ended> => sim(args, undefined, "sim/cli/conform.ts");
const LIMIT_MS = 300_000;
const idsOf = (result: { readonly findings: readonly { readonly id: string }[] }) =>
	result.findings.map(({ id }) => id);

describe("in the box", () => {
	// Opening a whole database takes a second, and the others are held to more elsewhere.
	const RUNS: Readonly<Record<string, number>> = { memory: 40, pglite: 1, nats: 3 };

	test.each(["memory", "sqlite", "lmdb", "level", "unstorage", "pglite", "postgres", "redis", "nats"])(
		"%s keeps every promise that it makes",
		async (name) => {
			const result = await conformDriver(await loadDriver(name, settings), { runs: RUNS[name] ?? 5 });
			expect(result.findings).toEqual([]);
			if (result.verdict === "skip") {
				expect(["postgres", "redis", "nats"]).toContain(name);
				expect(result.reason).toMatch(/no server answers at /);
				return;
			}
			expect(result.verdict).toBe("pass");
			expect(result.cells.map(({ property }) => property)).toEqual(DRIVER_PROPERTIES.map(({ id }) => id));
			expect(result.cells.filter(({ verdict }) => verdict === "skip")).toEqual([]);
		},
		LIMIT_MS,
	);

	test("any unstorage store, through the adapter, keeps what unstorage claims", async () => {
		const stores = new Map<string, Storage>();
		const plugged: PluggedDriver = {
			name: "unstorage-memory",
			claims: UNSTORAGE_CLAIMS,
			async open(namespace) {
				const store = stores.get(namespace) ?? createStorage();
				stores.set(namespace, store);
				// Memory is gone once it is disposed of.
				return unstorageStorage(changed(store, { dispose: async () => {} }));
			},
		};
		expect(await conformDriver(plugged, { runs: 5 })).toMatchObject({ verdict: "pass", findings: [] });
	});

	test("the published InMemoryDriver breaks what it is known to break, and nothing else", async () => {
		const known = knownFailures("rivet-memory");
		const result = await conformDriver(await loadDriver("rivet-memory", settings), { runs: 8, known });
		expect(new Set(result.findings.map(({ verdict }) => verdict))).toEqual(new Set(["known", "disputed"]));
		expect(idsOf(result)).toEqual(expect.arrayContaining([...known.keys()]));
	});

	test.each([
		["postgres", { postgresUrl: "postgres://postgres@127.0.0.1:1/test" }],
		["redis", { redisUrl: "redis://127.0.0.1:1" }],
		["nats", { natsUrl: "nats://127.0.0.1:1" }],
	])("%s is skipped with its reason when there is no server", async (name, nowhere) => {
		const result = await conformDriver(await loadDriver(name, { ...settings, ...nowhere }));
		expect(result.verdict).toBe("skip");
		expect(result.reason).toMatch(/^no server answers at 127\.0\.0\.1:1: \S/);
	});

	test("the list of known failures names drivers and properties that there are", () => {
		for (const name of ["rivet-memory", "rivet-file"]) {
			expect(BOX.has(name)).toBe(true);
			for (const id of knownFailures(name).keys()) {
				expect(DRIVER_PROPERTIES.map((property) => property.id)).toContain(id.split("/")[0]);
			}
		}
	});
});

describe("what is no driver is named", () => {
	const memory = memoryDriver();
	const opening = (open: PluggedDriver["open"]) => ({ name: "broken", open });
	const withMember = (member: string, value: unknown) =>
		opening(async (namespace) => {
			const opened = await memory.open(namespace);
			return { ...opened, driver: changed(opened.driver, { [member]: value }) };
		});

	test.each<[string, PluggedDriver, string, RegExp]>([
		["throws at open", opening(() => Promise.reject(new Error("no such host"))), "open-refused", /no such host/],
		["never opens", opening(() => new Promise(() => {})), "open-hangs", /open did not answer within 0.3 s/],
		["opens nothing", opening(async () => undefined as never), "open-wrong-type", /open gave undefined/],
		["misses a method", withMember("deleteRange", undefined), "method-missing", /has no deleteRange/],
		["gives a string for bytes", withMember("get", async () => "text"), "get-wrong-type", /gave a string/],
		["gives an object for a list", withMember("list", async () => ({})), "list-wrong-type", /gave an Object, no array/],
		["never answers", withMember("set", () => new Promise(() => {})), "set-hangs", /set did not answer/],
		["answers at once", withMember("delete", () => undefined), "answers-at-once", /delete gave undefined, no promise/],
	])("%s", async (_what, plugged, kind, message) => {
		const properties = DRIVER_PROPERTIES.filter(({ id }) => id === "storage.contract" || id === "storage.ranges");
		const { findings, verdict, cells } = await conformDriver(plugged, { properties, runs: 2, limitMs: 50 });
		expect(verdict).toBe("fail");
		expect(findings[0]).toMatchObject({ id: `storage.contract/${kind}`, message: expect.stringMatching(message) });
		expect(cells).toHaveLength(2);
	});

	test("whatever is asked of it", async () => {
		const properties = DRIVER_PROPERTIES.filter(({ id }) => id === "storage.map");
		const refusing = opening(() => Promise.reject(new Error("no such host")));
		const { verdict, cells } = await conformDriver(refusing, { properties });
		expect(verdict).toBe("fail");
		expect(cells).toMatchObject([
			{ property: "storage.contract", verdict: "fail" },
			{ property: "storage.map", verdict: "skip", reason: "it does not open: no such host" },
		]);
	});

	test("a close that fails", async () => {
		const closing = async () => {
			throw new Error("still in use");
		};
		const plugged = opening(async (namespace) => changed(await memory.open(namespace), { close: closing }));
		const { findings } = await conformDriver(plugged, { runs: 2 });
		expect(findings.map(({ id }) => id)).toEqual(["storage.contract/close-refused", "storage.durable/close-refused"]);
	});

	test.each<[string, object, RegExp]>([
		["a word that is none", { durability: "forever" }, /one of memory, process-crash, power-loss/],
		["a claim that is none", { speed: "high" }, /no claim "speed"/],
		["a limit that is none", { limits: { keyBytes: 0 } }, /the limit keyBytes is 0/],
		["limits without one", { atomicBatch: "within-limits" }, /neither batchEntries nor batchBytes/],
	])("a claim that cannot be tested: %s", async (_what, claims, message) => {
		const { findings } = await conformDriver({ ...memory, claims }, { properties: DRIVER_PROPERTIES.slice(0, 1) });
		expect(findings[0]?.message).toMatch(message);
	});

	test("alarms that are claimed and cannot be told", async () => {
		const silent: PluggedDriver = {
			...memory,
			open: async (namespace) => ({ driver: (await memory.open(namespace)).driver }),
		};
		expect(idsOf(await conformDriver(silent, { runs: 1 }))).toEqual(["storage.contract/claim-untestable"]);
		const { claims: _, ...claimless } = silent;
		const { cells, findings } = await conformDriver(claimless, { runs: 1 });
		expect(findings).toEqual([]);
		expect(cells.find(({ property }) => property === "storage.alarms")).toMatchObject({ verdict: "skip" });
	});

	test.each<[string, unknown]>([
		["nothing", undefined],
		["a string", "driver"],
		["an object that is no driver", {}],
	])("an export that is %s", (_what, exported) => {
		expect(() => plug("mine", exported)).toThrow(/^mine exports .* a driver is an object with open\(namespace\)/);
	});
});

test("a plain driver without lists is told that it has none", async () => {
	const { findings } = await conformDriver(plug("mine", { get: async () => null, set: async () => {} }), { runs: 1 });
	expect(findings).toMatchObject([{ property: "storage.contract", kind: "method-missing" }]);
	expect(JSON.stringify(findings)).toMatch(/the driver has no delete, .*no list/);
});

describe("plugged without a change", () => {
	const engineDriver = async () => (await memoryDriver().open("one")).driver;

	test("a function that makes a driver is held to the weakest claims", async () => {
		const result = await conform(engineDriver, { runs: 10 });
		expect(result).toMatchObject({ verdict: "pass", claims: { atomicBatch: "none", durability: "memory" }, said: [] });
	});

	test("a driver object is asked for what one namespace can show", async () => {
		const { verdict, cells } = await conform(await engineDriver(), { runs: 10 });
		expect(verdict).toBe("pass");
		const skipped = cells.filter((cell) => cell.verdict === "skip").map(({ property }) => property);
		expect(skipped).toEqual(["storage.durable", "storage.isolated", "storage.alarms"]);
	});

	test("as tests of its author's", async () => {
		const tests: { name: string; run: () => Promise<void> }[] = [];
		const runner = {
			describe: (_: string, define: () => void) => define(),
			it: (name: string, run: () => Promise<void>) => tests.push({ name, run }),
		};
		describeDriver(forgetsDeletes.plant(memoryDriver()), runner, { runs: 20 });
		expect(tests.map(({ name }) => name.split(":")[0])).toEqual(DRIVER_PROPERTIES.map(({ id }) => id));
		const failing = tests.find(({ name }) => name.startsWith("storage.map"));
		await expect(failing?.run()).rejects.toThrow(
			/deleted-key-still-there: .*\n +1 {2}set .*\n +2 {2}delete .*\(seed \d+\)/s,
		);
		await tests.find(({ name }) => name.startsWith("storage.limits"))?.run();
	});

	test("as data, of the properties that are named", async () => {
		const { cells } = await conform(memoryDriver(), { properties: ["storage.batch"], runs: 3 });
		expect(cells).toMatchObject([{ property: "storage.batch", verdict: "pass", runs: 3 }]);
		await expect(conform(memoryDriver(), { properties: ["storage.speed"] })).rejects.toThrow(/Unknown property/);
	});
});

describe("a seed", () => {
	test("finds the same again, by itself", async () => {
		const mutant = () => forgetsDeletes.plant(memoryDriver());
		const properties = DRIVER_PROPERTIES.filter(({ id }) => id === "storage.map");
		const [first] = (await conformDriver(mutant(), { properties, runs: 30 })).findings;
		expect(first).toMatchObject({ id: "storage.map/deleted-key-still-there", reproducible: true });
		const again = await conformDriver(mutant(), { properties, from: first?.seed ?? 0, runs: 1 });
		expect(again.findings[0]?.steps).toEqual(first?.steps);
		// The smallest that there is: something is set, and deleted.
		expect(first?.steps).toEqual([expect.stringMatching(/^set /), expect.stringMatching(/^delete /)]);
	});
});

describe("overlapping operations", () => {
	const write = (calledAt: number, answeredAt: number, value: string): Operation => ({
		...{ calledAt, answeredAt },
		step: () => new Map([["k", value]]),
	});
	const read = (calledAt: number, answeredAt: number, value: string): Operation => ({
		...{ calledAt, answeredAt },
		step: (state: State) => (state.get("k") === value ? state : undefined),
	});

	test("may take effect in any order while they overlap", () => {
		expect(linearize([write(0, 5, "a"), write(1, 4, "b"), read(2, 3, "a")], new Map())).toHaveLength(2);
	});

	test("do not take effect before they are called, nor after they answered", () => {
		expect(linearize([write(0, 1, "a"), write(2, 5, "b"), read(3, 4, "a")], new Map())).toHaveLength(1);
		expect(linearize([write(0, 1, "a"), write(2, 3, "b"), read(4, 5, "a")], new Map())).toEqual([]);
	});

	test("give no two readers the values in two orders", () => {
		const writes = [write(0, 9, "a"), write(1, 10, "b")];
		expect(linearize([...writes, read(2, 3, "a"), read(4, 5, "b")], new Map())).not.toEqual([]);
		expect(linearize([...writes, read(2, 3, "a"), read(4, 5, "b"), read(6, 7, "a")], new Map())).toEqual([]);
	});
});

describe("the command line", () => {
	const mine = (name: string, source: string): string => {
		const file = join(directory, name);
		writeFileSync(file, source);
		return file;
	};

	test("the template passes as it stands, by its path", async () => {
		const { code, stdout } = await cli(mine("template.ts", driverTemplate()), "--runs", "10", "--no-throughput");
		expect(stdout).toMatch(/pass: 1 driver held to 12 properties/);
		expect(code).toBe(0);
	});

	test("a driver in TypeScript may name its other modules as the JavaScript that they become", async () => {
		mine("part.ts", driverTemplate());
		const file = mine("whole.ts", 'export { default } from "./part.js";');
		const { code, stderr } = await cli(file, "--runs", "1", "--no-throughput", "--property", "storage.map");
		expect([code, stderr]).toEqual([0, expect.not.stringContaining("cannot be loaded")]);
		const missing = await cli(mine("lost.ts", 'export { default } from "./nowhere.js";'));
		expect(missing.stderr).toMatch(/cannot be loaded: Cannot find module '.*nowhere\.js'/);
	});

	test("a broken promise exits with 1, and its command shows it again", async () => {
		const file = mine("forgetful.ts", driverTemplate().replace("store.values.delete(hex(key));", ""));
		const { code, stdout } = await cli(file, "--property", "storage.map", "--runs", "30");
		expect(code).toBe(1);
		const [, seed] = stdout.match(/pnpm conform \S+ --property storage\.map --seed (\d+)/) ?? [];
		const again = await cli(file, "--property", "storage.map", "--seed", seed ?? "none");
		expect(again.code).toBe(1);
		expect(again.stdout).toMatch(/^seed \d+: storage\.map on my-driver\n +1 {2}\S/);
		expect(again.stdout).toMatch(/deleted-key-still-there/);
	});

	test("one that cannot be loaded does not hold up the others", async () => {
		const args = ["--runs", "1", "--no-throughput", "--json"];
		const { code, stdout } = await cli(mine("none.ts", "export const x = 1;"), "memory", ...args);
		const report = JSON.parse(stdout);
		expect(report.drivers.map(({ verdict }: { verdict: string }) => verdict)).toEqual(["invalid", "pass"]);
		expect(code).toBe(3);
	});

	test("what a driver throws where nobody waits is told", async () => {
		const source = driverTemplate().replace(
			"const store = namesp",
			"Promise.reject(new Error('lost')); const store = namesp",
		);
		const { code, stdout } = await cli(mine("stray.ts", source), "--runs", "1", "--no-throughput");
		expect(stdout).toMatch(/unhandled-rejection.*nobody waited for:\s+lost/s);
		expect(code).toBe(1);
	});

	test("a report has every form", async () => {
		const report = join(directory, "report");
		const { code } = await cli("memory", "--runs", "2", "--quiet", "--report", report);
		expect(code).toBe(0);
		const { drivers } = JSON.parse(readFileSync(join(report, "report.json"), "utf8"));
		expect(drivers[0].stepsPerSecond).toBeGreaterThan(0);
		expect(readFileSync(join(report, "junit.xml"), "utf8")).toMatch(/name="storage\.map"/);
		expect(readFileSync(join(report, "report.md"), "utf8")).toMatch(/\| memory \| pass \| pass /);
		expect(readFileSync(join(report, "report.txt"), "utf8")).toMatch(/^pass: 1 driver/m);
	});

	test.each<[string, string[], RegExp]>([
		["no driver", [], /Name a driver: memory, sqlite/],
		["a driver that is not there", ["oracle"], /Unknown driver "oracle"; choose memory, /],
		["a file that is not there", ["./nope.ts"], /No driver at \.\/nope\.ts: the file does not exist/],
		["a property that is not there", ["memory", "--property", "storage.speed"], /Unknown property "storage\.speed"/],
		["one run and many", ["memory", "--seed", "1", "--runs", "2"], /--seed is for one run, and --runs for many/],
		["an option that is not there", ["memory", "--fast"], /unknown option '--fast'; see pnpm conform --help/],
	])("refuses %s", async (_what, args, message) => {
		const { code, stdout, stderr } = await cli(...args);
		expect(stderr).toMatch(message);
		expect(stderr.trimEnd().split("\n")).toHaveLength(1);
		expect(stdout).toBe("");
		expect(code).toBe(2);
	});
});
