/** Messages are neither lost nor doubled. */
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { isUnder, losingBranches, lostMessages } from "./messages.ts";
import type { Property, Violation } from "./property.ts";

const skipsWithoutMessages: Property["skips"] = (program) =>
	program.inputs === undefined ? "no messages are sent" : undefined;

const HOW = {
	"taken-then-crashed": "was taken from the queue by a process that died before the workflow had it on record",
	"taken-then-evicted": "was taken from the queue by a process that was evicted before the workflow had it on record",
	"forgotten-after-given": "was given to the workflow, which no longer has it on record",
	"swallowed-by-race-loser": "was given to a race branch that lost, and is gone with it",
	vanished: "is neither in the queue nor with the workflow",
} as const;

export const noLoss: Property = {
	id: "queue.no-loss",
	claim: "A message whose send was acknowledged takes effect.",
	source: "docs",
	mutants: ["queue-forgets-every-third-message", "driver-lists-one-page"],
	skips: skipsWithoutMessages,
	check(run) {
		return lostMessages(run).map(({ id, kind, event }) => ({
			kind,
			message: `${id} ${HOW[kind]}`,
			event: run.history.events.indexOf(event),
		}));
	},
};

export const noDuplicate: Property = {
	id: "queue.no-duplicate",
	claim: "A message takes effect once.",
	source: "docs",
	mutants: ["queue-keeps-what-it-gives", "queue-removes-after-giving"],
	skips: skipsWithoutMessages,
	check(run) {
		// A wait that returned has the message on record: another wait that returns it too is a second effect.
		const violations: Violation[] = [];
		const losers = losingBranches(run);
		const givenTo = new Map<string, string>();
		run.history.events.forEach((event, index) => {
			if (event.kind !== "queue.return") return;
			const { key, ids } = event.data as ProbeEvents["queue.return"];
			if (isUnder(key, losers)) return;
			if (new Set(ids).size < ids.length) {
				violations.push({ kind: "given-twice-at-once", message: `${key} was given ${ids.join(", ")}`, event: index });
			}
			for (const id of ids) {
				const first = givenTo.get(id);
				if (first === undefined) givenTo.set(id, key);
				else if (first !== key) {
					violations.push({ kind: "given-twice", message: `${id} was given to ${first} and to ${key}`, event: index });
				}
			}
		});
		return violations;
	},
};
