/**
 * Whether overlapping operations on a byte map could have happened one after the other: each at one instant between its call
 * and its answer, with the answers that came. A search over which to take next (Wing and Gong), with states that were seen
 * before left out (Lowe).
 */

/** What a key holds, by name of the key; names and values are whatever text stands for them. */
export type State = ReadonlyMap<string, string>;

export interface Operation {
	/** Places on one line of time; every call and answer has one of its own. */
	readonly calledAt: number;
	readonly answeredAt: number;
	/** The state it leaves, or undefined when its answer is wrong in this one. */
	step(state: State): State | undefined;
}

/** The states that the operations can leave; none when there is no order for them. */
export function linearize(operations: readonly Operation[], initial: State): State[] {
	const finals = new Map<string, State>();
	const seen = new Set<string>();
	const all = 2n ** BigInt(operations.length) - 1n;
	const visit = (taken: bigint, state: State): void => {
		const place = `${taken} ${textOf(state)}`;
		if (seen.has(place)) return;
		seen.add(place);
		if (taken === all) {
			finals.set(textOf(state), state);
			return;
		}
		const open = operations.map((operation, i) => ({ operation, bit: 1n << BigInt(i) }));
		const left = open.filter(({ bit }) => (taken & bit) === 0n);
		// What was called after another had answered cannot come before it.
		const firstAnswer = Math.min(...left.map(({ operation }) => operation.answeredAt));
		for (const { operation, bit } of left) {
			if (operation.calledAt > firstAnswer) continue;
			const next = operation.step(state);
			if (next !== undefined) visit(taken | bit, next);
		}
	};
	visit(0n, initial);
	return [...finals.values()];
}

function textOf(state: State): string {
	return JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}
