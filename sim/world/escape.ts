/**
 * Calls that would leave a world: real files, sockets, timers, threads, randomness. During a run each is a harness
 * error that names the call, or is answered by the world; outside a run each works as ever. The guards go in once, with this room and so before any
 * engine is loaded, because modules hold on to the functions they import.
 */
import { ChildProcess } from "node:child_process";
import dgram from "node:dgram";
import dns from "node:dns";
import { createRequire, syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { scheduler } from "node:timers/promises";
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
	{
		module: "zlib",
		pure: [
			...["brotliCompressSync", "brotliDecompressSync", "deflateSync", "deflateRawSync", "gunzipSync", "gzipSync"],
			...["inflateSync", "inflateRawSync", "unzipSync", "zstdCompressSync", "zstdDecompressSync", "crc32"],
		],
	},
];

/** Single functions of modules that are harmless otherwise. */
const GUARDED_FUNCTIONS: readonly (readonly [string, readonly string[]])[] = [
	[
		"crypto",
		[
			...["randomBytes", "randomFill", "randomFillSync", "randomInt", "pseudoRandomBytes", "prng", "rng"],
			...["generateKey", "generateKeySync", "generateKeyPair", "generateKeyPairSync"],
			...["generatePrime", "generatePrimeSync", "checkPrime", "pbkdf2", "scrypt", "hkdf", "argon2"],
			...["createECDH", "createDiffieHellman", "createDiffieHellmanGroup", "getDiffieHellman"],
		],
	],
	["os", ["cpus", "freemem", "hostname", "loadavg", "networkInterfaces", "totalmem", "uptime", "userInfo"]],
	["perf_hooks", ["monitorEventLoopDelay"]],
	["process", ["abort", "chdir", "exit", "kill", "loadEnvFile", "reallyExit"]],
	["worker_threads", ["Worker", "MessageChannel", "BroadcastChannel"]],
];

/** Functions of modules that a world answers itself: modules take them by name, before any run. */
const ANSWERED: readonly (readonly [string, string, (world: Interposer) => unknown])[] = [
	["crypto", "randomUUID", (world) => world.uuid()],
];

/** Methods that reach outside, of objects that are harmless to make; all methods when none are named. */
const GUARDED_METHODS: readonly (readonly [string, object, (readonly string[])?])[] = [
	["child_process.ChildProcess", ChildProcess.prototype, ["spawn"]],
	["crypto.subtle", Object.getPrototypeOf(globalThis.crypto.subtle)],
	["dgram.Socket", dgram.Socket.prototype, ["bind", "connect", "send"]],
	["dns.Resolver", dns.Resolver.prototype],
	["dns/promises.Resolver", dns.promises.Resolver.prototype],
	["net.Server", net.Server.prototype, ["listen"]],
	["net.Socket", net.Socket.prototype, ["connect"]],
	[
		"performance",
		Object.getPrototypeOf(performance),
		["mark", "measure", "timerify", "eventLoopUtilization", "toJSON"],
	],
	["timers/promises.scheduler", Object.getPrototypeOf(scheduler)],
];

/** Globals that reach outside and have no simulated counterpart. */
const GUARDED_GLOBALS: readonly (readonly [object, string, string])[] = [
	[globalThis, "fetch", "fetch"],
	[globalThis, "WebSocket", "WebSocket"],
	[globalThis, "EventSource", "EventSource"],
	[globalThis, "MessageChannel", "MessageChannel"],
	[globalThis, "BroadcastChannel", "BroadcastChannel"],
	[globalThis, "CompressionStream", "CompressionStream"],
	[globalThis, "DecompressionStream", "DecompressionStream"],
	[AbortSignal, "timeout", "AbortSignal.timeout"],
	[Atomics, "wait", "Atomics.wait"],
	[Atomics, "waitAsync", "Atomics.waitAsync"],
];

/** What a run replaces: whoever took the real one before the run still holds it. */
const GUARDED_ORIGINALS: readonly (readonly [object, string, string])[] = [
	[globalThis, "setTimeout", "setTimeout"],
	[globalThis, "setInterval", "setInterval"],
	[globalThis, "setImmediate", "setImmediate"],
	[Date, "now", "Date.now"],
	[Math, "random", "Math.random"],
	[Object.getPrototypeOf(performance), "now", "performance.now"],
	[Object.getPrototypeOf(globalThis.crypto), "randomUUID", "crypto.randomUUID"],
	[Object.getPrototypeOf(globalThis.crypto), "getRandomValues", "crypto.getRandomValues"],
	[process.hrtime, "bigint", "process.hrtime.bigint"],
	[process, "hrtime", "process.hrtime"],
	[process, "uptime", "process.uptime"],
];

let installed = false;

/** Installs the guards, once; later calls do nothing. */
export function guardEscapes(activeInterposer: () => Interposer | undefined): void {
	if (installed) return;
	installed = true;
	const load = createRequire(import.meta.url);

	function guard(holder: object, name: string, call: string): void {
		const descriptor = Object.getOwnPropertyDescriptor(holder, name);
		if (descriptor === undefined || !descriptor.configurable) return;
		// WebSocket and its like are lazy getters: read the value now.
		const real = (holder as Record<string, unknown>)[name];
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
		const error = new HarnessError("escape", `${call} was called inside a run: it would leave the world.`);
		interposer.escaped(error);
		throw error;
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
	for (const [module, name, answer] of ANSWERED) {
		const exports = load(module) as Record<string, (...values: unknown[]) => unknown>;
		const real = exports[name] as (...values: unknown[]) => unknown;
		exports[name] = (...values) => {
			const world = activeInterposer();
			return world === undefined ? real(...values) : answer(world);
		};
	}
	for (const [call, holder, names = methodsOf(holder)] of GUARDED_METHODS) {
		for (const name of names) guard(holder, name, `${call}.${name}`);
	}
	for (const [holder, name, call] of GUARDED_GLOBALS) guard(holder, name, call);
	for (const [holder, name, call] of GUARDED_ORIGINALS) {
		guard(holder, name, `The real ${call}, held since before the run,`);
	}
	syncBuiltinESMExports();
}

function methodsOf(prototype: object): string[] {
	return Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor");
}
