/**
 * One run told as a story: virtual time, process life, what happened. Reads the events of a history as plain data and
 * knows the words for each kind; kinds it has no words for are told as they are when everything is to be told.
 */
import { inspect } from "node:util";
import { NO_PAINT, type Paint, time, wrap } from "./text.ts";

export interface StoryEvent {
	readonly at: number;
	readonly process: number;
	readonly kind: string;
	readonly data: unknown;
}

export interface StoryOptions {
	readonly width?: number;
	readonly paint?: Paint;
	/** Every event, reads and replays included. */
	readonly verbose?: boolean;
	/** A stored key in a few words. */
	describeKey(table: string, key: string): string;
	/** What is wrong at which event, told right after it. */
	readonly remarks: readonly { readonly event: number; readonly text: string }[];
}

/** How an event is told: its words, and how loudly. Undefined words are not told unless everything is. */
interface Told {
	readonly words: string;
	readonly tone?: "loud" | "good" | "quiet" | "bold";
	readonly verboseOnly?: boolean;
}

export function story(events: readonly StoryEvent[], options: StoryOptions): string {
	const width = options.width ?? 80;
	const paint = options.paint ?? NO_PAINT;
	const lines: string[] = [];
	let lastTime = "";
	events.forEach((event, index) => {
		const told = tell(event, options);
		if (told.verboseOnly !== true || options.verbose === true) {
			const at = time(event.at);
			const shown = at === lastTime ? "" : at;
			lastTime = at;
			const lane = event.process === 0 ? " " : String(event.process);
			const head = `${shown.padStart(TIME_COLUMNS)} ${lane.padStart(2)} `;
			lines.push(paintTone(wrap(told.words, width, " ".repeat(head.length + 2), head), told.tone, paint));
		}
		for (const remark of options.remarks) {
			if (remark.event === index) lines.push(paint.red(wrap(`^ ${remark.text}`, width, " ".repeat(TIME_COLUMNS + 6))));
		}
	});
	return lines.join("\n");
}

const TIME_COLUMNS = 13;

function paintTone(text: string, tone: Told["tone"], paint: Paint): string {
	switch (tone) {
		case "loud":
			return paint.red(text);
		case "good":
			return paint.green(text);
		case "quiet":
			return paint.dim(text);
		case "bold":
			return paint.bold(text);
		default:
			return text;
	}
}

// biome-ignore lint/suspicious/noExplicitAny: event data is plain data whose shape its kind defines elsewhere
type Data = any;

/** What each kind of event is called. */
const WORDS: Readonly<Record<string, (data: Data, options: StoryOptions) => Told>> = {
	"process.start": (_data) => ({ words: "process starts", tone: "bold" }),
	"process.exit": ({ why }) => ({ words: `process ends (${why})`, tone: "quiet" }),
	"process.crash": ({ why, inFlight }) => ({
		words: `CRASH (${why})${inFlight.length > 0 ? `; unanswered: ${inFlight.join(", ")}` : ""}`,
		tone: "loud",
	}),
	fault: ({ kind, window }) => ({ words: `fault: ${kind} (${window})`, tone: "loud" }),
	durable: ({ n, what, mutations }, options) => ({
		words: `write ${n}: ${what}${mutations.length > 0 ? ` ${changes(mutations, options)}` : ""}`,
	}),
	operation: ({ what, detail }) => ({ words: `${what}: ${printable(detail)}`, tone: "quiet", verboseOnly: true }),
	effect: ({ n, label, about, occurrence }) => ({
		words: `write ${n}: outside effect ${label}${about === undefined ? "" : ` for ${about}`}${occurrence > 1 ? `, time ${occurrence}` : ""}`,
		tone: "good",
	}),
	unhandled: ({ error }) => ({ words: `unhandled rejection: ${error.name}: ${error.message}`, tone: "loud" }),
	uncaught: ({ error }) => ({ words: `uncaught exception: ${error.name}: ${error.message}`, tone: "loud" }),
	log: ({ level, text }) => ({ words: `${level}: ${text}`, tone: "quiet" }),
	"message.acknowledged": ({ id, name }) => ({ words: `a client sends ${id} to ${name}; acknowledged` }),
	"run.start": ({ mode, visit }) => ({
		words: visit === "revisit" ? "the finished workflow is run once more" : `the engine runs the workflow (${mode})`,
		tone: "bold",
	}),
	"run.yield": ({ untilMs, names }) => ({
		words: `yields${untilMs === undefined ? "" : ` until ${time(untilMs)}`}${names === undefined ? "" : `, waits for ${names.join(", ") || "any message"}`}`,
	}),
	"run.evicting": () => ({ words: "the host asks it to stop (eviction)" }),
	"run.evicted": ({ state }) => ({ words: `stopped in good order, workflow ${state}` }),
	"run.completed": ({ output }) => ({ words: `completed with ${plainly(output)}`, tone: "good" }),
	"run.rejected": ({ error, state }) => ({
		words: `the run rejected: ${error.name}: ${error.message} (workflow ${state})`,
		tone: "loud",
	}),
	"run.cancelled": () => ({ words: "the disk says that it was cancelled: nothing runs" }),
	"run.again": ({ how }) => ({
		words:
			how === "recover" ? "an operator has the failed workflow recover" : "an operator has the workflow begin anew",
		tone: "bold",
	}),
	"run.left": ({ process, after }) => ({ words: `process ${process} still holds something, ${after}` }),
	"handle.call": ({ operation }) => ({ words: `the operator asks: ${operation}` }),
	"handle.answer": ({ operation, error, state }) => ({
		words:
			error === undefined
				? `${operation} is answered${state === undefined ? "" : ` (${state})`}`
				: `${operation} fails: ${error.name}: ${error.message}`,
	}),
	"replay-from.call": ({ target, records }) => ({
		words: `replay from ${records.find(({ id }: Data) => id === target)?.path ?? "the beginning"}`,
	}),
	"replay-from.answer": ({ error, records, orphans }) => ({
		words:
			error === undefined
				? `replay is set up; left are ${records.map(({ path }: Data) => path).join(", ") || "no entries"}${orphans > 0 ? ` and ${orphans} orphans` : ""}`
				: `replay is refused: ${error.message}`,
	}),
	"replay-from.found": ({ records, orphans }) => ({
		words: `found after the replay was cut short: ${records.map(({ path }: Data) => path).join(", ") || "no entries"}${orphans > 0 ? ` and ${orphans} orphans` : ""}`,
	}),
	"alarm.due": () => ({ words: "the alarm goes off" }),
	"body.start": ({ key }) => ({ words: `step ${key} begins` }),
	"body.end": ({ key, error }) => ({
		words: error === undefined ? `step ${key} ends` : `step ${key} fails: ${error.name}: ${error.message}`,
		verboseOnly: error === undefined,
	}),
	"step.return": ({ key }) => ({ words: `step ${key} has its value` }),
	"sleep.call": ({ key, deadlineMs }) => ({ words: `sleep ${key} until ${time(Math.max(0, deadlineMs))}` }),
	"sleep.return": ({ key }) => ({ words: `sleep ${key} is over` }),
	"queue.call": ({ key, names }) => ({
		words: `${key} asks for ${names.join(", ") || "any message"}`,
		verboseOnly: true,
	}),
	"queue.return": ({ key, ids }) => ({
		words: ids.length === 0 ? `${key} timed out` : `${key} is given ${ids.join(", ")}`,
	}),
	"message.completed": ({ id }) => ({ words: `${id} is answered` }),
	iterate: ({ key }) => ({ words: `iteration ${key}` }),
	"loop.return": ({ key }) => ({ words: `loop ${key} is over` }),
	"branches.call": ({ key, operation, names }) => ({ words: `${operation} ${key}: ${names.join(", ")}` }),
	"branches.return": ({ key, winner }) => ({
		words: winner === undefined ? `${key} is joined` : `${key} is won by ${winner}`,
	}),
	"compensation.start": ({ key }) => ({ words: `compensation of ${key} begins` }),
	"compensation.end": ({ key, ok }) => ({ words: `compensation of ${key} ${ok ? "ends" : "fails"}` }),
	threw: ({ key, error }) => ({ words: `${key} fails for the workflow: ${error.name}: ${error.message}` }),
};

function tell(event: StoryEvent, options: StoryOptions): Told {
	const words = WORDS[event.kind];
	return words === undefined
		? { words: `${event.kind} ${plainly(event.data)}`, verboseOnly: true }
		: words(event.data, options);
}

function changes(
	mutations: readonly { table: string; key: string; value: Uint8Array | null }[],
	options: StoryOptions,
): string {
	return mutations
		.map(({ table, key, value }) => (value === null ? "- " : "") + options.describeKey(table, key))
		.join(", ");
}

function printable(text: string): string {
	// Keys are binary; what cannot be read is shown in hex.
	return /^[\x20-\x7e]*$/.test(text) ? text : `0x${Buffer.from(text, "latin1").toString("hex")}`;
}

/** A value on one line, whatever it is. */
function plainly(value: unknown): string {
	return inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true, depth: 6 });
}
