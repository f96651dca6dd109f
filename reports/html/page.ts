/**
 * A campaign as one page that opens from disk and asks nothing of any network: verdict and figures, then findings by property, each
 * with its run to go through, then what was covered. A pure function of the report, of the runs kept with it, and of the script and
 * style it is given.
 */
import type { Finding, Report, RunRecord, Verdict } from "../model.ts";
import { count, plural } from "../text.ts";
import { VERDICT_WORDS } from "../verdict.ts";
import { coverageSections } from "./coverage.ts";
import { html, type Markup, table } from "./markup.ts";
import { MOST_PACKED, packRuns } from "./pack.ts";

export interface PageAssets {
	/** JavaScript, bundled. */
	readonly script: string;
	readonly style: string;
}

export interface PageOptions {
	/** Runs by finding id. */
	readonly runs: ReadonlyMap<string, RunRecord>;
	readonly assets: PageAssets;
	/** Characters of packed runs of findings that are not new. */
	readonly mostPacked?: number;
}

export function page(report: Report, { runs, assets, mostPacked = MOST_PACKED }: PageOptions): string {
	const packed = packRuns(report.findings, runs, mostPacked);
	const body = [
		head(report),
		problems(report),
		baseline(report),
		findings(report, runs, packed),
		properties(report),
		...coverageSections(report),
		settings(report),
	];
	const places = [...packed.values()].map((text, i) => `<script type="text/plain" id="run-${i}">${text}</script>\n`);
	return documentOf(titleOf(report), body, assets, places.join(""));
}

/** A page of its own: nothing in it is fetched, and the policy says so. */
export function documentOf(
	title: string,
	body: readonly (Markup | undefined)[],
	assets: PageAssets,
	data = "",
): string {
	const parts = body.flatMap((part) => (part === undefined ? [] : [part.text]));
	return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${html`${title}`.text}</title>
<style>${assets.style}</style>
</head>
<body>
<main>
${parts.join("\n")}
</main>
${data}<script>${assets.script.replaceAll("</script", "<\\/script")}</script>
</body>
</html>
`;
}

function titleOf({ target, verdict }: Report): string {
	return `${verdict}: ${target.engine} on ${target.driver} — Faultline`;
}

function head(report: Report): Markup {
	const { target, verdict, counts, timings, tool } = report;
	const of = (one: Finding["verdict"]) => report.findings.filter((finding) => finding.verdict === one).length;
	const figures: [string, string][] = [
		["runs", count(counts.runs)],
		["of them disturbed", count(counts.interruptedRuns)],
		["crashes", count(counts.crashes)],
		["process lives", count(counts.processes)],
		["durable writes", count(counts.durableWrites)],
		["virtual days", count(timings.virtualDays)],
		["seconds", count(timings.seconds)],
	];
	return html`<header class="top">
<p class="maker">Faultline <span>${tool.version}</span></p>
<h1><span class="target">${target.engine}</span> on ${target.driver}</h1>
<p class="verdict v-${verdict}">${VERDICT_TEXTS[verdict]}</p>
<ul class="tally">${(["fail", "fixed", "known", "disputed"] as const).map((one) => html`<li class="v-${one}${of(one) === 0 ? " none" : ""}"><b>${count(of(one))}</b> ${TALLY_WORDS[one]}</li>`)}<li class="v-pass"><b>${count(report.properties.filter((property) => property.verdict === "pass").length)}</b> of ${report.properties.length} properties held throughout</li></ul>
<dl class="figures">${figures.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
${report.interrupted && html`<p class="warning">Stopped before its end: this is what there was until then.</p>`}
</header>`;
}

/** A verdict as a page says it first. */
export const VERDICT_TEXTS: Readonly<Record<Verdict, string>> = {
	pass: "Everything held.",
	fail: "Something new broke.",
	known: "Nothing new broke.",
	fixed: "Something listed broke no more.",
	disputed: "What broke is a matter of reading.",
	skip: "Nothing was checked.",
	invalid: "The result counts for nothing.",
};

const TALLY_WORDS: Readonly<Record<Finding["verdict"], string>> = {
	fail: "new",
	fixed: "listed, and fixed",
	known: "known",
	disputed: "disputed",
};

function problems({ problems: all }: Report): Markup | undefined {
	if (all.length === 0) return undefined;
	return html`<section id="problems"><h2>Why it counts for nothing</h2>${all.map((problem) => html`<pre class="problem">${problem}</pre>`)}</section>`;
}

function baseline({ baseline: before }: Report): Markup | undefined {
	if (before === undefined) return undefined;
	return html`<section id="baseline"><h2>Beside the baseline</h2>
<p>${before.file}: ${before.engine}, ${plural(before.runs, "run")}, made by Faultline ${before.tool}.</p>
${before.warnings.map((warning) => html`<p class="warning">It was ${warning}.</p>`)}
${
	before.gone.length > 0 &&
	table(
		"No longer seen",
		[{ title: "finding" }, { title: "how" }],
		before.gone.map(({ id, how }) => [html`<code>${id}</code>`, how]),
	)
}
</section>`;
}

function findings(report: Report, runs: PageOptions["runs"], packed: ReadonlyMap<string, string>): Markup {
	const { findings: all, properties: judged } = report;
	if (all.length === 0) return html`<section id="findings"><h2>Findings</h2><p>None.</p></section>`;
	const numbers = new Map([...packed.keys()].map((id, i) => [id, `run-${i}`]));
	const present = [...new Set(all.map(({ verdict }) => verdict))];
	const groups = [...new Set(all.map(({ property }) => property))].map((id) => {
		const property = judged.find((one) => one.id === id);
		const own = all.filter((finding) => finding.property === id);
		return html`<section class="property" id="${id}" data-id="${id}"><h3>${id}</h3>
${property !== undefined && html`<p class="claim">${property.claim}</p><p class="source">${property.source}</p>`}
${own.map((finding) => findingOf(finding, report, runs.get(finding.id), numbers.get(finding.id)))}</section>`;
	});
	return html`<section id="findings"><h2>Findings</h2>
<div class="filter" role="search"><label>Search <input type="search" id="search" placeholder="property, kind, program, words"></label>
<fieldset><legend>Verdicts</legend>${present.map((verdict) => html`<label class="v-${verdict}"><input type="checkbox" name="verdict" value="${verdict}" checked> ${TALLY_WORDS[verdict]}</label>`)}</fieldset>
<output id="shown">${all.length} shown</output></div>
<p class="note">${heldText(all, packed)}</p>
${groups}</section>`;
}

/** Which runs can be gone through here. */
function heldText(all: readonly Finding[], packed: ReadonlyMap<string, string>): string {
	if (packed.size === 0) return "No runs were kept with this report; the command of each finding shows its run.";
	const shown = all.filter(({ example }) => example !== undefined).length;
	if (packed.size === shown) return "The simplest run of each finding can be gone through here, step by step.";
	return `${plural(packed.size, "run")} of ${count(shown)} can be gone through here: all of new findings, then one of each property, then the most frequent. The command of each finding shows the others.`;
}

/** So many new findings are open from the beginning. */
const MOST_OPEN = 3;

function findingOf(finding: Finding, report: Report, record: RunRecord | undefined, run: string | undefined): Markup {
	const { id, kind, verdict, runs, programs, example, reason, disputed, link, affects } = finding;
	const claim = report.properties.find((property) => property.id === finding.property)?.claim;
	const news = report.findings.filter((one) => one.verdict === "fail");
	const isOpen = verdict === "fail" && news.indexOf(finding) < MOST_OPEN;
	return html`<details class="finding v-${verdict}" id="${id}" data-id="${id}" data-verdict="${verdict}"${isOpen && html` open`}>
<summary><span class="tag v-${verdict}">${VERDICT_WORDS[verdict]}</span> <span class="kind">${kind}</span> <span class="runs">${runs === 0 ? "as listed" : plural(runs, "run")}</span>${example !== undefined && html`<span class="told">${reason ?? example.message}</span>`}</summary>
<div class="body">
${reason !== undefined && html`<p class="loss"><b>What a user loses.</b> ${reason}${link !== undefined && html` <a href="${link}" rel="noreferrer">more</a>`}</p>`}
${disputed !== undefined && html`<p class="disputed"><b>A matter of reading.</b> ${disputed}</p>`}
${(record === undefined || record.compared.length === 0) && claim !== undefined && html`<p><b>What must hold.</b> ${claim}</p>`}
${example !== undefined && html`<p class="message"><b>What happened.</b> ${example.message}</p>`}
${record !== undefined && expectation(record)}
${example !== undefined && html`<div class="command"><code>${example.command}</code><button type="button" class="copy" hidden>copy</button></div>`}
<div class="facts"><div>${record !== undefined ? program(record) : example !== undefined && html`<p><b>Program</b> ${example.program}</p>`}</div>
<div>${example !== undefined && html`<h4>How it was run</h4><ul>${example.conditions.map((condition) => html`<li>${condition}</li>`)}</ul>`}
${
	programs.length > 0 &&
	html`<p class="small">Shown by ${programs
		.slice(0, 6)
		.map(({ name, runs: shown }) => `${name} (${count(shown)})`)
		.join(", ")}${programs.length > 6 && ` and ${programs.length - 6} more`}.</p>`
}
${affects !== undefined && html`<p class="small">Known of ${affects.join(", ")}.</p>`}
${example !== undefined && html`<p class="small">Digest <code>${example.digest.slice(0, 16)}</code>${example.reproducer !== undefined && html`, reproducer <code>${example.reproducer}</code>`}</p>`}</div></div>
${run !== undefined && html`<div class="run" data-run="${run}"><p class="small">The run is drawn by the script of this page, which is not running.</p></div>`}
</div></details>`;
}

function program({ program: { name, summary, code, inputs } }: RunRecord): Markup {
	return html`<h4>Program: ${name}</h4><p class="small">${summary}</p>${code !== "" && html`<pre class="code" tabindex="0" aria-label="Code of ${name}">${code}</pre>`}${inputs.length > 0 && html`<p class="small">Clients send ${inputs.join("; ")}.</p>`}`;
}

/** How the run ended beside how it should have: only where the two differ at all. */
function expectation({ expectation: what, compared }: RunRecord): Markup | undefined {
	if (what === undefined || compared.every(({ expected, observed }) => expected === observed)) return undefined;
	const rows = compared.map(({ what: name, expected, observed }) => [
		name,
		html`<code>${expected}</code>`,
		html`<code class="${expected === observed ? "same" : "other"}">${observed}</code>`,
	]);
	return html`<div class="compared">${table(`Expected and observed. Expected: ${what}`, [{ title: "what" }, { title: "expected" }, { title: "observed" }], rows)}</div>`;
}

function properties({ properties: all }: Report): Markup {
	const rows = all.map(({ id, suite, claim, verdict, checked, skipped }) => [
		html`<a href="#${id}">${id}</a>`,
		html`<span class="tag v-${verdict}">${VERDICT_WORDS[verdict]}</span>`,
		count(checked),
		claim,
		html`${skipped.map(({ reason, runs }) => html`<div class="small">${count(runs)} not: ${reason}</div>`)}`,
		suite,
	]);
	const columns = [
		...[{ title: "property" }, { title: "verdict" }, { title: "runs checked", number: true }],
		...[{ title: "what must hold" }, { title: "not checked" }, { title: "suite" }],
	];
	return html`<section id="properties"><h2>Properties</h2>${table("Each property with its verdict", columns, rows, "properties")}</section>`;
}

function settings({ settings: asked, tool, schemaVersion }: Report): Markup {
	const text = (value: string | number | readonly string[]) => (typeof value === "object" ? value.join(", ") : value);
	return html`<section id="settings"><h2>Settings</h2><dl class="settings">${Object.entries(asked).map(([name, value]) => html`<div><dt>${name}</dt><dd>${text(value)}</dd></div>`)}</dl>
<p class="small">Made by Faultline ${tool.version}; report format ${schemaVersion}. The same settings give the same findings.</p></section>`;
}
