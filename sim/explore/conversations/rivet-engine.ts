/**
 * The published server, `rivet-engine`, as a process of ours on loopback ports of its own, with its files in one directory. Its
 * limits of time are as short as conversations can bear; everything else is as it ships. Nothing leaves this machine.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { HarnessError } from "../../world/harness-error.ts";
import { freePort } from "../real/relay.ts";
import { type Program, ServerProcess } from "../real/servers.ts";

export const RIVET_ENGINE = { name: "@rivetkit/engine-cli", version: "2.3.19" } as const;

const NAMESPACE = "default";
const DATACENTER = "default";

/**
 * Limits of time, milliseconds. Those of a patient server are never met, also where the machine is busy; a hasty one gives actors
 * up within a conversation.
 */
export type Temper = "patient" | "hasty";

export const ACTOR_LIMIT_MS: Readonly<Record<Temper, number>> = { patient: 120_000, hasty: 8_000 };

export const RUNNER_THRESHOLDS = {
	runner_lost_threshold: 15_000,
	runner_eligible_threshold: 10_000,
	runner_update_ping_interval_ms: 3_000,
	runner_ping_timeout_ms: 15_000,
} as const;

export interface ActorAtServer {
	readonly actor_id: string;
	readonly connectable_ts: number | null;
	readonly sleep_ts: number | null;
	readonly destroy_ts: number | null;
}

interface PoolConfig {
	/** Whether a newer version of the runner drains the older. */
	readonly drain_on_version_upgrade?: boolean;
}

/** @returns the path of the server's program for this machine. @throws HarnessError where there is none. */
export function rivetEngineBinary(packageDirectory: string): string {
	const require = createRequire(join(packageDirectory, "package.json"));
	try {
		return (require(packageDirectory) as { getEnginePath(): string }).getEnginePath();
	} catch (error) {
		throw new HarnessError("server", error instanceof Error ? error.message : String(error));
	}
}

export class RivetEngine {
	readonly #process: ServerProcess;
	readonly #port: number;

	private constructor(server: ServerProcess, port: number) {
		this.#process = server;
		this.#port = port;
	}

	/** @param binary from `rivetEngineBinary`. @param directory for its files; made when needed. */
	static async start(binary: string, directory: string, temper: Temper): Promise<RivetEngine> {
		mkdirSync(directory, { recursive: true });
		const [port, peerPort, metricsPort] = [await freePort(), await freePort(), await freePort()] as const;
		const config = join(directory, "config.json");
		writeFileSync(config, JSON.stringify(configOf(join(directory, "data"), [port, peerPort, metricsPort], temper)));
		const program: Program = {
			binary: "rivet-engine",
			arguments: () => ["--config", config, "start"],
			serves: () =>
				fetch(`http://127.0.0.1:${port}/runner-configs?namespace=${NAMESPACE}`).then(
					({ ok }) => ok,
					() => false,
				),
		};
		const server = new ServerProcess(program, { binary, directory, port, owner: undefined });
		await server.start();
		return new RivetEngine(server, port);
	}

	get url(): string {
		return `ws://127.0.0.1:${this.#port}`;
	}

	/** `kill -9`. */
	kill(): void {
		this.#process.kill();
	}

	/** Starts it again with the files that it left. */
	async restart(): Promise<void> {
		await this.#process.start();
	}

	async stop(): Promise<void> {
		this.kill();
		await this.#process.ended;
	}

	/** Makes a pool of runners, to which actors can be sent by its name. */
	async pool(name: string, config: PoolConfig = {}): Promise<void> {
		await this.#ask("PUT", `/runner-configs/${name}`, { datacenters: { [DATACENTER]: { normal: {}, ...config } } });
	}

	/** @returns its id. */
	async create(pool: string, key: string, crashPolicy: string): Promise<string> {
		const body = { name: "actor", key, input: null, runner_name_selector: pool, crash_policy: crashPolicy };
		const { actor } = (await this.#ask("POST", "/actors", { ...body, datacenter: DATACENTER })) as {
			actor: ActorAtServer;
		};
		return actor.actor_id;
	}

	async actor(id: string): Promise<ActorAtServer | undefined> {
		const { actors } = (await this.#ask("GET", "/actors", undefined, `&actor_ids=${id}`)) as {
			actors: ActorAtServer[];
		};
		return actors[0];
	}

	async destroy(id: string): Promise<void> {
		await this.#ask("DELETE", `/actors/${id}`);
	}

	/** Asks something of an actor, as a user does; nobody waits for the answer. */
	wake(id: string, limitMs: number): void {
		fetch(`http://127.0.0.1:${this.#port}/gateway/${id}/`, { signal: AbortSignal.timeout(limitMs) }).catch(() => {});
	}

	async #ask(method: string, path: string, body?: unknown, query = ""): Promise<unknown> {
		const url = `http://127.0.0.1:${this.#port}${path}?namespace=${NAMESPACE}${query}`;
		for (let attempt = 1; ; attempt++) {
			const response = await fetch(url, {
				method,
				headers: { "content-type": "application/json" },
				...(body === undefined ? {} : { body: JSON.stringify(body) }),
			});
			const text = await response.text();
			if (response.ok) return text === "" ? undefined : JSON.parse(text);
			// A busy server times out inside, and says that it has an internal error.
			if (response.status !== 500 || attempt === ATTEMPTS) {
				throw new HarnessError("server", `${method} ${path} was answered ${response.status}: ${text}`);
			}
		}
	}
}

const ATTEMPTS = 3;

/**
 * Thousandths of a core. On a machine that is busy, with whatever else, the server puts off workflows for tens of seconds; against
 * so many cores no machine is.
 */
const WITHOUT_SHEDDING = 1_000_000;

function configOf(
	path: string,
	[port, peerPort, metricsPort]: readonly [number, number, number],
	temper: Temper,
): unknown {
	const limitMs = ACTOR_LIMIT_MS[temper];
	const host = "127.0.0.1";
	const label = 1;
	return {
		telemetry: { enabled: false },
		file_system: { path },
		guard: { host, port },
		api_peer: { host, port: peerPort },
		metrics: { host, port: metricsPort },
		topology: {
			datacenter_label: label,
			datacenters: {
				[DATACENTER]: {
					datacenter_label: label,
					is_leader: true,
					public_url: `http://${host}:${port}`,
					peer_url: `http://${host}:${peerPort}`,
				},
			},
		},
		pegboard: { ...RUNNER_THRESHOLDS, actor_start_threshold: limitMs, actor_stop_threshold: limitMs },
		runtime: { worker_cpu_max: WITHOUT_SHEDDING },
	};
}
