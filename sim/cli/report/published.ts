/**
 * `pnpm sim published`: makes the tables in `reports/published/` anew: versions, storage drivers, actors and runners by properties, each
 * as a page and as Markdown, by the commands that anyone else would type.
 */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { type MatrixKind, type PublishedTable, publishedIndex } from "../../../reports/published-index.ts";
import { targetsOf } from "../../explore/subject/spec.ts";
import { LOADER } from "../options.ts";

const DIRECTORY = fileURLToPath(new URL("../../../reports/published/", import.meta.url));

/** How each table is made: the command line's entry, and what is typed. */
const TABLES: Readonly<Record<MatrixKind, { entry: "main" | "conform"; args: readonly string[] }>> = {
	versions: { entry: "main", args: ["matrix"] },
	drivers: { entry: "conform", args: ["--all"] },
	actors: { entry: "main", args: ["matrix", "--actor", "all"] },
	runners: { entry: "main", args: ["matrix", "--runner", "all"] },
};

const ENTRIES = {
	main: new URL("../main.ts", import.meta.url),
	conform: new URL("../conform.ts", import.meta.url),
} as const;

export interface PublishedOptions {
	readonly only?: readonly string[];
	/** Seeds for each target; as many as each command takes by itself when absent. */
	readonly runs?: number;
	/** Where to, in place of `reports/published/`. */
	readonly out?: string;
}

/** @throws UsageError for a table that is none. */
export async function published({ only, runs, out = DIRECTORY }: PublishedOptions): Promise<void> {
	const known = Object.keys(TABLES) as MatrixKind[];
	const strange = only?.find((name) => !known.includes(name as MatrixKind));
	if (strange !== undefined) throw new UsageError(`There is no table "${strange}"; choose from ${known.join(", ")}.`);
	mkdirSync(out, { recursive: true });
	for (const name of known) {
		if (only !== undefined && !only.includes(name)) continue;
		if ((name === "actors" || name === "runners") && targetsOf(name === "actors" ? "actor" : "runner").length === 0) {
			process.stderr.write(`${name}: there are none yet\n`);
			continue;
		}
		await make(name, runs, out);
	}
	writeFileSync(join(out, "README.md"), publishedIndex(known.flatMap((name) => tableIn(out, name))));
	process.stdout.write(`written: ${relative(".", out) || "."}\n`);
}

/** Makes one table by its command. A table in which something failed is a table all the same. */
async function make(name: MatrixKind, runs: number | undefined, out: string): Promise<void> {
	const { entry, args } = TABLES[name];
	// It takes minutes, and what the command prints is left out.
	process.stderr.write(`${name}: pnpm ${[entry === "main" ? "sim" : entry, ...args].join(" ")} ...\n`);
	const scratch = mkdtempSync(join(tmpdir(), "faultline-published-"));
	try {
		const whole = [...args, ...(runs === undefined ? [] : ["--runs", String(runs)]), "--report", scratch, "--quiet"];
		const code = await run(entry, whole);
		if (code !== 0 && code !== 1) throw new UsageError(`The table of ${name} was not made: exit code ${code}.`);
		for (const form of ["html", "md"]) copyFileSync(join(scratch, `matrix.${form}`), join(out, `${name}.${form}`));
	} finally {
		rmSync(scratch, { recursive: true, force: true });
	}
}

function run(entry: "main" | "conform", args: readonly string[]): Promise<number | null> {
	const file = fileURLToPath(ENTRIES[entry]);
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, ["--import", LOADER, file, ...args], {
			stdio: ["ignore", "ignore", "inherit"],
		});
		// Who is stopped stops what it began: ctrl-c reaches both, a signal to this process only this one.
		const stop = () => void child.kill("SIGTERM");
		process.once("SIGTERM", stop);
		child.on("error", reject);
		child.on("close", (code) => {
			process.off("SIGTERM", stop);
			resolve(code);
		});
	});
}

/** The table as its Markdown tells it, where there is one. */
function tableIn(out: string, name: MatrixKind): PublishedTable[] {
	try {
		return [{ name, markdown: readFileSync(join(out, `${name}.md`), "utf8") }];
	} catch {
		return [];
	}
}
