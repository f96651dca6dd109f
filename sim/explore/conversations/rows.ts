/**
 * Every conversation, whole and cut at each of its frames: the rows in which a model of a server must equal a real one. Where the
 * cuts are follows from the conversation held whole.
 */
import type { ProtocolVersion } from "../../../drivers/runner/wire.ts";
import { converse, type Held, NEWEST_PROTOCOL, type Patience, type Row, type Stage } from "./converse.ts";
import { type Cut, cutName, type Direction } from "./gate.ts";

/** @param row a row, or what was observed in it. */
export function rowName(conversation: string, version: ProtocolVersion = NEWEST_PROTOCOL, cut?: Cut): string {
	return `${conversation}${version === NEWEST_PROTOCOL ? "" : ` in version ${version}`}: ${cutName(cut)}`;
}

export const nameOf = ({ conversation, version, cut }: Row) => rowName(conversation.name, version, cut);

/** The cuts of a conversation in which so many frames went each way: before and after each to the server, before each from it. */
export function cutsOf(frames: Readonly<Record<Direction, number>>): Cut[] {
	const places = (direction: Direction) =>
		Array.from({ length: frames[direction] }, (_, i) => ({ direction, frame: i + 1 }));
	return [
		...places("to-server").flatMap((place) => [
			{ ...place, reaches: false },
			{ ...place, reaches: true },
		]),
		...places("to-runner").map((place) => ({ ...place, reaches: false })),
	];
}

/** @throws Error when its cut never fell, or a sign never showed: such a row says nothing. */
export async function observe(row: Row, stage: Stage, runnerName: string, patience: Patience): Promise<Held> {
	const held = await converse(row, stage, runnerName, patience);
	if (row.cut !== undefined && !held.struck) throw new Error(`${nameOf(row)}: the connection was never cut.`);
	if (held.missing.length > 0) {
		const { connections, actors } = held.observed;
		const came = `what came: ${JSON.stringify(connections)}, actors ${JSON.stringify(actors)}`;
		throw new Error(`${nameOf(row)}: never came: ${held.missing.join(", ")}; ${came}`);
	}
	return held;
}

/** Rows of which so many are under way at a time. @param hold holds one; what it throws ends the survey. */
export async function inParallel<T>(
	rows: readonly T[],
	atOnce: number,
	hold: (row: T, i: number) => Promise<void>,
): Promise<void> {
	let next = 0;
	const work = async () => {
		for (let i = next++; i < rows.length; i = next++) await hold(rows[i] as T, i);
	};
	await Promise.all(Array.from({ length: atOnce }, work));
}
