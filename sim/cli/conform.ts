/** `pnpm conform`: storage drivers held to their promises, in the box or by path. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../../drivers/engine/contract.ts";
import { loadEngine } from "../../drivers/engine/load.ts";
import { NEWEST } from "../../drivers/engine/rivet/engine.ts";
import { BOX, type BoxSettings } from "../../drivers/storage/box/index.ts";
import { loadDriver } from "../../drivers/storage/load.ts";
import { conformJunit, conformMarkdown, conformText } from "../../reports/conform.ts";
import type { ConformReport, DriverResult } from "../../reports/conform-model.ts";
import { wrap } from "../../reports/text.ts";
import { DRIVER_PROPERTIES } from "../../suites/storage-driver/index.ts";
import type { DriverProperty } from "../../suites/storage-driver/property.ts";
import {
	type ConformOptions,
	conformDriver,
	DEFAULT_BUDGET_MS,
	DEFAULT_LIMIT_MS,
	DEFAULT_RUNS,
	withStrayFindings,
} from "../conform/conform.ts";
import { knownFailures } from "../conform/known.ts";
import { reportOf } from "../conform/report.ts";
import { withStrays } from "../conform/strays.ts";
import { boxSettings } from "./machine/box-settings.ts";
import { parseDuration, parseNames, parseRuns, parseSeed, quote } from "./options.ts";
import { paintFor, widthOf } from "./progress/terminal.ts";
import { makeReportDirectory, sayWritten, writeFiles } from "./report/publish.ts";
import { today } from "./report/today.ts";
import { unknown } from "./unknown.ts";
import { VERSION } from "./version.ts";

const EXIT_USAGE = 2;
const EXIT_INVALID = 3;

interface Options {
	readonly all?: boolean;
	readonly property?: readonly string[];
	readonly seed?: number;
	readonly from: number;
	readonly runs?: number;
	readonly kills?: number;
	readonly for: number;
	readonly limit: number;
	readonly engine: string;
	readonly throughput: boolean;
	readonly report?: string;
	readonly json?: boolean;
	readonly quiet?: boolean;
}

const names = [...BOX.keys()];
const seconds = (ms: number) => `${ms / 1_000}s`;

const program = new Command("pnpm conform")
	.description(
		"Holds a storage driver to what it promises: sequences of operations, drawn from\n" +
			"a seed, on the driver and on a model. What breaks a promise is shrunk and told.",
	)
	.argument("[drivers...]", "drivers in the box by name, or modules by path")
	.version(VERSION)
	.option("--all", "every driver in the box; one that cannot run here is skipped with its reason")
	.option("--property <ids>", "only these properties, with commas between", parseNames)
	.option("--seed <n>", "the one run of this seed, and its sequence", parseSeed)
	.option("--from <seed>", "the first seed", parseSeed, 1)
	.option("--runs <n>", `seeds for each property (default: up to ${DEFAULT_RUNS}, in the time of --for)`, parseRuns)
	.addOption(
		new Option("--for <duration>", "how long to try each property: 10s, 1m")
			.argParser(parseDuration)
			.default(DEFAULT_BUDGET_MS, seconds(DEFAULT_BUDGET_MS)),
	)
	.addOption(
		new Option("--limit <duration>", "how long an operation may take until it hangs")
			.argParser(parseDuration)
			.default(DEFAULT_LIMIT_MS, seconds(DEFAULT_LIMIT_MS)),
	)
	.option("--engine <name|path>", "whose steps are counted for the throughput", NEWEST)
	.option("--kills <n>", "instead, n runs in real processes that are killed (kill -9) and started again", parseRuns)
	.option("--no-throughput", "do not measure how fast the engine runs on it")
	.option("--report <dir>", "write the report there: JSON, JUnit, text, and a table in Markdown")
	.option("--json", "print the report as JSON and nothing else")
	.option("--quiet", "only findings and the verdict")
	.addHelpText(
		"after",
		`
Drivers in the box:
${[...BOX].map(([name, { summary }]) => wrap(summary, 80, " ".repeat(18), `  ${name}`.padEnd(18))).join("\n")}

Your own, in a file that you name by its path:

  import { MyDriver } from "./src/my-driver.ts";
  export default {
    name: "mine",
    claims: { atomicBatch: "always", durability: "process-crash" },
    open: (namespace) => ({ driver: new MyDriver(namespace) }),
  };

A plain EngineDriver, its class or a function that makes one will do as well; it
is then held to the weakest claims. pnpm sim new driver my-driver.ts writes one to
begin with; docs/drivers.md tells about claims.

Examples:
  pnpm conform sqlite                     every promise, under a minute
  pnpm conform ./my-driver.ts             your own
  pnpm conform ./my-driver.ts --property storage.batch --runs 5000
  pnpm conform ./my-driver.ts --property storage.batch --seed 42
  pnpm conform sqlite --kills 200         real crashes; pnpm sim kills tells more
  pnpm conform --all --report report      every driver, as a table

FAULTLINE_POSTGRES_URL, FAULTLINE_REDIS_URL and FAULTLINE_NATS_URL say where the
servers are, unless on this machine at their usual ports.

Exit code: 0 every promise was kept, or broken as listed; 1 one was broken, or is
kept though listed; 2 wrong usage; 3 the result counts for nothing.`,
	)
	.action(async (drivers: readonly string[], options: Options) => {
		if (options.kills !== undefined) {
			// Loaded when asked for: it brings the whole of the simulator.
			const { killsOfEach } = await import("./engine/kills.ts");
			process.exitCode = await killsOfEach(drivers, { ...options, runs: options.kills });
			return;
		}
		process.exitCode = (await conform(drivers, options)).exitCode;
	});

async function conform(named: readonly string[], options: Options): Promise<ConformReport> {
	const drivers = options.all === true ? [...names, ...named.filter((name) => !names.includes(name))] : named;
	if (drivers.length === 0) {
		throw new UsageError(`Name a driver: ${names.join(", ")}, a path to your own, or --all; see pnpm conform --help.`);
	}
	const properties = chosen(options.property);
	if (options.seed !== undefined && options.runs !== undefined) {
		throw new UsageError("--seed is for one run, and --runs for many: give one of them, or --from with --runs.");
	}
	if (options.report !== undefined) makeReportDirectory(options.report);
	const silent = options.json === true || options.quiet === true;
	const settings = boxSettings(join(tmpdir(), `faultline-${process.pid}`), (text) => {
		if (!silent) process.stderr.write(`${text}\n`);
	});
	const engine = options.throughput && options.seed === undefined && options.property === undefined;
	const startedAt = performance.now();
	let stopped = false;
	const stop = () => {
		// Once more ends at once.
		if (stopped) process.exit(130);
		stopped = true;
		process.stderr.write("stopping after this run; once more ends at once\n");
	};
	process.on("SIGINT", stop);
	const shared: ConformOptions = {
		properties,
		from: options.seed ?? options.from,
		...(options.seed !== undefined ? { runs: 1 } : options.runs === undefined ? {} : { runs: options.runs }),
		budgetMs: options.for,
		limitMs: options.limit,
		...(engine ? { engine: await loadEngine(options.engine) } : {}),
		stopped: () => stopped,
	};
	const results: DriverResult[] = [];
	try {
		for (const name of drivers) {
			if (stopped) break;
			const command = (property: string, seed: number) =>
				`pnpm conform ${quote(name)} --property ${property} --seed ${seed}`;
			const progress = progressLine(silent);
			const known = knownFailures(name);
			results.push(
				await held(name, settings, { ...shared, command, known, progress: progress.tell }, drivers.length === 1),
			);
			progress.clear();
		}
	} finally {
		process.off("SIGINT", stop);
		await settings.cleanUp();
	}
	const report = reportOf(results, properties, {
		settings: settingsOf(drivers, options),
		version: VERSION,
		interrupted: stopped,
		seconds: (performance.now() - startedAt) / 1_000,
		all: options.all === true,
	});
	await publish(report, options);
	return report;
}

/**
 * What became of one driver. One that cannot be loaded is wrong usage when it is the only one; beside others it is told, and they still
 * run.
 */
async function held(
	name: string,
	settings: BoxSettings,
	options: ConformOptions,
	alone: boolean,
): Promise<DriverResult> {
	const failed = (verdict: "skip" | "invalid", reason: string): DriverResult => ({
		...{ driver: name, verdict, reason, said: [], cells: [], findings: [], seconds: 0 },
	});
	let plugged: Awaited<ReturnType<typeof loadDriver>>;
	try {
		plugged = await loadDriver(name, settings);
	} catch (error) {
		// A store that is not installed here, or not for this machine.
		if (BOX.has(name) && !(alone && error instanceof UsageError)) return failed("skip", oneLine(error));
		if (alone || !(error instanceof UsageError)) throw error;
		return failed("invalid", error.message);
	}
	let during = "opening";
	const progress = (driver: string, what: string) => {
		during = what;
		options.progress?.(driver, what);
	};
	try {
		const work = () => conformDriver(plugged, { ...options, progress });
		const { result, strays } = await withStrays(work, () => during);
		return withStrayFindings(result, strays);
	} catch (error) {
		return failed("invalid", `the suite itself failed: ${error instanceof Error ? error.stack : String(error)}`);
	}
}

function oneLine(error: unknown): string {
	const text = error instanceof Error ? error.message : String(error);
	return text.split("\n")[0] ?? "";
}

function chosen(ids: readonly string[] | undefined): readonly DriverProperty[] {
	if (ids === undefined) return DRIVER_PROPERTIES;
	for (const id of ids) {
		if (DRIVER_PROPERTIES.some((property) => property.id === id)) continue;
		const all = DRIVER_PROPERTIES.map((property) => property.id);
		throw new UsageError(unknown("property", id, all));
	}
	return DRIVER_PROPERTIES.filter(({ id }) => ids.includes(id));
}

function settingsOf(drivers: readonly string[], options: Options): ConformReport["settings"] {
	const { property, seed, from, runs } = options;
	return {
		drivers,
		...(property === undefined ? {} : { property }),
		...(seed === undefined ? { from } : { seed }),
		...(runs === undefined ? {} : { runs }),
	};
}

/** What makes the report again. */
function commandOf({ all, property, from, runs }: Options, { drivers }: ConformReport["settings"]): string {
	const names =
		all === true
			? " --all"
			: ` ${[drivers]
					.flat()
					.map((name) => quote(String(name)))
					.join(" ")}`;
	const only = property === undefined ? "" : ` --property ${property.join(",")}`;
	return `pnpm conform${names}${only}${from === 1 ? "" : ` --from ${from}`}${runs === undefined ? "" : ` --runs ${runs}`}`;
}

async function publish(report: ConformReport, options: Options): Promise<void> {
	if (options.json === true) process.stdout.write(`${JSON.stringify(report, undefined, "\t")}\n`);
	else {
		const width = widthOf(process.stdout);
		const paint = paintFor(process.stdout);
		if (options.seed !== undefined) process.stdout.write(sequencesText(report, options.seed));
		process.stdout.write(conformText(report, { width, paint, quiet: options.quiet === true }));
	}
	if (options.report === undefined) return;
	// Loaded when asked for: only a page needs the bundler.
	const [{ matrixPage }, { matrixMarkdown }, { matrixOfDrivers }, { pageAssets }] = await Promise.all([
		import("../../reports/html/matrix-page.ts"),
		import("../../reports/matrix.ts"),
		import("../../reports/drivers.ts"),
		import("./report/page-assets.ts"),
	]);
	const matrix = matrixOfDrivers(report, { command: commandOf(options, report.settings), made: today() });
	const files = [
		["report.json", `${JSON.stringify(report, undefined, "\t")}\n`],
		["junit.xml", conformJunit(report)],
		["report.txt", conformText(report)],
		["report.md", conformMarkdown(report)],
		["matrix.html", matrixPage(matrix, pageAssets())],
		["matrix.md", matrixMarkdown(matrix)],
	] as const;
	writeFiles(options.report, files);
	if (options.json !== true && options.quiet !== true) {
		sayWritten(
			options.report,
			files.map(([name]) => name),
		);
	}
}

/** What the runs of one seed did, on each driver that was held to them. */
function sequencesText(report: ConformReport, seed: number): string {
	const ran = report.drivers.flatMap(({ driver, cells }) => cells.map((cell) => ({ driver, ...cell })));
	const parts = ran.map(({ driver, property, steps = [] }) => {
		const told = steps.map((step, i) => `  ${String(i + 1).padStart(2)}  ${step}\n`);
		return told.length === 0 ? "" : `seed ${seed}: ${property} on ${driver}\n${told.join("")}\n`;
	});
	return parts.join("");
}

/** What is under way, on one line of a terminal, or a line for each driver. */
function progressLine(silent: boolean): { tell(driver: string, what: string): void; clear(): void } {
	const stream = process.stderr;
	if (silent) return { tell: () => {}, clear: () => {} };
	if (!stream.isTTY) {
		let told = "";
		return {
			tell(driver) {
				if (driver !== told) stream.write(`${driver} ...\n`);
				told = driver;
			},
			clear: () => {},
		};
	}
	const clear = () => {
		stream.write("\r\x1b[2K");
	};
	return {
		tell(driver, what) {
			clear();
			stream.write(`${driver}: ${what} ...`);
		},
		clear,
	};
}

function usageMessage(error: CommanderError): string {
	const message = error.message.replace(/^error: /, "").replaceAll("\n", " ");
	return error instanceof InvalidArgumentError ? message : `${message}; see pnpm conform --help`;
}

program.exitOverride().configureOutput({ outputError: () => {} });
try {
	await program.parseAsync();
} catch (error) {
	if (error instanceof CommanderError) {
		if (error.exitCode !== 0) {
			process.stderr.write(`${usageMessage(error)}\n`);
			process.exitCode = EXIT_USAGE;
		}
	} else if (error instanceof UsageError) {
		process.stderr.write(`${error.message}\n`);
		process.exitCode = EXIT_USAGE;
	} else {
		process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
		process.exitCode = EXIT_INVALID;
	}
}
// A driver that hangs may hold the process: what there was to say is said.
await new Promise((resolve) => process.stdout.write("", resolve));
process.exit();
