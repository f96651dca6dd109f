/** The page of a campaign's report: its runs read from where they lie beside it, and what the page needs bundled. */
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { type Report, type RunRecord, SCHEMA_VERSION } from "../../../reports/model.ts";

/** The page of a campaign's report, with the runs that lie beside it. */
export async function htmlOf(report: Report, directory: string): Promise<string> {
	// Loaded when asked for: most commands write no page, and need no bundler.
	const [{ page }, { pageAssets }] = await Promise.all([
		import("../../../reports/html/page.ts"),
		import("./page-assets.ts"),
	]);
	return page(report, { runs: runsBeside(report, directory), assets: pageAssets() });
}

/** The runs that findings name, as far as they are there; a path that leads out of the directory is none of its. */
function runsBeside({ findings }: Report, directory: string): Map<string, RunRecord> {
	const runs = new Map<string, RunRecord>();
	for (const { id, example } of findings) {
		if (example?.run === undefined) continue;
		const file = resolve(directory, example.run);
		if (relative(directory, file).startsWith("..")) continue;
		const record = recordIn(file);
		if (record?.finding === id && record.schemaVersion === SCHEMA_VERSION) runs.set(id, record);
	}
	return runs;
}

function recordIn(file: string): RunRecord | undefined {
	try {
		return JSON.parse(readFileSync(file, "utf8")) as RunRecord;
	} catch {
		// The report is whole without it.
		return undefined;
	}
}
