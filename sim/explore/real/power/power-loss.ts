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
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Loss } from "../losses.ts";

const SOURCE = fileURLToPath(new URL("./synced.c", import.meta.url));
const CACHE = fileURLToPath(new URL("../../../../node_modules/.cache/faultline/", import.meta.url));
const COMPILERS = ["cc", "gcc", "clang"];

export interface PowerLoss {
	readonly loss: Loss;
	/** What the environment of a process must have, so that its syncs are seen. */
	readonly environment: Readonly<Record<string, string>>;
}

/**
 * @param root directory under which all namespaces have their files.
 * @returns why it cannot be had here, as a text, where it cannot.
 */
export async function powerLossUnder(root: string): Promise<PowerLoss | string> {
	if (process.platform !== "linux") return "power loss is simulated on Linux only";
	const library = await compiled();
	if (library === undefined) return "power loss is simulated by a library that takes a C compiler (cc)";
	const copies = `${root}.synced`;
	mkdirSync(root, { recursive: true });
	process.once("exit", () => rmSync(copies, { recursive: true, force: true }));
	return {
		environment: { LD_PRELOAD: library, FAULTLINE_WATCH: root, FAULTLINE_SYNCED: copies },
		loss: {
			name: "power-loss",
			meaning: "of its files what was synced is left",
			async afterKill(directory) {
				if (directory !== undefined) dropUnsynced(directory, join(copies, relative(root, directory)));
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
