/** A real driver beside the world's own disk, and real processes beside the world: where they differ, one of them is wrong. */
import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import type { Outcome } from "../drivers/engine/host.ts";
import { render } from "../drivers/engine/render.ts";
import type { PluggedEvents } from "../drivers/storage/plugged.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import type { Property, Violation } from "./property.ts";
import { execute, type Run } from "./run.ts";

/** Asked of every run, whatever was planned for it. */
const ALWAYS = {
	survivesLostWrites: true,
	followsOperators: true,
	judgesChanges: true,
	under: new Set(["torn", "corrupt"] as const),
} as const;

export const sameAnswers: Property = {
	id: "parity.answers",
	claim: "A driver answers every operation as the world's own disk does, also when it is opened anew after a crash.",
	source: "engine: EngineDriver; docs: real-crashes",
	// Made by the tests of runs on a driver.
	mutants: [
		"forgets-a-write",
		"lists-backwards",
		"gives-undefined",
		"throws",
		"forgets-alarms",
		"gives-messages-twice",
	],
	...ALWAYS,
	check: (run) => firstDifference(run, "driver.differs", (what) => what.replaceAll(/[. ]/g, "-")),
};

export const survivesKills: Property = {
	id: "storage.durable",
	claim: "What was acknowledged is there when a namespace is opened anew after its process was killed.",
	source: "engine: EngineDriver; docs: real-crashes",
	// Drivers of the tests of kills.
	mutants: ["late", "torn", "unsynced"],
	...ALWAYS,
	check: (run) =>
		firstDifference(run, "storage.differs", (what) =>
			what === "open" ? "cannot-be-opened" : `${what}-differ-after-kill`,
		),
};

/** What comes after the first difference is most often the same mistake, met again. */
function firstDifference(run: Run, event: string, kindOf: (what: string) => string): Violation[] {
	const { events } = run.history;
	const place = events.findIndex(({ kind }) => kind === event);
	if (place < 0) return [];
	const { what, expected, got } = (events[place] as HistoryEvent).data as PluggedEvents["driver.differs"];
	const kind = `${kindOf(what)}${got.startsWith("threw ") ? "-threw" : ""}`;
	return [{ kind, message: `${what}: ${got}, where there must be ${expected}`, event: place }];
}

export const sameEnd: Property = {
	id: "parity.end",
	claim:
		"A scenario whose crashes strike the same operations ends in real processes as in the world: outcome, output, effects on the outside.",
	source: "docs: real-crashes",
	mutants: [],
	skips: (program) =>
		program.timingDependent ?? (program.parallel === true ? "branches take their turns in real time" : undefined),
	check(run) {
		const inWorld = execute(run.scenario, run.program, run.target);
		const event = run.history.events.length - 1;
		// Where the crashes struck something else, they may have cost something else.
		if (!isDeepStrictEqual(windowsOf(run), windowsOf(inWorld))) return [];
		if (!isDeepStrictEqual(withoutIds(run.outcome), withoutIds(inWorld.outcome))) {
			const sort = run.outcome.status === inWorld.outcome.status ? "output" : "outcome";
			const message = `${render(run.outcome)}, and in the world ${render(inWorld.outcome)}`;
			return [{ kind: sort, message, event }];
		}
		const [real, simulated] = [effectsOf(run), effectsOf(inWorld)];
		const labels = [...new Set([...real.keys(), ...simulated.keys()])];
		const other = labels.find((label) => real.get(label) !== simulated.get(label));
		if (other === undefined) return [];
		const message = `${other} took place ${real.get(other) ?? 0} times, and in the world ${simulated.get(other) ?? 0} times`;
		return [{ kind: "effects", message, event }];
	},
};

/** The outcome with ids that a runtime draws by chance made one. */
function withoutIds(outcome: Outcome): unknown {
	// What came out of another process came through the runtime's serialisation.
	if (outcome.status === "completed") {
		return { ...outcome, output: render(deserialize(serialize(outcome.output))).replaceAll(UUID, "id") };
	}
	if (outcome.status !== "failed") return outcome;
	const { name, message } = outcome.error;
	return { ...outcome, error: { name, message: message.replaceAll(UUID, "id") } };
}

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

function effectsOf(run: Run): Map<string, number> {
	const counts = new Map<string, number>();
	for (const { data } of run.of("effect")) {
		const { label } = data as WorldEvents["effect"];
		counts.set(label, (counts.get(label) ?? 0) + 1);
	}
	return counts;
}

/** What each fault struck, and what had taken place by then; what clients sent meanwhile is up to real time. */
export function windowsOf(run: Run): string[] {
	const { events } = run.history;
	return run.of("fault").map((fault) => {
		const { kind, window } = fault.data as WorldEvents["fault"];
		const done = events.slice(0, events.indexOf(fault)).flatMap((event) => {
			if (event.kind === "effect") return [(event.data as WorldEvents["effect"]).label];
			if (event.kind !== "durable") return [];
			const { what, mutations } = event.data as WorldEvents["durable"];
			return what === "queue.append" ? [] : [`${what} ${mutations.length}`];
		});
		return `${kind.replace(/\d+/, "")} ${window} behind ${done.join(", ")}`;
	});
}
