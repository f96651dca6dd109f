/** The storage driver that the command line names: one of the box, or the module of the author's own. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "../engine/contract.ts";
import type { PluggedDriver } from "./contract.ts";

/** @throws UsageError when there is no such driver, or when its module cannot be loaded. */
export async function loadDriver(name: string): Promise<PluggedDriver> {
	const path = resolve(name);
	if (!existsSync(path)) throw new UsageError(`No driver at ${name}.`);
	const module = (await import(pathToFileURL(path).href)) as { default?: PluggedDriver };
	if (typeof module.default?.open !== "function") throw new UsageError(`${name} has no driver as its default export.`);
	return module.default;
}
