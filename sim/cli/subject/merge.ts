/** `pnpm sim merge DIR…` of shards that were of an actor runtime, or of a runner and its server. */
import type { ShardRecord } from "../../explore/campaign/shard-file.ts";
import { Keeper } from "../../explore/keep/keeper.ts";
import { SubjectForm } from "../../explore/subject/form.ts";
import type { Merging } from "../report/merge.ts";
import { subjectReport } from "./explore.ts";
import { judgedProperties, prepareSubject, type SubjectOptions, subjectCommands } from "./options.ts";

/** @param record of any of the shards. @throws UsageError when what they ran cannot be had here. */
export async function mergingSubjects(record: ShardRecord & { readonly kind: "actor" | "runner" }): Promise<Merging> {
	const { kind, engine, settings } = record;
	const named = ["server", "program", "suite", "property", "faults"].flatMap((name) =>
		settings[name] === undefined ? [] : [[name, settings[name]]],
	);
	const options: SubjectOptions = { [kind]: engine.name, ...Object.fromEntries(named) };
	// What the shards were judged by is in their files.
	const prepared = await prepareSubject({ ...options, expectations: "none" });
	const { subject, spec, lab } = prepared;
	return {
		commands: subjectCommands(options, subject),
		properties: judgedProperties(subject),
		report: (result, own, seconds) => subjectReport(result, subject, own, seconds),
		keeper: async (report) => new Keeper(new SubjectForm(spec, lab), { report }),
	};
}
