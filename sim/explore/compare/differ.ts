/**
 * The same seeds on two engines. Where a user would see two outcomes, the findings of the two runs explain it; a difference that
 * none explains is a finding of its own: either an engine is wrong in a way that no property knows, or something is not promised
 * that users will rely on.
 */
import * as v from "valibot";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { type DifferExplanation, type DifferReport, type Finding, SCHEMA_VERSION } from "../../../reports/model.ts";
import { type Difference, differencesOf, freedomOf, uncomparable } from "../../../suites/differ.ts";
import { isConsequence } from "../../../suites/failures.ts";
import { hasEnded } from "../../../suites/meant.ts";
import { skipped } from "../../../suites/property.ts";
import { sameOutcome } from "../../../suites/replay.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { inMacrotask } from "../../world/interpose.ts";
import { conditionsOf } from "../campaign/recorder.ts";
import { type Explorer, idOf, type Judgement, tellsOfOutcome } from "../explorer.ts";

/** Both must draw alike: the same programs, features and shapes. */
export interface Pair {
	readonly engine: Explorer;
	readonly against: Explorer;
}

/** What one seed came to. */
export type Compared =
	| { readonly verdict: "same" }
	/** The seed says nothing about two engines. */
	| { readonly verdict: "uncomparable"; readonly reason: string }
	/** They differ in what the program leaves open. */
	| { readonly verdict: "free"; readonly reason: string }
	/** Findings of the runs tell why they differ, those first that only one of the two shows. */
	| {
			readonly verdict: "explained";
			readonly differences: readonly [Difference, ...Difference[]];
			readonly by: readonly [Cause, ...Cause[]];
	  }
	| { readonly verdict: "unexplained"; readonly differences: readonly [Difference, ...Difference[]] };

/** A finding that explains a difference, and on which of the two it shows. */
export interface Cause {
	readonly id: string;
	readonly side: DifferExplanation["side"];
}

export interface ComparedSeed {
	readonly compared: Compared;
	/** Absent when the seed was not run. */
	readonly judgements?: { readonly engine: Judgement; readonly against: Judgement };
}

/** Runs a seed on both. Enter through a macrotask. @throws HarnessError when a run left its world. */
export function compareSeed(pair: Pair, seed: number): ComparedSeed {
	const { engine, against } = pair;
	const { scenario, program } = engine.draw(seed);
	const reason = uncomparable(scenario, program);
	if (reason !== undefined) return { compared: { verdict: "uncomparable", reason } };
	const judgements = { engine: engine.judge(scenario, program), against: against.judge(scenario, program) };
	return { compared: compareRuns(pair, judgements.engine, judgements.against), judgements };
}

function compareRuns(pair: Pair, a: Judgement, b: Judgement): Compared {
	const [first, ...more] = differencesOf(a.run, b.run);
	if (first === undefined) return { verdict: "same" };
	const differences = [first, ...more] as const;
	const [cause, ...others] = causesOf(pair, a, b, differences);
	if (cause !== undefined) return { verdict: "explained", differences, by: [cause, ...others] };
	const freedom = freedomOf(a.run, b.run, differences);
	return freedom === undefined ? { verdict: "unexplained", differences } : { verdict: "free", reason: freedom };
}

/**
 * What explains the differences. Where one of the two did not end as it should, its findings do and not the other's. What only
 * one shows comes first: both may break in one way and differ by another.
 */
function causesOf({ engine, against }: Pair, a: Judgement, b: Judgement, differences: readonly Difference[]): Cause[] {
	const [strayA, strayB] = [strayOf(engine, a), strayOf(against, b)];
	const isOneStray = strayA !== undefined || strayB !== undefined;
	const ofA = isOneStray && strayA === undefined ? [] : explaining(a, strayA, differences);
	const ofB = isOneStray && strayB === undefined ? [] : explaining(b, strayB, differences);
	return [
		...ofA.filter((id) => !ofB.includes(id)).map((id): Cause => ({ id, side: "engine" })),
		...ofB.filter((id) => !ofA.includes(id)).map((id): Cause => ({ id, side: "against" })),
		...ofA.filter((id) => ofB.includes(id)).map((id): Cause => ({ id, side: "both" })),
	];
}

/** How a run ended otherwise than it should. The property behind it speaks last elsewhere, and is asked here in any case. */
function strayOf(explorer: Explorer, { run }: Judgement): { readonly id: string | undefined } | undefined {
	const { program, scenario } = run;
	if (!hasEnded(run.outcome)) return { id: undefined };
	if (skipped(sameOutcome, program, scenario.faults) !== undefined) return undefined;
	const violation = sameOutcome
		.check(run, explorer.reference(program, scenario.hosting.mode))
		.find((candidate) => !isConsequence(run, sameOutcome.id, candidate));
	return violation === undefined ? undefined : { id: idOf({ property: sameOutcome, violation }) };
}

/** The findings of a run that can be why it differs, in their order; that it ended otherwise when there is no better one. */
function explaining(
	{ run, violations }: Judgement,
	stray: { readonly id: string | undefined } | undefined,
	differences: readonly Difference[],
): string[] {
	const ids = violations
		.filter((shown) => tellsOfOutcome(shown, run))
		.sort((x, y) => x.violation.event - y.violation.event)
		.map(idOf)
		.filter((id) => differences.some(({ kind }) => canExplain(id, kind)));
	if (ids.length > 0 || stray?.id === undefined) return [...new Set(ids)];
	const { id } = stray;
	return differences.some(({ kind }) => canExplain(id, kind)) ? [id] : [];
}

/** Findings that explain few kinds of difference or none, by id; the others can explain any. */
const NARROW: readonly (readonly [finding: RegExp, explains: RegExp | undefined])[] = [
	// What is left over, and what a look at a finished workflow does, changes no end.
	[/^(life\.no-leak|replay\.pure)\//, undefined],
	// A value that comes back as another shows where it is handed on; only its refusal makes a workflow fail.
	[/^replay\.(values-round-trip|isolated-values)\/(?!.*refus)/, /^other-(output|messages)$/],
	// Who came to another output came to an end all the same.
	[/^replay\.same-outcome\/other-/, /^other-/],
	// How an error is told changes what it reads as, not whether there is one.
	[/^(join\.all|race\.one-winner)\/.*(cause|error)|^step\.error-recorded\//, /^other-(error|output)$/],
];

function canExplain(id: string, difference: string): boolean {
	const narrow = NARROW.find(([finding]) => finding.test(id));
	return narrow === undefined || narrow[1]?.test(difference) === true;
}

export interface DifferOptions {
	readonly from: number;
	/** How many seeds; `Infinity` when only time ends it. */
	readonly runs: number;
	/** Real milliseconds after which no further block of seeds is begun. */
	readonly forMs?: number;
	readonly signal?: AbortSignal;
	readonly onProgress?: (done: number, unexplained: number) => void;
	/** Ids of differences that an earlier report has. */
	readonly known?: ReadonlySet<string>;
	/** Shows a seed on both again. */
	commandFor(seed: number): string;
}

export type DifferResult = Pick<
	DifferReport,
	"verdict" | "problems" | "interrupted" | "counts" | "free" | "uncomparable" | "explained" | "findings"
>;

/** Seeds between two looks at the clock and the signal. */
const BLOCK = 50;

export async function differ(pair: Pair, options: DifferOptions): Promise<DifferResult> {
	const tally = new DifferTally(options.commandFor, options.known ?? new Set());
	const endsAt = performance.now() + (options.forMs ?? Number.POSITIVE_INFINITY);
	const last = options.from + options.runs;
	for (let seed = options.from; seed < last && tally.problem === undefined; ) {
		if (options.signal?.aborted === true || performance.now() >= endsAt) break;
		const first = seed;
		seed = Math.min(last, first + BLOCK);
		await inMacrotask(() => {
			for (let n = first; n < seed && tally.problem === undefined; n++) tally.take(n, pair);
		});
		options.onProgress?.(tally.runs, tally.unexplained.size);
	}
	return tally.result(options.signal?.aborted === true);
}

class DifferTally {
	problem: string | undefined;
	runs = 0;
	same = 0;
	readonly unexplained = new Map<string, Finding>();
	readonly #explained = new Map<string, DifferExplanation>();
	readonly #free = new Map<string, number>();
	readonly #uncomparable = new Map<string, number>();
	readonly #commandFor: (seed: number) => string;
	readonly #known: ReadonlySet<string>;

	constructor(commandFor: (seed: number) => string, known: ReadonlySet<string>) {
		this.#commandFor = commandFor;
		this.#known = known;
	}

	take(seed: number, pair: Pair): void {
		try {
			const { compared, judgements } = compareSeed(pair, seed);
			this.runs++;
			switch (compared.verdict) {
				case "same":
					this.same++;
					break;
				case "free":
					this.#free.set(compared.reason, (this.#free.get(compared.reason) ?? 0) + 1);
					break;
				case "uncomparable":
					this.#uncomparable.set(compared.reason, (this.#uncomparable.get(compared.reason) ?? 0) + 1);
					break;
				case "explained":
					this.#explain(seed, compared.by[0], compared.differences[0], (judgements as Both).engine);
					break;
				case "unexplained":
					this.#find(seed, compared.differences[0], (judgements as Both).engine);
					break;
			}
		} catch (error) {
			if (!(error instanceof HarnessError)) throw error;
			this.problem = `seed ${seed}: ${error.message}`;
		}
	}

	#explain(seed: number, { id, side }: Cause, { kind, message }: Difference, { run }: Judgement): void {
		const key = `${id} ${side}`;
		const known = this.#explained.get(key);
		const kinds = { ...known?.kinds, [kind]: (known?.kinds[kind] ?? 0) + 1 };
		const example = known?.example ?? {
			...{ seed, program: run.program.name, message },
			command: this.#commandFor(seed),
		};
		this.#explained.set(key, { id, side, seeds: (known?.seeds ?? 0) + 1, kinds, example });
	}

	/** Of several runs with one difference the first stays: seeds are taken in order. */
	#find(seed: number, { kind, message }: Difference, { run }: Judgement): void {
		const { name } = run.program;
		const property = UNEXPLAINED;
		const id = `${property}/${kind}`;
		const known = this.unexplained.get(id);
		const isKnown = this.#known.has(id);
		const programs = new Map((known?.programs ?? []).map((program) => [program.name, program.runs]));
		programs.set(name, (programs.get(name) ?? 0) + 1);
		this.unexplained.set(id, {
			...{ id, property, kind, verdict: isKnown ? "known" : "fail", runs: (known?.runs ?? 0) + 1 },
			...(isKnown ? { inBaseline: "failing" } : {}),
			programs: [...programs].map(([name, runs]) => ({ name, runs })).sort((a, b) => b.runs - a.runs),
			example: known?.example ?? {
				...{ seed, program: name, conditions: conditionsOf(run.scenario, run.fired), message },
				...{ digest: run.history.digest(), command: this.#commandFor(seed) },
			},
		});
	}

	result(interrupted: boolean): DifferResult {
		const problems = this.problem !== undefined ? [this.problem] : [];
		const sum = (counts: Iterable<number>) => [...counts].reduce((total, n) => total + n, 0);
		const [free, uncomparable] = [sum(this.#free.values()), sum(this.#uncomparable.values())];
		if (this.runs === uncomparable && problems.length === 0 && !interrupted) problems.push("nothing was compared");
		const findings = [...this.unexplained.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
		const explained = [...this.#explained.values()].sort((a, b) => b.seeds - a.seeds || (a.id < b.id ? -1 : 1));
		return {
			verdict: problems.length > 0 ? "invalid" : worst(findings),
			...{ problems, interrupted, findings, explained },
			counts: {
				...{ runs: this.runs, same: this.same, free, uncomparable },
				explained: sum(explained.map(({ seeds }) => seeds)),
				unexplained: sum(findings.map(({ runs }) => runs)),
			},
			free: reasons(this.#free),
			uncomparable: reasons(this.#uncomparable),
		};
	}
}

function worst(findings: readonly Finding[]): DifferResult["verdict"] {
	if (findings.some(({ verdict }) => verdict === "fail")) return "fail";
	return findings.length > 0 ? "known" : "pass";
}

type Both = NonNullable<ComparedSeed["judgements"]>;

/** As much of a report of `differ` as a baseline is asked for. */
const BaselineShape = v.looseObject({
	schemaVersion: v.literal(SCHEMA_VERSION),
	against: v.string(),
	counts: v.looseObject({ unexplained: v.number() }),
	verdict: v.string(),
	findings: v.array(v.looseObject({ id: v.string() })),
});

/** Ids of the differences that an earlier report of `differ` has. @throws UsageError when it is none, or counts for nothing. */
export function differencesIn(text: string, file: string): ReadonlySet<string> {
	let content: unknown;
	try {
		content = JSON.parse(text);
	} catch {
		throw new UsageError(`${file} is not JSON; give a differ.json that pnpm sim differ --report DIR wrote.`);
	}
	const parsed = v.safeParse(BaselineShape, content);
	if (!parsed.success) {
		throw new UsageError(
			`${file} is no report of differ of this version; give a differ.json that pnpm sim differ wrote.`,
		);
	}
	const { verdict, findings } = parsed.output;
	if (verdict === "invalid")
		throw new UsageError(`${file} cannot be a baseline: it is invalid, so it counts for nothing.`);
	return new Set(findings.map(({ id }) => id));
}

/** What differences are findings of that no property explains. */
export const UNEXPLAINED = "differ.unexplained";

function reasons(counts: ReadonlyMap<string, number>): { reason: string; seeds: number }[] {
	return [...counts].map(([reason, seeds]) => ({ reason, seeds })).sort((a, b) => b.seeds - a.seeds);
}
