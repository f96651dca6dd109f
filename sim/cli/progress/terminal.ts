/** What the command line knows of the terminal it writes to. */
import { clearLine, cursorTo } from "node:readline";
import cliProgress from "cli-progress";
import pico from "picocolors";
import { count, NO_PAINT, type Paint } from "../../../reports/text.ts";

/** Colours on a terminal that wants them; `NO_COLOR` and pipes get none. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
	return stream.isTTY && pico.isColorSupported ? pico : NO_PAINT;
}

/** Columns to write in: the terminal's, within reason; 80 without one. */
export function widthOf(stream: NodeJS.WriteStream): number {
	return stream.isTTY ? Math.max(60, Math.min(stream.columns || 80, 120)) : 80;
}

export interface Progress {
	/** @param note what else there is to say, in a few words. */
	update(done: number, note: string): void;
	/** Says something that stays, above the progress; several lines at will. */
	announce(text: string): void;
	stop(): void;
}

const PLAIN_EVERY_MS = 5_000;

/** `40 s`, and minutes where these would be many. */
function leftText(seconds: number): string {
	return seconds < 120 ? `${count(seconds)} s` : `${count(seconds / 60)} min`;
}

function behind(note: string): string {
	return note === "" ? "" : `, ${note}`;
}

/**
 * Progress on standard error: a bar on a terminal, a plain line now and then elsewhere.
 * @param total how many are to come, or undefined when time ends it.
 * @param unit what they are, one of them.
 */
export function progressOf(total: number | undefined, silent: boolean, unit = "run"): Progress {
	const stream = process.stderr;
	if (silent) return { update: () => {}, announce: () => {}, stop: () => {} };
	const startedAt = performance.now();
	const rate = (done: number) => done / Math.max(0.001, (performance.now() - startedAt) / 1_000);
	const left = (done: number, of: number) => (done === 0 ? "-" : leftText((of - done) / rate(done)));
	if (stream.isTTY && total !== undefined) {
		const bar = new cliProgress.SingleBar({
			format: `{bar} {percentage}%  {runs} ${unit}s, {rate}/s, {left} left{note}`,
			barsize: 24,
			hideCursor: true,
			clearOnComplete: true,
			stream,
		});
		bar.start(total, 0, { runs: "0", rate: "-", left: "-", note: "" });
		return {
			update: (done, note) => {
				bar.update(done, {
					runs: count(done),
					rate: count(rate(done)),
					left: left(done, total),
					note: behind(note),
				});
			},
			announce: (text) => {
				// The bar stands on the last line; it is drawn again below what takes its place.
				cursorTo(stream, 0);
				clearLine(stream, 0);
				stream.write(`${text}\n`);
			},
			stop: () => bar.stop(),
		};
	}
	let lastAt = startedAt;
	return {
		update: (done, note) => {
			const now = performance.now();
			if (now - lastAt < PLAIN_EVERY_MS) return;
			lastAt = now;
			const of = total === undefined ? "" : ` of ${count(total)}`;
			const end = total === undefined || done === 0 ? "" : `, ${left(done, total)} left`;
			stream.write(`${count(done)}${of} ${unit}s, ${count(rate(done))}/s${end}${behind(note)}\n`);
		},
		announce: (text) => {
			stream.write(`${text}\n`);
		},
		stop: () => {},
	};
}
