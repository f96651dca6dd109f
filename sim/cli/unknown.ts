/** What is said of a name that is none: those that were probably meant, or those there are. */
import { closest, distance } from "fastest-levenshtein";

/** So many names are listed beside the one that was probably meant. */
const MOST_LISTED = 12;
/** So many names that have what was said in them may all be meant. */
const MOST_MEANT = 4;

/**
 * `Unknown property "queue.nolos": did you mean queue.no-loss? If not, see pnpm sim list.`
 * @param of whose, e.g. ` of actors`.
 */
export function unknown(what: string, name: string, known: readonly string[], of = ""): string {
	const meant = nearest(name, known);
	if (meant === undefined) return `Unknown ${what} "${name}"${of}; choose from ${known.join(", ")}.`;
	const others = known.length > MOST_LISTED ? "see pnpm sim list" : `there are ${known.join(", ")}`;
	return `Unknown ${what} "${name}"${of}: did you mean ${meant}? If not, ${others}.`;
}

/** What was probably meant: no more than a third of it is other letters, or it has what was said in it. */
export function nearest(name: string, known: readonly string[]): string | undefined {
	if (known.length === 0 || name === "") return undefined;
	const candidate = closest(name, known);
	if (distance(name, candidate) <= Math.max(1, candidate.length / 3)) return candidate;
	const having = known.filter((one) => one.includes(name));
	return having.length === 0 || having.length > MOST_MEANT ? undefined : having.join(" or ");
}

/** Of a known failure that is not listed. */
export function notListed(id: string, target: string, listed: readonly string[]): string {
	const meant = nearest(id, listed);
	const hint = meant === undefined ? "" : ` did you mean ${meant}? If not,`;
	const all = listed.length === 0 ? "none is listed" : `pnpm sim expectations lists all ${listed.length}`;
	return `No known failure "${id}" of ${target}:${hint} ${all}.`;
}
