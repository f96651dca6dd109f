/**
 * What ran of a generated program: the kinds of statement that were reached, their traits, what stood in what, and in which
 * kinds of statement a process died. It is read off what the workflow said while it ran, not off the text of the program.
 */
import type { HostEvents } from "../../../drivers/engine/host.ts";
import type { ProbeEvents } from "../../../drivers/engine/observe.ts";
import { ALL_TRAITS, traitsOf } from "../../../fixtures/generators/draw.ts";
import { walk } from "../../../fixtures/generators/shapes.ts";
import type { Statement, StatementKind } from "../../../fixtures/generators/statement.ts";
import type { GeneratedResult } from "../../../reports/model.ts";
import type { Run } from "../../../suites/run.ts";

const CONTAINERS: readonly StatementKind[] = ["try", "loop", "join", "race"];

const kindName = (kind: string) => `kind ${kind}`;
const traitName = (trait: string) => `trait ${trait}`;
const nestingName = (outer: string, inner: string) => `nesting ${outer} > ${inner}`;
const crashName = (kind: string) => `crash in ${kind}`;

/** Everything that programs of these kinds of statement can reach. */
export function reachable(kinds: readonly StatementKind[]): string[] {
	return [
		...kinds.map(kindName),
		...ALL_TRAITS.map(traitName),
		...CONTAINERS.filter((outer) => kinds.includes(outer)).flatMap((outer) =>
			kinds.map((inner) => nestingName(outer, inner)),
		),
		...kinds.map(crashName),
	];
}

/** A statement in its program. */
interface Place {
	readonly statement: Statement;
	/** What reaching it shows, itself and what is around it. */
	readonly shows: readonly string[];
}

/** What a run of a generated program reached, by the names of `reachable`. */
export function reachedIn({ program, history }: Run): ReadonlySet<string> {
	const statements = program.statements ?? [];
	const places = placesOf(statements);
	const reached = new Set<string>();
	const lives = new Map<number, Life>();
	const told = new Set<string>();
	for (const { kind, process, data } of history.events) {
		switch (kind) {
			case "run.start":
				if ((data as HostEvents["run.start"]).visit === "run") lives.set(process, new Life());
				break;
			case "run.yield":
			case "run.completed":
			case "run.rejected":
			case "run.evicted":
				lives.delete(process);
				break;
			case "process.crash":
				for (const { kind: died } of lives.get(process)?.current(statements) ?? []) reached.add(crashName(died));
				lives.delete(process);
				break;
			default: {
				const { key } = (data ?? {}) as { key?: string };
				if (typeof key !== "string" || process === 0) break;
				lives.get(process)?.note(kind, key, data);
				const place = key.replace(ROUND, "[]");
				if (told.has(place)) break;
				told.add(place);
				for (const name of places.get(place)?.shows ?? []) reached.add(name);
			}
		}
	}
	return reached;
}

/** The number of a round in a key. */
const ROUND = /\[\d+\]/g;

/** The statements by the key of what they say, without numbers of rounds. */
function placesOf(statements: readonly Statement[]): ReadonlyMap<string, Place> {
	const waits = new Map<string, number>();
	walk(statements, [], (statement) => {
		if (statement.kind !== "receive") return;
		for (const name of statement.messages) waits.set(name, (waits.get(name) ?? 0) + 1);
	});
	const places = new Map<string, Place>();
	const add = (block: readonly Statement[], path: string, around: readonly Statement[], before: readonly string[]) => {
		for (const statement of block) {
			const outer = around.at(-1);
			const shows = [
				...before,
				kindName(statement.kind),
				...[...traitsOf(statement, around, waits)].map(traitName),
				...(outer === undefined ? [] : [nestingName(outer.kind, statement.kind)]),
			];
			for (const key of keysOf(statement, path)) if (!places.has(key)) places.set(key, { statement, shows });
			const inner = [...around, statement];
			for (const [way, body] of waysInto(statement)) add(body, `${path}${statement.name}${way}`, inner, shows);
		}
	};
	add(statements, "", [], []);
	return places;
}

/** The blocks of a statement, each with what leads from its key to theirs, for rounds of any number. */
function waysInto(statement: Statement): readonly (readonly [way: string, body: readonly Statement[]])[] {
	switch (statement.kind) {
		case "loop":
			return [["[]/", statement.body]];
		case "try":
			return [["/", statement.body]];
		case "join":
		case "race":
			return statement.branches.map(({ name, body }) => [`.${name}/`, body]);
		default:
			return [];
	}
}

/** The keys under which a statement tells of itself. */
function keysOf(statement: Statement, path: string): readonly string[] {
	const key = `${path}${statement.name}`;
	switch (statement.kind) {
		case "loop":
			return [key, `${key}[]`];
		case "send":
			return [`${path}send ${statement.message}`];
		case "overlap":
			return [`${key}-first`];
		default:
			return [key];
	}
}

/** Events that tell that a statement is over. A loop, a block or a branch is over with what it returns or throws. */
const ENDS: ReadonlySet<string> = new Set([
	...["step.return", "step.caught", "try.return", "sleep.return", "queue.return", "send.return", "loop.return"],
	...[
		"branches.return",
		"branch.return",
		"branch.threw",
		"checkpoint.return",
		"removed.return",
		"version.return",
		"threw",
	],
]);

/** Where the workflow stands in one run of the engine. */
class Life {
	readonly #over = new Set<string>();
	readonly #begun = new Set<string>();
	/** The round that each loop is in. */
	readonly #rounds = new Map<string, string>();

	note(kind: string, key: string, data: unknown): void {
		if (kind === "iterate") this.#rounds.set(key.slice(0, key.lastIndexOf("[")), key);
		else if (kind === "branch.start") this.#begun.add(key);
		else if (kind === "queue.return" && (data as ProbeEvents["queue.return"]).ids.length > 0) this.#begun.add(key);
		else if (ENDS.has(kind)) this.#over.add(key);
	}

	/** The statements that are under way: in each block the first that is not over, and those it is in. */
	current(block: readonly Statement[], path = ""): Statement[] {
		const statement = block.find((candidate) => !this.#isOver(candidate, path));
		if (statement === undefined) return [];
		const key = `${path}${statement.name}`;
		switch (statement.kind) {
			case "loop": {
				const round = this.#rounds.get(key);
				return [statement, ...(round === undefined ? [] : this.current(statement.body, `${round}/`))];
			}
			case "try":
				return [statement, ...this.current(statement.body, `${key}/`)];
			case "join":
			case "race":
				return [
					statement,
					...statement.branches.flatMap(({ name, body }) => {
						const branch = `${key}.${name}`;
						return this.#begun.has(branch) && !this.#over.has(branch) ? this.current(body, `${branch}/`) : [];
					}),
				];
			default:
				return [statement];
		}
	}

	#isOver(statement: Statement, path: string): boolean {
		const [key = ""] = keysOf(statement, path);
		// What was received is still to be told to the outside.
		if (statement.kind === "receive" && this.#begun.has(key)) return this.#over.has(`${key}-tell`);
		return this.#over.has(key);
	}
}

/** What was counted, for the report. */
export function generatedResult(runs: number, counts: Readonly<Record<string, number>>): GeneratedResult {
	const all = Object.keys(counts);
	const rest = (prefix: string) =>
		all
			.filter((name) => name.startsWith(prefix))
			.map((name) => [name.slice(prefix.length), counts[name] ?? 0] as const);
	return {
		runs,
		kinds: rest("kind ").map(([kind, ran]) => ({ kind, ran, crashedIn: counts[crashName(kind)] ?? 0 })),
		traits: rest("trait ").map(([trait, ran]) => ({ trait, ran })),
		nestings: rest("nesting ").map(([pair, ran]) => {
			const [outer = "", inner = ""] = pair.split(" > ");
			return { outer, inner, ran };
		}),
		never: all.filter((name) => counts[name] === 0).map((name) => name.replace(/^(?:kind|nesting) /, "")),
	};
}
