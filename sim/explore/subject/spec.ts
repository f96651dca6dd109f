/**
 * What a subject is made of, as plain data: the command line says it, and every worker thread and every other process makes its own
 * from it. Whatever decides what a seed means belongs here.
 */

import { ACTORS, loadActor, needOfActor } from "../../../drivers/actor/load.ts";
import type { PackageNeed } from "../../../drivers/actor/rivetkit/package.ts";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { loadRunner, loadServer, RUNNERS, SERVERS, usualServer } from "../../../drivers/runner/load.ts";
import type { ActorProgram } from "../../../fixtures/actors/program.ts";
import type { FaultKind } from "../../world/faults.ts";
import type { Subject, SubjectKind } from "./subject.ts";

export interface SubjectSpec {
	readonly subject: SubjectKind;
	/** The actor runtime or the runner: `rivetkit-2.2.1`, `reference`. */
	readonly target: string;
	/** The server that a runner talks to; the usual one when absent. */
	readonly against?: string;
	/** Names of the programs to draw from, all when absent. Their order is part of what a seed means. */
	readonly programs?: readonly string[];
	/** Ids of the properties to judge by, all when absent. */
	readonly properties?: readonly string[];
	/** Kinds of fault that plans are drawn from; the usual ones when absent. */
	readonly faults?: readonly FaultKind[];
	/** Where packages are that are installed on demand, by `name@version`. */
	readonly packages?: Readonly<Record<string, string>>;
}

/** Makes the subject. @throws UsageError when there is no target, program, property or fault of a name, or it cannot run here. */
export async function subjectFrom(spec: SubjectSpec): Promise<Subject> {
	const subject = await SUBJECTS[spec.subject](spec);
	for (const id of spec.properties ?? []) {
		if (![...subject.suites.values()].flat().some((property) => property.id === id)) {
			throw new UsageError(`Unknown property "${id}" of ${spec.subject}s; see pnpm sim list.`);
		}
	}
	return subject;
}

/** What can be named, with what a runner talks to. */
export type SubjectTarget = Pick<SubjectSpec, "target" | "against">;

/** Every target of a kind there is, the reference last. */
export function targetsOf(kind: SubjectKind): readonly SubjectTarget[] {
	return TARGETS[kind];
}

/** Published runners meet the model of the published server, and a server without its weaknesses: on which side does what break? */
const TARGETS: Readonly<Record<SubjectKind, readonly SubjectTarget[]>> = {
	actor: ACTORS.map((target) => ({ target })),
	runner: RUNNERS.flatMap((target) => SERVERS.map((against) => ({ target, against }))),
};

/** What must be installed before the subject can be made. @throws UsageError when there is no target of that name. */
export function packagesOf({ subject, target }: Pick<SubjectSpec, "subject" | "target">): readonly PackageNeed[] {
	const need = subject === "actor" ? needOfActor(target) : undefined;
	return need === undefined ? [] : [need];
}

/** Each is loaded when asked for: the first command needs none of them. */
const SUBJECTS: Readonly<Record<SubjectKind, (spec: SubjectSpec) => Promise<Subject>>> = {
	actor: async ({ target: name, programs, faults, packages = {} }) => {
		const need = needOfActor(name);
		const target = await loadActor(name, need === undefined ? undefined : packages[`${need.name}@${need.version}`]);
		const { ACTOR_FAULT_KINDS, actorSubject } = await import("../actors/subject.ts");
		refuseFaults(faults, ACTOR_FAULT_KINDS, "actors");
		const chosen = programs === undefined ? {} : { programs: await actorPrograms(programs) };
		return actorSubject({ target, ...chosen, ...(faults === undefined ? {} : { faults: new Set(faults) }) }) as Subject;
	},
	runner: async ({ target, against = usualServer(target), programs, faults }) => {
		const { commandSubject } = await import("../commands/subject.ts");
		const { COMMAND_FAULT_KINDS } = await import("../commands/draw.ts");
		refuseFaults(faults, COMMAND_FAULT_KINDS, "runners");
		return commandSubject({
			...{ runner: await loadRunner(target), server: loadServer(against) },
			...(programs === undefined ? {} : { programs }),
			...(faults === undefined ? {} : { faults }),
		}) as Subject;
	},
};

/** @throws UsageError for a kind of fault that no plan has: nothing would strike, and all would pass. */
function refuseFaults(faults: readonly FaultKind[] = [], drawn: readonly FaultKind[], whose: string): void {
	const wrong = faults.find((kind) => !drawn.includes(kind));
	if (wrong === undefined) return;
	throw new UsageError(`No plan of ${whose} has the fault "${wrong}"; choose from ${drawn.join(", ")}.`);
}

/** @throws UsageError for a name that no actor has. */
async function actorPrograms(names: readonly string[]): Promise<readonly ActorProgram[]> {
	const { ACTOR_PROGRAMS } = await import("../../../fixtures/actors/index.ts");
	return names.map((name) => {
		const program = ACTOR_PROGRAMS.find((candidate) => candidate.name === name);
		if (program !== undefined) return program;
		const known = ACTOR_PROGRAMS.map((candidate) => candidate.name).join(", ");
		throw new UsageError(`Unknown program "${name}" of actors; choose from ${known}.`);
	});
}
