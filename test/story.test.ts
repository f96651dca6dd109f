/** A run as it is told on a terminal: 80 columns, times since the start, keys decoded, colours where they are wanted, what waits. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sim } from "./support/cli.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-story-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

/** Columns that a line takes: marks that combine take none. */
const columns = (line: string) => [...line.normalize("NFC")].length;

describe("the story of a run", () => {
	it.each([
		["a lost name", ["--seed", "956"]],
		["a torn batch", ["--known", "durable.torn-batch/error-lost"]],
		["damage", ["--known", "durable.corruption/replayed-altered-name"]],
		["branches", ["--known", "queue.no-duplicate/given-to-two-branches"]],
		["a rollback", ["--known", "rollback.once/original-error-lost"]],
	])("fits 80 columns, also with every event: %s", async (_what, args) => {
		const { stdout } = await sim([...args, "--verbose"]);
		expect(stdout.split("\n").filter((line) => columns(line) > 80)).toEqual([]);
		expect(stdout.split("\n").length).toBeGreaterThan(20);
	});

	it("tells times since the start and decodes keys, also those of reads", async () => {
		const { stdout } = await sim(["--seed", "956", "--verbose"]);
		expect(stdout).toMatch(/^ {12}0 {2}1 process starts$/m);
		expect(stdout).toMatch(/^ {8}3\.2 s {2}4 process starts$/m);
		expect(stdout).toContain("kv.list: names");
		expect(stdout).toContain("kv.get: workflow state");
		expect(stdout).not.toMatch(/0x[0-9a-f]{4}/);
	});

	it("tells every event only where that is asked for", async () => {
		const { stdout } = await sim(["--seed", "956"]);
		expect(stdout).not.toContain("kv.list");
		expect(stdout).toContain("write 1: kv.set workflow input");
	});

	it("tells what was refused, and what was damaged", async () => {
		const refused = await sim(["--program", "simple", "--plan", "refuse operation 8"]);
		expect(refused.stdout).toMatch(/operation 8 \(kv\.\w+\) is refused/);
		const damaged = await sim(["--known", "durable.corruption/replayed-altered-name"]);
		expect(damaged.stdout).toMatch(/damaged on the disk: name \d+ \(\w+\)/);
	});

	it("names what each process of a stuck run waits for", async () => {
		const engine = join(directory, "stuck.mjs");
		const published = JSON.stringify(import.meta.resolve("@rivetkit/workflow-engine"));
		writeFileSync(
			engine,
			`export * from ${published};
export function runWorkflow() {
	setInterval(() => {}, 86_400_000);
	const result = new Promise(() => {});
	return { result, evict() {}, getState: async () => "running" };
}
`,
		);
		const { stdout } = await sim([
			"--engine",
			engine,
			"--program",
			"simple",
			"--plan",
			"none",
			"--expectations",
			"none",
		]);
		expect(stdout).toMatch(/^Stopped after .*; waits: process 1 for 1 armed timer$/m);
	});
});

/** Whether a terminal can be had for a child: util-linux has a program for it. */
const HAS_TERMINAL = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

describe.skipIf(!HAS_TERMINAL)(
	`on a terminal${HAS_TERMINAL ? "" : ": the program script of util-linux is not here"}`,
	() => {
		function told(env: Record<string, string>): string {
			const { NO_COLOR: _, CI: __, ...rest } = process.env;
			const command = "node --import ./sim/cli/typescript/register.mjs sim/cli/main.ts --seed 956";
			const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
				...{ cwd: ROOT, encoding: "utf8", env: { ...rest, TERM: "xterm", ...env } },
			});
			return stdout;
		}
		const COLOUR = "\u001b[";

		it("is coloured", () => {
			expect(told({})).toContain(COLOUR);
		});

		it("is not where NO_COLOR says so", () => {
			const text = told({ NO_COLOR: "1" });
			expect(text).toContain("process starts");
			expect(text).not.toContain(COLOUR);
		});
	},
);

it("has no colours in a pipe", async () => {
	expect((await sim(["--seed", "956"])).stdout).not.toContain("\u001b[");
});
