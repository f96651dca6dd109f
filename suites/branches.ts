/** Branches side by side: all of them count in a join, one of them in a race. */
import type { ProbeEvents } from "../drivers/engine/observe.ts";
import { blocksOf, type Statement } from "../fixtures/generators/statement.ts";
import { getOrInsert } from "../sim/world/collections.ts";
import type { HistoryEvent } from "../sim/world/history.ts";
import { Findings } from "./findings.ts";
import { isUnder, losingBranches } from "./messages.ts";
import { unclearNames } from "./names.ts";
import { oncePerRun, type Property, undoingFrom, type Violation } from "./property.ts";
import type { Run } from "./run.ts";
import { StoredHistory } from "./storage.ts";

const skipsWithoutBranches: Property["skips"] = (program) =>
	program.parallel === true ? unclearNames(program) : "no branches run side by side";

/** A join or race, by its key: what it consists of. */
interface Parallel {
	readonly operation: "join" | "race";
	readonly names: readonly string[];
}

const parallelsOf = oncePerRun((run: Run): ReadonlyMap<string, Parallel> => {
	const parallels = new Map<string, Parallel>();
	for (const { data } of run.of("branches.call")) {
		const { key, operation, names } = data as ProbeEvents["branches.call"];
		parallels.set(key, { operation, names });
	}
	return parallels;
});

/** The join or race that a branch belongs to. */
function parentOf(run: Run, branch: string): [key: string, name: string, parallel: Parallel] | undefined {
	for (const [key, parallel] of parallelsOf(run)) {
		if (!branch.startsWith(`${key}.`)) continue;
		const name = branch.slice(key.length + 1);
		if (parallel.names.includes(name)) return [key, name, parallel];
	}
	return undefined;
}

function racesOf(run: Run): string[] {
	return [...parallelsOf(run)].flatMap(([key, { operation, names }]) =>
		operation === "race" ? names.map((name) => `${key}.${name}`) : [],
	);
}

export const joinAll: Property = {
	id: "join.all",
	claim:
		"A join returns every branch's value or one error naming every failed branch; finished branches never run again.",
	source: "docs: Join, Fan-out / fan-in (join); errors: JoinError; engine: join (waits for all)",
	mutants: ["engine-forgets-a-branch", "engine-tells-the-first-failure-only"],
	skips: skipsWithoutBranches,
	check(run) {
		const found = new Findings();
		const races = racesOf(run);
		/** Branches that came to an end, with the error if that was it. */
		const ended = new Map<string, string | undefined>();
		/** Joins that came to an end for the workflow. */
		const over = new Set<string>();
		const errors = new Map<string, ErrorSeen>();
		let disturbed = false;
		/** Branches that came to an end since the last disturbance. */
		let fresh = new Set<string>();
		run.history.events.forEach((event, index) => {
			switch (event.kind) {
				case "process.crash":
				case "run.rejected":
				case "operation.failed":
					// What was not on record yet may run again.
					disturbed = true;
					fresh = new Set();
					break;
				case "branch.return":
				case "branch.threw": {
					const { key } = event.data as { key: string };
					fresh.add(key);
					ended.set(key, event.kind === "branch.threw" ? "threw" : undefined);
					break;
				}
				case "branch.start": {
					if (index > undoingFrom(run)) break;
					const { key } = event.data as ProbeEvents["branch.start"];
					const parent = parentOf(run, key);
					if (parent === undefined || parent[2].operation !== "join" || isUnder(key, races)) break;
					if (over.has(parent[0])) {
						found.add("branch-of-finished-join-ran-again", `${key} began again although its join was over`, index);
					} else if (fresh.has(key)) {
						const how = ended.get(key) === undefined ? "returned" : "failed";
						found.add(`branch-that-${how}-ran-again`, `${key} had ${how} and began again; nothing had crashed`, index);
					}
					break;
				}
				case "branches.return": {
					const { key, value } = event.data as ProbeEvents["branches.return"];
					const parallel = parallelsOf(run).get(key);
					if (parallel?.operation !== "join") break;
					over.add(key);
					// Of the one name that JavaScript keeps for itself, replay.names tells.
					const missing = parallel.names.filter(
						(name) => name !== "__proto__" && !value.includes(`${JSON.stringify(name)}: `),
					);
					if (missing.length > 0) {
						found.add("result-lacks-branch", `${key} returned nothing for ${missing.join(", ")}: ${value}`, index);
					}
					break;
				}
				case "threw": {
					const { key, error, causes } = event.data as ProbeEvents["threw"];
					const parallel = parallelsOf(run).get(key);
					if (parallel?.operation !== "join" || error.name !== "JoinError") break;
					over.add(key);
					const failed = parallel.names.filter((name) => ended.get(`${key}.${name}`) === "threw");
					const unnamed = failed.filter((name) => causes?.[name] === undefined || !error.message.includes(name));
					if (unnamed.length > 0 && !disturbed) {
						found.add(
							"failed-branch-not-named",
							`${unnamed.join(", ")} failed, and "${error.message}" does not say so`,
							index,
						);
					}
					compare(found, errors, key, error.message, causes, index);
					break;
				}
			}
		});
		return found.violations;
	},
};

interface ErrorSeen {
	readonly message: string;
	readonly causes: Readonly<Record<string, string>> | undefined;
}

/** An error that the workflow saw twice has to be the same both times. */
function compare(
	found: Findings,
	seen: Map<string, ErrorSeen>,
	key: string,
	message: string,
	causes: ErrorSeen["causes"],
	index: number,
): void {
	const first = getOrInsert(seen, key, () => ({ message, causes }));
	if (first.message !== message) {
		const sorted = (text: string) => text.replace(/^.*: /, "").split(", ").sort().join();
		const kind = sorted(first.message) === sorted(message) ? "error-in-other-order" : "other-error";
		found.add(
			`${kind}-after-replay`,
			`${key} failed with "${first.message}" first, and with "${message}" on replay`,
			index,
		);
	}
	for (const [name, cause] of Object.entries(first.causes ?? {})) {
		const now = causes?.[name];
		if (now === cause) continue;
		const kind = now?.endsWith(cause) ? "cause-wrapped-after-replay" : "other-cause-after-replay";
		found.add(kind, `${key}: branch ${name} failed with ${cause} first, and with ${now} on replay`, index);
	}
}

export const oneWinner: Property = {
	id: "race.one-winner",
	claim:
		"A race has one winner, the first to finish, and the same after every replay; a loser's later result, error or sleep changes nothing.",
	source: "docs: Race, Timeout + fallback actor; types: RaceEntry; errors: RaceError, CancelledError",
	mutants: ["engine-decides-races-anew", "engine-names-the-first-listed"],
	skips: skipsWithoutBranches,
	check(run) {
		const found = new Findings();
		const winners = new Map<string, string>();
		const errors = new Map<string, ErrorSeen>();
		/** Races that a branch has won and that have not told the workflow yet, by key. */
		const deciding = new Map<string, { readonly winner: string; readonly atMs: number }>();
		run.history.events.forEach((event, index) => {
			switch (event.kind) {
				case "process.crash":
				case "process.exit":
				case "run.start":
					deciding.clear();
					break;
				case "branch.start": {
					if (index > undoingFrom(run)) break;
					const { key } = event.data as ProbeEvents["branch.start"];
					const parent = parentOf(run, key);
					if (parent === undefined || parent[2].operation !== "race") break;
					const winner = winners.get(parent[0]);
					if (winner !== undefined) {
						found.add("winner-forgotten", `${key} began again although ${winner} had won ${parent[0]}`, index);
					}
					break;
				}
				case "branch.return": {
					const { key } = event.data as ProbeEvents["branch.return"];
					const parent = parentOf(run, key);
					if (parent?.[2].operation === "race" && !deciding.has(parent[0])) {
						deciding.set(parent[0], { winner: parent[1], atMs: event.at });
					}
					break;
				}
				case "body.start": {
					const { key } = event.data as ProbeEvents["body.start"];
					for (const [race, { winner, atMs }] of deciding) {
						// What was called before, and only begins now, nobody could have stopped.
						if (event.at <= atMs) continue;
						if (!key.startsWith(`${race}.`) || key.startsWith(`${race}.${winner}/`)) continue;
						found.add(
							"loser-goes-on",
							`${key} ran although ${winner} had won ${race}`,
							index,
							"the docs do not say what a branch that was at work when the race was decided may still begin",
						);
					}
					break;
				}
				case "branches.return": {
					const { key, winner } = event.data as ProbeEvents["branches.return"];
					if (winner === undefined) break;
					const first = deciding.get(key)?.winner;
					if (first !== undefined && first !== winner && !winners.has(key)) {
						found.add("not-the-first", `${winner} won ${key} although ${first} was at its end before`, index);
					}
					deciding.delete(key);
					const before = getOrInsert(winners, key, () => winner);
					if (before !== winner) {
						found.add("winner-changed", `${before} had won ${key}, on replay ${winner} has`, index);
					}
					break;
				}
				case "threw": {
					const { key, error, causes } = event.data as ProbeEvents["threw"];
					if (error.name === "RaceError") compare(found, errors, key, error.message, causes, index);
					break;
				}
			}
		});
		for (const violation of sleepsOverslept(run)) found.add(violation.kind, violation.message, violation.event);
		return found.violations;
	},
};

/** How long after its deadline a branch may come to its end and still be the one that was first. */
const TOLERANCE_MS = 200;

/**
 * Branches that had only a sleep left, whose end would have made them win, while the step of another branch took longer.
 * Only statements tell that nothing comes after a sleep.
 */
function sleepsOverslept(run: Run): Violation[] {
	const { statements } = run.program;
	if (statements === undefined || run.scenario.faults.some(({ kind }) => kind === "slow")) return [];
	const violations: Violation[] = [];
	/** Deadlines of the sleeps that end a branch, with where their process began to wait. */
	const asleep = new Map<string, { readonly deadlineMs: number; readonly process: number }>();
	const running = new Map<string, HistoryEvent>();
	const told = new Set<string>();
	run.history.events.forEach((event, index) => {
		switch (event.kind) {
			case "sleep.call": {
				const { key, deadlineMs } = event.data as ProbeEvents["sleep.call"];
				const known = asleep.get(key);
				asleep.set(key, { deadlineMs: known?.deadlineMs ?? deadlineMs, process: event.process });
				break;
			}
			case "body.start":
				running.set((event.data as ProbeEvents["body.start"]).key, event);
				break;
			case "body.end": {
				const { key } = event.data as ProbeEvents["body.end"];
				const start = running.get(key);
				running.delete(key);
				if (start?.process !== event.process) break;
				for (const [sleep, { deadlineMs, process }] of asleep) {
					if (process !== event.process || !(event.at > deadlineMs + TOLERANCE_MS) || start.at >= deadlineMs) continue;
					const race = raceBetween(run, key, sleep);
					if (race !== undefined) told.add(`${race} ${sleep}`);
				}
				break;
			}
			case "sleep.return":
				asleep.delete((event.data as ProbeEvents["sleep.return"]).key);
				break;
			case "branches.return": {
				const { key, winner } = event.data as ProbeEvents["branches.return"];
				for (const [sleep] of asleep) {
					if (!told.has(`${key} ${sleep}`) || sleep.startsWith(`${key}.${winner}/`)) continue;
					const path = sleep.slice(key.length + 1);
					if (!endsWithSleep(run, key, path, statements)) continue;
					violations.push({
						kind: "slow-step-beats-timeout",
						message: `${winner} won ${key} with a step that outlasted ${sleep}, which was to end the race before`,
						event: index,
					});
				}
				break;
			}
		}
	});
	return violations;
}

/** The race that has one of the keys in one branch, and the other in another. */
function raceBetween(run: Run, one: string, other: string): string | undefined {
	for (const [key, { operation, names }] of parallelsOf(run)) {
		if (operation !== "race") continue;
		const branch = (place: string) => names.find((name) => place.startsWith(`${key}.${name}/`));
		const [first, second] = [branch(one), branch(other)];
		if (first !== undefined && second !== undefined && first !== second) return key;
	}
	return undefined;
}

/** Whether the branch does nothing after this sleep. @param path the branch and the sleep in it, joined by a slash. */
function endsWithSleep(run: Run, race: string, path: string, statements: readonly Statement[]): boolean {
	const names = parallelsOf(run).get(race)?.names ?? [];
	const branch = names.find((name) => path.startsWith(`${name}/`));
	if (branch === undefined) return false;
	const name = path.slice(branch.length + 1);
	const raceName = race.split("/").at(-1);
	const search = (block: readonly Statement[]): boolean =>
		block.some((statement) =>
			statement.kind === "race" && statement.name === raceName
				? statement.branches.some(
						({ name: other, body }) => other === branch && body.at(-1)?.kind === "sleep" && body.at(-1)?.name === name,
					)
				: blocksOf(statement).some(search),
		);
	return search(statements);
}

const UNSEEN = "every start loads it, and nothing that the workflow sees depends on it";

export const losersClean: Property = {
	id: "race.losers-clean",
	claim: "A losing branch leaves nothing behind that replay can see.",
	source: "docs: Race; engine: race (cleans up after losers)",
	mutants: ["driver-keeps-deleted-prefixes"],
	skips: skipsWithoutBranches,
	check(run) {
		const losers = losingBranches(run);
		if (losers.length === 0) return [];
		const stored = new StoredHistory(run);
		for (const event of run.history.events) stored.apply(event);
		const found = new Findings();
		const event = run.history.events.length - 1;
		for (const loser of new Set(losers)) {
			const place = stored.place(loser);
			if (place === undefined) continue;
			const left = [...stored.entries.keys()].filter((entry) => entry.startsWith(`${place}/`));
			if (left.length > 0) found.add("loser-left-entries", `${loser} lost, and left entry ${left.join(", ")}`, event);
			const orphans = [...stored.metadata].filter((id) => {
				const entry = stored.placeOf.get(id);
				return entry?.startsWith(`${place}/`) === true && !stored.entries.has(entry);
			});
			if (orphans.length > 0) {
				found.add(
					"loser-left-metadata",
					`${loser} lost, and left metadata of ${orphans.length} entries`,
					event,
					UNSEEN,
				);
			}
		}
		return found.violations;
	},
};
