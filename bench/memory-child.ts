/** The process whose memory the section `memory` looks at: one campaign, a sample every so many runs, as JSON. */
import { PROGRAMS } from "../fixtures/programs/index.ts";
import { campaign } from "../sim/explore/campaign/campaign.ts";
import { Explorer } from "../sim/explore/explorer.ts";
import { PROPERTIES } from "../suites/index.ts";
import { target } from "./world.ts";

export interface MemorySample {
	readonly runs: number;
	/** Bytes: resident in all, used in the heap, and held outside of it. */
	readonly resident: number;
	readonly heap: number;
	readonly external: number;
}

const WARM_UP_RUNS = 10_000;
const RUNS = 100_000;
const SAMPLE_EVERY = 20_000;

const samples: MemorySample[] = [];
let next = WARM_UP_RUNS;

await campaign(new Explorer(target, PROGRAMS, PROPERTIES), {
	from: 1,
	runs: WARM_UP_RUNS + RUNS,
	expectations: [],
	commandFor: (seed) => `pnpm sim --seed ${seed}`,
	commandForKnown: (id) => `pnpm sim --known ${id}`,
	onProgress(runs) {
		if (runs < next) return;
		next += SAMPLE_EVERY;
		globalThis.gc?.();
		globalThis.gc?.();
		const { rss, heapUsed, external } = process.memoryUsage();
		samples.push({ runs, resident: rss, heap: heapUsed, external });
	},
});
process.stdout.write(JSON.stringify(samples));
