/** Steps: attempts, their limit of time, the delay between them, and what is on record before the program learns of it. */
import type * as Rivet from "@rivetkit/workflow-engine";
import type { Context } from "./context.ts";
import { DurationError, type ErrorRecord, errorOf, exhausted, recordOf, timedOut } from "./errors.ts";
import type { Entry, StepData, StepFailure } from "./history.ts";
import { decodeValue, encodeValue } from "./values.ts";

export const DEFAULT_MAX_RETRIES = 3;
export const DEFAULT_BACKOFF_BASE_MS = 100;
export const DEFAULT_BACKOFF_MAX_MS = 30_000;
export const DEFAULT_TIMEOUT_MS = 30_000;

type Config = Rivet.StepConfig<unknown>;
type Attempt = { readonly value: unknown } | { readonly thrown: unknown } | { readonly timedOutAfterMs: number };

export async function runStep(context: Context, config: Config): Promise<unknown> {
	const { execution, strand } = context.scope;
	const { run } = execution;
	const { rules } = run;
	const entry = context.enter("step", config.name, () => ({ kind: "step", status: "pending", attempts: 0 }));
	const { data } = entry;
	if (config.rollback !== undefined) execution.handlers.set(entry.key, config.rollback);
	let attemptsHere = 0;
	while (data.status === "pending") {
		execution.onlyForReal();
		const retryAt = rules.forgetBackoff === true && attemptsHere === 0 ? 0 : (data.retryAt ?? 0);
		while (Date.now() < retryAt) await run.wait(strand, { deadline: retryAt });
		const attempt = await strand.until(attemptOf(config, rules.waitForLateBody === true));
		attemptsHere++;
		if (!strand.alive) break;
		if ("value" in attempt) {
			const value = await keepable(context, entry, attempt.value);
			succeed(context, entry, config, value);
			if (rules.giveTheObjectItself === true) {
				if (config.ephemeral !== true) await context.flush();
				return attempt.value;
			}
		} else fail(context, entry, config, attempt, attemptsHere);
		const { status } = entry.data as StepData;
		const isLate = status === "completed" && (config.ephemeral === true || rules.giveBeforeRecord === true);
		const isLost = status === "failed" && rules.failBeforeRecord === true;
		// Durable before anybody acts on it: the next attempt, the program, or whoever catches it.
		if (!isLate && !isLost) await context.flush();
	}
	if (data.status === "failed") throw stepError(entry);
	return data.value === undefined ? undefined : decodeValue(data.value);
}

/** What cannot be kept is no use to try again: in a branch that only ends itself, that is on record first. */
async function keepable(context: Context, entry: Entry<StepData>, value: unknown): Promise<Uint8Array> {
	const { execution, inRace } = context.scope;
	try {
		return encodeValue(value, `step "${entry.name}"`);
	} catch (error) {
		if (inRace) {
			entry.data.status = "failed";
			entry.data.error = recordOf(error);
			context.record(entry);
			await context.flush();
		}
		throw execution.mistake(error as Error, context.scope);
	}
}

function succeed(context: Context, entry: Entry<StepData>, config: Config, value: Uint8Array): void {
	const { data } = entry;
	data.status = "completed";
	data.value = value;
	delete data.retryAt;
	delete data.error;
	if (config.rollback !== undefined) data.order = context.order();
	if (config.ephemeral !== true || context.scope.execution.run.rules.dropEphemeral !== true) context.record(entry);
}

function fail(
	context: Context,
	entry: Entry<StepData>,
	config: Config,
	attempt: Exclude<Attempt, { value: unknown }>,
	attemptsHere: number,
): void {
	const { execution } = context.scope;
	const { rules } = execution.run;
	const { data } = entry;
	data.attempts++;
	const attempts = rules.countAttemptsInMemory === true ? attemptsHere : data.attempts;
	const error = "thrown" in attempt ? recordOf(attempt.thrown) : timedOut(config.name, attempt.timedOutAfterMs);
	const isLast = attempts > Math.max(0, config.maxRetries ?? DEFAULT_MAX_RETRIES);
	const failure = failureOf(attempt, config, isLast);
	const willRetry = failure === undefined;
	const delayMs = willRetry ? backoffMs(config, data.attempts) : undefined;
	if (failure === undefined) {
		data.error = rules.hideErrors === true ? { name: "Error", message: "failed" } : error;
		data.retryAt = Date.now() + (delayMs as number);
	} else {
		data.status = "failed";
		data.failure = rules.tellWrongFailure === true && failure === "critical" ? "exhausted" : failure;
		const final =
			failure === "exhausted" || isRetriedTimeout(attempt, config) ? exhausted(config.name, error.message) : error;
		data.error = { ...final, blame: [entry.key] };
		delete data.retryAt;
	}
	context.record(entry);
	execution.report({
		step: {
			workflowId: execution.workflowId,
			stepName: config.name,
			attempt: data.attempts,
			maxRetries: config.maxRetries ?? DEFAULT_MAX_RETRIES,
			remainingRetries: Math.max(0, (config.maxRetries ?? DEFAULT_MAX_RETRIES) + 1 - data.attempts),
			willRetry,
			...(delayMs === undefined ? {} : { retryDelay: delayMs, retryAt: data.retryAt as number }),
			error: { name: error.name, message: error.message },
		},
	});
}

/** How an attempt has the step fail for good; undefined when it is to be tried again. */
function failureOf(
	attempt: Exclude<Attempt, { value: unknown }>,
	config: Config,
	isLast: boolean,
): StepFailure | undefined {
	if ("timedOutAfterMs" in attempt) return config.retryOnTimeout !== true || isLast ? "timeout" : undefined;
	const { thrown } = attempt;
	const name = thrown instanceof Error ? thrown.name : "";
	if (name === "CriticalError") return "critical";
	if (name === "RollbackError") return "rollback";
	return isLast ? "exhausted" : undefined;
}

function isRetriedTimeout(attempt: Attempt, config: Config): boolean {
	return "timedOutAfterMs" in attempt && config.retryOnTimeout === true;
}

/** The failure of a step, the same each time that the program learns of it. */
function stepError(entry: Entry<StepData>): Error {
	const { name, data } = entry;
	const record = data.error as ErrorRecord;
	// A value that was refused is no failure that a program may catch.
	if (data.failure === undefined) return errorOf(record);
	return errorOf(record, {
		source: "step",
		name,
		blame: record.blame ?? [entry.key],
		step: {
			kind: data.failure,
			stepName: name,
			attempts: data.attempts,
			error: { name: record.name, message: record.message },
		},
	});
}

/** Milliseconds from the end of a failed attempt to the next one. */
export function backoffMs(config: Pick<Config, "retryBackoffBase" | "retryBackoffMax">, failures: number): number {
	const { retryBackoffBase: base = DEFAULT_BACKOFF_BASE_MS, retryBackoffMax: max = DEFAULT_BACKOFF_MAX_MS } = config;
	return Math.max(0, Math.min(max, base * 2 ** (failures - 1)));
}

/** One run of the body. What it does after its time is up is nobody's. */
function attemptOf(config: Config, waitForLateBody: boolean): Promise<Attempt> {
	const limitMs = config.timeout ?? DEFAULT_TIMEOUT_MS;
	return new Promise((resolve) => {
		const stop = limitMs > 0 && limitMs < Number.POSITIVE_INFINITY ? timer(limitMs, () => late()) : () => {};
		let isLate = false;
		const late = () => {
			isLate = true;
			if (!waitForLateBody) resolve({ timedOutAfterMs: limitMs });
		};
		(async () => config.run())().then(
			(value) => {
				stop();
				resolve(isLate && !waitForLateBody ? { timedOutAfterMs: limitMs } : { value });
			},
			(thrown: unknown) => {
				stop();
				resolve({ thrown });
			},
		);
	});
}

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls back after that many milliseconds, more than a timer of the runtime holds included. */
function timer(ms: number, due: () => void): () => void {
	let left = Math.ceil(ms);
	let id: ReturnType<typeof setTimeout>;
	const arm = () => {
		const part = Math.min(left, MAX_TIMER_MS);
		left -= part;
		id = setTimeout(() => (left > 0 ? arm() : due()), part);
	};
	arm();
	return () => clearTimeout(id);
}

/** @throws DurationError for a duration that is no number, which no rule gives a meaning to. */
export function checkedMs(ms: number | undefined, what: string): number | undefined {
	if (ms !== undefined && Number.isNaN(ms)) throw new DurationError(what, ms);
	return ms;
}
