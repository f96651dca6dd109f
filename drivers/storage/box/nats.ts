/**
 * A NATS server, through JetStream KV: a bucket for each namespace, kept in files. Keys are hexadecimal, since subjects allow few
 * characters; each is written by itself, and listing reads one after the other.
 */
import type { KV } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import type { DriverClaims, PluggedDriver } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import { listByName, type OrderedStore } from "../ordered/store.ts";
import { unavailable } from "./unavailable.ts";

const CONNECT_LIMIT_MS = 3_000;
/** A subject is twice as long as its key. */
const KEY_BYTES = 1_000;
/** Room in a message for what is not the value. */
const HEADER_BYTES = 1_024;
/** Values read at a time. */
const TOGETHER = 200;

/** Asks the server how large a message may be; one that is not there makes a driver that says why. */
export async function natsDriver(url: string): Promise<PluggedDriver> {
	const { connect } = await import("@nats-io/transport-node");
	const { Kvm } = await import("@nats-io/kv");
	const connected = () => connect({ servers: new URL(url).host, timeout: CONNECT_LIMIT_MS, reconnect: false });
	let claims: DriverClaims;
	try {
		const connection = await connected();
		claims = claimsFor(connection.info?.max_payload ?? 0);
		await new Kvm(connection).create("faultline-probe", { history: 1 }).then((bucket) => bucket.destroy());
		await connection.close();
	} catch (error) {
		return unavailable("nats", url, error);
	}
	return {
		name: "nats",
		claims,
		async open(namespace) {
			const connection = await connected();
			const bucket = await new Kvm(connection).create(bucketOf(namespace), { history: 1 });
			return engineDriverOver(storeOver(connection, bucket), claims);
		},
		async destroy(namespace) {
			const connection = await connected();
			await new Kvm(connection).open(bucketOf(namespace)).then((bucket) => bucket.destroy());
			await connection.close();
		},
	};
}

function bucketOf(namespace: string): string {
	return `faultline-${namespace}`;
}

/** The server answers once a message is in its file, and syncs the file only every two minutes. */
function claimsFor(maxPayloadBytes: number): DriverClaims {
	return {
		atomicBatch: "none",
		durability: "process-crash",
		limits: { keyBytes: KEY_BYTES, valueBytes: maxPayloadBytes - HEADER_BYTES },
		alarms: "durable",
		messages: "durable",
		concurrency: "one-process",
	};
}

function storeOver(connection: NatsConnection, bucket: KV): OrderedStore {
	const get = async (name: string): Promise<Uint8Array | null> => {
		const entry = await bucket.get(name);
		return entry === null || entry.operation !== "PUT" ? null : entry.value;
	};
	return {
		get: (key) => get(nameOf(key)),
		async write(changes) {
			for (const { key, value } of changes) {
				if (value === null) await bucket.purge(nameOf(key));
				else await bucket.put(nameOf(key), value);
			}
		},
		async list(start, end, limit) {
			const names: string[] = [];
			for await (const name of await bucket.keys()) names.push(name);
			return await listByName(names, { keyOf, get, together: TOGETHER }, { start, end, limit });
		},
		close: () => connection.close(),
	};
}

function nameOf(key: Uint8Array): string {
	return Buffer.from(key).toString("hex");
}

function keyOf(name: string): Uint8Array {
	return Uint8Array.from(Buffer.from(name, "hex"));
}
