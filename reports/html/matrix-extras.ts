/** What a matrix of versions has besides its table: upgrades, what operations cost from version to version, and mutants. */
import type { CostResult, CostRow, MutantsResult, UpgradeResult } from "../model.ts";
import { count, plural } from "../text.ts";
import { html, type Markup, table } from "./markup.ts";

export function upgradesSection({ pairs, problems }: UpgradeResult): Markup {
	const judged = pairs.filter(({ direction }) => direction === "upgrade");
	const targets = [...new Set(judged.map(({ to }) => to))];
	const rows = [...new Set(judged.map(({ from }) => from))].map((from) => [
		from,
		...targets.map((to) => {
			const pair = judged.find((one) => one.from === from && one.to === to);
			if (pair === undefined) return "";
			const { failures, states } = pair;
			const what = failures.length === 0 ? "pass" : "fail";
			const words = failures.length === 0 ? "pass" : plural(failures.length, "kind");
			return html`<span class="v-${what}">${words}</span> <span class="small">${count(states)} states</span>`;
		}),
	]);
	const broken = judged.flatMap(({ from, to, failures }) => failures.map((failure) => ({ from, to, ...failure })));
	return html`<section id="upgrades"><h2>Upgrades</h2><p class="note">Every durable state that one version left (rows), finished under a newer one.</p>
${table("Upgrades", [{ title: "from \\ to" }, ...targets.map((title) => ({ title }))], rows)}
${
	broken.length > 0 &&
	table(
		"What broke in upgrades",
		[{ title: "kind" }, { title: "from" }, { title: "to" }, { title: "what happened" }, { title: "shows it again" }],
		broken.map(({ kind, from, to, example }) => [
			...[kind, from, to],
			example.message,
			html`<code>${example.command}</code>`,
		]),
	)
}${problems.map((problem) => html`<pre class="problem">${problem}</pre>`)}</section>`;
}

export function costSection({ engines, rows }: CostResult): Markup {
	const figures = [
		["durable writes", "writes"],
		["operations", "operations"],
		["bytes", "bytes"],
	] as const;
	return html`<section id="cost"><h2>Cost</h2><p class="note">Of one more of each operation, from version to version (${engines[0]} to ${engines.at(-1)}). A point is a version; a gap is one that lacks the operation. The figure beside it is that of the newest.</p>
${table(
	"Cost of one more of each operation, by version",
	[{ title: "operation" }, { title: "hosting" }, ...figures.map(([title]) => ({ title }))],
	rows.map((row) => [
		html`<span title="${row.summary}">${row.operation}</span>`,
		row.mode,
		...figures.map(([title, figure]) => trend(row, figure, title)),
	]),
)}</section>`;
}

const WIDTH = 110;
const HEIGHT = 26;

/** A line through the versions, from 0 to the most that any of them takes. */
function trend({ operation, times, cells }: CostRow, figure: "writes" | "operations" | "bytes", name: string): Markup {
	const values = cells.map(({ cost }) => (cost === undefined ? undefined : cost[figure] / times));
	const most = Math.max(1, ...values.map((value) => value ?? 0));
	const step = WIDTH / Math.max(1, values.length);
	const points = values.flatMap((value, i) =>
		value === undefined
			? []
			: [{ x: round(step * (i + 0.5)), y: round(HEIGHT - 4 - (value / most) * (HEIGHT - 8)), value }],
	);
	const newest = points.at(-1)?.value;
	const told = cells.map(
		({ engine }, i) => `${engine}: ${values[i] === undefined ? "not there" : figureText(values[i])}`,
	);
	return html`<span class="trend"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${`${name} of ${operation}: ${told.join(", ")}`}"><line class="floor" x1="0" x2="${WIDTH}" y1="${HEIGHT - 3}" y2="${HEIGHT - 3}"/><polyline points="${points.map(({ x, y }) => `${x},${y}`).join(" ")}"/>${points.map(({ x, y }) => html`<circle cx="${x}" cy="${y}" r="2.2"/>`)}</svg> ${newest === undefined ? "" : figureText(newest)}</span>`;
}

function figureText(value: number): string {
	return Number.isInteger(value) ? count(value) : value.toFixed(2);
}

function round(value: number): number {
	return Math.round(value * 10) / 10;
}

export function mutantsSection({ rows, gaps }: MutantsResult): Markup {
	const alive = rows.filter(({ verdict }) => verdict !== "pass");
	return html`<section id="mutants"><h2>Mutants</h2><p>${count(rows.length - alive.length)} of ${count(rows.length)} kills in no more than on record${alive.length > 0 && html`; <b class="v-fail">${alive.length} not</b>`}.</p>
${gaps.map((gap) => html`<p class="warning">${gap}</p>`)}
<details class="plain"${alive.length > 0 && html` open`}><summary>Every mutant, with the property that kills it</summary>${table(
		"Mutants",
		[
			...[
				{ title: "mutant" },
				{ title: "property" },
				{ title: "killed in", number: true },
				{ title: "may take", number: true },
			],
			...[{ title: "verdict" }, { title: "hunts it again" }],
		],
		rows.map(({ mutant, property, kind, seeds, unit, limit, verdict, command }) => [
			mutant,
			`${property}/${kind}`,
			seeds === undefined ? "lives" : `${count(seeds)} ${unit}`,
			count(limit),
			html`<span class="v-${verdict}">${verdict}</span>`,
			html`<code>${command}</code>`,
		]),
	)}</details></section>`;
}
