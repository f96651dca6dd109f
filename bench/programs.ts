/**
 * What is timed: programs that need no time to pass, since a bare engine has none but the real one. Where a program of
 * the fixtures gets its messages one after the other, the one here finds them all in the queue at the start.
 */
import { progress, simple } from "../fixtures/programs/basics.ts";
import { join } from "../fixtures/programs/branches.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { queueLoop } from "../fixtures/programs/queues.ts";
import { ticker } from "../fixtures/programs/timers.ts";

/** The same program with all its messages in the queue at the start. */
export function enqueuedUpFront(program: Program): Program {
	return { ...program, inputs: (program.inputs ?? []).map((input) => ({ ...input, atMs: 0 })) };
}

const tickerAwake: Program = {
	name: "ticker-awake",
	summary: `As ${ticker.name}, without the sleeps: thirty iterations of a step, with old iterations pruned.`,
	async run(ctx, env) {
		return await ctx.loop({
			name: "ticks",
			state: 0,
			historyPruneInterval: 5,
			run: async (loop, tick) => {
				if (tick === 30) return env.Loop.break(tick);
				await loop.step("tick", () => env.call(`tick-${tick}`));
				return env.Loop.continue(tick + 1);
			},
		});
	},
};

export const TIMED: readonly Program[] = [
	simple,
	progress,
	enqueuedUpFront(queueLoop),
	tickerAwake,
	enqueuedUpFront(join),
];
