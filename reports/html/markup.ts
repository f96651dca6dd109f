/** Markup as text, in which every value that is put in is escaped unless it is markup itself. */

export class Markup {
	readonly text: string;

	constructor(text: string) {
		this.text = text;
	}
}

type Value = Markup | string | number | undefined | false | readonly Value[];

/** html`<p>${text}</p>`: what is put in is escaped; markup and lists of it are put in as they are, `undefined` and `false` are nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
	return new Markup(parts.map((part, i) => (i === 0 ? part : textOf(values[i - 1]) + part)).join(""));
}

function textOf(value: Value): string {
	if (value instanceof Markup) return value.text;
	if (value === undefined || value === false) return "";
	return typeof value === "object" ? value.map(textOf).join("") : escaped(String(value));
}

function escaped(text: string): string {
	return text
		.replaceAll("&", "&amp;")
		.replaceAll("<", "&lt;")
		.replaceAll(">", "&gt;")
		.replaceAll('"', "&quot;")
		.replaceAll("'", "&#39;");
}

export interface Column {
	readonly title: string;
	/** Whether its cells are numbers, which are set to the right. */
	readonly number?: boolean;
}

/** A table that scrolls by itself where it is too wide; the first cell of a row is its head. */
export function table(
	caption: string,
	columns: readonly Column[],
	rows: readonly (readonly Value[])[],
	className = "",
): Markup {
	const side = ({ number }: Column) => (number === true ? "number" : "");
	return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table class="${className}"><caption>${caption}</caption><thead><tr>${columns.map((column) => html`<th scope="col" class="${side(column)}">${column.title}</th>`)}</tr></thead><tbody>${rows.map(
		(cells) =>
			html`<tr>${cells.map((cell, i) =>
				i === 0
					? html`<th scope="row">${cell}</th>`
					: html`<td class="${side(columns[i] ?? { title: "" })}">${cell}</td>`,
			)}</tr>`,
	)}</tbody></table></div>`;
}
