/**
 * Script and style of a page, bundled and minified. They are handed to the renderer, which thereby stays a pure function and needs
 * no bundler; the sources of the script are checked and linted like all others.
 */
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import type { PageAssets } from "../../../reports/html/page.ts";

const SOURCES = new URL("../../../reports/html/", import.meta.url);

/** What browsers must know of: they unpack what is deflated since then. */
const TARGET = ["chrome111", "firefox113", "safari16.4"];

let built: PageAssets | undefined;

export function pageAssets(): PageAssets {
	built ??= { script: bundled("client/main"), style: bundled("page.css") };
	return built;
}

/** @param name of a source; that of a script without its extension, which is another once it is built. */
function bundled(name: string): string {
	const entry = fileURLToPath(new URL(name, SOURCES));
	const { outputFiles } = buildSync({
		...{ entryPoints: [entry], bundle: true, minify: true, write: false, format: "iife" },
		...{ target: TARGET, charset: "utf8", legalComments: "none", logLevel: "silent" },
	});
	return outputFiles[0]?.text.trim() ?? "";
}
