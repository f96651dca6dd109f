/**
 * `shard.json`: what one shard of a campaign saw, with all that says whether it may be joined with others. Written and read as
 * inverses; joining refuses what would make a report that no single campaign could have made.
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { Report } from "../../../reports/model.ts";
import type { Listed } from "./result.ts";
import type { Shard } from "./shard.ts";
import { mergeTallies, type TallyData } from "./tally.ts";

export interface ShardRecord {
	/** The version of this tool. */
	readonly tool: string;
	/** What is under test, where it is no workflow engine. */
	readonly kind?: "actor" | "runner";
	/** What is under test: an engine, an actor runtime, a runner. `digest` is of the file, for a local build. */
	readonly engine: { readonly name: string; readonly version: string; readonly digest?: string };
	/** What it runs on or talks to: a storage driver, a server. */
	readonly driver: string;
	/** The settings of the campaign as a whole, without the shard. */
	readonly settings: Report["settings"];
	readonly shard: Shard;
	/** Whether it was stopped, or is not done yet. */
	readonly interrupted: boolean;
	/** Real seconds it took. */
	readonly seconds: number;
	/** The known failures that it was judged by; the digest is of their runs too. */
	readonly expectations: { readonly digest: string; readonly listed: readonly Listed[] };
	readonly tally: TallyData;
}

export const SHARD_FILE = "shard.json";
const FORMAT = "faultline-shard-1";

/** Hex SHA-256 of plain data, as JSON says it. */
export function digestOf(data: unknown): string {
	return createHash("sha256").update(JSON.stringify(data)).digest("hex");
}

export function formatShard(record: ShardRecord): string {
	return `${JSON.stringify({ format: FORMAT, digest: digestOf(record), record })}\n`;
}

/** @throws UsageError naming `directory`, where the text was found, when it is damaged or of another format. */
export function parseShardFile(text: string, directory: string): ShardRecord {
	let file: { format?: unknown; digest?: unknown; record?: unknown };
	try {
		file = Object(JSON.parse(text));
	} catch {
		throw new UsageError(`${directory}: its ${SHARD_FILE} is damaged; run that shard again.`);
	}
	if (file.format !== FORMAT) {
		throw new UsageError(
			`${directory}: its ${SHARD_FILE} is not of this version (${FORMAT}); run that shard again with this version.`,
		);
	}
	if (file.digest !== digestOf(file.record)) {
		throw new UsageError(`${directory}: its ${SHARD_FILE} is damaged; run that shard again.`);
	}
	return file.record as ShardRecord;
}

/** What all shards of one campaign have in common, and how a difference is named. */
const COMMON: readonly (readonly [what: (kind: Kind) => string, of: (record: ShardRecord) => unknown])[] = [
	[() => "another version of Faultline", ({ tool }) => tool],
	[() => "another kind of target", kindOf],
	[(kind) => `another ${kind}`, ({ engine }) => engine],
	[(kind) => (kind === "runner" ? "another server" : "another storage driver"), ({ driver }) => driver],
	[() => "another number of shards", ({ shard }) => shard.n],
	[() => "other settings", ({ settings }) => settings],
	[() => "another list of known failures", ({ expectations }) => expectations.digest],
];

type Kind = "engine" | NonNullable<ShardRecord["kind"]>;

function kindOf({ kind }: ShardRecord): Kind {
	return kind ?? "engine";
}

/**
 * The tally of all shards together; `shards` in their order.
 * @param byDirectory every shard of one campaign.
 * @param partial whether shards that were stopped before their end are taken as they are.
 * @throws UsageError naming the directory of the first shard that does not belong, or what is missing.
 */
export function joinShards(
	byDirectory: ReadonlyMap<string, ShardRecord>,
	partial: boolean,
): { tally: TallyData; shards: readonly ShardRecord[] } {
	const [first] = byDirectory;
	if (first === undefined) throw new UsageError("Nothing to merge; give the directories of all shards.");
	const [firstDirectory, { shard: firstShard }] = first;
	const seen = new Map<number, string>();
	for (const [directory, record] of byDirectory) {
		for (const [what, of] of COMMON) {
			const [here, there] = [of(record), of(first[1])];
			if (isDeepStrictEqual(here, there)) continue;
			throw new UsageError(
				`${directory}: ${what(kindOf(record))} than ${firstDirectory} has (${show(here)}, not ${show(there)}); give the shards of one campaign.`,
			);
		}
		const { i, n } = record.shard;
		const twin = seen.get(i);
		if (twin !== undefined) {
			throw new UsageError(`${directory}: shard ${i}/${n} again, as ${twin} is; give each shard once.`);
		}
		seen.set(i, directory);
		if (record.interrupted && !partial) {
			throw new UsageError(
				`${directory}: shard ${i}/${n} was stopped before its end; run it again, or take what it has with --partial.`,
			);
		}
	}
	const missing = Array.from({ length: firstShard.n }, (_, i) => i + 1).filter((i) => !seen.has(i));
	if (missing.length > 0) {
		const names = missing.slice(0, 5).map((i) => `${i}/${firstShard.n}`);
		throw new UsageError(
			`${[...byDirectory.keys()].join(", ")}: shard ${names.join(", ")}${missing.length > 5 ? ", …" : ""} is missing; give its directory too, or run it.`,
		);
	}
	const shards = [...byDirectory.values()].sort((a, b) => a.shard.i - b.shard.i);
	return { tally: mergeTallies(shards.map(({ tally }) => tally)), shards };
}

/** In words short enough for one line. */
function show(value: unknown): string {
	return typeof value === "object" ? JSON.stringify(value) : String(value).slice(0, 20);
}

/** How far a shard came: how many seeds, and from which to which; or how many searches, and how many of them to their end. */
export function reach({ shard: { i, n }, settings, interrupted, tally }: ShardRecord): string {
	const { runs } = tally.counts;
	const searches = Object.values(tally.searches);
	if (searches.length > 0) {
		const exhausted = searches.filter((search) => search.exhausted).length;
		return `${i}/${n}: ${exhausted} of ${searches.length} searches exhausted, ${runs} runs`;
	}
	const first = Number(settings.from) + i - 1;
	// Threads that are stopped leave blocks half done, so that there is no last seed to name.
	const range = interrupted ? "stopped" : `${first} to ${first + (runs - 1) * n}`;
	return runs === 0 ? `${i}/${n}: none` : `${i}/${n}: ${runs} seeds, ${range}`;
}
