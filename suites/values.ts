/** What the workflow saw once it sees again, and at no other place. */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { render } from "../drivers/engine/render.ts";
import { CHANGED } from "../fixtures/generators/interpret.ts";
import { joinedOf, type Place, placesOf } from "../fixtures/generators/places.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import { REFUSAL, sample, UNKEEPABLE, type ValueKind } from "../fixtures/generators/values.ts";
import { OperationError } from "../sim/world/faults.ts";
import type { ErrorFact, HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { meantBy } from "./meant.ts";
import { unclearNames } from "./names.ts";
import { endOf, oncePerRun, type Property, type Violation } from "./property.ts";
import type { Run, WorkloadEvents } from "./run.ts";

/** What gave a value to the workflow. */
type Carrier = "input" | "step" | "message" | "loop state" | "loop value" | "branches" | "try block";

/** A value that the workflow was given, as text. */
interface Sighting {
	readonly carrier: Carrier;
	readonly key: string;
	readonly text: string;
	readonly event: number;
	/** Which messages they were, or which branch won: another one has another value. */
	readonly which: string;
}

interface Difference {
	readonly first: Sighting;
	readonly later: Sighting;
	/** Whether nothing was read since the workflow saw the value the last time: what sees it now looks for what to undo. */
	readonly rollingBack: boolean;
}

function sightingOf({ kind, data }: HistoryEvent, event: number): Sighting | undefined {
	switch (kind) {
		case "step.return": {
			const { key, value } = data as ProbeEvents["step.return"];
			return { carrier: "step", key, text: value, event, which: "" };
		}
		case "workflow.input": {
			const { value } = data as WorkloadEvents["workflow.input"];
			return { carrier: "input", key: "the workflow", text: value, event, which: "" };
		}
		case "queue.return": {
			const { key, ids, bodies } = data as ProbeEvents["queue.return"];
			return { carrier: "message", key, text: bodies, event, which: ids.join() };
		}
		case "iterate": {
			const { key, state } = data as ProbeEvents["iterate"];
			return { carrier: "loop state", key, text: state, event, which: "" };
		}
		case "loop.return": {
			const { key, value } = data as ProbeEvents["loop.return"];
			return { carrier: "loop value", key, text: value, event, which: "" };
		}
		case "branches.return": {
			const { key, winner, value } = data as ProbeEvents["branches.return"];
			return { carrier: "branches", key, text: value, event, which: winner ?? "" };
		}
		case "try.return": {
			const { key, value, failure } = data as ProbeEvents["try.return"];
			return { carrier: "try block", key, text: value, event, which: failure?.source ?? "" };
		}
		default:
			return undefined;
	}
}

/** Values that were others when the workflow saw them again, with nothing they could come from having run in between. */
const differences = oncePerRun((run: Run): readonly Difference[] => {
	const firsts = new Map<string, Sighting>();
	/** The last sighting of each, and the last time that a history was read. */
	const lasts = new Map<string, number>();
	let read = -1;
	const began = new Map<string, number>();
	const found: Difference[] = [];
	/** What came of something that is now done again may be another with good reason. */
	const forget = (since: number) => {
		for (const [id, { event }] of firsts) if (event > since) firsts.delete(id);
	};
	run.history.events.forEach((event, index) => {
		if (event.kind === "body.start") {
			const { key } = event.data as ProbeEvents["body.start"];
			const before = began.get(key);
			if (before === undefined) began.set(key, index);
			else forget(before);
			return;
		}
		if (event.kind === "operation" && (event.data as WorldEvents["operation"]).what === "kv.list") read = index;
		const later = sightingOf(event, index);
		if (later === undefined) return;
		const id = `${later.carrier} ${later.key}`;
		const rollingBack = read < (lasts.get(id) ?? -1);
		lasts.set(id, index);
		const seen = firsts.get(id);
		if (seen === undefined) firsts.set(id, later);
		const first = seen ?? made(run, later);
		if (first === undefined) return;
		if (first.which !== later.which) {
			forget(first.event - 1);
			firsts.set(id, later);
		} else if (first.text !== later.text) found.push({ first, later, rollingBack });
	});
	return found;
});

/** What a step's body gave before a crash kept it from the workflow; undefined when its statement does not tell. */
function made(run: Run, later: Sighting): Sighting | undefined {
	if (later.carrier !== "step") return undefined;
	const statement = statementOf(run, later.key);
	if (statement?.kind !== "step" && statement?.kind !== "try-step") return undefined;
	return statement.returns === undefined ? undefined : { ...later, text: render(sample(statement.returns)) };
}

/** What the properties of values ask of a program, worked out once. */
const places = oncePerRun((run: Run): readonly Place[] => placesOf(run.program.statements ?? []));

function statementOf(run: Run, key: string): Statement | undefined {
	const own = key.replace(/\[\d+\]$/, "");
	return places(run).find((place) => place.key.test(own))?.statement;
}

/** Whether a difference is that the program changed what it was given. */
function isChange(run: Run, { first, later }: Difference): boolean {
	if (count(later.text, CHANGED) !== count(first.text, CHANGED)) return true;
	if (later.carrier !== "loop state") return false;
	const statement = statementOf(run, later.key);
	return statement?.kind === "loop" && statement.state === "changed";
}

function count(text: string, part: string): number {
	return text.split(part).length - 1;
}

/** Transformations of which it is a matter of reading whether the value is still the same. */
const DISPUTED: Readonly<Record<string, string>> = {
	"hole-became-undefined": "a hole of an array reads as undefined, and no list of values names holes",
	"null-prototype-lost": "the fields are the same; only the prototype, which most code does not look at, is another",
	"symbol-key-lost": "keys that are symbols are left out by most ways to copy or write a value",
};

export const valuesRoundTrip: Property = {
	id: "replay.values-round-trip",
	claim:
		"What the workflow saw from a step, a message or a loop state the first time equals, in value and type, what it sees on replay; what cannot be kept is refused with a clear error at the first run.",
	source: "docs: What are workflows?, Simple workflow; types: StepEntry.output, LoopEntry.state, MessageEntry.data",
	mutants: ["engine-keeps-json", "engine-turns-undefined-into-null", "engine-narrows-bigints"],
	check(run) {
		const found = new Map<string, Violation>();
		const report = (violation: Violation) => {
			if (!found.has(violation.kind)) found.set(violation.kind, violation);
		};
		for (const difference of differences(run)) {
			if (isChange(run, difference)) continue;
			const { first, later } = difference;
			const became = whatBecame(first.text, later.text);
			// An input is handed over by other means: whatever becomes of it, the first run sees it as no other does.
			const kind = later.carrier === "input" ? "input-differs-at-replay" : became;
			// What is made of other values differs when they do: only a loss of type speaks for itself.
			const isOwn = later.carrier === "input" || later.carrier === "step" || later.carrier === "message";
			if (kind.endsWith("-changed") && !isOwn) continue;
			if (collisionOf(run, later.key) !== undefined) continue;
			// A branch that is lost with its name is told of by replay.names.
			if (!isOwn && places(run).some(({ statement }) => namesOf(statement).includes("__proto__"))) continue;
			const disputed = DISPUTED[became];
			report({
				kind,
				message: `${later.key} (${later.carrier}) gave ${shortened(first.text)} first, and ${shortened(later.text)} when replayed`,
				event: later.event,
				...(disputed === undefined ? {} : { disputed }),
			});
		}
		const lost = lostInOutput(run);
		if (lost !== undefined) report(lost);
		for (const violation of badRefusals(run)) report(violation);
		return [...found.values()];
	},
};

/** What a value lost on its way into the output, where the workflow did not see it again: inside a branch that was over. */
function lostInOutput(run: Run): Violation | undefined {
	const { outcome, program } = run;
	if (outcome.status !== "completed" || !places(run).some(({ statement }) => givesSample(statement))) return undefined;
	const meant = meantBy(run)?.meaning.outcome;
	if (meant?.status !== "completed" || unclearNames(program) !== undefined) return undefined;
	const [expected, actual] = [render(meant.output), render(outcome.output)];
	if (expected === actual) return undefined;
	const kind = whatBecame(expected, actual);
	// What any output is made of may be missing or another for many reasons: replay.same-outcome tells of those.
	if (kind.endsWith("-changed") || /^(array|boolean|null|number|object|structure|text|undefined)-became-/.test(kind))
		return undefined;
	const disputed = DISPUTED[kind];
	return {
		kind,
		message: `the output is ${shortened(actual)}, and should be ${shortened(expected)}`,
		event: endOf(run) - 1,
		...(disputed === undefined ? {} : { disputed }),
	};
}

function givesSample(statement: Statement): boolean {
	const { returns, holds } = statement as { returns?: ValueKind; holds?: ValueKind };
	return returns !== undefined || holds !== undefined;
}

function shortened(text: string): string {
	return text.length <= 120 ? text : `${text.slice(0, 119)}…`;
}

const TOKEN =
	/"(?:[^"\\]|\\.)*"(?:…\d+)?|\/(?:[^/\\]|\\.)+\/[a-z]*|#\d+|-?(?:\d|Infinity)[\w.+-]*|=>|[\p{L}_$][\p{L}\w$-]*|\S/gu;

/** What became of a value, from how it was told before and after: the first part that differs decides. */
export function whatBecame(before: string, after: string): string {
	const [old, now] = [before.match(TOKEN) ?? [], after.match(TOKEN) ?? []];
	const at = old.findIndex((token, i) => token !== now[i]);
	if (at < 0) return "value-changed";
	const [token, other] = [old[at] as string, now[at] ?? ""];
	if (token.startsWith("#")) return "shared-reference-split";
	if (other.startsWith("#")) return "reference-shared";
	if (token === "Symbol") return "symbol-key-lost";
	if (token === "{" && isError(old, at - 2)) return "error-fields-lost";
	if (isError(old, at)) return isError(now, at) ? "error-class-lost" : `error-became-${sortOf(now, at)}`;
	if (token === "null-prototype") return "null-prototype-lost";
	const [sort, became] = [sortOf(old, at), sortOf(now, at)];
	if (sort === "instance" && became === "object") return "class-lost";
	if (sort === "text" && became === "text") {
		if (token === '"__proto__"') return "proto-key-renamed";
		if (old[at + 1] === ":") return "field-lost";
		return /\\ud[89a-f]/.test(token) && /\ufffd|\\ufffd/.test(other) ? "lone-surrogate-replaced" : "text-changed";
	}
	if (sort === became) return `${sort}-changed`;
	if (other === "}" || other === ",") return "field-changed";
	return `${sort}-became-${became}`;
}

const SORTS: Readonly<Record<string, string>> = {
	"-0": "minus-zero",
	"0": "zero",
	"{": "object",
	"[": "array",
	NaN: "not-a-number",
	ArrayBuffer: "array-buffer",
	DataView: "data-view",
	a: "function-or-symbol",
};
const BUILT_IN: ReadonlySet<string> = new Set(["Date", "Map", "Set", "Promise", "undefined", "null", "hole"]);

/** The sort of value that begins at a place. */
function sortOf(tokens: readonly string[], at: number): string {
	const token = tokens[at] ?? "nothing";
	const sort = SORTS[token];
	if (sort !== undefined) return sort;
	if (token.startsWith('"')) return "text";
	if (token === "true" || token === "false") return "boolean";
	if (/^-?\d+n$/.test(token)) return "bigint";
	if (/^-?(\d|Infinity)/.test(token)) return "number";
	if (/^\/.*\/[a-z]*$/.test(token)) return "regexp";
	if (/Array$/.test(token)) return "typed-array";
	if (BUILT_IN.has(token)) return token.toLowerCase();
	if (tokens[at + 1] === "{") return "instance";
	return /^\w/.test(token) ? token.toLowerCase() : "structure";
}

function isError(tokens: readonly string[], at: number): boolean {
	return /^[A-Z]\w*$/.test(tokens[at] ?? "") && tokens[at + 1]?.startsWith('"') === true;
}

/** Values that some encodings cannot hold, by what they are. */
const HARD: Readonly<Partial<Record<ValueKind, string>>> = {
	function: "function",
	"function-inside": "function",
	symbol: "symbol",
	cycle: "cycle",
};

/** Names of errors that may refuse a value. */
const OF_VALUES: ReadonlySet<string> = new Set(["Error", "TypeError", "RangeError", REFUSAL]);

/** Errors that are not about a value, wherever they come from. */
const NOT_OF_VALUES =
	/Cannot convert object|not found in registry|Expected |Duplicate entry|exists in history|fails|retries/;

/** Refusals that come late, or that do not say what is refused; and bodies that run again although they succeeded. */
function badRefusals(run: Run): Violation[] {
	const { startedWith } = run.program;
	const input = startedWith === undefined ? undefined : HARD[startedWith];
	if (input !== undefined) return badRefusalOfInput(run, input);
	const hard = places(run).filter(({ statement }) => hardOf(statement) !== undefined);
	if (hard.length === 0) return [];
	const violations: Violation[] = [];
	/** Steps whose body gave such a value in this life, and what the workflow has of it. */
	const made = new Map<string, { readonly place: Place; readonly process: number; given: boolean; refused: boolean }>();
	run.history.events.forEach((event, index) => {
		switch (event.kind) {
			case "body.start": {
				const { key } = event.data as ProbeEvents["body.start"];
				if (made.get(key)?.refused !== true) break;
				violations.push({
					kind: "ran-again-after-refusal",
					message: `${key} succeeded, its value was refused, and it runs again in process ${event.process}`,
					event: index,
				});
				break;
			}
			case "body.end": {
				const { key, error } = event.data as ProbeEvents["body.end"];
				const place = hard.find((candidate) => candidate.key.test(key));
				if (place === undefined || error !== undefined || place.statement.kind === "loop") break;
				made.set(key, { place, process: event.process, given: false, refused: false });
				break;
			}
			case "step.return": {
				const step = made.get((event.data as ProbeEvents["step.return"]).key);
				if (step !== undefined) step.given = true;
				break;
			}
			case "iterate": {
				const { key } = event.data as ProbeEvents["iterate"];
				const loop = key.replace(/\[\d+\]$/, "");
				const place = hard.find((candidate) => candidate.statement.kind === "loop" && candidate.key.test(loop));
				if (place !== undefined) made.set(loop, { place, process: event.process, given: false, refused: false });
				break;
			}
			case "threw":
			case "run.rejected": {
				const { error } = event.data as HostEvents["run.rejected"];
				if (error.name === OperationError.name || NOT_OF_VALUES.test(error.message)) break;
				if (!OF_VALUES.has(error.name)) break;
				for (const [key, step] of made) {
					if (step.refused || step.process !== event.process) continue;
					if (refusesAnother(run, error, step.place.statement)) continue;
					step.refused = true;
					violations.push(...refusal(key, step.place.statement, step.given, error, index));
				}
				break;
			}
		}
	});
	return violations;
}

/** Whether an error refuses the value of some other statement, as it may. */
function refusesAnother(run: Run, { message }: ErrorFact, than?: Statement): boolean {
	return places(run).some(({ statement }) => {
		const { returns, holds } = statement as { returns?: ValueKind; holds?: ValueKind };
		if (statement === than || ![returns, holds].some((kind) => kind !== undefined && UNKEEPABLE.has(kind)))
			return false;
		return message.includes(JSON.stringify(statement.name));
	});
}

function badRefusalOfInput(run: Run, sort: string): Violation[] {
	const rejected = run.of("run.rejected").find(({ data }) => {
		const { error } = data as HostEvents["run.rejected"];
		// Other errors are the program's own.
		if (!OF_VALUES.has(error.name) || NOT_OF_VALUES.test(error.message) || refusesAnother(run, error)) return false;
		return error.name !== OperationError.name && !/input/i.test(error.message);
	});
	if (rejected === undefined) return [];
	const { error } = rejected.data as HostEvents["run.rejected"];
	return [
		{
			kind: "input-refused-unclearly",
			message: `the workflow was started with what cannot be kept (${sort}), and the error does not say so: ${error.name}: ${error.message}`,
			event: run.history.events.indexOf(rejected),
		},
	];
}

function refusal(key: string, statement: Statement, given: boolean, error: ErrorFact, event: number): Violation[] {
	const sort = hardOf(statement) as string;
	const told = `${error.name}: ${error.message}`;
	const unclear: Violation = {
		kind: `${sort}-refused-unclearly`,
		message: `${key} gave a value that cannot be kept (${sort}), and the error says neither where nor why: ${told}`,
		event,
	};
	const late: Violation = {
		kind: "refused-after-it-was-given",
		message: `the workflow had the value of ${key} (${sort}) already when it was refused: ${told}`,
		event,
	};
	return [...(error.message.includes(statement.name) ? [] : [unclear]), ...(given ? [late] : [])];
}

function hardOf(statement: Statement): string | undefined {
	const { returns, holds } = statement as { returns?: ValueKind; holds?: ValueKind };
	return (returns && HARD[returns]) ?? (holds && HARD[holds]);
}

/** How it is told that what the program changed was seen again as changed; other values are made of these. */
const SEEN_CHANGED: Readonly<Partial<Record<Carrier, string>>> = {
	step: "step-value-seen-as-changed",
	message: "message-seen-as-changed",
	"loop state": "loop-state-kept-half-way",
};

export const isolatedValues: Property = {
	id: "replay.isolated-values",
	claim: "Changing an object after it was returned from a step changes nothing that replay will see.",
	source: "docs: What are workflows? (replay follows what is recorded); types: StepEntry.output",
	mutants: ["engine-remembers-objects", "engine-remembers-messages"],
	check(run) {
		const found = new Map<string, Violation>();
		for (const difference of differences(run)) {
			const { first, later, rollingBack } = difference;
			const how = SEEN_CHANGED[later.carrier];
			if (how === undefined || !isChange(run, difference)) continue;
			// What is another place's value is no change of this one's.
			if (collisionOf(run, later.key) !== undefined) continue;
			const isState = later.carrier === "loop state";
			const ephemeral = later.carrier === "step" && run.stepRules.get(later.key)?.ephemeral === true;
			const kind =
				rollingBack && !isState ? `${later.carrier}-changed-for-rollback` : `${ephemeral ? "ephemeral-" : ""}${how}`;
			if (found.has(kind)) continue;
			found.set(kind, {
				kind,
				message: `${later.key} gave ${shortened(first.text)}, the program changed it, and replay gives ${shortened(later.text)}`,
				event: later.event,
			});
		}
		return [...found.values()];
	},
};

export const names: Property = {
	id: "replay.names",
	claim:
		"Any legal name works: separators, tildes, dots, unicode, very long, `__proto__`; two different locations never share a key.",
	source: "docs: Migrations; types: Location, NameIndex; engine: checkDuplicateName (the only names refused)",
	mutants: ["engine-caches-steps-by-name"],
	check(run) {
		const found = new Map<string, Violation>();
		const report = (kind: string, message: string, event: number) => {
			if (!found.has(kind)) found.set(kind, { kind, message, event });
		};
		const began = new Set<string>();
		const branches = new Map<string, readonly string[]>();
		const took = (key: string, index: number) => {
			const cause = collisionOf(run, key) ?? "alike";
			report(`${cause}-took-value-of-another`, `${key} has a value without ever having run`, index);
		};
		run.history.events.forEach((event, index) => {
			const { key } = event.data as { key: string };
			switch (event.kind) {
				case "body.start":
				case "branch.start":
					began.add(key);
					break;
				case "iterate":
					began.add(key.replace(/\[\d+\]$/, ""));
					break;
				case "step.return":
				case "loop.return":
					if (!began.has(key)) took(key, index);
					break;
				case "branches.call":
					branches.set(key, (event.data as ProbeEvents["branches.call"]).names);
					break;
				case "branches.return": {
					const { winner, value } = event.data as ProbeEvents["branches.return"];
					const called = branches.get(key) ?? [];
					if (called.length > 0 && !called.some((name) => began.has(`${key}.${name}`))) took(key, index);
					if (winner !== undefined) break;
					for (const name of called) {
						if (value.includes(`${JSON.stringify(name)}: `)) continue;
						const cause = causeOf([name]) ?? "plain";
						report(`${cause}-branch-lost`, `${key} gave no value of its branch ${JSON.stringify(name)}`, index);
					}
					break;
				}
				case "run.rejected": {
					const { error } = event.data as HostEvents["run.rejected"];
					const cause = misled(run, error);
					if (cause === undefined) break;
					const how = error.name === "HistoryDivergedError" ? "diverged" : "failed";
					report(`${cause}-${how}`, `names are taken for others: ${error.message}`, index);
					break;
				}
			}
		});
		return [...found.values()];
	},
};

/** What about names makes places look alike, the most telling first. */
const CAUSES: readonly (readonly [cause: string, pattern: RegExp])[] = [
	["part-of-wait", /:(count|deadline|\d+)$/],
	["iteration-mark", /(^|\/)~\d+/],
	["separator", /\//],
	["empty", /^$/],
	["reserved", /^__proto__$/],
];

function causeOf(names: readonly string[]): string | undefined {
	return CAUSES.find(([, pattern]) => names.some((name) => pattern.test(name)))?.[0];
}

/** Why what is recorded at that key may be taken for another place's; undefined when no other looks alike. */
function collisionOf(run: Run, key: string): string | undefined {
	const place = places(run).find((candidate) => candidate.key.test(key));
	return place === undefined ? undefined : collision(run, joinedOf(place, key));
}

/** Why names joined so may be of several places; undefined when they can be of one only. */
function collision(run: Run, joined: string): string | undefined {
	const all = places(run);
	const owners = all.filter(({ records }) => records.some((record) => record.test(joined)));
	const strangers = owners.flatMap((owner) => all.filter((other) => reaches(other, joined) && !holds(other, owner)));
	if (owners.length < 2 && strangers.length === 0) return undefined;
	const cause = causeOf([...owners, ...strangers].flatMap(namesAround));
	// A name that looks like a part of a wait is to blame where there is a wait.
	const waits = owners.some(({ statement }) => statement.kind === "receive");
	return cause === "part-of-wait" && !waits ? "separator" : cause;
}

/** Whether a block of the statement would take what is so recorded to be inside it. */
function reaches({ statement, around, blocks }: Place, key: string): boolean {
	// The engine takes a block without a name, at the root, to be the root.
	return (
		blocks.some((block) => block.test(key)) || (statement.kind === "try" && [statement, ...around].every(isNameless))
	);
}

function isNameless({ name }: Statement): boolean {
	return name === "";
}

function holds(outer: Place, inner: Place): boolean {
	return inner.around.includes(outer.statement);
}

function namesAround({ statement, around }: Place): string[] {
	return [statement, ...around].flatMap(namesOf);
}

function namesOf(statement: Statement): string[] {
	return [statement.name, ...("branches" in statement ? statement.branches.map(({ name }) => name) : [])];
}

/** Which odd name is behind a refusal, when it is about a place that is not the only one it can be. */
function misled(run: Run, { name, message }: ErrorFact): string | undefined {
	if (name !== "HistoryDivergedError") return undefined;
	const branch = /^Expected (?:join|race) branch "(.*)" in "/.exec(message)?.[1];
	if (branch !== undefined) return causeOf([branch]);
	const duplicate = /^Duplicate entry name "(.*)" at location "(.*)"\./s.exec(message);
	const key =
		duplicate !== null
			? [duplicate[2], duplicate[1]].filter((part) => part !== "").join("/")
			: (/^Entry "(.*)" exists in history/s.exec(message)?.[1] ?? / at (.*), found \w+$/s.exec(message)?.[1]);
	return key === undefined ? undefined : collision(run, key);
}
