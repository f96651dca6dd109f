/**
 * Power loss below the file system: of a directory only what was synced is left. A small library in front of libc, compiled where
 * there is a compiler, keeps a copy of each file as of its last sync; after a kill the copies take the place of the files.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
	cpSync,
	existsSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	realpathSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { PluggedDriver } from "../../../../drivers/storage/contract.ts";
import type { Loss } from "../losses.ts";

const SOURCE = fileURLToPath(new URL("./synced.c", import.meta.url));
const CACHE = fileURLToPath(new URL("../../../../node_modules/.cache/faultline/", import.meta.url));
const COMPILERS = ["cc", "gcc", "clang"];

export interface PowerLoss {
	readonly loss: Loss;
	/** What the environment of a process must have, so that its syncs are seen. */
	readonly environment: Readonly<Record<string, string>>;
}

/** @returns why it cannot be had for this driver here, as a text, where it cannot. */
export async function powerLossOf(driver: Pick<PluggedDriver, "directory">): Promise<PowerLoss | string> {
	const directory = driver.directory?.("a");
	if (directory === undefined) return "the driver does not say where its files are";
	if (process.platform !== "linux") return "it is simulated on Linux only";
	const library = await compiled();
	if (library === undefined) return "it is simulated by a library that takes a C compiler (cc)";
	// What all namespaces have in common, as the kernel names it.
	const parent = driver.directory?.("b") === directory ? directory : dirname(directory);
	mkdirSync(parent, { recursive: true });
	const root = realpathSync(parent);
	const copies = `${root}.synced`;
	process.once("exit", () => rmSync(copies, { recursive: true, force: true }));
	return {
		environment: { LD_PRELOAD: library, FAULTLINE_WATCH: root, FAULTLINE_SYNCED: copies },
		loss: {
			name: "power-loss",
			meaning: "of its files what was synced is left",
			async afterKill(directory) {
				if (directory === undefined || !existsSync(directory)) return;
				const files = realpathSync(directory);
				dropUnsynced(files, join(copies, relative(root, files)));
			},
		},
	};
}

/** The library, compiled once for its source; undefined without a compiler. */
async function compiled(): Promise<string | undefined> {
	const digest = createHash("sha256").update(readFileSync(SOURCE)).digest("hex").slice(0, 16);
	const library = join(CACHE, `synced-${digest}-${process.arch}.so`);
	if (existsSync(library)) return library;
	mkdirSync(CACHE, { recursive: true });
	const part = `${library}.${process.pid}`;
	for (const compiler of COMPILERS) {
		try {
			await promisify(execFile)(compiler, ["-shared", "-fPIC", "-O1", "-o", part, SOURCE, "-ldl"]);
			renameSync(part, library);
			return library;
		} catch {
			// The next one, if there is another.
		}
	}
	return undefined;
}

/** Each file becomes its copy as of its last sync; one that was never synced is empty, since its name is taken to survive. */
function dropUnsynced(directory: string, copies: string): void {
	for (const file of filesUnder(directory)) {
		const copy = join(copies, relative(directory, file));
		if (existsSync(copy)) cpSync(copy, file);
		else writeFileSync(file, "");
	}
}

function filesUnder(directory: string): string[] {
	if (!existsSync(directory)) return [];
	return readdirSync(directory, { recursive: true, encoding: "utf8" })
		.map((name) => join(directory, name))
		.filter((path) => lstatSync(path).isFile());
}
