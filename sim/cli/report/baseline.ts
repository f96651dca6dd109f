/** `--baseline FILE`: the earlier report that a campaign is held against, read from its file. */
import { readFileSync } from "node:fs";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { BaselineResult, Report } from "../../../reports/model.ts";
import type { KnownBefore } from "../../explore/campaign/result.ts";

export interface NamedBaseline {
	/** What is no news. */
	readonly known: KnownBefore;
	/** What the baseline comes to beside a report that was judged with it. */
	beside(report: Report): BaselineResult;
}

/**
 * @param properties those that the campaign judges by.
 * @throws UsageError when the file is not there, or is no report that the campaign can be held against.
 */
export async function baselineOf(
	{ baseline: file }: { readonly baseline?: string },
	properties: readonly { readonly id: string }[],
): Promise<NamedBaseline | undefined> {
	if (file === undefined) return undefined;
	// Loaded when asked for: only a baseline needs its schema.
	const { besideBaseline, checkComparable, parseBaseline } = await import("../../explore/campaign/baseline.ts");
	const known = parseBaseline(readReport(file, "baseline"), file);
	checkComparable(known, properties);
	return { known, beside: (report) => besideBaseline(known, report) };
}

/** The text of a report. @param what it is wanted for. @throws UsageError when it cannot be read. */
export function readReport(file: string, what: string): string {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		const why = code === "ENOENT" ? "the file does not exist" : `it cannot be read (${code})`;
		throw new UsageError(`No ${what} at ${file}: ${why}; give a report that pnpm sim wrote.`);
	}
}
