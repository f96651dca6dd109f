/**
 * What the published server did in each row and to each probe, kept in a file: a model of it is held to that where no server can
 * run, and a server that can run is held to it too. One row a line, so that a change can be read.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Observed } from "./converse.ts";
import type { Probed } from "./probe.ts";
import { RIVET_ENGINE } from "./rivet-engine.ts";
import { rowName } from "./rows.ts";

const FILE = fileURLToPath(
	new URL(`../../../fixtures/conversations/rivet-engine-${RIVET_ENGINE.version}.json`, import.meta.url),
);

export interface RealRecord {
	readonly rows: readonly Observed[];
	readonly probes: readonly Probed[];
}

export const observedName = ({ conversation, version, cut }: Observed) => rowName(conversation, version, cut);

/** What is on record, in the order of the file; nothing before anything was recorded. */
export function recorded(): RealRecord {
	return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as RealRecord) : { rows: [], probes: [] };
}

/** @returns the file that was written. */
export function record({ rows, probes }: RealRecord): string {
	const lines = (values: readonly unknown[]) => values.map((value) => `\t\t${JSON.stringify(value)}`).join(",\n");
	writeFileSync(FILE, `{\n\t"rows": [\n${lines(rows)}\n\t],\n\t"probes": [\n${lines(probes)}\n\t]\n}\n`);
	return FILE;
}

/** Where two observations of one row differ, a line each. @param names of the two, as they are told. */
export function differences(one: Observed, other: Observed, names: readonly [string, string]): string[] {
	const lines: string[] = [];
	const compare = (what: string, a: unknown, b: unknown) => {
		if (JSON.stringify(a) !== JSON.stringify(b))
			lines.push(`${what}: ${names[0]} ${shown(a)}, ${names[1]} ${shown(b)}`);
	};
	for (let i = 0; i < Math.max(one.connections.length, other.connections.length); i++) {
		compare(`connection ${i + 1}`, one.connections[i], other.connections[i]);
	}
	compare("actors", one.actors, other.actors);
	return lines;
}

/** Whether what was observed in a row is what is on record of it. */
export function isAsRecorded({ rows }: RealRecord): (observed: Observed) => boolean {
	const known = new Map(rows.map((row) => [observedName(row), row]));
	return (observed) => {
		const before = known.get(observedName(observed));
		return before !== undefined && differences(before, observed, ["record", "server"]).length === 0;
	};
}

const shown = (value: unknown) => (value === undefined ? "has none" : `has ${JSON.stringify(value)}`);
