/**
 * Carries out a campaign for the command line: progress on standard error, findings as they come, a report that is written while
 * the campaign goes on (a killed one leaves what it found), and a stop at ctrl-c with what there is.
 */
import type { Finding, Report } from "../../../reports/model.ts";
import { count, wrap } from "../../../reports/text.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { CampaignOptions } from "../../explore/campaign/campaign.ts";
import type { CampaignResult } from "../../explore/campaign/result.ts";
import type { KeptFiles } from "../../explore/keep/reproductions.ts";
import { tellGithub } from "../report/github.ts";
import {
	filesOf,
	namesOf,
	PAGE,
	type PublishOptions,
	printReport,
	sayWritten,
	withReproducers,
	writeFiles,
	writePage,
} from "../report/publish.ts";
import { hearStop } from "./stoppable.ts";
import { progressOf, widthOf } from "./terminal.ts";

/** What a campaign is given to tell of itself while it runs. */
export type Hooks<S extends SubjectScenario> = Pick<CampaignOptions<S>, "onProgress" | "onPart"> & {
	readonly signal: AbortSignal;
};

export interface Expedition<S extends SubjectScenario> {
	readonly options: PublishOptions;
	/** Runs that are to be made, where their number ends it. */
	readonly total: number | undefined;
	campaign(hooks: Hooks<S>): Promise<CampaignResult<S>>;
	/** @param seconds since it began. */
	report(result: CampaignResult<S>, seconds: number): Report;
	/** Keeps the runs of findings in files; absent where nobody asked for files. */
	readonly keeper?: Keeps<S> | undefined;
	/** Files beside the report's own. */
	files?(result: CampaignResult<S>, seconds: number): [name: string, content: string][];
}

export interface Keeps<S extends SubjectScenario> {
	/** @returns the reproducers beside the report by finding id, and the result, which is invalid when a run was another this time. */
	keep(result: CampaignResult<S>): Promise<{ result: CampaignResult<S>; files: ReadonlyMap<string, KeptFiles> }>;
	/** Whether going on is in vain. */
	readonly failed: boolean;
	removeStale(): void;
}

/** Real milliseconds between two writings of the report while nothing new is found. */
const WRITE_EVERY_MS = 10_000;

/** @throws UsageError when something cannot be written. */
export async function carryOut<S extends SubjectScenario = Scenario>(expedition: Expedition<S>): Promise<Report> {
	const { options, keeper } = expedition;
	const startedAt = performance.now();
	const seconds = () => (performance.now() - startedAt) / 1_000;
	const reportNow = (result: CampaignResult<S>) => expedition.report(result, seconds());
	const stopped = new AbortController();
	/** Puts everything found so far where a killed campaign leaves it. */
	const store = async (found: CampaignResult<S>, isWhole: boolean): Promise<{ report: Report; names: string[] }> => {
		if (keeper === undefined) return { report: reportNow(found), names: [] };
		const { result, files } = await keeper.keep(found);
		if (keeper.failed) stopped.abort();
		if (isWhole && result.verdict !== "invalid") keeper.removeStale();
		const report = withReproducers(reportNow(result), files);
		if (options.report === undefined) return { report, names: [] };
		const forms = [...filesOf(report), ...(expedition.files?.(result, seconds()) ?? [])];
		writeFiles(options.report, forms);
		return { report, names: namesOf(forms, files) };
	};
	let storing = Promise.resolve();
	let waits = false;
	/** Stores what there is once what is being stored is there. Whoever waits already stores the latest too. */
	const storeSoon = (soFar: () => CampaignResult<S>) => {
		if (waits) return;
		waits = true;
		storing = storing.then(async () => {
			waits = false;
			await store(soFar(), false);
		});
		// What cannot be stored is said at the end, and there is no use in finding more.
		storing.catch(() => stopped.abort());
	};

	const silent = options.quiet === true || options.json === true;
	const progress = progressOf(expedition.total, silent);
	const unhear = hearStop(() => {
		progress.announce("stopping, with what was found so far; ctrl-c again ends at once");
		stopped.abort();
	});
	let storedAt = startedAt;
	let stored: Awaited<ReturnType<typeof store>>;
	try {
		const result = await expedition.campaign({
			signal: stopped.signal,
			onProgress: (done, findings, left) =>
				progress.update(done, `${findings} new${left > 0 ? `, ${count(left)} to go` : ""}`),
			onPart: (news, soFar) => {
				for (const finding of news) progress.announce(announcement(finding));
				const now = performance.now();
				if (news.length === 0 && now - storedAt < WRITE_EVERY_MS) return;
				storedAt = now;
				storeSoon(soFar);
			},
		});
		try {
			await storing;
			stored = await store(result, !result.interrupted);
			if (options.report !== undefined) await writePage(options.report, stored.report);
		} catch (error) {
			// What was found is not lost with what cannot be written.
			progress.stop();
			printReport(reportNow(result), options);
			throw error;
		}
	} finally {
		progress.stop();
		unhear();
	}
	const { report, names } = stored;
	printReport(report, options);
	if (options.report !== undefined && !silent) sayWritten(options.report, [PAGE, ...names]);
	if (options.github === true) tellGithub(report, options);
	return report;
}

/** A new finding as it is told the moment it is there. */
function announcement({ id, example }: Finding): string {
	const width = widthOf(process.stderr);
	const lines = [`new: ${id}`];
	if (example !== undefined) {
		const { program, message, command } = example;
		const [line = "", ...more] = wrap(`${program}: ${message}`, width - 1, "     ").split("\n");
		lines.push(more.length === 0 ? line : `${line}…`, `     ${command}`);
	}
	return lines.join("\n");
}
