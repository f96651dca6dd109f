/**
 * Which runs a page holds, and how: all of new findings, then of the others as many as fit, one of each property first. A run is in
 * the page as JSON, deflated, in base64.
 */
import { deflateSync } from "fflate";
import type { Finding, RunRecord } from "../model.ts";
import { viewOf } from "./view.ts";

/** Characters of packed runs, beyond those of new findings: a page of an ordinary campaign then stays below two megabytes. */
export const MOST_PACKED = 1_100_000;

/** Runs by finding id, packed. */
export function packRuns(
	findings: readonly Finding[],
	runs: ReadonlyMap<string, RunRecord>,
	mostPacked: number,
): Map<string, string> {
	const packed = new Map<string, string>();
	let size = 0;
	for (const { id, verdict } of inOrder(findings)) {
		const record = runs.get(id);
		if (record === undefined) continue;
		const text = packRun(record);
		if (verdict !== "fail") {
			if (size + text.length > mostPacked) continue;
			size += text.length;
		}
		packed.set(id, text);
	}
	return packed;
}

export function packRun(record: RunRecord): string {
	const text = new TextEncoder().encode(JSON.stringify(viewOf(record)));
	return Buffer.from(deflateSync(text, { level: 9 })).toString("base64");
}

/** New ones, then the most frequent other one of each property, then the rest. */
function inOrder(findings: readonly Finding[]): Finding[] {
	const others = findings.filter(({ verdict }) => verdict !== "fail").sort((a, b) => b.runs - a.runs);
	const seen = new Set<string>();
	const firsts = others.filter(({ property }) => !seen.has(property) && seen.add(property));
	return [...new Set([...findings.filter(({ verdict }) => verdict === "fail"), ...firsts, ...others])];
}
