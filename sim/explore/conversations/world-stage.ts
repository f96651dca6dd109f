/**
 * A conversation's stage in a world, with a server from the runner contract: the same conversation, the same gate, and virtual time.
 * Nothing fails but what the row cuts, so that what differs from a real server is the server's doing.
 */

import {
	type NewActor,
	type RunningServer,
	type Server,
	type ServerEvents,
	type ServerSettings,
	type ServerThresholds,
	USUAL_THRESHOLDS,
} from "../../../drivers/runner/contract.ts";
import { WorldStore } from "../../../drivers/runner/store.ts";
import type { Probe } from "../../../fixtures/conversations/probes.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { type End, Network } from "../../world/network.ts";
import type { Process } from "../../world/process.ts";
import { World } from "../../world/world.ts";
import type { Held, Line, LineListener, Patience, Row, Stage } from "./converse.ts";
import type { Gate } from "./gate.ts";
import { holdProbe, type Probed, type ProbeStage } from "./probe.ts";
import { ACTOR_LIMIT_MS, RUNNER_THRESHOLDS } from "./rivet-engine.ts";
import { observe } from "./rows.ts";

const HOST = "server:6420";
const NAMESPACE = "default";
const POOL = "pool";

const PATIENCE: Patience = { signMs: 25_000, quietMs: 500 };

/** Far beyond what a conversation takes, in virtual time and in events. */
const LIMITS = { untilMs: 3_600_000, maxEvents: 200_000 };
const LATENCY = { minMs: 1, maxMs: 5 };

/** Holds a row with a server of that kind. @throws Error when its cut never fell, or a sign never showed. */
export function observeInWorld(row: Row, server: Server): Promise<Held> {
	const limitMs = ACTOR_LIMIT_MS[row.conversation.hasty === true ? "hasty" : "patient"];
	return inWorld(server, { actorStartMs: limitMs, actorStopMs: limitMs }, (served) =>
		observe(row, stageOf(served), POOL, PATIENCE),
	);
}

/** Holds a probe with a server of that kind. */
export function probeInWorld(probe: Probe, server: Server): Promise<Probed> {
	return inWorld(server, {}, (served) => holdProbe(probe, probesOf(served), "probe", POOL));
}

interface Served {
	readonly world: World;
	readonly network: Network;
	readonly serving: Serving;
	readonly runner: Process;
}

/** The server's process of the moment. */
class Serving {
	readonly #world: World;
	readonly #network: Network;
	readonly #server: Server;
	readonly #settings: ServerSettings;
	#process: Process | undefined;
	#running: RunningServer | undefined;

	constructor(world: World, network: Network, server: Server, settings: ServerSettings) {
		this.#world = world;
		this.#network = network;
		this.#server = server;
		this.#settings = settings;
	}

	/** @param then called once it serves, as an event of its. */
	start(then: () => void): void {
		const world = this.#world;
		world.spawn("server", (process) => {
			this.#process = process;
			this.#running = this.#server.start(
				{
					store: new WorldStore(world, process),
					listen: (onAsk) => this.#network.listen(HOST, onAsk),
					note: (kind, data) => world.note(kind, data),
				},
				this.#settings,
			);
			then();
		});
	}

	get process(): Process {
		return this.#process as Process;
	}

	get running(): RunningServer {
		return this.#running as RunningServer;
	}
}

async function inWorld<T>(
	server: Server,
	thresholds: Partial<ServerThresholds>,
	work: (served: Served) => Promise<T>,
): Promise<T> {
	const world = new World({ seed: "conversation" });
	let result: { readonly value: T } | { readonly error: unknown } | undefined;
	const begin = () => {
		const network = new Network(world, { latency: LATENCY });
		const settings = {
			namespaces: [NAMESPACE],
			thresholds: { ...THRESHOLDS, ...thresholds },
			drainsOlderVersions: false,
		};
		const serving = new Serving(world, network, server, settings);
		serving.start(() => {
			world.spawn("runner", (runner) => {
				const end = (ended: typeof result) => {
					result = ended;
					for (const living of [serving.process, runner]) world.exit(living, "the conversation is over");
				};
				work({ world, network, serving, runner }).then(
					(value) => end({ value }),
					(error) => end({ error }),
				);
			});
		});
	};
	await inMacrotask(() => world.run(begin, LIMITS));
	if (result === undefined) throw new HarnessError("conversation", "A conversation in a world came to no end.");
	if ("error" in result) throw result.error;
	return result.value;
}

const THRESHOLDS: ServerThresholds = {
	...USUAL_THRESHOLDS,
	runnerLostMs: RUNNER_THRESHOLDS.runner_lost_threshold,
	pingEveryMs: RUNNER_THRESHOLDS.runner_update_ping_interval_ms,
	pingTimeoutMs: RUNNER_THRESHOLDS.runner_ping_timeout_ms,
};

function stageOf({ world, network, serving, runner }: Served): Stage {
	/** Has the server's process do something, and the runner's go on once that is done. */
	const ask = <T>(what: () => Promise<T>): Promise<T> =>
		new Promise((resolve, reject) => {
			world.schedule(serving.process, 0, () => {
				what().then(
					(value) => world.schedule(runner, 0, () => resolve(value)),
					(error) => world.schedule(runner, 0, () => reject(error)),
				);
			});
		});
	return {
		connect: (version, gate, listener, onSent) =>
			gated(network, `protocol_version=${version}&namespace=${NAMESPACE}&runner_key=runner`, gate, listener, onSent),
		async create(actor, crashPolicy) {
			const actorId = `actor-${actor}`;
			const created: NewActor = { actorId, name: "actor", key: actor, input: null, crashPolicy, runnerName: POOL };
			await ask(() => serving.running.createActor(created));
			return actorId;
		},
		destroy: (actorId) => ask(() => serving.running.destroyActor(actorId)),
		wake: (actorId) => void ask(() => serving.running.wakeActor(actorId)),
		state: async (actorId) => stateIn(world, actorId),
		keyOf: (actorId) => actorId,
		kill: () =>
			new Promise((resolve) => {
				world.crash(serving.process, "planned");
				serving.start(() => void world.schedule(runner, 0, resolve));
			}),
		pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
		nowMs: () => world.nowMs,
	};
}

/** Why an actor is told to stop, and what users are told of it before it has stopped. */
const STOPPING: Readonly<Record<string, "sleeping" | "destroyed">> = {
	"asked to sleep": "sleeping",
	destroyed: "destroyed",
};

/** How an actor stands, as users are told. */
function stateIn(world: World, actorId: string): Awaited<ReturnType<Stage["state"]>> {
	const statuses = world.history.events
		.filter(({ kind }) => kind === "actor.status")
		.map(({ data }) => data as ServerEvents["actor.status"])
		.filter((status) => status.actorId === actorId);
	const last = statuses.at(-1);
	if (last?.status === "running") return "connectable";
	if (last?.status === "asleep") return "sleeping";
	if (last?.status === "destroyed") return "destroyed";
	return (last?.status === "stopping" ? STOPPING[last.why] : undefined) ?? "other";
}

/** A connection of the runner through a gate; what is cut breaks for both ends at once. */
function gated(
	network: Network,
	query: string,
	gate: Gate,
	listener: LineListener,
	onSent: (frame: Uint8Array) => void,
): Line {
	const end = network.connect(`ws://${HOST}/runners/connect?${query}`, ["rivet"]);
	end.listener = {
		onOpen: () => listener.onOpen(),
		onMessage(payload) {
			const frame = payload as Uint8Array;
			if (gate.isCut) return;
			onSent(frame);
			if (gate.passes("to-runner", frame)) listener.onFrame(frame);
			else if (gate.state === "cut") breakOff(end);
		},
		onOver(code, reason) {
			// In the dark the runner does not learn of it.
			if (gate.state !== "dark") listener.onClose(code, reason);
		},
	};
	return {
		send(frame) {
			if (gate.passes("to-server", frame)) end.send(frame);
			else if (gate.state === "cut") breakOff(end);
		},
		close: () => breakOff(end),
	};
}

function breakOff(end: End): void {
	if (end.phase !== "over") end.connection.fail(end);
}

function probesOf({ network }: Served): ProbeStage {
	return {
		connect(query, listener) {
			const end = network.connect(`ws://${HOST}/runners/connect?${query}`, ["rivet"]);
			end.listener = {
				onOpen: () => listener.onOpen(),
				onMessage: (payload) => listener.onFrame(payload as Uint8Array),
				onOver: (code, reason) => listener.onClose(code, reason),
			};
			return { send: (frame) => end.send(frame), close: () => breakOff(end) };
		},
		pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
	};
}
