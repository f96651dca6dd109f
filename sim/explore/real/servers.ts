/**
 * Servers of our own, to be killed along with the processes that use them: a private Postgres cluster, Redis or NATS server in a
 * temporary directory on a free port, reached through a relay that can cut connections. A server that somebody else started is
 * never touched.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { HarnessError } from "../../world/harness-error.ts";
import type { Loss } from "./losses.ts";
import { freePort, Relay } from "./relay.ts";

/** A server of ours, and what may be lost with it. */
export interface OwnServer {
	/** Which of the box's settings says where it is, and what it says. */
	readonly settings: Readonly<Record<string, string>>;
	readonly losses: readonly Loss[];
	stop(): Promise<void>;
}

/** A program that serves, and how one sees that it does. */
export interface Program {
	/** Its name, without its directory. */
	readonly binary: string;
	arguments(server: Place): string[];
	/** Whether it serves, not only listens. */
	serves(server: Place): Promise<boolean>;
}

interface Kind extends Program {
	readonly setting: "postgresUrl" | "redisUrl" | "natsUrl";
	url(port: number): string;
	/** Makes the directory ready, once. */
	prepare?(server: Place): Promise<void>;
}

/** Where a server is, and as whom it runs. */
export interface Place {
	readonly binary: string;
	readonly directory: string;
	readonly port: number;
	readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/** Real milliseconds until a server must serve, from its start. */
const START_MS = 30_000;
const LOOK_EVERY_MS = 50;

const KINDS: Readonly<Record<string, Kind>> = {
	postgres: {
		setting: "postgresUrl",
		binary: "postgres",
		url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
		prepare: async ({ binary, directory, owner }) => {
			const initdb = join(binary, "..", "initdb");
			await promisify(execFile)(initdb, ["-D", directory, "-U", "postgres", "-A", "trust", "-N"], { ...owner });
		},
		arguments: ({ directory, port }) => ["-D", directory, "-p", `${port}`, "-h", "127.0.0.1", "-k", directory],
		serves: async ({ binary, port }) => {
			const isReady = join(binary, "..", "pg_isready");
			return await promisify(execFile)(isReady, ["-h", "127.0.0.1", "-p", `${port}`]).then(
				() => true,
				() => false,
			);
		},
	},
	redis: {
		setting: "redisUrl",
		binary: "redis-server",
		url: (port) => `redis://127.0.0.1:${port}`,
		arguments: ({ directory, port }) => [
			...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", directory],
			...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
		],
		serves: ({ port }) => says(port, "PING\r\n", "+PONG"),
	},
	nats: {
		setting: "natsUrl",
		binary: "nats-server",
		url: (port) => `nats://127.0.0.1:${port}`,
		arguments: ({ directory, port }) => ["-a", "127.0.0.1", "-p", `${port}`, "-js", "-sd", directory],
		serves: ({ port }) => says(port, "", "INFO"),
	},
};

/** Names of the drivers whose server can be one of ours. */
export const SERVERS: readonly string[] = Object.keys(KINDS);

/**
 * Starts a server for the driver of that name, in a directory that is made for it.
 * @returns why there is none, as a text, where there is none.
 */
export async function ownServer(name: string, directory: string): Promise<OwnServer | string> {
	const kind = KINDS[name];
	if (kind === undefined) return `${name} is no server`;
	const binary = binaryOf(kind.binary);
	if (binary === undefined) return `there is no ${kind.binary} here`;
	const owner = ownerFor(name);
	if (owner === "nobody") return `${kind.binary} does not run as root, and there is no user postgres`;
	mkdirSync(directory, { recursive: true });
	if (owner !== undefined) chownSync(directory, owner.uid, owner.gid);
	const place: Place = { binary, directory, port: await freePort(), owner };
	await kind.prepare?.(place);
	const server = new ServerProcess(kind, place);
	await server.start();
	const relay = await Relay.to(place.port);
	return {
		settings: { [kind.setting]: kind.url(relay.port) },
		losses: [
			{
				name: "server",
				meaning: "the server is killed as well, and started again",
				atKill: () => server.kill(),
				afterKill: () => server.start(),
			},
			{ name: "cut", meaning: "the connection is cut first", atKill: () => relay.cut(), lingersMs: 1_000 },
		],
		async stop() {
			relay.close();
			server.kill();
			await server.ended;
		},
	};
}

/** The process of a server of ours, which can be killed and started again. It does not outlive this process. */
export class ServerProcess {
	readonly #program: Program;
	readonly #place: Place;
	#process: ChildProcess | undefined;
	#said = "";
	ended: Promise<unknown> = Promise.resolve();

	constructor(program: Program, place: Place) {
		this.#program = program;
		this.#place = place;
		process.once("exit", () => this.kill());
	}

	/** Starts it, and waits until it serves. @throws HarnessError when it does not. */
	async start(): Promise<void> {
		await this.ended;
		const endsAt = performance.now() + START_MS;
		const { binary, owner } = this.#place;
		while (performance.now() < endsAt) {
			const server = spawn(binary, this.#program.arguments(this.#place), {
				...owner,
				stdio: ["ignore", "ignore", "pipe"],
				detached: true,
			});
			this.#process = server;
			server.stderr?.on("data", (piece) => {
				this.#said = `${this.#said}${piece}`.slice(-400);
			});
			let gone = false;
			this.ended = new Promise<void>((resolve) => {
				const end = () => {
					gone = true;
					resolve();
				};
				server.once("exit", end);
				server.once("error", end);
			});
			while (!gone && performance.now() < endsAt) {
				if (await this.#program.serves(this.#place)) return;
				await pause();
			}
			// What was killed before may hold the directory a moment longer.
			await pause();
		}
		throw new HarnessError("server", `${this.#program.binary} does not start: ${this.#said.trim()}`);
	}

	/** `kill -9`, with all the processes that it began. */
	kill(): void {
		const { pid } = this.#process ?? {};
		if (pid === undefined || this.#process?.exitCode !== null || this.#process.signalCode !== null) return;
		for (const victim of [...childrenOf(pid), pid]) {
			try {
				process.kill(victim, "SIGKILL");
			} catch {
				// It has ended by itself.
			}
		}
	}
}

/** Processes that a process has begun and that still run; none where that cannot be known. */
function childrenOf(pid: number): number[] {
	try {
		return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(/\s+/).filter(Boolean).map(Number);
	} catch {
		return [];
	}
}

/** Where a program is: on the path, or where Postgres is put by package managers. */
function binaryOf(name: string): string | undefined {
	const versions = "/usr/lib/postgresql";
	const packaged = existsSync(versions)
		? readdirSync(versions)
				.sort((a, b) => Number(b) - Number(a))
				.map((version) => join(versions, version, "bin"))
		: [];
	// The packaged directory first: a link on the path has not the other programs beside it.
	return [...packaged, ...(process.env.PATH ?? "").split(delimiter)]
		.map((directory) => join(directory, name))
		.find((path) => existsSync(path));
}

/** Postgres does not run as root; then it is the user that its package made. */
function ownerFor(name: string): Place["owner"] | "nobody" {
	if (name !== "postgres" || process.getuid?.() !== 0) return undefined;
	try {
		const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
		return { uid: id("-u"), gid: id("-g") };
	} catch {
		return "nobody";
	}
}

/** Whether what a port says begins so, once it was told something. */
function says(port: number, told: string, expected: string): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1");
		const end = (answer: boolean) => {
			socket.destroy();
			resolve(answer);
		};
		socket.setTimeout(1_000, () => end(false));
		socket.once("connect", () => {
			if (told !== "") socket.write(told);
		});
		socket.once("data", (piece) => end(piece.toString().startsWith(expected)));
		socket.once("error", () => end(false));
	});
}

function pause(): Promise<void> {
	return new Promise((resolve) => {
		setTimeout(resolve, LOOK_EVERY_MS);
	});
}
