/**
 * A finding of an actor or a runner in a file: what ran, the scenario, and the digest of the history it was seen in. JSON, so that
 * it can be read; written and read as inverses.
 */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { replaceFile } from "../keep/reproducer-file.ts";
import type { SubjectSpec } from "./spec.ts";

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
	scenario: v.looseObject({
		seed: v.string(),
		program: v.string(),
		faults: v.array(v.looseObject({ kind: v.string() })),
	}),
	digest: v.string(),
});

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
	// Checked as far as it is read before the target itself reads the rest.
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
