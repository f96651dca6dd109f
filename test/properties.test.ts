/** `docs/properties.md` names every property, each with its claim and where it comes from: a page that nobody has to remember. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMPARISONS, PROPERTIES } from "../suites/index.ts";

/** The rows that begin with a property: id, claim, source, kinds. */
const ROWS = readFileSync(new URL("../docs/properties.md", import.meta.url), "utf8")
	.split("\n")
	.filter((line) => /^\| `[a-z-]+\.[a-z-]+` /.test(line))
	.map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));

test("the page has one row for each property, with its claim and its source", () => {
	const page = ROWS.map(([id, claim, source]) => ({ id, claim, source }));
	const properties = [...PROPERTIES, ...COMPARISONS];
	expect(page).toEqual(properties.map(({ id, claim, source }) => ({ id: `\`${id}\``, claim, source })));
});

test("each row names kinds", () => {
	for (const [id, , , kinds] of ROWS) expect(kinds, id).toMatch(/\S/);
});

test.each([...PROPERTIES, ...COMPARISONS])("$id comes from somewhere that can be looked up", ({ source }) => {
	for (const part of source.split("; ")) {
		expect(part).toMatch(/^(docs|types|errors|engine): \S|^PR \d+|^the budgets of fixtures\//);
	}
});
