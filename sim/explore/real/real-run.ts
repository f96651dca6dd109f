/**
 * One run in real processes: a scenario whose crashes are `kill -9`. The parent keeps what no kill touches (effects, clients,
 * what a host remembers) and the model of what must be stored; it kills a life exactly around a numbered durable effect, or while
 * one is carried out, begins the next, and makes of what it heard a run as a world makes it, for the same properties to judge.
 */
import type { HostState, Outcome } from "../../../drivers/engine/host.ts";
import type { StepRule } from "../../../drivers/engine/observe.ts";
import type { PluggedDriver } from "../../../drivers/storage/contract.ts";
import { claimsOf, Session } from "../../../drivers/storage/session.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import { byKind, type ClientEvents, type Run, type Target } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { remove } from "../../world/collections.ts";
import { describeFault } from "../../world/faults.ts";
import { HarnessError } from "../../world/harness-error.ts";
import type { Process } from "../../world/process.ts";
import { Clients } from "./clients.ts";
import type { Loss } from "./losses.ts";
import type { Child, Nursery } from "./nursery.ts";
import { type Kill, PlannedKills } from "./planned-kills.ts";
import type { Contents, DriverSource, Job, Operation, Said } from "./protocol.ts";
import { type Difference, Shadow } from "./shadow.ts";

/** The shapes of the events that storage leaves that was opened anew, by kind. */
export interface RealEvents {
	/** A namespace that was opened anew holds something other than what was acknowledged. */
	"storage.differs": Difference;
}

export interface RealOptions {
	readonly engine: string;
	/** The driver as the command line names it, and loaded here, to look into the namespace at the end. */
	readonly driver: DriverSource;
	readonly plugged: PluggedDriver;
	readonly namespace: string;
	readonly nursery: Nursery;
	/** What else may be lost with a process. */
	readonly losses: readonly Loss[];
}

/** Real milliseconds that one life gets, from its job to its end. */
const LIFE_MS = 30_000;
/** Real milliseconds of silence after which nothing more will happen: longer than anything the programs do. */
const QUIET_MS = 5_000;
/** Lives that end by themselves before the run is given up. */
const MAX_DEATHS = 5;

type Before = Extract<Said, { kind: "before" }>;
type After = Extract<Said, { kind: "after" }>;

/** An operation that was under way when its process was killed, and whose fate shows when storage is opened anew. */
interface Unresolved {
	readonly before: Before;
	readonly process: Process;
	readonly kill: Kill;
}

export class RealRun {
	readonly #scenario: Scenario;
	readonly #program: Program;
	readonly #target: Target;
	readonly #kills: PlannedKills;
	readonly #options: RealOptions;
	readonly #shadow: Shadow;
	/** Real milliseconds since 1970 that are the start of the run: when its first process is there. */
	#startedAtMs = 0;
	readonly #stepRules = new Map<string, StepRule>();
	readonly #processes = new Map<number, Process>();
	#host: HostState | undefined;
	#life: Process | undefined;
	#child: Child | undefined;
	#waiting: Before[] = [];
	#current: Before | undefined;
	#dying = false;
	#done = false;
	#unresolved: Unresolved | undefined;
	#isOpen = false;
	readonly #clients: Clients;
	#failure: HarnessError | undefined;
	#late = false;
	#outcome: Outcome | undefined;
	#quiet: NodeJS.Timeout | undefined;

	constructor(scenario: Scenario, program: Program, target: Target, kills: readonly Kill[], options: RealOptions) {
		this.#scenario = scenario;
		this.#program = program;
		this.#target = target;
		this.#kills = new PlannedKills(kills, options.losses);
		this.#options = options;
		this.#clients = new Clients(program.inputs ?? []);
		this.#shadow = new Shadow(scenario.seed, claimsOf(options.plugged).atomicBatch !== "none");
	}

	/** Makes the run. @throws HarnessError when it cannot be made. */
	async make(): Promise<Run> {
		const session = new Session(this.#options.plugged, this.#options.namespace);
		try {
			let deaths = 0;
			while (!this.#done && !this.#late && deaths < MAX_DEATHS) {
				if (!(await this.#live())) deaths++;
				if (this.#failure !== undefined) throw this.#failure;
			}
			if (!this.#late) await this.#lookAtTheEnd(session);
		} finally {
			this.#child?.kill();
			await this.#child?.ended;
			await session.end();
		}
		return this.#run();
	}

	get #world() {
		return this.#shadow.world;
	}

	/** One process from its job to its end. @returns false when it ended by itself and not in good order. */
	async #live(): Promise<boolean> {
		const child = this.#options.nursery.take();
		this.#child = child;
		this.#waiting = [];
		this.#current = undefined;
		this.#dying = false;
		this.#isOpen = false;
		this.#clients.part();
		const struckBefore = this.#kills.struck.size;
		const ended = child.ended;
		child.hear((message) => this.#hear(child, message));
		const timer = setTimeout(() => {
			this.#late = true;
			this.#failure ??= this.#unanswered();
			child.kill();
		}, LIFE_MS);
		await ended;
		clearTimeout(timer);
		clearTimeout(this.#quiet);
		if (this.#done) return true;
		if (this.#kills.struck.size > struckBefore || this.#unresolved !== undefined) {
			const { plugged, namespace } = this.#options;
			await this.#kills.settleLoss(plugged.directory?.(namespace));
			return true;
		}
		if (this.#life?.alive === true && !this.#late) this.#world.crash(this.#life, "uncaught exception");
		if (this.#failure === undefined && !this.#isOpen && !this.#late) {
			throw new HarnessError("child", `a process ended before it ran: ${child.lastWords || "without a word"}`);
		}
		return false;
	}

	/** A driver that does not answer is named; the engine may wait as long as it likes. */
	#unanswered(): HarnessError | undefined {
		const { plugged } = this.#options;
		const what = this.#isOpen ? this.#current?.operation.what : "open";
		if (what === undefined) return undefined;
		return new HarnessError("driver", `${plugged.name}: ${what} was not answered for ${LIFE_MS / 1_000} s.`);
	}

	#job(): Job {
		const { engine, driver, namespace } = this.#options;
		const { queue } = this.#shadow.storage;
		return {
			...{ engine, driver, namespace },
			scenario: this.#scenario,
			hosting: this.#scenario.hosting,
			startedAtMs: this.#startedAtMs,
			lives: this.#processes.size,
			host: this.#host,
			queued: queue.messages(),
			alarm: this.#shadow.storage.alarm(),
		};
	}

	#hear(child: Child, message: Said): void {
		if (child !== this.#child) return;
		this.#listenOn(child);
		if ("at" in message) this.#shadow.passTo(message.at);
		switch (message.kind) {
			case "ready":
				if (this.#startedAtMs === 0) this.#startedAtMs = Date.now();
				child.tell({ kind: "job", job: this.#job() });
				return;
			case "opened":
				this.#opened(message.contents);
				child.tell({ kind: "go", id: message.id });
				this.#isOpen = true;
				this.#clients.meet(this.#startedAtMs, (place) => child.tell({ kind: "send", place }));
				return;
			case "spawned": {
				if (this.#dying) return;
				// The number is the world's own; a process that was killed before it could say so has none.
				const process = this.#world.spawn(message.name, () => {});
				this.#processes.set(message.process, process);
				this.#life = process;
				return;
			}
			case "exited":
				if (!this.#dying) this.#world.exit(this.#processOf(message.process), message.why);
				return;
			case "note":
				if (!this.#dying) this.#world.note(message.event, message.data, this.#processOf(message.process));
				return;
			case "rule":
				this.#stepRules.set(message.key, message.rule);
				return;
			case "host":
				if (!this.#dying) this.#host = message.state;
				return;
			case "before":
				this.#waiting.push(message);
				this.#pump();
				return;
			case "after":
				this.#after(message);
				return;
			case "failed":
				if (this.#isOpen || this.#kills.struck.size === 0) this.#failure = new HarnessError("child", message.message);
				else this.#cannotOpen(message.message);
				return;
			case "done":
				if (this.#dying || this.#done) return;
				// Nothing happens there of itself; a client is still to come.
				if (message.outcome?.status === "waiting" && this.#clients.areToCome) return;
				this.#done = true;
				this.#dying = true;
				this.#outcome = message.outcome;
				this.#late = message.outcome === undefined;
				child.kill();
		}
	}

	/** Asks what the run has come to once nothing was heard for long; a driver that is being waited for is another matter. */
	#listenOn(child: Child): void {
		clearTimeout(this.#quiet);
		this.#quiet = setTimeout(() => {
			if (this.#isOpen && this.#current === undefined) child.tell({ kind: "conclude" });
			this.#listenOn(child);
		}, QUIET_MS);
	}

	#processOf(id: number): Process {
		return this.#processes.get(id) ?? this.#world.outside;
	}

	/** One operation after the other: the next is begun when the one before is over. */
	#pump(): void {
		if (this.#dying || this.#current !== undefined) return;
		const before = this.#waiting.shift();
		if (before === undefined) return;
		const { operation, id, kept } = before;
		const process = this.#processOf(before.process);
		const kill = this.#shadow.changes(operation) ? this.#kills.at(this.#world.writes + 1) : undefined;
		if (kill?.how === "before") {
			this.#shadow.skipWrite();
			this.#strike(kill, "before", windowOf(operation));
			return;
		}
		if (kept) {
			const value = this.#shadow.apply(process, operation);
			this.#acknowledge(operation);
			if (kill !== undefined) this.#strike(kill, "after", windowOf(operation));
			else {
				this.#child?.tell({ kind: "go", id, value: plainValue(value) });
				this.#pump();
			}
			return;
		}
		this.#current = before;
		process.inFlight.push({ what: operation.what, perform: () => {} });
		this.#child?.tell({ kind: "go", id });
		if (kill?.how !== "during") return;
		this.#unresolved = { before, process, kill };
		// The pipe is written at the end of this turn of the event loop.
		setImmediate(() => {
			waitUs(kill.afterUs);
			this.#kills.carryOut(kill, this.#child);
		});
	}

	#after({ id, answered }: After): void {
		const before = this.#current;
		if (before === undefined || before.id !== id) return;
		this.#current = undefined;
		const { operation } = before;
		const process = this.#processOf(before.process);
		const unresolved = this.#unresolved;
		const kill =
			unresolved?.kill ?? (this.#shadow.changes(operation) ? this.#kills.at(this.#world.writes + 1) : undefined);
		const [pending] = process.inFlight;
		if (pending !== undefined) remove(process.inFlight, pending);
		if ("error" in answered) {
			// What was lost may be why; whether it took place shows when storage is opened anew.
			if (unresolved !== undefined) {
				this.#child?.kill();
				return;
			}
			this.#differs("driver.differs", this.#shadow.compare(operation, undefined, answered));
			this.#child?.tell({ kind: "go", id });
			this.#pump();
			return;
		}
		const expected = this.#shadow.apply(process, operation);
		this.#differs("driver.differs", this.#shadow.compare(operation, expected, answered));
		this.#acknowledge(operation);
		this.#unresolved = undefined;
		if (unresolved !== undefined) {
			// It was answered just before its process died.
			this.#endLife();
			this.#child?.kill();
			this.#recordStrike(unresolved.kill, "after", windowOf(operation));
		} else if (kill !== undefined) this.#strike(kill, "after", windowOf(operation));
		else {
			this.#child?.tell({ kind: "go", id });
			this.#pump();
		}
	}

	/** Kills the life; what it says from now on it never said. */
	#strike(kill: Kill, side: "before" | "after", window: string): void {
		this.#endLife();
		this.#kills.carryOut(kill, this.#child);
		this.#recordStrike(kill, side, window);
	}

	/** From here on nothing counts that the life still says. */
	#endLife(): void {
		this.#dying = true;
		this.#isOpen = false;
		this.#clients.part();
	}

	#recordStrike(kill: Kill, side: "before" | "after", window: string): void {
		const { index, fault } = this.#kills.record(kill, side);
		this.#world.note("fault", { index, kind: describeFault(fault), window }, this.#world.outside);
		if (this.#life !== undefined) this.#world.crash(this.#life, "planned");
	}

	/** What was sent and answered for is acknowledged to its sender. */
	#acknowledge(operation: Operation): void {
		if (operation.what !== "queue.append") return;
		const { id, name } = operation.message;
		this.#world.note(
			"message.acknowledged",
			{ id, name } satisfies ClientEvents["message.acknowledged"],
			this.#world.outside,
		);
		this.#clients.acknowledged(operation.place);
	}

	/** Storage was opened anew: settles what was under way, and looks whether all is there. */
	#opened(contents: Contents): void {
		this.#settle(contents);
		for (const difference of this.#shadow.differences(contents)) this.#differs("storage.differs", difference);
		this.#shadow.adopt(contents);
	}

	/** A namespace that was sound before the kill and cannot be opened after it has lost everything. */
	#cannotOpen(message: string): void {
		const unresolved = this.#unresolved;
		this.#unresolved = undefined;
		if (unresolved !== undefined) this.#recordStrike(unresolved.kill, "before", windowOf(unresolved.before.operation));
		this.#differs("storage.differs", { what: "open", expected: "what was there before", got: message });
		this.#late = true;
	}

	/** An operation in the midst of which its process was killed took place whole, or not at all, or in part. */
	#settle(contents: Contents): void {
		const unresolved = this.#unresolved;
		if (unresolved === undefined) return;
		this.#unresolved = undefined;
		const { before, process, kill } = unresolved;
		const { operation } = before;
		const found = this.#shadow.settle(process, operation, contents);
		if (found === "after") this.#acknowledge(operation);
		this.#recordStrike(kill, found === "before" ? "before" : "after", windowOf(operation));
	}

	#differs(kind: "driver.differs" | "storage.differs", difference: Difference | undefined): void {
		if (difference === undefined) return;
		this.#world.note(kind, difference, this.#life?.alive === true ? this.#life : this.#world.outside);
	}

	/** What was acknowledged last is there, too, for whoever opens the namespace when all is over. */
	async #lookAtTheEnd(session: Session): Promise<void> {
		const opened = await session.open();
		const entries = await session.ask("kv.list", (driver) => driver.list(new Uint8Array()));
		if (!("value" in entries) || opened.driver === undefined) return;
		const contents = { entries: entries.value as Contents["entries"], alarm: "unknown", messages: "unknown" } as const;
		this.#opened(contents);
	}

	#run(): Run {
		const world = this.#world;
		return {
			scenario: { ...this.#scenario, faults: this.#kills.faults },
			target: this.#target,
			program: this.#program,
			history: world.history,
			outcome: this.#concluded(),
			stop: this.#done && !this.#late ? "quiescent" : "time-limit",
			revisited: this.#host?.revisited ?? false,
			queued: this.#shadow.storage.queue.messages(),
			stepRules: this.#stepRules,
			fired: this.#kills.struck,
			endMs: world.nowMs,
			events: world.history.events.length,
			writes: world.writes,
			operations: 0,
			alarms: 0,
			alternatives: [],
			of: byKind(world.history),
		};
	}

	#concluded(): Outcome {
		const outcome = this.#host?.outcome ?? this.#outcome;
		if (outcome !== undefined) return outcome;
		const waits = this.#current === undefined ? [] : [this.#current.operation.what];
		return { status: "unfinished", waits, limit: "time" };
	}
}

/** What the world calls the durable effect of an operation. */
function windowOf(operation: Operation): string {
	if (operation.what === "call") return `effect ${operation.label}`;
	return WINDOWS[operation.what] ?? operation.what;
}

const WINDOWS: Readonly<Record<string, string>> = { "queue.receive": "queue.take", "queue.add": "queue.append" };

/** Messages without their functions. */
function plainValue(value: unknown): unknown {
	return Array.isArray(value) ? value.map(({ id, name, data, sentAt }) => ({ id, name, data, sentAt })) : value;
}

/** Lets real time pass without giving up the thread: what a timer takes is longer. */
function waitUs(us: number): void {
	const endsAt = performance.now() + us / 1_000;
	while (performance.now() < endsAt);
}
