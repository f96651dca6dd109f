/** What the drivers in the box are given of this machine: a directory, where servers are, and packages installed when needed. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BoxSettings } from "../../drivers/storage/box/index.ts";

const CACHE = fileURLToPath(new URL("../../node_modules/.cache/faultline-packages/", import.meta.url));
const INSTALL_LIMIT_MS = 300_000;

/**
 * @param root directory of embedded stores' files.
 * @param announce told before something is installed, which takes a while.
 */
export function boxSettings(
	root: string,
	announce: (text: string) => void,
): BoxSettings & { readonly cleanUp: () => Promise<void> } {
	const { FAULTLINE_POSTGRES_URL, FAULTLINE_REDIS_URL, FAULTLINE_NATS_URL } = process.env;
	return {
		root,
		postgresUrl: FAULTLINE_POSTGRES_URL ?? "postgres://postgres@127.0.0.1:5432/test",
		redisUrl: FAULTLINE_REDIS_URL ?? "redis://127.0.0.1:6379",
		natsUrl: FAULTLINE_NATS_URL ?? "nats://127.0.0.1:4222",
		packageDirectory: (name, version) => installed(name, version, announce),
		// What hangs may still write into it; it is a temporary directory in any case.
		cleanUp: () => rm(root, { recursive: true, force: true, maxRetries: 3 }).catch(() => {}),
	};
}

/** The directory of a package that is too heavy to come with this project; installed there the first time. */
async function installed(name: string, version: string, announce: (text: string) => void): Promise<string> {
	const prefix = join(CACHE, `${name}-${version}`);
	const directory = join(prefix, "node_modules", name);
	if (existsSync(join(directory, "package.json"))) return directory;
	announce(`installing ${name} ${version}, once ...`);
	const npm = process.platform === "win32" ? "npm.cmd" : "npm";
	const options = ["--no-save", "--no-audit", "--no-fund", "--prefix", prefix];
	try {
		await promisify(execFile)(npm, ["install", ...options, `${name}@${version}`], { timeout: INSTALL_LIMIT_MS });
	} catch (error) {
		await rm(prefix, { recursive: true, force: true });
		throw new Error(`${name} ${version} cannot be installed: ${whyNot(error)}`);
	}
	return directory;
}

/** What npm said, in a few words. A part that has to be compiled names its directory, and wants a compiler and Node's headers. */
function whyNot(error: unknown): string {
	const said = error instanceof Error ? error.message : String(error);
	const [, part] = /npm error path .*node_modules[\\/](\S+)/.exec(said) ?? [];
	if (part !== undefined) return `${part} cannot be built here, which takes a C++ compiler and Node's headers`;
	return said.split("\n").find((line) => /npm error|ERR/.test(line)) ?? (said.split("\n")[0] as string);
}
