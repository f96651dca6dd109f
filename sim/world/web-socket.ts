/**
 * The `WebSocket` of a world, with the surface of the standard: whoever constructs one connects through the network of the
 * world that is running. It is one class for all worlds, because modules hold on to what they find under the global name.
 */
import { HarnessError } from "./harness-error.ts";
import { activeInterposer } from "./interpose.ts";
import type { End, Payload } from "./network.ts";

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

const READY_STATES = { opening: CONNECTING, open: OPEN, closing: CLOSING, over: CLOSED } as const;

export interface SocketEvent {
	readonly type: string;
	readonly target: SimulatedWebSocket;
	readonly currentTarget: SimulatedWebSocket;
	readonly data?: unknown;
	readonly code?: number;
	readonly reason?: string;
	readonly wasClean?: boolean;
	readonly error?: Error;
	readonly message?: string;
}

type Listener = ((event: SocketEvent) => unknown) | { handleEvent(event: SocketEvent): unknown };

interface Listening {
	readonly type: string;
	readonly listener: Listener;
	readonly once: boolean;
}

/** Bytes that are there already: reading them takes no time, and no thread of the runtime. */
class SimulatedBlob extends Blob {
	readonly #bytes: Uint8Array;

	constructor(bytes: Uint8Array) {
		super([bytes as Uint8Array<ArrayBuffer>]);
		this.#bytes = bytes;
	}

	override arrayBuffer(): Promise<ArrayBuffer> {
		return Promise.resolve(bufferOf(this.#bytes));
	}

	override text(): Promise<string> {
		return Promise.resolve(Buffer.from(this.#bytes).toString());
	}
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
	return bytes.slice().buffer as ArrayBuffer;
}

export class SimulatedWebSocket {
	static readonly CONNECTING = CONNECTING;
	static readonly OPEN = OPEN;
	static readonly CLOSING = CLOSING;
	static readonly CLOSED = CLOSED;
	readonly CONNECTING = CONNECTING;
	readonly OPEN = OPEN;
	readonly CLOSING = CLOSING;
	readonly CLOSED = CLOSED;

	readonly url: string;
	readonly extensions = "";
	readonly bufferedAmount = 0;
	/** The subprotocol that the server chose. */
	protocol = "";
	/** `nodebuffer` is what the `ws` package has beyond the standard. */
	binaryType: "blob" | "arraybuffer" | "nodebuffer";
	onopen: Listener | null = null;
	onmessage: Listener | null = null;
	onerror: Listener | null = null;
	onclose: Listener | null = null;
	readonly #end: End;
	readonly #listeners: Listening[] = [];

	/** @throws SyntaxError (a DOMException) for a URL that is none, or not of a WebSocket. */
	constructor(url: string | URL, protocols: string | readonly string[] = []) {
		this.url = checkedUrl(String(url));
		const sockets = activeInterposer()?.sockets?.();
		if (sockets === undefined) throw new HarnessError("outside-run", "A simulated WebSocket was made outside a run.");
		const list = typeof protocols === "string" ? [protocols] : [...protocols];
		const { end, binary } = sockets.connect(this.url, list) as { end: End; binary: "blob" | "nodebuffer" };
		this.binaryType = binary;
		this.#end = end;
		end.listener = {
			onOpen: (protocol) => {
				this.protocol = protocol;
				this.#dispatch("open", {});
			},
			onMessage: (payload) => this.#dispatch("message", { data: this.#dataOf(payload) }),
			onOver: (code, reason, failed) => {
				if (failed) {
					const error = new Error(`connecting to ${this.url} failed`);
					this.#dispatch("error", { error, message: error.message });
				}
				this.#dispatch("close", { code, reason, wasClean: code !== 1006 });
			},
		};
	}

	get readyState(): number {
		return READY_STATES[this.#end.phase];
	}

	/** @throws InvalidStateError (a DOMException) before the connection is open. */
	send(data: string | ArrayBuffer | ArrayBufferView): void {
		if (this.readyState === CONNECTING) {
			throw new DOMException("Sent before connected.", "InvalidStateError");
		}
		this.#end.send(payloadOf(data), true);
	}

	/** @throws InvalidAccessError or SyntaxError (DOMExceptions) for a code or a reason that may not be sent. */
	close(code?: number, reason = ""): void {
		if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
			throw new DOMException("invalid code", "InvalidAccessError");
		}
		if (Buffer.byteLength(reason) > 123) {
			throw new DOMException("Reason must be less than 123 bytes", "SyntaxError");
		}
		this.#end.close(code, reason);
	}

	addEventListener(type: string, listener: Listener | null, options?: boolean | { readonly once?: boolean }): void {
		if (listener === null || this.#listeners.some((known) => known.type === type && known.listener === listener))
			return;
		this.#listeners.push({ type, listener, once: typeof options === "object" && options.once === true });
	}

	removeEventListener(type: string, listener: Listener | null): void {
		const at = this.#listeners.findIndex((known) => known.type === type && known.listener === listener);
		if (at >= 0) this.#listeners.splice(at, 1);
	}

	#dataOf(payload: Payload): unknown {
		if (typeof payload === "string") return payload;
		if (this.binaryType === "nodebuffer") return Buffer.from(payload);
		return this.binaryType === "arraybuffer" ? bufferOf(payload) : new SimulatedBlob(payload);
	}

	#dispatch(type: "open" | "message" | "error" | "close", about: Partial<SocketEvent>): void {
		const event: SocketEvent = { type, target: this, currentTarget: this, ...about };
		const attribute = this[`on${type}`];
		if (attribute !== null) this.#call(attribute, event);
		if (this.#listeners.length === 0) return;
		for (const listening of this.#listeners.slice()) {
			if (listening.type !== type) continue;
			if (listening.once) this.removeEventListener(type, listening.listener);
			this.#call(listening.listener, event);
		}
	}

	/** What a listener throws, or rejects with, is uncaught and keeps it from no other. */
	#call(listener: Listener, event: SocketEvent): void {
		try {
			const result = typeof listener === "function" ? listener.call(this, event) : listener.handleEvent(event);
			if (result instanceof Promise) result.catch(uncaught);
		} catch (error) {
			uncaught(error);
		}
	}
}

function uncaught(error: unknown): void {
	process.nextTick(() => {
		throw error;
	});
}

function checkedUrl(text: string): string {
	const url = URL.canParse(text) ? new URL(text) : undefined;
	if (url === undefined || !["ws:", "wss:", "http:", "https:"].includes(url.protocol)) {
		throw new DOMException(`${text} is no URL of a WebSocket.`, "SyntaxError");
	}
	return url.href.replace(/^http/, "ws");
}

/** Bytes of its own: what was handed over stays the sender's. */
function payloadOf(data: string | ArrayBuffer | ArrayBufferView): Payload {
	if (typeof data === "string") return data;
	// Short arrays have no buffer until someone asks for it, and it costs more than all else that a frame does.
	if (data instanceof Uint8Array) return new Uint8Array(data);
	if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
	return new Uint8Array(data).slice();
}
