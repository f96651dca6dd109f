/**
 * `pnpm bench [section …] [--json]`: how fast worlds are, and beside what. Prints a table for each section, or with `--json`
 * the figures and nothing else. Without names it measures the sections that take seconds, in under two minutes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NEWEST } from "../drivers/engine/rivet/engine.ts";
import { actors } from "./actors.ts";
import { cold } from "./cold.ts";
import { commands } from "./commands.ts";
import { crashes } from "./crashes.ts";
import { growth } from "./growth.ts";
import { memory } from "./memory.ts";
import { overhead } from "./overhead.ts";
import type { Section } from "./section.ts";
import { states } from "./states.ts";
import { workers } from "./workers.ts";

const SECTIONS: readonly Section[] = [crashes, overhead, states, cold, memory, workers, growth, actors, commands];

const EXIT_USAGE = 2;

try {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: { json: { type: "boolean" }, report: { type: "string" } },
	});
	const unknown = positionals.find((name) => !SECTIONS.some((section) => section.name === name));
	if (unknown !== undefined)
		fail(`Unknown section "${unknown}"; choose from ${SECTIONS.map(({ name }) => name).join(", ")}.`);
	else await run(positionals, values.json === true, values.report);
} catch (error) {
	if (!(error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS")) throw error;
	fail(`${(error as Error).message} The options are --json and --report DIR.`);
}

async function run(names: readonly string[], json: boolean, report?: string): Promise<void> {
	const begun = performance.now();
	const chosen = SECTIONS.filter(({ name, byDefault }) => (names.length === 0 ? byDefault : names.includes(name)));
	const head = { engine: NEWEST, node: process.versions.node };
	if (!json) process.stdout.write(`${head.engine}, Node ${head.node}\n`);
	const sections: Record<string, unknown> = {};
	for (const section of chosen) {
		const figures = await section.measure((what) => {
			if (!json) process.stderr.write(`${section.name}: ${what}\n`);
		});
		sections[section.name] = figures;
		if (!json) process.stdout.write(`\n${section.text(figures)}\n`);
		if (report === undefined) continue;
		mkdirSync(report, { recursive: true });
		for (const [name, content] of section.files?.(figures) ?? []) writeFileSync(join(report, name), content);
	}
	const tookMs = performance.now() - begun;
	if (json) {
		process.stdout.write(`${JSON.stringify({ ...head, sections, tookMs }, null, "\t")}\n`);
		return;
	}
	const others = SECTIONS.filter((section) => !chosen.includes(section));
	process.stdout.write(
		[
			"",
			`Ratios are of processor time, both sides in turn in one process, lower quartiles\nof each; single pairs in brackets. It took ${(tookMs / 1000).toFixed(0)} s.`,
			...(others.length === 0
				? []
				: ["More by name:", ...others.map(({ name, about }) => `  pnpm bench ${name.padEnd(10)}${about}`)]),
			"",
		].join("\n"),
	);
}

function fail(message: string): void {
	process.stderr.write(`${message}\n`);
	process.exitCode = EXIT_USAGE;
}
