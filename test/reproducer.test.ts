/** Reproducers: the file, what replaying it says, and the test that is made from it. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Encoder } from "cbor-x";
import { reproduce, type Scenario, UsageError } from "faultline";
import { deflateSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MUTANTS } from "../fixtures/mutants/index.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { findingId, type Report } from "../reports/model.ts";
import { literal } from "../sim/cli/engine/emit.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import {
	compareWithRecorded,
	decodeReproducer,
	encodeReproducer,
	type Reproducer,
	readReproducer,
	reproducerOf,
} from "../sim/explore/keep/reproducer.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { expectRefusal, sim } from "./support/cli.ts";
import { explorerOf } from "./support/explorer.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const GENERATED = join(ROOT, "test/data/generated-ran-again.repro");
const NAMED = join(ROOT, "test/data/race-message-lost.repro");

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

/** What a run of the reproducer's scenario says about its finding. */
async function replayed(reproducer: Reproducer, explorer: Explorer) {
	const program = explorer.programOf(reproducer.scenario) as Program;
	return await inMacrotask(() => compareWithRecorded(reproducer, explorer.judge(reproducer.scenario, program)));
}

/** The first failure of that kind among the seeds, on a target. */
async function recorded(explorer: Explorer, id: string): Promise<Reproducer> {
	return await inMacrotask(() => {
		for (let seed = 1; seed < 1_000; seed++) {
			const { scenario, program } = explorer.draw(seed);
			const { run, violations } = explorer.judge(scenario, program);
			const shown = violations.find(({ property, violation }) => `${property.id}/${violation.kind}` === id);
			if (shown !== undefined) return reproducerOf(run, shown);
		}
		throw new Error(`no seed shows ${id}`);
	});
}

describe("a committed reproducer", () => {
	it.each([
		["of a generated program", GENERATED, "step.committed-once/ran-again"],
		["of a named program", NAMED, "queue.no-loss/taken-then-crashed"],
	])("%s still fails, equal to the byte", async (_what, file, id) => {
		const reproducer = readReproducer(file);
		expect(findingId(reproducer.finding)).toBe(id);
		const explorer = await explorerOf({ engine: reproducer.target.engine.name });
		expect(await replayed(reproducer, explorer)).toMatchObject({
			outcome: "still-fails",
			difference: undefined,
			missed: [],
		});
	});

	it("holds the program it needs: statements and messages, or a name and messages", () => {
		const [generated, named] = [readReproducer(GENERATED).scenario, readReproducer(NAMED).scenario];
		expect(generated.statements?.length).toBeGreaterThan(0);
		expect(generated.inputs?.length).toBeGreaterThan(0);
		expect(named.statements).toBeUndefined();
		expect(named.inputs?.length).toBeGreaterThan(0);
	});

	it("is a few KB, and the same bytes when it is written again", () => {
		for (const file of [GENERATED, NAMED]) {
			const bytes = readFileSync(file);
			expect(bytes.length).toBeLessThan(8_192);
			expect(Buffer.compare(encodeReproducer(decodeReproducer(bytes)), bytes)).toBe(0);
		}
	});
});

const codec = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true });

/** The file of a content that may not be right, or of another version; the format as it is documented. */
function pack(content: unknown, version = 1): Uint8Array {
	const deflated = deflateSync(codec.encode(content));
	const sum = createHash("sha256").update(`faultline-reproducer ${version} `).update(deflated).digest();
	return codec.encode(["faultline-reproducer", version, sum, deflated]);
}

function refusal(bytes: Uint8Array): string {
	try {
		decodeReproducer(bytes, "bug.repro");
	} catch (error) {
		expect(error).toBeInstanceOf(UsageError);
		const { message } = error as Error;
		expect(message).not.toContain("\n");
		return message;
	}
	return "accepted";
}

describe("a file that is not right is refused in one line", () => {
	it("whichever byte of it is another", () => {
		const bytes = readFileSync(NAMED);
		for (let i = 0; i < bytes.length; i++) {
			const damaged = Buffer.from(bytes);
			damaged[i] = (damaged[i] as number) ^ (1 << (i % 8));
			expect(refusal(damaged), `byte ${i}`).toMatch(
				/^bug\.repro is (damaged; copy it again|no reproducer; give a file)/,
			);
		}
	});

	it("wherever it ends early", () => {
		const bytes = readFileSync(NAMED);
		for (let end = 0; end < bytes.length; end++) {
			expect(refusal(bytes.subarray(0, end)), `${end} bytes`).toMatch(/^bug\.repro is (damaged|no reproducer)/);
		}
	});

	it("when it is something else", () => {
		expect(refusal(readFileSync(join(ROOT, "package.json")))).toMatch(/^bug\.repro is no reproducer; give a file/);
	});

	it("when its format is newer", () => {
		expect(refusal(pack({ anything: true }, 2))).toMatch(/has format 2, and Faultline \S+ reads format 1; use a newer/);
	});

	const right = readReproducer(NAMED);
	it.each<[string, unknown, RegExp]>([
		["nothing", null, /content: /],
		["no scenario", { ...right, scenario: undefined }, /\(scenario: /],
		["an unknown field", { ...right, scenario: { ...right.scenario, weather: 1 } }, /scenario\.weather: /],
		[
			"an unknown fault",
			{ ...right, scenario: { ...right.scenario, faults: [{ kind: "flood" }] } },
			/faults\.0\.kind: /,
		],
		[
			"a fault without its place",
			{ ...right, scenario: { ...right.scenario, faults: [{ kind: "slow", ms: 5 }] } },
			/faults\.0\.operation: /,
		],
		[
			"a delay before now",
			{ ...right, scenario: { ...right.scenario, hosting: { ...right.scenario.hosting, restartMs: -1 } } },
			/restartMs: /,
		],
		[
			"an unknown statement, inside a loop",
			{
				...right,
				scenario: {
					...right.scenario,
					statements: [{ kind: "loop", name: "l", times: 2, body: [{ kind: "dance", name: "d" }] }],
				},
			},
			/statements\.0\.body\.0\.kind: /,
		],
		["a digest of other events", { ...right, digest: "0".repeat(64) }, /digest: not that of the events/],
		["events that are none", { ...right, events: [Uint8Array.of(1)] }, /events\.0: not the bytes of an event/],
		[
			"a place beyond the end",
			{ ...right, finding: { ...right.finding, event: 999_999 } },
			/finding\.event: there are/,
		],
	])("when it holds %s", (_what, content, place) => {
		const message = refusal(pack(content));
		expect(message).toMatch(/^bug\.repro holds what Faultline \S+ cannot run \(/);
		expect(message).toMatch(place);
	});
});

describe("a finding", () => {
	it("makes the same bytes each time it is found", async () => {
		const id = "queue.no-loss/taken-then-crashed";
		const [first, again] = [await recorded(await explorerOf(), id), await recorded(await explorerOf(), id)];
		expect(Buffer.compare(encodeReproducer(first), encodeReproducer(again))).toBe(0);
		expect(encodeReproducer(decodeReproducer(encodeReproducer(first)))).toEqual(encodeReproducer(first));
	});
});

describe("a failure of a mutant, replayed", () => {
	const id = "timer.never-early/sleep-early";
	let plain: Explorer;
	let mutant: Explorer;
	let reproducer: Reproducer;
	beforeAll(async () => {
		plain = await explorerOf({ properties: ["timer.never-early"] });
		const halving = MUTANTS.find(({ name }) => name === "engine-halves-sleeps");
		mutant = new Explorer(halving?.plant(plain.target) as never, plain.programs, plain.properties);
		reproducer = await recorded(mutant, id);
	});

	it("still fails on the mutant, equal to the byte", async () => {
		expect(await replayed(reproducer, mutant)).toMatchObject({ outcome: "still-fails", difference: undefined });
	});

	it("passes on the engine, and says from which event on the history differs", async () => {
		const { outcome, difference } = await replayed(reproducer, plain);
		expect(outcome).toBe("passes");
		expect(difference?.event).toBeGreaterThan(0);
		expect(difference?.sides).toHaveLength(2);
	});

	it("fails otherwise when it shows another kind only", async () => {
		const other = { ...reproducer, finding: { ...reproducer.finding, kind: "another" } };
		const { outcome, shown } = await replayed(other, mutant);
		expect(outcome).toBe("other-failure");
		expect(shown).toContain(findingId(reproducer.finding));
	});

	it("still fails with another history when something else changed", async () => {
		const { outcome, difference } = await replayed({ ...reproducer, events: reproducer.events.slice(0, -1) }, mutant);
		expect(outcome).toBe("still-fails");
		expect(difference?.event).toBe(reproducer.events.length - 1);
		expect(difference?.sides[0]).toBeUndefined();
	});

	it("names the recorded faults that found no place", async () => {
		const { scenario, ...rest } = readReproducer(GENERATED);
		expect(scenario.faults).toHaveLength(1);
		const { missed } = await replayed({ ...rest, scenario: { ...scenario, faults: [] } }, plain);
		expect(missed).toEqual([0]);
	});
});

describe("pnpm sim replay", () => {
	it("exits 0 for what is known, 1 for what is not, with the story, and says that nothing differs", async () => {
		const known = await sim(["replay", NAMED]);
		expect(known.stdout).toMatch(/write 1: kv\.set workflow input/);
		expect(known.stdout).toMatch(/still fails: queue\.no-loss\/taken-then-crashed\n +The history is equal to the byte/);
		expect(known.code).toBe(0);
		expect((await sim(["replay", NAMED, "--expectations", "none"])).code).toBe(1);
	});

	it("is the report and nothing else with --json", async () => {
		const { stdout } = await sim(["replay", NAMED, "--json"]);
		expect((JSON.parse(stdout) as Report).replay).toEqual({
			finding: "queue.no-loss/taken-then-crashed",
			outcome: "still-fails",
			missedFaults: [],
		});
	});

	it("prints both sides of the first event that differs on another engine", async () => {
		// Named from the directory of the project: where a checkout lies must not decide where lines break.
		const file = relative(ROOT, NAMED);
		const { stdout } = await sim(["replay", file, "--engine", "rivet-2.1.3", "--quiet"]);
		expect(stdout).toMatch(/on rivet-2\.1\.3/);
		expect(stdout).toMatch(/event \d+ differs, in .*\n(.*\n)* {2}recorded .*\n(.*\n)* {2}now /);
		expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
	});

	it("exits 3 when the target cannot run it", async () => {
		const reproducer = readReproducer(NAMED);
		const file = join(directory, "gone.repro");
		const engine = { name: "./gone/index.js", version: "local" };
		writeFileSync(file, encodeReproducer({ ...reproducer, target: { ...reproducer.target, engine } }));
		const gone = await sim(["replay", file]);
		expect(gone.stderr).toMatch(/was recorded on \.\/gone\/index\.js.*name one: --engine/);
		expect(gone.code).toBe(3);
		expect((await sim(["replay", file, "--engine", "rivet-2.3.19", "--quiet"])).code).toBe(0);

		writeFileSync(file, encodeReproducer({ ...reproducer, scenario: { ...reproducer.scenario, program: "gone" } }));
		expect(await sim(["replay", file])).toMatchObject({
			code: 3,
			stderr: expect.stringMatching(/runs gone, which is no program/),
		});
	});

	it("takes what --save wrote, and says so when there is nothing to save", async () => {
		const file = join(directory, "saved.repro");
		const about = ["--program", "fan-out", "--faults", "crash", "--quiet"];
		const saved = await sim(["--seed", "153", "--property", "step.committed-once", "--save", file, ...about]);
		expect(saved.stdout).toMatch(/saved step\.committed-once\/ran-again: /);
		expect((await sim(["replay", file, "--quiet"])).stdout).toMatch(/still fails: step\.committed-once\/ran-again/);

		const nothing = await sim(["--seed", "153", "--property", "timer.never-early", "--save", file, ...about]);
		expect(nothing.stderr).toBe("Seed 153 shows no failure, so there is nothing to save; give a run that fails.\n");
		expect(nothing.code).toBe(2);
	});

	it.each([
		["no such file", ["replay", "nope.repro"], /No reproducer can be read at nope\.repro \(ENOENT\)/],
		["a file of something else", ["replay", "package.json"], /package\.json is no reproducer/],
		["an option about seeds", ["replay", NAMED, "--runs", "5"], /replay runs what the file holds: leave --runs out/],
		["an option about runs", ["emit", NAMED, "--json"], /emit writes a test and runs nothing: leave --json out/],
		["no file", ["replay"], /missing required argument 'file'/],
		["an engine that is not there", ["replay", NAMED, "--engine", "rivet-9"], /Unknown engine "rivet-9"/],
		["--save without a run", ["--runs", "1", "--save", "a.repro"], /--save keeps one run; say which/],
		[
			"a place to save that is not there",
			["--seed", "153", "--program", "fan-out", "--faults", "crash", "--save", "nope/a.repro"],
			/No reproducer can be written to nope\/a\.repro/,
		],
	])("%s: one line, exit 2", (_name, args, message) => expectRefusal(args, message));
});

describe("reproduce", () => {
	const { scenario, digest } = readReproducer(GENERATED);
	const finding = "step.committed-once/ran-again";

	it("tells the failure, the faults that struck and the digest", async () => {
		const result = await reproduce(scenario, { engine: "rivet-2.3.19", finding });
		expect(result.failure).toMatch(/ran again in process 2/);
		expect(result.struck).toEqual([0]);
		expect(result.digest).toBe(digest);
	});

	it.each<[string, Scenario, string, RegExp]>([
		["a scenario that is none", { ...scenario, seed: 5 } as never, finding, /This is no scenario \(seed: /],
		["an unknown property", scenario, "a.b/c", /Unknown finding "a\.b\/c"/],
		["a property without a kind", scenario, "replay.pure", /Unknown finding "replay\.pure"/],
		["an unknown program", { ...readReproducer(NAMED).scenario, program: "gone" }, finding, /runs no program "gone"/],
	])("refuses %s", async (_what, wrong, id, message) => {
		await expect(reproduce(wrong, { engine: "rivet-2.3.19", finding: id })).rejects.toThrow(message);
	});
});

describe("an emitted test", () => {
	/** A project that links the package, as a user's does. */
	let project: string;
	const engine = () => join(project, "engine.mjs");
	const published = import.meta.resolve("@rivetkit/workflow-engine");
	const FIXED = `export * from ${JSON.stringify(published)};\n`;
	/** A build whose sleeps are half as long as asked. */
	const BROKEN = `
import { runWorkflow as published } from ${JSON.stringify(published)};
${FIXED}
export const runWorkflow = (id, workflow, ...rest) =>
	published(id, (context, input) => workflow(new Proxy(context, {
		get: (target, name) => {
			if (name === "sleep") return (label, ms) => target.sleep(label, ms / 2);
			const member = Reflect.get(target, name);
			return typeof member === "function" ? member.bind(target) : member;
		},
	}), input), ...rest);
`;

	beforeAll(async () => {
		project = mkdtempSync(join(tmpdir(), "faultline-project-"));
		mkdirSync(join(project, "node_modules"));
		symlinkSync(ROOT, join(project, "node_modules/faultline"), "dir");
		symlinkSync(join(ROOT, "node_modules/vitest"), join(project, "node_modules/vitest"), "dir");
		writeFileSync(join(project, "package.json"), '{ "type": "module" }');
		writeFileSync(engine(), BROKEN);
		const save = ["--engine", engine(), "--program", "month-sleep", "--property", "timer.never-early"];
		const saved = await sim(["--seed", "1", ...save, "--save", join(project, "bug.repro"), "--quiet"]);
		expect(saved.stdout).toMatch(/saved timer\.never-early/);
		for (const [name, more] of [
			["bug", []],
			["known", ["--expect-failure"]],
		] as const) {
			await sim(["emit", join(project, "bug.repro"), "--out", join(project, `${name}.test.ts`), ...more]);
		}
	});
	afterAll(() => rmSync(project, { recursive: true, force: true }));

	/** Which of the two emitted tests pass. */
	function passing(): Promise<Record<string, boolean>> {
		const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
		return new Promise((resolve, reject) => {
			execFile(process.execPath, [vitest, "run", "--reporter=json"], { cwd: project }, (_error, stdout, stderr) => {
				try {
					const { testResults } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as {
						testResults: { name: string; assertionResults: { status: string }[]; message: string }[];
					};
					resolve(
						Object.fromEntries(
							testResults.map(({ name, assertionResults, message }) => {
								// A file that cannot be loaded has no results, and must not read as a failure that was expected.
								if (assertionResults.length !== 1) throw new Error(message);
								return [name.replace(/^.*\//, ""), assertionResults[0]?.status === "passed"];
							}),
						),
					);
				} catch (error) {
					reject(new Error(`${error}\n${stdout}\n${stderr}`));
				}
			});
		});
	}

	it("fails while the failure is there and passes once it is fixed; with --expect-failure the other way round", async () => {
		expect(await passing()).toEqual({ "bug.test.ts": false, "known.test.ts": true });
		writeFileSync(engine(), FIXED);
		expect(await passing()).toEqual({ "bug.test.ts": true, "known.test.ts": false });
	});

	it("imports the package and vitest only, holds the scenario, and tells the story", () => {
		const text = readFileSync(join(project, "bug.test.ts"), "utf8");
		expect([...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name)).toEqual(["faultline", "vitest"]);
		expect(text).toMatch(/^test\('timer\.never-early\//m);
		expect(text).toMatch(/program: 'month-sleep'/);
		expect(text).toMatch(/\^ timer\.never-early/);
	});
});

describe("data as source text", () => {
	it.each<[string, unknown]>([
		["numbers", [0, 1.5, 1_234_567, 2 ** 40]],
		["texts", ["it's", 'say "so"', "two\nlines", "\u0000", "`a`"]],
		["bytes and dates", { bytes: Uint8Array.of(1, 2), at: new Date(5) }],
		[
			"long and deep data",
			{ list: Array.from({ length: 300 }, (_, i) => ({ i, inner: [[i]] })), text: "x".repeat(20_000) },
		],
		["strange names", { "a-b": 1, "": 2, "1": 3 }],
	])("gives back %s", (_what, data) => {
		expect(new Function(`return ${literal(data)}`)()).toEqual(data);
	});
});
