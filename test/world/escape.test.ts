/**
 * Whatever would leave the world is a harness error that names the call, also when the code under test swallows the
 * exception; outside a run the same call works. The calls are made as an engine makes them: through imports and globals
 * taken before any run began.
 */
import childProcess, { ChildProcess, spawn } from "node:child_process";
import cluster from "node:cluster";
import nodeCrypto, { randomBytes, webcrypto } from "node:crypto";
import dgram from "node:dgram";
import dns from "node:dns";
import dnsPromises from "node:dns/promises";
import { once } from "node:events";
import fs, { readFileSync } from "node:fs";
import fsPromises, { readFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import nodeProcess, { hrtime } from "node:process";
import timers, { setTimeout as nodeSetTimeout } from "node:timers";
import timersPromises, { scheduler } from "node:timers/promises";
import tls from "node:tls";
import { fileURLToPath } from "node:url";
import {
	BroadcastChannel as NodeBroadcastChannel,
	MessageChannel as NodeMessageChannel,
	Worker,
} from "node:worker_threads";
import zlib from "node:zlib";
import { describe, expect, test } from "vitest";
import { HarnessError } from "../../sim/world/harness-error.ts";
import { inWorld, runProcess } from "./in-world.ts";

const THIS_FILE = fileURLToPath(import.meta.url);
/** Nothing listens there, so a connection is refused at once. */
const NOWHERE = { host: "127.0.0.1", port: 1 };
const load = createRequire(import.meta.url);

const heldSetTimeout = setTimeout;
const heldSetInterval = setInterval;
const heldSetImmediate = setImmediate;
const heldNow = Date.now;
const heldRandom = Math.random;
const heldPerformanceNow = performance.now;
const heldRandomUUID = crypto.randomUUID;
const heldGetRandomValues = crypto.getRandomValues;

interface Row {
	/** What the error must name. */
	readonly call: string;
	readonly make: () => unknown;
	/** Where not every supported runtime has it. */
	readonly missing?: boolean;
	/** Why it is not called outside a run as well. */
	readonly insideOnly?: string;
}

const ENDS_THE_TESTS = "it would end the tests";
const SLOW_OR_INTRUSIVE = "it would touch the network or start a server";

const ROWS: readonly Row[] = [
	{ call: "fs.readFileSync", make: () => readFileSync(THIS_FILE) },
	{ call: "fs.readFileSync", make: () => fs.readFileSync(THIS_FILE) },
	{ call: "fs.readFileSync", make: () => (load("fs") as typeof fs).readFileSync(THIS_FILE) },
	{ call: "fs.existsSync", make: () => fs.existsSync(THIS_FILE) },
	{ call: "fs.stat", make: () => new Promise((resolve) => fs.stat(THIS_FILE, resolve)) },
	{ call: "fs.createReadStream", make: () => once(fs.createReadStream(THIS_FILE).resume(), "close") },
	{ call: "fs.open", make: () => once(Reflect.construct(fs.ReadStream, [THIS_FILE]).resume(), "close") },
	{ call: "fs/promises.readFile", make: () => readFile(THIS_FILE) },
	{ call: "fs/promises.readFile", make: () => fsPromises.readFile(THIS_FILE) },
	{ call: "fs/promises.readFile", make: () => fs.promises.readFile(THIS_FILE) },
	{ call: "net.connect", make: () => refused(net.connect(NOWHERE)) },
	{ call: "net.createServer", make: () => net.createServer() },
	{ call: "net.Socket.connect", make: () => refused(new net.Socket().connect(NOWHERE)) },
	{ call: "net.Server.listen", make: () => closed(new net.Server().listen(0)) },
	{ call: "tls.connect", make: () => refused(tls.connect(NOWHERE)) },
	{ call: "http.request", make: () => refused(http.request(NOWHERE)) },
	{ call: "http.get", make: () => refused(http.get(NOWHERE)) },
	{ call: "net.", make: () => refused(new http.ClientRequest(new URL("http://127.0.0.1:1"))) },
	{ call: "http.createServer", make: () => http.createServer() },
	{ call: "net.Server.listen", make: () => closed(new http.Server().listen(0)) },
	{ call: "https.request", make: () => refused(https.request(NOWHERE)) },
	{ call: "http2.connect", make: () => refused(http2.connect("http://127.0.0.1:1")) },
	{ call: "dgram.createSocket", make: () => dgram.createSocket("udp4").close() },
	{
		call: "dgram.Socket.bind",
		make: () => closed(Reflect.construct(dgram.Socket, ["udp4"]).bind(0)),
		insideOnly: SLOW_OR_INTRUSIVE,
	},
	{ call: "dns.lookup", make: () => new Promise((resolve) => dns.lookup("127.0.0.1", resolve)) },
	{ call: "dns/promises.lookup", make: () => dnsPromises.lookup("127.0.0.1") },
	{ call: "dns/promises.lookup", make: () => dns.promises.lookup("127.0.0.1") },
	{
		call: "dns.Resolver.resolve4",
		make: () => new dns.Resolver().resolve4("x", () => {}),
		insideOnly: SLOW_OR_INTRUSIVE,
	},
	{
		call: "dns/promises.Resolver.resolve4",
		make: () => new dnsPromises.Resolver().resolve4("x"),
		insideOnly: SLOW_OR_INTRUSIVE,
	},
	{ call: "fetch", make: () => fetch("data:,text") },
	{ call: "WebSocket", make: () => refused(new WebSocket("ws://127.0.0.1:1")), missing: !("WebSocket" in globalThis) },
	{ call: "child_process.spawn", make: () => once(spawn(process.execPath, ["--version"]), "close") },
	{ call: "child_process.execFileSync", make: () => childProcess.execFileSync(process.execPath, ["--version"]) },
	{
		call: "child_process.ChildProcess.spawn",
		make: () => (new ChildProcess() as unknown as { spawn(options: object): void }).spawn({ file: "true", args: [] }),
	},
	{ call: "cluster.fork", make: () => cluster.fork(), insideOnly: "it would start these tests again" },
	{ call: "worker_threads.Worker", make: () => once(new Worker("", { eval: true }), "exit") },
	{ call: "worker_threads.MessageChannel", make: () => new NodeMessageChannel().port1.close() },
	{ call: "worker_threads.BroadcastChannel", make: () => new NodeBroadcastChannel("test").close() },
	{ call: "MessageChannel", make: () => new MessageChannel().port1.close() },
	{ call: "BroadcastChannel", make: () => new BroadcastChannel("test").close() },
	{ call: "timers.setTimeout", make: () => clearTimeout(nodeSetTimeout(() => {}, 1)) },
	{ call: "timers.setInterval", make: () => clearInterval(timers.setInterval(() => {}, 1)) },
	{ call: "timers.setImmediate", make: () => clearImmediate(timers.setImmediate(() => {})) },
	{ call: "timers/promises.setTimeout", make: () => timersPromises.setTimeout(1) },
	{ call: "timers/promises.setImmediate", make: () => timersPromises.setImmediate() },
	{ call: "timers/promises.scheduler.wait", make: () => scheduler.wait(1) },
	{ call: "timers/promises.scheduler.yield", make: () => scheduler.yield() },
	{ call: "AbortSignal.timeout", make: () => AbortSignal.timeout(1) },
	{ call: "Atomics.wait", make: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1) },
	{ call: "crypto.randomBytes", make: () => randomBytes(4) },
	{ call: "crypto.randomBytes", make: () => nodeCrypto.randomBytes(4) },
	{ call: "crypto.randomInt", make: () => nodeCrypto.randomInt(4) },
	{ call: "crypto.generateKeyPairSync", make: () => nodeCrypto.generateKeyPairSync("ed25519") },
	{ call: "crypto.scrypt", make: () => new Promise((resolve) => nodeCrypto.scrypt("a", "b", 8, resolve)) },
	{ call: "crypto.hkdf", make: () => new Promise((resolve) => nodeCrypto.hkdf("sha256", "a", "b", "c", 8, resolve)) },
	{ call: "crypto.subtle.digest", make: () => crypto.subtle.digest("SHA-256", new Uint8Array(1)) },
	{ call: "crypto.subtle.digest", make: () => webcrypto.subtle.digest("SHA-256", new Uint8Array(1)) },
	{ call: "zlib.gzip", make: () => new Promise((resolve) => zlib.gzip("text", resolve)) },
	{ call: "zlib.createGzip", make: () => zlib.createGzip().end("text").resume() },
	{ call: "CompressionStream", make: () => new CompressionStream("gzip") },
	{ call: "os.hostname", make: () => os.hostname() },
	{ call: "os.freemem", make: () => os.freemem() },
	{ call: "os.uptime", make: () => os.uptime() },
	{ call: "perf_hooks.monitorEventLoopDelay", make: () => monitorEventLoopDelay() },
	{ call: "performance.mark", make: () => performance.mark("test") },
	{ call: "process.exit", make: () => nodeProcess.exit(1), insideOnly: ENDS_THE_TESTS },
	{ call: "process.abort", make: () => nodeProcess.abort(), insideOnly: ENDS_THE_TESTS },
	{ call: "process.kill", make: () => nodeProcess.kill(process.pid, 0) },
	{ call: "process.chdir", make: () => nodeProcess.chdir(process.cwd()) },
	{ call: "process.hrtime", make: () => hrtime() },
	{ call: "process.hrtime.bigint", make: () => hrtime.bigint() },
	{ call: "setTimeout, held since before the run", make: () => clearTimeout(heldSetTimeout(() => {}, 1)) },
	{ call: "setInterval, held since before the run", make: () => clearInterval(heldSetInterval(() => {}, 1)) },
	{ call: "setImmediate, held since before the run", make: () => clearImmediate(heldSetImmediate(() => {})) },
	{ call: "Date.now, held since before the run", make: () => heldNow() },
	{ call: "Math.random, held since before the run", make: () => heldRandom() },
	{ call: "performance.now, held since before the run", make: () => heldPerformanceNow.call(performance) },
	{ call: "crypto.randomUUID, held since before the run", make: () => heldRandomUUID.call(crypto) },
	{
		call: "crypto.getRandomValues, held since before the run",
		make: () => heldGetRandomValues.call(crypto, new Uint8Array(1)),
	},
].map((row, i) => ({ ...row, name: `${row.call} (row ${i + 1})` }));

interface Emitter {
	on(event: "error", listener: () => void): unknown;
}

/** Resolves when a connection to nowhere has been refused. */
function refused(connection: Emitter | WebSocket): Promise<void> {
	return new Promise((resolve) => {
		if ("addEventListener" in connection) connection.addEventListener("error", () => resolve());
		else connection.on("error", () => resolve());
	});
}

function closed(server: { close(done: () => void): unknown }): Promise<void> {
	return new Promise((resolve) => void server.close(resolve));
}

describe.each(ROWS.filter(({ missing }) => missing !== true))("$name", ({ call, make, insideOnly }) => {
	test("inside a run throws a harness error that names it", async () => {
		let thrown: unknown;
		const run = runProcess(() => {
			try {
				make();
			} catch (error) {
				thrown = error;
			}
		});
		await expect(run).rejects.toMatchObject({
			name: "HarnessError",
			code: "escape",
			message: expect.stringContaining(call),
		});
		if (thrown !== undefined) expect(thrown).toBeInstanceOf(HarnessError);
	});

	test("inside a promise whose rejection is swallowed is a harness error all the same", async () => {
		const run = runProcess(async () => {
			await null;
			await Promise.resolve()
				.then(make)
				.catch(() => {});
		});
		await expect(run).rejects.toMatchObject({
			name: "HarnessError",
			code: "escape",
			message: expect.stringContaining(call),
		});
	});

	const outside = insideOnly === undefined ? "outside a run works" : `outside a run is not tried: ${insideOnly}`;
	test.skipIf(insideOnly !== undefined)(outside, async () => {
		await runProcess(() => {});
		await make();
	});
});

test("the call that left the world first is the one that is told", async () => {
	const run = runProcess(() => {
		for (const leave of [() => os.hostname(), () => randomBytes(1)]) {
			try {
				leave();
			} catch {}
		}
	});
	await expect(run).rejects.toThrow("os.hostname");
});

test("nothing that came after the event with the escape is run", async () => {
	const seen: string[] = [];
	const run = runProcess((world, process) => {
		setTimeout(() => seen.push("timer"), 1);
		world.schedule(
			process,
			0,
			() =>
				void Promise.resolve()
					.then(() => os.hostname())
					.catch(() => {}),
		);
	});
	await expect(run).rejects.toThrow("os.hostname");
	expect(seen).toEqual([]);
});

describe("what stays inside is left alone", () => {
	test.each<[string, () => unknown, unknown]>([
		["hashes", () => nodeCrypto.createHash("sha256").update("a").digest("hex").slice(0, 8), "ca978112"],
		["compression in one go", () => zlib.gunzipSync(zlib.gzipSync("text")).toString(), "text"],
		["text encoding", () => new TextDecoder().decode(new TextEncoder().encode("text")), "text"],
		["structured clones", () => structuredClone({ a: new Map([[1, 2]]) }), { a: new Map([[1, 2]]) }],
		["abort signals", () => AbortSignal.any([AbortSignal.abort("why")]).reason, "why"],
		["address checks", () => net.isIP("127.0.0.1"), 4],
		["header checks", () => http.validateHeaderName("x-name"), undefined],
		["what is known of the platform", () => os.EOL, os.EOL],
	])("%s", async (_what, make, expected) => {
		expect(await inWorld(make)).toEqual(expected);
	});
});
