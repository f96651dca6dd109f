/**
 * A server of the runner protocol: takes connections, sends what its actors' workflows command, and has what runners say take
 * effect. All that it promises is in its store; what it has in memory is who is connected, what is on its way, and timers.
 *
 * With no weakness it is the reference, which meets every duty within the same frames. With those of the published server it
 * is `pegboard`, a model of that.
 */
import { type Asked, NORMAL_CLOSURE } from "../../../sim/world/network.ts";
import type { NewActor, RunningServer, Server, ServerSettings, ServerSurroundings, Transaction } from "../contract.ts";
import {
	type Checkpoint,
	type CommandWrapper,
	type EventWrapper,
	PROTOCOL_VERSIONS,
	type ProtocolVersion,
	type ToServer,
	type Wire,
} from "../wire.ts";
import { type ChannelBatch, Demultiplexer } from "./channel.ts";
import { addressOf, REFUSED, RunnerConnection } from "./connection.ts";
import { answerKv } from "./kv.ts";
import { checkedMetadata } from "./metadata.ts";
import {
	type ActorRecord,
	type CommandRecord,
	commandsOfRunner,
	identityKey,
	newActorRecord,
	RUNNERS,
	type RunnerRecord,
	runnerKey,
} from "./records.ts";
import { PEGBOARD, type ServerRules } from "./rules.ts";
import { Workflow, type WorkflowSettings } from "./workflow.ts";

const EVICTION = "ws.eviction";
const INVALID_PACKET = "ws.invalid_packet";
const INVALID_FIRST_PACKET = "ws.invalid_initial_packet";
/** What is told of whatever goes wrong inside. */
const INTERNAL = "core.internal_error";
/** What actor ids are made of. */
const ACTOR_ID = /^[\w-]+$/;
const RETRY_MS = 50;
/** Bytes of a frame that is still read. */
const LARGEST_FRAME = 16 * 1024 * 1024;

/** @param rules its weaknesses; none when absent. */
export function referenceServer(rules: ServerRules = {}, protocols = PROTOCOL_VERSIONS): Server {
	return server("reference", rules, protocols);
}

/** @param rules weaknesses to switch off, or on. */
export function pegboard(rules: ServerRules = {}, protocols = PROTOCOL_VERSIONS): Server {
	return server("pegboard", { ...PEGBOARD, ...rules }, protocols);
}

function server(name: string, rules: ServerRules, protocols: readonly ProtocolVersion[]): Server {
	return {
		...{ name, version: "1", protocols },
		start: (surroundings, settings) => new ProtocolServer(surroundings, settings, rules, protocols),
	};
}

/** The actors, and places within them, of which a message speaks. */
function marksOf(message: ToServer): readonly Checkpoint[] {
	if (message.tag === "ToServerEvents") return message.val.map(({ checkpoint }) => checkpoint);
	return message.tag === "ToServerAckCommands" ? message.val.lastCommandCheckpoints : [];
}

type Init = Extract<ToServer, { readonly tag: "ToServerInit" }>["val"];

class ProtocolServer implements RunningServer {
	readonly #surroundings: ServerSurroundings;
	readonly #settings: ServerSettings;
	readonly #rules: ServerRules;
	readonly #spoken: readonly ProtocolVersion[];
	readonly #workflow: WorkflowSettings;
	readonly #channels: Demultiplexer;
	/** The connection over which each runner is sent commands. */
	readonly #subscribed = new Map<string, RunnerConnection>();
	readonly #connections = new Map<number, RunnerConnection>();
	/** When each runner was last heard of. */
	readonly #heardMs = new Map<string, number>();
	/** The earliest time at which each actor is looked at. */
	readonly #due = new Map<string, number>();
	/** Runners whose silence is waited for. */
	readonly #watched = new Set<string>();
	/** Commands of an actor that are being issued in steps. */
	readonly #issuing = new Map<string, Promise<void>>();
	#taken = 0;

	constructor(
		surroundings: ServerSurroundings,
		settings: ServerSettings,
		rules: ServerRules,
		protocols: readonly ProtocolVersion[],
	) {
		this.#surroundings = surroundings;
		this.#settings = settings;
		this.#rules = rules;
		const { newestProtocol = Number.POSITIVE_INFINITY } = settings;
		this.#spoken = protocols.filter((version) => version <= newestProtocol);
		this.#workflow = {
			rules,
			thresholds: settings.thresholds,
			connected: () => [...this.#subscribed.keys()],
			issued: (command, record) => this.#publish(command.runnerId, [wrapped(command, record)]),
			postponed: (actorId) => this.#issueLater(actorId),
			due: (actorId, atMs) => this.#remind(actorId, atMs),
		};
		this.#channels = new Demultiplexer({
			idleMs: settings.thresholds.channelIdleMs,
			rules,
			take: (actorId, batch) => this.#takeEvents(actorId, batch),
			onMade: (actorId) => surroundings.note("channel.made", { actorId }),
			onCollected: (actorId, pending) => surroundings.note("channel.collected", { actorId, pending }),
		});
		surroundings.listen((asked) => this.#onAsked(asked));
		void this.#goOn();
	}

	async createActor(actor: NewActor): Promise<void> {
		await this.#transact(`create ${actor.actorId}`, (workflow) => {
			if (workflow.actor(actor.actorId) === undefined) workflow.create(newActorRecord(actor, Date.now()));
		});
	}

	async destroyActor(actorId: string): Promise<void> {
		await this.#transact(`destroy ${actorId}`, (workflow) => {
			const record = workflow.actor(actorId);
			if (record !== undefined) workflow.destroy(record);
		});
	}

	async wakeActor(actorId: string): Promise<void> {
		await this.#transact(`wake ${actorId}`, (workflow) => {
			const record = workflow.actor(actorId);
			if (record !== undefined) workflow.wake(record, "a request");
		});
	}

	/** After a start: waits again for what was waited for, and gives runners time to come back. */
	async #goOn(): Promise<void> {
		const found = await this.#transact("go on", (workflow, tx) => ({
			actors: workflow.all(),
			runners: tx.list<RunnerRecord>(RUNNERS).map(({ value }) => value),
		}));
		for (const { runnerId } of found.runners) this.#watch(runnerId);
		for (const { actorId, status, deadlineMs, alarmMs, undone } of found.actors) {
			if (deadlineMs !== undefined) this.#remind(actorId, deadlineMs);
			if (status === "asleep" && alarmMs !== undefined) this.#remind(actorId, alarmMs);
			if (undone.length > 0) this.#issueLater(actorId);
		}
	}

	#onAsked(asked: Asked): void {
		const speaks = (version: number) =>
			this.#rules.takesUnknownVersions === true || this.#spoken.some((known) => known === version);
		const address = addressOf(asked.url, this.#settings.namespaces, speaks, this.#rules);
		if (typeof address === "string") {
			this.#surroundings.note("connection.refused", { why: address });
			asked.accept({}, asked.protocols[0]).close(REFUSED, address);
			return;
		}
		const connection: RunnerConnection = new RunnerConnection(++this.#taken, address, asked, {
			onMessage: (payload) => this.#onFrame(connection, payload),
			onOver: () => void this.#onOver(connection),
		});
		this.#connections.set(connection.number, connection);
		setTimeout(() => {
			if (!connection.initialised && !connection.over && this.#rules.ignoresBadInit !== true) {
				this.#refuse(connection, "ws.timed_out_waiting_for_init");
			}
		}, this.#settings.thresholds.initMs);
	}

	#refuse(connection: RunnerConnection, why: string, detail = ""): void {
		this.#surroundings.note("connection.refused", { why });
		connection.close(REFUSED, this.#rules.tellsInternals === true ? `${why}: ${detail}`.slice(0, 120) : why);
		void this.#onOver(connection);
	}

	#onFrame(connection: RunnerConnection, payload: string | Uint8Array): void {
		if (connection.over) return;
		if (connection.initialised && connection.runnerId === undefined && typeof payload !== "string") {
			connection.early.push(payload);
			return;
		}
		const message = this.#read(connection, payload);
		if (message === undefined) return;
		connection.lastHeardMs = Date.now();
		if (connection.runnerId !== undefined) this.#heardMs.set(connection.runnerId, connection.lastHeardMs);
		if (!connection.initialised) this.#onFirst(connection, message);
		else this.#take(connection, connection.runnerId as string, message);
	}

	/** @returns undefined when the frame was refused, with its connection, or left out. */
	#read(connection: RunnerConnection, payload: string | Uint8Array): ToServer | undefined {
		const { initialised } = connection;
		const ignores = initialised ? this.#rules.ignoresBadFrames === true : this.#rules.ignoresBadInit === true;
		const refuse = (why: string, detail: string) => {
			if (!ignores) this.#refuse(connection, why, detail);
			return undefined;
		};
		if (typeof payload === "string") return refuse(initialised ? INVALID_PACKET : INVALID_FIRST_PACKET, payload);
		if (payload.length > LARGEST_FRAME) {
			this.#refuse(connection, "ws.frame_too_large");
			return undefined;
		}
		try {
			return (connection.address.wire as Wire).decodeToServer(payload);
		} catch (error) {
			return refuse(INVALID_PACKET, `${(error as Error).message} ${Buffer.from(payload).toString("latin1")}`);
		}
	}

	#onFirst(connection: RunnerConnection, message: ToServer): void {
		if (message.tag === "ToServerInit") {
			connection.initialised = true;
			void this.#onInit(connection, message.val);
		} else if (this.#rules.ignoresBadInit !== true) {
			this.#refuse(connection, INVALID_FIRST_PACKET, message.tag);
		}
	}

	#take(connection: RunnerConnection, runnerId: string, message: ToServer): void {
		if (this.#rules.closesOnBadIds === true && !marksOf(message).every(({ actorId }) => ACTOR_ID.test(actorId))) {
			this.#refuse(connection, INTERNAL);
			return;
		}
		switch (message.tag) {
			case "ToServerEvents":
				this.#onEvents(connection, runnerId, message.val);
				return;
			case "ToServerAckCommands":
				void this.#onAcknowledged(runnerId, message.val.lastCommandCheckpoints);
				return;
			case "ToServerStopping":
				void this.#drain(runnerId);
				return;
			case "ToServerKvRequest":
				void this.#onKv(connection, runnerId, message.val);
				return;
			// A second Init is ignored; a pong was heard; requests of an actor's clients are none of its business.
			case "ToServerInit":
			case "ToServerPong":
			case "ToServerTunnelMessage":
		}
	}

	async #onInit(connection: RunnerConnection, init: Init): Promise<void> {
		const { namespace, key } = connection.address;
		const identity = `${namespace}/${init.name}/${key}`;
		const refused = checkedMetadata(init, this.#rules);
		for (const { what, why } of refused) this.#surroundings.note("input.refused", { what, why });
		let missed: CommandWrapper[] = [];
		await this.#transact(`init ${init.name}`, (workflow, tx) => {
			const runnerId = this.#runnerIdOf(tx, identity, init);
			missed = this.#missed(workflow, tx, runnerId);
			if (this.#settings.drainsOlderVersions) workflow.drainOlder(init);
			tx.afterCommit(() => {
				// Storage may take it twice.
				if (connection.over || connection.runnerId !== undefined) return;
				connection.runnerId = runnerId;
				this.#heardMs.set(runnerId, Date.now());
				this.#watch(runnerId);
				if (this.#rules.subscribesAfterSnapshot === true) return;
				this.#greet(connection, runnerId, missed);
				this.#subscribe(connection, runnerId);
			});
		});
		const { runnerId } = connection;
		if (runnerId === undefined || connection.over) return;
		if (this.#rules.subscribesAfterSnapshot === true) {
			this.#greet(connection, runnerId, missed);
			await this.#transact("subscribe", () => undefined);
			if (connection.over) return;
			this.#subscribe(connection, runnerId);
		}
		await this.#transact("allocate", (workflow) => workflow.allocateAll());
	}

	/** The id of a runner that is known and not given up; a new one else. */
	#runnerIdOf(tx: Transaction, identity: string, { name, version, totalSlots }: Init): string {
		const before = tx.get<string>(identityKey(identity));
		const record = before === undefined ? undefined : tx.get<RunnerRecord>(runnerKey(before));
		const gone = record === undefined || (record.draining && this.#rules.forgetsDraining === true);
		const keeps = !gone || this.#rules.keepsLostIds === true;
		const runnerId = before !== undefined && keeps ? before : crypto.randomUUID();
		const draining = keeps && record?.draining === true;
		tx.set(identityKey(identity), runnerId);
		tx.set(runnerKey(runnerId), { runnerId, identity, name, version, totalSlots, draining } satisfies RunnerRecord);
		tx.note("runner.known", { runnerId, key: identity, name, version });
		return runnerId;
	}

	/** What the runner is sent again: what is stored and still means something to it, in the order in which it was issued. */
	#missed(workflow: Workflow, tx: Transaction, runnerId: string): CommandWrapper[] {
		if (this.#rules.skipsReplay === true) return [];
		const stored = tx.list<CommandRecord>(commandsOfRunner(runnerId)).map(({ value }) => value);
		const meant =
			this.#rules.replaysEverything === true ? stored : stored.filter((command) => isMeant(command, stored));
		if (this.#rules.replaysInKeyOrder !== true) meant.sort((a, b) => a.issue - b.issue);
		if (this.#rules.replaysBackwards === true) meant.reverse();
		return meant.map((command) => wrapped(command, workflow.actor(command.actorId) as ActorRecord));
	}

	#greet(connection: RunnerConnection, runnerId: string, missed: readonly CommandWrapper[]): void {
		const { runnerLostMs, actorStopMs } = this.#settings.thresholds;
		const commands = { tag: "ToClientCommands", val: missed } as const;
		if (this.#rules.commandsBeforeInit === true) connection.send(commands);
		connection.send({
			tag: "ToClientInit",
			val: {
				runnerId,
				metadata: {
					runnerLostThreshold: BigInt(runnerLostMs),
					actorStopThreshold: BigInt(actorStopMs),
					serverlessDrainGracePeriod: null,
				},
			},
		});
		if (missed.length > 0 && this.#rules.commandsBeforeInit !== true) connection.send(commands);
		connection.ping = setInterval(() => this.#ping(connection), this.#settings.thresholds.pingEveryMs);
		for (const frame of connection.early.splice(0)) this.#onFrame(connection, frame);
	}

	/** The connection is sent what comes up from now on, unless a newer one of its runner is. */
	#subscribe(connection: RunnerConnection, runnerId: string): void {
		const other = this.#subscribed.get(runnerId);
		if (other !== undefined && other.number > connection.number && this.#rules.evictsByCompletion !== true) {
			this.#evict(connection);
			return;
		}
		if (other !== undefined) this.#evict(other);
		this.#subscribed.set(runnerId, connection);
	}

	#evict(connection: RunnerConnection): void {
		connection.close(NORMAL_CLOSURE, EVICTION);
		this.#connections.delete(connection.number);
	}

	async #drain(runnerId: string): Promise<void> {
		await this.#transact("drain", (workflow) => workflow.drain(runnerId));
		if (this.#rules.drainsTimeOut === true) {
			setTimeout(() => void this.#giveUpDrained(runnerId), this.#settings.thresholds.runnerLostMs);
		}
	}

	async #giveUpDrained(runnerId: string): Promise<void> {
		await this.#transact("give up a drained runner", (workflow, tx) => {
			const record = tx.get<RunnerRecord>(runnerKey(runnerId));
			if (record === undefined) return;
			workflow.loseRunner(record, "drain timed out");
			tx.afterCommit(() => {
				const connection = this.#subscribed.get(runnerId);
				if (connection === undefined) return;
				this.#evict(connection);
				this.#subscribed.delete(runnerId);
			});
		});
	}

	#ping(connection: RunnerConnection): void {
		const nowMs = Date.now();
		if (nowMs - connection.lastHeardMs >= this.#settings.thresholds.pingTimeoutMs) {
			this.#refuse(connection, "ws.ping_timeout");
		} else connection.send({ tag: "ToClientPing", val: { ts: BigInt(nowMs) } });
	}

	async #onOver(connection: RunnerConnection): Promise<void> {
		connection.over = true;
		clearInterval(connection.ping);
		this.#connections.delete(connection.number);
		const { runnerId } = connection;
		if (runnerId === undefined || this.#subscribed.get(runnerId) !== connection) return;
		this.#subscribed.delete(runnerId);
		await this.#transact("disconnected", (workflow, tx) => {
			const record = tx.get<RunnerRecord>(runnerKey(runnerId));
			const isDrained = record?.draining === true && workflow.all().every((actor) => actor.runnerId !== runnerId);
			if (isDrained && !this.#subscribed.has(runnerId)) workflow.loseRunner(record, "drained");
		});
	}

	/** Looks after a while whether the runner was heard of since. */
	#watch(runnerId: string): void {
		if (!this.#heardMs.has(runnerId)) this.#heardMs.set(runnerId, Date.now());
		if (this.#watched.has(runnerId) || this.#rules.neverLoses === true) return;
		this.#watched.add(runnerId);
		this.#lookAfter(runnerId, this.#settings.thresholds.runnerLostMs);
	}

	#lookAfter(runnerId: string, afterMs: number): void {
		setTimeout(() => {
			const { runnerLostMs } = this.#settings.thresholds;
			const silentMs = this.#rules.losesTheLiving === true ? runnerLostMs : Date.now() - this.#heardOf(runnerId);
			if (silentMs < runnerLostMs) {
				this.#lookAfter(runnerId, runnerLostMs - silentMs);
				return;
			}
			this.#watched.delete(runnerId);
			void this.#lose(runnerId);
		}, afterMs);
	}

	#heardOf(runnerId: string): number {
		return this.#heardMs.get(runnerId) ?? 0;
	}

	async #lose(runnerId: string): Promise<void> {
		const heardMs = this.#heardOf(runnerId);
		await this.#transact("lose a runner", (workflow, tx) => {
			const record = tx.get<RunnerRecord>(runnerKey(runnerId));
			const heardSince = this.#heardOf(runnerId) > heardMs && this.#rules.losesTheLiving !== true;
			if (record === undefined || heardSince) return;
			workflow.loseRunner(record, "silent");
			tx.afterCommit(() => {
				const connection = this.#subscribed.get(runnerId);
				if (connection !== undefined && this.#rules.keepsLostIds !== true) this.#refuse(connection, "ws.runner_lost");
			});
		});
		if (this.#subscribed.has(runnerId) || this.#rules.losesTwice === true) this.#watch(runnerId);
	}

	#onEvents(connection: RunnerConnection, runnerId: string, events: readonly EventWrapper[]): void {
		const byActor = new Map<string, EventWrapper[]>();
		for (const event of events) {
			const { actorId } = event.checkpoint;
			const known = byActor.get(actorId);
			if (known === undefined) byActor.set(actorId, [event]);
			else known.push(event);
		}
		for (const [actorId, own] of byActor) {
			if (this.#rules.acknowledgesOnReceipt === true) this.#acknowledge(connection, actorId, highest(own));
			this.#channels.push(actorId, { runnerId, connection: connection.number, events: own });
		}
	}

	async #takeEvents(actorId: string, { runnerId, connection: number, events }: ChannelBatch): Promise<void> {
		await this.#transact(`events of ${actorId}`, (workflow, tx) => {
			const connection = this.#connections.get(number);
			const told = workflow.takeEvents(actorId, runnerId, events, connection?.address.wire?.version === 4);
			tx.afterCommit(() => {
				// What came over a connection that is over is acknowledged when it comes again.
				if (connection !== undefined) this.#acknowledge(connection, actorId, told);
			});
		});
	}

	#acknowledge(connection: RunnerConnection, actorId: string, told: ReadonlyMap<number, number>): void {
		if (told.size === 0 || connection.over) return;
		const beyond = this.#rules.acknowledgesTooFar === true ? 1 : 0;
		const lastEventCheckpoints = [...told].map(([generation, index]) => {
			this.#surroundings.note("event.acknowledged", { actorId, generation, index: index + beyond });
			return { actorId, generation, index: BigInt(index + beyond) };
		});
		connection.send({ tag: "ToClientAckEvents", val: { lastEventCheckpoints } });
	}

	async #onAcknowledged(runnerId: string, checkpoints: readonly Checkpoint[]): Promise<void> {
		if (checkpoints.length === 0) return;
		await this.#transact("acknowledge", (workflow) => {
			for (const { actorId, generation, index } of checkpoints) {
				workflow.acknowledge(runnerId, actorId, generation, Number(index));
			}
		});
	}

	async #onKv(
		connection: RunnerConnection,
		runnerId: string,
		request: Extract<ToServer, { readonly tag: "ToServerKvRequest" }>["val"],
	): Promise<void> {
		await this.#transact(`kv ${request.actorId}`, (workflow, tx) => {
			const holds = workflow.actor(request.actorId)?.runnerId === runnerId;
			const data = answerKv(tx, request.actorId, request.data, holds);
			tx.afterCommit(() => connection.send({ tag: "ToClientKvResponse", val: { requestId: request.requestId, data } }));
		});
	}

	#publish(runnerId: string, commands: readonly CommandWrapper[]): void {
		this.#subscribed.get(runnerId)?.send({ tag: "ToClientCommands", val: commands });
	}

	/** One after the other, as the steps of a workflow are. */
	#issueLater(actorId: string): void {
		const before = this.#issuing.get(actorId) ?? Promise.resolve();
		this.#issuing.set(
			actorId,
			before.then(() => this.#issueStepwise(actorId)),
		);
	}

	/** Issues what was decided on: stored, then published, and only then taken off the list. */
	async #issueStepwise(actorId: string): Promise<void> {
		const issued = await this.#transact(`insert commands of ${actorId}`, (workflow) => {
			const record = workflow.actor(actorId);
			if (record === undefined) return undefined;
			return record.undone.map((pending) => ({ pending, command: workflow.store(record, pending), record }));
		});
		if (issued === undefined || issued.length === 0) return;
		for (const { command, record } of issued) this.#publish(command.runnerId, [wrapped(command, record)]);
		await this.#transact(`commands of ${actorId} are issued`, (workflow) => {
			const record = workflow.actor(actorId);
			if (record === undefined) return;
			const done = (index: number, generation: number) =>
				issued.some(({ pending }) => pending.index === index && pending.generation === generation);
			record.undone = record.undone.filter(({ index, generation }) => !done(index, generation));
			workflow.save(record);
		});
	}

	#remind(actorId: string, atMs: number): void {
		this.#due.set(actorId, atMs);
		setTimeout(
			() => {
				if (this.#due.get(actorId) !== atMs) return;
				void this.#transact(`due: ${actorId}`, (workflow) => {
					const record = workflow.actor(actorId);
					if (record !== undefined) workflow.onDue(record);
				});
			},
			Math.max(0, atMs - Date.now()),
		);
	}

	/** One transaction, again until storage takes it: each is made so that again changes nothing more. */
	async #transact<T>(what: string, body: (workflow: Workflow, tx: Transaction) => T): Promise<T> {
		for (;;) {
			try {
				return await this.#surroundings.store.transact(what, (tx) => body(new Workflow(tx, this.#workflow), tx));
			} catch (error) {
				if ((error as Error).name !== "OperationError") throw error;
				await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
			}
		}
	}
}

/** Whether a stored command still means something to its runner: that has not been sent a newer generation since. */
function isMeant(command: CommandRecord, stored: readonly CommandRecord[]): boolean {
	return !stored.some(({ actorId, generation }) => actorId === command.actorId && generation > command.generation);
}

function wrapped(command: CommandRecord, actor: ActorRecord): CommandWrapper {
	const { actorId, generation, index } = command;
	const checkpoint = { actorId, generation, index: BigInt(index) };
	if (command.command === "stop") return { checkpoint, inner: { tag: "CommandStopActor", val: null } };
	const { name, key, createMs } = actor;
	const input =
		actor.input === null ? null : (Uint8Array.from(Buffer.from(actor.input, "latin1")).buffer as ArrayBuffer);
	const config = { name, key, createTs: BigInt(createMs), input };
	return { checkpoint, inner: { tag: "CommandStartActor", val: { config, hibernatingRequests: [] } } };
}

function highest(events: readonly EventWrapper[]): Map<number, number> {
	const told = new Map<number, number>();
	for (const { checkpoint } of events) {
		told.set(checkpoint.generation, Math.max(told.get(checkpoint.generation) ?? -1, Number(checkpoint.index)));
	}
	return told;
}
