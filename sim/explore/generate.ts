/**
 * The generated program of a seed. Each seed switches whole kinds of statement and whole traits off (swarm testing), so that
 * every combination has programs in which nothing else is in its way.
 */
import type { Feature } from "../../drivers/engine/contract.ts";
import { ALL_TRAITS, type DrawnProgram, drawProgram } from "../../fixtures/generators/draw.ts";
import { CHANGE_KINDS, type ChangeKind, evolved } from "../../fixtures/generators/evolve.ts";
import { needOf, programOf } from "../../fixtures/generators/interpret.ts";
import { STATEMENT_KINDS, type StatementKind, someStatement } from "../../fixtures/generators/statement.ts";
import { VALUE_KINDS, type ValueKind } from "../../fixtures/generators/values.ts";
import type { Program } from "../../fixtures/programs/program.ts";
import type { Scenario } from "../../suites/scenario.ts";
import type { FaultKind } from "../world/faults.ts";
import { drawInt, drawOne, type Stream, Streams } from "../world/random.ts";

/** How many statements programs have: small ones show most, and larger ones what the small ones cannot. */
const SIZES = [1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 8, 12];
/** Of programs in which anything stands in anything: less holds too little. */
const NESTED_SIZES = [3, 4, 4, 5, 6, 8, 12];

/** How often a kind of statement, or a trait, is switched on. */
const KINDS_ON = 0.4;
const TRAITS_ON = 0.25;
/** How many of the programs with values beyond JSON are started with one. */
const STARTED_WITH_VALUE = 0.3;
const NESTED_ON = 0.4;

export interface GeneratedProgram extends DrawnProgram {
	/** What it is started with, when that is a value worth looking at. */
	readonly startedWith?: ValueKind;
}

/** @param features of the engine: what it lacks is not asked of it. */
export function generateProgram(seed: number, stream: Stream, features: ReadonlySet<Feature>): GeneratedProgram {
	const kinds = kindsFor(features).filter(() => stream() < KINDS_ON);
	const traits = ALL_TRAITS.filter((trait) => stream() < (trait === "nested" ? NESTED_ON : TRAITS_ON));
	const size = drawOne(stream, traits.includes("nested") ? NESTED_SIZES : SIZES);
	const drawn = drawProgram(seed, { size, kinds, traits });
	const startedWith =
		traits.includes("values") && stream() < STARTED_WITH_VALUE ? drawOne(stream, VALUE_KINDS) : undefined;
	return startedWith === undefined ? drawn : { ...drawn, startedWith };
}

/** The kinds of statement that an engine with these features can run. */
export function kindsFor(features: ReadonlySet<Feature>): StatementKind[] {
	return STATEMENT_KINDS.filter((kind) => {
		const need = needOf(kind);
		return need === undefined || features.has(need);
	});
}

/** How many of the programs that have a second process life get another release for it. */
const CHANGED_SHARE = 0.25;
/** Kinds of fault after which there is another process life. */
const ENDS_A_LIFE: ReadonlySet<FaultKind> = new Set(["crash", "evict", "torn", "power-loss"]);
/** Places and kinds that are tried before the program stays as it is. */
const TRIES = 6;
/** Names that tell a statement from every other, wherever an error mentions them. */
const PLAIN_NAME = /^[a-z]+(-[a-z]+)*-\d+$/;

/** The program, now and then with another release of its code from the second process life on. */
export function evolveProgram(
	program: Program,
	{ faults, hosting }: Scenario,
	stream: Stream,
	features: ReadonlySet<Feature>,
): Program {
	const { statements, inputs, startedWith } = program;
	const again = (hosting.mode === "yield" && hosting.coldWake) || faults.some(({ kind }) => ENDS_A_LIFE.has(kind));
	if (statements === undefined || !again || stream() >= CHANGED_SHARE) return program;
	const names: string[] = [];
	someStatement(statements, ({ name }) => {
		if (PLAIN_NAME.test(name)) names.push(name);
		return false;
	});
	const needsVersions: readonly ChangeKind[] = ["insert-gated", "raise-version"];
	const kinds = CHANGE_KINDS.filter((kind) => features.has("getVersion") || !needsVersions.includes(kind));
	for (let tries = 0; names.length > 0 && tries < TRIES; tries++) {
		// What stands early is the likelier to be on record when the second release comes.
		const place = Math.min(drawInt(stream, 0, names.length - 1), drawInt(stream, 0, names.length - 1));
		const change = { kind: drawOne(stream, kinds), at: names[place] as string };
		if (evolved(statements, change) === undefined) continue;
		return programOf(statements, inputs, { change, ...(startedWith === undefined ? {} : { startedWith }) });
	}
	return program;
}

/** The shapes that seeds are to avoid. */
export interface Avoid {
	/** Names, in the order of `inOrder`. */
	readonly shapes: readonly string[];
	/** Whether every seed avoids all of them. When not, a few confirm what is known of them. */
	readonly always: boolean;
}

/** How many of the seeds avoid every shape; half of the others avoid all but one, and half of them none. */
const AVOIDING = 7 / 8;

/** The shapes that a seed avoids. They are drawn apart from all else, so that a list of shapes changes only what has them. */
export function avoidedBy(seed: number, { shapes, always }: Avoid): readonly string[] {
	if (always || shapes.length === 0) return shapes;
	const stream = new Streams(`avoid-${seed}`).stream("draw");
	if (stream() < AVOIDING) return shapes;
	if (stream() < 0.5) return [];
	const run = drawOne(stream, shapes);
	return shapes.filter((name) => name !== run);
}
