/**
 * A subject as small as can be: a process counts to three on its disk and starts again after a crash. One that `forgets` begins anew
 * where it should go on, so that a crash behind the first write makes it count too far.
 */
import { endsOf } from "../../sim/explore/subject/ends.ts";
import type { Subject } from "../../sim/explore/subject/subject.ts";
import { drawInt, Streams } from "../../sim/world/random.ts";
import { World } from "../../sim/world/world.ts";
import type { SubjectProperty, SubjectScenario } from "../../suites/subject.ts";

const GOAL = 3;

const countsToThree: SubjectProperty = {
	id: "tiny.count",
	claim: "It counts to three.",
	source: "test",
	mutants: ["forgets"],
	check: ({ history }) => {
		const writes = history.events.filter(({ kind }) => kind === "durable").length;
		const event = history.events.length - 1;
		return writes <= GOAL ? [] : [{ kind: "too-far", message: `${writes} writes`, event }];
	},
};

const scenario = (seed: string): SubjectScenario => ({ seed, program: "count", faults: [] });

export function tinySubject(forgets: boolean): Subject {
	return {
		kind: "actor",
		target: { name: forgets ? "forgets" : "sound", version: "1", against: "memory" },
		suites: new Map([["tiny", [countsToThree]]]),
		programs: [{ name: "count", summary: "Counts to three." }],
		faults: new Set(["crash"]),
		draw: (seed) => {
			const stream = new Streams(`tiny-${seed}`).stream("draw");
			const crash = { kind: "crash", write: drawInt(stream, 1, GOAL), side: "after" } as const;
			return { ...scenario(String(seed)), faults: stream() < 0.5 ? [crash] : [] };
		},
		uninterrupted: () => [scenario("reference")],
		run: (scenario) => {
			const world = new World({ seed: scenario.seed, faults: scenario.faults });
			const begin = () => {
				let done = 0;
				world.spawn("counter", async (process) => {
					const stored = world.disk.get("count", "n")?.[0] ?? 0;
					for (done = forgets ? 0 : stored; done < GOAL; done++) {
						const value = new Uint8Array([done + 1]);
						await world.operate(process, "set", () =>
							world.disk.commit(process, "set", [{ table: "count", key: "n", value }]),
						);
					}
				});
			};
			world.onCrash(() => world.schedule(world.outside, 0, begin));
			world.run(begin, { untilMs: 10_000, maxEvents: 1_000 });
			return { scenario, ...endsOf(world) };
		},
		smaller: () => [],
		conditions: () => ["as it is"],
		describeKey: (table, key) => `${table} ${key}`,
	};
}
