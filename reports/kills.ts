/** What a campaign of real crashes did, as text. */
import type { KillsResult, Report } from "./model.ts";
import { count, plural, wrap } from "./text.ts";

const MEANINGS: Readonly<Record<string, string>> = {
	"power-loss": "what was not synced",
	server: "the server",
	cut: "the connection",
};

/** A few lines: what was killed where, what was looked for after it, and whether it was there. */
export function killsText(report: Report, kills: KillsResult, width: number): string {
	const { before, after, during, tookPlace, writes, messages, compared, losses } = kills;
	const all = before + after + during;
	const besides = Object.entries(losses).map(([name, times]) => `${MEANINGS[name] ?? name} ${plural(times, "time")}`);
	const lost = report.findings.filter(({ property }) => property === "storage.durable");
	const lines = [
		`${plural(report.counts.runs, "run")}, ${count(all)} process lives killed: ${count(before)} before an operation, ${count(after)} after one, ${count(during)} in its midst, of which ${count(tookPlace)} had taken place`,
		...(besides.length === 0 ? [] : [`lost besides: ${besides.join(", ")}`]),
		lost.length > 0
			? `acknowledged and not there any more: see ${lost.map(({ id }) => id).join(", ")}`
			: `${plural(writes, "durable write")} and ${plural(messages, "message")} were acknowledged, and all were there after every kill`,
		`${plural(compared, "run")} could be compared with the world, since the same operations were struck`,
	];
	return lines.map((line) => wrap(line, width, "  ", "")).join("\n");
}
