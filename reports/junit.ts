/** The report as JUnit XML: a suite a subject, a test case a property, so that runs can be joined by property id. */
import { createRequire } from "node:module";
import type { Builder } from "junit-report-builder";
import type { Finding, Report } from "./model.ts";

const load = createRequire(import.meta.url);

export function junit(report: Report): string {
	// Loaded when asked for: it takes as long to load as the engine does, and most commands write no XML.
	const xml = (load("junit-report-builder") as Builder).newBuilder();
	const suites = [...new Set(report.properties.map(({ suite }) => suite))];
	for (const name of suites) {
		const suite = xml.testSuite().name(`faultline.${name}`);
		suite.property("engine", report.target.engine).property("driver", report.target.driver);
		for (const property of report.properties.filter((candidate) => candidate.suite === name)) {
			const test = suite.testCase().className(`faultline.${name}`).name(property.id);
			const findings = report.findings.filter((finding) => finding.property === property.id);
			// Held against a baseline, only what is new fails.
			const failed = findings.filter(
				({ verdict }) => verdict === "fail" || (verdict === "fixed" && report.baseline === undefined),
			);
			const disputed = findings.filter(({ verdict }) => verdict === "disputed");
			if (report.verdict === "invalid") {
				test.error(report.problems[0] ?? "invalid", "invalid", report.problems.join("\n"));
			} else if (failed.length > 0) {
				test.failure(failed.map(({ id, verdict }) => `${id} (${verdict})`).join(", "), property.verdict);
			} else if (disputed.length > 0 && disputed.length === findings.length) {
				// JUnit knows nothing between passed and failed; the output below says what is disputed.
				test.skipped();
			} else if (property.verdict === "skip") {
				test.skipped();
			}
			const gone = (report.baseline?.gone ?? []).filter(({ id }) => id.startsWith(`${property.id}/`));
			const since = gone.map(({ id, how }) => `${how} since the baseline: ${id}`);
			test.standardOutput([property.claim, ...findings.map(findingLine), ...since].join("\n"));
		}
	}
	return xml.build();
}

function findingLine({ id, verdict, runs, example, reason, disputed, inBaseline }: Finding): string {
	const before = inBaseline === undefined ? "" : `, ${inBaseline} in the baseline`;
	const lines = [`${verdict}: ${id}, ${runs} runs${before}`];
	if (reason !== undefined) lines.push(`  ${reason}`);
	if (disputed !== undefined) lines.push(`  a matter of reading: ${disputed}`);
	if (example !== undefined) lines.push(`  ${example.program}: ${example.message}`, `  ${example.command}`);
	return lines.join("\n");
}
