/**
 * Every order of what is pending at the same time. Without latency, all operations that a program has asked for and not yet
 * been answered are due at one instant, and which of them goes first is a choice. The first run always takes the oldest;
 * then every run that departs from one already made in one more choice is made, up to a number of departures (delay-bounded
 * scheduling, Emmi et al., POPL 2011). Without a bound this is every interleaving there is.
 */
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type { ScheduleSearchResult } from "../../../reports/model.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { referenceScenario } from "../draw.ts";
import type { Explorer, Judgement } from "../explorer.ts";

/** Choices up to and including the last departure. */
interface Branch {
	readonly choices: readonly number[];
	readonly departures: number;
}

export class ScheduleSearch {
	readonly #explorer: Explorer;
	readonly #program: Program;
	readonly #scenario: Scenario;
	readonly #departures: number;
	readonly #onJudged: (judgement: Judgement) => void;
	readonly #queue: Branch[] = [{ choices: [], departures: 0 }];
	#next = 0;
	#choices = 0;
	#widest = 1;

	/** @param departures from the oldest-first order in one run; `Infinity` for every interleaving. */
	constructor(
		explorer: Explorer,
		program: Program,
		mode: HostingMode,
		departures: number,
		onJudged: (judgement: Judgement) => void,
	) {
		this.#explorer = explorer;
		this.#program = program;
		this.#scenario = referenceScenario(program, mode);
		this.#departures = departures;
		this.#onJudged = onJudged;
	}

	/** Makes the next run. @returns false when there is none left. */
	step(): boolean {
		const branch = this.#queue[this.#next];
		if (branch === undefined) return false;
		this.#queue[this.#next++] = DONE;
		const { choices, departures } = branch;
		const judgement = this.#explorer.judge(
			{ ...this.#scenario, schedule: { kind: "choices", choices } },
			this.#program,
		);
		this.#onJudged(judgement);
		const { alternatives } = judgement.run;
		this.#choices = Math.max(this.#choices, alternatives.length);
		this.#widest = Math.max(this.#widest, ...alternatives);
		if (departures === this.#departures) return true;
		for (let place = choices.length; place < alternatives.length; place++) {
			const taken = [...choices, ...Array<number>(place - choices.length).fill(0)];
			for (let choice = 1; choice < (alternatives[place] as number); choice++) {
				this.#queue.push({ choices: [...taken, choice], departures: departures + 1 });
			}
		}
		return true;
	}

	result(): ScheduleSearchResult {
		return {
			kind: "schedules",
			program: this.#program.name,
			mode: this.#scenario.hosting.mode,
			...(Number.isFinite(this.#departures) ? { departures: this.#departures } : {}),
			schedules: this.#queue.length,
			explored: this.#next,
			exhausted: this.#next === this.#queue.length,
			choices: this.#choices,
			widest: this.#widest,
		};
	}
}

/** In place of a branch that was run, so that its choices need no memory. */
const DONE: Branch = { choices: [], departures: 0 };
