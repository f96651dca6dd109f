/**
 * A host with no more in it than the tests of a runtime need: it starts the actor, starts it again a second after a crash, lets it
 * sleep and wakes it for its alarm and its clients, who ask once and do not ask again.
 */
import type { ActorDefinition, ActorInstance, ActorPlatform, ActorTarget } from "../../drivers/actor/contract.ts";
import type { FaultPlan } from "../../sim/world/faults.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import type { Process } from "../../sim/world/process.ts";
import { EPOCH_MS, World } from "../../sim/world/world.ts";

/** What is done from outside, and when, in virtual milliseconds. */
export type Ask = { readonly at: number } & (
	| { readonly send: readonly [name: string, body: unknown] }
	| { readonly wait: readonly [name: string, body: unknown, timeoutMs: number] }
	| { readonly act: readonly [name: string, ...input: unknown[]] }
	| { readonly stop: "sleep" | "destroy" }
);

const RESTART_MS = 1_000;
const LIMITS = { untilMs: 600_000, maxEvents: 20_000 };
const LATENCY = { minMs: 0, maxMs: 5, answerMaxMs: 0 };

export interface Played {
	readonly world: World;
	/** What each ask came to, in its place; undefined where nothing came of it. */
	readonly answers: readonly unknown[];
	readonly image: ReturnType<ReturnType<ActorTarget["ground"]>["image"]>;
	readonly destroyed: boolean;
	/** Data of the events of that kind, in order. */
	told(kind: string): unknown[];
}

export function play(
	target: ActorTarget,
	definition: ActorDefinition,
	asks: readonly Ask[],
	faults: FaultPlan = [],
	seed = "1",
): Promise<Played> {
	return inMacrotask(() => {
		const world = new World({ seed, faults, latency: LATENCY });
		const stage = new Stage(world, target, definition, asks);
		world.run(() => stage.begin(), LIMITS);
		return {
			world,
			answers: stage.answers,
			image: stage.ground.image(),
			destroyed: stage.ground.destroyed(),
			told: (kind) => world.history.events.filter((event) => event.kind === kind).map(({ data }) => data),
		};
	});
}

class Stage {
	readonly answers: unknown[] = [];
	readonly ground;
	readonly #world: World;
	readonly #target: ActorTarget;
	readonly #definition: ActorDefinition;
	readonly #asks: readonly Ask[];
	#process: Process | undefined;
	#instance: ActorInstance | undefined;
	#stopping = false;
	#alarm: { run: (() => void) | undefined } | undefined;
	/** What is done once the actor is awake. */
	readonly #onceAwake: ((instance: ActorInstance) => void)[] = [];

	constructor(world: World, target: ActorTarget, definition: ActorDefinition, asks: readonly Ask[]) {
		this.#world = world;
		this.#target = target;
		this.#definition = definition;
		this.#asks = asks;
		this.ground = target.ground(world, "actor");
	}

	begin(): void {
		this.#world.onCrash(() => {
			this.#ended();
			this.#world.schedule(this.#world.outside, RESTART_MS, () => this.#wake());
		});
		this.#asks.forEach((ask, place) => {
			this.#world.schedule(this.#world.outside, ask.at, () =>
				this.#reach((instance) => this.#do(ask, place, instance)),
			);
		});
		this.#wake();
	}

	#do(ask: Ask, place: number, instance: ActorInstance): void {
		if ("stop" in ask) {
			this.#stop(ask.stop);
			return;
		}
		const token = `ask ${place}`;
		const asked =
			"send" in ask
				? instance.send(...ask.send, token)
				: "wait" in ask
					? instance.sendAndWait(...ask.wait, token)
					: instance.act(ask.act[0], ask.act.slice(1));
		asked.then(
			(answer) => {
				this.answers[place] = answer;
			},
			(error: Error & { readonly code?: string }) => {
				this.answers[place] = error.code ?? error.message;
			},
		);
	}

	#reach(run: (instance: ActorInstance) => void): void {
		if (this.ground.destroyed()) return;
		const instance = this.#instance;
		if (instance !== undefined && !this.#stopping) {
			this.#world.schedule(this.#process as Process, 0, () => run(instance));
			return;
		}
		this.#onceAwake.push(run);
		this.#wake();
	}

	#wake(): void {
		if (this.#process !== undefined || this.ground.destroyed()) return;
		this.#process = this.#world.spawn("actor", (process) => {
			const config = this.#definition(this.#target.surface, {
				call: (label, about) => this.#world.call(process, label, about),
				delay: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
				nowMs: () => Date.now(),
				tell: (what, data) => this.#world.note(what, data, process),
				life: process.id,
			});
			void this.ground.start(process, config, this.#platform(process)).then((instance) => {
				this.#instance = instance;
				this.#planAlarm();
				for (const run of this.#onceAwake.splice(0)) run(instance);
			});
		});
	}

	#platform(process: Process): ActorPlatform {
		const note = (kind: string, data: unknown) => this.#world.note(kind, data, process);
		return {
			sleepRequested: () => this.#stop("sleep"),
			destroyRequested: () => this.#stop("destroy"),
			alarmChanged: () => this.#planAlarm(),
			broadcasted: (event, values) => note("broadcast", [event, ...values]),
			runEnded: (error) => note("run.ended", error instanceof Error ? error.message : "completed"),
			broken: () => this.#world.crash(process, "broken"),
			log: (level, text) => note("said", `${level}: ${text}`),
			client: {},
		};
	}

	#stop(how: "sleep" | "destroy"): void {
		const [process, instance] = [this.#process, this.#instance];
		if (this.#stopping || process === undefined || instance === undefined) return;
		this.#stopping = true;
		void instance[how]().then(() => {
			this.#world.exit(process, how);
			this.#ended();
			this.#planAlarm();
			if (this.#onceAwake.length > 0) this.#wake();
		});
	}

	#ended(): void {
		this.#process = undefined;
		this.#instance = undefined;
		this.#stopping = false;
	}

	/** The alarm that is set goes off when it is due, and while the actor stops, after that. */
	#planAlarm(): void {
		if (this.#alarm !== undefined) this.#alarm.run = undefined;
		const at = this.ground.alarm();
		if (at === undefined || this.ground.destroyed()) return;
		const delayMs = Math.max(0, at - EPOCH_MS - this.#world.nowMs);
		this.#alarm = this.#world.schedule(this.#world.outside, delayMs, () => {
			if (this.#stopping) return;
			this.ground.clearAlarm();
			this.#reach((instance) => void instance.alarm());
		});
	}
}
