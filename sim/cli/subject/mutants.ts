/** `pnpm sim mutants --actor reference`, `--runner reference`: the gate of the properties of actors and runners. */
import { UsageError } from "../../../drivers/engine/contract.ts";
import { exitCodeOf, type MutantResult, type MutantsReport, SCHEMA_VERSION } from "../../../reports/model.ts";
import { mutantsVerdict } from "../../../reports/mutants.ts";
import type { SubjectProperty } from "../../../suites/subject.ts";
import { gapsOf, huntSubject, type SubjectHunt } from "../../explore/subject/gate.ts";
import { type MutantsOptions, publishMutants } from "../engine/mutants.ts";
import { refuse } from "../engine/replay.ts";
import { stoppable } from "../progress/stoppable.ts";
import { makeReportDirectory } from "../report/publish.ts";
import { unknown } from "../unknown.ts";
import { VERSION } from "../version.ts";
import { type SubjectOptions, targetOptions } from "./options.ts";

interface Gate {
	readonly hunts: readonly SubjectHunt[];
	readonly properties: readonly SubjectProperty[];
}

/** @throws UsageError for a name that is none. */
export async function subjectMutants(options: MutantsOptions & SubjectOptions): Promise<MutantsReport> {
	refuse(options, ["update"], "In how many seeds mutants of actors and runners are killed is not on record");
	const { mutant, property, actor, runner } = options;
	const target = actor ?? runner;
	if (target !== "reference") throw new UsageError(`Mutants are made of the reference, not of ${target}.`);
	const { hunts, properties } = actor === undefined ? await ofRunners() : await ofActors();
	const isWhole = mutant === undefined && property === undefined;
	const rows = chosen(hunts, properties, options);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const startedAt = performance.now();
	const results: MutantResult[] = [];
	const silent = options.quiet === true || options.json === true;
	const work = async (signal: AbortSignal, progress: (done: number, note: string) => void) => {
		for (const hunt of rows) {
			if (signal.aborted) return;
			const command = `pnpm sim mutants${targetOptions(options)} --mutant ${hunt.mutant} --property ${hunt.property}`;
			results.push(await huntSubject(hunt, command));
			progress(results.length, hunt.mutant);
		}
	};
	const { interrupted } = await stoppable(silent, rows.length, work, "hunt");
	const result = { rows: results, gaps: isWhole ? gapsOf(hunts, properties) : [], interrupted };
	const verdict = mutantsVerdict(result);
	const report: MutantsReport = {
		...{ schemaVersion: SCHEMA_VERSION, tool: { name: "faultline", version: VERSION } },
		settings: { ...(mutant === undefined ? {} : { mutant }), ...(property === undefined ? {} : { property }) },
		command: `pnpm sim mutants${targetOptions(options)}`,
		...{ verdict, exitCode: exitCodeOf(verdict), mutants: result },
		seconds: Number(((performance.now() - startedAt) / 1_000).toFixed(3)),
	};
	publishMutants(report, options);
	return report;
}

function chosen(
	hunts: readonly SubjectHunt[],
	properties: readonly SubjectProperty[],
	{ mutant: names, property: ids }: MutantsOptions,
): readonly SubjectHunt[] {
	const known = [...new Set(hunts.map(({ mutant }) => mutant))];
	const all = properties.map(({ id }) => id);
	for (const name of names ?? []) if (!known.includes(name)) throw new UsageError(unknown("mutant", name, known));
	for (const id of ids ?? []) if (!all.includes(id)) throw new UsageError(unknown("property", id, all));
	return all
		.flatMap((id) => hunts.filter(({ property }) => property === id))
		.filter(({ mutant, property }) => (names?.includes(mutant) ?? true) && (ids?.includes(property) ?? true));
}

async function ofActors(): Promise<Gate> {
	const { ACTOR_HUNTS } = await import("../../explore/actors/mutants.ts");
	const { ACTOR_PROPERTIES } = await import("../../../suites/actor/index.ts");
	return { hunts: ACTOR_HUNTS, properties: ACTOR_PROPERTIES as readonly SubjectProperty[] };
}

async function ofRunners(): Promise<Gate> {
	const { COMMAND_HUNTS } = await import("../../explore/commands/mutants.ts");
	const { COMMAND_PROPERTIES } = await import("../../../suites/commands/index.ts");
	return { hunts: COMMAND_HUNTS, properties: COMMAND_PROPERTIES as readonly SubjectProperty[] };
}
