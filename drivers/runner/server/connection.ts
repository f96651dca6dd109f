/**
 * One connection of a runner as its server holds it: what was said on opening it, when it was last heard of, and whether it is the
 * one that its runner is spoken to over.
 */
import type { Asked, End } from "../../../sim/world/network.ts";
import { type ToClient, type Wire, wireOf } from "../wire.ts";
import type { ServerRules } from "./rules.ts";

/** Close code with which a server answers what it cannot take. */
export const REFUSED = 1011;

/** What a version that nobody knows is taken for, by a server that takes any. */
const NEWEST = 7;

export interface Address {
	/** Undefined for a version that is not spoken here, of which the peer is told later. */
	readonly wire: Wire | undefined;
	readonly namespace: string;
	readonly key: string;
}

const INVALID_URL = "ws.invalid_url";

/** What a URL says, or what is wrong with it, as a close reason. */
export function addressOf(
	url: URL,
	namespaces: readonly string[],
	speaks: (version: number) => boolean,
	{ takesEmptyKeys, tellsVersionsLate }: ServerRules,
): Address | string {
	if (!url.pathname.endsWith("/runners/connect")) return "ws.unknown_path";
	const [version, namespace, key] = ["protocol_version", "namespace", "runner_key"].map((name) =>
		url.searchParams.get(name),
	);
	if (version === null || version === undefined || !/^\d+$/.test(version)) return INVALID_URL;
	if (namespace === null || namespace === undefined) return INVALID_URL;
	if (key === null || key === undefined || (key === "" && takesEmptyKeys !== true)) return INVALID_URL;
	if (!namespaces.includes(namespace)) return "namespace.not_found";
	const wire = speaks(Number(version)) ? (wireOf(Number(version)) ?? wireOf(NEWEST)) : undefined;
	return wire === undefined && tellsVersionsLate !== true ? "ws.unknown_protocol_version" : { wire, namespace, key };
}

export class RunnerConnection {
	/** Greater for connections that were taken later. */
	readonly number: number;
	readonly address: Address;
	readonly #end: End;
	/** Who it is, once it has said so and that is stored. */
	runnerId: string | undefined;
	/** Whether its Init came, whatever became of it. */
	initialised = false;
	over = false;
	lastHeardMs = Date.now();
	/** Frames that came while its Init was being stored. */
	readonly early: Uint8Array[] = [];
	ping: ReturnType<typeof setInterval> | undefined;

	constructor(number: number, address: Address, asked: Asked, listener: Parameters<Asked["accept"]>[0]) {
		this.number = number;
		this.address = address;
		this.#end = asked.accept(listener, asked.protocols[0]);
	}

	send(message: ToClient): void {
		const { wire } = this.address;
		if (!this.over && wire !== undefined) this.#end.send(wire.encodeToClient(message), true);
	}

	close(code: number, reason: string): void {
		this.over = true;
		clearInterval(this.ping);
		this.#end.close(code, reason);
	}
}
