/** Peers that do not keep to the protocol, each in one way. They are clients like any other; no runner is behind them. */
import type { End, Network } from "../../sim/world/network.ts";
import type { WildPeer } from "./contract.ts";
import { type ToServer, type Wire, wireOf } from "./wire.ts";

export interface WildSurroundings {
	readonly host: string;
	readonly namespace: string;
	/** Actors that others hold. */
	readonly actors: readonly string[];
	onOver(code: number, reason: string): void;
}

/** Characters that must not come back in what the server says of bad input. */
export const SECRET = "s3cret";
/** Bytes of metadata: more than any server should store of what a runner says of itself. */
const HUGE = 256 * 1024;
const HUGE_METADATA = JSON.stringify(SECRET.repeat(Math.ceil(HUGE / SECRET.length)));
const VERSION = 7;
const wire = wireOf(VERSION) as Wire;

/** Has the running process behave so. */
export function goWild(how: WildPeer, network: Network, surroundings: WildSurroundings): void {
	const end: End = network.connect(urlOf(how, surroundings));
	end.listener = {
		onOpen: () => misbehave(how, end, surroundings),
		onOver: (code, reason) => surroundings.onOver(code, reason),
	};
}

function urlOf(how: WildPeer, { host, namespace }: WildSurroundings): string {
	const version = how === "version-3" ? "3" : how === "version-99" ? "99" : String(VERSION);
	const query = new URLSearchParams({
		...(how === "no-version" ? {} : { protocol_version: version }),
		namespace: how === "unknown-namespace" ? SECRET : namespace,
		...(how === "no-key" ? {} : { runner_key: how === "empty-key" ? "" : `wild-${how}` }),
	});
	return `ws://${host}/${how === "bad-path" ? SECRET : "runners/connect"}?${query}`;
}

function init(metadata: string | null, nameMetadata = "{}"): Uint8Array {
	const message: ToServer = {
		tag: "ToServerInit",
		val: {
			...{ name: "wild", version: 1, totalSlots: 1, metadata },
			prepopulateActorNames: new Map([["actor", { metadata: nameMetadata }]]),
		},
	};
	return wire.encodeToServer(message);
}

function misbehave(how: WildPeer, end: End, { actors }: WildSurroundings): void {
	switch (how) {
		case "empty-key":
		case "version-3":
		case "version-99":
			end.send(init(null));
			return;
		case "text-init":
			end.send(SECRET);
			return;
		case "garbage-init":
			end.send(new TextEncoder().encode(SECRET));
			return;
		case "events-first":
			end.send(wire.encodeToServer({ tag: "ToServerEvents", val: [] }));
			return;
		case "bad-frame":
			end.send(init(null));
			end.send(new TextEncoder().encode(SECRET));
			return;
		case "second-init":
			end.send(init(null));
			end.send(init(null));
			return;
		case "bad-metadata":
			end.send(init(`{${SECRET}`));
			return;
		case "bad-name-metadata":
			end.send(init(null, `{${SECRET}`));
			return;
		case "huge-metadata":
			end.send(init(HUGE_METADATA));
			return;
		case "foreign-marks":
			end.send(init(null));
			end.send(wire.encodeToServer(foreignAcknowledgements(actors)));
			end.send(wire.encodeToServer(foreignEvents(actors)));
	}
}

function foreignAcknowledgements(actors: readonly string[]): ToServer {
	const lastCommandCheckpoints = actors.map((actorId) => ({ actorId, generation: 0, index: 9n }));
	return { tag: "ToServerAckCommands", val: { lastCommandCheckpoints } };
}

function foreignEvents(actors: readonly string[]): ToServer {
	const inner = { tag: "EventActorIntent", val: { intent: { tag: "ActorIntentStop", val: null } } } as const;
	return {
		tag: "ToServerEvents",
		val: actors.map((actorId) => ({ checkpoint: { actorId, generation: 0, index: 0n }, inner })),
	};
}
