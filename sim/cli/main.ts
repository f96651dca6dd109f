/** The command line: what can be said, and what is run for it. */
import { Command, CommanderError, Option } from "commander";
import { UsageError } from "../../drivers/engine/contract.ts";
import { NEWEST } from "../../drivers/engine/rivet/engine.ts";
import { ExpectationError } from "../../fixtures/expectations/expectations.ts";
import { USUAL_FAULTS } from "../explore/draw.ts";
import { SUBJECT_REPRODUCER_EXTENSION } from "../explore/keep/reproducer-file.ts";
import { HarnessError } from "../world/harness-error.ts";
import { expectations } from "./engine/expectations.ts";
import { DEFAULT_RUNS, explore } from "./engine/explore.ts";
import { show } from "./engine/show.ts";
import {
	parseDepth,
	parseDuration,
	parseFaults,
	parseFeatures,
	parseNames,
	parseOrder,
	parseRuns,
	parseSeed,
	parseShapes,
	parseShard,
	parseWorkers,
} from "./options.ts";
import { widthOf } from "./progress/terminal.ts";
import { merge } from "./report/merge.ts";
import type { ExploreSubjectOptions } from "./subject/explore.ts";
import type { ShowSubjectOptions } from "./subject/show.ts";
import { nearest } from "./unknown.ts";
import { VERSION } from "./version.ts";

const EXIT_USAGE = 2;
const EXIT_INVALID = 3;

/** Whether an actor or a runner is under test. */
function isAboutSubject({
	actor,
	runner,
	server,
}: { readonly [name in "actor" | "runner" | "server"]?: string }): boolean {
	return actor !== undefined || runner !== undefined || server !== undefined;
}

function withTarget(command: Command): Command {
	return command
		.option("--engine <name|path>", 'a published engine, "reference", or the built entry of your own', NEWEST)
		.option("--driver <name|path>", "a real storage driver, in place of the world's own disk")
		.option("--actor <name>", "an actor runtime, in place of a workflow engine")
		.option("--runner <name>", "a runner of actors and its server, in place of a workflow engine")
		.option("--server <name>", "the server that the runner talks to")
		.option("--program <names>", "only these programs, with commas between", parseNames)
		.option("--suite <names>", "only the properties of these suites", parseNames)
		.option("--property <ids>", "only these properties", parseNames)
		.option("--faults <kinds>", `what goes wrong (default: ${[...USUAL_FAULTS].join(",")})`, parseFaults)
		.option("--expectations <file>", 'another list of known failures, or "none"')
		.option(
			"--avoid <shapes>",
			'what no program has, or "none" (default: in most seeds, what is known to fail)',
			parseShapes,
		)
		.option("--lacking <features>", "take the engine not to have these: tryStep, getVersion, …", parseFeatures);
}

const program = withTarget(new Command("pnpm sim"))
	.description(
		"Runs the real workflow engine in a world of virtual time, crashes and slow storage, seed by seed, and says where " +
			"it breaks its promises. Any failure is one command away.",
	)
	.version(VERSION)
	.option("--seed <n>", "show the one run of this seed, step by step", parseSeed)
	.option("--known <id>", "show the run kept with a known failure")
	.option("--runs <n>", `how many seeds to explore (default: ${DEFAULT_RUNS})`, parseRuns)
	.option("--for <duration>", "explore for so long: 30s, 10m, 8h", parseDuration)
	.option("--from <seed>", "the first seed", parseSeed, 1)
	.addOption(
		new Option("--explore <how>", "seeds at random, every crash state, or every order of what is pending")
			.choices(["random", "crashes", "schedules"])
			.default("random"),
	)
	.option("--depth <n>", "crashes one after the other, or departures from the usual order (default: 2)", parseDepth)
	.addOption(new Option("--mode <mode>", "host in this way only").choices(["live", "yield"]))
	.option("--plan <faults>", 'show one program under these faults: "crash after durable write 4"')
	.option("--way <n>", "with --plan and an actor or a runner: host in that way", parseDepth)
	.option("--order <places>", "show one program in this order of what is pending", parseOrder)
	.option("--workers <n>", "threads to explore with (default: one a core)", parseWorkers)
	.option("--shard <i/n>", "only the seeds of shard i of n; merge joins them", parseShard)
	.option("--corpus <dir>", "try the reproducers there first, and keep what fails")
	.option("--baseline <file>", "an earlier report.json: what it has is known, and only what is new fails")
	.option("--report <dir>", "write the report there, and a reproducer of each finding")
	.option("--json", "print the report as JSON and nothing else")
	.option("--github", "annotate the GitHub workflow that this runs in, and write its summary")
	.option("--quiet", "only findings and the verdict")
	.option("--verbose", "with --seed: every event, reads included; otherwise every known finding in full")
	.option("--save <file>", "with --seed: write a reproducer of its failure")
	.option("--doublecheck", "run in another process too, and compare")
	.option("--compare <engines...>", "two engines, or two reports: as the command compare")
	.addHelpText(
		"after",
		`
Examples:
  pnpm sim                                explore ${NEWEST}, a few minutes
  pnpm sim --seed 42                      that run again, as a story
  pnpm sim --engine ./dist/index.js       your own build, against the known list
  pnpm sim --engine reference             the executable specification
  pnpm sim --program queue-loop --for 5m  one program for five minutes
  pnpm sim --suite queue --report report  one suite, with files for CI
  pnpm sim --baseline main.json           fail on what that report does not have
  pnpm sim --explore crashes --program queue-loop    every crash state, twice
  pnpm sim --seed 42 --save bug.repro     keep its failure in a file
  pnpm sim shrink bug.repro               the smallest run that fails so
  pnpm sim replay bug.repro               does it still fail?
  pnpm sim compare rivet-2.3.18 rivet-2.3.19         what the second breaks
  pnpm sim differ --against rivet-2.2.1   what comes out otherwise, and why
  pnpm sim matrix                         every property on every version
  pnpm sim --actor reference              the executable specification of actors
  pnpm sim --actor rivetkit-2.2.1 --seed 7           one run of a published one
  pnpm sim --runner 2.2.1                 commands and events over cut connections
  pnpm sim list                           engines, suites, properties, programs

Exit code: 0 everything held or failed as listed; 1 something new failed, or
something listed is fixed; 2 wrong usage; 3 the result counts for nothing.`,
	)
	.action(async (options, command) => {
		if (isAboutSubject(options)) {
			process.exitCode = (await subject(options)).exitCode;
			return;
		}
		if (options.compare !== undefined) {
			await runCompare(options.compare, command);
			return;
		}
		if (options.way !== undefined) throw new UsageError("--way is about actors and runners: leave it out.");
		const single = singleOf(options);
		if ((single === "seed" || single === "known") && options.mode !== undefined) {
			throw new UsageError(`--mode hosts what --plan or --order says; the run of --${single} says how it is hosted.`);
		}
		const report = single !== undefined ? await show(options) : await explore(options);
		process.exitCode = report.exitCode;
	});

/** The option that names the one run to be shown; undefined to explore. @throws UsageError for options that do not go with it. */
function singleOf(options: Readonly<Record<string, unknown>>): string | undefined {
	// With a plan or an order a seed gives the rest of the scenario; a search takes it whole.
	const singling = options.explore === "random" ? ["seed", "known", "plan", "order"] : ["known", "plan", "order"];
	const singles = singling.filter((name) => options[name] !== undefined);
	const [single] = singles;
	if (singles.length > 1 && singles.includes("known")) {
		throw new UsageError(`${singles.map((name) => `--${name}`).join(" and ")} each name a run: give one of them.`);
	}
	const many = ["runs", "for", "shard", "corpus", "baseline", "github"].find((name) => options[name] !== undefined);
	if (single !== undefined && many !== undefined) {
		throw new UsageError(`--${single} shows one run, and --${many} is for exploring many: give one or the other.`);
	}
	if (single !== undefined && options.explore !== "random") {
		throw new UsageError(
			`--${single} shows one run, and --explore ${options.explore} makes many: give one or the other.`,
		);
	}
	if (single !== undefined && options.depth !== undefined) {
		throw new UsageError(`--depth is for --explore crashes or schedules; --${single} shows one run.`);
	}
	if (single === undefined && options.save !== undefined) {
		throw new UsageError("--save keeps one run; say which: pnpm sim --seed N --save FILE");
	}
	return single;
}

program
	.command("list")
	.description("engines, drivers, suites, properties, programs, faults and mutants")
	.option("--json", "as JSON")
	.action(async (_options, command) => {
		// Loaded when asked for: only this command needs the mutants.
		const { listing, listText } = await import("./list.ts");
		const asJson = command.optsWithGlobals().json === true;
		process.stdout.write(
			asJson ? `${JSON.stringify(listing(), undefined, "\t")}\n` : listText(widthOf(process.stdout)),
		);
	});

program
	.command("expectations")
	.description("the known failures of an engine; --update brings the list up to date")
	.option("--update", "explore, drop what is fixed, add what is new")
	.action(async (_options, command) => {
		const options = command.optsWithGlobals();
		if (isAboutSubject(options)) {
			const { subjectExpectations } = await import("./subject/expectations.ts");
			process.exitCode = await subjectExpectations(options);
		} else process.exitCode = await expectations(options);
	});

program
	.command("merge")
	.argument("<dirs...>", "directories that shards wrote their reports to")
	.description("the shards of one campaign, joined into one report")
	.option("--partial", "take shards that were stopped before their end")
	.action(async (directories, _options, command) => {
		process.exitCode = (await merge(directories, command.optsWithGlobals())).exitCode;
	});

program
	.command("published")
	.description("makes the tables in reports/published/ anew: every property on every version, driver, actor and runner")
	.option("--only <tables>", "of versions, drivers, actors, runners", parseNames)
	.option("--out <dir>", "write them there instead")
	.action(async (_options, command) => {
		const { published } = await import("./report/published.ts");
		await published(command.optsWithGlobals());
	});

program
	.command("render")
	.argument("<dir>", "directory with a report.json")
	.description("a report in other forms, without running anything; every form when none is named")
	.option("--html", "a page to look at, with runs to go through")
	.option("--junit", "JUnit XML")
	.option("--markdown", "Markdown")
	.option("--text", "plain text")
	.action(async (directory, _options, command) => {
		const { render } = await import("./report/render.ts");
		await render(directory, command.optsWithGlobals());
	});

program
	.command("replay")
	.description("a reproducer again: does it still fail?")
	.argument("<file>", "what --save or --report wrote")
	.action(async (file, _options, command) => {
		if (file.endsWith(SUBJECT_REPRODUCER_EXTENSION)) {
			const { replaySubject } = await import("./subject/replay.ts");
			process.exitCode = (await replaySubject(file, ownOptions(command))).exitCode;
			return;
		}
		const wrong = ["actor", "runner", "server"].find((name) => command.optsWithGlobals()[name] !== undefined);
		if (wrong !== undefined) throw new UsageError(`${file} is of a workflow engine: leave --${wrong} out.`);
		const { replay } = await import("./engine/replay.ts");
		process.exitCode = (await replay(file, ownOptions(command))).exitCode;
	});

program
	.command("shrink")
	.description("the smallest run that fails in the same way, as a reproducer")
	.argument("[file]", "what --save or --report wrote; or name a run by --seed, --known, --plan")
	.option("--out <file>", "where to write it (default: beside the file, or named after the failure)")
	.option("--budget <runs>", "end after so many runs with what there is", parseRuns)
	.action(async (file, _options, command) => {
		refuseSubjectFile(file, "shrink makes runs of workflow engines smaller");
		const { shrinkCommand } = await import("./engine/shrink.ts");
		const options = file === undefined ? command.optsWithGlobals() : ownOptions(command);
		process.exitCode = (await shrinkCommand(file, options)).exitCode;
	});

program
	.command("emit")
	.description("a vitest file from a reproducer")
	.argument("<file>", "what --save or --report wrote")
	.option("--out <file>", "where to write it; standard output otherwise")
	.option("--expect-failure", "a test that is red once the failure is fixed")
	.action(async (file, _options, command) => {
		refuseSubjectFile(file, "emit writes tests of workflow engines");
		const { emit } = await import("./engine/emit.ts");
		emit(file, ownOptions(command));
	});

program
	.command("matrix")
	.description(
		"every property on every version (--engine A,B names some), and every upgrade; or on every --actor, --runner",
	)
	.option("--no-upgrades", "leave out the histories that go on under another version")
	.option("--no-mutants", "leave out the hunts for mutants")
	.option("--downgrades", "let them go on under older versions too; told, not judged")
	.action(async (_options, command) => {
		const all = command.optsWithGlobals();
		if (isAboutSubject(all)) {
			const { subjectMatrix } = await import("./subject/matrix.ts");
			process.exitCode = (await subjectMatrix(all)).exitCode;
			return;
		}
		const { matrix } = await import("./versions/matrix.ts");
		const options = versionOptions(command);
		const tables = { upgrades: options.upgrades !== false, mutants: options.mutants !== false };
		process.exitCode = (await matrix({ ...options, ...tables })).exitCode;
	});

program
	.command("upgrade")
	.description("histories of one version that go on under another; with --plan, one of them")
	.option("--downgrades", "let them go on under older versions too")
	.action(async (_options, command) => {
		const { upgrade } = await import("./versions/matrix.ts");
		process.exitCode = await upgrade(versionOptions(command));
	});

program
	.command("mutants")
	.description("every property kills the mutants it names, in no more seeds than on record (--property ID names some)")
	.option("--mutant <names>", "only these mutants", parseNames)
	.option("--update", "record in how many seeds they were killed")
	.action(async (_options, command) => {
		const all = command.optsWithGlobals();
		if (isAboutSubject(all)) {
			const { subjectMutants } = await import("./subject/mutants.ts");
			process.exitCode = (await subjectMutants(ownOptions(command))).exitCode;
			return;
		}
		const { mutants } = await import("./engine/mutants.ts");
		process.exitCode = (await mutants(ownOptions(command))).exitCode;
	});

program
	.command("cost")
	.description("durable writes, operations and bytes of each operation on each version, beside their budgets")
	.option("--update", "record them as the budgets")
	.action(async (_options, command) => {
		const { cost } = await import("./versions/cost.ts");
		process.exitCode = await cost(versionOptions(command));
	});

program
	.command("histories")
	.description("whether --engine goes on from what each published version left on its disk")
	.option("--update", "record them anew")
	.action(async (_options, command) => {
		const { histories } = await import("./versions/histories.ts");
		process.exitCode = await histories(versionOptions(command));
	});

program
	.command("differ")
	.description("the same seeds on --engine and on another, and what explains each difference; with --seed, one of them")
	.option("--against <name|path>", "the engine to hold it against", "reference")
	.action(async (_options, command) => {
		const { differCommand } = await import("./versions/differ.ts");
		process.exitCode = await differCommand(command.optsWithGlobals());
	});

program
	.command("compare")
	.argument("<before>", "an engine, or the report.json of a campaign")
	.argument("<after>", "the one that must not be worse")
	.description("what <after> breaks, fixes and costs against <before>")
	.action(async (before, after, _options, command) => await runCompare([before, after], command));

/** @throws UsageError for a reproducer of an actor or a runner. */
function refuseSubjectFile(file: string | undefined, what: string): void {
	if (file?.endsWith(SUBJECT_REPRODUCER_EXTENSION) !== true) return;
	throw new UsageError(`${what}, and ${file} is of an actor or a runner: pnpm sim replay shows it.`);
}

/** Explores, or shows one run of, an actor runtime or a runner. */
async function subject(
	options: ExploreSubjectOptions & ShowSubjectOptions,
): Promise<{ readonly exitCode: 0 | 1 | 2 | 3 }> {
	if (options.way !== undefined && options.plan === undefined) {
		throw new UsageError("--way hosts what --plan says; every other run says how it is hosted.");
	}
	const single = singleOf({ ...options });
	if (single !== undefined) return (await import("./subject/show.ts")).showSubject(options);
	return (await import("./subject/explore.ts")).exploreSubject(options);
}

async function runCompare(names: readonly string[], command: Command): Promise<void> {
	const { compareCommand } = await import("./versions/compare.ts");
	if (command.getOptionValueSourceWithGlobals("engine") !== "default") {
		throw new UsageError("compare names both of its engines itself: leave --engine out.");
	}
	process.exitCode = await compareCommand(names, command.optsWithGlobals());
}

program
	.command("kills")
	.argument("<driver>", "a driver of the box, or the path of your own")
	.description("real processes on a real driver, killed around and in the midst of durable writes, and started again")
	.action(async (driver, _options, command) => {
		const { kills } = await import("./engine/kills.ts");
		process.exitCode = (await kills(driver, command.optsWithGlobals())).exitCode;
	});

program
	.command("real-server")
	.description("the published server of runners in conversations, cut at every frame, beside what is on record of it")
	.option("--conversation <names>", "only these conversations", parseNames)
	.option("--update", "put on record what it does")
	.action(async (_options, command) => {
		const { realServer } = await import("./real-server.ts");
		process.exitCode = await realServer(command.optsWithGlobals());
	});

program
	.command("new")
	.description("a storage driver to begin with, which passes pnpm conform as it stands")
	.argument("<what>", "driver")
	.argument("[file]", "where to write it (default: my-driver.ts)")
	.action(async (what: string, file: string | undefined) => {
		if (what !== "driver")
			throw new UsageError(`There is nothing new to make of "${what}"; pnpm sim new driver [FILE]`);
		const { DEFAULT_DRIVER_FILE, newDriver } = await import("./new.ts");
		newDriver(file ?? DEFAULT_DRIVER_FILE);
	});

/** Options of a command about several versions; all published ones unless some were named. */
function versionOptions(command: Command): Record<string, unknown> {
	const { engine, ...options } = command.optsWithGlobals();
	const isDefault = command.getOptionValueSourceWithGlobals("engine") === "default";
	return isDefault ? options : { ...options, engines: parseNames(engine) };
}

/** Options of a command that is about a file; the engine is the file's unless one was named. */
function ownOptions(command: Command) {
	const { engine, ...options } = command.optsWithGlobals();
	return command.getOptionValueSourceWithGlobals("engine") === "default" ? options : { ...options, engine };
}

/** Commands that are about actors and runners too, as exploring itself is. */
const OF_SUBJECTS: ReadonlySet<string> = new Set(["expectations", "replay", "matrix", "mutants"]);

program.hook("preAction", (_program, command) => {
	const given = ["actor", "runner", "server"].find((name) => command.optsWithGlobals()[name] !== undefined);
	if (given === undefined) return;
	const isAboutThem = command === program || OF_SUBJECTS.has(command.name());
	if (!isAboutThem) throw new UsageError(`${command.name()} takes no --${given}: leave it out.`);
	if (command.getOptionValueSourceWithGlobals("engine") !== "default") {
		throw new UsageError(`--engine and --${given} each name what is under test: give one of them.`);
	}
});

async function main(): Promise<void> {
	for (const command of [program, ...program.commands]) {
		command
			.exitOverride()
			.configureOutput({ outputError: () => {} })
			.allowExcessArguments(false);
	}
	try {
		await program.parseAsync();
	} catch (error) {
		if (error instanceof CommanderError) {
			// Help and version were asked for and printed.
			if (error.exitCode === 0) return;
			fail(usageMessage(error), EXIT_USAGE);
		} else if (error instanceof ExpectationError) {
			// Behind the first line a parser shows the place in the file.
			fail((error.message.split("\n")[0] ?? "").replace(/:$/, ""), EXIT_USAGE);
		} else if (error instanceof UsageError) {
			fail(error.message.trim().replace(/\n\s*/g, " "), EXIT_USAGE);
		} else if (error instanceof HarnessError) {
			fail(error.message, EXIT_INVALID);
		} else {
			// A mistake of this tool: the result counts for nothing, and must not read as a finding.
			fail(error instanceof Error ? (error.stack ?? error.message) : String(error), EXIT_INVALID);
		}
	}
}

/** Commander's message in one line that says what would be right. */
function usageMessage(error: CommanderError): string {
	const message = error.message.replace(/^error: /, "").replaceAll("\n", " ");
	if (error.code === "commander.excessArguments") {
		const names = program.commands.map((command) => command.name());
		const wanted = program.args[0] ?? "";
		const meant = nearest(wanted, names);
		const hint = meant === undefined ? "" : ` did you mean ${meant}?`;
		return `unknown command "${wanted}";${hint} the commands are ${names.join(", ")}, or none to explore`;
	}
	return error.code === "commander.invalidArgument" ? message : `${message}; see pnpm sim --help`;
}

function fail(message: string, exitCode: number): void {
	process.stderr.write(`${message}\n`);
	process.exitCode = exitCode;
}

// A closed pipe, as in `pnpm sim | head`, is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
	if (error.code === "EPIPE") process.exit();
	throw error;
});

await main();
