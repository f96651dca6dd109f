/** What the command line asks for, checked: every wrong value is one line that says what would be right. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InvalidArgumentError } from "commander";
import { type Engine, UsageError } from "../../drivers/engine/contract.ts";
import { NEWEST, PUBLISHED } from "../../drivers/engine/rivet/engine.ts";
import { type Expectation, parseExpectations } from "../../fixtures/expectations/expectations.ts";
import { PROGRAMS } from "../../fixtures/programs/index.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import { PROPERTIES, SUITES } from "../../suites/index.ts";
import type { Property } from "../../suites/property.ts";
import type { Target } from "../../suites/run.ts";
import type { Scenario } from "../../suites/scenario.ts";
import type { Shard } from "../explore/campaign/shard.ts";
import { FAULT_KINDS } from "../explore/draw.ts";
import type { Explorer } from "../explore/explorer.ts";
import { type ExplorerSpec, explorerFrom } from "../explore/spec.ts";
import type { FaultKind } from "../world/faults.ts";

/** Options of every command that runs something, as commander hands them over. */
export interface RunOptions {
	readonly engine: string;
	readonly program?: readonly string[];
	readonly suite?: readonly string[];
	readonly property?: readonly string[];
	readonly expectations?: string;
	/** Kinds of fault; the usual ones when absent. */
	readonly faults?: readonly FaultKind[];
}

/** What another process or thread needs to load this project's sources. */
export const LOADER = new URL("./typescript/register.mjs", import.meta.url).href;

/** A whole number from 1. */
export function parseSeed(text: string): number {
	return parseWhole(text, "a seed is a whole number from 1, e.g. --seed 42");
}

export function parseRuns(text: string): number {
	return parseWhole(text, "a number of runs is a whole number from 1, e.g. --runs 5000");
}

export function parseWorkers(text: string): number {
	return parseWhole(text, "a number of workers is a whole number from 1, e.g. --workers 4");
}

/** `2/8`: the second of eight shards. */
export function parseShard(text: string): Shard {
	const [, i = 0, n = 0] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
	if (i < 1 || i > n || !Number.isSafeInteger(n)) {
		throw new InvalidArgumentError("a shard is i/n with i from 1 to n, e.g. --shard 2/8");
	}
	return { i, n };
}

function parseWhole(text: string, rule: string): number {
	const n = Number(text);
	if (!/^\d+$/.test(text) || n < 1 || !Number.isSafeInteger(n)) throw new InvalidArgumentError(rule);
	return n;
}

export function parseDepth(text: string): number {
	return parseWhole(text, "a depth is a whole number from 1, e.g. --depth 3");
}

export function parseFaults(text: string): FaultKind[] {
	return parseNames(text).map((name) => {
		const kind = FAULT_KINDS.find((known) => known === name);
		if (kind !== undefined) return kind;
		throw new InvalidArgumentError(`unknown fault "${name}"; choose from ${FAULT_KINDS.join(", ")}`);
	});
}

/** `0,2,1`: what to run next at each choice. */
export function parseOrder(text: string): number[] {
	if (/^\d+(,\d+)*$/.test(text)) return text.split(",").map(Number);
	throw new InvalidArgumentError("an order is a list of places from 0, e.g. --order 0,2,1");
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `90s`, `10m`, `8h` in milliseconds. */
export function parseDuration(text: string): number {
	const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
	const unit = UNITS_MS[match?.[2] ?? ""];
	if (match === null || unit === undefined || Number(match[1]) === 0) {
		throw new InvalidArgumentError("a duration is a number with a unit: 30s, 10m, 8h");
	}
	return Number(match[1]) * unit;
}

export function parseNames(text: string): string[] {
	const names = text
		.split(",")
		.map((name) => name.trim())
		.filter((name) => name !== "");
	if (names.length === 0) throw new InvalidArgumentError("give one name, or several with commas between");
	return names;
}

/** What a run needs, made from the options; `spec` is what workers make the same explorer from. @throws UsageError */
export async function prepare(
	options: RunOptions,
): Promise<{ explorer: Explorer; target: Target; spec: ExplorerSpec }> {
	const programs = choosePrograms(options.program);
	const properties = chooseProperties(options.suite, options.property);
	const spec = {
		engine: options.engine,
		programs: programs.map(({ name }) => name),
		properties: properties.map(({ id }) => id),
		...(options.faults === undefined ? {} : { faults: options.faults }),
	};
	const explorer = await explorerFrom(spec);
	const { target } = explorer;
	if (explorer.programs.length === 0) {
		const needs = programs.flatMap(({ needs }) => needs ?? []).filter((need) => !target.engine.features.has(need));
		throw new UsageError(
			`${target.engine.name} cannot run ${options.program?.join(", ")}: it has no ${needs.join(", ")}.`,
		);
	}
	return { explorer, target, spec };
}

function choosePrograms(names: readonly string[] | undefined): readonly Program[] {
	if (names === undefined) return PROGRAMS;
	return names.map((name) => {
		const program = PROGRAMS.find((candidate) => candidate.name === name);
		if (program === undefined) {
			throw new UsageError(
				unknown(
					"program",
					name,
					PROGRAMS.map((candidate) => candidate.name),
				),
			);
		}
		return program;
	});
}

function chooseProperties(
	suites: readonly string[] | undefined,
	ids: readonly string[] | undefined,
): readonly Property[] {
	if (suites === undefined && ids === undefined) return PROPERTIES;
	const chosen = new Set<Property>();
	for (const name of suites ?? []) {
		const suite = SUITES.get(name);
		if (suite === undefined) throw new UsageError(unknown("suite", name, [...SUITES.keys()]));
		for (const property of suite) chosen.add(property);
	}
	for (const id of ids ?? []) {
		const property = PROPERTIES.find((candidate) => candidate.id === id);
		if (property === undefined)
			throw new UsageError(
				unknown(
					"property",
					id,
					PROPERTIES.map((candidate) => candidate.id),
				),
			);
		chosen.add(property);
	}
	return PROPERTIES.filter((property) => chosen.has(property));
}

function unknown(what: string, name: string, known: readonly string[]): string {
	return `Unknown ${what} "${name}"; choose from ${known.join(", ")}.`;
}

/** Where the known failures of a published engine are listed. */
export function expectationsFile(engine: Engine): string {
	// A local build is measured against what the newest published version is known to get wrong.
	const name = PUBLISHED.includes(engine.name) ? engine.name : NEWEST;
	return fileURLToPath(new URL(`../../fixtures/expectations/${name}.yaml`, import.meta.url));
}

/** @throws UsageError when a file was named that is not there; ExpectationError when it is not right. */
export function loadExpectations(engine: Engine, file: string | undefined): Expectation<Scenario>[] {
	if (file === "none") return [];
	const path = file ?? expectationsFile(engine);
	if (!existsSync(path)) {
		if (file === undefined) return [];
		throw new UsageError(`No list of known failures at ${file}; give a YAML file, or "none".`);
	}
	return parseExpectations<Scenario>(readFileSync(path, "utf8"), path);
}

/** The options that decide what a seed means, as they are typed; without the defaults. */
export function drawingOptions(options: Pick<RunOptions, "engine" | "program" | "faults">): string {
	const program = options.program === undefined ? "" : ` --program ${options.program.join(",")}`;
	const faults = options.faults === undefined ? "" : ` --faults ${options.faults.join(",")}`;
	return program + faults + engineOption(options);
}

/** ` --engine NAME`, unless it is the default. */
export function engineOption({ engine }: Pick<RunOptions, "engine">): string {
	return engine === NEWEST ? "" : ` --engine ${quote(engine)}`;
}

/** A word as a shell needs it. */
export function quote(text: string): string {
	return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
