/**
 * A workflow from start to stop: what it goes on from, how it ends, yields, fails, and is asked to stop. An end is durable, with
 * all that led to it, before anybody is told. What storage refuses ends the run and changes nothing: the next one goes on from
 * what is durable, as after a crash.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import { Context, type Scope } from "./context.ts";
import { type Cut, finishCut, load } from "./cut.ts";
import {
	EvictedError,
	errorOf,
	HistoryDivergedError,
	RollbackCheckpointError,
	recordOf,
	type StorageDamagedError,
} from "./errors.ts";
import { type Block, type EndState, type Entry, entriesOf, type FailureRecord, type Recorded } from "./history.ts";
import { Journal } from "./journal.ts";
import { FIELDS } from "./keys.ts";
import { Claims, Removals } from "./removals.ts";
import { lastCheckpoint, pendingUndos, rollBack, waitsToBeUndone } from "./rollback.ts";
import type { Rules } from "./rules.ts";
import { Run, Strand, type Wait } from "./run.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** Thrown inside an operation that must never settle. */
export const HALT: object = Object.freeze({ halt: true });

export type Workflow = Rivet.WorkflowFunction<unknown, unknown>;
type Result = Rivet.WorkflowResult<unknown>;

export class Execution {
	readonly workflowId: string;
	readonly run: Run;
	readonly claims = new Claims();
	readonly removals = new Removals(this);
	/** How steps are undone, by the key of the step, as far as the program has come by them. */
	readonly handlers = new Map<string, NonNullable<Rivet.StepConfig<unknown>["rollback"]>>();
	/** Waits that ended in this run. */
	readonly fresh = new WeakSet<Entry<never> | Entry>();
	journal!: Journal;
	recorded!: Recorded;
	/** Whether an earlier run left something on record. */
	resumed = false;
	/** Whether the program only runs through what is on record, to tell how it is undone. */
	rehearsing = false;
	/** The compensation under way, until it is known how it ended. */
	compensating: Promise<void> | undefined;
	state: Rivet.WorkflowState = "running";
	ended = false;
	readonly result: Promise<Result>;
	readonly #workflow: Workflow;
	readonly #input: unknown;
	readonly #options: Rivet.RunWorkflowOptions;
	#resolve!: (result: Result) => void;
	#reject!: (error: unknown) => void;
	#root: Strand | undefined;
	#order = 0;
	#alarmMayBeSet = false;
	/** What it is about to end with; then it is no use to ask it to stop. */
	#ending: "completed" | "failed" | "yield" | undefined;
	#evicting = false;
	#failing = false;
	#refused = false;

	constructor(
		workflowId: string,
		workflow: Workflow,
		input: unknown,
		driver: Rivet.EngineDriver,
		options: Rivet.RunWorkflowOptions,
		rules: Rules,
	) {
		this.workflowId = workflowId;
		this.#workflow = workflow;
		this.#input = input;
		this.#options = options;
		this.result = new Promise((resolve, reject) => {
			this.#resolve = resolve;
			this.#reject = reject;
		});
		this.run = new Run(driver, options.mode ?? "yield", rules, {
			onQuiet: (waits) => void this.#yield(waits),
			onFailure: (error) => void this.#storageFailed(error),
		});
		void this.#start();
	}

	async #start(): Promise<void> {
		const { run } = this;
		const pairs = await run.io(() => run.driver.list(new Uint8Array()));
		if (run.stopping) return;
		let cut: Cut | undefined;
		try {
			({ recorded: this.recorded, cut } = load(pairs, run.rules));
		} catch (error) {
			this.refuse(error as StorageDamagedError);
			return;
		}
		const { recorded } = this;
		this.journal = new Journal(run.driver, run.io, run.rules, recorded.keys, (error) => this.#tooLarge(error));
		this.resumed = recorded.keys.size > 0;
		this.#alarmMayBeSet = this.resumed;
		if (cut !== undefined) await finishCut(run.io, run.driver, cut);
		if (this.#answerFromRecord()) return;
		this.#takeUp();
		if (recorded.state === "rolling_back") void this.#rollBack(recorded.error as FailureRecord);
		else this.#begin();
	}

	/** Whether the workflow had ended: then nothing runs, and nothing is written. */
	#answerFromRecord(): boolean {
		const { recorded, run } = this;
		const { rules } = run;
		if (recorded.state === "completed" || recorded.state === "failed") this.state = recorded.state;
		switch (recorded.state) {
			case "cancelled":
				if (rules.runCancelled === true) return false;
				// The alarm may have outlived a crash in the midst of the cancellation.
				void run
					.io(() => run.driver.clearAlarm(this.workflowId))
					.then(() => this.#end(() => this.#reject(new EvictedError())));
				return true;
			case "completed": {
				if (rules.forgetCompletion === true) break;
				const output = decodeValue(recorded.output as Uint8Array);
				void this.#end(() => this.#resolve({ state: "completed", output }));
				return true;
			}
			case "failed":
				if (rules.forgetFailure === true) break;
				void this.#end(() => this.#reject(errorOf(recorded.error as FailureRecord)));
				return true;
		}
		this.state = "running";
		return false;
	}

	/** Learns from the history what is taken, what is to be cleared away, and where the order of completions stands. */
	#takeUp(): void {
		const { root } = this.recorded;
		const since = lastCheckpoint(root);
		for (const entry of [...entriesOf(root)]) {
			const { data } = entry;
			if (data.kind === "step" || data.kind === "rollback_checkpoint")
				this.#order = Math.max(this.#order, data.order ?? 0);
			else if (data.kind === "race" && data.winner !== undefined && data.done) {
				// A crash came between the winner and the others.
				for (const [i, { name }] of data.branches.entries())
					if (i !== data.winner) this.#discard(entry, entry.branch(i, name));
			} else if (data.kind === "loop") {
				for (const block of [...entry.blocks.values()]) {
					if ((block.iteration ?? 0) < data.from && !waitsToBeUndone(block, since)) this.#discard(entry, block);
				}
			}
		}
		for (const { data } of entriesOf(root)) {
			if (data.kind === "message") {
				for (const { id } of data.messages ?? []) {
					this.claims.claim(id, data.completable ? !data.completed.includes(id) : !data.removed);
				}
			} else if (data.kind === "loop") for (const { id } of data.took) this.claims.claim(id, false);
		}
	}

	#discard(entry: Entry, block: Block): void {
		entry.blocks.delete(block.key);
		this.journal.removeNow(block.key);
	}

	#begin(): void {
		const { recorded, journal } = this;
		let { input } = recorded;
		if (input === undefined) {
			try {
				input = encodeValue(this.#input, "the workflow's input");
			} catch (error) {
				void this.fail(error);
				return;
			}
			const bytes = input;
			journal.change({ key: FIELDS.input, bytes: () => bytes });
		}
		const given = decodeValue(input);
		this.#runProgram(given).then(
			(output) => void this.#complete(output),
			(error) => {
				if (error !== HALT) void this.fail(error);
			},
		);
	}

	#runProgram(input: unknown): Promise<unknown> {
		const strand = new Strand(this.run);
		this.#root = strand;
		strand.running = true;
		const context = new Context({
			execution: this,
			strand,
			block: this.recorded.root,
			inRace: false,
			checkpoint: false,
		});
		return context.carryOut((root) => this.#workflow(root, input));
	}

	/** Whatever the program does now goes nowhere. */
	#dropProgram(): void {
		if (this.#root !== undefined) this.run.drop(this.#root);
	}

	/** Runs the program through what is on record, up to where it has come. */
	async rehearse(strand: Strand): Promise<void> {
		const { input } = this.recorded;
		this.rehearsing = true;
		this.#runProgram(input === undefined ? this.#input : decodeValue(input)).catch(() => {});
		// Nothing in it waits for anything but what is on record: at the next event it has come as far as it can.
		await this.run.wait(strand, { deadline: Date.now() });
		this.#dropProgram();
		this.rehearsing = false;
	}

	/** To be called before anything happens that is not on record. @throws HALT in a rehearsal. */
	onlyForReal(): void {
		if (this.rehearsing) throw HALT;
	}

	/** @param later what is on record behind it in its block already, where a torn batch kept that and lost this. */
	nextOrder(later: readonly (Entry | undefined)[]): number {
		let first = Number.POSITIVE_INFINITY;
		for (const entry of later) {
			if (entry === undefined) continue;
			for (const { data } of [entry, ...[...entry.blocks.values()].flatMap((block) => [...entriesOf(block)])]) {
				if (data.kind === "step" || data.kind === "rollback_checkpoint") first = Math.min(first, data.order || first);
			}
		}
		return first < Number.POSITIVE_INFINITY ? first - 0.5 : ++this.#order;
	}

	/** Whether something in the block is undone if the workflow fails now. */
	mayUndo(block: Block): boolean {
		return waitsToBeUndone(block, lastCheckpoint(this.recorded.root));
	}

	async #complete(output: unknown): Promise<void> {
		if (this.run.stopping || this.#ending !== undefined) return;
		let bytes: Uint8Array;
		try {
			bytes = encodeValue(output, "the workflow's output");
		} catch (error) {
			void this.fail(error);
			return;
		}
		this.#ending = "completed";
		this.#dropProgram();
		if (this.run.rules.forgetOutput !== true) this.journal.change({ key: FIELDS.output, bytes: () => bytes });
		await this.#close("completed");
		this.state = "completed";
		void this.#end(() => this.#resolve({ state: "completed", output: decodeValue(bytes) }));
	}

	/**
	 * A mistake of the program: it fails as it stands, and cannot be caught. In a branch that others may beat it ends the branch
	 * alone. @returns what is to be thrown for it.
	 */
	mistake(error: Error, { inRace }: Pick<Scope, "inRace">): object {
		if (inRace) return error;
		void this.fail(error);
		return HALT;
	}

	async fail(error: unknown): Promise<void> {
		const { run, journal } = this;
		if (run.stopping || this.#failing) return;
		this.#failing = true;
		this.#ending = undefined;
		this.#dropProgram();
		const record = this.#recordOf(error);
		const { rules } = run;
		if (rules.forgetError !== true) journal.change({ key: FIELDS.error, bytes: () => encodeValue(record) });
		this.report({ workflow: { workflowId: this.workflowId, error: { name: record.name, message: record.message } } });
		if (!record.undo) {
			this.#ending = "failed";
			await this.#close("failed");
			this.state = "failed";
			void this.#end(() => this.#reject(errorOf(record)));
			return;
		}
		if (rules.undoBeforeRecord !== true) {
			this.#writeState("rolling_back");
			await journal.flush();
			if (run.stopping) return;
		}
		await this.#rollBack(record);
	}

	#recordOf(error: unknown): FailureRecord {
		const isMistake = error instanceof RollbackCheckpointError || error instanceof HistoryDivergedError;
		const undo = !isMistake && pendingUndos(this.recorded.root).length > 0 && this.run.rules.neverUndo !== true;
		return { ...recordOf(error), undo };
	}

	/** A record that no batch can hold fails the workflow: running what made it again would change nothing. */
	#tooLarge(error: Error): void {
		if (!this.#evicting || this.#failing) {
			void this.fail(error);
			return;
		}
		this.#failing = true;
		const record = this.#recordOf(error);
		this.journal.change({ key: FIELDS.error, bytes: () => encodeValue(record) });
		this.#writeState(record.undo ? "rolling_back" : "failed");
	}

	async #rollBack(failure: FailureRecord): Promise<void> {
		this.#failing = true;
		this.state = "rolling_back";
		const isOver = await rollBack(this);
		if (!isOver || this.run.stopping) return;
		this.#ending = "failed";
		await this.#close("failed");
		this.state = "failed";
		void this.#end(() => this.#reject(errorOf(failure)));
	}

	/** Has the last state on record, with all that is not yet. */
	async #close(state: EndState): Promise<void> {
		const { run, journal } = this;
		await this.removals.settle();
		// Before the end is on record: after a crash in between the next run comes to the same end, and clears it again.
		if (this.#alarmMayBeSet && run.rules.keepAlarm !== true) await run.io(() => run.driver.clearAlarm(this.workflowId));
		if (run.rules.forgetState !== true) this.#writeState(state);
		await journal.flush();
	}

	#writeState(state: EndState): void {
		this.journal.change({ key: FIELDS.state, bytes: () => Buffer.from(state) });
	}

	/** Nothing of it is left when anybody learns of the end. */
	async #end(tell: () => void): Promise<void> {
		if (this.ended) return;
		this.run.stop();
		await this.run.close();
		if (this.ended) return;
		this.ended = true;
		tell();
	}

	async #yield(waits: readonly Wait[]): Promise<void> {
		const { run, journal } = this;
		if (this.#ending !== undefined || run.stopping) return;
		this.#ending = "yield";
		run.stop();
		await this.removals.settle();
		const deadline = Math.min(...waits.map((wait) => wait.deadline ?? Number.POSITIVE_INFINITY));
		const { rules } = run;
		if (rules.alarmBeforeFlush === true && deadline < Number.POSITIVE_INFINITY) await this.setAlarm(deadline);
		if (rules.yieldBeforeFlush !== true) await journal.drained();
		if (rules.noAlarm !== true && rules.alarmBeforeFlush !== true && deadline < Number.POSITIVE_INFINITY)
			await this.setAlarm(deadline);
		const names = namesOf(waits);
		void this.#end(() =>
			this.#resolve({
				state: "sleeping",
				...(deadline < Number.POSITIVE_INFINITY ? { sleepUntil: deadline } : {}),
				...(names === undefined || rules.tellNoNames === true ? {} : { waitingForMessages: names }),
			}),
		);
	}

	setAlarm(at: number): Promise<void> {
		this.#alarmMayBeSet = true;
		return this.run.io(() => this.run.driver.setAlarm(this.workflowId, at));
	}

	/** Stops in good order: what is done is on record, nothing new begins, and a compensation under way comes to its end. */
	evict(): void {
		if (this.ended || this.#evicting) return;
		this.#evicting = true;
		this.run.abort.abort();
		if (this.#ending === undefined) void this.#stop();
	}

	async #stop(): Promise<void> {
		const { run, journal } = this;
		run.stop();
		await this.compensating;
		await this.removals.settle();
		if (journal !== undefined && run.rules.evictBeforeFlush !== true) await journal.drained();
		void this.#end(() => this.#resolve({ state: "sleeping" }));
	}

	/** What was recorded is no history of this program, or is damaged: nothing of it is touched. @returns what is to be thrown. */
	refuse(error: HistoryDivergedError | StorageDamagedError): object {
		if (this.run.rules.failOnDivergence === true && this.journal !== undefined) void this.fail(error);
		else void this.#storageFailed(error);
		return HALT;
	}

	/** Ends the run with what storage said. Asked to stop, it has stopped all the same. */
	async #storageFailed(error: unknown): Promise<void> {
		const { run } = this;
		if (this.#refused) return;
		this.#refused = true;
		if (run.rules.takeStorageForFailure === true && this.#ending === undefined && this.journal !== undefined) {
			void this.fail(error);
			return;
		}
		run.stop();
		const left = run.closeNow();
		await this.compensating;
		await left;
		if (this.ended) return;
		this.ended = true;
		if (this.#evicting) this.#resolve({ state: "sleeping" });
		else this.#reject(error);
	}

	/** Tells whoever watches. */
	report(event: Rivet.WorkflowErrorEvent): void {
		const { onError } = this.#options;
		if (onError === undefined) return;
		Promise.resolve()
			.then(() => onError(event))
			.catch(() => {});
	}
}

/** The names to be woken for: none for any; undefined when no message is waited for. */
function namesOf(waits: readonly Wait[]): string[] | undefined {
	const lists = waits.flatMap(({ names }) => (names === undefined ? [] : [names]));
	if (lists.length === 0) return undefined;
	return lists.some((names) => names.length === 0) ? [] : [...new Set(lists.flat())];
}
