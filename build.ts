/**
 * `pnpm build`: the package as others install it, in `dist/`: JavaScript and declarations where the sources stand, what they read beside
 * them, and a package.json of its own. Stores for drivers of the box are optional peers there: nobody gets those they do not ask for.
 * `npm pack ./dist` makes the file; nothing is published from here.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";

const ROOT = fileURLToPath(new URL(".", import.meta.url));
const ROOMS = ["sim", "drivers", "fixtures", "suites", "reports"];
/** Scripts of pages are bundled when a page is made, from sources. */
const AS_IT_IS = "reports/html/client/";
/** What is made anew by whoever wants it. */
const LEFT_OUT = "reports/published/";
const BESIDES = ["README.md", "CHANGELOG.md", "LICENSE", "docs"];

/** Relative specifiers of imports, exports, and of files that are named to be run: all of them end in `.ts` here. */
const SPECIFIER = /((?:\bfrom\s*|\bimport\s*\(?\s*|new URL\(\s*)["'])(\.{1,2}\/[^"'\n]+)\.ts(["'])/g;

function withJavaScriptNames(text: string): string {
	return text.replaceAll(SPECIFIER, "$1$2.js$3");
}

function filesIn(room: string): string[] {
	return readdirSync(join(ROOT, room), { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join("/"))
		.filter((file) => !file.startsWith(LEFT_OUT))
		.sort();
}

export function build(directory: string): void {
	rmSync(directory, { recursive: true, force: true });
	for (const file of ROOMS.flatMap(filesIn)) {
		if (file.endsWith(".ts") && !file.startsWith(AS_IT_IS)) compile(file, directory);
		else copy(file, directory);
	}
	declare(directory);
	mkdirSync(join(directory, "bin"));
	for (const [name, entry] of Object.entries(BINS)) writeFileSync(join(directory, "bin", `${name}.js`), binOf(entry));
	for (const name of BESIDES)
		cpSync(join(ROOT, name), join(directory, name), {
			recursive: true,
			filter: (from) => from !== join(ROOT, "docs/api"),
		});
	writeFileSync(join(directory, "package.json"), `${JSON.stringify(manifest(), undefined, "\t")}\n`);
}

function compile(file: string, directory: string): void {
	const { code } = transformSync(readFileSync(join(ROOT, file), "utf8"), {
		...{ loader: "ts", format: "esm", target: "node20", sourcefile: file },
	});
	put(join(directory, file.replace(/\.ts$/, ".js")), withJavaScriptNames(code));
}

function copy(file: string, directory: string): void {
	mkdirSync(dirname(join(directory, file)), { recursive: true });
	copyFileSync(join(ROOT, file), join(directory, file));
}

function put(file: string, text: string): void {
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, text);
}

function declare(directory: string): void {
	const compiler = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
	const options = ["--project", join(ROOT, "build.tsconfig.json"), "--outDir", directory];
	execFileSync(process.execPath, [compiler, ...options], { cwd: ROOT, stdio: "inherit" });
	const declarations = readdirSync(directory, { recursive: true, encoding: "utf8" });
	for (const name of declarations.filter((one) => one.endsWith(".d.ts"))) {
		const file = join(directory, name);
		writeFileSync(file, withJavaScriptNames(readFileSync(file, "utf8")));
	}
}

const BINS = { faultline: "main", "faultline-conform": "conform" } as const;

/** Runs the command line as this project does: with its loader, so that drivers and engines may be TypeScript, in its workers too. */
function binOf(entry: string): string {
	return `#!/usr/bin/env node
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const loader = new URL("../sim/cli/typescript/register.mjs", import.meta.url).href;
const entry = fileURLToPath(new URL("../sim/cli/${entry}.js", import.meta.url));
const flags = [${entry === "main" ? '"--single-threaded", ' : ""}"--import", loader];
const child = spawn(process.execPath, [...flags, entry, ...process.argv.slice(2)], { stdio: "inherit" });
// Who is stopped first is the one that does the work; it says how it ended.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
	process.exitCode = code ?? (signal === null ? 3 : 130);
});
`;
}

type Manifest = Readonly<Record<string, unknown>> & {
	readonly exports: Readonly<Record<string, string>>;
	readonly optionalDependencies: Readonly<Record<string, string>>;
};

/** What the package says of itself: what each entry is once it is built, and none of what only this project needs. */
function manifest(): object {
	const own = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;
	const { private: _, scripts: __, devDependencies: ___, optionalDependencies, exports, ...rest } = own;
	return {
		...rest,
		exports: Object.fromEntries(Object.entries(exports).map(([name, file]) => [name, builtExport(file)])),
		bin: Object.fromEntries(Object.keys(BINS).map((name) => [name, `./bin/${name}.js`])),
		peerDependencies: optionalDependencies,
		peerDependenciesMeta: Object.fromEntries(
			Object.keys(optionalDependencies).map((name) => [name, { optional: true }]),
		),
	};
}

function builtExport(file: string): string | { readonly types: string; readonly default: string } {
	if (!file.endsWith(".ts")) return file;
	const name = file.slice(0, -".ts".length);
	return { types: `${name}.d.ts`, default: `${name}.js` };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build(process.argv[2] ?? join(ROOT, "dist"));
