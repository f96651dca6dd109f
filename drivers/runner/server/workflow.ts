/**
 * What becomes of actors: the transitions of an actor's workflow, each within one transaction. It decides what is commanded and
 * what an event means; who sends and who receives is left to the server.
 */
import type { ActorStatus, ServerThresholds, Transaction } from "../contract.ts";
import { type EventWrapper, UNTOLD_GENERATION } from "../wire.ts";
import {
	ACTORS,
	type ActorRecord,
	actorKey,
	type CommandRecord,
	commandKey,
	commandsOfActor,
	commandsOfGeneration,
	commandsOfRunner,
	ISSUES,
	type PendingCommand,
	RUNNERS,
	type RunnerRecord,
	runnerKey,
} from "./records.ts";
import type { ServerRules } from "./rules.ts";

export interface WorkflowSettings {
	readonly rules: ServerRules;
	readonly thresholds: ServerThresholds;
	/** Runners that can be sent commands now. */
	connected(): readonly string[];
	/** A command is stored, and can be sent. */
	issued(command: CommandRecord, record: ActorRecord): void;
	/** A command is decided on and has still to be issued; only where that takes several steps. */
	postponed(actorId: string): void;
	/** Something is due for the actor at that time, in milliseconds since the epoch. */
	due(actorId: string, atMs: number): void;
}

/** Indices are whole numbers that JSON keeps; a generation begins with room for more commands than one is ever told. */
const LAST_INDEX = Number.MAX_SAFE_INTEGER;
const ROOM = 2 ** 20;

/** Events that a server has not acknowledged before it does. */
const ACKNOWLEDGE_BEYOND = 250;
/** How often the wait between two restarts is doubled. */
const MOST_DOUBLINGS = 8;

export class Workflow {
	readonly #tx: Transaction;
	readonly #settings: WorkflowSettings;
	readonly #rules: ServerRules;
	readonly #actors = new Map<string, ActorRecord | undefined>();

	constructor(transaction: Transaction, settings: WorkflowSettings) {
		this.#tx = transaction;
		this.#settings = settings;
		this.#rules = settings.rules;
	}

	actor(actorId: string): ActorRecord | undefined {
		if (!this.#actors.has(actorId)) this.#actors.set(actorId, this.#tx.get<ActorRecord>(actorKey(actorId)));
		return this.#actors.get(actorId);
	}

	/** Every actor, as this transaction has it. */
	all(): ActorRecord[] {
		return this.#tx.list<ActorRecord>(ACTORS).map(({ value }) => this.#actors.get(value.actorId) ?? this.#known(value));
	}

	create(record: ActorRecord): void {
		this.#actors.set(record.actorId, record);
		this.#to(record, "waiting", "created");
		this.allocate(record);
	}

	/** Starts an actor that waits, where there is a runner for it. */
	allocate(record: ActorRecord): void {
		if (record.status !== "waiting") return;
		if (record.deadlineMs !== undefined && record.deadlineMs > Date.now()) {
			this.#settings.due(record.actorId, record.deadlineMs);
			return;
		}
		const runner = this.#choose(record);
		if (runner === undefined) return;
		record.generation++;
		record.runnerId = runner.runnerId;
		record.lastEvent = -1;
		record.acknowledgedEvent = -1;
		record.intent = "none";
		record.wakeRequested = false;
		if (record.nextIndex > LAST_INDEX - ROOM) record.nextIndex = 0;
		if (this.#rules.keepsSuperseded !== true) this.#deleteOlder(record);
		this.#due(record, this.#settings.thresholds.actorStartMs);
		this.#to(record, "starting", "allocated");
		this.#issue(record, "start", runner.runnerId);
	}

	allocateAll(): void {
		for (const record of this.all()) this.allocate(record);
	}

	destroy(record: ActorRecord): void {
		if (record.status === "destroyed" || record.destroyRequested) return;
		record.destroyRequested = true;
		if (record.runnerId === undefined) this.#end(record, "destroyed");
		else this.#stop(record, "destroyed");
	}

	wake(record: ActorRecord, why: string): void {
		if (record.status === "asleep") {
			record.deadlineMs = undefined;
			this.#to(record, "waiting", why);
			this.allocate(record);
		} else if (record.status === "stopping" && !record.wakeRequested) {
			record.wakeRequested = true;
			this.save(record);
		}
	}

	/** What was due for the actor at some time, if it still is. */
	onDue(record: ActorRecord): void {
		const nowMs = Date.now();
		if (record.status === "asleep" && record.alarmMs !== undefined && record.alarmMs <= nowMs) {
			record.alarmMs = undefined;
			this.wake(record, "alarm");
		}
		if (record.deadlineMs === undefined || record.deadlineMs > nowMs) return;
		if (record.status === "waiting") this.allocate(record);
		else if (record.status === "starting") this.lose(record, "it did not start in time");
		else if (record.status === "stopping") this.lose(record, "it did not stop in time");
	}

	/** Gives the current generation up; its runner is told to stop it, if it is there to be told. */
	lose(record: ActorRecord, why: string): void {
		const { runnerId } = record;
		if (runnerId === undefined) return;
		if (this.#rules.resetsIndices === true) record.nextIndex = 0;
		const isKnown = this.#tx.get(runnerKey(runnerId)) !== undefined;
		if (isKnown || this.#rules.keepsSuperseded === true) this.#issue(record, "stop", runnerId);
		this.#afterEnd(record, false, why, true);
	}

	/** Tells a runner's actors to go elsewhere, and sends it no more. */
	drain(runnerId: string): void {
		const runner = this.#tx.get<RunnerRecord>(runnerKey(runnerId));
		if (runner === undefined) return;
		if (!runner.draining) this.#tx.set(runnerKey(runnerId), { ...runner, draining: true });
		for (const record of this.all()) {
			if (record.runnerId !== runnerId || record.status === "stopping") continue;
			record.intent = "going-away";
			this.#stop(record, "going away");
		}
	}

	/** Drains runners of the same pool that run an older program. */
	drainOlder({ name, version }: Pick<RunnerRecord, "name" | "version">): void {
		for (const { value } of this.#tx.list<RunnerRecord>(RUNNERS)) {
			if (value.name === name && value.version < version && !value.draining) this.drain(value.runnerId);
		}
	}

	/** Gives a runner up, with its actors. @returns the actors. */
	loseRunner(runner: RunnerRecord, why: string): string[] {
		const held = this.all().filter((record) => record.runnerId === runner.runnerId);
		if (this.#rules.losesTwice !== true) this.#tx.delete(runnerKey(runner.runnerId));
		if (this.#rules.keepsSuperseded !== true) this.#deleteAll(commandsOfRunner(runner.runnerId), "its runner is lost");
		const lost = held.map(({ actorId }) => actorId);
		this.#tx.note("runner.lost", { runnerId: runner.runnerId, why, actors: lost });
		for (const record of held) this.lose(record, "its runner is lost");
		return lost;
	}

	/**
	 * Takes events of one actor, in the order in which they came.
	 * @param anyFirst whether the first index of a generation is its runner's to choose.
	 * @returns up to which index the runner may forget events, by generation.
	 */
	takeEvents(
		actorId: string,
		runnerId: string,
		events: readonly EventWrapper[],
		anyFirst: boolean,
	): Map<number, number> {
		const told = new Map<number, number>();
		const before = this.#rules.filtersBatchOnce === true ? { ...this.actor(actorId) } : undefined;
		const ordered = this.#rules.swapsEvents === true ? [...events].reverse() : events;
		for (const event of ordered) {
			const { generation } = event.checkpoint;
			const index = Number(event.checkpoint.index);
			const mark = { actorId, generation, index, event: describeEvent(event.inner) };
			const record = this.actor(actorId);
			const judged = (before as ActorRecord | undefined) ?? record;
			const why = this.#reasonToDrop(judged, runnerId, generation, index, anyFirst);
			const drop = (reason: string) =>
				this.#tx.note("event.dropped", { actorId, generation, index, event: mark.event, why: reason });
			if (record !== undefined && why === "gap") {
				drop(why);
				continue;
			}
			told.set(generation, Math.max(told.get(generation) ?? -1, index));
			if (why !== undefined || record === undefined) {
				if (this.#rules.dropsUncounted !== true) drop(why ?? "no such actor");
				continue;
			}
			record.lastEvent = Math.max(record.lastEvent, index);
			this.#tx.note("event.applied", mark);
			this.#apply(record, event.inner);
			this.save(record);
		}
		return this.#rules.acknowledgesInBatches === true ? this.#inBatches(actorId, told) : told;
	}

	/** Deletes the commands that a runner acknowledged. */
	acknowledge(runnerId: string, actorId: string, generation: number, index: number): void {
		const untold = generation === UNTOLD_GENERATION && this.#rules.takesUntoldForFirst !== true;
		const any = untold || this.#rules.acknowledgementDeletesAnyGeneration === true;
		const prefix = any
			? commandsOfActor(runnerId, actorId)
			: commandsOfGeneration(runnerId, actorId, Math.max(0, generation));
		const upTo = this.#rules.acknowledgementDeletesTooFar === true ? index + 1 : index;
		const found = this.#tx.list<CommandRecord>(prefix).filter(({ value }) => value.index <= upTo || (any && !untold));
		if (found.length === 0) {
			this.#tx.note("command.ack-ignored", { actorId, generation, index, why: "nothing of it is stored" });
			return;
		}
		if (this.#rules.acknowledgementDeletesNothing === true) return;
		this.#delete(found, "acknowledged");
	}

	save(record: ActorRecord): void {
		this.#tx.set(actorKey(record.actorId), record);
	}

	/** Stores a command. */
	store(record: ActorRecord, pending: PendingCommand): CommandRecord {
		const issue = this.#tx.get<number>(ISSUES) ?? 0;
		const { actorId } = record;
		const { runnerId, generation, index } = pending;
		const command: CommandRecord = { command: pending.command, generation, index, runnerId, actorId, issue };
		this.#tx.set(ISSUES, issue + 1);
		this.#tx.set(commandKey(runnerId, actorId, generation, index), command);
		this.#tx.note("command.stored", { actorId, generation, index, command: pending.command, runnerId });
		return command;
	}

	#known(record: ActorRecord): ActorRecord {
		this.#actors.set(record.actorId, record);
		return record;
	}

	/** The newest program first, then whoever has the most room, then the first by name. */
	#choose({ runnerName }: ActorRecord): RunnerRecord | undefined {
		const load = new Map<string, number>();
		for (const { runnerId } of this.all()) {
			if (runnerId !== undefined) load.set(runnerId, (load.get(runnerId) ?? 0) + 1);
		}
		const free = (runner: RunnerRecord) => runner.totalSlots - (load.get(runner.runnerId) ?? 0);
		return this.#settings
			.connected()
			.flatMap((runnerId) => this.#tx.get<RunnerRecord>(runnerKey(runnerId)) ?? [])
			.filter((runner) => runner.name === runnerName && !runner.draining && free(runner) > 0)
			.sort((a, b) => b.version - a.version || free(b) - free(a) || (a.runnerId < b.runnerId ? -1 : 1))[0];
	}

	#reasonToDrop(
		record: ActorRecord | undefined,
		runnerId: string,
		generation: number,
		index: number,
		anyFirst: boolean,
	): string | undefined {
		if (record?.actorId === undefined) return "no such actor";
		if (record.generation !== generation && this.#rules.takesAnyGeneration !== true) return "another generation";
		if (record.runnerId !== runnerId && this.#rules.takesAnyGeneration !== true) return "another runner";
		if (this.#rules.takesRepeats === true) return undefined;
		if (index <= record.lastEvent) return "a repeat";
		if (this.#rules.acceptsGaps === true || (anyFirst && record.lastEvent < 0)) return undefined;
		return index > record.lastEvent + 1 ? "gap" : undefined;
	}

	#apply(record: ActorRecord, event: EventWrapper["inner"]): void {
		switch (event.tag) {
			case "EventActorIntent":
				record.intent = event.val.intent.tag === "ActorIntentSleep" ? "sleep" : "stop";
				this.#stop(record, record.intent === "sleep" ? "asked to sleep" : "asked to stop");
				return;
			case "EventActorSetAlarm": {
				record.alarmMs = event.val.alarmTs === null ? undefined : Number(event.val.alarmTs);
				return;
			}
			case "EventActorStateUpdate": {
				const { state } = event.val;
				if (state.tag === "ActorStateStopped") this.#afterEnd(record, state.val.code === "Ok", "stopped", false);
				else if (record.status === "starting") {
					record.deadlineMs = undefined;
					this.#to(record, "running", "started");
				}
			}
		}
	}

	#stop(record: ActorRecord, why: string): void {
		if (record.runnerId === undefined || record.status === "stopping") {
			this.save(record);
			return;
		}
		this.#due(record, this.#settings.thresholds.actorStopMs);
		this.#to(record, "stopping", why);
		this.#issue(record, "stop", record.runnerId);
	}

	/** What comes after a generation, by what was intended and else by the crash policy. */
	#afterEnd(record: ActorRecord, graceful: boolean, why: string, lost: boolean): void {
		const { runnerId, intent } = record;
		if (runnerId !== undefined && !lost && this.#rules.keepsSuperseded !== true) {
			this.#deleteAll(commandsOfGeneration(runnerId, record.actorId, record.generation), "stopped");
		}
		record.runnerId = undefined;
		record.deadlineMs = undefined;
		// Who was lost was deallocated before its last stop was issued.
		if (this.#rules.resetsIndices === true && !lost) record.nextIndex = 0;
		const intended = intent === "stop" || this.#rules.endsWhateverStops === true;
		if (record.destroyRequested || (intended && graceful && intent !== "sleep" && intent !== "going-away")) {
			this.#end(record, why);
		} else if (intent === "sleep" || record.crashPolicy === "sleep") this.#sleep(record, why);
		else if (record.crashPolicy === "restart") {
			this.#again(record, intent === "going-away" ? 0 : this.#restartMs(record), why);
		} else this.#end(record, why);
	}

	/** How long an actor that crashed waits for its next start. */
	#restartMs(record: ActorRecord): number {
		const { restartMs } = this.#settings.thresholds;
		const before = record.restarts++;
		if (this.#rules.backsOff !== true) return restartMs;
		return before === 0 ? 0 : restartMs * 2 ** Math.min(before - 1, MOST_DOUBLINGS);
	}

	#sleep(record: ActorRecord, why: string): void {
		record.restarts = 0;
		const { wakeRequested } = record;
		this.#to(record, "asleep", why);
		if (record.alarmMs !== undefined) this.#settings.due(record.actorId, record.alarmMs);
		if (wakeRequested) this.wake(record, "woken meanwhile");
	}

	#again(record: ActorRecord, delayMs: number, why: string): void {
		if (delayMs > 0) this.#due(record, delayMs);
		this.#to(record, "waiting", why);
		this.allocate(record);
	}

	#end(record: ActorRecord, why: string): void {
		record.deadlineMs = undefined;
		record.alarmMs = undefined;
		this.#to(record, "destroyed", why);
	}

	#due(record: ActorRecord, afterMs: number): void {
		record.deadlineMs = Date.now() + afterMs;
		this.#settings.due(record.actorId, record.deadlineMs);
	}

	#to(record: ActorRecord, status: ActorStatus, why: string): void {
		record.status = status;
		const { actorId, generation, runnerId } = record;
		this.#tx.note("actor.status", { actorId, generation, status, runnerId, why });
		this.save(record);
	}

	#issue(record: ActorRecord, command: "start" | "stop", runnerId: string): void {
		const index = this.#nextIndex(record);
		const pending: PendingCommand = { command, generation: record.generation, index, runnerId };
		if (this.#rules.publishesInSteps === true) {
			record.undone = [...record.undone, pending];
			this.save(record);
			this.#tx.afterCommit(() => this.#settings.postponed(record.actorId));
			return;
		}
		this.save(record);
		const stored = this.store(record, pending);
		if (this.#rules.sendsBeforePersisted === true) this.#settings.issued(stored, record);
		else this.#tx.afterCommit(() => this.#settings.issued(stored, record));
	}

	#nextIndex(record: ActorRecord): number {
		const index = record.nextIndex++;
		if (index % 2 === 0) return index;
		if (this.#rules.reusesIndices === true) return index - 1;
		if (this.#rules.skipsIndices === true) return record.nextIndex++;
		return index;
	}

	/** What an older generation was told is nothing to the runner that holds the new one. */
	#deleteOlder({ runnerId, actorId, generation }: ActorRecord): void {
		const older = this.#tx
			.list<CommandRecord>(commandsOfActor(runnerId as string, actorId))
			.filter(({ value }) => value.generation < generation);
		this.#delete(older, "superseded");
	}

	#deleteAll(prefix: string, why: string): void {
		this.#delete(this.#tx.list<CommandRecord>(prefix), why);
	}

	#delete(found: readonly { readonly key: string; readonly value: CommandRecord }[], why: string): void {
		for (const { key, value } of found) {
			this.#tx.delete(key);
			const { actorId, generation, index, runnerId } = value;
			this.#tx.note("command.deleted", { actorId, generation, index, runnerId, why });
		}
	}

	#inBatches(actorId: string, told: ReadonlyMap<number, number>): Map<number, number> {
		const record = this.actor(actorId);
		const index = record === undefined ? undefined : told.get(record.generation);
		if (record === undefined || index === undefined) return new Map();
		if (record.lastEvent <= record.acknowledgedEvent + ACKNOWLEDGE_BEYOND) return new Map();
		record.acknowledgedEvent = record.lastEvent;
		this.save(record);
		return new Map([[record.generation, record.lastEvent]]);
	}
}

/** An event in a word or two. */
export function describeEvent(event: EventWrapper["inner"]): string {
	switch (event.tag) {
		case "EventActorIntent":
			return event.val.intent.tag === "ActorIntentSleep" ? "sleep intent" : "stop intent";
		case "EventActorSetAlarm":
			return event.val.alarmTs === null ? "alarm cleared" : "alarm";
		case "EventActorStateUpdate":
			return event.val.state.tag === "ActorStateRunning" ? "running" : `stopped ${event.val.state.val.code}`;
	}
}
