/** What a campaign covered, as sections of a page: faults, crash points, crash windows, generated programs, what was avoided. */
import type { CrashSearchResult, CrashWindow, GeneratedResult, Report, SearchResult } from "../model.ts";
import { count, hosted, plural } from "../text.ts";
import { html, type Markup, table } from "./markup.ts";

export function coverageSections({ coverage }: Report): (Markup | undefined)[] {
	const { faults, programs, searches = [], generated, avoided = [] } = coverage;
	return [
		faults.length === 0 ? undefined : faultSection(faults),
		searches.length === 0
			? undefined
			: html`<section id="searches"><h2>Searches</h2>${searches.map(searchOf)}</section>`,
		programs.some(({ writes }) => writes !== undefined) ? programSection(programs) : undefined,
		generated === undefined ? undefined : generatedSection(generated),
		avoided.length === 0
			? undefined
			: html`<section id="avoided"><h2>Avoided</h2><p class="note">Parts of the space that seeds leave out, so that what is behind known failures shows.</p>${table(
					"Shapes that seeds avoid",
					[
						...[{ title: "shape" }, { title: "what it is" }, { title: "seeds avoided it", number: true }],
						...[{ title: "ran it", number: true }, { title: "because of" }],
					],
					avoided.map((one) => [
						html`<code>${one.shape}</code>`,
						one.meaning,
						count(one.avoided),
						count(one.ran),
						one.entries.join(", ") || "asked for",
					]),
				)}</section>`,
	];
}

function faultSection(faults: Report["coverage"]["faults"]): Markup {
	const most = Math.max(1, ...faults.map(({ planned }) => planned));
	return html`<section id="faults"><h2>Faults</h2><p class="note">A fault counts when the history proves that it struck. Windows are different places between two durable writes.</p>${table(
		"Faults by kind",
		[
			...[{ title: "kind" }, { title: "planned", number: true }, { title: "struck", number: true }],
			...[{ title: "windows", number: true }, { title: "share" }],
		],
		faults.map(({ kind, planned, fired, windows }) => [
			kind,
			count(planned),
			count(fired),
			count(windows),
			bar(planned / most, fired / most, `${count(fired)} of ${count(planned)} struck`),
		]),
	)}</section>`;
}

/** Two lengths, one in the other, each a part of the whole. */
function bar(outer: number, inner: number, label: string): Markup {
	return html`<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="${label}"><rect class="outer" width="${percent(outer)}" height="8"/><rect class="inner" width="${percent(inner)}" height="8"/></svg>`;
}

function percent(part: number): number {
	return Math.round(part * 1_000) / 10;
}

function programSection(programs: Report["coverage"]["programs"]): Markup {
	const rows = programs.map(({ name, runs, writes, crashedAt }) => [
		name,
		count(runs),
		writes === undefined ? "" : count(writes),
		crashedAt === undefined ? "" : count(crashedAt),
		writes === undefined ? "" : bar(1, (crashedAt ?? 0) / Math.max(1, writes), `${crashedAt} of ${writes}`),
	]);
	return html`<section id="programs"><h2>Programs</h2>${table(
		"Before or after how many durable writes of each program a crash struck",
		[
			...[{ title: "program" }, { title: "runs", number: true }, { title: "durable writes", number: true }],
			...[{ title: "crashed at", number: true }, { title: "share" }],
		],
		rows,
	)}</section>`;
}

function searchOf(search: SearchResult): Markup {
	if (search.kind === "crashes") return crashSearch(search);
	const { program, mode, schedules, explored, exhausted, choices, widest, departures } = search;
	return html`<h3>${program}, ${hosted(mode)}: every order</h3><p>${exhausted ? "Exhausted" : "Not exhausted"}: ${count(explored)} of ${count(schedules)} orders${departures !== undefined && `, at most ${departures} departures`}; up to ${count(choices)} choices in a run, ${widest} wide.</p>`;
}

function crashSearch(search: CrashSearchResult): Markup {
	const { program, mode, depth, ways, states, explored, exhausted, windows, bounded } = search;
	const dark = windows.filter(({ crossed }) => crossed === 0).length;
	return html`<h3>${program}, ${hosted(mode)}: every crash state</h3>
<p>${exhausted ? "Exhausted" : "Not exhausted"} to depth ${depth}: ${count(explored)} of ${plural(states, "state")}, from ${plural(ways, "way")} to crash. ${count(windows.length - dark)} of ${plural(windows.length, "crash window")} crossed${dark > 0 && html`, <b>${dark} dark</b>`}.</p>
${bounded.map((bound) => html`<p class="small">Bounded: ${bound}.</p>`)}
${ledger(windows)}
<details class="plain"><summary>The ledger of crash windows</summary>${table(
		`Crash windows of ${program}`,
		[
			...[{ title: "window" }, { title: "up to" }, { title: "ways", number: true }],
			...[{ title: "in recoveries", number: true }],
		],
		windows.map(({ from, operation, detail, crossed, crossedInRecovery }) => [
			operation === "end" ? `${from}` : `${from} → ${from + 1}`,
			`${operation} ${detail}`,
			crossed === 0 ? html`<b class="v-fail">dark</b>` : count(crossed),
			count(crossedInRecovery),
		]),
	)}</details>`;
}

/** All windows in a row, each darker the more ways cross it; one that nothing crosses is crossed out. */
function ledger(windows: readonly CrashWindow[]): Markup {
	const most = Math.max(1, ...windows.map(({ crossed }) => crossed));
	const size = 10;
	const cells = windows.map(({ from, operation, crossed }, i) => {
		const title = html`<title>${from} → ${operation}: ${crossed === 0 ? "dark" : plural(crossed, "way")}</title>`;
		if (crossed === 0) {
			return html`<g class="dark">${title}<rect x="${i * size}" width="9" height="18"/><path d="M${i * size + 1} 1l7 16m0-16l-7 16"/></g>`;
		}
		const strength = (0.25 + 0.75 * (Math.log1p(crossed) / Math.log1p(most))).toFixed(2);
		return html`<rect class="crossed" x="${i * size}" width="9" height="18" opacity="${strength}">${title}</rect>`;
	});
	const label = `${windows.filter(({ crossed }) => crossed > 0).length} of ${windows.length} crash windows crossed`;
	return html`<div class="scroll" role="region" tabindex="0" aria-label="${label}"><svg class="ledger" width="${windows.length * size}" height="18" role="img" aria-label="${label}">${cells}</svg></div>`;
}

function generatedSection({ runs, kinds, traits, nestings, never }: GeneratedResult): Markup {
	const inner = [...new Set(nestings.map((pair) => pair.inner))];
	const ran = new Map(nestings.map((pair) => [`${pair.outer} ${pair.inner}`, pair.ran]));
	return html`<section id="generated"><h2>Generated programs</h2><p class="note">${plural(runs, "run")} of programs drawn from a small language of workflows; numbers count runs.</p>
${table(
	"Statements that ran, and that a process died in",
	[{ title: "statement" }, { title: "ran", number: true }, { title: "died in", number: true }, { title: "share" }],
	kinds.map(({ kind, ran: reached, crashedIn }) => [
		kind,
		count(reached),
		count(crashedIn),
		bar(reached / Math.max(1, runs), crashedIn / Math.max(1, runs), `${count(crashedIn)} of ${count(reached)}`),
	]),
)}
${table(
	"Statements directly inside others",
	[{ title: "inside" }, ...inner.map((title) => ({ title, number: true }))],
	[...new Set(nestings.map(({ outer }) => outer))].map((outer) => [
		outer,
		...inner.map((one) => heat(ran.get(`${outer} ${one}`) ?? 0, runs)),
	]),
	"heat",
)}
<p>Traits: ${traits.map(({ trait, ran: reached }) => `${trait} ${count(reached)}`).join(", ") || "none"}.</p>
<p>Never ran: ${never.join(", ") || "nothing that could"}.</p></section>`;
}

function heat(reached: number, runs: number): Markup {
	if (reached === 0) return html`<span class="never">–</span>`;
	const level = Math.min(5, 1 + Math.floor((Math.log1p(reached) / Math.log1p(Math.max(1, runs))) * 5));
	return html`<span class="heat-${level}">${count(reached)}</span>`;
}
