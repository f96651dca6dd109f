/** From the campaigns of all versions to the table: properties by versions, each cell with its verdict and its reason. */
import type { Engine } from "../../../drivers/engine/contract.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type {
	CostResult,
	Finding,
	MatrixCell,
	MatrixReport,
	MutantsResult,
	UpgradeResult,
	Verdict,
} from "../../../reports/model.ts";
import { COMPARISONS, SUITES } from "../../../suites/index.ts";
import type { Property } from "../../../suites/property.ts";
import type { CampaignResult } from "../campaign/result.ts";

/** What was explored of one version. */
export interface ExploredVersion {
	readonly engine: Engine;
	readonly result: Pick<CampaignResult, "properties" | "findings" | "verdict">;
}

export interface Comparisons {
	readonly upgrades?: UpgradeResult;
	readonly cost?: CostResult;
	readonly mutants?: MutantsResult;
}

/** The rows of the table: the chosen properties, then what compares versions, as far as it was done. */
export function matrixRows(
	versions: readonly ExploredVersion[],
	programs: readonly Program[],
	chosen: readonly Property[],
	comparisons: Comparisons,
): MatrixReport["properties"] {
	const suiteOf = new Map([...SUITES].flatMap(([suite, properties]) => properties.map(({ id }) => [id, suite])));
	const rows: MatrixReport["properties"][number][] = chosen.map((property) => ({
		...{ id: property.id, suite: suiteOf.get(property.id) ?? "", claim: property.claim },
		cells: versions.map((version) => cellOf(property, version, programs)),
	}));
	for (const { id, claim } of COMPARISONS) {
		const cells = comparisonCells(id, versions, comparisons);
		if (cells !== undefined) rows.push({ id, suite: "versions", claim, cells });
	}
	return rows;
}

function cellOf(property: Property, { engine, result }: ExploredVersion, programs: readonly Program[]): MatrixCell {
	const { verdict, ...counts } = cellCounts(result.findings, property.id);
	const found = result.findings.some((finding) => finding.property === property.id);
	const entry = result.properties.find(({ id }) => id === property.id);
	const checked = entry?.checked ?? 0;
	const lacking = property.needs?.filter((need) => !engine.features.has(need)) ?? [];
	const missing =
		lacking.length > 0 ? lacking.join(", ") : checked === 0 ? missingFeatures(property, engine, programs) : undefined;
	if (!found && missing !== undefined) {
		return { engine: engine.name, verdict: "not-applicable", ...counts, checked, reason: `no ${missing}` };
	}
	if (!found && checked === 0) {
		const reason = entry?.skipped.map(({ reason }) => reason).join("; ") || "no run was about it";
		return { engine: engine.name, verdict: "skip", ...counts, checked, reason };
	}
	return { engine: engine.name, verdict, ...counts, checked };
}

/** What became of one property in a campaign, by its findings. */
export function cellCounts(
	findings: readonly Finding[],
	property: string,
): Pick<MatrixCell, "failing" | "known" | "fixed" | "disputed"> & { readonly verdict: ReturnType<typeof worst> } {
	const own = findings.filter((finding) => finding.property === property);
	const of = (verdict: Verdict) => own.filter((finding) => finding.verdict === verdict).length;
	const counts = { failing: of("fail"), known: of("known"), fixed: of("fixed"), disputed: of("disputed") };
	return { verdict: worst(counts), ...counts };
}

function worst({ failing, fixed, known, disputed }: Pick<MatrixCell, "failing" | "fixed" | "known" | "disputed">) {
	if (failing > 0) return "fail";
	if (fixed > 0) return "fixed";
	if (known > 0) return "known";
	return disputed > 0 ? "disputed" : "pass";
}

/** What all programs that say something about the property need and the engine lacks; undefined when it has it for some. */
function missingFeatures(property: Property, engine: Engine, programs: readonly Program[]): string | undefined {
	const lacking = programs
		.filter((program) => property.skips?.(program) === undefined)
		.map(({ needs = [] }) => needs.filter((need) => !engine.features.has(need)));
	if (lacking.length === 0 || lacking.some((needs) => needs.length === 0)) return undefined;
	return [...new Set(lacking.flat())].join(", ");
}

function comparisonCells(
	id: string,
	versions: readonly ExploredVersion[],
	{ upgrades, cost }: Comparisons,
): MatrixCell[] | undefined {
	const none = { failing: 0, known: 0, fixed: 0, disputed: 0, checked: 0 };
	if (id === upgrades?.property) {
		return versions.map(({ engine: { name } }) => {
			const pairs = upgrades.pairs.filter(({ to, direction }) => to === name && direction === "upgrade");
			const checked = pairs.reduce((sum, { states }) => sum + states, 0);
			if (pairs.length === 0) {
				return { engine: name, verdict: "not-applicable", ...none, reason: "no older version in the table" };
			}
			if (checked === 0) return { engine: name, verdict: "skip", ...none, reason: "no state was tried" };
			const failing = pairs.reduce((sum, { failures }) => sum + failures.length, 0);
			return { engine: name, verdict: failing > 0 ? "fail" : "pass", ...none, failing, checked };
		});
	}
	if (id === cost?.property) {
		return versions.map(({ engine: { name } }) => {
			const cells = cost.rows.flatMap((row) => row.cells.filter(({ engine }) => engine === name));
			const judged = cells.filter(({ verdict }) => verdict === "pass" || verdict === "fail" || verdict === "improved");
			const failing = judged.filter(({ verdict }) => verdict === "fail").length;
			if (judged.length === 0) return { engine: name, verdict: "skip", ...none, reason: "no budget is recorded" };
			return { engine: name, verdict: failing > 0 ? "fail" : "pass", ...none, failing, checked: judged.length };
		});
	}
	return undefined;
}

/** Worst first. */
const ORDER: readonly Verdict[] = ["invalid", "fail", "fixed", "known", "disputed", "pass"];

/** The verdict of the whole table. */
export function matrixVerdict(
	versions: readonly Verdict[],
	rows: MatrixReport["properties"],
	{ upgrades, mutants }: Comparisons,
): Verdict {
	const verdicts = new Set<string>([...versions, ...rows.flatMap(({ cells }) => cells.map(({ verdict }) => verdict))]);
	for (const { verdict } of mutants?.rows ?? []) verdicts.add(verdict);
	if ((mutants?.gaps.length ?? 0) > 0) verdicts.add("fail");
	if ((upgrades?.problems.length ?? 0) > 0) verdicts.add("invalid");
	return ORDER.find((verdict) => verdicts.has(verdict)) ?? "pass";
}
