/** The drivers in the box, by name. Each is loaded when it is asked for, since each brings a store with it. */
import { join } from "node:path";
import type { PluggedDriver } from "../contract.ts";

/** What drivers need of the machine they run on. */
export interface BoxSettings {
	/** Directory for the files of embedded stores; made when needed. */
	readonly root: string;
	readonly postgresUrl: string;
	readonly redisUrl: string;
	readonly natsUrl: string;
	/** Where a package is that is installed only when asked for. @throws Error saying why it cannot be had. */
	readonly packageDirectory: (name: string, version: string) => Promise<string>;
}

export interface BoxedDriver {
	/** What it is, in a few words. */
	readonly summary: string;
	/** Packages that its store is; whoever wants it installs them. Nothing when absent. */
	readonly packages?: readonly string[];
	/** Whether nobody of this project wrote it. */
	readonly foreign?: true;
	load(settings: BoxSettings): Promise<PluggedDriver>;
}

export const BOX: ReadonlyMap<string, BoxedDriver> = new Map<string, BoxedDriver>([
	[
		"memory",
		{
			summary: "memory of this process",
			load: async () => (await import("./memory.ts")).memoryDriver(),
		},
	],
	[
		"sqlite",
		{
			summary: "SQLite through libsql, in WAL mode, synced at every commit",
			packages: ["libsql"],
			load: async ({ root }) => (await import("./sqlite.ts")).sqliteDriver(join(root, "sqlite")),
		},
	],
	[
		"lmdb",
		{
			summary: "LMDB through lmdb, synced at every transaction",
			packages: ["lmdb"],
			load: async ({ root }) => (await import("./lmdb.ts")).lmdbDriver(join(root, "lmdb")),
		},
	],
	[
		"level",
		{
			summary: "LevelDB through classic-level, synced at every batch; any abstract-level store likewise",
			packages: ["classic-level", "abstract-level"],
			load: async ({ root }) => (await import("./level.ts")).levelDriver(join(root, "level")),
		},
	],
	[
		"unstorage",
		{
			summary: "files through unstorage, a file a key; any unstorage store likewise",
			packages: ["unstorage"],
			load: async ({ root }) => (await import("./unstorage.ts")).unstorageDriver(join(root, "unstorage")),
		},
	],
	[
		"pglite",
		{
			summary: "Postgres in this process, through @electric-sql/pglite",
			packages: ["@electric-sql/pglite"],
			load: async ({ root }) => (await import("./pglite.ts")).pgliteDriver(join(root, "pglite")),
		},
	],
	[
		"postgres",
		{
			summary: "a Postgres server, through postgres",
			packages: ["postgres"],
			load: async ({ postgresUrl }) => (await import("./postgres.ts")).postgresDriver(postgresUrl),
		},
	],
	[
		"redis",
		{
			summary: "a Redis server, through ioredis",
			packages: ["ioredis"],
			load: async ({ redisUrl }) => (await import("./redis.ts")).redisDriver(redisUrl),
		},
	],
	[
		"nats",
		{
			summary: "a NATS server's JetStream KV, through @nats-io/kv",
			packages: ["@nats-io/kv", "@nats-io/jetstream", "@nats-io/transport-node"],
			load: async ({ natsUrl }) => (await import("./nats.ts")).natsDriver(natsUrl),
		},
	],
	[
		"rivet-memory",
		{
			summary: "InMemoryDriver, as the published engine brings it for tests",
			foreign: true,
			load: async () => (await import("./rivet-memory.ts")).rivetMemoryDriver(),
		},
	],
	[
		"rivet-file",
		{
			summary: "the file-system driver inside rivetkit 2.2.1; installed when asked for",
			foreign: true,
			async load({ root, packageDirectory }) {
				const { RIVETKIT, rivetFileDriver } = await import("./rivet-file.ts");
				const installed = await packageDirectory(RIVETKIT.name, RIVETKIT.version);
				return rivetFileDriver(join(root, "rivet-file"), installed);
			},
		},
	],
]);
