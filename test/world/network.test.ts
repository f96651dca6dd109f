/** Connections keep the order of their frames, break where that is planned, and tell each end what it is owed. */
import { describe, expect, test } from "vitest";
import type { FaultPlan } from "../../sim/world/faults.ts";
import { type End, Network, type NetworkEvents, type NetworkOptions, type Payload } from "../../sim/world/network.ts";
import type { Process } from "../../sim/world/process.ts";
import type { SimulatedWebSocket, SocketEvent } from "../../sim/world/web-socket.ts";
import type { World } from "../../sim/world/world.ts";
import { eventsOf, type Options, runWorld } from "./in-world.ts";

const URL_OF_SERVER = "ws://server:6420/chat?room=1";

interface Talk {
	readonly world: World;
	/** What each side heard, in order, with the virtual time. */
	readonly client: string[];
	readonly server: string[];
}

interface Script {
	/** What the client does once it is connected. */
	readonly onOpen?: (socket: SimulatedWebSocket, world: World) => void;
	readonly onMessage?: (socket: SimulatedWebSocket, data: unknown, world: World) => void;
	/** What the server does with a message. */
	readonly onAsked?: (end: End, payload: Payload, world: World, process: Process) => void;
	readonly refuses?: boolean;
	readonly absent?: boolean;
	readonly network?: NetworkOptions;
	readonly binaryType?: SimulatedWebSocket["binaryType"];
}

/** A client and a server that talk after a script. */
async function talk(script: Script, faults: FaultPlan = [], options: Options = {}): Promise<Talk> {
	const client: string[] = [];
	const server: string[] = [];
	const { world } = await runWorld(
		(world) => {
			const network = new Network(world, { latency: { minMs: 1, maxMs: 1 }, ...script.network });
			const connect = () => void world.spawn("client", () => converse(world, script, client));
			if (script.absent === true) return connect();
			world.spawn("server", (process) => {
				serve(world, network, process, script, server);
				connect();
			});
		},
		{ faults, ...options },
	);
	return { world, client, server };
}

function serve(world: World, network: Network, process: Process, script: Script, heard: string[]): void {
	const at = (text: string) => heard.push(`${text} at ${world.nowMs}`);
	network.listen("server:6420", ({ url, protocols, accept, refuse }) => {
		at(`asked for ${url.pathname}${url.search} as ${protocols.join()}`);
		if (script.refuses === true) return refuse("not now");
		const end = accept(
			{
				onMessage: (payload) => {
					at(textOf(payload));
					script.onAsked?.(end, payload, world, process);
				},
				onOver: (code, reason) => at(`over ${code} ${reason}`),
			},
			protocols[0],
		);
	});
}

function converse(world: World, script: Script, heard: string[]): void {
	const at = (text: string) => heard.push(`${text} at ${world.nowMs}`);
	const socket = new WebSocket(URL_OF_SERVER, ["talk"]) as unknown as SimulatedWebSocket;
	if (script.binaryType !== undefined) socket.binaryType = script.binaryType;
	socket.addEventListener("open", () => {
		at(`open as ${socket.protocol}`);
		script.onOpen?.(socket, world);
	});
	socket.addEventListener("message", ({ data }) => {
		at(data instanceof Blob ? "a blob" : textOf(data as Payload));
		script.onMessage?.(socket, data, world);
	});
	socket.addEventListener("error", () => at("error"));
	socket.onclose = ({ code, reason }: SocketEvent) => at(`over ${code} ${reason}`.trimEnd());
}

const textOf = (payload: Payload) => (typeof payload === "string" ? payload : Buffer.from(payload).toString());

/** A counting server: it answers each message with its number. */
function counting(): Script {
	let count = 0;
	return { onAsked: (end) => end.send(`${++count}`) };
}

/** Sends three messages at once; they are the frames 3, 4 and 5, behind the two of the handshake. */
const threeAtOnce = (socket: SimulatedWebSocket) => {
	for (const text of ["a", "b", "c"]) socket.send(text);
};

const lost = (world: World) =>
	world.history.events
		.filter(({ kind }) => kind === "frame.lost")
		.map(({ data }) => (data as NetworkEvents["frame.lost"]).frame);

test("a client and a server hear each other", async () => {
	const { client, server } = await talk({
		...counting(),
		onOpen: threeAtOnce,
		onMessage: (socket, data) => data === "3" && socket.close(1000, "enough"),
	});
	expect(server).toEqual([
		"asked for /chat?room=1 as talk at 1",
		"a at 3",
		"b at 3",
		"c at 3",
		"over 1000 enough at 5",
	]);
	expect(client).toEqual(["open as talk at 2", "1 at 4", "2 at 4", "3 at 4", "over 1000 enough at 6"]);
});

test("frames of one direction keep their order, however long each takes", async () => {
	const texts = Array.from({ length: 40 }, (_, i) => `${i}`);
	for (const seed of ["1", "2", "3", "4", "5"]) {
		const { server } = await talk(
			{
				network: { latency: { minMs: 0, maxMs: 9 } },
				onOpen: (socket) => {
					for (const text of texts) socket.send(text);
				},
			},
			[],
			{ seed },
		);
		expect(server.slice(1).map((text) => text.replace(/ at .*/, ""))).toEqual(texts);
	}
});

test("frames of two connections do not order each other", async () => {
	const orders = new Set<string>();
	for (let seed = 0; seed < 20; seed++) {
		const heard: string[] = [];
		await runWorld(
			(world) => {
				const network = new Network(world, { latency: { minMs: 0, maxMs: 9 } });
				world.spawn("server", () => {
					network.listen("server:6420", ({ accept }) => void accept({ onMessage: (text) => heard.push(textOf(text)) }));
					world.spawn("client", () => {
						for (const text of ["a", "b"]) {
							const socket = new WebSocket(URL_OF_SERVER);
							socket.onopen = () => socket.send(text);
						}
					});
				});
			},
			{ seed: `${seed}` },
		);
		orders.add(heard.join());
	}
	expect([...orders].sort()).toEqual(["a,b", "b,a"]);
});

describe("a binary message", () => {
	const bytes = new Uint8Array([1, 2, 3]);
	const answering: Script = {
		onAsked: (end) => end.send(bytes),
		onOpen: (socket) => {
			socket.send(bytes);
			bytes[0] = 9;
		},
	};

	test.each<[string, Script, (data: unknown) => boolean]>([
		["is a blob, as the standard says", {}, (data) => data instanceof Blob && data.size === 3],
		["is a Node buffer, as the ws package says", { network: { binary: "nodebuffer" } }, Buffer.isBuffer],
		[
			"is an array buffer where that is asked for",
			{ binaryType: "arraybuffer" },
			(data) => data instanceof ArrayBuffer,
		],
	])("%s", async (_what, script, isIt) => {
		const found: unknown[] = [];
		await talk({ ...answering, ...script, onMessage: (_socket, data) => found.push(data) });
		expect(found.map(isIt)).toEqual([true]);
	});

	test("belongs to the network once it was sent", async () => {
		const heard: Payload[] = [];
		bytes[0] = 1;
		await talk({ ...answering, onAsked: (_end, payload) => heard.push(payload) });
		expect(heard).toEqual([new Uint8Array([1, 2, 3])]);
	});

	test("that is a blob is read within the event", async () => {
		const read: string[] = [];
		bytes[0] = 1;
		await talk({
			...answering,
			onMessage: (_socket, data, world) =>
				void (data as Blob)
					.arrayBuffer()
					.then((buffer) => read.push(`${[...new Uint8Array(buffer)]} at ${world.nowMs}`)),
		});
		expect(read).toEqual(["9,2,3 at 4"]);
	});
});

describe("a client is told that it failed", () => {
	test("where nobody listens", async () => {
		const { client } = await talk({ absent: true });
		expect(client).toEqual(["error at 1", "over 1006 at 1"]);
	});

	test("where it is refused", async () => {
		const { client, server } = await talk({ refuses: true });
		expect(client).toEqual(["error at 2", "over 1006 at 2"]);
		expect(server).toEqual(["asked for /chat?room=1 as talk at 1"]);
	});
});

test.each([
	["a URL that is none", () => new WebSocket("no url"), /no URL/],
	["a code that is not its to send", () => new WebSocket(URL_OF_SERVER).close(1006), /invalid code/],
	["a reason too long", () => new WebSocket(URL_OF_SERVER).close(1000, "x".repeat(124)), /less than 123/],
	["a message too early", () => new WebSocket(URL_OF_SERVER).send("a"), /before connected/],
])("a socket throws for %s", async (_what, act, message) => {
	const errors: unknown[] = [];
	await runWorld((world) => {
		new Network(world);
		world.spawn("client", () => {
			try {
				act();
			} catch (error) {
				errors.push(error);
			}
		});
	});
	expect(errors).toEqual([expect.any(DOMException)]);
	expect(String(errors[0])).toMatch(message);
});

test("what a listener throws kills its process and nobody else", async () => {
	const { world, server } = await talk({
		...counting(),
		onOpen: threeAtOnce,
		onMessage: () => {
			throw new Error("cannot read that");
		},
	});
	expect(eventsOf(world, "uncaught")).toEqual([{ error: { name: "Error", message: "cannot read that" } }]);
	expect(server.at(-1)).toBe("over 1006  at 5");
});

test("what an async listener rejects with kills its process too", async () => {
	const { world } = await talk({
		...counting(),
		onOpen: (socket) => {
			socket.addEventListener("message", async () => {
				throw new Error("cannot read that");
			});
			socket.send("a");
		},
	});
	expect(eventsOf(world, "process.crash")).toEqual([{ why: "uncaught exception", inFlight: [] }]);
});

describe("a fault strikes at its frame, and proves it", () => {
	const script = () => ({ ...counting(), onOpen: threeAtOnce });
	const proof = (world: World) => eventsOf(world, "fault").map(({ kind, window }) => `${kind}: ${window}`);

	test("cut before: that frame and all behind it are lost, and both ends are told", async () => {
		const { world, client, server } = await talk(script(), [{ kind: "cut", frame: 4, side: "before" }]);
		expect(proof(world)).toEqual(["cut before frame 4: a message to the server"]);
		expect(server.slice(1)).toEqual(["a at 3", "over 1006  at 4"]);
		expect(client.slice(1)).toEqual(["over 1006 at 4"]);
		// The answer to the first message was on its way.
		expect(lost(world).sort((a, b) => a - b)).toEqual([4, 5, 6]);
	});

	test("cut after: that frame is handled, and what it caused is lost", async () => {
		const { world, client, server } = await talk(script(), [{ kind: "cut", frame: 5, side: "after" }]);
		expect(proof(world)).toEqual(["cut after frame 5: a message to the server"]);
		expect(server.slice(1)).toEqual(["a at 3", "b at 3", "c at 3", "over 1006  at 4"]);
		expect(client.slice(1)).toEqual(["over 1006 at 4"]);
	});

	test("cut of a handshake: the client fails to connect", async () => {
		const { client, server } = await talk(script(), [{ kind: "cut", frame: 2, side: "before" }]);
		expect(client).toEqual(["error at 3", "over 1006 at 3"]);
		expect(server.slice(1)).toEqual(["over 1006  at 3"]);
	});

	test("half-open: nothing arrives any more, and nobody is told for a while", async () => {
		const { world, client, server } = await talk(script(), [{ kind: "half-open", frame: 4, ms: 60_000 }]);
		expect(proof(world)).toEqual(["half-open from frame 4 for 60000 ms: a message of the client"]);
		expect(server.slice(1)).toEqual(["a at 3", "over 1006  at 60002"]);
		expect(client.slice(1)).toEqual(["over 1006 at 60002"]);
		expect(lost(world)).toEqual([4, 5, 6]);
	});

	test("late close: one end still believes in the connection", async () => {
		const { world, client, server } = await talk(script(), [
			{ kind: "late-close", frame: 5, end: "server", ms: 9_000 },
		]);
		expect(proof(world)).toEqual(["cut after frame 5 telling the server 9000 ms late: a message to the server"]);
		expect(client.at(-1)).toBe("over 1006 at 4");
		expect(server.at(-1)).toBe("over 1006  at 9004");
	});

	test("slow link: that frame takes longer, and so does what is behind it", async () => {
		const { world, server } = await talk(script(), [{ kind: "slow-link", frame: 4, ms: 50 }]);
		expect(proof(world)).toEqual(["frame 4 slow by 50 ms: a message of the client"]);
		expect(server.slice(1)).toEqual(["a at 3", "b at 53", "c at 53"]);
	});

	test.each([
		["receiver", "before", ["a at 3"], ["1 at 4", "over 1006 at 4"], "a message to the server"],
		["receiver", "after", ["a at 3", "b at 3"], ["1 at 4", "2 at 4", "over 1006 at 4"], "a message to the server"],
		["sender", "before", ["a at 3", "b at 3", "c at 3", "over 1006  at 4"], [], "a message to the server"],
	] as const)("crash of the %s %s", async (peer, side, serverHears, clientHears, window) => {
		const { world, client, server } = await talk(script(), [{ kind: "peer-crash", frame: 4, side, peer }]);
		expect(proof(world)).toEqual([`crash the ${peer} ${side} frame 4: ${window}`]);
		expect(server.slice(1)).toEqual(serverHears);
		expect(client.slice(1)).toEqual(clientHears);
	});

	test("and leaves no proof where there is no such frame", async () => {
		const { world } = await talk(script(), [{ kind: "cut", frame: 400, side: "before" }]);
		expect(proof(world)).toEqual([]);
	});
});

test("a close that nobody agrees to ends by itself", async () => {
	const { client } = await talk({ ...counting(), onOpen: (socket) => socket.close(1000, "bye") }, [
		{ kind: "half-open", frame: 3, ms: 600_000 },
	]);
	expect(client.at(-1)).toBe("over 1006 at 30002");
});

test("no WebSocket of a world is left when it is over", async () => {
	const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
	await talk(counting());
	expect(Object.getOwnPropertyDescriptor(globalThis, "WebSocket")).toEqual(before);
});

test("the same seed gives the same history", async () => {
	const script = () => ({ ...counting(), onOpen: threeAtOnce, network: { latency: { minMs: 0, maxMs: 50 } } });
	const [first, second] = [await talk(script()), await talk(script())];
	expect(first.world.history.digest()).toBe(second.world.history.digest());
});
