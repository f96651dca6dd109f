/**
 * What a table of words is: for each kind of event, how it is told and how loudly. Kinds are named where events are written;
 * a table has words for those of one room, and `reports/story.ts` joins the tables.
 */
import { inspect } from "node:util";

/** How an event is told: its words, and how loudly. */
export interface Told {
	readonly words: string;
	readonly tone?: "loud" | "good" | "quiet" | "bold";
	/** Told only where everything is. */
	readonly verboseOnly?: boolean;
	/** What a diagram marks it with; a dot when absent. */
	readonly mark?: Mark;
	/** Name of the lane of a diagram that it reaches from the process it happened in: `disk`, `queue`, `connection 3`. */
	readonly reaches?: string;
	/** What two events share that are the two ends of one thing, e.g. `frame 5`: a diagram draws a line from the first to the second. */
	readonly pair?: string;
}

/**
 * A process life begins, ends in good order or dies; a fault strikes; something becomes durable; something is done to the world
 * outside; something is sent or received between two lanes; nothing but a look.
 */
export type Mark = "start" | "end" | "crash" | "fault" | "write" | "effect" | "frame" | "look";

/** What words may ask of whoever tells. */
export interface Teller {
	/** A stored key in a few words. */
	describeKey(table: string, key: string): string;
}

// biome-ignore lint/suspicious/noExplicitAny: event data is plain data whose shape its kind defines elsewhere
export type Data = any;

export type Words = Readonly<Record<string, (data: Data, teller: Teller) => Told>>;

/** A key in a few words; one that its reader cannot read, as damage or a mere prefix may leave it, in hexadecimal digits. */
export function keyWords(teller: Teller, table: string, key: string): string {
	try {
		return teller.describeKey(table, key);
	} catch {
		return `key ${Buffer.from(key, "latin1").toString("hex")}`;
	}
}

/** A value on one line, whatever it is. */
export function plainly(value: unknown): string {
	return inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true, depth: 6 });
}
