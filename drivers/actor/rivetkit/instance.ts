/**
 * An actor of `rivetkit` in one process life: made by its own `actor({...}).instantiate()`, started on a driver of ours, and asked
 * through its own HTTP routes, as a client's requests reach it. Ours are the storage, and the subscriber that hears what it
 * broadcasts: a connection of its own making that it does not count among its clients, which would keep it awake.
 */

import { decode, encode } from "cbor-x";
import { keyFromBytes } from "../../../sim/world/disk.ts";
import type { Process } from "../../../sim/world/process.ts";
import type { ActorConfig, ActorInstance, ActorPlatform, SendResult } from "../contract.ts";
import { ofThisLife } from "./life.ts";
import type { ActorRouter, ConnDriver, Rivetkit, RivetkitInstance } from "./package.ts";
import type { ActorStorage } from "./storage.ts";
import { decodeMessage, isMessageKey, messageIdOf } from "./stored.ts";

/** What the route of an actor answers in place of a result. */
export class ActorRefusal extends Error {
	override readonly name = "ActorError";
	/** `group.code`, e.g. `queue.full`. */
	readonly code: string;

	constructor(group: string, code: string, message: string) {
		super(message);
		this.code = `${group}.${code}`;
	}
}

interface Answer {
	readonly group?: string;
	readonly code?: string;
	readonly message?: string;
}

/** A message on its way into the queue: its id is in the key that it is stored under, which no client is told. */
interface OnTheWay {
	readonly name: string;
	readonly body: Uint8Array;
	id: string;
}

/** What an actor is called where it does not matter. */
const NAME = "subject";
const KEY: readonly string[] = [];
const REGION = "local";
const OPEN = 1;

/** Gives an instance a life. @param bindings under which the routes find it. */
export async function begin(
	rivetkit: Rivetkit,
	config: ActorConfig,
	storage: ActorStorage,
	driver: Parameters<RivetkitInstance["start"]>[0],
	actorId: string,
	platform: ActorPlatform,
	found: (instance: RivetkitInstance) => void,
): Promise<RivetkitInstance> {
	const [stored] = await driver.kvBatchGet(actorId, [STATE]);
	if (stored === null) await driver.kvBatchPut(actorId, rivetkit.getInitialActorKvState(undefined));
	const instance = rivetkit.actor(config).instantiate();
	found(instance);
	storage.onBeforeStart = (actor) => subscribe(actor, Object.keys(config.events ?? {}), platform);
	await instance.start(driver, platform.client, actorId, NAME, KEY, REGION);
	return instance;
}

const STATE = Uint8Array.of(1);

async function subscribe(actor: RivetkitInstance, events: readonly string[], platform: ActorPlatform): Promise<void> {
	if (events.length === 0) return;
	const driver: ConnDriver = {
		type: "websocket",
		rivetKitProtocol: {
			sendMessage: (_actor, _conn, { rawData }) => {
				const { name, args } = rawData as { name: string; args: readonly unknown[] };
				platform.broadcasted(name, structuredClone(args));
			},
		},
		getConnectionReadyState: () => OPEN,
		disconnect: async () => {},
	};
	const conn = await actor.connectionManager.prepareConn(driver, null, undefined, undefined, undefined, false, false);
	for (const event of events) actor.eventManager.addSubscription(event, conn, false);
}

export class RivetkitActor implements ActorInstance {
	readonly #process: Process;
	readonly #instance: RivetkitInstance;
	readonly #storage: ActorStorage;
	readonly #router: ActorRouter;
	/** What the routes find it under. */
	readonly #address: string;
	readonly #onTheWay: OnTheWay[] = [];

	constructor(
		process: Process,
		instance: RivetkitInstance,
		storage: ActorStorage,
		router: ActorRouter,
		address: string,
	) {
		this.#process = process;
		this.#instance = instance;
		this.#storage = storage;
		this.#router = router;
		this.#address = address;
		storage.onPut = (entries) => {
			for (const [key, value] of entries) this.#noteStored(keyFromBytes(key), value);
		};
	}

	async send(name: string, body: unknown): Promise<string> {
		const message: OnTheWay = { name, body: encode(decode(encode(body))), id: "" };
		this.#onTheWay.push(message);
		try {
			await this.#post(`queue/${encodeURIComponent(name)}`, { body });
			return message.id;
		} finally {
			const place = this.#onTheWay.indexOf(message);
			if (place >= 0) this.#onTheWay.splice(place, 1);
		}
	}

	async sendAndWait(name: string, body: unknown, timeoutMs: number | undefined): Promise<SendResult> {
		const timeout = timeoutMs === undefined ? {} : { timeout: timeoutMs };
		return (await this.#post(`queue/${encodeURIComponent(name)}`, { body, wait: true, ...timeout })) as SendResult;
	}

	async act(name: string, input: readonly unknown[]): Promise<unknown> {
		return ((await this.#post(`action/${encodeURIComponent(name)}`, { args: input })) as { output: unknown }).output;
	}

	alarm(): Promise<void> {
		return ofThisLife(this.#process, this.#instance.onAlarm());
	}

	sleep(): Promise<void> {
		return ofThisLife(this.#process, this.#instance.onStop("sleep"));
	}

	async destroy(): Promise<void> {
		await ofThisLife(this.#process, this.#instance.onStop("destroy"));
		await this.#storage.destroy();
	}

	async #post(path: string, body: unknown): Promise<unknown> {
		const response = await this.#router.fetch(post(path, encode(body)), { actorId: this.#address });
		const answer: unknown = decode(new Uint8Array(await ofThisLife(this.#process, response.arrayBuffer())));
		if (response.ok) return answer;
		const { group = "http", code = String(response.status), message = "" } = answer as Answer;
		throw new ActorRefusal(group, code, message);
	}

	/** Tells the first message on the way that reads like one just stored under which id that was. */
	#noteStored(key: string, value: Uint8Array): void {
		if (this.#onTheWay.length === 0 || !isMessageKey(key)) return;
		const stored = decodeMessage(value);
		const message = this.#onTheWay.find(
			({ id, name, body }) => id === "" && name === stored.name && Buffer.compare(body, stored.body) === 0,
		);
		if (message !== undefined) message.id = messageIdOf(key);
	}
}

const HEADERS = new Headers({ "x-rivet-encoding": "cbor" });

/** What the routes read of a request, and no more: one of the runtime's own class costs an eighth of a whole run. */
function post(path: string, body: Uint8Array): Request {
	const { buffer, byteOffset, byteLength } = body;
	const arrayBuffer = async () => buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
	const request: Pick<Request, "method" | "url" | "headers" | "arrayBuffer"> = {
		method: "POST",
		url: `http://actor/${path}`,
		headers: HEADERS,
		arrayBuffer,
	};
	return request as Request;
}
