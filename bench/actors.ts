/**
 * Crash schedules of actors a second: the counter loop of the documentation on each published runtime and on the reference, crashed
 * before and after every durable write, each schedule from the beginning. What cannot be installed here is named and left out.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ACTORS, needOfActor } from "../drivers/actor/load.ts";
import { installedInPart, PackageUnavailable } from "../sim/cli/machine/packages.ts";
import type { ActorFigures } from "./actors-child.ts";
import { row, type Section, SIM } from "./section.ts";

export interface ActorsFigures {
	readonly targets: readonly (ActorFigures & { readonly name: string })[];
	/** What could not be installed, with the reason. */
	readonly missing: readonly string[];
}

export const actors: Section<ActorsFigures> = {
	name: "actors",
	about: "crash schedules of actors a second, on each runtime; installs them; a minute or two",
	byDefault: false,

	async measure(tell) {
		const missing: string[] = [];
		const targets: ActorsFigures["targets"][number][] = [];
		for (const name of ACTORS) {
			try {
				const need = needOfActor(name);
				const directory = need === undefined ? undefined : await installedInPart(need, tell);
				tell(name);
				targets.push({ name, ...inChild(name, directory) });
			} catch (error) {
				if (!(error instanceof PackageUnavailable)) throw error;
				missing.push(error.message);
			}
		}
		return { targets, missing };
	},

	text({ targets, missing }) {
		return [
			"The documentation's counter loop, 3 messages, crashed at every durable write.",
			row("", "a second", "ms", "lives", "events", "schedules"),
			...targets.map(({ name, schedulesPerSecond, ms, lives, events, schedules }) =>
				row(name, schedulesPerSecond.toFixed(0), ms.toFixed(2), lives.toFixed(1), events.toFixed(0), String(schedules)),
			),
			...missing,
			"",
			"A schedule: create, send, crash, start again, look at the state in that life and",
			"in a new one. Processor time, one thread, a process for each runtime.",
		].join("\n");
	},
};

/** One thread, so that what the runtime does beside the program counts. */
function inChild(name: string, directory: string | undefined): ActorFigures {
	const root = fileURLToPath(new URL("..", import.meta.url));
	const child = fileURLToPath(new URL("./actors-child.ts", import.meta.url));
	const given = [...SIM.slice(0, -1), child, name, ...(directory === undefined ? [] : [directory])];
	const printed = execFileSync(process.execPath, given, {
		cwd: root,
		encoding: "utf8",
		stdio: ["ignore", "pipe", "inherit"],
	});
	return JSON.parse(printed) as ActorFigures;
}
