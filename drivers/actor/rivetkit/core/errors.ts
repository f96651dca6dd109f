/** Errors on their way between `rivetkit` 2.3 and its core: JSON behind a prefix, in the message. */

const PREFIX = "__RIVET_ERROR_JSON__:";

interface Bridged {
	readonly group: string;
	readonly code: string;
	readonly message: string;
	readonly public?: boolean;
}

/** An error of the core, as `rivetkit` reads it. */
export function coreError(group: string, code: string, message: string): Error {
	return new Error(`${PREFIX}${JSON.stringify({ group, code, message, public: true, statusCode: 400 })}`);
}

/** What a client is told of an error of a callback: its own where it is meant for clients, and otherwise that there was one. */
export function toldToClients(error: unknown): Bridged {
	const message = error instanceof Error ? error.message : String(error);
	const bridged = message.startsWith(PREFIX) ? (JSON.parse(message.slice(PREFIX.length)) as Bridged) : undefined;
	if (bridged?.public) return bridged;
	return { group: "core", code: "internal_error", message: "An internal error occurred." };
}

/** The message of an error of a callback, for whoever runs the actor. */
export function messageOf(error: unknown): string {
	const message = error instanceof Error ? error.message : String(error);
	return message.startsWith(PREFIX) ? (JSON.parse(message.slice(PREFIX.length)) as Bridged).message : message;
}
