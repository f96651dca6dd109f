/** `pnpm sim matrix`: the table of properties by versions, as data and as text. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { matrixMarkdown, matrixText, versionsText } from "../reports/matrix.ts";
import type { MatrixReport } from "../reports/model.ts";
import { matrixRows } from "../sim/explore/matrix/matrix.ts";
import type { Property } from "../suites/property.ts";
import { expectRefusal, sim } from "./support/cli.ts";

const ARGS = ["matrix", "--runs", "200", "--engine", "2.1.3,2.3.19", "--program", "simple,fallback,queue-loop"];

let directory: string;
let printed: string;
let report: MatrixReport;
beforeAll(async () => {
	directory = mkdtempSync(join(tmpdir(), "faultline-matrix-"));
	({ stdout: printed } = await sim([...ARGS, "--report", directory]));
	report = JSON.parse(readFileSync(join(directory, "matrix.json"), "utf8"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

function cell(id: string, engine: string) {
	return report.properties.find((row) => row.id === id)?.cells.find((candidate) => candidate.engine === engine);
}

describe("the matrix", () => {
	it("has a cell for every property and version, with its kinds and runs", () => {
		expect(report.versions.map(({ engine, counts }) => [engine, counts.runs])).toEqual([
			["rivet-2.1.3", 200],
			["rivet-2.3.19", 200],
		]);
		for (const { cells } of report.properties) expect(cells).toHaveLength(2);
		expect(cell("queue.no-loss", "rivet-2.3.19")).toMatchObject({ verdict: "known", failing: 0 });
		expect(cell("queue.no-loss", "rivet-2.3.19")?.known).toBeGreaterThan(0);
		expect(cell("queue.no-loss", "rivet-2.1.3")?.checked).toBeGreaterThan(20);
		expect(cell("step.bounded-attempts", "rivet-2.3.19")).toMatchObject({ verdict: "pass" });
		expect(cell("step.bounded-attempts", "rivet-2.3.19")?.checked).toBeGreaterThan(150);
	});

	it("tries every state of the older version under the newer one", () => {
		expect(report.upgrades?.pairs).toHaveLength(1);
		expect(cell("version.upgrade", "rivet-2.3.19")).toMatchObject({ verdict: "pass" });
		expect(cell("version.upgrade", "rivet-2.1.3")).toMatchObject({
			verdict: "not-applicable",
			reason: "no older version in the table",
		});
	});

	it("reads in 80 columns, and ends with its settings and the command that makes it again", () => {
		const commands = /^ *pnpm sim|^written:|^ +\S*\/matrix\./;
		expect(printed.split("\n").filter((line) => line.length > 80 && !commands.test(line))).toEqual([]);
		expect(printed).toMatch(/^ +2\.1\.3 +2\.3\.19$/m);
		expect(printed).toMatch(/^ {2}upgrade +n\/a +pass$/m);
		expect(printed).toMatch(/^runs +200 +200$/m);
		expect(printed).toMatch(/2 versions on memory storage; runs 200;\s+engine 2\.1\.3,2\.3\.19/);
		expect(printed).toMatch(/^made on \d{4}-\d\d-\d\d by Faultline /m);
		expect(printed).toContain(
			"pnpm sim matrix --runs 200 --engine '2.1.3,2.3.19' --program 'simple,fallback,queue-loop'",
		);
	});

	it("is Markdown and text of the same model", () => {
		expect(readFileSync(join(directory, "matrix.md"), "utf8")).toBe(matrixMarkdown(report));
		expect(readFileSync(join(directory, "matrix.txt"), "utf8")).toBe(matrixText(report));
		expect(matrixMarkdown(report)).toMatch(/^\| `version\.upgrade` \| not applicable \| pass \(\d+\) \|$/m);
	});
});

describe("a property without runs", () => {
	const property: Property = {
		...{ id: "try.catches", claim: "", source: "docs", mutants: [] },
		skips: ({ name }) => (name === "fallback" || name === "simple" ? undefined : "nothing is caught"),
		check: () => [],
	};
	const cells = async (programs: readonly string[], judged = property) => {
		const explored = await Promise.all(
			["rivet-2.1.3", NEWEST].map(async (engine) => {
				const skipped = [{ reason: "not selected", runs: 9 }];
				const entry = { ...property, suite: "try", verdict: "skip", checked: 0, skipped } as const;
				return {
					engine: await loadRivet(engine),
					result: { properties: [entry], findings: [], verdict: "pass" } as const,
				};
			}),
		);
		const chosen = PROGRAMS.filter(({ name }) => programs.includes(name));
		return matrixRows(explored, chosen, [judged], {})[0]?.cells.map(({ verdict, reason }) => [verdict, reason]);
	};

	it("is not applicable where the version lacks what all programs about it need, and not checked elsewhere", async () => {
		expect(await cells(["fallback", "join"])).toEqual([
			["not-applicable", "no tryStep"],
			["skip", "not selected"],
		]);
	});

	it("is not applicable where the version lacks what it needs itself, whatever runs there were", async () => {
		const needy = { ...property, needs: ["replayFrom"] } as const;
		expect((await cells(["simple"], needy))?.map(([verdict]) => verdict)).toEqual(["not-applicable", "skip"]);
	});

	it("is not checked where some program could have told", async () => {
		expect((await cells(["fallback", "simple"]))?.map(([verdict]) => verdict)).toEqual(["skip", "skip"]);
	});
});

it("is refused for a version that can run no program of those named", () =>
	expectRefusal(
		["matrix", "--engine", "2.1.3", "--program", "fallback"],
		/rivet-2\.1\.3 cannot run fallback: it has no tryStep/,
	));

it.each([
	[["a", "b"], ["a", "b"], "all"],
	[["rivet-1"], ["rivet-1", "rivet-2"], "1"],
	[["rivet-3", "rivet-2", "rivet-1"], ["rivet-1", "rivet-2", "rivet-3", "rivet-4"], "1 to 3"],
	[["rivet-1", "rivet-3"], ["rivet-1", "rivet-2", "rivet-3"], "1, 3"],
])("tells the versions %j of %j as %s", (some, all, text) => {
	expect(versionsText(some, all)).toBe(text);
});

describe("pnpm sim upgrade", () => {
	it("tells one state of one version as it goes on under another", async () => {
		const { stdout, code } = await sim([
			...["upgrade", "--engine", "2.1.3,2.3.19", "--program", "simple"],
			...["--plan", "crash after durable write 4"],
		]);
		expect(stdout).toMatch(
			/^simple, live hosting: rivet-2\.1\.3 until crash after durable write 4, then rivet-2\.3\.19/,
		);
		expect(stdout).toMatch(/CRASH \(planned\)/);
		expect(stdout).toMatch(/^pass {2}nothing breaks that holds under rivet-2\.1\.3$/m);
		expect(code).toBe(0);
	});

	it.each([
		["one version", ["--engine", "2.3.19"], /takes two versions/],
		["a plan without a program", ["--plan", "none", "--engine", "2.1.3,2.3.19"], /two versions and one program/],
		[
			"a plan that leaves no state",
			["--plan", "crash after durable write 999", "--engine", "2.1.3,2.3.19", "--program", "simple"],
			/No state of simple on 2\.1\.3 is left by/,
		],
	])("refuses %s", (_name, args, message) => expectRefusal(["upgrade", ...args], message));
});
