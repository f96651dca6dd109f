/** The table of docs/actors.md says what the lists of known failures hold, and each of these has its meaning: nothing more, nothing less. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const VERSIONS = ["2.1.3", "2.1.5", "2.2.1", "2.3.19"];

interface Known {
	readonly property: string;
	readonly kind: string;
	readonly disputed?: string;
	readonly scenario: { readonly faults: readonly unknown[] };
}

const lists = VERSIONS.map((version) => {
	const known = JSON.parse(read(`fixtures/expectations/actors/rivetkit-${version}.json`)) as readonly Known[];
	return new Map(known.map((one) => [`${one.property}/${one.kind}`, one]));
});
const ids = [...new Set(lists.flatMap((list) => [...list.keys()]))].sort();

/** How many faults it takes, in the words of the page. */
function told(known: Known | undefined): string {
	if (known === undefined) return "";
	if (known.disputed !== undefined) return "disputed";
	const { length } = known.scenario.faults;
	return length === 0 ? "no fault" : `${length} fault${length === 1 ? "" : "s"}`;
}

test("the table of known failures has a row for each, with how many faults it takes", () => {
	const rows = read("docs/actors.md")
		.split("\n")
		.filter((line) => /^\| [a-z]+\.[a-z-]+\/[a-z-]+ /.test(line))
		.map((line) =>
			line
				.split("|")
				.slice(1, -1)
				.map((cell) => cell.trim()),
		);
	expect(rows).toEqual(ids.map((id) => [id, ...lists.map((list) => told(list.get(id)))]));
});

test("each known failure has a meaning, and each meaning is some version's", () => {
	const meanings = parse(read("fixtures/expectations/actors/meanings.yaml")) as Record<string, unknown>;
	expect(Object.keys(meanings).sort()).toEqual(ids);
});
