/** The space of generated programs as text: what of it ran, what never did, and what was avoided for which reason. */
import type { AvoidedResult, GeneratedResult } from "./model.ts";
import { count, type Paint, plural, wrap } from "./text.ts";

export function generatedText(generated: GeneratedResult, width: number, paint: Paint): string {
	const { runs, kinds, traits, nestings, never } = generated;
	const counted = (items: readonly (readonly [string, number])[]) =>
		items
			.filter(([, ran]) => ran > 0)
			.map(([name, ran]) => `${name} ${count(ran)}`)
			.join(", ") || "none";
	const lines = [
		`reached: ${counted(kinds.map(({ kind, ran }) => [kind, ran]))}`,
		`a process died in: ${counted(kinds.map(({ kind, crashedIn }) => [kind, crashedIn]))}`,
		...[...new Set(nestings.map(({ outer }) => outer))].map((outer) => {
			const inner = nestings.filter((pair) => pair.outer === outer);
			return `inside ${outer}: ${counted(inner.map((pair) => [pair.inner, pair.ran]))}`;
		}),
		`traits: ${counted(traits.map(({ trait, ran }) => [trait, ran]))}`,
	].map((line) => wrap(line, width, "    ", "  "));
	if (never.length > 0) lines.push(paint.yellow(wrap(`never ran: ${never.join(", ")}`, width, "    ", "  ")));
	return [paint.bold(`generated programs, by runs of ${count(runs)}`), ...lines].join("\n");
}

/** What seeds left out, a shape a line or two: what it is, how many seeds avoided it and how many ran it, and why. */
export function avoidedText(avoided: readonly AvoidedResult[], width: number, paint: Paint): string {
	const shapes = avoided.map(({ shape, meaning, entries, avoided: seeds, ran }) => {
		const why = entries.length === 0 ? "as asked for" : `since ${entries.join(", ")}`;
		return wrap(
			`${shape} (${meaning}): ${plural(seeds, "seed")} avoided it, ${count(ran)} ran it; ${why}`,
			width,
			"    ",
			"  ",
		);
	});
	return [paint.bold("avoided, so that what is behind known failures shows"), ...shapes].join("\n");
}
