/** What findings of actors and runners say was expected, beside what was observed. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type ComparedRow, findingId } from "../reports/model.ts";
import { ACTOR_HUNTS } from "../sim/explore/actors/mutants.ts";
import { COMMAND_HUNTS } from "../sim/explore/commands/mutants.ts";
import type { SubjectHunt } from "../sim/explore/subject/gate.ts";
import { judgeScenario, propertiesOf } from "../sim/explore/subject/judge.ts";
import { subjectRunRecordOf } from "../sim/explore/subject/run-record.ts";
import { inMacrotask } from "../sim/world/interpose.ts";
import { withoutFrames } from "../suites/commands/tell.ts";
import { comparedIn, type SubjectProperty } from "../suites/subject.ts";

const LISTS = fileURLToPath(new URL("../fixtures/expectations/", import.meta.url));

/** Ids of what is listed of that kind of subject. */
function listed(kind: "actors" | "runners"): string[] {
	return readdirSync(join(LISTS, kind))
		.filter((name) => name.endsWith(".json"))
		.flatMap((name) => [...readFileSync(join(LISTS, kind, name), "utf8").matchAll(FINDING)])
		.map(([, property = "", found = ""]) => findingId({ property, kind: found }));
}

const FINDING = /"property": "([^"]+)",\s+"kind": "([^"]+)"/g;

describe.each([
	{ what: "actors", hunts: ACTOR_HUNTS },
	{ what: "runners", hunts: COMMAND_HUNTS },
] as const)("of $what", ({ what, hunts }) => {
	const { expected = {} } = (hunts[0] as SubjectHunt).subject(false);
	const known = [...new Set([...listed(what), ...hunts.map(findingId)])];

	test("each finding that is listed, or that a mutant shows, has words of its own", () => {
		expect(known.length).toBeGreaterThan(30);
		expect(known.filter((id) => expected[id] === undefined)).toEqual([]);
	});
});

/** The rows of the first run in which a mutant shows what it is hunted for. */
async function rowsOf(property: string, kind: string): Promise<readonly ComparedRow[]> {
	const hunt = ACTOR_HUNTS.find((one) => one.property === property && one.kind === kind) as SubjectHunt;
	const subject = hunt.subject(true);
	for (let seed = 1; seed <= hunt.within; seed++) {
		const rows = await inMacrotask(() => {
			const judgement = judgeScenario(subject, propertiesOf(subject, [property]), hunt.scenario(subject, seed));
			const isShown = judgement.violations.some(({ violation }) => violation.kind === kind);
			return isShown ? subjectRunRecordOf(subject, findingId(hunt), judgement).compared : undefined;
		});
		if (rows !== undefined) return rows;
	}
	throw new Error(`No seed shows ${property}/${kind}.`);
}

test.each([
	["queue.no-loss", "never-given", { what: "message m2 applied", expected: "once", observed: "never" }],
	["queue.no-duplicate", "stored-twice", { what: "message m2 applied", expected: "once", observed: "2 times" }],
	["state.atomic", "history-without-state", { expected: "once", observed: "never" }],
	["state.atomic", "state-without-history", { expected: "once", observed: "2 times" }],
	["state.rollback", "state-kept", { what: "state as the next attempt begins" }],
	["queue.metadata", "size-disagrees", { what: "size of the queue" }],
	["replay.same-outcome", "other-state", { what: "state that a new life finds" }],
])("%s/%s is told by what the run itself holds", async (property, kind, row) => {
	const differing = (await rowsOf(property, kind)).filter(({ expected, observed }) => expected !== observed);
	expect(differing[0]).toMatchObject(row);
});

describe("a finding without words of its own", () => {
	const property = { id: "tiny.count", claim: "It counts to three." } as SubjectProperty;
	test("is held against what its property promises", () => {
		const violation = { kind: "too-far", message: "it counted to 4", event: 3 };
		expect(comparedIn({}, {} as never, property, violation)).toEqual([
			{ what: "too far", expected: "It counts to three.", observed: "it counted to 4" },
		]);
	});
});

test.each([
	[
		"a/0 went (weakness of the server): frame 9 at 600 ms, server to runner over connection 1: start a/0 #0",
		"a/0 went",
	],
	["a/0 went (weakness of the protocol)", "a/0 went"],
])("what happened is told without frames: %s", (message, told) => {
	expect(withoutFrames(message)).toBe(told);
});
