/** Each version of the protocol says what it can, and takes no bytes that are none of its messages. */
import { StopCode } from "@rivetkit/engine-runner-protocol";
import { describe, expect, test } from "vitest";
import {
	type Checkpoint,
	PROTOCOL_VERSIONS,
	type ProtocolVersion,
	type ToClient,
	type ToServer,
	UNTOLD_GENERATION,
	UNTOLD_MS,
	type Wire,
	WireError,
	wireOf,
} from "../../drivers/runner/wire.ts";

const at = (index: bigint, generation = 3): Checkpoint => ({ actorId: "actor-1", generation, index });
const bytes = (text: string) => new TextEncoder().encode(text).slice().buffer as ArrayBuffer;

const TO_SERVER: readonly ToServer[] = [
	{
		tag: "ToServerInit",
		val: {
			name: "pool",
			version: 2,
			totalSlots: 9,
			prepopulateActorNames: new Map([["counter", { metadata: '{"a":1}' }]]),
			metadata: "{}",
		},
	},
	{ tag: "ToServerInit", val: { name: "", version: 0, totalSlots: 0, prepopulateActorNames: null, metadata: null } },
	{
		tag: "ToServerEvents",
		val: [
			{
				checkpoint: at(0n),
				inner: { tag: "EventActorStateUpdate", val: { state: { tag: "ActorStateRunning", val: null } } },
			},
			{
				checkpoint: at(1n),
				inner: { tag: "EventActorIntent", val: { intent: { tag: "ActorIntentSleep", val: null } } },
			},
			{
				checkpoint: at(2n),
				inner: { tag: "EventActorIntent", val: { intent: { tag: "ActorIntentStop", val: null } } },
			},
			{ checkpoint: at(3n), inner: { tag: "EventActorSetAlarm", val: { alarmTs: 5n } } },
			{ checkpoint: at(4n), inner: { tag: "EventActorSetAlarm", val: { alarmTs: null } } },
			{
				checkpoint: at(2n ** 62n, 2 ** 32 - 1),
				inner: {
					tag: "EventActorStateUpdate",
					val: { state: { tag: "ActorStateStopped", val: { code: StopCode.Error, message: "no" } } },
				},
			},
		],
	},
	{ tag: "ToServerAckCommands", val: { lastCommandCheckpoints: [at(0n), at(7n)] } },
	{ tag: "ToServerStopping", val: null },
	{ tag: "ToServerPong", val: { ts: 12n } },
	{
		tag: "ToServerKvRequest",
		val: {
			actorId: "actor-1",
			requestId: 4,
			data: { tag: "KvPutRequest", val: { keys: [bytes("k")], values: [bytes("v")] } },
		},
	},
];

const TO_CLIENT: readonly ToClient[] = [
	{
		tag: "ToClientInit",
		val: {
			runnerId: "r",
			metadata: { runnerLostThreshold: 15_000n, actorStopThreshold: 60_000n, serverlessDrainGracePeriod: 1n },
		},
	},
	{
		tag: "ToClientCommands",
		val: [
			{
				checkpoint: at(0n),
				inner: {
					tag: "CommandStartActor",
					val: {
						config: { name: "counter", key: "k", createTs: 1n, input: bytes("in") },
						hibernatingRequests: [{ gatewayId: new ArrayBuffer(4), requestId: new ArrayBuffer(4) }],
					},
				},
			},
			{ checkpoint: at(1n), inner: { tag: "CommandStopActor", val: null } },
		],
	},
	{ tag: "ToClientCommands", val: [] },
	{ tag: "ToClientAckEvents", val: { lastEventCheckpoints: [at(9n)] } },
	{ tag: "ToClientKvResponse", val: { requestId: 4, data: { tag: "KvErrorResponse", val: { message: "no" } } } },
	{ tag: "ToClientPing", val: { ts: 12n } },
];

/** What a message is to the other side, which an older version is not told all of. */
function told(message: ToServer | ToClient, version: ProtocolVersion): ToServer | ToClient {
	const untold = (checkpoints: readonly Checkpoint[]) =>
		version > 4 ? checkpoints : checkpoints.map((checkpoint) => ({ ...checkpoint, generation: UNTOLD_GENERATION }));
	switch (message.tag) {
		case "ToServerAckCommands":
			return { ...message, val: { lastCommandCheckpoints: untold(message.val.lastCommandCheckpoints) } };
		case "ToClientAckEvents":
			return { ...message, val: { lastEventCheckpoints: untold(message.val.lastEventCheckpoints) } };
		case "ToClientInit": {
			if (version > 5) return message;
			const metadata = { ...message.val.metadata, actorStopThreshold: UNTOLD_MS, serverlessDrainGracePeriod: null };
			return { ...message, val: { ...message.val, metadata } };
		}
		default:
			return message;
	}
}

const wire = (version: number) => wireOf(version) as Wire;

describe.each(PROTOCOL_VERSIONS)("version %i", (version) => {
	test.each(TO_SERVER.map((message) => [message.tag, message] as const))("has %s come back", (_tag, message) => {
		expect(wire(version).decodeToServer(wire(version).encodeToServer(message))).toEqual(told(message, version));
	});

	test.each(TO_CLIENT.map((message) => [message.tag, message] as const))("has %s come back", (_tag, message) => {
		expect(wire(version).decodeToClient(wire(version).encodeToClient(message))).toEqual(told(message, version));
	});

	test.each([
		["nothing", new Uint8Array()],
		["an unknown kind", new Uint8Array([99])],
		["a list that is longer than the frame", new Uint8Array([1, 200, 1])],
		["more than a message", new Uint8Array([5, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
	])("takes %s for no message, either way", (_what, frame) => {
		expect(() => wire(version).decodeToServer(frame)).toThrow(WireError);
		expect(() => wire(version).decodeToClient(frame)).toThrow(WireError);
	});
});

test.each([4, 5, 6])("version %i refuses what only version 7 can say", (version) => {
	const request: ToServer = {
		tag: "ToServerKvRequest",
		val: {
			actorId: "actor-1",
			requestId: 1,
			data: { tag: "KvDeleteRangeRequest", val: { start: bytes("a"), end: bytes("b") } },
		},
	};
	expect(() => wire(version).encodeToServer(request)).toThrow(/no KvDeleteRangeRequest/);
	expect(wire(7).decodeToServer(wire(7).encodeToServer(request))).toEqual(request);
});

test.each([0, 3, 8, 4.5, Number.NaN])("there is no version %d", (version) => {
	expect(wireOf(version)).toBeUndefined();
});
