/** A conversation's stage on the real server: real time, real WebSockets, and a relay of frames between. */
import { WebSocket } from "ws";
import type { LineListener, Patience, Stage } from "./converse.ts";
import { FrameRelay } from "./frame-relay.ts";
import type { ProbeLine, ProbeStage } from "./probe.ts";
import type { RivetEngine } from "./rivet-engine.ts";

/**
 * `signMs` is for a machine that is busy with other things, and for a server that was killed: its workflows go on half a minute
 * later. Otherwise it answers in a tenth of a second.
 */
export const REAL_PATIENCE: Patience = { signMs: 60_000, quietMs: 500 };

const WAKE_LIMIT_MS = 5_000;

/** @param name of the pool and of its only runner: a name of its own for each conversation. */
export async function realStage(server: RivetEngine, name: string): Promise<Stage & { close(): void }> {
	await server.pool(name);
	const relay = await FrameRelay.to(server.url);
	return {
		connect(version, gate, listener, onSent) {
			relay.through({ gate, onSent });
			const query = `protocol_version=${version}&namespace=default&runner_key=${name}`;
			return realSocket(relay.url, query, listener);
		},
		create: (actor, policy) => server.create(name, `${name}-${actor}`, policy),
		destroy: (id) => server.destroy(id),
		wake: (id) => server.wake(id, WAKE_LIMIT_MS),
		state: (id) => stateOf(server, id),
		keyOf: keyBytes,
		async kill() {
			server.kill();
			await server.restart();
		},
		pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
		nowMs: () => performance.now() + performance.timeOrigin,
		close: () => relay.close(),
	};
}

/** How an actor stands, as users are told. */
export async function stateOf(
	server: RivetEngine,
	id: string,
): Promise<"connectable" | "sleeping" | "destroyed" | "other"> {
	const actor = await server.actor(id);
	if (actor === undefined) return "other";
	if (actor.destroy_ts !== null) return "destroyed";
	if (actor.sleep_ts !== null) return "sleeping";
	return actor.connectable_ts === null ? "other" : "connectable";
}

const ID_BYTES = 19;

/** Ids are numbers in base 36, the lowest digit first, and are stored as bytes, the lowest first. @returns these bytes in hex. */
function keyBytes(id: string): string {
	const number = [...id].reduceRight((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n);
	const hex = number.toString(16).padStart(2 * ID_BYTES, "0");
	return (hex.match(/../g) ?? []).reverse().join("");
}

/** A probe's stage on the real server, with nothing between. */
export function realProbes(server: RivetEngine): ProbeStage {
	return {
		connect(query, listener) {
			return realSocket(server.url, query, listener);
		},
		pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
	};
}

/** A runner's connection to a server, or to what stands before one. What goes wrong is told as its close. */
function realSocket(url: string, query: string, listener: LineListener): ProbeLine {
	const socket = new WebSocket(`${url}/runners/connect?${query}`, ["rivet"]);
	socket.on("open", () => listener.onOpen());
	socket.on("message", (data: Buffer) => listener.onFrame(data));
	socket.on("close", (code, reason) => listener.onClose(code, reason.toString()));
	socket.on("error", () => {});
	return {
		send: (frame) => {
			if (socket.readyState === WebSocket.OPEN) socket.send(frame);
		},
		close: () => socket.terminate(),
	};
}
