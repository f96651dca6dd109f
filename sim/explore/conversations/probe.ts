/**
 * Holds one probe: connects, sends its frames, and tells what came of it. A server that is alive to this connection answers a last
 * request on it; one that closed said why. Whoever is asked finds out nothing about others.
 */

import { decodeToClient, encodeToServer, type ToServer } from "@rivetkit/engine-runner-protocol";
import { NOBODY, type Probe, type ProbeFrame, type ProbeUrl } from "../../../fixtures/conversations/probes.ts";
import type { LineListener } from "./converse.ts";

export interface ProbeLine {
	send(frame: Uint8Array | string): void;
	close(): void;
}

export interface ProbeStage {
	/** @param query of the URL, without its question mark. */
	connect(query: string, listener: LineListener): ProbeLine;
	pause(ms: number): Promise<void>;
}

export interface Probed {
	readonly probe: string;
	/** `1011 ws.invalid_url`, without the random id behind it; absent while the server keeps the connection. */
	readonly closed?: string;
	/** Whether it was told Init. */
	readonly init: boolean;
	/** Whether it is still heard. */
	readonly answers: boolean;
}

/** Beyond the time that a server gives a first frame, which is 5 s. */
const PATIENCE_MS = 6_500;
const BETWEEN_MS = 300;
const LOOK_EVERY_MS = 50;

const USUAL: ProbeUrl = { protocol_version: "7", namespace: "default", runner_key: "probe" };

export async function holdProbe(probe: Probe, stage: ProbeStage, key: string, pool: string): Promise<Probed> {
	let open = false;
	let closed: string | undefined;
	let init = false;
	let answers = false;
	const parts = { ...USUAL, runner_key: key, ...probe.url };
	const query = Object.entries(parts).flatMap(([part, value]) =>
		value === null ? [] : [`${part}=${encodeURIComponent(value)}`],
	);
	const line = stage.connect(query.join("&"), {
		onOpen: () => {
			open = true;
		},
		onFrame: (frame) => {
			const { tag } = decodeToClient(frame);
			init ||= tag === "ToClientInit";
			answers ||= tag === "ToClientKvResponse";
		},
		onClose: (code, reason) => {
			closed = `${code} ${reason.split("#")[0]}`;
		},
	});
	const until = async (holds: () => boolean) => {
		for (let waited = 0; waited < PATIENCE_MS && !holds() && closed === undefined; waited += LOOK_EVERY_MS) {
			await stage.pause(LOOK_EVERY_MS);
		}
	};
	await until(() => open);
	for (const frame of probe.frames) {
		if (closed === undefined) line.send(encoded(frame, pool));
		await stage.pause(BETWEEN_MS);
	}
	// Only who was told Init may ask; whoever was not is told why, or nothing.
	await until(() => init);
	if (closed === undefined && init) line.send(encodeToServer(QUESTION));
	await until(() => answers);
	line.close();
	return { probe: probe.name, ...(closed === undefined ? {} : { closed }), init, answers };
}

const QUESTION: ToServer = {
	tag: "ToServerKvRequest",
	val: { actorId: NOBODY, requestId: 1, data: { tag: "KvGetRequest", val: { keys: [] } } },
};

function encoded(frame: ProbeFrame, pool: string): Uint8Array | string {
	if (frame === "init") return encoded({ init: {} }, pool);
	if ("text" in frame) return frame.text;
	if ("bytes" in frame) return Buffer.from(frame.bytes, "hex");
	if ("acknowledge" in frame) {
		const lastCommandCheckpoints = [{ actorId: frame.acknowledge, generation: 0, index: 0n }];
		return encodeToServer({ tag: "ToServerAckCommands", val: { lastCommandCheckpoints } });
	}
	if ("events" in frame) {
		const checkpoint = { actorId: frame.events, generation: 0, index: 0n };
		const inner = { tag: "EventActorStateUpdate", val: { state: { tag: "ActorStateRunning", val: null } } } as const;
		return encodeToServer({ tag: "ToServerEvents", val: [{ checkpoint, inner }] });
	}
	const { name = pool, metadata = null, actorNames } = frame.init;
	return encodeToServer({
		tag: "ToServerInit",
		val: {
			name,
			version: 1,
			totalSlots: 1,
			prepopulateActorNames: actorNames === undefined ? null : new Map([["actor", { metadata: actorNames }]]),
			metadata,
		},
	});
}
