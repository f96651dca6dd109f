/** Everything that a command writes as JSON: what the published schema, `reports/schema/report-1.json`, describes. */
import type { ConformReport } from "./conform-model.ts";
import type {
	CompareReport,
	CostReport,
	DifferReport,
	HistoriesReport,
	MatrixReport,
	MutantsReport,
	Report,
	RunRecord,
	UpgradeReport,
} from "./model.ts";

export type AnyReport =
	| (Report | RunRecord)
	| (MatrixReport | MutantsReport | CostReport | UpgradeReport | HistoriesReport)
	| (DifferReport | CompareReport)
	| ConformReport;
