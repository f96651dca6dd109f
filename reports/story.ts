/**
 * One run told as a story: virtual time, process life, what happened. Reads the events of a history as plain data and
 * knows the words for each kind; kinds it has no words for are told as they are when everything is to be told.
 */
import { NO_PAINT, type Paint, time, wrap } from "./text.ts";
import { ACTOR_WORDS } from "./words/actor.ts";
import { ENGINE_WORDS } from "./words/engine.ts";
import { RUNNER_WORDS } from "./words/runner.ts";
import { plainly, type Teller, type Told, type Words } from "./words/told.ts";
import { WORLD_WORDS } from "./words/world.ts";

export interface StoryEvent {
	readonly at: number;
	readonly process: number;
	readonly kind: string;
	readonly data: unknown;
}

export interface StoryOptions extends Teller {
	readonly width?: number;
	readonly paint?: Paint;
	/** Every event, reads and replays included. */
	readonly verbose?: boolean;
	/** What is wrong at which event, told right after it. */
	readonly remarks: readonly { readonly event: number; readonly text: string }[];
}

export function story(events: readonly StoryEvent[], options: StoryOptions): string {
	const width = options.width ?? 80;
	const paint = options.paint ?? NO_PAINT;
	const lines: string[] = [];
	let lastTime = "";
	events.forEach((event, index) => {
		const told = wordsOf(event, options);
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

/** What each kind of event is called. */
const WORDS: Words = { ...WORLD_WORDS, ...ENGINE_WORDS, ...ACTOR_WORDS, ...RUNNER_WORDS };

/** How an event is told; one of a kind that has no words is told as it is, where everything is. */
export function wordsOf(event: StoryEvent, teller: Teller): Told {
	const words = WORDS[event.kind];
	return words === undefined
		? { words: `${event.kind} ${plainly(event.data)}`, verboseOnly: true }
		: words(event.data, teller);
}
