/** Words for what a runner, its server, the users of both and the network between them write into a history. */
import type { Data, Words } from "./told.ts";

const OTHER: Readonly<Record<string, string>> = { client: "server", server: "runner" };
const OWN: Readonly<Record<string, string>> = { client: "runner", server: "server" };

const lane = (connection: number): string => `connection ${connection}`;
/** An actor and its generation. */
const who = ({ actorId, generation }: Data): string => `${actorId}/${generation}`;
const mark = (data: Data): string => `${who(data)} #${data.index}`;

export const RUNNER_WORDS: Words = {
	"connection.asked": ({ connection, url }) => ({
		words: `asks for connection ${connection}: ${pathOf(url)}`,
		mark: "frame",
		reaches: lane(connection),
	}),
	"frame.sent": ({ frame, connection, from, text }) => ({
		words: `frame ${frame} to the ${OTHER[from]} over connection ${connection}: ${text}`,
		mark: "frame",
		pair: `frame ${frame}`,
		reaches: lane(connection),
		verboseOnly: QUIET.has(text),
	}),
	"frame.arrived": ({ frame, connection, from, text }) => ({
		words: `frame ${frame} arrives from the ${OWN[from]}: ${text}`,
		mark: "frame",
		pair: `frame ${frame}`,
		reaches: lane(connection),
		tone: "quiet",
		verboseOnly: true,
	}),
	"frame.lost": ({ frame, connection, why, text }) => ({
		words: `frame ${frame} is lost (${why}): ${text}`,
		tone: "loud",
		pair: `frame ${frame}`,
		reaches: lane(connection),
		verboseOnly: QUIET.has(text),
	}),
	"connection.over": ({ connection, end, code, reason }) => ({
		words: `the ${OWN[end]} learns that connection ${connection} is over (${code}${reason === "" ? "" : ` ${reason}`})`,
		reaches: lane(connection),
	}),
	"connection.refused": ({ why }) => ({ words: `a connection is refused: ${why}` }),
	"input.refused": ({ what, why }) => ({ words: `${what} is refused: ${why}` }),
	"role.begins": ({ role, name }) => ({
		words:
			role === "wild"
				? "is a peer that does not keep to the protocol"
				: `is the ${role}${name === role ? "" : ` ${name}`}`,
		tone: "bold",
	}),
	"asked.of-server": ({ what, actorId }) => ({ words: `an operator asks: ${what} ${actorId}`, mark: "effect" }),
	"asked.confirmed": ({ what, actorId }) => ({ words: `${what} ${actorId} is durable`, verboseOnly: true }),
	"user.start": (data) => ({ words: `the program is told to start ${who(data)}`, tone: "good", mark: "effect" }),
	"user.started": (data) => ({ words: `${who(data)} is started`, tone: "good" }),
	"user.stop": (data) => ({ words: `the program is told to stop ${who(data)}`, tone: "good", mark: "effect" }),
	"user.stopped": (data) => ({ words: `${who(data)} is stopped`, tone: "good" }),
	"user.failed": (data) => ({ words: `the program throws in the ${data.callback} of ${who(data)}`, tone: "loud" }),
	"user.asks": (data) => ({ words: `${who(data)} asks: ${data.what}` }),
	"runner.connected": ({ runnerId }) => ({ words: `the runner is connected${idOf(runnerId)}`, verboseOnly: true }),
	"runner.disconnected": ({ code, reason }) => ({
		words: `the runner is disconnected (${code}${reason === "" ? "" : ` ${reason}`})`,
		verboseOnly: true,
	}),
	"runner.shutdown": () => ({ words: "the runner shuts down" }),
	"runner.known": ({ runnerId, version }) => ({
		words: `the server knows the runner${idOf(runnerId)}, version ${version}`,
	}),
	"runner.lost": ({ why, actors, runnerId }) => ({
		words: `the server gives the runner${idOf(runnerId)} up (${why})${(actors ?? []).length === 0 ? "" : `, with ${actors.join(", ")}`}`,
		tone: "loud",
	}),
	"wild.begins": ({ how }) => ({ words: `it begins: ${how}` }),
	"wild.over": ({ how, code, reason }) => ({ words: `${how} ends with ${code} ${reason}` }),
	"actor.status": (data) => ({
		words: `the server takes ${who(data)} for ${data.status}${data.why === undefined ? "" : ` (${data.why})`}`,
	}),
	"command.stored": (data) => ({ words: `the server issues ${data.command} ${mark(data)}` }),
	"command.deleted": (data) => ({ words: `the server deletes command ${mark(data)} (${data.why})`, verboseOnly: true }),
	"command.ack-ignored": (data) => ({
		words: `an acknowledgement of ${mark(data)} is ignored: ${data.why}`,
		verboseOnly: true,
	}),
	"event.applied": (data) => ({
		words: `event ${mark(data)} takes effect: ${data.event}`,
	}),
	"event.dropped": (data) => ({ words: `event ${mark(data)} is dropped (${data.why}): ${data.event}` }),
	"event.acknowledged": (data) => ({ words: `events up to ${mark(data)} are acknowledged`, verboseOnly: true }),
	"channel.made": ({ actorId }) => ({ words: `a channel for the events of ${actorId} is made`, verboseOnly: true }),
	"channel.collected": ({ actorId, pending }) => ({
		words: `the channel of ${actorId} is collected${pending > 0 ? `, with ${pending} events in it` : ""}`,
		verboseOnly: pending === 0,
	}),
};

/** Frames that keep a connection alive and say nothing. */
const QUIET: ReadonlySet<string> = new Set(["ask", "accept", "Ping", "Pong"]);

function idOf(runnerId: string | undefined): string {
	return runnerId === undefined ? "" : ` as ${runnerId.slice(0, 8)}`;
}

function pathOf(url: string): string {
	return url.replace(/^\w+:\/\/[^/]*/, "");
}
