/** A driver under test with all that a check of it needs: names for its namespaces, and limits in time. */
import type { DriverClaims } from "../../drivers/storage/contract.ts";
import { WEAKEST_CLAIMS } from "../../drivers/storage/contract.ts";
import type { Plugged } from "../../drivers/storage/plug.ts";
import type { Limit } from "../../suites/storage-driver/host.ts";
import { Break, type Claimed } from "../../suites/storage-driver/property.ts";

/** Real time, as a check needs it. */
export interface RealTime {
	/** Milliseconds, from any beginning. */
	now(): number;
	/** Lets what is under way go on for a moment. */
	pause(): Promise<void>;
	/** Lets everything else have its turn: signals, and what answers from outside. */
	turn(): Promise<void>;
	/** Calls back after milliseconds, unless the returned function is called before. */
	after(ms: number, callback: () => void): () => void;
}

const PAUSE_MS = 10;

export const REAL_TIME: RealTime = {
	now: () => performance.now(),
	pause: () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS)),
	turn: () => new Promise((resolve) => setImmediate(resolve)),
	after(ms, callback) {
		const timer = setTimeout(callback, ms);
		return () => clearTimeout(timer);
	},
};

let prefixes = 0;

/** What begins the names of namespaces unlike those of anything else under way, now or before. */
export function uniquePrefix(): string {
	return `conform-${process.pid}-${Date.now().toString(36)}-${++prefixes}`;
}

/** Opening may start a whole database. */
const OPEN_FACTOR = 6;
const CLEAN_UP_MS = 2_000;

export class Subject {
	readonly plugged: Plugged;
	readonly time: RealTime;
	readonly #prefix: string;
	readonly #limitMs: number;
	#namespaces = 0;

	/**
	 * @param prefix begins the name of every namespace: unlike those of any other process that may be under way.
	 * @param limitMs how long an operation may take.
	 */
	constructor(plugged: Plugged, prefix: string, limitMs: number, time: RealTime = REAL_TIME) {
		this.plugged = plugged;
		this.time = time;
		this.#prefix = prefix;
		this.#limitMs = limitMs;
	}

	newNamespace(): string {
		return `${this.#prefix}-${++this.#namespaces}`;
	}

	/** Fails with a `Break` of the kind `OPERATION-hangs` what is not answered in time. */
	readonly limit: Limit = (what, answer) => {
		const limitMs = what === "open" ? OPEN_FACTOR * this.#limitMs : this.#limitMs;
		return new Promise((resolve, reject) => {
			const late = () => reject(new Break(`${what}-hangs`, `${what} did not answer within ${limitMs / 1_000} s`));
			const cancel = this.time.after(limitMs, late);
			answer.then(resolve, reject).finally(cancel);
		});
	};

	/** Removes a namespace, as far as that can be. */
	async destroy(name: string): Promise<void> {
		const removed = (async () => this.plugged.destroy?.(name))().catch(() => {});
		let cancel = () => {};
		const late = new Promise<void>((resolve) => {
			cancel = this.time.after(CLEAN_UP_MS, resolve);
		});
		await Promise.race([removed, late]);
		cancel();
	}

	/** What the driver is held to, before anything of it was opened. */
	claimed(tellsAlarm: boolean): Claimed {
		const said = this.plugged.claims ?? {};
		const claims: DriverClaims = { ...WEAKEST_CLAIMS, ...said };
		return {
			claims,
			said: new Set(Object.keys(said) as (keyof DriverClaims)[]),
			single: this.plugged.single === true,
			tellsAlarm,
		};
	}
}
