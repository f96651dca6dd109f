/**
 * Requests for an actor's storage, which the server keeps. A request that was sent is not sent again, since it may have taken
 * place: when no answer comes in time, whoever asked is told so.
 */
import type { KvRequestData, KvResponseData } from "@rivetkit/engine-runner-protocol";
import type { RunnerKv } from "../contract.ts";
import type { ToServer } from "../wire.ts";

const TIMEOUT_MS = 30_000;

interface Request {
	readonly message: ToServer;
	sent: boolean;
	readonly resolve: (data: KvResponseData) => void;
	readonly reject: (error: Error) => void;
	readonly timeout: ReturnType<typeof setTimeout>;
}

/** A request for storage came to nothing, or nobody knows what it came to. */
export class KvError extends Error {
	readonly code = "kv";
	override readonly name = "KvError";
}

export class KvRequests implements RunnerKv {
	readonly #send: (message: ToServer) => void;
	readonly #requests = new Map<number, Request>();
	#connected = false;
	#next = 0;

	constructor(send: (message: ToServer) => void) {
		this.#send = send;
	}

	async get(actorId: string, keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]> {
		const answer = await this.#ask(actorId, { tag: "KvGetRequest", val: { keys: keys.map(bufferOf) } });
		if (answer.tag !== "KvGetResponse") throw unexpected(answer);
		const found = new Map(answer.val.keys.map((key, i) => [textOf(key), answer.val.values[i] as ArrayBuffer]));
		return keys.map((key) => {
			const value = found.get(textOf(bufferOf(key)));
			return value === undefined ? null : new Uint8Array(value).slice();
		});
	}

	async put(actorId: string, entries: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<void> {
		await this.#ask(actorId, {
			tag: "KvPutRequest",
			val: { keys: entries.map(([key]) => bufferOf(key)), values: entries.map(([, value]) => bufferOf(value)) },
		});
	}

	async delete(actorId: string, keys: readonly Uint8Array[]): Promise<void> {
		await this.#ask(actorId, { tag: "KvDeleteRequest", val: { keys: keys.map(bufferOf) } });
	}

	async list(actorId: string): Promise<[Uint8Array, Uint8Array][]> {
		const query = { tag: "KvListAllQuery", val: null } as const;
		const answer = await this.#ask(actorId, { tag: "KvListRequest", val: { query, reverse: null, limit: null } });
		if (answer.tag !== "KvListResponse") throw unexpected(answer);
		const { keys, values } = answer.val;
		return keys.map((key, i) => [new Uint8Array(key).slice(), new Uint8Array(values[i] as ArrayBuffer).slice()]);
	}

	async drop(actorId: string): Promise<void> {
		await this.#ask(actorId, { tag: "KvDropRequest", val: null });
	}

	answer({ requestId, data }: { readonly requestId: number; readonly data: KvResponseData }): void {
		const request = this.#take(requestId);
		if (data.tag === "KvErrorResponse") request?.reject(new KvError(data.val.message));
		else request?.resolve(data);
	}

	/** Sends what could not be sent before. */
	connected(): void {
		this.#connected = true;
		for (const request of this.#requests.values()) this.#sendOnce(request);
	}

	/** Keeps what comes up until there is a connection again. */
	disconnected(): void {
		this.#connected = false;
	}

	/** Rejects everything: the runner is over. */
	over(): void {
		for (const requestId of [...this.#requests.keys()]) {
			this.#take(requestId)?.reject(new KvError("The runner was shut down before its server had answered."));
		}
	}

	#ask(actorId: string, data: KvRequestData): Promise<KvResponseData> {
		return new Promise((resolve, reject) => {
			const requestId = this.#next++;
			const timeout = setTimeout(() => {
				const message = `The server did not answer ${data.tag} of actor ${actorId} in time; it may have taken place.`;
				this.#take(requestId)?.reject(new KvError(message));
			}, TIMEOUT_MS);
			const message: ToServer = { tag: "ToServerKvRequest", val: { actorId, requestId, data } };
			const request = { message, sent: false, resolve, reject, timeout };
			this.#requests.set(requestId, request);
			if (this.#connected) this.#sendOnce(request);
		});
	}

	#sendOnce(request: Request): void {
		if (request.sent) return;
		request.sent = true;
		this.#send(request.message);
	}

	#take(requestId: number): Request | undefined {
		const request = this.#requests.get(requestId);
		this.#requests.delete(requestId);
		clearTimeout(request?.timeout);
		return request;
	}
}

function unexpected(answer: KvResponseData): KvError {
	return new KvError(`The server answered with ${answer.tag}, which was not asked for.`);
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
	return bytes.slice().buffer as ArrayBuffer;
}

function textOf(buffer: ArrayBuffer): string {
	return Buffer.from(buffer).toString("latin1");
}
