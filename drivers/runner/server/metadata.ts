/** What of a runner's Init is taken: metadata that is JSON and of a reasonable size. The rest is left out, and said to be. */
import type { ToServer } from "../wire.ts";
import type { ServerRules } from "./rules.ts";

type Init = Extract<ToServer, { readonly tag: "ToServerInit" }>["val"];

/** Bytes of metadata that are still taken, of a runner or of one of its actors' names. */
export const LARGEST_METADATA = 64 * 1024;

export interface RefusedInput {
	/** Which part of what was said; nothing of what it says. */
	readonly what: string;
	readonly why: string;
}

/** What is refused of an Init. */
export function checkedMetadata(init: Init, rules: ServerRules): RefusedInput[] {
	const refused: RefusedInput[] = [];
	const check = (what: string, text: string) => {
		const why = wrongWith(text, rules);
		if (why !== undefined) refused.push({ what, why });
	};
	if (init.metadata !== null) check("metadata of the runner", init.metadata);
	let place = 0;
	for (const { metadata } of init.prepopulateActorNames?.values() ?? []) check(`metadata of name ${place++}`, metadata);
	return refused;
}

function wrongWith(text: string, rules: ServerRules): string | undefined {
	if (Buffer.byteLength(text) > LARGEST_METADATA) {
		return rules.takesHugeMetadata === true ? undefined : `longer than ${LARGEST_METADATA} bytes`;
	}
	try {
		JSON.parse(text);
		return undefined;
	} catch {
		return rules.swallowsBadMetadata === true ? undefined : "no JSON";
	}
}
