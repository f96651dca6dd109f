/** The page that leads to the published tables, as Markdown. */
import type { MatrixReport } from "./model.ts";

export type MatrixKind = NonNullable<MatrixReport["kind"]>;

export interface PublishedTable {
	readonly name: MatrixKind;
	readonly markdown: string;
}

const TITLES: Readonly<Record<MatrixKind, string>> = {
	versions: "versions of the workflow engine",
	drivers: "storage drivers",
	actors: "actor runtimes",
	runners: "runners, and the servers they talk to",
};

export function publishedIndex(tables: readonly PublishedTable[]): string {
	const rows = tables.map(({ name, markdown }) => {
		const settings = /## Settings\n\n([^\n]*)/.exec(markdown)?.[1] ?? "";
		return `| ${TITLES[name]} | [${name}.md](${name}.md), [${name}.html](${name}.html) | ${settings.replaceAll("|", "\\|")} |`;
	});
	return `# What holds where

Every property on every target, with what broke, how often it was checked, and the command that shows it again. All of it is made by
one command:

\`\`\`
pnpm sim published                        all tables; an hour or so
pnpm sim published --only drivers         one of them
pnpm sim published --runs 500             fewer seeds for each target
\`\`\`

| properties by | table | made how |
| --- | --- | --- |
${rows.join("\n")}
`;
}
