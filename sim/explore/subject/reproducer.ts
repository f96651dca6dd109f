/**
 * A finding of an actor or a runner in a file: what ran, the scenario, and the digest of the history it was seen in. JSON, so that
 * it can be read; written and read as inverses.
 */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { ActorScenario } from "../../../suites/actor/run.ts";
import type { CommandScenario } from "../../../suites/commands/run.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { replaceFile } from "../keep/reproducer-file.ts";
import { faultIn, fields, IN_ANY_WORLD, milliseconds } from "../keep/scenario-schema.ts";
import { VERSION } from "../version.ts";
import type { SubjectSpec } from "./spec.ts";
import type { SubjectKind } from "./subject.ts";

export interface SubjectReproducer {
	/** The version of this tool. */
	readonly tool: string;
	readonly target: Pick<SubjectSpec, "subject" | "target" | "against">;
	readonly finding: { readonly property: string; readonly kind: string; readonly message: string };
	readonly scenario: SubjectScenario;
	readonly digest: string;
}

const FORMAT = "faultline-subject-reproducer-1";

const Shape = v.looseObject({
	format: v.literal(FORMAT),
	tool: v.string(),
	target: v.looseObject({
		subject: v.picklist(["actor", "runner"]),
		target: v.string(),
		against: v.optional(v.string()),
	}),
	finding: v.looseObject({ property: v.string(), kind: v.string(), message: v.string() }),
	scenario: v.looseObject({}),
	digest: v.string(),
});

const PROTOCOL = v.picklist([4, 5, 6, 7]);

/** Every field of a scenario and no other: one that is not known may change what the run means. */
const SCENARIOS: Readonly<Record<SubjectKind, v.GenericSchema>> = {
	actor: fields<ActorScenario>()({
		...IN_ANY_WORLD,
		restartMs: milliseconds,
		delaysMs: v.array(milliseconds),
	}),
	runner: fields<CommandScenario>()({
		...IN_ANY_WORLD,
		network: v.strictObject({ minMs: milliseconds, maxMs: milliseconds }),
		serverRestartMs: milliseconds,
		runnerRestartMs: milliseconds,
		protocol: v.exactOptional(PROTOCOL),
		serverProtocol: v.exactOptional(PROTOCOL),
		pace: milliseconds,
	}),
};

export function formatSubjectReproducer(reproducer: SubjectReproducer): string {
	return `${JSON.stringify({ format: FORMAT, ...reproducer }, undefined, "\t")}\n`;
}

/** @throws UsageError naming the file and what is wrong with it. */
export function parseSubjectReproducer(text: string, file: string): SubjectReproducer {
	let content: unknown;
	try {
		content = JSON.parse(text);
	} catch {
		throw new UsageError(`${file} is not JSON; give a file that pnpm sim --report or --save wrote.`);
	}
	const parsed = v.safeParse(Shape, content);
	if (!parsed.success) {
		const [issue] = parsed.issues;
		throw new UsageError(`${file} is no reproducer (${v.getDotPath(issue)}: ${issue.message}).`);
	}
	const { format: _, ...reproducer } = parsed.output;
	const { target, scenario, tool } = reproducer;
	const fault = faultIn(SCENARIOS[target.subject], scenario);
	if (fault !== undefined) {
		throw new UsageError(
			`${file} holds what Faultline ${VERSION} cannot run (scenario.${fault}); use Faultline ${tool}, which wrote it.`,
		);
	}
	return reproducer as unknown as SubjectReproducer;
}

/** @throws UsageError also when there is no such file. */
export function readSubjectReproducer(file: string): SubjectReproducer {
	try {
		return parseSubjectReproducer(readFileSync(file, "utf8"), file);
	} catch (error) {
		if (error instanceof UsageError) throw error;
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`No reproducer can be read at ${file} (${code}).`);
	}
}

/** @throws UsageError when the file cannot be written. */
export function writeSubjectReproducer(file: string, reproducer: SubjectReproducer): void {
	try {
		replaceFile(file, formatSubjectReproducer(reproducer));
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		throw new UsageError(
			`No reproducer can be written to ${file} (${code}); give a file in a directory that is there.`,
		);
	}
}
