/** A real driver beside the world's own disk, and a real process beside the world: where they differ, one of them is wrong. */
import type { PluggedEvents } from "../drivers/storage/plugged.ts";
import type { Property, Violation } from "./property.ts";

export const sameAnswers: Property = {
	id: "parity.answers",
	claim: "A driver answers every operation as the world's own disk does, also when it is opened anew after a crash.",
	source: "engine: EngineDriver; DESIGN: two speeds",
	mutants: [],
	survivesLostWrites: true,
	followsOperators: true,
	judgesChanges: true,
	under: new Set(["torn", "corrupt"]),
	check(run) {
		const violations = new Map<string, Violation>();
		run.history.events.forEach(({ kind, data }, event) => {
			if (kind !== "driver.differs") return;
			const { what, expected, got } = data as PluggedEvents["driver.differs"];
			const sort = `${what.replaceAll(/[. ]/g, "-")}${got.startsWith("threw ") ? "-threw" : ""}`;
			if (violations.has(sort)) return;
			violations.set(sort, { kind: sort, message: `${what}: ${got}; the world's disk: ${expected}`, event });
		});
		// What comes after the first is the same mistake, met again.
		return [...violations.values()].slice(0, 1);
	},
};
