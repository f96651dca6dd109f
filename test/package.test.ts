/** The package as another project has it: built, packed, installed by itself, and used. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "../build.ts";
import { sim } from "./support/cli.ts";

const TYPESCRIPT = fileURLToPath(import.meta.resolve("typescript/package.json"));

let scratch: string;
let project: string;
let tarball: string;

const inScratch = promisify(execFile);
const run = async (command: string, ...args: string[]) => {
	try {
		const { stdout, stderr } = await inScratch(command, args, { cwd: project, env: { ...process.env, NO_COLOR: "1" } });
		return { code: 0, stdout, stderr };
	} catch (error) {
		const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
		return { code, stdout, stderr };
	}
};
const bin = (name: string) => join(project, "node_modules", ".bin", name);

/** A store as projects have them, of which they make a driver. */
const STORE = `
const stores = new Map();
export const storeOf = (name) => stores.get(name) ?? stores.set(name, new Store()).get(name);
class Store {
	#entries = new Map();
	get(key) { return this.#entries.get(hex(key))?.value ?? null; }
	write(changes) {
		for (const { key, value } of changes) {
			if (value === null) this.#entries.delete(hex(key));
			else this.#entries.set(hex(key), { key: Uint8Array.from(key), value: Uint8Array.from(value) });
		}
	}
	list(start, end, limit = Infinity) {
		const between = ({ key }) => Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0;
		return [...this.#entries.values()].filter(between).sort((a, b) => Buffer.compare(a.key, b.key)).slice(0, limit);
	}
}
const hex = (bytes) => Buffer.from(bytes).toString("hex");
`;

/** Five lines at most. */
const DRIVER = `import { engineDriverOver, type PluggedDriver } from "faultline";
import { storeOf } from "./store.js";
const claims = { atomicBatch: "none", concurrency: "one-process" } as const;
export default { name: "mine", claims, open: (name) => engineDriverOver(storeOf(name), claims) } satisfies PluggedDriver;
`;

beforeAll(async () => {
	scratch = mkdtempSync(join(tmpdir(), "faultline-package-"));
	build(join(scratch, "dist"));
	project = join(scratch, "project");
	mkdirSync(project);
	const { stdout } = await run("npm", "pack", "--silent", join(scratch, "dist"));
	tarball = join(project, stdout.trim());
	const manifest = { name: "project", private: true, type: "module" };
	writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
	// The lists of known failures hold for the versions of what the engine needs that this project has; a later one of cbor-x brings a
	// value back as something else.
	writeFileSync(join(project, "pnpm-workspace.yaml"), 'packages: ["."]\noverrides: { cbor-x: "1.6.8" }\n');
	writeFileSync(join(project, "store.js"), STORE);
	writeFileSync(
		join(project, "store.d.ts"),
		'import type { OrderedStore } from "faultline";\nexport function storeOf(name: string): OrderedStore;\n',
	);
	writeFileSync(join(project, "my-driver.ts"), DRIVER);
	const added = await run("npx", "-y", "pnpm@12", "add", tarball, "--prefer-offline", "--ignore-scripts");
	if (added.code !== 0) throw new Error(added.stdout + added.stderr);
});
afterAll(() => {
	rmSync(scratch, { recursive: true, force: true });
});

describe("the package", () => {
	it("is small, and brings none of the stores that drivers of the box are for", async () => {
		expect(statSync(tarball).size).toBeLessThan(2_000_000);
		const installed = readFileSync(join(project, "pnpm-lock.yaml"), "utf8");
		for (const heavy of ["pglite", "lmdb", "libsql", "classic-level", "typescript@", "playwright"]) {
			expect(installed).not.toMatch(new RegExp(`^  '?[^ ]*${heavy}[^ ]*:$`, "m"));
		}
	});

	it("shows the same run, to the byte, as the sources do", async () => {
		const built = await run(bin("faultline"), "--seed", "956", "--json");
		const { stdout } = await sim(["--seed", "956", "--json"]);
		expect(JSON.parse(built.stdout).digest).toBe(JSON.parse(stdout).digest);
	});

	it("explores in worker threads and writes every form of report", async () => {
		const { code } = await run(
			bin("faultline"),
			"--runs",
			"60",
			"--program",
			"simple",
			"--report",
			"report",
			"--quiet",
		);
		expect(code).toBe(0);
		const page = readFileSync(join(project, "report", "report.html"), "utf8");
		expect(page).toMatch(/<script>.{1000}/s);
	});

	it("takes a driver that is plugged in in five lines, in TypeScript", async () => {
		expect(DRIVER.trim().split("\n").length).toBeLessThanOrEqual(5);
		const { code, stdout } = await run(bin("faultline-conform"), "./my-driver.ts", "--runs", "2", "--no-throughput");
		expect(stdout).toMatch(/1 driver held to 12 properties/);
		expect(code).toBe(0);
	});

	it("refuses a driver whose store is not installed, and says what to install", async () => {
		const { code, stderr } = await run(bin("faultline-conform"), "lmdb", "--runs", "1");
		expect([code, stderr]).toEqual([2, expect.stringMatching(/lmdb/)]);
	});

	it("has entries with types: drivers, suites, world and reports", async () => {
		writeFileSync(
			join(project, "uses.ts"),
			`import { reproduce, type Scenario } from "faultline";
import { loadEngine, memoryStorage, type PluggedDriver } from "faultline/drivers";
import { type Report, SCHEMA_VERSION, terminal } from "faultline/reports";
import { PROPERTIES } from "faultline/suites";
import { inMacrotask, World } from "faultline/world";
export const count: number = PROPERTIES.length;
export const text = (report: Report): string => terminal(report);
export const all = [reproduce, loadEngine, memoryStorage, SCHEMA_VERSION, inMacrotask, World, {} as Scenario, {} as PluggedDriver];
// @ts-expect-error a report is no text
terminal("report");
`,
		);
		const compilerOptions = {
			...{ target: "es2023", module: "nodenext", strict: true, noEmit: true, skipLibCheck: false, types: [] },
			...{ lib: ["es2023", "dom"], typeRoots: [] },
		};
		writeFileSync(
			join(project, "tsconfig.json"),
			JSON.stringify({ compilerOptions, files: ["uses.ts", "my-driver.ts"] }),
		);
		const types = await run(process.execPath, join(TYPESCRIPT, "..", "bin", "tsc"), "--skipLibCheck");
		expect(types.stdout).toBe("");
		writeFileSync(
			join(project, "uses.mjs"),
			`import { PROPERTIES } from "faultline/suites";\nimport { World } from "faultline/world";\nimport { terminal } from "faultline/reports";\nimport { loadEngine } from "faultline/drivers";\nconst { name } = await loadEngine("reference");\nconsole.log(name, PROPERTIES.length > 40, typeof World, typeof terminal);\n`,
		);
		expect((await run(process.execPath, "uses.mjs")).stdout).toBe("reference true function function\n");
	});

	it("has the schema of its reports", async () => {
		writeFileSync(
			join(project, "schema.mjs"),
			'import schema from "faultline/reports/schema/report-1.json" with { type: "json" };\nconsole.log(schema.title);\n',
		);
		expect((await run(process.execPath, "schema.mjs")).stdout).toBe("Faultline reports, format 1\n");
	});
});
