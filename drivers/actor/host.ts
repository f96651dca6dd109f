/**
 * A host of an actor: what a platform does. It gives the actor process lives, one at a time: another when one dies, when a client
 * asks for it or its alarm is due. It has clients send, wait, retry and call; it keeps the alarm while nothing runs, and tells the
 * history all of it. At the end it looks at the state twice: as it is, and as a new life finds it.
 *
 * It relies on what is durable and on what the instance answers. It survives everything.
 */
import type { Due } from "../../sim/world/agenda.ts";
import type { Intervention } from "../../sim/world/faults.ts";
import { type ErrorFact, errorFact } from "../../sim/world/history.ts";
import type { Process } from "../../sim/world/process.ts";
import type { Struck } from "../../sim/world/surroundings.ts";
import { EPOCH_MS, type World } from "../../sim/world/world.ts";
import { render } from "../engine/render.ts";
import type {
	ActorClient,
	ActorDefinition,
	ActorEnv,
	ActorGround,
	ActorInput,
	ActorInstance,
	ActorPlatform,
	ActorTarget,
	OtherActors,
	SendResult,
} from "./contract.ts";
import { type ActorProbe, observedSurface } from "./observe.ts";

/** What a host has run: a definition, and what the outside does to it. */
export interface ActorWorkload {
	readonly define: ActorDefinition;
	readonly inputs: readonly ActorInput[];
	readonly others: OtherActors;
	/** Virtual milliseconds at which the host begins to look at what came of it. */
	readonly endMs: number;
	/** The action that returns the state; absent for an actor without. */
	readonly read: string | undefined;
}

export interface ActorHosting {
	/** Virtual milliseconds from a crash to the next start. */
	readonly restartMs: number;
}

/** The shapes of the events a host writes, by kind. */
export interface ActorHostEvents {
	"actor.start": { life: number; why: string };
	"actor.ready": { life: number };
	"actor.start-failed": { error: ErrorFact };
	/** It cannot go on in this life. */
	"actor.broken": { error: ErrorFact };
	"actor.sleeping": { why: string };
	"actor.asleep": { alarmMs: number | undefined };
	"actor.destroying": Record<string, never>;
	"actor.destroyed": Record<string, never>;
	"actor.run-ended": { error: ErrorFact | undefined };
	"actor.alarm-due": { atMs: number };
	"actor.broadcast": { event: string; values: string };
	"actor.log": { level: string; text: string };
	/** What the definition told. */
	"actor.told": { what: string; data: unknown };
	/** What is stored, looked at from outside. */
	"actor.image": {
		when: "start" | "end";
		state: string;
		/** The same, as data. */
		held: unknown;
		messages: readonly { readonly stored: string; readonly name: string; readonly id: string | undefined }[];
		size: number | undefined;
		nextId: string | undefined;
	};
	/** A client asks; `input` is the place in the list, from 1. */
	"client.send": { input: number; attempt: number; id: string; name: string };
	"client.acknowledged": { input: number; attempt: number; id: string; stored: string };
	/** The response of a send that waits for it. */
	"client.answered": { input: number; attempt: number; id: string; status: string; response: string };
	"client.refused": { input: number; attempt: number; id: string; error: ErrorFact; code: string };
	/** Nobody will ever answer: the life that was asked is over. */
	"client.lost": { input: number; attempt: number; id: string };
	"client.act": { input: number; attempt: number; name: string };
	"client.acted": { input: number; attempt: number; name: string; output: string };
	/** The state as an action returned it. */
	"client.read": { when: "in-life" | "new-life"; state: unknown; text: string };
	/** Waits for messages that are open as the end begins, where that can be told. */
	"actor.waits": { waits: number };
	/** `id` is what the damaged message calls itself. */
	"platform.damaged": { what: string; id: string | undefined };
}

export type ActorOutcome =
	/** It was looked at twice. */
	| { readonly status: "served" }
	| { readonly status: "destroyed" }
	/** It could not be started, or went on breaking. */
	| { readonly status: "unrecoverable"; readonly error: ErrorFact }
	/** Not all that was to happen did, within the time of the run. */
	| { readonly status: "stuck"; readonly waits: readonly string[] };

type Phase = "down" | "starting" | "up" | "stopping" | "asleep" | "gone";

/** What a client wants of the actor. */
interface Request {
	readonly what: { readonly input: number; readonly id: string };
	attempt: number;
	retries: number;
	/** Asks the instance, and tells the history what came of it, unless nobody is there any more to be answered. */
	readonly ask: (instance: ActorInstance, request: Request, isHeard: () => boolean) => Promise<void>;
	readonly begin: (request: Request) => void;
	/** Called when nobody will ask again. */
	readonly lost: (request: Request) => void;
	/** The life that it was asked of. */
	life: number;
}

/** Lives in a row that fail before the host gives up. */
const MAX_FAILURES = 5;
const RETRY_MS = 1_000;
/** Virtual milliseconds that a life gets to go to sleep. */
const GRACE_MS = 60_000;
/** ... and that a run gets for its end, once that has begun. */
const LAST_MS = 600_000;

export class ActorHost {
	outcome: ActorOutcome | undefined;
	readonly #world: World;
	readonly #target: ActorTarget;
	readonly #ground: ActorGround;
	readonly #hosting: ActorHosting;
	readonly #workload: ActorWorkload;
	readonly #probe: ActorProbe;
	#phase: Phase = "down";
	#process: Process | undefined;
	#instance: ActorInstance | undefined;
	#failures = 0;
	#lastError: ErrorFact | undefined;
	#restart: Due | undefined;
	#alarm: Due | undefined;
	#alarmAt: number | undefined;
	/** An alarm went off while nobody could be told. */
	#alarmKept = false;
	/** When the alarm that went off was set for. */
	#alarmGone: number | undefined;
	#waiting: Request[] = [];
	#asked: Request[] = [];
	/** What is to happen once the life has ended in good order. */
	#then: "rest" | "again" | "nothing" = "rest";

	constructor(world: World, target: ActorTarget, ground: ActorGround, hosting: ActorHosting, workload: ActorWorkload) {
		this.#world = world;
		this.#target = target;
		this.#ground = ground;
		this.#hosting = hosting;
		this.#workload = workload;
		this.#probe = { world, calls: 0 };
		world.onCrash((process) => this.#crashed(process));
		world.onIntervention((intervention, struck) => this.#intervene(intervention, struck));
		world.onTask("actor start", () => this.#start("restart"));
		world.onTask("actor alarm", (at) => this.#alarmDue(at));
		world.onTask("actor alarm again", () => this.#alarmDue(undefined));
		world.onTask("actor grace over", (life) => this.#graceOver(life));
		world.onTask("actor input", (place) => this.#input(place));
		world.onTask("actor end", () => this.#end());
		world.onTask("actor last", () => this.#last());
	}

	/** Has the run begin. */
	begin(): void {
		this.#start("create");
		this.#workload.inputs.forEach(({ atMs }, place) => {
			this.#world.plan(atMs, "actor input", place);
		});
		this.#world.plan(this.#workload.endMs, "actor end");
	}

	/** How it ended; asked when the world has stopped. */
	conclude(): ActorOutcome {
		return this.outcome ?? { status: "stuck", waits: this.#world.waits() };
	}

	#start(why: string): void {
		if (this.#restart !== undefined) this.#restart.run = undefined;
		this.#restart = undefined;
		if (this.#phase !== "down" && this.#phase !== "asleep") return;
		if (this.outcome !== undefined) return;
		this.#phase = "starting";
		this.#instance = undefined;
		this.#process = this.#world.spawn("actor", (process) => {
			if (process.id > 1) this.#image("start");
			this.#note("actor.start", { life: process.id, why });
			this.#live(process);
		});
	}

	#live(process: Process): void {
		const started = (async () => {
			const config = this.#workload.define(observedSurface(this.#target.surface, this.#probe), this.#envOf(process));
			return await this.#ground.start(process, config, this.#platformOf(process));
		})();
		started.then(
			(instance) => this.#ready(process, instance),
			(error) => {
				if (process !== this.#process || !process.alive) return;
				this.#note("actor.start-failed", { error: errorFact(error) });
				this.#failed(process, error);
			},
		);
	}

	#ready(process: Process, instance: ActorInstance): void {
		if (process !== this.#process || !process.alive || this.#phase !== "starting") return;
		this.#instance = instance;
		this.#phase = "up";
		this.#note("actor.ready", { life: process.id });
		this.#watchAlarm();
		for (const request of this.#waiting.splice(0)) this.#ask(request);
		if (this.#alarmKept) this.#tellAlarm();
	}

	/** The life is of no more use. */
	#failed(process: Process, error: unknown): void {
		this.#lastError = errorFact(error);
		this.#world.exit(process, "failed");
		this.#lose();
		this.#phase = "down";
		if (++this.#failures < MAX_FAILURES) this.#restartIn(RETRY_MS);
		else this.#finish({ status: "unrecoverable", error: this.#lastError });
	}

	#restartIn(ms: number): void {
		this.#restart ??= this.#world.plan(ms, "actor start");
	}

	#finish(outcome: ActorOutcome): void {
		if (this.outcome !== undefined) return;
		this.outcome = outcome;
		this.#image("end");
		for (const due of [this.#restart, this.#alarm]) if (due !== undefined) due.run = undefined;
		const process = this.#process;
		this.#phase = "gone";
		if (process?.alive === true) this.#world.exit(process, "the end");
		for (const request of [...this.#waiting.splice(0), ...this.#asked.splice(0)]) request.lost(request);
	}

	#envOf(process: Process): ActorEnv {
		const world = this.#world;
		return {
			call: (label, about) => world.call(process, label, about),
			delay,
			nowMs: () => EPOCH_MS + world.nowMs,
			tell: (what, data) => this.#note("actor.told", { what, data }),
			life: process.id,
		};
	}

	#platformOf(process: Process): ActorPlatform {
		const current = () => process === this.#process && process.alive && this.outcome === undefined;
		return {
			sleepRequested: () => {
				if (current()) this.#sleep("it asked to", "rest");
			},
			destroyRequested: () => {
				if (current()) this.#destroy();
			},
			alarmChanged: () => {
				if (current()) this.#watchAlarm();
			},
			broadcasted: (event, values) => this.#note("actor.broadcast", { event, values: render([...values]) }),
			runEnded: (error) => this.#note("actor.run-ended", { error: error === undefined ? undefined : errorFact(error) }),
			broken: (error) => {
				if (!current() || this.#phase === "down") return;
				this.#note("actor.broken", { error: errorFact(error) });
				this.#failed(process, error);
			},
			log: (level, text) => this.#note("actor.log", { level, text }),
			client: clientOf(this.#workload.others, (label) => this.#world.call(process, label)),
		};
	}

	// Clients.

	#input(place: number): void {
		const input = this.#workload.inputs[place] as ActorInput;
		switch (input.kind) {
			case "send":
				this.#request(this.#sendOf(input, place + 1));
				return;
			case "act":
				this.#request(this.#actOf(input, place + 1));
				return;
			case "sleep":
				this.#sleep("the platform asked", "rest");
				return;
			case "destroy":
				if (this.#phase === "up") this.#destroy();
				else this.#start("to be destroyed");
				return;
			case "damage": {
				const { what, place } = input;
				const message = what === "message" ? this.#ground.image().queue.messages[place] : undefined;
				if (this.#ground.damage(what, place)) this.#note("platform.damaged", { what, id: ownId(message?.body) });
			}
		}
	}

	#sendOf(input: Extract<ActorInput, { readonly kind: "send" }>, place: number): Request {
		const { id, name, body, wait } = input;
		const facts = ({ attempt }: Request) => ({ input: place, attempt, id });
		return {
			what: { input: place, id },
			attempt: 1,
			retries: input.retries ?? 0,
			life: 0,
			begin: (request) => this.#tell("client.send", { ...facts(request), name }),
			lost: (request) => this.#tell("client.lost", facts(request)),
			ask: async (instance, request, isHeard) => {
				const token = `input-${place}`;
				try {
					if (wait === undefined) {
						const stored = await instance.send(name, body, token);
						if (isHeard()) this.#tell("client.acknowledged", { ...facts(request), stored });
					} else {
						const { status, response }: SendResult = await instance.sendAndWait(name, body, wait.ms, token);
						if (isHeard()) this.#tell("client.answered", { ...facts(request), status, response: render(response) });
					}
				} catch (error) {
					if (isHeard())
						this.#tell("client.refused", { ...facts(request), error: errorFact(error), code: codeOf(error) });
				}
			},
		};
	}

	#actOf({ name, input = [] }: Extract<ActorInput, { readonly kind: "act" }>, place: number): Request {
		const facts = ({ attempt }: Request) => ({ input: place, attempt });
		return {
			what: { input: place, id: name },
			attempt: 1,
			retries: 0,
			life: 0,
			begin: (request) => this.#tell("client.act", { ...facts(request), name }),
			lost: (request) => this.#tell("client.lost", { ...facts(request), id: name }),
			ask: async (instance, request, isHeard) => {
				try {
					const output = await instance.act(name, input);
					if (isHeard()) this.#tell("client.acted", { ...facts(request), name, output: render(output) });
				} catch (error) {
					if (isHeard())
						this.#tell("client.refused", { ...facts(request), id: name, error: errorFact(error), code: codeOf(error) });
				}
			},
		};
	}

	#request(request: Request): void {
		if (this.outcome !== undefined) return;
		request.begin(request);
		if (this.#phase === "gone") request.lost(request);
		else if (this.#phase === "up") this.#ask(request);
		else {
			this.#waiting.push(request);
			if (this.#phase === "asleep") this.#start("a client asks");
		}
	}

	/** Asks the actor, in an event of its process. */
	#ask(request: Request): void {
		const process = this.#process;
		const instance = this.#instance;
		if (process === undefined || instance === undefined) return;
		const life = process.id;
		request.life = life;
		this.#asked.push(request);
		const isHeard = () => process.alive && request.life === life && this.#asked.includes(request);
		this.#world.schedule(process, 0, () => {
			request.ask(instance, request, isHeard).then(() => {
				if (!isHeard()) return;
				this.#asked = this.#asked.filter((other) => other !== request);
			});
		});
	}

	/** Whoever waits for an answer of the life that has ended never gets one. */
	#lose(): void {
		for (const request of this.#asked.splice(0)) {
			if (request.retries <= 0) {
				request.lost(request);
				continue;
			}
			request.lost(request);
			request.retries--;
			request.attempt++;
			request.begin(request);
			this.#waiting.push(request);
		}
	}

	// Life and death.

	#crashed(process: Process): void {
		if (process !== this.#process || this.#phase === "gone") return;
		this.#lose();
		const wasGoing = this.#phase === "stopping" && this.#then === "nothing";
		this.#phase = "down";
		if (this.#ground.destroyed() && wasGoing) this.#gone();
		else this.#restartIn(this.#hosting.restartMs);
		this.#watchAlarm();
	}

	#intervene(intervention: Intervention, struck: Struck): void {
		if (intervention.kind === "evict" && this.#sleep("evicted", "again")) struck("between events");
	}

	#sleep(why: string, then: "rest" | "again"): boolean {
		const process = this.#process;
		const instance = this.#instance;
		if (this.#phase !== "up" || process?.alive !== true || instance === undefined) return false;
		this.#phase = "stopping";
		this.#then = then;
		this.#note("actor.sleeping", { why });
		this.#world.plan(GRACE_MS, "actor grace over", process.id);
		this.#world.schedule(process, 0, () => {
			instance.sleep().then(
				() => this.#slept(process),
				(error) => this.#stopFailed(process, error),
			);
		});
		return true;
	}

	#slept(process: Process): void {
		if (process !== this.#process || !process.alive) return;
		const alarm = this.#ground.alarm();
		this.#note("actor.asleep", { alarmMs: alarm === undefined ? undefined : alarm - EPOCH_MS });
		this.#world.exit(process, "asleep");
		this.#lose();
		this.#phase = "asleep";
		this.#watchAlarm();
		if (this.#alarmKept) this.#tellAlarm();
		if (this.#waiting.length > 0) this.#start("a client asks");
		else if (this.#then === "again") this.#restartIn(this.#hosting.restartMs);
	}

	#stopFailed(process: Process, error: unknown): void {
		if (process !== this.#process || !process.alive) return;
		this.#note("actor.broken", { error: errorFact(error) });
		this.#failed(process, error);
	}

	#destroy(): void {
		const process = this.#process;
		const instance = this.#instance;
		if (process?.alive !== true || instance === undefined || this.#phase !== "up") return;
		this.#phase = "stopping";
		this.#then = "nothing";
		this.#note("actor.destroying", {});
		this.#world.plan(GRACE_MS, "actor grace over", process.id);
		this.#world.schedule(process, 0, () => {
			instance.destroy().then(
				() => {
					if (process !== this.#process || !process.alive) return;
					this.#world.exit(process, "destroyed");
					this.#lose();
					this.#gone();
				},
				(error) => this.#stopFailed(process, error),
			);
		});
	}

	#gone(): void {
		this.#note("actor.destroyed", {});
		this.#finish({ status: "destroyed" });
	}

	#graceOver(life: number): void {
		if (this.#process?.id === life && this.#phase === "stopping") this.#world.crash(this.#process, "grace over");
	}

	// The alarm.

	#watchAlarm(): void {
		const at = this.#ground.alarm();
		if (at === this.#alarmAt && this.#alarm?.run !== undefined) return;
		if (this.#alarm !== undefined) this.#alarm.run = undefined;
		this.#alarm = undefined;
		this.#alarmAt = at;
		if (at === undefined || this.outcome !== undefined) return;
		const dueMs = Math.max(0, at - EPOCH_MS - this.#world.nowMs);
		const planned = this.#world.alarm();
		if (planned === undefined) {
			this.#alarm = this.#world.plan(dueMs, "actor alarm", at);
			return;
		}
		const { how, ms } = planned.fault;
		const delayMs = how === "early" ? Math.max(0, dueMs - ms) : how === "late" ? dueMs + ms : dueMs;
		this.#alarm = this.#world.schedule(this.#world.outside, delayMs, () => {
			planned.struck(`alarm for ${at - EPOCH_MS} ms`);
			// What makes up for a lost alarm is that platforms look for overdue sleepers now and then.
			if (how === "lost" || how === "twice") this.#world.plan(ms, "actor alarm again");
			if (how === "lost") this.#ground.clearAlarm();
			else this.#alarmDue(at);
		});
	}

	#alarmDue(at: number | undefined): void {
		if (at !== undefined && this.#ground.alarm() !== at) return;
		if (this.outcome !== undefined) return;
		this.#note("actor.alarm-due", { atMs: at === undefined ? this.#world.nowMs : at - EPOCH_MS });
		this.#alarm = undefined;
		this.#alarmKept = true;
		this.#alarmGone = at ?? this.#overdue();
		this.#tellAlarm();
	}

	#overdue(): number | undefined {
		const at = this.#ground.alarm();
		return at !== undefined && at - EPOCH_MS <= this.#world.nowMs ? at : undefined;
	}

	/** What goes off is cleared. An alarm that goes off again leaves alone what was set since. */
	#clearAlarm(): void {
		if (this.#ground.alarm() === this.#alarmGone) this.#ground.clearAlarm();
	}

	/** Tells the actor, or wakes it; a life that begins or ends is told after that. */
	#tellAlarm(): void {
		const process = this.#process;
		const instance = this.#instance;
		if (this.#phase === "up" && process !== undefined && instance !== undefined) {
			this.#alarmKept = false;
			this.#clearAlarm();
			this.#world.schedule(process, 0, () => {
				instance.alarm().catch((error) => this.#note("actor.log", { level: "error", text: String(error) }));
			});
		} else if (this.#phase === "asleep") {
			this.#alarmKept = false;
			this.#clearAlarm();
			this.#start("its alarm is due");
		}
	}

	// The end.

	#end(): void {
		if (this.outcome !== undefined) return;
		this.#world.plan(LAST_MS, "actor last");
		this.#look("in-life", () => {
			if (this.#phase === "up" && this.#sleep("the end", "again")) this.#look("new-life", () => this.#over());
			else this.#look("new-life", () => this.#over());
		});
	}

	#over(): void {
		this.#finish({ status: "served" });
	}

	#last(): void {
		this.#finish({ status: "stuck", waits: this.#world.waits() });
	}

	/** Looks at the state through an action, in whatever life answers. */
	#look(when: "in-life" | "new-life", then: () => void): void {
		const { read } = this.#workload;
		const request: Request = {
			what: { input: 0, id: when },
			attempt: 1,
			retries: MAX_FAILURES,
			life: 0,
			begin: () => {},
			lost: () => {},
			ask: async (instance, _request, isHeard) => {
				const waits = instance.waits?.();
				if (when === "in-life" && waits !== undefined) this.#tell("actor.waits", { waits });
				if (read !== undefined) {
					let state: unknown;
					try {
						state = await instance.act(read, []);
					} catch (error) {
						if (!isHeard()) return;
						// What storage refused once is asked again.
						if (request.attempt++ < MAX_FAILURES) {
							this.#world.schedule(this.#world.outside, RETRY_MS, () => this.#request(request));
							return;
						}
						state = errorFact(error);
					}
					if (!isHeard()) return;
					this.#tell("client.read", { when, state: plain(state), text: render(state) });
				}
				this.#world.schedule(this.#world.outside, 0, then);
			},
		};
		this.#request(request);
	}

	#image(when: "start" | "end"): void {
		const { state, queue } = this.#ground.image();
		this.#tell("actor.image", {
			when,
			state: render(state),
			held: plain(state),
			messages: queue.messages.map(({ id, name, body }) => ({ stored: id, name, id: ownId(body) })),
			size: queue.size,
			nextId: queue.nextId,
		});
	}

	/** Tells what the outside sees. */
	#tell<K extends keyof ActorHostEvents>(kind: K, data: ActorHostEvents[K]): void {
		this.#world.note(kind, data, this.#world.outside);
	}

	#note<K extends keyof ActorHostEvents>(kind: K, data: ActorHostEvents[K]): void {
		this.#world.note(kind, data);
	}
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a message calls itself; undefined where it does not, or cannot be read. */
function ownId(body: unknown): string | undefined {
	const id = (body as { readonly id?: unknown } | null | undefined)?.id;
	return typeof id === "string" ? id : undefined;
}

function codeOf(error: unknown): string {
	const { code } = (error ?? {}) as { readonly code?: unknown };
	return typeof code === "string" ? code : "";
}

/** A value as the history can hold it: a copy without what is the runtime's. */
function plain(value: unknown): unknown {
	return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

/** Other actors, each call an effect on the outside. */
function clientOf(others: OtherActors, call: (label: string) => Promise<number>): ActorClient {
	return Object.fromEntries(
		Object.entries(others).map(([name, actions]) => [
			name,
			{
				getOrCreate: (key: readonly string[]) =>
					Object.fromEntries(
						Object.entries(actions).map(([action, run]) => [
							action,
							async (...input: readonly unknown[]) => {
								await call(`${name}[${key.join(",")}].${action}`);
								return await run({ delay }, ...(input as never[]));
							},
						]),
					),
			},
		]),
	);
}
