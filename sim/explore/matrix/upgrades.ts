/**
 * Every ordered pair of versions: each durable state that one leaves when it is stopped, finished under the other. A state is
 * made once, by the version that owns it; whoever goes on does so from its snapshot, and no prefix is run again.
 *
 *   for (const _ of new Upgrades(targets, PROGRAMS, { modes: ["live"], downgrades: false }).steps()) ;
 *
 * What the owner of a state does wrong from it too is its own failure, and so is what the version that goes on does wrong in
 * that program by itself: neither is told here. Only what it takes both versions to break is.
 */
import type { Engine } from "../../../drivers/engine/contract.ts";
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type { UpgradeFailure, UpgradePair, UpgradeResult } from "../../../reports/model.ts";
import { type ExecuteOptions, execute, type Run, type Snapshot, type Target } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { brokenBy, causeOf, versionUpgrade } from "../../../suites/upgrade.ts";
import { getOrInsert } from "../../world/collections.ts";
import { describeFault, type FaultPlan } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { referenceScenario } from "../draw.ts";
import { Explorer } from "../explorer.ts";
import { CrashSearch } from "../search/crashes.ts";

export interface UpgradeOptions {
	readonly modes: readonly HostingMode[];
	/** Whether to finish states under older versions too. */
	readonly downgrades: boolean;
}

/** A durable state of a program, and what its owner made of it. */
export interface OwnedState {
	readonly faults: FaultPlan;
	readonly snapshot: Snapshot;
	readonly finished: Run;
}

/** Virtual milliseconds that a run gets from a state, beyond twice its uninterrupted length. */
const SLACK_MS = 1_200_000;

interface Pair {
	readonly programs: Set<string>;
	states: number;
	readonly failures: Map<string, { runs: number; programs: Set<string>; example: UpgradeFailure["example"] }>;
	readonly excused: Map<string, number>;
}

export class Upgrades {
	readonly #explorers: readonly Explorer[];
	readonly #programs: readonly Program[];
	readonly #options: UpgradeOptions;
	readonly #pairs = new Map<string, Pair>();
	readonly #problems = new Set<string>();
	/** Programs and modes so far, runs so far. */
	done = 0;
	runs = 0;
	#finished = false;

	/** @param targets oldest first. */
	constructor(targets: readonly Target[], programs: readonly Program[], options: UpgradeOptions) {
		this.#explorers = targets.map((target) => new Explorer(target, programs, []));
		this.#programs = programs;
		this.#options = options;
	}

	/** How many programs and modes there are to do. */
	get total(): number {
		return this.#programs.length * this.#options.modes.length;
	}

	/** Makes the runs, one between two steps or so. Each step is to be taken in a macrotask. */
	*steps(): Generator<void> {
		for (const program of this.#programs) {
			for (const mode of this.#options.modes) {
				yield* this.#program(program, mode);
				this.done++;
			}
		}
		this.#finished = true;
	}

	result(): UpgradeResult {
		const pairs: UpgradePair[] = [];
		for (const [from, to] of this.#ordered()) {
			const pair = this.#pair(from, to);
			pairs.push({
				from: nameOf(from),
				to: nameOf(to),
				direction: this.#isUpgrade(from, to) ? "upgrade" : "downgrade",
				programs: pair.programs.size,
				states: pair.states,
				failures: [...pair.failures]
					.sort(([a], [b]) => (a < b ? -1 : 1))
					.map(([kind, { runs, programs, example }]) => ({ kind, runs, programs: [...programs], example })),
				excused: Object.fromEntries([...pair.excused].sort(([a], [b]) => (a < b ? -1 : 1))),
			});
		}
		return {
			...{ property: versionUpgrade.id, modes: this.#options.modes, pairs },
			...{ problems: [...this.#problems], interrupted: !this.#finished },
		};
	}

	*#program(program: Program, mode: HostingMode): Generator<void> {
		const owners = this.#explorers.filter((explorer) => explorer.programs.includes(program));
		const states = new Map<Explorer, OwnedState[]>();
		/** What each version breaks by itself, by cause. */
		const alone = new Map<Explorer, Set<string>>();
		for (const explorer of owners) {
			const own: OwnedState[] = [];
			const causes = new Set<string>();
			const reference = explorer.reference(program, mode);
			for (const violation of brokenBy(reference, reference)) causes.add(causeOf(violation));
			for (const state of this.#statesOf(explorer, program, mode)) {
				own.push(state);
				for (const violation of brokenBy(state.finished, reference)) causes.add(causeOf(violation));
				yield;
			}
			states.set(explorer, own);
			alone.set(explorer, causes);
		}
		for (const [from, to] of this.#ordered()) {
			const own = states.get(from);
			const excused = alone.get(to);
			if (own === undefined || excused === undefined) continue;
			this.#pair(from, to).programs.add(program.name);
			for (const state of own) {
				this.#goOn(from, to, state, excused);
				yield;
			}
		}
	}

	*#statesOf(explorer: Explorer, program: Program, mode: HostingMode): Generator<OwnedState> {
		for (const { faults, snapshot } of statesOf(explorer, program, mode)) {
			this.runs++;
			const finished = this.#guarded(() => finish(explorer, faults, snapshot, program, mode));
			if (finished !== undefined) yield { faults, snapshot, finished };
		}
	}

	#goOn(from: Explorer, to: Explorer, { faults, snapshot, finished }: OwnedState, excused: ReadonlySet<string>): void {
		const { program, scenario } = finished;
		const { mode } = scenario.hosting;
		const run = this.#guarded(() => finish(to, faults, snapshot, program, mode));
		if (run === undefined) return;
		this.runs++;
		const pair = this.#pair(from, to);
		pair.states++;
		for (const violation of versionUpgrade.check(run, finished, to.reference(program, mode))) {
			const cause = causeOf(violation);
			if (excused.has(cause)) {
				pair.excused.set(cause, (pair.excused.get(cause) ?? 0) + 1);
				continue;
			}
			const { kind, message } = violation;
			const plan = faults.map(describeFault).join("; ");
			const failure = getOrInsert(pair.failures, kind, () => ({
				runs: 0,
				programs: new Set<string>(),
				example: {
					...{ program: program.name, mode, plan, message },
					command: upgradeCommand(from.target.engine, to.target.engine, scenario, plan),
				},
			}));
			failure.runs++;
			failure.programs.add(program.name);
		}
	}

	#guarded<T>(work: () => T): T | undefined {
		try {
			return work();
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			this.#problems.add(error.message);
			return undefined;
		}
	}

	*#ordered(): Generator<readonly [Explorer, Explorer]> {
		for (const from of this.#explorers) {
			for (const to of this.#explorers) {
				if (from !== to && (this.#options.downgrades || this.#isUpgrade(from, to))) yield [from, to];
			}
		}
	}

	#isUpgrade(from: Explorer, to: Explorer): boolean {
		return this.#explorers.indexOf(from) < this.#explorers.indexOf(to);
	}

	#pair(from: Explorer, to: Explorer): Pair {
		return getOrInsert(this.#pairs, `${nameOf(from)} ${nameOf(to)}`, () => ({
			...{ programs: new Set<string>(), states: 0, failures: new Map(), excused: new Map() },
		}));
	}
}

/** Every distinct durable state in which an uninterrupted run of the program can be stopped, with the crash that does. */
export function statesOf(
	explorer: Explorer,
	program: Program,
	mode: HostingMode,
): { readonly faults: FaultPlan; readonly snapshot: Snapshot }[] {
	const states: { faults: FaultPlan; snapshot: Snapshot }[] = [];
	const search = new CrashSearch(explorer, program, mode, {
		...{ depth: 1, kinds: new Set(), onJudged: () => {} },
		onProblem: (problem) => {
			throw new HarnessError("states", problem);
		},
		onState: (faults, snapshot) => states.push({ faults, snapshot }),
	});
	// The first step is the uninterrupted run, which passes through all of them.
	search.step();
	return states;
}

/** Goes on from a state, whoever left it, to the end. @throws HarnessError when the run left its world. */
export function finish(
	explorer: Explorer,
	faults: FaultPlan,
	from: Snapshot,
	program: Program,
	mode: HostingMode,
	options: Pick<ExecuteOptions, "untilMs"> = {},
): Run {
	const untilMs = options.untilMs ?? 2 * explorer.reference(program, mode).endMs + SLACK_MS;
	return execute({ ...referenceScenario(program, mode), faults }, program, explorer.target, { from, untilMs });
}

/** The command that shows one state of one version go on under another. */
export function upgradeCommand(from: Engine, to: Engine, { program, hosting }: Scenario, plan: string): string {
	return `pnpm sim upgrade --engine ${from.name},${to.name} --program ${program} --mode ${hosting.mode} --plan "${plan}"`;
}

function nameOf({ target }: Explorer): string {
	return target.engine.name;
}
