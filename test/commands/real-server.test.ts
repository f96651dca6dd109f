/**
 * The published server, as a process: some of what is on record of it holds, and what the published runner does on it. Installed on
 * demand; where it cannot run, these are skipped and say why. `pnpm sim real-server` holds all of the record.
 */
import { tmpdir } from "node:os";
import { afterAll, describe, expect, test } from "vitest";
import { publishedRunner } from "../../drivers/runner/rivetkit/runner.ts";
import { CONVERSATIONS } from "../../fixtures/conversations/index.ts";
import { PROBES } from "../../fixtures/conversations/probes.ts";
import { boxSettings } from "../../sim/cli/machine/box-settings.ts";
import { holdProbe } from "../../sim/explore/conversations/probe.ts";
import { COURSES, type CourseSeen, takeCourse } from "../../sim/explore/conversations/published.ts";
import { realProbes } from "../../sim/explore/conversations/real-stage.ts";
import { differences, isAsRecorded, observedName, recorded } from "../../sim/explore/conversations/record.ts";
import { RIVET_ENGINE, rivetEngineBinary } from "../../sim/explore/conversations/rivet-engine.ts";
import { type Servers, startServers } from "../../sim/explore/conversations/servers.ts";
import { survey } from "../../sim/explore/conversations/survey.ts";

/** The server, or why there is none. */
const servers: Servers | string = await boxSettings(tmpdir(), () => {})
	.packageDirectory(RIVET_ENGINE.name, RIVET_ENGINE.version)
	.then((directory) => startServers(rivetEngineBinary(directory)))
	.catch((error: unknown) => `rivet-engine cannot run here: ${String(error)}`);

afterAll(async () => {
	if (typeof servers !== "string") await servers.stop();
});

/** A test that is skipped, with the reason, where there is no server. */
const onServer = (name: string, body: (servers: Servers) => Promise<void>) =>
	test(name, async (context) => {
		if (typeof servers === "string") return context.skip(servers);
		await body(servers);
	});

const HELD = ["life", "acknowledged", "restart"];
const CUTS = 32;
const AT_ONCE = 12;

onServer(`replays what is on record, at ${CUTS} cuts`, async (servers) => {
	const { observed, failed } = await survey({
		servers,
		conversations: CONVERSATIONS.filter(({ name }) => HELD.includes(name)),
		atOnce: AT_ONCE,
		agrees: isAsRecorded(recorded()),
		choose: (rows) =>
			rows.filter((_, i) => Math.floor((i * CUTS) / rows.length) !== Math.floor(((i - 1) * CUTS) / rows.length)),
	});
	expect(failed).toEqual([]);
	expect(observed.filter(({ cut }) => cut !== undefined)).toHaveLength(CUTS);
	const known = new Map(recorded().rows.map((row) => [observedName(row), row]));
	const different = observed.flatMap((row) => {
		const before = known.get(observedName(row));
		return before === undefined
			? [`${observedName(row)} is not on record`]
			: differences(before, row, ["record", "server"]);
	});
	expect(different).toEqual([]);
});

onServer("answers bad URLs and bad frames as on record", async ({ patient }) => {
	await patient.pool("probes");
	const answers = await Promise.all(
		PROBES.map((probe, i) => holdProbe(probe, realProbes(patient), `probe-${i}`, "probes")),
	);
	expect(answers).toEqual(recorded().probes);
});

describe("the published runner 2.2.1 on it", async () => {
	const runner = await publishedRunner("2.2.1");
	const seen = new Map<string, CourseSeen>();

	onServer("takes its courses", async ({ patient }) => {
		await Promise.all(
			COURSES.map(async (course) => {
				seen.set(course.name, await takeCourse(runner, course, patient, `course-${course.name}`));
			}),
		);
		expect(seen.get("whole")).toMatchObject({ told: ["connected", "start 0", "stop 0"], state: "sleeping" });
	});

	onServer("runs an actor twice when the connection breaks", async () => {
		expect(seen.get("replayed-start")?.told).toEqual(["connected", "start 0", "disconnected", "connected", "start 0"]);
	});

	onServer("cannot put that actor to sleep: its events have indices that were used", async () => {
		const { told, events, state } = seen.get("sleep-after-replay") as CourseSeen;
		expect(events.slice(-2)).toEqual(["0/0 Running", "0/1 Sleep"]);
		expect(told).not.toContain("stop 0");
		expect(state).toBe("connectable");
	});

	onServer("loses an actor's last event with the connection, and starts the actor again after its stop", async () => {
		const { told, events } = seen.get("stopped-lost") as CourseSeen;
		expect(told.filter((what) => what !== "connected" && what !== "disconnected")).toEqual([
			...["start 0", "stop 0"],
			...["start 0", "stop 0"],
		]);
		// Its Stopped was 0/2; what is said instead has the index of its wish to sleep.
		expect(events).toEqual(["0/0 Running", "0/1 Sleep", "0/2 Stopped", "0/0 Running", "0/1 Stopped"]);
	});

	onServer("runs its actors on in silence, beyond the time that the server told it", async () => {
		expect(seen.get("silence")?.told).toEqual(["connected", "start 0"]);
	});
});
