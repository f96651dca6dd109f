/** Properties by version as a page: the table, what broke in each cell with the command that shows it, and how it was made. */

import { settingsLine, titleOf } from "../matrix.ts";
import type { Finding, MatrixCell, MatrixReport } from "../model.ts";
import { count, plural } from "../text.ts";
import { html, type Markup, table } from "./markup.ts";
import { costSection, mutantsSection, upgradesSection } from "./matrix-extras.ts";
import { documentOf, type PageAssets, VERDICT_TEXTS } from "./page.ts";

export function matrixPage(report: MatrixReport, assets: PageAssets): string {
	const names = report.versions.map(({ engine }) => engine);
	const body = [
		html`<header class="top"><p class="maker">Faultline <span>${report.tool.version}</span></p><h1>${titleOf(report)}</h1>
<p class="verdict v-${report.verdict}">${VERDICT_TEXTS[report.verdict]}</p><p class="note">${settingsLine(report)}</p></header>`,
		html`<section id="matrix"><h2>Properties</h2><p class="note">In a cell: what became of the property, how many kinds of failure it has of each sort, and in how many runs it was checked. A cell leads to what broke.</p>${table(
			"Each property, and what became of it on each target",
			[{ title: "property" }, ...names.map((name) => ({ title: name }))],
			[
				...report.properties.map(({ id, claim, cells }) => [
					html`<span title="${claim}">${id.split(".").map((part, i) => html`${i > 0 && html`.<wbr>`}${part}`)}</span>`,
					...cells.map((cell) => cellOf(id, cell)),
				]),
				["runs", ...report.versions.map(({ counts }) => count(counts.runs))],
			],
			"matrix",
		)}</section>`,
		html`<section id="findings"><h2>What broke</h2>${report.versions.map((version) => versionOf(version))}</section>`,
		report.upgrades === undefined ? undefined : upgradesSection(report.upgrades),
		report.cost === undefined ? undefined : costSection(report.cost),
		report.mutants === undefined ? undefined : mutantsSection(report.mutants),
		report.interrupted ? html`<p class="warning">Stopped before its end.</p>` : undefined,
		settingsOf(report),
	];
	return documentOf(`${titleOf(report)} — Faultline`, body, assets);
}

/** Where the findings of a property on a target are told. */
function anchor(target: string, property: string): string {
	return `${target}/${property}`;
}

function cellOf(property: string, cell: MatrixCell): Markup {
	const { engine, verdict, failing, known, fixed, disputed, checked, reason } = cell;
	if (verdict === "not-applicable" || verdict === "skip") {
		return html`<span class="v-skip" title="${reason}">${verdict === "skip" ? "not checked" : "n/a"}</span>`;
	}
	const kinds = Object.entries({ fail: failing, known, fixed, disputed }).filter(([, n]) => n > 0);
	const words = kinds.map(([name, n], i) => html`${i > 0 && ", "}<span class="v-${name}">${name} ${n}</span>`);
	const what =
		kinds.length === 0
			? html`<span class="v-${verdict}">${verdict}</span>`
			: html`<a href="#${anchor(engine, property)}">${words}</a>`;
	return html`${what} <span class="checked">${plural(checked, "run")}</span>`;
}

function versionOf({ engine, findings, command, counts, problems }: MatrixReport["versions"][number]): Markup {
	const ids = [...new Set(findings.map(({ property }) => property))];
	return html`<details class="plain" id="${engine}"><summary><b>${engine}</b>: ${plural(findings.length, "kind")} of failure in ${plural(counts.runs, "run")}</summary>
${problems.map((problem) => html`<pre class="problem">${problem}</pre>`)}
<div class="command"><code>${command}</code></div>
${ids.map(
	(id) =>
		html`<h3 id="${anchor(engine, id)}">${id}</h3>${table(
			`What broke ${id} on ${engine}`,
			[
				{ title: "kind" },
				{ title: "verdict" },
				{ title: "runs", number: true },
				{ title: "what happened" },
				{ title: "shows it again" },
			],
			findings.filter(({ property }) => property === id).map(findingRow),
		)}`,
)}</details>`;
}

function findingRow({ kind, verdict, runs, example, reason }: Finding): (Markup | string)[] {
	return [
		kind,
		html`<span class="tag v-${verdict}">${verdict}</span>`,
		runs === 0 ? "as listed" : count(runs),
		reason ?? example?.message ?? "",
		html`<code>${example?.command ?? ""}</code>`,
	];
}

function settingsOf({ settings, command, seconds, tool, schemaVersion }: MatrixReport): Markup {
	const text = (value: string | number | readonly string[]) => (typeof value === "object" ? value.join(", ") : value);
	return html`<section id="settings"><h2>Settings</h2><dl class="settings">${Object.entries(settings).map(([name, value]) => html`<div><dt>${name}</dt><dd>${text(value)}</dd></div>`)}<div><dt>seconds</dt><dd>${count(seconds)}</dd></div></dl><div class="command"><code>${command}</code><button type="button" class="copy" hidden>copy</button></div><p class="small">Made by Faultline ${tool.version}; report format ${schemaVersion}.</p></section>`;
}
