/**
 * The loader's hooks, which run in a thread of their own. What a source becomes is kept in a cache of this checkout, one file a
 * source, since every process and every worker thread loads the same sources.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const CACHE = new URL("../../../node_modules/.cache/faultline/", import.meta.url);
const { version } = createRequire(import.meta.url)("esbuild/package.json");

/**
 * A module in TypeScript may name another as the JavaScript that it becomes, as TypeScript has it.
 * @type {import("node:module").ResolveHook}
 */
export async function resolve(specifier, context, next) {
	try {
		return await next(specifier, context);
	} catch (error) {
		const source = specifier.replace(/\.(m?)js$/, ".$1ts");
		const isOurs = /^\.{1,2}\//.test(specifier) && /\.m?ts$/.test(context.parentURL ?? "");
		if (source === specifier || !isOurs || Object(error).code !== "ERR_MODULE_NOT_FOUND") throw error;
		return await next(source, context).catch(() => {
			throw error;
		});
	}
}

/** @type {import("node:module").LoadHook} */
export async function load(url, context, next) {
	if (!/\.m?ts$/.test(url)) return next(url, context);
	const sourcefile = fileURLToPath(url);
	const source = await readFile(sourcefile, "utf8");
	// At the end, where it moves no line of the code.
	const key = `\n// ${hash(`${version} ${sourcefile} ${source}`)}\n`;
	const cached = new URL(`${hash(sourcefile)}.mjs`, CACHE);
	const known = await readFile(cached, "utf8").catch(() => "");
	if (known.endsWith(key)) return { format: "module", source: known, shortCircuit: true };
	const code = (await javascriptOf(source, sourcefile)) + key;
	await keep(cached, code);
	return { format: "module", source: code, shortCircuit: true };
}

/** @param {string} source @param {string} sourcefile */
async function javascriptOf(source, sourcefile) {
	// Loaded when needed: it starts a process of its own.
	const { transform } = await import("esbuild");
	const { code } = await transform(source, {
		loader: "ts",
		format: "esm",
		target: "node20",
		sourcefile,
		sourcemap: "inline",
		sourcesContent: false,
	});
	return code;
}

/** Replaces the file at once, since others may read it; where nothing can be written, nothing is kept. */
async function keep(/** @type {URL} */ file, /** @type {string} */ code) {
	try {
		await mkdir(CACHE, { recursive: true });
		const part = new URL(`${file.href}.${process.pid}-${Math.random().toString(36).slice(2)}`);
		await writeFile(part, code);
		await rename(part, file);
	} catch {}
}

/** @param {string} text */
function hash(text) {
	return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
