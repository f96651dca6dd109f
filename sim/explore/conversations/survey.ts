/** All rows held with a real server, many at a time: first each conversation whole, which says where it can be cut, then the cuts. */
import type { Conversation } from "../../../fixtures/conversations/conversation.ts";
import type { Observed, Row } from "./converse.ts";
import { REAL_PATIENCE, realStage } from "./real-stage.ts";
import { cutsOf, inParallel, nameOf, observe } from "./rows.ts";
import type { Servers } from "./servers.ts";

export interface SurveyOptions {
	readonly servers: Servers;
	readonly conversations: readonly Conversation[];
	readonly atOnce: number;
	/** Which of the rows with a cut to hold, of so many. All by default. */
	readonly choose?: (rows: readonly Row[]) => readonly Row[];
	/** Whether a row was to be expected; one that was not is held once more, since a machine that is busy is no finding. */
	readonly agrees?: (observed: Observed) => boolean;
	/** Told of each row as it is done. */
	readonly onRow?: (done: number, total: number, name: string) => void;
}

export interface Survey {
	/** In the order of conversations and of their cuts. */
	readonly observed: readonly Observed[];
	/** Rows that came to no end, and why: they say nothing about the server. */
	readonly failed: readonly string[];
	/** Rows that came to none the first time, and why; they were held once more. */
	readonly again: readonly string[];
}

const ATTEMPTS = 2;

export async function survey({
	servers,
	conversations,
	atOnce,
	choose,
	agrees,
	onRow,
}: SurveyOptions): Promise<Survey> {
	const failed: string[] = [];
	const again: string[] = [];
	const observed = new Map<string, Observed>();
	let held = 0;
	let done = 0;
	let total = 0;

	async function hold(row: Row): Promise<Readonly<Record<"to-server" | "to-runner", number>> | undefined> {
		for (let attempt = 1; ; attempt++) {
			const name = `${process.pid}-${++held}`;
			const { kills, hasty } = row.conversation;
			const own = kills === true ? await servers.another(name) : undefined;
			const stage = await realStage(own ?? servers[hasty === true ? "hasty" : "patient"], name);
			try {
				const result = await observe(row, stage, name, REAL_PATIENCE);
				if (attempt < ATTEMPTS && agrees?.(result.observed) === false) {
					again.push(`${nameOf(row)}: was not as expected`);
					continue;
				}
				observed.set(nameOf(row), result.observed);
				return result.frames;
			} catch (error) {
				const why = error instanceof Error ? error.message : String(error);
				if (attempt < ATTEMPTS) {
					again.push(why);
					continue;
				}
				failed.push(why);
				return undefined;
			} finally {
				stage.close();
				await own?.stop();
				if (attempt === ATTEMPTS || observed.has(nameOf(row))) onRow?.(++done, total, nameOf(row));
			}
		}
	}

	const whole = conversations.flatMap((conversation): Row[] => [
		{ conversation },
		...(conversation.versions ?? []).map((version) => ({ conversation, version })),
	]);
	total = whole.length;
	const cuts = new Map<Row, readonly Row[]>();
	await inParallel(whole, atOnce, async (row) => {
		const frames = await hold(row);
		const cut =
			frames === undefined || row.version !== undefined || row.conversation.uncut === true ? [] : cutsOf(frames);
		cuts.set(
			row,
			cut.map((cut) => ({ ...row, cut })),
		);
	});
	const chosen = new Set(choose === undefined ? [...cuts.values()].flat() : choose([...cuts.values()].flat()));
	total += chosen.size;
	await inParallel([...chosen], atOnce, async (row) => void (await hold(row)));
	const inOrder = whole.flatMap((row) => [row, ...(cuts.get(row) ?? [])]);
	return { observed: inOrder.flatMap((row) => observed.get(nameOf(row)) ?? []), failed, again };
}
