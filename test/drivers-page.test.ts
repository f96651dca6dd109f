/** `docs/drivers.md` has a row for each storage property and each driver in the box: a page that nobody has to remember. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { BOX } from "../drivers/storage/box/index.ts";
import { DRIVER_PROPERTIES } from "../suites/storage-driver/index.ts";

const ROWS = readFileSync(new URL("../docs/drivers.md", import.meta.url), "utf8")
	.split("\n")
	.filter((line) => line.startsWith("| "))
	.map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));

test("the page has one row for each property, with its claim, its source and kinds", () => {
	const page = ROWS.filter(([id]) => /^`storage\./.test(id ?? ""));
	expect(page.map(([id, claim, source]) => ({ id, claim, source }))).toEqual(
		DRIVER_PROPERTIES.map(({ id, claim, source }) => ({ id: `\`${id}\``, claim, source })),
	);
	for (const [id, , , kinds] of page) expect(kinds, id).toMatch(/`\S/);
});

test("the page has claims and a figure for each driver in the box, and its row in the table", () => {
	// Without the heading and the line below it.
	const figures = ROWS.filter((row) => row.length === 8).slice(2);
	expect(figures.map(([name]) => name?.replaceAll("`", ""))).toEqual([...BOX.keys()]);
	for (const row of figures) expect(row.at(-1), row[0]).toMatch(/^\d+( \d{3})*$/);
	const verdicts = ROWS.filter((row) => row.length === DRIVER_PROPERTIES.length + 1).slice(2);
	expect(verdicts.map(([name]) => name)).toEqual([...BOX.keys()]);
});

test.each(DRIVER_PROPERTIES)("$id comes from somewhere that can be looked up", ({ source }) => {
	for (const part of source.split("; ")) expect(part).toMatch(/^(types|engine): \S/);
});
