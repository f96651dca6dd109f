/** What whoever does not keep to the protocol gets, and that nobody else is disturbed by it. */
import { describe, expect, it } from "vitest";
import { WILD_PEERS, type WildPeer } from "../../drivers/runner/contract.ts";
import { referenceRunner } from "../../drivers/runner/reference/runner.ts";
import { pegboard, referenceServer } from "../../drivers/runner/server/server.ts";
import { COMMAND_PROGRAMS } from "../../fixtures/commands/index.ts";
import type { CommandProgram } from "../../fixtures/commands/program.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import type { NetworkEvents } from "../../sim/world/network.ts";
import { COMMAND_PROPERTIES } from "../../suites/commands/index.ts";
import { type CommandRun, type CommandScenario, runCommands } from "../../suites/commands/run.ts";

const QUIET: Omit<CommandScenario, "program"> = {
	...{ seed: "refusals", faults: [], network: { minMs: 1, maxMs: 1 } },
	latency: { minMs: 0, maxMs: 0, answerMaxMs: 0 },
	...{ inFlight: "lost", serverRestartMs: 0, runnerRestartMs: 0, pace: 100 },
};

const sound = { runner: referenceRunner(), server: referenceServer() };

function run(program: CommandProgram, target = sound): Promise<CommandRun> {
	return inMacrotask(() => runCommands({ ...QUIET, program: program.name }, program, target));
}

/** One actor on one runner, and one peer that does not keep to the protocol, or none. */
function beside(how: WildPeer | undefined): CommandProgram {
	const [start] = COMMAND_PROGRAMS.filter(({ name }) => name === "start") as [CommandProgram];
	const { script } = start;
	const wild = how === undefined ? [] : [{ atMs: 2_000, does: "wild", how } as const];
	return { ...start, script: { ...script, steps: [...script.steps, ...wild] } };
}

/** Code and reason with which the peer learned that it is over; undefined while it is not. */
function answerTo({ history }: CommandRun): string | undefined {
	const over = history.events.find(({ kind }) => kind === "wild.over");
	if (over === undefined) return undefined;
	const { code, reason } = over.data as { code: number; reason: string };
	return `${code} ${reason}`;
}

const notesOf = ({ history }: CommandRun, what: string) =>
	history.events.filter(({ kind }) => kind === what).map(({ data }) => data);

/** What everybody else did: users' callbacks and what the actors of the script came to. */
const othersOf = ({ history }: CommandRun) =>
	history.events
		.filter(({ kind }) => kind.startsWith("user.") || kind === "actor.status")
		.map(({ kind, data }) => {
			const { actorId, generation, status } = data as Record<string, unknown>;
			return [kind, actorId, generation, status];
		});

/** Who does not answer pings is given up at the same time, as a connection and as a runner. */
const SILENT = /^1011 ws\.(ping_timeout|runner_lost)$/;

const ANSWERS: Readonly<Record<WildPeer, string | RegExp>> = {
	"bad-path": "1011 ws.unknown_path",
	"no-version": "1011 ws.invalid_url",
	"no-key": "1011 ws.invalid_url",
	"empty-key": "1011 ws.invalid_url",
	"unknown-namespace": "1011 namespace.not_found",
	"version-3": "1011 ws.unknown_protocol_version",
	"version-99": "1011 ws.unknown_protocol_version",
	"no-init": "1011 ws.timed_out_waiting_for_init",
	"text-init": "1011 ws.invalid_initial_packet",
	"garbage-init": "1011 ws.invalid_packet",
	"events-first": "1011 ws.invalid_initial_packet",
	"bad-frame": "1011 ws.invalid_packet",
	// Who is taken all the same is over only because it answers no pings.
	"second-init": SILENT,
	"bad-metadata": SILENT,
	"bad-name-metadata": SILENT,
	"huge-metadata": SILENT,
	"foreign-marks": SILENT,
};

describe.each(WILD_PEERS)("a peer that does %s", (how) => {
	it("gets what the protocol says, and nobody else notices", async () => {
		const [with_, without] = [await run(beside(how)), await run(beside(undefined))];
		const expected = ANSWERS[how];
		if (typeof expected === "string") expect(answerTo(with_)).toBe(expected);
		else expect(answerTo(with_)).toMatch(expected);
		expect(othersOf(with_)).toEqual(othersOf(without));
		expect(othersOf(with_).length).toBeGreaterThan(3);
		expect(COMMAND_PROPERTIES.flatMap((property) => property.check(with_))).toEqual([]);
	});
});

it.each([
	["bad-metadata", "metadata of the runner", "no JSON"],
	["bad-name-metadata", "metadata of name 0", "no JSON"],
	["huge-metadata", "metadata of the runner", "longer than 65536 bytes"],
] as const)("%s is left out, and said to be", async (how, what, why) => {
	expect(notesOf(await run(beside(how)), "input.refused")).toEqual([{ what, why }]);
});

it("what is said of actors that others hold changes nothing, and is counted", async () => {
	const ran = await run(beside("foreign-marks"));
	expect(notesOf(ran, "command.ack-ignored")).toEqual([expect.objectContaining({ actorId: "a", index: 9 })]);
	expect(notesOf(ran, "event.dropped")).toEqual([expect.objectContaining({ actorId: "a", why: "another runner" })]);
});

it("a runner that gets a frame that is no message connects anew, and misses nothing", async () => {
	const [garbled] = COMMAND_PROGRAMS.filter(({ name }) => name === "garbled") as [CommandProgram];
	const ran = await run(garbled);
	const closes = ran.history.events
		.filter(({ kind }) => kind === "frame.sent")
		.map(({ data }) => data as NetworkEvents["frame.sent"])
		.filter(({ from, content }) => from === "client" && content.kind === "close");
	expect(closes.map(({ content }) => content)).toEqual([
		{ kind: "close", code: 4002, reason: "runner.bad_frame" },
		{ kind: "close", code: 4002, reason: "runner.bad_frame" },
	]);
	expect(notesOf(ran, "process.crash")).toEqual([]);
	expect(othersOf(ran).filter(([kind]) => kind === "user.stopped")).toEqual([["user.stopped", "a", 0, undefined]]);
});

describe("versions that meet", () => {
	const [start] = COMMAND_PROGRAMS.filter(({ name }) => name === "start") as [CommandProgram];
	const asked = ({ history }: CommandRun) =>
		history.events
			.filter(({ kind }) => kind === "connection.asked")
			.map(({ data }) => /protocol_version=(\d)/.exec((data as NetworkEvents["connection.asked"]).url)?.[1]);

	it.each([
		[7, 4, ["7", "6", "5", "4"]],
		[6, 5, ["6", "5"]],
		[5, 7, ["5"]],
		[4, 4, ["4"]],
	] as const)(
		"a runner of version %i on a server of %i negotiates down, and never up",
		async (own, newest, versions) => {
			const scenario = { ...QUIET, program: start.name, protocol: own, serverProtocol: newest };
			const ran = await inMacrotask(() => runCommands(scenario, start, sound));
			const distinct = asked(ran).filter((version, i, all) => version !== all[i - 1]);
			expect(distinct).toEqual(versions);
			expect(othersOf(ran).at(-1)).toEqual(["actor.status", "a", 0, "running"]);
		},
	);
});

it("the model of the published server keeps what it was told in silence", async () => {
	const target = { runner: referenceRunner(), server: pegboard() };
	for (const how of ["bad-metadata", "huge-metadata"] as const) {
		expect(notesOf(await run(beside(how), target), "input.refused")).toEqual([]);
	}
});
