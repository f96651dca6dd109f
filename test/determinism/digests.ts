/**
 * Digests of a dozen drawn runs each of the newest published engine and of the oldest. Called, it returns them;
 * as a script it prints them as JSON, and as a worker it posts them. Whatever is named on the command line, or as the
 * worker's data, is imported first, so that another order of imports can be tried.
 */
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";

const ENGINES = ["rivet-2.3.19", "rivet-2.1.3"];
const SEEDS = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233];

export interface Digest {
	readonly engine: string;
	readonly seed: number;
	readonly program: string;
	readonly digest: string;
}

export async function digests(importsFirst: readonly string[] = []): Promise<Digest[]> {
	for (const specifier of importsFirst) await import(specifier);
	const { loadRivet } = await import("../../drivers/engine/rivet/engine.ts");
	const { memoryStorage } = await import("../../drivers/storage/memory/driver.ts");
	const { PROGRAMS } = await import("../../fixtures/programs/index.ts");
	const { Explorer } = await import("../../sim/explore/explorer.ts");
	const { inMacrotask } = await import("../../sim/world/interpose.ts");
	const { PROPERTIES } = await import("../../suites/index.ts");

	const explorers = await Promise.all(
		ENGINES.map(async (name) => {
			const target = { engine: await loadRivet(name), storage: memoryStorage };
			return new Explorer(target, PROGRAMS, PROPERTIES);
		}),
	);
	return inMacrotask(() =>
		explorers.flatMap((explorer) =>
			SEEDS.map((seed) => {
				const { scenario, program } = explorer.draw(seed);
				const { run } = explorer.judge(scenario, program);
				return {
					engine: explorer.target.engine.name,
					seed,
					program: program.name,
					digest: run.history.digest(),
				};
			}),
		),
	);
}

const isScript = process.argv[1] === fileURLToPath(import.meta.url);
if (parentPort !== null && workerData?.importsFirst !== undefined) {
	parentPort.postMessage(await digests(workerData.importsFirst));
} else if (isScript) {
	console.log(JSON.stringify(await digests(process.argv.slice(2))));
}
