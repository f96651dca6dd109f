/** `pnpm sim kills DRIVER` and `pnpm conform DRIVER --kills N`: real processes on a real driver, killed and started again. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { claimsOf } from "../../../drivers/storage/session.ts";
import { killsText } from "../../../reports/kills.ts";
import type { Report } from "../../../reports/model.ts";
import { IN_PROCESSES } from "../../../suites/index.ts";
import { Recorder } from "../../explore/campaign/recorder.ts";
import { type Judging, resultOf } from "../../explore/campaign/result.ts";
import type { Explorer } from "../../explore/explorer.ts";
import { drawKills, judgeKills, type Killed, type KillsOptions, recordKills } from "../../explore/real/kills.ts";
import type { Loss } from "../../explore/real/losses.ts";
import { type Environment, Nursery } from "../../explore/real/nursery.ts";
import { powerLossOf } from "../../explore/real/power/power-loss.ts";
import { type OwnServer, ownServer, SERVERS } from "../../explore/real/servers.ts";
import { inMacrotask } from "../../world/interpose.ts";
import {
	type DriverHere,
	driverHere,
	engineOption,
	LOADER,
	loadExpectations,
	prepare,
	quote,
	type RunOptions,
} from "../options.ts";
import { progressOf, widthOf } from "../progress/terminal.ts";
import {
	filesOf,
	makeReportDirectory,
	namesOf,
	type PublishOptions,
	printReport,
	sayWritten,
	writeFiles,
} from "../report/publish.ts";
import { VERSION } from "../version.ts";
import { reportOf } from "./explore.ts";
import { tellRun } from "./show.ts";

export interface KillsCommandOptions extends RunOptions, PublishOptions {
	readonly from: number;
	readonly runs?: number;
	/** The one run of this seed, told as a story. */
	readonly seed?: number;
	readonly verbose?: boolean;
}

/** Runs of a campaign that does not say how many; a few minutes. */
export const DEFAULT_KILLS = 100;

/** @param name the driver: one of the box, or a path. @throws UsageError when it cannot run here. */
export async function kills(name: string, options: KillsCommandOptions): Promise<Report> {
	const server = await serverFor(name);
	try {
		return await killsOn(name, options, server);
	} finally {
		await server?.started?.stop();
	}
}

/** The drivers one after the other, as `pnpm conform DRIVER --kills N` has it. @returns the exit code of the worst. */
export async function killsOfEach(drivers: readonly string[], options: KillsCommandOptions): Promise<number> {
	if (drivers.length === 0) throw new UsageError("Name a driver to kill the processes of; see pnpm conform --help.");
	let worst = 0;
	for (const name of drivers) {
		try {
			worst = Math.max(worst, (await kills(name, options)).exitCode);
		} catch (error) {
			// One that cannot run here does not hold up the others.
			if (drivers.length === 1 || !(error instanceof UsageError)) throw error;
			process.stderr.write(`skip ${name}: ${error.message}\n`);
		}
	}
	return worst;
}

/** The server of a driver that has one: ours, where it can be started. */
interface Server {
	started: OwnServer | undefined;
	/** Why there is none of ours. */
	why: string | undefined;
}

/** A server that is named is not ours to kill, and one that is not named is made. */
function serverFor(name: string): Server | undefined {
	if (!SERVERS.includes(name)) return undefined;
	const named = process.env[`FAULTLINE_${name.toUpperCase()}_URL`];
	return { started: undefined, why: named === undefined ? undefined : `the server at ${named} is not ours to kill` };
}

async function killsOn(name: string, options: KillsCommandOptions, server: Server | undefined): Promise<Report> {
	const here = await driverHere(name, async (root) => {
		if (server === undefined || server.why !== undefined) return {};
		const own = await ownServer(name, join(`${root}-server`, name));
		if (typeof own === "string") server.why = own;
		else server.started = own;
		process.once("exit", () => rmSync(`${root}-server`, { recursive: true, force: true }));
		return server.started?.settings ?? {};
	});
	const { explorer } = await prepare({ ...options, faults: ["crash"] }, IN_PROCESSES);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const { losses, environment, without } = await lossesOf(here, server);
	const nursery = new Nursery(LOADER, environment);
	const killing: KillsOptions = {
		engine: options.engine,
		driver: here.source,
		plugged: here.driver,
		nursery,
		losses,
		prefix: here.prefix,
	};
	if (claimsOf(here.driver).durability === "memory") {
		throw new UsageError(`The driver ${name} claims to keep nothing beyond its process: killing that proves nothing.`);
	}
	if (without !== undefined && options.quiet !== true && options.json !== true)
		process.stderr.write(`without ${without}\n`);
	try {
		const report =
			options.seed === undefined
				? await campaign(name, explorer, killing, options)
				: await showOne(name, explorer, killing, options, options.seed);
		if (options.report !== undefined) {
			const files = filesOf(report);
			writeFiles(options.report, files);
			if (options.json !== true && options.quiet !== true) sayWritten(options.report, namesOf(files, new Map()));
		}
		return report;
	} finally {
		await nursery.close();
	}
}

/** What else can be lost with a process, on this machine and with this driver. */
async function lossesOf(
	{ driver }: DriverHere,
	server: Server | undefined,
): Promise<{
	readonly losses: readonly Loss[];
	readonly environment: Environment;
	/** Why something that the driver claims to survive is not tried. */
	readonly without?: string;
}> {
	if (server?.started !== undefined) return { losses: server.started.losses, environment: {} };
	if (server?.why !== undefined) return { losses: [], environment: {}, without: `killing the server: ${server.why}` };
	const claims = claimsOf(driver);
	if (claims.durability !== "power-loss" || driver.directory === undefined) return { losses: [], environment: {} };
	const power = await powerLossOf(driver);
	if (typeof power === "string") return { losses: [], environment: {}, without: `power loss: ${power}` };
	return { losses: [power.loss], environment: power.environment };
}

function judgingOf(name: string, options: KillsCommandOptions): Judging {
	const command = (seed: number) => `pnpm sim kills ${quote(name)} --seed ${seed}${engineOption(options)}`;
	const none = () => "";
	return {
		expectations: loadExpectations({ name: options.engine }, options.expectations),
		commandFor: command,
		...{ commandForKnown: none, commandForFile: none, commandForScenario: none },
	};
}

async function campaign(
	name: string,
	explorer: Explorer,
	killing: KillsOptions,
	options: KillsCommandOptions,
): Promise<Report> {
	const runs = options.runs ?? DEFAULT_KILLS;
	const silent = options.quiet === true || options.json === true;
	if (!silent) {
		process.stdout.write(
			`Faultline ${VERSION}: ${explorer.target.engine.name} on ${name}, in processes that are killed\n${runs} seeds from ${options.from}\n\n`,
		);
	}
	const startedAt = performance.now();
	const recorder = new Recorder(explorer);
	const progress = progressOf(runs, silent);
	let stopped = false;
	const stop = () => {
		// Once more ends at once.
		if (stopped) process.exit(130);
		stopped = true;
		progress.announce("stopping after this run, with what was found so far; ctrl-c again ends at once");
	};
	process.on("SIGINT", stop);
	process.on("SIGTERM", stop);
	let killed: Killed;
	try {
		const seeds = Array.from({ length: runs }, (_, i) => options.from + i);
		killed = await recordKills(recorder, seeds, killing, (done) => {
			progress.update(done, "");
			return !stopped;
		});
	} finally {
		progress.stop();
		process.off("SIGINT", stop);
		process.off("SIGTERM", stop);
	}
	const result = resultOf(recorder.takeOff(), judgingOf(name, options), stopped);
	const report = reportFor(name, explorer, result, { from: options.from, runs }, startedAt, killed);
	printReport(report, options);
	if (options.json !== true) process.stdout.write(`\n${killsText(report, killed, widthOf(process.stdout))}\n`);
	return report;
}

/** The run of one seed, as a story. Where in an operation a process dies is up to the machine; all else is the seed's. */
async function showOne(
	name: string,
	explorer: Explorer,
	killing: KillsOptions,
	options: KillsCommandOptions,
	seed: number,
): Promise<Report> {
	const startedAt = performance.now();
	const recorder = new Recorder(explorer);
	const drawn = await inMacrotask(() => drawKills(explorer, killing, seed));
	const judgement = await judgeKills(explorer, drawn, killing);
	recorder.recordSeed(judgement, seed);
	const result = resultOf(recorder.takeOff(), judgingOf(name, options), false);
	const report = reportFor(name, explorer, result, { seed }, startedAt);
	const told = { ...report, digest: judgement.run.history.digest() };
	if (options.json === true) printReport(told, options);
	else
		process.stdout.write(
			tellRun({ title: `kills, seed ${seed}, on ${name}`, explorer, judgement, report: told }, options),
		);
	return told;
}

function reportFor(
	name: string,
	{ target: { engine } }: Explorer,
	result: Parameters<typeof reportOf>[0],
	settings: Report["settings"],
	startedAt: number,
	killed?: Killed,
): Report {
	const seconds = (performance.now() - startedAt) / 1_000;
	const report = reportOf(result, { engine, storage: { name } }, { ...settings, explore: "kills" }, seconds);
	return killed === undefined ? report : { ...report, coverage: { ...report.coverage, kills: killed } };
}
