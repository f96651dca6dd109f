/** `--shard i/n` on the command line: whether there is anything for that shard to do, and the file that it leaves for `merge`. */
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { Expectation } from "../../../fixtures/expectations/expectations.ts";
import { plural } from "../../../reports/text.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { Lab } from "../../explore/campaign/lab.ts";
import type { CampaignResult } from "../../explore/campaign/result.ts";
import type { Shard } from "../../explore/campaign/shard.ts";
import { digestOf, formatShard, SHARD_FILE, type ShardRecord } from "../../explore/campaign/shard-file.ts";
import { type Exploration, worksIn } from "../../explore/campaign/work.ts";
import { VERSION } from "../version.ts";

/** @param runs seeds of all shards together. @throws UsageError when nothing is the shard's. */
export function refuseEmptyShard(
	{ i, n }: Shard,
	exploration: Exploration,
	lab: Pick<Lab, "programs" | "hosts">,
	runs: number,
): void {
	const works = worksIn(lab, exploration, runs);
	// Without anything to do for anybody, the campaign says why.
	if (i <= works || works === 0) return;
	const all = exploration.kind === "random" ? plural(works, "seed") : `${works} ${works === 1 ? "search" : "searches"}`;
	throw new UsageError(`Shard ${i}/${n} has none of ${all}; use at most ${plural(works, "shard")}.`);
}

export interface Share extends Pick<ShardRecord, "kind" | "engine" | "driver" | "settings"> {
	readonly shard: Shard | undefined;
	readonly expectations: readonly Expectation<SubjectScenario>[];
}

/** What a shard leaves beside its report; nothing for a campaign that is whole. */
export function shardFiles({ shard, expectations, ...whole }: Share) {
	return <S extends SubjectScenario>(
		{ interrupted, tally }: Pick<CampaignResult<S>, "interrupted" | "tally">,
		seconds: number,
	): [name: string, content: string][] => {
		if (shard === undefined) return [];
		const record: ShardRecord = {
			...{ tool: VERSION, ...whole, shard, interrupted, seconds: Number(seconds.toFixed(3)) },
			expectations: {
				digest: digestOf(expectations),
				listed: expectations.map(({ scenario: _, ...entry }) => entry),
			},
			tally,
		};
		return [[SHARD_FILE, formatShard(record)]];
	};
}
