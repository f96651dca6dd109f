/**
 * Where the newest published engine keeps its promises, the suites must agree: programs of steps, sleeps, loops at the root
 * and completed messages hold at every crash state. What alone is known of them is that looking at a finished workflow
 * writes.
 */
import { beforeAll, describe, expect, it } from "vitest";
import type { HostingMode } from "../drivers/engine/host.ts";
import { drawProgram } from "../fixtures/generators/draw.ts";
import { replaced } from "../fixtures/generators/edit.ts";
import { programOf } from "../fixtures/generators/interpret.ts";
import type { Program } from "../fixtures/programs/program.ts";
import { type Explorer, idOf } from "../sim/explore/explorer.ts";
import { CrashSearch } from "../sim/explore/search/crashes.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { explorerOf } from "./support/explorer.ts";

const KNOWN = new Set(["replay.pure/completed-wrote-workflow-state", "replay.pure/completed-wrote-workflow-output"]);
const PROGRAMS = 24;

let explorer: Explorer;

beforeAll(async () => {
	explorer = await explorerOf();
});

/** Steps, some of which fail and are retried, sleeps, loops at the root, and messages that are all completed. */
function flatProgram(seed: number): Program {
	const { statements, inputs } = drawProgram(seed, { size: 2 + (seed % 4), kinds: ["sleep", "receive", "loop"] });
	const completing = replaced(statements, (statement) =>
		statement.kind === "receive" ? [{ ...statement, completable: "once" }] : undefined,
	);
	return programOf(completing, inputs);
}

describe("a flat program on the newest published engine", () => {
	it.each<HostingMode>(["live", "yield"])("holds at every crash state, %s", async (mode) => {
		const found = new Set<string>();
		let states = 0;
		await inMacrotask(() => {
			for (let seed = 1; seed <= PROGRAMS; seed++) {
				const problems: string[] = [];
				const search = new CrashSearch(explorer, flatProgram(seed), mode, {
					depth: 1,
					kinds: new Set(),
					onJudged: ({ violations }) => {
						for (const violation of violations) found.add(idOf(violation));
					},
					onProblem: (problem) => problems.push(problem),
				});
				while (search.step());
				expect(problems).toEqual([]);
				states += search.result().states;
			}
		});
		expect([...found].filter((id) => !KNOWN.has(id))).toEqual([]);
		expect(states).toBeGreaterThan(10 * PROGRAMS);
	});
});
