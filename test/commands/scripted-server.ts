/**
 * A server that says what a test tells it to, and no more: each connection gets Init and then the commands of its place in the
 * script. It has no rules of its own, so that what comes of it is the runner's doing.
 */
import type { Runner, RunningRunner } from "../../drivers/runner/contract.ts";
import { type CommandWrapper, type ToClient, type ToServer, wireOf } from "../../drivers/runner/wire.ts";
import type { FaultPlan } from "../../sim/world/faults.ts";
import { type End, Network } from "../../sim/world/network.ts";
import type { World } from "../../sim/world/world.ts";
import { runWorld } from "../world/in-world.ts";

const LOST_MS = 15_000n;
const STOP_MS = 30_000n;

export const ACTOR = "actor-1";

export interface Connection {
	readonly url: string;
	send(message: ToClient): void;
	close(code: number, reason: string): void;
	/** What the runner said on it, in order. */
	readonly heard: ToServer[];
}

export interface Script {
	/** Called once the runner has said Init and was answered; connections count from 1. */
	readonly onReady: (connection: Connection, count: number, runner: RunningRunner, world: World) => void;
	/** What the user's program does when it is told to start or to stop. */
	readonly onStart?: () => Promise<void>;
	readonly onStop?: () => Promise<void>;
	readonly forMs: number;
	readonly faults?: FaultPlan;
	readonly seed?: string;
}

export interface Talked {
	readonly world: World;
	readonly connections: readonly Connection[];
	/** What the user's program was told: `start 0` and `stop 0` with the generation, and what the runner said of itself. */
	readonly told: readonly string[];
	/** Everything that the runner said, through all connections. */
	readonly heard: readonly ToServer[];
	/** Only those of one kind. */
	heardOf<T extends ToServer["tag"]>(tag: T): Extract<ToServer, { tag: T }>["val"][];
}

/** Has a runner talk with such a server, in a world of its own. */
export async function talk(runner: Runner, script: Script): Promise<Talked> {
	const wire = wireOf(runner.protocols[0] ?? 0);
	if (wire === undefined) throw new Error(`${runner.name} speaks no version that is known.`);
	const connections: Connection[] = [];
	const told: string[] = [];
	const { world } = await runWorld(
		(world) => {
			const network = new Network(world, { latency: { minMs: 1, maxMs: 5 } });
			let running: RunningRunner | undefined;
			world.spawn("server", () => {
				network.listen("server:6420", ({ url, protocols, accept }) => {
					const heard: ToServer[] = [];
					const end: End = accept(
						{
							onMessage: (payload) => {
								const message = wire.decodeToServer(payload as Uint8Array);
								heard.push(message);
								if (message.tag !== "ToServerInit") return;
								connection.send(INIT);
								script.onReady(connection, connections.length, running as RunningRunner, world);
							},
						},
						protocols[0],
					);
					const connection: Connection = {
						url: url.href,
						heard,
						send: (message) => end.send(wire.encodeToClient(message)),
						close: (code, reason) => end.close(code, reason),
					};
					connections.push(connection);
				});
				// Once somebody listens.
				world.spawn("runner", () => {
					running = runner.start(
						{
							endpoint: "http://server:6420",
							namespace: "default",
							runnerName: "pool",
							version: 1,
							totalSlots: 10,
							prepopulateActorNames: {},
						},
						{
							onActorStart: async (_actorId, generation) => {
								told.push(`start ${generation}`);
								await script.onStart?.();
							},
							onActorStop: async (_actorId, generation) => {
								told.push(`stop ${generation}`);
								await script.onStop?.();
							},
							onConnected: () => void told.push("connected"),
							onDisconnected: (code, reason) => void told.push(`disconnected ${code} ${reason}`.trimEnd()),
							onShutdown: () => void told.push("shut down"),
						},
					);
				});
			});
		},
		{ untilMs: script.forMs, maxEvents: 100_000, faults: script.faults ?? [], seed: script.seed ?? "test" },
	);
	const heard = connections.flatMap((connection) => connection.heard);
	return {
		world,
		connections,
		told,
		heard,
		heardOf: (tag) => heard.flatMap((message) => (message.tag === tag ? [message.val as never] : [])),
	};
}

const INIT: ToClient = {
	tag: "ToClientInit",
	val: {
		runnerId: "runner-1",
		metadata: { runnerLostThreshold: LOST_MS, actorStopThreshold: STOP_MS, serverlessDrainGracePeriod: null },
	},
};

export function start(generation: number, index: number): CommandWrapper {
	const config = { name: "thing", key: null, createTs: 0n, input: null };
	return {
		checkpoint: { actorId: ACTOR, generation, index: BigInt(index) },
		inner: { tag: "CommandStartActor", val: { config, hibernatingRequests: [] } },
	};
}

export function stop(generation: number, index: number): CommandWrapper {
	return {
		checkpoint: { actorId: ACTOR, generation, index: BigInt(index) },
		inner: { tag: "CommandStopActor", val: null },
	};
}

export const commands = (...val: readonly CommandWrapper[]): ToClient => ({ tag: "ToClientCommands", val });
