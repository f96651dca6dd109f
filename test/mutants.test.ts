/** Mutants are wrong, and wrong in the same way each time: equal seeds make equal histories. What kills them is `gate.test.ts`. */
import { beforeAll, describe, expect, it } from "vitest";
import { referenceEngine } from "../drivers/engine/reference/reference.ts";
import { loadRivet, NEWEST } from "../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import { ALL_MUTANTS } from "../sim/explore/gate/deviations.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import type { Target } from "../suites/run.ts";

const reference: Target = { engine: referenceEngine(), storage: memoryStorage };
let published: Target;
beforeAll(async () => {
	published = { engine: await loadRivet(NEWEST), storage: memoryStorage };
});

describe("equal seeds make equal histories", () => {
	it.each(ALL_MUTANTS.map((mutant) => [mutant.name, mutant] as const))("%s", async (_, mutant) => {
		const programs = PROGRAMS.filter(({ name }) => name === "queue-loop");
		const explorer = new Explorer(mutant.plant(mutant.of === undefined ? published : reference), programs, []);
		const digests = await inMacrotask(() =>
			[1, 1].map((seed) => {
				const { scenario, program } = explorer.draw(seed);
				return explorer.judge(scenario, program).run.history.digest();
			}),
		);
		expect(digests[1]).toBe(digests[0]);
	});
});
