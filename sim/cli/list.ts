/** `pnpm sim list`: what can be chosen. */
import { ACTORS } from "../../drivers/actor/load.ts";
import { REFERENCE } from "../../drivers/engine/load.ts";
import { NEWEST, PUBLISHED } from "../../drivers/engine/rivet/engine.ts";
import { RUNNERS, SERVERS } from "../../drivers/runner/load.ts";
import { BOX } from "../../drivers/storage/box/index.ts";
import { memoryStorage } from "../../drivers/storage/memory/driver.ts";
import { ACTOR_PROGRAMS } from "../../fixtures/actors/index.ts";
import { COMMAND_PROGRAMS } from "../../fixtures/commands/index.ts";
import { SHAPE_NAMES, shapeOf } from "../../fixtures/generators/shapes.ts";
import { CATCHES } from "../../fixtures/mutants/catches.ts";
import { DRIVER_MUTANTS } from "../../fixtures/mutants/storage-drivers/index.ts";
import { PROGRAMS } from "../../fixtures/programs/index.ts";
import { wrap } from "../../reports/text.ts";
import { ACTOR_PROPERTIES } from "../../suites/actor/index.ts";
import { COMMAND_PROPERTIES } from "../../suites/commands/index.ts";
import { COMPARISONS, PROPERTIES, SUITES } from "../../suites/index.ts";
import { DRIVER_PROPERTIES } from "../../suites/storage-driver/index.ts";
import { ACTOR_HUNTS } from "../explore/actors/mutants.ts";
import { COMMAND_HUNTS } from "../explore/commands/mutants.ts";
import { FAULT_KINDS, FAULT_MEANINGS, USUAL_FAULTS } from "../explore/draw.ts";
import { ALL_MUTANTS } from "../explore/gate/deviations.ts";
import type { SubjectHunt } from "../explore/subject/gate.ts";

/** Everything there is to choose from, as data. */
export function listing() {
	return {
		engines: [...PUBLISHED, REFERENCE].map((name) => ({ name, newest: name === NEWEST })),
		drivers: [{ name: memoryStorage.name }],
		storageDrivers: [...BOX].map(([name, { summary }]) => ({ name, summary })),
		storageProperties: DRIVER_PROPERTIES.map(({ id, claim, source, mutants }) => ({ id, claim, source, mutants })),
		suites: [...SUITES].map(([name, properties]) => ({ name, properties: properties.map(({ id }) => id) })),
		properties: [...PROPERTIES, ...COMPARISONS].map(({ id, claim, source, mutants }) => ({
			id,
			claim,
			source,
			mutants,
		})),
		programs: PROGRAMS.map(({ name, summary, timingDependent }) => ({ name, summary, timingDependent })),
		faults: FAULT_KINDS.map((kind) => ({ kind, meaning: FAULT_MEANINGS[kind], usual: USUAL_FAULTS.has(kind) })),
		shapes: SHAPE_NAMES.map((name) => ({ name, meaning: shapeOf(name)?.meaning ?? "" })),
		mutants: ALL_MUTANTS.map(({ name, summary }) => ({
			name,
			summary,
			killedBy: [...new Set(CATCHES.filter(({ mutant }) => mutant === name).map(({ property }) => property))],
		})),
		driverMutants: DRIVER_MUTANTS.map(({ name, summary }) => ({ name, summary })),
		actors: ACTORS.map((name) => ({ name })),
		actorPrograms: ACTOR_PROGRAMS.map(({ name, summary }) => ({ name, summary })),
		actorProperties: ACTOR_PROPERTIES.map(described),
		actorMutants: ACTOR_HUNTS.map(mutantOf),
		runners: RUNNERS.map((name) => ({ name })),
		servers: SERVERS.map((name) => ({ name })),
		commandPrograms: COMMAND_PROGRAMS.map(({ name, summary }) => ({ name, summary })),
		commandProperties: COMMAND_PROPERTIES.map(described),
		runnerMutants: COMMAND_HUNTS.map(mutantOf),
	};
}

function described({ id, claim, source, mutants }: Described): Described {
	return { id, claim, source, mutants };
}

interface Described {
	readonly id: string;
	readonly claim: string;
	readonly source: string;
	readonly mutants: readonly string[];
}

function mutantOf({ mutant, summary, property }: SubjectHunt) {
	return { name: mutant, summary, killedBy: [property] };
}

export function listText(width: number): string {
	const {
		engines,
		drivers,
		storageDrivers,
		storageProperties,
		suites,
		properties,
		programs,
		faults,
		shapes,
		mutants,
		driverMutants,
		...subjects
	} = listing();
	const section = (title: string, rows: readonly (readonly [string, string])[]) => {
		const column = Math.max(...rows.map(([name]) => name.length)) + 4;
		return [title, ...rows.map(([name, text]) => row(name, text, column, width))].join("\n");
	};
	return `${[
		section(
			"engines",
			engines.map(({ name, newest }) => {
				if (name === REFERENCE) return [name, "Faultline's own: the executable specification"] as const;
				return [name, newest ? "the default" : ""] as const;
			}),
		),
		section(
			"drivers",
			drivers.map(({ name }) => [name, "the world's own disk"] as const),
		),
		section(
			"storage drivers, for pnpm conform",
			storageDrivers.map(({ name, summary }) => [name, summary] as const),
		),
		section(
			"storage properties, for pnpm conform",
			storageProperties.map(({ id, claim }) => [id, claim] as const),
		),
		section(
			"suites",
			suites.map(({ name, properties }) => [name, properties.join(", ")] as const),
		),
		section(
			"properties",
			properties.map(({ id, claim }) => [id, claim] as const),
		),
		section(
			"programs",
			programs.map(
				({ name, summary, timingDependent }) =>
					[name, summary + (timingDependent === undefined ? "" : " (depends on timing)")] as const,
			),
		),
		section(
			"faults",
			faults.map(({ kind, meaning, usual }) => [kind, meaning + (usual ? "" : " (when asked for)")] as const),
		),
		section("shapes that seeds can avoid", [
			...shapes.map(({ name, meaning }) => [name, meaning] as const),
			["fault-KIND", "a fault of that kind"] as const,
		]),
		section(
			"mutants",
			mutants.map(
				({ name, summary, killedBy }) => [name, `${summary} (${killedBy.join(", ") || "seen by nobody"})`] as const,
			),
		),
		section(
			"mutants of storage drivers",
			driverMutants.map(({ name, summary }) => [name, summary] as const),
		),
		section(
			"actor runtimes, for --actor",
			subjects.actors.map(({ name }) => [name, name === REFERENCE ? "the executable specification" : ""] as const),
		),
		section("programs of actors", subjects.actorPrograms.map(summarised)),
		section("properties of actors", subjects.actorProperties.map(claimed)),
		section("mutants of actors", subjects.actorMutants.map(killed)),
		section(
			"runners, for --runner",
			subjects.runners.map(({ name }) => [name, name === REFERENCE ? "meets every duty" : ""] as const),
		),
		section(
			"servers, for --server",
			subjects.servers.map(
				({ name }) =>
					[
						name,
						name === REFERENCE ? "meets every duty" : "a model of the published server, its weaknesses included",
					] as const,
			),
		),
		section("programs of runners", subjects.commandPrograms.map(summarised)),
		section("properties of runners and servers", subjects.commandProperties.map(claimed)),
		section("mutants of runners and servers", subjects.runnerMutants.map(killed)),
	].join("\n\n")}\n`;
}

type Row = readonly [name: string, text: string];

function summarised({ name, summary }: { readonly name: string; readonly summary: string }): Row {
	return [name, summary];
}

function claimed({ id, claim }: Described): Row {
	return [id, claim];
}

function killed({ name, summary, killedBy }: ReturnType<typeof mutantOf>): Row {
	return [name, `${summary} (${killedBy.join(", ")})`];
}

function row(name: string, text: string, column: number, width: number): string {
	const first = `  ${name}`.padEnd(column);
	// A name too long for its text to stand beside it gets a line of its own.
	if (column > width / 2) return `  ${name}\n${wrap(text, width, "      ")}`;
	return text === "" ? `  ${name}` : wrap(text, width, " ".repeat(column), first);
}
