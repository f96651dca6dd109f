/** What a program is made of as lines to read: plain data laid out, and functions by their source. */

/** Data that is no longer than this stands on one line. */
const MOST_COLUMNS = 90;

export function sourceText(value: unknown, indent = ""): string {
	if (typeof value === "function") return indented(dedented(String(value)), indent);
	if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? String(value);
	const isList = Array.isArray(value);
	const inner = `${indent}\t`;
	const parts = Object.entries(value).map(([name, held]) => {
		const text = sourceText(held, inner);
		// A method says its name itself.
		return isList || isMethod(name, held) ? text : `${name}: ${text}`;
	});
	const [open, close] = isList ? ["[", "]"] : ["{", "}"];
	if (parts.length === 0) return open + close;
	const line = `${open} ${parts.join(", ")} ${close}`;
	if (line.length <= MOST_COLUMNS && !line.includes("\n")) return line;
	return `${open}\n${parts.map((part) => `${inner}${part},`).join("\n")}\n${indent}${close}`;
}

function isMethod(name: string, value: unknown): boolean {
	return typeof value === "function" && new RegExp(`^(async )?\\*?${name}\\(`).test(String(value));
}

/** Source without the indentation that it has where it stands, which is that of its last line. */
export function dedented(source: string): string {
	const lines = source.split("\n");
	const indent = /^\s*/.exec(lines.at(-1) ?? "")?.[0] ?? "";
	return lines.map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line)).join("\n");
}

function indented(source: string, indent: string): string {
	return source.replaceAll("\n", `\n${indent}`);
}
