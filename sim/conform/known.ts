/** What is known to be wrong with drivers that nobody of this project wrote, from its list. */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { parse } from "yaml";
import { HarnessError } from "../world/harness-error.ts";

export interface KnownFailure {
	/** What a user loses. */
	readonly reason: string;
	/** A run that shows it. */
	readonly seed: number;
}

const LIST = v.record(
	v.string(),
	v.record(v.string(), v.strictObject({ seed: v.pipe(v.number(), v.integer()), reason: v.string() })),
);

/** The known failures of a driver, by id of the finding. @throws HarnessError when the list is not one. */
export function knownFailures(driver: string): ReadonlyMap<string, KnownFailure> {
	const text = readFileSync(new URL("../../fixtures/expectations/drivers.yaml", import.meta.url), "utf8");
	const list = v.safeParse(LIST, parse(text));
	if (!list.success) throw new HarnessError("known-list", `drivers.yaml: ${v.summarize(list.issues)}`);
	return new Map(Object.entries(list.output[driver] ?? {}));
}
