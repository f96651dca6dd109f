/**
 * A baseline: an earlier report that a campaign is held against. What it has is no news, what it had and nobody sees any more is
 * told as gone. Two reports that were made differently say less together, and each difference is told; those that say nothing
 * together are refused.
 */
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { UsageError } from "../../../drivers/engine/contract.ts";
import {
	type BaselineResult,
	type Finding,
	type GoneFinding,
	type Report,
	SCHEMA_VERSION,
} from "../../../reports/model.ts";
import type { KnownBefore } from "./result.ts";

export interface Baseline extends KnownBefore {
	readonly file: string;
	readonly report: Report;
}

/** As much of a report as is read here. */
const ReportShape = v.looseObject({
	tool: v.looseObject({ name: v.literal("faultline"), version: v.string() }),
	settings: v.record(v.string(), v.unknown()),
	target: v.looseObject({ engine: v.string(), driver: v.string() }),
	verdict: v.string(),
	interrupted: v.boolean(),
	counts: v.looseObject({ runs: v.number() }),
	findings: v.array(
		v.looseObject({
			...{ id: v.string(), property: v.string(), kind: v.string() },
			verdict: v.picklist(["fail", "known", "fixed", "disputed"]),
			example: v.optional(v.looseObject({ seed: v.optional(v.number()) })),
		}),
	),
	properties: v.array(v.looseObject({ id: v.string(), checked: v.number() })),
	coverage: v.looseObject({ avoided: v.optional(v.array(v.looseObject({ shape: v.string() }))) }),
});

/** What `pnpm sim` wrote as `report.json`, or printed with `--json`. @throws UsageError naming the file and what would be right. */
export function parseReport(text: string, file: string): Report {
	let content: unknown;
	try {
		content = JSON.parse(text);
	} catch {
		throw new UsageError(`${file} is not JSON; give a report.json that pnpm sim --report DIR wrote.`);
	}
	const version = Object(content).schemaVersion as unknown;
	if (version !== undefined && version !== SCHEMA_VERSION) {
		throw new UsageError(
			`${file} is a report of schema ${String(version)}, and this is ${SCHEMA_VERSION}; make it again with this version.`,
		);
	}
	const parsed = v.safeParse(ReportShape, content);
	if (version === undefined || !parsed.success) {
		const issue = parsed.issues?.[0];
		const why = version === undefined || issue === undefined ? "" : ` (${v.getDotPath(issue)}: ${issue.message})`;
		throw new UsageError(`${file} is not the report of a campaign${why}; give a report.json that pnpm sim wrote.`);
	}
	// Checked as far as it is read.
	return content as Report;
}

/** @throws UsageError naming the file, when it is no report that a campaign can be held against. */
export function parseBaseline(text: string, file: string): Baseline {
	const report = parseReport(text, file);
	const refuse = (why: string) => new UsageError(`${file} cannot be a baseline: ${why}.`);
	if (report.verdict === "invalid") throw refuse("it is invalid, so it counts for nothing");
	if (report.settings.explore === undefined) throw refuse("it tells of one run; give the report of a campaign");
	const ids = (...verdicts: readonly Finding["verdict"][]) =>
		new Set(report.findings.filter(({ verdict }) => verdicts.includes(verdict)).map(({ id }) => id));
	return { file, report, failing: ids("fail", "known"), fixed: ids("fixed") };
}

/** @throws UsageError when the campaign will judge by nothing that the baseline was judged by. */
export function checkComparable({ file, report }: Baseline, properties: readonly { readonly id: string }[]): void {
	const judged = judgedIn(report);
	if (properties.some(({ id }) => judged.has(id))) return;
	throw new UsageError(
		`${file} cannot be the baseline here: it judged by none of ${properties.map(({ id }) => id).join(", ")}.`,
	);
}

/** What the baseline comes to beside a report that was judged with it. */
export function besideBaseline({ file, report: before }: Baseline, now: Report): BaselineResult {
	const judged = judgedIn(now);
	const shown = new Set(now.findings.filter(({ verdict }) => verdict !== "fixed").map(({ id }) => id));
	const fixed = new Set(now.findings.filter(({ verdict }) => verdict === "fixed").map(({ id }) => id));
	const sameSeeds = drawsAlike(before, now);
	const gone = before.findings
		.filter(({ id, verdict }) => (verdict === "fail" || verdict === "known") && !shown.has(id))
		.map(({ id, property, example }): GoneFinding => {
			const seed = example?.seed;
			const remade = fixed.has(id) || (sameSeeds && seed !== undefined && hasRun(now, seed));
			const how = !judged.has(property) ? "not-judged" : remade ? "fixed" : "not-seen";
			return { id, how, ...(seed === undefined ? {} : { seed }) };
		});
	const { target, tool, counts } = before;
	return {
		...{ file, engine: target.engine, tool: tool.version, runs: counts.runs },
		...{ warnings: differences(before, now), gone },
	};
}

/** Ids of the properties that a campaign judged by. */
export function judgedIn({ properties }: Report): Set<string> {
	return new Set(properties.filter(({ checked }) => checked > 0).map(({ id }) => id));
}

/** Settings that decide what a seed means. */
const DRAWING = ["explore", "program", "faults", "avoid", "lacking", "modes", "depth", "seed"] as const;

function drawsAlike(a: Report, b: Report): boolean {
	return (
		a.tool.version === b.tool.version &&
		a.settings.explore === "random" &&
		DRAWING.every((name) => isDeepStrictEqual(a.settings[name], b.settings[name])) &&
		isDeepStrictEqual(shapesAvoidedIn(a), shapesAvoidedIn(b))
	);
}

/** Whether a campaign over seeds made the run of this one: blocks of seeds are handed out in order and end whole. */
function hasRun({ settings, counts, interrupted }: Report, seed: number): boolean {
	const from = Number(settings.from ?? 1);
	return !interrupted && settings.shard === undefined && seed >= from && seed < from + counts.runs;
}

function shapesAvoidedIn({ coverage }: Report): string[] {
	return (coverage.avoided ?? []).map(({ shape }) => shape);
}

/** In what two reports were made differently, a sentence each, with what follows from it. */
export function differences(before: Report, now: Report): string[] {
	const found: string[] = [];
	if (before.tool.version !== now.tool.version) {
		found.push(`made by Faultline ${before.tool.version}, and this is ${now.tool.version}: seeds may mean other runs`);
	}
	if (before.target.driver !== now.target.driver) {
		found.push(`made on ${before.target.driver} storage, and this is ${now.target.driver}`);
	}
	if (before.interrupted) found.push("stopped before its end: what it had not come to reads as new");
	for (const name of DRAWING) {
		const [a, b] = [before.settings[name], now.settings[name]];
		if (!isDeepStrictEqual(a, b)) found.push(`made with ${told(name, a)}, and this with ${told(name, b)}`);
	}
	if (
		!isDeepStrictEqual(shapesAvoidedIn(before), shapesAvoidedIn(now)) &&
		isDeepStrictEqual(before.settings.avoid, now.settings.avoid)
	) {
		found.push("made while seeds avoided other shapes, since another list of known failures was used");
	}
	const judged = judgedIn(before);
	const added = [...judgedIn(now)].filter((id) => !judged.has(id));
	if (added.length > 0) found.push(`not judged by ${added.join(", ")}: what breaks these reads as new`);
	const [first, firstNow] = [Number(before.settings.from ?? 1), Number(now.settings.from ?? 1)];
	if (firstNow < first || firstNow + now.counts.runs > first + before.counts.runs) {
		const span = (from: number, runs: number) => `seeds ${from} to ${from + runs - 1}`;
		const [then, here] = [span(first, before.counts.runs), span(firstNow, now.counts.runs)];
		if (isOverSeeds(before) && isOverSeeds(now))
			found.push(`made of ${then}, and this of ${here}: what only others show reads as new`);
	}
	return found;
}

function isOverSeeds({ settings }: Report): boolean {
	return settings.explore === "random";
}

function told(name: string, value: unknown): string {
	if (value === undefined) return `no --${name}`;
	return `--${name} ${Array.isArray(value) ? value.join(",") || "none" : String(value)}`;
}
