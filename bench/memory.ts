/** Whether a long campaign keeps its memory: resident memory after a warm-up and after 100 000 runs more. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { MemorySample } from "./memory-child.ts";
import { MIB, row, type Section } from "./section.ts";

export interface MemoryFigures {
	readonly samples: readonly MemorySample[];
	/** Resident bytes at the end over those after the warm-up. */
	readonly growth: number;
}

export const memory: Section<MemoryFigures> = {
	name: "memory",
	about: "resident memory over 100 000 runs of a campaign; takes minutes",
	byDefault: false,

	async measure(tell) {
		tell("100 000 runs");
		const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));
		const printed = execFileSync(
			process.execPath,
			["--expose-gc", "--import", path("../sim/cli/typescript/register.mjs"), path("memory-child.ts")],
			{ encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
		);
		const samples = JSON.parse(printed) as MemorySample[];
		const [first, last] = [samples[0], samples.at(-1)];
		if (first === undefined || last === undefined) throw new Error("The campaign gave no sample of its memory.");
		return { samples, growth: last.resident - first.resident };
	},

	text({ samples, growth }) {
		const mib = (bytes: number) => (bytes / MIB).toFixed(1);
		return [
			"Memory of one process over a campaign, MiB, garbage collected before each look.",
			row("runs", "resident", "heap used", "outside it"),
			...samples.map(({ runs, resident, heap, external }) =>
				row(runs.toString(), mib(resident), mib(heap), mib(external)),
			),
			"",
			`${mib(growth)} MiB more resident memory after ${(samples.at(-1)?.runs ?? 0) - (samples[0]?.runs ?? 0)} runs.`,
		].join("\n");
	},
};
