/** What a GitHub workflow is told: annotations that survive any message, and a summary in Markdown. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Announced, annotations, escapeData, escapeProperty, summary } from "../reports/github.ts";
import type { Finding, GoneFinding } from "../reports/model.ts";
import { sim } from "./support/cli.ts";

const finding = (kind: string, change: Partial<Finding> = {}): Finding => ({
	...{ id: `queue.fifo/${kind}`, property: "queue.fifo", kind, verdict: "fail", runs: 3, programs: [] },
	example: {
		...{ seed: 7, program: "queue-loop", conditions: ["live hosting"], digest: "ab", command: "pnpm sim --seed 7" },
		message: "100% lost:\nm1, m2 | <b>::error::@all`",
	},
	...change,
});
const announced = (findings: readonly Finding[], change: Partial<Announced> = {}): Announced => ({
	...{ verdict: "fail", target: { engine: "./dist/index.js" }, problems: [], findings, counts: { runs: 1_234 } },
	...change,
});
const heldAgainst = (gone: readonly GoneFinding[], warnings: readonly string[] = []): Partial<Announced> => ({
	baseline: { file: "main.json", engine: "rivet-0", tool: "0.1.0", runs: 9, warnings, gone },
});

describe("annotations", () => {
	it("are an error for each new finding, in one line, with the command that shows it", () => {
		expect(annotations(announced([finding("lost"), finding("late", { verdict: "known" })]))).toBe(
			"::error title=queue.fifo/lost (3 runs)::" +
				"queue-loop: 100%25 lost:%0Am1, m2 | <b>::error::@all`%0Alive hosting%0Apnpm sim --seed 7\n",
		);
	});

	it("escape what would end them", () => {
		expect(escapeData("a%b\r\nc:d,e")).toBe("a%25b%0D%0Ac:d,e");
		expect(escapeProperty("a%b\r\nc:d,e")).toBe("a%25b%0D%0Ac%3Ad%2Ce");
	});

	it("are ten errors at most, the last of which names the others", () => {
		const findings = Array.from({ length: 12 }, (_, i) => finding(`kind-${i}`));
		const lines = annotations(announced(findings)).trimEnd().split("\n");
		expect(lines).toHaveLength(10);
		expect(lines.at(-1)).toMatch(/^::error title=3 more::queue\.fifo\/kind-9 .*%0A.*kind-10 .*%0A.*kind-11 /);
		expect(
			annotations(announced(findings.slice(0, 10)))
				.trimEnd()
				.split("\n"),
		).toHaveLength(10);
	});

	it("tell what a list has and is fixed: an error by itself, a notice beside a baseline", () => {
		const fixed = [finding("old", { verdict: "fixed" })];
		expect(annotations(announced(fixed))).toMatch(/^::error title=listed as known%2C and fixed::queue\.fifo\/old\n$/);
		expect(annotations(announced(fixed, heldAgainst([])))).toMatch(/^::notice title=listed as known%2C and fixed::/);
	});

	it("tell what is fixed since the baseline, and in what that was made differently", () => {
		const gone: GoneFinding[] = [
			{ id: "a.b/c", how: "fixed" },
			{ id: "a.b/d", how: "not-seen" },
		];
		expect(annotations(announced([], heldAgainst(gone, ["made with --runs 5"])))).toBe(
			"::notice title=fixed since the baseline::a.b/c\n" +
				"::warning title=the baseline compares badly::It was made with --runs 5.\n",
		);
	});

	it("are an error when the result counts for nothing, and nothing when all held", () => {
		expect(annotations(announced([], { verdict: "invalid", problems: ["fs.readFile was called"] }))).toBe(
			"::error title=Faultline%3A the result counts for nothing::fs.readFile was called\n",
		);
		expect(annotations(announced([], { verdict: "pass" }))).toBe("");
	});
});

describe("the summary", () => {
	it("has a row for each new finding that no message can break", () => {
		const text = summary(announced([finding("lost")], heldAgainst([{ id: "a.b/c", how: "fixed" }])));
		expect(text).toContain("## Faultline: ❌ <code>./dist/index.js</code>");
		expect(text).toContain("1 234 runs, 1 new, 0 known.");
		const [row] = text.split("\n").filter((line) => line.includes("queue.fifo/lost"));
		expect(row?.match(/\|/g)).toHaveLength(5);
		expect(row).toContain("100% lost: m1, m2 &#124; &#60;b&#62;::error::&#64;all&#96;");
		expect(text).toContain("Fixed since the baseline: <code>a.b/c</code>.");
	});

	it("has problems behind a fence that they cannot close", () => {
		expect(summary(announced([], { verdict: "invalid", problems: ["a ``` b"] }))).toContain("````\na ``` b\n````");
	});
});

describe("--github", () => {
	let directory: string;
	beforeAll(() => {
		directory = mkdtempSync(join(tmpdir(), "faultline-"));
	});
	afterAll(() => {
		rmSync(directory, { recursive: true, force: true });
		delete process.env.GITHUB_STEP_SUMMARY;
	});
	const CAMPAIGN = ["--program", "queue-loop", "--faults", "crash", "--property", "queue.no-loss", "--runs", "150"];

	it("prints annotations after the report and appends to the summary", async () => {
		const file = join(directory, "summary.md");
		process.env.GITHUB_STEP_SUMMARY = file;
		const { stdout, code } = await sim([...CAMPAIGN, "--expectations", "none", "--github"]);
		expect(stdout).toMatch(
			/\n::error title=queue\.no-loss\/taken-then-crashed \(\d+ runs\)::queue-loop: .*pnpm sim --seed/,
		);
		expect(readFileSync(file, "utf8")).toMatch(/^## Faultline: ❌/);
		expect(code).toBe(1);

		const json = await sim([...CAMPAIGN, "--expectations", "none", "--github", "--json"]);
		expect(() => JSON.parse(json.stdout)).not.toThrow();
		expect(json.stderr).toMatch(/^::error title=/m);
		expect(readFileSync(file, "utf8").match(/^## /gm)).toHaveLength(2);
	});

	it("is said by the flag alone, and a summary that cannot be written fails nothing", async () => {
		process.env.GITHUB_STEP_SUMMARY = join(directory, "not", "there.md");
		const quiet = await sim(CAMPAIGN);
		expect(quiet.stdout).not.toMatch(/^::/m);
		const { code, stderr } = await sim([...CAMPAIGN, "--github"]);
		expect(stderr).toMatch(/No summary was written to .*there\.md \(ENOENT\)/);
		expect(code).toBe(0);
	});
});
