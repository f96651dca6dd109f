/**
 * One generation of an actor as a runner holds it: started once, stopped once, one after the other. It knows nothing of
 * connections; what it has to say goes into its event log, and whoever made it is told when a command is settled.
 */
import { StopCode } from "@rivetkit/engine-runner-protocol";
import type { ActorConfig, RunnerCallbacks } from "../contract.ts";
import { type ActorEvent, EventLog } from "./events.ts";
import type { RunnerRules } from "./rules.ts";

export const RUNNING: ActorEvent = {
	tag: "EventActorStateUpdate",
	val: { state: { tag: "ActorStateRunning", val: null } },
};

export function stopped(graceful: boolean, message: string | null = null): ActorEvent {
	const code = graceful ? StopCode.Ok : StopCode.Error;
	return { tag: "EventActorStateUpdate", val: { state: { tag: "ActorStateStopped", val: { code, message } } } };
}

export interface ActorOwner {
	readonly callbacks: RunnerCallbacks;
	readonly rules: RunnerRules;
	/** An event was recorded. */
	recorded(actor: HeldActor, event: ActorEvent): void;
	/** It has stopped, for good or ill: nothing of it runs any more. */
	ended(actor: HeldActor): void;
}

export class HeldActor {
	readonly actorId: string;
	readonly generation: number;
	readonly log: EventLog;
	/** Settles once what it was told so far is carried out. */
	done: Promise<void> = Promise.resolve();
	phase: "starting" | "running" | "stopping" | "stopped" = "starting";
	/** Whether the server has given it up: nobody waits to hear of it. */
	disowned = false;
	/** Whether its end was asked for by the actor itself. */
	endIntended = false;
	readonly #owner: ActorOwner;

	constructor(actorId: string, generation: number, firstEvent: bigint, owner: ActorOwner) {
		this.actorId = actorId;
		this.generation = generation;
		this.#owner = owner;
		this.log = new EventLog(actorId, generation, firstEvent, owner.rules);
	}

	/** Starts it, once what it waits for is done. @returns when that is settled, well or not; never rejects. */
	start(config: ActorConfig, after: Promise<void>): Promise<void> {
		this.done = this.#start(config, after);
		return this.done;
	}

	/** Stops it, once it has started; again only in the same sense. @returns when that is settled; never rejects. */
	stop(graceful: boolean): Promise<void> {
		const { rules } = this.#owner;
		if (this.phase === "stopped" && rules.stopAgain !== true) return this.done;
		const before = rules.overlap === true ? Promise.resolve() : this.done;
		this.done = this.#stop(graceful, before);
		return this.done;
	}

	tell(event: ActorEvent): void {
		this.log.record(event);
		this.#owner.recorded(this, event);
	}

	async #start(config: ActorConfig, after: Promise<void>): Promise<void> {
		await after;
		try {
			await this.#owner.callbacks.onActorStart(this.actorId, this.generation, config);
		} catch (error) {
			if (this.#owner.rules.dieOfCallbacks === true) void Promise.reject(error);
			this.#end(stopped(false, "the actor failed to start"));
			return;
		}
		if (this.phase !== "starting") return;
		this.phase = "running";
		this.tell(RUNNING);
	}

	async #stop(graceful: boolean, before: Promise<void>): Promise<void> {
		await before;
		// Whoever came first has stopped it, or it never came to run.
		if (this.#isOver()) return;
		this.phase = "stopping";
		try {
			await this.#owner.callbacks.onActorStop(this.actorId, this.generation);
		} catch (error) {
			if (this.#owner.rules.dieOfCallbacks === true) void Promise.reject(error);
			this.#end(stopped(false, "the actor failed to stop"));
			return;
		}
		this.#end(stopped(graceful));
	}

	#isOver(): boolean {
		return this.phase === "stopped" && this.#owner.rules.stopAgain !== true;
	}

	#end(event: ActorEvent): void {
		if (this.phase === "stopped" && this.#owner.rules.stopAgain !== true) return;
		this.phase = "stopped";
		this.tell(event);
		this.#owner.ended(this);
	}
}
