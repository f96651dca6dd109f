/** The report as JSON, the model as it is. */
import type { Report } from "./model.ts";

export function json(report: Report): string {
	return `${JSON.stringify(report, undefined, "\t")}\n`;
}
