/** Words for what the world itself writes into a history: processes, faults, durable writes, effects outside. */
import { keyWords, type Teller, type Words } from "./told.ts";

export const WORLD_WORDS: Words = {
	"process.start": (_data) => ({ words: "process starts", tone: "bold", mark: "start" }),
	"process.exit": ({ why }) => ({ words: `process ends (${why})`, tone: "quiet", mark: "end" }),
	"process.crash": ({ why, inFlight }) => ({
		words: `CRASH (${why})${inFlight.length > 0 ? `; unanswered: ${inFlight.join(", ")}` : ""}`,
		tone: "loud",
		mark: "crash",
	}),
	fault: ({ kind, window }) => ({ words: `fault: ${kind} (${window})`, tone: "loud", mark: "fault" }),
	"operation.failed": ({ operation, what, how, applied }) => ({
		words: `operation ${operation} (${what}) ${FAILURES[how] ?? how}${applied ? ", though it took place" : ""}`,
		tone: "loud",
		mark: "fault",
	}),
	damaged: ({ table, key, how }, teller) => ({
		words: `damaged on the disk${key === undefined ? "" : `: ${keyWords(teller, table, key)}`} (${how})`,
		tone: "loud",
		mark: "fault",
		reaches: "disk",
	}),
	durable: ({ n, what, mutations }, teller) => ({
		words: `write ${n}: ${what}${mutations.length > 0 ? ` ${changes(mutations, teller)}` : ""}`,
		mark: "write",
		reaches: STORES[what.split(".")[0]] ?? "disk",
	}),
	operation: ({ what, detail }, teller) => ({
		words: `${what}: ${readable(detail, teller)}`,
		tone: "quiet",
		verboseOnly: true,
		mark: "look",
	}),
	effect: ({ n, label, about, occurrence }) => ({
		words: `write ${n}: outside effect ${label}${about === undefined ? "" : ` for ${about}`}${occurrence > 1 ? `, time ${occurrence}` : ""}`,
		tone: "good",
		mark: "effect",
		reaches: "outside",
	}),
	unhandled: ({ error }) => ({ words: `unhandled rejection: ${error.name}: ${error.message}`, tone: "loud" }),
	uncaught: ({ error }) => ({ words: `uncaught exception: ${error.name}: ${error.message}`, tone: "loud" }),
	log: ({ level, text }) => ({ words: `${level}: ${text}`, tone: "quiet" }),
};

/** How an operation failed. */
const FAILURES: Readonly<Record<string, string>> = {
	refused: "is refused",
	"lost-ack": "is answered with an error",
	hung: "is never answered",
};

/** Which part of storage an operation is about, by the word before its dot. */
const STORES: Readonly<Record<string, string>> = { kv: "disk", queue: "queue", alarm: "alarm" };

function changes(
	mutations: readonly { table: string; key: string; value: Uint8Array | null }[],
	teller: Teller,
): string {
	return mutations
		.map(({ table, key, value }) => (value === null ? "- " : "") + keyWords(teller, table, key))
		.join(", ");
}

/** What an operation was about: words as they are, and keys, which are binary, in a few words. */
function readable(detail: string, teller: Teller): string {
	return /^[\x20-\x7e]*$/.test(detail) ? detail : keyWords(teller, KEYS, detail);
}

/** The table of what engines store under keys of their own. */
const KEYS = "/kv";
