/** Puts what one judged run showed into a tally: the findings, and the run itself where it is the simplest that showed one. */
import { findingId } from "../../../reports/model.ts";
import type { Violation } from "../../../suites/property.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { History } from "../../world/history.ts";
import { bothDisputed, isLesser, type Rank, type Shown, type Tally } from "./tally.ts";

/** Where a run comes from: a seed, the list of known failures (by id of the entry), a file of the corpus, or none of these. */
export type Source = Pick<Shown, "seed" | "avoided" | "listed" | "file">;

/** As much of a judged run as a tally keeps. */
export interface Judged {
	readonly run: {
		readonly scenario: SubjectScenario;
		readonly history: History;
		readonly fired: ReadonlySet<number>;
	};
	readonly violations: readonly { readonly property: { readonly id: string }; readonly violation: Violation }[];
	readonly program: string;
	/** How it was run and what was done to it, a line each; asked for only when the run is kept. */
	conditions(): readonly string[];
}

export class Gatherer {
	/** The least seed that showed each finding, over all tallies, so that a digest is made only for a simpler one. */
	readonly #least = new Map<string, Rank>();

	/**
	 * @param own id of the finding that a kept run is kept for.
	 * @returns the ids of the findings this run showed.
	 */
	gather(tally: Tally, judged: Judged, source: Source, own?: string): Set<string> {
		const { run, violations, program } = judged;
		const shown = new Set<string>();
		const isKept = source.listed !== undefined || source.file !== undefined;
		// What is not disputed speaks for a run that breaks a property in both ways.
		const clearFirst = [...violations].sort((a, b) => Number(isDisputed(a)) - Number(isDisputed(b)));
		for (const { property, violation } of clearFirst) {
			const id = findingId({ property: property.id, kind: violation.kind });
			if (shown.has(id)) continue;
			shown.add(id);
			const size = run.fired.size * 1_000_000 + run.history.events.length;
			const finding = tally.finding(property.id, violation.kind);
			finding.disputed = bothDisputed(finding.disputed, violation.disputed ?? false);
			const { seed } = source;
			const rank: Rank = { size, ...(seed === undefined ? {} : { seed }), scenario: run.scenario };
			const example = (): Shown => ({
				...source,
				...rank,
				program,
				conditions: judged.conditions(),
				message: violation.message,
				digest: run.history.digest(),
			});
			// Seeds speak for themselves: what a kept run shows is an example until a seed shows it, and no more.
			if (isKept) {
				const { kept } = finding;
				// One run may be kept for several findings: each is shown by the one that is kept for it.
				const isBetter = kept === undefined || isLesser(rank, kept) || (id === own && !isLesser(kept, rank));
				if (isBetter) finding.kept = example();
				continue;
			}
			finding.runs++;
			finding.programs.set(program, (finding.programs.get(program) ?? 0) + 1);
			const least = this.#least.get(id);
			if (least === undefined || isLesser(rank, least)) {
				finding.least = example();
				this.#least.set(id, rank);
			}
		}
		return shown;
	}
}

function isDisputed({ violation }: Judged["violations"][number]): boolean {
	return violation.disputed !== undefined;
}
