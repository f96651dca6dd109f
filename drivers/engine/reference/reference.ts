/** The reference engine as a target, and what an adapter must know of it. */
import type { Engine, EngineContext } from "../contract.ts";
import { Context } from "./context.ts";
import { referenceModule } from "./engine.ts";
import { describeKey, FIELDS, HISTORY } from "./keys.ts";
import { type Rules, SPECIFICATION } from "./rules.ts";
import { decodeValue } from "./values.ts";

export const REFERENCE = "reference";

/** @param rules what it leaves out of its rules; nothing when absent. */
export function referenceEngine(rules: Rules = SPECIFICATION): Engine {
	return {
		name: REFERENCE,
		version: "1",
		module: referenceModule(rules),
		features: new Set(["tryStep", "try", "getVersion", "replayFrom"]),
		iterationOf: (context: EngineContext) => (context instanceof Context ? context.iteration : undefined),
		// It takes control without a throw; only a cancelled workflow that is started says so.
		isYield: (error) => error instanceof Error && error.name === "EvictedError",
		describeKey,
		describeValue,
		entryKind,
	};
}

/** Bytes of the checksum behind every value, which is left to whoever reads the value for use. */
const CHECKSUM_BYTES = 8;

/** A value without the checksum behind it. @returns undefined when the bytes hold none. */
function describeValue(key: string, stored: Uint8Array): unknown {
	const value = stored.subarray(0, -CHECKSUM_BYTES);
	if (key === FIELDS.state) return Buffer.from(value).toString("latin1");
	try {
		return decodeValue(value);
	} catch {
		return undefined;
	}
}

/** What a stored value records; undefined when it is no entry. */
function entryKind(stored: Uint8Array): string | undefined {
	const value = describeValue(HISTORY, stored);
	if (!Array.isArray(value)) return undefined;
	const [, , data] = value as [unknown, unknown, { readonly kind?: string } | undefined];
	return data?.kind;
}
