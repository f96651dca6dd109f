/**
 * `pnpm sim matrix --actor all`, `pnpm sim matrix --runner all`: every property on every actor runtime, or on every runner and server,
 * in one table.
 */
import { availableParallelism } from "node:os";
import { UsageError } from "../../../drivers/engine/contract.ts";
import {
	exitCodeOf,
	type MatrixCell,
	type MatrixReport,
	type MatrixVersion,
	SCHEMA_VERSION,
} from "../../../reports/model.ts";
import { count, plural } from "../../../reports/text.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import { campaignIn } from "../../explore/campaign/campaign.ts";
import type { CampaignResult } from "../../explore/campaign/result.ts";
import { cellCounts, matrixVerdict } from "../../explore/matrix/matrix.ts";
import { type SubjectTarget, targetsOf } from "../../explore/subject/spec.ts";
import type { Subject } from "../../explore/subject/subject.ts";
import { refuse } from "../engine/replay.ts";
import { stoppable } from "../progress/stoppable.ts";
import { makeReportDirectory, type PublishOptions } from "../report/publish.ts";
import { today } from "../report/today.ts";
import { VERSION } from "../version.ts";
import { publishMatrix } from "../versions/matrix.ts";
import { judgedProperties, prepareSubject, type SubjectOptions, subjectCommands, subjectDrawing } from "./options.ts";

export interface SubjectMatrixOptions extends SubjectOptions, PublishOptions {
	/** Seeds for each target, or real milliseconds for each. */
	readonly runs?: number;
	readonly for?: number;
	readonly workers?: number;
}

/** Seeds for each target when nothing else is said. */
const DEFAULT_RUNS = 2_000;

interface Explored {
	readonly subject: Subject;
	readonly result: CampaignResult<SubjectScenario>;
	readonly row: MatrixVersion;
}

/** @throws UsageError for a name that is none; a target that cannot run here is left out, and standard error says why. */
export async function subjectMatrix(options: SubjectMatrixOptions): Promise<MatrixReport> {
	refuse(options, ["shard", "corpus"], "A table is made of whole campaigns");
	refuse(options, ["downgrades"], "Actors and runners have no histories that go on under another version");
	const kind = options.actor === undefined ? "runner" : "actor";
	const targets = chosenTargets(kind, options);
	if (options.report !== undefined) makeReportDirectory(options.report);
	const silent = options.quiet === true || options.json === true;
	const runs = options.runs ?? (options.for === undefined ? DEFAULT_RUNS : Number.POSITIVE_INFINITY);
	if (!silent) {
		const each = Number.isFinite(runs) ? `${count(runs)} seeds each` : `${(options.for ?? 0) / 1_000} s each`;
		process.stdout.write(`Faultline ${VERSION}: ${plural(targets.length, "target")}, ${each}\n\n`);
	}
	const startedAt = performance.now();
	const explored: Explored[] = [];
	const total = Number.isFinite(runs) ? runs * targets.length : undefined;
	const { interrupted } = await stoppable(silent, total, async (signal, progress) => {
		for (const named of targets) {
			const { target, against } = named;
			if (signal.aborted) return;
			const own: SubjectOptions = {
				...options,
				...(kind === "actor"
					? { actor: target }
					: { runner: target, ...(against === undefined ? {} : { server: against }) }),
			};
			const before = explored.reduce((sum, { row }) => sum + row.counts.runs, 0);
			try {
				explored.push(
					await explore(own, { runs, ...options }, signal, (done, news) =>
						progress(before + done, `${nameOf(named)}: ${news} new`),
					),
				);
			} catch (error) {
				// One that cannot be installed here is no reason to leave out the others.
				if (!(error instanceof UsageError) || targets.length === 1) throw error;
				process.stderr.write(`left out: ${error.message}\n`);
			}
		}
	});
	const properties = rowsOf(explored);
	const verdict = matrixVerdict(
		explored.map(({ row }) => row.verdict),
		properties,
		{},
	);
	const report: MatrixReport = {
		...{ schemaVersion: SCHEMA_VERSION, tool: { name: "faultline", version: VERSION } },
		...{ kind: kind === "actor" ? "actors" : "runners", made: today() },
		settings: settingsOf(options),
		command: `pnpm sim matrix${subjectDrawing(options)}${Number.isFinite(runs) ? ` --runs ${runs}` : ""}`,
		driver: kind === "actor" ? "memory" : "the servers named",
		...{ verdict, exitCode: exitCodeOf(verdict), interrupted },
		versions: explored.map(({ row }) => row),
		properties,
		seconds: Number(((performance.now() - startedAt) / 1_000).toFixed(3)),
	};
	await publishMatrix(report, options, silent);
	return report;
}

function nameOf({ target, against }: SubjectTarget): string {
	return against === undefined ? target : `${target} on ${against}`;
}

/** `all`, or names with commas between. @throws UsageError */
function chosenTargets(kind: "actor" | "runner", { actor, runner, server }: SubjectOptions): readonly SubjectTarget[] {
	const all = targetsOf(kind);
	const names = (actor ?? runner ?? "").split(",");
	const chosen = names[0] === "all" ? all : all.filter(({ target }) => names.includes(target));
	const strange = names.find((name) => name !== "all" && !all.some(({ target }) => target === name));
	if (strange !== undefined) {
		const known = [...new Set(all.map(({ target }) => target))].join(", ");
		throw new UsageError(`Unknown ${kind} "${strange}"; choose from ${known}, or say all.`);
	}
	return server === undefined ? chosen : chosen.filter(({ against }) => against === server);
}

async function explore(
	options: SubjectOptions,
	{ runs, workers, for: forMs }: SubjectMatrixOptions & { readonly runs: number },
	signal: AbortSignal,
	onProgress: (done: number, news: number) => void,
): Promise<Explored> {
	const { subject, lab, spec, expectations } = await prepareSubject(options);
	const begun = performance.now();
	const result = await campaignIn(lab, {
		...{ from: 1, runs, expectations, signal, onProgress },
		...(forMs === undefined ? {} : { forMs }),
		workers: { count: workers ?? availableParallelism(), spec },
		properties: judgedProperties(subject),
		...subjectCommands(options, subject),
	});
	const { verdict, problems, interrupted, counts, findings } = result;
	const { name, against } = subject.target;
	const row: MatrixVersion = {
		engine: subject.kind === "actor" ? name : `${name} on ${against}`,
		...{ verdict, problems, interrupted, counts, findings },
		seconds: Number(((performance.now() - begun) / 1_000).toFixed(3)),
		command: `pnpm sim --runs ${counts.runs}${subjectDrawing(options)}`,
	};
	return { subject, result, row };
}

function rowsOf(explored: readonly Explored[]): MatrixReport["properties"] {
	const all = new Map(explored.flatMap(({ subject }) => judgedProperties(subject)).map((row) => [row.id, row]));
	return [...all.values()].map(({ id, suite, claim }) => ({
		...{ id, suite, claim },
		cells: explored.map(({ result, row }): MatrixCell => {
			const entry = result.properties.find((property) => property.id === id);
			const counted = cellCounts(result.findings, id);
			const checked = entry?.checked ?? 0;
			if (checked > 0 || counted.verdict !== "pass") return { engine: row.engine, ...counted, checked };
			const reason = entry?.skipped.map((skipped) => skipped.reason).join("; ") || "no run was about it";
			return { engine: row.engine, ...counted, verdict: "skip", checked, reason };
		}),
	}));
}

function settingsOf({
	actor,
	runner,
	server,
	runs,
	for: forMs,
	suite,
	property,
	program,
	faults,
}: SubjectMatrixOptions) {
	const named = Object.entries({ actor, runner, server, runs, forMs, suite, property, program, faults });
	return Object.fromEntries(named.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
