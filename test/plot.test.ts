/** Plots put points where they belong, in characters and as SVG. */
import { expect, it } from "vitest";
import { type Plot, plotSvg, plotText } from "../reports/plot.ts";

const plot: Plot = {
	title: "Growth",
	x: "steps",
	y: "ms",
	series: [
		{
			name: "a < b",
			points: [
				{ x: 100, y: 1 },
				{ x: 10_000, y: 1_000 },
			].map((point) => point),
		},
		{ name: "flat", points: [{ x: 1_000, y: 1 }] },
	],
};

it("in characters: lowest to the left below, highest to the right above, a mark for each series", () => {
	const lines = plotText(plot).split("\n");
	const rows = lines.filter((line) => line.includes("┤"));
	expect(rows[0]).toMatch(/^1000 ┤ {47}o$/);
	expect(rows.at(-1)).toMatch(/^ +1 ┤o {22,23}x$/);
	expect(lines.at(-1)).toMatch(/x flat$/);
	expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
});

it("as SVG: a way through the points of each series, texts escaped", () => {
	const svg = plotSvg(plot);
	expect(svg).toContain('d="M80 350L460 40"');
	expect(svg).toContain("a &lt; b");
	expect(svg.match(/<circle/g)).toHaveLength(3);
});

it("refuses what a logarithm cannot hold", () => {
	expect(() => plotText({ ...plot, series: [{ name: "z", points: [{ x: 1, y: 0 }] }] })).toThrow(/above 0/);
});
