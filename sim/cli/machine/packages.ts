/**
 * Packages that are too heavy to come with this project, installed the first time that they are needed, each in a directory of its
 * own under `node_modules/.cache`. What was begun and not finished is not there: a directory appears when all of it is installed.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import type { PackageNeed } from "../../../drivers/actor/rivetkit/package.ts";

const CACHE = fileURLToPath(new URL("../../../node_modules/.cache/faultline-packages/", import.meta.url));
const INSTALL_LIMIT_MS = 300_000;
/** Where there is no network that is to be told soon, and not after a minute. */
const PATIENCE = { npm_config_fetch_retries: "1", npm_config_fetch_retry_mintimeout: "1000" };
const WINDOWS = process.platform === "win32";
const SUFFIX = WINDOWS ? ".cmd" : "";

/** A package that cannot be had here: no network, or a part that wants a compiler. */
export class PackageUnavailable extends Error {
	readonly code = "package-unavailable";
	override readonly name = "PackageUnavailable";
}

/** Told before something is installed, which takes a while. */
export type Announce = (text: string) => void;

/**
 * The directory of a package with everything it asks for.
 * @throws PackageUnavailable saying in one line why it cannot be installed.
 */
export function installed(name: string, version: string, announce: Announce): Promise<string> {
	return found(`${name}-${version}`, name, version, announce, async (prefix) => {
		const options = ["--no-save", "--no-audit", "--no-fund", "--prefix", prefix];
		await execute("npm", ["install", ...options, `${name}@${version}`], prefix);
	});
}

/**
 * The directory of a package without the parts of it that are not needed, and whose scripts are not run.
 * @throws PackageUnavailable saying in one line why it cannot be installed.
 */
export function installedInPart(need: PackageNeed, announce: Announce): Promise<string> {
	const { name, version, without, beside, pinned } = need;
	return found(`${name}-${version}-part`, name, version, announce, async (prefix) => {
		const dependencies = { [name]: version, ...beside };
		await writeFile(join(prefix, "package.json"), JSON.stringify({ private: true, dependencies }));
		const overrides = { ...pinned, ...Object.fromEntries(without.map((dropped) => [dropped, "-"])) };
		const settings = { packages: [], nodeLinker: "hoisted", autoInstallPeers: false, ignoreScripts: true, overrides };
		await writeFile(join(prefix, "pnpm-workspace.yaml"), stringify(settings));
		await execute("npx", ["--yes", "pnpm@12", "install", "--ignore-scripts"], prefix);
	});
}

async function found(
	place: string,
	name: string,
	version: string,
	announce: Announce,
	install: (prefix: string) => Promise<void>,
): Promise<string> {
	const prefix = join(CACHE, place);
	const directory = join(prefix, "node_modules", name);
	if (existsSync(join(directory, "package.json"))) return directory;
	announce(`installing ${name} ${version}, once ...`);
	const unfinished = `${prefix}.${process.pid}`;
	try {
		await mkdir(unfinished, { recursive: true });
		await install(unfinished);
		// Another process may have been faster.
		await rename(unfinished, prefix).catch((error) => {
			if (!existsSync(directory)) throw error;
		});
	} catch (error) {
		throw new PackageUnavailable(`${name} ${version} cannot be installed: ${whyNot(error)}`);
	} finally {
		await rm(unfinished, { recursive: true, force: true });
	}
	return directory;
}

/** Runs a command, with all that it starts: what is left of it after the limit is ended, too. */
function execute(command: string, options: readonly string[], directory: string): Promise<void> {
	return new Promise((resolve, reject) => {
		const env = { ...process.env, ...PATIENCE };
		const child = spawn(`${command}${SUFFIX}`, options, {
			...{ cwd: directory, env, detached: !WINDOWS },
			stdio: ["ignore", "pipe", "pipe"],
		});
		const said: Buffer[] = [];
		for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => said.push(chunk));
		const end = () => {
			if (child.pid !== undefined) process.kill(WINDOWS ? child.pid : -child.pid);
		};
		const timer = setTimeout(() => {
			end();
			reject(new Error(`it took longer than ${INSTALL_LIMIT_MS / 1_000} s`));
		}, INSTALL_LIMIT_MS);
		process.once("exit", end);
		child.once("error", reject);
		child.once("close", (code) => {
			clearTimeout(timer);
			process.off("exit", end);
			if (code === 0) resolve();
			else reject(new Error(Buffer.concat(said).toString() || `${command} ended with ${code}`));
		});
	});
}

/** What was said, in a few words. A part that has to be compiled names its directory, and wants a compiler and Node's headers. */
function whyNot(error: unknown): string {
	const said = error instanceof Error ? error.message : String(error);
	const [, part] = /npm error path .*node_modules[\\/](\S+)/.exec(said) ?? [];
	if (part !== undefined) return `${part} cannot be built here, which takes a C++ compiler and Node's headers`;
	// pnpm breaks its lines, and draws in front of them.
	const [, missing] = /No matching version found for (\S+)/.exec(said.replace(/[\s│]+/g, " ")) ?? [];
	if (missing !== undefined) return `the registry has no ${missing}`;
	const lines = said.split("\n");
	return lines.find((line) => /npm error|ERR/.test(line)) ?? (lines[0] as string);
}
