/**
 * The table of upgrades, over as many threads as there are: each takes one program at a time through every pair of versions. What
 * comes back adds up, and the same programs give the same table whatever the number of threads.
 */
import { Worker } from "node:worker_threads";
import type { HostingMode } from "../../../drivers/engine/host.ts";
import { loadEngine } from "../../../drivers/engine/load.ts";
import { memoryStorage } from "../../../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../../../fixtures/programs/index.ts";
import type { UpgradePair, UpgradeResult } from "../../../reports/model.ts";
import { versionUpgrade } from "../../../suites/upgrade.ts";
import { getOrInsert } from "../../world/collections.ts";
import { Upgrades } from "./upgrades.ts";

/** What every thread makes its upgrades from. */
export interface UpgradeSpec {
	/** Names of engines, oldest first. */
	readonly engines: readonly string[];
	readonly modes: readonly HostingMode[];
	readonly downgrades: boolean;
}

export interface UpgradeTableOptions extends UpgradeSpec {
	readonly programs: readonly string[];
	readonly workers: number;
	readonly signal?: AbortSignal;
	/** Programs done, and states tried so far. */
	readonly onProgress?: (programs: number, states: number) => void;
}

/** @throws UsageError when an engine cannot be loaded. */
export async function upgradesOf(spec: UpgradeSpec, programs: readonly string[]): Promise<Upgrades> {
	const engines = await Promise.all(spec.engines.map(loadEngine));
	const targets = engines.map((engine) => ({ engine, storage: memoryStorage }));
	const chosen = PROGRAMS.filter(({ name }) => programs.includes(name));
	return new Upgrades(targets, chosen, spec);
}

/** Takes the programs through every pair. Stopped before the end, it returns what there is by then. */
export async function upgradeTable(options: UpgradeTableOptions): Promise<UpgradeResult> {
	const { programs, signal, onProgress } = options;
	const { engines, modes, downgrades } = options;
	const results = new Map<string, UpgradeResult>();
	const left = programs.values();
	const stopped = () => signal?.aborted === true;
	let states = 0;
	const serve = async (lane: UpgradeLane) => {
		const stop = () => lane.close();
		signal?.addEventListener("abort", stop);
		try {
			while (!stopped()) {
				const { value: program } = left.next();
				if (program === undefined) return;
				const result = await lane.take(program);
				if (result === undefined) return;
				results.set(program, result);
				states += result.pairs.reduce((sum, pair) => sum + pair.states, 0);
				onProgress?.(results.size, states);
			}
		} finally {
			signal?.removeEventListener("abort", stop);
			await lane.close();
		}
	};
	const count = Math.max(1, Math.min(options.workers, programs.length));
	await Promise.all(Array.from({ length: count }, () => serve(laneOf({ engines, modes, downgrades }))));
	const done = programs.flatMap((program) => results.get(program) ?? []);
	return { ...mergeUpgrades(done, modes), interrupted: done.length < programs.length };
}

interface UpgradeLane {
	/** undefined when the lane was closed meanwhile. */
	take(program: string): Promise<UpgradeResult | undefined>;
	close(): Promise<void>;
}

function laneOf(spec: UpgradeSpec): UpgradeLane {
	const worker = new Worker(new URL("./upgrade-worker.ts", import.meta.url), { workerData: spec });
	let closed = false;
	let waiting: { resolve(result: UpgradeResult | undefined): void; reject(error: Error): void } | undefined;
	worker.on("message", (result: UpgradeResult) => waiting?.resolve(result));
	worker.on("error", (error: unknown) => waiting?.reject(error instanceof Error ? error : new Error(String(error))));
	worker.on("exit", () => {
		if (closed) waiting?.resolve(undefined);
		else waiting?.reject(new Error("a thread of the upgrades ended before its work was done"));
	});
	return {
		take: (program) =>
			new Promise((resolve, reject) => {
				waiting = { resolve, reject };
				worker.postMessage(program);
			}),
		close: async () => {
			closed = true;
			await worker.terminate();
		},
	};
}

/** The results of different programs, in their order, as one. */
export function mergeUpgrades(results: readonly UpgradeResult[], modes: readonly string[]): UpgradeResult {
	const pairs = new Map<string, UpgradePair[]>();
	for (const result of results) {
		for (const pair of result.pairs) getOrInsert(pairs, `${pair.from} ${pair.to}`, () => []).push(pair);
	}
	return {
		...{ property: versionUpgrade.id, modes },
		pairs: [...pairs.values()].map(mergePairs),
		problems: [...new Set(results.flatMap(({ problems }) => problems))],
		interrupted: results.some(({ interrupted }) => interrupted),
	};
}

function mergePairs(parts: readonly UpgradePair[]): UpgradePair {
	const [first] = parts as readonly [UpgradePair, ...UpgradePair[]];
	const sum = (count: (pair: UpgradePair) => number) => parts.reduce((total, pair) => total + count(pair), 0);
	const kinds = [...new Set(parts.flatMap(({ failures }) => failures.map(({ kind }) => kind)))].sort();
	const causes = [...new Set(parts.flatMap(({ excused }) => Object.keys(excused)))].sort();
	return {
		...first,
		programs: sum(({ programs }) => programs),
		states: sum(({ states }) => states),
		failures: kinds.flatMap((kind) => {
			const shown = parts.flatMap(({ failures }) => failures.filter((failure) => failure.kind === kind));
			const [example] = shown;
			if (example === undefined) return [];
			const programs = shown.flatMap((failure) => failure.programs);
			return [{ ...example, programs, runs: shown.reduce((total, { runs }) => total + runs, 0) }];
		}),
		excused: Object.fromEntries(causes.map((cause) => [cause, sum(({ excused }) => excused[cause] ?? 0)])),
	};
}
