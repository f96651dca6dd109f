/** `pnpm sim real-server`: conversations of a runner with the published server, beside what is on record of it. */
import { tmpdir } from "node:os";
import { relative } from "node:path";
import { UsageError } from "../../drivers/engine/contract.ts";
import type { Conversation } from "../../fixtures/conversations/conversation.ts";
import { CONVERSATIONS } from "../../fixtures/conversations/index.ts";
import { PROBES } from "../../fixtures/conversations/probes.ts";
import type { Observed } from "../explore/conversations/converse.ts";
import { holdProbe, type Probed } from "../explore/conversations/probe.ts";
import { realProbes } from "../explore/conversations/real-stage.ts";
import {
	differences,
	isAsRecorded,
	observedName,
	type RealRecord,
	record,
	recorded,
} from "../explore/conversations/record.ts";
import { RIVET_ENGINE, rivetEngineBinary } from "../explore/conversations/rivet-engine.ts";
import { type Servers, startServers } from "../explore/conversations/servers.ts";
import { survey } from "../explore/conversations/survey.ts";
import { boxSettings } from "./machine/box-settings.ts";
import { stoppable } from "./progress/stoppable.ts";
import { unknown } from "./unknown.ts";

export interface RealServerOptions {
	/** Names of conversations; all by default. */
	readonly conversation?: readonly string[];
	/** Whether to put what it does on record. */
	readonly update?: boolean;
	readonly json?: boolean;
	readonly quiet?: boolean;
}

/** Conversations under way at a time: they wait more than they work. */
const AT_ONCE = 8;

/** @returns the exit code: 1 when it does otherwise than on record. @throws UsageError where it cannot run. */
export async function realServer(options: RealServerOptions): Promise<0 | 1> {
	const conversations = chosen(options.conversation);
	const silent = options.quiet === true || options.json === true;
	const expected = options.update === true ? {} : { agrees: isAsRecorded(recorded()) };
	const { probes, survey: surveyed } = await withServers(async (servers) => {
		const probes = options.conversation === undefined ? await probesOf(servers) : [];
		const { result } = await stoppable(
			silent,
			undefined,
			(_signal, progress) =>
				survey({
					servers,
					conversations,
					atOnce: AT_ONCE,
					...expected,
					onRow: (done, total) => progress(done, `of ${total} rows`),
				}),
			"row",
		);
		return { probes, survey: result };
	});
	const { failed, again, observed: rows } = surveyed;
	for (const why of silent ? [] : again) process.stdout.write(`held once more: ${why}\n`);
	return options.update === true
		? update(merged({ rows, probes }), failed)
		: compare({ rows, probes }, failed, options);
}

async function probesOf({ patient }: Servers): Promise<Probed[]> {
	await patient.pool(PROBES_POOL);
	return await Promise.all(
		PROBES.map((probe, i) => holdProbe(probe, realProbes(patient), `${PROBES_POOL}-${i}`, PROBES_POOL)),
	);
}

const PROBES_POOL = "probes";

/** Has the published server's program, installed when needed, started for some work, and ended after it. */
async function withServers<T>(work: (servers: Servers) => Promise<T>): Promise<T> {
	const { packageDirectory } = boxSettings(tmpdir(), (text) => process.stderr.write(`${text}\n`));
	const servers = await packageDirectory(RIVET_ENGINE.name, RIVET_ENGINE.version)
		.then((directory) => startServers(rivetEngineBinary(directory)))
		.catch((error: unknown) => {
			throw new UsageError(`rivet-engine cannot run here: ${error instanceof Error ? error.message : String(error)}`);
		});
	try {
		return await work(servers);
	} finally {
		await servers.stop();
	}
}

function chosen(names: readonly string[] | undefined): readonly Conversation[] {
	if (names === undefined) return CONVERSATIONS;
	return names.map((wanted) => {
		const found = CONVERSATIONS.find(({ name }) => name === wanted);
		if (found !== undefined) return found;
		const known = CONVERSATIONS.map(({ name }) => name);
		throw new UsageError(unknown("conversation", wanted, known));
	});
}

/** What was seen, and of the conversations that were not held what is on record. */
function merged({ rows, probes }: RealRecord): RealRecord {
	const known = recorded();
	const held = new Set(rows.map(({ conversation }) => conversation));
	return {
		rows: CONVERSATIONS.flatMap(({ name }) =>
			(held.has(name) ? rows : known.rows).filter(({ conversation }) => conversation === name),
		),
		probes: probes.length > 0 ? probes : known.probes,
	};
}

function update(seen: RealRecord, failed: readonly string[]): 0 | 1 {
	if (failed.length > 0) {
		process.stdout.write(`Nothing is recorded, because these rows came to no end:\n${failed.join("\n")}\n`);
		return 1;
	}
	const file = relative(".", record(seen));
	process.stdout.write(`recorded: ${file}, ${seen.rows.length} rows and ${seen.probes.length} probes\n`);
	return 0;
}

function compare(seen: RealRecord, failed: readonly string[], options: RealServerOptions): 0 | 1 {
	const differing = differencesFrom(recorded(), seen);
	if (options.json === true) {
		process.stdout.write(`${JSON.stringify({ ...seen, differing, failed }, undefined, "\t")}\n`);
	} else {
		for (const { name, how } of differing)
			process.stdout.write(`${name}\n${how.map((line) => `  ${line}\n`).join("")}`);
		for (const why of failed) process.stdout.write(`came to no end: ${why}\n`);
		const held = seen.rows.length + seen.probes.length;
		process.stdout.write(
			`${RIVET_ENGINE.name} ${RIVET_ENGINE.version}: ${held - differing.length} of ${held + failed.length} rows as on record\n`,
		);
	}
	return differing.length === 0 && failed.length === 0 ? 0 : 1;
}

function differencesFrom(
	known: RealRecord,
	seen: RealRecord,
): { readonly name: string; readonly how: readonly string[] }[] {
	const rows = new Map(known.rows.map((row) => [observedName(row), row]));
	const probes = new Map(known.probes.map((probe) => [probe.probe, JSON.stringify(probe)]));
	const ofRow = (row: Observed) => {
		const before = rows.get(observedName(row));
		return before === undefined ? ["is not on record"] : differences(before, row, ["record", "server"]);
	};
	return [
		...seen.rows.map((row) => ({ name: observedName(row), how: ofRow(row) })),
		...seen.probes.map((probe) => {
			const before = probes.get(probe.probe);
			const now = JSON.stringify(probe);
			return { name: probe.probe, how: before === now ? [] : [`record ${before ?? "has none"}, server ${now}`] };
		}),
	].filter(({ how }) => how.length > 0);
}
