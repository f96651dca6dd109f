/**
 * Processes that are to be killed, made before they are needed: starting one takes longer than most of them live. A process
 * runs in a group of its own, and whatever becomes of the parent, none outlives its pipes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { HarnessError } from "../../world/harness-error.ts";
import { listen, type Said, type Told, tell } from "./protocol.ts";

/** Characters of its standard error that are kept to say why it ended. */
const TOLD_CHARACTERS = 600;

/** What the environment of each process has besides this one's. */
export type Environment = Readonly<Record<string, string>>;

export class Child {
	readonly #process: ChildProcess;
	readonly #early: Said[] = [];
	#hear: ((message: Said) => void) | undefined;
	#stderr = "";
	/** Resolves when it has ended and all that it said was heard. */
	readonly ended: Promise<void>;

	constructor(loader: string | undefined, environment: Environment) {
		const flags = loader === undefined ? [] : ["--import", loader];
		this.#process = spawn(process.execPath, [...flags, CHILD], {
			stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
			// Out of reach of ctrl-c, which is for the parent to handle.
			detached: true,
			env: { ...process.env, ...environment },
		});
		this.#process.stderr?.on("data", (piece) => {
			this.#stderr = `${this.#stderr}${piece}`.slice(-TOLD_CHARACTERS);
		});
		const [, , , said, told] = this.#process.stdio as [null, null, Readable, Readable, Writable];
		// What it is told after its death reaches nobody.
		told.on("error", () => {});
		listen<Said>(said, (message) => {
			if (this.#hear === undefined) this.#early.push(message);
			else this.#hear(message);
		});
		this.ended = new Promise((resolve, reject) => {
			this.#process.on("close", () => resolve());
			this.#process.on("error", (error) => reject(new HarnessError("child", error.message)));
		});
	}

	/** Why it ended by itself, as far as it said. */
	get lastWords(): string {
		return this.#stderr.trim();
	}

	hear(listener: (message: Said) => void): void {
		this.#hear = listener;
		for (const message of this.#early.splice(0)) listener(message);
	}

	tell(message: Told): void {
		tell(this.#process.stdio[4] as Writable, message);
	}

	/** `kill -9`. */
	kill(): void {
		this.#process.kill("SIGKILL");
	}
}

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));

/** One process is always on its way. */
export class Nursery {
	readonly #loader: string | undefined;
	readonly #environment: Environment;
	#next: Child | undefined;

	/** @param loader URL of the module that lets Node load this project's sources; none when they are JavaScript. */
	constructor(loader: string | undefined, environment: Environment = {}) {
		this.#loader = loader;
		this.#environment = environment;
	}

	take(): Child {
		const child = this.#next ?? new Child(this.#loader, this.#environment);
		this.#next = new Child(this.#loader, this.#environment);
		return child;
	}

	async close(): Promise<void> {
		const next = this.#next;
		this.#next = undefined;
		next?.kill();
		await next?.ended;
	}
}
