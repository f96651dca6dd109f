/**
 * A network: processes listen, connect, and send each other frames over connections that may be slow, break, or go silent.
 *
 * The contract of a connection: frames of one direction arrive in the order in which they were sent, whole and once, or not at
 * all; nothing is promised between the two directions or between connections. What an end has sent is on its way, and no end
 * learns what became of it. A connection that breaks loses what is on its way in both directions; each end is told on its own,
 * after a latency, or later where that is planned. The death of a process closes its ends: what it sent before still arrives.
 * A correct peer survives a break, a silence and a death at every frame.
 *
 * Frames are numbered through the run in the order of sending, those of the handshake and the closing ones too: the coordinates
 * of faults. Each is told in the history when it is sent and when it arrives or is lost.
 */
import type { Due } from "./agenda.ts";
import type { ConnectionEnd } from "./faults.ts";
import type { Process } from "./process.ts";
import { drawInt } from "./random.ts";
import { SimulatedWebSocket } from "./web-socket.ts";
import type { NumberedFrame, World } from "./world.ts";

/** What a frame carries. */
export type Payload = string | Uint8Array;

/** Close codes of RFC 6455 that ends meet without having sent them. */
export const NORMAL_CLOSURE = 1000;
const NO_STATUS = 1005;
export const ABNORMAL_CLOSURE = 1006;

export interface NetworkOptions {
	/** Virtual milliseconds that a frame takes; drawn uniformly over both ends. */
	readonly latency?: { readonly minMs: number; readonly maxMs: number };
	/**
	 * What binary messages are to code that does not choose: blobs, as to the `WebSocket` that runtimes have and the standard
	 * says, or Node buffers, as to the `ws` package.
	 */
	readonly binary?: "blob" | "nodebuffer";
}

/** The shapes of the events a network writes, by kind. */
export interface NetworkEvents {
	/** A process asked for a connection. */
	"connection.asked": { connection: number; url: string; protocols: readonly string[] };
	/** A frame was sent by that end. */
	"frame.sent": { frame: number; connection: number; from: ConnectionEnd; content: FrameContent };
	/** It reached the other end. */
	"frame.arrived": { frame: number; connection: number };
	/** It never will. */
	"frame.lost": { frame: number; connection: number; why: string };
	/** An end learned that the connection is over. */
	"connection.over": { connection: number; end: ConnectionEnd; code: number; reason: string };
}

export type FrameContent =
	| { readonly kind: "ask" }
	| { readonly kind: "accept"; readonly protocol: string }
	| { readonly kind: "refuse"; readonly why: string }
	| { readonly kind: "message"; readonly payload: Payload }
	| { readonly kind: "close"; readonly code: number; readonly reason: string };

/** What an end of a connection is told. Each is called as an event of the process that holds the end. */
export interface EndListener {
	onOpen?(protocol: string): void;
	onMessage?(payload: Payload): void;
	/** The last it hears. `failed` when the connection never came about. */
	onOver?(code: number, reason: string, failed: boolean): void;
}

/** A connection that was asked for, as a listening process gets it. It must be accepted or refused in the same event. */
export interface Asked {
	readonly url: URL;
	readonly protocols: readonly string[];
	accept(listener: EndListener, protocol?: string): End;
	refuse(why: string): void;
}

type Phase = "opening" | "open" | "closing" | "over";

interface Listening {
	readonly process: Process;
	readonly onAsk: (asked: Asked) => void;
}

/** Milliseconds after which an end that closed gives up waiting for the other to agree. */
const CLOSE_TIMEOUT_MS = 30_000;

/** One end of a connection, held by one process. */
export class End {
	readonly connection: Connection;
	readonly side: ConnectionEnd;
	readonly process: Process;
	/** Whom it tells; replaced by who takes it over. */
	listener: EndListener = {};
	phase: Phase = "opening";
	/** Whether there ever was a connection to speak of. */
	opened = false;
	/** Gives up waiting for the other end to agree that the connection is over. */
	giveUp: Due | undefined;

	constructor(connection: Connection, side: ConnectionEnd, process: Process) {
		this.connection = connection;
		this.side = side;
		this.process = process;
	}

	/**
	 * Sends a message, unless the end is closing or over: then it is dropped, as the standard says.
	 * @param owned whether nobody else holds the bytes, so that they need not be copied.
	 */
	send(payload: Payload, owned = false): void {
		if (this.phase !== "open") return;
		const own = typeof payload === "string" || owned ? payload : new Uint8Array(payload);
		this.connection.send(this, { kind: "message", payload: own });
	}

	close(code = NO_STATUS, reason = ""): void {
		if (this.phase === "opening") this.connection.fail(this);
		if (this.phase !== "open") return;
		this.phase = "closing";
		this.connection.send(this, { kind: "close", code, reason });
		this.connection.expectEnd(this);
	}
}

interface OnItsWay {
	readonly frame: NumberedFrame;
	readonly content: FrameContent;
	readonly due: Due;
}

/** What is on its way to one end. */
interface Lane {
	readonly frames: OnItsWay[];
	/** When the last of it arrives; nothing sent later is earlier. */
	lastAt: number;
}

/** Two ends and what is on its way between them. */
export class Connection {
	readonly id: number;
	readonly url: string;
	readonly #network: Network;
	readonly #world: World;
	readonly #client: End;
	#server: End | undefined;
	/** Who is asked, as long as nobody has accepted. */
	readonly #listening: Listening | undefined;
	readonly #lanes: Readonly<Record<ConnectionEnd, Lane>> = {
		client: { frames: [], lastAt: 0 },
		server: { frames: [], lastAt: 0 },
	};
	/** Whether what is sent arrives. */
	#carries = true;
	#protocols: readonly string[];

	constructor(
		id: number,
		network: Network,
		world: World,
		url: string,
		protocols: readonly string[],
		listening: Listening | undefined,
	) {
		this.id = id;
		this.url = url;
		this.#network = network;
		this.#world = world;
		this.#protocols = protocols;
		this.#listening = listening;
		this.#client = new End(this, "client", world.current);
	}

	/** Asks for the connection. @returns the end of whoever asks. */
	ask(): End {
		this.#world.note("connection.asked", { connection: this.id, url: this.url, protocols: this.#protocols });
		this.send(this.#client, { kind: "ask" });
		return this.#client;
	}

	/** Puts a frame on its way from that end to the other. */
	send(from: End, content: FrameContent): void {
		const world = this.#world;
		if (!from.process.alive) return;
		const frame = world.frame();
		const { number } = frame;
		world.note("frame.sent", { frame: number, connection: this.id, from: from.side, content }, from.process);
		let slowMs = 0;
		for (const { fault, struck } of frame.faults) {
			if (fault.kind === "slow-link" && this.#carries) {
				slowMs += fault.ms;
				struck(`${describeContent(content)} of the ${from.side}`);
			} else if (fault.kind === "half-open" && this.#carries) {
				struck(`${describeContent(content)} of the ${from.side}`);
				this.#carries = false;
				for (const end of this.#ends()) this.#tellOver(end, fault.ms, ABNORMAL_CLOSURE, "");
			}
		}
		const to = from.side === "client" ? "server" : "client";
		const receiver = to === "client" ? this.#client.process : (this.#server?.process ?? this.#listening?.process);
		if (content.kind === "ask" && receiver?.alive !== true) {
			this.#lost(number, "nobody listens");
			this.#tellOver(this.#client, this.#network.drawMs(), ABNORMAL_CLOSURE, "");
			return;
		}
		if (!this.#carries || receiver === undefined || !receiver.alive) {
			this.#lost(number, this.#carries ? "nobody is there" : "the connection is broken");
			return;
		}
		const lane = this.#lanes[to];
		lane.lastAt = Math.max(lane.lastAt, world.nowMs + this.#network.drawMs() + slowMs);
		// Two frames that arrive at one instant are two events: whichever comes first takes the one sent first.
		const due = world.schedule(receiver, lane.lastAt - world.nowMs, () => this.#arrive(to));
		lane.frames.push({ frame, content, due });
	}

	/** What becomes of an end that was given up before the other had answered. */
	fail(end: End): void {
		end.phase = "closing";
		this.#break(0, 0);
	}

	/** An end that closed does not wait for the other forever. */
	expectEnd(end: End): void {
		const giveUp = () => this.#over(end, ABNORMAL_CLOSURE, "");
		end.giveUp = this.#world.schedule(end.process, CLOSE_TIMEOUT_MS, giveUp);
	}

	/** The process of an end is gone: what it sent still arrives, and then the other end is told. */
	abandonedBy(process: Process): void {
		for (const end of this.#ends()) {
			const other = this.#otherThan(end);
			if (end.process !== process || end.phase === "over") continue;
			end.phase = "over";
			this.#lose(end.side, "its process is gone");
			if (other === undefined || !this.#carries) continue;
			const lane = this.#lanes[other.side];
			lane.lastAt = Math.max(lane.lastAt, this.#world.nowMs + this.#network.drawMs());
			this.#tellOver(other, lane.lastAt - this.#world.nowMs, ABNORMAL_CLOSURE, "");
		}
	}

	/** The end of that side, while it is open. */
	openEnd(side: ConnectionEnd): End | undefined {
		return this.#ends().find((end) => end.side === side && end.phase === "open" && end.process.alive);
	}

	#arrive(side: ConnectionEnd): void {
		const next = this.#lanes[side].frames.shift();
		if (next === undefined) return;
		const { frame, content } = next;
		if (frame.faults.length > 0 && this.#strikeBefore(side, next)) return;
		const end = side === "client" ? this.#client : this.#server;
		if (content.kind === "message" && end?.phase !== "open") this.#lost(frame.number, "its end is closed");
		else this.#world.note("frame.arrived", { frame: frame.number, connection: this.id });
		if (frame.faults.length > 0) this.#world.afterEvent(() => this.#strikeAfter(side, next));
		if (side === "server" && this.#server === undefined) this.#accept();
		else this.#deliver(side === "client" ? this.#client : (this.#server as End), content);
	}

	#accept(): void {
		const listening = this.#listening as Listening;
		const server = new End(this, "server", listening.process);
		this.#server = server;
		listening.onAsk({
			url: new URL(this.url),
			protocols: this.#protocols,
			accept: (listener, protocol = "") => {
				server.listener = listener;
				server.phase = "open";
				server.opened = true;
				this.send(server, { kind: "accept", protocol });
				return server;
			},
			refuse: (why) => {
				this.send(server, { kind: "refuse", why });
				server.phase = "over";
			},
		});
	}

	#deliver(end: End, content: FrameContent): void {
		switch (content.kind) {
			case "accept":
				if (end.phase !== "opening") return;
				end.phase = "open";
				end.opened = true;
				end.listener.onOpen?.(content.protocol);
				return;
			case "refuse":
				this.#over(end, ABNORMAL_CLOSURE, "");
				return;
			case "message":
				if (end.phase === "open") end.listener.onMessage?.(content.payload);
				return;
			case "close":
				if (end.phase === "open") {
					end.phase = "closing";
					this.send(end, content);
				}
				this.#over(end, content.code, content.reason);
		}
	}

	/** @returns whether the frame does not arrive. */
	#strikeBefore(side: ConnectionEnd, { frame, content }: OnItsWay): boolean {
		for (const { fault, struck } of frame.faults) {
			if (!("side" in fault) || fault.side !== "before") continue;
			if (fault.kind === "cut") {
				struck(`${describeContent(content)} to the ${side}`);
				this.#lost(frame.number, "the connection broke");
				this.#break(this.#network.drawMs(), this.#network.drawMs());
				return true;
			}
			const victim = this.#peer(side, fault.peer);
			if (victim === undefined || !victim.alive) continue;
			struck(`${describeContent(content)} to the ${side}`);
			this.#world.crash(victim, "planned");
			if (fault.peer === "receiver") return this.#lost(frame.number, "its receiver is gone");
		}
		return false;
	}

	#strikeAfter(side: ConnectionEnd, { frame, content }: OnItsWay): void {
		for (const { fault, struck } of frame.faults) {
			const window = `${describeContent(content)} to the ${side}`;
			if (fault.kind === "late-close" && this.#carries) {
				struck(window);
				const lateMs = (end: ConnectionEnd) => this.#network.drawMs() + (fault.end === end ? fault.ms : 0);
				this.#break(lateMs("client"), lateMs("server"));
			} else if (fault.kind === "cut" && fault.side === "after" && this.#carries) {
				struck(window);
				this.#break(this.#network.drawMs(), this.#network.drawMs());
			} else if (fault.kind === "peer-crash" && fault.side === "after") {
				const victim = this.#peer(side, fault.peer);
				if (victim === undefined || !victim.alive) continue;
				struck(window);
				this.#world.crash(victim, "planned");
			}
		}
	}

	/** Loses what is on its way and tells each end so many milliseconds from now. */
	#break(clientMs: number, serverMs: number): void {
		this.#carries = false;
		this.#lose("client", "the connection broke");
		this.#lose("server", "the connection broke");
		this.#tellOver(this.#client, clientMs, ABNORMAL_CLOSURE, "");
		if (this.#server !== undefined) this.#tellOver(this.#server, serverMs, ABNORMAL_CLOSURE, "");
	}

	#lose(side: ConnectionEnd, why: string): void {
		for (const { frame, due } of this.#lanes[side].frames.splice(0)) {
			due.run = undefined;
			this.#lost(frame.number, why);
		}
	}

	#lost(frame: number, why: string): true {
		this.#world.note("frame.lost", { frame, connection: this.id, why }, this.#world.outside);
		return true;
	}

	#tellOver(end: End, delayMs: number, code: number, reason: string): void {
		if (end.process.alive) this.#world.schedule(end.process, delayMs, () => this.#over(end, code, reason));
	}

	#over(end: End, code: number, reason: string): void {
		if (end.phase === "over") return;
		end.phase = "over";
		if (end.giveUp !== undefined) end.giveUp.run = undefined;
		this.#world.note("connection.over", { connection: this.id, end: end.side, code, reason });
		if (this.#ends().every(({ phase }) => phase === "over")) this.#network.forget(this);
		end.listener.onOver?.(code, reason, !end.opened);
	}

	#peer(receiving: ConnectionEnd, peer: "sender" | "receiver"): Process | undefined {
		const side = (peer === "receiver") === (receiving === "client") ? "client" : "server";
		return side === "client" ? this.#client.process : (this.#server ?? this.#listening)?.process;
	}

	#ends(): readonly End[] {
		return this.#server === undefined ? [this.#client] : [this.#client, this.#server];
	}

	#otherThan(end: End): End | undefined {
		return end === this.#client ? this.#server : this.#client;
	}
}

export class Network {
	readonly #world: World;
	readonly #latency: { readonly minMs: number; readonly maxMs: number };
	/** What binary messages are to code that does not choose. */
	readonly binary: "blob" | "nodebuffer";
	readonly #listening = new Map<string, Listening>();
	readonly #connections = new Set<Connection>();
	#asked = 0;

	/** Gives the processes of the world a `WebSocket`. One network a world. */
	constructor(world: World, { latency = { minMs: 0, maxMs: 0 }, binary = "blob" }: NetworkOptions = {}) {
		this.#world = world;
		this.#latency = latency;
		this.binary = binary;
		const abandon = (process: Process) => {
			for (const connection of this.#connections) connection.abandonedBy(process);
		};
		world.onCrash(abandon);
		world.onExit(abandon);
		world.provideSockets({
			WebSocket: SimulatedWebSocket,
			connect: (url, protocols) => ({ end: this.connect(url, protocols), binary }),
		});
	}

	/** Has the running process take what is asked of that host, in place of whoever did before; `host` as in a URL, with its port. */
	listen(host: string, onAsk: (asked: Asked) => void): void {
		this.#listening.set(host, { process: this.#world.current, onAsk });
	}

	/** Has the running process ask for a connection. */
	connect(url: string, protocols: readonly string[] = []): End {
		const connection = new Connection(
			++this.#asked,
			this,
			this.#world,
			url,
			protocols,
			this.#listening.get(new URL(url).host),
		);
		this.#connections.add(connection);
		return connection.ask();
	}

	/** The ends of that side that can be spoken over, in the order of their connections. */
	open(side: ConnectionEnd): End[] {
		return [...this.#connections].flatMap((connection) => connection.openEnd(side) ?? []);
	}

	/** Virtual milliseconds that the next frame takes. */
	drawMs(): number {
		const { minMs, maxMs } = this.#latency;
		return maxMs === 0 ? 0 : drawInt(this.#world.random.stream("network"), minMs, maxMs);
	}

	/** A connection that is over for both ends. */
	forget(connection: Connection): void {
		this.#connections.delete(connection);
	}
}

function describeContent(content: FrameContent): string {
	return content.kind === "message" ? "a message" : `the ${content.kind}`;
}
