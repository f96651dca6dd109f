/** The example workflow for an engine's own repository: its steps, run as a runner would, on a copy of a published build. */
import { spawnSync } from "node:child_process";
import {
	chmodSync,
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Report } from "../reports/model.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

interface Step {
	readonly name?: string;
	readonly if?: string;
	readonly run?: string;
	readonly uses?: string;
	readonly with?: Readonly<Record<string, string>>;
	readonly "working-directory"?: string;
}

interface Workflow {
	readonly env: Readonly<Record<string, string>>;
	readonly jobs: { readonly faultline: { readonly "timeout-minutes": number; readonly steps: readonly Step[] } };
}

const workflow = parse(readFileSync(join(ROOT, "examples/engine-ci/faultline.yml"), "utf8")) as Workflow;
const { steps } = workflow.jobs.faultline;

/** A campaign that a test has time for. */
const CAMPAIGN = "--runs 60 --program month-sleep,queue-loop --property timer.never-early,queue.no-loss";

let workspace: string;
beforeAll(() => {
	workspace = mkdtempSync(join(tmpdir(), "faultline-ci-"));
	mkdirSync(join(workspace, "faultline"));
	mkdirSync(join(workspace, "bin"));
	// `npx -y pnpm@12 sim …` without a registry: the sources of this project, as its script runs them.
	const command = `node --import ${ROOT}sim/cli/typescript/register.mjs ${ROOT}sim/cli/main.ts`;
	const npx = join(workspace, "bin/npx");
	writeFileSync(npx, `#!/bin/sh\ntest "$1 $2 $3" = "-y pnpm@12 sim" || exit 99\nshift 3\nexec ${command} "$@"\n`);
	chmodSync(npx, 0o755);
	// The build of the engine: what the published package holds, with what it depends on beside it.
	const published = realpathSync(dirname(fileURLToPath(import.meta.resolve("@rivetkit/workflow-engine"))));
	cpSync(published, join(workspace, "engine/dist"), { recursive: true });
	writeFileSync(join(workspace, "engine/package.json"), '{ "type": "module" }\n');
	symlinkSync(dependenciesOf(published), join(workspace, "engine/node_modules"));
});
afterAll(() => {
	rmSync(workspace, { recursive: true, force: true });
});

/** The directory that has the engine's dependencies: the first above it with one of them. */
function dependenciesOf(directory: string): string {
	const candidates = [join(directory, "node_modules"), directory];
	const found = candidates.find((candidate) => existsSync(join(candidate, "fdb-tuple")));
	return found ?? dependenciesOf(dirname(directory));
}

/** Runs the steps that have a command and belong to the event, but for the build, which was copied. */
function runJob(event: "push" | "pull_request"): { code: number | null; stdout: string; summary: string } {
	const file = join(workspace, `summary-${event}.md`);
	rmSync(file, { force: true });
	let stdout = "";
	let code: number | null = 0;
	for (const step of steps) {
		if (step.run === undefined || step.name === "Build the engine") continue;
		if (step.if !== `github.event_name == '${event}'`) continue;
		const ended = spawnSync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", step.run], {
			cwd: join(workspace, step["working-directory"] ?? "."),
			encoding: "utf8",
			env: {
				...{ ...process.env, ...workflow.env, CAMPAIGN, NO_COLOR: "1", GITHUB_STEP_SUMMARY: file },
				PATH: `${join(workspace, "bin")}:${process.env.PATH}`,
			},
		});
		stdout += ended.stdout + ended.stderr;
		code = ended.status;
	}
	return { code, stdout, summary: existsSync(file) ? readFileSync(file, "utf8") : "" };
}

function reportIn(directory: string): Report {
	return JSON.parse(readFileSync(join(workspace, "faultline", directory, "report.json"), "utf8")) as Report;
}

/** The change of a pull request: the entry of the build does something else. */
function change(source: string | undefined): void {
	const [entry, kept] = ["index.js", "published.js"].map((name) => join(workspace, "engine/dist", name)) as [
		string,
		string,
	];
	if (!existsSync(kept)) cpSync(entry, kept);
	if (source === undefined) cpSync(kept, entry);
	else writeFileSync(entry, source);
}

/** Sleeps are over too early by half. */
const HASTY = readFileSync(join(ROOT, "test/support/early-engine.mjs"), "utf8").replaceAll(
	'"@rivetkit/workflow-engine"',
	'"./published.js"',
);

describe("the workflow", () => {
	it("has a time budget of ten minutes, and a campaign that is a number of seeds", () => {
		expect(workflow.jobs.faultline["timeout-minutes"]).toBeLessThanOrEqual(10);
		expect(workflow.env.CAMPAIGN).toMatch(/^--runs \d+$/);
	});

	it("saves the baseline where it restores it from, under names that meet", () => {
		const caches = steps.filter(({ uses }) => uses?.startsWith("actions/cache/"));
		const [restore, save] = caches as [Step, Step];
		expect(restore.with?.path).toBe(save.with?.path);
		expect(save.with?.key?.startsWith(restore.with?.["restore-keys"] as string)).toBe(true);
		expect(existsSync(join(workspace, "engine/dist", "index.js"))).toBe(true);
	});

	it("holds a change against main: known, new, known again", { timeout: 240_000 }, () => {
		const first = runJob("pull_request");
		expect(first.code).toBe(0);
		expect(first.stdout).not.toMatch(/baseline:/);

		expect(runJob("push").code).toBe(0);
		expect(reportIn("baseline").findings.map(({ id }) => id)).toContain("queue.no-loss/taken-then-crashed");

		const same = runJob("pull_request");
		expect(same.stdout).toMatch(/baseline: baseline\/report\.json, \.\.\/engine\/dist\/index\.js, 60 runs/);
		expect(same.stdout).not.toMatch(/^::error/m);
		expect(same.summary).toMatch(/^## Faultline: ✅/);
		expect(reportIn("report").baseline?.warnings).toEqual([]);
		expect(same.code).toBe(0);

		change(HASTY);
		const worse = runJob("pull_request");
		expect(worse.code).toBe(1);
		expect(worse.stdout.match(/^::error .*$/gm)).toHaveLength(1);
		expect(worse.stdout).toMatch(
			/^::error title=timer\.never-early\/sleep-early \(\d+ runs\)::month-sleep: .*pnpm sim --seed /m,
		);
		expect(worse.summary).toMatch(/\| <code>timer\.never-early\/sleep-early<\/code> \|/);
		expect(existsSync(join(workspace, "faultline/report", reproducerOf("timer.never-early/sleep-early")))).toBe(true);

		// Once main has it, it is known; and once it is gone again, it is told of and fails nothing.
		expect(runJob("push").code).toBe(0);
		expect(runJob("pull_request").code).toBe(0);
		change(undefined);
		const better = runJob("pull_request");
		expect(better.stdout).toMatch(/^::notice title=fixed since the baseline::timer\.never-early\/sleep-early$/m);
		expect(better.code).toBe(0);
	});
});

function reproducerOf(id: string): string {
	const finding = reportIn("report").findings.find((candidate) => candidate.id === id);
	return finding?.example?.reproducer ?? "nothing";
}
