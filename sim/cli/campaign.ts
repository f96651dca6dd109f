/** What the command line of every campaign has in common, whatever it explores. */
import { plural } from "../../reports/text.ts";
import type { Shard } from "../explore/campaign/shard.ts";
import type { Exploration } from "../explore/campaign/work.ts";
import type { PublishOptions } from "./report/publish.ts";

export interface ExploringOptions extends PublishOptions {
	readonly runs?: number;
	/** Real milliseconds. */
	readonly for?: number;
	readonly from: number;
	/** Threads at most; as many as there are cores when absent. */
	readonly workers?: number;
	readonly shard?: Shard;
	/** Directory in which failures are kept. */
	readonly corpus?: string;
	/** File of an earlier report: what it has is no news. */
	readonly baseline?: string;
	readonly explore: Exploration["kind"];
	readonly depth?: number;
	/** With `explore: crashes`: the seed whose scenario is searched. */
	readonly seed?: number;
	/** Whether to make a sample of the runs in another process too. */
	readonly doublecheck?: boolean;
}

/** `15 000 seeds`, `500 seeds within 30 s`, `30 s`. */
export function seedsText(seeds: number, forMs: number | undefined): string {
	if (Number.isFinite(seeds)) return plural(seeds, "seed") + withinText(forMs);
	return `${(forMs ?? 0) / 1_000} s`;
}

/** ` within 30 s`; nothing without a limit. */
export function withinText(forMs: number | undefined): string {
	return forMs === undefined ? "" : ` within ${forMs / 1_000} s`;
}
