/**
 * Runs made a second time in another process, with another time zone, locale and directory: what leaks from the process into
 * a run makes the two histories differ. The process lives as long as the doublecheck and takes one run after the other.
 * It is given scenarios, not seeds; how a seed becomes a scenario is not checked here.
 */
import { type ChildProcess, fork } from "node:child_process";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine } from "../../../drivers/engine/contract.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { HarnessError } from "../../world/harness-error.ts";
import type { History } from "../../world/history.ts";
import { type Difference, firstDifference, type Recording } from "../blame.ts";
import type { SubjectSpec } from "../subject/spec.ts";

export interface DoublecheckOptions {
	/** Whose runs are made again. */
	readonly target: Pick<Engine, "name" | "version"> | SubjectSpec;
	/** URL of the module that lets Node load this project's sources; none when they are JavaScript. */
	readonly loader?: string;
}

/** What the other process is asked: to make a run, or for the events of the run it made last. */
export type Question = { readonly scenario: SubjectScenario } | { readonly events: true };

/** What it answers: the digest, or the events, or why there are none. */
export type Answer = { readonly digest: string } | { readonly events: Recording } | { readonly problem: string };

/** What the other process is told of its target: the name of an engine, or what a subject is made of. */
export type Named = string | SubjectSpec;

function namedFor(target: DoublecheckOptions["target"]): Named {
	if ("subject" in target) return target;
	// A local build is named by a path, which the other process would look for in its own directory.
	return target.version === "local" ? resolve(target.name) : target.name;
}

interface Waiting {
	resolve(answer: Answer): void;
	reject(error: unknown): void;
}

export class Doublecheck {
	readonly #child: ChildProcess;
	/** Questions that are asked and not answered; answers come in the order of the questions. */
	readonly #waiting: Waiting[] = [];
	#stderr = "";
	#ended: HarnessError | undefined;
	/** Comparisons go one after the other: the other process remembers the events of its last run only. */
	#last: Promise<unknown> = Promise.resolve();

	constructor({ target, loader }: DoublecheckOptions) {
		const elsewhere = { TZ: process.env.TZ === ZONES[0] ? ZONES[1] : ZONES[0], LC_ALL: LOCALE, LANG: LOCALE };
		this.#child = fork(CHILD, [JSON.stringify(namedFor(target))], {
			execArgv: loader === undefined ? [] : ["--import", loader],
			env: { ...process.env, ...elsewhere },
			cwd: tmpdir(),
			// Out of reach of ctrl-c, which is for this process to handle.
			detached: true,
			serialization: "advanced",
			stdio: ["ignore", "ignore", "pipe", "ipc"],
		});
		this.#child.stderr?.on("data", (piece) => {
			this.#stderr += piece;
		});
		this.#child.on("message", (answer) => this.#waiting.shift()?.resolve(answer as Answer));
		this.#child.on("error", (error) => this.#end(error.message));
		this.#child.on("close", (code, signal) => this.#end(this.#stderr.trim() || `it ended with ${signal ?? code}`));
	}

	/**
	 * Has the other process make the run too. Resolves to the first event that differs, this process's side first; undefined
	 * when the histories are equal to the byte. Comparisons may be asked for at once; they are carried out in order.
	 * @throws HarnessError when the other process could not make the run.
	 */
	compare(scenario: SubjectScenario, history: History): Promise<Difference | undefined> {
		const compared = this.#last.then(async () => {
			const made = await this.#ask({ scenario });
			if ("digest" in made && made.digest === history.digest()) return undefined;
			const told = await this.#ask({ events: true });
			const difference = "events" in told ? firstDifference(history, told.events) : undefined;
			if (difference === undefined) throw new HarnessError("doublecheck", "Equal histories came with other digests.");
			return difference;
		});
		this.#last = compared.catch(() => {});
		return compared;
	}

	/** Ends the other process. What is still asked for is rejected. */
	close(): void {
		this.#child.kill();
	}

	async #ask(question: Question): Promise<Answer> {
		if (this.#ended !== undefined) throw this.#ended;
		const answer = await new Promise<Answer>((resolve, reject) => {
			this.#waiting.push({ resolve, reject });
			this.#child.send(question);
		});
		if ("problem" in answer) throw new HarnessError("doublecheck", `In another process: ${answer.problem}`);
		return answer;
	}

	#end(why: string): void {
		this.#ended ??= new HarnessError("doublecheck", `The process that makes runs again has ended: ${why}`);
		for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
	}
}

const CHILD = fileURLToPath(new URL("./doublecheck-child.ts", import.meta.url));
/** Two, so that one of them is not this process's own; both are off by three quarters of an hour somewhere in the year. */
const ZONES = ["Pacific/Chatham", "Asia/Kathmandu"] as const;
/** Where `i` and `I` are different letters. */
const LOCALE = "tr_TR.UTF-8";
