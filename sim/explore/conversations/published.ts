/**
 * A published runner and the published server, both as they are, with one cut between them: what the user's actor was told to do,
 * what the runner said, and how the actor stands with the server in the end. Nothing is simulated, so that what comes of it is
 * theirs alone; time is real, and short.
 */
import type { Runner, RunningRunner } from "../../../drivers/runner/contract.ts";
import { type EventWrapper, type ToServer, wireOf } from "../../../drivers/runner/wire.ts";
import { FrameRelay } from "./frame-relay.ts";
import { type Cut, Gate } from "./gate.ts";
import { stateOf } from "./real-stage.ts";
import type { RivetEngine } from "./rivet-engine.ts";

/** Each asks the runner for something once its actor runs, and is cut somewhere. */
export interface Course {
	readonly name: string;
	readonly summary: string;
	/** Alarms that the actor sets, each an event, before anything else. */
	readonly alarms: number;
	/** Where the connection breaks: at a frame, or once the actor runs and is quiet; or it goes silent then. */
	readonly cut: Cut | "quiet" | "silent" | "none";
	/** Whether the actor asks to sleep, after the cut where that falls while it is quiet. */
	readonly sleeps: boolean;
}

export const COURSES: readonly Course[] = [
	{
		name: "whole",
		summary: "An actor runs and sleeps; nothing breaks.",
		alarms: 2,
		cut: "none",
		sleeps: true,
	},
	{
		name: "replayed-start",
		summary: "The connection breaks while the actor runs, and is made again.",
		alarms: 0,
		cut: "quiet",
		sleeps: false,
	},
	{
		name: "sleep-after-replay",
		summary:
			"The connection breaks while the actor runs, which has said three things before and asks to sleep afterwards.",
		alarms: 2,
		cut: "quiet",
		sleeps: true,
	},
	{
		name: "silence",
		summary:
			"The connection goes silent while the actor runs, for longer than a runner may be: nothing passes, and nothing is closed.",
		alarms: 0,
		cut: "silent",
		sleeps: false,
	},
	{
		name: "stopped-lost",
		summary: "The connection breaks as the actor's Stopped is on its way.",
		alarms: 0,
		// Init, Running, the wish to sleep, Stopped.
		cut: { direction: "to-server", frame: 4, reaches: false },
		sleeps: true,
	},
];

export interface CourseSeen {
	readonly runner: string;
	readonly course: string;
	/** `start 0`, `stop 0`, `connected`, `disconnected`: what the user's program was told, in order. */
	readonly told: readonly string[];
	/** `0/1 SetAlarm`: generation, index and kind of each event that the runner said, again where it said it again. */
	readonly events: readonly string[];
	/** How the actor stands with the server at the end. */
	readonly state: string;
}

/** Real milliseconds: for what must come, and for what is to be seen not to come, which is beyond the server's own limits. */
const COMES_MS = 20_000;
const SETTLES_MS = 800;
const RECONNECTS_MS = 2_500;
const BEYOND_LIMITS_MS = 10_000;
/** Beyond the time after which the server gives a silent runner up, and says in Init that it does. */
const BEYOND_SILENCE_MS = 20_000;
const LOOK_EVERY_MS = 50;
const FAR_MS = 86_400_000;

/** @param name of the pool and of the actor: one of its own for each course. */
export async function takeCourse(
	runner: Runner,
	course: Course,
	server: RivetEngine,
	name: string,
): Promise<CourseSeen> {
	await server.pool(name);
	const relay = await FrameRelay.to(server.url);
	const wire = wireOf(runner.protocols[0] ?? 0);
	const events: string[] = [];
	const gate = new Gate(typeof course.cut === "object" ? course.cut : undefined);
	relay.through({
		gate,
		onSent: () => {},
		onSaid: (frame) => events.push(...eventsOf(wire?.decodeToServer(frame))),
	});
	const told: string[] = [];
	const running = begin(runner, relay, name, gate, told);
	try {
		await comes(() => told.includes("connected"));
		const actorId = await server.create(name, name, "sleep");
		await comes(async () => (await stateOf(server, actorId)) === "connectable");
		for (let i = 0; i < course.alarms; i++) running.setAlarm(actorId, Date.now() + FAR_MS);
		await pause(SETTLES_MS);
		if (course.cut === "quiet") {
			relay.cut();
			await comes(() => told.filter((what) => what === "connected").length === 2);
			await pause(SETTLES_MS);
		}
		if (course.cut === "silent") {
			gate.darken();
			await pause(BEYOND_SILENCE_MS);
		}
		if (course.sleeps) {
			running.sleepActor(actorId);
			// What is cut may never be told to stop: then there is nothing to wait for but time.
			if (course.cut === "none") await comes(() => told.includes("stop 0"));
			await pause(course.cut === "none" ? SETTLES_MS : RECONNECTS_MS + BEYOND_LIMITS_MS);
		}
		return { runner: runner.name, course: course.name, told: [...told], events, state: await stateOf(server, actorId) };
	} finally {
		void running.shutdown(true);
		relay.close();
	}
}

function begin(runner: Runner, relay: FrameRelay, name: string, gate: Gate, told: string[]): RunningRunner {
	return runner.start(
		{
			endpoint: relay.url.replace("ws:", "http:"),
			namespace: "default",
			runnerName: name,
			version: 1,
			totalSlots: 10,
			prepopulateActorNames: {},
		},
		{
			onActorStart: async (_actorId, generation) => void told.push(`start ${generation}`),
			onActorStop: async (_actorId, generation) => void told.push(`stop ${generation}`),
			onConnected: () => void told.push("connected"),
			onDisconnected: () => {
				told.push("disconnected");
				gate.reopen();
			},
			onShutdown: () => {},
		},
	);
}

function eventsOf(message: ToServer | undefined): string[] {
	return message?.tag === "ToServerEvents" ? message.val.map(eventName) : [];
}

/** `0/1 Sleep`: generation, index, and what it says. */
export function eventName({ checkpoint: { generation, index }, inner }: EventWrapper): string {
	const said =
		inner.tag === "EventActorStateUpdate"
			? inner.val.state.tag.replace("ActorState", "")
			: inner.tag === "EventActorIntent"
				? inner.val.intent.tag.replace("ActorIntent", "")
				: "Alarm";
	return `${generation}/${index} ${said}`;
}

async function comes(holds: () => boolean | Promise<boolean>): Promise<void> {
	const endsAt = performance.now() + COMES_MS;
	while (!(await holds())) {
		if (performance.now() > endsAt) throw new Error("What a course waits for never came.");
		await pause(LOOK_EVERY_MS);
	}
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
