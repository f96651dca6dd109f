/** A relay on the way to a server, whose connections can all be cut at one moment. */
import { connect, createServer, type Server, type Socket } from "node:net";

export class Relay {
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();

	private constructor(targetPort: number) {
		this.#server = createServer((client) => {
			const upstream = connect(targetPort, "127.0.0.1");
			for (const [socket, other] of [
				[client, upstream],
				[upstream, client],
			] as const) {
				this.#sockets.add(socket);
				socket.setNoDelay(true);
				socket.pipe(other);
				// One end ends the other; errors are what cuts look like.
				socket.on("error", () => other.destroy());
				socket.on("close", () => {
					this.#sockets.delete(socket);
					other.destroy();
				});
			}
		});
	}

	/** A relay to a port of this machine, on a free port of its own. */
	static async to(targetPort: number): Promise<Relay> {
		const relay = new Relay(targetPort);
		await new Promise<void>((resolve, reject) => {
			relay.#server.once("error", reject);
			relay.#server.listen(0, "127.0.0.1", resolve);
		});
		// The process may end while it listens.
		relay.#server.unref();
		return relay;
	}

	get port(): number {
		const address = this.#server.address();
		return typeof address === "object" && address !== null ? address.port : 0;
	}

	/** Cuts every connection without a goodbye. */
	cut(): void {
		for (const socket of [...this.#sockets]) socket.resetAndDestroy();
	}

	close(): void {
		this.cut();
		this.#server.close();
	}
}

/** A port of this machine that nobody listens on now. */
export async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => {
		server.listen(0, "127.0.0.1", resolve);
	});
	const address = server.address();
	await new Promise((resolve) => {
		server.close(resolve);
	});
	return typeof address === "object" && address !== null ? address.port : 0;
}
