/** The action of this repository, as its own workflow and the example for drivers use it: their steps, run as a runner would. */
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWorkflow, runAction, type Step } from "./support/workflow.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OWN = readWorkflow(join(ROOT, ".github/workflows/faultline.yml"));
const DRIVER = readWorkflow(join(ROOT, "examples/driver-ci/faultline.yml"));

let workspace: string;
let environment: Record<string, string>;
beforeAll(() => {
	workspace = mkdtempSync(join(tmpdir(), "faultline-action-"));
	mkdirSync(join(workspace, "bin"));
	// `npx -y pnpm@12 …` without a registry: the sources of this project, as its scripts run them.
	const npx = join(workspace, "bin/npx");
	const command = `node --import ${ROOT}sim/cli/typescript/register.mjs ${ROOT}sim/cli`;
	writeFileSync(
		npx,
		`#!/bin/sh
test "$1 $2" = "-y pnpm@12" || exit 99
test "$PWD/" = "${ROOT}" || exit 98
case "$3" in sim) entry=main;; conform) entry=conform;; *) exit 97;; esac
shift 3
exec ${command}/$entry.ts "$@"
`,
	);
	chmodSync(npx, 0o755);
	environment = { PATH: `${join(workspace, "bin")}:${process.env.PATH}` };
});
afterAll(() => {
	rmSync(workspace, { recursive: true, force: true });
});

const act = (given: Step["with"]) => runAction(ROOT, given, { workspace, env: environment });

describe("this project's workflow", () => {
	const steps = (OWN.jobs.action?.steps ?? []).filter(({ uses }) => uses === "./");

	it("uses the action twice: for an engine, and for a driver", () => {
		expect(steps.map((step) => Object.keys(step.with ?? {})[0])).toEqual(["engine", "driver"]);
	});

	it.each(steps.map((step) => [step.with?.engine ?? step.with?.driver, step] as const))(
		"passes on %s, and leaves the report where it says",
		(_name, step) => {
			const { code, outputs, said } = act(step.with);
			expect([code, code === 0 ? "" : said]).toEqual([0, ""]);
			expect(outputs).toEqual({ verdict: "pass", report: step.with?.report });
			expect(existsSync(join(workspace, outputs.report as string, "report.json"))).toBe(true);
		},
	);
});

describe("the action", () => {
	it("fails a step on what is new, and annotates it", () => {
		cpSync(join(ROOT, "test/support/early-engine.mjs"), join(workspace, "engine.mjs"));
		const text = readFileSync(join(workspace, "engine.mjs"), "utf8");
		const published = import.meta.resolve("@rivetkit/workflow-engine");
		writeFileSync(join(workspace, "engine.mjs"), text.replaceAll('"@rivetkit/workflow-engine"', `"${published}"`));
		const campaign = "--runs 60 --program month-sleep --property timer.never-early";
		const { code, said, summary, outputs } = act({ engine: "engine.mjs", campaign });
		expect(said).toMatch(/^::error title=timer\.never-early\/sleep-early/m);
		expect(summary).toMatch(/^## Faultline: ❌/);
		expect([code, outputs.verdict]).toEqual([1, "fail"]);
		expect(existsSync(join(workspace, "faultline-report/report.html"))).toBe(true);
	});

	it("knows what the baseline has, and does without where there is none", () => {
		const campaign = "--runs 60 --program month-sleep --property timer.never-early";
		const baseline = "faultline-report/report.json";
		const given = { engine: "engine.mjs", campaign, baseline, report: "second" };
		expect(act(given).outputs.verdict).toBe("known");
		expect(act({ ...given, baseline: "nowhere.json" }).outputs.verdict).toBe("fail");
	});

	it("says that wrong usage is no result", () => {
		const { code, outputs } = act({ engine: "no-such-engine", report: "third" });
		expect([code, outputs.verdict]).toEqual([2, "invalid"]);
	});

	it("takes what it is given as words, and runs none of it", () => {
		const file = join(workspace, "ran");
		act({ engine: `$(touch ${file})"; touch ${file}; "`, report: "fourth" });
		expect(existsSync(file)).toBe(false);
	});
});

describe("the example for drivers", () => {
	const step = DRIVER.jobs.faultline?.steps.find(({ uses }) => uses?.startsWith("OWNER/faultline@"));
	const given = { ...step?.with, campaign: "--runs 2 --no-throughput" };

	/** The driver of a project: the published one for tests, as a class of its own. */
	function install(source: string): void {
		mkdirSync(join(workspace, "src"), { recursive: true });
		cpSync(join(ROOT, "examples/driver-ci/faultline-driver.mjs"), join(workspace, "faultline-driver.mjs"));
		writeFileSync(join(workspace, "src/my-driver.mjs"), source);
	}

	const KEEPING = `
import { engineDriverOver } from "${ROOT}drivers/storage/ordered/driver.ts";
const stores = new Map();
const order = (a, b) => Buffer.compare(a.key, b.key);
const storeOver = (map) => ({
	get: (key) => map.get(String(key))?.value ?? null,
	write: (changes) => changes.forEach(({ key, value }) =>
		value === null ? map.delete(String(key)) : map.set(String(key), { key: Uint8Array.from(key), value: Uint8Array.from(value) })),
	list: (start, end, limit = Infinity) => [...map.values()].filter(({ key }) =>
		Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0).sort(order).slice(0, limit),
});
export class MyDriver {
	constructor(namespace) {
		const map = stores.get(namespace) ?? stores.set(namespace, new Map()).get(namespace);
		return engineDriverOver(storeOver(map), { atomicBatch: "always", concurrency: "one-process" }).driver;
	}
}
`;

	it("passes a driver that keeps its promises", () => {
		install(KEEPING);
		const { code, said, outputs } = act(given);
		expect([code, code === 0 ? "" : said]).toEqual([0, ""]);
		expect(outputs.verdict).toBe("pass");
	});

	it("fails one that does not, and names the promise on the pull request", () => {
		install(KEEPING.replace(".sort(order)", ".sort((a, b) => order(b, a))"));
		const { code, said, summary } = act(given);
		expect(said).toMatch(/^::error title=storage\.sorted-list\/out-of-order/m);
		expect(summary).toMatch(/storage&#46;sorted-list|storage\.sorted-list/);
		expect(code).toBe(1);
	});
});
