/** Actor runtimes by name: the published ones, which are installed when they are asked for, and the reference. */
import { UsageError } from "../engine/contract.ts";
import type { ActorTarget } from "./contract.ts";
import { REFERENCE_ACTOR, referenceActor } from "./reference/reference.ts";
import { NEEDS, type PackageNeed, RIVETKIT } from "./rivetkit/package.ts";

const PREFIX = `${RIVETKIT}-`;

/** Every name, oldest first, the reference last. */
export const ACTORS: readonly string[] = [...[...NEEDS.keys()].map((version) => PREFIX + version), REFERENCE_ACTOR];

/** What must be installed for that one; undefined for one that needs nothing. @throws UsageError when there is none of that name. */
export function needOfActor(name: string): PackageNeed | undefined {
	if (name === REFERENCE_ACTOR) return undefined;
	const need = name.startsWith(PREFIX) ? NEEDS.get(name.slice(PREFIX.length)) : undefined;
	if (need === undefined) throw new UsageError(`Unknown actor runtime "${name}"; choose ${ACTORS.join(", ")}.`);
	return need;
}

/**
 * @param directory where what it needs is installed.
 * @throws UsageError when there is none of that name.
 */
export async function loadActor(name: string, directory: string | undefined): Promise<ActorTarget> {
	const need = needOfActor(name);
	if (need === undefined) return referenceActor();
	if (directory === undefined) throw new UsageError(`${name} is not installed: nobody said where ${need.name} is.`);
	const { rivetkitActors } = await import("./rivetkit/target.ts");
	return rivetkitActors(need.version, directory);
}
