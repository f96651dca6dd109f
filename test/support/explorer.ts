/** An explorer of a published engine on the embedded disk, for tests. */
import { loadRivet, NEWEST } from "../../drivers/engine/rivet/engine.ts";
import { memoryStorage } from "../../drivers/storage/memory/driver.ts";
import { PROGRAMS } from "../../fixtures/programs/index.ts";
import { Explorer } from "../../sim/explore/explorer.ts";
import { PROPERTIES } from "../../suites/index.ts";

export async function explorerOf(
	options: { engine?: string; programs?: readonly string[]; properties?: readonly string[] } = {},
): Promise<Explorer> {
	const engine = await loadRivet(options.engine ?? NEWEST);
	const programs = PROGRAMS.filter(({ name }) => options.programs?.includes(name) ?? true);
	const properties = PROPERTIES.filter(({ id }) => options.properties?.includes(id) ?? true);
	return new Explorer({ engine, storage: memoryStorage }, programs, properties);
}
