/**
 * Code changes while instances are under way. A run's second release differs from the first by one change (`Program.change`)
 * and is what every process life runs but the first. What a first release had surely recorded, the second has to answer for.
 */
import type { HostEvents } from "../drivers/engine/host.ts";
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { type Change, inserted, originalOf, renamed, standingOf } from "../fixtures/generators/evolve.ts";
import { type Level, type Place, placesOf } from "../fixtures/generators/places.ts";
import type { Statement } from "../fixtures/generators/statement.ts";
import type { HistoryEvent, WorldEvents } from "../sim/world/history.ts";
import { isUnder, losingBranches } from "./messages.ts";
import { oncePerRun, type Property, type Violation } from "./property.ts";
import type { Run } from "./run.ts";
import { StoredHistory } from "./storage.ts";

/** Changes that make code and history tell two stories. */
const INCOMPATIBLE: ReadonlySet<Change["kind"]> = new Set(["rename", "remove", "reorder", "retype", "insert"]);

const UNCHANGED = "the code stays as it is";

/** An instance of the changed statement's block that the first release had come through, at least as far as the statement. */
interface Passed {
	/** What the observer puts before the names in the block. */
	readonly block: string;
}

/** What the second release did, as far as it is that of the workflow and not of a look at a finished one. */
interface Second {
	readonly place: Place;
	/** Keys that the first release surely has on record. */
	readonly recorded: ReadonlySet<string>;
	/** Whether the end was durable before the second release: an engine may answer from the record, and run no code. */
	readonly ended: boolean;
	/** Events of lives of the second release that run the workflow, with their places in the history. */
	readonly events: readonly (readonly [event: HistoryEvent, index: number])[];
}

const places = oncePerRun((run: Run): readonly Place[] => placesOf(run.program.statements ?? []));

const secondOf = oncePerRun((run: Run): Second | undefined => {
	const { change } = run.program;
	const place = places(run).find(({ statement }) => statement.name === change?.at);
	if (place === undefined) return undefined;
	const recorded = new Set<string>();
	const losers = losingBranches(run);
	const events: [HistoryEvent, number][] = [];
	const revisits = new Set<number>();
	/** Answers that need not be durable: they tell nothing that a replay could not tell again. The disk knows which are. */
	const late = new Set<string>();
	const stored = new StoredHistory(run);
	let ended = false;
	run.history.events.forEach((event, index) => {
		// An end that was durable before its process learnt of it is no matter of code any more.
		ended ||= event.process === 1 && recordsEnd(run, event);
		if (event.kind === "run.start" && (event.data as HostEvents["run.start"]).visit === "revisit") {
			revisits.add(event.process);
		}
		if (event.process > 1 && !revisits.has(event.process)) events.push([event, index]);
		if (event.process > 1) return;
		stored.apply(event);
		if (!RETURNS.has(event.kind)) return;
		const { key } = event.data as { key: string };
		// What a lost branch recorded may have been cleared away since.
		if (isUnder(key, losers)) return;
		if (event.kind === "sleep.return" || event.kind === "checkpoint.return") late.add(key);
		// An ephemeral step is on record with the next flush only.
		else if (event.kind !== "step.return" || run.stepRules.get(key)?.ephemeral !== true) recorded.add(key);
	});
	for (const key of late) {
		const place = stored.place(key);
		if (place === undefined || stored.entries.has(place)) recorded.add(key);
	}
	return { place, recorded, events, ended };
});

function recordsEnd(run: Run, { kind, data }: HistoryEvent): boolean {
	if (kind !== "durable") return false;
	const { engine, storage } = run.target;
	return (data as WorldEvents["durable"]).mutations.some(
		({ table, key, value }) =>
			value !== null && storage.describeKey(table, key, engine.describeKey) === "workflow output",
	);
}

/** Answers that an engine gives once what they say is on record. */
const RETURNS: ReadonlySet<string> = new Set([
	...["step.return", "sleep.return", "queue.return", "loop.return", "branches.return", "checkpoint.return"],
]);
/** What shows that an engine went on at a place: an answer, or something new that runs. */
const GOES_ON: ReadonlySet<string> = new Set([...RETURNS, "body.start", "iterate", "branch.start"]);

/** The part of a key before its last name, for statements of that name. */
function blockOf(key: string, name: string): string {
	return key.slice(0, key.length - name.length);
}

/** Blocks in which the first release recorded the statement at the place. */
function passed({ place, recorded }: Second): Passed[] {
	const { name } = place.statement;
	return [...recorded].filter((key) => place.key.test(key)).map((key) => ({ block: blockOf(key, name) }));
}

export const divergenceDetected: Property = {
	id: "replay.divergence-detected",
	claim:
		"Renamed, reordered, removed or retyped entries are refused with HistoryDivergedError before anything new runs or is written; root level and nested.",
	source: "docs: Migrations; errors: HistoryDivergedError; engine: validateComplete",
	judgesChanges: true,
	mutants: ["engine-tolerates-other-kinds", "engine-runs-before-it-refuses"],
	skips: ({ change }) => {
		if (change === undefined) return UNCHANGED;
		return INCOMPATIBLE.has(change.kind) ? undefined : "the code stays compatible with the history";
	},
	check(run, reference) {
		const second = secondOf(run);
		const { change, statements } = run.program;
		if (second === undefined || change === undefined || statements === undefined) return [];
		// What the first release cannot replay either says nothing about the change.
		if (reference.of("run.rejected").some((event) => isRefusal(event, change))) return [];
		const refusal = second.events.find(([event]) => isRefusal(event, change));
		const violations = new Map<string, Violation>();
		for (const { block } of passed(second)) {
			const shown = wentOn(run, second, change, block);
			if (shown === undefined) continue;
			const [what, event] = shown;
			const how = refusal === undefined ? "accepted" : refusal[1] > event ? "ran-before-refusal" : undefined;
			if (how === undefined) continue;
			const kind = `${change.kind}-${how}-${levelName(second.place.level)}`;
			if (violations.has(kind)) continue;
			violations.set(kind, {
				kind,
				message: `${change.at} was on record in ${block === "" ? "the workflow" : block.slice(0, -1)}; ${what}${refusal === undefined ? ", and nothing was refused" : " before the change was refused"}`,
				event,
				...(change.kind === "insert" ? { disputed: INSERTED } : {}),
			});
		}
		for (const violation of consequencesOf(second, change)) violations.set(violation.kind, violation);
		return [...violations.values()];
	},
};

const INSERTED = "the documents speak of entries that are removed or renamed, and not of ones that come before others";

function levelName(level: Level): string {
	return level === "root" ? "root" : `in-${level}`;
}

/** Whether the change was refused: a divergence that is about another place has another cause. */
function isRefusal({ kind, data }: HistoryEvent, { at }: Change): boolean {
	if (kind !== "run.rejected") return false;
	const { error } = data as HostEvents["run.rejected"];
	return (
		error.name === "HistoryDivergedError" &&
		[at, renamed(at), inserted(at)].some((name) => mentions(error.message, name))
	);
}

/** What shows that the second release went past the change in that block, and where; undefined when nothing does. */
function wentOn(
	run: Run,
	{ events, recorded, ended }: Second,
	change: Change,
	block: string,
): readonly [what: string, event: number] | undefined {
	const standing = standingOf(run.program.statements ?? [], change.at);
	if (standing === undefined) return undefined;
	const { block: siblings, index } = standing;
	const after = siblings.slice(index + 1).map(({ name }) => `${block}${name}`);
	const at = (key: string, kinds = GOES_ON) =>
		events.find(([{ kind, data }]) => kinds.has(kind) && isOf((data as { key: string }).key, key));
	const told = (found: readonly [HistoryEvent, number] | undefined, what: string) =>
		found === undefined ? undefined : ([what, found[1]] as const);
	switch (change.kind) {
		case "rename":
			return told(at(`${block}${renamed(change.at)}`), `${renamed(change.at)} went on as if it were new`);
		case "insert":
			return told(at(`${block}${inserted(change.at)}`), `${inserted(change.at)} ran before it`);
		case "retype":
			return told(at(`${block}${change.at}`), "it went on as another kind of entry");
		case "reorder": {
			const [next] = after;
			// With both on record, the one that comes second now has to come first.
			if (next === undefined || !recorded.has(next)) return undefined;
			const first = at(next, RETURNS);
			const then = at(`${block}${change.at}`, RETURNS);
			return first !== undefined && then !== undefined && first[1] < then[1]
				? told(then, `${next} gave its value before it`)
				: undefined;
		}
		case "remove": {
			const fresh = after.filter((key) => !recorded.has(key)).map((key) => at(key));
			const [first] = fresh.filter((found) => found !== undefined).sort((a, b) => a[1] - b[1]);
			if (first !== undefined) return told(first, `${(first[0].data as { key: string }).key} ran after it`);
			const ran = events.some(([{ kind }]) => GOES_ON.has(kind) || kind === "threw");
			return told(
				block === "" && (ran || !ended) ? events.find(([{ kind }]) => kind === "run.completed") : undefined,
				"the run completed",
			);
		}
		default:
			return undefined;
	}
}

/** Whether a key is that of a statement, or of something inside it. */
function isOf(key: string, statement: string): boolean {
	return key === statement || (key.startsWith(statement) && "/.[".includes(key.charAt(statement.length)));
}

/** What a refusal does beyond refusing. */
function consequencesOf({ events }: Second, change: Change): Violation[] {
	const at = events.findIndex(([event]) => isRefusal(event, change));
	const refusal = events[at];
	if (refusal === undefined) return [];
	const violations: Violation[] = [];
	const { state } = refusal[0].data as HostEvents["run.rejected"];
	const disputed = "no document says whether an instance goes on when the release that does not fit is taken back";
	if (state === "failed") {
		violations.push({
			kind: "refusal-fails-for-good",
			message: "the refusal made the workflow fail for good: taking the release back does not bring it back",
			event: refusal[1],
			disputed,
		});
	}
	const compensation = events.slice(0, at).find(([{ kind }]) => kind === "compensation.start");
	// One that ran before for another reason is not the refusal's.
	const failedBefore = events
		.slice(0, at)
		.some(
			([{ kind, data }]) => kind === "threw" && (data as ProbeEvents["threw"]).error.name !== "HistoryDivergedError",
		);
	if (compensation !== undefined && !failedBefore) {
		violations.push({
			kind: "refusal-compensates",
			message: `the refusal undid ${(compensation[0].data as { key: string }).key}, although nothing in the workflow had failed`,
			event: compensation[1],
			disputed,
		});
	}
	return violations;
}

export const removed: Property = {
	id: "version.removed",
	claim: "Old histories replay through ctx.removed; new ones never meet it.",
	source: "docs: Migrations, Versioned workflow evolution; types: RemovedEntry",
	judgesChanges: true,
	mutants: ["engine-does-not-know-removed", "engine-knows-removed-steps-only"],
	skips: ({ change }) => {
		if (change === undefined) return UNCHANGED;
		return change.kind === "remove-told" ? undefined : "nothing is told to be removed";
	},
	check(run, reference) {
		const second = secondOf(run);
		if (second === undefined) return [];
		const { statement, level } = second.place;
		for (const [event, index] of second.events) {
			if (event.kind !== "run.rejected") continue;
			const { error } = event.data as HostEvents["run.rejected"];
			if (error.name !== "HistoryDivergedError" || !mentions(error.message, statement.name)) continue;
			// What the first release cannot replay either is not for want of being told.
			const alike = reference.of("run.rejected").some(({ data }) => {
				const other = (data as HostEvents["run.rejected"]).error;
				return other.name === error.name && mentions(other.message, statement.name);
			});
			if (alike) continue;
			const inside = error.message.includes(`${statement.name}/`) ? "-inside" : "";
			return [
				{
					kind: `${originalOf(statement)}${inside}-diverged-${levelName(level)}`,
					message: `${statement.name} was told to be removed, and still: ${error.message}`,
					event: index,
				},
			];
		}
		return [];
	},
};

/** Whether a text has the name in it, and not as the beginning of another. */
function mentions(text: string, name: string): boolean {
	const at = text.indexOf(name);
	return at >= 0 && !/\d/.test(text.charAt(at + name.length)) && !/[\w-]/.test(text.charAt(at - 1));
}

export const pinned: Property = {
	id: "version.pinned",
	needs: ["getVersion"],
	claim: "getVersion resolves once for a place and never changes: 1 for what is under way, the latest for what is new.",
	source: "docs: Versioned workflow evolution; types: VersionCheckEntry; engine: getVersion",
	judgesChanges: true,
	mutants: ["engine-forgets-versions", "engine-pins-the-oldest-version", "driver-drops-the-end-of-batches"],
	check(run) {
		const violations = new Map<string, Violation>();
		const asked = run.of("version.return");
		if (asked.length === 0) return [];
		const report = (violation: Violation) => {
			if (!violations.has(violation.kind)) violations.set(violation.kind, violation);
		};
		const known = new Map<string, number>();
		const losers = losingBranches(run);
		const { change } = run.program;
		const second = secondOf(run);
		const begun = begunOf(run);
		for (const event of asked) {
			const { key, version } = event.data as ProbeEvents["version.return"];
			if (isUnder(key, losers)) continue;
			const index = run.history.events.indexOf(event);
			const before = known.get(key);
			known.set(key, version);
			if (before !== undefined) {
				if (before === version) continue;
				report({
					kind: `changed-${levelName(levelOf(run, key))}`,
					message: `${key} was version ${before}, and is ${version}`,
					event: index,
				});
				continue;
			}
			const isGate = change?.kind === "insert-gated" && second !== undefined && key.endsWith(inserted(change.at));
			const latest = isGate ? 2 : latestOf(run, key, event.process);
			if (latest === undefined) continue;
			const passedBy = isGate && second !== undefined && followed(run, second, blockOf(key, inserted(change.at)));
			const level = levelName(isGate && second !== undefined ? second.place.level : levelOf(run, key));
			if (passedBy && version !== 1) {
				report({
					kind: `under-way-got-latest-${level}`,
					message: `${key} was passed before there was a gate, and got version ${version}`,
					event: index,
				});
			} else if (version !== latest && !(isGate && isBegun(run, second, begun, key))) {
				report({
					kind: `new-got-old-${level}`,
					message: `nothing had come as far as ${key}, and it got version ${version} instead of ${latest}`,
					event: index,
				});
			}
		}
		return [...violations.values()];
	},
};

/** Keys of whatever was asked for or ran in the first release. */
const begunOf = oncePerRun((run: Run): ReadonlySet<string> => {
	const begun = new Set<string>();
	for (const { process, data } of run.history.events) {
		if (process !== 1) continue;
		const { key } = data as { key?: unknown };
		if (typeof key === "string") begun.add(key);
	}
	return begun;
});

/** The statement behind the gate and those after it, in one block. */
function behind(run: Run, block: string): string[] {
	const standing = standingOf(run.program.statements ?? [], run.program.change?.at ?? "");
	return (standing?.block.slice(standing.index) ?? []).map(({ name }) => `${block}${name}`);
}

/** Whether the first release surely recorded something behind the gate. */
function followed(run: Run, { recorded }: Second, block: string): boolean {
	return behind(run, block).some((key) => recorded.has(key));
}

/** Statements that the history tells of before anything of them can be on record. */
const TOLD_WHEN_ASKED: ReadonlySet<Statement["kind"]> = new Set([
	...(["step", "try-step", "sleep", "receive", "loop", "join", "race"] as const),
]);

/** Whether the first release came as far as the gate: something behind it may be on record. */
function isBegun(run: Run, second: Second | undefined, begun: ReadonlySet<string>, key: string): boolean {
	const name = inserted(run.program.change?.at ?? "");
	const next = standingOf(run.program.statements ?? [], run.program.change?.at ?? "")?.statement;
	if (next === undefined || !TOLD_WHEN_ASKED.has(next.kind)) return true;
	const keys = behind(run, blockOf(key, name));
	return (
		second === undefined || [...begun].some((other) => keys.some((one) => isOf(other, one) || other.startsWith(one)))
	);
}

function placeOf(run: Run, key: string): Place | undefined {
	return places(run).find((candidate) => candidate.key.test(key));
}

function levelOf(run: Run, key: string): Level {
	return placeOf(run, key)?.level ?? "root";
}

/** The latest version that the code of that life knows at a place; undefined when the program's text does not tell. */
function latestOf(run: Run, key: string, process: number): number | undefined {
	const statement: Statement | undefined = placeOf(run, key)?.statement;
	if (statement?.kind !== "version") return undefined;
	// It may be on record from the first release, which died before the workflow learnt of it.
	return run.program.change !== undefined && process > 1 ? undefined : statement.latest;
}
