/**
 * The published `rivetkit`, loaded as it is from where it was installed, and what is used of it. It is heavy and most of it is not
 * needed to run an actor, so it is installed on demand without those parts (`NEEDS`). Its modules keep nothing between two actors
 * that a later one could tell, apart from caches of their own.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ActorConfig, ActorFeature, ActorSurface, RunHandler } from "../contract.ts";
import type { RivetkitLogger } from "./logger.ts";

export const RIVETKIT = "rivetkit";

/** A package and how little of what it asks for has to be there. */
export interface PackageNeed {
	readonly name: string;
	readonly version: string;
	/** What of its dependencies, and of theirs, is left out: nothing that runs here loads it. */
	readonly without: readonly string[];
	/** What it loads and does not depend on. Versions by name. */
	readonly beside: Readonly<Record<string, string>>;
	/** Dependencies that have a say in what a run does, each at the version that all machines get. By name. */
	readonly pinned: Readonly<Record<string, string>>;
}

/** Agents, sandboxes, servers, databases: whole programs that come with it, and that an actor without them never loads. */
const WITHOUT = [
	...["@rivet-dev/agent-os-core", "@rivet-dev/services", "sandbox-agent", "drizzle-orm"],
	...["@rivetkit/sqlite", "@rivetkit/sqlite-vfs"],
	...["@rivetkit/engine-cli", "@rivetkit/rivetkit-napi", "@rivetkit/rivetkit-wasm"],
];

const PINNED = {
	"@rivetkit/bare-ts": "0.6.2",
	"@rivetkit/on-change": "6.0.2-rc.1",
	"cbor-x": "1.6.9",
	hono: "4.13.19",
	pino: "9.14.0",
	vbare: "0.0.4",
	zod: "4.6.7",
};

/** What each version needs, oldest first. 2.1.7 is not among them: a package that it depends on was never published. */
export const NEEDS: ReadonlyMap<string, PackageNeed> = new Map(
	[
		{ version: "2.1.3", beside: { "@hono/node-server": "1.19.19", "@hono/node-ws": "1.3.1" } },
		{ version: "2.1.5", beside: {} },
		{ version: "2.2.1", beside: {} },
		{ version: "2.3.19", beside: {}, pinned: { ...PINNED, "@rivetkit/on-change": "6.0.1" } },
	].map((need) => [need.version, { name: RIVETKIT, without: WITHOUT, pinned: PINNED, ...need }] as const),
);

/** What a version has: what is offered of each, and of the operations that came later those that its workflow context has. */
export function featuresOf(offered: readonly ActorFeature[], context: object): ReadonlySet<ActorFeature> {
	const later = (["tryStep", "try", "getVersion"] as const).filter((operation) => operation in context);
	return new Set([...offered, ...later]);
}

type Entries = [key: Uint8Array, value: Uint8Array][];

interface ListOptions {
	readonly reverse?: boolean;
	readonly limit?: number;
}

/** What an actor asks of whoever drives it; `ActorDriver` of `rivetkit/driver-helpers`. */
export interface ActorDriver {
	loadActor(actorId: string): Promise<RivetkitInstance>;
	getContext(actorId: string): unknown;
	kvBatchPut(actorId: string, entries: Entries): Promise<void>;
	kvBatchGet(actorId: string, keys: Uint8Array[]): Promise<(Uint8Array | null)[]>;
	kvBatchDelete(actorId: string, keys: Uint8Array[]): Promise<void>;
	kvDeleteRange(actorId: string, start: Uint8Array, end: Uint8Array): Promise<void>;
	kvListPrefix(actorId: string, prefix: Uint8Array, options?: ListOptions): Promise<Entries>;
	kvListRange(actorId: string, start: Uint8Array, end: Uint8Array, options?: ListOptions): Promise<Entries>;
	setAlarm(actor: RivetkitInstance, timestampMs: number): Promise<void>;
	cancelAlarm(actorId: string): void;
	startSleep(actorId: string): void;
	startDestroy(actorId: string): void;
	onBeforeActorStart(actor: RivetkitInstance): Promise<void>;
}

/** A connection of a client, as whoever carries it over the wire sees it; `ConnDriver`. */
export interface ConnDriver {
	readonly type: string;
	readonly rivetKitProtocol: {
		sendMessage(actor: unknown, conn: unknown, message: { readonly rawData: unknown }): void;
	};
	getConnectionReadyState(): number;
	disconnect(): Promise<void>;
}

/** `ActorInstance`. */
export interface RivetkitInstance {
	readonly abortSignal: AbortSignal;
	readonly connectionManager: {
		prepareConn(
			driver: ConnDriver,
			params: unknown,
			request: undefined,
			path: undefined,
			headers: undefined,
			hibernatable: false,
			restoring: false,
		): Promise<unknown>;
	};
	readonly eventManager: { addSubscription(event: string, conn: unknown, fromPersist: boolean): void };
	start(
		driver: ActorDriver,
		client: unknown,
		actorId: string,
		name: string,
		key: readonly string[],
		region: string,
	): Promise<void>;
	onAlarm(): Promise<void>;
	onStop(mode: "sleep" | "destroy"): Promise<void>;
}

/** The HTTP side of actors; a Hono application. */
export interface ActorRouter {
	fetch(request: Request, bindings: { readonly actorId: string }): Response | Promise<Response>;
}

type Surface = Pick<ActorSurface, "queue" | "event">;

export interface Rivetkit extends Surface {
	actor(config: ActorConfig): { instantiate(): RivetkitInstance };
	/** Reads a configuration; `setup` would do so too and start a server besides. */
	readonly RegistryConfigSchema: { parse(options: object): unknown };
	createActorRouter(
		config: unknown,
		driver: Pick<ActorDriver, "loadActor">,
		getUpgradeWebSocket: undefined,
		isTest: boolean,
	): ActorRouter;
	workflow(run: (context: never) => Promise<unknown>, options?: object): RunHandler;
	readonly ActorWorkflowContext: { readonly prototype: object };
	getInitialActorKvState(input: unknown): Entries;
	configureBaseLogger(logger: RivetkitLogger): void;
	readonly engine: Pick<ActorSurface, "Loop" | "CriticalError" | "RollbackError">;
}

type EngineExports = Rivetkit["engine"];

const BUILT = "dist/tsup";

/** Loads what is installed in that directory. */
export async function loadRivetkit(directory: string): Promise<Rivetkit> {
	const parts = await loadParts(directory, ["mod.js", "workflow/mod.js", "driver-helpers/mod.js", "common/log.js"]);
	return { ...parts, engine: await engineBeside(directory) } as unknown as Rivetkit;
}

/** The exports of those modules of the package that is installed there, as one. */
export async function loadParts(directory: string, paths: readonly string[]): Promise<Record<string, unknown>> {
	const modules = [];
	for (const path of paths) modules.push(await import(pathToFileURL(join(directory, BUILT, path)).href));
	return Object.assign({}, ...modules);
}

/** The workflow engine that it loads itself: the same module, since errors are told apart by their class. */
export async function engineBeside(directory: string): Promise<EngineExports> {
	const engine = join(directory, "..", "@rivetkit", "workflow-engine");
	const { exports } = JSON.parse(await readFile(join(engine, "package.json"), "utf8")) as {
		exports: { ".": { import: { default: string } } };
	};
	return import(pathToFileURL(join(engine, exports["."].import.default)).href);
}
