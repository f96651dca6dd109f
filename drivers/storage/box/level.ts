/** LevelDB, through `classic-level`: a database for each namespace, every batch synced before it answers. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DriverClaims, PluggedDriver } from "../contract.ts";
import { LEVEL_CLAIMS, levelStorage } from "./abstract-level.ts";

const claims: DriverClaims = { ...LEVEL_CLAIMS, durability: "power-loss" };

/** @param root directory of all namespaces; made when needed. */
export function levelDriver(root: string): PluggedDriver {
	const directory = (namespace: string) => join(root, namespace);
	return {
		name: "level",
		claims,
		directory,
		async open(namespace) {
			const { ClassicLevel } = await import("classic-level");
			mkdirSync(directory(namespace), { recursive: true });
			const level = new ClassicLevel<Uint8Array, Uint8Array>(directory(namespace), {
				keyEncoding: "view",
				valueEncoding: "view",
			});
			return levelStorage(level, claims, { sync: true });
		},
		async destroy(namespace) {
			rmSync(directory(namespace), { recursive: true, force: true });
		},
	};
}
