/**
 * Command schedules a second: the reference runner on the reference server, with each connection cut before and after each of its
 * frames, and as seeds draw them; each made, and made and judged by every property.
 */
import { referenceRunner } from "../drivers/runner/reference/runner.ts";
import { referenceServer } from "../drivers/runner/server/server.ts";
import { commandSubject } from "../sim/explore/commands/subject.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { COMMAND_PROPERTIES } from "../suites/commands/index.ts";
import type { CommandScenario } from "../suites/commands/run.ts";
import { type Comparison, compare, type Work } from "./rounds.ts";
import { row, type Section } from "./section.ts";

const PAIRS = 25;
const PROGRAMS = ["start", "create-and-destroy", "sleep-and-wake", "drain", "crowd"];
/** Drawn schedules, gone round. */
const SEEDS = 400;

interface CommandFigures {
	readonly programs: readonly (Comparison & {
		readonly name: string;
		readonly schedules: number;
		/** Frames and events of a schedule, on the average. */
		readonly frames: number;
		readonly events: number;
	})[];
}

const subject = commandSubject({ runner: referenceRunner(), server: referenceServer() });

export const commands: Section<CommandFigures> = {
	name: "commands",
	about: "schedules of commands a second, made and judged",
	byDefault: false,

	async measure(tell) {
		const programs: CommandFigures["programs"][number][] = [];
		for (const name of [...PROGRAMS, "seeds"]) {
			tell(name);
			const schedules = await inMacrotask(() => (name === "seeds" ? drawn() : cuts(name)));
			const ran = await inMacrotask(() => schedules.map((scenario) => subject.run(scenario)));
			const mean = (of: (run: (typeof ran)[number]) => number) =>
				ran.reduce((sum, run) => sum + of(run), 0) / ran.length;
			programs.push({
				...{
					name,
					schedules: schedules.length,
					frames: mean(({ frames }) => frames),
					events: mean(({ events }) => events),
				},
				...(await compare(each(schedules, false), each(schedules, true), PAIRS)),
			});
		}
		return { programs };
	},

	text: ({ programs }) =>
		[
			"Schedules of commands a second on one core: the reference runner on the reference",
			"server, each connection cut before and after each frame, and as seeds draw them.",
			row("", "made", "and judged", "schedules", "frames each", "events each"),
			...programs.map(({ name, baseUs, otherUs, schedules, frames, events }) =>
				row(name, perSecond(baseUs), perSecond(otherUs), `${schedules}`, frames.toFixed(0), events.toFixed(0)),
			),
		].join("\n"),
};

const perSecond = (us: number) => Math.round(1e6 / us).toString();

/** The program with nothing in its way but one cut, at each frame and on each side of it. */
function cuts(program: string): readonly CommandScenario[] {
	const [scenario] = subject.uninterrupted(program);
	if (scenario === undefined) throw new Error(`There is no way to run ${program}.`);
	const { frames } = subject.run(scenario);
	return Array.from({ length: frames }, (_, i) =>
		(["before", "after"] as const).map((side) => ({
			...{ ...scenario, faults: [{ kind: "cut", frame: i + 1, side } as const] },
		})),
	).flat();
}

function drawn(): readonly CommandScenario[] {
	return Array.from({ length: SEEDS }, (_, seed) => subject.draw(seed + 1));
}

function each(schedules: readonly CommandScenario[], judged: boolean): Work {
	let at = 0;
	return (times) => {
		for (let i = 0; i < times; i++) {
			const run = subject.run(schedules[at++ % schedules.length] as CommandScenario);
			if (judged) for (const property of COMMAND_PROPERTIES) property.check(run);
		}
	};
}
