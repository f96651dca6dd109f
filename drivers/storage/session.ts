/**
 * A namespace of a plugged driver while it is in use: opened, asked one operation at a time, closed, opened anew. What a driver
 * throws is an answer; what it never answers, or what it is not, ends the run with a clear word.
 */
import { HarnessError } from "../../sim/world/harness-error.ts";
import {
	type DriverClaims,
	type EngineDriver,
	type OpenedStorage,
	type PluggedDriver,
	WEAKEST_CLAIMS,
} from "./contract.ts";

/** Real milliseconds that a driver gets to open a namespace or to answer. */
const PATIENCE_MS = 20_000;

/** How an operation was answered. */
export type Answer = { readonly value: unknown } | { readonly error: unknown };

/** What a driver claims, with what it leaves out filled in. */
export function claimsOf({ claims }: Pick<PluggedDriver, "claims">): DriverClaims {
	return { ...WEAKEST_CLAIMS, ...claims };
}

/** Whether alarms, or messages, are the driver's to keep across a reopening; what it does not claim its host keeps for it. */
export function keeps(what: "alarms" | "messages", claims: DriverClaims): boolean {
	return claims[what] === "durable" || (claims[what] === "volatile" && claims.durability === "memory");
}

const METHODS = ["get", "set", "delete", "batch", "batchDelete", "deletePrefix", "deleteRange", "list"] as const;
const MORE_METHODS = ["setAlarm", "clearAlarm", "waitForMessages"] as const;

export class Session {
	readonly plugged: PluggedDriver;
	readonly claims: DriverClaims;
	readonly namespace: string;
	#opened: OpenedStorage | undefined;

	constructor(plugged: PluggedDriver, namespace: string) {
		this.plugged = plugged;
		this.claims = claimsOf(plugged);
		this.namespace = namespace;
	}

	get isOpen(): boolean {
		return this.#opened !== undefined;
	}

	/** @throws HarnessError when it cannot be opened, or is no driver. */
	async open(): Promise<OpenedStorage> {
		await this.close();
		const { name } = this.plugged;
		const opened = await this.#limited("open", async () => await this.plugged.open(this.namespace));
		const driver = (opened as Partial<OpenedStorage> | undefined)?.driver;
		const missing = [...METHODS, ...MORE_METHODS].filter((method) => typeof driver?.[method] !== "function");
		if (missing.length > 0) throw new HarnessError("driver", `${name}: the driver has no ${missing.join(", ")}.`);
		this.#opened = opened;
		return opened;
	}

	/** Ends what is open, in good order. @throws HarnessError when that fails. */
	async close(): Promise<void> {
		const opened = this.#opened;
		this.#opened = undefined;
		if (opened?.close !== undefined) await this.#limited("close", async () => await opened.close?.());
	}

	/** Closes the namespace and removes it. */
	async end(): Promise<void> {
		await this.close();
		const { plugged, namespace } = this;
		if (plugged.destroy !== undefined) await this.#limited("destroy", async () => await plugged.destroy?.(namespace));
	}

	/** Has the driver carry something out; an error is an answer. @throws HarnessError when it does not answer. */
	async ask(what: string, call: (driver: EngineDriver) => unknown): Promise<Answer> {
		const { driver } = this.#opened ?? (await this.open());
		let answer: Answer | undefined;
		await this.#limited(what, async () => {
			try {
				answer = { value: await call(driver) };
			} catch (error) {
				answer = { error };
			}
		});
		return answer as Answer;
	}

	/** The alarm that the driver keeps, in wall-clock milliseconds; `unknown` where it cannot tell. */
	async alarm(workflowId: string): Promise<number | undefined | "unknown"> {
		const opened = this.#opened;
		if (opened?.alarm === undefined) return "unknown";
		return await this.#limited("alarm", async () => await opened.alarm?.(workflowId));
	}

	async #limited<T>(what: string, work: () => Promise<T>): Promise<T> {
		const { name } = this.plugged;
		let timer: NodeJS.Timeout | undefined;
		const late = new Promise<never>((_, reject) => {
			timer = setTimeout(
				() => reject(new HarnessError("driver", `${name}: ${what} was not answered for ${PATIENCE_MS / 1_000} s.`)),
				PATIENCE_MS,
			);
		});
		try {
			return await Promise.race([work(), late]);
		} catch (error) {
			if (error instanceof HarnessError) throw error;
			throw new HarnessError("driver", `${name}: ${what} failed: ${error instanceof Error ? error.message : error}`);
		} finally {
			clearTimeout(timer);
		}
	}
}
