/**
 * A Redis server, through `ioredis`: for each namespace a hash of values and a sorted set of keys, which a script changes and reads as
 * one unit. What it keeps over a crash is what the server says of its append-only file.
 */
import type { Redis } from "ioredis";
import type { DriverClaims, PluggedDriver } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import type { OrderedStore, StoredEntry } from "../ordered/store.ts";
import { unavailable } from "./unavailable.ts";

const CONNECT_LIMIT_MS = 3_000;
/** `1` and key and value, or `0` and key, one change after the other. */
const WRITE = `
	local i = 1
	while i <= #ARGV do
		if ARGV[i] == "1" then
			redis.call("HSET", KEYS[1], ARGV[i + 1], ARGV[i + 2])
			redis.call("ZADD", KEYS[2], 0, ARGV[i + 1])
			i = i + 3
		else
			redis.call("HDEL", KEYS[1], ARGV[i + 1])
			redis.call("ZREM", KEYS[2], ARGV[i + 1])
			i = i + 2
		end
	end
	return redis.status_reply("OK")`;
/** Key, value, key, value: in byte order, since all scores are equal. */
const LIST = `
	local keys = redis.call("ZRANGEBYLEX", KEYS[2], "[" .. ARGV[1], "(" .. ARGV[2], "LIMIT", 0, tonumber(ARGV[3]))
	local entries = {}
	for _, key in ipairs(keys) do
		entries[#entries + 1] = key
		entries[#entries + 1] = redis.call("HGET", KEYS[1], key)
	end
	return entries`;

/** Asks the server what it keeps; one that is not there makes a driver that says why. */
export async function redisDriver(url: string): Promise<PluggedDriver> {
	const { Redis } = await import("ioredis");
	const connect = async (): Promise<Redis> => {
		const redis = new Redis(url, {
			lazyConnect: true,
			connectTimeout: CONNECT_LIMIT_MS,
			maxRetriesPerRequest: 1,
			retryStrategy: () => null,
		});
		// Told to whoever asks next.
		redis.on("error", () => {});
		await redis.connect();
		return redis;
	};
	let claims: DriverClaims;
	try {
		const redis = await connect();
		claims = await claimsOf(redis);
		redis.disconnect();
	} catch (error) {
		return unavailable("redis", url, error);
	}
	return {
		name: "redis",
		claims,
		async open(namespace) {
			return engineDriverOver(storeOver(await connect(), namesOf(namespace)), claims);
		},
		async destroy(namespace) {
			const redis = await connect();
			await redis.del(...namesOf(namespace));
			redis.disconnect();
		},
	};
}

function namesOf(namespace: string): readonly [string, string] {
	return [`faultline:{${namespace}}:values`, `faultline:{${namespace}}:keys`];
}

/** A server without an append-only file keeps nothing for sure; one that syncs now and then loses what it had not synced. */
async function claimsOf(redis: Redis): Promise<DriverClaims> {
	const setting = async (name: string) => ((await redis.config("GET", name)) as string[])[1];
	const appends = (await setting("appendonly")) === "yes";
	const syncs = appends ? await setting("appendfsync") : "no";
	return {
		atomicBatch: "always",
		durability: syncs === "always" ? "power-loss" : "memory",
		alarms: "durable",
		messages: "durable",
		concurrency: "one-process",
	};
}

function storeOver(redis: Redis, names: readonly [string, string]): OrderedStore {
	const [values] = names;
	return {
		get: (key) => redis.hgetBuffer(values, Buffer.from(key)),
		async write(changes) {
			const list = changes.flatMap(({ key, value }) =>
				value === null ? ["0", Buffer.from(key)] : ["1", Buffer.from(key), Buffer.from(value)],
			);
			await redis.call("EVAL", WRITE, 2, ...names, ...list);
		},
		async list(start, end, limit = -1) {
			const bounds = [Buffer.from(start), Buffer.from(end), limit];
			const flat = (await redis.callBuffer("EVAL", LIST, 2, ...names, ...bounds)) as Buffer[];
			const entries: StoredEntry[] = [];
			for (let i = 0; i + 1 < flat.length; i += 2) entries.push({ key: bytes(flat[i]), value: bytes(flat[i + 1]) });
			return entries;
		},
		async close() {
			await redis.quit();
		},
	};
}

function bytes(buffer: Buffer | undefined): Uint8Array {
	return new Uint8Array(buffer ?? []);
}
