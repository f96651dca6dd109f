/** A storage driver as it was named: one in the box, or a module of its author. */
import { existsSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "../engine/contract.ts";
import { BOX, type BoxSettings } from "./box/index.ts";
import { type Plugged, plug } from "./plug.ts";

/**
 * Loads a driver in the box by name, or the default export of a module by path.
 * @throws UsageError naming what was asked for and what would be right.
 */
export async function loadDriver(name: string, settings: BoxSettings): Promise<Plugged> {
	const boxed = BOX.get(name);
	if (boxed !== undefined) {
		const missing = (boxed.packages ?? []).filter((store) => !isInstalled(store));
		if (missing.length === 0) return await boxed.load(settings);
		throw new UsageError(
			`The driver ${name} needs ${missing.join(", ")}, which is not installed here; install it first.`,
		);
	}
	if (!/[/\\]|\.[cm]?[jt]s$/.test(name)) {
		throw new UsageError(`Unknown driver "${name}"; choose ${[...BOX.keys()].join(", ")}, or give a path to a module.`);
	}
	const path = resolve(name);
	if (!existsSync(path)) throw new UsageError(`No driver at ${name}: the file does not exist.`);
	let module: { readonly default?: unknown };
	try {
		module = await import(pathToFileURL(path).href);
	} catch (error) {
		throw new UsageError(`The driver at ${name} cannot be loaded: ${error instanceof Error ? error.message : error}`);
	}
	return plug(basename(name, extname(name)), module.default);
}

function isInstalled(name: string): boolean {
	try {
		import.meta.resolve(name);
		return true;
	} catch {
		return false;
	}
}
