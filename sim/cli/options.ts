/** What the command line asks for, checked: every wrong value is one line that says what would be right. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidArgumentError } from "commander";
import { type Engine, type Feature, UsageError } from "../../drivers/engine/contract.ts";
import { REFERENCE } from "../../drivers/engine/load.ts";
import { NEWEST, PUBLISHED } from "../../drivers/engine/rivet/engine.ts";
import type { BoxSettings } from "../../drivers/storage/box/index.ts";
import type { PluggedDriver } from "../../drivers/storage/contract.ts";
import { loadDriver } from "../../drivers/storage/load.ts";
import {
	avoidedShapes,
	type Expectation,
	type Meanings,
	parseExpectations,
	parseMeanings,
} from "../../fixtures/expectations/expectations.ts";
import { GENERATED } from "../../fixtures/generators/interpret.ts";
import { inOrder, SHAPE_NAMES, shapeOf } from "../../fixtures/generators/shapes.ts";
import { PROGRAMS } from "../../fixtures/programs/index.ts";
import { ON_DRIVER, PROPERTIES, SUITES } from "../../suites/index.ts";
import type { Property } from "../../suites/property.ts";
import type { Target } from "../../suites/run.ts";
import type { Scenario } from "../../suites/scenario.ts";
import type { Shard } from "../explore/campaign/shard.ts";
import { FAULT_KINDS } from "../explore/draw.ts";
import type { Explorer } from "../explore/explorer.ts";
import type { Avoid } from "../explore/generate.ts";
import type { UnderTest } from "../explore/on-driver.ts";
import type { DriverSource } from "../explore/real/protocol.ts";
import { type ExplorerSpec, explorerFrom } from "../explore/spec.ts";
import type { FaultKind } from "../world/faults.ts";
import { boxSettings } from "./machine/box-settings.ts";
import { nearest, unknown } from "./unknown.ts";

/** Options of every command that runs something, as commander hands them over. */
export interface RunOptions {
	readonly engine: string;
	/** A storage driver of the box, or the module of one; the world's own disk when absent. */
	readonly driver?: string;
	readonly program?: readonly string[];
	readonly suite?: readonly string[];
	readonly property?: readonly string[];
	readonly expectations?: string;
	/** Kinds of fault; the usual ones when absent. */
	readonly faults?: readonly FaultKind[];
	/** Shapes that every seed avoids, in place of those that the known failures poison, which most seeds avoid. */
	readonly avoid?: readonly string[];
	/** What the engine is taken not to have, so that a seed means what it means on one that has it not. */
	readonly lacking?: readonly Feature[];
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
		throw new UsageError(unknown("fault", name, FAULT_KINDS));
	});
}

/** `nested-loop,race`: shapes, or `none`. */
export function parseShapes(text: string): string[] {
	const names = parseNames(text);
	if (names.length === 1 && names[0] === "none") return [];
	const strange = names.find((name) => !isShape(name));
	if (strange === undefined) return names;
	const meant = nearest(strange, [...SHAPE_NAMES, "none"]);
	const hint = meant === undefined ? "" : `did you mean ${meant}? otherwise `;
	throw new InvalidArgumentError(`unknown shape "${strange}"; ${hint}see pnpm sim list, or give "none"`);
}

export function isShape(name: string): boolean {
	const shape = shapeOf(name);
	if (shape === undefined) return false;
	return !("fault" in shape) || FAULT_KINDS.some((kind) => kind === shape.fault);
}

const FEATURES: readonly Feature[] = ["tryStep", "try", "getVersion", "replayFrom"];

/** `tryStep,getVersion`: what not every version has. */
export function parseFeatures(text: string): Feature[] {
	return parseNames(text).map((name) => {
		const feature = FEATURES.find((known) => known === name);
		if (feature !== undefined) return feature;
		throw new InvalidArgumentError(`unknown feature "${name}"; choose from ${FEATURES.join(", ")}`);
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

/**
 * What a run needs, made from the options; `spec` is what workers make the same explorer from.
 * @param more properties that are asked besides those that were chosen.
 * @throws UsageError
 */
export async function prepare(
	options: RunOptions,
	more: readonly Property[] = options.driver === undefined ? [] : ON_DRIVER,
): Promise<{ explorer: Explorer; target: Target; spec: ExplorerSpec }> {
	const names = choosePrograms(options.program);
	const properties = chooseProperties(options.suite, options.property);
	const avoid = avoidOf(options);
	const spec = {
		engine: options.engine,
		programs: names,
		properties: [...properties, ...more].map(({ id }) => id),
		...(options.faults === undefined ? {} : { faults: options.faults }),
		...(avoid.shapes.length === 0 ? {} : { avoid }),
		...(options.lacking === undefined ? {} : { lacking: options.lacking }),
	};
	const explorer = await explorerFrom(spec, await underTest(options));
	const { target } = explorer;
	if (explorer.programs.length === 0 && !explorer.generates) {
		const programs = PROGRAMS.filter(({ name }) => names.includes(name));
		const needs = programs.flatMap(({ needs }) => needs ?? []).filter((need) => !target.engine.features.has(need));
		throw new UsageError(
			`${target.engine.name} cannot run ${options.program?.join(", ")}: it has no ${needs.join(", ")}.`,
		);
	}
	return { explorer, target, spec };
}

/** The real driver to run on. @throws UsageError when there is none of that name, or when it cannot run here. */
async function underTest({ driver: name }: RunOptions): Promise<UnderTest | undefined> {
	if (name === undefined) return undefined;
	const { driver, prefix } = await driverHere(name);
	return { driver, prefix };
}

export interface DriverHere {
	readonly driver: PluggedDriver;
	/** Tells the namespaces of this process from those of others. */
	readonly prefix: string;
	/** What it takes to find it in another process. */
	readonly source: DriverSource;
}

/**
 * A driver that can run here, with what it was given of this machine; its files are removed when the process ends.
 * @param elsewhere settings in place of the machine's own, e.g. where a server is, made when the directory is known.
 */
export async function driverHere(
	name: string,
	elsewhere: (root: string) => Promise<Readonly<Record<string, string>>> = async () => ({}),
): Promise<DriverHere> {
	const prefix = `sim-${process.pid}-${Date.now().toString(36)}`;
	const root = join(tmpdir(), `faultline-${prefix}`);
	const packages: Record<string, string> = {};
	const machine = boxSettings(root, (text) => process.stderr.write(`${text}\n`));
	const given = { ...machine, ...(await elsewhere(root)) };
	const settings: BoxSettings = {
		...given,
		packageDirectory: async (wanted, version) => {
			const directory = await given.packageDirectory(wanted, version);
			packages[`${wanted}@${version}`] = directory;
			return directory;
		},
	};
	process.once("exit", () => rmSync(root, { recursive: true, force: true }));
	const driver = await loadDriver(name, settings);
	const why = await driver.unavailable?.();
	if (why !== undefined) throw new UsageError(`The driver ${name} cannot run here: ${why}`);
	const { postgresUrl, redisUrl, natsUrl } = given;
	return { driver, prefix, source: { name, settings: { root, postgresUrl, redisUrl, natsUrl }, packages } };
}

/** The engines that `--engine A,B` names, in the order of their versions; all published ones when none was named. */
export function enginesOf(names: readonly string[] | undefined): readonly string[] {
	if (names === undefined) return PUBLISHED;
	const full = names.map((name) => (PUBLISHED.includes(`rivet-${name}`) ? `rivet-${name}` : name));
	// A local build is taken to be newer than what is published.
	const place = (name: string) => (PUBLISHED.includes(name) ? PUBLISHED.indexOf(name) : PUBLISHED.length);
	return [...new Set(full)].sort((a, b) => place(a) - place(b));
}

/** What seeds avoid: what was asked for, or what the list poisons. @throws UsageError for a list with a fault that is none. */
function avoidOf({ engine, expectations, avoid }: Pick<RunOptions, "engine" | "expectations" | "avoid">): Avoid {
	if (avoid !== undefined) return { shapes: inOrder(avoid), always: true };
	const shapes = avoidedShapes(loadExpectations({ name: engine }, expectations));
	const strange = shapes.find((name) => !isShape(name));
	if (strange === undefined) return { shapes, always: false };
	throw new UsageError(`The list of known failures avoids "${strange}", which is no fault that there is.`);
}

/** @throws UsageError for a name that no program has. */
export function choosePrograms(names: readonly string[] | undefined): readonly string[] {
	const all = [...PROGRAMS.map(({ name }) => name), GENERATED];
	for (const name of names ?? []) if (!all.includes(name)) throw new UsageError(unknown("program", name, all));
	return names ?? all;
}

/** @throws UsageError for a name that no suite, or no property, has. */
export function chooseProperties(
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

/** Where the known failures of a published engine are listed. */
export function expectationsFile(engine: Pick<Engine, "name">): string {
	// A local build is measured against what the newest published version is known to get wrong; the reference against nothing.
	const name = PUBLISHED.includes(engine.name) || engine.name === REFERENCE ? engine.name : NEWEST;
	return fileURLToPath(new URL(`../../fixtures/expectations/${name}.json`, import.meta.url));
}

/** @throws UsageError when a file was named that is not there; ExpectationError when it is not right. */
export function loadExpectations(engine: Pick<Engine, "name">, file: string | undefined): Expectation<Scenario>[] {
	if (file === "none") return [];
	const path = file ?? expectationsFile(engine);
	if (!existsSync(path)) {
		if (file === undefined) return [];
		throw new UsageError(`No list of known failures at ${file}; give a JSON or YAML file, or "none".`);
	}
	const text = readFileSync(path, "utf8");
	if (parsed?.text !== text) parsed = { text, list: parseExpectations<Scenario>(text, path, loadMeanings()) };
	return parsed.list;
}

/** What failures of the published engines mean, whatever list they are on. */
export function loadMeanings(): Meanings {
	const path = fileURLToPath(new URL("../../fixtures/expectations/meanings.yaml", import.meta.url));
	return parseMeanings(readFileSync(path, "utf8"), path);
}

/** The list that was read last: commands of findings ask for it again and again. */
let parsed: { readonly text: string; readonly list: Expectation<Scenario>[] } | undefined;

/** The options that decide what a seed means, as they are typed; without the defaults. */
export function drawingOptions(
	options: Pick<RunOptions, "engine" | "driver" | "program" | "faults" | "lacking">,
): string {
	const program = options.program === undefined ? "" : ` --program ${options.program.join(",")}`;
	const faults = options.faults === undefined ? "" : ` --faults ${options.faults.join(",")}`;
	const lacking = options.lacking === undefined ? "" : ` --lacking ${options.lacking.join(",")}`;
	const driver = options.driver === undefined ? "" : ` --driver ${quote(options.driver)}`;
	return program + faults + lacking + driver + engineOption(options);
}

/**
 * ` --avoid SHAPES`: what was taken out of a seed, so that the command means the same when the list of known failures is
 * another; nothing where nothing would be avoided anyway.
 */
export function avoidOption(avoided: readonly string[] | undefined, { engine }: Pick<RunOptions, "engine">): string {
	if (avoided === undefined && avoidOf({ engine }).shapes.length === 0) return "";
	return ` --avoid ${avoided?.join(",") || "none"}`;
}

/** ` --engine NAME`, unless it is the default. */
export function engineOption({ engine }: Pick<RunOptions, "engine">): string {
	return engine === NEWEST ? "" : ` --engine ${quote(engine)}`;
}

/** A word as a shell needs it. */
export function quote(text: string): string {
	return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
