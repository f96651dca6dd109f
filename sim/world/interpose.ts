/**
 * The one place where a run swaps the runtime's globals for the world's and back. Only one world runs at a time in a
 * thread; between two runs everything is as the runtime made it.
 */
import { AsyncResource } from "node:async_hooks";
import timersPromises from "node:timers/promises";
import { promisify } from "node:util";
import { guardEscapes } from "./escape.ts";
import { HarnessError } from "./harness-error.ts";

/** What the world answers in place of the runtime. */
export interface Interposer {
	/** Wall clock, milliseconds since the Unix epoch. */
	wallMs(): number;
	/** Monotonic clock, milliseconds since the start of the run. */
	monotonicMs(): number;
	uuid(): string;
	/** Uniform in [0, 1). */
	random(): number;
	setTimer(callback: () => void, delayMs: number, repeat: boolean): SimulatedTimer;
	setImmediate(callback: () => void): SimulatedTimer;
	log(level: string, values: readonly unknown[]): void;
	/** The timer of that number, if its number was ever asked for. */
	timerById(id: number): SimulatedTimer | undefined;
	/** A tick or a microtask threw. */
	uncaughtException(error: unknown): void;
	unhandledRejection(reason: unknown): void;
	/** A call tried to leave the world; the error is thrown to the caller, who may swallow it. */
	escaped(error: HarnessError): void;
	/** What there is where processes can connect to each other. */
	sockets?(): SimulatedSockets | undefined;
}

/** What a network gives to the code of its processes. */
export interface SimulatedSockets {
	/** Stands as `WebSocket`; one class for all worlds, since modules hold on to it. */
	readonly WebSocket: unknown;
	/** Has the running process connect. What it gives is for that class only. */
	connect(url: string, protocols: readonly string[]): unknown;
}

/** What `setTimeout` returns in a world; the surface of Node's own. */
export interface SimulatedTimer {
	ref(): SimulatedTimer;
	unref(): SimulatedTimer;
	hasRef(): boolean;
	refresh(): SimulatedTimer;
	close(): SimulatedTimer;
	[Symbol.toPrimitive](): number;
	[Symbol.dispose]?(): void;
	cancel(): void;
}

let active: Interposer | undefined;

/** The world running now, if one is. */
export function activeInterposer(): Interposer | undefined {
	return active;
}

guardEscapes(activeInterposer);

function inside(): Interposer {
	if (active === undefined) throw new HarnessError("outside-run", "A simulated global was called outside a run.");
	return active;
}

const RealDate = Date;

function SimulatedDate(this: unknown, ...parts: unknown[]): unknown {
	if (new.target === undefined) return new RealDate(inside().wallMs()).toString();
	return Reflect.construct(RealDate, parts.length === 0 ? [inside().wallMs()] : parts, new.target);
}
SimulatedDate.prototype = RealDate.prototype;
SimulatedDate.now = () => inside().wallMs();
SimulatedDate.parse = RealDate.parse;
SimulatedDate.UTC = RealDate.UTC;

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Node's rule: what is not between 1 and 2^31-1 becomes 1. */
function timerDelay(delay: unknown): number {
	const ms = Number(delay);
	return ms >= 1 && ms <= MAX_TIMER_MS ? Math.trunc(ms) : 1;
}

type Callback = (...values: unknown[]) => void;

function checkCallback(callback: unknown): asserts callback is Callback {
	if (typeof callback !== "function") throw new TypeError('The "callback" argument must be of type function.');
}

/** The callback with its arguments, in the async context it was given in. */
function bind(callback: unknown, values: unknown[]): () => void {
	checkCallback(callback);
	// `AsyncResource.bind` would hang a finalizer on every timer, which costs more than the timer.
	const resource = new AsyncResource("Timeout", { requireManualDestroy: true });
	return () => resource.runInAsyncScope(callback, undefined, ...values);
}

function clear(timer: unknown): void {
	if (typeof timer === "number" || typeof timer === "string") inside().timerById(Number(timer))?.cancel();
	else if (timer !== null && typeof timer === "object" && "cancel" in timer) (timer as SimulatedTimer).cancel();
}

function setSimulatedTimeout(callback: unknown, delay?: unknown, ...values: unknown[]): SimulatedTimer {
	return inside().setTimer(bind(callback, values), timerDelay(delay), false);
}

function setSimulatedImmediate(callback: unknown, ...values: unknown[]): SimulatedTimer {
	return inside().setImmediate(bind(callback, values));
}

// `promisify(setTimeout)` means the function of `timers/promises`, also in a world, where that one is refused.
Object.defineProperty(setSimulatedTimeout, promisify.custom, { get: () => timersPromises.setTimeout });
Object.defineProperty(setSimulatedImmediate, promisify.custom, { get: () => timersPromises.setImmediate });

/**
 * Node leaves what a tick or a microtask throws to the process, whose handlers belong to the harness; and a throw out of
 * `drain` would abort the runtime. So it is caught where it is thrown.
 */
function catching(callback: unknown): Callback {
	checkCallback(callback);
	return (...values) => {
		try {
			callback(...values);
		} catch (error) {
			inside().uncaughtException(error);
		}
	};
}

const realNextTick = process.nextTick;
const realQueueMicrotask = globalThis.queueMicrotask;

function logAt(level: string) {
	return (...values: unknown[]) => inside().log(level, values);
}

/** What it does not replace ends in the streams, which are replaced too. */
const simulatedConsole: Console = Object.assign(
	Object.create(console),
	Object.fromEntries(
		["log", "info", "warn", "error", "debug", "trace", "dir"].map((level) => [level, logAt(level)] as const),
	),
);

/** What the runtime warns of differs from version to version; histories must not. */
const RUNTIME_WARNINGS: ReadonlySet<unknown> = new Set([
	"DeprecationWarning",
	"ExperimentalWarning",
	"MaxListenersExceededWarning",
]);

/** `process.emitWarning(warning, type or options?)`. */
function warn(warning: unknown, about?: unknown): void {
	const type = warning instanceof Error ? warning.name : Object(about) === about ? Object(about).type : about;
	if (!RUNTIME_WARNINGS.has(type)) inside().log("warning", [warning]);
}

/** `stream.write(chunk, encoding?, callback?)`. */
function writeAt(level: string) {
	return (chunk: unknown, ...rest: unknown[]): boolean => {
		inside().log(level, [typeof chunk === "string" ? chunk : Buffer.from(chunk as Uint8Array).toString()]);
		const done = rest.at(-1);
		if (typeof done === "function") process.nextTick(done);
		return true;
	};
}

function hrtime(previous?: [number, number]): [number, number] {
	const ms = inside().monotonicMs();
	const now: [number, number] = [Math.floor(ms / 1000), (ms % 1000) * 1e6];
	if (previous === undefined) return now;
	const nanos = now[1] - previous[1];
	return nanos < 0 ? [now[0] - previous[0] - 1, nanos + 1e9] : [now[0] - previous[0], nanos];
}
hrtime.bigint = () => BigInt(Math.round(inside().monotonicMs() * 1e6));

type Globals = Pick<
	typeof globalThis,
	"setTimeout" | "setInterval" | "setImmediate" | "clearTimeout" | "clearInterval" | "clearImmediate" | "queueMicrotask"
>;

/** Timers and microtasks: the functions of the global object that a run replaces. */
const SIMULATED = {
	setTimeout: setSimulatedTimeout,
	setInterval: (callback: unknown, delay?: unknown, ...values: unknown[]) =>
		inside().setTimer(bind(callback, values), timerDelay(delay), true),
	setImmediate: setSimulatedImmediate,
	clearTimeout: clear,
	clearInterval: clear,
	clearImmediate: clear,
	queueMicrotask: (callback: unknown) => realQueueMicrotask(catching(callback)),
} as unknown as Globals;

function getGlobals(): Globals {
	const { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, queueMicrotask } =
		globalThis;
	return { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, queueMicrotask };
}

/** One by one: assigning a global through a key takes ten times as long. */
function setGlobals(globals: Globals): void {
	globalThis.setTimeout = globals.setTimeout;
	globalThis.setInterval = globals.setInterval;
	globalThis.setImmediate = globals.setImmediate;
	globalThis.clearTimeout = globals.clearTimeout;
	globalThis.clearInterval = globals.clearInterval;
	globalThis.clearImmediate = globals.clearImmediate;
	globalThis.queueMicrotask = globals.queueMicrotask;
}

/** Everything else that a run replaces: the object it hangs on, its name, and what stands there during a run. */
const REPLACED: readonly (readonly [object, string, unknown])[] = [
	[globalThis, "Date", SimulatedDate],
	[
		process,
		"nextTick",
		(callback: unknown, ...values: unknown[]) => realNextTick.call(process, catching(callback), ...values),
	],
	[Math, "random", () => inside().random()],
	[performance, "now", () => inside().monotonicMs()],
	[globalThis.crypto, "randomUUID", () => inside().uuid()],
	[
		globalThis.crypto,
		"getRandomValues",
		<T extends ArrayBufferView>(target: T): T => {
			const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
			for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(inside().random() * 256);
			return target;
		},
	],
	[process, "hrtime", hrtime],
	[process, "uptime", () => inside().monotonicMs() / 1000],
	[process, "emitWarning", warn],
	[globalThis, "console", simulatedConsole],
	[process.stdout, "write", writeAt("stdout")],
	[process.stderr, "write", writeAt("stderr")],
	// Stacks name files and lines of this machine, and engines store them: in a run an error is its message.
	[Error, "stackTraceLimit", 0],
	// What is set on this machine is not set on another.
	[process, "env", Object.freeze({})],
];

/** Which of them their holder usually only inherits, and is then to inherit again. */
const INHERITED: readonly boolean[] = REPLACED.map((_, i) => isInherited(i));

function isInherited(i: number): boolean {
	const [holder, name] = REPLACED[i] as (typeof REPLACED)[number];
	return !Object.hasOwn(holder, name);
}

const REJECTION = "unhandledRejection";

function onRejection(reason: unknown): void {
	active?.unhandledRejection(reason);
}

/**
 * Runs `body` with the world's globals in place.
 * @throws HarnessError when a world is running already, or when called from a promise job, where draining is not
 *   possible.
 */
export function interpose<T>(interposer: Interposer, body: () => T): T {
	if (active !== undefined) {
		throw new HarnessError("nested-run", "A world is running already; one thread runs one world at a time.");
	}
	assertDrains();

	const real = REPLACED.map(([holder, name]) => (holder as Record<string, unknown>)[name]);
	const inherited = INHERITED.map((usually, i) => usually && isInherited(i));
	const listeners = process.rawListeners(REJECTION) as ((...values: unknown[]) => void)[];
	const realGlobals = getGlobals();
	active = interposer;
	setGlobals(SIMULATED);
	REPLACED.forEach(([holder, name, simulated]) => {
		(holder as Record<string, unknown>)[name] = simulated;
	});
	const sockets = interposer.sockets?.();
	if (sockets !== undefined) placeSockets(sockets);
	if (listeners.length > 0) process.removeAllListeners(REJECTION);
	process.on(REJECTION, onRejection);
	try {
		return body();
	} finally {
		setGlobals(realGlobals);
		REPLACED.forEach(([holder, name], i) => {
			if (inherited[i]) delete (holder as Record<string, unknown>)[name];
			else (holder as Record<string, unknown>)[name] = real[i];
		});
		if (replacedWebSocket !== undefined) removeSockets(replacedWebSocket);
		process.removeAllListeners(REJECTION);
		for (const listener of listeners) process.on(REJECTION, listener);
		active = undefined;
	}
}

/** What stood as `WebSocket` before the run, which older runtimes do not have; undefined while nothing stands in its place. */
let replacedWebSocket: { readonly descriptor: PropertyDescriptor | undefined } | undefined;

/** Puts the `WebSocket` of a network into its place, until the end of the run. */
export function placeSockets({ WebSocket }: SimulatedSockets): void {
	replacedWebSocket ??= { descriptor: Object.getOwnPropertyDescriptor(globalThis, "WebSocket") };
	Object.defineProperty(globalThis, "WebSocket", { value: WebSocket, writable: true, configurable: true });
}

function removeSockets({ descriptor }: { readonly descriptor: PropertyDescriptor | undefined }): void {
	Reflect.deleteProperty(globalThis, "WebSocket");
	if (descriptor !== undefined) Object.defineProperty(globalThis, "WebSocket", descriptor);
	replacedWebSocket = undefined;
}

interface DrainingProcess {
	/** Node's own drain of next-ticks, microtasks and unhandled rejections; empty when called from a promise job. */
	_tickCallback(): void;
}

/** Runs every pending tick, microtask and rejection handler now. */
export const drain: () => void = () => (process as unknown as DrainingProcess)._tickCallback();

function assertDrains(): void {
	let drained = false;
	Promise.resolve().then(() => {
		drained = true;
	});
	drain();
	if (!drained) {
		throw new HarnessError(
			"promise-job",
			"A run was entered from a promise job, where nothing can be drained; enter it through `inMacrotask`.",
		);
	}
}

/** Calls `body` from a macrotask, the only place a run can be entered from, and hands on what it returns or throws. */
export function inMacrotask<T>(body: () => T): Promise<T> {
	return new Promise((resolve, reject) => {
		setImmediate(() => {
			try {
				resolve(body());
			} catch (error) {
				reject(error);
			}
		});
	});
}
