/**
 * How replay time, memory and storage grow with history: steps one after the other, a loop that keeps its history, and one that
 * prunes it, on the bare engine. A life writes the history and yields; the next one is timed from its start until it yields again.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Engine, EngineContext, EngineModule } from "../drivers/engine/contract.ts";
import { loadRivet, NEWEST, PUBLISHED } from "../drivers/engine/rivet/engine.ts";
import { type Plot, plotSvg, plotText } from "../reports/plot.ts";
import { drain, inMacrotask } from "../sim/world/interpose.ts";
import { BareLife, BareStore, inBareConditions } from "./bare.ts";
import { row, type Section } from "./section.ts";

export interface GrowthSample {
	readonly engine: string;
	readonly shape: string;
	/** Steps that the workflow has behind it. */
	readonly entries: number;
	/** Entries of the disk, and the bytes of their keys and values. */
	readonly keys: number;
	readonly bytes: number;
	/** Milliseconds of processor time, and heap bytes in use once everything is replayed, beyond those before the start. */
	readonly replayMs: number;
	readonly heapBytes: number;
}

type Work = (context: EngineContext, module: EngineModule, entries: number) => Promise<unknown>;

const SHAPES: ReadonlyMap<string, Work> = new Map<string, Work>([
	[
		"flat steps",
		async (context, _module, entries) => {
			for (let i = 0; i < entries; i++) await context.step(`step-${i}`, async () => i);
		},
	],
	["kept loop", (context, module, entries) => loopOf(context, module, entries, 1_000_000)],
	["pruned loop", (context, module, entries) => loopOf(context, module, entries, 20)],
]);

function loopOf(context: EngineContext, { Loop }: EngineModule, entries: number, keeps: number): Promise<number> {
	return context.loop({
		name: "loop",
		state: 0,
		// Older versions know the same under other names.
		...{ historyPruneInterval: 20, historySize: keeps, historyEvery: 20, historyKeep: keeps },
		run: async (loop, iteration) => {
			// The loop is left open: what a finished one keeps of its iterations is another question.
			if (iteration === entries) await loop.sleep("stay", A_YEAR_MS);
			await loop.step("step", async () => iteration);
			return Loop.continue(iteration + 1);
		},
	});
}

const ENTRIES = [100, 1_000, 10_000];
const A_YEAR_MS = 365 * 86_400_000;
/** The least of so many replays is reported: other work on the machine only ever adds. */
const REPLAYS = 5;

export const growth: Section<readonly GrowthSample[]> = {
	name: "growth",
	about: "replay time, memory and storage by length of history; takes minutes",
	byDefault: false,

	async measure(tell) {
		const gc = collector();
		const samples: GrowthSample[] = [];
		for (const name of PUBLISHED) {
			const engine = await loadRivet(name);
			for (const [shape, work] of SHAPES) {
				for (const entries of ENTRIES) {
					tell(`${name}, ${shape}, ${entries} entries`);
					samples.push(await inMacrotask(() => inBareConditions(() => sampleOf(engine, shape, work, entries, gc))));
				}
			}
		}
		return samples;
	},

	text(samples) {
		return [
			"What a history of so many steps takes: on disk, to replay, and in memory.",
			row("", "entries", "keys", "bytes", "replay ms", "heap KiB"),
			...samples.map(({ engine, shape, entries, keys, bytes, replayMs, heapBytes }) =>
				row(
					`${engine.replace("rivet-", "")} ${shape}`,
					...[entries, keys, bytes].map(String),
					replayMs.toFixed(1),
					(heapBytes / 1024).toFixed(0),
				),
			),
			"",
			...growthPlots(samples).map((plot) => `${plotText(plot)}\n`),
		].join("\n");
	},

	files(samples) {
		return growthPlots(samples).map((plot, i) => [`growth-${["replay", "storage", "memory"][i]}.svg`, plotSvg(plot)]);
	},
};

function growthPlots(samples: readonly GrowthSample[]): Plot[] {
	const newest = samples.filter(({ engine }) => engine === NEWEST);
	const plotOf = (title: string, y: string, value: (sample: GrowthSample) => number): Plot => ({
		...{ title: `${title}, ${NEWEST}`, x: "steps", y },
		series: [...SHAPES.keys()].map((name) => ({
			name,
			points: newest
				.filter(({ shape }) => shape === name)
				.map((sample) => ({ x: sample.entries, y: Math.max(value(sample), LEAST) })),
		})),
	});
	return [
		plotOf("Replay time by length of history", "ms", ({ replayMs }) => replayMs),
		plotOf("Storage by length of history", "bytes", ({ bytes }) => bytes),
		plotOf("Memory by length of history", "KiB", ({ heapBytes }) => heapBytes / 1024),
	];
}

/** What is too little to measure is drawn as so much. */
const LEAST = 0.1;

function sampleOf(engine: Engine, shape: string, work: Work, entries: number, gc: () => void): GrowthSample {
	const store = new BareStore(undefined);
	live(engine, store, work, entries);
	let bytes = 0;
	for (const { key, value } of store.values.values()) bytes += key.length + value.length;
	const keys = store.values.size;
	const times = Array.from({ length: REPLAYS }, () => {
		const begun = process.cpuUsage();
		live(engine, store, work, entries);
		const { user, system } = process.cpuUsage(begun);
		return (user + system) / 1_000;
	});
	gc();
	const before = process.memoryUsage().heapUsed;
	let heapBytes = 0;
	// The engine is asked for its last sleep only when all before it is replayed, so that its history is in memory by then.
	live(engine, store, work, entries, () => {
		gc();
		heapBytes = Math.max(0, process.memoryUsage().heapUsed - before);
	});
	return { engine: engine.name, shape, entries, keys, bytes, replayMs: Math.min(...times), heapBytes };
}

/** One start of the engine, until it yields. @throws Error when it does not. */
function live({ module }: Engine, store: BareStore, work: Work, entries: number, replayed = () => {}): void {
	const life = new BareLife(store);
	let state: string | undefined;
	const run = async (context: EngineContext) => {
		await work(watched(context, replayed), module, entries);
		replayed();
		await context.sleep("stay", A_YEAR_MS);
	};
	const { result } = module.runWorkflow("workflow", run, null, life, { mode: "yield" });
	result.then((value) => {
		state = value.state;
	});
	drain();
	if (state !== "sleeping") throw new Error(`The history of ${entries} entries came to ${state} instead of a sleep.`);
}

/** A context whose loops tell when they come to their last sleep. */
function watched(context: EngineContext, replayed: () => void): EngineContext {
	return new Proxy(context, {
		get(target, name) {
			const member: unknown = Reflect.get(target, name);
			if (typeof member !== "function") return member;
			if (name === "sleep") {
				return (...args: Parameters<EngineContext["sleep"]>) => {
					replayed();
					return target.sleep(...args);
				};
			}
			if (name !== "loop") return member.bind(target);
			return (config: { run(context: EngineContext, state: unknown): unknown }) =>
				target.loop({
					...config,
					run: (loop: EngineContext, state: unknown) => config.run(watched(loop, replayed), state),
				} as never);
		},
	});
}

function collector(): () => void {
	setFlagsFromString("--expose-gc");
	return runInNewContext("gc") as () => void;
}
