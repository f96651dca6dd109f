/** A real driver beside the world's own disk, and real processes beside the world: where they differ, one of them is wrong. */
import { isDeepStrictEqual } from "node:util";
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
	mutants: [],
	...ALWAYS,
	check: (run) => firstDifference(run, "driver.differs", (what) => what.replaceAll(/[. ]/g, "-")),
};

export const survivesKills: Property = {
	id: "storage.durable",
	claim: "What was acknowledged is there when a namespace is opened anew after its process was killed.",
	source: "engine: EngineDriver; docs: real-crashes",
	mutants: [],
	...ALWAYS,
	check: (run) => firstDifference(run, "storage.differs", (what) => `${what}-differ-after-kill`),
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
		"A scenario ends in real processes as it does in the world: the same outcome, output and effects on the outside.",
	source: "docs: real-crashes",
	mutants: [],
	skips: (program) => program.timingDependent,
	check(run) {
		const inWorld = execute(run.scenario, run.program, run.target);
		const event = run.history.events.length - 1;
		if (!isDeepStrictEqual(run.outcome, inWorld.outcome)) {
			const sort = run.outcome.status === inWorld.outcome.status ? "output" : "outcome";
			const message = `${render(run.outcome)}, and in the world ${render(inWorld.outcome)}`;
			return [{ kind: sort, message, event }];
		}
		const [real, simulated] = [effectsOf(run), effectsOf(inWorld)];
		// Where the crashes struck other operations, attempts were cut short elsewhere: then only what was done at all is the same.
		const exact = isDeepStrictEqual(windowsOf(run), windowsOf(inWorld));
		const labels = [...new Set([...real.keys(), ...simulated.keys()])];
		const other = labels.find((label) =>
			exact ? real.get(label) !== simulated.get(label) : real.has(label) !== simulated.has(label),
		);
		if (other === undefined) return [];
		const message = `${other} took place ${real.get(other) ?? 0} times, and in the world ${simulated.get(other) ?? 0} times`;
		return [{ kind: "effects", message, event }];
	},
};

function effectsOf(run: Run): Map<string, number> {
	const counts = new Map<string, number>();
	for (const { data } of run.of("effect")) {
		const { label } = data as WorldEvents["effect"];
		counts.set(label, (counts.get(label) ?? 0) + 1);
	}
	return counts;
}

/** What each fault struck, and how far the effects had come by then. */
function windowsOf(run: Run): string[] {
	return run.of("fault").map((fault) => {
		const { kind, window } = fault.data as WorldEvents["fault"];
		const place = run.history.events.indexOf(fault);
		const before = run.history.events.slice(0, place).filter((event) => event.kind === "effect");
		return `${kind} ${window} ${before.map(({ data }) => (data as WorldEvents["effect"]).label).join()}`;
	});
}
