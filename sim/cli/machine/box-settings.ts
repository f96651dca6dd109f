/** What the drivers in the box are given of this machine: a directory, where servers are, and packages installed when needed. */
import { rm } from "node:fs/promises";
import type { BoxSettings } from "../../../drivers/storage/box/index.ts";
import { type Announce, installed } from "./packages.ts";

/**
 * @param root directory of embedded stores' files.
 * @param announce told before something is installed, which takes a while.
 */
export function boxSettings(root: string, announce: Announce): BoxSettings & { readonly cleanUp: () => Promise<void> } {
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
