/**
 * A host of a server and its runners: each in a process of its own, over one network, started again after a crash. It carries out
 * a script: what is asked of the server from outside, which runners come and go, what actors do once they run.
 *
 * Whoever asks something of the server asks again until it has been told that it is durable, also of a server that was started
 * again meanwhile. What runs in actors is told by the actors, not by what runs them.
 */
import type { Network } from "../../sim/world/network.ts";
import type { Process } from "../../sim/world/process.ts";
import type { World } from "../../sim/world/world.ts";
import {
	type ActorScript,
	type CommandScript,
	type CommandStep,
	type NewActor,
	type Runner,
	type RunnerCallbacks,
	type RunningRunner,
	type RunningServer,
	type Server,
	type ServerSettings,
	USUAL_THRESHOLDS,
	type WildPeer,
} from "./contract.ts";
import { WorldStore } from "./store.ts";
import { goWild } from "./wild.ts";
import type { ProtocolVersion } from "./wire.ts";

export const SERVER_HOST = "server:6420";
export const NAMESPACE = "default";
export const POOL = "pool";

/** The shapes of the events a host writes, by kind. */
export interface CommandHostEvents {
	/** A process of that role began its work. */
	"role.begins": { role: "server" | "runner" | "wild"; name: string };
	/** Something was asked of the server from outside, or was told to be durable. */
	"asked.of-server": { what: string; actorId: string };
	"asked.confirmed": { what: string; actorId: string };
	/** A user's callback was called, and came to its end. */
	"user.start": { actorId: string; generation: number };
	"user.started": { actorId: string; generation: number };
	"user.stop": { actorId: string; generation: number };
	"user.stopped": { actorId: string; generation: number };
	/** It threw, which is the end of the call. */
	"user.failed": { actorId: string; generation: number; callback: "start" | "stop" };
	/** What an actor asked of its runner. */
	"user.asks": { actorId: string; generation: number; what: string };
	/** A runner told its program how it stands with the server. */
	"runner.connected": { runnerId: string | undefined };
	"runner.disconnected": { code: number; reason: string };
	"runner.shutdown": Record<string, never>;
	/** A peer that does not keep to the protocol begins, over that connection, or was told that it is over. */
	"wild.begins": { how: WildPeer };
	"wild.over": { how: WildPeer; code: number; reason: string };
}

export interface CommandHosting {
	/** Virtual milliseconds from a crash to the next life. */
	readonly serverRestartMs: number;
	readonly runnerRestartMs: number;
	/** Version of the protocol that runners are to speak; the newest of theirs when absent, or when they do not speak it. */
	readonly protocol?: ProtocolVersion;
	/** The newest version that the server is to speak; its own newest when absent. */
	readonly serverProtocol?: ProtocolVersion;
}

interface Ask {
	readonly what: "create" | "destroy" | "wake";
	readonly actorId: string;
	confirmed: boolean;
}

interface HostedRunner {
	readonly name: string;
	readonly version: number;
	/** Absent until it runs. */
	running?: RunningRunner;
}

export class CommandHost {
	readonly #world: World;
	readonly #network: Network;
	readonly #server: Server;
	readonly #runner: Runner;
	readonly #script: CommandScript;
	readonly #hosting: CommandHosting;
	readonly #actors: ReadonlyMap<string, ActorScript>;
	readonly #asks: Ask[] = [];
	readonly #runners = new Map<Process, HostedRunner>();
	#serving: { readonly process: Process; readonly running: RunningServer } | undefined;

	constructor(
		world: World,
		network: Network,
		target: { readonly server: Server; readonly runner: Runner },
		script: CommandScript,
		hosting: CommandHosting,
	) {
		this.#world = world;
		this.#network = network;
		this.#server = target.server;
		this.#runner = target.runner;
		this.#script = script;
		this.#hosting = hosting;
		this.#actors = new Map(script.actors.map((actor) => [actor.actorId, actor]));
		world.onCrash((process) => this.#onCrash(process));
	}

	/** Has it all begin: the first event of the run. */
	begin(): void {
		const world = this.#world;
		this.#serve();
		for (const step of this.#script.steps) world.schedule(world.outside, step.atMs, () => this.#do(step));
	}

	#do(step: CommandStep): void {
		switch (step.does) {
			case "create":
			case "destroy":
			case "wake":
				this.#ask({ what: step.does, actorId: step.actorId, confirmed: false });
				return;
			case "runner":
				this.#run(step.runner, step.version);
				return;
			case "shutdown":
				for (const [process, { name, running }] of this.#runners) {
					if (name !== step.runner) continue;
					this.#world.schedule(process, 0, () => void running?.shutdown(step.immediate));
				}
				return;
			case "garble":
				for (const end of this.#network.open("server")) {
					this.#world.schedule(end.process, 0, () => end.send(GARBAGE));
				}
				return;
			case "wild":
				this.#world.spawn(`wild ${step.how}`, () => {
					this.#note("role.begins", { role: "wild", name: step.how });
					this.#note("wild.begins", { how: step.how });
					goWild(step.how, this.#network, {
						host: SERVER_HOST,
						namespace: NAMESPACE,
						actors: this.#script.actors.map(({ actorId }) => actorId),
						onOver: (code, reason) => this.#note("wild.over", { how: step.how, code, reason }),
					});
				});
		}
	}

	#serve(): void {
		const world = this.#world;
		world.spawn("server", (process) => {
			this.#note("role.begins", { role: "server", name: "server" });
			const { thresholds, drainsOlderVersions = false } = this.#script;
			const settings: ServerSettings = {
				namespaces: [NAMESPACE],
				thresholds: { ...USUAL_THRESHOLDS, ...thresholds },
				drainsOlderVersions,
				...(this.#hosting.serverProtocol === undefined ? {} : { newestProtocol: this.#hosting.serverProtocol }),
			};
			const running = this.#server.start(
				{
					store: new WorldStore(world, process),
					listen: (onAsk) => this.#network.listen(SERVER_HOST, onAsk),
					note: (kind, data) => world.note(kind, data),
				},
				settings,
			);
			this.#serving = { process, running };
			for (const ask of this.#asks) if (!ask.confirmed) this.#carryOut(ask);
		});
	}

	#ask(ask: Ask): void {
		this.#asks.push(ask);
		this.#note("asked.of-server", { what: ask.what, actorId: ask.actorId });
		const serving = this.#serving;
		if (serving?.process.alive !== true) return;
		this.#world.schedule(serving.process, 0, () => this.#carryOut(ask));
	}

	/** Within an event of the server. */
	#carryOut(ask: Ask): void {
		const running = this.#serving?.running;
		if (running === undefined) return;
		const { what, actorId } = ask;
		const carriedOut =
			what === "create"
				? running.createActor(this.#newActor(actorId))
				: what === "destroy"
					? running.destroyActor(actorId)
					: running.wakeActor(actorId);
		void carriedOut.then(() => {
			ask.confirmed = true;
			this.#note("asked.confirmed", { what, actorId });
		});
	}

	#newActor(actorId: string): NewActor {
		const crashPolicy = this.#actors.get(actorId)?.crashPolicy ?? "restart";
		return { actorId, name: "actor", key: null, input: INPUT, crashPolicy, runnerName: POOL };
	}

	#run(name: string, version: number): void {
		const world = this.#world;
		const hosted: HostedRunner = { name, version };
		const started = world.spawn(name, (process) => {
			this.#note("role.begins", { role: "runner", name });
			const { protocol } = this.#hosting;
			const speaks = protocol !== undefined && this.#runner.protocols.includes(protocol);
			const live = new Set<string>();
			hosted.running = this.#runner.start(
				{
					endpoint: `http://${SERVER_HOST}`,
					namespace: NAMESPACE,
					runnerName: POOL,
					version,
					totalSlots: 100,
					prepopulateActorNames: { actor: { metadata: { kind: "scripted" } } },
					metadata: { runner: name },
					...(speaks ? { protocol } : {}),
				},
				this.#callbacks(process, live),
			);
		});
		this.#runners.set(started, hosted);
	}

	#callbacks(process: Process, live: Set<string>): RunnerCallbacks {
		const running = () => this.#runners.get(process)?.running;
		const idOf = (actorId: string, generation: number) => `${actorId}/${generation}`;
		return {
			onActorStart: async (actorId, generation) => {
				const script = this.#actors.get(actorId);
				this.#note("user.start", { actorId, generation });
				await passes(script?.startMs);
				if (script?.failsToStart?.includes(generation) === true) {
					this.#note("user.failed", { actorId, generation, callback: "start" });
					throw new Error("the actor does not want to start");
				}
				this.#note("user.started", { actorId, generation });
				live.add(idOf(actorId, generation));
				this.#live(script, generation, running, () => live.has(idOf(actorId, generation)));
			},
			onActorStop: async (actorId, generation) => {
				const script = this.#actors.get(actorId);
				live.delete(idOf(actorId, generation));
				this.#note("user.stop", { actorId, generation });
				await passes(script?.stopMs);
				if (script?.failsToStop?.includes(generation) === true) {
					this.#note("user.failed", { actorId, generation, callback: "stop" });
					throw new Error("the actor does not want to stop");
				}
				this.#note("user.stopped", { actorId, generation });
			},
			onConnected: () => this.#note("runner.connected", { runnerId: running()?.runnerId }),
			onDisconnected: (code, reason) => this.#note("runner.disconnected", { code, reason }),
			onShutdown: () => {
				this.#note("runner.shutdown", {});
				this.#runners.delete(process);
				// Whoever embeds a runner that is over has nothing left to do.
				setTimeout(() => this.#world.exit(process, "its runner was shut down"), EXIT_MS);
			},
		};
	}

	/** What an actor does while it runs. */
	#live(
		script: ActorScript | undefined,
		generation: number,
		running: () => RunningRunner | undefined,
		isLive: () => boolean,
	): void {
		if (script === undefined) return;
		const { actorId } = script;
		for (const { afterMs, does, ms = 0, generations } of script.life) {
			if (generations !== undefined && !generations.includes(generation)) continue;
			setTimeout(() => {
				const runner = running();
				if (runner === undefined || !isLive()) return;
				this.#note("user.asks", { actorId, generation, what: does });
				if (does === "sleep") runner.sleepActor(actorId, generation);
				else if (does === "stop") runner.stopActor(actorId, generation);
				else if (does === "alarm") runner.setAlarm(actorId, Date.now() + ms, generation);
				else if (runner.destroyActor === undefined) runner.stopActor(actorId, generation);
				else runner.destroyActor(actorId, generation);
			}, afterMs);
		}
	}

	#onCrash(process: Process): void {
		const world = this.#world;
		if (this.#serving?.process === process || process.name === "server") {
			this.#serving = undefined;
			world.schedule(world.outside, this.#hosting.serverRestartMs, () => this.#serve());
			return;
		}
		const hosted = this.#runners.get(process);
		if (hosted === undefined) return;
		this.#runners.delete(process);
		world.schedule(world.outside, this.#hosting.runnerRestartMs, () => this.#run(hosted.name, hosted.version));
	}

	#note<K extends keyof CommandHostEvents>(kind: K, data: CommandHostEvents[K]): void {
		this.#world.note(kind, data);
	}
}

const GARBAGE = new Uint8Array([0xff, 0xfe, 0xfd]);
const INPUT = new Uint8Array([1, 2, 3]);
/** Milliseconds that a process lives on once its runner is over. */
const EXIT_MS = 1_000;

function passes(ms: number | undefined): Promise<void> | undefined {
	return ms === undefined || ms === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, ms));
}
