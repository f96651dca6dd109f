/**
 * Postgres inside this process, through `@electric-sql/pglite`: a database for each root, a namespace in rows of its own. The database
 * is closed with the last namespace that is open, and opened anew with the next.
 */
import { mkdirSync } from "node:fs";
import type { PGlite } from "@electric-sql/pglite";
import type { DriverClaims, PluggedDriver } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import type { OrderedStore } from "../ordered/store.ts";
import { DELETE_NAMESPACE, type Query, SCHEMA, selectOne, selectRange, statementsFor } from "./sql.ts";

/** It relays writes to the file system without a sync: what survives a crash of the process need not survive one of the machine. */
const claims: DriverClaims = {
	atomicBatch: "always",
	durability: "process-crash",
	alarms: "durable",
	messages: "durable",
	concurrency: "one-process",
};

/** @param root directory of the database; made when needed. */
export function pgliteDriver(root: string): PluggedDriver {
	const database = new SharedDatabase(root);
	return {
		name: "pglite",
		claims,
		directory: () => root,
		async open(namespace) {
			const opened = await database.acquire();
			const store = storeOver(opened, namespace);
			let open = true;
			const close = async () => {
				if (open) await database.release();
				open = false;
			};
			return engineDriverOver({ ...store, close }, claims);
		},
		async destroy(namespace) {
			await database.forget(namespace);
		},
	};
}

/** One database of several users, closed when the last has gone. */
class SharedDatabase {
	readonly #root: string;
	readonly #forgotten: string[] = [];
	#users = 0;
	/** The last opening or closing; the next comes after it. */
	#state: Promise<PGlite | undefined> = Promise.resolve(undefined);

	constructor(root: string) {
		this.#root = root;
	}

	async acquire(): Promise<PGlite> {
		this.#users++;
		this.#state = this.#state.then(async (opened) => opened ?? (await this.#open()));
		const database = await this.#state;
		if (database === undefined) throw new Error("The database was closed while it was being opened.");
		return database;
	}

	async release(): Promise<void> {
		this.#users--;
		this.#state = this.#state.then(async (opened) => {
			if (this.#users > 0) return opened;
			await opened?.close();
			return undefined;
		});
		await this.#state;
	}

	/** Removes the rows of a namespace: now, or when the database is opened the next time, which takes long. */
	async forget(namespace: string): Promise<void> {
		this.#forgotten.push(namespace);
		const database = await this.#state;
		if (database !== undefined && this.#users > 0) await this.#removeForgotten(database);
	}

	async #removeForgotten(database: PGlite): Promise<void> {
		for (const namespace of this.#forgotten.splice(0)) await database.query(DELETE_NAMESPACE, [namespace]);
	}

	async #open(): Promise<PGlite> {
		const { PGlite } = await import("@electric-sql/pglite");
		mkdirSync(this.#root, { recursive: true });
		const database = await PGlite.create(this.#root);
		await database.exec(SCHEMA);
		await this.#removeForgotten(database);
		return database;
	}
}

function storeOver(database: PGlite, namespace: string): OrderedStore {
	const query: Query = async (sql, values) => (await database.query(sql, [...values])).rows;
	return {
		get: (key) => selectOne(query, namespace, key),
		list: (start, end, limit) => selectRange(query, namespace, start, end, limit),
		async write(changes) {
			const statements = statementsFor(namespace, changes, false);
			await database.transaction(async (transaction) => {
				for (const { sql, values } of statements) await transaction.query(sql, [...values]);
			});
		},
	};
}
