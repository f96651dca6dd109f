/**
 * A relay of WebSocket frames on the way to a real server: it counts frames, lets them pass a gate, and destroys what was cut
 * without a goodbye. Everything that the server sends is told to whoever listens, also what never arrives.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { Gate } from "./gate.ts";

/** One connection through the relay. */
export interface Relayed {
	readonly gate: Gate;
	readonly onSent: (frame: Uint8Array) => void;
	/** Told every frame of the runner, also what never arrives. */
	readonly onSaid?: (frame: Uint8Array) => void;
}

export class FrameRelay {
	readonly #http: Server;
	readonly #target: string;
	readonly #sockets = new Set<WebSocket>();
	/** What the next connection is to pass. */
	#next: Relayed = { gate: new Gate(), onSent: () => {} };

	private constructor(target: string) {
		this.#target = target;
		this.#http = createServer();
		const clients = new WebSocketServer({
			server: this.#http,
			handleProtocols: (protocols) => [...protocols][0] ?? false,
		});
		clients.on("connection", (client, request) => this.#relay(client, `${this.#target}${request.url}`, this.#next));
	}

	/** @param target `ws://host:port`. */
	static async to(target: string): Promise<FrameRelay> {
		const relay = new FrameRelay(target);
		await new Promise<void>((resolve, reject) => {
			relay.#http.once("error", reject);
			relay.#http.listen(0, "127.0.0.1", resolve);
		});
		relay.#http.unref();
		return relay;
	}

	get url(): string {
		return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
	}

	/** Says what the connections that are made from now on pass. */
	through(relayed: Relayed): void {
		this.#next = relayed;
	}

	/** Destroys every connection without a goodbye. */
	cut(): void {
		for (const socket of [...this.#sockets]) socket.terminate();
	}

	close(): void {
		this.cut();
		this.#http.close();
	}

	#relay(client: WebSocket, url: string, { gate, onSent, onSaid }: Relayed): void {
		const server = new WebSocket(url, client.protocol === "" ? [] : [client.protocol]);
		const early: { data: Buffer; binary: boolean }[] = [];
		const toServer = (data: Buffer, binary: boolean) => {
			onSaid?.(data);
			if (gate.passes("to-server", data)) server.send(data, { binary });
			else if (gate.state === "cut") end();
		};
		const end = () => {
			client.terminate();
			server.terminate();
		};
		for (const socket of [client, server]) {
			this.#sockets.add(socket);
			// What a cut looks like from either end.
			socket.on("error", () => {});
			socket.on("close", () => this.#sockets.delete(socket));
		}
		client.on("message", (data: Buffer, binary: boolean) => {
			if (server.readyState === WebSocket.OPEN) toServer(data, binary);
			else early.push({ data, binary });
		});
		server.on("open", () => {
			for (const { data, binary } of early.splice(0)) toServer(data, binary);
		});
		server.on("message", (data: Buffer, binary: boolean) => {
			// What was on its way as the connection was destroyed may come to be seen here, or not.
			if (gate.isCut) return;
			onSent(data);
			if (gate.passes("to-runner", data)) client.send(data, { binary });
			else if (gate.state === "cut") end();
		});
		client.on("close", (code, reason) => goodbye(server, code, reason));
		server.on("close", (code, reason) => {
			// In the dark the runner does not learn of it.
			if (gate.state !== "dark") goodbye(client, code, reason);
		});
	}
}

/** Hands a close on, as far as a code may be sent. */
function goodbye(socket: WebSocket, code: number, reason: Buffer): void {
	const sendable =
		code === 1000 || (code >= 1001 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || code >= 3000;
	if (sendable) socket.close(code, reason);
	else socket.terminate();
}
