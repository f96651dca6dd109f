/** `pnpm sim histories`: whether an engine goes on from what each published version once left on its disk. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { NEWEST, PUBLISHED } from "../../../drivers/engine/rivet/engine.ts";
import { PROGRAMS } from "../../../fixtures/programs/index.ts";
import { type HistoriesReport, SCHEMA_VERSION } from "../../../reports/model.ts";
import { count, plural, wrap } from "../../../reports/text.ts";
import { replaceFile } from "../../explore/keep/reproducer-file.ts";
import {
	checkHistory,
	decodeHistories,
	encodeHistories,
	type RecordedState,
	recordHistories,
} from "../../explore/matrix/histories.ts";
import { explorerFrom } from "../../explore/spec.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { enginesOf } from "../options.ts";
import { paintFor, widthOf } from "../progress/terminal.ts";

export interface HistoriesOptions {
	/** The engine to check; with `update`, the versions to record. */
	readonly engines?: readonly string[];
	readonly update?: boolean;
	readonly json?: boolean;
	readonly quiet?: boolean;
}

/** Where the histories of a version are kept. */
export function historiesFile(engine: string): string {
	return fileURLToPath(new URL(`../../../fixtures/histories/${engine}.cbor`, import.meta.url));
}

/** The recorded histories of published versions that an engine must be able to read: its own and those of older ones. */
export function readableHistories(engine: string): { engine: string; states: readonly RecordedState[] }[] {
	const place = PUBLISHED.indexOf(engine);
	const versions = place < 0 ? PUBLISHED : PUBLISHED.slice(0, place + 1);
	return versions
		.map(historiesFile)
		.filter(existsSync)
		.map((file) => decodeHistories(readFileSync(file), file));
}

/** @returns the exit code: 1 when a history ends otherwise than it should. */
export async function histories(options: HistoriesOptions): Promise<0 | 1> {
	const explorerOf = (engine: string) =>
		explorerFrom({ engine, programs: PROGRAMS.map(({ name }) => name), properties: [] });
	if (options.update === true) {
		for (const engine of enginesOf(options.engines).filter((name) => PUBLISHED.includes(name))) {
			const explorer = await explorerOf(engine);
			const states = await inMacrotask(() => recordHistories(explorer));
			const file = historiesFile(engine);
			replaceFile(file, encodeHistories(engine, states));
			process.stdout.write(
				`${relative(".", file)}: ${plural(states.length, "state")}, ${count(statSync(file).size)} bytes\n`,
			);
		}
		return 0;
	}
	const [engine = NEWEST] = options.engines === undefined ? [NEWEST] : enginesOf(options.engines);
	const explorer = await explorerOf(engine);
	const results = await inMacrotask(() =>
		readableHistories(explorer.target.engine.name).map(({ engine, states }) => ({
			engine,
			states: states.length,
			failures: states.flatMap((state) => {
				const { program, mode, plan } = state;
				return checkHistory(explorer, state).map((message) => ({ program, mode, plan, message }));
			}),
		})),
	);
	if (results.length === 0)
		throw new UsageError("No histories are recorded; record them by: pnpm sim histories --update");
	const failed = results.some(({ failures }) => failures.length > 0);
	if (options.json === true) {
		const { name: engine } = explorer.target.engine;
		const report: HistoriesReport = { schemaVersion: SCHEMA_VERSION, engine, histories: results };
		process.stdout.write(`${JSON.stringify(report, undefined, "\t")}\n`);
		return failed ? 1 : 0;
	}
	const paint = paintFor(process.stdout);
	const width = widthOf(process.stdout);
	for (const { engine: writer, states, failures } of results) {
		const verdict = failures.length === 0 ? paint.green("pass") : paint.red(`FAIL ${failures.length}`);
		process.stdout.write(`${writer.padEnd(14)}${String(states).padStart(4)} states  ${verdict}\n`);
		for (const { program, mode, plan, message } of failures) {
			process.stdout.write(
				`${wrap(`${program}, ${mode} hosting, stopped by ${plan}: ${message}`, width, "    ", "  ")}\n`,
			);
		}
	}
	process.stdout.write(
		`${explorer.target.engine.name} ${failed ? "does not end all of them as their versions did" : "ends all of them as the versions that left them did"}\n`,
	);
	return failed ? 1 : 0;
}
