/** What an engine is known to get wrong, for tests: its list, with what each failure means. */
import { readFileSync, writeFileSync } from "node:fs";
import { NEWEST } from "../../drivers/engine/rivet/engine.ts";
import {
	type Expectation,
	formatExpectations,
	parseExpectations,
	parseMeanings,
} from "../../fixtures/expectations/expectations.ts";
import { findingId } from "../../reports/model.ts";
import type { Scenario } from "../../suites/scenario.ts";

const textOf = (name: string) => readFileSync(new URL(`../../fixtures/expectations/${name}`, import.meta.url), "utf8");

export function knownFailures(engine = NEWEST): Expectation<Scenario>[] {
	const meanings = parseMeanings(textOf("meanings.yaml"), "meanings.yaml");
	const name = `${engine}.json`;
	return parseExpectations<Scenario>(textOf(name), name, meanings);
}

/** Writes a list of these known failures only, by id; what else a campaign finds is then new. */
export function writeKnown(file: string, ...ids: readonly string[]): string {
	const entries = knownFailures().filter((entry) => ids.includes(findingId(entry)));
	writeFileSync(file, formatExpectations(entries));
	return file;
}
