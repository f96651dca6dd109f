/**
 * The memory of failures: a directory with one file a finding, named after it, which holds the simplest run known to show it.
 * A campaign with a corpus tries what is there before any seed. What a single file looks like is the business of
 * `readKept` and `writeKept` alone.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parse, stringify } from "yaml";
import { UsageError } from "../../drivers/engine/contract.ts";
import type { Scenario } from "../../suites/scenario.ts";
import type { CampaignResult } from "./result.ts";

export interface KeptFailure {
	/** The engine that showed it. */
	readonly engine: string;
	readonly property: string;
	readonly kind: string;
	/** How the run broke the property, in a sentence. */
	readonly message: string;
	readonly scenario: Scenario;
}

const EXTENSION = ".yaml";

/** Where a corpus keeps the finding of that id (`property/kind`). */
export function keptFile(directory: string, id: string): string {
	return join(directory, `${id.replace("/", "--").replaceAll(/[^\w.-]/g, "_")}${EXTENSION}`);
}

/**
 * What a corpus holds, by file, in the order of their names. A corpus that is not there yet is made.
 * @throws UsageError naming the file that cannot be read, or the directory.
 */
export function readCorpus(directory: string): Map<string, KeptFailure> {
	let names: string[];
	try {
		mkdirSync(directory, { recursive: true });
		names = readdirSync(directory);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`No corpus can be kept in ${directory} (${code}); give a directory.`);
	}
	const files = names.filter((name) => name.endsWith(EXTENSION)).sort();
	return new Map(files.map((name) => [join(directory, name), readKept(join(directory, name))]));
}

/** @throws UsageError when the file cannot be read or is not what `writeKept` writes. */
export function readKept(file: string): KeptFailure {
	const refuse = (why: string) => new UsageError(`${file} cannot be tried: ${why}; mend it, or take it away.`);
	let content: unknown;
	try {
		content = parse(readFileSync(file, "utf8"));
	} catch (error) {
		throw refuse(String(error instanceof Error ? error.message : error).split("\n")[0] ?? "");
	}
	const kept = Object(content) as Partial<KeptFailure>;
	for (const field of ["engine", "property", "kind", "message"] as const) {
		if (typeof kept[field] !== "string" || kept[field] === "") throw refuse(`"${field}" is missing`);
	}
	const wrong = wrongField(Object(kept.scenario));
	if (wrong !== undefined) throw refuse(`"scenario.${wrong}" is missing or is not what it should be`);
	return kept as KeptFailure;
}

/** Writes the file whole or not at all. The inverse of `readKept`. */
export function writeKept(file: string, { engine, property, kind, message, scenario }: KeptFailure): void {
	const text = stringify(
		{ engine, property, kind, message, scenario },
		{ aliasDuplicateObjects: false, lineWidth: 118 },
	);
	writeFileSync(`${file}.part`, text);
	renameSync(`${file}.part`, file);
}

/** The first field of a scenario without which nothing can be run. */
function wrongField(scenario: Partial<Scenario>): string | undefined {
	const { program, seed, hosting, latency, inFlight, faults } = scenario;
	const numbers = (object: unknown, ...names: string[]) => names.every((name) => Number.isFinite(Object(object)[name]));
	const rules: readonly [string, boolean][] = [
		["program", typeof program === "string"],
		["seed", typeof seed === "string"],
		["hosting", (hosting?.mode === "live" || hosting?.mode === "yield") && numbers(hosting, "restartMs")],
		["latency", numbers(latency, "minMs", "maxMs", "answerMaxMs")],
		["inFlight", inFlight === "lost" || inFlight === "drawn"],
		["faults", Array.isArray(faults) && faults.every((fault) => typeof Object(fault).kind === "string")],
	];
	return rules.find(([, holds]) => !holds)?.[0];
}

/** Writes what is new or simpler than what is kept, and notes it in `kept`, which is by file as `readCorpus` gives it. */
export function keepFailures(
	directory: string,
	engine: string,
	{ findings, scenarios }: Pick<CampaignResult, "findings" | "scenarios">,
	kept: Map<string, KeptFailure>,
): void {
	for (const { id, property, kind, verdict, example } of findings) {
		const scenario = scenarios.get(id);
		const file = keptFile(directory, id);
		if (verdict !== "fail" || scenario === undefined || isDeepStrictEqual(kept.get(file)?.scenario, scenario)) continue;
		const failure = { engine, property, kind, message: example?.message ?? "", scenario };
		writeKept(file, failure);
		kept.set(file, failure);
	}
}
