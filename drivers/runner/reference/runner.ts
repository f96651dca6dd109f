/**
 * The reference runner: the executable specification of what a runner owes. It applies each command once, acknowledges what it
 * applied, keeps what its actors say until that is durable, and stops them when it has not heard of its server for too long.
 *
 * It connects anew whenever a connection is over, and asks for an older version of the protocol when one was refused. All that
 * it knows is in memory: another process is another runner.
 */
import type { Runner, RunnerCallbacks, RunnerSettings, RunningRunner } from "../contract.ts";
import {
	type Checkpoint,
	type CommandWrapper,
	PROTOCOL_VERSIONS,
	type ProtocolVersion,
	type ToClient,
	type ToServer,
	UNTOLD_GENERATION,
	type Wire,
	WireError,
	wireOf,
} from "../wire.ts";
import { type ActorOwner, HeldActor, stopped } from "./actor.ts";
import type { ActorEvent } from "./events.ts";
import { KvRequests } from "./kv.ts";
import { Ledger } from "./ledger.ts";
import type { RunnerRules } from "./rules.ts";

/** Close reason with which a server answers a version that it does not speak. */
export const UNKNOWN_VERSION = "ws.unknown_protocol_version";
/** Close reason of a connection that a newer one replaced. */
export const EVICTION = "ws.eviction";

/** `WebSocket.OPEN`. */
const OPEN = 1;
const FIRST_RECONNECT_MS = 1_000;
const LONGEST_RECONNECT_MS = 30_000;
const SELDOM_MS = 5 * 60_000;
/** How long a shutdown in order waits for its actors. */
const SHUTDOWN_MS = 120_000;
/** A frame that makes no sense: whoever sent it is asked again on another connection. */
const BAD_FRAME = 4002;

/** @param rules what it leaves out of its duties; nothing when absent. */
export function referenceRunner(rules: RunnerRules = {}): Runner {
	return {
		name: "reference",
		version: "1",
		protocols: PROTOCOL_VERSIONS,
		start: (settings, callbacks) => {
			const runner = new ReferenceRunner(settings, callbacks, rules);
			runner.connect();
			return runner;
		},
	};
}

class ReferenceRunner implements RunningRunner, ActorOwner {
	readonly callbacks: RunnerCallbacks;
	readonly rules: RunnerRules;
	readonly kv: KvRequests;
	runnerId: string | undefined;
	readonly #settings: RunnerSettings;
	/** Tells the server which runner it is, across connections. */
	readonly #key = crypto.randomUUID();
	/** The newest generation of each actor that it was told of, and those before it until they have ended and been heard. */
	readonly #actors = new Map<string, HeldActor>();
	readonly #old = new Set<HeldActor>();
	readonly #ledger = new Ledger();
	#protocol: ProtocolVersion;
	#socket: WebSocket | undefined;
	/** Whether the server has said Init on the connection there is. */
	#ready = false;
	#attempts = 0;
	#reconnect: ReturnType<typeof setTimeout> | undefined;
	#silence: ReturnType<typeof setTimeout> | undefined;
	#silenceMs: number | undefined;
	#lastHeardMs = 0;
	#seldom: ReturnType<typeof setInterval> | undefined;
	#shutdown = false;
	#draining = false;
	/** Told of each actor that has ended, by a shutdown that waits for all of them. */
	#onEnded: (() => void) | undefined;

	constructor(settings: RunnerSettings, callbacks: RunnerCallbacks, rules: RunnerRules) {
		this.#settings = settings;
		this.callbacks = callbacks;
		this.rules = rules;
		this.#protocol = settings.protocol ?? (PROTOCOL_VERSIONS.at(-1) as ProtocolVersion);
		this.kv = new KvRequests((message) => this.#send(message));
	}

	hasActor(actorId: string, generation?: number): boolean {
		return this.#held(actorId, generation) !== undefined;
	}

	sleepActor(actorId: string, generation?: number): void {
		this.#held(actorId, generation)?.tell({
			tag: "EventActorIntent",
			val: { intent: { tag: "ActorIntentSleep", val: null } },
		});
	}

	stopActor(actorId: string, generation?: number): void {
		this.#held(actorId, generation)?.tell({
			tag: "EventActorIntent",
			val: { intent: { tag: "ActorIntentStop", val: null } },
		});
	}

	destroyActor(actorId: string, generation?: number): void {
		const actor = this.#held(actorId, generation);
		if (actor === undefined) return;
		actor.endIntended = true;
		this.stopActor(actorId, generation);
	}

	setAlarm(actorId: string, alarmMs: number | null, generation?: number): void {
		const alarmTs = alarmMs === null ? null : BigInt(alarmMs);
		this.#held(actorId, generation)?.tell({ tag: "EventActorSetAlarm", val: { alarmTs } });
	}

	async shutdown(immediate: boolean): Promise<void> {
		if (this.#shutdown || this.#draining) return;
		this.#draining = !immediate;
		if (!immediate && this.#ready) {
			this.#send({ tag: "ToServerStopping", val: null });
			await this.#allStopped();
		} else if (!immediate) {
			this.#stopAll(true);
			await this.#allStopped();
		}
		this.#over();
		this.#socket?.close(1000, "pegboard.runner_shutdown");
		this.callbacks.onShutdown();
	}

	/** Asks for a connection, in place of the one there is. */
	connect(): void {
		if (this.#shutdown) return;
		const url = new URL("runners/connect", `${this.#settings.endpoint}/`);
		url.search = new URLSearchParams({
			protocol_version: String(this.#protocol),
			namespace: this.#settings.namespace,
			runner_key: this.#key,
		}).toString();
		const socket = new WebSocket(url.href.replace(/^http/, "ws"), ["rivet"]);
		socket.binaryType = "arraybuffer";
		this.#socket = socket;
		this.#ready = false;
		const wire = wireOf(this.#protocol) as Wire;
		socket.addEventListener("open", () => this.#onOpen(socket, wire));
		socket.addEventListener("message", ({ data }) => this.#onMessage(socket, wire, data));
		socket.addEventListener("close", ({ code, reason }) => this.#onClose(socket, code, reason));
	}

	recorded(actor: HeldActor, _event: ActorEvent): void {
		const event = actor.log.unacknowledged.at(-1);
		if (actor.disowned) {
			actor.log.forgetAll();
			return;
		}
		if (event !== undefined && this.#ready) this.#send({ tag: "ToServerEvents", val: [event] });
		else if (this.rules.dropWhileClosed === true) actor.log.forgetAll();
		if (this.rules.neverResend === true) actor.log.forgetAll();
	}

	ended(actor: HeldActor): void {
		if (this.rules.forgetWithActor === true) this.#actors.delete(actor.actorId);
		else this.#forgetIfHeard(actor);
		this.#onEnded?.();
	}

	#held(actorId: string, generation?: number): HeldActor | undefined {
		const actor = this.#actors.get(actorId);
		if (actor === undefined || actor.phase === "stopped") return undefined;
		return generation === undefined || actor.generation === generation ? actor : undefined;
	}

	#onOpen(socket: WebSocket, wire: Wire): void {
		if (socket !== this.#socket) return;
		const { runnerName, version, totalSlots, prepopulateActorNames, metadata } = this.#settings;
		const names = Object.entries(prepopulateActorNames);
		const init: ToServer = {
			tag: "ToServerInit",
			val: {
				name: runnerName,
				version,
				totalSlots,
				prepopulateActorNames: new Map(names.map(([name, of]) => [name, { metadata: JSON.stringify(of.metadata) }])),
				metadata: metadata === undefined ? null : JSON.stringify(metadata),
			},
		};
		socket.send(wire.encodeToServer(init));
		if (this.rules.openIsEnough === true) {
			clearTimeout(this.#silence);
			this.#silence = undefined;
		}
	}

	#onMessage(socket: WebSocket, wire: Wire, data: unknown): void {
		if (socket !== this.#socket) return;
		let message: ToClient;
		try {
			if (!(data instanceof ArrayBuffer)) throw new WireError("A frame of text is no message.");
			message = wire.decodeToClient(new Uint8Array(data));
		} catch (error) {
			if (this.rules.dieOfFrames === true) throw error;
			console.warn(`a frame from the server was refused: ${(error as Error).name}`);
			socket.close(BAD_FRAME, "runner.bad_frame");
			return;
		}
		if (this.#ready || message.tag === "ToClientInit") this.#heard();
		this.#take(message);
	}

	#take(message: ToClient): void {
		switch (message.tag) {
			case "ToClientInit":
				this.#onInit(message.val.runnerId, Number(message.val.metadata.runnerLostThreshold));
				return;
			case "ToClientCommands":
				for (const command of message.val) this.#onCommand(command);
				return;
			case "ToClientAckEvents":
				for (const checkpoint of message.val.lastEventCheckpoints) this.#onEventsAcknowledged(checkpoint);
				return;
			case "ToClientKvResponse":
				this.kv.answer(message.val);
				return;
			case "ToClientPing":
				this.#send({ tag: "ToServerPong", val: { ts: message.val.ts } });
				return;
			// Requests of an actor's clients are none of its business.
			case "ToClientTunnelMessage":
		}
	}

	#onInit(runnerId: string, silenceMs: number): void {
		this.#attempts = 0;
		this.#silenceMs = silenceMs;
		this.#heard();
		if (this.runnerId !== undefined && this.runnerId !== runnerId && this.rules.keepIdAndActors !== true) {
			// To the server, what this runner held is lost: nobody waits to hear of it.
			for (const actor of this.#all()) {
				actor.disowned = true;
				actor.log.forgetAll();
				void actor.stop(false).then(() => this.#forgetIfHeard(actor));
			}
		}
		this.runnerId = runnerId;
		this.#ready = true;
		this.#resend();
		this.kv.connected();
		if (this.rules.acknowledgeSeldom === true) {
			clearInterval(this.#seldom);
			this.#seldom = setInterval(() => this.#acknowledgeAll(), SELDOM_MS);
		}
		this.callbacks.onConnected();
	}

	/** Tells the server again what it has not said to know. */
	#resend(): void {
		const events = [...this.#all()].flatMap((actor) => {
			if (this.rules.resetEventIndex === true) actor.log.reset();
			return actor.log.unacknowledged;
		});
		if (this.rules.resendBackwards === true) events.reverse();
		if (events.length > 0) this.#send({ tag: "ToServerEvents", val: events });
	}

	#onCommand({ checkpoint, inner }: CommandWrapper): void {
		const { actorId, generation } = checkpoint;
		const entry = this.#ledger.of(actorId, generation);
		const isStart = inner.tag === "CommandStartActor";
		entry.received(checkpoint.index);
		if (this.rules.acknowledgeOnReceipt === true) this.#acknowledge(checkpoint);
		let settled: Promise<void> | undefined;
		if (isStart) {
			const { name, key, createTs, input: bytes } = inner.val.config;
			// A copy: what a frame says is shared.
			const input = bytes === null ? null : new Uint8Array(bytes).slice();
			settled = this.#onStart(actorId, generation, { name, key, createTs, input });
		} else settled = this.#onStop(actorId, generation);
		// What was applied before is acknowledged again: the server has not heard it, or it would not ask.
		void (settled ?? entry.settled).then(() => this.#settled(checkpoint));
	}

	/** @returns when it is settled; undefined when it is nothing new. */
	#onStart(actorId: string, generation: number, config: Parameters<HeldActor["start"]>[0]): Promise<void> | undefined {
		const entry = this.#ledger.of(actorId, generation);
		const before = this.#actors.get(actorId);
		const older = before !== undefined && generation < before.generation;
		if (older && this.rules.startAnyGeneration !== true) return undefined;
		if (entry.started && this.rules.applyReplays !== true && !older) return undefined;
		if (entry.stopped && this.rules.startAfterStop !== true && !older) return undefined;
		entry.started = true;
		const actor = this.#hold(actorId, generation);
		const after = before === undefined || before.phase === "stopped" ? Promise.resolve() : before.stop(false);
		return entry.settles(actor.start(config, after));
	}

	/** @returns when it is settled; undefined when it is nothing new. */
	#onStop(actorId: string, generation: number): Promise<void> | undefined {
		const entry = this.#ledger.of(actorId, generation);
		const any = this.rules.stopAnyGeneration === true;
		if (entry.stopped && this.rules.stopAgain !== true && !any) return undefined;
		const actor = [...this.#all()].find(
			(held) => held.actorId === actorId && (any ? held.phase !== "stopped" : held.generation === generation),
		);
		entry.stopped = true;
		if (actor !== undefined) return entry.settles(actor.stop(true));
		if (this.rules.ignoreUnknownStop !== true) {
			// Never held, or gone before: it is not running, which is what was asked for.
			const unknown = new HeldActor(actorId, generation, this.#firstEvent(actorId), this);
			unknown.phase = "stopped";
			this.#old.add(unknown);
			unknown.tell(stopped(true));
		}
		return entry.settles(Promise.resolve());
	}

	#hold(actorId: string, generation: number): HeldActor {
		const before = this.#actors.get(actorId);
		if (before !== undefined) this.#old.add(before);
		const actor = new HeldActor(actorId, generation, this.#firstEvent(actorId), this);
		this.#actors.set(actorId, actor);
		return actor;
	}

	/** Version 4 acknowledges an actor, not a generation of it: indices go on there. */
	#firstEvent(actorId: string): bigint {
		if (this.#protocol > 4) return 0n;
		return [...this.#all()].reduce(
			(first, { actorId: id, log }) => (id === actorId && log.next > first ? log.next : first),
			this.#ledger.eventsOf(actorId),
		);
	}

	#settled(checkpoint: Checkpoint): void {
		this.#ledger.of(checkpoint.actorId, checkpoint.generation).applied(checkpoint.index);
		if (this.rules.acknowledgeSeldom === true) return;
		if (this.rules.forgetStopAcknowledgement === true && !this.hasActor(checkpoint.actorId, checkpoint.generation)) {
			return;
		}
		this.#acknowledge(checkpoint);
	}

	#acknowledge(checkpoint: Checkpoint): void {
		if (!this.#ready) return;
		const { actorId, generation } = checkpoint;
		const beyond = this.rules.acknowledgeTooFar === true ? 1n : 0n;
		const index = this.#ledger.of(actorId, generation).appliedUpTo ?? checkpoint.index;
		const last = { actorId, generation, index: index + beyond };
		const lastCommandCheckpoints =
			this.rules.acknowledgeBackwards === true ? [last, { ...last, index: last.index - 1n }] : [last];
		this.#send({ tag: "ToServerAckCommands", val: { lastCommandCheckpoints } });
	}

	#acknowledgeAll(): void {
		const lastCommandCheckpoints = [...this.#actors.values()].flatMap(({ actorId, generation }) => {
			const index = this.#ledger.of(actorId, generation).appliedUpTo;
			return index === undefined ? [] : [{ actorId, generation, index }];
		});
		this.#send({ tag: "ToServerAckCommands", val: { lastCommandCheckpoints } });
	}

	#onEventsAcknowledged({ actorId, generation, index }: Checkpoint): void {
		const any = generation === UNTOLD_GENERATION || this.rules.acknowledgedByActorOnly === true;
		for (const actor of this.#all()) {
			if (actor.actorId !== actorId || !(any || actor.generation === generation)) continue;
			actor.log.acknowledge(index);
			this.#forgetIfHeard(actor);
		}
	}

	/** An actor that has stopped is kept until the server knows all that it said. */
	#forgetIfHeard(actor: HeldActor): void {
		if (actor.phase !== "stopped" || actor.log.unacknowledged.length > 0) return;
		this.#ledger.told(actor.actorId, actor.log.next);
		this.#old.delete(actor);
		if (this.#actors.get(actor.actorId) === actor) this.#actors.delete(actor.actorId);
	}

	/** Notes that the server is there, and waits for its silence. */
	#heard(): void {
		this.#lastHeardMs = Date.now();
		if (this.#silence !== undefined || this.#silenceMs === undefined || this.#silenceMs <= 0) return;
		this.#silence = setTimeout(() => this.#onSilence(), this.#silenceMs);
	}

	#onSilence(): void {
		this.#silence = undefined;
		const silentMs = Date.now() - this.#lastHeardMs;
		const leftMs = (this.#silenceMs as number) - silentMs;
		const excused = this.rules.ignoreSilence === true && this.#ready;
		if (leftMs > 0 || excused) {
			this.#silence = setTimeout(() => this.#onSilence(), Math.max(leftMs, 1_000));
			return;
		}
		if (this.rules.neverGiveUp === true) return;
		this.#stopAll(false);
		// A connection that brings nothing is none.
		if (this.#ready) this.#abandon();
	}

	#stopAll(graceful: boolean): void {
		for (const actor of this.#all()) void actor.stop(graceful);
	}

	/** Gives the connection up without waiting for the other end to agree. */
	#abandon(): void {
		const socket = this.#socket;
		this.#socket = undefined;
		this.#disconnected(1006, "runner.silence");
		socket?.close(1000, "runner.silence");
		this.#connectLater();
	}

	#onClose(socket: WebSocket, code: number, reason: string): void {
		if (socket !== this.#socket) return;
		this.#socket = undefined;
		this.#disconnected(code, reason);
		if (this.#shutdown) return;
		if (reason === EVICTION || reason.startsWith(`${EVICTION}#`)) {
			// Somebody else is this runner now.
			this.#stopAll(false);
			this.#over();
			this.callbacks.onShutdown();
			return;
		}
		if (reason === UNKNOWN_VERSION && this.rules.ignoreRefusals !== true) this.#negotiateDown();
		this.#connectLater();
	}

	#disconnected(code: number, reason: string): void {
		this.#ready = false;
		this.kv.disconnected();
		clearInterval(this.#seldom);
		this.callbacks.onDisconnected(code, reason);
	}

	#negotiateDown(): void {
		const older = PROTOCOL_VERSIONS.filter((version) => version < this.#protocol).at(-1);
		if (older !== undefined) this.#protocol = older;
	}

	#connectLater(): void {
		const delayMs = Math.min(FIRST_RECONNECT_MS * 2 ** this.#attempts++, LONGEST_RECONNECT_MS);
		clearTimeout(this.#reconnect);
		this.#reconnect = setTimeout(() => this.connect(), Math.floor(delayMs * (1 + Math.random() * 0.25)));
	}

	#send(message: ToServer): void {
		if (this.#socket?.readyState !== OPEN) return;
		this.#socket.send((wireOf(this.#protocol) as Wire).encodeToServer(message));
	}

	/** Every generation held, the older ones first. */
	*#all(): Iterable<HeldActor> {
		yield* [...this.#old];
		yield* [...this.#actors.values()];
	}

	/** Waits until nothing runs any more, or for as long as a shutdown may take. */
	async #allStopped(): Promise<void> {
		let timeout: ReturnType<typeof setTimeout> | undefined;
		const tooLong = new Promise<void>((resolve) => {
			timeout = setTimeout(resolve, SHUTDOWN_MS);
		});
		const stopped = new Promise<void>((resolve) => {
			const onEnded = () => {
				if ([...this.#all()].every(({ phase }) => phase === "stopped")) resolve();
			};
			this.#onEnded = onEnded;
			onEnded();
		});
		await Promise.race([stopped, tooLong]);
		clearTimeout(timeout);
		// What was settled last is still acknowledged.
		await new Promise((resolve) => setTimeout(resolve, 0));
	}

	#over(): void {
		this.#shutdown = true;
		this.#ready = false;
		clearTimeout(this.#reconnect);
		clearTimeout(this.#silence);
		clearInterval(this.#seldom);
		this.kv.over();
	}
}
