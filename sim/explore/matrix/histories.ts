/**
 * Recorded histories: disks that a published version left when its process died, with all that an engine needs to go on from there
 * and the end that the version itself came to. Whoever reads them one day needs no old version, only its own engine.
 *
 * A file is CBOR: ["faultline-histories", format version, engine, states], the states as deflated CBOR. What happened before is not part of it: random streams begin
 * anew under another seed, so that no id is drawn a second time.
 */
import { isDeepStrictEqual } from "node:util";
import { Encoder } from "cbor-x";
import { deflateSync, inflateSync } from "fflate";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { HostingMode, Outcome } from "../../../drivers/engine/host.ts";
import type { ProbeEvents, StepRule } from "../../../drivers/engine/observe.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import { execute, type Run, type Snapshot } from "../../../suites/run.ts";
import { bytesFromKey, Disk, keyFromBytes } from "../../world/disk.ts";
import { describeFault } from "../../world/faults.ts";
import type { WorldEvents } from "../../world/history.ts";
import { Process } from "../../world/process.ts";
import type { PendingTask } from "../../world/state.ts";
import { referenceScenario } from "../draw.ts";
import type { Explorer } from "../explorer.ts";
import { statesOf } from "./upgrades.ts";

/** Programs of which histories are recorded: their ends do not depend on timing, and no version is known to fail in them. */
export const RECORDED_PROGRAMS: readonly string[] = [
	...["simple", "progress", "timeouts", "exhausted", "fallback", "poll-backoff"],
	...["request-response", "batch-drainer", "reminders", "month-sleep", "ticker", "rollback", "saga"],
];

/** Of each program and way of hosting, so many states, evenly spread over its life. */
const STATES_EACH = 3;
const MODES: readonly HostingMode[] = ["live", "yield"];

/**
 * What an engine that goes on from the state must come to. How often a failing step is tried is not part of it: versions count
 * retries in different ways.
 */
export interface ExpectedEnd {
	readonly outcome: Outcome;
	/** Everything that was done to the outside by then, before the state too, each once and sorted. */
	readonly effects: readonly string[];
	/** Steps that had given their value to the workflow, and must not run again; sorted. */
	readonly committed: readonly string[];
}

export interface RecordedState {
	readonly program: string;
	readonly mode: HostingMode;
	/** The crash that left it, in words. */
	readonly plan: string;
	readonly nowMs: number;
	readonly sequence: number;
	/** Process lives so far. */
	readonly lives: number;
	/** How often each effect on the outside took place. */
	readonly counts: readonly (readonly [label: string, count: number])[];
	readonly tasks: readonly PendingTask[];
	readonly stepRules: readonly (readonly [key: string, rule: StepRule])[];
	/** The disk, table by table. */
	readonly tables: readonly (readonly [
		table: string,
		entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
	])[];
	readonly expected: ExpectedEnd;
}

/** The states to keep of the explorer's version: the ones that it finishes itself as it should. */
export function recordHistories(explorer: Explorer): RecordedState[] {
	const states: RecordedState[] = [];
	for (const name of RECORDED_PROGRAMS) {
		const program = explorer.programs.find((candidate) => candidate.name === name);
		if (program === undefined) continue;
		for (const mode of MODES) {
			// A state before anything was written tells nothing of a version.
			const all = statesOf(explorer, program, mode).filter(({ snapshot }) => kvEntries(snapshot) > 0);
			const whole = explorer.reference(program, mode).outcome;
			for (let i = 1; i <= STATES_EACH; i++) {
				// What the version itself does not finish, where it lost a message say, is no measure: take the next one.
				for (const state of all.slice(Math.floor((i * all.length) / (STATES_EACH + 1)))) {
					const recorded = stateFrom(program, mode, state.faults.map(describeFault).join("; "), state.snapshot);
					const committed = committedIn(state.snapshot);
					const run = goOn(explorer, recorded, program);
					if (!isDeepStrictEqual(run.outcome, whole) || ranAgain(run, committed).length > 0) continue;
					states.push({
						...recorded,
						expected: { outcome: run.outcome, committed, effects: effectsOf(run, recorded) },
					});
					break;
				}
			}
		}
	}
	return states;
}

/** In what the engine ends otherwise than the version that left the state; empty when it ends as it should. */
export function checkHistory(explorer: Explorer, state: RecordedState): string[] {
	const program = explorer.programs.find(({ name }) => name === state.program);
	if (program === undefined) {
		return [`there is no program ${state.program}: histories of it are to be recorded anew without it`];
	}
	const run = goOn(explorer, state, program);
	const { expected } = state;
	const show = (value: unknown) => JSON.stringify(value);
	const again = ranAgain(run, expected.committed);
	const effects = effectsOf(run, state);
	return [
		...(isDeepStrictEqual(run.outcome, expected.outcome)
			? []
			: [`ends with ${show(run.outcome)} instead of ${show(expected.outcome)}`]),
		...(again.length === 0 ? [] : [`runs committed steps again: ${again.join(", ")}`]),
		...(isDeepStrictEqual(effects, expected.effects)
			? []
			: [`has done ${effects.join(", ")} by its end instead of ${expected.effects.join(", ")}`]),
	];
}

/** Virtual milliseconds that a run gets from a state. */
const UNTIL_MS = 400 * 86_400_000;

function goOn(explorer: Explorer, state: Omit<RecordedState, "expected">, program: Program): Run {
	const scenario = { ...referenceScenario(program, state.mode), seed: "recorded" };
	return execute(scenario, program, explorer.target, { from: snapshotFrom(state), untilMs: UNTIL_MS });
}

function effectsOf(run: Run, { counts }: Pick<RecordedState, "counts">): string[] {
	const labels = run.of("effect").map(({ data }) => (data as WorldEvents["effect"]).label);
	return [...new Set([...counts.map(([label]) => label), ...labels])].sort();
}

function ranAgain(run: Run, committed: readonly string[]): string[] {
	const bodies = new Set(run.of("body.start").map(({ data }) => (data as ProbeEvents["body.start"]).key));
	return committed.filter((key) => bodies.has(key));
}

/** Steps that had returned; ephemeral ones apart, which are durable with the next flush only. */
function committedIn({ world, stepRules }: Snapshot): string[] {
	const returned = world.history
		.filter(({ kind }) => kind === "step.return")
		.map(({ data }) => (data as ProbeEvents["step.return"]).key);
	return [...new Set(returned)].filter((key) => stepRules.get(key)?.ephemeral !== true).sort();
}

function kvEntries({ world }: Snapshot): number {
	let entries = 0;
	for (const [name, tree] of world.image.tables) if (name.endsWith("/kv")) entries += tree.size;
	return entries;
}

function stateFrom(
	program: Program,
	mode: HostingMode,
	plan: string,
	{ world, stepRules }: Snapshot,
): Omit<RecordedState, "expected"> {
	const tables: [string, [Uint8Array, Uint8Array][]][] = [];
	for (const [name, tree] of world.image.tables) {
		const entries: [Uint8Array, Uint8Array][] = [];
		tree.forEachPair((key, value) => {
			entries.push([bytesFromKey(key), value]);
		});
		tables.push([name, entries]);
	}
	const { nowMs, sequence, lives, counts, tasks } = world;
	return {
		...{ program: program.name, mode, plan, nowMs, sequence, lives },
		...{ counts: [...counts], tasks: [...tasks], stepRules: [...stepRules], tables },
	};
}

function snapshotFrom(state: Omit<RecordedState, "expected">): Snapshot {
	const disk = new Disk((_process, _what, mutations, apply) => {
		apply(mutations);
		return true;
	});
	const recorder = new Process(0, "recorded");
	for (const [table, entries] of state.tables) {
		const mutations = entries.map(([key, value]) => ({ table, key: keyFromBytes(key), value }));
		disk.commit(recorder, "recorded", mutations);
	}
	const { nowMs, sequence, lives, tasks } = state;
	return {
		world: {
			...{ nowMs, sequence, lives, tasks, events: 0, writes: 0, operations: 0, alarms: 0 },
			...{ fired: new Set(), streams: new Map(), image: disk.image(), history: [] },
			counts: new Map(state.counts),
		},
		host: { outcome: undefined, revisited: false, rejections: 0 },
		stepRules: new Map(state.stepRules),
	};
}

const MAGIC = "faultline-histories";
const FORMAT = 1;
const encoder = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true });

export function encodeHistories(engine: string, states: readonly RecordedState[]): Uint8Array {
	return encoder.encode([MAGIC, FORMAT, engine, deflateSync(encoder.encode(states))]);
}

/** The inverse of `encodeHistories`. @throws UsageError when the bytes are none. */
export function decodeHistories(bytes: Uint8Array, file: string): { engine: string; states: readonly RecordedState[] } {
	let content: unknown;
	try {
		content = encoder.decode(bytes);
	} catch {
		content = undefined;
	}
	if (!Array.isArray(content) || content[0] !== MAGIC) {
		throw new UsageError(`${file} holds no recorded histories; record them by: pnpm sim histories --update`);
	}
	if (content[1] !== FORMAT) throw new UsageError(`${file} has format ${content[1]}; this version reads ${FORMAT}.`);
	return { engine: content[2] as string, states: encoder.decode(inflateSync(content[3])) as RecordedState[] };
}
