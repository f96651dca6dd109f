/** What the published runners do, each alone with a server that says what the script says: the runner's side of what goes wrong. */
import { describe, expect, test } from "vitest";
import { PUBLISHED_RUNNERS, publishedRunner } from "../../drivers/runner/rivetkit/runner.ts";
import type { EventWrapper } from "../../drivers/runner/wire.ts";
import { ACTOR, commands, type Script, start, stop, talk } from "./scripted-server.ts";

const RUNNERS = await Promise.all(PUBLISHED_RUNNERS.map(publishedRunner));

/** A millisecond or so for what is on its way. */
const SOON_MS = 100;
const MINUTE_MS = 60_000;

const name = ({ inner }: EventWrapper): string => {
	if (inner.tag === "EventActorStateUpdate") return inner.val.state.tag.replace("ActorState", "");
	return inner.tag === "EventActorIntent" ? inner.val.intent.tag.replace("ActorIntent", "") : "Alarm";
};

const told = (events: readonly EventWrapper[]) =>
	events.map((event) => `${event.checkpoint.generation}/${event.checkpoint.index} ${name(event)}`);

/** A runner that is started with one actor, whose connection ends, and to which the same command is sent again after that. */
const replay: Script = {
	forMs: 10_000,
	onReady(connection, count, runner, world) {
		connection.send(commands(start(0, 0)));
		if (count > 1) {
			setTimeout(() => runner.sleepActor(ACTOR), SOON_MS);
			return;
		}
		setTimeout(() => runner.setAlarm(ACTOR, world.nowMs + MINUTE_MS), SOON_MS);
		setTimeout(() => runner.setAlarm(ACTOR, null), SOON_MS);
		setTimeout(() => connection.close(1011, "test.test"), 2 * SOON_MS);
	},
};

describe.each(RUNNERS)("$name", (runner) => {
	test("connects with its version, its namespace and a key of its own", async () => {
		const { connections, told } = await talk(runner, { forMs: 1_000, onReady() {} });
		const query = new URL(connections[0]?.url ?? "").searchParams;
		expect(query.get("protocol_version")).toBe(String(runner.protocols[0]));
		expect(query.get("namespace")).toBe("default");
		expect(query.get("runner_key")).toMatch(/^[0-9a-f-]{36}$/);
		expect(told).toEqual(["connected"]);
	});

	test("is the same bytes for the same seed, and others for another", async () => {
		const digest = async (seed: string) => (await talk(runner, { ...replay, seed })).world.history.digest();
		expect(await digest("a")).toBe(await digest("a"));
		expect(await digest("a")).not.toBe(await digest("b"));
	});

	test("runs an actor twice when its start is replayed after a reconnect", async () => {
		const { told } = await talk(runner, replay);
		expect(told).toEqual(["connected", "start 0", "disconnected 1011 test.test", "connected", "start 0"]);
	});

	test("numbers the events of that actor anew, so that two events have one index", async () => {
		const { heardOf } = await talk(runner, replay);
		expect(told(heardOf("ToServerEvents").flat())).toEqual([
			...["0/0 Running", "0/1 Alarm", "0/2 Alarm"],
			// All of them again, since none was acknowledged; and then, under an index that was used before:
			...["0/0 Running", "0/1 Alarm", "0/2 Alarm"],
			...["0/0 Running", "0/1 Sleep"],
		]);
	});

	test("acknowledges a start after five minutes, and a stop never", async () => {
		const { heardOf } = await talk(runner, {
			forMs: 16 * MINUTE_MS,
			onReady(connection) {
				connection.send(commands(start(0, 0)));
				setTimeout(() => connection.send(commands(stop(0, 1))), 6 * MINUTE_MS);
			},
		});
		const acknowledged = heardOf("ToServerAckCommands").map(({ lastCommandCheckpoints }) => lastCommandCheckpoints);
		expect(acknowledged).toEqual([[{ actorId: ACTOR, generation: 0, index: 0n }], [], []]);
	});

	test("loses the last event of an actor with the connection", async () => {
		const { heardOf, told: users } = await talk(runner, {
			forMs: 10_000,
			onReady(connection, count) {
				if (count > 1) return;
				connection.send(commands(start(0, 0)));
				setTimeout(() => {
					connection.send(commands(stop(0, 1)));
				}, SOON_MS);
			},
			// Its Stopped is the one frame that never arrives.
			faults: [{ kind: "cut", frame: FRAME_OF_STOPPED, side: "before" }],
		});
		expect(users).toContain("stop 0");
		expect(users.filter((what) => what === "connected")).toHaveLength(2);
		expect(told(heardOf("ToServerEvents").flat())).toEqual(["0/0 Running"]);
	});
});

/** Ask, accept, Init, Init, Start, Running, Stop, Stopped. */
const FRAME_OF_STOPPED = 8;
