/** The model of the published server in a world does in every conversation, at every cut, what the server itself is on record for. */
import { describe, expect, test } from "vitest";
import { pegboard, referenceServer } from "../../drivers/runner/server/server.ts";
import { CONVERSATIONS } from "../../fixtures/conversations/index.ts";
import { PROBES } from "../../fixtures/conversations/probes.ts";
import type { Observed, Row } from "../../sim/explore/conversations/converse.ts";
import { differences, observedName, recorded } from "../../sim/explore/conversations/record.ts";
import { observeInWorld, probeInWorld } from "../../sim/explore/conversations/world-stage.ts";

const RECORD = recorded();

function rowOf({ conversation: name, version, cut }: Observed): Row {
	const conversation = CONVERSATIONS.find((known) => known.name === name);
	if (conversation === undefined) throw new Error(`No conversation is called ${name}.`);
	return { conversation, ...(version === undefined ? {} : { version }), ...(cut === undefined ? {} : { cut }) };
}

const rowsOf = (conversation: string) => RECORD.rows.filter((row) => row.conversation === conversation);

describe("the record", () => {
	test("has every conversation and every probe", () => {
		expect([...new Set(RECORD.rows.map(({ conversation }) => conversation))]).toEqual(
			CONVERSATIONS.map(({ name }) => name),
		);
		expect(RECORD.probes.map(({ probe }) => probe)).toEqual(PROBES.map(({ name }) => name));
	});

	test("has hundreds of cuts", () => {
		expect(RECORD.rows.filter(({ cut }) => cut !== undefined).length).toBeGreaterThan(200);
	});
});

test.each(CONVERSATIONS.map(({ name }) => name))("the model replays as the server: %s", async (name) => {
	const different: string[] = [];
	for (const known of rowsOf(name)) {
		const { observed } = await observeInWorld(rowOf(known), pegboard());
		different.push(
			...differences(known, observed, ["server", "model"]).map((line) => `${observedName(known)}: ${line}`),
		);
	}
	expect(different).toEqual([]);
});

test.each(PROBES)("the model answers as the server: $name", async (probe) => {
	expect(await probeInWorld(probe, pegboard())).toEqual(RECORD.probes.find((known) => known.probe === probe.name));
});

test("the comparison tells a server that keeps more duties from the published one", async () => {
	const [known] = rowsOf("destroyed");
	const { observed } = await observeInWorld(rowOf(known as Observed), referenceServer());
	// Nothing of a destroyed actor is replayed.
	expect(differences(known as Observed, observed, ["server", "reference"])).not.toEqual([]);
});
