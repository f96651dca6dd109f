/**
 * What a host finds around it in a real process: real time, whose origin is that of a world, and real timers. Process lives
 * that end in good order begin anew in the same process of the machine; those that end otherwise are the parent's to begin.
 */
import type { HostState } from "../../../drivers/engine/host.ts";
import { type Due, newDue } from "../../world/agenda.ts";
import type { Intervention } from "../../world/faults.ts";
import { Process } from "../../world/process.ts";
import type { Struck, Surroundings } from "../../world/surroundings.ts";
import { EPOCH_MS } from "../../world/world.ts";
import type { Said } from "./protocol.ts";

/** Real milliseconds that a host waits at most before it starts again; how long it rests is not what is tested. */
const RESTART_MS = 5;

export class RealSurroundings implements Surroundings {
	readonly outside = new Process(0, "outside");
	readonly #say: (message: Said) => void;
	readonly #stateOf: () => HostState;
	readonly #ended: () => void;
	readonly #tasks = new Map<string, (argument: number) => void>();
	readonly #crashListeners: ((process: Process) => void)[] = [];
	readonly #pending = new Set<Due>();
	#lives: number;
	#life: Process | undefined;
	/** Whose event is running, where that is not the living process. */
	#running: Process | undefined;
	#sequence = 0;

	/**
	 * @param lives process lives before this one.
	 * @param stateOf what the host remembers.
	 * @param ended called when nothing lives and nothing is planned.
	 */
	constructor(lives: number, say: (message: Said) => void, stateOf: () => HostState, ended: () => void) {
		this.#lives = lives;
		this.#say = say;
		this.#stateOf = stateOf;
		this.#ended = ended;
	}

	get nowMs(): number {
		return Date.now() - EPOCH_MS;
	}

	note(kind: string, data: unknown, process = this.#current()): void {
		if (!process.alive) return;
		this.#say({ kind: "note", at: this.nowMs, process: process.id, event: kind, data });
	}

	spawn(name: string, main: (process: Process) => void): Process {
		const process = new Process(++this.#lives, name);
		this.#life = process;
		this.#say({ kind: "spawned", at: this.nowMs, process: process.id, name });
		this.schedule(process, 0, () => main(process));
		return process;
	}

	exit(process: Process, why: string): void {
		if (!process.alive) return;
		process.alive = false;
		this.#say({ kind: "exited", at: this.nowMs, process: process.id, why });
		this.#lookForEnd();
	}

	crash(process: Process, why: string): void {
		this.exit(process, why);
		for (const listener of this.#crashListeners) listener(process);
	}

	onCrash(listener: (process: Process) => void): void {
		this.#crashListeners.push(listener);
	}

	schedule(process: Process, delayMs: number, run: () => void): Due {
		const due = newDue(this.nowMs + delayMs, 0, this.#sequence++, process, run);
		this.#pending.add(due);
		const fire = () => {
			this.#pending.delete(due);
			if (due.run === undefined || !process.alive) return;
			this.#running = process;
			try {
				due.run();
			} finally {
				this.#running = undefined;
			}
			this.#say({ kind: "host", state: this.#stateOf() });
			this.#lookForEnd();
		};
		if (delayMs === 0) setImmediate(fire);
		else setTimeout(fire, Math.ceil(delayMs));
		return due;
	}

	onTask(name: string, run: (argument: number) => void): void {
		this.#tasks.set(name, run);
	}

	plan(delayMs: number, name: string, argument = 0): Due {
		const soon = name === "start" ? Math.min(delayMs, RESTART_MS) : delayMs;
		return this.schedule(this.outside, soon, () => this.#tasks.get(name)?.(argument));
	}

	afterEvent(run: () => void): void {
		setImmediate(() => setImmediate(run));
	}

	/** Nothing is planned to become of alarms. */
	alarm(): undefined {
		return undefined;
	}

	onIntervention(_listener: (intervention: Intervention, struck: Struck) => void): void {}

	waits(): string[] {
		return this.#life?.alive === true ? this.#life.inFlight.map(({ what }) => what) : [];
	}

	/** Whether anything is to happen of itself, e.g. an alarm. */
	get hasPlans(): boolean {
		return [...this.#pending].some(({ run, process }) => run !== undefined && process.alive);
	}

	#current(): Process {
		if (this.#running !== undefined) return this.#running;
		return this.#life?.alive === true ? this.#life : this.outside;
	}

	/** Nothing lives and nothing is planned: the run has come to its end. */
	#lookForEnd(): void {
		setImmediate(() => {
			if (this.#life?.alive === true || this.hasPlans) return;
			this.#say({ kind: "host", state: this.#stateOf() });
			this.#ended();
		});
	}
}
