/** docs/commands.md says what there is: every program, property, weakness and deviation, in the words of the code. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadRunner, loadServer } from "../../drivers/runner/load.ts";
import { RUNNER_DEVIATIONS } from "../../drivers/runner/reference/rules.ts";
import { SERVER_WEAKNESSES } from "../../drivers/runner/server/rules.ts";
import { COMMAND_PROGRAMS } from "../../fixtures/commands/index.ts";
import { commandSubject } from "../../sim/explore/commands/subject.ts";
import { describeFault, parseFault } from "../../sim/world/faults.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import { COMMAND_PROPERTIES } from "../../suites/commands/index.ts";

const page = readFileSync(new URL("../../docs/commands.md", import.meta.url), "utf8");

/** The cells of the row that begins so. */
const rowOf = (name: string) =>
	page
		.split("\n")
		.find((line) => line.startsWith(`| \`${name}\``))
		?.split("|")
		.map((cell) => cell.trim());

describe("the page has", () => {
	it.each(COMMAND_PROGRAMS.map(({ name, summary }) => [name, summary] as const))("program %s", (name, summary) => {
		expect(rowOf(name)).toContain(summary);
	});

	it.each(COMMAND_PROPERTIES.map(({ id, claim }) => [id, claim] as const))("property %s", (id, claim) => {
		expect(rowOf(id)).toContain(claim);
	});

	it.each(Object.entries(SERVER_WEAKNESSES))("weakness %s", (name, { what, pegboard }) => {
		expect(rowOf(name)?.slice(2, 4)).toEqual([pegboard ? "yes" : "no", what]);
	});

	it.each(Object.entries(RUNNER_DEVIATIONS))("deviation %s", (name, what) => {
		expect(rowOf(name)).toContain(what);
	});

	it("faults as plans say them", () => {
		const named = [...page.matchAll(/^\| `([^`]*frame \d[^`]*)`/gm)].map(([, text]) => text as string);
		expect(named.length).toBe(6);
		expect(named.map((text) => describeFault(parseFault(text) as NonNullable<ReturnType<typeof parseFault>>))).toEqual(
			named,
		);
	});
});

describe("what the page says of the published runner", () => {
	const findings = [...page.matchAll(/^\| `([a-z.-]+\/[a-z-]+)`\s+\| (\d+)\s+\|/gm)].map(
		([, id, seed]) => [id as string, Number(seed)] as const,
	);

	it("is there", () => {
		expect(findings.length).toBeGreaterThan(8);
	});

	it.each(findings)("%s shows in seed %i", async (id, seed) => {
		const subject = commandSubject({
			runner: await loadRunner("engine-runner-2.2.1"),
			server: loadServer("reference"),
		});
		const run = await inMacrotask(() => subject.run(subject.draw(seed)));
		const found = COMMAND_PROPERTIES.flatMap((property) =>
			property.check(run).map(({ kind }) => `${property.id}/${kind}`),
		);
		expect(found).toContain(id);
	});
});
