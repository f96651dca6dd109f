/** How long one run takes from nothing: `pnpm sim --seed N` as a process of its own, started again and again. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "./rounds.ts";
import { row, type Section, SIM } from "./section.ts";

const STARTS = 10;
/** Of the slow way. */
const PNPM_STARTS = 5;
const ARGUMENTS = ["--seed", "721"];
/** As the README says it; asked nothing. */
const PNPM = ["--yes", "pnpm@12"];
const ROOT = fileURLToPath(new URL("..", import.meta.url));

export interface ColdFigures {
	/** Median seconds on the clock, and of processor time, of the simulator alone. */
	readonly node: { readonly wall: number; readonly cpu: number };
	/** Median seconds on the clock through the package manager; absent where there is none. */
	readonly pnpm?: { readonly wall: number };
	readonly starts: number;
}

export const cold: Section<ColdFigures> = {
	name: "cold",
	about: "one run from a cold start",
	byDefault: true,

	async measure(tell) {
		tell("node");
		const node = Array.from({ length: STARTS }, () => startNode());
		tell("npx pnpm");
		// The first may have to fetch the package manager, and tells whether that can be done here.
		const pnpm = startPnpm() !== undefined;
		const walls = pnpm ? Array.from({ length: PNPM_STARTS }, () => startPnpm() ?? Number.NaN) : [];
		return {
			node: { wall: median(node.map(({ wall }) => wall)), cpu: median(node.map(({ cpu }) => cpu)) },
			...(pnpm ? { pnpm: { wall: median(walls) } } : {}),
			starts: STARTS,
		};
	},

	text({ node, pnpm, starts }) {
		return [
			`Seconds for one run from a cold start, median of ${starts}; ${ARGUMENTS.join(" ")}.`,
			row("", "clock", "processor"),
			row("node", node.wall.toFixed(2), node.cpu.toFixed(2)),
			pnpm === undefined
				? "  npx pnpm@12 sim was not measured: it cannot be started here."
				: row("npx pnpm@12 sim", pnpm.wall.toFixed(2)),
		].join("\n");
	},
};

/** Has the process tell its own processor time as its last act, in seconds on descriptor 3. */
const TELL_CPU = `data:text/javascript,${encodeURIComponent(
	`import { writeSync } from "node:fs";
	process.on("exit", () => {
		const { user, system } = process.cpuUsage();
		writeSync(3, String((user + system) / 1e6));
	});`,
)}`;

/** @returns seconds. */
function startNode(): { wall: number; cpu: number } {
	const begun = performance.now();
	const { status, output } = spawnSync(process.execPath, ["--import", TELL_CPU, ...SIM, ...ARGUMENTS], {
		cwd: ROOT,
		stdio: ["ignore", "pipe", "inherit", "pipe"],
		encoding: "utf8",
	});
	const wall = (performance.now() - begun) / 1000;
	const cpu = Number(output[3]);
	if (status !== 0 || !(cpu > 0))
		throw new Error(`The cold start ended with ${status} and ${cpu} s of processor time.`);
	return { wall, cpu };
}

/** @returns seconds; undefined when it did not end well. */
function startPnpm(): number | undefined {
	const begun = performance.now();
	const { status } = spawnSync("npx", [...PNPM, "sim", ...ARGUMENTS], { cwd: ROOT, stdio: "ignore" });
	return status === 0 ? (performance.now() - begun) / 1000 : undefined;
}
