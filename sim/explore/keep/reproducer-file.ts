/**
 * What campaigns call the files they keep reproducers in, and how a file is replaced: whole or not at all, whoever else writes
 * there. What is in such a file is the business of `reproducer.ts`, which takes longer to load.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { UsageError } from "../../../drivers/engine/contract.ts";

/** What the names of reproducers end in. */
export const REPRODUCER_EXTENSION = ".repro";
/** ... and those of actors and runners, which are JSON. */
export const SUBJECT_REPRODUCER_EXTENSION = ".repro.json";

/** Where the reproducers lie in the directory of a report. */
export const REPRODUCERS = "reproducers";
/** And what there is to draw of their runs. */
export const RUNS = "runs";

/** Names are cut after so many characters: file systems take 255 bytes, and `replaceFile` adds some. */
const MAX_NAME_LENGTH = 150;

/** The name of the file for a finding (`property/kind`): `property--kind.repro`, another one for each finding. */
export function reproducerName(id: string): string {
	return fileNameOf(id, REPRODUCER_EXTENSION);
}

/** The name of the file for what there is to draw of a finding's run. */
export function runRecordName(id: string): string {
	return fileNameOf(id, ".json");
}

/** The name of a file for a finding, another one for each finding. */
export function fileNameOf(id: string, extension: string): string {
	const name = id.replace("/", "--");
	// Kinds may hold the name of an error, which may hold anything.
	const plain = name.replaceAll(/[^\w.-]/g, "_").slice(0, MAX_NAME_LENGTH);
	if (plain === name) return plain + extension;
	return `${plain}-${createHash("sha256").update(id).digest("hex").slice(0, 8)}${extension}`;
}

/** Puts the content in place of the file at once, in a directory that is made if need be: whoever reads it never sees half of it. @throws UsageError when it cannot be. */
export function replaceFile(file: string, content: string | Uint8Array): void {
	// Several campaigns may keep their failures in one directory.
	const part = `${file}.${randomUUID().slice(0, 8)}.part`;
	try {
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(part, content);
		renameSync(part, file);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		if (existsSync(part)) rmSync(part);
		throw new UsageError(`${file} cannot be written (${code}); give a directory that can be, with room left.`);
	}
}
