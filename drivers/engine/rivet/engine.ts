/**
 * The published `@rivetkit/workflow-engine`, every version by its npm alias, or a local build by its path. The module is
 * loaded as it is and never changed.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Engine, type EngineContext, type EngineModule, type Feature, UsageError } from "../contract.ts";
import { entryKind } from "./entries.ts";
import { describeKey } from "./keys.ts";
import { describeValue } from "./stored.ts";

/** Package name of each version, oldest first. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
	["2.1.3", "rivet-2.1.3"],
	["2.1.5", "rivet-2.1.5"],
	["2.2.1", "rivet-2.2.1"],
	["2.3.11", "rivet-2.3.11"],
	["2.3.17", "rivet-2.3.17"],
	["2.3.18", "rivet-2.3.18"],
	["2.3.19", "@rivetkit/workflow-engine"],
]);

export const NEWEST = "rivet-2.3.19";

/** Names of the published engines, oldest first. */
export const PUBLISHED: readonly string[] = [...PACKAGES.keys()].map((version) => `rivet-${version}`);

/** Errors by which the engine hands control back to its host. */
const YIELDS: ReadonlySet<string> = new Set([
	"SleepError",
	"MessageWaitError",
	"StepFailedError",
	"EvictedError",
	"RollbackStopError",
]);

/**
 * Loads a published engine by name (`rivet-2.3.19`, or just `2.3.19`) or a local build by path.
 * @throws UsageError naming what was asked for and what would be right.
 */
export async function loadRivet(name: string): Promise<Engine> {
	const version = name.replace(/^rivet-/, "");
	const published = PACKAGES.get(version);
	if (published !== undefined) return adapt(`rivet-${version}`, version, await import(published));

	const looksLikePath = /[/\\]|\.[cm]?[jt]s$/.test(name);
	if (!looksLikePath) {
		throw new UsageError(`Unknown engine "${name}"; choose ${PUBLISHED.join(", ")}, or give a path to a build.`);
	}
	const path = resolve(name);
	if (!existsSync(path)) {
		throw new UsageError(`No engine at ${name}: the file does not exist; give the built entry, e.g. ./dist/index.js.`);
	}
	let module: unknown;
	try {
		module = await import(pathToFileURL(path).href);
	} catch (error) {
		throw new UsageError(`The engine at ${name} cannot be loaded: ${error instanceof Error ? error.message : error}`);
	}
	return adapt(name, "local", module);
}

function adapt(name: string, version: string, module: unknown): Engine {
	const exports = module as Record<string, unknown>;
	for (const needed of ["runWorkflow", "Loop", "CriticalError", "RollbackError"]) {
		if (exports[needed] === undefined) {
			throw new UsageError(`The engine at ${name} exports no ${needed}; give the module that exports runWorkflow.`);
		}
	}
	const context = exports.WorkflowContextImpl as { prototype: object } | undefined;
	const features: Feature[] = (["tryStep", "try", "getVersion"] as const).filter(
		(feature) => context !== undefined && feature in context.prototype,
	);
	if (exports.replayWorkflowFromStep !== undefined && exports.loadStorage !== undefined) features.push("replayFrom");
	return {
		name,
		version,
		module: module as EngineModule,
		features: new Set(features),
		iterationOf,
		isYield: (error) => error instanceof Error && YIELDS.has(error.name),
		describeKey,
		describeValue,
		entryKind,
	};
}

/** The engine keeps a context's place as a path whose last segment tells the iteration. */
function iterationOf(context: EngineContext): number | undefined {
	const path = (context as unknown as { currentLocation?: unknown[] }).currentLocation;
	const last = path?.at(-1);
	return typeof last === "object" && last !== null && "iteration" in last ? Number(last.iteration) : undefined;
}
