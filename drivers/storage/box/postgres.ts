/**
 * A Postgres server, through `postgres`: a namespace in rows of its own. Several processes may have one namespace open; what changes
 * it takes an advisory lock.
 */
import type postgres from "postgres";
import type { DriverClaims, PluggedDriver } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import type { OrderedStore } from "../ordered/store.ts";
import { DELETE_NAMESPACE, LOCK, type Query, SCHEMA, selectOne, selectRange, statementsFor } from "./sql.ts";
import { unavailable } from "./unavailable.ts";

/** Connections of one opened namespace: a transaction that holds the lock, and what overlaps with it. */
const CONNECTIONS = 2;
const CONNECT_LIMIT_S = 5;

/** What the server itself says of its promises. */
async function claimsOf(sql: postgres.Sql): Promise<DriverClaims> {
	const [settings] = await sql<{ fsync: string; commit: string }[]>`
		SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit`;
	const synced = settings?.fsync === "on" && settings.commit !== "off";
	return {
		atomicBatch: "always",
		durability: synced ? "power-loss" : "memory",
		alarms: "durable",
		messages: "durable",
		concurrency: "many-processes",
	};
}

/** Asks the server what it promises; one that is not there makes a driver that says why. */
export async function postgresDriver(url: string): Promise<PluggedDriver> {
	const { default: connect } = await import("postgres");
	const quiet = { onnotice: () => {}, connect_timeout: CONNECT_LIMIT_S };
	const once = async <T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> => {
		const sql = connect(url, { ...quiet, max: 1 });
		try {
			return await work(sql);
		} finally {
			await sql.end({ timeout: 1 });
		}
	};
	let claims: DriverClaims;
	try {
		claims = await once(async (sql) => {
			await sql.unsafe(SCHEMA);
			return await claimsOf(sql);
		});
	} catch (error) {
		return unavailable("postgres", url, error);
	}
	return {
		name: "postgres",
		claims,
		async open(namespace) {
			const sql = connect(url, { ...quiet, max: CONNECTIONS });
			const close = () => sql.end({ timeout: 1 });
			return engineDriverOver({ ...storeOver(sql, namespace), close }, claims);
		},
		async destroy(namespace) {
			await once(async (sql) => {
				await sql.unsafe(DELETE_NAMESPACE, [namespace]);
			});
		},
	};
}

function storeOver(sql: postgres.Sql, namespace: string): OrderedStore {
	const exclusively = async <T>(work: (store: OrderedStore) => Promise<T>): Promise<T> =>
		(await sql.begin(async (transaction) => {
			await transaction.unsafe(LOCK, [namespace]);
			return await work(storeIn(transaction, namespace));
		})) as Awaited<T>;
	return {
		...storeIn(sql, namespace),
		exclusively,
		async write(changes) {
			const [only, ...more] = statementsFor(namespace, changes, true);
			if (only?.locks && more.length === 0) await queryOf(sql)(only.sql, only.values);
			else await exclusively(async (store) => store.write(changes));
		},
	};
}

/** The store as one connection or transaction sees it. */
function storeIn(sql: postgres.ISql, namespace: string): OrderedStore {
	const query = queryOf(sql);
	return {
		get: (key) => selectOne(query, namespace, key),
		list: (start, end, limit) => selectRange(query, namespace, start, end, limit),
		async write(changes) {
			for (const { sql, values } of statementsFor(namespace, changes, false)) await query(sql, values);
		},
	};
}

/** Statements of many parameters differ from one another, and are not worth preparing. */
const MOST_PREPARED = 8;

function queryOf(sql: postgres.ISql): Query {
	return (text, values) => sql.unsafe(text, [...values] as never[], { prepare: values.length < MOST_PREPARED });
}
