/** Runners and servers by name: the published runners, the model of the published server, and the references. */
import { UsageError } from "../engine/contract.ts";
import type { Runner, Server } from "./contract.ts";
import { referenceRunner } from "./reference/runner.ts";
import { PUBLISHED_RUNNERS, publishedRunner } from "./rivetkit/runner.ts";
import { pegboard, referenceServer } from "./server/server.ts";

export const REFERENCE = "reference";
export const PEGBOARD = "pegboard";

/** Every name, oldest first, the reference last. */
export const RUNNERS: readonly string[] = [...PUBLISHED_RUNNERS, REFERENCE];
export const SERVERS: readonly string[] = [PEGBOARD, REFERENCE];

/** Loads a runner by name; of a published one the version is enough. @throws UsageError when there is none of that name. */
export async function loadRunner(name: string): Promise<Runner> {
	if (name === REFERENCE) return referenceRunner();
	try {
		return await publishedRunner(name);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		throw new UsageError(`Unknown runner "${name}"; choose ${RUNNERS.join(", ")}.`);
	}
}

/** The server that a runner talks to unless another is named: what it meets in production; for the reference, the reference. */
export function usualServer(runner: string): string {
	return runner === REFERENCE ? REFERENCE : PEGBOARD;
}

/** @throws UsageError when there is none of that name. */
export function loadServer(name: string): Server {
	if (name === PEGBOARD) return pegboard();
	if (name === REFERENCE) return referenceServer();
	throw new UsageError(`Unknown server "${name}"; choose ${SERVERS.join(" or ")}.`);
}
