/**
 * The few statements by which `rivetkit` 2.3 keeps the history of workflows, on the world's disk. It is no database: what it does
 * not know it refuses, by name. A transaction is applied whole, at its commit.
 */
import { bytesFromKey, type Disk, keyFromBytes } from "../../../../sim/world/disk.ts";
import type { Mutation } from "../../../../sim/world/history.ts";
import type { CoreStore } from "./store.ts";

interface Bound {
	readonly blobValue?: Uint8Array;
}

type Params = readonly Bound[] | null | undefined;

export interface SqlResult {
	readonly columns: readonly string[];
	readonly rows: readonly (readonly unknown[])[];
	readonly changes: number;
}

/** A statement that this core does not know: a version of rivetkit that is not the one it was written for. */
export class UnknownStatement extends Error {
	readonly code = "unknown-statement";
	override readonly name = "UnknownStatement";

	constructor(sql: string) {
		super(`The core that Faultline gives rivetkit knows the statements of workflow storage only, and not: ${sql}`);
	}
}

type Statement =
	| { readonly kind: "read"; read(disk: Disk, table: string, keys: readonly string[]): SqlResult }
	| {
			readonly kind: "write";
			write(disk: Disk, table: string, keys: readonly string[], value: Uint8Array): Mutation[];
	  };

const NOTHING: SqlResult = { columns: [], rows: [], changes: 0 };

/** Above every key. */
const HIGHEST = "\uffff";

function between(disk: Disk, table: string, start: string, end: string): SqlResult {
	const rows = disk
		.keysBetween(table, start, end)
		.map((key) => [bytesFromKey(key), (disk.get(table, key) as Uint8Array).slice()]);
	return { columns: ["key", "value"], rows, changes: 0 };
}

const STATEMENTS: ReadonlyMap<string, Statement> = new Map<string, Statement>([
	[
		"SELECT value FROM _rivet_wf_kv WHERE key = ?",
		{
			kind: "read",
			read(disk, table, [key = ""]) {
				const value = disk.get(table, key);
				return { columns: ["value"], rows: value === undefined ? [] : [[value.slice()]], changes: 0 };
			},
		},
	],
	[
		"SELECT key, value FROM _rivet_wf_kv WHERE key >= ? AND key < ? ORDER BY key ASC",
		{ kind: "read", read: (disk, table, [start = "", end = ""]) => between(disk, table, start, end) },
	],
	[
		"SELECT key, value FROM _rivet_wf_kv WHERE key >= ? ORDER BY key ASC",
		{ kind: "read", read: (disk, table, [start = ""]) => between(disk, table, start, HIGHEST) },
	],
	[
		"DELETE FROM _rivet_wf_kv WHERE key = ?",
		{ kind: "write", write: (_disk, table, [key = ""]) => [{ table, key, value: null }] },
	],
	[
		"DELETE FROM _rivet_wf_kv WHERE key >= ? AND key < ?",
		{
			kind: "write",
			write: (disk, table, [start = "", end = ""]) =>
				disk.keysBetween(table, start, end).map((key) => ({ table, key, value: null })),
		},
	],
	[
		"INSERT INTO _rivet_wf_kv (key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
		{ kind: "write", write: (_disk, table, [key = ""], value) => [{ table, key, value }] },
	],
]);

/** The database of one life. */
export class CoreSql {
	readonly #store: CoreStore;

	constructor(store: CoreStore) {
		this.#store = store;
	}

	async execute(sql: string, params: Params): Promise<SqlResult> {
		const statement = statementOf(sql);
		const { workflow } = this.#store.tables;
		const [keys, value] = [keysOf(params), boundValue(params)];
		if (statement.kind === "read") {
			return this.#store.read("sql.select", keys[0] ?? "", (disk) => statement.read(disk, workflow, keys));
		}
		return this.#store.write("sql.write", (disk) => {
			const mutations = statement.write(disk, workflow, keys, value);
			return [mutations, { ...NOTHING, changes: mutations.length }];
		});
	}

	query(sql: string, params: Params): Promise<SqlResult> {
		return this.execute(sql, params);
	}

	run(sql: string, params: Params): Promise<SqlResult> {
		return this.execute(sql, params);
	}

	async beginTransaction(): Promise<CoreTransaction> {
		return new CoreTransaction(this.#store);
	}

	async close(): Promise<void> {}
}

class CoreTransaction {
	readonly #store: CoreStore;
	readonly #writes: { readonly statement: Statement & { kind: "write" }; readonly params: Params }[] = [];

	constructor(store: CoreStore) {
		this.#store = store;
	}

	async execute(sql: string, params: Params): Promise<SqlResult> {
		const statement = statementOf(sql);
		if (statement.kind === "read") throw new UnknownStatement(`${sql}, in a transaction`);
		this.#writes.push({ statement, params });
		return NOTHING;
	}

	commit(): Promise<void> {
		const { workflow } = this.#store.tables;
		return this.#store.write("sql.commit", (disk) => [
			this.#writes.flatMap(({ statement, params }) =>
				statement.write(disk, workflow, keysOf(params), boundValue(params)),
			),
			undefined,
		]);
	}

	async rollback(): Promise<void> {}
}

function statementOf(sql: string): Statement {
	const statement = STATEMENTS.get(sql);
	if (statement === undefined) throw new UnknownStatement(sql);
	return statement;
}

function keysOf(params: Params): string[] {
	return (params ?? []).map(({ blobValue }) => keyFromBytes(blobValue ?? new Uint8Array(0)));
}

function boundValue(params: Params): Uint8Array {
	return params?.[1]?.blobValue ?? new Uint8Array(0);
}
