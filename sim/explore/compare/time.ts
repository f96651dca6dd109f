/**
 * How long the same programs take on two engines: uninterrupted runs, by turns in one process, so that whatever else the machine
 * does hits both. Times are processor times and of the whole run, world included, which is the same on both sides; the figure is a
 * ratio, since a time of one machine says nothing on another.
 */
import type { HostingMode } from "../../../drivers/engine/host.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import type { TimeRatio } from "../../../reports/model.ts";
import { execute, type Target } from "../../../suites/run.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { referenceScenario } from "../draw.ts";

const MODES: readonly HostingMode[] = ["live", "yield"];
/** Rounds whose times are thrown away: code is compiled while it runs. */
const WARM_UPS = 4;
/** What a program may write that is timed: larger ones would be all that is measured. */
const MOST_EVENTS = 400;

/** @param programs that both can run. */
export async function timeRatio(
	before: Target,
	after: Target,
	programs: readonly Program[],
	rounds: number,
	signal?: AbortSignal,
): Promise<TimeRatio> {
	const timed = await inMacrotask(() =>
		programs.filter((program) => execute(referenceScenario(program, "live"), program, before).events <= MOST_EVENTS),
	);
	const ratios: number[] = [];
	for (let round = 0; round < rounds + WARM_UPS && signal?.aborted !== true; round++) {
		const times = await inMacrotask(() => {
			// Which of the two goes first alternates too.
			const order = round % 2 === 0 ? [before, after] : [after, before];
			return new Map(order.map((target) => [target, timeOf(target, timed)]));
		});
		if (round >= WARM_UPS) ratios.push((times.get(after) as number) / (times.get(before) as number));
	}
	ratios.sort((a, b) => a - b);
	const at = (share: number) => Number((ratios[Math.floor((ratios.length - 1) * share)] ?? 1).toFixed(3));
	return { ratio: at(0.5), low: at(0.25), high: at(0.75), rounds: ratios.length, programs: timed.length };
}

/** Microseconds of processor time for each program once in each mode. */
function timeOf(target: Target, programs: readonly Program[]): number {
	const begun = process.cpuUsage();
	for (const program of programs) {
		for (const mode of MODES) execute(referenceScenario(program, mode), program, target);
	}
	const { user, system } = process.cpuUsage(begun);
	return Math.max(1, user + system);
}
