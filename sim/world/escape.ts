/**
 * Calls that would leave a world: real files, sockets, timers, threads, randomness. During a run each is a harness
 * error that names the call; outside a run each works as ever. The guards go in once, at the first run of a
 * process, because modules hold on to the functions they import.
 */
import { createRequire, syncBuiltinESMExports } from "node:module";
import { HarnessError } from "./harness-error.ts";
import type { Interposer } from "./interpose.ts";

/** Built-in modules whose functions reach outside, with the ones that do not. */
const GUARDED: readonly { readonly module: string; readonly pure: readonly string[] }[] = [
	{ module: "fs", pure: ["_toUnixTimestamp"] },
	{ module: "fs/promises", pure: [] },
	{ module: "child_process", pure: [] },
	{ module: "cluster", pure: [] },
	{ module: "dgram", pure: [] },
	{ module: "dns", pure: [] },
	{ module: "dns/promises", pure: [] },
	{ module: "http", pure: ["validateHeaderName", "validateHeaderValue"] },
	{ module: "http2", pure: [] },
	{ module: "https", pure: [] },
	{ module: "net", pure: ["isIP", "isIPv4", "isIPv6"] },
	{ module: "tls", pure: [] },
	{ module: "timers", pure: [] },
	{ module: "timers/promises", pure: [] },
];

/** Single functions of modules that are harmless otherwise. */
const GUARDED_FUNCTIONS: readonly (readonly [string, readonly string[]])[] = [
	["crypto", ["randomBytes", "randomFill", "randomFillSync", "randomInt", "randomUUID", "pbkdf2", "scrypt"]],
];

/** Globals that reach outside and have no simulated counterpart. */
const GUARDED_GLOBALS: readonly (readonly [object, string, string])[] = [
	[globalThis, "fetch", "fetch"],
	[globalThis, "WebSocket", "WebSocket"],
	[globalThis, "EventSource", "EventSource"],
	[globalThis, "MessageChannel", "MessageChannel"],
	[globalThis, "BroadcastChannel", "BroadcastChannel"],
	[AbortSignal, "timeout", "AbortSignal.timeout"],
	[Atomics, "wait", "Atomics.wait"],
	[Atomics, "waitAsync", "Atomics.waitAsync"],
];

let installed = false;

/** Installs the guards, once; later calls do nothing. */
export function guardEscapes(activeInterposer: () => Interposer | undefined): void {
	if (installed) return;
	installed = true;
	const load = createRequire(import.meta.url);

	function guard(holder: Record<string, unknown>, name: string, call: string): void {
		const descriptor = Object.getOwnPropertyDescriptor(holder, name);
		if (descriptor === undefined || !descriptor.configurable) return;
		// WebSocket and its like are lazy getters: read the value now.
		const real = holder[name];
		if (typeof real !== "function") return;
		const guarded = new Proxy(real, {
			apply(target, self, values) {
				check(call);
				return Reflect.apply(target, self, values);
			},
			construct(target, values, newTarget) {
				check(call);
				return Reflect.construct(target, values, newTarget);
			},
		});
		Object.defineProperty(holder, name, {
			value: guarded,
			writable: true,
			configurable: true,
			enumerable: descriptor.enumerable ?? true,
		});
	}

	function check(call: string): void {
		const interposer = activeInterposer();
		if (interposer === undefined) return;
		interposer.escaped(call);
		throw new HarnessError("escape", `${call} was called inside a run: it would leave the world.`);
	}

	for (const { module, pure } of GUARDED) {
		const exports = load(module) as Record<string, unknown>;
		for (const name of Object.keys(exports)) {
			if (!pure.includes(name) && !/^[A-Z_]/.test(name)) guard(exports, name, `${module}.${name}`);
		}
	}
	for (const [module, names] of GUARDED_FUNCTIONS) {
		const exports = load(module) as Record<string, unknown>;
		for (const name of names) guard(exports, name, `${module}.${name}`);
	}
	for (const [holder, name, call] of GUARDED_GLOBALS) guard(holder as Record<string, unknown>, name, call);
	const threads = load("worker_threads") as Record<string, unknown>;
	guard(threads, "Worker", "worker_threads.Worker");
	guard(
		(load("net") as { Socket: { prototype: Record<string, unknown> } }).Socket.prototype,
		"connect",
		"net.Socket.connect",
	);
	syncBuiltinESMExports();
}
