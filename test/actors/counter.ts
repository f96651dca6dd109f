/**
 * The counter loop of the documentation, which sleeps after a second without anything to do; and the digest of a run of it, which as
 * a script this prints: of the version of rivetkit and the seed on the command line.
 */
import { fileURLToPath } from "node:url";
import type { ActorDefinition, ActorTarget, HandlerContext } from "../../drivers/actor/contract.ts";
import { NEEDS, type PackageNeed } from "../../drivers/actor/rivetkit/package.ts";
import { rivetkitActors } from "../../drivers/actor/rivetkit/target.ts";
import { installedInPart } from "../../sim/cli/machine/packages.ts";
import { play } from "../support/actor-stage.ts";

export interface Counted {
	value: number;
	processed: number;
}

export const counter: ActorDefinition = ({ Loop, event, queue, workflow }) => ({
	state: { value: 0, processed: 0 },
	queues: { counter: queue() },
	events: { applied: event() },
	options: { sleepTimeout: 1_000 },
	run: workflow<Counted>(async (context) => {
		await context.loop({
			name: "counter-loop",
			run: async (loop) => {
				const message = await loop.queue.next<{ delta: number }>("wait-counter-command");
				await loop.step("apply-counter-command", async () => {
					loop.state.value += message.body.delta;
					loop.state.processed += 1;
					loop.broadcast("applied", message.body.delta);
					return "applied";
				});
				return Loop.continue(undefined);
			},
		});
	}),
	actions: { getState: (context: HandlerContext<Counted>) => ({ ...context.state }) },
});

/** Of two messages and a crash in the midst of them. */
export async function digestOf(target: ActorTarget, seed: string): Promise<string> {
	const asks = [1, 2].map((delta) => ({ at: 10 + delta, send: ["counter", { delta }] as const }));
	const run = await play(target, counter, asks, [{ kind: "crash", write: 6, side: "before" }], seed);
	return run.world.history.digest();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [, , version = "", seed = ""] = process.argv;
	const directory = await installedInPart(NEEDS.get(version) as PackageNeed, () => {});
	console.log(await digestOf(await rivetkitActors(version, directory), seed));
}
