/**
 * What the drivers for Postgres have in common: one table of bytes under namespace and bytes. `bytea` compares as unsigned bytes,
 * and one statement is one unit.
 */
import type { Change, StoredEntry } from "../ordered/store.ts";

export const SCHEMA = `CREATE TABLE IF NOT EXISTS faultline_storage (
	namespace text COLLATE "C" NOT NULL,
	key bytea NOT NULL,
	value bytea NOT NULL,
	PRIMARY KEY (namespace, key)
)`;

/** Carries out one statement with parameters from `$1`, and gives its rows. */
export type Query = (text: string, values: readonly unknown[]) => Promise<readonly unknown[]>;

/** Each entry takes two parameters beside the namespace, and a statement has at most 65 535. */
const MOST_OF_A_STATEMENT = 10_000;

export async function selectOne(query: Query, namespace: string, key: Uint8Array): Promise<Uint8Array | null> {
	const sql = "SELECT value FROM faultline_storage WHERE namespace = $1 AND key = $2";
	const [row] = (await query(sql, [namespace, Buffer.from(key)])) as { value: Uint8Array }[];
	return row?.value ?? null;
}

export async function selectRange(
	query: Query,
	namespace: string,
	start: Uint8Array,
	end: Uint8Array,
	limit?: number,
): Promise<StoredEntry[]> {
	const sql = `SELECT key, value FROM faultline_storage WHERE namespace = $1 AND key >= $2 AND key < $3 ORDER BY key
		${limit === undefined ? "" : `LIMIT ${limit}`}`;
	return (await query(sql, [namespace, Buffer.from(start), Buffer.from(end)])) as StoredEntry[];
}

/** Held by a transaction that changes a namespace, so that changes of several processes come one after the other. */
export const LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))";

export interface Statement {
	readonly sql: string;
	readonly values: readonly unknown[];
	/** Whether it is one unit with the lock that it takes by itself. */
	readonly locks: boolean;
}

/**
 * The statements that carry the changes out; more than one need a transaction around them.
 * @param locking whether what stores takes the lock first. What removes cannot by itself: it would look for what there is before it
 * has the lock.
 */
export function statementsFor(namespace: string, changes: readonly Change[], locking: boolean): Statement[] {
	const puts = changes.filter(({ value }) => value !== null);
	const removals = changes.filter(({ value }) => value === null);
	const held = locking ? `(${LOCK}) AS held, ` : "";
	return [
		...chunks(puts).map((chunk) => ({
			sql: `INSERT INTO faultline_storage (namespace, key, value) SELECT $1::text, entry.key, entry.value
				FROM ${held}(VALUES ${chunk.map((_, i) => `($${2 * i + 2}::bytea, $${2 * i + 3}::bytea)`).join(", ")})
				AS entry (key, value) ON CONFLICT (namespace, key) DO UPDATE SET value = EXCLUDED.value`,
			values: [namespace, ...chunk.flatMap(({ key, value }) => [Buffer.from(key), Buffer.from(value ?? [])])],
			locks: locking,
		})),
		...chunks(removals).map((chunk) => ({
			sql: `DELETE FROM faultline_storage
				WHERE namespace = $1::text AND key IN (${chunk.map((_, i) => `$${i + 2}::bytea`).join(", ")})`,
			values: [namespace, ...chunk.map(({ key }) => Buffer.from(key))],
			locks: false,
		})),
	];
}

export const DELETE_NAMESPACE = "DELETE FROM faultline_storage WHERE namespace = $1";

function chunks<T>(all: readonly T[]): T[][] {
	const parts: T[][] = [];
	for (let from = 0; from < all.length; from += MOST_OF_A_STATEMENT) {
		parts.push(all.slice(from, from + MOST_OF_A_STATEMENT));
	}
	return parts;
}
