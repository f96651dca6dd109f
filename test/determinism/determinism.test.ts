/**
 * Same seed, same history, to the byte: whatever process, thread, runtime version, time zone, directory or order of imports
 * it is run in.
 */
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { beforeAll, describe, expect, test } from "vitest";
import { type Digest, digests } from "./digests.ts";

const run = promisify(execFile);
const SCRIPT = new URL("./digests.ts", import.meta.url);
/** What lets Node run TypeScript in `pnpm sim`, and another that does. */
const LOADER = new URL("../../sim/cli/typescript/register.mjs", import.meta.url).href;
const OTHER_LOADER = import.meta.resolve("tsx");
/** What a thread runs: the loader does not come with the parent's. */
const THREAD = `import("${LOADER}").then(() => import("${SCRIPT}"))`;
const CHILD_MS = 30_000;
const DOWNLOAD_MS = 180_000;

/** The supported runtimes that this is not. */
const OTHER_MAJORS = [20, 22, 24].filter((major) => !process.version.startsWith(`v${major}.`));

let expected: Digest[];
beforeAll(async () => {
	expected = await digests();
}, CHILD_MS);

interface Child {
	readonly command?: readonly string[];
	readonly loader?: string;
	readonly importsFirst?: readonly string[];
	readonly env?: Record<string, string>;
	readonly cwd?: string;
}

/** The digests as another process has them. */
async function inChild(child: Child = {}): Promise<Digest[]> {
	const { command = [process.execPath], loader = LOADER, importsFirst = [], env = {}, cwd = process.cwd() } = child;
	const [file = "", ...before] = command;
	const { stdout } = await run(file, [...before, "--import", loader, fileURLToPath(SCRIPT), ...importsFirst], {
		env: { ...process.env, ...env },
		cwd,
	});
	return JSON.parse(stdout);
}

/** The digests as a thread of this process has them. */
function inThread(): Promise<Digest[]> {
	return new Promise((resolve, reject) => {
		const worker = new Worker(THREAD, { eval: true, workerData: { importsFirst: [] } });
		worker.once("message", resolve);
		worker.once("error", reject);
		worker.once("exit", () => reject(new Error("The worker ended without an answer.")));
	});
}

test("the runs differ from one another", () => {
	expect(new Set(expected.map(({ digest }) => digest)).size).toBe(24);
	expect(new Set(expected.map(({ program }) => program)).size).toBeGreaterThan(6);
});

describe("the digests are the same", () => {
	test("again in this process", async () => {
		expect(await digests()).toEqual(expected);
	});

	test.each<[string, Child]>([
		["in another process", {}],
		["under another loader of TypeScript", { loader: OTHER_LOADER }],
		["in another time zone", { env: { TZ: "Pacific/Chatham" } }],
		["in another locale", { env: { LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8" } }],
		["in another directory", { cwd: tmpdir() }],
		[
			"after other imports, in another order",
			{ importsFirst: ["node:http", "../../suites/index.ts", "@rivetkit/workflow-engine", "../../sim/world/world.ts"] },
		],
	])(
		"%s",
		async (_where, child) => {
			expect(await inChild(child)).toEqual(expected);
		},
		CHILD_MS,
	);

	test("in a worker thread", async () => expect(await inThread()).toEqual(expected), CHILD_MS);

	test.for(OTHER_MAJORS)("under Node %d", { timeout: DOWNLOAD_MS }, async (major, { skip }) => {
		const command = ["npx", "-y", "-p", `node@${major}`, "node"];
		const version = await versionOf(command);
		skip(version instanceof Error, `Node ${major} cannot be fetched here: ${String(version).split("\n")[0]}`);
		expect(version).toMatch(new RegExp(`^v${major}\\.`));
		expect(await inChild({ command })).toEqual(expected);
	});
});

/** What the runtime says it is, or why it cannot be had. */
async function versionOf([file = "", ...before]: readonly string[]): Promise<string | Error> {
	const env = { ...process.env, npm_config_fetch_retries: "1" };
	try {
		return (await run(file, [...before, "--version"], { env, timeout: DOWNLOAD_MS / 2 })).stdout;
	} catch (error) {
		return error as Error;
	}
}
