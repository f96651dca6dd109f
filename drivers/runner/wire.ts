/**
 * Frames of the runner protocol as bytes, in its versions 4 to 7: one BARE message a binary frame, whose version stands in the URL
 * of the connection and nowhere else. Versions 5 to 7 are the published packages of the protocol; nobody published 4, which is
 * made here of the parts of 5 that it shares.
 *
 * Messages are those of version 7. What an older version cannot say is refused when it is encoded, and filled in as told below
 * when it is decoded.
 */
import {
	BareError,
	ByteCursor,
	Config,
	readI64,
	readString,
	readU32,
	readUintSafe,
	writeI64,
	writeString,
	writeU32,
	writeUintSafe,
} from "@rivetkit/bare-ts";
import * as v7 from "@rivetkit/engine-runner-protocol";
import * as v5 from "runner-protocol-2.1.3";
import * as v6 from "runner-protocol-2.1.5";
import { keyFromBytes } from "../../sim/world/disk.ts";

export type ToServer = v7.ToServer;
export type ToClient = v7.ToClient;
export type Checkpoint = v7.ActorCheckpoint;
export type EventWrapper = v7.EventWrapper;
export type CommandWrapper = v7.CommandWrapper;

export type ProtocolVersion = 4 | 5 | 6 | 7;
export const PROTOCOL_VERSIONS: readonly ProtocolVersion[] = [4, 5, 6, 7];

/** In place of the generation in acknowledgements of version 4, which do not tell it. */
export const UNTOLD_GENERATION = -1;
/** In place of a threshold that a version does not tell. */
export const UNTOLD_MS = -1n;

export interface Wire {
	readonly version: ProtocolVersion;
	/** @throws WireError for what the version cannot say. */
	encodeToServer(message: ToServer): Uint8Array;
	encodeToClient(message: ToClient): Uint8Array;
	/**
	 * Messages are shared by whoever decodes the same bytes, and frozen; nobody may change the buffers in them.
	 * @throws WireError for bytes that are no message.
	 */
	decodeToServer(bytes: Uint8Array): ToServer;
	decodeToClient(bytes: Uint8Array): ToClient;
}

/** A frame that is no message of its version, or a message that its version cannot say. */
export class WireError extends Error {
	readonly code = "frame";
	override readonly name = "WireError";
}

type Codec = Omit<Wire, "version">;

/** Messages from the server, as version 5 has them: its Init tells one threshold. */
function completed(message: v5.ToClient): ToClient {
	if (message.tag !== "ToClientInit") return message;
	const { runnerId, metadata } = message.val;
	return {
		tag: "ToClientInit",
		val: { runnerId, metadata: { ...metadata, actorStopThreshold: UNTOLD_MS, serverlessDrainGracePeriod: null } },
	};
}

/** @throws WireError for a request that only version 7 has. */
function withoutDeleteRange(message: ToServer, version: ProtocolVersion): v6.ToServer {
	if (message.tag === "ToServerKvRequest" && message.val.data.tag === "KvDeleteRangeRequest") {
		throw new WireError(`Version ${version} of the runner protocol has no KvDeleteRangeRequest.`);
	}
	return message as v6.ToServer;
}

const version5: Codec = {
	encodeToServer: (message) => written(v5.writeToServer, withoutDeleteRange(message, 5) as v5.ToServer),
	encodeToClient: (message) => written(v5.writeToClient, message),
	decodeToServer: (bytes) => v5.decodeToServer(bytes) as ToServer,
	decodeToClient: (bytes) => completed(v5.decodeToClient(bytes)),
};

const version6: Codec = {
	encodeToServer: (message) => written(v6.writeToServer, withoutDeleteRange(message, 6)),
	encodeToClient: (message) => written(v6.writeToClient, message),
	decodeToServer: (bytes) => v6.decodeToServer(bytes) as ToServer,
	decodeToClient: v6.decodeToClient,
};

const version7: Codec = {
	encodeToServer: (message) => written(v7.writeToServer, message),
	encodeToClient: (message) => written(v7.writeToClient, message),
	decodeToServer: v7.decodeToServer,
	decodeToClient: v7.decodeToClient,
};

/** Places in the unions of messages; versions 4 to 7 agree on them. */
const EVENTS = 1;
const ACK_COMMANDS = 2;
const COMMANDS = 1;
const ACK_EVENTS = 2;

const version4: Codec = {
	encodeToServer(message) {
		switch (message.tag) {
			case "ToServerEvents":
				return encoded(EVENTS, (cursor) => writeList(cursor, message.val, writeEvent4));
			case "ToServerAckCommands":
				return encoded(ACK_COMMANDS, (cursor) =>
					writeList(cursor, message.val.lastCommandCheckpoints, writeCheckpoint4),
				);
			default:
				return written(v5.writeToServer, withoutDeleteRange(message, 4) as v5.ToServer);
		}
	},
	encodeToClient(message) {
		switch (message.tag) {
			case "ToClientCommands":
				return encoded(COMMANDS, (cursor) => writeList(cursor, message.val, writeCommand4));
			case "ToClientAckEvents":
				return encoded(ACK_EVENTS, (cursor) => writeList(cursor, message.val.lastEventCheckpoints, writeCheckpoint4));
			default:
				return written(v5.writeToClient, message);
		}
	},
	decodeToServer(bytes) {
		switch (bytes[0]) {
			case EVENTS:
				return { tag: "ToServerEvents", val: decoded(bytes, (cursor) => readList(cursor, readEvent4)) };
			case ACK_COMMANDS:
				return {
					tag: "ToServerAckCommands",
					val: { lastCommandCheckpoints: decoded(bytes, (cursor) => readList(cursor, readUntoldCheckpoint)) },
				};
			default:
				return v5.decodeToServer(bytes) as ToServer;
		}
	},
	decodeToClient(bytes) {
		switch (bytes[0]) {
			case COMMANDS:
				return { tag: "ToClientCommands", val: decoded(bytes, (cursor) => readList(cursor, readCommand4)) };
			case ACK_EVENTS:
				return {
					tag: "ToClientAckEvents",
					val: { lastEventCheckpoints: decoded(bytes, (cursor) => readList(cursor, readUntoldCheckpoint)) },
				};
			default:
				return completed(v5.decodeToClient(bytes));
		}
	},
};

const CONFIG = Config({});

/** Where messages are written before their bytes are handed out: most are short, and a buffer for each would be most of the cost. */
const SCRATCH = new ByteCursor(new Uint8Array(4096), CONFIG);

/** The bytes of a message, in a buffer of their own size. */
function written<T>(write: (cursor: ByteCursor, message: T) => void, message: T): Uint8Array {
	SCRATCH.offset = 0;
	write(SCRATCH, message);
	return SCRATCH.bytes.slice(0, SCRATCH.offset);
}

function encoded(tag: number, write: (cursor: ByteCursor) => void): Uint8Array {
	return written((cursor) => {
		writeUintSafe(cursor, tag);
		write(cursor);
	}, undefined);
}

function decoded<T>(bytes: Uint8Array, read: (cursor: ByteCursor) => T): T {
	const cursor = new ByteCursor(bytes, CONFIG);
	readUintSafe(cursor);
	const value = read(cursor);
	if (cursor.offset < cursor.view.byteLength) throw new BareError(cursor.offset, "remaining bytes");
	return value;
}

function writeList<T>(cursor: ByteCursor, items: readonly T[], write: (cursor: ByteCursor, item: T) => void): void {
	writeUintSafe(cursor, items.length);
	for (const item of items) write(cursor, item);
}

function readList<T>(cursor: ByteCursor, read: (cursor: ByteCursor) => T): T[] {
	const length = readUintSafe(cursor);
	const items: T[] = [];
	for (let i = 0; i < length; i++) items.push(read(cursor));
	return items;
}

function writeCheckpoint4(cursor: ByteCursor, { actorId, index }: Checkpoint): void {
	writeString(cursor, actorId);
	writeI64(cursor, index);
}

function readCheckpoint4(cursor: ByteCursor): Omit<Checkpoint, "generation"> {
	return { actorId: readString(cursor), index: readI64(cursor) };
}

function readUntoldCheckpoint(cursor: ByteCursor): Checkpoint {
	const { actorId, index } = readCheckpoint4(cursor);
	return { actorId, generation: UNTOLD_GENERATION, index };
}

function writeEvent4(cursor: ByteCursor, { checkpoint, inner }: EventWrapper): void {
	writeCheckpoint4(cursor, checkpoint);
	writeUintSafe(cursor, EVENT_KINDS.indexOf(inner.tag));
	writeString(cursor, checkpoint.actorId);
	writeU32(cursor, checkpoint.generation);
	if (inner.tag === "EventActorIntent") v5.writeActorIntent(cursor, inner.val.intent);
	else if (inner.tag === "EventActorStateUpdate") v5.writeActorState(cursor, inner.val.state as v5.ActorState);
	else v5.writeEventActorSetAlarm(cursor, inner.val);
}

const EVENT_KINDS = ["EventActorIntent", "EventActorStateUpdate", "EventActorSetAlarm"] as const;

function readEvent4(cursor: ByteCursor): EventWrapper {
	const { index } = readCheckpoint4(cursor);
	const tag = EVENT_KINDS[readUintSafe(cursor)];
	const actorId = readString(cursor);
	const checkpoint = { actorId, generation: readU32(cursor), index };
	switch (tag) {
		case "EventActorIntent":
			return { checkpoint, inner: { tag, val: { intent: v5.readActorIntent(cursor) } } };
		case "EventActorStateUpdate":
			return { checkpoint, inner: { tag, val: { state: v5.readActorState(cursor) as v7.ActorState } } };
		case "EventActorSetAlarm":
			return { checkpoint, inner: { tag, val: v5.readEventActorSetAlarm(cursor) } };
		default:
			throw new BareError(cursor.offset, "invalid tag");
	}
}

const START = 0;
const STOP = 1;

function writeCommand4(cursor: ByteCursor, { checkpoint, inner }: CommandWrapper): void {
	writeCheckpoint4(cursor, checkpoint);
	writeUintSafe(cursor, inner.tag === "CommandStartActor" ? START : STOP);
	writeU32(cursor, checkpoint.generation);
	if (inner.tag === "CommandStartActor") v5.writeCommandStartActor(cursor, inner.val);
}

function readCommand4(cursor: ByteCursor): CommandWrapper {
	const { actorId, index } = readCheckpoint4(cursor);
	const tag = readUintSafe(cursor);
	const checkpoint = { actorId, generation: readU32(cursor), index };
	if (tag === START) {
		return { checkpoint, inner: { tag: "CommandStartActor", val: v5.readCommandStartActor(cursor) } };
	}
	if (tag === STOP) return { checkpoint, inner: { tag: "CommandStopActor", val: null } };
	throw new BareError(cursor.offset, "invalid tag");
}

const CODECS: Readonly<Record<ProtocolVersion, Codec>> = { 4: version4, 5: version5, 6: version6, 7: version7 };

/** What the codecs throw at bytes that are no message: their own errors, and those of reading beyond the end. */
function asWireError<A, B>(version: ProtocolVersion, work: (value: A) => B): (value: A) => B {
	return (value) => {
		try {
			return work(value);
		} catch (error) {
			if (error instanceof WireError) throw error;
			throw new WireError(`No message of version ${version} of the runner protocol: ${(error as Error).message}`);
		}
	};
}

/** Messages that are kept decoded, of each version and direction: those of a few runs, which have most of their frames in common. */
const MOST_KEPT = 1_024;

/** Decodes the same bytes once: the server, a runner and the judge read each frame, and so does the next run. */
function decodedOnce<M>(decode: (bytes: Uint8Array) => M): (bytes: Uint8Array) => M {
	const kept = new Map<string, M>();
	return (bytes) => {
		// Longer than that are only the frames of peers that misbehave.
		if (bytes.length > LONGEST_KEPT) return decode(bytes);
		const key = keyFromBytes(bytes);
		let message = kept.get(key);
		if (message === undefined) {
			message = frozen(decode(bytes));
			if (kept.size >= MOST_KEPT) kept.clear();
			kept.set(key, message);
		}
		return message;
	};
}

const LONGEST_KEPT = 4_096;

/** The value, with all plain data in it made unchangeable. */
function frozen<T>(value: T): T {
	if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
	for (const part of Object.values(value)) frozen(part);
	return Object.freeze(value);
}

const WIRES = new Map(
	PROTOCOL_VERSIONS.map((version): [number, Wire] => {
		const codec = CODECS[version];
		return [
			version,
			{
				version,
				encodeToServer: asWireError(version, (message: ToServer) => codec.encodeToServer(message)),
				encodeToClient: asWireError(version, (message: ToClient) => codec.encodeToClient(message)),
				decodeToServer: decodedOnce(asWireError(version, codec.decodeToServer)),
				decodeToClient: decodedOnce(asWireError(version, codec.decodeToClient)),
			},
		];
	}),
);

/** The codec of that version; undefined for versions that are not spoken here. */
export function wireOf(version: number): Wire | undefined {
	return WIRES.get(version);
}
