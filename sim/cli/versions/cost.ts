/** `pnpm sim cost`: what each operation costs on each version, beside its budget. */
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { HostingMode } from "../../../drivers/engine/host.ts";
import { type Budgets, formatBudgets, parseBudgets } from "../../../fixtures/costs/budgets.ts";
import { costMarkdown, costText } from "../../../reports/matrix.ts";
import { type CostReport, SCHEMA_VERSION } from "../../../reports/model.ts";
import { replaceFile } from "../../explore/keep/reproducer-file.ts";
import { budgetsFrom, costs } from "../../explore/matrix/costs.ts";
import { explorerFrom } from "../../explore/spec.ts";
import { enginesOf } from "../options.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";
import { makeReportDirectory, sayWritten, writeFiles } from "../report/publish.ts";

const BUDGETS = fileURLToPath(new URL("../../../fixtures/costs/budgets.yaml", import.meta.url));

export interface CostOptions {
	readonly engines?: readonly string[];
	readonly mode?: HostingMode;
	/** Whether to record what is counted as the budget. */
	readonly update?: boolean;
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
}

export function loadBudgets(): Budgets {
	return existsSync(BUDGETS) ? parseBudgets(readFileSync(BUDGETS, "utf8"), BUDGETS) : {};
}

/** @returns the exit code: 1 when something costs more than it may. */
export async function cost(options: CostOptions): Promise<0 | 1> {
	const explorers = await Promise.all(
		enginesOf(options.engines).map((engine) => explorerFrom({ engine, programs: [], properties: [] })),
	);
	const budgets = loadBudgets();
	const result = await costs(
		explorers.map(({ target }) => target),
		budgets,
		options.mode === undefined ? {} : { modes: [options.mode] },
	);
	const report: CostReport = { schemaVersion: SCHEMA_VERSION, cost: result };
	const asJson = `${JSON.stringify(report, undefined, "\t")}\n`;
	if (options.json === true) process.stdout.write(asJson);
	else if (options.quiet !== true) {
		process.stdout.write(`${costText(result, { width: widthOf(process.stdout), paint: paintFor(process.stdout) })}\n`);
	}
	if (options.report !== undefined) {
		makeReportDirectory(options.report);
		writeFiles(options.report, [
			["cost.json", asJson],
			["cost.md", `${costMarkdown(result)}\n`],
		]);
		if (options.json !== true) sayWritten(options.report, ["cost.json", "cost.md"]);
	}
	if (options.update === true) {
		replaceFile(BUDGETS, formatBudgets(budgetsFrom(budgets, result)));
		if (options.json !== true) process.stdout.write(`recorded: ${relative(".", BUDGETS)}\n`);
		return 0;
	}
	return result.rows.some(({ cells }) => cells.some(({ verdict }) => verdict === "fail")) ? 1 : 0;
}
